//! `container prune`, `image prune`.

use super::args::Parsed;
use super::images::gone;
use super::{OK, complain, human, open_store, print, ps, read};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mydocker::error::{Error, Result};
use mydocker::kernel::{io, sys, time};
use mydocker::life::remove;
use mydocker::spec::Status;
use mydocker::spec::map::Map;
use mydocker::spec::text;
use mydocker::store::images::Image;
use mydocker::store::{Store, containers, images, layers, trash};

/// Bytes of an answer to a question.
const ANSWER_BYTES: usize = 256;

/// `--filter`: what is kept although it is not used.
pub struct Filters<'a> {
    /// Only what was made before this moment, in nanoseconds since 1970.
    pub until: Option<i64>,
    /// Labels that must be there (`true`), or must not.
    labels: Vec<(bool, &'a str)>,
}

impl<'a> Filters<'a> {
    /// Reads all that were typed.
    pub fn parse(parsed: &'a Parsed) -> Result<Self> {
        let mut filters = Filters { until: None, labels: Vec::new() };
        for typed in &parsed.all("filter") {
            match typed.split_once('=') {
                Some(("until", value)) => filters.until = Some(read::moment::moment(value, time::now())?),
                Some(("label", value)) => filters.labels.push((true, value)),
                Some(("label!", value)) => filters.labels.push((false, value)),
                _ => {
                    let why = "known are until=TIME, label=KEY, label=KEY=VALUE, label!=…";
                    return Err(Error::new(format_args!("Invalid filter '{}': {why}", human::escaped(typed))));
                }
            }
        }
        Ok(filters)
    }

    /// Whether something made then, with these labels, may go.
    pub fn fit(&self, created: i64, labels: Option<&Map<String, String>>) -> bool {
        self.until.is_none_or(|until| created < until)
            && self
                .labels
                .iter()
                .all(|(wanted, label)| labels.is_some_and(|labels| read::has_label(labels, label)) == *wanted)
    }
}

/// Asks whether to go on, unless `-f` has said so. No answer is a no.
pub fn is_agreed(parsed: &Parsed, warning: &str) -> Result<bool> {
    if parsed.on("force") {
        return Ok(true);
    }
    print(&format!("{warning}\nAre you sure you want to continue? [y/N] "))?;
    let mut answer = [0; ANSWER_BYTES];
    let count = io::read(sys::stdin(), &mut answer).unwrap_or(0);
    Ok(matches!(answer.get(..count).unwrap_or_default().trim_ascii(), b"y" | b"Y"))
}

/// What was deleted, how much room that made, and the exit code.
pub struct Pruned {
    heading: &'static str,
    /// A line for each thing that is gone.
    pub deleted: Vec<String>,
    /// Bytes that there is more room now.
    pub bytes: u64,
    /// 1 when something could not be removed; that has been told.
    pub code: u8,
}

impl Pruned {
    /// Nothing yet.
    pub fn new(heading: &'static str) -> Self {
        Self { heading, deleted: Vec::new(), bytes: 0, code: OK }
    }

    /// The list, if there is one, and an empty line.
    pub fn list(&self) -> String {
        if self.deleted.is_empty() {
            return String::new();
        }
        format!("{}\n{}\n\n", self.heading, text::join(&self.deleted, "\n"))
    }

    /// Tells what was deleted, and how much room there is now.
    pub fn tell(&self) -> Result<u8> {
        print(&format!("{}Total reclaimed space: {}\n", self.list(), human::size_long(self.bytes)))?;
        Ok(self.code)
    }
}

/// Removes `what` if that is agreed, and tells how that went.
pub fn prune(parsed: &Parsed, what: &str, remove: &dyn Fn(&Store, &Filters<'_>) -> Result<Pruned>) -> Result<u8> {
    let filters = Filters::parse(parsed)?;
    if !is_agreed(parsed, &format!("WARNING! This will remove {what}."))? {
        return Pruned::new("").tell();
    }
    let store = open_store()?;
    remove(&store, &filters)?.tell()
}

/// `container prune`: all containers that do not run go away.
pub fn containers(parsed: &Parsed) -> Result<u8> {
    prune(parsed, "all stopped containers", &stopped)
}

/// Removes the containers that do not run.
pub fn stopped(store: &Store, filters: &Filters<'_>) -> Result<Pruned> {
    let mut pruned = Pruned::new("Deleted Containers:");
    for row in &ps::all(store, &mut pruned.code)? {
        let spec = &row.spec;
        let is_over = matches!(row.state.status, Status::Created | Status::Exited);
        if !is_over || !filters.fit(spec.created, Some(&spec.labels)) {
            continue;
        }
        let (own, _) = ps::sizes(store, spec).unwrap_or_default(); // unknown is not worth an error
        match remove::remove(store, &spec.id, false, false) {
            Ok(()) => {
                pruned.bytes += own;
                pruned.deleted.push(spec.id.clone());
            }
            // Somebody else was faster, or is making it right now.
            Err(error) if containers::is_missing(&error) => {}
            Err(error) => complain(&error, &mut pruned.code),
        }
    }
    trash::sweep(store)?; // what is told to be free is free
    Ok(pruned)
}

/// What `image prune` removes, with `-a` or without.
pub fn unused_images(all: bool) -> &'static str {
    if all { "all images without at least one container associated to them" } else { "all dangling images" }
}

/// `image prune`: images without a name go away, with `-a` all that no container uses.
pub fn images(parsed: &Parsed) -> Result<u8> {
    let all = parsed.on("all");
    prune(parsed, unused_images(all), &|store, filters| unused(store, filters, all))
}

/// Removes the images that no container uses: those without a name, or `all`.
pub fn unused(store: &Store, filters: &Filters<'_>, all: bool) -> Result<Pruned> {
    let mut pruned = Pruned::new("Deleted Images:");
    for id in &images::ids(store)? {
        let done = prune_image(store, filters, all, id, &mut pruned);
        store.unlock_images();
        match done {
            Ok(()) => {}
            Err(error) => complain(&error, &mut pruned.code),
        }
    }
    Ok(pruned)
}

/// Removes one image, if it is to go; notes what went, and how many bytes of layers. Leaves the images locked: nobody
/// names or uses it between our look and its end.
fn prune_image(store: &Store, filters: &Filters<'_>, all: bool, id: &str, pruned: &mut Pruned) -> Result<()> {
    store.lock_images(true)?;
    if !images::exists(store, id) {
        return Ok(()); // somebody else was faster, or it went with the one that was made from it
    }
    let image = images::get(store, id)?;
    let mut words = Vec::new();
    for (name, to) in &images::references(store)? {
        if to == id {
            words.push(name.text());
        }
    }
    let created = image.created.as_deref().and_then(read::moment::rfc3339).unwrap_or(0);
    let labels = image.config.as_ref().and_then(|config| config.labels.as_ref());
    let is_kept = !words.is_empty() && !all || !filters.fit(created, labels) || is_used(store, id)?;
    if is_kept || words.is_empty() && images::has_children(store, id)? {
        return Ok(());
    }
    let before = size_of(store, &image);
    let mut removed = images::Removed::default();
    // One name after the other: with several, the id alone is refused.
    if words.is_empty() {
        words.push(id.to_owned());
    }
    for word in &words {
        store.lock_images(true)?; // the removal gives it back
        let gone = images::remove(store, word, false, true)?;
        removed.untagged.extend(gone.untagged);
        removed.deleted.extend(gone.deleted);
    }
    gone("untagged: ", &removed.untagged, &mut pruned.deleted);
    gone("deleted: ", &removed.deleted, &mut pruned.deleted);
    pruned.bytes += before.saturating_sub(size_of(store, &image));
    Ok(())
}

/// Bytes of the layers of an image that are in the store.
fn size_of(store: &Store, image: &Image) -> u64 {
    let mut bytes = 0;
    for layer in &image.layers().unwrap_or_default() {
        bytes += layers::size(store, layer).unwrap_or(0); // of one that is gone
    }
    bytes
}

fn is_used(store: &Store, id: &str) -> Result<bool> {
    let (all, errors) = containers::specs(store)?;
    if let Some(error) = errors.into_iter().next() {
        return Err(Error::new(format_args!("cannot tell whether image {} is in use: {error}", human::short(id))));
    }
    Ok(all.iter().any(|spec| spec.image_id == id))
}
