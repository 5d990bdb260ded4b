//! `top`: the processes of a container, in the columns of ps(1). Moments are UTC.

use super::args::Parsed;
use super::exec::enter_user_namespace_of;
use super::table;
use super::{OK, human, open_store, print};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mydocker::error::{Error, Result};
use mydocker::kernel::proc::{self, Machine, Process, TICKS};
use mydocker::kernel::{file, time};
use mydocker::life::watch;
use mydocker::spec::text;
use mydocker::store::containers;

/// docker's narrowest column here, its padding included.
const CELL_CHARS_MIN: usize = 20;
const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
/// The first day of 1970 was the first of these.
const DAYS: &str = "ThuFriSatSunMonTueWed";

/// A process, and what is needed to tell about it.
struct View<'a> {
    process: &'a Process,
    machine: &'a Machine,
    users: &'a [(u32, String)],
    /// Nanoseconds since 1970 UTC.
    now: i64,
}

/// What is below a heading.
type Cell = fn(&View<'_>) -> String;

/// The columns of `ps -f` behind the first, of `ps u`, of `ps -e` and of `ps ax`.
const FULL: &str = "pid,ppid,c,stime,tname,time,cmd";
const USER: &str = "user,pid,pcpu,pmem,vsz,rss,tname,stat,start_time,bsdtime,args";
const SHORT: &str = "pid,tname,time,ucmd";
const SHORT_BSD: &str = "pid,tname,stat,bsdtime,args";
/// The columns of `ps -o`: names with commas between them, and their heading.
const COLUMNS: [(&str, Cell); 31] = [
    ("pid PID", |v| v.process.pid.to_string()),
    ("ppid PPID", |v| v.process.ppid.to_string()),
    ("pgid PGID", |v| v.process.pgid.to_string()),
    ("sid SID", |v| v.process.sid.to_string()),
    ("user,uname USER", user),
    ("euser EUSER", user),
    ("uid UID", |v| v.process.uid.to_string()),
    ("euid EUID", |v| v.process.uid.to_string()),
    ("comm COMMAND", program),
    ("ucmd CMD", program),
    ("args,command COMMAND", command),
    ("cmd CMD", command),
    ("time,cputime TIME", |v| clock(v.process.cpu_ticks / TICKS)),
    ("bsdtime TIME", |v| minutes(v.process.cpu_ticks / TICKS)),
    ("etime ELAPSED", |v| elapsed(alive_ticks(v) / TICKS)),
    ("etimes ELAPSED", |v| (alive_ticks(v) / TICKS).to_string()),
    ("stat STAT", stat),
    ("state,s S", |v| v.process.state.to_string()),
    ("tty TT", terminal),
    ("tname TTY", terminal),
    ("rss RSS", |v| v.process.resident_kib.to_string()),
    ("vsz VSZ", |v| v.process.size_kib.to_string()),
    ("pcpu,%cpu %CPU", |v| tenths(cpu_tenths(v))),
    ("pmem,%mem %MEM", |v| tenths(memory_tenths(v))),
    ("c C", |v| (cpu_tenths(v) / 10).min(99).to_string()),
    ("nlwp NLWP", |v| v.process.threads.to_string()),
    ("ni NI", |v| v.process.nice.to_string()),
    ("pri PRI", |v| (39 - v.process.priority).to_string()),
    ("lstart STARTED", started_long),
    ("stime STIME", started_short),
    ("start_time START", started_short),
];

/// `top CONTAINER [ps OPTIONS]`
pub fn top(parsed: &Parsed) -> Result<u8> {
    let options = parsed.words.get(1..).unwrap_or_default();
    columns(options)?; // what is wrong with them is told first
    if !rustix::process::geteuid().is_root() {
        let _ = enter_user_namespace_of(parsed.word(0), true); // one that does not run has none; any other error comes again
    }
    let store = open_store()?;
    let container = containers::find(&store, parsed.word(0))?;
    show(options, &watch::processes(&store, &container)?).map(|()| OK)
}

/// Prints processes in the columns that options of ps ask for.
pub fn show(options: &[String], processes: &[Process]) -> Result<()> {
    let columns = columns(options)?;
    let (machine, now) = (proc::machine(), time::now());
    let users = users(&file::read_text("/etc/passwd").unwrap_or_default()); // numbers do, too
    let mut lines = String::new();
    for (heading, _) in &columns {
        lines.push_str(heading);
        lines.push('\t');
    }
    for process in processes {
        lines.pop();
        lines.push('\n');
        let view = View { process, machine: &machine, users: &users, now };
        for (_, cell) in &columns {
            lines.push_str(&human::visible(&cell(&view)));
            lines.push('\t');
        }
    }
    lines.pop();
    print(&table::aligned(&lines, CELL_CHARS_MIN))
}

/// What the options of ps ask for. Which processes to show is not theirs to say: all of the container, and no others.
fn columns(words: &[String]) -> Result<Vec<(&'static str, Cell)>> {
    let typed = text::join(words, " ");
    let mut words = typed.split_whitespace();
    let mut asked = Vec::new();
    let (mut by_user, mut full, mut bsd, mut short) = (false, false, false, false);
    while let Some(word) = words.next() {
        let unknown = || {
            let known = "-ef, -e, aux, ax, or -o with columns such as pid,ppid,user,time,args";
            Error::new(format_args!("ps option '{}' is not known here: there are {known}", human::visible(word)))
                .exit(1)
        };
        let (letters, list) = match word.strip_prefix("--format") {
            Some(list) => ("", Some(list.strip_prefix('=').unwrap_or(list))),
            None if word.starts_with("--") => return Err(unknown()),
            None => word.split_once('o').map_or((word, None), |(letters, list)| (letters, Some(list))),
        };
        if let Some(list) = list {
            add(&mut asked, if list.is_empty() { words.next().ok_or_else(unknown)? } else { list })?;
        } else if letters.trim_start_matches('-').is_empty() {
            return Err(unknown());
        }
        // ps takes "-aux" for "aux", too.
        let dashed = if letters == "-aux" { None } else { letters.strip_prefix('-') };
        for letter in dashed.unwrap_or(letters.trim_start_matches('-')).bytes() {
            match (dashed.is_some(), letter) {
                (true, b'f') => full = true,
                (true, b'e' | b'A' | b'a') => short = true,
                (false, b'u') => by_user = true,
                (false, b'a' | b'x') => bsd = true,
                (_, b'w') | (true, b'x') => {}
                _ => return Err(unknown()),
            }
        }
    }
    if asked.is_empty() {
        let usual = match (by_user, full, bsd, short) {
            (true, ..) => USER,
            (_, false, true, _) => SHORT_BSD,
            (_, false, _, true) => SHORT,
            _ => {
                asked.push(("UID", user as Cell));
                FULL
            }
        };
        add(&mut asked, usual)?;
    }
    Ok(asked)
}

/// Adds the columns of a list.
fn add(columns: &mut Vec<(&'static str, Cell)>, list: &str) -> Result<()> {
    for name in list.split(',') {
        let mut known = String::new();
        let mut found = None;
        for (column, cell) in &COLUMNS {
            let (names, heading) = column.split_once(' ').unwrap_or_default();
            for one in names.split(',') {
                text::add(&mut known, ", ", one);
                if one == name {
                    found = Some((heading, *cell));
                }
            }
        }
        if found.is_none() && !name.is_empty() {
            let why = format!("no column is named '{}': there are {known}", human::visible(name));
            return Err(Error::new(why).exit(1));
        }
        columns.extend(found);
    }
    Ok(())
}

/// passwd(5): user ids and their names.
fn users(text: &str) -> Vec<(u32, String)> {
    let mut users = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(uid))) = (fields.next(), fields.nth(1).map(str::parse)) {
            users.push((uid, name.to_owned()));
        }
    }
    users
}

fn user(view: &View<'_>) -> String {
    let uid = view.process.uid;
    let known = view.users.iter().find(|(known, _)| *known == uid); // of two names the first
    known.map_or_else(|| uid.to_string(), |(_, name)| name.clone())
}

fn alive_ticks(view: &View<'_>) -> u64 {
    view.machine.uptime_ticks.saturating_sub(view.process.start_ticks)
}

/// Thousandths of one CPU since it started.
fn cpu_tenths(view: &View<'_>) -> u64 {
    (view.process.cpu_ticks * 1000).checked_div(alive_ticks(view)).unwrap_or(0)
}

/// Thousandths of the machine's memory.
fn memory_tenths(view: &View<'_>) -> u64 {
    (view.process.resident_kib * 1000).checked_div(view.machine.memory_kib).unwrap_or(0)
}

fn tenths(value: u64) -> String {
    format!("{}.{}", value / 10, value % 10)
}

/// `[D-]HH:MM:SS`
fn clock(seconds: u64) -> String {
    let (days, hours, minutes, seconds) = parts(seconds);
    let days = if days == 0 { String::new() } else { format!("{days}-") };
    format!("{days}{hours:02}:{minutes:02}:{seconds:02}")
}

/// `[[D-]HH:]MM:SS`
fn elapsed(seconds: u64) -> String {
    if seconds < 3600 { format!("{:02}:{:02}", seconds / 60, seconds % 60) } else { clock(seconds) }
}

/// `M:SS`
fn minutes(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn parts(seconds: u64) -> (u64, u64, u64, u64) {
    (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// When it started, in nanoseconds since 1970 UTC.
fn started(view: &View<'_>) -> i64 {
    let ticks = i64::try_from(view.process.start_ticks).unwrap_or(0);
    (view.machine.boot * TICKS as i64 + ticks) * (time::SECOND / TICKS as i64)
}

/// One of the words of three letters.
fn three(words: &str, at: usize) -> &str {
    human::part(words, 3 * at, 3 * at + 3)
}

/// `23:21` today, `Nov21` on another day, `2025` in another year.
fn started_short(view: &View<'_>) -> String {
    let (then, now) = (time::civil(started(view)), time::civil(view.now));
    if then.year != now.year {
        then.year.to_string()
    } else if (then.month, then.day) != (now.month, now.day) {
        format!("{}{:02}", three(MONTHS, then.month as usize - 1), then.day)
    } else {
        format!("{:02}:{:02}", then.hour, then.minute)
    }
}

/// `Fri Nov 21 23:21:04 2025`
fn started_long(view: &View<'_>) -> String {
    let moment = started(view);
    let then = time::civil(moment);
    let weekday = three(DAYS, moment.div_euclid(86_400 * time::SECOND).rem_euclid(7) as usize);
    let month = three(MONTHS, then.month as usize - 1);
    format!("{weekday} {month} {:2} {:02}:{:02}:{:02} {}", then.day, then.hour, then.minute, then.second, then.year)
}

/// The name of a terminal by its device number: minor in the lowest 8 and the highest 12 bits, major between.
fn terminal(view: &View<'_>) -> String {
    let number = view.process.tty;
    let (major, minor) = (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xfff00);
    match (major, minor) {
        (136..=143, _) => format!("pts/{}", (major - 136) * 256 + minor),
        (4, 0..=63) => format!("tty{minor}"),
        (4, _) => format!("ttyS{}", minor - 64),
        (5, 1) => "console".to_owned(),
        (229, _) => format!("hvc{minor}"),
        _ => "?".to_owned(),
    }
}

/// The state, and what ps says besides: `<` urgent, `N` patient, `L` locked in memory, `s` leads a session, `l` has
/// threads, `+` in the foreground.
fn stat(view: &View<'_>) -> String {
    let process = view.process;
    let mut text = process.state.to_string();
    let marks = [
        ('<', process.nice < 0),
        ('N', process.nice > 0),
        ('L', process.locked_kib > 0),
        ('s', process.sid == process.pid),
        ('l', process.threads > 1),
        ('+', process.tpgid == process.pgid),
    ];
    text.extend(marks.iter().filter(|(_, holds)| *holds).map(|(mark, _)| mark));
    text
}

fn program(view: &View<'_>) -> String {
    let dead = if view.process.state == 'Z' { " <defunct>" } else { "" };
    format!("{}{dead}", view.process.comm)
}

fn command(view: &View<'_>) -> String {
    let process = view.process;
    let dead = if process.state == 'Z' { " <defunct>" } else { "" };
    if process.args.is_empty() { format!("[{}]{dead}", process.comm) } else { text::join(&process.args, " ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const DAY: u64 = 86_400;
    /// 2026-11-21 23:20:13 UTC
    const NOW: i64 = 1_795_303_213;

    fn asked(line: &str) -> String {
        let words: Vec<String> = line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        match columns(&words) {
            Ok(columns) => columns.iter().map(|(heading, _)| *heading).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn options_of_ps() {
        let full = "UID PID PPID C STIME TTY TIME CMD";
        for line in ["", "-ef", "-fe", "-f", "-Af", "-e -f", "-efww"] {
            assert_eq!(asked(line), full, "{line}");
        }
        for line in ["aux", "-aux", "u", "axu", "auxww"] {
            assert_eq!(asked(line), "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND", "{line}");
        }
        assert_eq!((asked("-e"), asked("ax")), ("PID TTY TIME CMD".to_owned(), "PID TTY STAT TIME COMMAND".to_owned()));
        for line in ["-o pid,cmd", "-opid,cmd", "-eo pid,cmd", "o pid -o cmd", "axo pid,cmd", "--format=pid,cmd"] {
            assert_eq!(asked(line), "PID CMD", "{line}");
        }
        for line in ["-o", "-", "-z", "--sort=pid", "e", "-eu", "-p 1", "--forest", "--format"] {
            assert!(asked(line).starts_with("ps option '"), "{line}: {}", asked(line));
        }
        assert!(asked("-o pid,nosuch").starts_with("no column is named 'nosuch': there are pid, ppid,"));
    }

    fn shown(name: &str, process: &Process) -> String {
        let machine = Machine { uptime_ticks: 10 * DAY * TICKS, boot: NOW - 10 * DAY as i64, memory_kib: 1 << 20 };
        let users = users("root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbroken\nbin:x:2:2::/:/x\n");
        let view = View { process, machine: &machine, users: &users, now: NOW * time::SECOND };
        let mut columns = Vec::new();
        add(&mut columns, name).unwrap();
        columns[0].1(&view)
    }

    #[test]
    fn cells() {
        let process = Process {
            pid: 7,
            sid: 7,
            pgid: 7,
            tpgid: 7,
            uid: 2,
            comm: "sh".to_owned(),
            args: vec!["sh".to_owned(), "-c".to_owned(), "x y".to_owned()],
            state: 'S',
            tty: 34_817,
            cpu_ticks: 125 * TICKS,
            start_ticks: (10 * DAY - 250) * TICKS,
            priority: 20,
            threads: 2,
            resident_kib: 1 << 18,
            ..Process::default()
        };
        for (name, want) in [
            ("user", "bin"),
            ("uid", "2"),
            ("pcpu", "50.0"),
            ("c", "50"),
            ("pmem", "25.0"),
            ("time", "00:02:05"),
            ("bsdtime", "2:05"),
            ("etime", "04:10"),
            ("etimes", "250"),
            ("stime", "23:16"),
            ("lstart", "Sat Nov 21 23:16:03 2026"),
            ("tty", "pts/1"),
            ("stat", "Ssl+"),
            ("args", "sh -c x y"),
            ("comm", "sh"),
            ("pri", "19"),
        ] {
            assert_eq!(shown(name, &process), want, "{name}");
        }
        let old = Process { state: 'Z', args: Vec::new(), uid: 9, tty: 0, start_ticks: 0, tpgid: -1, ..process };
        assert_eq!(
            (shown("args", &old), shown("comm", &old)),
            ("[sh] <defunct>".to_owned(), "sh <defunct>".to_owned())
        );
        assert_eq!((shown("stime", &old), shown("etime", &old)), ("Nov11".to_owned(), "10-00:00:00".to_owned()));
        assert_eq!(
            (shown("user", &old), shown("tty", &old), shown("stat", &old)),
            ("9".into(), "?".into(), "Zsl".into())
        );
    }

    #[test]
    fn spans() {
        assert_eq!(
            (elapsed(59), elapsed(3600), clock(DAY + 1)),
            ("00:59".into(), "01:00:00".into(), "1-00:00:01".into())
        );
    }
}
