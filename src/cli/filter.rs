//! `--filter KEY=VALUE` of lists: containers, images, volumes.

use super::args::boolean;
use super::human::escaped;
use super::pattern::{self, Pattern};
use alloc::borrow::ToOwned;
use alloc::string::String;
use mydocker::error::{Error, Result};
use mydocker::spec::text;

/// One filter.
pub struct Filter {
    /// One of the known keys.
    pub key: &'static str,
    /// As typed.
    pub value: String,
    /// Of `name`, `id` and `reference`.
    pattern: Option<Pattern>,
    /// Of `dangling`.
    pub wanted: bool,
}

/// Reads a filter whose key is one of the words in `keys`.
pub fn parse(typed: &str, keys: &'static str) -> Result<Filter> {
    let shown = escaped(typed);
    let Some((key, value)) = typed.split_once('=') else {
        return Err(Error::new(format_args!("bad format of filter '{shown}' (expected name=value)")));
    };
    let Some(key) = keys.split(' ').find(|known| *known == key) else {
        let known = text::replace(keys, " ", ", ");
        return Err(Error::new(format_args!("Invalid filter '{}': known are {known}", escaped(key))));
    };
    let bad = |why: &str| Error::new(format_args!("Invalid filter '{shown}': {why}"));
    let (mut pattern, mut wanted) = (None, false);
    match key {
        "name" | "id" => pattern = Some(pattern::regex(value)),
        "reference" => pattern = Some(pattern::glob(value)),
        "dangling" => wanted = boolean(value).ok_or_else(|| bad("true or false"))?,
        _ => {}
    }
    let pattern = pattern.transpose().map_err(|error| bad(&error.what))?;
    Ok(Filter { key, value: value.to_owned(), pattern, wanted })
}

/// Whether something fits the filters of these keys, one after the other: of one key any value, of different keys all; but
/// all labels.
pub fn all_fit(keys: &[&str], fits: &dyn Fn(usize) -> bool) -> bool {
    for (at, key) in keys.iter().enumerate() {
        let mut is_fit = fits(at);
        for (other, of) in keys.iter().enumerate() {
            is_fit |= of == key && *key != "label" && fits(other);
        }
        if !is_fit {
            return false;
        }
    }
    true
}

impl Filter {
    /// Whether the pattern is in the text.
    pub fn matches(&self, text: &str) -> bool {
        self.pattern.as_ref().is_some_and(|pattern| pattern.fits(text))
    }
}
