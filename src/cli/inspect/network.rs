//! What `inspect` tells about a network, in docker's words.

use super::super::network::driver;
use super::super::shape::{picked, put, put_flag, put_text};
use super::container::record;
use miniserde::json::{Array, Object, Value};
<<<<<<< HEAD
use mydocker::kernel::hex;
use mydocker::spec::{Endpoint, Network, Spec, State, Status, port};
use mydocker::store::{Store, containers, networks};
=======
use mydocker::error::Result;
use mydocker::life::network;
use mydocker::spec::{self, Attached};
use mydocker::store::networks::Network;
use mydocker::store::{Store, containers};
>>>>>>> net

const NETWORK: &str = "Name name,Id id,Created @created,Scope - \"local\",Driver driver,EnableIPv4 - true,EnableIPv6 six,\
    IPAM .(Driver - \"default\",Options - {},Config ranges,)Internal is_internal,Attachable - false,Ingress - false,\
    ConfigFrom .(Network - \"\",)ConfigOnly - false,Containers containers,Options options,Labels labels,";
const RANGE: &str = "Subnet subnet,IPRange ip_range \"\",Gateway gateway,";
const RANGE6: &str = "Subnet subnet6,Gateway gateway6 \"\",";
const MEMBER: &str =
    "Name name,EndpointID endpoint,MacAddress mac,IPv4Address {ip}/{prefix},IPv6Address {ip6}/{prefix6},";

/// A network, with the running containers on it.
pub fn value(store: &Store, known: &Network) -> Result<Value> {
    let mut o = record(known);
    let mut ranges = Array::new();
    let of = Value::Object(record(known));
    for (table, is_there) in [(RANGE, !known.subnet.is_empty()), (RANGE6, known.subnet6.is_some())] {
        if is_there {
            ranges.push(Value::Object(picked(table, &of)));
        }
    }
    put(&mut o, "ranges", Value::Array(ranges));
    put_text(&mut o, "driver", driver(known));
    put_flag(&mut o, "six", known.subnet6.is_some());
    put(&mut o, "containers", Value::Object(members(store, known)?));
    Ok(Value::Object(picked(NETWORK, &Value::Object(o))))
}

fn members(store: &Store, known: &Network) -> Result<Object> {
    let mut members = Object::new();
    for container in containers::all(store)?.0 {
        let spec = &container.spec;
        if !container.is_alive()? {
            continue;
        }
        let mut attached = Attached::default();
        match (spec.network, known.name.as_str()) {
            (spec::Network::Host, "host") | (spec::Network::None, "none") => {}
            (spec::Network::Bridge, name) => {
                let networks = container.state(store)?.networks;
                let Some(found) = networks.into_iter().find(|attached| attached.network == name) else { continue };
                attached = found;
            }
            _ => continue,
        }
<<<<<<< HEAD
        put_asked(&mut known, spec, endpoint);
        put(&mut networks, &endpoint.network, Value::Object(picked(ENDPOINT, &Value::Object(known))));
    }
    put(&mut o, "networks", Value::Object(networks));
    if runs && spec.network != Network::Container {
        put_text(&mut o, "sandbox", &hex::sha256(spec.id.as_bytes()));
        put_text(&mut o, "key", &format!("/proc/{}/ns/net", state.pid));
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
        names.push(spec.id[..12].to_owned());
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
=======
        let mut o = record(&attached);
        put_text(&mut o, "name", &spec.name);
        put_text(&mut o, "endpoint", &network::endpoint_id(&spec.id, &known.id));
        put(&mut members, &spec.id, Value::Object(picked(MEMBER, &Value::Object(o))));
>>>>>>> net
    }
    Ok(members)
}
