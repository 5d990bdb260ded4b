//! `bundle`, and what a file is that was written with an entry.

use super::args::{self, Outcome, Parsed};
use super::{OK, open_store, print, shape, verbs};
use alloc::borrow::ToOwned;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use mydocker::error::{EXIT_ENGINE, Error, Result};
use mydocker::kernel::once::Once;
use mydocker::kernel::start;
use mydocker::spec::json::{Array, Value};
use mydocker::store::bundle;
use mydocker::store::images::{self, Found};

/// `off` in it makes a file with an entry mydocker again.
const SWITCH: &str = "MYDOCKER_BUNDLE";

static ENTRY_IMAGE: Once<String> = Once::new();

/// What stands before our arguments if this program's own file has an entry.
pub fn entry() -> Result<Option<Vec<CString>>> {
    if start::variable(SWITCH).is_some_and(|value| value == "off") {
        return Ok(None);
    }
    if !bundle::has_entry() {
        return Ok(None);
    }
    let Some(own) = bundle::own().map_err(|e| e.exit(EXIT_ENGINE))? else { return Ok(None) };
    ENTRY_IMAGE.set(bundle::text(&own.index, "entry_image").to_owned()); // called once, by main
    let mut words = vec![CString::from(c"run")];
    for word in bundle::list(&own.index, "entry") {
        if let Value::String(word) = word {
            words.push(CString::new(word.as_str()).unwrap_or_default()); // none has a NUL
        }
    }
    Ok(Some(words))
}

/// The id of the image that the entry runs, if we are one.
pub fn entry_image() -> Option<&'static str> {
    ENTRY_IMAGE.get().map(String::as_str)
}

fn bad(what: &str) -> Error {
    Error::new(what).exit(EXIT_ENGINE)
}

/// `bundle IMAGE… -o FILE [--entry …]`
pub fn bundle(parsed: &Parsed) -> Result<u8> {
    if parsed.on("inspect") {
        return inspect(&parsed.words);
    }
    let path = parsed.last("output").ok_or_else(|| bad("say where to write it: -o FILE"))?;
    let entry = parsed.all("entry");
    let entry_image = entry_image_of(&entry)?;
    let store = open_store()?;
    store.lock_images(false)?;
    let mut wanted: Vec<(String, String)> = Vec::new();
    let mut add = |name: String, id: String| {
        if !wanted.iter().any(|known| known.0 == name && known.1 == id) {
            wanted.push((name, id));
        }
    };
    for word in &parsed.words {
        match images::find(&store, word)?.ok_or_else(|| images::missing(word))? {
            Found::Reference(reference, id) => add(reference.text(), id),
            Found::Id(id) => add(String::new(), id),
        }
    }
    if parsed.on("add") {
        let own = bundle::own()?.ok_or_else(|| Error::new("nothing to add: this program's own file has no images"))?;
        for image in bundle::list(&own.index, "images") {
            let id = bundle::text(image, "id");
            let id = images::expect(&store, id)?; // puts it into the store
            add(bundle::text(image, "reference").to_owned(), id);
        }
    }
    if let Some(word) = entry_image {
        let id = images::expect(&store, &word)?;
        let at = wanted.iter().position(|(_, known)| *known == id);
        wanted.swap(0, at.ok_or_else(|| bad("--entry names an image that is not one of the bundle's"))?);
    }
    bundle::write(&store, &wanted, &entry, path)?;
    Ok(OK)
}

/// The image that the entry names, `None` without an entry. What is wrong with its flags is found here and not later.
fn entry_image_of(args: &[&str]) -> Result<Option<String>> {
    let Some((run, _)) = verbs::find(&["run"]).filter(|_| !args.is_empty()) else { return Ok(None) };
    let words = args.iter().copied().map(ToOwned::to_owned).collect();
    let Outcome::Run(parsed) = args::parse(run, words)? else {
        return Err(bad("--help cannot be an entry: see 'mydocker help run'"));
    };
    if parsed.given("image") || parsed.given("rootfs") {
        return Err(bad("an entry names its image as the first word after its options, not by --image or --rootfs"));
    }
    match parsed.words.first() {
        Some(word) => Ok(Some(word.clone())),
        None => Err(bad("--entry needs an image, as 'run' does")),
    }
}

/// `bundle --inspect FILE…`: checks everything, and tells what the index says.
fn inspect(paths: &[String]) -> Result<u8> {
    let mut all = Array::new();
    for path in paths {
        let bundle = bundle::open(path)?.ok_or_else(|| Error::new(format_args!("{path} is not a bundle")))?;
        bundle.verify()?;
        all.push(bundle.index);
    }
    let mut text = String::new();
    shape::write(&mut text, &Value::Array(all), Some(0));
    text.push('\n');
    print(&text)?;
    Ok(OK)
}
