//! `import`, `export`, `images`, `history`, `tag`, `rmi`, `commit`.

mod history;
mod list;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
pub use history::history;
pub use list::{HEADERS, Stored, images, named, row, sizes_of, stored};

use super::args::Parsed;
use super::exec::enter_user_namespace_of;
use super::progress::{self, Progress};
use super::{OK, Opened, change, each, human, load, note, open_store, print, ps, read};
use mydocker::error::{EXIT_ENGINE, Error, Result, Tried};
use mydocker::kernel::{at, io, sys, time};
use mydocker::life::commit::{self, Commit};
use mydocker::life::export;
use mydocker::life::unpacking;
use mydocker::spec::text;
use mydocker::store::archive;
use mydocker::store::images::{self, History, Image, RootFs};
use mydocker::store::reference::{self, Reference};
use mydocker::store::unpack::Limits;
use mydocker::store::{Store, containers, events, layers, trash};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

/// What was left out of an archive or a copy is named up to so many.
const LEFT_OUT_SHOWN_MAX: usize = 3;

/// What an archive becomes besides its layer. The image has nothing but its configuration yet.
struct Import<'a> {
    image: &'a mut Image,
    message: &'a str,
    origin: &'a str,
    limits: Limits,
    is_quiet: bool,
}

/// Unpacks an archive and stores it as an image of one layer.
fn import_stream(store: &Store, from: BorrowedFd<'_>, import: Import<'_>) -> Result<String> {
    let mut progress = Progress::new("Importing", import.is_quiet);
    progress.expect(&|| progress::bytes_left(from));
    let mut tell = |bytes| progress.tell(bytes);
    let mut source = io::File { fd: from, name: import.origin };
    let mut source = io::Counted::<dyn io::Source>::new(&mut source, &mut tell);
    let added = layers::add(store, &mut source, &import.limits);
    drop(progress);
    let layer = added.map_err(|e| e.reword(&|what| format!("cannot import {}: {}", import.origin, what)))?;
    note_left_out(&layer.left_out);
    let now = time::rfc3339(time::now());
    let comment =
        if import.message.is_empty() { format!("Imported from {}", import.origin) } else { import.message.to_owned() };
    let image = import.image;
    image.created = Some(now.clone());
    image.architecture = Some(images::architecture().to_owned());
    image.os = Some("linux".to_owned());
    let diff_ids = Some(vec![format!("sha256:{}", layer.diff_id)]);
    image.rootfs = Some(RootFs { kind: Some("layers".to_owned()), diff_ids });
    image.history = Some(vec![History { created: Some(now), comment: Some(comment), ..History::default() }]);
    let id = images::put(store, image)?;
    events::image(store, "import", &id, "");
    Ok(id)
}

/// Tells the person what a container has no use for.
pub fn note_left_out(left_out: &[String]) {
    if left_out.is_empty() {
        return;
    }
    let shown = few(left_out, human::escaped);
    let count = left_out.len();
    note(&format!("left out {count} device nodes or sockets that a container has no use for: {shown}"));
}

/// The first of the names of what was left out.
pub fn few(names: &[String], shown: fn(&str) -> String) -> String {
    let mut text = String::new();
    for (at, name) in names.iter().enumerate() {
        if at == LEFT_OUT_SHOWN_MAX {
            text.push_str(" …");
            break;
        }
        text.extend([if at == 0 { "" } else { ", " }, &shown(name)]);
    }
    text
}

/// The image of an archive file (of a root file system, or of one image): imported the first time, recognised by the
/// file's identity afterwards. Returns with the images locked (shared): it cannot go before the caller has used it.
pub fn import_file(store: &Store, path: &str, is_quiet: bool) -> Result<String> {
    let file = open_archive(path).map_err(|e| e.exit(EXIT_ENGINE))?;
    let mut stat = rustix::fs::fstat(&file).tried(format_args!("look at {path}"))?;
    let is_dir = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory;
    if is_dir {
        // A directory's own times do not change with the files in it.
        stat = rustix::fs::statat(&file, c"index.json", rustix::fs::AtFlags::empty()).unwrap_or(stat);
    }
    let (is_image, file) = archive::is_of_images(file);
    if is_dir && !is_image {
        return Err(Error::new(format_args!(
            "{path} is a directory: run it with --rootfs {path}, or import a tar of it"
        ))
        .exit(EXIT_ENGINE));
    }
    let identity = images::file_identity(&stat);
    store.lock_images(false)?;
    if let Some(id) = images::by_file(store, &identity)? {
        return Ok(id);
    }
    store.unlock_images();
    let id = if is_image {
        load::only_image(store, file, path, is_quiet)?
    } else {
        let mut image = Image::default();
        image.config.get_or_insert_default().cmd = Some(vec!["/bin/sh".to_owned()]);
        let image = &mut image;
        let import = Import { image, message: "", origin: path, limits: unpacking::limits(), is_quiet };
        import_stream(store, file.as_fd(), import)?
    };
    // The file may have changed while it was read: then it is another file from now on, and is imported anew.
    images::remember_file(store, &identity, &id)?;
    Ok(id)
}

fn open_archive(path: &str) -> Result<OwnedFd> {
    at::open(rustix::fs::CWD, path, rustix::fs::OFlags::RDONLY).tried_to("open", path)
}

/// `import FILE|- [REFERENCE]`
pub fn import(parsed: &Parsed) -> Result<u8> {
    let path = parsed.word(0);
    if path.starts_with("http://") || path.starts_with("https://") {
        return Err(Error::new(
            "import from a URL is not possible: fetch the file first, or pipe it in: … | mydocker import -",
        )
        .exit(EXIT_ENGINE));
    }
    let reference = new_name(parsed)?;
    let image = &mut Image::default();
    change::apply(image.config.get_or_insert_default(), &parsed.all("change"))?;
    let mut limits = unpacking::limits();
    if let Some(bytes) = parsed.read("max-size", read::bytes)? {
        limits.bytes_max = bytes;
    }
    if let Some(ratio) =
        parsed.read("max-ratio", |text| text.parse().map_err(|_| Error::new("it is not a whole number")))?
    {
        limits.ratio_max = ratio;
    }
    let store = open_store()?;
    let message = parsed.last("message").unwrap_or("");
    let import = Import { image, message, origin: path, limits, is_quiet: parsed.on("quiet") };
    let file = if path == "-" { None } else { Some(open_archive(path)?) };
    let id = import_stream(&store, file.as_ref().map_or(sys::stdin(), AsFd::as_fd), import)?;
    if let Some(reference) = &reference {
        images::tag(&store, reference, &id)?;
    }
    store.unlock_images();
    made(&store, &id)
}

/// The name that a new image gets.
fn new_name(parsed: &Parsed) -> Result<Option<Reference>> {
    match parsed.words.get(1) {
        Some(text) => reference::parse(text).map(Some),
        None => Ok(None),
    }
}

/// An id in a list: all of it, or its beginning.
fn shown_id(id: &str, full: bool) -> String {
    if full { format!("sha256:{id}") } else { human::short(id).to_owned() }
}

/// Tells the id of a new image, after cleaning up what it replaced.
fn made(store: &Store, id: &str) -> Result<u8> {
    images::tidy(store)?;
    trash::sweep(store)?;
    print(&format!("sha256:{id}\n"))?;
    Ok(OK)
}

/// Who is not root looks at a container from its user namespace.
fn open_store_of(word: &str) -> Result<Opened> {
    if !rustix::process::geteuid().is_root() {
        let _ = enter_user_namespace_of(word, true); // one that does not run has none; any other error comes again
    }
    open_store()
}

/// `export [-o FILE] CONTAINER`
pub fn export(parsed: &Parsed) -> Result<u8> {
    let word = parsed.word(0);
    let path = output(parsed).filter(|path| !path.is_empty());
    if path.is_none() && rustix::termios::isatty(sys::stdout()) {
        return Err(Error::new("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
    }
    let store = open_store_of(word)?;
    let container = containers::find(&store, word)?;
    let mut progress = Progress::new("Exporting", false);
    export::export(&store, &container, path.as_deref(), &mut |bytes| progress.tell(bytes)).map(|()| OK)
}

/// The file of `-o`; where there is a symlink, what it leads to.
fn output(parsed: &Parsed) -> Option<String> {
    let path = parsed.last("output")?;
    let real = mydocker::kernel::file::real_path(path).ok().flatten();
    Some(real.unwrap_or_else(|| path.to_owned()))
}

/// `tag IMAGE NAME[:TAG]`
pub fn tag(parsed: &Parsed) -> Result<u8> {
    let [word, name] = parsed.words.as_slice() else { return Ok(OK) }; // the table wants two
    let reference = reference::parse(name)?;
    let store = open_store()?;
    store.lock_images(false)?;
    images::tag(&store, &reference, &images::expect(&store, word)?)?;
    Ok(OK)
}

/// `rmi IMAGE…`
pub fn rmi(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let (force, prunes) = (parsed.on("force"), !parsed.on("no-prune"));
    each(&parsed.words, &mut |word| {
        let removed = match images::remove(&store, word, force, prunes) {
            Err(_) if force && images::find_stored(&store, word)?.is_none() => return Ok(String::new()),
            other => other,
        };
        store.unlock_images();
        let removed = removed?;
        let mut lines = Vec::new();
        gone("Untagged: ", &removed.untagged, &mut lines);
        gone("Deleted: ", &removed.deleted, &mut lines);
        Ok(text::join(&lines, "\n"))
    })
}

/// Adds a line for each of these names.
pub fn gone(what: &str, names: &[String], lines: &mut Vec<String>) {
    for name in names {
        lines.push(format!("{what}{name}"));
    }
}

/// `commit CONTAINER [REFERENCE]`
pub fn commit(parsed: &Parsed) -> Result<u8> {
    let reference = new_name(parsed)?;
    let store = open_store_of(parsed.word(0))?;
    let container = containers::find(&store, parsed.word(0))?;
    let mut config = commit::config_of(&store, &container.spec);
    change::apply(&mut config, &parsed.all("change"))?;
    let archive = output(parsed);
    let mut progress = Progress::new("Committing", parsed.on("quiet"));
    progress.expect(&|| Some(ps::sizes(&store, &container.spec).ok()?.0));
    let request = Commit {
        config,
        message: parsed.last("message").unwrap_or(""),
        author: parsed.last("author").unwrap_or(""),
        reference: reference.as_ref(),
        archive: archive.as_deref(),
        pause: parsed.last("pause") != Some("false") && !parsed.on("no-pause"),
        progress: &mut |bytes| progress.tell(bytes),
    };
    let id = commit::commit(&store, &container, request);
    drop(progress);
    made(&store, &id?)
}
