//! Layers: one directory each, unpacked once, named by the sha256 of its tar (the diff-id), shared by everything.

use super::pack::{self, Form};
use super::skeleton::Recorder;
use super::unpack::Limits;
use super::{Store, gzip, trash};
use crate::error::{Error, Result, Tried};
use crate::kernel::hex::{self, Hash};
use crate::kernel::io::Source;
use crate::kernel::{at, fault, file};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::syncfs;
use rustix::io::Errno;

/// A layer that is in the store.
#[derive(Default)]
pub struct Layer {
    /// 64 hexadecimal digits.
    pub diff_id: String,
    /// Archive entries that were not made (device nodes, sockets).
    pub left_out: Vec<String>,
}

/// A layer that is unpacked and synced, but not yet in its place.
pub struct Draft {
    /// What it will be.
    pub layer: Layer,
    draft: trash::Draft,
}

/// Unpacks a tar (plain or compressed) into the store. The layer appears complete and synced, or not at all. Returns with
/// the images locked (shared): nothing refers to the layer until the caller has stored its image, and then unlocks.
pub fn add(store: &Store, source: &mut dyn Source, limits: &Limits) -> Result<Layer> {
    add_expected(store, source, limits, None)
}

/// The same for a layer whose diff-id is known before: any other content is refused.
pub fn add_expected(store: &Store, source: &mut dyn Source, limits: &Limits, expected: Option<&str>) -> Result<Layer> {
    let draft = unpack(store, source, limits)?;
    if let Some(expected) = expected.filter(|expected| *expected != draft.layer.diff_id) {
        let what = format!("the layer {expected} is damaged: its sha256 is {}", draft.layer.diff_id);
        discard(draft);
        return Err(Error::new(what));
    }
    store.lock_images(false)?;
    place(store, draft)
}

/// The first half of [`add`]: what it makes is found by nobody yet, and goes away with [`discard`].
pub fn unpack(store: &Store, source: &mut dyn Source, limits: &Limits) -> Result<Draft> {
    let draft = trash::draft(store)?;
    let mut fill = || -> Result<Layer> {
        let diff = file::make_dir_at(draft.dir.as_fd(), "diff", 0o755)?;
        let mut plain = gzip::open(source, limits.ratio_max)?;
        let mut recorder = Recorder::new(&mut plain, draft.dir.as_fd())?;
        let got = (limits.unpacker)(&mut *recorder, diff.as_fd(), limits)?;
        recorder.finish()?;
        file::create_at(draft.dir.as_fd(), "size", note(Some(got.bytes), got.tally, diff.as_fd())?.as_bytes(), 0o600)?;
        fault::point("layer:unpacked");
        syncfs(&diff).tried("sync the layer to disk")?;
        Ok(Layer { diff_id: got.diff_id, left_out: got.left_out })
    };
    match fill() {
        Ok(layer) => Ok(Draft { layer, draft }),
        Err(error) => {
            draft.discard();
            Err(error)
        }
    }
}

/// The second half of [`add`], for who has locked the images.
pub fn place(store: &Store, unpacked: Draft) -> Result<Layer> {
    let Draft { layer, draft } = unpacked;
    // The same content may be there already, or come at the same time from somebody else: theirs is as good as ours.
    let name = draft.name.clone();
    match draft.place(store.layers.as_fd(), &layer.diff_id) {
        Ok(_) => {}
        Err(error) if error.is(Errno::EXIST) || error.is(Errno::NOTEMPTY) => {
            let _ = file::remove_tree(store.dir("tmp")?.as_fd(), &name); // what stays is swept later
        }
        Err(error) => return Err(error),
    }
    // Also for a layer that somebody else has just put there: ours is what refers to it first after a power cut.
    rustix::fs::fsync(&store.layers).tried("sync the list of layers")?;
    fault::point("layer:placed");
    Ok(layer)
}

/// Removes a layer that is not to be placed.
pub fn discard(unpacked: Draft) {
    unpacked.draft.discard();
}

/// Whether the layer is in the store.
pub fn exists(store: &Store, diff_id: &str) -> bool {
    hex::is(diff_id, 64) && file::exists_at(store.layers.as_fd(), diff_id)
}

/// What the file `size` of a layer says: the bytes of its regular files, and then the [`file::tally`] of its tree, as
/// they were when it was made. Who does not know them walks through the tree. Layers of older versions have the first
/// number only.
fn note(bytes: Option<u64>, tally: Option<[u64; 3]>, diff: BorrowedFd<'_>) -> Result<String> {
    let ([names, links, sum], bytes) = match (tally, bytes) {
        (Some(tally), Some(bytes)) => (tally, bytes),
        _ => {
            let [names, links, sum, files] = file::tally(diff)?;
            ([names, links, sum], bytes.unwrap_or(files))
        }
    };
    Ok(format!("{bytes} {names} {links} {sum}"))
}

/// Bytes of regular files in the layer.
pub fn size(store: &Store, diff_id: &str) -> Result<u64> {
    noted(store, diff_id).map(|numbers| numbers[0])
}

/// The numbers in the file `size`: one or four.
fn noted(store: &Store, diff_id: &str) -> Result<Vec<u64>> {
    let name = format!("{diff_id}/size");
    let text = file::read_small_at(store.layers.as_fd(), &name, 128).map_err(|e| store.locate("layers", e))?;
    let mut numbers = Vec::new();
    for word in core::str::from_utf8(&text).unwrap_or("").split(' ') {
        numbers.extend(word.parse::<u64>().ok());
    }
    match numbers.len() {
        1 | 4 => Ok(numbers),
        _ => Err(Error::new(format_args!("{}/layers/{name} is damaged: it is not a number", store.root_path))),
    }
}

fn diff(store: &Store, diff_id: &str) -> Result<OwnedFd> {
    file::open_dir_at(store.layers.as_fd(), &format!("{diff_id}/diff")).map_err(|e| store.locate("layers", e))
}

/// Whether the layer's tree has the numbers that were noted when it was made; if not, what is wrong.
pub fn verify(store: &Store, diff_id: &str) -> Result<Option<String>> {
    let noted = noted(store, diff_id)?;
    let found = file::tally(diff(store, diff_id)?.as_fd())?;
    for (at, what) in ["names", "links", "bytes"].iter().enumerate() {
        if noted.len() > 1 && noted[at + 1] != found[at] {
            return Ok(Some(format!("it has {} {what}, and had {} when it was made", found[at], noted[at + 1])));
        }
    }
    Ok(None)
}

/// Makes the file `size` of a layer anew, from what is there.
pub fn note_again(store: &Store, diff_id: &str) -> Result<()> {
    let diff = diff(store, diff_id)?;
    let text = note(None, None, diff.as_fd())?;
    let layer = file::open_dir_at(store.layers.as_fd(), diff_id)?;
    file::replace_at(layer.as_fd(), "size", text.as_bytes(), true).map_err(|e| store.locate("layers", e))
}

/// What is known of a layer's content.
#[derive(Clone, Copy)]
pub enum Proof {
    /// It is the archive that its id is the digest of, or what was noted.
    Proven,
    /// Its archive was another program's: nobody can write the same again from a tree. What it is now has been noted.
    Noted,
    /// The same, and it has not been noted.
    Unknown,
    /// It is not what was noted.
    Changed,
}

/// File of a layer with the digest of the archive that `pack` makes of it: its id, if it came from there.
const PACKED: &str = "packed";

/// Notes the digest of a layer as `pack` makes it. One that a power cut took is one that was never noted.
pub fn note_packed(store: &Store, diff_id: &str, digest: &str) -> Result<()> {
    let layer = file::open_dir_at(store.layers.as_fd(), diff_id)?;
    file::replace_at(layer.as_fd(), PACKED, digest.as_bytes(), false).map_err(|e| store.locate("layers", e))
}

/// Compares the content of a layer with its id and with what was noted. `notes`: notes it for the next time.
pub fn prove(store: &Store, diff_id: &str, notes: bool) -> Result<Proof> {
    let mut hash = Hash::default();
    pack::pack(diff(store, diff_id)?.as_fd(), Form::Layer, &|_| false, &mut hash)?;
    let found = hash.end();
    let noted = file::read_at(store.layers.as_fd(), &format!("{diff_id}/{PACKED}"), 64).unwrap_or_default();
    if noted.len() == found.len() {
        return Ok(if noted == found.as_bytes() { Proof::Proven } else { Proof::Changed });
    }
    if notes {
        note_packed(store, diff_id, &found)?;
    }
    Ok(match (found == diff_id, notes) {
        (true, _) => Proof::Proven,
        (false, true) => Proof::Noted,
        (false, false) => Proof::Unknown,
    })
}

/// Whether a program of this name is in one of the directories of `path` (as in $PATH), seen through the layers.
pub fn has_program(store: &Store, layers: &[String], path: &str, program: &str) -> bool {
    use rustix::fs::{AtFlags, FileType, OFlags};
    let mut roots = Vec::new();
    for layer in layers.iter().rev() {
        let Ok(diff) = file::open_dir_at(store.layers.as_fd(), &format!("{layer}/diff")) else { return false };
        roots.push(diff);
    }
    path.split(':').any(|dir| {
        // The uppermost layer that has the name decides; there a whiteout (a 0:0 device) says that it is gone.
        for root in &roots {
            let Ok(dir) = file::open_in_root(root.as_fd(), dir, OFlags::PATH | OFlags::DIRECTORY) else { continue };
            let Ok(stat) = at::stat(dir.as_fd(), program, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let kind = FileType::from_raw_mode(stat.st_mode);
            return kind == FileType::Symlink || kind == FileType::RegularFile && stat.st_mode & 0o111 != 0;
        }
        false
    })
}
