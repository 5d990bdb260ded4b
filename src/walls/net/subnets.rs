//! Which ranges of addresses a network can have: those that neither the host nor another network uses.

use crate::error::Result;
use crate::kernel::{hex, link};
use crate::spec::subnet::Subnet;
use crate::store::Store;
use crate::store::networks;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// docker's pools: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/20 to 192.168.240.0/20.
const LARGE: usize = 15;
const SMALL: usize = 16;
/// A route to more than this is one to everywhere: those who tunnel all (VPNs) replace the default route by its halves.
const ROUTE_BITS_MIN: [u8; 2] = [8, 16];

/// Shows every range that is in use, and who uses it: what that is, and its name. What belongs to the network `but` is left
/// out; "" for nothing.
fn each(store: &Store, but: &str, see: &mut dyn FnMut(Subnet, &str, &str)) -> Result<()> {
    let mut own_link = String::new();
    let (all, _) = networks::all(store)?; // a damaged record has no range; its bridge has one while it is there
    for network in &all {
        if network.name == but {
            own_link.clone_from(&network.link);
            continue;
        }
        for text in [Some(&network.subnet), network.subnet6.as_ref()].into_iter().flatten() {
            if let Some(range) = Subnet::parse(text) {
                see(range, "network", &network.name);
            }
        }
    }
    let socket = link::open()?;
    let links = link::all(&socket, None)?;
    let mut uses = |index: u32, address: IpAddr, prefix: u8, what: &str| {
        let link = links.iter().find(|link| link.index == index).map_or("", |link| link.name.as_str());
        if prefix >= ROUTE_BITS_MIN[usize::from(address.is_ipv6())] && (link.is_empty() || link != own_link) {
            see(Subnet { address, prefix }, what, link);
        }
    };
    for (index, address, prefix) in link::addresses(&socket)? {
        uses(index, address, prefix, "the host's link");
    }
    for route in link::routes(&socket)? {
        if let Some(to) = route.to {
            uses(route.link, to, route.prefix, "a route of the host through");
        }
    }
    Ok(())
}

/// The ranges that the host and all networks use, but for those of the network `but`.
pub fn taken(store: &Store, but: &str) -> Result<Vec<Subnet>> {
    let mut taken = Vec::new();
    each(store, but, &mut |range, _, _| taken.push(range))?;
    Ok(taken)
}

/// Who uses addresses of a range already: `network front (172.18.0.0/16)`.
pub fn user(store: &Store, wanted: &Subnet) -> Result<Option<String>> {
    let mut found = None;
    each(store, "", &mut |range, what, name| {
        if found.is_none() && range.overlaps(wanted) {
            found = Some([what, " ", name, " (", &range.text(), ")"].concat());
        }
    })?;
    Ok(found)
}

fn is_free(taken: &[Subnet], wanted: &Subnet) -> bool {
    !taken.iter().any(|range| range.overlaps(wanted))
}

/// The first free one of docker's pools, in their order from number `from` on, then from the beginning.
pub fn pick(taken: &[Subnet], from: usize) -> Option<Subnet> {
    for at in from..from + LARGE + SMALL {
        let at = at % (LARGE + SMALL);
        let (first, second, third, prefix) =
            if at < LARGE { (172, 17 + at, 0, 16) } else { (192, 168, (at - LARGE) * 16, 20) };
        let address = IpAddr::V4(Ipv4Addr::new(first, second as u8, third as u8, 0));
        let wanted = Subnet { address, prefix };
        if is_free(taken, &wanted) {
            return Some(wanted);
        }
    }
    None
}

/// A free range of unique local IPv6 addresses, by chance: RFC 4193.
pub fn pick6(taken: &[Subnet]) -> Subnet {
    loop {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&hex::random(8));
        bytes[0] = 0xfd;
        let wanted = Subnet { address: IpAddr::V6(Ipv6Addr::from(bytes)), prefix: 64 };
        if is_free(taken, &wanted) {
            return wanted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn picked(taken: &[&str], from: usize) -> String {
        let mut ranges = Vec::new();
        for text in taken {
            ranges.push(Subnet::parse(text).unwrap());
        }
        pick(&ranges, from).map_or("none".to_string(), |range| range.text())
    }

    #[test]
    fn pools_in_order() {
        for (taken, from, want) in [
            (&[][..], 0, "172.17.0.0/16"),
            (&[], 1, "172.18.0.0/16"),
            (&["172.18.3.4/24"], 1, "172.19.0.0/16"),
            (&["172.16.0.0/12"], 0, "192.168.0.0/20"),
            (&["172.16.0.0/12", "192.168.1.0/24"], 1, "192.168.16.0/20"),
            (&["192.168.240.0/24", "fd00::/8"], 30, "172.17.0.0/16"),
            (&["172.16.0.0/12", "192.168.0.0/16"], 7, "none"),
        ] {
            assert_eq!(picked(taken, from), want, "{taken:?} {from}");
        }
        let mut all = Vec::new();
        while let Some(range) = pick(&all, 0) {
            assert!(range.nth(0) == Some(range.address));
            all.push(range);
        }
        assert_eq!(
            (all.len(), all[14].text(), all[30].text()),
            (31, "172.31.0.0/16".into(), "192.168.240.0/20".into())
        );
    }

    #[test]
    fn local_ranges_by_chance() {
        let (one, other) = (pick6(&[]), pick6(&[]));
        let local = Subnet::parse("fd00::/8").unwrap();
        assert!(one != other && local.contains(one.address) && one.prefix == 64 && one.nth(0) == Some(one.address));
    }
}
