//! `stats`.

use super::args::Parsed;
use super::{OK, human, note, object, open_store, print, table, text};
use miniserde::json::Value;
use mydocker::error::{Error, Result};
use mydocker::kernel::{process, sys};
use mydocker::life::watch::{self, Sample};
use mydocker::store::Store;
use mydocker::store::containers::{self, Container};

/// Between the first two looks: what is used in a moment is a difference.
const FIRST_MS: i64 = 500;
/// Between all later ones.
const TURN_MS: i64 = 1000;

const DEFAULT: &str =
    "table {{.ID}}\\t{{.Name}}\\t{{.CPUPerc}}\\t{{.MemUsage}}\\t{{.MemPerc}}\\t{{.NetIO}}\\t{{.BlockIO}}\\t{{.PIDs}}";
const HEADERS: [(&str, &str); 9] = [
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

/// One container on the screen.
struct Watched {
    /// What stands for it in `{{.Container}}`: the word that was typed, or its id.
    word: String,
    container: Container,
    before: Option<Sample>,
    now: Option<Sample>,
}

/// `stats [OPTIONS] [CONTAINER…]`
pub fn stats(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let is_live = !parsed.on("no-stream");
    let is_screen = is_live && rustix::termios::isatty(sys::stdout());
    let full = parsed.on("no-trunc");
    let mut code = OK;
    let mut all = Vec::new();
    for (turn, wait_ms) in [0, FIRST_MS].into_iter().chain(core::iter::repeat(TURN_MS)).enumerate() {
        process::wait_for(&mut [], wait_ms);
        all = if parsed.words.is_empty() {
            let (found, errors) = every(&store, all, full)?;
            if turn == 0 {
                complain(&errors);
                code = u8::from(!errors.is_empty());
            }
            found
        } else if turn == 0 {
            named(&store, &parsed.words)?
        } else {
            all.into_iter().filter(|watched| exists(&store, watched)).collect()
        };
        for watched in &mut all {
            watched.before = watched.now.take();
            watched.now = watch::sample(&store, &watched.container)?;
        }
        if parsed.words.is_empty() && !parsed.on("all") {
            all.retain(|watched| watched.now.is_some());
        }
        if turn == 0 {
            continue;
        }
        if all.is_empty() && !parsed.words.is_empty() {
            break;
        }
        let rows: Vec<Value> = all.iter().map(|watched| value(watched, full, is_live)).collect();
        let answer = table::print(parsed.last("format"), DEFAULT, &HEADERS, &rows)?;
        print(&if is_screen { redrawn(&answer, turn == 1) } else { answer })?;
        if !is_live {
            break;
        }
    }
    Ok(code)
}

/// All containers, with what is known of them from before.
fn every(store: &Store, mut known: Vec<Watched>, full: bool) -> Result<(Vec<Watched>, Vec<Error>)> {
    let (found, errors) = containers::all(store)?;
    let watched = |container: Container| {
        let id = &container.spec.id;
        let at = known.iter().position(|watched| watched.container.spec.id == *id);
        let now = at.and_then(|at| known.swap_remove(at).now);
        let word = if full { id.clone() } else { id[..12].to_owned() };
        Watched { word, container, before: None, now }
    };
    Ok((found.into_iter().map(watched).collect(), errors))
}

/// The containers of these words, each once. All words are looked at before one that leads nowhere is an error.
fn named(store: &Store, words: &[String]) -> Result<Vec<Watched>> {
    let mut all: Vec<Watched> = Vec::new();
    let mut errors = Vec::new();
    for word in words {
        match containers::find(store, word) {
            Ok(container) if all.iter().any(|watched| watched.word == *word) => drop(container),
            Ok(container) => all.push(Watched { word: word.clone(), container, before: None, now: None }),
            Err(error) => errors.push(error),
        }
    }
    let Some(last) = errors.pop() else { return Ok(all) };
    complain(&errors);
    Err(last)
}

fn complain(errors: &[Error]) {
    for error in errors {
        note(&error.to_string());
    }
}

fn exists(store: &Store, watched: &Watched) -> bool {
    let id = &watched.container.spec.id;
    mydocker::kernel::file::exists_at(rustix::fd::AsFd::as_fd(&store.containers), id)
        && !containers::is_going(store, id)
}

/// The lines over the ones that were there: home, each line cleared behind its end, and the screen below.
fn redrawn(text: &str, is_first: bool) -> String {
    let begin = if is_first { "\u{1b}[2J\u{1b}[H" } else { "\u{1b}[H" };
    format!("{begin}{}\u{1b}[J", text.replace('\n', "\u{1b}[K\n"))
}

/// A container that does not run shows zeros once, and dashes in a stream, as docker has it.
fn value(watched: &Watched, full: bool, is_live: bool) -> Value {
    let spec = &watched.container.spec;
    let shown = match &watched.now {
        Some(now) => Shown::of(watched.before.as_ref(), now),
        None if is_live => Shown::unknown(),
        None => Shown::default(),
    };
    object(vec![
        ("Container", text(human::visible(&watched.word))),
        ("ID", text(if full { &spec.id } else { &spec.id[..12] })),
        ("Name", text(&spec.name)),
        ("CPUPerc", text(shown.cpu)),
        ("MemUsage", text(shown.memory)),
        ("MemPerc", text(shown.memory_share)),
        ("NetIO", text(shown.network)),
        ("BlockIO", text(shown.disks)),
        ("PIDs", text(shown.pids)),
    ])
}

/// The cells of a row.
struct Shown {
    cpu: String,
    memory: String,
    memory_share: String,
    network: String,
    disks: String,
    pids: String,
}

impl Default for Shown {
    fn default() -> Self {
        let none = || "0B / 0B".to_owned();
        let (cpu, memory_share) = (percent(0, 1), percent(0, 1));
        Self { cpu, memory: none(), memory_share, network: none(), disks: none(), pids: "0".to_owned() }
    }
}

impl Shown {
    fn unknown() -> Self {
        let [cpu, memory_share, network, disks, pids] = core::array::from_fn(|_| "--".to_owned());
        Self { cpu, memory: "-- / --".to_owned(), memory_share, network, disks, pids }
    }

    /// What was used between two looks, and what is used now. 100% is one whole CPU.
    fn of(before: Option<&Sample>, now: &Sample) -> Self {
        let usage = &now.usage;
        let (cpu, elapsed) = before.map_or((0, 0), |before| {
            // One that was started anew in between counts from zero.
            let cpu = usage.cpu_ns.saturating_sub(before.usage.cpu_ns);
            (cpu, u64::try_from(now.at - before.at).unwrap_or(0))
        });
        let binary = human::size_binary;
        Self {
            cpu: percent(cpu, elapsed),
            memory: format!("{} / {}", binary(usage.memory_bytes), binary(usage.memory_limit)),
            memory_share: percent(usage.memory_bytes, usage.memory_limit),
            network: format!("{} / {}", human::size(now.received), human::size(now.sent)),
            disks: format!("{} / {}", human::size(usage.block_read), human::size(usage.block_written)),
            pids: usage.pids.to_string(),
        }
    }
}

/// A part of a whole with two decimals; of nothing, nothing.
fn percent(part: u64, whole: u64) -> String {
    let whole = u128::from(whole);
    let hundredths = (u128::from(part) * 10_000 + whole / 2).checked_div(whole).unwrap_or(0);
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mydocker::walls::cgroup::Usage;

    fn sample(at: i64, cpu_ns: u64) -> Sample {
        let usage = Usage {
            cpu_ns,
            memory_bytes: 348 << 10,
            memory_limit: 25_275_881_000,
            pids: 3,
            block_written: 1_984_123,
            ..Usage::default()
        };
        Sample { at, usage, received: 516, sent: 0 }
    }

    #[test]
    fn percentages() {
        assert_eq!(percent(0, 0), "0.00%");
        assert_eq!(percent(1, 3), "33.33%");
        assert_eq!(percent(2, 3), "66.67%");
        assert_eq!(percent(2_000_000_000, 1_000_000_000), "200.00%");
        assert_eq!(percent(u64::MAX, 1), "1844674407370955161500.00%");
    }

    #[test]
    fn cells() {
        let shown = Shown::of(Some(&sample(1_000_000_000, 500)), &sample(1_500_000_000, 250_000_500));
        assert_eq!(shown.cpu, "50.00%");
        assert_eq!(shown.memory, "348KiB / 23.54GiB");
        assert_eq!((shown.memory_share.as_str(), shown.pids.as_str()), ("0.00%", "3"));
        assert_eq!((shown.network.as_str(), shown.disks.as_str()), ("516B / 0B", "0B / 1.98MB"));
        assert_eq!(Shown::of(None, &sample(1, 500)).cpu, "0.00%");
        assert_eq!(Shown::of(Some(&sample(1, 500)), &sample(2, 0)).cpu, "0.00%");
        assert_eq!(Shown::default().memory, "0B / 0B");
        assert_eq!(Shown::unknown().memory, "-- / --");
    }

    #[test]
    fn redrawing() {
        assert_eq!(redrawn("a\nb\n", true), "\u{1b}[2J\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\n\u{1b}[J");
        assert!(redrawn("a\n", false).starts_with("\u{1b}[Ha"));
    }
}
