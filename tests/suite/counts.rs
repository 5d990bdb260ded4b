//! What commands cost in system calls and instructions, compared with `tests/counts.txt`: numbers that are the same on a
//! busy machine and an idle one. `./build/counts --write` writes them down after a change that is meant; `./build/counts ps`
//! looks at those commands only.
//!
//! What they depend on is fixed here (store, names, environment), or said in the first line of that file (kind of machine).
//! What is left: a process that is a bit late asks once more, ids and times have more or less digits.

use crate::host::{Host, is_v1, wanted};
use crate::process::until;
use crate::trace::{self, What};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// How many system calls more are no regression.
const CALLS_MORE: u64 = 2;
/// How many instructions more are none, in thousandths.
const INSTRUCTIONS_MORE: u64 = 30;
/// How often a count that is too high is taken again: what is late once is not late always. Written is the one in the middle
/// of so many.
const TRIES: usize = 12;
/// The same of instructions: each of them takes 20 to 60 µs.
const STEPPED_TRIES: usize = 2;
const LINE_CHARS: usize = 118;

/// How instructions are counted.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// Not at all.
    Not,
    /// One after the other, in all processes.
    Steps,
    /// By valgrind, much faster, where there is only one process.
    Valgrind,
}

/// A command whose cost is known.
struct Case {
    line: &'static str,
    /// Which store it is for.
    containers: usize,
    how: How,
    /// A command before it, and whether the monitor of the container `one` is counted, too.
    before: &'static str,
    with_monitor: bool,
}

const fn case(line: &'static str, containers: usize, how: How, before: &'static str, with_monitor: bool) -> Case {
    Case { line, containers, how, before, with_monitor }
}

const ONE: &str = "run -d --name one --network none busybox sh -c 'trap \"exit 0\" TERM; echo ready; while :; do sleep 1000 & wait; done'";
const CASES: [Case; 9] = [
    case("run --rm --network none busybox true", 1, How::Steps, "", false),
    case("run -d --network none --name two busybox true", 1, How::Not, "rm -f two", false),
    case("exec one true", 1, How::Steps, "", false),
    case("ps", 1, How::Valgrind, "", false),
    case("ps -a", 100, How::Valgrind, "", false),
    case("images", 1, How::Valgrind, "", false),
    case("logs one", 1, How::Valgrind, "", false),
    case("stop one", 1, How::Not, "start one", true),
    case("rm two", 1, How::Not, "create --name two --network none busybox true", false),
];

/// System calls by name, and instructions (0 where they are not counted).
#[derive(Default, Clone)]
struct Cost {
    calls: BTreeMap<String, u64>,
    instructions: u64,
}

impl Cost {
    fn sum(&self) -> u64 {
        self.calls.values().sum()
    }
}

/// What the counts depend on.
fn machine() -> String {
    format!("{}, cgroup {}", std::env::consts::ARCH, if is_v1() { "v1" } else { "v2" })
}

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counts.txt")
}

/// `name: N calls[, N instructions]`, and below `N call, N call …` on lines that begin with blanks.
fn read(text: &str) -> BTreeMap<&str, Cost> {
    let mut all: BTreeMap<&str, Cost> = BTreeMap::new();
    let mut last = "";
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let number = |word: &str| word.replace('.', "").parse().unwrap_or_else(|_| panic!("{line}: {word}"));
        if !line.starts_with(' ') {
            let (name, rest) = line.split_once(": ").unwrap();
            last = name;
            let mut cost = Cost::default();
            if let Some((_, instructions)) = rest.split_once(", ") {
                cost.instructions = number(instructions.split(' ').next().unwrap());
            }
            all.insert(name, cost);
            continue;
        }
        for (count, call) in line.split(',').filter_map(|part| part.trim().split_once(' ')) {
            all.get_mut(last).unwrap().calls.insert(call.to_owned(), number(count));
        }
    }
    all
}

/// With a dot after each three digits from behind.
fn dotted(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        text.extend((at > 0 && (digits.len() - at).is_multiple_of(3)).then_some('.'));
        text.push(digit);
    }
    text
}

fn written(text: &mut String, name: &str, cost: &Cost) {
    write!(text, "\n{name}: {} calls", cost.sum()).unwrap();
    if cost.instructions > 0 {
        write!(text, ", {} instructions", dotted(cost.instructions)).unwrap();
    }
    let mut line = String::from("\n   ");
    for (call, count) in &cost.calls {
        let part = format!(" {count} {call},");
        if line.len() + part.len() > LINE_CHARS {
            text.push_str(&line);
            "\n   ".clone_into(&mut line);
        }
        line.push_str(&part);
    }
    text.push_str(line.trim_end_matches(','));
    text.push('\n');
}

impl Case {
    fn name(&self) -> String {
        if self.containers > 1 {
            format!("{} ({} containers)", self.line, self.containers)
        } else {
            self.line.to_owned()
        }
    }

    /// The pid of the container's monitor, if it takes part.
    fn monitor(&self, host: &Host) -> Option<i32> {
        let status = || fs::read_to_string(format!("/proc/{}/status", host.pid("one"))).unwrap();
        self.with_monitor.then(|| status().lines().find_map(|l| l.strip_prefix("PPid:\t")?.parse().ok()).unwrap())
    }

    fn begin(&self, host: &Host) -> Command {
        if !self.before.is_empty() {
            host.run(self.before);
        }
        host.cmd(self.line).into_command()
    }

    fn calls(&self, host: &Host) -> BTreeMap<String, u64> {
        let command = self.begin(host);
        let (counted, status) = trace::count(command, self.monitor(host), What::Calls);
        assert!(status.success(), "{}: {status}", self.line);
        counted.calls
    }

    fn instructions(&self, host: &Host) -> u64 {
        let command = self.begin(host);
        match self.how {
            How::Not => 0,
            How::Steps => trace::count(command, None, What::Instructions).0.instructions,
            How::Valgrind => by_valgrind(host, &command),
        }
    }
}

/// The instructions of a command that is one process.
pub fn by_valgrind(host: &Host, command: &Command) -> u64 {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(command.get_program()).args(command.get_args());
    valgrind.env_clear().env("PATH", "/usr/bin:/bin");
    valgrind.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    host.net.hold(&mut valgrind);
    let output = valgrind.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = text.lines().find_map(|line| line.split_once("Collected : ")?.1.parse().ok());
    count.unwrap_or_else(|| panic!("{command:?}: {text}"))
}

/// The first of some tries that is at most `most`, else the least of them. Without `most` the one in the middle.
fn one_of<T>(tries: usize, most: Option<u64>, key: impl Fn(&T) -> u64, mut take: impl FnMut() -> T) -> T {
    let mut all = Vec::new();
    for _ in 0..tries {
        let taken = take();
        if most.is_some_and(|most| key(&taken) <= most) {
            return taken;
        }
        all.push(taken);
    }
    all.sort_by_key(key);
    all.swap_remove(if most.is_some() { 0 } else { (tries - 1) / 2 })
}

/// What is new or more, and what is less.
fn difference(was: &Cost, now: &Cost) -> String {
    let mut text = String::new();
    let names: std::collections::BTreeSet<&String> = was.calls.keys().chain(now.calls.keys()).collect();
    for name in names {
        let count = |cost: &Cost| cost.calls.get(name).copied().unwrap_or(0);
        let (before, after) = (count(was), count(now));
        if before == 0 {
            write!(text, " {after} {name} (new),").unwrap();
        } else if before != after {
            write!(text, " {before} → {after} {name},").unwrap();
        }
    }
    text.trim_end_matches(',').to_owned()
}

/// Adds what is wrong with the counts of a command.
fn compare(wrong: &mut String, name: &str, was: &Cost, now: &Cost) {
    if now.sum() > was.sum() + CALLS_MORE {
        writeln!(wrong, "{name}: {} system calls, were {}:{}", now.sum(), was.sum(), difference(was, now)).unwrap();
    }
    if now.instructions > most_instructions(was) {
        let (is, were) = (dotted(now.instructions), dotted(was.instructions));
        writeln!(wrong, "{name}: {is} instructions, were {were}").unwrap();
    }
}

fn most_instructions(was: &Cost) -> u64 {
    was.instructions + was.instructions * INSTRUCTIONS_MORE / 1000
}

#[test]
fn commands_cost_what_they_did() {
    let asked = std::env::var("MYDOCKER_COUNTS").unwrap_or_default();
    let is_written = asked == "write";
    let known = include_str!("../counts.txt");
    let is_known = known.lines().any(|line| line.starts_with('#') && line.ends_with(&format!("({})", machine())));
    if wanted((is_known || is_written).then_some(()), "the kind of machine that tests/counts.txt is about").is_none()
        || wanted(trace::is_possible().then_some(()), "ptrace(2)").is_none()
        || wanted(Path::new("/usr/bin/valgrind").exists().then_some(()), "valgrind").is_none()
    {
        return;
    }
    let known = read(known);
    let host = Host::new();
    host.ok(ONE);
    until("it says so", || host.ok("logs one") == "ready");
    let (mut wrong, mut text) = (String::new(), format!("{HEAD} ({})\n", machine()));
    for case in &CASES {
        let name = case.name();
        if !is_written && !name.contains(&asked) {
            continue;
        }
        if case.containers > 1 {
            for at in 1..case.containers {
                host.ok(&format!("create --name c{at:02} --network none busybox true"));
            }
        }
        let was = known.get(name.as_str()).cloned().unwrap_or_default();
        let most = |most: u64| (!is_written).then_some(most);
        let sum = |calls: &BTreeMap<String, u64>| calls.values().sum();
        let calls = one_of(TRIES, most(was.sum() + CALLS_MORE), sum, || case.calls(&host));
        let tries = if case.how == How::Not { 1 } else { STEPPED_TRIES };
        let instructions = one_of(tries, most(most_instructions(&was)), |count| *count, || case.instructions(&host));
        let now = Cost { calls, instructions };
        println!("{name}: {} calls, {} instructions", now.sum(), dotted(now.instructions));
        compare(&mut wrong, &name, &was, &now);
        written(&mut text, &name, &now);
        if case.containers > 1 {
            host.ok("container prune -f");
        }
    }
    host.ok("rm -f one");
    if is_written {
        fs::write(path(), text).unwrap();
        return;
    }
    assert!(
        wrong.is_empty(),
        "commands cost more than in tests/counts.txt:\n{wrong}If that is meant: ./build/counts --write"
    );
}

const HEAD: &str = "# What commands cost: system calls and instructions outside of the kernel, of all their processes until another program is\n\
    # executed. Made by `./build/counts --write`, compared by tests/suite/counts.rs. Of machines like this one:";

#[test]
fn numbers_come_back_from_the_file() {
    let mut cost = Cost { instructions: 1_234_567, ..Cost::default() };
    for (at, name) in ["openat", "close", "a_call_with_a_long_name", "read"].iter().cycle().take(40).enumerate() {
        cost.calls.insert(format!("{name}{at}"), at as u64 + 1);
    }
    let mut text = String::from("# head\n");
    written(&mut text, "ps -a", &cost);
    written(&mut text, "rm", &Cost { calls: [("read".to_owned(), 3)].into(), instructions: 0 });
    let again = read(&text);
    assert_eq!((&again["ps -a"].calls, again["ps -a"].instructions), (&cost.calls, 1_234_567));
    assert_eq!((again["rm"].sum(), again["rm"].instructions), (3, 0));
    assert!(text.lines().all(|line| line.len() <= LINE_CHARS) && text.contains("1.234.567 instructions"));
    let mut more = again["rm"].clone();
    more.calls.insert("openat".into(), 2);
    let mut wrong = String::new();
    compare(&mut wrong, "rm", &again["rm"], &more);
    assert!(wrong.is_empty(), "{wrong}");
    more.calls.insert("read".into(), 4);
    more.instructions = 1;
    compare(&mut wrong, "rm", &again["rm"], &more);
    assert!(wrong.starts_with("rm: 6 system calls, were 3: 2 openat (new), 3 → 4 read\n"), "{wrong}");
    more.instructions = 1_234_567 * 105 / 100;
    compare(&mut wrong, "ps -a", &again["ps -a"], &Cost { instructions: more.instructions, ..cost.clone() });
    assert!(wrong.ends_with("ps -a: 1.296.295 instructions, were 1.234.567\n"), "{wrong}");
}
