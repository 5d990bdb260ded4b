//! Published ports: the host's sockets that reserve them, and the rules that lead their packets to the container.
//!
//! A port is ours because a socket of the monitor's is bound to it: the kernel keeps that book, and it is right after any
//! crash. What the rules do not lead away arrives at that socket, and `life/forward.rs` passes it on.

use super::bridge;
use crate::error::{EXIT_ENGINE, Error, Result, escaped};
use crate::kernel::netlink::Socket;
use crate::kernel::nft::{self, Batch, Hook, Rule};
use crate::kernel::{conntrack, link};
use crate::spec::ip;
use crate::spec::{Attached, Bound, Network, Protocol, Publish, Spec, port};
use crate::store::{Store, networks};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};

/// How often the kernel may choose a port of IPv4 that is taken for IPv6.
const CHOICES_MAX: u32 = 16;
/// How many connections may wait for a relay.
const BACKLOG: i32 = 128;
const LOCALHOST: [u8; 16] = Ipv6Addr::LOCALHOST.octets();
/// fe80::/10: packets from there are never sent on to another link.
const LINK_LOCAL: [u8; 16] = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0).octets();

/// The host's ports that a running container has.
#[derive(Default)]
pub struct Published {
    /// What leads where.
    pub bound: Vec<Bound>,
    /// The socket of each: non-blocking; those of tcp listen.
    pub sockets: Vec<OwnedFd>,
    /// The table of rules belongs to it.
    rules: Option<Socket>,
    /// The container's addresses of IPv4 and IPv6.
    pub targets: [Option<IpAddr>; 2],
}

/// monitor, before the clone: takes the ports of the host. One that is in use is an error.
pub fn prepare(store: &Store, spec: &Spec) -> Result<Published> {
    let mut published = Published::default();
    let asked = asked(spec);
    if asked.is_empty() {
        return Ok(published);
    }
    if let Some(host_ip) = host_ip(store, spec)? {
        for publish in &asked {
            published.reserve(publish, &host_ip).map_err(|error| error.exit(EXIT_ENGINE))?;
        }
    }
    Ok(published)
}

/// The ports that are to be published: those that are named, and with `-P` any port of the host for each other one.
fn asked(spec: &Spec) -> Vec<Publish> {
    if spec.network != Network::Bridge {
        return Vec::new();
    }
    let mut asked = spec.ports.clone();
    let exposed: &[String] = if spec.publish_all == Some(true) { &spec.exposed } else { &[] };
    for text in exposed {
        let Some((port, protocol)) = port::read(text) else { continue };
        if !asked.iter().any(|other| (other.port, other.protocol) == (port, protocol)) {
            asked.push(Publish { port, protocol, ..Publish::default() });
        }
    }
    asked
}

/// The host's address for ports that name none, empty for all of them; `None` if no network of the container leads out.
fn host_ip(store: &Store, spec: &Spec) -> Result<Option<String>> {
    for endpoint in &spec.endpoints {
        let network = networks::get(store, &endpoint.network)?;
        if let Some(network) = network.filter(|network| !network.is_internal) {
            let ip = network.option(networks::OPTION_HOST_IP).filter(|ip| *ip != "0.0.0.0");
            return Ok(Some(ip.unwrap_or_default().to_owned()));
        }
    }
    Ok(None)
}

/// A socket of this kind that is close-on-exec and never blocks.
pub fn open(ip: IpAddr, protocol: Protocol) -> core::result::Result<OwnedFd, Errno> {
    let family = if ip.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let (kind, number) = match protocol {
        Protocol::Tcp => (SocketType::STREAM, None),
        Protocol::Udp => (SocketType::DGRAM, None),
        Protocol::Sctp => (SocketType::STREAM, Some(ipproto::SCTP)),
    };
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, number)?;
    if ip.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    Ok(socket)
}

/// A socket that has this port, and the port: with 0 the kernel chooses.
fn take(ip: IpAddr, port: u16, protocol: Protocol) -> core::result::Result<(OwnedFd, u16), Errno> {
    let socket = open(ip, protocol)?;
    if protocol == Protocol::Tcp {
        // Connections of the last owner that are not quite over are in nobody's way; somebody who listens is.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    rustix::net::bind(&socket, &SocketAddr::new(ip, port))?;
    match protocol {
        Protocol::Tcp => rustix::net::listen(&socket, BACKLOG)?,
        // Only now, when nobody else has it: the relays' sockets share it with us.
        Protocol::Udp => sockopt::set_socket_reuseport(&socket, true)?,
        Protocol::Sctp => {}
    }
    let port = SocketAddr::try_from(rustix::net::getsockname(&socket)?)?.port();
    Ok((socket, port))
}

/// Why a port cannot be had.
fn refused(ip: IpAddr, ports: &str, protocol: Protocol, errno: Errno) -> Error {
    let (open, close) = if ip.is_ipv6() { ("[", "]") } else { ("", "") };
    let what = format!("Bind for {open}{}{close}:{ports}/{} failed", ip::text(ip), protocol.word());
    let why = match errno {
        Errno::ADDRINUSE => "port is already allocated: another container or program of this host uses it",
        Errno::ADDRNOTAVAIL => "cannot assign requested address: this host does not have it",
        Errno::AFNOSUPPORT => "this kernel has no IPv6",
        Errno::PROTONOSUPPORT | Errno::SOCKTNOSUPPORT => "this kernel has no SCTP: modprobe sctp",
        Errno::MFILE => "too many open files: allow more (ulimit -n), each port needs two",
        _ => return Error::os(what, errno),
    };
    Error::new([&what, why].join(": "))
}

impl Published {
    /// Takes the port, or the first of several that is free, for all addresses that are meant.
    fn reserve(&mut self, publish: &Publish, host_ip: &str) -> Result<()> {
        let text = if publish.ip.is_empty() { host_ip } else { &publish.ip };
        let ips = match ip::read(text) {
            Some(ip) => Vec::from([ip]),
            None if text.is_empty() => {
                Vec::from([IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)])
            }
            None => {
                let shown = escaped(text);
                return Err(Error::new(format_args!("cannot publish a port: \"{shown}\" is not an IP address")));
            }
        };
        let (first, last) = (publish.host_first, publish.host_last.max(publish.host_first));
        let tries = if first == 0 { CHOICES_MAX } else { last - first + 1 };
        let mut refusal = (ips[0], Errno::ADDRINUSE);
        for at in 0..tries {
            match self.take_all(&ips, if first == 0 { 0 } else { first + at }, publish) {
                Ok(()) => return Ok(()),
                Err(other) => refusal = other,
            }
            if refusal.1 != Errno::ADDRINUSE {
                break;
            }
        }
        let ports = if first == last { first.to_string() } else { format!("{first}-{last}") };
        Err(refused(refusal.0, &ports, publish.protocol, refusal.1))
    }

    /// Takes this port of each address, or nothing.
    fn take_all(
        &mut self,
        ips: &[IpAddr],
        mut host_port: u32,
        publish: &Publish,
    ) -> core::result::Result<(), (IpAddr, Errno)> {
        let begun = self.bound.len();
        for ip in ips {
            match take(*ip, host_port as u16, publish.protocol) {
                Ok((socket, number)) => {
                    host_port = u32::from(number);
                    let (port, protocol) = (publish.port, publish.protocol);
                    self.bound.push(Bound { ip: ip::text(*ip), host_port, port, protocol });
                    self.sockets.push(socket);
                }
                Err(Errno::AFNOSUPPORT) if ips.len() > 1 && ip.is_ipv6() => {} // a host without IPv6
                Err(errno) => {
                    self.bound.truncate(begun);
                    self.sockets.truncate(begun);
                    return Err((*ip, errno));
                }
            }
        }
        Ok(())
    }

    /// monitor, when the container's addresses are known, or have changed: leads the ports there.
    pub fn open(&mut self, spec: &Spec, attached: &[Attached]) -> Result<()> {
        if self.bound.is_empty() {
            return Ok(());
        }
        let way = attached.iter().find(|attached| !attached.gateway.is_empty());
        self.targets = way.map_or([None; 2], |way| [ip::read(&way.ip), ip::read(&way.ip6)]);
        let socket = match self.rules.take() {
            Some(socket) => socket,
            None => bridge::filter()?,
        };
        let done = match self.make_rules(&socket, spec, nft::OWNER) {
            // A kernel before 5.12: the table is for `release` to remove.
            Err(Errno::OPNOTSUPP | Errno::INVAL) => self.make_rules(&socket, spec, 0),
            done => done,
        };
        done.map_err(|errno| bridge::explain(errno, nft::MODULES, "lead published ports to container", &spec.name))?;
        let mut ports = Vec::new();
        for bound in &self.bound {
            if bound.protocol == Protocol::Udp {
                ports.push(bound.host_port as u16);
            }
        }
        forget(&socket, &ports);
        self.rules = Some(socket);
        Ok(())
    }

    /// Makes the table anew, in one step.
    fn make_rules(&self, socket: &Socket, spec: &Spec, flags: u32) -> core::result::Result<(), Errno> {
        let table = bridge::table_of(&spec.id);
        let mut batch = Batch::new(nft::INET, &table);
        if nft::has(socket, nft::INET, &table, "") {
            batch.remove_table();
        }
        batch.make_table(flags);
        for hook in [Hook::Prerouting, Hook::Output] {
            batch.make_chain(hook);
            for bound in &self.bound {
                if let Some(rule) = self.rule(bound, matches!(hook, Hook::Output)) {
                    batch.add_rule(hook, &rule);
                }
            }
        }
        batch.commit(socket)
    }

    /// What leads one port to the container, for packets of the host itself or for those of others.
    fn rule(&self, bound: &Bound, is_own: bool) -> Option<Rule> {
        let ip = ip::read(&bound.ip)?;
        let target = link::octets(self.targets[usize::from(ip.is_ipv6())]?);
        let mut rule = Rule::default().version(if ip.is_ipv6() { nft::IPV6 } else { nft::IPV4 });
        if ip.is_loopback() && (ip.is_ipv6() || !is_own) {
            // Nobody else has a way to our 127.0.0.1. And ::1 never leaves this host, unlike 127.0.0.1, for which a link
            // can be told to let it pass (route_localnet).
            return None;
        }
        if ip.is_ipv6() {
            rule = rule.source(&LINK_LOCAL, 10, true).destination(&LOCALHOST, 128, true);
        }
        rule = if ip.is_unspecified() {
            rule.is_for_this_host()
        } else {
            let octets = link::octets(ip);
            rule.destination(&octets, octets.len() as u8 * 8, false)
        };
        let number = match bound.protocol {
            Protocol::Tcp => ipproto::TCP,
            Protocol::Udp => ipproto::UDP,
            Protocol::Sctp => ipproto::SCTP,
        };
        Some(rule.port(number.as_raw().get() as u8, bound.host_port as u16).redirect(&target, bound.port as u16))
    }

    /// Where what arrives at the socket at this place is to go, if there is a way: to IPv4 also from IPv6.
    pub fn target(&self, at: usize) -> Option<SocketAddr> {
        let bound = &self.bound[at];
        let six = self.targets[1].filter(|_| bound.ip.contains(':'));
        six.or(self.targets[0]).map(|ip| SocketAddr::new(ip, bound.port as u16))
    }
}

/// Who sends datagrams to these ports is led anew.
fn forget(socket: &Socket, ports: &[u16]) {
    if !ports.is_empty() {
        conntrack::forget_udp(socket, ports);
    }
}

/// Anyone: removes what does not go with the monitor. Idempotent.
pub fn release(spec: &Spec) -> Result<()> {
    if asked(spec).is_empty() {
        return Ok(());
    }
    let Ok(socket) = nft::open() else { return Ok(()) }; // without nf_tables there is nothing
    let mut ports = Vec::new();
    for publish in &spec.ports {
        if publish.protocol == Protocol::Udp && publish.host_first == publish.host_last {
            ports.push(publish.host_first as u16);
        }
    }
    forget(&socket, &ports);
    let table = bridge::table_of(&spec.id);
    if !nft::has(&socket, nft::INET, &table, "") {
        return Ok(());
    }
    let mut batch = Batch::new(nft::INET, &table);
    batch.remove_table();
    match batch.commit(&socket) {
        // It is gone already; or a monitor's that has not ended yet, and goes with it; or we may not, and could not make one.
        Ok(()) | Err(Errno::NOENT | Errno::PERM | Errno::BUSY | Errno::OPNOTSUPP) => Ok(()),
        Err(errno) => Err(Error::tried("remove the packet filter's table", &table, errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridged(ports: &[(&str, u32, u32)]) -> Spec {
        let publish = |(ip, host, port): &(&str, u32, u32)| Publish {
            ip: (*ip).to_owned(),
            host_first: *host,
            host_last: *host,
            port: *port,
            ..Publish::default()
        };
        Spec { network: Network::Bridge, ports: ports.iter().map(publish).collect(), ..Spec::default() }
    }

    #[test]
    fn all_exposed_ports_that_are_not_named() {
        let mut spec = bridged(&[("", 8080, 80)]);
        spec.exposed = ["80/tcp", "80/udp", "81", "82/sctp", "x/tcp"].map(ToOwned::to_owned).into();
        assert_eq!(asked(&spec).len(), 1);
        spec.publish_all = Some(true);
        let found: Vec<_> = asked(&spec).iter().map(|p| (p.host_first, p.port, p.protocol.word())).collect();
        assert_eq!(found, [(8080, 80, "tcp"), (0, 80, "udp"), (0, 81, "tcp"), (0, 82, "sctp")]);
        spec.network = Network::Host;
        assert!(asked(&spec).is_empty());
    }

    fn message(publish: &Publish) -> String {
        Published::default().reserve(publish, "").unwrap_err().to_string()
    }

    #[test]
    fn a_port_has_one_owner() {
        let any = Publish { ip: "127.0.0.1".to_owned(), port: 80, ..Publish::default() };
        let mut first = Published::default();
        first.reserve(&any, "").unwrap();
        let taken = first.bound[0].host_port;
        let same = Publish { host_first: taken, host_last: taken, ..any.clone() };
        let place = format!("127.0.0.1:{taken}/tcp");
        assert!(message(&same).starts_with(&format!("Bind for {place} failed: port is already allocated")));
        let mut second = Published::default();
        second.reserve(&Publish { protocol: Protocol::Udp, ..same.clone() }, "").unwrap();
        assert!(message(&Publish { protocol: Protocol::Udp, ..same.clone() }).contains("/udp failed"));
        drop(second);
        // Of several the next one that is free; the whole of them is named when none is.
        let range = Publish { host_last: taken + 3, ..same.clone() };
        let mut third = Published::default();
        third.reserve(&range, "").unwrap();
        assert!(third.bound[0].host_port > taken && third.bound[0].host_port <= taken + 3);
        drop(first);
        Published::default().reserve(&same, "").unwrap();
    }

    #[test]
    fn all_addresses_have_the_same_port() {
        let mut published = Published::default();
        published.reserve(&Publish { port: 80, ..Publish::default() }, "").unwrap();
        let ips: Vec<&str> = published.bound.iter().map(|bound| bound.ip.as_str()).collect();
        assert!(ips == ["0.0.0.0", "::"] || ips == ["0.0.0.0"], "{ips:?}");
        assert!(published.bound.iter().all(|bound| bound.host_port == published.bound[0].host_port));
        assert_eq!(published.sockets.len(), published.bound.len());
        let again =
            Publish { ip: "0.0.0.0".to_owned(), host_first: published.bound[0].host_port, ..Publish::default() };
        assert!(message(&again).contains("already allocated"));
    }

    #[test]
    fn addresses_that_cannot_be() {
        let at = |ip: &str| message(&Publish { ip: ip.to_owned(), host_first: 9, port: 9, ..Publish::default() });
        assert!(at("203.0.113.9").contains("203.0.113.9:9/tcp failed: cannot assign requested address"));
        assert!(at("x\n").contains("\"x\\n\" is not an IP address"));
    }

    #[test]
    fn where_packets_lead() {
        let mut published = Published::default();
        for (ip, host_port) in [("0.0.0.0", 80), ("::", 80), ("127.0.0.1", 81), ("::1", 81)] {
            published.bound.push(Bound { ip: ip.to_owned(), host_port, port: 8, protocol: Protocol::Tcp });
        }
        let ways = |published: &Published| {
            let mut found = Vec::new();
            for (at, bound) in published.bound.iter().enumerate() {
                let rules = [published.rule(bound, false).is_some(), published.rule(bound, true).is_some()];
                found.push((published.target(at).map(|to| to.to_string()).unwrap_or_default(), rules));
            }
            found
        };
        assert!(ways(&published).iter().all(|way| *way == (String::new(), [false; 2])), "it is on no network");
        published.targets[0] = "10.0.0.2".parse().ok();
        let four = "10.0.0.2:8".to_owned();
        let expected = [[true, true], [false, false], [false, true], [false, false]].map(|rules| (four.clone(), rules));
        assert_eq!(ways(&published), expected);
        published.targets[1] = "fd00::2".parse().ok();
        assert_eq!(ways(&published)[1], ("[fd00::2]:8".to_owned(), [true, true]));
        assert_eq!(ways(&published)[3], ("[fd00::2]:8".to_owned(), [false, false]));
    }
}
