//! Networks in time: containers that come and go, on several at once, killed or not, and what is left.

use crate::host::Host;
use crate::netns::{FAR, HOST, OTHER, Server, World, traffic};
use crate::process::{fewer, until};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;

/// The monitor of a running container, which is the parent of its first process.
fn monitor(h: &Host, name: &str) -> Pid {
    let status = std::fs::read_to_string(format!("/proc/{}/status", h.pid(name))).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    Pid::from_raw(parent.trim().parse().unwrap()).unwrap()
}

#[test]
fn fifty_at_once_have_fifty_addresses() {
    let Some(w) = World::new() else { return };
    let before = w.net.state();
    std::thread::scope(|scope| {
        for at in 0..50 {
            let w = &w;
            scope.spawn(move || w.serve(&format!("box{at}"), "", "7"));
        }
    });
    let ips: BTreeSet<String> = (0..50).map(|at| w.ip(&format!("box{at}"))).collect();
    assert_eq!(ips.len(), 50, "{ips:?}");
    for ip in &ips {
        assert_eq!(traffic(&w.net, &format!("who tcp {ip}:7")), w.gateway("box0"));
    }
    let names: Vec<String> = (0..50).map(|at| format!("box{at}")).collect();
    w.ok(&[&["rm", "-f"][..], &names.iter().map(String::as_str).collect::<Vec<_>>()].concat()[..]);
    w.net.unchanged(&before);
}

#[test]
fn two_hundred_rounds_leave_nothing() {
    let Some(w) = World::new() else { return };
    w.ok("network create back");
    let before = w.net.state();
    w.ok("create --name box -p 8080:80 -p 8080:80/udp -p 9000 busybox sleep 1000");
    w.ok("create --name both --network back -p 8081:80 busybox sleep 1000");
    w.ok("network connect bridge both");
    for _ in 0..fewer(100) {
        w.ok("start box both");
        w.ok("stop -t 0 box both");
    }
    w.ok("rm box both");
    w.net.unchanged(&before);
}

/// The command makes the bridge beside its monitor, which may be the first, done, or have failed.
#[test]
fn lone_ones_leave_no_bridge_and_fail_as_without_one() {
    let Some(w) = World::new() else { return };
    // Before the first one: its answer comes before its bridge has gone.
    let before = w.net.state();
    w.ok("run --rm busybox true");
    w.net.unchanged(&before);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..fewer(20) {
                    w.ok("run --rm busybox true");
                }
            });
        }
    });
    w.net.unchanged(&before);
    for wrong in ["--tmpfs /etc/passwd busybox true", "--sysctl net.ipv4.nothing=1 busybox true", "busybox nothing"] {
        let outcome = |network: &str| {
            let output = w.run(&format!("run --rm --network {network} {wrong}"));
            (output.code, output.err)
        };
        let (alone, on_bridge) = (outcome("none"), outcome("bridge"));
        assert_ne!(alone.0, 0, "{wrong}");
        assert_eq!(alone, on_bridge, "{wrong}");
        w.net.unchanged(&before);
    }
}

#[test]
fn monitors_that_are_killed_leave_nothing_after_the_next_command() {
    let Some(w) = World::new() else { return };
    w.ok("network create --ipv6 --subnet fd77::/64 back");
    w.net.set("ipv6/conf/all/forwarding", "1");
    let before = w.net.state();
    for (round, command) in ["ps", "rm -f box0 box1 box2 box3"].iter().enumerate() {
        if round == 0 {
            w.ok("run -d --name box0 -p 8080:80 busybox sleep 1000");
            w.ok("run -d --name box1 --network back -p 8081:80 -p 8082:80/udp busybox sleep 1000");
            w.ok("run -d --name box2 busybox sleep 1000");
            w.ok("create --name box3 --network back busybox sleep 1000");
            w.ok("network connect bridge box3");
            w.ok("start box3");
        } else {
            w.ok("start box0 box1 box2 box3");
        }
        let monitors: Vec<Pid> = (0..4).map(|at| monitor(&w, &format!("box{at}"))).collect();
        for pid in &monitors {
            kill_process(*pid, Signal::KILL).unwrap();
        }
        until("they are gone", || monitors.iter().all(|pid| rustix::process::test_kill_process(*pid).is_err()));
        w.ok(*command);
        w.net.unchanged(&before);
    }
}

/// A command that is killed while it makes a network's bridge, or a container's link on it, is in nobody's way.
#[test]
fn after_a_kill_the_next_one_starts() {
    let Some(w) = World::new() else { return };
    let before = w.net.state();
    for _ in 0..5 {
        w.ok("run -d --name box -p 8080:80 busybox sleep 1000");
        kill_process(monitor(&w, "box"), Signal::KILL).unwrap();
        // At once: the kernel may not have taken down what the killed ones held.
        assert_eq!(w.ok("run --rm busybox echo next"), "next");
        w.ok("rm -f box");
    }
    w.net.unchanged(&before);
}

#[test]
fn the_first_container_switches_forwarding_on_and_says_so() {
    let Some(w) = World::new() else { return };
    w.net.set("ipv4/ip_forward", "0");
    let _far = Server::new(&w.other, &format!("{FAR}:7"));
    let run = w.run("run --rm busybox echo hi").exits(0);
    assert_eq!(run.out, "hi\n");
    assert!(run.err.contains("forward") && run.err.lines().count() == 1, "{run:?}");
    assert_eq!(w.net.get("ipv4/ip_forward"), "1");
    // The next one has nothing to say.
    assert_eq!(w.ok("run --rm busybox echo hi"), "hi");
    // Who has a network of no consequence for others changes nothing.
    w.net.set("ipv4/ip_forward", "0");
    for flags in ["--network none", "--network host"] {
        assert_eq!(w.ok(&format!("run --rm {flags} busybox echo hi")), "hi");
    }
    w.ok("network create --internal quiet");
    assert_eq!(w.ok("run --rm --network quiet busybox echo hi"), "hi");
    assert_eq!(w.net.get("ipv4/ip_forward"), "0");
}

#[test]
fn names_are_right_after_a_restart() {
    let Some(w) = World::new() else { return };
    w.ok("network create net");
    let idle = |name: &str| w.idle(&format!("--network net --name {name}"));
    for name in ["aa", "bb"] {
        idle(name);
    }
    let address = |name: &str| {
        let line = w.ok(&format!("exec bb ping -c 1 -W 5 {name}"));
        line.lines().next().unwrap().split(['(', ')']).nth(1).unwrap().to_owned()
    };
    assert_eq!(address("aa"), w.ip("aa"));
    w.ok("stop aa");
    assert!(w.run("exec bb ping -c 1 -W 1 aa").code != 0);
    idle("cc");
    w.ok("start aa");
    assert_eq!((address("aa"), address("cc")), (w.ip("aa"), w.ip("cc")));
    assert_ne!(w.ip("aa"), w.ip("cc"));
    w.ok("restart aa bb");
    assert_eq!((address("aa"), address("bb"), address("cc")), (w.ip("aa"), w.ip("bb"), w.ip("cc")));
    w.ok("rename cc dd");
    assert_eq!(address("dd"), w.ip("dd"));
}

#[test]
fn addresses_that_were_asked_for() {
    let Some(w) = World::new() else { return };
    w.ok("network create --subnet 192.168.77.0/24 --ip-range 192.168.77.128/25 net");
    let flags = "--network net --ip 192.168.77.9 --mac-address 02:42:c0:a8:4d:63";
    w.ok(&format!("run -d --name aa {flags} busybox sleep 1000"));
    let shown = w.ok("exec aa ip addr show eth0");
    assert!(shown.contains("inet 192.168.77.9/24") && shown.contains("link/ether 02:42:c0:a8:4d:63"), "{shown}");
    w.run("run --network net --ip 192.168.77.9 busybox true").fails(125, "192.168.77.9");
    w.run("run --network net --ip 192.168.78.9 busybox true").fails(125, "192.168.78.9");
    w.run("run --ip 172.17.0.9 busybox true").fails(125, "user specified IP address is supported");
    let next = w.ok("run --rm --network net busybox hostname -i");
    assert!(next.starts_with("192.168.77.12") || next.starts_with("192.168.77.13"), "{next}");
    w.ok("restart -t 0 aa");
    assert_eq!(w.ip("aa"), "192.168.77.9");
}

#[test]
fn subnets_that_overlap_are_refused() {
    let Some(w) = World::new() else { return };
    w.ok("network create --subnet 192.168.77.0/24 net");
    w.run("network create --subnet 192.168.77.128/25 other").fails(1, "overlaps");
    w.run("network create --subnet 10.99.0.0/16 other").fails(1, "overlaps");
    // The default one avoids what the host has by then.
    w.net.sh("ip link add own type bridge; ip link set own up; ip addr add 172.17.5.1/16 dev own");
    let ip = w.ok("run --rm busybox hostname -i");
    assert!(!ip.starts_with("172.17."), "{ip}");
}

#[test]
fn networks_come_and_go_while_it_runs() {
    let Some(w) = World::new() else { return };
    let before = w.net.state();
    w.ok("network create one");
    w.ok("network create two");
    w.serve("aa", "--network one", "7");
    w.serve("bb", "--network two", "7");
    assert_eq!(w.ok("exec aa ls /sys/class/net"), "eth0\nlo");
    w.ok("network connect two aa");
    assert_eq!(w.ok("exec aa ls /sys/class/net"), "eth0\neth1\nlo");
    assert_eq!(w.asked("aa", &format!("echo tcp {}:7 100000", w.ip("bb"))), "same");
    let two = w.ok("inspect -f {{.NetworkSettings.Networks.two.IPAddress}} aa");
    assert_eq!(w.asked("bb", &format!("who udp {two}:7")), w.ip("bb"));
    w.run("network rm two").fails(1, "has active endpoints");
    w.ok("network disconnect one aa");
    assert_eq!(w.ok("exec aa ls /sys/class/net"), "eth1\nlo");
    assert_eq!(w.asked("aa", &format!("echo tcp {}:7 100000", w.ip("bb"))), "same");
    assert_eq!(w.ok("network rm one"), "one");
    let _far = Server::new(&w.other, &format!("{FAR}:7"));
    assert_eq!(w.asked("aa", &format!("who tcp {FAR}:7")), HOST);
    w.ok("network disconnect two aa");
    assert_eq!(w.ok("exec aa ls /sys/class/net"), "lo");
    w.ok("network connect --alias same two aa");
    assert_eq!(w.ok("exec aa ls /sys/class/net"), "eth0\nlo");
    assert!(w.run("exec bb ping -c 1 -W 5 same").code == 0);
    w.ok("rm -f aa bb");
    assert_eq!(w.ok("network prune -f"), "Deleted Networks:\ntwo\n");
    w.net.unchanged(&before);
}

/// A published port of a container that gets its network later.
#[test]
fn ports_follow_a_container_to_another_network() {
    let Some(w) = World::new() else { return };
    w.ok("network create one");
    w.ok("network create two");
    w.serve("web", "--network one -p 8080:7", "7");
    assert_eq!(traffic(&w.other, &format!("who tcp {HOST}:8080")), OTHER);
    w.ok("network connect two web");
    w.ok("network disconnect one web");
    assert_eq!(traffic(&w.other, &format!("who tcp {HOST}:8080")), OTHER);
}
