//! Beside others' containers: with the rules of docker and podman, as they were recorded (tests/suite/rules/), theirs and ours
//! both get through, and the others' rules are afterwards as they were.

use crate::host::wanted;
use crate::netns::{FAR, HOST, Netns, OTHER, Server, World, traffic};
use std::path::Path;

const SHORTLY: u32 = 500;

/// Who else has containers here.
struct Neighbour {
    /// The bridge, the host's address on it, and the container's.
    bridge: &'static str,
    gateway: &'static str,
    ip: &'static str,
    /// The host's port that leads to the container's port 80.
    port: u16,
    /// Whether it lets in only what is published.
    is_closed: bool,
}

const DOCKER: Neighbour =
    Neighbour { bridge: "docker0", gateway: "172.17.0.1", ip: "172.17.0.2", port: 8000, is_closed: true };
const PODMAN: Neighbour =
    Neighbour { bridge: "podman0", gateway: "10.88.0.1", ip: "10.88.0.2", port: 8500, is_closed: false };

impl Neighbour {
    /// Its container: a network namespace on its bridge, where two ports are served, one of which is published.
    fn container(&self, w: &World) -> (Netns, Server) {
        let (container, Self { bridge, gateway, ip, .. }) = (Netns::new(), self);
        w.net.sh(&format!(
            "ip link add {bridge} type bridge; ip link add their{0} type veth peer name eth0 netns {1}
             for link in {bridge} their{0}; do echo 1 >/proc/sys/net/ipv6/conf/$link/disable_ipv6; done
             ip addr add {gateway}/16 dev {bridge}; ip link set {bridge} up; ip link set their{0} master {bridge} up",
            self.port,
            container.path()
        ));
        container.sh(&format!("ip addr add {ip}/16 dev eth0; ip link set eth0 up; ip route add default via {gateway}"));
        let server = Server::new(&container, "80 81");
        (container, server)
    }
}

fn rules(w: &World) -> String {
    w.net.sh("iptables-nft-save 2>/dev/null | grep -v '^#' | sed 's/ \\[.*\\]$//'")
}

#[track_caller]
fn side_by_side(fixture: &str, neighbours: &[Neighbour]) {
    let Some(w) = World::new() else { return };
    let has = Path::new("/usr/sbin/iptables-nft").exists().then_some(());
    if wanted(has, "iptables-nft (iptables)").is_none() {
        return;
    }
    let fixture = format!("{}/tests/suite/rules/{fixture}", env!("CARGO_MANIFEST_DIR"));
    w.net.sh(&format!("iptables-nft-restore < {fixture}"));
    let theirs: Vec<(Netns, Server)> = neighbours.iter().map(|neighbour| neighbour.container(&w)).collect();
    let _far = Server::new(&w.other, &format!("{FAR}:7"));
    let they_work = || {
        for (neighbour, (container, _)) in neighbours.iter().zip(&theirs) {
            assert_eq!(traffic(container, &format!("who tcp {FAR}:7")), HOST, "{}", neighbour.bridge);
            assert_eq!(traffic(&w.net, &format!("echo udp {}:81 10000", neighbour.ip)), "same");
            if neighbour.is_closed || neighbours.len() == 1 {
                // podman's port is not reachable from outside where docker's chain drops what it does not know.
                assert_eq!(
                    traffic(&w.other, &format!("who tcp {HOST}:{}", neighbour.port)),
                    OTHER,
                    "{}",
                    neighbour.bridge
                );
            }
        }
    };
    they_work();
    let before = (rules(&w), w.net.state());
    w.serve("aa", "-p 8080:7 -p 8080:7/udp", "7 8");
    w.serve("bb", "", "7 8");
    they_work();
    for protocol in ["tcp", "udp"] {
        assert_eq!(w.asked("aa", &format!("echo {protocol} {FAR}:7 1000000")), "same");
        assert_eq!(w.asked("aa", &format!("who {protocol} {FAR}:7")), HOST);
        assert_eq!(traffic(&w.other, &format!("who {protocol} {HOST}:8080")), OTHER);
        assert_eq!(traffic(&w.net, &format!("echo {protocol} 127.0.0.1:8080 10000")), "same");
        assert_eq!(w.asked("aa", &format!("echo {protocol} {}:8 10000", w.ip("bb"))), "same", "one network");
        for from in ["aa", "bb"] {
            assert_eq!(w.asked(from, &format!("echo {protocol} {HOST}:8080 10000")), "same", "{protocol} from {from}");
        }
        for (neighbour, (container, _)) in neighbours.iter().zip(&theirs) {
            assert_eq!(
                traffic(container, &format!("echo {protocol} {HOST}:8080 10000")),
                "same",
                "{}",
                neighbour.bridge
            );
            assert_eq!(traffic(container, &format!("who {protocol} {}:8 {SHORTLY}", w.ip("aa"))), "silent");
            if neighbour.is_closed {
                assert_eq!(w.asked("aa", &format!("who {protocol} {}:81 {SHORTLY}", neighbour.ip)), "silent");
                assert_eq!(w.asked("aa", &format!("echo tcp {HOST}:{} 10000", neighbour.port)), "same");
            }
        }
    }
    w.ok("rm -f aa bb");
    w.net.unchanged(&before.1);
    assert_eq!(rules(&w), before.0);
    they_work();
}

#[test]
fn beside_docker() {
    side_by_side("docker", &[DOCKER]);
}

#[test]
fn beside_podman() {
    side_by_side("podman", &[PODMAN]);
}

#[test]
fn beside_both() {
    side_by_side("docker-and-podman", &[DOCKER, PODMAN]);
}
