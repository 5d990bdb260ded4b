//! `ps`.

mod filter;

use super::args::Parsed;
use super::shape::{picked, put_text};
use super::{OK, complain, human, inspect, note, open_store, ports, print, read, table};
use filter::Filter;
use miniserde::json::Value;
use mydocker::error::{Error, Result};
use mydocker::kernel::{file, time};
use mydocker::life::remove;
use mydocker::spec::text;
use mydocker::spec::{MountKind, Network, Spec, State, Status};
use mydocker::store::containers::{self, Container};
use mydocker::store::{Store, layers};
use mydocker::walls::cgroup::{self, Place};
use rustix::fd::AsFd;

/// Characters of a command that are shown.
const COMMAND_CHARS: usize = 20;
/// Characters of a mount's name that are shown.
const MOUNT_CHARS: usize = 15;

/// The word over each column of `ps`.
pub const HEADERS: [(&str, &str); 11] = [
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("RunningFor", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Status", "STATUS"),
    ("PID", "PID"),
    ("Ports", "PORTS"),
    ("Names", "NAMES"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("StopSignal", "STOP SIGNAL"),
];

/// A container, and what is true of it now.
pub struct Row {
    /// The container.
    pub container: Container,
    /// Its state.
    pub state: State,
    /// Whether it stands still.
    pub is_paused: bool,
}

/// Every container, newest first. What cannot be read is told, and makes the exit code 1.
pub fn all(store: &Store, code: &mut u8) -> Result<Vec<Row>> {
    let (found, errors) = containers::all(store)?;
    for error in &errors {
        complain(error, code);
    }
    let mut rows = Vec::new();
    for container in found {
        match state(store, &container) {
            Ok(Some((state, is_paused))) => rows.push(Row { container, state, is_paused }),
            Ok(None) => {}
            Err(error) => complain(&error, code),
        }
    }
    Ok(rows)
}

/// `ps [OPTIONS]`
pub fn ps(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let mut filters = Vec::new();
    for typed in parsed.all("filter") {
        filters.push(Filter::parse(&store, typed)?);
    }
    let last = parsed.read("last", |text| text.parse::<i64>().map_err(|_| Error::new("it is not a whole number")))?;
    // All of them unless a number above zero is asked for; then also the ones that do not run.
    let count = if parsed.on("latest") { 1 } else { last.and_then(|n| usize::try_from(n).ok()).unwrap_or(0) };
    let show_all = parsed.on("all") || count > 0 || filters.iter().any(Filter::wants_all);
    let mut code = OK;
    let mut rows = all(&store, &mut code)?;
    rows.retain(|row| {
        let is_on = matches!(row.state.status, Status::Running | Status::Restarting);
        (show_all || is_on) && filter::fits(&filters, row)
    });
    if count > 0 {
        rows.truncate(count);
    }
    let full = parsed.on("no-trunc");
    let format = parsed.last("format").unwrap_or_default();
    if parsed.on("quiet") {
        if !format.is_empty() {
            note("--format is ignored, because --quiet is there, too");
        }
        let mut text = String::new();
        for row in &rows {
            let id = &row.container.spec.id;
            text.push_str(if full { id } else { &id[..12] });
            text.push('\n');
        }
        print(&text)?;
        return Ok(code);
    }
    let with_size = parsed.on("size") || text::has(format, ".Size");
    let mut default = "table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.PID}}\\t{{.Ports}}\\t{{.Names}}".to_owned();
    if with_size {
        default.push_str("\\t{{.Size}}");
    }
    let mut values = Vec::new();
    for row in &rows {
        let sizes = if with_size { Some(sizes(&store, &row.container)?) } else { None };
        values.push(value(row, full, sizes));
    }
    print(&table::print(Some(format), &default, &HEADERS, &values)?)?;
    Ok(code)
}

/// What is true of a container now, and whether it is paused; `None` when it has just gone.
pub fn state(store: &Store, container: &Container) -> Result<Option<(State, bool)>> {
    let Some(state) = remove::settle(store, container)? else { return Ok(None) };
    let is_paused = state.status == Status::Running && cgroup::is_frozen(Place::of(&container.spec));
    Ok(Some((state, is_paused)))
}

/// Bytes of what a container changed, and of all its files together.
pub fn sizes(store: &Store, container: &Container) -> Result<(u64, u64)> {
    let spec = &container.spec;
    let own = match spec.rootfs {
        Some(_) => 0, // what it changed there is not told apart
        None => file::tree_bytes(file::open_dir_at(container.dir.as_fd(), "upper")?.as_fd())?,
    };
    let mut all = own;
    for layer in &spec.layers {
        all += layers::size(store, layer)?;
    }
    Ok((own, all))
}

/// docker's word for a state.
pub fn state_word(state: &State, is_paused: bool) -> &'static str {
    match state.status {
        Status::Created => "created",
        Status::Running if is_paused => "paused",
        Status::Running => "running",
        Status::Exited => "exited",
        Status::Restarting => "restarting",
    }
}

fn status(row: &Row) -> String {
    let state = &row.state;
    let ended = || human::ago(human::elapsed(state.finished));
    match state.status {
        Status::Created => "Created".to_owned(),
        Status::Running => {
            let more = match state.health.as_ref().map(|checked| inspect::verdict(checked.status)) {
                _ if row.is_paused => " (Paused)".to_owned(),
                Some("starting") => " (health: starting)".to_owned(),
                Some(verdict) => format!(" ({verdict})"),
                None => String::new(),
            };
            format!("Up {}{more}", human::duration(human::elapsed(state.started)))
        }
        Status::Exited => format!("Exited ({}) {}", state.exit_code, ended()),
        Status::Restarting => format!("Restarting ({}) {}", state.exit_code, ended()),
    }
}

/// docker's word for the network that a container sees: `HostConfig.NetworkMode`.
pub fn network_name(spec: &Spec) -> String {
    match (spec.network, spec.endpoints.first()) {
        (Network::Bridge, Some(endpoint)) => endpoint.network.clone(),
        (Network::Container, _) => format!("container:{}", spec.network_of.as_deref().unwrap_or_default()),
        (network, _) => network.word().to_owned(),
    }
}

/// The names of the networks that it is on, or is to be on.
fn networks(spec: &Spec) -> Vec<&str> {
    match spec.network {
        Network::Bridge => spec.endpoints.iter().map(|endpoint| endpoint.network.as_str()).collect(),
        Network::Container => Vec::new(),
        network => vec![network.word()],
    }
}

/// The beginning of a text, with an ellipsis where it was longer.
pub fn cut(text: &str, chars_max: usize) -> String {
    let mut places = text.char_indices().skip(chars_max - 1).map(|(at, _)| at);
    match (places.next(), places.next()) {
        (Some(end), Some(_)) => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

/// Its fields for a table or a template. `full`: nothing is shortened; `sizes` are those of [`sizes`].
pub fn value(row: &Row, full: bool, sizes: Option<(u64, u64)>) -> Value {
    let spec = &row.container.spec;
    let cut = |text: &str, chars_max: usize| if full { text.to_owned() } else { cut(text, chars_max) };
    let mut command = String::new();
    for arg in spec.args() {
        command.push_str(if command.is_empty() { "" } else { " " });
        command.push_str(arg);
    }
    let command = cut(&human::visible(&command), COMMAND_CHARS);
    let mut labels = Vec::new();
    for (key, value) in &spec.labels {
        labels.push(format!("{key}={value}"));
    }
    let (mut mounts, mut volumes) = (Vec::new(), 0);
    for mount in &spec.mounts {
        if mount.kind != MountKind::Tmpfs {
            mounts.push(cut(&human::visible(&mount.source), MOUNT_CHARS));
        }
        volumes += u32::from(mount.is_volume());
    }
    let pid = if row.state.pid == 0 { String::new() } else { row.state.pid.to_string() };
    let size = match sizes {
        Some((own, all)) => format!("{} (virtual {})", human::size(own), human::size(all)),
        None => "0B".to_owned(),
    };
    let mut o = picked("Platform -,", &Value::Null);
    put_text(&mut o, "ID", if full { &spec.id } else { &spec.id[..12] });
    put_text(&mut o, "Image", &human::visible(&spec.image));
    put_text(&mut o, "Command", &format!("\"{command}\""));
    put_text(&mut o, "CreatedAt", &format!("{} +0000 UTC", time::plain(spec.created)));
    put_text(&mut o, "RunningFor", &human::ago(human::elapsed(spec.created)));
    put_text(&mut o, "State", state_word(&row.state, row.is_paused));
    put_text(&mut o, "Status", &status(row));
    put_text(&mut o, "PID", &pid);
    put_text(&mut o, "Names", &spec.name);
    put_text(&mut o, "Labels", &labels.join(","));
    put_text(&mut o, "Mounts", &mounts.join(","));
    put_text(&mut o, "LocalVolumes", &volumes.to_string());
    put_text(&mut o, "Networks", &networks(spec).join(","));
    put_text(&mut o, "Ports", &ports::text(ports::of(spec, &row.state)));
    put_text(&mut o, "Size", &size);
    put_text(&mut o, "StopSignal", &read::signal_name(spec.stop_signal));
    Value::Object(o)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(cut("sleep 1000", 20), "sleep 1000");
        assert_eq!(cut("aaaaaä", 5), "aaaa…");
    }
}
