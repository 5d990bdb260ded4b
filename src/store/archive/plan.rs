//! What is in an archive: its images, read from its documents alone.

use super::{Blob, FULL_NAME, Place, REF_NAME};
use crate::error::{Error, Result};
use crate::kernel::hex;
use crate::spec::json::tree;
use crate::spec::json::{Number, Value};
use crate::spec::text::{has, join};
use crate::store::bundle::{get, list, text};
use crate::store::images::{self, Image};
use crate::store::reference::{self, Reference};
use crate::store::tar::shown;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Lists of images and layers. Registries allow four times as much, and use a hundredth.
const LIST_BYTES_MAX: u64 = 1 << 20;
/// An image's configuration: with history and labels the largest of the documents.
const CONFIG_BYTES_MAX: u64 = 4 << 20;
const IMAGES_MAX: usize = 1000;
/// docker's own limit is 125.
const LAYERS_MAX: usize = 250;
/// Indexes in indexes.
const DEPTH_MAX: u32 = 4;

// Media types: the OCI's, and docker's.
const INDEX: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFEST: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
const CONFIG: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
const LAYER: [&str; 2] = ["application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"];
/// What follows for a layer that is compressed.
const PACKED: [&str; 5] = ["", "+gzip", "+zstd", ".gzip", ".zstd"];

/// An image of an archive.
pub struct Planned {
    /// Its configuration.
    pub config: Blob,
    /// Its layers, the lowest first.
    pub layers: Vec<Blob>,
    /// What it is called; nothing, perhaps.
    pub names: Vec<Reference>,
}

impl Planned {
    /// Its configuration, and that as it is stored. An error when the archive does not have it whole.
    pub fn read(&self, place: &Place) -> Result<(Box<Image>, String)> {
        let document = content(place, &self.config, CONFIG_BYTES_MAX)?;
        let document = String::from_utf8(document).unwrap_or_default();
        let image = images::parse(&document);
        let image = image.ok_or_else(|| about(&self.config.path, "is not an image's configuration"))?;
        let layers = image.diff_ids()?.len();
        if let Some(os) = image.os.as_deref().filter(|os| !matches!(*os, "" | "linux")) {
            return Err(Error::new(format_args!("the image is for {}, not for linux", shown(os.as_bytes()))));
        }
        if layers != self.layers.len() {
            let have = self.layers.len();
            let why = format!("names {layers} layers, but the archive has {have} for it");
            return Err(about(&self.config.path, &why));
        }
        Ok((image, document))
    }
}

/// The images of an archive, each once with all its names. Their configurations are there and whole, and their layers are
/// there and as large as announced.
pub fn plan(place: &Place) -> Result<Vec<Planned>> {
    let mut all = Vec::new();
    if let Some(bytes) = place.document("manifest.json", LIST_BYTES_MAX)? {
        docker(&parse("manifest.json", &bytes)?, &mut all)?;
    } else if let Some(bytes) = place.document("index.json", LIST_BYTES_MAX)? {
        layout(place)?;
        index(place, &parse("index.json", &bytes)?, &mut all)?;
    } else {
        return Err(Error::new(
            "this is no image archive, it has neither manifest.json nor index.json; \
             a root file system is imported (mydocker import FILE NAME), a docker archive of before 1.10 must be saved anew",
        ));
    }
    if all.is_empty() {
        return Err(Error::new("there is no image in the archive"));
    }
    for planned in &all {
        planned.read(place)?;
        for layer in &planned.layers {
            piece_of(place, layer)?;
        }
    }
    Ok(all)
}

/// A blob's file. An error when it is not there, or has another size.
pub fn piece_of(place: &Place, blob: &Blob) -> Result<super::place::Piece> {
    let piece = place.find(&blob.path)?.ok_or_else(|| about(&blob.path, "is missing in the archive"))?;
    match blob.bytes {
        Some(bytes) if bytes != piece.bytes() => {
            Err(about(&blob.path, &format!("has {} bytes instead of {bytes}", piece.bytes())))
        }
        _ => Ok(piece),
    }
}

/// The content of a small blob, which has the digest that it should have.
fn content(place: &Place, blob: &Blob, bytes_max: u64) -> Result<Vec<u8>> {
    piece_of(place, blob)?;
    let bytes = place.document(&blob.path, bytes_max)?.unwrap_or_default();
    let found = hex::sha256(&bytes);
    if blob.digest.as_ref().is_some_and(|digest| *digest != found) {
        return Err(blob.differs(&found));
    }
    Ok(bytes)
}

/// The error about a file of the archive.
fn about(path: &str, why: &str) -> Error {
    Error::new([&shown(path.as_bytes()), " ", why].concat())
}

fn parse(name: &str, bytes: &[u8]) -> Result<Value> {
    let value = core::str::from_utf8(bytes).ok().and_then(tree::value);
    value.ok_or_else(|| about(name, "is not JSON"))
}

fn add(all: &mut Vec<Planned>, config: Blob, layers: Vec<Blob>, names: Vec<Reference>) -> Result<()> {
    if layers.len() > LAYERS_MAX {
        return Err(Error::new(format_args!("an image has {} layers, {LAYERS_MAX} are allowed", layers.len())));
    }
    if let Some(there) = all.iter_mut().find(|there| there.config.path == config.path) {
        for name in names {
            if !there.names.contains(&name) {
                there.names.push(name);
            }
        }
        return Ok(());
    }
    if all.len() == IMAGES_MAX {
        return Err(Error::new(format_args!("the archive has more than {IMAGES_MAX} images")));
    }
    all.push(Planned { config, layers, names });
    Ok(())
}

/// manifest.json: a list of images, with the paths of their parts.
fn docker(manifest: &Value, all: &mut Vec<Planned>) -> Result<()> {
    let Value::Array(images) = manifest else { return Err(Error::new("manifest.json is not a list of images")) };
    for image in images {
        let config = text(image, "Config");
        if config.is_empty() {
            return Err(Error::new("manifest.json has an image without a configuration"));
        }
        let mut layers = Vec::new();
        for layer in list(image, "Layers") {
            let Value::String(path) = layer else { return Err(Error::new("manifest.json has a layer without a path")) };
            layers.push(by_path(path));
        }
        let mut names = Vec::new();
        for name in list(image, "RepoTags") {
            if let Value::String(name) = name {
                names.push(reference::parse(name)?);
            }
        }
        add(all, by_path(config), layers, names)?;
    }
    Ok(())
}

/// A part by its path, which may tell its digest: as a blob, or as docker called configurations.
fn by_path(path: &str) -> Blob {
    let digest = path.strip_prefix("blobs/sha256/").or_else(|| path.strip_suffix(".json"));
    let digest = digest.filter(|digest| hex::is(digest, 64)).map(str::to_owned);
    Blob { path: path.to_owned(), digest, bytes: None }
}

fn layout(place: &Place) -> Result<()> {
    let Some(bytes) = place.document("oci-layout", LIST_BYTES_MAX)? else { return Ok(()) };
    let layout = parse("oci-layout", &bytes)?;
    let version = text(&layout, "imageLayoutVersion");
    if version.starts_with("1.") {
        return Ok(());
    }
    Err(Error::new(format_args!("the image layout has the version '{}', not 1.0.0", shown(version.as_bytes()))))
}

/// index.json. What says that it is for another platform is left out.
fn index(place: &Place, index: &Value, all: &mut Vec<Planned>) -> Result<()> {
    let entries = list(index, "manifests");
    let fits = |entry: &Value| get(entry, "platform").is_none_or(|platform| rank(platform).is_some());
    let mut foreign = None;
    for entry in entries {
        if !fits(entry) {
            foreign = Some(entry);
            continue;
        }
        let names = names(entry)?;
        manifest(place, entry, names, 0, all)?;
    }
    match foreign.and_then(|entry| get(entry, "platform")) {
        Some(other) if all.is_empty() => Err(no_platform(&[shown_platform(other)])),
        _ => Ok(()),
    }
}

/// What an entry of index.json is called.
fn names(entry: &Value) -> Result<Vec<Reference>> {
    let Some(annotations) = get(entry, "annotations") else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    match (text(annotations, FULL_NAME), text(annotations, REF_NAME)) {
        ("", "") => {}
        // Whatever the tool that wrote it lets people type; what is no name of ours leaves the image without one.
        ("", name) => names.extend(reference::parse(name).ok()),
        (full, tag) => {
            let mut name = reference::parse(full)?;
            // A tool that gave the image another tag may not know the annotation with the whole name.
            if let Ok(tagged) = reference::parse(&format!("{}:{tag}", name.name)) {
                name = tagged;
            }
            names.push(name);
        }
    }
    Ok(names)
}

/// The image, or the index of images, that a descriptor leads to.
fn manifest(place: &Place, entry: &Value, names: Vec<Reference>, depth: u32, all: &mut Vec<Planned>) -> Result<()> {
    let kind = text(entry, "mediaType");
    let blob = descriptor(entry)?;
    if INDEX.contains(&kind) {
        if depth == DEPTH_MAX {
            return Err(Error::new(format_args!("the index {} is in more than {DEPTH_MAX} others", blob.path)));
        }
        let index = parse(&blob.path, &content(place, &blob, LIST_BYTES_MAX)?)?;
        let entry = choose(list(&index, "manifests"))?;
        return manifest(place, entry, names, depth + 1, all);
    }
    if !MANIFEST.contains(&kind) {
        return Err(unknown(kind, &blob));
    }
    let manifest = parse(&blob.path, &content(place, &blob, LIST_BYTES_MAX)?)?;
    let config = get(&manifest, "config").ok_or_else(|| about(&blob.path, "names no config"))?;
    let kind = text(config, "mediaType");
    let config = descriptor(config)?;
    if !CONFIG.contains(&kind) {
        return Err(unknown(kind, &config));
    }
    let mut layers = Vec::new();
    for layer in list(&manifest, "layers") {
        layers.push(layer_of(layer)?);
    }
    add(all, config, layers, names)
}

/// A layer's descriptor. How it is packed is seen from its bytes.
fn layer_of(layer: &Value) -> Result<Blob> {
    let (kind, blob) = (text(layer, "mediaType"), descriptor(layer)?);
    if has(kind, ".nondistributable.") || has(kind, ".foreign.") {
        return Err(Error::new(format_args!("the layer {} may only come from its maker's server: {kind}", blob.path)));
    }
    for tar in LAYER {
        if kind.strip_prefix(tar).is_some_and(|packed| PACKED.contains(&packed)) {
            return Ok(blob);
        }
    }
    Err(unknown(kind, &blob))
}

fn unknown(kind: &str, blob: &Blob) -> Error {
    let kind = shown(kind.as_bytes());
    about(&blob.path, &["has an unknown media type '", &kind, "': not an image that can be run here"].concat())
}

/// A descriptor: digest and size of a blob.
fn descriptor(value: &Value) -> Result<Blob> {
    let digest = text(value, "digest");
    let digest = match digest.strip_prefix("sha256:").filter(|digits| hex::is(digits, 64)) {
        Some(digits) => digits.to_owned(),
        None => return Err(Error::new(format_args!("'{}' is not a sha256 digest", shown(digest.as_bytes())))),
    };
    match get(value, "size") {
        Some(Value::Number(Number::U64(bytes))) => {
            Ok(Blob { path: format!("blobs/sha256/{digest}"), digest: Some(digest), bytes: Some(*bytes) })
        }
        _ => Err(Error::new(format_args!("the descriptor of sha256:{digest} has no size"))),
    }
}

/// The entry of an index that is for this machine: one for the plain processor before one for a newer variant of it, and
/// one that does not say last.
fn choose(entries: &[Value]) -> Result<&Value> {
    let mut best: Option<(u32, &Value)> = None;
    let mut others: Vec<String> = Vec::new();
    for entry in entries {
        let rank = match get(entry, "platform") {
            None => Some(2),
            Some(platform) => {
                others.push(shown_platform(platform));
                rank(platform)
            }
        };
        if let Some(rank) = rank
            && best.is_none_or(|(there, _)| rank < there)
        {
            best = Some((rank, entry));
        }
    }
    best.map(|(_, entry)| entry).ok_or_else(|| no_platform(&others))
}

/// How well a platform fits this machine; `None` when it does not.
fn rank(platform: &Value) -> Option<u32> {
    if text(platform, "os") != "linux" || text(platform, "architecture") != images::architecture() {
        return None;
    }
    Some(u32::from(!matches!(text(platform, "variant"), "" | "v1" | "v8")))
}

fn shown_platform(platform: &Value) -> String {
    shown([text(platform, "os"), text(platform, "architecture")].join("/").as_bytes())
}

fn no_platform(others: &[String]) -> Error {
    let others = if others.is_empty() { "nothing".to_string() } else { join(others, ", ") };
    Error::new(format_args!("there is no image for linux/{} in it, but {others}", images::architecture()))
}
