//! A bundle: this program and images in one file, which executes as the program does. Behind the program stand the layers
//! (tar as pack.rs writes it), an index (JSON), and as the last 96 bytes a trailer that tells where the index is:
//!
//! ```text
//! 0   8 bytes  "mydocker"      16  u64       offset of the index (least byte first)
//! 8   u32      version (1)     24  u64       its length
//! 12  u32      0               32  64 bytes  its sha256 in hexadecimal digits
//! ```
//!
//! The flags in the program's ELF header say that there is something, so that a file without it is never opened to look,
//! and one that was cut off cannot be taken for it. Everything is checked by digest before it is used.

mod write;

pub use write::write;

use super::images::{self, Found};
use super::reference::{self, Reference};
use super::unpack::Limits;
use super::{Store, layers};
use crate::error::{Error, Result, Tried};
use crate::kernel::hex::{self, Hash};
use crate::kernel::io::Source;
use crate::kernel::{at, fault, file, sys};
use crate::spec::json::tree;
use crate::spec::json::{Number, Value};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;

const TRAILER_BYTES: usize = 96;
const MAGIC: [u8; 8] = *b"mydocker";
const VERSION: u32 = 1;
/// One read of so much has trailer and index of most bundles.
const TAIL_BYTES: u64 = 16 << 10;
const BUFFER_BYTES: usize = 64 << 10;
/// Where an ELF header (64 bits, elf(5)) has its flags, and what they say here.
const FLAGS_AT: u64 = 48;
const MARK_IMAGES: u32 = u32::from_le_bytes(*b"mdk\x01");
const MARK_ENTRY: u32 = u32::from_le_bytes(*b"mdk\x02");
const OURSELVES: &str = "/proc/self/exe";

/// An open bundle whose index has been checked.
pub struct Bundle {
    file: OwnedFd,
    /// What errors call it.
    name: String,
    /// What is in it:
    /// `program_length` bytes at the beginning are the program, `program_sha256` it was as nothing was behind it; `images`
    /// have each `reference` (empty without one), `id`, `config` (the text whose sha256 is the id) and `layers`, lowest
    /// first: `diff_id`, `offset` and `length` in the file, `compression` (`none`), `size` of its regular files;
    /// `entry` are the arguments of `run` that the file stands for, if any, and `entry_image` the id of their image.
    pub index: Value,
}

/// What an object has under this name.
#[inline(never)] // it has many callers
pub fn get<'a>(object: &'a Value, key: &str) -> Option<&'a Value> {
    let Value::Object(fields) = object else { return None };
    fields.get(key)
}

/// A text in an object; empty without one.
#[inline(never)]
pub fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    match get(object, key) {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

/// A number in an object of an index; one that contradicts everything without one.
pub fn number(object: &Value, key: &str) -> u64 {
    match get(object, key) {
        Some(Value::Number(Number::U64(number))) => *number,
        _ => u64::MAX,
    }
}

/// A list in an object; empty without one.
#[inline(never)]
pub fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    match get(object, key) {
        Some(Value::Array(list)) => list,
        _ => &[],
    }
}

/// What this program's own file has besides the program. Without a mark nothing is opened to find that out.
pub fn own() -> Result<Option<Bundle>> {
    match sys::elf_flags() {
        0 => Ok(None),
        mark => read(open_file(OURSELVES)?, "this program's own file", mark),
    }
}

/// Whether this program's own file may have an entry.
pub fn has_entry() -> bool {
    !matches!(sys::elf_flags(), 0 | MARK_IMAGES)
}

/// Opens a file that may be a bundle; `None` if it is none.
pub fn open(path: &str) -> Result<Option<Bundle>> {
    let file = open_file(path)?;
    let mut mark = [0; 4];
    pread(file.as_fd(), &mut mark, FLAGS_AT).tried(format_args!("read {path}"))?;
    read(file, path, u32::from_le_bytes(mark))
}

fn open_file(path: &str) -> Result<OwnedFd> {
    at::open(CWD, path, OFlags::RDONLY).tried_to("open", path)
}

fn damaged(name: &str, why: &str) -> Error {
    Error::new(format_args!("{name} is damaged: {why}; get it anew"))
}

/// Reads and checks the index. `None` for a file that says nowhere that there is one.
fn read(file: OwnedFd, name: &str, mark: u32) -> Result<Option<Bundle>> {
    let what = || format!("read {name}");
    let bytes = rustix::fs::fstat(&file).tried_with(what)?.st_size as u64;
    let mut tail = vec![0; bytes.min(TAIL_BYTES) as usize];
    let from = bytes - tail.len() as u64;
    pread(file.as_fd(), &mut tail, from).tried_with(what)?;
    let (at, length, digest) = match trailer(&tail, bytes) {
        Err(_) if !matches!(mark, MARK_IMAGES | MARK_ENTRY) => return Ok(None),
        found => found.map_err(|why| damaged(name, why))?,
    };
    let text = match at.checked_sub(from) {
        Some(at) => tail[at as usize..][..length].to_vec(),
        None => {
            let mut text = vec![0; length];
            pread(file.as_fd(), &mut text, at).tried_with(what)?;
            text
        }
    };
    if hex::sha256(&text) != digest {
        return Err(damaged(name, "its index does not have the sha256 that its end says"));
    }
    let index = core::str::from_utf8(&text).ok().and_then(tree::value);
    let index =
        index.filter(|index| is_sound(index, at)).ok_or_else(|| damaged(name, "its index contradicts itself"))?;
    if mark != if list(&index, "entry").is_empty() { MARK_IMAGES } else { MARK_ENTRY } {
        return Err(damaged(name, "the program in it does not know what is behind it"));
    }
    Ok(Some(Bundle { file, name: name.to_owned(), index }))
}

/// Whether everything that the index tells of lies before it, and is called what it is.
fn is_sound(index: &Value, at: u64) -> bool {
    let is_inside =
        |layer: &Value| number(layer, "offset").checked_add(number(layer, "length")).is_some_and(|end| end <= at);
    let fits = |image: &Value| {
        hex::sha256(text(image, "config").as_bytes()) == text(image, "id")
            && list(image, "layers").iter().all(is_inside)
    };
    number(index, "program_length") <= at && list(index, "images").iter().all(fits)
}

/// Where the index is, how long, and its sha256: from the last bytes of a file of `bytes` bytes.
fn trailer(tail: &[u8], bytes: u64) -> core::result::Result<(u64, usize, String), &'static str> {
    const NONE: &str = "its end is cut off, or something was added to it";
    let trailer = tail.last_chunk::<TRAILER_BYTES>().ok_or(NONE)?;
    let word = |at: usize| trailer[at..at + 8].iter().rfold(0, |n, byte| n << 8 | u64::from(*byte));
    let (at, length) = (word(16), word(24));
    if trailer[..8] != MAGIC {
        return Err(NONE);
    }
    if word(8) != u64::from(VERSION) {
        return Err("this program does not know the version of what is in it");
    }
    let end = at.checked_add(length).and_then(|end| end.checked_add(TRAILER_BYTES as u64));
    if end != Some(bytes) || length > file::RECORD_BYTES_MAX as u64 {
        return Err("its index is not where its end says");
    }
    Ok((at, length as usize, String::from_utf8_lossy(&trailer[32..]).into_owned()))
}

/// pread(2) until the buffer is full or the file ends.
fn pread(fd: BorrowedFd<'_>, buf: &mut [u8], at: u64) -> core::result::Result<usize, Errno> {
    let mut filled = 0;
    while filled < buf.len() {
        match rustix::io::pread(fd, &mut buf[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(filled)
}

/// A part of the file.
struct Part<'a> {
    bundle: &'a Bundle,
    at: u64,
    left: u64,
}

impl Source for Part<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let max = self.left.min(buf.len() as u64) as usize;
        let name = &self.bundle.name;
        let n = pread(self.bundle.file.as_fd(), &mut buf[..max], self.at).tried(format_args!("read {name}"))?;
        if n < max {
            return Err(damaged(name, "its end is cut off"));
        }
        (self.at, self.left) = (self.at + n as u64, self.left - n as u64);
        Ok(n)
    }
}

impl Bundle {
    fn part(&self, at: u64, length: u64) -> Part<'_> {
        Part { bundle: self, at, left: length }
    }

    /// The layer as it stands in the file.
    fn layer(&self, layer: &Value) -> Part<'_> {
        self.part(number(layer, "offset"), number(layer, "length"))
    }

    /// Reads everything: the program and all layers must have their digests.
    pub fn verify(&self) -> Result<()> {
        write::copy_program(self, 0, &mut Vec::new())?;
        for layer in list(&self.index, "images").iter().flat_map(|image| list(image, "layers")) {
            let (mut hash, mut buf) = (Hash::default(), vec![0; BUFFER_BYTES]);
            let mut part = self.layer(layer);
            while part.left > 0 {
                let n = part.read(&mut buf)?;
                hash.add(&buf[..n]);
            }
            let diff_id = text(layer, "diff_id");
            if hash.end() != diff_id {
                return Err(damaged(&self.name, &format!("the layer {diff_id} does not have this sha256")));
            }
        }
        Ok(())
    }

    /// Puts an image into the store. Somebody else may be doing so at this moment: then it is done once. Returns with the
    /// images locked (shared), as a found image must not go before it is used.
    fn unpack(&self, store: &Store, image: &Value) -> Result<()> {
        store.lock_images(false)?;
        store.lock_layers()?;
        let fill = || -> Result<()> {
            // Whoever wrote the layers wrote the program that unpacks them: nobody needs a wall between the two.
            let limits =
                Limits { bytes_max: u64::MAX, ratio_max: u64::MAX, entries_max: u64::MAX, ..Limits::default() };
            for layer in list(image, "layers") {
                let diff_id = text(layer, "diff_id");
                if !layers::exists(store, diff_id) {
                    layers::add_expected(store, &mut self.layer(layer), &limits, Some(diff_id))?;
                }
            }
            if !file::exists_at(store.images.as_fd(), text(image, "id")) {
                images::put_document(store, text(image, "config"))?;
            }
            match name(image) {
                Some(name) if !is_taken(store, &name) => images::tag(store, &name, text(image, "id")),
                _ => Ok(()),
            }
        };
        let done = fill();
        fault::point("bundle:unpacked");
        store.unlock_layers();
        done.map_err(|e| e.reword(&|what| format!("cannot unpack the image {} of {}: {what}", shown(image), self.name)))
    }
}

/// The name of an image, if it has one.
pub fn name(image: &Value) -> Option<Reference> {
    reference::parse(text(image, "reference")).ok()
}

/// What a person calls it.
fn shown(image: &Value) -> &str {
    match text(image, "reference") {
        "" => text(image, "id"),
        reference => reference,
    }
}

fn is_taken(store: &Store, name: &Reference) -> bool {
    store.dir("refs").is_ok_and(|refs| file::exists_at(refs.as_fd(), &name.file_name()))
}

/// Finds an image in this program's own file by reference, id or the beginning of its id, and puts it into the store.
pub fn find(store: &Store, word: &str) -> Result<Option<Found>> {
    let Some(own) = own()? else { return Ok(None) };
    let Some((image, named)) = locate(&own, word) else { return Ok(None) };
    own.unpack(store, image)?;
    let id = text(image, "id").to_owned();
    Ok(Some(match named {
        Some(name) => Found::Reference(name, id),
        None => Found::Id(id),
    }))
}

/// Whether it is in this program's own file.
pub fn has(word: &str) -> bool {
    own().is_ok_and(|own| own.is_some_and(|own| locate(&own, word).is_some()))
}

fn locate<'a>(own: &'a Bundle, word: &str) -> Option<(&'a Value, Option<Reference>)> {
    let digits = word.strip_prefix("sha256:").unwrap_or(word);
    let named = reference::parse(word).ok();
    let images = list(&own.index, "images");
    let is_named = |image: &&Value| named.as_ref().is_some_and(|name| name.text() == text(image, "reference"));
    if let Some(image) = images.iter().find(is_named) {
        return Some((image, named));
    }
    let is_meant = |image: &&Value| !digits.is_empty() && text(image, "id").starts_with(digits);
    images.iter().find(is_meant).map(|image| (image, None))
}

/// Whether an image of this program's own file is not in the store, and its name does not stand for another one there.
pub fn is_unstored(store: &Store, image: &Value) -> bool {
    !file::exists_at(store.images.as_fd(), text(image, "id")) && !name(image).is_some_and(|name| is_taken(store, &name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers() {
        let mut file = vec![7; 100];
        file.extend(write::trailer(90, 10, &"0f".repeat(32)));
        assert_eq!(trailer(&file[50..], 196), Ok((90, 10, "0f".repeat(32))));
        for length in 0..TRAILER_BYTES {
            assert!(trailer(&file[..length], length as u64).is_err());
        }
        for bytes in [0, 195, 197, u64::MAX] {
            assert!(trailer(&file, bytes).is_err());
        }
        for at in 100..132 {
            for bit in 0..8 {
                file[at] ^= 1 << bit;
                assert!(trailer(&file, 196).is_err(), "byte {at}, bit {bit}");
                file[at] ^= 1 << bit;
            }
        }
    }
}
