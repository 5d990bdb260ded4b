//! How a bundle is made: the program without what may be behind it, the layers, the index, the trailer.

use super::{BUFFER_BYTES, Bundle, FLAGS_AT, MAGIC, MARK_ENTRY, MARK_IMAGES, OURSELVES};
use super::{TRAILER_BYTES, VERSION, damaged, number, open_file, own, text};
use crate::error::{Error, Result, Tried};
use crate::kernel::hex::{self, Hash};
use crate::kernel::io::{self, Sink, Source};
use crate::kernel::{fault, file};
use crate::store::images;
use crate::store::pack::{self, Form};
use crate::store::reference::Reference;
use crate::store::{Store, layers};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use miniserde::json::{self, Array, Number, Object, Value};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fchmod, fsync, openat, renameat, statat};

/// Writes this program with these images (name and id) behind it to a file of mode 0755, beside the path and renamed over
/// it. With an entry, the arguments of `run`, the file is what the first image runs so. Who holds off the removal of images
/// is the caller.
pub fn write(store: &Store, wanted: &[(Option<Reference>, String)], entry: &[&str], path: &str) -> Result<()> {
    let what = format!("write {path}");
    let (dir, name) = path.rsplit_once('/').unwrap_or((".", path));
    let dir = file::open_dir(if dir.is_empty() { "/" } else { dir })?;
    if let Ok(stat) = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
        && FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile
    {
        return Err(Error::new(format!("cannot {what}: it is there, and not a regular file")));
    }
    let beside = format!(".{name}.{}", hex::encode(&hex::random(4)));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(&dir, beside.as_str(), flags, Mode::from(0o600)).tried(&what)?;
    let mut out = Out { fd: file.as_fd(), what: &what, at: 0, hash: Hash::default() };
    let place = || {
        fchmod(&file, Mode::from(0o755))?;
        fsync(&file)?;
        fault::point("bundle:written");
        renameat(&dir, beside.as_str(), &dir, name)
    };
    let done = content(store, wanted, entry, &mut out).and_then(|()| place().tried(&what));
    if done.is_err() {
        let _ = file::remove_tree(dir.as_fd(), &beside); // the first error is the one to tell
    }
    done
}

/// The file that is written: where we are, and the sha256 of the part that we are in.
struct Out<'a> {
    fd: BorrowedFd<'a>,
    what: &'a str,
    at: u64,
    hash: Hash,
}

impl Sink for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        io::write_all(self.fd, bytes).tried(self.what)?;
        self.hash.add(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }
}

fn object(fields: &mut [(&str, Value)]) -> Value {
    let mut object = Object::new();
    for (key, value) in fields {
        object.insert((*key).to_owned(), core::mem::replace(value, Value::Null));
    }
    Value::Object(object)
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn whole(number: u64) -> Value {
    Value::Number(Number::U64(number))
}

fn content(store: &Store, wanted: &[(Option<Reference>, String)], entry: &[&str], out: &mut Out<'_>) -> Result<()> {
    let ours = match own()? {
        Some(own) => own,
        None => plain()?,
    };
    let program_sha256 = copy_program(&ours, if entry.is_empty() { MARK_IMAGES } else { MARK_ENTRY }, out)?;
    let program_length = out.at;
    let mut done: Vec<(String, Value)> = Vec::new();
    let (mut images, mut entry_image) = (Array::new(), String::new());
    for (reference, stored) in wanted {
        let mut config = images::document(store, stored)?;
        let mut document = json::from_str(&config).unwrap_or(Value::Null); // without layers, then
        let mut layers = Array::new();
        for diff_id in diff_ids(&mut document) {
            let Value::String(layer) = &*diff_id else { continue };
            let layer = layer.strip_prefix("sha256:").unwrap_or(layer).to_owned();
            let packed = match done.iter().find(|(stored, _)| *stored == layer) {
                Some((_, packed)) => packed.clone(),
                None => pack_layer(store, &layer, out)?,
            };
            // Whoever wrote the archive that the layer came from may have written it in another way than we do. Then the
            // image has another id, and its layers are what it says.
            *diff_id = Value::String(format!("sha256:{}", text(&packed, "diff_id")));
            if text(&packed, "diff_id") != layer {
                config.clear();
            }
            layers.push(packed.clone());
            done.push((layer, packed));
        }
        if config.is_empty() {
            config = json::to_string(&document);
        }
        let id = hex::sha256(config.as_bytes());
        if !entry.is_empty() && entry_image.is_empty() {
            entry_image.clone_from(&id);
        }
        images.push(object(&mut [
            ("reference", Value::String(reference.as_ref().map_or(String::new(), Reference::text))),
            ("id", Value::String(id)),
            ("config", Value::String(config)),
            ("layers", Value::Array(layers)),
        ]));
    }
    let index = object(&mut [
        ("program_length", whole(program_length)),
        ("program_sha256", Value::String(program_sha256)),
        ("images", Value::Array(images)),
        ("entry_image", Value::String(entry_image)),
        ("entry", Value::Array(entry.iter().map(|word| string(word)).collect())),
    ]);
    let (text, at) = (json::to_string(&index), out.at);
    out.write(text.as_bytes())?;
    out.write(&trailer(at, text.len() as u64, &hex::sha256(text.as_bytes())))
}

/// The diff-ids in an image's configuration.
fn diff_ids(config: &mut Value) -> &mut [Value] {
    if let Value::Object(config) = config
        && let Some(Value::Object(rootfs)) = config.get_mut("rootfs")
        && let Some(Value::Array(ids)) = rootfs.get_mut("diff_ids")
    {
        return ids;
    }
    &mut []
}

/// Our own file, with nothing behind the program.
fn plain() -> Result<Bundle> {
    let (file, name) = (open_file(OURSELVES)?, "this program's own file".to_owned());
    let bytes = rustix::fs::fstat(&file).tried("look at our own program file")?.st_size as u64;
    Ok(Bundle { file, name, index: object(&mut [("program_length", whole(bytes))]) })
}

/// Copies the program at the beginning of the file with another mark, and returns its sha256 without any.
pub fn copy_program(bundle: &Bundle, mark: u32, sink: &mut dyn Sink) -> Result<String> {
    let (mut hash, mut buf) = (Hash::default(), vec![0; BUFFER_BYTES]);
    let mut part = bundle.part(0, number(&bundle.index, "program_length"));
    while part.left > 0 {
        let is_first = part.at == 0;
        let n = part.read(&mut buf)?;
        if is_first {
            put_mark(&mut buf, 0);
        }
        hash.add(&buf[..n]);
        if is_first {
            put_mark(&mut buf, mark);
        }
        sink.write(&buf[..n])?;
    }
    let (found, expected) = (hash.end(), text(&bundle.index, "program_sha256"));
    if !expected.is_empty() && found != expected {
        return Err(damaged(&bundle.name, "the program in it does not have its sha256"));
    }
    Ok(found)
}

fn put_mark(head: &mut [u8], mark: u32) {
    head[FLAGS_AT as usize..][..4].copy_from_slice(&mark.to_le_bytes());
}

fn pack_layer(store: &Store, layer: &str, out: &mut Out<'_>) -> Result<Value> {
    let size = layers::size(store, layer)?;
    let diff = file::open_dir_at(store.layers.as_fd(), &format!("{layer}/diff"))?;
    let offset = out.at;
    out.hash = Hash::default();
    pack::pack(diff.as_fd(), Form::Layer, &|_| false, out)?;
    Ok(object(&mut [
        ("diff_id", Value::String(core::mem::take(&mut out.hash).end())),
        ("offset", whole(offset)),
        ("length", whole(out.at - offset)),
        ("compression", string("none")),
        ("size", whole(size)),
    ]))
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
