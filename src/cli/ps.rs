//! `ps`.

mod filter;

use super::args::Parsed;
use super::shape::{add_word, picked, put_labels, put_string, put_text};
use super::{OK, complain, human, inspect, note, open_store, ports, print_list, read};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use filter::Filter;
use mydocker::error::{Error, Result};
use mydocker::kernel::{file, time};
use mydocker::life::remove;
use mydocker::spec::json::{Object, Value};
use mydocker::spec::order;
use mydocker::spec::{MountKind, Network, Spec, State, Status, text};
use mydocker::store::containers;
use mydocker::store::{Store, layers};
use mydocker::walls::cgroup::{Freezer, Place};
use rustix::fd::AsFd;

/// Characters of a command that are shown.
const COMMAND_CHARS: usize = 20;
/// Characters of a mount's name that are shown.
const MOUNT_CHARS: usize = 15;

const COLUMNS: &str =
    "table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.PID}}\\t{{.Ports}}\\t{{.Names}}";
/// The word over each column of `ps`.
pub const HEADERS: &str = "ID CONTAINER ID,Image IMAGE,Command COMMAND,RunningFor CREATED,CreatedAt CREATED AT,Status STATUS,\
    PID PID,Ports PORTS,Names NAMES,LocalVolumes LOCAL VOLUMES,StopSignal STOP SIGNAL";

/// A container, and what is true of it now.
pub struct Row {
    /// What was asked.
    pub spec: Box<Spec>,
    /// Its state.
    pub state: Box<State>,
    /// Whether it stands still.
    pub is_paused: bool,
}

/// Every container, newest first. What cannot be read is told, and makes the exit code 1.
pub fn all(store: &Store, code: &mut u8) -> Result<Vec<Row>> {
    let (mut rows, freezer) = (Vec::new(), Freezer::default());
    let errors = containers::each(store, &mut |spec| {
        if let Some(state) = remove::settled(store, &spec)? {
            let is_paused = is_paused(&spec, &state, &freezer);
            rows.push(Row { spec, state, is_paused });
        }
        Ok(())
    })?;
    for error in &errors {
        complain(error, code);
    }
    Ok(order::sorted(rows, &|a: &Row, b| a.spec.created > b.spec.created))
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
    let mut left = if count > 0 { count } else { usize::MAX };
    let full = parsed.on("no-trunc");
    let format = parsed.last("format").unwrap_or_default();
    let is_quiet = parsed.on("quiet");
    if is_quiet && !format.is_empty() {
        note("--format is ignored, because --quiet is there, too");
    }
    let with_size = parsed.on("size") || text::has(format, ".Size");
    let columns = [COLUMNS, if with_size { "\\t{{.Size}}" } else { "" }].concat();
    let with_all = is_rare(format) || with_size;
    let mut code = OK;
    let (mut ids, mut values) = (String::new(), Vec::new());
    // They are not taken apart: that would take a tenth of the time, and the process ends.
    for row in all(&store, &mut code)?.leak() {
        let is_on = matches!(row.state.status, Status::Running | Status::Restarting);
        if left == 0 || !(show_all || is_on) || !filter::fits(&filters, row) {
            continue;
        }
        left -= 1;
        ids.extend([shown_id(&row.spec, full), "\n"]);
        if !is_quiet {
            let sizes = if with_size { size_of(&store, &row.spec)? } else { None };
            values.push(value(row, with_all, full, sizes));
        }
    }
    print_list(parsed, &ids, &columns, HEADERS, &values)?;
    Ok(code)
}

fn shown_id(spec: &Spec, full: bool) -> &str {
    if full { &spec.id } else { human::short(&spec.id) }
}

/// Whether a container stands still.
pub fn is_paused(spec: &Spec, state: &State, freezer: &Freezer) -> bool {
    state.status == Status::Running && freezer.holds(Place::of(spec))
}

/// Bytes of what a container changed, and of all its files together.
pub fn sizes(store: &Store, spec: &Spec) -> Result<(u64, u64)> {
    let own = match spec.rootfs {
        Some(_) => 0, // what it changed there is not told apart
        None => file::tree_bytes(file::open_dir_at(store.containers.as_fd(), &[&spec.id, "/upper"].concat())?.as_fd())?,
    };
    let mut all = own;
    for layer in &spec.layers {
        all += layers::size(store, layer)?;
    }
    Ok((own, all))
}

/// The same, nothing for one that was removed meanwhile.
fn size_of(store: &Store, spec: &Spec) -> Result<Option<(u64, u64)>> {
    match sizes(store, spec) {
        Err(error) if file::exists_at(store.containers.as_fd(), &spec.id) => Err(error),
        sizes => Ok(sizes.ok()),
    }
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
    match state.status {
        Status::Created => "Created".to_owned(),
        Status::Running => {
            let (before, word, after) = match state.health.as_ref().map(|checked| inspect::verdict(checked.status)) {
                _ if row.is_paused => (" (", "Paused", ")"),
                Some("starting") => (" (health: ", "starting", ")"),
                Some(verdict) => (" (", verdict, ")"),
                None => ("", "", ""),
            };
            // The clock may have been set since: a machine without a battery begins in 1970.
            let age = |up: i64| (time::since_boot() / time::SECOND - up / time::SECOND).max(0);
            let seconds = state.started_up.map_or_else(|| human::elapsed(state.started), age);
            ["Up ", &human::duration(seconds), before, word, after].concat()
        }
        Status::Exited | Status::Restarting => {
            let word = if state.status == Status::Exited { "Exited" } else { "Restarting" };
            format!("{word} ({}) {}", state.exit_code, human::ago(human::elapsed(state.finished)))
        }
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

/// The names of the networks that it is on, or is to be on, with commas between them.
fn networks(spec: &Spec) -> String {
    let mut names = String::new();
    match spec.network {
        Network::Bridge => {
            for endpoint in &spec.endpoints {
                add_word(&mut names, &endpoint.network);
            }
        }
        Network::Container => {}
        network => names.push_str(network.word()),
    }
    names
}

/// The beginning of a text, with an ellipsis where it was longer.
pub fn cut(text: &str, chars_max: usize) -> String {
    let mut places = text.char_indices().skip(chars_max - 1).map(|(at, _)| at);
    match (places.next(), places.next()) {
        (Some(end), Some(_)) => human::part(text, 0, end).to_owned() + "…",
        _ => text.to_owned(),
    }
}

/// The fields that are made only where a format asks for them.
const RARE: &str = "CreatedAt State Label Mount LocalVolume Network StopSignal Platform Size";

/// Whether a format shows one of these, or takes the row as a whole.
fn is_rare(format: &str) -> bool {
    let is_whole = |pair: &[u8]| pair[0] == b'$' || pair[0] == b'.' && !pair[1].is_ascii_alphabetic();
    format == "json"
        || format.as_bytes().windows(2).any(is_whole)
        || RARE.split(' ').any(|field| text::has(format, field))
}

/// Its fields for a table or a template; `all`: those that are rarely asked for, too. `full`: nothing is shortened; `sizes`
/// are those of [`sizes`].
pub fn value(row: &Row, all: bool, full: bool, sizes: Option<(u64, u64)>) -> Value {
    let spec = &row.spec;
    let cut = |text: &str, chars_max: usize| if full { text.to_owned() } else { cut(text, chars_max) };
    let mut command = String::new();
    for arg in spec.args() {
        text::add(&mut command, " ", arg);
    }
    let command = cut(&human::visible(&command), COMMAND_CHARS);
    let mut o = Object::new();
    if all {
        let (mut mounts, mut volumes) = (String::new(), 0);
        for mount in &spec.mounts {
            if mount.kind != MountKind::Tmpfs {
                add_word(&mut mounts, &cut(&human::visible(&mount.source), MOUNT_CHARS));
            }
            volumes += u32::from(mount.is_volume());
        }
        o = picked("Platform -,Size - \"0B\",", &Value::Null);
        if let Some((own, all)) = sizes {
            put_string(&mut o, "Size", format!("{} (virtual {})", human::size(own), human::size(all)));
        }
        put_string(&mut o, "CreatedAt", time::plain(spec.created) + " +0000 UTC");
        put_text(&mut o, "State", state_word(&row.state, row.is_paused));
        put_labels(&mut o, &spec.labels);
        put_string(&mut o, "Mounts", mounts);
        put_string(&mut o, "LocalVolumes", volumes.to_string());
        put_string(&mut o, "Networks", networks(spec));
        put_string(&mut o, "StopSignal", read::signal_name(spec.stop_signal));
    }
    put_text(&mut o, "ID", shown_id(spec, full));
    put_string(&mut o, "Image", human::visible(&spec.image));
    put_string(&mut o, "Command", ["\"", &command, "\""].concat());
    put_string(&mut o, "RunningFor", human::ago(human::elapsed(spec.created)));
    put_string(&mut o, "Status", status(row));
    put_string(&mut o, "PID", if row.state.pid == 0 { String::new() } else { row.state.pid.to_string() });
    put_string(&mut o, "Ports", ports::text(ports::of(spec, &row.state)));
    put_text(&mut o, "Names", &spec.name);
    Value::Object(o)
}
