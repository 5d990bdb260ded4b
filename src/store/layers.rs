//! Layers: one directory each, unpacked once, named by the sha256 of its tar (the diff-id), shared by everything.

use super::skeleton::Recorder;
use super::unpack::{self, Limits};
use super::{Store, gzip, trash};
use crate::error::{Error, Result, Tried};
use crate::kernel::io::Source;
use crate::kernel::{fault, file, hex};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::fd::AsFd;
use rustix::fs::syncfs;
use rustix::io::Errno;

/// A layer that is in the store.
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
    let draft = unpack(store, source, limits)?;
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
        let got = unpack::unpack(&mut recorder, diff.as_fd(), limits)?;
        recorder.finish()?;
        file::create_at(draft.dir.as_fd(), "size", got.bytes.to_string().as_bytes(), 0o600)?;
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
        Ok(_) => rustix::fs::fsync(&store.layers).tried("sync the list of layers")?,
        Err(error) if error.is(Errno::EXIST) || error.is(Errno::NOTEMPTY) => {
            let _ = file::remove_tree(store.dir("tmp")?.as_fd(), &name); // what stays is swept later
        }
        Err(error) => return Err(error),
    }
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

/// Bytes of regular files in the layer.
pub fn size(store: &Store, diff_id: &str) -> Result<u64> {
    let name = format!("{diff_id}/size");
    let text = file::read_at(store.layers.as_fd(), &name, 32).map_err(|e| store.locate("layers", e))?;
    core::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::new(format!("{}/layers/{name} is damaged: it is not a number", store.root_path)))
}

/// Whether a program of this name is in one of the directories of `path` (as in $PATH), seen through the layers.
pub fn has_program(store: &Store, layers: &[String], path: &str, program: &str) -> bool {
    use rustix::fs::{AtFlags, FileType, OFlags, statat};
    let mut roots = Vec::new();
    for layer in layers.iter().rev() {
        let Ok(diff) = file::open_dir_at(store.layers.as_fd(), &format!("{layer}/diff")) else { return false };
        roots.push(diff);
    }
    path.split(':').any(|dir| {
        // The uppermost layer that has the name decides; there a whiteout (a 0:0 device) says that it is gone.
        for root in &roots {
            let Ok(dir) = file::open_in_root(root.as_fd(), dir, OFlags::PATH | OFlags::DIRECTORY) else { continue };
            let Ok(stat) = statat(&dir, program, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let kind = FileType::from_raw_mode(stat.st_mode);
            return kind == FileType::Symlink || kind == FileType::RegularFile && stat.st_mode & 0o111 != 0;
        }
        false
    })
}
