//! Commands of the stage, at terminals and without. What they write goes to files: who is made by a runtime keeps its streams.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long what somebody wrote before his end may be on its way through a terminal.
const LAST_WORDS: Duration = Duration::from_secs(1);
const GLANCE: Duration = Duration::from_millis(5);

/// Whether the condition comes true within the limit.
pub fn soon(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        let begun = Instant::now();
        if condition() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        // Looking is often a command: who only looks keeps everybody else from getting on.
        std::thread::sleep(GLANCE.max(begun.elapsed()));
    }
}

/// Waits until the condition is true.
#[track_caller]
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    assert!(soon(PATIENCE, condition), "waited for {PATIENCE:?} in vain: {what}");
}

/// Waits until a command's answer is this.
#[track_caller]
pub fn until_is(want: &str, mut ask: impl FnMut() -> String) {
    let mut last = String::new();
    let came = soon(PATIENCE, || {
        last = ask();
        last == want
    });
    assert!(came, "waited for {PATIENCE:?} in vain for {want:?}: {last:?}");
}

/// A line of shell that is about to run.
pub struct Shell {
    line: String,
    dir: PathBuf,
}

/// What it left.
pub struct Output {
    /// As a shell has it: 128+n for signal n.
    pub code: i32,
    pub out: String,
    pub err: String,
    line: String,
}

impl Shell {
    pub fn new(dir: &Path, line: &str) -> Self {
        Self { line: line.to_owned(), dir: dir.to_owned() }
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).arg(&self.line).current_dir(&self.dir);
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Output {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("said-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let paths = ["out", "err"].map(|end| self.dir.join(format!("{name}.{end}")));
        let [out, err] = paths.each_ref().map(|path| File::create(path).unwrap());
        let mut command = self.command("timeout", &["-k", "5", "120", "sh", "-c"]);
        let mut child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap();
        let code = code(child.wait().unwrap());
        let [out, err] = paths.each_ref().map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
        for path in paths {
            fs::remove_file(path).unwrap();
        }
        Output { code, out, err, line: self.line }
    }

    /// Starts it on a terminal of its own, as the leader of a session.
    pub fn on_terminal(self, rows: u16, columns: u16) -> Running {
        let open = |path: &str| File::options().read(true).write(true).open(path).unwrap();
        let mut master = open("/dev/ptmx");
        rustix::pty::unlockpt(&master).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let slave = open(name.to_str().unwrap());
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&master, size).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut command = self.command("setsid", &["--ctty", "--wait", "sh", "-c"]);
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let out = Arc::<Mutex<Vec<u8>>>::default();
        let (into, running) = (Arc::clone(&out), master.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut buf = vec![0; 1 << 12];
            while let Ok(n @ 1..) = master.read(&mut buf) {
                // Some clients leave our terminal as it is, which then adds one more.
                into.lock().unwrap().extend(buf[..n].iter().filter(|&&byte| byte != b'\r'));
            }
        });
        Running { child, master: running, _slave: slave, out, seen: 0, line: self.line }
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, out, err, line } = self;
        write!(f, "[{line}] -> {code}, out {out:?}, err {err:?}")
    }
}

impl Output {
    /// It worked, and this is its answer, without the last newline.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.code == 0, "{self:?}");
        self.out.strip_suffix('\n').unwrap_or(&self.out).to_owned()
    }

    /// It ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code == code, "expected exit code {code}: {self:?}");
        self
    }
}

/// A command at a terminal.
pub struct Running {
    child: Child,
    master: File,
    /// Without any, what the command left unread would be gone with it.
    _slave: File,
    out: Arc<Mutex<Vec<u8>>>,
    /// How much of the output was already expected.
    seen: usize,
    line: String,
}

impl Running {
    /// Types.
    pub fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the text appears after all that was expected before.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let find =
            |from: usize| self.out.lock().unwrap()[from..].windows(text.len()).position(|part| part == text.as_bytes());
        let child = &mut self.child;
        let over = soon(PATIENCE, || find(self.seen).is_some() || child.try_wait().unwrap().is_some());
        // What it said at its end may still be under way.
        let came = over && soon(LAST_WORDS, || find(self.seen).is_some());
        assert!(came, "[{}]: expected {text:?}, got {:?}", self.line, self.output());
        self.seen += find(self.seen).unwrap() + text.len();
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&self.out.lock().unwrap()).into_owned()
    }

    /// It ends with this code.
    #[track_caller]
    pub fn exits(mut self, code: i32) {
        let mut status = None;
        soon(PATIENCE, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap_or_else(|| panic!("[{}]: no end: {:?}", self.line, self.output()));
        assert!(
            self::code(status) == code,
            "[{}]: expected exit code {code}: {status}, {:?}",
            self.line,
            self.output()
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended, unless its check failed
        let _ = self.child.wait();
    }
}
