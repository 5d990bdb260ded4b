//! How a bundle is made: the program without what may be behind it, the layers, the index, the trailer.

use super::{BUFFER_BYTES, Bundle, FLAGS_AT, MAGIC, MARK_ENTRY, MARK_IMAGES, OURSELVES};
use super::{VERSION, damaged, number, open_file, own, text};
use crate::error::{Error, Result, Tried};
use crate::kernel::hex::{self, Hash};
use crate::kernel::io::{self, Sink, Source};
use crate::kernel::{at, fault, file};
use crate::spec::json::tree;
use crate::spec::json::{self, Number, Object, Value};
use crate::store::images;
use crate::store::pack::{self, Form};
use crate::store::{Store, layers, skeleton};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write as _;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, SeekFrom, fchmod, fsync, ftruncate, seek};

/// Writes this program with these images (name, empty without one, and id) behind it to a file of mode 0755, beside the
/// path and renamed over it. With an entry, the arguments of `run`, the file is what the first image runs so. Who holds
/// off the removal of images is the caller.
pub fn write(store: &Store, wanted: &[(String, String)], entry: &[&str], path: &str) -> Result<()> {
    let what = format!("write {path}");
    let (dir, name) = path.rsplit_once('/').unwrap_or((".", path));
    let dir = file::open_dir(if dir.is_empty() { "/" } else { dir })?;
    if let Ok(stat) = at::stat(dir.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)
        && FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile
    {
        return Err(Error::new(format_args!("cannot {what}: it is there, and not a regular file")));
    }
    let beside = format!(".{name}.{}", hex::encode(&hex::random(4)));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = at::make(dir.as_fd(), &beside, flags, 0o600).tried(&what)?;
    let mut out = Out { fd: file.as_fd(), what: &what, at: 0, hash: Hash::default(), buf: Vec::new() };
    let place = || {
        fchmod(&file, Mode::from(0o755))?;
        fsync(&file)?;
        fault::point("bundle:written");
        at::rename(dir.as_fd(), &beside, name)
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
    /// What is not in the file yet.
    buf: Vec<u8>,
}

impl Out<'_> {
    fn flush(&mut self) -> Result<()> {
        io::write_all(self.fd, &self.buf).tried(self.what)?;
        self.buf.clear();
        Ok(())
    }

    /// Forgets what was written since.
    fn go_back(&mut self, at: u64) -> Result<()> {
        self.buf.clear();
        ftruncate(self.fd, at).and_then(|()| seek(self.fd, SeekFrom::Start(at))).tried(self.what)?;
        (self.at, self.hash) = (at, Hash::default());
        Ok(())
    }
}

impl Sink for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.add(bytes);
        self.at += bytes.len() as u64;
        self.buf.extend_from_slice(bytes);
        if self.buf.len() < BUFFER_BYTES { Ok(()) } else { self.flush() }
    }
}

/// A layer that is in the file.
struct Packed {
    /// Its diff-id in the store.
    stored: String,
    /// Its diff-id here.
    diff_id: String,
    /// What the index says of it.
    json: String,
}

fn content(store: &Store, wanted: &[(String, String)], entry: &[&str], out: &mut Out<'_>) -> Result<()> {
    let ours = match own()? {
        Some(own) => own,
        None => plain()?,
    };
    let program_sha256 = copy_program(&ours, if entry.is_empty() { MARK_IMAGES } else { MARK_ENTRY }, out)?;
    let mut index = format!("{{\"program_length\":{},\"program_sha256\":\"{program_sha256}\",\"images\":[", out.at);
    let (mut done, mut entry_image): (Vec<Packed>, _) = (Vec::new(), String::new());
    for (at, (reference, stored)) in wanted.iter().enumerate() {
        let mut config = images::document(store, stored)?;
        let layers = pack_layers(store, &mut config, &mut done, out)?;
        let (id, comma) = (hex::sha256(config.as_bytes()), if at == 0 { "" } else { "," });
        let config = json::to_string(&config);
        let _ = write!(
            index,
            "{comma}{{\"reference\":\"{reference}\",\"id\":\"{id}\",\"config\":{config},\"layers\":[{layers}]}}"
        ); // a String takes everything
        if at == 0 && !entry.is_empty() {
            entry_image = id;
        }
    }
    let entry = json::to_string(entry);
    let _ = write!(index, "],\"entry_image\":\"{entry_image}\",\"entry\":{entry}}}"); // as above
    let at = out.at;
    out.write(index.as_bytes())?;
    out.write(&trailer(at, index.len() as u64, &hex::sha256(index.as_bytes())))?;
    out.flush()
}

/// Writes the layers of an image that are not there yet, and returns what the index says of all.
fn pack_layers(store: &Store, config: &mut String, done: &mut Vec<Packed>, out: &mut Out<'_>) -> Result<String> {
    let mut document = tree::value(config).unwrap_or(Value::Null); // without layers, then
    let (mut layers, mut is_same) = (String::new(), true);
    for diff_id in diff_ids(&mut document) {
        let Value::String(old) = &mut *diff_id else { continue };
        let stored = old.strip_prefix("sha256:").unwrap_or(old);
        let known = done.iter().position(|packed| packed.stored == stored);
        if known.is_none() {
            done.push(pack_layer(store, stored, out)?);
        }
        let packed = &done[known.unwrap_or(done.len() - 1)];
        if !layers.is_empty() {
            layers.push(',');
        }
        layers.push_str(&packed.json);
        // A layer that could not be written as it came makes another image, whose layers are what it says.
        is_same &= packed.diff_id == stored;
        *old = format!("sha256:{}", packed.diff_id);
    }
    if !is_same {
        *config = json::to_string(&document);
    }
    Ok(layers)
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
    let mut index = Object::new();
    index.insert("program_length".to_owned(), Value::Number(Number::U64(bytes)));
    Ok(Bundle { file, name, index: Value::Object(index) })
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

fn pack_layer(store: &Store, stored: &str, out: &mut Out<'_>) -> Result<Packed> {
    let size = layers::size(store, stored)?;
    let layer = file::open_dir_at(store.layers.as_fd(), stored)?;
    out.flush()?;
    let offset = out.at;
    out.hash = Hash::default();
    // As it came, if that can be told: then the image stays the same.
    let as_it_came = skeleton::rebuild(layer.as_fd(), out);
    let mut diff_id = core::mem::take(&mut out.hash).end();
    if as_it_came.is_err() || diff_id != stored {
        out.go_back(offset)?;
        pack::pack(file::open_dir_at(layer.as_fd(), "diff")?.as_fd(), Form::Layer, &|_| false, out)?;
        diff_id = core::mem::take(&mut out.hash).end();
    }
    let length = out.at - offset;
    let json = format!(
        "{{\"diff_id\":\"{diff_id}\",\"offset\":{offset},\"length\":{length},\"compression\":\"none\",\"size\":{size}}}"
    );
    Ok(Packed { stored: stored.to_owned(), diff_id, json })
}

/// The last bytes of the file.
pub fn trailer(at: u64, length: u64, sha256: &str) -> Vec<u8> {
    let numbers = [u64::from(VERSION), at, length].map(u64::to_le_bytes);
    [&MAGIC[..], numbers.as_flattened(), sha256.as_bytes()].concat()
}
