//! How a container ends, begins again, and tells its health: from flags to [`Restart`], [`Health`] and the stop fields.

use super::super::args::Parsed;
use super::super::read;
use super::{Job, bad, wrong};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use mydocker::error::Result;
use mydocker::kernel::time;
use mydocker::spec::{Health, Policy, Restart};
use mydocker::store::images::HealthConfig;

/// The shortest interval and time limit that docker takes.
const HEALTH_NS_MIN: i64 = 1_000_000;
/// docker's defaults.
const INTERVAL_NS: i64 = 30 * time::SECOND;
const START_INTERVAL_NS: i64 = 5 * time::SECOND;
const RETRIES: u32 = 3;

/// `--restart`, `--stop-signal` and `--stop-timeout`.
pub fn ending(job: &mut Job<'_>) -> Result<()> {
    let (parsed, spec) = (job.parsed, &mut job.made.spec);
    spec.restart = restart(parsed)?.unwrap_or_default();
    if let Some(signal) = parsed.last("stop-signal") {
        spec.stop_signal = read::signal(signal)?;
    }
    spec.stop_timeout = parsed.read("stop-timeout", read::whole)?;
    Ok(())
}

/// `--restart`; `None` when it was not typed.
pub fn restart(parsed: &Parsed) -> Result<Option<Restart>> {
    let restart = parsed.last("restart").map(policy).transpose()?;
    if restart.is_some_and(|restart| restart.policy != Policy::No) && parsed.on("rm") {
        return Err(bad("conflicting options: cannot specify both --restart and --rm"));
    }
    Ok(restart)
}

fn policy(text: &str) -> Result<Restart> {
    let (name, count) = text.split_once(':').unwrap_or((text, "0"));
    let policy = match name {
        "" if !text.is_empty() => return Err(bad("invalid restart policy format: no policy provided before colon")),
        "" => Policy::No,
        _ => Policy::from_word(name).ok_or_else(|| wrong("invalid restart policy '{}'", name))?,
    };
    let why = match count.parse::<i64>() {
        Err(_) => "invalid restart policy format: maximum retry count must be an integer",
        Ok(count) if count != 0 && policy != Policy::OnFailure => {
            return Err(wrong("maximum retry count cannot be used with restart policy '{}'", policy.word()));
        }
        Ok(..0) => "maximum retry count cannot be negative",
        Ok(count) => return Ok(Restart { policy, retries_max: u32::try_from(count).unwrap_or(u32::MAX) }),
    };
    Err(bad(why))
}

/// The times of a check: the end of the flag, docker's field, and what it is when nobody says.
const TIMES: [(&str, &str, i64); 4] = [
    ("health-interval", "Interval", INTERVAL_NS),
    ("health-timeout", "Timeout", INTERVAL_NS),
    ("health-start-period", "StartPeriod", 0),
    ("health-start-interval", "StartInterval", START_INTERVAL_NS),
];

/// What the flags ask for; empty fields leave it to the image. docker refuses some of it in its command line and the rest in
/// its daemon.
pub fn health(job: &mut Job<'_>) -> Result<()> {
    let (parsed, asked) = (job.parsed, &mut job.health);
    for (at, (flag, field, _)) in TIMES.iter().enumerate() {
        let time = parsed.read(flag, read::duration)?.filter(|ns| *ns != 0);
        *times(asked)[at] = time;
        match time {
            Some(..0) => return Err(wrong("--{} cannot be negative", flag)),
            Some(..HEALTH_NS_MIN) => return Err(wrong("{} in Healthcheck cannot be less than 1ms", field)),
            _ => {}
        }
    }
    asked.retries = parsed.read("health-retries", retries)?.filter(|retries| *retries > 0);
    asked.test = parsed.last("health-cmd").filter(|line| !line.is_empty()).map(shell_test);
    if parsed.on("no-healthcheck") {
        if asked.test.is_some() || asked.retries.is_some() || times(asked).iter().any(|time| time.is_some()) {
            return Err(bad("--no-healthcheck conflicts with --health-* options"));
        }
        asked.test = Some(vec!["NONE".to_owned()]);
    }
    Ok(())
}

fn times(config: &mut HealthConfig) -> [&mut Option<i64>; 4] {
    [&mut config.interval, &mut config.timeout, &mut config.start_period, &mut config.start_interval]
}

/// The test that a line for a shell is.
pub fn shell_test(line: &str) -> Vec<String> {
    vec!["CMD-SHELL".to_owned(), line.to_owned()]
}

/// A number of retries; 0 leaves it to the image.
fn retries(text: &str) -> Result<u32> {
    u32::try_from(read::whole(text)?).map_err(|_| bad("--health-retries cannot be negative"))
}

/// Adds what the image says.
pub fn of_image(job: &mut Job<'_>) {
    job.made.spec.health = merged(&mut job.health, job.config.healthcheck.get_or_insert_default());
}

/// What is done, from what the flags and the image say; `None` when nothing is asked.
fn merged(asked: &mut HealthConfig, image: &mut HealthConfig) -> Option<Health> {
    let test = asked.test.take().or(image.test.take())?;
    let (mine, its) = (times(asked), times(image));
    // An image may say anything: what makes no sense is not asked for.
    let ns = |at: usize| mine[at].or(*its[at]).filter(|ns| *ns >= HEALTH_NS_MIN).unwrap_or(TIMES[at].2);
    let (interval_ns, timeout_ns, start_period_ns, start_interval_ns) = (ns(0), ns(1), ns(2), ns(3));
    let is_known = match test.first()?.as_str() {
        "CMD" => test.len() > 1,
        "CMD-SHELL" => test.len() == 2,
        _ => false,
    };
    let retries = asked.retries.or(image.retries).filter(|retries| *retries > 0).unwrap_or(RETRIES);
    is_known.then_some(Health { test, interval_ns, timeout_ns, start_period_ns, start_interval_ns, retries })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    fn shown(text: &str) -> String {
        match policy(text) {
            Ok(restart) => format!("{} {}", restart.policy as u8, restart.retries_max),
            Err(error) => {
                assert_eq!(error.code, Some(125));
                error.to_string()
            }
        }
    }

    #[test]
    fn policies() {
        for (text, want) in [
            ("no", "0 0"),
            ("", "0 0"),
            ("on-failure", "1 0"),
            ("on-failure:3", "1 3"),
            ("always", "2 0"),
            ("always:0", "2 0"),
            ("unless-stopped", "3 0"),
            ("bogus", "invalid restart policy 'bogus'"),
            ("always:3", "maximum retry count cannot be used with restart policy 'always'"),
            ("on-failure:-1", "maximum retry count cannot be negative"),
            ("on-failure:x", "invalid restart policy format: maximum retry count must be an integer"),
            (":3", "invalid restart policy format: no policy provided before colon"),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
    }

    #[test]
    fn flags_win_over_the_image_field_by_field() {
        let mut image = HealthConfig {
            test: Some(vec!["CMD".into(), "true".into()]),
            interval: Some(time::SECOND),
            timeout: Some(5),
            ..HealthConfig::default()
        };
        let mut asked = HealthConfig { retries: Some(9), ..HealthConfig::default() };
        let health = merged(&mut asked, &mut image.clone()).unwrap();
        assert_eq!((health.retries, health.interval_ns, health.timeout_ns), (9, time::SECOND, INTERVAL_NS));
        assert_eq!(health.test, ["CMD", "true"]);
        let mut none = HealthConfig { test: Some(vec!["NONE".into()]), ..HealthConfig::default() };
        assert!(merged(&mut none, &mut image).is_none());
        assert!(merged(&mut asked, &mut HealthConfig::default()).is_none());
    }
}
