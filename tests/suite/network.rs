//! Networks, with real traffic: what gets through, and what does not.

use crate::netns::{FAR, FAR6, HOST, HOST6, Netns, OTHER, OTHER6, Server, UPLINK, World, traffic};

/// How many bytes go each way. All come back as they were, or `echo` says something else.
const BYTES: u32 = 10_000_000;
/// How long a packet is waited for that is not to come, in milliseconds.
const SHORTLY: u32 = 500;

#[test]
fn the_world_of_these_tests_is_one() {
    let Some(w) = World::new() else { return };
    let before = w.net.state();
    let _far = Server::new(&w.other, &format!("{FAR}:7 [{FAR6}]:7"));
    for (at, seen) in [(format!("{FAR}:7"), HOST), (format!("[{FAR6}]:7"), HOST6)] {
        for protocol in ["tcp", "udp"] {
            assert_eq!(traffic(&w.net, &format!("who {protocol} {at}")), seen);
            assert_eq!(traffic(&w.net, &format!("echo {protocol} {at} 1000000")), "same");
        }
    }
    let _near = Server::new(&w.net, &format!("{HOST}:7 [::1]:8"));
    assert_eq!(traffic(&w.other, &format!("who udp {HOST}:7")), OTHER);
    assert_eq!(traffic(&w.net, "who tcp [::1]:8"), "::1");
    assert_eq!(traffic(&w.other, &format!("who tcp [{HOST6}]:8")), "refused");
    assert_eq!(traffic(&w.other, "who udp 10.99.0.77:1 300"), "silent");
    assert_eq!(traffic(&w.other, "who tcp 10.98.0.1:1"), "unreachable");
    assert!(traffic(&w.other, &format!("speed {HOST}:7 200")).parse::<u32>().unwrap() > 100);
    w.net.unchanged(&before);
    assert!(before.iter().any(|line| line == "ipv4/ip_forward=1") && before.len() > 500, "{}", before.len());
}

#[test]
fn ten_megabytes_each_way() {
    let Some(w) = World::new() else { return };
    w.serve("aa", "", "7");
    w.serve("bb", "", "7");
    let _far = Server::new(&w.other, &format!("{FAR}:7"));
    let (a, b) = (w.ip("aa"), w.ip("bb"));
    for protocol in ["tcp", "udp"] {
        assert_eq!(traffic(&w.net, &format!("echo {protocol} {a}:7 {BYTES}")), "same", "host to container");
        assert_eq!(w.asked("aa", &format!("echo {protocol} {b}:7 {BYTES}")), "same", "container to container");
        assert_eq!(w.asked("aa", &format!("echo {protocol} {FAR}:7 {BYTES}")), "same", "container to the world");
        // Containers see each other and the host by their own addresses, the world sees the host.
        assert_eq!(w.asked("aa", &format!("who {protocol} {b}:7")), a);
        assert_eq!(w.asked("aa", &format!("who {protocol} {FAR}:7")), HOST);
        assert_eq!(traffic(&w.net, &format!("who {protocol} {a}:7")), w.gateway("aa"));
    }
}

#[test]
fn containers_reach_services_of_the_host() {
    let Some(w) = World::new() else { return };
    w.serve("aa", "", "7");
    let (ip, gateway) = (w.ip("aa"), w.gateway("aa"));
    let _all = Server::new(&w.net, &format!("{gateway}:9 {HOST}:9 127.0.0.1:10"));
    for at in [&gateway, HOST] {
        assert_eq!(w.asked("aa", &format!("who tcp {at}:9")), ip);
        assert_eq!(w.asked("aa", &format!("echo udp {at}:9 10000")), "same");
        assert_eq!(w.asked("aa", &format!("who tcp {at}:10")), "refused");
    }
}

/// The bridge has route_localnet, for published ports on localhost. That must not open what listens there.
#[test]
fn no_container_gets_to_the_hosts_loopback() {
    let Some(w) = World::new() else { return };
    w.serve("aa", "--sysctl net.ipv4.conf.all.route_localnet=1 -p 127.0.0.1:8080:7", "7");
    let _local = Server::new(&w.net, "127.0.0.1:10");
    let gateway = w.gateway("aa");
    let inside = Netns::of(w.pid("aa"));
    inside.sh(&format!(
        "ip addr flush dev lo; ip route flush table local dev lo; ip route add 127.0.0.0/8 via {gateway}"
    ));
    for port in [10, 8080] {
        for protocol in ["tcp", "udp"] {
            let answer = traffic(&inside, &format!("who {protocol} 127.0.0.1:{port} {SHORTLY}"));
            assert_eq!(answer, "silent", "{protocol} {port}");
        }
    }
    assert_eq!(traffic(&w.net, "who tcp 127.0.0.1:10"), "127.0.0.1");
}

#[test]
fn networks_are_kept_apart() {
    let Some(w) = World::new() else { return };
    w.ok("network create one");
    w.ok("network create two");
    w.serve("aa", "--network one", "7");
    w.serve("bb", "--network two -p 8080:7 -p 8080:7/udp", "7");
    w.serve("cc", "", "7");
    for (from, to) in [("aa", "bb"), ("bb", "aa"), ("aa", "cc"), ("cc", "aa"), ("cc", "bb")] {
        let to = w.ip(to);
        for protocol in ["tcp", "udp"] {
            assert_eq!(w.asked(from, &format!("who {protocol} {to}:7 {SHORTLY}")), "silent", "{from} {protocol} {to}");
        }
    }
    // But what is published is published for all.
    for at in [HOST.to_owned(), w.gateway("aa")] {
        assert_eq!(w.asked("aa", &format!("echo tcp {at}:8080 100000")), "same", "{at}");
        assert_eq!(w.asked("aa", &format!("echo udp {at}:8080 100000")), "same", "{at}");
    }
}

#[test]
fn an_internal_network_has_no_way_out_and_none_in() {
    let Some(w) = World::new() else { return };
    w.ok("network create --internal --subnet 192.168.44.0/24 quiet");
    w.serve("aa", "--network quiet", "7");
    w.serve("bb", "--network quiet", "7");
    w.serve("cc", "", "7");
    let _far = Server::new(&w.other, &format!("{FAR}:7"));
    let (a, b) = (w.ip("aa"), w.ip("bb"));
    assert_eq!(w.asked("aa", &format!("echo tcp {b}:7 100000")), "same");
    assert_eq!(traffic(&w.net, &format!("echo udp {a}:7 100000")), "same");
    assert_eq!(w.asked("aa", &format!("who tcp {FAR}:7 {SHORTLY}")), "unreachable");
    // Also not for one that helps itself to a route.
    let inside = Netns::of(w.pid("aa"));
    inside.sh("ip route add default via 192.168.44.1");
    w.other.sh(&format!("ip route add 192.168.44.0/24 via {HOST}"));
    for protocol in ["tcp", "udp"] {
        assert_eq!(traffic(&inside, &format!("who {protocol} {FAR}:7 {SHORTLY}")), "silent");
        assert_eq!(traffic(&inside, &format!("who {protocol} {}:7 {SHORTLY}", w.ip("cc"))), "silent");
        assert_eq!(traffic(&w.other, &format!("who {protocol} {a}:7 {SHORTLY}")), "silent");
        assert_eq!(w.asked("cc", &format!("who {protocol} {a}:7 {SHORTLY}")), "silent");
    }
}

#[test]
fn nobody_is_routed_to_what_is_not_published() {
    let Some(w) = World::new() else { return };
    w.serve("aa", "-p 8080:7", "7 8");
    let a = w.ip("aa");
    w.other.sh(&format!("ip route add {a} via {HOST}"));
    for (protocol, port) in [("tcp", 8), ("udp", 8), ("udp", 7)] {
        assert_eq!(traffic(&w.other, &format!("who {protocol} {a}:{port} {SHORTLY}")), "silent", "{protocol} {port}");
    }
    assert_eq!(traffic(&w.other, &format!("who tcp {HOST}:8080")), OTHER);
}

#[test]
fn packets_are_as_large_as_on_the_way_out() {
    let Some(w) = World::new() else { return };
    w.net.sh(&format!("ip link set {UPLINK} mtu 1400"));
    w.other.sh("ip link set eth0 mtu 1400");
    w.serve("aa", "", "7");
    assert_eq!(w.ok("exec aa cat /sys/class/net/eth0/mtu"), "1400");
    w.ok("network create -o com.docker.network.driver.mtu=1280 small");
    assert_eq!(w.ok("run --rm --network small busybox cat /sys/class/net/eth0/mtu"), "1280");
    let _far = Server::new(&w.other, &format!("{FAR}:7"));
    assert_eq!(w.asked("aa", &format!("echo tcp {FAR}:7 1000000")), "same");
}

#[test]
fn ipv6_when_asked_for() {
    let Some(w) = World::new() else { return };
    let said = w.run("network create --ipv6 six");
    assert_eq!((said.code, said.out.len()), (0, 65), "{said:?}");
    w.net.set("ipv6/conf/all/forwarding", "1");
    w.net.sh(&format!("ip -6 route replace default via {OTHER6}"));
    w.serve("aa", "--network six -p 8080:7 -p 8080:7/udp", "7");
    w.serve("bb", "--network six", "7");
    let six = |name: &str| w.ok(&["inspect", "-f", "{{.NetworkSettings.Networks.six.GlobalIPv6Address}}", name]);
    let (a, b) = (six("aa"), six("bb"));
    assert!(w.ok("exec aa ip -o -6 addr show eth0").contains(&a) && a != b, "{a} {b}");
    let _far = Server::new(&w.other, &format!("{FAR}:7 [{FAR6}]:7"));
    for protocol in ["tcp", "udp"] {
        assert_eq!(w.asked("aa", &format!("echo {protocol} [{b}]:7 {BYTES}")), "same");
        assert_eq!(w.asked("aa", &format!("who {protocol} [{b}]:7")), a);
        assert_eq!(w.asked("aa", &format!("who {protocol} [{FAR6}]:7")), HOST6);
        assert_eq!(w.asked("aa", &format!("who {protocol} {FAR}:7")), HOST);
        assert_eq!(traffic(&w.net, &format!("echo {protocol} [{a}]:7 100000")), "same");
        assert_eq!(traffic(&w.net, &format!("echo {protocol} [::1]:8080 100000")), "same");
        assert_eq!(traffic(&w.net, &format!("echo {protocol} [{HOST6}]:8080 100000")), "same");
        assert_eq!(traffic(&w.other, &format!("echo {protocol} [{HOST6}]:8080 100000")), "same");
    }
    assert_eq!(traffic(&w.other, &format!("who tcp [{HOST6}]:8080")), OTHER6);
    w.other.sh(&format!("ip -6 route add {b} via {HOST6}"));
    assert_eq!(traffic(&w.other, &format!("who tcp [{b}]:7 {SHORTLY}")), "silent");
    // The default network has none.
    assert_eq!(w.ok("run --rm busybox ip -o -6 addr show scope global"), "");
}
