//! What is known of a verb besides what it does: its flags, and what help says.
//!
//! It is one text, `help/verbs.txt`, with a section for each verb: `# NAME`, what is typed after that, what it does, a line for
//! each of its flags in the order in which help shows them, and notes. `+ NAME` stands for the flags of another verb. A
//! flag is a line: as it is typed (`-cpushare`, with one dash, is docker's old spelling of a long one), what help calls
//! its value (nothing for a switch), two spaces, and what help says (nothing keeps it out of the help).
//!
//! `build/help.rs` packs it with the other files of `help/` (28 KB become 9), each a section with the name of the file.

use super::args::{Flag, Verb};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use mydocker::kernel::once::Once;
use mydocker::store::gzip;

/// Columns of a help text.
const HELP_COLUMNS: usize = 80;
/// The headings, and the flags without what help says: enough to parse, and needed at every start.
pub const FLAGS: &str = include_str!(concat!(env!("OUT_DIR"), "/flags"));
static HELP: Once<String> = Once::new();

/// What the file says, unpacked.
fn help_text() -> &'static str {
    HELP.get_or_make(|| gzip::text(include_bytes!(concat!(env!("OUT_DIR"), "/help"))))
}

/// The section of a verb, behind its `#`.
fn section<'a>(text: &'a str, name: &str) -> &'a str {
    let is_its = |section: &&str| section.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with('\n'));
    text.split('#').find(is_its).unwrap_or_default()
}

/// One of the files in `help/`.
pub fn text(file: &str) -> &'static str {
    section(help_text(), file).split_once('\n').map_or("", |(_, text)| text)
}

/// Adds the flags of a verb in one of the two texts.
pub fn add_flags(text: &'static str, name: &str, flags: &mut Vec<Flag>) {
    for line in section(text, name).lines() {
        if line.starts_with('-') {
            flags.push(Flag::read(line));
        } else if let Some(other) = line.strip_prefix("+ ") {
            add_flags(text, other, flags);
        }
    }
}

impl Verb {
    fn line(&self, at: usize) -> &'static str {
        section(help_text(), self.name()).splitn(4, '\n').nth(at).unwrap_or_default()
    }

    /// What is typed after it.
    pub fn usage(&self) -> &'static str {
        self.line(1)
    }

    /// One line.
    pub fn about(&self) -> &'static str {
        self.line(2)
    }

    /// Examples and notes, "" for none.
    pub fn long(&self) -> &'static str {
        let mut rest = self.line(3);
        while let Some((_, after)) = rest.split_once('\n').filter(|_| rest.starts_with(['-', '+'])) {
            rest = after;
        }
        rest.trim_end()
    }

    /// The flags that help shows.
    pub fn shown(&self) -> Vec<Flag> {
        let mut flags = Vec::new();
        add_flags(help_text(), self.name(), &mut flags);
        flags.retain(|flag| !flag.help().is_empty());
        flags
    }
}

/// Its name and what is typed after it.
pub fn spelled(verb: &Verb) -> String {
    [verb.name(), " ", verb.usage()].concat()
}

/// The help text of a verb, as docker lays it out.
pub fn help(verb: &Verb) -> String {
    let mut text = ["Usage:  mydocker ", &spelled(verb), "\n\n", verb.about(), "\n"].concat();
    let mut before = "\nAliases:\n  mydocker ";
    if verb.names().nth(1).is_some() {
        for name in verb.names() {
            text.extend([before, name]);
            before = ", mydocker ";
        }
        text.push('\n');
    }
    let mut shown = Vec::new();
    let mut width = 0;
    for flag in verb.shown() {
        let indent = if flag.letter().is_some() { "  " } else { "      " };
        let mut typed = [indent, &flag.spelled(), " ", flag.value()].concat();
        typed.truncate(typed.trim_end().len());
        width = width.max(typed.chars().count());
        shown.push((typed, flag.help()));
    }
    if width > 0 {
        text.push_str("\nOptions:\n");
    }
    for (typed, help) in &shown {
        let _ = write!(text, "{typed:0$}", width + 3); // a String takes everything
        wrap(&mut text, help, width + 3);
    }
    if !verb.long().is_empty() {
        text.extend(["\n", verb.long(), "\n"]);
    }
    text
}

/// Appends the words in lines that begin at the column `indent`; the first line is already there.
fn wrap(text: &mut String, words: &str, indent: usize) {
    let mut column = indent;
    for word in words.split_whitespace() {
        let width = word.chars().count();
        if column > indent && column + 1 + width > HELP_COLUMNS {
            let _ = write!(text, "\n{:indent$}", ""); // a String takes everything
            column = indent;
        } else if column > indent {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::verbs::VERBS;

    #[test]
    fn every_verb_has_its_section() {
        // One more is of what stands before the verbs of `oci`.
        assert_eq!(FLAGS.matches('#').count(), VERBS.len() + 1);
        for verb in VERBS {
            assert!(!verb.usage().is_empty() && !verb.about().is_empty(), "{}", verb.name());
            let mut flags = Vec::new();
            add_flags(help_text(), verb.name(), &mut flags);
            assert_eq!(flags.len(), verb.known().len());
            for (flag, known) in flags.into_iter().zip(verb.known()) {
                assert!(flag.spelled() == known.spelled() && flag.value() == known.value(), "{}", flag.spelled());
                assert!(known.help().is_empty(), "{}", known.help());
                let names = flag.names.split(' ').all(|name| name.len() > 1 && name.starts_with('-'));
                assert!(names && flag.key().len() > 1, "{}: {}", verb.name(), flag.names);
                assert_eq!(flag.help().trim(), flag.help(), "{}: {}", verb.name(), flag.names);
                assert!(!flag.value().contains(' '), "{}: {}", verb.name(), flag.names);
            }
        }
    }

    #[test]
    fn help_of_a_verb() {
        let verb = |name: &str| VERBS.iter().find(|verb| verb.name() == name).unwrap();
        let text = help(verb("run"));
        assert!(
            text.starts_with("Usage:  mydocker run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nMake a container"),
            "{text}"
        );
        assert!(text.contains("\n\nAliases:\n  mydocker run, mydocker container run\n\nOptions:\n"), "{text}");
        assert!(text.contains("\n  -t, --tty                                   Give the command"), "{text}");
        assert!(text.contains("\n      --umask OCTAL                           Which"), "{text}");
        assert!(text.contains("\n\nIMAGE is a name") && !text.contains("--isolation"), "{text}");
        assert_eq!(
            help(verb("stop")).split_once("Options:").unwrap().1,
            help(verb("restart")).split_once("Options:").unwrap().1
        );
        assert!(help(verb("rename")).ends_with("mydocker container rename\n"));
    }
}
