//! Images: a configuration document (OCI image specification, config.md) named by its sha256, and references to it.

mod remove;

pub use remove::{Removed, remove};

use super::reference::Reference;
use super::{Store, bundle, containers, events, ids_in, layers, only_one, reference, trash};
use crate::error::{Error, Result, Tried, escaped};
use crate::kernel::{at, fault, file, hex};
use crate::spec::map::{Map, Set};
use crate::spec::order;
use crate::spec::record::{from_json, record, to_json};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::fd::AsFd;
use rustix::fs::Stat;
use rustix::io::Errno;

/// The configuration document. Everything is optional in documents that others wrote.
#[derive(Clone, Default)]
pub struct Image {
    /// RFC 3339.
    pub created: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// `amd64`, `arm64` …
    pub architecture: Option<String>,
    /// `linux`
    pub os: Option<String>,
    /// What a container of it runs by default.
    pub config: Option<Config>,
    /// Its layers.
    pub rootfs: Option<RootFs>,
    /// How it came to be, oldest first.
    pub history: Option<Vec<History>>,
    /// `sha256:<id>` of the image whose container was committed; docker's field, which the specification lets be.
    pub parent: Option<String>,
}

/// What a container of an image runs by default.
#[derive(Clone, Default)]
#[allow(missing_docs)] // the names are the specification's
pub struct Config {
    pub user: Option<String>,
    pub exposed_ports: Option<Set<String>>,
    pub env: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    pub volumes: Option<Set<String>>,
    pub working_dir: Option<String>,
    pub labels: Option<Map<String, String>>,
    pub stop_signal: Option<String>,
    pub healthcheck: Option<HealthConfig>,
    pub on_build: Option<Vec<String>>,
    pub shell: Option<Vec<String>>,
}

/// How an image wants its containers' health to be found out; docker's extension of the image specification.
#[derive(Clone, Default)]
pub struct HealthConfig {
    /// `NONE`, `CMD` and words, or `CMD-SHELL` and a line.
    pub test: Option<Vec<String>>,
    /// Nanoseconds.
    pub interval: Option<i64>,
    /// Nanoseconds.
    pub timeout: Option<i64>,
    /// Nanoseconds.
    pub start_period: Option<i64>,
    /// Nanoseconds.
    pub start_interval: Option<i64>,
    /// So many failures in a row.
    pub retries: Option<u32>,
}

/// The layers of an image.
#[derive(Clone, Default)]
pub struct RootFs {
    /// Always `layers`.
    pub kind: Option<String>,
    /// `sha256:<diff-id>`, lowest first.
    pub diff_ids: Option<Vec<String>>,
}

/// One step of how an image came to be.
#[derive(Clone, Default)]
pub struct History {
    /// RFC 3339.
    pub created: Option<String>,
    /// The command.
    pub created_by: Option<String>,
    /// Who.
    pub author: Option<String>,
    /// `commit -m`
    pub comment: Option<String>,
    /// Whether it made no layer.
    pub empty_layer: Option<bool>,
}

record! {
    Image { created, author, architecture, os, config, rootfs, history, parent }
    Config {
        user = "User", exposed_ports = "ExposedPorts", env = "Env", entrypoint = "Entrypoint", cmd = "Cmd",
        volumes = "Volumes", working_dir = "WorkingDir", labels = "Labels", stop_signal = "StopSignal",
        healthcheck = "Healthcheck", on_build = "OnBuild", shell = "Shell"
    }
    HealthConfig {
        test = "Test", interval = "Interval", timeout = "Timeout", start_period = "StartPeriod",
        start_interval = "StartInterval", retries = "Retries"
    }
    RootFs { kind = "type", diff_ids }
    History { created, created_by, author, comment, empty_layer }
}

impl Image {
    /// The diff-ids of its layers without `sha256:`, lowest first; an error when one is malformed.
    pub fn diff_ids(&self) -> Result<Vec<String>> {
        let ids = self.rootfs.as_ref().and_then(|r| r.diff_ids.as_deref()).unwrap_or(&[]);
        let mut diff_ids = Vec::new();
        for id in ids {
            match id.strip_prefix("sha256:") {
                Some(hex_id) if hex::is(hex_id, 64) => diff_ids.push(hex_id.to_string()),
                _ => return Err(Error::new(format_args!("the image has a malformed layer id '{}'", escaped(id)))),
            }
        }
        Ok(diff_ids)
    }

    /// The same, each once: overlayfs takes no directory twice, and what is uppermost counts in any case.
    pub fn layers(&self) -> Result<Vec<String>> {
        let mut layers = self.diff_ids()?;
        let mut at = 0;
        while at < layers.len() {
            if layers[at + 1..].contains(&layers[at]) {
                layers.remove(at);
            } else {
                at += 1;
            }
        }
        Ok(layers)
    }
}

/// Stores an image and returns its id. It survives a power cut when this returns.
pub fn put(store: &Store, image: &Image) -> Result<String> {
    put_document(store, &to_json(image))
}

/// The same for a configuration that others wrote: not a byte of it may change.
pub fn put_document(store: &Store, document: &str) -> Result<String> {
    let id = hex::sha256(document.as_bytes());
    file::replace_at(store.images.as_fd(), &id, document.as_bytes(), true).map_err(|e| store.locate("images", e))?;
    fault::point("image:stored");
    Ok(id)
}

/// Whether there is an image of this full id.
pub fn exists(store: &Store, id: &str) -> bool {
    file::exists_at(store.images.as_fd(), id)
}

/// Reads an image by its full id.
pub fn get(store: &Store, id: &str) -> Result<Box<Image>> {
    parse(&document(store, id)?).ok_or_else(|| damaged(store, id, "it is not an image configuration"))
}

fn damaged(store: &Store, id: &str, why: &str) -> Error {
    Error::new(format_args!("the image record {}/images/{id} is damaged: {why}", store.root_path))
}

/// The text of an image's configuration, which has its id as sha256.
pub fn document(store: &Store, id: &str) -> Result<String> {
    let bytes =
        file::read_small_at(store.images.as_fd(), id, file::RECORD_BYTES_MAX).map_err(|e| store.locate("images", e))?;
    if hex::sha256(&bytes) != id {
        return Err(damaged(store, id, "its content does not have this sha256"));
    }
    String::from_utf8(bytes).map_err(|_| damaged(store, id, "it is not text"))
}

/// Reads a configuration document.
pub fn parse(document: &str) -> Option<Box<Image>> {
    let mut image = Box::<Image>::default();
    from_json(&mut *image, document).then_some(image)
}

/// The image that this one was made from, if it is still here. What a document claims is believed if the layers agree.
pub fn parent(store: &Store, image: &Image) -> Option<String> {
    let id = image.parent.as_deref()?.strip_prefix("sha256:").filter(|id| hex::is(id, 64))?;
    let below = get(store, id).ok()?.diff_ids().ok()?;
    image.diff_ids().ok()?.starts_with(&below).then(|| id.to_string())
}

/// Whether another image was made from this one.
pub fn has_children(store: &Store, id: &str) -> Result<bool> {
    let is_parent = |other: &String| get(store, other).is_ok_and(|other| parent(store, &other).as_deref() == Some(id));
    Ok(ids(store)?.iter().any(is_parent))
}

/// Lets the reference stand for the image, in one step.
pub fn tag(store: &Store, reference: &Reference, id: &str) -> Result<()> {
    point(store, "refs", &reference.file_name(), id)?;
    events::image(store, "tag", id, &reference.text());
    Ok(())
}

fn point(store: &Store, dir: &str, name: &str, id: &str) -> Result<()> {
    let (tmp, refs) = (store.dir("tmp")?, store.dir(dir)?);
    loop {
        let draft = hex::encode(&hex::random(8));
        at::symlink(id, tmp.as_fd(), &draft).tried(format_args!("name an image {name}"))?;
        fault::point("image:drafted");
        match at::rename_into(tmp.as_fd(), &draft, refs.as_fd(), name) {
            Err(Errno::NOENT) => {} // a sweeper took it for a leftover
            other => break other.tried(format_args!("name an image {name}"))?,
        }
    }
    rustix::fs::fsync(&refs).tried(format_args!("sync the name {name}"))
}

/// What makes a file on the host the same file: not its name.
pub fn file_identity(stat: &Stat) -> String {
    format!(
        "{}-{}-{}-{}.{}-{}.{}",
        stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec
    )
}

/// The image that was once imported from this very file, if it is still here.
pub fn by_file(store: &Store, identity: &str) -> Result<Option<String>> {
    let id = file::link_target(store.dir("files")?.as_fd(), identity);
    Ok(id.filter(|id| file::exists_at(store.images.as_fd(), id)))
}

/// Remembers that this file was imported as this image.
pub fn remember_file(store: &Store, identity: &str, id: &str) -> Result<()> {
    point(store, "files", identity, id)
}

/// All references with the image each stands for, sorted by name.
pub fn references(store: &Store) -> Result<Vec<(Reference, String)>> {
    let refs = store.dir("refs")?;
    let mut all = Vec::new();
    for name in &order::sorted(file::names(refs.as_fd())?, &|a, b| a < b) {
        if let Some(id) = file::link_target(refs.as_fd(), name)
            && let Some(reference) = Reference::from_file_name(name)
        {
            all.push((reference, id));
        }
    }
    Ok(all)
}

/// The ids of all images, in no order.
pub fn ids(store: &Store) -> Result<Vec<String>> {
    ids_in(&store.images)
}

/// What a word on the command line stands for.
pub enum Found {
    /// A reference, and the image's id.
    Reference(Reference, String),
    /// An id, or a unique beginning of it.
    Id(String),
}

impl Found {
    /// The image's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Reference(_, id) | Self::Id(id) => id,
        }
    }
}

/// The image that a reference stands for.
pub fn named(store: &Store, reference: &Reference) -> Result<Option<String>> {
    Ok(file::link_target(store.dir("refs")?.as_fd(), &reference.file_name()))
}

/// Finds an image by reference, id, or unique prefix of its id. `None` when there is none. One that is only in this
/// program's own file is unpacked, and then the images are locked (shared).
pub fn find(store: &Store, word: &str) -> Result<Option<Found>> {
    match find_stored(store, word)? {
        None => bundle::find(store, word),
        found => Ok(found),
    }
}

/// The same, only in the store.
pub fn find_stored(store: &Store, word: &str) -> Result<Option<Found>> {
    let digits = word.strip_prefix("sha256:").unwrap_or(word);
    if hex::is(digits, 64) && file::exists_at(store.images.as_fd(), digits) {
        return Ok(Some(Found::Id(digits.to_string())));
    }
    let parsed = reference::parse(word);
    if let Ok(reference) = &parsed
        && let Some(id) = named(store, reference)?
    {
        return Ok(Some(Found::Reference(reference.clone(), id)));
    }
    if !digits.is_empty()
        && digits.len() <= 64
        && hex::is(digits, digits.len())
        && let Some(id) = only_one(&ids(store)?, word, digits)?
    {
        return Ok(Some(Found::Id(id)));
    }
    parsed.map(|_| None)
}

/// The id of the image that a word stands for; an error when there is none.
pub fn expect(store: &Store, word: &str) -> Result<String> {
    match find(store, word)? {
        Some(Found::Reference(_, id) | Found::Id(id)) => Ok(id),
        None => Err(missing(word)),
    }
}

/// The error for an image that is not here.
pub fn missing(word: &str) -> Error {
    match reference::parse(word) {
        Ok(reference) => Error::new(format_args!("No such image: {}", reference.text())),
        Err(error) => error,
    }
}

/// Deletes what killed commands left: layers that nothing refers to, half-written records, links to images that are gone.
/// Waits until nobody uses an image in the making.
pub fn tidy(store: &Store) -> Result<()> {
    store.lock_images(true)?;
    let done = collect(store);
    store.unlock_images();
    done.map(drop)
}

/// The same for who holds the exclusive image lock; returns the layers that are gone.
pub fn collect(store: &Store) -> Result<Vec<String>> {
    // Nobody stores an image while we hold the lock: what has a dot in front was left by a kill.
    for name in &file::names(store.images.as_fd())? {
        if name.starts_with('.') {
            file::remove_tree(store.images.as_fd(), name)?;
        }
    }
    let files = store.dir("files")?;
    for name in &file::names(files.as_fd())? {
        let image = file::link_target(files.as_fd(), name);
        if !image.is_some_and(|id| hex::is(&id, 64) && exists(store, &id)) {
            file::remove_tree(files.as_fd(), name)?;
        }
    }
    collect_layers(store)
}

/// Deletes layers that neither an image nor a container refers to. Deletes nothing when some record cannot be read: it
/// could be the one that needs a layer.
fn collect_layers(store: &Store) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    let mut used: Set<String> = Set::new();
    let mut note = |layers: &[String]| {
        for layer in layers {
            used.insert(layer.clone(), ());
        }
    };
    for id in &ids(store)? {
        match get(store, id).and_then(|image| image.diff_ids()) {
            Ok(layers) => note(&layers),
            Err(_) => return Ok(gone),
        }
    }
    for id in &containers::ids(store)? {
        match containers::open(store, id) {
            Ok(container) => note(&container.spec.layers),
            Err(_) if containers::is_going(store, id) => {}
            Err(_) => return Ok(gone),
        }
    }
    for layer in &file::names(store.layers.as_fd())? {
        if used.contains_key(layer) {
            continue;
        }
        if gone.is_empty() {
            // A power cut must not bring back what refers to a layer, but not the layer.
            rustix::fs::fsync(&store.images).tried("sync the images")?;
            rustix::fs::fsync(&store.containers).tried("sync the containers")?;
        }
        if trash::throw(store, store.layers.as_fd(), layer)? {
            gone.push(layer.clone());
        }
    }
    Ok(gone)
}

/// Bytes of the files in all layers of an image.
pub fn size(store: &Store, image: &Image) -> Result<u64> {
    let mut size = 0;
    for layer in &image.layers()? {
        size += layers::size(store, layer)?;
    }
    Ok(size)
}

/// `amd64`, `arm64` …: how the specification calls the machine that this program is built for.
pub fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}
