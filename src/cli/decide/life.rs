//! How a container ends, begins again, and tells its health: from flags to [`Restart`], [`Health`] and the stop fields.

use super::super::args::Parsed;
use super::super::human::visible;
use super::super::read;
use super::bad;
use mydocker::error::{Error, Result};
use mydocker::kernel::time;
use mydocker::spec::{Health, Policy, Restart};
use mydocker::store::images::HealthConfig;

/// The shortest interval and time limit that docker takes.
const HEALTH_NS_MIN: i64 = 1_000_000;
/// docker's defaults.
const INTERVAL_NS: i64 = 30 * time::SECOND;
const START_INTERVAL_NS: i64 = 5 * time::SECOND;
const RETRIES: u32 = 3;

/// `--restart`; `None` when it was not typed.
pub fn restart(parsed: &Parsed) -> Result<Option<Restart>> {
    let restart = parsed.last("restart").map(policy).transpose()?;
    if restart.is_some_and(|restart| restart.policy != Policy::No) && parsed.on("rm") {
        return Err(bad("conflicting options: cannot specify both --restart and --rm"));
    }
    Ok(restart)
}

fn policy(text: &str) -> Result<Restart> {
    let (name, count) = text.split_once(':').map_or((text, None), |(name, count)| (name, Some(count)));
    let policy = match name {
        "" if count.is_some() => return Err(bad("invalid restart policy format: no policy provided before colon")),
        "" | "no" => Policy::No,
        "on-failure" => Policy::OnFailure,
        "always" => Policy::Always,
        "unless-stopped" => Policy::UnlessStopped,
        _ => return Err(bad(format!("invalid restart policy '{}'", visible(name)))),
    };
    let count = match count {
        None => 0,
        Some(text) => text
            .parse::<i64>()
            .map_err(|_| bad("invalid restart policy format: maximum retry count must be an integer"))?,
    };
    if count != 0 && policy != Policy::OnFailure {
        let why = "maximum retry count cannot be used with restart policy";
        return Err(bad(format!("{why} '{}'", if name.is_empty() { "no" } else { name })));
    }
    if count < 0 {
        return Err(bad("maximum retry count cannot be negative"));
    }
    Ok(Restart { policy, retries_max: u32::try_from(count).unwrap_or(u32::MAX) })
}

/// `--stop-timeout`, in seconds.
pub fn stop_timeout(parsed: &Parsed) -> Result<Option<i64>> {
    parsed.read("stop-timeout", read::seconds)
}

/// The signal of `--stop-signal`, or the image's.
pub fn stop_signal(parsed: &Parsed) -> Result<Option<i32>> {
    parsed.last("stop-signal").map(read::signal).transpose()
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
pub fn health(parsed: &Parsed) -> Result<HealthConfig> {
    let mut times = [None; 4];
    for (time, (flag, field, _)) in times.iter_mut().zip(TIMES) {
        *time = parsed.read(flag, read::duration)?.filter(|ns| *ns != 0);
        match *time {
            Some(..0) => return Err(bad(format!("--{flag} cannot be negative"))),
            Some(..HEALTH_NS_MIN) => return Err(bad(format!("{field} in Healthcheck cannot be less than 1ms"))),
            _ => {}
        }
    }
    let mut asked = config(times);
    asked.retries = parsed.read("health-retries", retries)?.flatten();
    asked.test = parsed.last("health-cmd").filter(|line| !line.is_empty()).map(shell_test);
    if parsed.on("no-healthcheck") {
        if asked.test.is_some() || asked.retries.is_some() || times.iter().any(Option::is_some) {
            return Err(bad("--no-healthcheck conflicts with --health-* options"));
        }
        asked.test = Some(vec!["NONE".to_owned()]);
    }
    Ok(asked)
}

fn config([interval, timeout, start_period, start_interval]: [Option<i64>; 4]) -> HealthConfig {
    HealthConfig { test: None, interval, timeout, start_period, start_interval, retries: None }
}

fn times(config: &HealthConfig) -> [Option<i64>; 4] {
    [config.interval, config.timeout, config.start_period, config.start_interval]
}

/// The test that a line for a shell is.
pub fn shell_test(line: &str) -> Vec<String> {
    vec!["CMD-SHELL".to_owned(), line.to_owned()]
}

/// A number of retries; 0 leaves it to the image.
fn retries(text: &str) -> Result<Option<u32>> {
    let number: i64 = text.parse().map_err(|_| Error::new("it is not a whole number"))?;
    let retries = u32::try_from(number).map_err(|_| bad("--health-retries cannot be negative"))?;
    Ok(Some(retries).filter(|retries| *retries > 0))
}

/// What is done, from what the flags and the image say; `None` when nothing is asked.
pub fn checked(asked: HealthConfig, image: Option<HealthConfig>) -> Option<Health> {
    let image = image.unwrap_or_default();
    let (mine, its) = (times(&asked), times(&image));
    let test = asked.test.filter(|test| !test.is_empty()).or(image.test)?;
    let is_known = match test.first().map(String::as_str) {
        Some("CMD") => test.len() > 1,
        Some("CMD-SHELL") => test.len() == 2,
        _ => false,
    };
    // An image may say anything: what makes no sense is not asked for.
    let ns: [i64; 4] = std::array::from_fn(|at| {
        let said = mine[at].or(its[at]).filter(|ns| *ns >= HEALTH_NS_MIN);
        said.unwrap_or(TIMES[at].2)
    });
    let [interval_ns, timeout_ns, start_period_ns, start_interval_ns] = ns;
    let retries = asked.retries.or(image.retries).filter(|retries| *retries > 0).unwrap_or(RETRIES);
    is_known.then_some(Health { test, interval_ns, timeout_ns, start_period_ns, start_interval_ns, retries })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let image = HealthConfig {
            test: Some(vec!["CMD".into(), "true".into()]),
            interval: Some(time::SECOND),
            timeout: Some(5),
            ..HealthConfig::default()
        };
        let asked = HealthConfig { retries: Some(9), ..HealthConfig::default() };
        let health = checked(asked, Some(image.clone())).unwrap();
        assert_eq!((health.retries, health.interval_ns, health.timeout_ns), (9, time::SECOND, INTERVAL_NS));
        assert_eq!(health.test, ["CMD", "true"]);
        let none = HealthConfig { test: Some(vec!["NONE".into()]), ..HealthConfig::default() };
        assert!(checked(none, Some(image)).is_none());
        assert!(checked(HealthConfig { retries: Some(1), ..HealthConfig::default() }, None).is_none());
    }
}
