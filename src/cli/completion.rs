//! `completion`: what shells offer after Tab, and the manual page, both made from the verb table.

use super::args::{Flag, Parsed, Verb};
use super::verbs::{self, VERBS};
use super::{OK, help, human, print};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mydocker::error::{EXIT_ENGINE, Error, Result};
use mydocker::spec::text;

/// `completion bash|zsh|fish|man`
pub fn completion(parsed: &Parsed) -> Result<u8> {
    let text = match parsed.word(0) {
        "bash" => bash(),
        "zsh" => format!("#compdef mydocker\nautoload -U +X bashcompinit && bashcompinit\n{}", bash()),
        "fish" => fish(),
        "man" => man(),
        other => {
            let why = format!("invalid shell '{}': bash, zsh, fish or man", human::escaped(other));
            return Err(Error::new(why).exit(EXIT_ENGINE));
        }
    };
    print(&text)?;
    Ok(OK)
}

/// Appends some texts.
fn add(text: &mut String, parts: &[&str]) {
    for part in parts {
        text.push_str(part);
    }
}

/// What its words are: a kind of things that can be listed, or files.
fn things(verb: &Verb) -> &'static str {
    let kinds = "CONTAINER IMAGE VOLUME NETWORK FILE NAME";
    kinds.split(' ').find(|kind| text::has(verb.usage(), kind)).unwrap_or("FILE")
}

/// What a flag's value may be, after what help calls it. `NETWORK` is a kind of things.
const VALUES: &str = "\
POLICY no on-failure always unless-stopped
SIGNAL HUP INT QUIT KILL USR1 USR2 TERM CONT STOP
STREAM stdin stdout stderr
NETWORK NETWORK
DRIVER json-file local none
WHEN missing never";

/// What the flag's value may be; "" if that cannot be listed.
fn values(flag: Flag) -> &'static str {
    let of = flag.value();
    VALUES
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(name, _)| *name == of)
        .map_or("", |(_, values)| values)
}

/// A case of bash: what may follow the verb.
fn case(cases: &mut String, patterns: &str, flags: &str, things: &str) {
    add(cases, &["    ", patterns, ") flags=\"", flags, "\" things=", things, " ;;\n"]);
}

/// All spellings of a verb as patterns of bash, each with something behind it.
fn patterns(verb: &Verb, behind: &str) -> String {
    let mut patterns = String::new();
    for name in verb.names() {
        let before = if patterns.is_empty() { "\"" } else { " | \"" };
        add(&mut patterns, &[before, name, behind, "\""]);
    }
    patterns
}

fn bash() -> String {
    let (mut cases, mut values_of) = (String::new(), String::new());
    let mut first_words = Vec::new();
    for verb in VERBS {
        let mut all = String::new();
        for flag in verb.shown() {
            let long = [" --", flag.key()].concat();
            let words = values(flag);
            if !words.is_empty() {
                let (words, things) = if words == "NETWORK" { ("", words) } else { (words, "\"\"") };
                if let Some(letter) = flag.letter() {
                    case(&mut values_of, &patterns(verb, &[" -", letter].concat()), words, things);
                }
                case(&mut values_of, &patterns(verb, &long), words, things);
            }
            all.push_str(&long);
        }
        case(&mut cases, &patterns(verb, ""), all.trim_start(), things(verb));
        for name in verb.names() {
            first_words.extend(name.split(' ').next());
        }
    }
    let all = verbs::in_order(first_words).join(" ") + " help --root --run-root --debug --debug-timing";
    case(&mut cases, "\"\"", &all, "\"\"");
    for group in verbs::groups() {
        case(&mut cases, group, &verbs::of_group(group).join(" "), "\"\"");
    }
    text::replace(&text::replace(help::text("completion.bash"), "@CASES\n", &cases), "@VALUES\n", &values_of)
}

/// Text between single quotes of fish.
fn quoted(text: &str) -> String {
    format!("'{}'", text::replace(&text::replace(text, "\\", "\\\\"), "'", "\\'"))
}

fn fish() -> String {
    let mut text = String::from("complete -c mydocker -f\n");
    for group in verbs::groups() {
        let words = verbs::of_group(group).join(" ");
        let seen = "complete -c mydocker -n '__fish_seen_subcommand_from ";
        add(&mut text, &[seen, group, "; and not __fish_seen_subcommand_from ", &words, "' -a '", &words, "'\n"]);
        add(&mut text, &["complete -c mydocker -n __fish_use_subcommand -a ", group, "\n"]);
    }
    for verb in VERBS {
        if verb.name().contains(' ') {
            continue;
        }
        let about = quoted(verb.about());
        add(&mut text, &["complete -c mydocker -n __fish_use_subcommand -a ", verb.name(), " -d ", &about, "\n"]);
        let condition = format!("complete -c mydocker -n '__fish_seen_subcommand_from {}'", verb.name());
        let words = match things(verb) {
            "CONTAINER" => " -a '(mydocker ps -a --format \"{{.Names}}\")'\n",
            "VOLUME" => " -a '(mydocker volume ls -q)'\n",
            "IMAGE" => " -a '(mydocker images -f dangling=false --format \"{{.Repository}}:{{.Tag}}\")'\n",
            _ => " -F\n",
        };
        add(&mut text, &[&condition, words]);
        for flag in verb.shown() {
            text.push_str(&condition);
            if let Some(letter) = flag.letter() {
                add(&mut text, &[" -s ", letter]);
            }
            for name in flag.long() {
                add(&mut text, &[" -l ", name]);
            }
            let value = if flag.value().is_empty() { "" } else { " -r" };
            add(&mut text, &[value, " -d ", &quoted(flag.help()), "\n"]);
        }
    }
    text
}

/// Text of a manual page, man(7): nothing of it is a request or an escape.
fn plain(text: &str) -> String {
    let escaped = text::replace(&text::replace(&text::replace(text, "\\", "\\e"), "-", "\\-"), "…", "...");
    let mut plain = String::new();
    for line in escaped.lines() {
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        add(&mut plain, &[guard, line.trim_end(), "\n"]);
    }
    plain
}

fn man() -> String {
    let mut verbs = String::new();
    for verb in VERBS {
        add(&mut verbs, &[".SS mydocker ", verb.name(), " ", &plain(verb.usage()), &plain(verb.about())]);
        for flag in verb.shown() {
            let spelled = plain(&format!("{} {}", flag.spelled(), flag.value()));
            add(&mut verbs, &[".TP\n.B ", &spelled, &plain(flag.help())]);
        }
        if !verb.long().is_empty() {
            add(&mut verbs, &[".PP\n.nf\n", &plain(verb.long()), ".fi\n"]);
        }
    }
    text::replace(&text::replace(help::text("mydocker.1"), "@VERSION", env!("CARGO_PKG_VERSION")), "@VERBS\n", &verbs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_and_flag_is_there() {
        let (bash, fish, man) = (bash(), fish(), man());
        for verb in VERBS {
            assert!(bash.contains(&format!("\"{}\"", verb.name())), "{}", verb.name());
            assert!(man.contains(&format!(".SS mydocker {} ", verb.name())), "{}", verb.name());
            for name in verb.shown().into_iter().map(Flag::key) {
                assert!(bash.contains(&format!("--{name}")), "{name}");
                assert!(verb.name().contains(' ') || fish.contains(&format!(" -l {name} ")), "{name}");
            }
        }
        assert!(!bash.contains("@CASES") && bash.contains("container) flags="));
        assert_eq!(plain(".a\\-b\n'c"), "\\&.a\\e\\-b\n\\&'c\n");
        assert_eq!(quoted("it's \\t"), r"'it\'s \\t'");
    }
}
