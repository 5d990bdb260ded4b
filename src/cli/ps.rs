//! `ps`.

use super::args::Parsed;
use super::{OK, human, note, object, open_store, print, read, table, text};
use miniserde::json::Value;
use mydocker::error::{Error, Result};
use mydocker::kernel::time;
use mydocker::life::remove;
use mydocker::spec::{MountKind, Network, Spec, State, Status, Verdict};
use mydocker::store::Store;
use mydocker::store::containers::{self, Container};
use mydocker::walls::cgroup::{self, Place};

/// Characters of a command that are shown.
const COMMAND_CHARS: usize = 20;

struct Row {
    spec: Spec,
    state: State,
    is_paused: bool,
}

/// `ps [OPTIONS]`
pub fn ps(parsed: &Parsed) -> Result<u8> {
    let filters = parsed.all("filter").into_iter().map(Filter::parse).collect::<Result<Vec<_>>>()?;
    let store = open_store()?;
    let (found, errors) = containers::all(&store)?;
    let mut code = OK;
    let mut complain = |error: &Error| {
        note(&error.to_string());
        code = 1;
    };
    errors.iter().for_each(&mut complain);
    let show_all = parsed.on("all") || filters.iter().any(|f| matches!(f, Filter::Status(_) | Filter::Exited(_)));
    let mut rows = Vec::new();
    for container in found {
        match look(&store, container) {
            Ok(Some(row)) if (show_all || is_up(&row)) && matches(&filters, &row) => {
                rows.push(row);
            }
            Ok(_) => {}
            Err(error) => complain(&error),
        }
    }
    let full = parsed.on("no-trunc");
    if parsed.on("quiet") {
        for row in &rows {
            print(&format!("{}\n", if full { &row.spec.id } else { &row.spec.id[..12] }))?;
        }
        return Ok(code);
    }
    let headers = [
        ("ID", "CONTAINER ID"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("RunningFor", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Status", "STATUS"),
        ("PID", "PID"),
        ("Ports", "PORTS"),
        ("Names", "NAMES"),
    ];
    let default = "table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.PID}}\\t{{.Ports}}\\t{{.Names}}";
    let values: Vec<Value> = rows.iter().map(|row| value(row, full)).collect();
    print(&table::print(parsed.last("format"), default, &headers, &values)?)?;
    Ok(code)
}

fn look(store: &Store, container: Container) -> Result<Option<Row>> {
    let Some(state) = remove::settle(store, &container)? else { return Ok(None) };
    let is_paused = state.status == Status::Running && cgroup::is_frozen(Place::of(&container.spec));
    Ok(Some(Row { spec: container.spec, state, is_paused }))
}

/// `--filter`: different keys must all fit, of one key any value.
enum Filter {
    Id(String),
    Name(String),
    Status(String),
    Exited(i32),
    Label(String),
    Ancestor(String),
    Health(String),
}

const HEALTHS: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];

const STATES: [&str; 7] = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];

impl Filter {
    fn parse(text: &str) -> Result<Self> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| Error::new(format!("bad format of filter '{text}' (expected name=value)")).exit(1))?;
        let value = value.to_owned();
        let bad = |what: String| Error::new(what).exit(1);
        Ok(match key {
            "id" => Self::Id(value),
            "name" => Self::Name(value),
            "status" if STATES.contains(&value.as_str()) => Self::Status(value),
            "status" => return Err(bad(format!("invalid filter 'status={value}': one of {}", STATES.join(", ")))),
            "exited" => Self::Exited(value.parse().map_err(|_| bad(format!("invalid filter 'exited={value}'")))?),
            "label" => Self::Label(value),
            "ancestor" => Self::Ancestor(value),
            "health" if HEALTHS.contains(&value.as_str()) => Self::Health(value),
            "health" => return Err(bad(format!("invalid filter 'health={value}': one of {}", HEALTHS.join(", ")))),
            _ => {
                return Err(bad(format!(
                    "Invalid filter '{key}': known are ancestor, exited, health, id, label, name, status"
                )));
            }
        })
    }

    fn key(&self) -> u8 {
        match self {
            Self::Id(_) => 0,
            Self::Name(_) => 1,
            Self::Status(_) => 2,
            Self::Exited(_) => 3,
            Self::Label(_) => 4,
            Self::Ancestor(_) => 5,
            Self::Health(_) => 6,
        }
    }

    fn fits(&self, row: &Row) -> bool {
        let spec = &row.spec;
        match self {
            Self::Id(start) => spec.id.starts_with(start.as_str()),
            Self::Name(pattern) => name_fits(pattern, &spec.name),
            Self::Status(word) => state_word(row) == word,
            Self::Exited(code) => row.state.status == Status::Exited && row.state.exit_code == *code,
            Self::Label(label) => match label.split_once('=') {
                Some((key, value)) => spec.labels.get(key).is_some_and(|v| v == value),
                None => spec.labels.contains_key(label),
            },
            Self::Health(word) => health_word(&row.state) == word,
            Self::Ancestor(image) => {
                let digits = image.strip_prefix("sha256:").unwrap_or(image);
                spec.image == *image
                    || spec.image.strip_suffix(":latest") == Some(image.as_str())
                    || image.strip_suffix(":latest") == Some(spec.image.as_str())
                    || digits.len() >= 4 && spec.image_id.starts_with(digits)
            }
        }
    }
}

/// docker matches names by regular expression; here `^` and `$` anchor, and everything else stands for itself.
fn name_fits(pattern: &str, name: &str) -> bool {
    let pattern = pattern.trim_start_matches('/');
    let (start, rest) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest.trim_start_matches('/')));
    let (end, word) = rest.strip_suffix('$').map_or((false, rest), |word| (true, word));
    match (start, end) {
        (true, true) => name == word,
        (true, false) => name.starts_with(word),
        (false, true) => name.ends_with(word),
        (false, false) => name.contains(word),
    }
}

fn matches(filters: &[Filter], row: &Row) -> bool {
    filters.iter().all(|one| filters.iter().filter(|other| other.key() == one.key()).any(|f| f.fits(row)))
}

fn health_word(state: &State) -> &'static str {
    HEALTHS[state.health.as_ref().map_or(3, |checked| match checked.status {
        Verdict::Starting => 0,
        Verdict::Healthy => 1,
        Verdict::Unhealthy => 2,
    })]
}

/// One that is between two runs counts as running, as docker has it.
fn is_up(row: &Row) -> bool {
    matches!(row.state.status, Status::Running | Status::Restarting)
}

fn state_word(row: &Row) -> &'static str {
    match row.state.status {
        Status::Created => "created",
        Status::Running if row.is_paused => "paused",
        Status::Running => "running",
        Status::Exited => "exited",
        Status::Restarting => "restarting",
    }
}

fn status(row: &Row) -> String {
    let state = &row.state;
    match state.status {
        Status::Created => "Created".to_owned(),
        Status::Running => {
            let more = match &state.health {
                _ if row.is_paused => " (Paused)",
                Some(checked) if checked.status == Verdict::Starting => " (health: starting)",
                Some(checked) if checked.status == Verdict::Healthy => " (healthy)",
                Some(_) => " (unhealthy)",
                None => "",
            };
            format!("Up {}{more}", human::duration(human::elapsed(state.started)))
        }
        Status::Exited => format!("Exited ({}) {}", state.exit_code, human::ago(human::elapsed(state.finished))),
        Status::Restarting => {
            format!("Restarting ({}) {}", state.exit_code, human::ago(human::elapsed(state.finished)))
        }
    }
}

fn value(row: &Row, full: bool) -> Value {
    let spec = &row.spec;
    let command = spec.args().map(String::as_str).collect::<Vec<_>>().join(" ");
    let command = human::visible(&command);
    let command = if full || command.chars().count() <= COMMAND_CHARS {
        command
    } else {
        command.chars().take(COMMAND_CHARS - 1).chain(['…']).collect()
    };
    let labels = spec.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
    let mounts = spec.mounts.iter().map(|m| m.source.as_str()).collect::<Vec<_>>().join(",");
    let volumes = spec.mounts.iter().filter(|m| m.kind != MountKind::Bind).count();
    let network = match spec.network {
        Network::None => "none",
        Network::Host => "host",
    };
    let pid = if row.state.pid == 0 { String::new() } else { row.state.pid.to_string() };
    let created = format!("{} +0000 UTC", time::plain(spec.created));
    object(vec![
        ("ID", text(if full { &spec.id } else { &spec.id[..12] })),
        ("Image", text(human::visible(&spec.image))),
        ("Command", text(format!("\"{command}\""))),
        ("CreatedAt", text(created)),
        ("RunningFor", text(human::ago(human::elapsed(spec.created)))),
        ("State", text(state_word(row))),
        ("Status", text(status(row))),
        ("PID", text(pid)),
        ("Ports", text("")),
        ("Names", text(&spec.name)),
        ("Labels", text(labels)),
        ("Mounts", text(mounts)),
        ("LocalVolumes", text(volumes.to_string())),
        ("Networks", text(network)),
        ("StopSignal", text(read::signal_name(spec.stop_signal))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_like_dockers() {
        assert!(name_fits("web", "my-web-1") && name_fits("^web", "web1") && name_fits("^/web$", "web"));
        assert!(!name_fits("^web$", "web1") && !name_fits("x", "web"));
    }
}
