//! `volume create`, `volume ls`, `volume rm`, `volume prune`.

use super::args::Parsed;
use super::filter::{self, Filter};
use super::prune::{self, Pruned};
use super::shape::{picked, put_labels, put_string, put_text};
use super::{OK, complain, each, human, known_specs, open_store, print, print_list, read};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mydocker::error::{Error, Result, Tried};
use mydocker::kernel::{file, hex};
use mydocker::spec::json::Value;
use mydocker::store::volumes::{self, ANONYMOUS, Volume};
use mydocker::store::{Store, containers, trash};
use rustix::fd::AsFd;

/// `volume create [NAME]`
pub fn create(parsed: &Parsed) -> Result<u8> {
    match parsed.last("driver") {
        None | Some("" | "local") => {}
        Some(other) => {
            let other = human::escaped(other);
            return Err(Error::new(format_args!("plugin \"{other}\" not found: the driver 'local' is the only one")));
        }
    }
    let fresh = hex::fresh_id();
    let name = match parsed.words.first().map(String::as_str) {
        None | Some("") => &fresh,
        Some(name) => read::volume_name(name).map_err(|error| error.exit(1))?,
    };
    let mut labels = volumes::labels_of(name == fresh);
    for text in &parsed.all("label") {
        labels.extend([read::label(text)?]);
    }
    let store = open_store()?;
    let (dir, _) = volumes::ensure(&store, name, labels)?;
    rustix::fs::syncfs(&dir).tried("sync the new volume to disk")?;
    print(&format!("{name}\n"))?;
    Ok(OK)
}

fn fits(filter: &Filter, name: &str, volume: &Volume, is_used: bool) -> bool {
    match filter.key {
        "name" => filter.matches(name),
        "dangling" => is_used != filter.wanted,
        "label" => read::has_label(&volume.labels, &filter.value),
        _ => filter.value == "local",
    }
}

/// All volumes with what is known about each, and whether a container uses it. What is damaged is told of, and makes the
/// exit code 1.
fn all(store: &Store, code: &mut u8) -> Result<Vec<(String, Volume, bool)>> {
    let users = known_specs(store, code)?;
    let mut all = Vec::new();
    for name in volumes::names(store)? {
        match volumes::get(store, &name) {
            Ok(Some(known)) => {
                let is_used = users.iter().any(|spec| volumes::is_mounted(spec, &name));
                all.push((name, known, is_used));
            }
            Ok(None) => {}
            Err(error) => complain(&error, code),
        }
    }
    Ok(all)
}

/// `volume ls`
pub fn ls(parsed: &Parsed) -> Result<u8> {
    let mut filters = Vec::new();
    for typed in &parsed.all("filter") {
        filters.push(filter::parse(typed, "dangling driver label name")?);
    }
    let store = open_store()?;
    let mut code = OK;
    let (mut rows, mut names) = (Vec::new(), String::new());
    for (name, volume, is_used) in &all(&store, &mut code)? {
        if filters.iter().all(|filter| fits(filter, name, volume, *is_used)) {
            names.extend([name, "\n"]);
            rows.push(row(&store, name, volume));
        }
    }
    print_list(parsed, &names, "table {{.Driver}}\\t{{.Name}}", HEADERS, &rows)?;
    Ok(code)
}

/// The word over a column.
pub const HEADERS: &str = "Name VOLUME NAME";
const ROW: &str = "Driver - \"local\",Scope - \"local\",Links - \"N/A\",Size - \"N/A\",Availability - \"N/A\",\
    Group - \"N/A\",Status - \"N/A\",";

fn row(store: &Store, name: &str, volume: &Volume) -> Value {
    let mut o = picked(ROW, &Value::Null);
    put_text(&mut o, "Name", name);
    put_string(&mut o, "Mountpoint", volumes::path(store, name));
    put_labels(&mut o, &volume.labels);
    Value::Object(o)
}

/// `volume rm VOLUME…`
pub fn rm(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    containers::specs(&store)?; // finishes what killed commands left: half a container may seem to use a volume
    each(&parsed.words, &mut |name| {
        let is_gone = read::volume_name(name).is_ok() && volumes::remove(&store, name)?;
        if !is_gone && !parsed.on("force") {
            return Err(Error::new(format_args!("get {}: no such volume", human::escaped(name))));
        }
        trash::sweep(&store)?;
        Ok(name.to_owned())
    })
}

/// `volume prune`: volumes that no container uses go away; those with a name only with `-a`.
pub fn prune(parsed: &Parsed) -> Result<u8> {
    let all = parsed.on("all");
    let kind = if all { "all" } else { "anonymous" };
    prune::prune(parsed, &format!("{kind} local volumes not used by at least one container"), &|store, filters| {
        let pruned = unused(store, filters, all)?;
        trash::sweep(store)?;
        Ok(pruned)
    })
}

/// Removes the volumes that no container uses: those that nobody named, or `all`.
pub fn unused(store: &Store, filters: &prune::Filters<'_>, all_of_them: bool) -> Result<Pruned> {
    let mut pruned = Pruned::new("Deleted Volumes:");
    for (name, volume, is_used) in &all(store, &mut pruned.code)? {
        let is_kept = *is_used
            || !all_of_them && !volume.labels.contains_key(ANONYMOUS)
            || !filters.fit(volume.created, Some(&volume.labels));
        if is_kept {
            continue;
        }
        let size = file::open_dir(&volumes::path(store, name)).and_then(|data| file::tree_bytes(data.as_fd()));
        match volumes::remove(store, name) {
            Ok(true) => {
                pruned.bytes += size.unwrap_or(0); // unknown is not worth an error
                pruned.deleted.push(name.clone());
            }
            Ok(false) => {}
            Err(error) => complain(&error, &mut pruned.code),
        }
    }
    Ok(pruned)
}
