//! What `inspect` tells about a network, in docker's words.

use super::driver;
use crate::cli::inspect::record;
use crate::cli::shape::{picked, put, put_flag, put_string, put_text};
use mydocker::error::Result;
use mydocker::life::network;
use mydocker::spec::json::{Array, Object, Value};
use mydocker::spec::{self, Attached, Spec};
use mydocker::store::Store;
use mydocker::store::containers;
use mydocker::store::networks::Network;

const NETWORK: &str = "Name name,Id id,Created @created,Scope - \"local\",Driver driver,EnableIPv4 - true,EnableIPv6 six,\
    IPAM .(Driver - \"default\",Options - {},Config ranges,)Internal is_internal,Attachable - false,Ingress - false,\
    ConfigFrom .(Network - \"\",)ConfigOnly - false,Containers containers,Options options,Labels labels,";
const RANGE: &str = "Subnet subnet,IPRange ip_range \"\",Gateway gateway,AuxiliaryAddresses - {},";
const RANGE6: &str = "Subnet subnet6,IPRange - \"\",Gateway gateway6 \"\",AuxiliaryAddresses - {},";
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
    // What cannot be read is not shown.
    let _ = containers::each(store, &mut |spec| add_member(store, known, &spec, &mut members))?;
    Ok(members)
}

fn add_member(store: &Store, known: &Network, spec: &Spec, members: &mut Object) -> Result<()> {
    if !containers::is_alive(store, &spec.id) {
        return Ok(());
    }
    let mut attached = Attached::default();
    let mut is_on =
        matches!((spec.network, known.name.as_str()), (spec::Network::Host, "host") | (spec::Network::None, "none"));
    if spec.network == spec::Network::Bridge {
        for found in containers::state_of(store, &spec.id)?.networks {
            if found.network == known.name {
                (attached, is_on) = (found, true);
            }
        }
    }
    if is_on {
        let mut o = record(&attached);
        put_text(&mut o, "name", &spec.name);
        put_string(&mut o, "endpoint", network::endpoint_id(&spec.id, &known.id));
        put(members, &spec.id, Value::Object(picked(MEMBER, &Value::Object(o))));
    }
    Ok(())
}
