//! Endpoints: the links of one container, each a pair of which one end is on a network's bridge. veth(4)

use super::bridge;
use crate::error::{Error, Result, Tried};
use crate::kernel::link::Link;
use crate::kernel::netlink::Socket;
use crate::kernel::{file, hex, link};
use crate::spec::ip;
use crate::spec::subnet::Subnet;
use crate::spec::{Attached, Endpoint, Network as Kind, Spec, text};
use crate::store::networks::{self, Network};
use crate::store::{Store, containers};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use rustix::fs::CWD;
use rustix::io::Errno;

/// monitor, while the child waits: puts the container, of which `pid` is a process, on its networks.
pub fn attach(store: &Store, spec: &Spec, pid: i32) -> Result<Vec<Attached>> {
    let mut all: Vec<Attached> = Vec::new();
    for (at, endpoint) in spec.endpoints.iter().enumerate() {
        let leads_out = all.iter().all(|other| other.gateway.is_empty());
        all.push(plug(store, &spec.id, endpoint, pid, &format!("eth{at}"), leads_out)?);
    }
    Ok(all)
}

/// Puts a container on one network. `link` is the link's name inside; `leads_out`: the default route is to go this way.
pub fn plug(store: &Store, id: &str, endpoint: &Endpoint, pid: i32, link: &str, leads_out: bool) -> Result<Attached> {
    let _lock = networks::lock(store)?;
    let missing = || Error::new(format_args!("network {} not found", endpoint.network));
    let mut network = networks::get(store, &endpoint.network)?.ok_or_else(missing)?;
    let socket = link::open()?;
    let bridge = bridge::raise(store, &socket, &mut network)?;
    let made = make(&socket, &network, &bridge, id, endpoint, pid, link);
    let (ip, ip6, mtu) = match made {
        Ok(made) => made,
        Err(error) => {
            let _ = bridge::remove(store, &network); // the first error is the one that tells
            return Err(error);
        }
    };
    let leads_out = leads_out && !network.is_internal;
    let subnet6 = network.subnet6()?;
    Ok(Attached {
        prefix: u32::from(network.subnet()?.prefix),
        gateway: if leads_out { network.gateway } else { String::new() },
        gateway6: network.gateway6.filter(|_| leads_out).unwrap_or_default(),
        prefix6: subnet6.map_or(0, |subnet| u32::from(subnet.prefix)),
        network: network.name,
        network_id: network.id,
        mac: written(hardware(endpoint, ip)),
        ip: ip::text(ip.into()),
        ip6,
        mtu,
        link: link.into(),
    })
}

/// The pair with an address of its own. Returns that, the IPv6 one, and the size of packets.
fn make(
    socket: &Socket,
    network: &Network,
    bridge: &Link,
    id: &str,
    endpoint: &Endpoint,
    pid: i32,
    peer: &str,
) -> Result<(Ipv4Addr, String, u32)> {
    let mut members = bridge::members_of(socket, bridge.index)?;
    // What is left of its last run.
    for old in members.extract_if(.., |member| member.id == id) {
        let _ = link::remove(socket, old.index); // it may be going by itself
    }
    let mtu = bridge.mtu;
    let mut after = 0;
    let mut is_gone = false;
    loop {
        let (ip, position) = free(network, &members, endpoint, after)?;
        let ip6 = six(network, &members, endpoint, position)?;
        let name = bridge::port_name(ip);
        let pair = link::Pair { name: &name, bridge: bridge.index, mtu, pid, peer, address: hardware(endpoint, ip) };
        match link::make_pair(socket, &pair) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                match link::find(socket, &name)? {
                    // What is left of its last run, and no member of the bridge any more.
                    Some(old) if text::has(&old.alias, id) => drop(link::remove(socket, old.index)),
                    // A link on no bridge any more, of a container that is just ending; or another store's.
                    Some(_) if endpoint.ip.is_none() => after = position,
                    Some(_) => return Err(taken(&network.name, ip.into())),
                    None if is_gone => {
                        return Err(Error::new(format_args!("the container has a link {peer} of its own")));
                    }
                    None => is_gone = true, // since we were refused, or it was never that
                }
                continue;
            }
            Err(errno) => return Err(bridge::explain(errno, "veth", "make the link", &name)),
        }
        let is_isolated = network.option(networks::OPTION_ICC) == Some("false");
        link::set_port(socket, &name, &bridge::port_alias(id, &ip6, true), is_isolated)
            .tried_to("set up the link", &name)?;
        return Ok((ip, ip6, mtu));
    }
}

fn taken(network: &str, ip: IpAddr) -> Error {
    let ip = ip::text(ip);
    Error::new(format_args!("address {ip} of network {network} is already in use by another container"))
}

/// An address that no member has: the one that is asked for, or the first free one after a position.
fn free(network: &Network, members: &[bridge::Member], endpoint: &Endpoint, after: u64) -> Result<(Ipv4Addr, u64)> {
    let subnet = network.subnet()?;
    let is_free = |ip: IpAddr| members.iter().all(|member| member.ip != ip);
    let four = |ip: IpAddr| if let IpAddr::V4(v4) = ip { v4 } else { Ipv4Addr::UNSPECIFIED };
    if let Some(asked) = &endpoint.ip {
        let ip = ip::read(asked).filter(|ip| subnet.contains(*ip));
        let ip = ip.ok_or_else(|| Error::new(format_args!("address {asked} is not in {}", network.subnet)))?;
        return if is_free(ip) { Ok((four(ip), subnet.position(ip))) } else { Err(taken(&network.name, ip)) };
    }
    let range = network.ip_range.as_deref().and_then(Subnet::parse).unwrap_or(subnet);
    let gateway = network.gateway(false)?;
    // Neither the network's own address nor the one for all.
    for at in after.max(subnet.position(range.nth(0).unwrap_or(subnet.address)).max(1).saturating_sub(1)) + 1.. {
        let Some(ip) = subnet.nth(at).filter(|ip| range.contains(*ip) && at < subnet.last()) else { break };
        if ip != gateway && is_free(ip) {
            return Ok((four(ip), at));
        }
    }
    Err(Error::new(format_args!(
        "no available IPv4 addresses on network {}: {} are all in use",
        network.name,
        range.text()
    )))
}

/// The IPv6 address, where the network has such: the one that is asked for, or the one at the same position.
fn six(network: &Network, members: &[bridge::Member], endpoint: &Endpoint, position: u64) -> Result<String> {
    let Some(subnet) = network.subnet6()? else { return Ok(String::new()) };
    let ip = match &endpoint.ip6 {
        Some(asked) => ip::read(asked).filter(|ip| subnet.contains(*ip)),
        None => subnet.nth(position).filter(|ip| network.gateway(true).is_ok_and(|gateway| gateway != *ip)),
    };
    let Some(ip) = ip else {
        let asked = endpoint.ip6.as_deref().unwrap_or("one for each IPv4 address");
        return Err(Error::new(format_args!("network {} has no IPv6 address {asked}", network.name)));
    };
    let text = ip::text(ip);
    if members.iter().any(|member| member.ip6 == text) { Err(taken(&network.name, ip)) } else { Ok(text) }
}

/// The hardware address that is asked for, or docker's, which follows from the IPv4 address.
fn hardware(endpoint: &Endpoint, ip: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = ip.octets();
    let mut address = [2, 0x42, a, b, c, d];
    if let Some(asked) = &endpoint.mac {
        for (byte, text) in address.iter_mut().zip(asked.split(':')) {
            *byte = u8::from_str_radix(text, 16).unwrap_or(*byte);
        }
    }
    address
}

fn written(hardware: [u8; 6]) -> String {
    let mut text = String::new();
    for byte in hardware {
        text::add(&mut text, ":", &hex::encode(&[byte]));
    }
    text
}

/// child, or a helper of the monitor in the container's network: switches one of its links on.
pub fn enter(socket: &Socket, attached: &Attached) -> Result<()> {
    let index = index_of(socket, attached)?;
    if attached.ip6.is_empty() {
        // A kernel without IPv6 has no such file.
        let _ = file::write_at(CWD, &format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", attached.link), "1");
    }
    let give = |address: &str, prefix: u32| match ip::read(address) {
        Some(ip) => link::add_address(socket, index, ip, prefix as u8).tried_to("give the link the address", address),
        None => Ok(()), // there is none
    };
    give(&attached.ip, attached.prefix)?;
    give(&attached.ip6, attached.prefix6)?;
    link::up(socket, index)?;
    make_routes(socket, index, attached)
}

/// A helper of the monitor there: the default routes go through this link from now on.
pub fn lead_out(socket: &Socket, attached: &Attached) -> Result<()> {
    make_routes(socket, index_of(socket, attached)?, attached)
}

fn index_of(socket: &Socket, attached: &Attached) -> Result<u32> {
    let missing = || Error::new(format_args!("the link {} of network {} has gone", attached.link, attached.network));
    Ok(link::find(socket, &attached.link)?.ok_or_else(missing)?.index)
}

fn make_routes(socket: &Socket, index: u32, attached: &Attached) -> Result<()> {
    for gateway in [&attached.gateway, &attached.gateway6] {
        if let Some(ip) = ip::read(gateway) {
            link::add_default_route(socket, index, ip).tried_to("make the default route through", gateway)?;
        }
    }
    Ok(())
}

/// Anyone: takes a container off its networks, and takes bridges away that nobody is on any more. Idempotent. Takes tens of
/// milliseconds, in which the kernel waits for all its processors: not while somebody waits for an answer. `attached`: what
/// it was on when it ended; a command that was to take it off one may have been killed when only the record knew.
pub fn release(store: &Store, spec: &Spec, attached: &[Attached]) -> Result<()> {
    if spec.network != Kind::Bridge {
        return Ok(());
    }
    let mut result = Ok(());
    for endpoint in &spec.endpoints {
        result = result.and(unplug(store, &spec.id, &endpoint.network, true));
    }
    for attached in attached {
        if !networks::is_on(spec, &attached.network) {
            result = result.and(unplug(store, &spec.id, &attached.network, true));
        }
    }
    result
}

/// Whether [`release`] has something to do for a container that does not run.
pub fn is_left(store: &Store, spec: &Spec) -> bool {
    let is_left = |endpoint: &Endpoint| -> Result<bool> {
        let Some(network) = networks::get(store, &endpoint.network)? else { return Ok(false) };
        let Some(members) = bridge::members_if_up(&network)? else { return Ok(false) };
        let is_own = |member: &bridge::Member| member.is_there && member.id == spec.id;
        Ok(!members.iter().any(|member| bridge::needs(store, member)) || members.iter().any(is_own))
    };
    spec.network == Kind::Bridge && spec.endpoints.iter().any(|endpoint| is_left(endpoint).unwrap_or(false))
}

/// Takes a running container off one network: its link there goes. Idempotent.
pub fn cut(store: &Store, id: &str, name: &str) -> Result<()> {
    unplug(store, id, name, false)
}

/// Takes a container off one network: one that runs, or one whose processes have ended. Idempotent.
fn unplug(store: &Store, id: &str, name: &str, has_ended: bool) -> Result<()> {
    let _lock = networks::lock(store)?;
    if has_ended && containers::is_alive(store, id) {
        return Ok(()); // it was started again: what is there now may be the new run's
    }
    let network = match networks::get(store, name) {
        Ok(Some(network)) => network,
        Err(error) if !has_ended => return Err(error),
        _ => return Ok(()), // it went with its bridge
    };
    let socket = link::open()?;
    for member in bridge::members(&network)? {
        if member.id != id {
            continue;
        }
        let _ = match member.ip {
            // Its link goes by itself some time after the last process. Nobody needs to wait for that, or takes it for a
            // container that stays.
            IpAddr::V4(ip) if has_ended => {
                link::set_port(&socket, &bridge::port_name(ip), &bridge::port_alias(id, "", false), false)
            }
            _ => link::remove(&socket, member.index), // it may be going by itself
        };
    }
    bridge::remove(store, &network)
}
