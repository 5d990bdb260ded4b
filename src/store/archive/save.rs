//! From the store into an archive: an OCI image layout with docker's manifest.json beside it, so that both worlds read it.
//! The same images in the same order give the same bytes: no times, no names of this host, and layers as they came.

use super::{FULL_NAME, OCI, REF_NAME};
use crate::error::{Error, Result};
use crate::kernel::file;
use crate::kernel::hex::{self, Hash};
use crate::kernel::io::Sink;
use crate::store::images::{self, Found};
use crate::store::reference::{self, Reference};
use crate::store::skeleton;
use crate::store::tar::{self, BLOCK_BYTES, Entry, Kind};
use crate::store::{Store, events};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::fd::AsFd;
use rustix::io::Errno;

const BUFFER_BYTES: usize = 256 << 10;

/// An image that is to be saved.
pub struct Saved {
    /// Its id, 64 hexadecimal digits.
    pub id: String,
    /// Its names in the archive.
    pub names: Vec<Reference>,
}

/// What goes into `blobs/sha256/`.
struct Blob {
    digest: String,
    bytes: u64,
    /// `None` for a layer.
    content: Option<Vec<u8>>,
}

/// Finds the images of words on the command line, each image once: a name with its tag, a name without one for all of its
/// tags, or an id, which saves no name.
pub fn find(store: &Store, words: &[String]) -> Result<Vec<Saved>> {
    let mut all: Vec<Saved> = Vec::new();
    let references = images::references(store)?;
    for word in words {
        let mut is_found = false;
        if let Ok(parsed) = reference::parse(word)
            && !word.rsplit('/').next().unwrap_or("").contains(':')
        {
            for (reference, id) in references.iter().filter(|(reference, _)| reference.name == parsed.name) {
                take(&mut all, id, Some(reference));
                is_found = true;
            }
        }
        if !is_found {
            match images::find(store, word)?.ok_or_else(|| images::missing(word))? {
                Found::Reference(reference, id) => take(&mut all, &id, Some(&reference)),
                Found::Id(id) => take(&mut all, &id, None),
            }
        }
    }
    Ok(all)
}

/// Adds an image, and a name of it, to those that are saved, where they are not among them.
fn take(all: &mut Vec<Saved>, id: &str, name: Option<&Reference>) {
    if !all.iter().any(|saved| saved.id == id) {
        all.push(Saved { id: id.into(), names: Vec::new() });
    }
    for saved in all.iter_mut().filter(|saved| saved.id == id) {
        saved.names.extend(name.filter(|name| !saved.names.contains(name)).cloned());
    }
}

/// Writes an archive of these images. The images are locked (shared) until the caller unlocks them.
pub fn save(store: &Store, saved: &[Saved], sink: &mut dyn Sink) -> Result<()> {
    let mut blobs = Vec::new();
    let (mut index, mut manifest) = (String::new(), String::new());
    for image in saved {
        describe(store, image, &mut blobs, &mut index, &mut manifest)?;
    }
    let mut out = Out { sink, buf: Vec::with_capacity(BUFFER_BYTES), digest: None, bytes: 0 };
    let index = format!("{{\"schemaVersion\":2,\"mediaType\":\"{OCI}index.v1+json\",\"manifests\":[{index}]}}");
    let manifest = format!("[{manifest}]\n");
    out.file("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}")?;
    out.file("index.json", index.as_bytes())?;
    out.file("manifest.json", manifest.as_bytes())?;
    out.header("blobs/", None)?;
    out.header("blobs/sha256/", None)?;
    for blob in &blobs {
        let name = format!("blobs/sha256/{}", blob.digest);
        match &blob.content {
            Some(content) => out.file(&name, content)?,
            None => out.layer(store, &name, blob)?,
        }
    }
    out.write(&[0; 2 * BLOCK_BYTES])?;
    out.flush()?;
    for image in saved {
        events::image(store, "save", &image.id, "");
    }
    Ok(())
}

/// Adds what an archive says of an image: its blobs, its entries in index.json, and the one in manifest.json.
fn describe(
    store: &Store,
    saved: &Saved,
    blobs: &mut Vec<Blob>,
    index: &mut String,
    manifests: &mut String,
) -> Result<()> {
    let (image, document) = (images::get(store, &saved.id)?, images::document(store, &saved.id)?.into_bytes());
    let oci = |kind: &str, digest: &str, bytes: u64| {
        format!("{{\"mediaType\":\"{OCI}{kind}\",\"digest\":\"sha256:{digest}\",\"size\":{bytes}")
    };
    let (mut layers, mut paths) = (String::new(), String::new());
    for diff_id in &image.diff_ids()? {
        let bytes = layer_bytes(store, diff_id)?;
        list(&mut layers, &[&oci("layer.v1.tar", diff_id, bytes), "}"]);
        list(&mut paths, &["\"blobs/sha256/", diff_id, "\""]);
        add(blobs, diff_id, bytes, None);
    }
    let config = oci("config.v1+json", &saved.id, document.len() as u64);
    let manifest = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{OCI}manifest.v1+json\",\"config\":{config}}},\"layers\":[{layers}]}}"
    )
    .into_bytes();
    let digest = hex::sha256(&manifest);
    let entry = oci("manifest.v1+json", &digest, manifest.len() as u64);
    let mut tags = String::new();
    for name in &saved.names {
        // No character of a reference needs an escape.
        let (text, full, tag) = (name.text(), name.full(), &name.tag);
        let annotations = format!(",\"annotations\":{{\"{FULL_NAME}\":\"{full}\",\"{REF_NAME}\":\"{tag}\"}}");
        list(index, &[&entry, &annotations, "}"]);
        list(&mut tags, &["\"", &text, "\""]);
    }
    let tags = if tags.is_empty() {
        list(index, &[&entry, "}"]);
        "null".to_string()
    } else {
        ["[", &tags, "]"].concat()
    };
    let image = format!("{{\"Config\":\"blobs/sha256/{}\",\"RepoTags\":{tags},\"Layers\":[{paths}]}}", saved.id);
    list(manifests, &[&image]);
    add(blobs, &digest, manifest.len() as u64, Some(manifest));
    add(blobs, &saved.id, document.len() as u64, Some(document));
    Ok(())
}

/// Appends an element, in pieces, to what stands between the brackets of a list.
fn list(text: &mut String, element: &[&str]) {
    text.push_str(if text.is_empty() { "" } else { "," });
    text.extend(element.iter().copied());
}

/// Each blob once: images share layers, and some have one twice.
fn add(blobs: &mut Vec<Blob>, digest: &str, bytes: u64, content: Option<Vec<u8>>) {
    if !blobs.iter().any(|blob| blob.digest == digest) {
        blobs.push(Blob { digest: digest.to_string(), bytes, content });
    }
}

fn layer_bytes(store: &Store, diff_id: &str) -> Result<u64> {
    let bytes =
        file::open_dir_at(store.layers.as_fd(), diff_id).and_then(|layer| skeleton::archive_bytes(layer.as_fd()));
    bytes.map_err(|error| {
        if error.is(Errno::NOENT) && file::exists_at(store.layers.as_fd(), diff_id) {
            return Error::new(format_args!(
                "the layer {diff_id} was unpacked by an older mydocker, which did not note what its archive was: \
                 remove the image and import or load it again"
            ));
        }
        error.reword(&|what| format!("{what} of the layer {}/layers/{diff_id}", store.root_path))
    })
}

/// The archive, buffered.
struct Out<'a> {
    sink: &'a mut dyn Sink,
    buf: Vec<u8>,
    /// Of what is written from now on, if it matters.
    digest: Option<Hash>,
    bytes: u64,
}

impl Sink for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(digest) = &mut self.digest {
            digest.add(bytes);
        }
        self.bytes += bytes.len() as u64;
        if self.buf.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() >= BUFFER_BYTES {
            return self.sink.write(bytes);
        }
        self.buf.extend_from_slice(bytes);
        Ok(())
    }
}

impl Out<'_> {
    fn flush(&mut self) -> Result<()> {
        self.sink.write(&self.buf)?;
        self.buf.clear();
        Ok(())
    }

    /// The header of a file with so many bytes, or of a directory.
    fn header(&mut self, name: &str, bytes: Option<u64>) -> Result<()> {
        let kind = if bytes.is_some() { Kind::File } else { Kind::Directory };
        let mut entry = Entry::new(name.as_bytes().to_vec(), kind);
        (entry.mode, entry.stored) = (if bytes.is_some() { 0o644 } else { 0o755 }, bytes.unwrap_or(0));
        let mut header = Vec::new();
        tar::emit(&entry, &mut header)?;
        self.write(&header)
    }

    fn file(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let bytes = content.len() as u64;
        self.header(name, Some(bytes))?;
        self.write(content)?;
        self.write(&[0; BLOCK_BYTES][..tar::padding(bytes)])
    }

    /// A layer, which is an error if it is not any more what its name says.
    fn layer(&mut self, store: &Store, name: &str, blob: &Blob) -> Result<()> {
        self.header(name, Some(blob.bytes))?;
        let what = |what: &str| format!("the layer {}/layers/{} cannot be saved: {what}", store.root_path, blob.digest);
        let layer = file::open_dir_at(store.layers.as_fd(), &blob.digest)?;
        self.digest = Some(Hash::default());
        let start = self.bytes;
        skeleton::rebuild(layer.as_fd(), self).map_err(|e| e.reword(&what))?;
        let found = self.digest.take().unwrap_or_default().end();
        if found != blob.digest || self.bytes - start != blob.bytes {
            return Err(Error::new(what(
                "its files were changed in the store, or its archive had two files of one name; \
                 a container of the image can be committed or exported",
            )));
        }
        self.write(&[0; BLOCK_BYTES][..tar::padding(blob.bytes)])
    }
}
