//! `--change`: the Dockerfile instructions that only touch an image's configuration.

use super::decide::life;
use super::read;
use mydocker::error::{EXIT_ENGINE, Error, Result};
use mydocker::spec::record;
use mydocker::store::images::{Config, HealthConfig};

/// Applies one instruction, for example `CMD ["sh"]` or `ENV A=b`.
pub fn apply(config: &mut Config, instruction: &str) -> Result<()> {
    let bad =
        |why: &str| Error::new(format!("invalid change '{}': {why}", instruction.escape_debug())).exit(EXIT_ENGINE);
    let (name, rest) = instruction.trim().split_once(char::is_whitespace).ok_or_else(|| bad("it has no value"))?;
    let rest = rest.trim();
    match name.to_ascii_uppercase().as_str() {
        "CMD" => config.cmd = Some(command(rest)),
        "ENTRYPOINT" => {
            config.entrypoint = Some(command(rest));
            config.cmd = None; // the old words belonged to the old program
        }
        "ENV" => {
            for (key, value) in pairs(rest).ok_or_else(|| bad("KEY=VALUE is expected"))? {
                let env = config.env.get_or_insert_default();
                env.retain(|entry| entry.split('=').next() != Some(key.as_str()));
                env.push(format!("{key}={value}"));
            }
        }
        "LABEL" => {
            for (key, value) in pairs(rest).ok_or_else(|| bad("KEY=VALUE is expected"))? {
                config.labels.get_or_insert_default().insert(key, value);
            }
        }
        "USER" => config.user = Some(rest.to_owned()),
        "WORKDIR" => {
            let base = config.working_dir.as_deref().unwrap_or("/");
            config.working_dir = Some(mydocker::kernel::file::absolute(base, rest));
        }
        "EXPOSE" => {
            for port in rest.split_whitespace() {
                let port = if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") };
                config.exposed_ports.get_or_insert_default().insert(port);
            }
        }
        "VOLUME" => {
            for path in command_words(rest) {
                config.volumes.get_or_insert_default().insert(path);
            }
        }
        "STOPSIGNAL" => {
            read::signal(rest)?;
            config.stop_signal = Some(rest.to_owned());
        }
        "HEALTHCHECK" => {
            let expected =
                "[--interval=DURATION --timeout= --start-period= --start-interval= --retries=N] CMD …, or NONE";
            config.healthcheck = Some(healthcheck(rest).ok_or_else(|| bad(expected))?);
        }
        _ => return Err(bad("known are CMD ENTRYPOINT ENV LABEL USER WORKDIR EXPOSE VOLUME STOPSIGNAL HEALTHCHECK")),
    }
    Ok(())
}

/// `NONE`, or `[--interval=30s …] CMD` and a JSON array of words or a line for the shell.
fn healthcheck(text: &str) -> Option<HealthConfig> {
    let mut health = HealthConfig::default();
    let mut rest = text;
    loop {
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        rest = after.trim_start();
        let Some(option) = word.strip_prefix("--") else {
            health.test = Some(match (word, rest) {
                ("NONE" | "none", "") => vec!["NONE".to_owned()],
                ("CMD" | "cmd", line) if !line.is_empty() => match json_words(line) {
                    Some(mut words) => {
                        words.insert(0, "CMD".to_owned());
                        words
                    }
                    None => life::shell_test(line),
                },
                _ => return None,
            });
            return Some(health);
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

/// The words of a JSON array.
fn json_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    record::from_json(&mut words, text).then_some(words)
}

/// A JSON array of words, or a line for the shell.
fn command(text: &str) -> Vec<String> {
    json_words(text).unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()])
}

fn command_words(text: &str) -> Vec<String> {
    json_words(text).unwrap_or_else(|| text.split_whitespace().map(str::to_owned).collect())
}

/// `A=b C="d e"`, or the old form `A value with blanks`.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if !first.contains('=') {
        return (!rest.is_empty()).then(|| vec![(first.to_owned(), rest.trim().to_owned())]);
    }
    let mut pairs = Vec::new();
    for word in split_quoted(text)? {
        let (key, value) = word.split_once('=')?;
        if key.is_empty() {
            return None;
        }
        pairs.push((key.to_owned(), value.to_owned()));
    }
    Some(pairs)
}

/// Words with `"…"`, `'…'` and `\` as a Dockerfile has them.
fn split_quoted(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote, mut is_word) = (Vec::new(), String::new(), None, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => word.push(chars.next()?),
            ('"' | '\'', None) => (quote, is_word) = (Some(c), true),
            (c, Some(q)) if c == q => quote = None,
            (c, None) if c.is_whitespace() => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions() {
        let mut config = Config { env: Some(vec!["A=old".into(), "B=1".into()]), ..Config::default() };
        for line in
            ["CMD [\"env\", \"-0\"]", "ENV A=b C=\"d e\"", "env OLD form here", "WORKDIR /a", "WORKDIR b", "LABEL x=y"]
        {
            apply(&mut config, line).unwrap();
        }
        assert_eq!(config.cmd.unwrap(), ["env", "-0"]);
        assert_eq!(config.env.unwrap(), ["B=1", "A=b", "C=d e", "OLD=form here"]);
        assert_eq!(config.working_dir.unwrap(), "/a/b");
        assert_eq!(config.labels.unwrap()["x"], "y");
        let mut config = Config::default();
        apply(&mut config, "ENTRYPOINT top -b").unwrap();
        assert_eq!(config.entrypoint.unwrap(), ["/bin/sh", "-c", "top -b"]);
        let mut config = Config::default();
        apply(&mut config, "HEALTHCHECK --interval=5s --retries=2 CMD test -f /ok").unwrap();
        let health = config.healthcheck.as_ref().unwrap();
        assert_eq!((health.interval, health.retries), (Some(5_000_000_000), Some(2)));
        assert_eq!(health.test.as_ref().unwrap(), &["CMD-SHELL", "test -f /ok"]);
        apply(&mut config, "HEALTHCHECK CMD [\"true\"]").unwrap();
        assert_eq!(config.healthcheck.unwrap().test.unwrap(), ["CMD", "true"]);
        for line in ["HEALTHCHECK CMD", "HEALTHCHECK --x=1 CMD a", "HEALTHCHECK --interval=5 CMD a", "HEALTHCHECK x"] {
            assert!(apply(&mut Config::default(), line).is_err(), "{line}");
        }
        for line in ["RUN x", "CMD", "ENV =x y=z", "ENV a=\"b", "STOPSIGNAL NOPE"] {
            assert!(apply(&mut Config::default(), line).is_err(), "{line}");
        }
    }
}
