//! Published ports, with real traffic: from the other host, from the host itself, and from containers.

use crate::netns::{HOST, HOST6, Netns, OTHER, Server, World, traffic};
use crate::process::until;

/// How long a packet is waited for that is not to come, in milliseconds.
const SHORTLY: u32 = 500;
const PROTOCOLS: [&str; 2] = ["tcp", "udp"];

#[test]
fn from_all_sides() {
    let Some(w) = World::new() else { return };
    w.serve("web", "-p 8080:7 -p 8080:7/udp", "7");
    w.serve("peer", "", "7");
    let (web, peer, gateway) = (w.ip("web"), w.ip("peer"), w.gateway("web"));
    for protocol in PROTOCOLS {
        // The other host. IPv6 is relayed: the container has none.
        for at in [format!("{HOST}:8080"), format!("[{HOST6}]:8080")] {
            assert_eq!(traffic(&w.other, &format!("echo {protocol} {at} 1000000")), "same", "{at}");
        }
        // The host itself, by all its names.
        for at in [
            "127.0.0.1:8080".to_owned(),
            "[::1]:8080".to_owned(),
            format!("{HOST}:8080"),
            format!("[{HOST6}]:8080"),
            format!("{gateway}:8080"),
        ] {
            assert_eq!(traffic(&w.net, &format!("echo {protocol} {at} 100000")), "same", "{protocol} {at}");
        }
        // Another container, and the container itself.
        for from in ["peer", "web"] {
            for at in [format!("{HOST}:8080"), format!("{gateway}:8080"), format!("{web}:7")] {
                assert_eq!(w.asked(from, &format!("echo {protocol} {at} 100000")), "same", "{from} {protocol} {at}");
            }
        }
        // Who asks from outside is seen as who it is.
        assert_eq!(traffic(&w.other, &format!("who {protocol} {HOST}:8080")), OTHER);
        assert_eq!(w.asked("peer", &format!("who {protocol} {web}:7")), peer);
    }
    w.ok("rm -f web");
    for protocol in PROTOCOLS {
        assert_eq!(traffic(&w.other, &format!("who {protocol} {HOST}:8080 2000")), "refused");
        assert_eq!(traffic(&w.net, &format!("who {protocol} 127.0.0.1:8080 2000")), "refused");
    }
}

#[test]
fn ten_megabytes_through_a_port() {
    let Some(w) = World::new() else { return };
    w.serve("web", "-p 8080:7 -p 8080:7/udp", "7");
    for protocol in PROTOCOLS {
        for at in [format!("{HOST}:8080"), format!("[{HOST6}]:8080")] {
            assert_eq!(traffic(&w.other, &format!("echo {protocol} {at} 10000000")), "same", "{protocol} {at}");
        }
    }
}

/// What is published on one address is not reachable at another, also not by the way of another host.
#[test]
fn on_one_address_only() {
    let Some(w) = World::new() else { return };
    w.serve("web", "-p 127.0.0.1:8081:7 -p 127.0.0.1:8081:7/udp", "7");
    w.serve("wide", &format!("-p {HOST}:8082:7 -p {HOST}:8082:7/udp"), "7");
    w.other
        .sh(&format!("ip addr flush dev lo; ip route flush table local dev lo; ip route add 127.0.0.0/8 via {HOST}"));
    w.other.set("ipv4/conf/all/route_localnet", "1");
    for protocol in PROTOCOLS {
        assert_eq!(traffic(&w.net, &format!("echo {protocol} 127.0.0.1:8081 100000")), "same");
        assert_eq!(traffic(&w.other, &format!("who {protocol} {HOST}:8081 2000")), "refused");
        assert_eq!(traffic(&w.other, &format!("who {protocol} 127.0.0.1:8081 {SHORTLY}")), "silent");
        assert_eq!(w.asked("wide", &format!("who {protocol} {HOST}:8081 2000")), "refused");
        assert_eq!(traffic(&w.other, &format!("who {protocol} {HOST}:8082")), OTHER);
        assert_eq!(traffic(&w.net, &format!("echo {protocol} {HOST}:8082 100000")), "same");
        assert_eq!(traffic(&w.net, &format!("who {protocol} 127.0.0.1:8082 2000")), "refused");
    }
}

#[test]
fn one_that_is_in_use_is_refused_before_the_start() {
    let Some(w) = World::new() else { return };
    w.serve("web", "-p 8080:7", "7");
    until("the links have all their addresses", || w.net.sh("ip -o addr show tentative").is_empty());
    let before = (w.snapshot(), w.net.state());
    w.run("run --name late -p 8080:7 busybox true").fails(125, "8080");
    let _taken = Server::new(&w.net, "9090");
    w.run("run --name late -p 9090:7 busybox true").fails(125, "9090");
    w.run("run --name late -p 7001-7003:7001-7003 -p 127.0.0.1:7002:7 busybox true").fails(125, "7002");
    w.run("run --name late -p 1234:7 -p 9090:7/udp busybox true").fails(125, "9090");
    w.unchanged(&before.0);
    w.net.unchanged(&before.1);
    // udp and tcp have ports of their own, and so have addresses.
    assert_eq!(w.ok("run --rm -p 8080:7/udp busybox echo hi"), "hi");
    w.ok("rm -f web");
    w.ok("run -d --name one -p 127.0.0.1:8080:7 busybox sleep 1000");
    assert_eq!(w.ok(&format!("run --rm -p {HOST}:8080:7 busybox echo hi")), "hi");
}

#[test]
fn one_that_nobody_chose_is_free_and_shown() {
    let Some(w) = World::new() else { return };
    w.serve("web", "-p 7 -p 127.0.0.1::8", "7 8");
    let shown = w.ok("port web 7");
    let port = shown.lines().next().unwrap().strip_prefix("0.0.0.0:").unwrap().to_owned();
    assert_eq!(traffic(&w.other, &format!("who tcp {HOST}:{port}")), OTHER);
    let local = w.ok("port web 8");
    assert_eq!(traffic(&w.net, &format!("echo tcp {local} 1000")), "same");
    // Twenty at once.
    let all: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..20).map(|_| scope.spawn(|| w.ok("run --rm -p 80 busybox echo hi"))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(all.iter().all(|said| said == "hi"));
}

/// The same port of each container, after a restart too.
#[test]
fn after_a_restart() {
    let Some(w) = World::new() else { return };
    w.serve("web", "-p 8080:7 -p 7", "7");
    w.ok("run -d --name between busybox sleep 1000");
    w.ok("restart -t 0 web");
    until("it listens again", || traffic(&w.other, &format!("who tcp {HOST}:8080 2000")) == OTHER);
    let port = w.ok("port web 7");
    assert!(port.contains("0.0.0.0:8080"), "{port}");
}

/// A connection outlives nothing of ours: neither the command that published, nor another container's end.
#[test]
fn connections_go_on_while_others_come_and_go() {
    let Some(w) = World::new() else { return };
    w.serve("web", "-p 8080:7", "7");
    let (other, done) = (w.other.clone(), std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..5 {
                assert_eq!(traffic(&other, &format!("echo tcp {HOST}:8080 5000000")), "same");
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            w.ok("run --rm -p 8081:7 busybox true");
        }
    });
}

#[test]
fn with_the_network_of_a_container_that_publishes() {
    let Some(w) = World::new() else { return };
    w.ok("run -d --name pod -p 8080:7 busybox sleep 1000");
    w.serve("member", "--network container:pod", "7");
    assert_eq!(traffic(&w.other, &format!("who tcp {HOST}:8080")), OTHER);
    assert_eq!(w.ok("exec member ip -o addr"), w.ok("exec pod ip -o addr"));
    assert_eq!(w.ok("exec member cat /etc/hosts"), w.ok("exec pod cat /etc/hosts"));
    assert_eq!(w.ok("exec member hostname"), w.ok("exec pod hostname"));
    let (pod, member) = (Netns::of(w.pid("pod")), Netns::of(w.pid("member")));
    assert_eq!(pod.sh("readlink /proc/self/ns/net"), member.sh("readlink /proc/self/ns/net"));
}
