//! `bundle`, and what a file is that was written with an entry.

use super::args::{self, Outcome, Parsed};
use super::{OK, open_store, print, shape, verbs};
use miniserde::json::{self, Value};
use mydocker::error::{EXIT_ENGINE, Error, Result};
use mydocker::store::bundle::{self, Entry};
use mydocker::store::images::{self, Found};
use mydocker::store::reference::Reference;
use std::ffi::OsString;
use std::sync::OnceLock;

/// `off` in it makes a file with an entry mydocker again.
const SWITCH: &str = "MYDOCKER_BUNDLE";

static ENTRY_IMAGE: OnceLock<String> = OnceLock::new();

/// What stands before our arguments if this program's own file has an entry.
pub fn entry() -> Result<Option<Vec<OsString>>> {
    if std::env::var_os(SWITCH).is_some_and(|value| value == "off") {
        return Ok(None);
    }
    let Some(index) = bundle::own_entry().map_err(|e| e.exit(EXIT_ENGINE))? else { return Ok(None) };
    let _ = ENTRY_IMAGE.set(index.entry_image); // called once, by main
    Ok(Some(std::iter::once("run".to_owned()).chain(index.entry).map(OsString::from).collect()))
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
    let args: Vec<String> = parsed.all("entry").into_iter().map(str::to_owned).collect();
    let asked = entry_word(&args)?;
    let store = open_store()?;
    store.lock_images(false)?;
    let mut wanted: Vec<(Option<Reference>, String)> = Vec::new();
    for word in &parsed.words {
        wanted.push(match images::find(&store, word)?.ok_or_else(|| images::missing(word))? {
            Found::Reference(reference, id) => (Some(reference), id),
            Found::Id(id) => (None, id),
        });
    }
    if parsed.on("add") {
        let own = bundle::own()?.ok_or_else(|| Error::new("nothing to add: this program's own file has no images"))?;
        for image in own.index.images {
            images::find(&store, &image.id)?; // puts it into the store
            wanted.push((image.name(), image.id));
        }
    }
    let entry = match asked {
        None => None,
        Some(word) => {
            let id = images::find(&store, &word)?.map(|found| found.id().to_owned()).unwrap_or_default();
            if !wanted.iter().any(|(_, known)| *known == id) {
                let why = "the first word after the options of --entry must be one of the images";
                return Err(bad(&format!("{} is not in the bundle: {why}", word.escape_debug())));
            }
            Some(Entry { image: id, args })
        }
    };
    bundle::write(&store, &wanted, entry.as_ref(), path)?;
    Ok(OK)
}

/// The image that the entry names, `None` without an entry. What is wrong with its flags is found here and not later.
fn entry_word(args: &[String]) -> Result<Option<String>> {
    let Some((run, _)) = verbs::find(&["run"]).filter(|_| !args.is_empty()) else { return Ok(None) };
    let Outcome::Run(parsed) = args::parse(run, args.iter().map(OsString::from).collect())? else {
        return Err(bad("--help cannot be an entry: see 'mydocker help run'"));
    };
    if parsed.given("image") || parsed.given("rootfs") {
        return Err(bad("an entry names its image as the first word after its options, not by --image or --rootfs"));
    }
    match parsed.words.first() {
        Some(word) => Ok(Some(word.clone())),
        None => Err(bad("--entry needs an image, as 'run' does: --entry [RUN OPTIONS] IMAGE [COMMAND] [ARG...]")),
    }
}

/// `bundle --inspect FILE…`: checks everything, and tells what the index says.
fn inspect(paths: &[String]) -> Result<u8> {
    let mut all = Vec::new();
    for path in paths {
        let bundle = bundle::open(path)?.ok_or_else(|| Error::new(format!("{path} is not a bundle")))?;
        bundle.verify()?;
        let mut value: Value = json::from_str(&json::to_string(&bundle.index)).unwrap_or(Value::Null);
        if let Value::Object(index) = &mut value
            && let Some(Value::Array(images)) = index.get_mut("images")
        {
            for image in images.iter_mut() {
                if let Value::Object(image) = image
                    && let Some(Value::String(config)) = image.get("config")
                {
                    let config = json::from_str(config).unwrap_or(Value::Null);
                    image.insert("config".to_owned(), config);
                }
            }
        }
        all.push(value);
    }
    let mut text = String::new();
    shape::write(&mut text, &Value::Array(all.into_iter().collect()), Some(0));
    text.push('\n');
    print(&text)?;
    Ok(OK)
}
