//! CELLAR: what lies on disk. Knows no process: nothing here clones, kills or mounts.
//!
//! ```text
//! <root>/containers/<id>/   config.json state.json lock log log.1 … upper/ work/ hosts hostname resolv.conf
//! <root>/names/<name>       symlink → id: making it is the reservation of the name
//! <root>/images/<id>        an image's configuration (OCI), named by its sha256
//! <root>/refs/<reference>   symlink → id; `/` in a name is written `+`
//! <root>/files/<identity>   symlink → id: image files that were imported by path
//! <root>/layers/<diff-id>/  diff/ (the unpacked layer, never written again), size, packed (what it was then), skeleton
//! <root>/volumes/<name>/    _data/ and volume.json; `filling` while it is filled
//! <root>/networks/<name>    a network's record
//! <root>/base/              below all layers: what we mount on
//! <root>/tmp/ trash/        half-made and half-deleted things
//! <run>/<id>/               containerInfo.json and the monitor's control socket
//! <run>/events events.1     what happened, a line each
//! ```

pub mod archive;
pub mod base;
pub mod bundle;
pub mod containers;
pub mod events;
pub mod gzip;
pub mod images;
pub mod journal;
pub mod layers;
pub mod names;
pub mod networks;
pub mod pack;
pub mod reference;
pub mod skeleton;
pub mod tar;
pub mod trash;
pub mod unpack;
pub mod volumes;
pub mod zstd;

use crate::error::{Error, Result, Tried};
use crate::kernel::timing::Timing;
use crate::kernel::{file, hex, process};
use crate::spec::order;
use crate::spec::record::Usual;
use crate::spec::text;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// Where things are kept when nobody says otherwise.
pub const ROOT: &str = "/var/lib/mydocker";
/// Where what need not survive a reboot is kept.
pub const RUN: &str = "/run/mydocker";

/// An open store: its directories by descriptor, and their paths for messages and for other processes.
pub struct Store {
    /// The path of the root, absolute.
    pub root_path: String,
    /// The path of the run directory, absolute.
    pub run_path: String,
    /// Whether we have only a user namespace's powers: no trusted attributes, no device nodes, no foreign owners.
    pub is_rootless: bool,
    /// The root directory.
    pub root: OwnedFd,
    /// `containers/`; its flock is held while ids of a user namespace are chosen and written down.
    pub containers: OwnedFd,
    /// `names/`
    pub names: OwnedFd,
    /// `images/`; its flock keeps image removal and image use apart.
    pub images: OwnedFd,
    /// `layers/`; its flock is held while an image of the program's own file is unpacked.
    pub layers: OwnedFd,
    /// What most records of containers have in common, once somebody lists them.
    usual: OnceCell<(Usual, Usual)>,
    /// What takes how long, where somebody asked for that.
    pub timing: Timing,
}

const DIRECTORIES: [&str; 10] =
    ["containers", "names", "images", "refs", "files", "layers", "volumes", "networks", "tmp", "trash"];

/// Opens the store, making what is missing. Only its owner may look inside: layers hold setuid programs.
pub fn open(root_path: &str, run_path: &str) -> Result<Box<Store>> {
    let open = || -> Result<Box<Store>> {
        let root = file::make_dirs(root_path, 0o700)?;
        let sub = |name: &str| match file::open_dir_at(root.as_fd(), name) {
            Err(e) if e.is(Errno::NOENT) => {
                for name in DIRECTORIES {
                    file::make_dir_at(root.as_fd(), name, 0o700)?;
                }
                file::open_dir_at(root.as_fd(), name)
            }
            other => other,
        };
        Ok(Box::new(Store {
            root_path: root_path.to_owned(),
            run_path: run_path.to_owned(),
            is_rootless: !process::is_in_first_user_namespace(),
            containers: sub("containers")?,
            names: sub("names")?,
            images: sub("images")?,
            layers: sub("layers")?,
            usual: OnceCell::new(),
            timing: Timing::default(),
            root,
        }))
    };
    open().map_err(|e| {
        let way = if e.is(Errno::ROFS) { " (--root DIRECTORY puts it elsewhere)" } else { "" };
        e.reword(&|what| format!("cannot use the store {root_path}: {what}{way}"))
    })
}

impl Store {
    /// Opens one of the directories that are rarely needed.
    pub fn dir(&self, name: &str) -> Result<OwnedFd> {
        match file::open_dir_at(self.root.as_fd(), name) {
            // Another process may be making a new store at this moment.
            Err(error) if error.is(Errno::NOENT) => file::make_dir_at(self.root.as_fd(), name, 0o700),
            other => other,
        }
        .map_err(|e| self.locate(name, e))
    }

    /// Puts the full path into an error about something in the store.
    pub fn locate(&self, below: &str, mut error: Error) -> Error {
        error.what = format!("{} ({}/{below})", error.what, self.root_path);
        error
    }

    /// Holds off the removal of images (`exclusive` false), or everybody who uses one (`exclusive` true), until
    /// [`Store::unlock_images`] or the end of the process. Forked processes share the lock: unlock before forking.
    pub fn lock_images(&self, exclusive: bool) -> Result<()> {
        let operation = if exclusive { FlockOperation::LockExclusive } else { FlockOperation::LockShared };
        wait_for(&self.images, operation, "lock the images")
    }

    /// Ends what [`Store::lock_images`] began.
    pub fn unlock_images(&self) {
        // An unlock of our own open descriptor cannot fail.
        let _ = rustix::fs::flock(&self.images, FlockOperation::Unlock);
    }

    /// Holds off everybody else who unpacks an image of the program's own file, until [`Store::unlock_layers`] or the end of
    /// the process: the second one finds it done. Whoever locks the images too does that first.
    pub fn lock_layers(&self) -> Result<()> {
        wait_for(&self.layers, FlockOperation::LockExclusive, "lock the layers")
    }

    /// Ends what [`Store::lock_layers`] began.
    pub fn unlock_layers(&self) {
        // An unlock of our own open descriptor cannot fail.
        let _ = rustix::fs::flock(&self.layers, FlockOperation::Unlock);
    }

    /// Holds off everybody else who chooses ids for a user namespace, until [`Store::unlock_ids`] or the end of the
    /// process: from the look at the ids that are taken until a record claims the chosen ones. Forked processes share
    /// the lock: unlock before forking. Whoever locks the images too does that first.
    pub fn lock_ids(&self) -> Result<()> {
        wait_for(&self.containers, FlockOperation::LockExclusive, "lock the ids of user namespaces")
    }

    /// Ends what [`Store::lock_ids`] began.
    pub fn unlock_ids(&self) {
        // An unlock of our own open descriptor cannot fail.
        let _ = rustix::fs::flock(&self.containers, FlockOperation::Unlock);
    }
}

/// flock(2) of a directory, until the descriptor is closed. `boot` holds `<run>` alone while it works, and `shutdown` shares
/// `<root>`, which tells a boot that nothing is to be started any more.
pub fn hold(path: &str, is_shared: bool) -> Result<OwnedFd> {
    let dir = file::open_dir(path)?;
    let operation = if is_shared { FlockOperation::LockShared } else { FlockOperation::LockExclusive };
    wait_for(&dir, operation, "lock a directory").map(|()| dir)
}

/// Whether somebody has [`hold`] of the directory, other than the boot that asks.
pub fn is_held(path: &str) -> bool {
    let dir = file::open_dir(path);
    dir.is_ok_and(|dir| rustix::fs::flock(dir, FlockOperation::NonBlockingLockExclusive).is_err())
}

/// flock(2), tried again after a signal.
fn wait_for(dir: &OwnedFd, operation: FlockOperation, what: &str) -> Result<()> {
    loop {
        match rustix::fs::flock(dir, operation) {
            Err(Errno::INTR) => {}
            other => return other.tried(what),
        }
    }
}

/// The ids among the names in a directory, in no order.
fn ids_in(dir: &OwnedFd) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for name in file::names(dir.as_fd())? {
        if hex::is(&name, 64) {
            ids.push(name);
        }
    }
    Ok(ids)
}

/// The one of these ids that begins so; an error when there are more.
fn only_one(ids: &[String], word: &str, digits: &str) -> Result<Option<String>> {
    let mut fits = Vec::new();
    for id in ids {
        if id.starts_with(digits) {
            fits.push(id.clone());
        }
    }
    if fits.len() < 2 {
        return Ok(fits.pop());
    }
    let mut list = String::new();
    for id in &order::sorted(fits, &|a, b| a < b) {
        text::add(&mut list, ", ", &id[..12]);
    }
    Err(Error::new(format_args!("multiple IDs found with provided prefix: {word} ({list})")))
}
