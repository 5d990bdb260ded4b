//! Volumes, binds and tmpfs: from flags to [`Mount`]s.

use super::super::read::{self, mount, tmpfs, volume};
use super::{Job, from_our_env, wrong};
use alloc::borrow::ToOwned;
use alloc::string::String;
use mydocker::error::Result;
use mydocker::kernel::start;
use mydocker::kernel::{at, file, hex};
use mydocker::spec::order;
use mydocker::spec::{Mount, MountKind};

/// What `-v`, `--mount` and `--tmpfs` ask for.
pub fn mounts(job: &mut Job<'_>) -> Result<()> {
    let mounts = &mut job.made.spec.mounts;
    for text in job.parsed.all("volume") {
        let mut mount = volume::volume(text)?;
        find_source(&mut mount)?;
        mounts.push(mount);
    }
    let first = mounts.len();
    job.parsed.list("mount", mount::mount, mounts)?;
    for mount in &mut mounts[first..] {
        find_source(mount)?;
        // Whatever keeps us from looking at it keeps us from mounting it.
        if mount.kind == MountKind::Bind && !mount.make_source && at::look(&mount.source).is_err() {
            let what = "invalid mount config for type \"bind\": bind source path does not exist: {}";
            return Err(wrong(what, &mount.source));
        }
    }
    job.parsed.list("tmpfs", tmpfs::tmpfs, mounts)?;
    for (at, mount) in mounts.iter().enumerate() {
        if mounts[..at].iter().any(|other| other.target == mount.target) {
            return Err(wrong("Duplicate mount point: {}", &mount.target));
        }
    }
    Ok(())
}

/// Adds a volume without a name for each path that the image wants one at, unless something is mounted there anyway. Then
/// brings all into the order in which they are mounted: one below another comes after it, whatever the order of the flags.
pub fn of_image(job: &mut Job<'_>) {
    let mut mounts = core::mem::take(&mut job.made.spec.mounts);
    for path in job.config.volumes.take().unwrap_or_default().keys() {
        // Whatever an image says: a place in the container that can be one.
        let Ok(target) = read::target(&["/", path].concat()) else { continue };
        if !mounts.iter().any(|mount| mount.target == target) {
            let source = hex::fresh_id();
            mounts.push(Mount { kind: MountKind::Anonymous, source, target, ..Mount::default() });
        }
    }
    let depth = |mount: &Mount| mount.target.bytes().filter(|byte| *byte == b'/').count();
    job.made.spec.mounts = order::sorted(mounts, &|a, b| depth(a) < depth(b));
}

/// Replaces what was typed as the source by what it is on this host.
fn find_source(mount: &mut Mount) -> Result<()> {
    match mount.kind {
        MountKind::Volume | MountKind::Tmpfs => {}
        MountKind::Anonymous => mount.source = hex::fresh_id(),
        MountKind::Bind => mount.source = host_path(&mount.source)?,
    }
    Ok(())
}

/// A host path as typed, made absolute.
fn host_path(typed: &str) -> Result<String> {
    let path = match typed.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let home = from_our_env("HOME").unwrap_or_else(|| "/root".to_owned());
            home + "/" + rest.strip_prefix('/').unwrap_or_default()
        }
        _ => typed.to_owned(),
    };
    let cwd = start::current_dir();
    match cwd.as_deref() {
        Some("") | None if !path.starts_with('/') => {
            Err(wrong("cannot use the volume {}: the current directory has no usable name", typed))
        }
        cwd => Ok(file::absolute(cwd.unwrap_or_default(), &path)),
    }
}
