//! `load` and `save`: archives of images in and out.

use super::args::Parsed;
use super::images::note_left_out;
use super::progress::Progress;
use super::{OK, open_store, print};
use alloc::format;
use alloc::string::String;
use core::cell::RefCell;
use mydocker::error::{EXIT_ENGINE, Error, Result, Tried};
use mydocker::kernel::{at, file, io, sys};
use mydocker::life::unpacking;
use mydocker::store::archive::{self, Loaded};
use mydocker::store::{Store, images, trash};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, OFlags};
use rustix::termios::isatty;

/// `load [-i FILE|DIR]`
pub fn load(parsed: &Parsed) -> Result<u8> {
    let path = parsed.last("input").unwrap_or("-");
    let fd = if path == "-" {
        if isatty(sys::stdin()) {
            return Err(Error::new("requested load from stdin, but stdin is empty: give it an archive, or -i FILE"));
        }
        sys::stdin().try_clone_to_owned().map_err(|_| Error::new("cannot read the standard input"))?
    } else {
        at::open(CWD, path, OFlags::RDONLY).tried_to("open", path)?
    };
    let store = open_store()?;
    let mut tell = |loaded: Loaded| -> Result<()> {
        if !parsed.on("quiet") {
            note_left_out(&loaded.left_out);
        }
        for (name, before) in &loaded.names {
            let name = name.text();
            if let Some(before) = before {
                print(&format!(
                    "The image {name} already exists, renaming the old one with ID sha256:{before} to empty string\n"
                ))?;
            }
            print(&format!("Loaded image: {name}\n"))?;
        }
        if loaded.names.is_empty() {
            print(&format!("Loaded image ID: sha256:{}\n", loaded.id))?;
        }
        Ok(())
    };
    let done = read(&store, fd, path, true, parsed.on("quiet"), &mut tell);
    store.unlock_images();
    // Also after an error: a disk that was full may have stopped it between a layer and its image.
    let tidied = images::tidy(&store).and_then(|()| trash::sweep(&store));
    done.and(tidied).map(|()| OK)
}

fn read(
    store: &Store,
    fd: OwnedFd,
    name: &str,
    named: bool,
    is_quiet: bool,
    tell: &mut dyn FnMut(Loaded) -> Result<()>,
) -> Result<()> {
    let limits = unpacking::limits();
    let line = RefCell::new(Progress::new("Loading", is_quiet));
    let mut progress = |bytes| line.borrow_mut().tell(bytes);
    let mut tell = |loaded: Loaded| {
        line.borrow_mut().clear();
        tell(loaded)
    };
    let done = archive::open(store, fd, &limits, &mut progress)
        .and_then(|place| archive::load(store, &place, named, &limits, &mut progress, &mut tell));
    drop(line);
    done.map_err(
        |e| if e.what == "write our output" { e } else { e.reword(&|what| format!("cannot load {name}: {what}")) },
    )
}

/// The only image of an archive that stands where an image's name could; it gets no name. Returns with the images locked
/// (shared).
pub fn only_image(store: &Store, fd: OwnedFd, path: &str, is_quiet: bool) -> Result<String> {
    let mut id = String::new();
    let mut tell = |loaded: Loaded| {
        note_left_out(&loaded.left_out);
        id = loaded.id;
        Ok(())
    };
    read(store, fd, path, false, is_quiet, &mut tell).map_err(|e| e.exit(EXIT_ENGINE))?;
    Ok(id)
}

/// `save [-o FILE] IMAGE…`
pub fn save(parsed: &Parsed) -> Result<u8> {
    let path = parsed.last("output").filter(|path| *path != "-");
    if path.is_none() && isatty(sys::stdout()) {
        return Err(Error::new("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
    }
    let store = open_store()?;
    store.lock_images(false)?;
    let saved = archive::find(&store, &parsed.words)?;
    let mut line = Progress::new("Saving", false);
    let mut progress = |bytes| line.tell(bytes);
    let mut write = |fd: BorrowedFd<'_>, name: &str| {
        let mut file = io::File { fd, name };
        archive::save(&store, &saved, &mut io::Counted::<dyn io::Sink>::new(&mut file, &mut progress))
    };
    match path {
        Some(path) => file::put(path, 0o600, &mut |fd| write(fd.as_fd(), path))?,
        None => write(sys::stdout(), "our output")?,
    }
    Ok(OK)
}
