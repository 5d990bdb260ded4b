//! command: makes an image of what a container changed, and a flat archive of all it sees.

use super::control::{self, Message};
use super::packing::{in_child, packed};
use super::{remove, stop, unpacking};
use crate::error::{Error, Result, Tried};
use crate::kernel::{at, fault, file, io, process, time};
use crate::spec::map::Set;
use crate::spec::order;
use crate::spec::text::join;
use crate::spec::{Spec, Status};
use crate::store::containers::{self, Container};
use crate::store::images::{self, Config, HealthConfig, History, Image, RootFs};
use crate::store::pack::{self, Form};
use crate::store::reference::Reference;
use crate::store::{Store, events, layers};
use crate::walls;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, fsync};

/// What is asked of a commit.
pub struct Commit<'a> {
    /// The configuration of the new image.
    pub config: Config,
    /// `-m`
    pub message: &'a str,
    /// `-a`
    pub author: &'a str,
    /// Its name, if it gets one.
    pub reference: Option<&'a Reference>,
    /// A path for the flat archive, if one is wanted.
    pub archive: Option<&'a str>,
    /// Whether a running container stands still meanwhile.
    pub pause: bool,
    /// Told how many bytes of the archive, and then of the layer, have passed. The archive's are told by a child.
    pub progress: &'a mut dyn FnMut(u64),
}

/// The configuration that a commit starts from: the container's.
pub fn config_of(store: &Store, spec: &Spec) -> Config {
    // The image may have been removed by force since; then what the container itself knows must do.
    let mut config = images::get(store, &spec.image_id).ok().and_then(|image| image.config).unwrap_or_default();
    config.env = list(&spec.env);
    config.entrypoint = list(&spec.entrypoint);
    config.cmd = list(&spec.cmd);
    config.working_dir = text(&spec.cwd);
    config.user = text(&spec.user);
    let mut served = Set::new();
    for port in order::sorted(spec.exposed.clone(), &|a, b| a < b) {
        served.insert(port, ()); // at the end: there may be tens of thousands
    }
    config.exposed_ports = (!served.is_empty()).then_some(served);
    config.labels = (!spec.labels.is_empty()).then(|| spec.labels.clone());
    if let Some(health) = &spec.health {
        config.healthcheck = Some(HealthConfig {
            test: Some(health.test.clone()),
            interval: Some(health.interval_ns),
            timeout: Some(health.timeout_ns),
            start_period: Some(health.start_period_ns),
            start_interval: Some(health.start_interval_ns),
            retries: Some(health.retries),
        });
    } else if config.healthcheck.is_some() {
        // Nobody asks, so nobody is to ask in the image's containers either.
        config.healthcheck = Some(HealthConfig { test: list(&["NONE".to_string()]), ..HealthConfig::default() });
    }
    config.on_build = None; // was for the next build, and this is it
    config
}

fn list(list: &[String]) -> Option<Vec<String>> {
    if list.is_empty() { None } else { Some(list.to_vec()) }
}

fn text(text: &str) -> Option<String> {
    if text.is_empty() { None } else { Some(text.to_string()) }
}

/// Commits, and returns the image's id. The container is the same afterwards.
pub fn commit(store: &Store, container: &Container, commit: Commit<'_>) -> Result<String> {
    let spec = &container.spec;
    let state = remove::settle(store, container)?.ok_or_else(|| containers::missing(&spec.name))?;
    let is_running = state.status == Status::Running;
    // Nobody may remove it meanwhile: neither its files nor the layers below them.
    let _change = container.await_change(store)?;
    // Without root there is no cgroup to stand still by.
    let pause_it = commit.pause && !store.is_rootless;
    // The monitor lets it go on when this connection ends, however that comes.
    let paused = if is_running && pause_it { pause(store, container)? } else { None };
    fault::point("commit:paused");
    let mut layer = layers::Layer::default();
    let mut read = || {
        if let Some(path) = commit.archive {
            write_archive(store, container, is_running.then_some(state.pid), path, true, commit.progress)?;
        }
        let mut add = |source: &mut dyn io::Source| {
            layer = layers::add(store, &mut io::Counted::new(source, commit.progress), &unpacking::limits())?;
            Ok(())
        };
        packed(&mut |sink| pack_layer(container, sink), &mut add)
    };
    let done = read();
    // Whoever sees this command end must find the container going on.
    if let Some(socket) = paused {
        let _ = control::request(socket.as_fd(), &Message::Thaw, None); // a monitor that has just ended has nothing to thaw
    }
    done?;
    if layer.left_out.is_empty() && !store.is_rootless {
        layers::note_packed(store, &layer.diff_id, &layer.diff_id)?; // packed again it is the same
    }
    if let Some(gone) = spec.layers.iter().find(|layer| !layers::exists(store, layer)) {
        return Err(Error::new(format_args!("the layer {gone} of container {} is gone from the store", spec.name)));
    }
    let parent = if spec.image_id.is_empty() {
        Box::<Image>::default()
    } else {
        images::get(store, &spec.image_id).unwrap_or_default()
    };
    let now = time::rfc3339(time::now());
    let mut history = parent.history.unwrap_or_default();
    history.push(History {
        created: Some(now.clone()),
        created_by: Some(join(&spec.command(), " ")),
        author: text(commit.author),
        comment: text(commit.message),
        empty_layer: None,
    });
    // The image's own list, in which a layer may be twice; the container has each once.
    let mut diff_ids = parent.rootfs.and_then(|below| below.diff_ids).unwrap_or_default();
    if diff_ids.is_empty() {
        for id in &spec.layers {
            diff_ids.push(format!("sha256:{id}"));
        }
    }
    diff_ids.push(format!("sha256:{}", layer.diff_id));
    let image = Image {
        created: Some(now),
        author: text(commit.author),
        architecture: Some(images::architecture().to_string()),
        os: Some("linux".to_string()),
        config: Some(commit.config),
        rootfs: Some(RootFs { kind: Some("layers".to_string()), diff_ids: Some(diff_ids) }),
        history: Some(history),
        parent: (!spec.image_id.is_empty()).then(|| format!("sha256:{}", spec.image_id)),
    };
    let id = images::put(store, &image)?;
    if let Some(reference) = commit.reference {
        images::tag(store, reference, &id)?;
    }
    events::container(store, "commit", spec, &[("comment", commit.message), ("imageID", &format!("sha256:{id}"))]);
    store.unlock_images();
    Ok(id)
}

fn pause(store: &Store, container: &Container) -> Result<Option<OwnedFd>> {
    let Some(socket) = stop::dial(store, container)? else { return Ok(None) };
    // One that ended at this very moment: nothing moves any more.
    Ok(control::request(socket.as_fd(), &Message::Freeze, None)?.then_some(socket))
}

/// child: what the container changed, as an OCI layer.
fn pack_layer(container: &Container, sink: &mut dyn io::Sink) -> Result<()> {
    match &container.spec.rootfs {
        None => pack::pack(file::open_dir_at(container.dir.as_fd(), "upper")?.as_fd(), Form::Layer, &is_ours, sink),
        Some(path) => pack::pack(file::open_dir(path)?.as_fd(), Form::Flat, &is_ours, sink),
    }
}

/// Mount points that starting a container makes in its root: not the container's doing.
pub fn is_ours(path: &str) -> bool {
    matches!(path, "proc" | "sys" | "dev" | "etc/hosts" | "etc/hostname" | "etc/resolv.conf" | containers::MARK)
}

/// Writes all that the container sees as a flat tar, beside the path and renamed over it. What it replaces is always safe;
/// `syncs`: so is the new one.
pub(super) fn write_archive(
    store: &Store,
    container: &Container,
    pid: Option<i32>,
    path: &str,
    syncs: bool,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    // Whatever else is there must not become a file.
    if at::stat(CWD, path, AtFlags::empty())
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile)
    {
        return Err(Error::new(format_args!("invalid output path: \"{path}\" is there, and is not a regular file")));
    }
    file::put(path, 0o600, &mut |out| {
        let mut work = || {
            let sink = &mut io::File { fd: out, name: "the archive" };
            let root = see(store, container, pid)?;
            // What is mounted is left out, its mount points are in: /proc, /sys and /dev must exist in a root.
            let mut counted = io::Counted::<dyn io::Sink>::new(sink, progress);
            pack::pack(root.as_fd(), Form::Flat, &|_| false, &mut counted)
        };
        in_child(0, &mut work)?;
        if syncs { fsync(out).tried_to("sync", path) } else { Ok(()) }
    })
}

/// child: the container's root without what is mounted in it.
pub(super) fn see(store: &Store, container: &Container, pid: Option<i32>) -> Result<OwnedFd> {
    match pid {
        Some(pid) => {
            let init = process::open_pidfd(pid).tried("find the container")?;
            if container.spec.ids.is_some() {
                // Ids are the container's own.
                walls::ids::enter_that_of(init.as_fd())?;
                walls::ids::enter()?;
            }
            walls::mount::root_of(init.as_fd())
        }
        None => {
            rustix::process::fchdir(&container.dir).tried("enter the container's directory")?;
            walls::mount::root_alone(store, &container.spec)
        }
    }
}
