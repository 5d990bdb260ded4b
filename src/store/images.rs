//! Images: a configuration document (OCI image specification, config.md) named by its sha256, and references to it.

use super::reference::Reference;
use super::{Store, containers, events, layers, reference, trash};
use crate::error::{Error, Result, Tried};
use crate::kernel::{fault, file, hex, order};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use miniserde::{Deserialize, Serialize, json};
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Stat, renameat, symlinkat, unlinkat};
use rustix::io::Errno;

/// The configuration document. Everything is optional in documents that others wrote.
#[derive(Serialize, Deserialize, Clone, Default)]
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
}

/// What a container of an image runs by default.
#[derive(Serialize, Deserialize, Clone, Default)]
#[allow(missing_docs)] // the names are the specification's
pub struct Config {
    #[serde(rename = "User")]
    pub user: Option<String>,
    #[serde(rename = "ExposedPorts")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    #[serde(rename = "Env")]
    pub env: Option<Vec<String>>,
    #[serde(rename = "Entrypoint")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(rename = "Cmd")]
    pub cmd: Option<Vec<String>>,
    #[serde(rename = "Volumes")]
    pub volumes: Option<BTreeMap<String, Empty>>,
    #[serde(rename = "WorkingDir")]
    pub working_dir: Option<String>,
    #[serde(rename = "Labels")]
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(rename = "StopSignal")]
    pub stop_signal: Option<String>,
    #[serde(rename = "Healthcheck")]
    pub healthcheck: Option<HealthConfig>,
}

/// How an image wants its containers' health to be found out; docker's extension of the image specification.
#[derive(Serialize, Deserialize, Clone, Default)]
pub struct HealthConfig {
    /// `NONE`, `CMD` and words, or `CMD-SHELL` and a line.
    #[serde(rename = "Test")]
    pub test: Option<Vec<String>>,
    /// Nanoseconds.
    #[serde(rename = "Interval")]
    pub interval: Option<i64>,
    /// Nanoseconds.
    #[serde(rename = "Timeout")]
    pub timeout: Option<i64>,
    /// Nanoseconds.
    #[serde(rename = "StartPeriod")]
    pub start_period: Option<i64>,
    /// Nanoseconds.
    #[serde(rename = "StartInterval")]
    pub start_interval: Option<i64>,
    /// So many failures in a row.
    #[serde(rename = "Retries")]
    pub retries: Option<u32>,
}

/// `{}`: how the specification spells a set.
#[derive(Serialize, Deserialize, Clone, Default)]
pub struct Empty {}

/// The layers of an image.
#[derive(Serialize, Deserialize, Clone, Default)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `sha256:<diff-id>`, lowest first.
    pub diff_ids: Option<Vec<String>>,
}

/// One step of how an image came to be.
#[derive(Serialize, Deserialize, Clone, Default)]
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

impl Image {
    /// The diff-ids of its layers without `sha256:`, lowest first; an error when one is malformed.
    pub fn diff_ids(&self) -> Result<Vec<String>> {
        let ids = self.rootfs.as_ref().and_then(|r| r.diff_ids.as_deref()).unwrap_or(&[]);
        ids.iter()
            .map(|id| match id.strip_prefix("sha256:") {
                Some(hex_id) if hex::is(hex_id, 64) => Ok(hex_id.to_string()),
                _ => Err(Error::new(format!("the image has a malformed layer id '{}'", id.escape_debug()))),
            })
            .collect()
    }
}

/// Stores an image and returns its id. It survives a power cut when this returns.
pub fn put(store: &Store, image: &Image) -> Result<String> {
    put_document(store, json::to_string(image).as_bytes())
}

/// The same for an image that comes with its document, which is kept as it is: its sha256 is the id.
pub fn put_document(store: &Store, document: &[u8]) -> Result<String> {
    let id = hex::sha256(document);
    file::replace_at(store.images.as_fd(), &id, document, true).map_err(|e| store.locate("images", e))?;
    fault::point("image:stored");
    Ok(id)
}

/// Reads an image by its full id.
pub fn get(store: &Store, id: &str) -> Result<Image> {
    get_document(store, id).map(|(image, _)| image)
}

/// The same, with the document that it was read from.
pub fn get_document(store: &Store, id: &str) -> Result<(Image, Vec<u8>)> {
    let bytes =
        file::read_at(store.images.as_fd(), id, file::RECORD_BYTES_MAX).map_err(|e| store.locate("images", e))?;
    let damaged = |why: &str| Error::new(format!("the image record {}/images/{id} is damaged: {why}", store.root_path));
    if hex::sha256(&bytes) != id {
        return Err(damaged("its content does not have this sha256"));
    }
    let text = core::str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
    let image = json::from_str(text).map_err(|_| damaged("it is not an image configuration"))?;
    Ok((image, bytes))
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
        symlinkat(id, &tmp, draft.as_str()).tried_with(|| format!("name an image {name}"))?;
        fault::point("image:drafted");
        match renameat(&tmp, draft.as_str(), &refs, name) {
            Err(Errno::NOENT) => {} // a sweeper took it for a leftover
            other => break other.tried_with(|| format!("name an image {name}"))?,
        }
    }
    rustix::fs::fsync(&refs).tried_with(|| format!("sync the name {name}"))
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
    let mut all: Vec<(String, String)> = Vec::new();
    for name in file::names(refs.as_fd())? {
        if let Some(id) = file::link_target(refs.as_fd(), &name) {
            all.push((name, id));
        }
    }
    Ok(order::sorted(all, &|a, b| a.0 < b.0)
        .into_iter()
        .filter_map(|(name, id)| Some((Reference::from_file_name(&name)?, id)))
        .collect())
}

/// The ids of all images, in no order.
pub fn ids(store: &Store) -> Result<Vec<String>> {
    Ok(file::names(store.images.as_fd())?.into_iter().filter(|name| hex::is(name, 64)).collect())
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

/// Finds an image by reference, id, or unique prefix of its id. `None` when there is none.
pub fn find(store: &Store, word: &str) -> Result<Option<Found>> {
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
    if !digits.is_empty() && digits.len() <= 64 && hex::is(digits, digits.len()) {
        let mut fits: Vec<String> = ids(store)?.into_iter().filter(|id| id.starts_with(digits)).collect();
        if fits.len() > 1 {
            let fits = order::sorted(fits, &|a, b| a < b);
            let list: Vec<&str> = fits.iter().map(|id| &id[..12]).collect();
            return Err(Error::new(format!("multiple IDs found with provided prefix: {word} ({})", list.join(", "))));
        }
        if let Some(id) = fits.pop() {
            return Ok(Some(Found::Id(id)));
        }
    }
    parsed.map(|_| None)
}

/// The error for an image that is not here.
pub fn missing(word: &str) -> Error {
    match reference::parse(word) {
        Ok(reference) => Error::new(format!("No such image: {}", reference.text())),
        Err(error) => error,
    }
}

/// What [`remove`] did.
#[derive(Default)]
pub struct Removed {
    /// References that are gone.
    pub untagged: Vec<String>,
    /// Images and layers that are gone, `sha256:` ids.
    pub deleted: Vec<String>,
}

/// Removes a reference, and with the last one the image and the layers that nothing else uses. An image that a
/// container uses is refused without `force`; its layers stay in any case.
pub fn remove(store: &Store, word: &str, force: bool) -> Result<Removed> {
    store.lock_images(true)?;
    let found = find(store, word)?.ok_or_else(|| missing(word))?;
    let id = found.id().to_string();
    let refs: Vec<Reference> =
        references(store)?.into_iter().filter(|(_, to)| *to == id).map(|(reference, _)| reference).collect();
    let mut removed = Removed::default();
    let going = match &found {
        Found::Reference(reference, _) => core::slice::from_ref(reference),
        Found::Id(_) => &refs[..],
    };
    if matches!(found, Found::Id(_)) && refs.len() > 1 && !force {
        return Err(Error::new(format!(
            "conflict: unable to delete {} (must be forced) - image is referenced in multiple repositories",
            &id[..12]
        )));
    }
    let last = going.len() == refs.len();
    if last && !force {
        refuse_in_use(store, &found, word)?;
    }
    let dir = store.dir("refs")?;
    for reference in going {
        match unlinkat(&dir, reference.file_name(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {
                events::image(store, "untag", &id, &reference.text());
                removed.untagged.push(reference.text());
            }
            Err(errno) => {
                let error = Error::os(format!("remove the name {}", reference.text()), errno);
                return Err(store.locate("refs", error));
            }
        }
    }
    fault::point("rmi:untagged");
    if last {
        unlinkat(&store.images, id.as_str(), AtFlags::empty())
            .tried_with(|| format!("remove the image {}", &id[..12]))?;
        removed.deleted.push(format!("sha256:{id}"));
        events::image(store, "delete", &id, "");
        fault::point("rmi:deleted");
        removed.deleted.extend(collect(store)?.into_iter().map(|layer| format!("sha256:{layer}")));
    }
    store.unlock_images();
    trash::sweep(store)?;
    Ok(removed)
}

fn refuse_in_use(store: &Store, found: &Found, word: &str) -> Result<()> {
    let (all, errors) = containers::all(store)?;
    if let Some(error) = errors.into_iter().next() {
        return Err(Error::new(format!("cannot tell whether image {word} is in use: {error}")));
    }
    let Some(user) = all.iter().find(|c| c.spec.image_id == found.id()) else { return Ok(()) };
    let (container, image) = (&user.spec.id[..12], &found.id()[..12]);
    Err(Error::new(match found {
        Found::Reference(..) => format!(
            "conflict: unable to remove repository reference \"{word}\" (must force) - container {container} is using its referenced image {image}"
        ),
        Found::Id(_) => {
            format!(
                "conflict: unable to delete {image} (must be forced) - image is being used by container {container}"
            )
        }
    }))
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
    for name in file::names(store.images.as_fd())?.iter().filter(|name| name.starts_with('.')) {
        file::remove_tree(store.images.as_fd(), name)?;
    }
    let files = store.dir("files")?;
    for name in file::names(files.as_fd())? {
        let image = file::link_target(files.as_fd(), &name);
        if !image.is_some_and(|id| hex::is(&id, 64) && file::exists_at(store.images.as_fd(), &id)) {
            file::remove_tree(files.as_fd(), &name)?;
        }
    }
    collect_layers(store)
}

/// Deletes layers that neither an image nor a container refers to. Deletes nothing when some record cannot be read: it
/// could be the one that needs a layer.
fn collect_layers(store: &Store) -> Result<Vec<String>> {
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut note = |layers: Vec<String>| {
        for layer in layers {
            used.insert(layer);
        }
    };
    for id in ids(store)? {
        match get(store, &id).and_then(|image| image.diff_ids()) {
            Ok(layers) => note(layers),
            Err(_) => return Ok(Vec::new()),
        }
    }
    for id in containers::ids(store)? {
        match containers::open(store, &id) {
            Ok(container) => note(container.spec.layers),
            Err(_) if containers::is_going(store, &id) => {}
            Err(_) => return Ok(Vec::new()),
        }
    }
    let mut gone = Vec::new();
    for layer in file::names(store.layers.as_fd())? {
        if !used.contains(&layer) && trash::throw(store, store.layers.as_fd(), &layer)? {
            gone.push(layer);
        }
    }
    Ok(gone)
}

/// Bytes of the files in all layers of an image.
pub fn size(store: &Store, image: &Image) -> Result<u64> {
    image.diff_ids()?.iter().map(|layer| layers::size(store, layer)).sum()
}

/// `amd64`, `arm64` …: how the specification calls the machine that this program is built for.
pub fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}
