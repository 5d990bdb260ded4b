//! `import`, `images`, `rmi`, `commit`.

use super::args::Parsed;
use super::exec::enter_user_namespace_of;
use super::{OK, change, each, human, note, object, open_store, print, read, table, text};
use miniserde::json::Value;
use mydocker::error::{EXIT_ENGINE, Error, Result, Tried};
use mydocker::kernel::{io, sys, time};
use mydocker::life::commit::{self, Commit};
use mydocker::store::images::{self, Config, History, Image, RootFs};
use mydocker::store::reference::{self, Reference};
use mydocker::store::unpack::Limits;
use mydocker::store::{Store, containers, layers, trash};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

/// Device nodes that are named one by one when an archive's are left out.
const LEFT_OUT_SHOWN_MAX: usize = 3;

/// What an archive becomes besides its layer.
struct Import<'a> {
    config: Config,
    message: &'a str,
    origin: &'a str,
    limits: Limits,
}

/// Unpacks an archive and stores it as an image of one layer.
fn import_stream(store: &Store, from: BorrowedFd<'_>, import: Import<'_>) -> Result<String> {
    let mut source = io::File { fd: from, name: import.origin };
    let layer = layers::add(store, &mut source, &import.limits)
        .map_err(|e| Error { what: format!("cannot import {}: {}", import.origin, e.what), ..e })?;
    if !layer.left_out.is_empty() {
        let shown = layer.left_out.iter().take(LEFT_OUT_SHOWN_MAX).map(|n| n.escape_debug().to_string());
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = if layer.left_out.len() > LEFT_OUT_SHOWN_MAX { " …" } else { "" };
        note(&format!(
            "left out {} device nodes or sockets that a container has no use for: {shown}{more}",
            layer.left_out.len()
        ));
    }
    let now = time::rfc3339(time::now());
    let comment =
        if import.message.is_empty() { format!("Imported from {}", import.origin) } else { import.message.to_owned() };
    let image = Image {
        created: Some(now.clone()),
        author: None,
        architecture: Some(images::architecture().to_owned()),
        os: Some("linux".to_owned()),
        config: Some(import.config),
        rootfs: Some(RootFs {
            kind: Some("layers".to_owned()),
            diff_ids: Some(vec![format!("sha256:{}", layer.diff_id)]),
        }),
        history: Some(vec![History { created: Some(now), comment: Some(comment), ..History::default() }]),
    };
    images::put(store, &image)
}

/// The image of an archive file: imported the first time, recognised by the file's identity afterwards.
pub fn import_file(store: &Store, path: &str) -> Result<String> {
    let file = open_archive(path).map_err(|e| e.exit(EXIT_ENGINE))?;
    let stat = rustix::fs::fstat(&file).tried_with(|| format!("look at {path}"))?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory {
        return Err(Error::new(format!("{path} is a directory: run it with --rootfs {path}, or import a tar of it"))
            .exit(EXIT_ENGINE));
    }
    let identity = images::file_identity(&stat);
    if let Some(id) = images::by_file(store, &identity)? {
        return Ok(id);
    }
    let config = Config { cmd: Some(vec!["/bin/sh".to_owned()]), ..Config::default() };
    let import = Import { config, message: "", origin: path, limits: Limits::default() };
    let id = import_stream(store, file.as_fd(), import)?;
    // The file may have changed while it was read: then it is another file from now on, and is imported anew.
    images::remember_file(store, &identity, &id)?;
    store.unlock_images();
    Ok(id)
}

fn open_archive(path: &str) -> Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags};
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).tried_with(|| format!("open {path}"))
}

/// `import FILE|- [REFERENCE]`
pub fn import(parsed: &Parsed) -> Result<u8> {
    let path = parsed.words[0].as_str();
    if path.starts_with("http://") || path.starts_with("https://") {
        return Err(Error::new(
            "import from a URL is not possible: fetch the file first, or pipe it in: … | mydocker import -",
        )
        .exit(EXIT_ENGINE));
    }
    let reference = parsed.words.get(1).map(|text| reference::parse(text)).transpose()?;
    let mut config = Config::default();
    for instruction in parsed.all("change") {
        change::apply(&mut config, instruction)?;
    }
    let mut limits = Limits::default();
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
    let id = if path == "-" {
        import_stream(&store, sys::stdin(), Import { config, message, origin: "-", limits })?
    } else {
        let file = open_archive(path)?;
        import_stream(&store, file.as_fd(), Import { config, message, origin: path, limits })?
    };
    if let Some(reference) = &reference {
        images::tag(&store, reference, &id)?;
    }
    store.unlock_images();
    images::tidy(&store)?;
    trash::sweep(&store)?;
    print(&format!("sha256:{id}\n"))?;
    Ok(OK)
}

/// `images [REFERENCE]`
pub fn images(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let wanted = parsed.words.first().map(|text| reference::parse(text)).transpose()?;
    let has_tag =
        parsed.words.first().is_some_and(|text| text.rsplit('/').next().is_some_and(|part| part.contains(':')));
    let refs = images::references(&store)?;
    let mut code = OK;
    let mut rows: Vec<(String, Value)> = Vec::new();
    for id in images::ids(&store)? {
        let read = images::get(&store, &id).and_then(|image| images::size(&store, &image).map(|size| (image, size)));
        let (image, size) = match read {
            Ok(read) => read,
            Err(error) => {
                note(&error.to_string());
                code = 1;
                continue;
            }
        };
        let names: Vec<&Reference> = refs.iter().filter(|(_, to)| *to == id).map(|(reference, _)| reference).collect();
        let none = [None];
        let names: Vec<Option<&Reference>> =
            if names.is_empty() { none.to_vec() } else { names.into_iter().map(Some).collect() };
        for name in names {
            if let Some(wanted) = &wanted
                && !name.is_some_and(|name| name.name == wanted.name && (!has_tag || name.tag == wanted.tag))
            {
                continue;
            }
            rows.push((image.created.clone().unwrap_or_default(), row(parsed, &id, name, &image, size)));
        }
    }
    rows.sort_by(|a, b| b.0.cmp(&a.0));
    let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    if parsed.on("quiet") {
        for row in &rows {
            if let Value::Object(fields) = row
                && let Some(Value::String(id)) = fields.get("ID")
            {
                print(&format!("{id}\n"))?;
            }
        }
        return Ok(code);
    }
    let headers = [
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("ID", "IMAGE ID"),
        ("CreatedSince", "CREATED"),
        ("Size", "SIZE"),
    ];
    let default = "table {{.Repository}}\\t{{.Tag}}\\t{{.ID}}\\t{{.CreatedSince}}\\t{{.Size}}";
    print(&table::print(parsed.last("format"), default, &headers, &rows)?)?;
    Ok(code)
}

fn row(parsed: &Parsed, id: &str, name: Option<&Reference>, image: &Image, size: u64) -> Value {
    let created = image.created.as_deref().and_then(read::moment::rfc3339);
    let since = created.map_or_else(|| "N/A".to_owned(), |at| human::ago(human::elapsed(at)));
    let shown = if parsed.on("no-trunc") { format!("sha256:{id}") } else { id[..12].to_owned() };
    object(vec![
        ("Repository", text(name.map_or("<none>", |name| &name.name))),
        ("Tag", text(name.map_or("<none>", |name| &name.tag))),
        ("ID", text(shown)),
        ("CreatedAt", text(image.created.clone().unwrap_or_default())),
        ("CreatedSince", text(since)),
        ("Size", text(human::size(size))),
    ])
}

/// `rmi IMAGE…`
pub fn rmi(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let force = parsed.on("force");
    each(&parsed.words, |word| {
        let removed = match images::remove(&store, word, force) {
            Err(_) if force && images::find(&store, word)?.is_none() => return Ok(String::new()),
            other => other,
        };
        store.unlock_images();
        let removed = removed?;
        let untagged = removed.untagged.iter().map(|name| format!("Untagged: {name}"));
        let deleted = removed.deleted.iter().map(|id| format!("Deleted: {id}"));
        Ok(untagged.chain(deleted).collect::<Vec<_>>().join("\n"))
    })
}

/// `commit CONTAINER [REFERENCE]`
pub fn commit(parsed: &Parsed) -> Result<u8> {
    let reference = parsed.words.get(1).map(|text| reference::parse(text)).transpose()?;
    if !rustix::process::geteuid().is_root() {
        let _ = enter_user_namespace_of(&parsed.words[0]); // one that does not run has none; any other error comes again
    }
    let store = open_store()?;
    let container = containers::find(&store, &parsed.words[0])?;
    let mut config = commit::config_of(&store, &container.spec);
    for instruction in parsed.all("change") {
        change::apply(&mut config, instruction)?;
    }
    let request = Commit {
        config,
        message: parsed.last("message").unwrap_or(""),
        author: parsed.last("author").unwrap_or(""),
        reference: reference.as_ref(),
        archive: parsed.last("output"),
        pause: parsed.last("pause") != Some("false"),
    };
    let id = commit::commit(&store, &container, request)?;
    images::tidy(&store)?;
    trash::sweep(&store)?;
    print(&format!("sha256:{id}\n"))?;
    Ok(OK)
}
