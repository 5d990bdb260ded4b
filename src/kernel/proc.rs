//! What /proc tells about processes, for people to look at: proc_pid_stat(5), proc_pid_status(5). Everything is read
//! through one descriptor of the process's directory, so that a pid that is used anew cannot mix two processes.

use super::file;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::AsFd;

/// Clock ticks in a second, as the kernel counts them for programs; the same on every architecture of ours.
pub const TICKS: u64 = 100;
/// Bytes of a command line that are read; more than a screen shows.
const COMMAND_BYTES_MAX: usize = 1 << 20;

/// One process.
#[derive(Default, Clone)]
pub struct Process {
    /// Its pid in our terms.
    pub pid: i32,
    /// Its parent's.
    pub ppid: i32,
    /// The effective user id, in our terms.
    pub uid: u32,
    /// The name of its program, 15 bytes at most.
    pub comm: String,
    /// The words of its command line; empty for a zombie.
    pub args: Vec<String>,
    /// `R`, `S`, `D`, `Z`, `T` …
    pub state: char,
    /// Process group.
    pub pgid: i32,
    /// Session.
    pub sid: i32,
    /// Device number of its terminal, 0 for none.
    pub tty: u32,
    /// The foreground process group of that terminal, -1 without one.
    pub tpgid: i32,
    /// CPU time, in ticks.
    pub cpu_ticks: u64,
    /// The kernel's priority, 20 for an ordinary process.
    pub priority: i64,
    /// -20 to 19.
    pub nice: i64,
    /// Number of threads.
    pub threads: u64,
    /// When it started, in ticks since the machine did.
    pub start_ticks: u64,
    /// Address space in KiB.
    pub size_kib: u64,
    /// Memory in KiB.
    pub resident_kib: u64,
    /// Locked memory in KiB.
    pub locked_kib: u64,
}

/// What belongs to the machine and is needed to read the numbers of a [`Process`].
pub struct Machine {
    /// Ticks since it started.
    pub uptime_ticks: u64,
    /// When it started, in seconds since 1970 UTC.
    pub boot: i64,
    /// Its memory in KiB.
    pub memory_kib: u64,
}

/// Reads about one process; `None` when it has ended.
pub fn read(pid: i32) -> Option<Box<Process>> {
    let dir = file::open_dir(&format!("/proc/{pid}")).ok()?;
    let mut process = parse_stat(&file::text_at(dir.as_fd(), "stat").ok()?)?;
    parse_status(&file::text_at(dir.as_fd(), "status").ok()?, &mut process);
    // One that is too long is as good as none: nobody hides behind it.
    process.args = words(&file::read_at(dir.as_fd(), "cmdline", COMMAND_BYTES_MAX).unwrap_or_default());
    Some(process)
}

/// When a process was made, in ticks since the kernel's start; `None` when it has ended and was reaped. proc_pid_stat(5)
pub fn born(pid: i32) -> Option<u64> {
    let text = file::read_text(&format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Reads about this machine.
pub fn machine() -> Machine {
    let text = |path: &str| file::read_text(path).unwrap_or_default(); // zeros are shown where nothing can be known
    let uptime = text("/proc/uptime");
    let seconds = uptime.split(' ').next().unwrap_or_default();
    let (whole, hundredths) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let number = |text: &str| text.trim().parse().unwrap_or(0);
    Machine {
        uptime_ticks: number(whole) * TICKS + number(hundredths),
        boot: number(&field(&text("/proc/stat"), "btime ")) as i64,
        memory_kib: kib(&text("/proc/meminfo"), "MemTotal:"),
    }
}

/// The bytes that came in and went out over the network interfaces that a process sees, all but `lo`.
pub fn network_bytes(pid: i32) -> Option<(u64, u64)> {
    file::read_text(&format!("/proc/{pid}/net/dev")).ok().map(|text| parse_net_dev(&text))
}

/// The pids of all processes that we see.
pub fn pids() -> Vec<i32> {
    let names = file::open_dir("/proc").and_then(|proc| file::names(proc.as_fd())).unwrap_or_default();
    let mut pids = Vec::new();
    for name in names {
        pids.extend(name.parse::<i32>());
    }
    pids
}

/// The name is in parentheses and may contain anything, parentheses too: the last one ends it.
fn parse_stat(text: &str) -> Option<Box<Process>> {
    let (pid, rest) = text.split_once(' ')?;
    let (comm, rest) = rest.strip_prefix('(')?.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    let state = words.next()?.chars().next()?;
    let mut numbers = Vec::new();
    for word in words {
        numbers.push(word.parse::<i64>().unwrap_or(-1)); // none of those that are too large is wanted
    }
    // Numbered from 1 in the manual page, of which the first three are behind us.
    let field = |number: usize| numbers.get(number - 4).copied();
    Some(Box::new(Process {
        start_ticks: field(22)? as u64, // with the last one all are there
        pid: pid.parse().ok()?,
        comm: comm.to_owned(),
        state,
        ppid: field(4)? as i32,
        pgid: field(5)? as i32,
        sid: field(6)? as i32,
        tty: field(7)? as u32,
        tpgid: field(8)? as i32,
        cpu_ticks: (field(14)? + field(15)?) as u64,
        priority: field(18)?,
        nice: field(19)?,
        threads: field(20)? as u64,
        ..Process::default()
    }))
}

/// A zombie has no memory: its lines are missing.
fn parse_status(text: &str, process: &mut Process) {
    let uids = field(text, "Uid:");
    process.uid = uids.split_whitespace().nth(1).and_then(|uid| uid.parse().ok()).unwrap_or(0);
    process.size_kib = kib(text, "VmSize:");
    process.resident_kib = kib(text, "VmRSS:");
    process.locked_kib = kib(text, "VmLck:");
}

/// The rest of the line that begins with `key`.
fn field(text: &str, key: &str) -> String {
    text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim().to_owned()
}

/// The number of such a line; 0 when there is none.
pub fn kib(text: &str, key: &str) -> u64 {
    field(text, key).split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// NUL ends each word; a process may have written anything there.
fn words(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut words = Vec::new();
    for word in bytes.split(|byte| *byte == 0) {
        words.push(String::from_utf8_lossy(word).into_owned());
    }
    words
}

/// Two lines of headings, then `name: bytes packets …` with eight columns for each direction.
fn parse_net_dev(text: &str) -> (u64, u64) {
    let mut sums = (0u64, 0u64);
    for line in text.lines() {
        let Some((name, numbers)) = line.split_once(':') else { continue };
        let mut numbers = numbers.split_whitespace();
        let (received, sent) = (numbers.next(), numbers.nth(7));
        if let (false, Some(received), Some(sent)) = (name.trim() == "lo", received, sent) {
            sums.0 = sums.0.saturating_add(received.parse().unwrap_or(0));
            sums.1 = sums.1.saturating_add(sent.parse().unwrap_or(0));
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses() {
        let text = "19958 (a) (b c) S 19936 19958 19950 34816 19958 4194560 92 0 0 0 150 25 0 0 20 -5 3 0 8400 4567040 \
                    87 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n";
        let process = parse_stat(text).unwrap();
        assert_eq!((process.pid, process.ppid, process.comm.as_str()), (19958, 19936, "a) (b c"));
        assert_eq!((process.state, process.pgid, process.sid), ('S', 19958, 19950));
        assert_eq!((process.tty, process.tpgid, process.cpu_ticks), (34816, 19958, 175));
        assert_eq!((process.priority, process.nice, process.threads, process.start_ticks), (20, -5, 3, 8400));
        assert!(parse_stat("").is_none() && parse_stat("1 (x) S 1").is_none() && parse_stat("1 (x").is_none());
    }

    #[test]
    fn lines_of_status() {
        let mut process = Process::default();
        parse_status("Uid:\t1000\t1001\t1\t1\nVmLck:\t 4 kB\nVmSize:\t  4460 kB\nVmRSS:\t     348 kB\n", &mut process);
        assert_eq!((process.uid, process.size_kib, process.resident_kib, process.locked_kib), (1001, 4460, 348, 4));
    }

    #[test]
    fn command_lines() {
        assert_eq!(words(b"sleep\x001000\0"), ["sleep", "1000"]);
        assert_eq!(words(b"sh\0\0x"), ["sh", "", "x"]);
        assert!(words(b"").is_empty());
    }

    #[test]
    fn interfaces_but_lo() {
        let text = "Inter-|   Receive      |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes\n\
                    \x20   lo:     504       6    0    0    0     0          0         0      504       6    0 0 0 0 0 0\n\
                    \x20 eth0: 1500 6 0 0 0 0 0 0 700 6 0 0 0 0 0 0\n  eth1:1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n";
        assert_eq!(parse_net_dev(text), (1501, 702));
    }

    #[test]
    fn ourselves() {
        let own = read(rustix::process::getpid().as_raw_nonzero().get()).unwrap();
        assert!(own.resident_kib > 0 && own.threads > 0 && !own.args.is_empty() && own.ppid > 0);
        assert!(own.start_ticks <= machine().uptime_ticks && machine().memory_kib > 0 && machine().boot > 0);
        assert!(read(i32::MAX).is_none() && pids().contains(&own.pid));
    }
}
