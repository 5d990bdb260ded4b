//! `diff`.

use super::args::Parsed;
use super::{OK, human, open_store, print};
use alloc::string::String;
use mydocker::error::Result;
use mydocker::life::diff::{self, Change};
use mydocker::spec::text;
use mydocker::store::containers;

/// `diff CONTAINER`
pub fn diff(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let container = containers::find(&store, parsed.word(0))?;
    let mut text = String::new();
    for Change { path, kind } in diff::diff(&store, &container)? {
        let path = text::replace(&String::from_utf8_lossy(&path), "\0", "/");
        text.extend([char::from(kind), ' ']);
        text.push_str(&human::visible(&path));
        text.push('\n');
    }
    print(&text)?;
    Ok(OK)
}
