//! What `inspect` tells about a container's networks and ports.

use super::super::human::short;
use super::super::ports;
use super::super::shape::{picked, put, put_string, put_text, put_texts};
use super::container::record;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use mydocker::kernel::hex;
use mydocker::life::network;
use mydocker::spec::json::{Array, Object, Value};
use mydocker::spec::{Endpoint, Network, Spec, State, Status, port};
use mydocker::store::{Store, containers, networks};

/// How it is on a network: once for each, and once more, beside all else, for the default one.
macro_rules! addresses {
    () => {
        "EndpointID endpoint \"\",Gateway gateway \"\",IPAddress ip \"\",IPPrefixLen prefix 0,IPv6Gateway gateway6 \"\",\
         GlobalIPv6Address ip6 \"\",GlobalIPv6PrefixLen prefix6 0,MacAddress mac \"\","
    };
}
/// `NetworkSettings` by [`picked`], from what [`settings`] returns.
pub const SETTINGS: &str = concat!(
    "Bridge - \"\",SandboxID sandbox \"\",HairpinMode - false,LinkLocalIPv6Address - \"\",LinkLocalIPv6PrefixLen - 0,\
     Ports ports {},SandboxKey key \"\",SecondaryIPAddresses - null,SecondaryIPv6Addresses - null,Networks networks {},",
    addresses!()
);
/// One of its networks.
pub const ENDPOINT: &str = concat!(
    "IPAMConfig asked {},Links - [],Aliases aliases [],NetworkID network_id \"\",DriverOpts - null,DNSNames names [],",
    addresses!()
);

/// Its networks: those that it is on, or is to be on.
pub fn settings(store: &Store, spec: &Spec, state: &State) -> Object {
    let runs = state.status == Status::Running;
    let mut only = [Endpoint::default()];
    spec.network.word().clone_into(&mut only[0].network);
    let endpoints = match spec.network {
        Network::Bridge => spec.endpoints.as_slice(),
        Network::None | Network::Host => &only,
        Network::Container => &[], // they are those of the other one
    };
    let (mut o, mut networks) = (Object::new(), Object::new());
    for endpoint in endpoints {
        let mut known = Object::new();
        if let Some(attached) = state.networks.iter().find(|attached| runs && attached.network == endpoint.network) {
            known = record(attached);
            // Its record has one only where the default route goes through it.
            if let Ok(Some(network)) = networks::get(store, &attached.network)
                && !network.is_internal
            {
                put_string(&mut known, "gateway", network.gateway);
                put_string(&mut known, "gateway6", network.gateway6.unwrap_or_default());
            }
            put_string(&mut known, "endpoint", network::endpoint_id(&spec.id, &attached.network_id));
            if endpoint.network == networks::DEFAULT {
                o.clone_from(&known);
            }
        } else if spec.network != Network::Bridge {
            let id = network::without_bridge(&endpoint.network).id;
            if runs {
                put_string(&mut known, "endpoint", network::endpoint_id(&spec.id, &id));
            }
            put_string(&mut known, "network_id", id);
        } else if let Ok(Some(network)) = networks::get(store, &endpoint.network) {
            put_string(&mut known, "network_id", network.id);
        }
        put_asked(&mut known, spec, endpoint);
        put(&mut networks, &endpoint.network, Value::Object(picked(ENDPOINT, &Value::Object(known))));
    }
    put(&mut o, "networks", Value::Object(networks));
    if runs && spec.network != Network::Container {
        put_string(&mut o, "sandbox", hex::sha256(spec.id.as_bytes()));
        put_string(&mut o, "key", format!("/proc/{}/ns/net", state.pid));
        let mut all = Object::new();
        for bound in ports::of(spec, state) {
            let host_port = bound.host_port.to_string();
            add(&mut all, &port::text(bound.port, bound.protocol), &bound.ip, &host_port, !bound.ip.is_empty());
        }
        put(&mut o, "ports", Value::Object(all));
    }
    o
}

/// What it wants to be there.
fn put_asked(o: &mut Object, spec: &Spec, endpoint: &Endpoint) {
    let mut asked = Object::new();
    for (key, ip) in [("IPv4Address", &endpoint.ip), ("IPv6Address", &endpoint.ip6)] {
        if let Some(ip) = ip {
            put_text(&mut asked, key, ip);
        }
    }
    put(o, "asked", Value::Object(asked));
    put_texts(o, "aliases", &endpoint.aliases);
    if spec.network == Network::Bridge {
        let mut names = vec![spec.name.clone()];
        names.extend_from_slice(&endpoint.aliases);
        names.push(short(&spec.id).to_owned());
        put_texts(o, "names", &names);
    }
}

/// What it asks of networks, besides what is in its record as docker shows it.
pub fn put_requests(o: &mut Object, store: &Store, spec: &Spec) {
    let (mut exposed, mut bindings, mut links) = (Object::new(), Object::new(), Vec::new());
    for key in &spec.exposed {
        put(&mut exposed, key, Value::Object(Object::new()));
    }
    for publish in &spec.ports {
        let mut host_port = String::new();
        if publish.host_first > 0 {
            host_port = publish.host_first.to_string();
        }
        if publish.host_last > publish.host_first {
            host_port.extend(["-", &publish.host_last.to_string()]);
        }
        add(&mut bindings, &port::text(publish.port, publish.protocol), &publish.ip, &host_port, true);
    }
    for link in &spec.links {
        let (id, alias) = link.split_once(':').unwrap_or((link, link));
        let other = containers::find(store, id).map_or_else(|_| id.to_owned(), |other| other.spec.name);
        links.push(["/", &other, ":/", &spec.name, "/", alias].concat());
    }
    put(o, "exposed", Value::Object(exposed));
    put(o, "bindings", Value::Object(bindings));
    put_texts(o, "links", &links);
    if let Some(mac) = spec.endpoints.first().and_then(|endpoint| endpoint.mac.as_ref()) {
        put_text(o, "mac", mac);
    }
}

/// Adds a port of the host to those of one of the container's, or only that one, with `null`.
fn add(all: &mut Object, key: &str, ip: &str, host_port: &str, is_led: bool) {
    if !is_led {
        return put(all, key, Value::Null);
    }
    let mut binding = Object::new();
    put_text(&mut binding, "HostIp", ip);
    put_text(&mut binding, "HostPort", host_port);
    if !all.contains_key(key) {
        put(all, key, Value::Array(Array::new()));
    }
    if let Some(Value::Array(bindings)) = all.get_mut(key) {
        bindings.push(Value::Object(binding));
    }
}
