//! `--change`: the Dockerfile instructions that only touch an image's configuration.

use super::decide::life;
use super::read;
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mydocker::error::{Error, Result, escaped};
use mydocker::life::program::DEFAULT_PATH;
use mydocker::spec::map::Set;
use mydocker::spec::{port, record};
use mydocker::store::images::{Config, HealthConfig};

/// What a line is run by, unless the image has another one.
const SHELL: &str = "[\"/bin/sh\",\"-c\"]";

/// Applies instructions one after the other, for example `CMD ["sh"]` and `ENV A=b`.
pub fn apply(config: &mut Config, instructions: &[&str]) -> Result<()> {
    let mut has_cmd = false;
    for text in instructions {
        let (name, rest) = first(text.trim());
        let name = name.to_ascii_uppercase();
        if name == "ENTRYPOINT" && !has_cmd {
            config.cmd = None; // the old words belonged to the old program
        }
        has_cmd |= name == "CMD";
        one(config, &name, rest).map_err(|error| match error.code {
            Some(_) => error, // it is a whole sentence
            None => read::wrongs("invalid change '{}': {}", &[&escaped(text).to_string(), &error.what]),
        })?;
    }
    Ok(())
}

/// The first word, and what follows it.
fn first(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn one(config: &mut Config, name: &str, rest: &str) -> Result<()> {
    if rest.is_empty() {
        return Err(Error::new("it has no value"));
    }
    let env = config.env.clone().unwrap_or_default();
    match name {
        "CMD" => config.cmd = command(rest, config.shell.as_ref()),
        "ENTRYPOINT" => config.entrypoint = command(rest, config.shell.as_ref()),
        "ENV" => {
            let to = config.env.get_or_insert_default();
            pairs(rest, &env, &mut |key, value| {
                while let Some(at) = to.iter().position(|entry| entry.split('=').next() == Some(key)) {
                    to.remove(at);
                }
                to.push([key, "=", value].concat());
            })?;
        }
        "LABEL" => {
            let to = config.labels.get_or_insert_default();
            pairs(rest, &env, &mut |key, value| to.insert(key.to_owned(), value.to_owned()))?;
        }
        "USER" => config.user = Some(one_word(rest, &env)?),
        "WORKDIR" => {
            let base = config.working_dir.as_deref().unwrap_or("/");
            config.working_dir = Some(mydocker::kernel::file::absolute(base, &one_word(rest, &env)?));
        }
        "STOPSIGNAL" => {
            let signal = one_word(rest, &env)?;
            read::signal(&signal)?;
            config.stop_signal = Some(signal);
        }
        "EXPOSE" => {
            for text in &words(rest, &env, true)? {
                ports(text, config.exposed_ports.get_or_insert_default())?;
            }
        }
        "VOLUME" => {
            let paths = match list(rest) {
                Some(paths) => paths,
                None => words(rest, &env, true)?,
            };
            for path in &paths {
                let path = one_word(path, &env)?;
                if path.is_empty() {
                    return Err(Error::new("VOLUME specified can not be an empty string"));
                }
                config.volumes.get_or_insert_default().insert(path, ());
            }
        }
        "ONBUILD" => {
            let first = first(rest).0.to_ascii_uppercase();
            if read::nth("ONBUILD FROM MAINTAINER", &first).is_some() {
                return Err(Error::new(first + " isn't allowed as an ONBUILD trigger"));
            }
            config.on_build.get_or_insert_default().push(rest.to_owned());
        }
        "HEALTHCHECK" => {
            let expected =
                "[--interval=DURATION --timeout= --start-period= --start-interval= --retries=N] CMD …, or NONE";
            let mut health = HealthConfig::default();
            healthcheck(rest, &mut health).ok_or_else(|| Error::new(expected))?;
            config.healthcheck = Some(health);
        }
        _ => {
            let known = "CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR";
            let name = escaped(name).to_string();
            return Err(Error::new([&name, " is not a valid change command: known are ", known].concat()));
        }
    }
    Ok(())
}

/// A JSON array of words, or a line for the shell.
fn command(text: &str, shell: Option<&Vec<String>>) -> Option<Vec<String>> {
    list(text).or_else(|| {
        let mut words = shell.cloned().or_else(|| list(SHELL))?;
        words.push(text.to_owned());
        Some(words)
    })
}

/// `80`, `80/udp`, `8000-8010`: adds each port with its protocol.
fn ports(text: &str, to: &mut Set<String>) -> Result<()> {
    let Some((first, last, protocol)) = port::range(text) else {
        return Err(Error::new("PORT, PORT/PROTOCOL or FIRST-LAST is expected"));
    };
    for at in first..=last {
        to.insert(port::text(at, protocol), ());
    }
    Ok(())
}

/// `NONE`, or `[--interval=30s …] CMD` and a JSON array of words or a line for the shell.
fn healthcheck(mut rest: &str, health: &mut HealthConfig) -> Option<()> {
    loop {
        let (word, after) = first(rest);
        rest = after;
        let Some(option) = word.strip_prefix("--") else {
            health.test = match (word, rest, list(rest)) {
                ("NONE" | "none", "", _) => list("[\"NONE\"]"),
                ("CMD" | "cmd", _, Some(mut words)) => {
                    words.insert(0, "CMD".to_owned());
                    Some(words)
                }
                ("CMD" | "cmd", line, None) if !line.is_empty() => Some(life::shell_test(line)),
                _ => return None,
            };
            return Some(());
        };
        let (name, value) = option.split_once('=')?;
        let time = match name {
            "interval" => &mut health.interval,
            "timeout" => &mut health.timeout,
            "start-period" => &mut health.start_period,
            "start-interval" => &mut health.start_interval,
            "retries" => {
                health.retries = Some(value.parse().ok()?);
                continue;
            }
            _ => return None,
        };
        *time = Some(read::moment::duration(value)?);
    }
}

/// A JSON array of words.
fn list(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    (text.trim_start().starts_with('[') && record::from_json(&mut words, text)).then_some(words)
}

/// `A=b C="d e"`, or the old form `A value with blanks`.
fn pairs(text: &str, env: &[String], add: &mut dyn FnMut(&str, &str)) -> Result<()> {
    let (key, rest) = first(text);
    if !key.contains('=') && !rest.is_empty() {
        if let Some([value]) = split(rest, env, false).as_deref() {
            add(key, value);
            return Ok(());
        }
    } else if let Some(words) = split(text, env, true) {
        let mut is_right = true;
        for word in &words {
            let (key, value) = word.split_once('=').unwrap_or_default();
            is_right &= !key.is_empty();
            add(key, value);
        }
        if is_right {
            return Ok(());
        }
    }
    Err(Error::new("KEY=VALUE is expected"))
}

fn one_word(text: &str, env: &[String]) -> Result<String> {
    Ok(words(text, env, false)?.pop().unwrap_or_default())
}

fn words(text: &str, env: &[String], splits: bool) -> Result<Vec<String>> {
    split(text, env, splits).ok_or_else(|| Error::new("a quote or a brace is not closed"))
}

/// Words with `"…"`, `'…'`, `\`, and variables of the image, as a Dockerfile has them; or all of it as one word.
fn split(text: &str, env: &[String], splits: bool) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote, mut is_word) = (Vec::new(), String::new(), None, !splits);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if quote.is_none() && splits && c.is_whitespace() {
            if is_word {
                words.push(core::mem::take(&mut word));
            }
            is_word = false;
            continue;
        }
        is_word = true;
        match (c, quote) {
            ('\\', None | Some('"')) => {
                let next = chars.next()?;
                if quote.is_some() && !matches!(next, '"' | '$' | '\\') {
                    word.push('\\'); // between quotes it is a letter like others
                }
                word.push(next);
            }
            ('$', None | Some('"')) => {
                let (value, bytes) = variable(chars.as_str(), env)?;
                word.push_str(value);
                chars = chars.as_str()[bytes..].chars();
            }
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            (c, _) => word.push(c),
        }
    }
    if is_word {
        words.push(word);
    }
    quote.is_none().then_some(words)
}

/// What stands for the variable that follows a `$`, and how many bytes its name has: `A`, `{A}`, `{A:-else}`, `{A:+then}`.
fn variable<'a>(text: &'a str, env: &'a [String]) -> Option<(&'a str, usize)> {
    let until = |text: &str, is_end: fn(&u8) -> bool| text.bytes().take_while(|byte| !is_end(byte)).count();
    let (inside, bytes) = match text.strip_prefix('{') {
        Some(rest) => rest.split_once('}').map(|(inside, _)| (inside, inside.len() + 2))?,
        None => {
            let end = until(text, |byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
            (&text[..end], end)
        }
    };
    let (name, then) = inside.split_at(until(inside, |byte| b":-+".contains(byte)));
    if name.is_empty() {
        return (bytes == 0).then_some(("$", 0));
    }
    let known = env.iter().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='));
    let known = known.or((name == "PATH").then_some(DEFAULT_PATH));
    let is_set = if then.starts_with(':') { known.is_some_and(|value| !value.is_empty()) } else { known.is_some() };
    let value = match then.trim_start_matches(':').split_at_checked(1) {
        Some(("-", other)) if !is_set => other,
        Some(("+", other)) => {
            if is_set {
                other
            } else {
                ""
            }
        }
        _ if then == ":" => return None,
        _ => known.unwrap_or(""),
    };
    Some((value, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn changed(config: Config, instructions: &[&str]) -> Config {
        let mut config = config;
        apply(&mut config, instructions).unwrap();
        config
    }

    #[test]
    fn instructions() {
        let old = Config { env: Some(vec!["A=old".into(), "B=1".into()]), ..Config::default() };
        let lines =
            ["CMD [\"env\", \"-0\"]", "ENV A=b C=\"d e\"", "env OLD form here", "WORKDIR /a", "WORKDIR b", "LABEL x=y"];
        let config = changed(old, &lines);
        assert_eq!(config.cmd.unwrap(), ["env", "-0"]);
        assert_eq!(config.env.unwrap(), ["B=1", "A=b", "C=d e", "OLD=form here"]);
        assert_eq!(config.working_dir.unwrap(), "/a/b");
        assert_eq!(config.labels.unwrap().get("x").unwrap(), "y");
        let lines = ["EXPOSE 80 53/UDP 8000-8002", "VOLUME [\"/a b\"]", "VOLUME /c /d", "ONBUILD RUN make", "USER a:b"];
        let config = changed(Config::default(), &lines);
        let ports: Vec<String> = config.exposed_ports.unwrap().keys().cloned().collect();
        assert_eq!(ports, ["53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp"]);
        assert_eq!(config.volumes.unwrap().keys().collect::<Vec<_>>(), ["/a b", "/c", "/d"]);
        assert_eq!((config.on_build.unwrap(), config.user.unwrap()), (vec!["RUN make".to_owned()], "a:b".to_owned()));
        for line in
            ["RUN x", "CMD", "ENV =x y=z", "ENV a=\"b", "STOPSIGNAL NOPE", "EXPOSE x", "EXPOSE 9-8", "EXPOSE 1/x"]
        {
            assert!(apply(&mut Config::default(), &[line]).is_err(), "{line}");
        }
    }

    #[test]
    fn an_entrypoint_forgets_the_old_command_only() {
        let old = || Config { cmd: Some(vec!["old".into()]), ..Config::default() };
        let config = changed(old(), &["ENTRYPOINT top -b"]);
        assert_eq!(
            (config.entrypoint.unwrap(), config.cmd),
            (vec!["/bin/sh".into(), "-c".into(), "top -b".into()], None)
        );
        let config = changed(old(), &["CMD [\"new\"]", "ENTRYPOINT [\"sh\"]"]);
        assert_eq!((config.entrypoint.unwrap(), config.cmd.unwrap()), (vec!["sh".to_owned()], vec!["new".to_owned()]));
        let bash = Config { shell: Some(vec!["bash".into(), "-ec".into()]), ..Config::default() };
        assert_eq!(changed(bash, &["CMD a b"]).cmd.unwrap(), ["bash", "-ec", "a b"]);
    }

    #[test]
    fn variables() {
        let env = ["A=1".to_owned(), "E=".to_owned()];
        for (text, want) in [
            ("$A-${A}b $AB", "1-1b|"),
            ("'$A' \"$A\" \\$A \"a\\b\"", "$A|1|$A|a\\b"),
            ("${N:-x y}z ${E:-e} ${E-e} ${A:+t}${N:+t}", "x yz|e||t"),
            ("$ $- a$", "$|$-|a$"),
            ("$PATH", DEFAULT_PATH),
        ] {
            assert_eq!(split(text, &env, true).unwrap().join("|"), want, "{text}");
        }
        assert_eq!(split("a  $A", &env, false).unwrap(), ["a  1"]);
        assert!(split("${A", &env, true).is_none() && split("${}", &env, true).is_none());
    }

    #[test]
    fn health() {
        let config = changed(Config::default(), &["HEALTHCHECK --interval=5s --retries=2 CMD test -f /ok"]);
        let health = config.healthcheck.as_ref().unwrap();
        assert_eq!((health.interval, health.retries), (Some(5_000_000_000), Some(2)));
        assert_eq!(health.test.as_ref().unwrap(), &["CMD-SHELL", "test -f /ok"]);
        let config = changed(config, &["HEALTHCHECK CMD [\"true\"]"]);
        assert_eq!(config.healthcheck.unwrap().test.unwrap(), ["CMD", "true"]);
        for line in ["HEALTHCHECK CMD", "HEALTHCHECK --x=1 CMD a", "HEALTHCHECK --interval=5 CMD a", "HEALTHCHECK x"] {
            assert!(apply(&mut Config::default(), &[line]).is_err(), "{line}");
        }
    }
}
