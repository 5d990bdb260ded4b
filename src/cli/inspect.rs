//! `inspect`.

mod container;
mod image;
mod settings;

use alloc::string::String;
use alloc::vec::Vec;
pub use container::{moment, record};
pub use mydocker::life::health::word as verdict;

use super::args::Parsed;
use super::template::Template;
use super::{OK, complain, human, network, open_store, print, read, shape};
use mydocker::error::{Error, Result};
use mydocker::life;
use mydocker::spec::json::{Array, Value};
use mydocker::store::{Store, containers, images, volumes};

/// What may be inspected, in the order in which a name is looked for.
const KINDS: &str = "container image network volume";

/// `inspect [OPTIONS] NAME…`, and the same for one kind of things (`container inspect`).
pub fn inspect(parsed: &Parsed) -> Result<u8> {
    let kind = parsed.verb.strip_suffix(" inspect").or(parsed.last("type")).unwrap_or("");
    if !kind.is_empty() && !shape::is_in(KINDS, kind) {
        return Err(Error::new(format_args!("\"{}\" is not a valid value for --type", human::escaped(kind))).exit(1));
    }
    let template = match parsed.last("format").unwrap_or_default() {
        "" | "json" => None,
        text => Some(Template::parse(text)?),
    };
    let store = open_store()?;
    let (mut found, mut lines) = (Array::new(), String::new());
    let mut errors: Vec<Error> = Vec::new();
    for word in &parsed.words {
        match (look(&store, kind, word, parsed.on("size")), &template) {
            (Err(error), _) => errors.push(error),
            (Ok(value), None) => found.push(value),
            (Ok(value), Some(template)) => match template.render(&value) {
                Ok(text) => lines.extend([text.as_str(), "\n"]),
                Err(error) => errors.push(error),
            },
        }
    }
    if template.is_none() {
        let level = (parsed.last("format") != Some("json")).then_some(0);
        shape::write(&mut lines, &Value::Array(found), level);
    }
    if template.is_none() || lines.is_empty() {
        lines.push('\n'); // docker ends an answer that is empty, too
    }
    print(&lines)?;
    let mut code = OK;
    for error in &errors {
        complain(error, &mut code);
    }
    Ok(code)
}

/// The object that a word stands for.
fn look(store: &Store, kind: &str, word: &str, with_size: bool) -> Result<Value> {
    let may_be = |candidate: &str| kind.is_empty() || kind == candidate;
    if may_be("container") {
        match containers::find(store, word) {
            Ok(container) => {
                if let Some(value) = container::value(store, &container, with_size)? {
                    return Ok(value);
                }
            }
            Err(error) if !containers::is_missing(&error) => return Err(error),
            Err(_) => {}
        }
    }
    if may_be("image") {
        match images::find(store, word) {
            Ok(Some(found)) => return image::value(store, found.id()),
            Err(error) if error.what.starts_with("multiple") => return Err(error),
            Ok(None) | Err(_) => {} // a word that cannot be the name of an image is none
        }
    }
    if may_be("network") {
        match life::network::find(store, word) {
            Ok(found) => return network::value(store, &found),
            Err(error) if kind == "network" => return Err(error),
            Err(_) => {} // it may be a volume
        }
    }
    if may_be("volume")
        && read::volume_name(word).is_ok()
        && let Some(known) = volumes::get(store, word)?
    {
        return Ok(image::volume(store, word, &known));
    }
    Err(match kind {
        "container" => containers::missing(word),
        "image" => images::missing(word),
        "volume" => Error::new(format_args!("get {0}: no such volume", human::escaped(word))),
        _ => Error::new(format_args!("Error: No such object: {}", human::escaped(word))),
    })
}
