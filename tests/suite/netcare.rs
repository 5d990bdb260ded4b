//! Networks whose surroundings do what they should not: somebody flushes rules and switches bridges off, containers spoil
//! their links and files, ports change with the networks.

use crate::host::Host;
use crate::netns::{FAR, HOST, Netns, OTHER, Server, World, traffic};
use crate::process::{at_most, until};
use rustix::process::{Pid, Signal, kill_process};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

fn bridge(h: &Host, network: &str) -> String {
    format!("md-{}", &h.ok(&["network", "inspect", "-f", "{{.Id}}", network])[..12])
}

#[test]
fn a_container_does_not_tell_the_host_where_the_world_is() {
    let h = Host::new();
    h.idle("--name web");
    let bridge = bridge(&h, "bridge");
    assert_eq!(h.net.get(&format!("ipv6/conf/{bridge}/accept_ra")), "0");
    // Neither to 127.0.0.0/8 nor from there does a packet come in by the bridge.
    let rules = h.net.sh("nft list ruleset");
    for what in ["daddr", "saddr"] {
        assert!(rules.contains(&format!("iifname \"{bridge}\" ip {what} 127.0.0.0/8 drop")), "{rules}");
    }
}

#[test]
fn rules_that_were_flushed_come_back() {
    let Some(w) = World::new() else { return };
    let _far = Server::new(&w.other, &format!("{FAR}:7"));
    w.idle(&format!("--name aa {}", World::tool()));
    let before = w.net.sh("nft -s list ruleset");
    w.net.sh("nft flush ruleset");
    w.ok("run --rm busybox true");
    assert_eq!(w.net.sh("nft -s list ruleset"), before);
    assert_eq!(w.asked("aa", &format!("who tcp {FAR}:7")), HOST);
}

#[test]
fn a_bridge_that_was_switched_off_keeps_its_containers() {
    let h = Host::new();
    for name in ["aa", "bb"] {
        h.idle(&format!("--name {name}"));
    }
    h.net.sh(&format!("ip link set {} down", bridge(&h, "bridge")));
    h.idle("--name cc");
    for name in ["aa", "cc"] {
        h.ok(&format!("exec {name} ping -c 1 -W 5 bb"));
    }
}

#[test]
fn a_link_of_the_containers_own_is_in_nobodys_way() {
    let h = Host::new();
    h.ok("network create --subnet 11.0.0.0/8 large");
    h.idle("--name aa --cap-add NET_ADMIN");
    h.ok("exec aa ip link add eth1 type bridge");
    let started = Instant::now();
    h.run("network connect large aa").fails(1, "the container has a link eth1 of its own");
    assert!(started.elapsed() < at_most(Duration::from_secs(30)), "it tried all addresses");
    assert_eq!(h.ok("inspect -f '{{len .NetworkSettings.Networks}}' aa"), "1");
    h.ok("exec aa ip link del eth1");
    h.ok("network connect large aa");
    h.ok("exec aa ip addr show eth1");
}

#[test]
fn a_spoiled_hosts_file_keeps_nobody_on_a_network() {
    let h = Host::new();
    h.ok("network create one");
    h.idle("--name aa --network one");
    h.ok("exec aa sh -c 'dd if=/dev/zero of=/etc/hosts bs=1M count=2 2>/dev/null'");
    h.ok("network connect bridge aa");
    h.ok("network disconnect one aa");
    assert_eq!(h.ok("exec aa sh -c 'ls /sys/class/net | tr \"\\n\" \" \"'"), "eth1 lo ");
}

#[test]
fn ports_follow_the_networks() {
    let Some(w) = World::new() else { return };
    w.ok("network create out");
    w.ok("network create --internal in");
    let output =
        w.run(&format!("run -d --name web --network in -p 8080:80 {} busybox traffic answer 80", World::tool()));
    assert!(output.err.contains("Published ports lead nowhere"), "{output:?}");
    assert_eq!(output.code, 0);
    assert_eq!(w.ok("port web"), "");
    w.ok("network connect out web");
    assert_eq!(w.ok("port web"), "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080");
    until("it listens", || w.ok("logs web").contains("ready"));
    traffic(&w.other, &format!("who tcp {HOST}:8080"));
    w.ok("network disconnect out web");
    assert_eq!((w.ok("port web"), w.field("web", "Ports")), (String::new(), "80/tcp".to_owned()));
    w.serve("other", "-p 8080:80", "80"); // the port is free again
    // A port that is in use refuses the network, and nothing changes.
    w.run("network connect out web").fails(1, "port is already allocated");
    assert_eq!(w.field("web", "Networks"), "in");
}

#[test]
fn forwarding_of_both_kinds_is_told() {
    let h = Host::new();
    h.net.set("ipv4/ip_forward", "0");
    h.net.set("ipv6/conf/all/forwarding", "0");
    h.ok("network create --internal in");
    h.ok("network create --ipv6 six");
    assert_eq!(h.run("run -d --name aa --network in busybox sleep 1000").err, "");
    let told = h.run("network connect six aa").err;
    for key in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"] {
        assert_eq!(told.matches(&format!("switched {key} on")).count(), 1, "{told}");
    }
    assert_eq!((h.net.get("ipv4/ip_forward"), h.net.get("ipv6/conf/all/forwarding")), ("1".into(), "1".into()));
    assert_eq!(h.run("run --rm --network six busybox true").err, "");
}

/// Whoever made its network namespace, the command that starts it or the container itself.
#[test]
fn each_run_is_alone_in_a_network_of_its_own() {
    let h = Host::new();
    h.ok("network create one");
    h.ok("network create two");
    let before = h.net.get("ipv4/ip_unprivileged_port_start");
    for (flags, links) in [
        ("", "eth0\nlo"),
        ("--network none", "lo"),
        ("--network one --network two", "eth0\neth1\nlo"),
        ("--userns auto", "eth0\nlo"),
        ("--userns auto --network none", "lo"),
    ] {
        let more = "--restart always --cap-add NET_ADMIN --sysctl net.ipv4.ip_unprivileged_port_start=99";
        h.idle(&format!("--name box {more} {flags}"));
        for way in ["run", "again", "restart box", "start box"] {
            let pid = h.pid("box");
            if way == "again" {
                kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
                until("it runs again", || !["", "0", &pid.to_string()].contains(&&*h.field("box", "PID")));
            } else if way == "start box" {
                h.ok("stop -t 0 box");
                h.ok(way);
            } else if way != "run" {
                h.ok(way);
            }
            assert_ne!(Netns::of(h.pid("box")).number(), h.net.number(), "{flags}, {way}");
            assert_eq!(h.ok("exec box ls /sys/class/net"), links, "{flags}, {way}");
            assert_eq!(h.ok("exec box cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), "99", "{flags}, {way}");
            assert!(h.ok("exec box ip link show lo").contains("LOOPBACK,UP"), "{flags}, {way}");
            // It belongs to the container's user namespace.
            h.ok("exec box ip addr add 192.0.2.1/32 dev lo");
        }
        h.ok("rm -f box");
    }
    assert_eq!(h.net.get("ipv4/ip_unprivileged_port_start"), before);
}

/// The command comes back from the network that it made for the first one.
#[test]
fn two_that_one_command_starts_are_on_one_bridge() {
    let h = Host::new();
    h.ok("network create one");
    for name in ["aa", "bb"] {
        h.ok(&format!("create --name {name} --network one busybox sleep 1000"));
    }
    h.ok("start aa bb");
    h.ok("exec aa ping -c 1 -W 5 bb");
}

#[test]
fn from_none_to_a_network() {
    let h = Host::new();
    h.ok("network create one");
    h.idle("--name aa --network none");
    h.run("network connect one aa").fails(1, "none");
    h.ok("network disconnect none aa");
    h.ok("network connect one aa");
    h.ok("exec aa ip addr show eth0");
    let shown = h.ok("inspect -f '{{.NetworkSettings.Networks.one.Gateway}}' aa");
    assert!(shown.ends_with(".1"), "{shown}");
    h.run("network create -o com.docker.network.bridge.name=br%d two").fails(1, "cannot be the name");
}

#[test]
fn datagrams_find_the_container_that_has_the_port_now() {
    let Some(w) = World::new() else { return };
    let client = w.other.inside(|| UdpSocket::bind((OTHER, 6000)).unwrap());
    client.set_read_timeout(Some(at_most(Duration::from_secs(20)))).unwrap();
    let asks = || {
        client.send_to(b"w", (HOST, 7777)).unwrap();
        client.recv(&mut [0; 100]).unwrap()
    };
    w.serve("web", "-p 7777:7777/udp", "7777");
    asks();
    let old = w.ip("web");
    w.ok("rm -f web");
    until("its link has gone", || w.net.our_links().is_empty());
    // Another one has its address, and the client has said nothing since.
    w.idle("--name other");
    assert_eq!(w.ip("other"), old);
    w.serve("web", "-p 7777:7777/udp", "7777");
    asks();
}

#[test]
fn the_link_of_a_dead_container_keeps_no_bridge() {
    let h = Host::new();
    h.idle("--name aa");
    // As of one whose monitor was killed, before the kernel has taken it away.
    let (bridge, id) = (bridge(&h, "bridge"), "f".repeat(64));
    h.net.sh("ip link add mdac11ff01 type veth peer name ghost");
    h.net.sh(&format!("ip link set mdac11ff01 master {bridge} alias 'mydocker {id} '"));
    h.ok("rm -f aa");
    until("the bridge has gone", || !h.net.our_links().contains(&bridge));
    h.net.sh("ip link del mdac11ff01");
}
