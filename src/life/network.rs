//! command: makes and removes networks. Everything here that changes one holds the lock of the networks.

use crate::error::{Error, Result, escaped};
use crate::kernel::{hex, link};
use crate::spec::ip;
use crate::spec::subnet::Subnet;
use crate::spec::text;
use crate::store::networks::{self, Network};
use crate::store::{Store, containers, events};
use crate::walls::net::{bridge, subnets};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// docker's networks that are always there and have no record: the host's own, and nothing but `lo`.
pub const WITHOUT_BRIDGE: [&str; 2] = ["host", "none"];

/// What is shown of a network that has no record.
pub fn without_bridge(name: &str) -> Box<Network> {
    let id = hex::sha256(format!("network {name}").as_bytes());
    Box::new(Network { name: name.to_owned(), id, ..Network::default() })
}

/// The network that a word stands for, docker's built-in ones among them.
pub fn find(store: &Store, word: &str) -> Result<Box<Network>> {
    networks::find(store, word).and_then(|network| settled(store, network)).or_else(|error| {
        for name in WITHOUT_BRIDGE {
            let network = without_bridge(name);
            if word == name || !word.is_empty() && network.id.starts_with(word) {
                return Ok(network);
            }
        }
        Err(error)
    })
}

/// The network with a record: the default one gets its own when somebody uses it or looks at it for the first time.
pub fn settled(store: &Store, network: Box<Network>) -> Result<Box<Network>> {
    if !network.id.is_empty() {
        return Ok(network);
    }
    let _lock = networks::lock(store)?;
    let mut network = networks::get(store, &network.name)?.unwrap_or(network);
    if network.id.is_empty() {
        bridge::complete(store, &mut network)?;
        networks::write(store, &network)?;
    }
    Ok(network)
}

/// Makes a network as it was asked for; an empty IPv6 subnet is any. What is missing is chosen, and all that is there must
/// be free.
pub fn make(store: &Store, network: &mut Network) -> Result<()> {
    if store.is_rootless {
        let why = "networks need root, as they need links of the host: use --network none or --network host";
        return Err(Error::new(why));
    }
    let _lock = networks::lock(store)?;
    let name = network.name.clone();
    if networks::get(store, &name)?.is_some() {
        return Err(Error::new(format_args!("network with name {name} already exists")));
    }
    check_link(store, &network.link)?;
    for text in [Some(&network.subnet), network.subnet6.as_ref()].into_iter().flatten() {
        if let Some(range) = Subnet::parse(text)
            && let Some(user) = subnets::user(store, &range)?
        {
            let why = "Pool overlaps with other one on this address space";
            return Err(Error::new(format_args!("{why}: {text} has addresses of {user}; choose another --subnet")));
        }
    }
    if network.subnet6.as_deref() == Some("") {
        let range = subnets::pick6(&subnets::taken(store, "")?);
        network.subnet6 = Some(range.text());
        network.gateway6 = range.nth(1).map(ip::text);
    }
    bridge::complete(store, network)?;
    networks::write(store, network)?;
    events::network(store, "create", &network.id, &name, "");
    Ok(())
}

/// Whether the bridge can have the name that was asked for.
fn check_link(store: &Store, name: &str) -> Result<()> {
    if name.is_empty() {
        return Ok(());
    }
    let bad = |why: &str| Err(Error::new(format_args!("the bridge cannot be called {name}: {why}")));
    if name == "mydocker0" || name.strip_prefix("md").is_some_and(|rest| rest.starts_with('-') || hex::is(rest, 8)) {
        return bad("links that mydocker names itself are called so");
    }
    let (others, _) = networks::all(store)?;
    for other in &others {
        if other.link == name {
            return bad(&format!("that is the bridge of network {}", other.name));
        }
    }
    if link::find(&link::open()?, name)?.is_some() {
        return bad("the host has a link of this name; see: ip link");
    }
    Ok(())
}

/// Ids and names of the containers that are on a network: those that run, or also the others. One that only the kernel
/// knows of has no name.
pub fn users(store: &Store, network: &Network, stopped_too: bool) -> Result<Vec<(String, String)>> {
    let mut users = Vec::new();
    for id in containers::ids(store)? {
        // No look that finishes a removal: it could wait for the lock that we hold.
        let Ok(container) = containers::open(store, &id) else { continue };
        if networks::is_on(&container.spec, &network.name) && (stopped_too || container.is_alive()?) {
            users.push((id, container.spec.name.clone()));
        }
    }
    if network.id.is_empty() {
        return Ok(users);
    }
    for member in bridge::members(network)? {
        // The link of one that has ended is on its way out of the kernel.
        let has_ended = || containers::open(store, &member.id).is_ok_and(|it| it.is_alive().is_ok_and(|alive| !alive));
        if !users.iter().any(|(id, _)| *id == member.id) && !has_ended() {
            users.push((member.id, String::new()));
        }
    }
    Ok(users)
}

/// Removes a network with its bridge, unless a running container is on it. Also one whose record is damaged.
pub fn remove(store: &Store, word: &str) -> Result<()> {
    let name = match find(store, word) {
        Ok(network) => network.name,
        Err(_) if networks::is_name(word) && networks::get(store, word).is_err() => word.to_owned(), // damaged
        Err(error) => return Err(error),
    };
    let _lock = networks::lock(store)?;
    let network = match networks::get(store, &name) {
        Ok(Some(network)) => network,
        Ok(None) if !WITHOUT_BRIDGE.contains(&name.as_str()) => return Err(missing(&name)), // somebody was faster
        _ => Box::new(Network { name: name.clone(), ..Network::default() }),
    };
    let is_sound = network.subnet().is_ok() || WITHOUT_BRIDGE.contains(&name.as_str());
    if is_sound && networks::BUILT_IN.contains(&name.as_str()) {
        return Err(Error::new(format_args!("{name} is a pre-defined network and cannot be removed")));
    }
    let mut list = String::new();
    for (id, name) in &users(store, &network, false)? {
        text::add(&mut list, ", ", "name:\"");
        list.extend([name, "\" id:\"", id.get(..12).unwrap_or(id), "\""]);
    }
    if !list.is_empty() {
        let what = format!("error while removing network: network {name} has active endpoints ({list})");
        return Err(Error::new(what));
    }
    if !network.id.is_empty() && !store.is_rootless {
        bridge::remove(store, &network)?;
    }
    networks::remove(store, &name)?;
    events::network(store, "destroy", &network.id, &name, "");
    Ok(())
}

/// docker's answer to the name of a network that is not there.
pub fn missing(word: &str) -> Error {
    Error::new(format_args!("network {} not found", escaped(word)))
}

/// Whether a host can have this address of a range: the first one is the range's own, the last IPv4 one its broadcast.
pub fn is_for_host(range: &Subnet, ip: IpAddr) -> bool {
    range.nth(0) != Some(ip) && (ip.is_ipv6() || range.nth(range.last()) != Some(ip))
}

/// What stands for a container on a network where docker has an id for that: 64 hexadecimal digits.
pub fn endpoint_id(container: &str, network: &str) -> String {
    hex::sha256([container, "/", network].concat().as_bytes())
}
