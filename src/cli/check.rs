//! `check`: whether this host has what containers need.

use super::args::Parsed;
use super::shape::put_text;
use super::{OK, human, note, places, print, print_list};
use alloc::string::String;
use alloc::vec::Vec;
use mydocker::error::Result;
use mydocker::life::needs::{self, Found};
use mydocker::spec::json::{Object, Value};

/// Columns of a status and of a name.
const STATUS_COLUMNS: usize = 6;
const NAME_COLUMNS: usize = 14;

/// `ok    bridge        works`
fn line(found: &Found<'_>) -> String {
    let mut line = String::new();
    for (word, columns) in [(found.status, STATUS_COLUMNS), (found.name, STATUS_COLUMNS + NAME_COLUMNS)] {
        line.push_str(word);
        while line.len() < columns {
            line.push(' ');
        }
    }
    line.push_str(found.text);
    if !found.without.is_empty() {
        line.extend(["; without it: ", found.without]);
    }
    human::visible(&line) + "\n"
}

/// `check`
pub fn check(parsed: &Parsed) -> Result<u8> {
    let (root, run) = places();
    let (mut rows, is_formatted) = (Vec::new(), parsed.given("format"));
    let can_start = needs::look(root, run, &mut |found| {
        if !is_formatted {
            return print(&line(found)); // at once: something may take its time
        }
        let mut o = Object::new();
        let fields = [("Status", found.status), ("Name", found.name), ("Text", found.text), ("Without", found.without)];
        for (key, value) in fields {
            put_text(&mut o, key, value);
        }
        rows.push(Value::Object(o));
        Ok(())
    })?;
    if is_formatted {
        print_list(parsed, "", "", "", &rows)?;
    }
    if can_start {
        return Ok(OK);
    }
    note("'run' without flags does not work here: see the lines that begin with \"no\"");
    Ok(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_three_columns() {
        let mut found = Found { status: "ok", name: "bridge", text: "works", without: "" };
        assert_eq!(line(&found), "ok    bridge        works\n");
        (found.status, found.text, found.without) = ("warn", "no\u{1b}", "networks");
        assert_eq!(line(&found), "warn  bridge        no\\u{1b}; without it: networks\n");
    }
}
