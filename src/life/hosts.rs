//! Names: the files in /etc by which containers find each other and the world. hosts(5), resolv.conf(5).
//!
//! A container's files are mounted in it, so they are changed in place. Its hosts file has docker's first lines, what was
//! asked for, its own names, and a line for each other container on its networks; those come and go with them. Whoever
//! changes a hosts file holds the lock of the networks. What a container wrote there itself stays until its next start.

mod text;

use crate::error::{Error, Result, Tried};
use crate::kernel::{at, file, hex, io};
use crate::spec::ip;
use crate::spec::{Attached, Network, Owner, Spec};
use crate::store::{Store, containers, networks};
use crate::walls::net::bridge;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{OFlags, SeekFrom};
use text::HOSTS;

/// A hosts file that a container made larger than this is left alone.
const HOSTS_BYTES_MAX: usize = 1 << 20;

/// command: the hosts and resolv.conf that a new container begins with. Those of one on bridges are written when it starts;
/// one in another's network has the other's, and its host name.
pub fn begin(store: &Store, spec: &mut Spec) -> Result<[String; 2]> {
    if let Some(id) = &spec.network_of {
        let other = containers::open(store, id)?.spec;
        if spec.namespaces.uts.of != Owner::Host {
            (spec.hostname, spec.domainname) = (other.hostname, other.domainname);
        }
        // Of one that is itself in the network of a third the files are the third's.
        spec.network_of = Some(other.network_of.unwrap_or(other.id));
    }
    let host = |path: &str| file::read_text(path).unwrap_or_default(); // a host without the file: an empty one
    let (mut hosts, gateway) = match spec.network {
        // Not empty: then they have their block on the disk, and a start needs no other when that is full.
        Network::Bridge | Network::Container => return Ok([HOSTS.into(), "\n".into()]),
        Network::None => (String::new(), gateway(store, spec, &[])?),
        Network::Host => (host("/etc/hosts"), "127.0.0.1".into()),
    };
    let resolv = host("/etc/resolv.conf");
    if hosts.is_empty() {
        hosts.push_str(HOSTS);
    }
    text::extra(spec, &gateway, &mut hosts);
    Ok([hosts, if text::says_resolv(spec) { text::resolv(&resolv, spec, None) } else { resolv }])
}

/// The address by which a container reaches the host; empty when there is none, or when nothing asks for it.
fn gateway(store: &Store, spec: &Spec, attached: &[Attached]) -> Result<String> {
    if !spec.extra_hosts.iter().any(|asked| asked.ends_with(text::HOST_GATEWAY)) {
        return Ok(String::new());
    }
    for attached in attached {
        for gateway in [&attached.gateway, &attached.gateway6] {
            if !gateway.is_empty() {
                return Ok(gateway.clone());
            }
        }
    }
    Ok(networks::get(store, networks::DEFAULT)?.map(|network| network.gateway).unwrap_or_default())
}

/// monitor, at each start on bridges: writes the container's own files anew, and tells the others on its networks.
pub fn write(store: &Store, spec: &Spec, attached: &[Attached]) -> Result<()> {
    let mut resolv = file::read_text("/etc/resolv.conf").unwrap_or_default(); // a host without it: an empty one
    if text::is_stub(&resolv) {
        resolv = file::read_text("/run/systemd/resolve/resolv.conf").unwrap_or(resolv);
    }
    let has_six = attached.iter().any(|attached| !attached.ip6.is_empty());
    let resolv = text::resolv(&resolv, spec, Some(has_six));
    put(open(store, &spec.id, "resolv.conf")?.as_fd(), resolv.as_bytes())?;

    let mut hosts = String::from(HOSTS);
    text::extra(spec, &gateway(store, spec, attached)?, &mut hosts);
    let _lock = lock(store, attached)?;
    let mut others = String::new();
    for attached in attached {
        hosts.push_str(&text::own(spec, attached));
        meet(store, spec, attached, &mut others)?;
    }
    hosts.push_str(&others);
    put(open(store, &spec.id, "hosts")?.as_fd(), hosts.as_bytes())
}

/// Anyone, when a running container has come to these networks or has another name: it and the others there get each
/// other's lines. One that is not there any more is not announced.
pub fn announce(store: &Store, spec: &Spec, attached: &[Attached]) -> Result<()> {
    let Some(_lock) = lock(store, attached)? else { return Ok(()) };
    for attached in attached {
        let mut lines = text::own(spec, attached);
        if meet(store, spec, attached, &mut lines)? {
            let is_old = |line: &str| text::is_own(line, spec, attached) || text::is_of_network(line, attached);
            let _ = edit(store, &spec.id, &is_old, &lines); // what it made of its own file is its own affair
        }
    }
    Ok(())
}

/// Anyone: the others forget a container that has ended, or did not begin: on the networks of its record, and on those that
/// it was on. Idempotent; goes on after an error and returns the first.
pub fn withdraw(store: &Store, spec: &Spec, attached: &[Attached]) -> Result<()> {
    if spec.network != Network::Bridge {
        return Ok(());
    }
    let _lock = networks::lock(store)?;
    let is_gone = |line: &str| text::is_about(line, spec);
    let mut result = Ok(());
    for endpoint in &spec.endpoints {
        result = result.and(forget(store, spec, &endpoint.network, &is_gone));
    }
    for attached in attached {
        if !networks::is_on(spec, &attached.network) {
            result = result.and(forget(store, spec, &attached.network, &is_gone));
        }
    }
    result
}

/// monitor, when a running container leaves this network: it and the others there forget each other. Idempotent.
pub fn part(store: &Store, spec: &Spec, attached: &Attached) -> Result<()> {
    let _lock = networks::lock(store)?;
    let is_of_network = |line: &str| text::is_of_network(line, attached);
    forget(store, spec, &attached.network, &|line| text::is_about(line, spec) && is_of_network(line))?;
    // What it made of its own file is its own affair.
    let _ = edit(store, &spec.id, &|line| text::is_own(line, spec, attached) || is_of_network(line), "");
    Ok(())
}

/// The lock of the networks, where there is anything to do.
fn lock(store: &Store, attached: &[Attached]) -> Result<Option<OwnedFd>> {
    if attached.is_empty() { Ok(None) } else { networks::lock(store).map(Some) }
}

/// Who is on a network, and whether this container is. Links whose alias is no id are none of ours.
fn others(store: &Store, spec: &Spec, network: &str) -> Result<(Vec<bridge::Member>, bool)> {
    let (mut others, mut is_there) = (Vec::new(), false);
    let members = match networks::get(store, network)? {
        Some(network) => bridge::members(&network)?,
        None => Vec::new(), // it was removed when nobody was on it any more
    };
    for member in members {
        if member.id == spec.id {
            is_there = true;
        } else if hex::is(&member.id, 64) {
            others.push(member);
        }
    }
    Ok((others, is_there))
}

/// Puts the container's line into the files of the others on a network, and theirs at the end of `lines`. Whether it is
/// there itself.
fn meet(store: &Store, spec: &Spec, attached: &Attached, lines: &mut String) -> Result<bool> {
    let (others, is_there) = others(store, spec, &attached.network)?;
    if !is_there {
        return Ok(false);
    }
    let is_old = |line: &str| text::is_outdated(line, spec, attached);
    for member in others {
        let Ok(other) = containers::open(store, &member.id) else { continue }; // it has gone meanwhile
        let (network, own) = (&attached.network, [&*attached.ip, &attached.ip6]);
        let theirs = [&*ip::text(member.ip), &member.ip6];
        lines.push_str(&text::of_other(&other.spec, network, theirs, &spec.links));
        // A file that it has made too large, or that it goes with, is its own affair.
        let _ = edit(store, &member.id, &is_old, &text::of_other(spec, network, own, &other.spec.links));
    }
    Ok(true)
}

/// Takes the lines that `is_gone` picks out of the files of the others on a network.
fn forget(store: &Store, spec: &Spec, network: &str, is_gone: &dyn Fn(&str) -> bool) -> Result<()> {
    for member in others(store, spec, network)?.0 {
        let _ = edit(store, &member.id, is_gone, ""); // it may have gone meanwhile; its file is its own affair
    }
    Ok(())
}

/// Opens one of the files that a container has mounted. It cannot put another one in its place; but it owns them, and may
/// hold a lease on one: nobody waits until it gives that back. fcntl(2), F_SETLEASE
fn open(store: &Store, id: &str, name: &str) -> Result<OwnedFd> {
    let path = [id, "/", name].concat();
    at::open(store.containers.as_fd(), &path, OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK)
        .tried_to("open", &path)
}

/// Changes a hosts file: without the lines that `is_gone` picks, with `more`. The caller holds the lock of the networks.
fn edit(store: &Store, id: &str, is_gone: &dyn Fn(&str) -> bool, more: &str) -> Result<()> {
    let file = open(store, id, "hosts")?;
    let old = io::read_to_end(file.as_fd(), HOSTS_BYTES_MAX)?;
    let new = text::edited(&old, is_gone, more);
    if new == old {
        return Ok(());
    }
    rustix::fs::seek(&file, SeekFrom::Start(0)).tried("go back in the container's hosts")?;
    put(file.as_fd(), &new)
}

/// Gives a file that is mounted somewhere, and is at its beginning, another content. Whoever reads it meanwhile finds it
/// complete, if with blank lines at its end: never empty, and no rest of an old line.
fn put(file: BorrowedFd<'_>, text: &[u8]) -> Result<()> {
    let write = || {
        let old = rustix::fs::fstat(file)?.st_size as usize;
        let mut padded = text.to_vec();
        padded.resize(text.len().max(old.min(HOSTS_BYTES_MAX)), b'\n');
        io::write_all(file, &padded)?;
        if old > text.len() { rustix::fs::ftruncate(file, text.len() as u64) } else { Ok(()) }
    };
    write().map_err(|errno| Error::os("write the container's hosts or resolv.conf", errno))
}
