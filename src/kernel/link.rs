//! Network links, their addresses and routes over rtnetlink(7).

use super::io;
use super::netlink::{Message, Socket, attribute};
use crate::error::{Error, Result, Tried, escaped};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use linux_raw_sys::netlink as raw;
use rustix::io::Errno;

/// Index of the loopback link in every network namespace.
pub const LOOPBACK: u32 = 1;
/// The names of links are shorter than this, in bytes.
pub const NAME_BYTES_MAX: usize = 15;
const IFF_UP: u32 = 1;
const NETLINK_ROUTE: u32 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const VETH_INFO_PEER: u16 = 1;
/// if_addr.h: no duplicate address detection, for which a new container would have to wait.
const IFA_F_NODAD: u8 = 2;

/// A link of a network namespace.
pub struct Link {
    /// Its number there.
    pub index: u32,
    /// Its name there.
    pub name: String,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// What its maker wrote on it.
    pub alias: String,
    /// Whether it is a bridge.
    pub is_bridge: bool,
    /// Whether it is switched on.
    pub is_up: bool,
}

/// A destination of the routing table.
pub struct Route {
    /// Where it leads to; `None` for everywhere (a default route).
    pub to: Option<IpAddr>,
    /// Leading bits of `to` that count.
    pub prefix: u8,
    /// The link it leads through.
    pub link: u32,
}

/// What a new pair of links is to be like: one here, its peer in another network namespace.
pub struct Pair<'a> {
    /// Name of the one here.
    pub name: &'a str,
    /// The bridge it is put on.
    pub bridge: u32,
    /// Largest packet of both in bytes.
    pub mtu: u32,
    /// A process in the other's namespace.
    pub pid: i32,
    /// The other's name.
    pub peer: &'a str,
    /// The other's hardware address.
    pub address: [u8; 6],
}

/// A conversation about the links of the current network namespace.
pub fn open() -> Result<Socket> {
    Socket::open(NETLINK_ROUTE)
}

/// struct ifinfomsg with this index, flags to be set, and which of them.
fn link_header(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut header = [0; 16];
    let words = [0, index, flags, change].map(u32::to_ne_bytes);
    io::copy(words.as_flattened(), &mut header);
    header
}

/// Switches a link of the current network namespace on. The kernel gives `lo` its addresses with that.
pub fn up(socket: &Socket, index: u32) -> Result<()> {
    let header = link_header(index, IFF_UP, IFF_UP);
    socket.ask(Message::new(raw::RTM_NEWLINK as u16, 0, &header)).tried("switch a link on")
}

/// Switches a link off.
pub fn down(socket: &Socket, index: u32) -> core::result::Result<(), Errno> {
    socket.ask(Message::new(raw::RTM_NEWLINK as u16, 0, &link_header(index, 0, IFF_UP)))
}

/// Makes a bridge, switched off. `EEXIST` if there is a link of this name.
pub fn make_bridge(socket: &Socket, name: &str, mtu: u32) -> core::result::Result<(), Errno> {
    let flags = raw::NLM_F_CREATE | raw::NLM_F_EXCL;
    let mut message = Message::new(raw::RTM_NEWLINK as u16, flags, &link_header(0, 0, 0));
    message.put_str(raw::IFLA_IFNAME as u16, name);
    message.put_u32(raw::IFLA_MTU as u16, mtu);
    message.nest(raw::IFLA_LINKINFO as u16, &mut |info| info.put_str(raw::IFLA_INFO_KIND as u16, "bridge"));
    socket.ask(message)
}

/// What one end of a pair is like: the size of packets, and one queue each way instead of one for each processor. A link
/// without hardware queues nothing, and each takes the kernel 40 microseconds.
fn put_size(message: &mut Message, mtu: u32) {
    let kinds = [(raw::IFLA_MTU, mtu), (raw::IFLA_NUM_TX_QUEUES, 1), (raw::IFLA_NUM_RX_QUEUES, 1)];
    for (kind, value) in kinds {
        message.put_u32(kind as u16, value);
    }
}

/// Makes a pair of links with the peer where it is to be, and switches the one here on.
pub fn make_pair(socket: &Socket, pair: &Pair<'_>) -> core::result::Result<(), Errno> {
    let flags = raw::NLM_F_CREATE | raw::NLM_F_EXCL;
    let mut message = Message::new(raw::RTM_NEWLINK as u16, flags, &link_header(0, IFF_UP, IFF_UP));
    message.put_str(raw::IFLA_IFNAME as u16, pair.name);
    put_size(&mut message, pair.mtu);
    message.put_u32(raw::IFLA_MASTER as u16, pair.bridge);
    message.nest(raw::IFLA_LINKINFO as u16, &mut |info| {
        info.put_str(raw::IFLA_INFO_KIND as u16, "veth");
        info.nest(raw::IFLA_INFO_DATA as u16, &mut |data| {
            data.nest(VETH_INFO_PEER, &mut |peer| {
                peer.raw(&link_header(0, 0, 0));
                peer.put_str(raw::IFLA_IFNAME as u16, pair.peer);
                put_size(peer, pair.mtu);
                peer.put(raw::IFLA_ADDRESS as u16, &pair.address);
                peer.put_u32(raw::IFLA_NET_NS_PID as u16, pair.pid as u32);
            });
        });
    });
    socket.ask(message)
}

/// Writes on a port of a bridge, of at most 255 bytes, and says what it does. It sends back what came through it: a
/// container that reaches itself by a published port, where the kernel filters bridged packets too (br_netfilter).
/// `is_isolated`: nothing goes to other ports that are.
pub fn set_port(socket: &Socket, name: &str, alias: &str, is_isolated: bool) -> core::result::Result<(), Errno> {
    let mut message = Message::new(raw::RTM_NEWLINK as u16, 0, &link_header(0, 0, 0));
    message.put_str(raw::IFLA_IFNAME as u16, name);
    message.put(raw::IFLA_IFALIAS as u16, alias.as_bytes());
    message.nest(raw::IFLA_LINKINFO as u16, &mut |info| {
        info.put_str(raw::IFLA_INFO_SLAVE_KIND as u16, "bridge");
        info.nest(raw::IFLA_INFO_SLAVE_DATA as u16, &mut |port| {
            port.put(IFLA_BRPORT_MODE, &[1]);
            port.put(IFLA_BRPORT_ISOLATED, &[u8::from(is_isolated)]);
        });
    });
    socket.ask(message)
}

/// Removes a link, and its peer.
pub fn remove(socket: &Socket, index: u32) -> core::result::Result<(), Errno> {
    socket.ask(Message::new(raw::RTM_DELLINK as u16, 0, &link_header(index, 0, 0)))
}

/// A link as the kernel tells of it.
fn link_of(body: &[u8]) -> Option<Link> {
    let (header, attributes) = body.split_at_checked(16)?;
    let number =
        |kind: u16| attribute(attributes, kind).and_then(|value| Some(u32::from_ne_bytes(value.try_into().ok()?)));
    let text = |kind: u16| {
        let value = attribute(attributes, kind).unwrap_or_default();
        String::from_utf8_lossy(value).trim_end_matches('\0').into()
    };
    let info = attribute(attributes, raw::IFLA_LINKINFO as u16).unwrap_or_default();
    Some(Link {
        index: u32::from_ne_bytes([header[4], header[5], header[6], header[7]]),
        name: text(raw::IFLA_IFNAME as u16),
        mtu: number(raw::IFLA_MTU as u16).unwrap_or_default(),
        alias: text(raw::IFLA_IFALIAS as u16),
        is_bridge: attribute(info, raw::IFLA_INFO_KIND as u16).is_some_and(|kind| kind.starts_with(b"bridge")),
        is_up: header[8] & IFF_UP as u8 != 0,
    })
}

/// All links of the current network namespace, or those of one bridge.
pub fn all(socket: &Socket, of_bridge: Option<u32>) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    let mut message = Message::new(raw::RTM_GETLINK as u16, raw::NLM_F_DUMP, &link_header(0, 0, 0));
    if let Some(bridge) = of_bridge {
        message.put_u32(raw::IFLA_MASTER as u16, bridge);
    }
    socket.dump(&message, &mut |body| links.extend(link_of(body))).tried("list the network links")?;
    Ok(links)
}

/// The link of this name in the current network namespace.
pub fn find(socket: &Socket, name: &str) -> Result<Option<Link>> {
    let mut message = Message::new(raw::RTM_GETLINK as u16, 0, &link_header(0, 0, 0));
    message.put_str(raw::IFLA_IFNAME as u16, name);
    let mut found = None;
    match socket.get(message, &mut |body| found = link_of(body)) {
        Err(Errno::NODEV) => Ok(None),
        other => other.tried_to("look at the network link", name).map(|()| found),
    }
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// The bytes of an address, in the network's order.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    }
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| IpAddr::V6(Ipv6Addr::from(sixteen)))
}

/// Gives a link an address, and with it the route to those that share its first `prefix` bits.
pub fn add_address(socket: &Socket, index: u32, address: IpAddr, prefix: u8) -> core::result::Result<(), Errno> {
    // struct ifaddrmsg: family, prefix, flags, scope, index.
    let mut header = [family(address), prefix, if address.is_ipv6() { IFA_F_NODAD } else { 0 }, 0, 0, 0, 0, 0];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    let mut message = Message::new(raw::RTM_NEWADDR as u16, raw::NLM_F_CREATE | raw::NLM_F_EXCL, &header);
    let bytes = octets(address);
    message.put(raw::IFA_LOCAL as u16, &bytes);
    message.put(raw::IFA_ADDRESS as u16, &bytes);
    if let (IpAddr::V4(v4), true) = (address, prefix < 31) {
        let broadcast = u32::from(v4) | u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
        message.put_be32(raw::IFA_BROADCAST as u16, broadcast);
    }
    socket.ask(message)
}

/// The default route of the current network namespace.
pub fn add_default_route(socket: &Socket, index: u32, gateway: IpAddr) -> core::result::Result<(), Errno> {
    let header = route_header(family(gateway));
    let mut message = Message::new(raw::RTM_NEWROUTE as u16, raw::NLM_F_CREATE | raw::NLM_F_EXCL, &header);
    message.put(raw::rtattr_type_t::RTA_GATEWAY as u16, &octets(gateway));
    message.put_u32(raw::rtattr_type_t::RTA_OIF as u16, index);
    socket.ask(message)
}

/// struct rtmsg of the main table, for unicast, set up by an administrator (RTPROT_BOOT).
fn route_header(family: u8) -> [u8; 12] {
    let (table, protocol, scope, kind) = (254, 3, 0, 1);
    [family, 0, 0, 0, table, protocol, scope, kind, 0, 0, 0, 0]
}

/// The routes of the main table, of both families.
pub fn routes(socket: &Socket) -> Result<Vec<Route>> {
    let mut routes = Vec::new();
    for family in [AF_INET, AF_INET6] {
        let mut each = |body: &[u8]| {
            let Some((header, attributes)) = body.split_at_checked(12) else { return };
            if header[4] == 254 {
                let link =
                    attribute(attributes, raw::rtattr_type_t::RTA_OIF as u16).and_then(|value| value.try_into().ok());
                routes.push(Route {
                    to: attribute(attributes, raw::rtattr_type_t::RTA_DST as u16).and_then(address_of),
                    prefix: header[1],
                    link: link.map_or(0, u32::from_ne_bytes),
                });
            }
        };
        let message = Message::new(raw::RTM_GETROUTE as u16, raw::NLM_F_DUMP, &route_header(family));
        match socket.dump(&message, &mut each) {
            Err(Errno::OPNOTSUPP | Errno::AFNOSUPPORT) => {} // a kernel without IPv6
            other => other.tried("list the routes")?,
        }
    }
    Ok(routes)
}

/// The addresses of all links, with the bits that their networks share.
pub fn addresses(socket: &Socket) -> Result<Vec<(u32, IpAddr, u8)>> {
    let mut found = Vec::new();
    let mut each = |body: &[u8]| {
        let Some((header, attributes)) = body.split_at_checked(8) else { return };
        let local =
            attribute(attributes, raw::IFA_LOCAL as u16).or_else(|| attribute(attributes, raw::IFA_ADDRESS as u16));
        if let Some(address) = local.and_then(address_of) {
            let index = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
            found.push((index, address, header[1]));
        }
    };
    socket
        .dump(&Message::new(raw::RTM_GETADDR as u16, raw::NLM_F_DUMP, &[0; 8]), &mut each)
        .tried("list the addresses")?;
    Ok(found)
}

/// What a kernel without the module that is needed for a link says of it.
pub fn is_unknown_kind(errno: Errno) -> bool {
    matches!(errno, Errno::OPNOTSUPP | Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT)
}

/// Checks that `name` can be a link's.
pub fn check_name(name: &str) -> Result<()> {
    if name.is_empty()
        || name.len() > NAME_BYTES_MAX
        || name.contains(|c: char| matches!(c, '/' | ':' | '%') || c.is_whitespace())
        || matches!(name, "." | "..")
    {
        return Err(Error::new(format_args!("\"{}\" cannot be the name of a network link", escaped(name))));
    }
    Ok(())
}
