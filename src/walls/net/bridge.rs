//! Bridges: one for each network, as long as a container is on it, and what the host does with packets that cross it.

use super::subnets;
use crate::error::{Error, Result, Tried};
use crate::kernel::link::Link;
use crate::kernel::netlink::Socket;
use crate::kernel::nft::{self, Batch, Hook, Rule, Verdict};
use crate::kernel::{file, hex, link, time};
use crate::spec::{Spec, ip};
use crate::store::networks::{self, Network};
use crate::store::{self, Store, containers};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use rustix::fs::CWD;
use rustix::io::Errno;

/// The link of the default network of the default store.
const DEFAULT_LINK: &str = "mydocker0";
/// Bytes of the largest packet where no uplink tells.
const MTU: u32 = 1500;
/// How often another subnet is tried when somebody else takes one at the same moment.
const TRIES: usize = 8;
/// What the alias of a container's link begins with: of one that has ended, whose link the kernel has yet to take away, and
/// of one that runs.
const ALIAS: [&str; 2] = ["mydocker-gone ", "mydocker "];

/// A running container on a network, as the kernel tells it.
pub struct Member {
    /// The container's id.
    pub id: String,
    /// Its IPv4 address there.
    pub ip: IpAddr,
    /// The number of its link on the host.
    pub index: u32,
    /// Its IPv6 address there, empty for none.
    pub ip6: String,
    /// Whether it still needs the network.
    pub is_there: bool,
}

/// The host's link of the container that has this address, and the alias that names both.
pub fn port_name(ip: Ipv4Addr) -> String {
    format!("md{:08x}", u32::from(ip))
}

/// See [`Member`].
pub fn port_alias(id: &str, ip6: &str, is_there: bool) -> String {
    [ALIAS[usize::from(is_there)], id, " ", ip6].concat()
}

/// Who is on a network now.
pub fn members(network: &Network) -> Result<Vec<Member>> {
    let mut members = members_if_up(network)?.unwrap_or_default();
    members.retain(|member| member.is_there);
    Ok(members)
}

/// The same with those whose links have yet to go; `None` when it has no bridge.
pub fn members_if_up(network: &Network) -> Result<Option<Vec<Member>>> {
    if network.id.is_empty() {
        return Ok(None);
    }
    let socket = link::open()?;
    match link::find(&socket, &network.link)? {
        Some(bridge) if bridge.is_bridge => members_of(&socket, bridge.index).map(Some),
        _ => Ok(None),
    }
}

/// The same for the number of a bridge that there is.
pub fn members_of(socket: &Socket, bridge: u32) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    for link in link::all(socket, Some(bridge))? {
        let Some(ip) = link.name.strip_prefix("md").and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
            continue;
        };
        let there = link.alias.strip_prefix(ALIAS[1]);
        let alias = there.or_else(|| link.alias.strip_prefix(ALIAS[0])).unwrap_or_default();
        let (id, ip6) = alias.split_once(' ').unwrap_or_default();
        members.push(Member {
            id: id.to_owned(),
            ip: IpAddr::V4(Ipv4Addr::from(ip)),
            index: link.index,
            ip6: ip6.to_owned(),
            is_there: there.is_some(),
        });
    }
    Ok(members)
}

/// Gives a network what a record needs and nobody has asked for: an id, a link's name, a subnet that is free here. Not
/// written down yet. The caller holds the lock of the networks.
pub fn complete(store: &Store, network: &mut Network) -> Result<()> {
    if network.id.is_empty() {
        network.id = hex::fresh_id();
        network.created = time::now();
    }
    if network.link.is_empty() {
        network.link = match network.option(networks::OPTION_LINK) {
            Some(name) => name.to_owned(),
            None if network.name == networks::DEFAULT && store.root_path == store::ROOT => DEFAULT_LINK.to_owned(),
            None => format!("md-{}", &network.id[..12]),
        };
    }
    if network.subnet.is_empty() {
        // The first pool is docker's for the default network.
        choose(store, network, usize::from(network.name != networks::DEFAULT))?;
    }
    Ok(())
}

/// Another subnet for a network that may have any. `from`: the number of the first one that is looked at.
fn choose(store: &Store, network: &mut Network, from: usize) -> Result<()> {
    let taken = subnets::taken(store, &network.name)?;
    let subnet = subnets::pick(&taken, from).ok_or_else(|| {
        Error::new("could not find an available, non-overlapping IPv4 subnet: name one with network create --subnet")
    })?;
    network.subnet = subnet.text();
    network.gateway = subnet.nth(1).map(ip::text).unwrap_or_default();
    Ok(())
}

/// What the kernel says of a module that it does not have.
pub fn explain(errno: Errno, module: &str, what: &str, name: &str) -> Error {
    if link::is_unknown_kind(errno) || errno == Errno::NOENT && module == nft::MODULES {
        return Error::new(format_args!(
            "this kernel has no {module}, which networks need: modprobe -a {module}; or use --network host or --network none"
        ));
    }
    Error::tried(what, name, errno)
}

/// A conversation about the packet filter, which a kernel may not have.
pub fn filter() -> Result<Socket> {
    nft::open().map_err(|error| explain(error.errno.unwrap_or(Errno::IO), nft::MODULES, "open", "the packet filter"))
}

/// command, while its monitor makes the process: the bridges that a container needs, where there are none. What does not work
/// [`raise`] tells when it is needed. `is_late`: whether the container may have been on them already, and be off again.
pub fn raise_early(store: &Store, spec: &Spec, is_late: &dyn Fn() -> bool) {
    for endpoint in &spec.endpoints {
        let raise_one = || -> Result<()> {
            let _lock = networks::lock(store)?;
            match networks::get(store, &endpoint.network)? {
                Some(mut network) if !is_late() => raise(store, &link::open()?, &mut network).map(drop),
                _ => Ok(()),
            }
        };
        let _ = raise_one(); // see above
    }
}

/// The network's bridge, which is made if there is none. The caller holds the lock of the networks.
pub fn raise(store: &Store, socket: &Socket, network: &mut Network) -> Result<Link> {
    let is_new = network.id.is_empty();
    complete(store, network)?;
    if is_new {
        networks::write(store, network)?;
    }
    match link::find(socket, &network.link)? {
        Some(found) if !found.is_bridge => {
            let why = format!("the host has a link {} that is no bridge", network.link);
            return Err(Error::new(format_args!("cannot use network {}: {why}", network.name)));
        }
        // Switched on last: it is complete, but somebody may have flushed its rules.
        Some(found) if found.is_up => return ensure_rules(socket, network, None).map(|()| found),
        // Switched off by somebody while containers are on it: they would lose their way with it.
        Some(found) if members_of(socket, found.index)?.iter().any(|member| member.is_there) => {
            return equip(socket, network, &found, None).map(|()| found);
        }
        Some(found) => link::remove(socket, found.index).tried_to("remove the link", &network.link)?,
        None => {}
    }
    for at in 0..TRIES {
        if is_taken(store, network)? {
            choose(store, network, at)?;
            networks::write(store, network)?;
        }
        let bridge = match make(socket, network) {
            Ok(bridge) => bridge,
            Err(error) => {
                let _ = remove(store, network); // the first error is the one that tells
                return Err(error);
            }
        };
        // Somebody else, who does not know our lock, may have taken the same addresses at the same moment.
        if !is_taken(store, network)? {
            return Ok(bridge);
        }
        remove(store, network)?;
    }
    Err(Error::new(format_args!("cannot find a free subnet for network {}: others take them all", network.name)))
}

/// Whether the host uses the network's subnet otherwise. If it cannot have another one, that is an error.
fn is_taken(store: &Store, network: &Network) -> Result<bool> {
    let subnet = network.subnet()?;
    let taken = subnets::taken(store, &network.name)?;
    let Some(other) = taken.iter().find(|other| other.overlaps(&subnet)) else { return Ok(false) };
    if network.is_fixed {
        let (name, other) = (&network.name, other.text());
        return Err(Error::new(format_args!(
            "network {name}: its subnet {} overlaps with {other}, which this host uses otherwise",
            network.subnet
        )));
    }
    Ok(true)
}

/// The link that leads to the world.
fn uplink(socket: &Socket) -> Result<Option<Link>> {
    let mut links = link::all(socket, None)?;
    for route in link::routes(socket)? {
        if let (None, Some(at)) = (route.to, links.iter().position(|link| link.index == route.link)) {
            return Ok(Some(links.swap_remove(at)));
        }
    }
    Ok(None)
}

fn make(socket: &Socket, network: &Network) -> Result<Link> {
    let asked = network.option(networks::OPTION_MTU).and_then(|text| text.parse().ok());
    let uplink = uplink(socket)?;
    let mtu = asked.or(uplink.as_ref().map(|link| link.mtu)).unwrap_or(MTU);
    link::make_bridge(socket, &network.link, mtu)
        .map_err(|errno| explain(errno, "bridge", "make the bridge", &network.link))?;
    let Some(bridge) = link::find(socket, &network.link)? else {
        return Err(Error::new(format_args!("the bridge {} has gone", network.link)));
    };
    equip(socket, network, &bridge, Some(&uplink)).map(|()| bridge)
}

/// Gives a bridge all that it needs, and switches it on. `way`: [`uplink`], if that is known.
fn equip(socket: &Socket, network: &Network, bridge: &Link, way: Option<&Option<Link>>) -> Result<()> {
    // A container must not tell the host where the world is (router advertisements). A kernel without IPv6 has no such file.
    match file::write_at(CWD, &["/proc/sys/net/ipv6/conf/", &network.link, "/accept_ra"].concat(), "0") {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(Error::tried("close the bridge to router advertisements", &network.link, errno)),
    }
    forward(network)?;
    add_address(socket, bridge.index, network.gateway(false)?, network.subnet()?.prefix)?;
    if let Some(subnet6) = network.subnet6()? {
        add_address(socket, bridge.index, network.gateway(true)?, subnet6.prefix)?;
    }
    ensure_rules(socket, network, way)?;
    let path = ["/proc/sys/net/ipv4/conf/", &network.link, "/route_localnet"].concat();
    set(&path, "switch on published ports on localhost")?;
    link::up(socket, bridge.index)
}

fn add_address(socket: &Socket, index: u32, address: IpAddr, prefix: u8) -> Result<()> {
    match link::add_address(socket, index, address, prefix) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(Error::os(format_args!("give the bridge its address {}/{prefix}", ip::text(address)), errno)),
    }
}

/// Where the kernel is told whether it passes packets on.
const FORWARDING: [&str; 2] = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];

/// Whether the host passes packets on, those of IPv4 and of IPv6.
pub fn forwards() -> [bool; 2] {
    FORWARDING.map(|path| file::read_text(path).is_ok_and(|text| text.starts_with('1')))
}

/// Makes the host pass packets on.
fn forward(network: &Network) -> Result<()> {
    if network.is_internal {
        return Ok(());
    }
    let (is_wanted, is_so) = ([true, network.subnet6.is_some()], forwards());
    for (at, path) in FORWARDING.iter().enumerate() {
        if is_wanted[at] && !is_so[at] {
            set(path, "switch on forwarding (or use --network host, or network create --internal)")?;
        }
    }
    Ok(())
}

fn set(path: &str, what: &str) -> Result<()> {
    file::write_at(CWD, path, "1").tried_to(what, path)
}

/// The name of a table of ours.
pub fn table_of(id: &str) -> String {
    format!("mydocker-{}", &id[..12])
}

/// The chain of iptables(8) in which other programs decide what passes: its table and our comment there.
const FOREIGN: (&str, &str) = ("filter", "FORWARD");

/// Makes the rules that are missing: those of a new bridge, and those that somebody has flushed.
fn ensure_rules(socket: &Socket, network: &Network, way: Option<&Option<Link>>) -> Result<()> {
    let (filter, table) = (filter()?, table_of(&network.id));
    if !nft::has(&filter, nft::INET, &table, "") {
        let found = if way.is_none() { uplink(socket)? } else { None };
        let bridged = way.unwrap_or(&found).as_ref().filter(|link| link.is_bridge);
        add_rules(&filter, network, bridged.map(|link| link.name.as_str()))?;
    }
    // Others' chains may drop what they do not know. A rule of ours in front of them lets pass what our table has marked.
    for family in [nft::IPV4, nft::IPV6] {
        let (foreign, chain) = FOREIGN;
        let has_rule = || nft::rules(&filter, family, foreign, chain, &table).is_ok_and(|rules| !rules.is_empty());
        if nft::has(&filter, family, foreign, chain) && !has_rule() {
            let mut batch = Batch::new(family, foreign);
            batch.insert_rule(chain, &Rule::default().is_marked().verdict(Verdict::Accept), &table);
            batch.commit(&filter).tried_to("let others' filters pass packets of network", &network.name)?;
        }
    }
    Ok(())
}

/// The network's table: who may reach whom, and whose address packets get on their way out.
pub fn add_rules(socket: &Socket, network: &Network, bridged_uplink: Option<&str>) -> Result<()> {
    let (table, bridge) = (table_of(&network.id), network.link.as_str());
    let mut batch = Batch::new(nft::INET, &table);
    batch.make_table(0);
    for hook in [Hook::Raw, Hook::Forward, Hook::Postrouting] {
        batch.make_chain(hook);
    }
    // route_localnet must not open the host's loopback to a container that writes packets of its own, nor let it pose as
    // the host.
    let forged = || Rule::default().comes_through(bridge, false).version(nft::IPV4);
    batch.add_rule(Hook::Raw, &forged().destination(&[127, 0, 0, 0], 8, false).verdict(Verdict::Drop));
    batch.add_rule(Hook::Raw, &forged().source(&[127, 0, 0, 0], 8, false).verdict(Verdict::Drop));
    for rule in passing(network, bridged_uplink) {
        batch.add_rule(Hook::Forward, &rule);
    }
    let answered = Rule::default().version(nft::IPV4).source(&[127, 0, 0, 0], 8, false).goes_through(bridge, false);
    batch.add_rule(Hook::Postrouting, &answered.masquerade());
    let mut subnets = Vec::from([(nft::IPV4, network.subnet()?)]);
    subnets.extend(network.subnet6()?.map(|subnet| (nft::IPV6, subnet)));
    for (version, subnet) in subnets {
        let own = || Rule::default().version(version).source(&link::octets(subnet.address), subnet.prefix, false);
        // A container that reaches one of its own network by a published port: the answer must come back this way.
        batch.add_rule(Hook::Postrouting, &own().goes_through(bridge, false).is_of_a_connection(true).masquerade());
        if !network.is_internal && network.option(networks::OPTION_MASQUERADE) != Some("false") {
            batch.add_rule(Hook::Postrouting, &own().goes_through(bridge, true).masquerade());
        }
    }
    batch.commit(socket).map_err(|errno| explain(errno, nft::MODULES, "make the rules of network", &network.name))
}

/// The rules for packets that pass from or to the network's bridge.
fn passing(network: &Network, bridged_uplink: Option<&str>) -> Vec<Rule> {
    let bridge = network.link.as_str();
    let (from, to) = (|| Rule::default().comes_through(bridge, false), || Rule::default().goes_through(bridge, false));
    let pass = |rule: Rule| rule.mark().verdict(Verdict::Accept);
    // Others' chains hear of these too where the kernel filters bridged packets (br_netfilter), and of a published port's way
    // back to its own network.
    let within = || from().goes_through(bridge, false);
    let mut rules = Vec::new();
    if network.option(networks::OPTION_ICC) == Some("false") {
        // By the bridge nothing passes between its ports; by way of the host only what is published.
        rules.extend([pass(within().is_of_a_connection(false)), pass(within().is_of_a_connection(true))]);
        rules.push(within().verdict(Verdict::Drop));
    }
    rules.push(pass(within()));
    if network.is_internal {
        rules.extend([from().verdict(Verdict::Drop), to().verdict(Verdict::Drop)]);
        return rules;
    }
    rules.push(pass(to().is_of_a_connection(false)));
    rules.push(pass(to().is_of_a_connection(true)));
    rules.push(to().verdict(Verdict::Drop));
    // Whether something passes to another bridge is for its owner to say, unless that is the way to the world.
    if let Some(uplink) = bridged_uplink {
        rules.push(pass(from().goes_through(uplink, false)));
    }
    rules.push(from().goes_through_kind("bridge").verdict(Verdict::Accept));
    rules.push(pass(from()));
    rules
}

/// Whether a member still needs the network. One whose monitor was killed never said that it has ended.
pub fn needs(store: &Store, member: &Member) -> bool {
    member.is_there && containers::is_alive(store, &member.id)
}

/// Takes a network's bridge away with its rules, unless a container is on it. The caller holds the lock of the networks.
pub fn remove(store: &Store, network: &Network) -> Result<()> {
    if network.id.is_empty() {
        return Ok(());
    }
    let socket = link::open()?;
    let bridge = link::find(&socket, &network.link)?.filter(|link| link.is_bridge);
    if let Some(bridge) = &bridge {
        if members_of(&socket, bridge.index)?.iter().any(|member| needs(store, member)) {
            return Ok(());
        }
        // A bridge that is switched on is complete. This one is not from here on.
        link::down(&socket, bridge.index).tried_to("switch off the bridge", &network.link)?;
    }
    remove_rules(network)?;
    match bridge.map(|bridge| link::remove(&socket, bridge.index)) {
        None | Some(Ok(()) | Err(Errno::NODEV)) => Ok(()),
        Some(Err(errno)) => Err(Error::tried("remove the bridge", &network.link, errno)),
    }
}

fn remove_rules(network: &Network) -> Result<()> {
    let Ok(socket) = nft::open() else { return Ok(()) }; // then there are none
    let table = table_of(&network.id);
    for family in [nft::IPV4, nft::IPV6] {
        for handle in nft::rules(&socket, family, FOREIGN.0, FOREIGN.1, &table).unwrap_or_default() {
            let mut batch = Batch::new(family, FOREIGN.0);
            batch.remove_rule(FOREIGN.1, handle);
            let _ = batch.commit(&socket); // its owner may have removed all rules by now
        }
    }
    let mut batch = Batch::new(nft::INET, &table);
    batch.remove_table();
    match batch.commit(&socket) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Error::tried("remove the rules of network", &network.name, errno)),
    }
}
