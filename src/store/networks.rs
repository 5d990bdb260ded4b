//! Networks: `networks/<name>`, a record each. Which containers are on one, and which addresses they have, only the kernel
//! knows, from the links of its bridge.

use super::{Store, only_one};
use crate::error::{Error, Result, Tried, escaped};
use crate::kernel::{at, file, hex, link};
use crate::spec::Spec;
use crate::spec::ip;
use crate::spec::map::Map;
use crate::spec::order;
use crate::spec::record::{from_json, record, to_json};
use crate::spec::subnet::Subnet;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FlockOperation};
use rustix::io::Errno;

/// The network of containers that ask for no other.
pub const DEFAULT: &str = "bridge";
/// docker's networks that are no bridges.
pub const BUILT_IN: [&str; 3] = [DEFAULT, "host", "none"];
/// docker's option for the name of the bridge.
pub const OPTION_LINK: &str = "com.docker.network.bridge.name";
/// docker's option for the size of packets.
pub const OPTION_MTU: &str = "com.docker.network.driver.mtu";
/// docker's option whether containers of the network reach each other.
pub const OPTION_ICC: &str = "com.docker.network.bridge.enable_icc";
/// docker's option whether what they send gets the host's address.
pub const OPTION_MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
/// docker's option for the host's address of ports that are published without one.
pub const OPTION_HOST_IP: &str = "com.docker.network.bridge.host_binding_ipv4";

/// What a network is to be like.
#[derive(Clone, Default)]
pub struct Network {
    /// Its name, unique.
    pub name: String,
    /// 64 hexadecimal digits.
    pub id: String,
    /// Nanoseconds since 1970 UTC.
    pub created: i64,
    /// The name of its bridge, a link of the host while a container is on it.
    pub link: String,
    /// Its IPv4 addresses: `172.18.0.0/16`.
    pub subnet: String,
    /// The host's address on it.
    pub gateway: String,
    /// Whether somebody asked for this subnet. One that nobody asked for changes when the host uses it otherwise.
    pub is_fixed: bool,
    /// The part of the subnet that containers get addresses of.
    pub ip_range: Option<String>,
    /// Its IPv6 addresses; `None` without IPv6.
    pub subnet6: Option<String>,
    /// The host's IPv6 address on it.
    pub gateway6: Option<String>,
    /// Whether nothing leads out of it.
    pub is_internal: bool,
    /// Its labels.
    pub labels: Map<String, String>,
    /// docker's options of a bridge.
    pub options: Map<String, String>,
}

record! {
    Network {
        name, id, created, link, subnet, gateway, is_fixed, ip_range, subnet6, gateway6, is_internal, labels, options
    }
}

impl Network {
    /// The range of its IPv4 addresses.
    pub fn subnet(&self) -> Result<Subnet> {
        Subnet::parse(&self.subnet).filter(|subnet| subnet.address.is_ipv4()).ok_or_else(|| self.damaged())
    }

    /// The range of its IPv6 addresses.
    pub fn subnet6(&self) -> Result<Option<Subnet>> {
        let Some(text) = &self.subnet6 else { return Ok(None) };
        Subnet::parse(text).filter(|subnet| subnet.address.is_ipv6()).map(Some).ok_or_else(|| self.damaged())
    }

    /// The host's address on it, of IPv6 or IPv4.
    pub fn gateway(&self, of_six: bool) -> Result<IpAddr> {
        let text = if of_six { self.gateway6.as_deref().unwrap_or_default() } else { &self.gateway };
        ip::read(text).filter(|ip| ip.is_ipv6() == of_six).ok_or_else(|| self.damaged())
    }

    /// The value of an option, if it is not empty.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn damaged(&self) -> Error {
        Error::new(format_args!(
            "the record of network {} is damaged; remove it with: mydocker network rm {0}",
            self.name
        ))
    }
}

/// The one lock of all networks: whoever makes or removes one, and whoever hands out addresses, holds it. Until the answer
/// is dropped; forked processes share the lock.
pub fn lock(store: &Store) -> Result<OwnedFd> {
    let networks = store.dir("networks")?;
    super::wait_for(&networks, FlockOperation::LockExclusive, "lock the networks")?;
    Ok(networks)
}

/// The network of this name. The default one is there even before it has a record: then it has no subnet yet.
pub fn get(store: &Store, name: &str) -> Result<Option<Box<Network>>> {
    let networks = store.dir("networks")?;
    let text = match file::read_at(networks.as_fd(), name, file::RECORD_BYTES_MAX) {
        Err(error) if error.is(Errno::NOENT) => {
            let bridge = || Box::new(Network { name: name.to_owned(), ..Network::default() });
            return Ok((name == DEFAULT).then(bridge));
        }
        other => other.map_err(|e| store.locate("networks", e))?,
    };
    let mut network = Box::<Network>::default();
    let is_read = core::str::from_utf8(&text).is_ok_and(|text| from_json(&mut *network, text));
    let has_link = network.link.is_empty() || link::check_name(&network.link).is_ok();
    if is_read && network.name == name && hex::is(&network.id, 64) && has_link {
        return Ok(Some(network));
    }
    Err(Error::new(format_args!("the record {}/networks/{name} is damaged", store.root_path)))
}

/// The name that a word stands for: a name, or the beginning of an id.
pub fn find(store: &Store, word: &str) -> Result<Box<Network>> {
    let missing = || Error::new(format_args!("network {} not found", escaped(word)));
    if !is_name(word) {
        return Err(missing());
    }
    if let Some(network) = get(store, word)? {
        return Ok(network);
    }
    let (all, _) = all(store)?;
    let ids: Vec<String> = all.iter().map(|network| network.id.clone()).collect();
    let id = only_one(&ids, word, word)?.ok_or_else(missing)?;
    all.into_iter().find(|network| network.id == id).map(Box::new).ok_or_else(missing)
}

/// Whether a word can be the name of a network, docker's rule.
pub fn is_name(word: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    word.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) && word.bytes().all(is_inner) && word.len() <= 128
}

/// All networks of this store that have a record, by name; and one error for each that cannot be read.
pub fn all(store: &Store) -> Result<(Vec<Network>, Vec<Error>)> {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for name in order::sorted(file::names(store.dir("networks")?.as_fd())?, &|a, b| a < b) {
        if !is_name(&name) {
            continue; // one that is being written
        }
        match get(store, &name) {
            Ok(network) => found.extend(network.map(|network| *network)),
            Err(error) => errors.push(error),
        }
    }
    Ok((found, errors))
}

/// Writes the record of a network, new or changed, durably. The caller holds the lock.
pub fn write(store: &Store, network: &Network) -> Result<()> {
    file::replace_at(store.dir("networks")?.as_fd(), &network.name, to_json(network).as_bytes(), true)
        .map_err(|e| store.locate("networks", e))
}

/// Removes the record; its bridge must be gone. The caller holds the lock.
pub fn remove(store: &Store, name: &str) -> Result<()> {
    let networks = store.dir("networks")?;
    match at::remove(networks.as_fd(), name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => rustix::fs::fsync(&networks).tried("sync the networks"),
        Err(errno) => Err(store.locate("networks", Error::tried("remove", name, errno))),
    }
}

/// Whether a container asks to be on a network.
pub fn is_on(spec: &Spec, name: &str) -> bool {
    spec.endpoints.iter().any(|endpoint| endpoint.network == name)
}
