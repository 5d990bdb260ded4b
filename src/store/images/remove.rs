//! `rmi`: what goes and what stays, as docker decides it.

use super::super::reference::Reference;
use super::super::{Store, bundle, containers, events, trash};
use super::{Found, collect, find_stored, get, has_children, missing, parent, references};
use crate::error::{Error, Result, Tried};
use crate::kernel::{at, fault};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::fd::AsFd;
use rustix::fs::AtFlags;
use rustix::io::Errno;

/// What [`remove`] did.
#[derive(Default)]
pub struct Removed {
    /// References that are gone.
    pub untagged: Vec<String>,
    /// Images and layers that are gone, `sha256:` ids.
    pub deleted: Vec<String>,
}

/// Removes a reference, and with the last one the image and the layers that nothing else uses; with `prunes` also the
/// nameless images that it was made from. An image that a container uses is refused; `force` allows it if the container
/// does not run, and its layers stay. An image that others were made from stays, without a name.
pub fn remove(store: &Store, word: &str, force: bool, prunes: bool) -> Result<Removed> {
    store.lock_images(true)?;
    let gone = || {
        if bundle::has(word) {
            let what = format!("image {word} is only in this program's own file: the store has nothing to remove");
            return Error::new(what);
        }
        missing(word)
    };
    let found = find_stored(store, word)?.ok_or_else(gone)?;
    let mut removed = Removed::default();
    let id = found.id();
    let names = names(store, id)?;
    let by_name = matches!(found, Found::Reference(..));
    if let Found::Reference(reference, _) = &found {
        if names.len() == 1
            && !force
            && let (_, Some(user)) = users(store, id, force)?
        {
            return Err(Error::new(format_args!(
                "conflict: unable to remove repository reference \"{word}\" (must force) - container {user} is using its referenced image {}",
                &id[..12]
            )));
        }
        untag(store, id, reference, &mut removed)?;
        fault::point("rmi:untagged");
    }
    if !by_name || names.len() == 1 {
        delete(store, id.to_string(), force, prunes, by_name, &mut removed)?;
    }
    rustix::fs::fsync(&store.images).tried("sync the images")?;
    store.unlock_images();
    trash::sweep(store)?;
    Ok(removed)
}

/// Deletes an image, then the ones that it was made from as far as nothing else needs them. `is_quiet`: what cannot be
/// deleted stays, without an error.
fn delete(store: &Store, id: String, force: bool, prunes: bool, is_quiet: bool, removed: &mut Removed) -> Result<()> {
    let (mut next, mut force, mut is_quiet) = (Some(id), force, is_quiet);
    while let Some(id) = next {
        let names = names(store, &id)?;
        // A name on the command line is gone by now; an id may have one name, which goes with it.
        let names_max = usize::from(!is_quiet);
        if let Some(why) = conflict(store, &id, names.len() > names_max, force)? {
            if is_quiet {
                break;
            }
            return Err(Error::new(format_args!("conflict: unable to delete {} {why}", &id[..12])));
        }
        let below = get(store, &id).ok().and_then(|image| parent(store, &image));
        for reference in &names {
            untag(store, &id, reference, removed)?;
        }
        match at::remove(store.images.as_fd(), &id, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno).tried_with(|| format!("remove the image {}", &id[..12])),
        }
        removed.deleted.push(format!("sha256:{id}"));
        events::image(store, "delete", &id, "");
        fault::point("rmi:deleted");
        next = below.filter(|_| prunes);
        (force, is_quiet) = (false, true);
    }
    for layer in &collect(store)? {
        removed.deleted.push(format!("sha256:{layer}"));
    }
    Ok(())
}

/// Why an image cannot be deleted, in docker's order and words.
fn conflict(store: &Store, id: &str, has_names: bool, force: bool) -> Result<Option<String>> {
    if has_children(store, id)? {
        return Ok(Some("(cannot be forced) - image has dependent child images".into()));
    }
    let (running, any) = users(store, id, force)?;
    Ok(match (running, any) {
        (Some(user), _) => Some(format!("(cannot be forced) - image is being used by running container {user}")),
        _ if force => None,
        _ if has_names => Some("(must be forced) - image is referenced in multiple repositories".into()),
        (None, Some(user)) => Some(format!("(must be forced) - image is being used by stopped container {user}")),
        (None, None) => None,
    })
}

/// The short ids of a running container that uses the image, and of any one. With `force`, containers that cannot be read
/// use nothing.
fn users(store: &Store, id: &str, force: bool) -> Result<(Option<String>, Option<String>)> {
    let (mut running, mut any, mut unknown) = (None, None, None);
    let errors = containers::each(store, &mut |spec| {
        if spec.image_id == id {
            any = Some(spec.id[..12].to_string());
            match containers::lives(store, &spec.id) {
                Ok(true) => running.clone_from(&any),
                Ok(false) => {}
                Err(error) => unknown = Some(error),
            }
        }
        Ok(())
    })?;
    if let Some(error) = unknown {
        return Err(error);
    }
    if let (Some(error), false) = (errors.first(), force) {
        return Err(Error::new(format_args!("cannot tell whether image {} is in use: {error}", &id[..12])));
    }
    Ok((running, any))
}

fn names(store: &Store, id: &str) -> Result<Vec<Reference>> {
    let mut names = Vec::new();
    for (reference, to) in &references(store)? {
        if to == id {
            names.push(reference.clone());
        }
    }
    Ok(names)
}

fn untag(store: &Store, id: &str, reference: &Reference, removed: &mut Removed) -> Result<()> {
    let refs = store.dir("refs")?;
    match at::remove(refs.as_fd(), &reference.file_name(), AtFlags::empty()) {
        // A power cut must not bring back the name, but not the image.
        Ok(()) | Err(Errno::NOENT) => rustix::fs::fsync(&refs).tried("sync the names of images")?,
        Err(errno) => {
            let error = Error::os(format_args!("remove the name {}", reference.text()), errno);
            return Err(store.locate("refs", error));
        }
    }
    events::image(store, "untag", id, &reference.text());
    removed.untagged.push(reference.text());
    Ok(())
}
