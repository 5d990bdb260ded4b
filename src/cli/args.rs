//! The arguments of a verb: a table of flags, and docker's (pflag's) rules for reading them.

use super::help;
use super::human::visible;
use super::nearest::did_you_mean;
use super::read::{bad, nth, wrong, wrongs};
use alloc::borrow::ToOwned;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::str::Split;
use lexopt::Arg;
use mydocker::error::{Error, Result};
use std::ffi::OsString;

/// So many flags a verb with many has.
const FLAGS_USUAL: usize = 80;
/// The value of a flag that takes all arguments after it, whatever they look like.
pub const REST: &str = "RUN-ARG...";
/// Most words of a verb that takes any number of them.
pub const MANY: u8 = u8::MAX;

/// One flag of a verb: a line of [`super::help`].
#[derive(Clone, Copy)]
pub struct Flag {
    /// All spellings with their dashes, and blanks between them.
    pub names: &'static str,
    /// The rest of the line.
    rest: &'static str,
}

/// One verb of the command line.
pub struct Verb {
    /// Its spellings with commas between them; [`super::help`] has the rest of it under the first one.
    pub names: &'static str,
    /// Fewest and most words ([`MANY`] for no limit).
    pub words: (u8, u8),
    /// Whether flags stop at the first word (run, create, exec).
    pub stops: bool,
    /// What the verb does; the result is the exit code.
    pub run: fn(&Parsed) -> Result<u8>,
}

/// What was typed, sorted into flags and words.
pub struct Parsed {
    /// The verb's name.
    pub verb: &'static str,
    /// The words in order.
    pub words: Vec<String>,
    /// Key and value in order as typed; a switch is "true" or "false".
    pub flags: Vec<(&'static str, String)>,
    known: Vec<Flag>,
}

impl Parsed {
    /// Whether the switch is on; the last one wins.
    pub fn on(&self, key: &str) -> bool {
        self.last(key) == Some("true")
    }

    /// The value typed last.
    pub fn last(&self, key: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
    }

    /// All values in order.
    pub fn all(&self, key: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for (name, value) in &self.flags {
            if *name == key {
                values.push(value.as_str());
            }
        }
        values
    }

    /// The word at this place; the table of verbs says how many there are.
    pub fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    /// Whether the flag was typed at all.
    pub fn given(&self, key: &str) -> bool {
        self.last(key).is_some()
    }

    /// The last value as `read` understands it; its error becomes docker's `invalid argument "x" for "--flag" flag: …`.
    #[inline(never)]
    pub fn read<T>(&self, key: &str, read: fn(&str) -> Result<T>) -> Result<Option<T>> {
        let mut found = None;
        let Some(value) = self.last(key) else { return Ok(None) };
        self.show(key, value, &mut |value| read(value).map(|value| found = Some(value)))?;
        Ok(found)
    }

    /// Adds every value as `read` understands it, in order; errors as from [`Parsed::read`].
    #[inline(never)]
    pub fn list<T>(&self, key: &str, read: fn(&str) -> Result<T>, all: &mut Vec<T>) -> Result<()> {
        self.each(key, &mut |value| read(value).map(|value| all.push(value)))
    }

    /// Shows every value to `read`, in order; errors as from [`Parsed::read`].
    pub fn each(&self, key: &str, read: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        for value in self.all(key) {
            self.show(key, value, read)?;
        }
        Ok(())
    }

    fn show(&self, key: &str, value: &str, read: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        read(value).map_err(|why| self.invalid(key, value, &why))
    }

    /// The flag with this spelling, dashes and all.
    fn find(&self, name: &str) -> Option<Flag> {
        // The last spelling alone begins with two dashes and ends with the name; the letter is the first one.
        let is_long = name.starts_with("--");
        let is_letter = |names: &str| names.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '));
        let mostly = |names: &str| if is_long { names.ends_with(name) } else { is_letter(names) };
        let found = self.known.iter().find(|flag| mostly(flag.names));
        found.or_else(|| self.known.iter().find(|flag| flag.names.split(' ').any(|known| known == name))).copied()
    }

    /// docker's sentence about a value that a flag does not take.
    pub fn invalid(&self, key: &str, value: &str, why: &Error) -> Error {
        let spelled = ["--", key].concat();
        let spelled = self.find(&spelled).map_or(spelled, Flag::spelled);
        wrongs("invalid argument \"{}\" for \"{}\" flag: {}", &[value, &spelled, &why.to_string()])
    }
}

/// What to do with the arguments.
pub enum Outcome {
    /// The verb has its arguments.
    Run(Parsed),
    /// The person asked for the help of the verb.
    Help,
}

impl Flag {
    /// Takes a line of the table apart. Each start of a verb does so with all of its flags: no more than is needed.
    pub fn read(line: &'static str) -> Flag {
        let is_end = |two: &[u8]| two[0] == b' ' && two[1] != b'-';
        let (names, rest) = line.split_at(line.as_bytes().windows(2).position(is_end).unwrap_or(line.len()));
        Flag { names, rest }
    }

    /// The name by which the code asks for it: the last one.
    pub fn key(self) -> &'static str {
        let last = self.names.rsplit(' ').next().unwrap_or_default();
        last.strip_prefix("--").unwrap_or_default()
    }

    /// "" for a switch, else what the help calls the value ("NAME", "list").
    pub fn value(self) -> &'static str {
        self.rest.split(' ').nth(1).unwrap_or_default()
    }

    /// One sentence; "" keeps the flag out of the help.
    pub fn help(self) -> &'static str {
        let value = self.value().len();
        self.rest.get(value + if value == 0 { 2 } else { 3 }..).unwrap_or_default()
    }

    /// Its letter, as in `-d`.
    pub fn letter(self) -> Option<&'static str> {
        self.names.split(' ').filter_map(|name| name.strip_prefix('-')).find(|name| name.len() == 1)
    }

    /// Its names that are typed after two dashes.
    pub fn long(self) -> impl DoubleEndedIterator<Item = &'static str> {
        self.names.split(' ').filter_map(|name| name.strip_prefix("--"))
    }

    /// `-d, --detach` or `--name`, as pflag writes it.
    pub fn spelled(self) -> String {
        match self.letter() {
            Some(letter) => ["-", letter, ", --", self.key()].concat(),
            None => ["--", self.key()].concat(),
        }
    }
}

impl Verb {
    /// All spellings; may be two words (`container ls`).
    pub fn names(&self) -> Split<'static, char> {
        self.names.split(',')
    }

    /// As it is called.
    pub fn name(&self) -> &'static str {
        self.names().next().unwrap_or_default()
    }

    /// Its flags, as much of them as parsing needs.
    pub fn known(&self) -> Vec<Flag> {
        let mut known = Vec::with_capacity(FLAGS_USUAL);
        help::add_flags(help::FLAGS, self.name(), &mut known);
        known
    }
}

/// Arguments as text, which all of them have to be.
pub fn texts(args: Vec<CString>) -> Result<Vec<String>> {
    let mut texts = Vec::with_capacity(args.len());
    for arg in args {
        texts.push(arg.into_string().map_err(|error| {
            let mut shown = String::new();
            for byte in error.into_cstring().as_bytes() {
                shown.extend(byte.escape_ascii().map(char::from));
            }
            bad(["argument \"", &shown, "\" is not UTF-8"].concat())
        })?);
    }
    Ok(texts)
}

/// Reads the arguments after the verb. Errors are one line each, with the exit code docker gives them.
pub fn parse(verb: &'static Verb, args: Vec<String>) -> Result<Outcome> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut parsed = Parsed { verb: verb.name(), words: Vec::new(), flags: Vec::new(), known: verb.known() };
    let mut typed = String::new(); // the whole argument that the parser is in
    loop {
        if let Some(mut rest) = parser.try_raw_args() {
            let Some(next) = rest.peek() else { break };
            typed = next.to_string_lossy().into_owned();
            if typed == "--" {
                rest.next();
                parsed.words.append(&mut rest_of(&mut parser));
                break;
            }
            if let Some((flag, value)) = old_spelling(&parsed, &typed) {
                rest.next();
                let value = value.or_else(|| if flag.value().is_empty() { None } else { rest.next().map(text) });
                accept(&mut parsed, flag, value, &|| visible(&typed))?;
                continue;
            }
        }
        let (found, letter) = match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Value(word))) => {
                parsed.words.push(text(word));
                if verb.stops {
                    parsed.words.append(&mut rest_of(&mut parser));
                    break;
                }
                continue;
            }
            Ok(Some(Arg::Long(name))) => (long(&parsed, &["--", name].concat())?, None),
            Ok(Some(Arg::Short(letter))) => (short(&parsed, letter, &typed)?, Some(letter)),
            // Only a switch leaves the value after its `=` unread.
            Err(lexopt::Error::UnexpectedValue { value, .. }) => {
                let flag = parsed.flags.pop().and_then(|(key, _)| parsed.find(&["--", key].concat()));
                let Some(flag) = flag else { return Err(odd(&typed)) };
                accept(&mut parsed, flag, Some(text(value)), &|| visible(&typed))?;
                continue;
            }
            Err(_) => return Err(odd(&typed)),
        };
        let Some(flag) = found else { return Ok(Outcome::Help) };
        if flag.value() == REST {
            for word in rest_of(&mut parser) {
                parsed.flags.push((flag.key(), word));
            }
            if parsed.given(flag.key()) {
                break;
            }
            return Err(no_value(&visible(&typed)));
        }
        let value = if flag.value().is_empty() { None } else { parser.value().ok().map(text) };
        let shown = || letter.map_or_else(|| visible(&typed), |letter| format!("'{letter}' in {typed}"));
        accept(&mut parsed, flag, value, &shown)?;
    }
    count(verb, parsed.words.len())?;
    Ok(Outcome::Run(parsed))
}

/// What cannot be split at all.
fn odd(typed: &str) -> Error {
    wrong("bad flag syntax: {}", typed)
}

fn no_value(shown: &str) -> Error {
    bad(["flag needs an argument: ", shown].concat())
}

/// All arguments have been UTF-8 since the first line of `parse`.
fn text(arg: OsString) -> String {
    arg.into_string().unwrap_or_default()
}

/// What comes behind the argument that the parser is in.
fn rest_of(parser: &mut lexopt::Parser) -> Vec<String> {
    parser.try_raw_args().into_iter().flatten().map(text).collect()
}

/// `-name` or `-name=bird`, a long flag with one dash.
fn old_spelling(parsed: &Parsed, typed: &str) -> Option<(Flag, Option<String>)> {
    let (name, value) = typed.split_once('=').map_or((typed, None), |(name, value)| (name, Some(value.to_owned())));
    if name.len() < 3 || name.starts_with("--") {
        return None;
    }
    parsed.find(name).map(|flag| (flag, value))
}

/// The flag of `--name`; `None` for `--help`.
fn long(parsed: &Parsed, name: &str) -> Result<Option<Flag>> {
    match parsed.find(name) {
        None if name == "--help" => Ok(None),
        None => Err(unknown(parsed, "unknown flag: ", name, name)),
        found => Ok(found),
    }
}

/// The flag of `-x`; `None` for `-h` where that is the help.
fn short(parsed: &Parsed, letter: char, typed: &str) -> Result<Option<Flag>> {
    match parsed.find(&format!("-{letter}")) {
        None if letter == 'h' => Ok(None),
        None => {
            let what = ["unknown shorthand flag: '", &visible(&String::from(letter)), "' in "].concat();
            Err(unknown(parsed, &what, typed, typed.split('=').next().unwrap_or_default()))
        }
        found => Ok(found),
    }
}

fn unknown(parsed: &Parsed, what: &str, shown: &str, name: &str) -> Error {
    let mut names = Vec::new();
    for flag in &parsed.known {
        names.extend(flag.long());
    }
    let near = did_you_mean(name.trim_start_matches('-'), &names, ["--", ""]);
    let end = if near.is_empty() { ";" } else { &near };
    wrongs("{}{}{} see 'mydocker help {}'", &[what, shown, end, parsed.verb])
}

/// A truth value in one of the spellings that Go takes.
pub fn boolean(text: &str) -> Option<bool> {
    nth("0 f F false FALSE False 1 t T true TRUE True", text).map(|at| at >= 6)
}

/// Notes a flag with its value; `shown` is how it was typed.
fn accept(parsed: &mut Parsed, flag: Flag, value: Option<String>, shown: &dyn Fn() -> String) -> Result<()> {
    let value = match value {
        Some(value) if flag.value().is_empty() => match boolean(&value) {
            Some(is_on) => is_on.to_string(),
            None => {
                let why = wrong("strconv.ParseBool: parsing \"{}\": invalid syntax", &value);
                return Err(parsed.invalid(flag.key(), &value, &why));
            }
        },
        Some(value) => value,
        None if flag.value().is_empty() => "true".to_owned(),
        None => return Err(no_value(&shown())),
    };
    parsed.flags.push((flag.key(), value));
    Ok(())
}

/// Whether there are as many words as the verb takes.
fn count(verb: &Verb, words: usize) -> Result<()> {
    let (min, max) = verb.words;
    if words >= usize::from(min) && (max == MANY || words <= usize::from(max)) {
        return Ok(());
    }
    let both = format!("requires at least {min} and at most");
    let (wants, number) = match (min, max) {
        (_, 0) => ("accepts", 0),
        (min, max) if min == max => ("requires", min),
        (min, MANY) => ("requires at least", min),
        (0, max) => ("requires at most", max),
        (_, max) => (both.as_str(), max),
    };
    let shown = if number == 0 { "no".to_owned() } else { number.to_string() };
    let plural = if number == 1 { "" } else { "s" };
    let what = "'mydocker {}' {} {} argument{}; usage: mydocker {}";
    Err(wrongs(what, &[verb.name(), wants, &shown, plural, &help::spelled(verb)]).exit(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    static RUN: Verb = Verb { names: "run,container run", words: (1, MANY), stops: true, run: |_| Ok(0) };
    static PS: Verb = Verb { names: "ps", words: (0, 1), stops: false, ..RUN };

    fn words(line: &str) -> Vec<String> {
        line.split(' ').filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect()
    }

    fn typed(verb: &'static Verb, line: &str) -> String {
        match parse(verb, words(line)) {
            Ok(Outcome::Help) => "help".to_owned(),
            Ok(Outcome::Run(parsed)) => {
                let flags: Vec<String> = parsed.flags.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("{} | {}", flags.join(" "), parsed.words.join(" "))
            }
            Err(error) => format!("{} {error}", error.code.unwrap_or_default()),
        }
    }

    #[test]
    fn spellings() {
        for (line, want) in [
            ("-it img sh -c x", "interactive=true tty=true | img sh -c x"),
            ("-ti img", "tty=true interactive=true | img"),
            ("-dit --rm img --rm", "detach=true interactive=true tty=true rm=true | img --rm"),
            ("-p8080:80 -p=1:2 -p 3:4 img", "publish=8080:80 publish=1:2 publish=3:4 | img"),
            ("-itp 1:2 img", "interactive=true tty=true publish=1:2 | img"),
            ("-d=false -d --detach=0 --tty=T img", "detach=false detach=true detach=false tty=true | img"),
            ("--name=a --name b img", "name=a name=b | img"),
            ("-name bird -name=crow img -name x", "name=bird name=crow | img -name x"),
            ("-mem 100m -m 1g -net none --net host img", "memory=100m memory=1g network=none network=host | img"),
            ("-d -- -it", "detach=true | -it"),
            ("- x", " | - x"),
            ("-d --help", "help"),
            ("-m -1 img", "memory=-1 | img"),
        ] {
            assert_eq!(typed(&RUN, line), want, "{line}");
        }
        assert_eq!(typed(&PS, "x -n5"), "last=5 | x");
        assert_eq!(typed(&PS, "-n=5 -- -n"), "last=5 | -n");
        assert_eq!(typed(&PS, "-h"), "help");
    }

    #[test]
    fn refusals() {
        for (line, want) in [
            ("--nosuchflag img", "125 unknown flag: --nosuchflag; see 'mydocker help run'"),
            ("--detahc img", "125 unknown flag: --detahc; did you mean --detach? see 'mydocker help run'"),
            ("-itz img", "125 unknown shorthand flag: 'z' in -itz; see 'mydocker help run'"),
            ("-rm img", "125 unknown shorthand flag: 'r' in -rm; did you mean --rm? see 'mydocker help run'"),
            ("--name", "125 flag needs an argument: --name"),
            ("-dp", "125 flag needs an argument: 'p' in -dp"),
            ("-name", "125 flag needs an argument: -name"),
            (
                "--detach=x img",
                "125 invalid argument \"x\" for \"-d, --detach\" flag: strconv.ParseBool: parsing \"x\": invalid syntax",
            ),
            (
                "-d",
                "1 'mydocker run' requires at least 1 argument; \
                 usage: mydocker run [OPTIONS] IMAGE [COMMAND] [ARG...]",
            ),
        ] {
            assert_eq!(typed(&RUN, line), want, "{line}");
        }
        assert!(typed(&PS, "a b").starts_with("1 'mydocker ps' requires at most 1 argument; "));
        let error = texts(alloc::vec![c"a\xff".into()]).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("argument \"a\\xff\" is not UTF-8"));
    }

    #[test]
    fn reading_values() {
        let Ok(Outcome::Run(parsed)) = parse(&RUN, words("-d -d=false -m 5x -p a -p b img")) else { panic!() };
        assert!(!parsed.on("detach") && parsed.given("detach") && !parsed.given("tty"));
        assert_eq!(parsed.all("publish"), ["a", "b"]);
        let error = parsed.read("memory", super::super::read::bytes).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("invalid argument \"5x\" for \"-m, --memory\" flag: invalid suffix: 'x'"));
    }
}
