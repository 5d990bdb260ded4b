//! From an archive into the store.

use super::plan::{self, Planned};
use super::{Blob, Place};
use crate::error::{Error, Result};
use crate::kernel::hex::Hash;
use crate::kernel::io::{Counted, Source};
use crate::store::reference::Reference;
use crate::store::unpack::Limits;
use crate::store::{Store, events, gzip, images, layers};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

const BUFFER_BYTES: usize = 256 << 10;

/// An image that was loaded.
pub struct Loaded {
    /// Its id, 64 hexadecimal digits.
    pub id: String,
    /// Its names, and the image that each of them stood for before.
    pub names: Vec<(Reference, Option<String>)>,
    /// Entries of its new layers that were not made.
    pub left_out: Vec<String>,
}

/// Loads every image of an archive at the cost that `limits` allow for each layer, and
/// tells of each when it is safely there; `progress` hears how much of each layer has been read. Without `named` the images
/// get no names.
/// Returns with the images locked (shared), until the caller unlocks them: so long, nobody removes what has no name.
/// After an error nothing is left of the image that it is about, and nothing is locked.
pub fn load(
    store: &Store,
    place: &Place,
    named: bool,
    limits: &Limits,
    progress: &mut dyn FnMut(u64),
    tell: &mut dyn FnMut(Loaded) -> Result<()>,
) -> Result<()> {
    let all = plan::plan(place)?;
    if !named && all.len() > 1 {
        return Err(Error::new(format_args!("it holds {} images: load it, and say which one by its name", all.len())));
    }
    for planned in &all {
        let mut drafts = Vec::new();
        let loaded = one(store, place, planned, named, limits, progress, &mut drafts);
        for draft in drafts {
            layers::discard(draft);
        }
        if loaded.is_err() {
            store.unlock_images();
        }
        tell(loaded?)?;
    }
    Ok(())
}

/// One image: all of its layers are unpacked and right before the first one is in its place. `drafts` are those that are
/// not: the caller discards them.
fn one(
    store: &Store,
    place: &Place,
    planned: &Planned,
    named: bool,
    limits: &Limits,
    progress: &mut dyn FnMut(u64),
    drafts: &mut Vec<layers::Draft>,
) -> Result<Loaded> {
    let (image, document) = planned.read(place)?;
    let diff_ids = image.diff_ids()?;
    // Whether it is in the store, or unpacked.
    let is_here = |drafts: &[layers::Draft], diff_id: &str| {
        layers::exists(store, diff_id) || drafts.iter().any(|draft| draft.layer.diff_id == diff_id)
    };
    for (at, diff_id) in diff_ids.iter().enumerate() {
        let blob = &planned.layers[at];
        if is_here(drafts, diff_id) {
            verify(place, blob, diff_id, limits, progress)?;
        } else {
            drafts.push(unpack(store, place, blob, diff_id, limits, progress)?);
        }
    }
    // What was there may be gone by now. From here on it stays.
    loop {
        store.lock_images(false)?;
        let gone = diff_ids.iter().position(|diff_id| !is_here(drafts, diff_id));
        let Some(at) = gone else { break };
        store.unlock_images();
        drafts.push(unpack(store, place, &planned.layers[at], &diff_ids[at], limits, progress)?);
    }
    let mut left_out = Vec::new();
    while let Some(draft) = drafts.pop() {
        left_out.extend(layers::place(store, draft)?.left_out);
    }
    let id = images::put_document(store, &document)?;
    let mut names = Vec::new();
    if named {
        for name in &planned.names {
            let before = images::named(store, name)?.filter(|before| *before != id);
            images::tag(store, name, &id)?;
            names.push((name.clone(), before));
        }
    }
    events::image(store, "load", &id, "");
    Ok(Loaded { id, names, left_out })
}

/// A source whose bytes are counted in.
struct Hashed<'a> {
    source: &'a mut dyn Source,
    hash: Hash,
}

impl Source for Hashed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.source.read(buf)?;
        self.hash.add(&buf[..n]);
        Ok(n)
    }
}

impl<'a> Hashed<'a> {
    fn new(source: &'a mut dyn Source) -> Self {
        Self { source, hash: Hash::default() }
    }

    /// Reads all that is left, and tells the digest.
    fn end(mut self) -> Result<String> {
        let mut buf = vec![0; BUFFER_BYTES];
        while self.read(&mut buf)? > 0 {}
        Ok(self.hash.end())
    }
}

/// Unpacks a layer that has the digest and the diff-id that were announced.
fn unpack(
    store: &Store,
    place: &Place,
    blob: &Blob,
    diff_id: &str,
    limits: &Limits,
    progress: &mut dyn FnMut(u64),
) -> Result<layers::Draft> {
    let mut piece = plan::piece_of(place, blob)?;
    let mut piece = Counted::<dyn Source>::new(&mut piece, progress);
    // Where the blob is the plain archive, its digest is the diff-id, and one sum tells both.
    let draft = match &blob.digest {
        Some(digest) if digest != diff_id => {
            let mut hashed = Hashed::new(&mut piece);
            let draft = layers::unpack(store, &mut hashed, limits);
            match hashed.end() {
                Ok(found) if found != *digest => {
                    drop(draft.map(layers::discard)); // damaged bytes may unpack, or not: the digest says why
                    return Err(blob.differs(&found));
                }
                _ => draft,
            }
        }
        _ => layers::unpack(store, &mut piece, limits),
    };
    let draft = draft.map_err(|e| blob.about(e))?;
    match expect(blob, diff_id, &draft.layer.diff_id) {
        Ok(()) => Ok(draft),
        Err(error) => {
            layers::discard(draft);
            Err(error)
        }
    }
}
/// An error for a layer with another diff-id.
fn expect(blob: &Blob, diff_id: &str, found: &str) -> Result<()> {
    if found == diff_id {
        return Ok(());
    }
    if blob.digest.as_deref() == Some(diff_id) {
        return Err(blob.differs(found));
    }
    let what = format!("the layer {} is damaged: unpacked it has the sha256 {found} instead of {diff_id}", blob.path);
    Err(Error::new(what))
}

/// Reads a layer that the store has already, and refuses it if it is not the one it should be.
fn verify(place: &Place, blob: &Blob, diff_id: &str, limits: &Limits, progress: &mut dyn FnMut(u64)) -> Result<()> {
    let mut piece = plan::piece_of(place, blob)?;
    let mut piece = Counted::<dyn Source>::new(&mut piece, progress);
    if let Some(digest) = &blob.digest {
        let found = Hashed::new(&mut piece).end()?;
        return if found == *digest { Ok(()) } else { Err(blob.differs(&found)) };
    }
    let mut plain = gzip::open(&mut piece, limits.ratio_max)?;
    let found = Hashed::new(&mut plain).end().map_err(|e| blob.about(e))?;
    expect(blob, diff_id, &found)
}
