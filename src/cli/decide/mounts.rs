//! Volumes and binds: from flags to [`Mount`]s.

use super::super::args::Parsed;
use super::super::read::{self, Source};
use super::{bad, from_our_env};
use mydocker::error::Result;
use mydocker::kernel::{file, hex};
use mydocker::spec::{Mount, MountKind, Recursion};

fn is_propagation(option: &str) -> bool {
    ["private", "shared", "slave"].contains(&option.strip_prefix('r').unwrap_or(option))
}

/// What `-v` asks for, in the order in which it is mounted.
pub fn mounts(parsed: &Parsed) -> Result<Vec<Mount>> {
    let mut mounts: Vec<Mount> = Vec::new();
    for text in parsed.all("volume") {
        let flag = read::volume(text)?;
        if mounts.iter().any(|other| other.target == flag.target) {
            return Err(bad(format!("Duplicate mount point: {}", flag.target)));
        }
        let (kind, source) = match flag.source {
            Source::Anonymous => (MountKind::Anonymous, hex::fresh_id()),
            Source::Named(name) => (MountKind::Volume, name),
            Source::Host(path) => (MountKind::Bind, host_path(&path)?),
        };
        mounts.push(Mount {
            kind,
            source,
            target: flag.target,
            read_only: flag.read_only,
            propagation: flag.options.iter().find(|o| is_propagation(o)).cloned().unwrap_or_default(),
            mode: flag.options.join(","),
            recursion: Recursion::Enabled,
            subpath: String::new(),
            make_source: true,
        });
    }
    // A mount below another one must come after it, whatever the order of the flags.
    mounts.sort_by_key(|mount| mount.target.matches('/').count());
    Ok(mounts)
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
