//! `--change`: the Dockerfile instructions that only touch an image's configuration.

use super::decide::life;
use super::read;
use mydocker::error::{EXIT_ENGINE, Error, Result};
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
        let bad = |why: &str| Error::new(format!("invalid change '{}': {why}", text.escape_debug())).exit(EXIT_ENGINE);
        let (name, rest) = first(text.trim());
        if rest.is_empty() {
            return Err(bad("it has no value"));
        }
        let name = name.to_ascii_uppercase();
        if name == "ENTRYPOINT" && !has_cmd {
            config.cmd = None; // the old words belonged to the old program
        }
        has_cmd |= name == "CMD";
        one(config, &name, rest, &bad)?;
    }
    Ok(())
}

/// The first word, and what follows it.
fn first(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn one(config: &mut Config, name: &str, rest: &str, bad: &dyn Fn(&str) -> Error) -> Result<()> {
    let env = config.env.clone().unwrap_or_default();
    let unclosed = || bad("a quote or a brace is not closed");
    match name {
        "CMD" | "ENTRYPOINT" => {
            let mut words = list(rest);
            if words.is_none() {
                words = config.shell.clone().or_else(|| list(SHELL));
                words.get_or_insert_default().push(rest.to_owned());
            }
            *(if name == "CMD" { &mut config.cmd } else { &mut config.entrypoint }) = words;
        }
        "ENV" | "LABEL" => {
            let mut add = |key: &str, value: &str| {
                if name == "LABEL" {
                    config.labels.get_or_insert_default().insert(key.to_owned(), value.to_owned());
                    return;
                }
                let env = config.env.get_or_insert_default();
                while let Some(at) = env.iter().position(|entry| entry.split('=').next() == Some(key)) {
                    env.remove(at);
                }
                env.push(format!("{key}={value}"));
            };
            pairs(rest, &env, &mut add).ok_or_else(|| bad("KEY=VALUE is expected"))?;
        }
        "USER" | "WORKDIR" | "STOPSIGNAL" => {
            let value = one_word(rest, &env).ok_or_else(unclosed)?;
            match name {
                "USER" => config.user = Some(value),
                "WORKDIR" => {
                    let base = config.working_dir.as_deref().unwrap_or("/");
                    config.working_dir = Some(mydocker::kernel::file::absolute(base, &value));
                }
                _ => {
                    read::signal(&value)?;
                    config.stop_signal = Some(value);
                }
            }
        }
        "EXPOSE" | "VOLUME" => {
            let is_volume = name == "VOLUME";
            let listed = if is_volume { list(rest) } else { None };
            let set = if is_volume { &mut config.volumes } else { &mut config.exposed_ports };
            for text in &listed.or_else(|| words(rest, &env, true)).ok_or_else(unclosed)? {
                let set = set.get_or_insert_default();
                if !is_volume {
                    ports(text, set).ok_or_else(|| bad("PORT, PORT/PROTOCOL or FIRST-LAST is expected"))?;
                    continue;
                }
                let path = one_word(text, &env).ok_or_else(unclosed)?;
                if path.is_empty() {
                    return Err(bad("VOLUME specified can not be an empty string"));
                }
                set.insert(path, ());
            }
        }
        "ONBUILD" => {
            let first = first(rest).0.to_ascii_uppercase();
            if matches!(first.as_str(), "ONBUILD" | "FROM" | "MAINTAINER") {
                return Err(bad(&(first + " isn't allowed as an ONBUILD trigger")));
            }
            config.on_build.get_or_insert_default().push(rest.to_owned());
        }
        "HEALTHCHECK" => {
            let expected =
                "[--interval=DURATION --timeout= --start-period= --start-interval= --retries=N] CMD …, or NONE";
            let mut health = HealthConfig::default();
            healthcheck(rest, &mut health).ok_or_else(|| bad(expected))?;
            config.healthcheck = Some(health);
        }
        _ => {
            let known = "CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR";
            return Err(bad(&format!("{} is not a valid change command: known are {known}", name.escape_debug())));
        }
    }
    Ok(())
}

/// `80`, `80/udp`, `8000-8010`: adds each port with its protocol.
fn ports(text: &str, to: &mut Set<String>) -> Option<()> {
    let (first, last, protocol) = port::range(text)?;
    for at in first..=last {
        to.insert(port::text(at, protocol), ());
    }
    Some(())
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
    record::from_json(&mut words, text).then_some(words)
}

/// `A=b C="d e"`, or the old form `A value with blanks`.
fn pairs(text: &str, env: &[String], add: &mut dyn FnMut(&str, &str)) -> Option<()> {
    let (key, rest) = first(text);
    if !key.contains('=') {
        add(key, &one_word(rest, env).filter(|_| !rest.is_empty())?);
        return Some(());
    }
    for word in &words(text, env, true)? {
        let (key, value) = word.split_once('=').filter(|(key, _)| !key.is_empty())?;
        add(key, value);
    }
    Some(())
}

fn one_word(text: &str, env: &[String]) -> Option<String> {
    words(text, env, false)?.pop()
}

/// Words with `"…"`, `'…'`, `\`, and variables of the image, as a Dockerfile has them; or all of it as one word.
fn words(text: &str, env: &[String], splits: bool) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote, mut is_word) = (Vec::new(), String::new(), None, !splits);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => {
                let next = chars.next()?;
                if quote.is_some() && !matches!(next, '"' | '$' | '\\') {
                    word.push('\\'); // between quotes it is a letter like others
                }
                word.push(next);
                is_word = true;
            }
            ('$', None | Some('"')) => {
                let (value, bytes) = variable(chars.as_str(), env)?;
                word.push_str(&value);
                chars = chars.as_str()[bytes..].chars();
                is_word = true;
            }
            ('"' | '\'', None) => (quote, is_word) = (Some(c), true),
            (c, Some(q)) if c == q => quote = None,
            (c, None) if splits && c.is_whitespace() => {
                if is_word {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            (c, _) => {
                word.push(c);
                is_word = true;
            }
        }
    }
    if is_word {
        words.push(word);
    }
    quote.is_none().then_some(words)
}

/// What stands for the variable that follows a `$`, and how many bytes its name has: `A`, `{A}`, `{A:-else}`, `{A:+then}`.
fn variable(text: &str, env: &[String]) -> Option<(String, usize)> {
    let (inside, bytes) = match text.strip_prefix('{') {
        Some(rest) => rest.split_once('}').map(|(inside, _)| (inside, inside.len() + 2))?,
        None => {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
            (&text[..end], end)
        }
    };
    let end = inside.find([':', '-', '+']).unwrap_or(inside.len());
    let (name, then) = inside.split_at(end);
    if name.is_empty() {
        return (bytes == 0).then(|| ("$".to_owned(), 0));
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
    Some((value.to_owned(), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(words(text, &env, true).unwrap().join("|"), want, "{text}");
        }
        assert_eq!(words("a  $A", &env, false).unwrap(), ["a  1"]);
        assert!(words("${A", &env, true).is_none() && words("${}", &env, true).is_none());
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
