//! Volumes, binds and tmpfs: from flags to [`Mount`]s.

use super::super::args::Parsed;
use super::super::human::visible;
use super::super::read::volume::{Source, group};
use super::super::read::{self, mount, tmpfs, volume};
use super::{bad, from_our_env};
use mydocker::error::Result;
use mydocker::kernel::{file, hex, order};
use mydocker::spec::{Mount, MountKind, Recursion};

/// What `-v`, `--mount` and `--tmpfs` ask for.
pub fn mounts(parsed: &Parsed) -> Result<Vec<Mount>> {
    let mut mounts: Vec<Mount> = Vec::new();
    for text in parsed.all("volume") {
        mounts.push(volume_mount(read::volume::volume(text)?)?);
    }
    for mount in parsed.read_all("mount", mount::mount)? {
        mounts.push(with_source(mount)?);
    }
    for (target, mode) in parsed.read_all("tmpfs", tmpfs::tmpfs)? {
        mounts.push(Mount {
            kind: MountKind::Tmpfs,
            source: String::new(),
            target,
            read_only: mode.starts_with("ro"),
            mode,
            propagation: String::new(),
            recursion: Recursion::Enabled,
            subpath: String::new(),
            make_source: false,
        });
    }
    for (at, mount) in mounts.iter().enumerate() {
        if mounts[..at].iter().any(|other| other.target == mount.target) {
            return Err(bad(format!("Duplicate mount point: {}", mount.target)));
        }
    }
    Ok(mounts)
}

/// Adds a volume without a name for each path that the image wants one at, unless something is mounted there anyway.
pub fn add_images<'a>(mounts: &mut Vec<Mount>, paths: impl Iterator<Item = &'a String>) {
    for path in paths {
        // Whatever an image says: a place in the container that can be one.
        let Ok(target) = read::target(&format!("/{path}")) else { continue };
        if !mounts.iter().any(|mount| mount.target == target) {
            mounts.push(Mount {
                kind: MountKind::Anonymous,
                source: hex::fresh_id(),
                target,
                read_only: false,
                mode: String::new(),
                propagation: String::new(),
                recursion: Recursion::Enabled,
                subpath: String::new(),
                make_source: false,
            });
        }
    }
}

/// In the order in which they are mounted: one below another comes after it, whatever the order of the flags.
pub fn in_order(mounts: Vec<Mount>) -> Vec<Mount> {
    let depth = |mount: &Mount| mount.target.matches('/').count();
    order::sorted(mounts, &|a, b| depth(a) < depth(b))
}

fn volume_mount(flag: volume::VolumeFlag) -> Result<Mount> {
    let (kind, source) = match flag.source {
        Source::Anonymous => (MountKind::Anonymous, hex::fresh_id()),
        Source::Named(name) => (MountKind::Volume, name),
        Source::Host(path) => (MountKind::Bind, host_path(&path)?),
    };
    Ok(Mount {
        kind,
        source,
        target: flag.target,
        read_only: flag.read_only,
        propagation: flag.options.iter().find(|option| group(option) == Some(2)).cloned().unwrap_or_default(),
        mode: flag.options.join(","),
        recursion: Recursion::Enabled,
        subpath: String::new(),
        make_source: true,
    })
}

/// A `--mount` with its source as it is on this host.
fn with_source(mut mount: Mount) -> Result<Mount> {
    match mount.kind {
        MountKind::Volume | MountKind::Tmpfs => {}
        MountKind::Anonymous => mount.source = hex::fresh_id(),
        MountKind::Bind => {
            mount.source = host_path(&mount.source)?;
            // Whatever keeps us from looking at it keeps us from mounting it.
            if !mount.make_source && rustix::fs::stat(mount.source.as_str()).is_err() {
                let source = visible(&mount.source);
                let why = format!("bind source path does not exist: {source}");
                return Err(bad(format!("invalid mount config for type \"bind\": {why}")));
            }
        }
    }
    Ok(mount)
}

/// A host path as typed, made absolute.
fn host_path(typed: &str) -> Result<String> {
    let home = |rest: &str| Ok(format!("{}/{rest}", from_our_env("HOME").unwrap_or_else(|| "/root".to_owned())));
    let path = match typed.strip_prefix('~') {
        Some("") => home("")?,
        Some(rest) if rest.starts_with('/') => home(&rest[1..])?,
        _ => typed.to_owned(),
    };
    let cwd = std::env::current_dir().ok().and_then(|dir| dir.into_os_string().into_string().ok());
    match cwd {
        Some(cwd) => Ok(file::absolute(&cwd, &path)),
        None if path.starts_with('/') => Ok(file::absolute("/", &path)),
        None => Err(bad(format!("cannot use the volume {typed}: the current directory has no usable name"))),
    }
}
