//! Networks, ports and names: from flags to endpoints, [`Publish`]es, and lines of hosts and resolv.conf.

use super::super::read::{network as words, port as typed};
use super::{Job, bad, namespaces, wrong, wrongs};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use mydocker::error::{EXIT_ENGINE, Result};
use mydocker::spec::ip;
use mydocker::spec::port::{self, Range};
use mydocker::spec::subnet::Subnet;
use mydocker::spec::{Endpoint, Network, Protocol, Publish, Spec};
use mydocker::store::{Store, networks};

/// What `--network`, `--network-alias`, `--ip`, `--ip6` and `--mac-address` ask for.
pub fn network(job: &mut Job<'_>) -> Result<()> {
    let (parsed, store) = (job.parsed, job.store);
    let mut endpoints = Vec::new();
    parsed.list("network", words::endpoint, &mut endpoints)?;
    if endpoints.is_empty() {
        endpoints.push(Endpoint::default());
    }
    of_first(job, &mut endpoints[0])?;
    let is_one = endpoints.len() == 1;
    let spec = &mut job.made.spec;
    for endpoint in &mut endpoints {
        let mut is_users = false;
        let asked = core::mem::take(&mut endpoint.network);
        spec.network = match (&*asked, asked.strip_prefix("container:")) {
            ("none", _) => Network::None,
            ("host", _) => Network::Host,
            ("container", _) | (_, Some("")) => {
                return Err(bad("Invalid network mode: invalid container format container:<name|id>"));
            }
            (_, Some(name)) => {
                spec.network_of = Some(namespaces::other(store, name)?.spec.id);
                Network::Container
            }
            // Nobody asked for a bridge.
            ("" | "default", _) if store.is_rootless => Network::None,
            (name, _) => {
                let name = if matches!(name, "" | "default") { networks::DEFAULT } else { name };
                is_users = join(store, name, endpoint)?;
                Network::Bridge
            }
        };
        refuse_addresses(spec.network, is_users, endpoint)?;
        if !(is_users || is_one) {
            let what = "conflicting options: cannot attach both user-defined and non-user-defined network-modes: {} \
                        can only be alone";
            return Err(wrong(what, if asked.is_empty() { networks::DEFAULT } else { &asked }));
        }
        if networks::is_on(spec, &endpoint.network) {
            return Err(wrong("network \"{}\" is specified multiple times", &endpoint.network));
        }
        if spec.network == Network::Bridge {
            spec.endpoints.push(core::mem::take(endpoint));
        }
    }
    Ok(())
}

/// Puts into the first endpoint what has a flag of its own.
fn of_first(job: &Job<'_>, endpoint: &mut Endpoint) -> Result<()> {
    let parsed = job.parsed;
    let mut aliases = Vec::new();
    parsed.list("network-alias", words::alias, &mut aliases)?;
    let mut twice = None;
    if !aliases.is_empty() {
        let old = core::mem::replace(&mut endpoint.aliases, aliases);
        twice = (!old.is_empty()).then_some("--network-alias and per-network alias");
    }
    let ip: fn(&str) -> Result<String> = |text| words::ip(text, false);
    for (flag, read, to, both) in [
        ("ip", ip, &mut endpoint.ip, "--ip and per-network IPv4 address"),
        ("ip6", |text| words::ip(text, true), &mut endpoint.ip6, "--ip6 and per-network IPv6 address"),
        ("mac-address", words::mac, &mut endpoint.mac, "--mac-address and per-network MAC address"),
    ] {
        if let Some(value) = parsed.read(flag, read)?
            && to.replace(value).is_some()
        {
            twice = Some(both);
        }
    }
    match twice {
        Some(both) => Err(bad("conflicting options: cannot specify both ".to_owned() + both)),
        None => Ok(()),
    }
}

/// Finds the network of an endpoint, and looks whether it has the addresses. Whether it is one that somebody made.
fn join(store: &Store, name: &str, endpoint: &mut Endpoint) -> Result<bool> {
    if store.is_rootless {
        return Err(wrong("network {} needs root, as it needs links of the host: choose --network none or host", name));
    }
    let network = networks::find(store, name).map_err(|e| e.exit(EXIT_ENGINE))?;
    endpoint.network.clone_from(&network.name);
    if network.name == networks::DEFAULT {
        return Ok(false);
    }
    if let Some(ip) = &endpoint.ip {
        let subnet = if network.is_fixed { Some(network.subnet()?) } else { None };
        fits(subnet, &network.gateway, ip)?;
    }
    if let Some(ip) = &endpoint.ip6 {
        fits(network.subnet6()?, network.gateway6.as_deref().unwrap_or_default(), ip)?;
    }
    Ok(true)
}

/// The same for a container that is there already.
pub fn joins(store: &Store, name: &str, endpoint: &mut Endpoint) -> Result<()> {
    let is_users = join(store, name, endpoint)?;
    refuse_addresses(Network::Bridge, is_users, endpoint)
}

/// Whether a container can have this address.
fn fits(subnet: Option<Subnet>, gateway: &str, ip: &str) -> Result<()> {
    let Some(subnet) = subnet else {
        let what =
            "user specified IP address is supported only when connecting to networks with user configured subnets";
        return Err(bad(what));
    };
    let Some(address) = ip::read(ip).filter(|ip| subnet.contains(*ip)) else {
        return Err(wrong("no configured subnet contains IP address {}", ip));
    };
    let at = subnet.position(address);
    // The first address of a subnet is its own, the last one of IPv4 means all.
    if subnet.last() > 1 && (at == 0 || address.is_ipv4() && at == subnet.last()) || ip::read(gateway) == Some(address)
    {
        return Err(wrong("IP address {} is not for containers: it is the network's own, or its gateway's", ip));
    }
    Ok(())
}

/// What only networks have that somebody made, and hardware addresses where there is no link of the container's own.
fn refuse_addresses(network: Network, is_users: bool, endpoint: &Endpoint) -> Result<()> {
    let what = if endpoint.mac.is_some() && network != Network::Bridge {
        "conflicting options: mac-address and the network mode"
    } else if is_users {
        return Ok(());
    } else if endpoint.ip.is_some() || endpoint.ip6.is_some() {
        "user specified IP address is supported on user defined networks only"
    } else if !endpoint.aliases.is_empty() {
        "network-scoped alias is supported only for containers in user defined networks"
    } else {
        return Ok(());
    };
    Err(bad(what))
}

/// Which options contradict the network of the host or of another container.
pub fn conflicts(job: &mut Job<'_>) -> Result<()> {
    let what = match job.made.spec.network {
        Network::Host => [("link", "host type networking can't be used with links")].as_slice(),
        Network::Container => &[
            ("hostname", "hostname and the network mode"),
            ("domainname", "domainname and the network mode"),
            ("link", "container type network can't be used with links"),
            ("dns", "dns and the network mode"),
            ("add-host", "custom host-to-IP mapping and the network mode"),
            ("publish", "port publishing and the container type network mode"),
            ("publish-all", "port publishing and the container type network mode"),
            ("expose", "port exposing and the container type network mode"),
        ],
        Network::None | Network::Bridge => &[],
    };
    for (flag, why) in what {
        if job.parsed.on(flag) || *flag != "publish-all" && job.parsed.given(flag) {
            return Err(bad("conflicting options: ".to_owned() + why));
        }
    }
    Ok(())
}

/// What `-p`, `-P` and `--expose` ask for.
pub fn ports(job: &mut Job<'_>) -> Result<()> {
    let (parsed, spec) = (job.parsed, &mut job.made.spec);
    for text in parsed.all("publish") {
        typed::publish(text, &mut spec.ports)?;
    }
    for text in parsed.all("expose") {
        job.exposed.push(typed::expose(text)?);
    }
    spec.publish_all = parsed.on("publish-all").then_some(true);
    // What cannot be published is served all the same.
    for one in &spec.ports {
        job.exposed.push((one.port, one.port, one.protocol));
    }
    if spec.network != Network::Bridge && !spec.ports.is_empty() {
        spec.ports.clear();
        let note = ["Published ports are discarded when using ", spec.network.word(), " network mode"];
        job.made.notes.push(note.concat());
    }
    if !spec.ports.is_empty() {
        let mut leads_out = false;
        for endpoint in &spec.endpoints {
            leads_out |= !networks::find(job.store, &endpoint.network)?.is_internal;
        }
        if !leads_out {
            job.made.notes.push("Published ports lead nowhere: the container is on internal networks only".to_owned());
        }
    }
    Ok(())
}

/// Adds the ports that the image serves, and publishes what is served and not yet published if `-P` asks for it.
pub fn of_image(job: &mut Job<'_>) -> Result<()> {
    let spec = &mut job.made.spec;
    for text in job.config.exposed_ports.take().unwrap_or_default().keys() {
        job.exposed.extend(port::range(text)); // whatever an image says
    }
    if !job.exposed.is_empty() {
        list(spec, &job.exposed);
    }
    if spec.ports.len() > typed::PORTS_MAX { Err(typed::too_many()) } else { Ok(()) }
}

/// Lists the ports of the ranges in order, each once.
fn list(spec: &mut Spec, ranges: &[Range]) {
    // For each port a bit of each protocol, and three bits further one that says that it is published.
    let mut marks = vec![0u8; 1 << 16];
    for (first, last, protocol) in ranges {
        for mark in &mut marks[*first as usize..=*last as usize] {
            *mark |= 1 << *protocol as u8;
        }
    }
    for one in &spec.ports {
        marks[one.port as usize] |= 8 << one.protocol as u8;
    }
    let publishes = spec.publish_all.is_some() && spec.network == Network::Bridge;
    for port in 1..1 << 16 {
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
            let mark = marks[port as usize] >> protocol as u8;
            if mark & 1 == 0 {
                continue;
            }
            spec.exposed.push(port::text(port, protocol));
            if publishes && mark & 8 == 0 {
                spec.ports.push(Publish { port, protocol, ..Publish::default() });
            }
        }
    }
}

/// What `--add-host`, `--dns`, `--dns-search`, `--dns-option` and `--link` ask for.
pub fn names(job: &mut Job<'_>) -> Result<()> {
    let (parsed, spec) = (job.parsed, &mut job.made.spec);
    let extra_host: fn(&str) -> Result<String> = words::extra_host;
    for (flag, read, to) in [
        ("add-host", extra_host, &mut spec.extra_hosts),
        ("dns", words::dns, &mut spec.dns),
        ("dns-search", words::dns_search, &mut spec.dns_search),
        ("dns-option", words::dns_option, &mut spec.dns_options),
    ] {
        parsed.list(flag, read, to)?;
    }
    for text in parsed.all("link") {
        let (name, alias) = words::link(text)?;
        let other = namespaces::other(job.store, name)?.spec;
        if !spec.endpoints.iter().any(|endpoint| networks::is_on(&other, &endpoint.network)) {
            let network = spec.endpoints.first().map_or("a network of this container", |first| &first.network);
            return Err(wrongs("Cannot link to {}, as it does not belong to {}", &[name, network]));
        }
        spec.links.push([&other.id, ":", alias].concat());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    fn range(text: &str) -> Range {
        port::range(text).unwrap()
    }

    #[test]
    fn what_is_served_is_listed_once() {
        let ranges = ["80", "9-10/udp", "80/udp", "10/udp", "0", "65535/sctp", "80"].map(range);
        let mut spec = Spec { network: Network::Bridge, ..Spec::default() };
        typed::publish("8080:80", &mut spec.ports).unwrap();
        list(&mut spec, &ranges);
        assert_eq!(spec.exposed, ["9/udp", "10/udp", "80/tcp", "80/udp", "65535/sctp"]);
        assert_eq!(spec.ports.len(), 1);
        spec.exposed.clear();
        spec.publish_all = Some(true);
        list(&mut spec, &ranges);
        let shown = |one: &Publish| format!("{}>{}/{}", one.host_first, one.port, one.protocol.word());
        let ports: Vec<String> = spec.ports.iter().map(shown).collect();
        assert_eq!(ports, ["8080>80/tcp", "0>9/udp", "0>10/udp", "0>80/udp", "0>65535/sctp"]);
        let mut none = Spec { publish_all: Some(true), ..Spec::default() };
        list(&mut none, &ranges);
        assert!(none.ports.is_empty() && none.exposed.len() == 5);
    }

    #[test]
    fn addresses_that_a_container_can_have() {
        let why = |subnet: &str, gateway: &str, ip: &str| match fits(Subnet::parse(subnet), gateway, ip) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        for (subnet, gateway, ip, want) in [
            ("10.1.2.0/24", "10.1.2.1", "10.1.2.9", ""),
            ("10.1.2.0/24", "10.1.2.9", "10.1.2.1", ""),
            ("fd00::/64", "fd00::1", "fd00::ffff:ffff:ffff:ffff", ""),
            ("10.1.2.0/24", "10.1.2.1", "10.1.2.1", "not for containers"),
            ("10.1.2.0/24", "10.1.2.1", "10.1.2.0", "not for containers"),
            ("10.1.2.0/24", "10.1.2.1", "10.1.2.255", "not for containers"),
            ("fd00::/64", "fd00::1", "fd00::1", "not for containers"),
            ("fd00::/64", "fd00::1", "fd00::", "not for containers"),
            ("10.1.2.0/24", "10.1.2.1", "10.1.3.9", "no configured subnet contains IP address 10.1.3.9"),
            ("10.1.2.0/24", "10.1.2.1", "fd00::9", "no configured subnet contains IP address fd00::9"),
            ("", "", "10.1.2.9", "only when connecting to networks with user configured subnets"),
        ] {
            let error = why(subnet, gateway, ip);
            assert!(error.contains(want) && error.is_empty() == want.is_empty(), "{ip} in {subnet}: {error}");
        }
    }
}
