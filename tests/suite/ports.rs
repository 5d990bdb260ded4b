//! The sockets that reserve published ports, and the relays behind them: what they cost, and that they go.

use crate::netns::{World, traffic};
use crate::process::{at_most, until};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// IPv6 to a container without it is relayed.
const AT: &str = "[::1]:8080";
const PATIENCE: Duration = Duration::from_secs(20);
/// As many relays as there can be at once.
const RELAYS_MAX: usize = 256;

/// The monitor of a container.
fn monitor(w: &World, name: &str) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", w.pid(name))).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Children of a process by their names, those that nobody has reaped too, but without the container's own process.
fn relays(monitor: i32) -> Vec<i32> {
    let all = fs::read_to_string(format!("/proc/{monitor}/task/{monitor}/children")).unwrap();
    let is_relay =
        |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|n| n.starts_with("mydocker-"));
    all.split_whitespace().map(|pid| pid.parse().unwrap()).filter(is_relay).collect()
}

fn open_files(monitor: i32) -> usize {
    fs::read_dir(format!("/proc/{monitor}/fd")).unwrap().count()
}

/// A connection to the server of tests/traffic that sends back what it gets.
fn connect(w: &World) -> TcpStream {
    let mut connection = w.net.inside(|| TcpStream::connect(AT)).unwrap();
    connection.set_read_timeout(Some(at_most(PATIENCE))).unwrap();
    connection.write_all(b"e").unwrap();
    connection
}

fn ask(connection: &mut TcpStream, text: &str) -> std::io::Result<()> {
    connection.write_all(text.as_bytes())?;
    let mut answer = vec![0; text.len()];
    connection.read_exact(&mut answer)?;
    assert_eq!(answer, text.as_bytes());
    Ok(())
}

#[test]
fn two_hundred_connections_leave_nothing() {
    let Some(w) = World::new() else { return };
    w.serve("web", "-p 8080:7", "7");
    let monitor = monitor(&w, "web");
    ask(&mut connect(&w), "once").unwrap();
    until("the relay has gone", || relays(monitor).is_empty());
    let before = open_files(monitor);
    let mut all: Vec<TcpStream> = (0..200).map(|_| connect(&w)).collect();
    for connection in &mut all {
        ask(connection, "ping").unwrap();
    }
    assert_eq!(relays(monitor).len(), 200);
    // A relay has its two sockets and /dev/null, and no powers.
    let relay = relays(monitor)[0];
    assert_eq!(open_files(relay), 3);
    let status = fs::read_to_string(format!("/proc/{relay}/status")).unwrap();
    for line in ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{status}");
    }
    for connection in &mut all {
        ask(connection, "pong").unwrap();
    }
    drop(all);
    until("the relays have gone", || relays(monitor).is_empty());
    assert_eq!(open_files(monitor), before);
}

#[test]
fn who_is_too_many_waits() {
    let Some(w) = World::new() else { return };
    w.serve("web", "-p 8080:7", "7");
    let monitor = monitor(&w, "web");
    let mut all: Vec<TcpStream> = (0..RELAYS_MAX).map(|_| connect(&w)).collect();
    for connection in &mut all {
        ask(connection, "ping").unwrap();
    }
    let mut late = connect(&w);
    late.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(matches!(ask(&mut late, "late").unwrap_err().kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert_eq!(relays(monitor).len(), RELAYS_MAX);
    assert_eq!(traffic(&w.net, "echo tcp 127.0.0.1:8080 1000"), "same");
    all.pop();
    late.set_read_timeout(Some(at_most(PATIENCE))).unwrap();
    late.read_exact(&mut [0; 4]).unwrap();
}

/// Each side may end its half, and who breaks off is heard of on the other side.
#[test]
fn ends_are_passed_on() {
    let Some(w) = World::new() else { return };
    w.serve("web", "-p 8080:7 -p 8081:9", "7");
    assert_eq!(traffic(&w.net, &format!("echo tcp {AT} 10000000")), "same");
    let mut half = connect(&w);
    ask(&mut half, "ping").unwrap();
    half.write_all(b"last").unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    half.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"last");
    // Nobody listens there in the container.
    let deaf = w.net.inside(|| TcpStream::connect("[::1]:8081"));
    let reset = deaf.and_then(|mut deaf| deaf.read(&mut [0; 1])); // whichever of the two hears of it
    assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);
    // The server dies with unread bytes.
    let mut cut = connect(&w);
    ask(&mut cut, "ping").unwrap();
    w.ok("kill web");
    assert!(matches!(cut.read(&mut [0; 1]), Ok(0) | Err(_)));
}

#[test]
fn each_client_of_udp_has_a_way_of_its_own() {
    let Some(w) = World::new() else { return };
    w.serve("web", "-p 8080:7/udp", "7");
    let monitor = monitor(&w, "web");
    let before = open_files(monitor);
    let clients: Vec<UdpSocket> = (0..5).map(|_| w.net.inside(|| UdpSocket::bind("[::1]:0").unwrap())).collect();
    // While the way of a client is being made, datagrams of others may get lost: each says hello until it is heard.
    for client in &clients {
        client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        until("the way is made", || {
            client.send_to(b"hello", AT).unwrap();
            client.recv_from(&mut [0; 64]).is_ok()
        });
    }
    for number in 0..20 {
        for (at, client) in clients.iter().enumerate() {
            client.send_to(format!("{at}: {number}").as_bytes(), AT).unwrap();
        }
    }
    for (at, client) in clients.iter().enumerate() {
        client.set_read_timeout(Some(at_most(PATIENCE))).unwrap();
        // The first ones may be overtaken.
        let mut missing: Vec<String> = (0..20).map(|number| format!("{at}: {number}")).collect();
        while !missing.is_empty() {
            let mut buf = [0; 64];
            let (n, from) = client.recv_from(&mut buf).unwrap();
            assert_eq!(from, AT.parse().unwrap());
            if &buf[..n] == b"hello" {
                continue; // the answer to one that was late
            }
            let place = missing.iter().position(|text| text.as_bytes() == &buf[..n]).unwrap();
            missing.remove(place);
        }
    }
    assert_eq!(relays(monitor).len(), 5);
    // For each the process, and the way for what came before its own socket was there.
    assert_eq!(open_files(monitor), before + 10);
    w.run("run --rm -p 8080:7/udp busybox true").fails(125, "port is already allocated");
    w.ok("stop -t 0 web");
    w.net.inside(|| UdpSocket::bind(AT)).unwrap();
}

/// Whatever ends a container, its ports are free then, and whoever talked to it hears of it.
#[test]
fn all_is_given_back() {
    let Some(w) = World::new() else { return };
    // Both versions of IP.
    let free = || w.net.inside(|| TcpListener::bind("[::]:8080")).is_ok();
    let tables = || w.net.our_tables().len();
    for end in ["stop -t 0 web", "rm -f web", "monitor"] {
        w.run("rm -f web");
        let id = w.serve("web", "-p 8080:7", "7");
        assert!(!free());
        assert_eq!(tables(), 2, "the network's and the container's");
        let mut connection = connect(&w);
        ask(&mut connection, "ping").unwrap();
        if end == "monitor" {
            let pid = rustix::process::Pid::from_raw(monitor(&w, "web")).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            until("all have gone", free);
            w.ok("rm -f web");
        } else {
            w.ok(end);
        }
        assert!(free(), "{end}");
        let own = format!("inet mydocker-{}", &id[..12]);
        assert!(!w.net.our_tables().iter().any(|table| table.contains(&own)), "{end}");
        until("the network's rules have gone", || tables() == 0);
        assert!(matches!(connection.read(&mut [0; 1]), Ok(0) | Err(_)), "{end}");
    }
    w.run("run --rm -p 8080:7 busybox /no/such/program").fails(127, "/no/such/program");
    assert!(free());
    w.run("run --rm -p 8080:7 -p 203.0.113.7:8080:7 busybox true").fails(125, "cannot assign requested address");
    assert!(free());
    until("all rules have gone", || tables() == 0);
}

#[test]
fn one_of_several_ports_and_each_of_many() {
    let Some(w) = World::new() else { return };
    let names = ["one", "two", "three"];
    for name in names {
        w.ok(&format!("run -d --name {name} -p 7001-7003:7 busybox sleep 1000"));
    }
    let mut got: Vec<String> = names.iter().map(|name| w.ok(&["port", name, "7/tcp"])).collect();
    got.sort();
    for (at, port) in got.iter().enumerate() {
        assert!(port.starts_with(&format!("0.0.0.0:{}", 7001 + at)), "{got:?}");
    }
    w.run("run --rm -p 7001-7003:7 busybox true").fails(125, "0.0.0.0:7001-7003/tcp failed");
    // Who has it for IPv6 alone has it.
    let _six = w.net.inside(|| TcpListener::bind("[::1]:7010")).unwrap();
    w.run("run --rm -p 7010:7 busybox true").fails(125, "[::]:7010/tcp failed");
    assert_eq!(w.ok("run --rm -p 0.0.0.0:7010:7 busybox echo hi"), "hi");
    // More rules than the kernel would answer one by one.
    w.serve("many", "-p 20000-20199:20000-20199 -p 20000-20199:20000-20199/udp", "20123");
    assert_eq!(traffic(&w.net, "echo tcp 127.0.0.1:20123 1000"), "same");
    assert_eq!(traffic(&w.net, "echo udp [::1]:20123 1000"), "same");
}
