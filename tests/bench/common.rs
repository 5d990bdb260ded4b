//! What the groups share: running commands in turns, and figures of lists.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const WARM_UP_ROUNDS: usize = 2;
/// Between two commands: what the last one left to be done after its answer is done.
const GAP: Duration = Duration::from_millis(20);
/// A command that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// The words of a line, without any quoting.
pub fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Whether there is such a program.
pub fn has(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').any(|dir| Path::new(dir).join(program).is_file())
}

/// Runs a line of shell; whether it succeeded.
pub fn sh(script: &str) -> bool {
    Command::new("sh").args(["-c", script]).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// What a line of shell prints, without its last newline.
pub fn ask(script: &str) -> String {
    let done = Command::new("sh").args(["-c", script]).stderr(Stdio::null()).output();
    done.map(|done| String::from_utf8_lossy(&done.stdout).trim_end().to_owned()).unwrap_or_default()
}

/// Runs a command without any streams; whether it succeeded.
pub fn quiet(command: &[String]) -> bool {
    static RUNNING: AtomicU32 = AtomicU32::new(0);
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = child.spawn() else { return false };
    let pid = child.id();
    if RUNNING.swap(pid, Ordering::Relaxed) == 0 {
        // The first time: who ends what hangs. In a namespace of our own a number comes again only after all others.
        std::thread::spawn(|| {
            let mut last = (0, Instant::now());
            loop {
                std::thread::sleep(Duration::from_secs(5));
                let pid = RUNNING.load(Ordering::Relaxed);
                if pid != last.0 {
                    last = (pid, Instant::now());
                } else if pid != 1 && last.1.elapsed() > LIMIT {
                    sh(&format!("kill -KILL {pid}"));
                }
            }
        });
    }
    let done = child.wait().is_ok_and(|status| status.success());
    RUNNING.store(1, Ordering::Relaxed); // nothing
    done
}

/// The value below which this share of a sorted list is.
#[allow(clippy::cast_precision_loss)] // some rounds
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    if sorted.is_empty() { f64::NAN } else { sorted[((sorted.len() - 1) as f64 * q).round() as usize] }
}

/// The value in the middle of any list.
pub fn median(list: &[f64]) -> f64 {
    quantile(&sorted(list), 0.5)
}

fn sorted(list: &[f64]) -> Vec<f64> {
    let mut list = list.to_vec();
    list.sort_by(f64::total_cmp);
    list
}

/// Which case comes at which step of a round: another order each round, the same for everybody.
pub fn turn(step: usize, round: usize, cases: usize) -> usize {
    order(round, cases)[step]
}

/// Fisher and Yates, with the constants of Knuth's generator.
fn order(round: usize, cases: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..cases).collect();
    let mut state = round as u64 + 1;
    for last in (1..cases).rev() {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        order.swap(last, (state >> 33) as usize % (last + 1));
    }
    order
}

/// One competitor at one task: lines of shell before and after what is timed. Only the words of the command are timed.
pub struct Case {
    /// What the tables call it.
    pub name: String,
    before: String,
    command: Vec<String>,
    after: String,
    finally: String,
    rounds: usize,
}

impl Case {
    /// A command, its words separated by blanks.
    pub fn new(name: &str, command: &str) -> Self {
        let nothing = String::new;
        Self {
            name: name.to_owned(),
            before: nothing(),
            command: words(command),
            after: nothing(),
            finally: nothing(),
            rounds: usize::MAX,
        }
    }

    /// A line of shell that is timed, the shell included.
    pub fn shell(name: &str, line: &str) -> Self {
        Self { command: ["sh", "-c", line].map(str::to_owned).to_vec(), ..Self::new(name, "") }
    }

    /// What comes before it.
    pub fn before(self, line: &str) -> Self {
        Self { before: line.to_owned(), ..self }
    }

    /// What undoes it.
    pub fn after(self, line: &str) -> Self {
        Self { after: line.to_owned(), ..self }
    }

    /// What comes after all rounds.
    pub fn finally(self, line: &str) -> Self {
        Self { finally: line.to_owned(), ..self }
    }

    /// It takes part in so many rounds only.
    pub fn at_most(self, rounds: usize) -> Self {
        Self { rounds, ..self }
    }

    /// Milliseconds, if it succeeds.
    fn once(&self) -> Option<f64> {
        if !also(&self.before) {
            also(&self.after);
            return None;
        }
        std::thread::sleep(GAP);
        let start = Instant::now();
        let works = quiet(&self.command);
        let took = start.elapsed().as_secs_f64() * 1000.0;
        also(&self.after);
        works.then_some(took)
    }
}

fn also(line: &str) -> bool {
    line.is_empty() || sh(&format!("{{ {line}; }} >/dev/null 2>&1"))
}

/// What a case took, and how often it failed.
#[derive(Clone)]
pub struct Times {
    /// The case's name.
    pub name: String,
    /// Milliseconds, sorted.
    pub list: Vec<f64>,
    /// Rounds in which it did not succeed.
    pub failed: usize,
}

impl Times {
    /// Any list of figures.
    pub fn new(name: &str, list: &[f64]) -> Self {
        Self { name: name.to_owned(), list: sorted(list), failed: 0 }
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        quantile(&self.list, 0.5)
    }
}

/// Every case once in each round, after two rounds that do not count.
pub fn rounds(cases: &[Case], rounds: usize) -> Vec<Times> {
    rounds_after(cases, rounds, WARM_UP_ROUNDS)
}

/// The same with so many rounds that do not count.
pub fn rounds_after(cases: &[Case], rounds: usize, warm_up: usize) -> Vec<Times> {
    let most = std::env::var("BENCH_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds = rounds.min(most.unwrap_or(rounds));
    let mut lists = vec![(Vec::new(), 0); cases.len()];
    for round in 0..warm_up + rounds {
        for at in order(round, cases.len()) {
            if round >= cases[at].rounds.saturating_add(warm_up) {
                continue;
            }
            let took = cases[at].once();
            if round >= warm_up {
                match took {
                    Some(took) => lists[at].0.push(took),
                    None => lists[at].1 += 1,
                }
            }
        }
    }
    for case in cases {
        also(&case.finally);
    }
    let named = cases.iter().zip(lists);
    named.map(|(case, (list, failed))| Times { failed, ..Times::new(&case.name, &list) }).collect()
}

/// The times of a case.
pub fn of<'a>(times: &'a [Times], name: &str) -> Option<&'a Times> {
    times.iter().find(|times| times.name == name && !times.list.is_empty())
}
