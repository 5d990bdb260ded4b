//! What `network create` is asked for.

use crate::cli::args::{Parsed, boolean};
use crate::cli::human::visible;
use crate::cli::read;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use mydocker::error::{Error, Result};
use mydocker::kernel::link;
use mydocker::life::network::is_for_host;
use mydocker::spec::ip;
use mydocker::spec::subnet::Subnet;
use mydocker::store::networks::{
    self, Network, OPTION_HOST_IP, OPTION_ICC, OPTION_LINK, OPTION_MASQUERADE, OPTION_MTU,
};

/// Bytes of the largest packet that a link may have, and the fewest that IPv4 (RFC 791) and IPv6 (RFC 8200) can do with.
const MTU_MAX: u32 = 65535;
const MTU_MIN: [u32; 2] = [68, 1280];
/// Bits of a subnet that hosts need at least: for its own address, the gateway, a container, and the broadcast.
const HOST_BITS_MIN: u8 = 2;
/// What docker knows besides, and the one value of it that is meant here anyway.
const FIXED: &str = "config-only false,ingress false,ipam-driver default,ipv4 true,scope local";

#[cold]
#[inline(never)]
fn bad(what: &str, typed: &str, why: &str) -> Error {
    Error::new(format_args!("invalid {what} '{}': {why}", visible(typed)))
}

/// Fills in what was asked for. What is not said stays empty; an empty IPv6 subnet is any.
pub fn read(parsed: &Parsed, made: &mut Network) -> Result<()> {
    parsed.word(0).clone_into(&mut made.name);
    let name = visible(&made.name);
    if networks::BUILT_IN.contains(&name.as_str()) || name == "default" {
        return Err(Error::new(format_args!("operation is not permitted on predefined {name} network")));
    }
    if !networks::is_name(&made.name) {
        return Err(bad("network name", &name, "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, at most 128 of them"));
    }
    match parsed.last("driver") {
        None | Some("" | "bridge") => {}
        Some(word @ ("host" | "null")) => {
            return Err(Error::new(format_args!("only one instance of \"{word}\" network is allowed")));
        }
        Some(other) => {
            let other = visible(other);
            return Err(Error::new(format_args!("plugin \"{other}\" not found: the driver 'bridge' is the only one")));
        }
    }
    for row in FIXED.split(',') {
        let (key, meant) = row.split_once(' ').unwrap_or_default();
        if parsed.last(key).is_some_and(|value| !value.is_empty() && value != meant) {
            return Err(Error::new(format_args!(
                "--{key} can only be {meant}: there are bridges of this host, and no swarm"
            )));
        }
    }
    for text in &parsed.all("label") {
        made.labels.extend([read::label(text)?]);
    }
    made.is_internal = parsed.on("internal");
    ranges(parsed, made)?;
    for typed in &parsed.all("opt") {
        let (key, value) = typed.split_once('=').unwrap_or((typed, ""));
        option(made, key, value)?;
    }
    Ok(())
}

/// All values of a flag that takes lists, too.
#[inline(never)]
fn values<'a>(parsed: &'a Parsed, key: &str) -> Vec<&'a str> {
    let mut values = Vec::new();
    for typed in parsed.all(key) {
        values.extend(typed.split(','));
    }
    values
}

/// Whether hosts can have addresses of this range.
fn check(range: &Subnet, typed: &str) -> Result<()> {
    let (width, first) = (if range.address.is_ipv4() { 32 } else { 128 }, range.address);
    if range.prefix + HOST_BITS_MIN > width {
        let least = width - HOST_BITS_MIN;
        let why = format!("there is no room for the gateway and a container; /{least} is the smallest");
        return Err(bad("subnet", typed, &why));
    }
    let is_local = matches!(first, IpAddr::V6(six) if six.is_unicast_link_local());
    if is_local || first.is_multicast() || first.is_loopback() || first.is_unspecified() {
        return Err(bad("subnet", typed, "containers cannot have such addresses"));
    }
    Ok(())
}

/// `--subnet`, `--gateway`, `--ip-range`, `--ipv6`.
fn ranges(parsed: &Parsed, made: &mut Network) -> Result<()> {
    let (mut found, mut gateways, mut is_said) = ([None::<Subnet>; 2], [None::<IpAddr>; 2], [false; 2]);
    for typed in values(parsed, "subnet") {
        let range = Subnet::parse(typed);
        let range = range.ok_or_else(|| bad("subnet", typed, "ADDRESS/BITS is expected, such as 192.168.10.0/24"))?;
        check(&range, typed)?;
        let six = usize::from(range.address.is_ipv6());
        if found[six].is_some() {
            let why = "bridge driver doesn't support multiple subnets: one of IPv4 and one of IPv6";
            return Err(bad("subnet", typed, why));
        }
        // The address of a host in it is the gateway's.
        gateways[six] = Some(range.address).filter(|address| range.nth(0) != Some(*address)).or(range.nth(1));
        found[six] = range.nth(0).map(|address| Subnet { address, ..range });
    }
    for typed in values(parsed, "gateway") {
        let ip = ip::read(typed).ok_or_else(|| bad("gateway", typed, "it is no IP address"))?;
        let six = usize::from(ip.is_ipv6());
        if !found[six].is_some_and(|range| range.contains(ip)) {
            return Err(Error::new(format_args!(
                "no matching subnet for gateway {}; name one with --subnet",
                ip::text(ip)
            )));
        }
        if core::mem::replace(&mut is_said[six], true) && gateways[six] != Some(ip) {
            return Err(bad("gateway", typed, "cannot configure multiple gateways for the same subnet"));
        }
        gateways[six] = Some(ip);
    }
    for (range, ip) in found.iter().zip(gateways) {
        if let (Some(range), Some(ip)) = (range, ip)
            && !is_for_host(range, ip)
        {
            let why = format!("it is the first or last address of {}, which no host can have", range.text());
            return Err(bad("gateway", &ip::text(ip), &why));
        }
    }
    for typed in values(parsed, "ip-range") {
        made.ip_range = Some(ip_range(typed, found[0], gateways[0])?);
    }
    if parsed.on("ipv6") {
        made.subnet6 = Some(String::new());
    }
    for (range, ip) in found.iter().zip(gateways) {
        let (Some(range), Some(ip)) = (range, ip) else { continue };
        let (subnet, gateway) = (range.text(), ip::text(ip));
        if ip.is_ipv6() {
            (made.subnet6, made.gateway6) = (Some(subnet), Some(gateway));
        } else {
            (made.subnet, made.gateway, made.is_fixed) = (subnet, gateway, true);
        }
    }
    Ok(())
}

/// The part of a subnet that containers get addresses of.
fn ip_range(typed: &str, subnet: Option<Subnet>, gateway: Option<IpAddr>) -> Result<String> {
    let range = Subnet::parse(typed).ok_or_else(|| bad("ip-range", typed, "ADDRESS/BITS is expected"))?;
    if range.address.is_ipv6() {
        return Err(bad("ip-range", typed, "it is for IPv4 only: IPv6 addresses follow from it"));
    }
    let Some(subnet) = subnet.filter(|subnet| subnet.contains(range.address) && subnet.prefix <= range.prefix) else {
        return Err(Error::new(format_args!("no matching subnet for range {}; name one with --subnet", range.text())));
    };
    // Only the first ones can all be taken.
    let is_free = |at| range.nth(at).is_some_and(|ip| Some(ip) != gateway && is_for_host(&subnet, ip));
    if !(0..4).any(is_free) {
        return Err(bad("ip-range", typed, "it has no address for a container"));
    }
    Ok(range.nth(0).map(|address| Subnet { address, ..range }.text()).unwrap_or_default())
}

/// One `-o`.
fn option(made: &mut Network, typed: &str, value: &str) -> Result<()> {
    let key = if typed == "mtu" { OPTION_MTU } else { typed };
    let why = match key {
        OPTION_LINK => {
            link::check_name(value)?;
            value.clone_into(&mut made.link);
            ""
        }
        OPTION_MTU => {
            let least = MTU_MIN[usize::from(made.subnet6.is_some())];
            if read::digits(value).is_some_and(|mtu| (least..=MTU_MAX).contains(&mtu)) {
                ""
            } else if made.subnet6.is_some() {
                "a number of bytes from 1280 (with IPv6) to 65535 is expected"
            } else {
                "a number of bytes from 68 to 65535 is expected"
            }
        }
        OPTION_ICC | OPTION_MASQUERADE if boolean(value).is_some() => "",
        OPTION_ICC | OPTION_MASQUERADE => "true or false is expected",
        OPTION_HOST_IP if ip::read(value).is_some_and(|ip| ip.is_ipv4()) => "",
        OPTION_HOST_IP => "an IPv4 address of the host is expected",
        _ => {
            let known = [OPTION_LINK, OPTION_MTU, "mtu", OPTION_ICC, OPTION_MASQUERADE, OPTION_HOST_IP].join(", ");
            return Err(bad("option", typed, &format!("known are {known}")));
        }
    };
    if !why.is_empty() {
        return Err(bad(&format!("value of option {typed}"), value, why));
    }
    made.options.insert(key.to_owned(), value.to_owned());
    Ok(())
}
