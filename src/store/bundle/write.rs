//! How a bundle is made: the program without what may be behind it, the layers, the index, the trailer.

use super::{BUFFER_BYTES, Bundle, FLAGS_AT, Index, MAGIC, MARK_ENTRY, MARK_IMAGES, OURSELVES, Packed, PackedLayer};
use super::{TRAILER_BYTES, VERSION, damaged, open_file, own, pread};
use crate::error::{Error, Result, Tried};
use crate::kernel::hex::{self, Hash};
use crate::kernel::io::{self, Sink};
use crate::kernel::{fault, file};
use crate::store::images::{self, Image};
use crate::store::pack::{self, Form};
use crate::store::reference::Reference;
use crate::store::{Store, layers};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use miniserde::json::{self, Value};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fchmod, fsync, openat, renameat, statat};

/// What the file does when it is executed.
pub struct Entry {
    /// The id of its image.
    pub image: String,
    /// The arguments of `run`.
    pub args: Vec<String>,
}

/// Writes this program with these images (name and id) behind it to a file of mode 0755, beside the path and renamed over
/// it. Who holds off the removal of images is the caller.
pub fn write(store: &Store, wanted: &[(Option<Reference>, String)], entry: Option<&Entry>, path: &str) -> Result<()> {
    let (dir, name) = path.rsplit_once('/').unwrap_or((".", path));
    let dir = file::open_dir(if dir.is_empty() { "/" } else { dir })?;
    match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => {
            return Err(Error::new(format!("cannot write {path}: it is there, and not a regular file")));
        }
        _ => {}
    }
    let beside = format!(".{name}.{}", hex::encode(&hex::random(4)));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(&dir, beside.as_str(), flags, Mode::from(0o600)).tried_with(|| format!("make {path}"))?;
    let fill = || -> Result<()> {
        let mut out = Out { fd: file.as_fd(), path, at: 0, hash: Hash::default() };
        content(store, wanted, entry, &mut out)?;
        fchmod(&file, Mode::from(0o755)).tried_with(|| format!("make {path} executable"))?;
        fsync(&file).tried_with(|| format!("sync {path}"))?;
        fault::point("bundle:written");
        renameat(&dir, beside.as_str(), &dir, name).tried_with(|| format!("rename to {path}"))
    };
    let done = fill();
    if done.is_err() {
        let _ = file::remove_tree(dir.as_fd(), &beside); // the first error is the one to tell
    }
    done
}

/// The file that is written: where we are, and the sha256 of the part that we are in.
struct Out<'a> {
    fd: BorrowedFd<'a>,
    path: &'a str,
    at: u64,
    hash: Hash,
}

impl Sink for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        io::write_all(self.fd, bytes).tried_with(|| format!("write {}", self.path))?;
        self.hash.add(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }
}

fn content(
    store: &Store,
    wanted: &[(Option<Reference>, String)],
    entry: Option<&Entry>,
    out: &mut Out<'_>,
) -> Result<()> {
    let ours = match own()? {
        Some(own) => own,
        None => plain(open_file(OURSELVES)?)?,
    };
    let mark = if entry.is_some() { MARK_ENTRY } else { MARK_IMAGES };
    let mut is_first = true;
    let program_sha256 = program(&ours, &mut |bytes| {
        let mut bytes = bytes.to_vec();
        if core::mem::take(&mut is_first) {
            put_mark(&mut bytes, mark);
        }
        out.write(&bytes)
    })?;
    if !ours.index.program_sha256.is_empty() && program_sha256 != ours.index.program_sha256 {
        return Err(damaged(&ours.name, "the program in it does not have its sha256"));
    }
    let program_length = out.at;
    let (mut all, mut done): (Vec<Packed>, Vec<(String, PackedLayer)>) = (Vec::new(), Vec::new());
    let (mut entry_image, mut args) = (String::new(), Vec::new());
    for (reference, stored) in wanted {
        let document = images::document(store, stored)?;
        let image = images::get(store, stored)?;
        let mut layers = Vec::new();
        for layer in image.diff_ids()? {
            let known = done.iter().find(|(stored, _)| *stored == layer).map(|(_, packed)| packed.clone());
            let packed = match known {
                Some(packed) => packed,
                None => pack_layer(store, &layer, out)?,
            };
            done.push((layer, packed.clone()));
            layers.push(packed);
        }
        let config = rename_layers(document, &image, &layers)?;
        let id = hex::sha256(config.as_bytes());
        if let Some(entry) = entry.filter(|entry| entry.image == *stored) {
            entry_image.clone_from(&id);
            args.clone_from(&entry.args);
        }
        let reference = reference.as_ref().map_or(String::new(), Reference::text);
        all.push(Packed { reference, id, config, layers });
    }
    let index = Index { program_length, program_sha256, images: all, entry_image, entry: args };
    let (text, at) = (json::to_string(&index), out.at);
    out.write(text.as_bytes())?;
    out.write(&trailer(at, text.len() as u64, &hex::sha256(text.as_bytes())))
}

/// A program file with nothing behind it.
fn plain(file: OwnedFd) -> Result<Bundle> {
    let name = "this program's own file".to_owned();
    let program_length = rustix::fs::fstat(&file).tried_with(|| format!("look at {name}"))?.st_size as u64;
    let (program_sha256, entry_image) = (String::new(), String::new());
    let index = Index { program_length, program_sha256, images: Vec::new(), entry_image, entry: Vec::new() };
    Ok(Bundle { file, name, index })
}

fn put_mark(head: &mut [u8], mark: u32) {
    if let Some(place) = head.get_mut(FLAGS_AT as usize..FLAGS_AT as usize + 4) {
        place.copy_from_slice(&mark.to_le_bytes());
    }
}

/// Reads the program at the beginning of the file, without its mark, and returns its sha256.
pub fn program(bundle: &Bundle, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<String> {
    let (mut hash, mut at, mut buf) = (Hash::default(), 0, vec![0; BUFFER_BYTES]);
    while at < bundle.index.program_length {
        let max = buf.len().min((bundle.index.program_length - at) as usize);
        let n = pread(bundle.file.as_fd(), &mut buf[..max], at).tried_with(|| format!("read {}", bundle.name))?;
        if n < max {
            return Err(damaged(&bundle.name, "its end is cut off"));
        }
        if at == 0 {
            put_mark(&mut buf, 0);
        }
        hash.add(&buf[..n]);
        take(&buf[..n])?;
        at += n as u64;
    }
    Ok(hash.end())
}

fn pack_layer(store: &Store, layer: &str, out: &mut Out<'_>) -> Result<PackedLayer> {
    let size = layers::size(store, layer)?;
    let diff = file::open_dir_at(store.layers.as_fd(), &format!("{layer}/diff"))?;
    let offset = out.at;
    out.hash = Hash::default();
    pack::pack(diff.as_fd(), Form::Layer, &|_| false, out)?;
    let diff_id = core::mem::take(&mut out.hash).end();
    Ok(PackedLayer { diff_id, offset, length: out.at - offset, compression: "none".to_owned(), size })
}

/// The configuration with the diff-ids of the layers as they are packed now. Whoever wrote the archive that a layer came
/// from may have written it in another way than we do; then the image has another id, and its layers are what it says.
fn rename_layers(document: String, image: &Image, layers: &[PackedLayer]) -> Result<String> {
    let old = image.diff_ids()?;
    if old.iter().zip(layers).all(|(old, layer)| *old == layer.diff_id) {
        return Ok(document);
    }
    let mut value: Value = json::from_str(&document).unwrap_or(Value::Null); // it was read a moment ago
    if let Value::Object(config) = &mut value
        && let Some(Value::Object(rootfs)) = config.get_mut("rootfs")
        && let Some(Value::Array(ids)) = rootfs.get_mut("diff_ids")
    {
        for (id, layer) in ids.iter_mut().zip(layers) {
            *id = Value::String(format!("sha256:{}", layer.diff_id));
        }
    }
    Ok(json::to_string(&value))
}

/// The last bytes of the file.
pub fn trailer(at: u64, length: u64, sha256: &str) -> [u8; TRAILER_BYTES] {
    let mut trailer = [0; TRAILER_BYTES];
    trailer[..8].copy_from_slice(&MAGIC);
    trailer[8..12].copy_from_slice(&VERSION.to_le_bytes());
    trailer[16..24].copy_from_slice(&at.to_le_bytes());
    trailer[24..32].copy_from_slice(&length.to_le_bytes());
    trailer[32..].copy_from_slice(sha256.as_bytes());
    trailer
}
