//! Looking verbs up in the table, and what help says of all of them.

use super::VERBS;
use crate::cli::args::Verb;
use crate::cli::help;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use mydocker::spec::order;
use mydocker::spec::text;

/// The verb that the words begin with, and how many words name it (`container ls` are two).
pub fn find(words: &[&str]) -> Option<(&'static Verb, usize)> {
    let first = words.first()?;
    let two = words.get(1).map(|second| format!("{first} {second}"));
    let named = |name: &str| VERBS.iter().find(|verb| verb.names().any(|known| known == name));
    two.and_then(|two| Some((named(&two)?, 2))).or_else(|| Some((named(first)?, 1)))
}

/// The first words of verbs that have two: `container`, `image` …
pub fn groups() -> Vec<&'static str> {
    words(&|name| Some(name.split_once(' ')?.0))
}

/// The second words of a group's verbs, in alphabetical order.
pub fn of_group(group: &str) -> Vec<&'static str> {
    words(&|name| name.strip_prefix(group)?.strip_prefix(' '))
}

/// Words in alphabetical order, each once.
pub fn in_order(words: Vec<&'static str>) -> Vec<&'static str> {
    let mut words = order::sorted(words, &|a, b| a < b);
    words.dedup();
    words
}

/// What is taken of every spelling of every verb, in alphabetical order.
fn words(take: &dyn Fn(&'static str) -> Option<&'static str>) -> Vec<&'static str> {
    let mut words = Vec::new();
    for verb in VERBS {
        for name in verb.names() {
            words.extend(take(name));
        }
    }
    in_order(words)
}

/// What the name of a group alone says: its verbs.
pub fn group_help(group: &str) -> String {
    let mut text = format!("Usage:  mydocker {group} VERB [OPTIONS] …\n\nVerbs:\n");
    for name in of_group(group) {
        let about = find(&[group, name]).map_or("", |(verb, _)| verb.about());
        let _ = writeln!(text, "  {name:<10} {about}"); // a String takes everything
    }
    text
}

/// What `mydocker help` says.
pub fn overview() -> String {
    let mut verbs = String::new();
    for verb in VERBS.iter().filter(|verb| !verb.name().starts_with("oci ")) {
        let _ = writeln!(verbs, "  {:<19} {}", verb.name(), verb.about()); // a String takes everything
    }
    text::replace(help::text("overview.txt"), "@VERBS\n", &verbs)
}
