//! What a container asks of networks, and what it has of them while it runs.

use super::record::{record, words};
use alloc::string::String;
use alloc::vec::Vec;

/// Which network a container sees.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// Its own, with nothing but `lo`.
    #[default]
    None,
    /// The host's.
    Host,
    /// Its own, on bridges of the host.
    Bridge,
    /// Another container's.
    Container,
}

/// A network that a container is to be on, and how.
#[derive(Clone, Default)]
pub struct Endpoint {
    /// The network's name.
    pub network: String,
    /// Names by which the others find it there, besides its own.
    pub aliases: Vec<String>,
    /// Its IPv4 address there; without one any that is free.
    pub ip: Option<String>,
    /// Its IPv6 address there.
    pub ip6: Option<String>,
    /// Its hardware address, `02:42:ac:11:00:02`; without one it follows from the IPv4 address.
    pub mac: Option<String>,
}

/// One `-p`: a port of the host, or any that is free among several, that leads to one of the container.
#[derive(Clone, Default)]
pub struct Publish {
    /// The host's address; empty for all of them, IPv4 and IPv6.
    pub ip: String,
    /// The first port of the host that may be used; 0: the kernel chooses.
    pub host_first: u32,
    /// The last one.
    pub host_last: u32,
    /// The container's port.
    pub port: u32,
    /// Of which protocol.
    pub protocol: Protocol,
}

/// What has ports.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// tcp(7)
    #[default]
    Tcp,
    /// udp(7)
    Udp,
    /// sctp(7)
    Sctp,
}

/// How a running container is on a network.
#[derive(Clone, Default)]
pub struct Attached {
    /// The network's name.
    pub network: String,
    /// The network's id.
    pub network_id: String,
    /// The container's IPv4 address.
    pub ip: String,
    /// How many leading bits of it are the network's.
    pub prefix: u32,
    /// The default route's address, empty where there is none.
    pub gateway: String,
    /// The container's IPv6 address, empty for none; the next two likewise.
    pub ip6: String,
    /// How many leading bits of it are the network's.
    pub prefix6: u32,
    /// The default route's address.
    pub gateway6: String,
    /// The hardware address.
    pub mac: String,
    /// Bytes of the largest packet.
    pub mtu: u32,
    /// The link's name inside: `eth0`.
    pub link: String,
}

/// A port of the host that leads to one of a running container.
#[derive(Clone, Default)]
pub struct Bound {
    /// The host's address, `0.0.0.0` or `::` for all.
    pub ip: String,
    /// The host's port.
    pub host_port: u32,
    /// The container's port.
    pub port: u32,
    /// Of which protocol.
    pub protocol: Protocol,
}

record! {
    Endpoint { network, aliases, ip, ip6, mac }
    Publish { ip, host_first, host_last, port, protocol }
    Attached { network, network_id, ip, prefix, gateway, ip6, prefix6, gateway6, mac, mtu, link }
    Bound { ip, host_port, port, protocol }
}

words! {
    Network { None = "none", Host = "host", Bridge = "bridge", Container = "container" }
    Protocol { Tcp = "tcp", Udp = "udp", Sctp = "sctp" }
}
