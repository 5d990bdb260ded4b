//! `stats`.

use super::args::Parsed;
use super::shape::{put_string, put_text};
use super::{OK, human, note, open_store, print, table};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mydocker::error::{Error, Result};
use mydocker::kernel::{process, sys};
use mydocker::life::watch::{self, Sample};
use mydocker::spec::json::{Object, Value};
use mydocker::spec::text;
use mydocker::store::Store;
use mydocker::store::containers::{self, Container};

/// Between the first two looks: what is used in a moment is a difference.
const FIRST_MS: i64 = 500;
/// Between all later ones.
const TURN_MS: i64 = 1000;

const DEFAULT: &str =
    "table {{.ID}}\\t{{.Name}}\\t{{.CPUPerc}}\\t{{.MemUsage}}\\t{{.MemPerc}}\\t{{.NetIO}}\\t{{.BlockIO}}\\t{{.PIDs}}";
const HEADERS: &str = "Container CONTAINER,ID CONTAINER ID,Name NAME,CPUPerc CPU %,MemUsage MEM USAGE / LIMIT,\
    MemPerc MEM %,NetIO NET I/O,BlockIO BLOCK I/O,PIDs PIDS";

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
    let by_name = !parsed.words.is_empty();
    let mut code = OK;
    let mut all = if by_name { named(&store, &parsed.words)? } else { Vec::new() };
    for turn in 0u64.. {
        process::wait_for(&mut [], [0, FIRST_MS, TURN_MS][turn.min(2) as usize]);
        if !by_name {
            let errors = every(&store, &mut all, full)?;
            if turn == 0 {
                complain(&errors);
                code = u8::from(!errors.is_empty());
            }
        }
        for watched in &mut all {
            watched.before = watched.now.take();
            watched.now = watch::sample(&store, &watched.container)?;
        }
        all.retain(|watched| {
            let stays = if by_name { turn == 0 || exists(&store, watched) } else { parsed.on("all") };
            stays || watched.now.is_some()
        });
        if turn == 0 {
            continue;
        }
        if all.is_empty() && by_name {
            break;
        }
        let mut rows = Vec::new();
        for watched in &all {
            rows.push(value(watched, full, is_live));
        }
        let answer = table::print(parsed.last("format"), DEFAULT, HEADERS, &rows)?;
        print(&if is_screen { redrawn(&answer, turn == 1) } else { answer })?;
        if !is_live {
            break;
        }
    }
    Ok(code)
}

/// All containers, with what is known of them from before.
fn every(store: &Store, all: &mut Vec<Watched>, full: bool) -> Result<Vec<Error>> {
    let (found, errors) = containers::all(store)?;
    let mut known = core::mem::take(all);
    for container in found {
        let id = &container.spec.id;
        let before = known.iter_mut().find(|watched| watched.container.spec.id == *id);
        let now = before.and_then(|watched| watched.now.take());
        let word = if full { id } else { human::short(id) }.to_owned();
        all.push(Watched { word, container, before: None, now });
    }
    Ok(errors)
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
    format!("{begin}{}\u{1b}[J", text::replace(text, "\n", "\u{1b}[K\n"))
}

/// A container that does not run shows zeros once, and dashes in a stream, as docker has it.
fn value(watched: &Watched, full: bool, is_live: bool) -> Value {
    let spec = &watched.container.spec;
    let mut o = Object::new();
    put_string(&mut o, "Container", human::visible(&watched.word));
    put_text(&mut o, "ID", if full { &spec.id } else { human::short(&spec.id) });
    put_text(&mut o, "Name", &spec.name);
    let cells = match &watched.now {
        Some(now) => &used(watched.before.as_ref(), now),
        None if is_live => "--,-- / --,--,--,--,--",
        None => "0.00%,0B / 0B,0.00%,0B / 0B,0B / 0B,0",
    };
    let mut keys = "CPUPerc MemUsage MemPerc NetIO BlockIO PIDs".split(' ');
    for cell in cells.split(',') {
        put_text(&mut o, keys.next().unwrap_or_default(), cell);
    }
    Value::Object(o)
}

/// What was used between two looks, and what is used now, with commas between the cells. 100% is one whole CPU.
fn used(before: Option<&Sample>, now: &Sample) -> String {
    let usage = &now.usage;
    let (cpu, elapsed) = before.map_or((0, 0), |before| {
        // One that was started anew in between counts from zero.
        let cpu = usage.cpu_ns.saturating_sub(before.usage.cpu_ns);
        (cpu, u64::try_from(now.at - before.at).unwrap_or(0))
    });
    format!(
        "{},{} / {},{},{} / {},{} / {},{}",
        percent(cpu, elapsed),
        human::size_binary(usage.memory_bytes),
        human::size_binary(usage.memory_limit),
        percent(usage.memory_bytes, usage.memory_limit),
        human::size(now.received),
        human::size(now.sent),
        human::size(usage.block_read),
        human::size(usage.block_written),
        usage.pids
    )
}

/// A part of a whole with two decimals; of nothing, nothing.
fn percent(part: u64, whole: u64) -> String {
    let (times, rest) = (part.checked_div(whole).unwrap_or(0), part.checked_rem(whole).unwrap_or(0));
    let hundredths = (u128::from(rest) * 10_000 + u128::from(whole / 2)) / u128::from(whole.max(1));
    let (hundredths, times) = (hundredths as u64 % 10_000, times + hundredths as u64 / 10_000);
    let (percent, behind) = (hundredths / 100, hundredths % 100);
    if times == 0 { format!("{percent}.{behind:02}%") } else { format!("{times}{percent:02}.{behind:02}%") }
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
        let shown = used(Some(&sample(1_000_000_000, 500)), &sample(1_500_000_000, 250_000_500));
        assert_eq!(shown, "50.00%,348KiB / 23.54GiB,0.00%,516B / 0B,0B / 1.98MB,3");
        assert!(used(None, &sample(1, 500)).starts_with("0.00%,"));
        assert!(used(Some(&sample(1, 500)), &sample(2, 0)).starts_with("0.00%,"));
    }

    #[test]
    fn redrawing() {
        assert_eq!(redrawn("a\nb\n", true), "\u{1b}[2J\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\n\u{1b}[J");
        assert!(redrawn("a\n", false).starts_with("\u{1b}[Ha"));
    }
}
