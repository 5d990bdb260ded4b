//! command: makes a container from its decided description: volumes, files, records, name.

use crate::error::{Error, Result, Tried};
use crate::kernel::file;
use crate::spec::{MountKind, Network, Spec};
use crate::store::containers::{self, Container};
use crate::store::{Store, volumes};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, mkdir, rmdir};
use rustix::io::Errno;

/// The lines that docker's hosts file begins with.
const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
                     ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// Directories that did not exist before; what a failed start takes away again, as long as they are empty.
#[derive(Default)]
pub struct Made {
    paths: Vec<String>,
}

impl Made {
    /// Takes the directories away again. One that is no longer empty stays: somebody uses it.
    pub fn undo(&self) {
        for path in self.paths.iter().rev() {
            let _ = rmdir(path.as_str()); // see above
        }
    }
}

/// A new container, with the change lock that its maker holds.
pub struct Created {
    /// The container.
    pub container: Container,
    /// Held until it is started, or until the command is done.
    pub change: OwnedFd,
    /// What was made on the way.
    pub made: Made,
}

/// Makes the container. Complete, or nothing. With `sync` it survives a power cut when this returns.
pub fn create(store: &Store, spec: &Spec, sync: bool) -> Result<Created> {
    let mut made = Made::default();
    let result = sources(store, spec, &mut made).and_then(|()| {
        let (hosts, resolv) = network_files(spec.network);
        let hostname = format!("{}\n", spec.hostname);
        let files = [("hosts", hosts.as_str()), ("hostname", &hostname), ("resolv.conf", &resolv)];
        containers::create(store, spec, &files, sync)
    });
    match result {
        Ok((container, change)) => Ok(Created { container, change, made }),
        Err(error) => {
            made.undo();
            Err(error)
        }
    }
}

/// Sources of mounts: volumes are made, and host directories, as docker does for `-v`.
fn sources(store: &Store, spec: &Spec, made: &mut Made) -> Result<()> {
    for mount in &spec.mounts {
        match mount.kind {
            MountKind::Bind => make_host_dirs(&mount.source, made)?,
            MountKind::Volume | MountKind::Anonymous => {
                let path = volumes::path(store, &mount.source);
                let is_new = !file::exists_at(rustix::fs::CWD, &path);
                volumes::ensure(store, &mount.source)?;
                if is_new {
                    made.paths.push(format!("{}/volumes/{}", store.root_path, mount.source));
                    made.paths.push(path);
                }
            }
        }
    }
    Ok(())
}

fn make_host_dirs(path: &str, made: &mut Made) -> Result<()> {
    if file::exists_at(rustix::fs::CWD, path) {
        return Ok(());
    }
    let mut end = 0;
    while end < path.len() {
        end = path[end + 1..].find('/').map_or(path.len(), |at| end + 1 + at);
        match mkdir(&path[..end], Mode::from(0o755)) {
            Ok(()) => made.paths.push(path[..end].into()),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::os(format!("make the volume's directory {path}"), errno)),
        }
    }
    rustix::fs::stat(path).map(drop).tried_with(|| format!("use the volume's directory {path}"))
}

/// The container's /etc/hosts and /etc/resolv.conf. With the host's network they are the host's.
fn network_files(network: Network) -> (String, String) {
    let host = |path: &str| file::read_text(path).unwrap_or_default(); // a host without the file: an empty one
    let resolv = host("/etc/resolv.conf");
    match network {
        Network::None => (HOSTS.into(), resolv),
        Network::Host => {
            let hosts = host("/etc/hosts");
            (if hosts.is_empty() { HOSTS.into() } else { hosts }, resolv)
        }
    }
}
