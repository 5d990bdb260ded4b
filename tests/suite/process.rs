//! Running our binary: with pipes or on a terminal, always with a deadline.

use crate::host::Host;
use rustix::termios::{Termios, Winsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take, on a busy machine with everything else running.
pub const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(2);

/// Waits until the condition is true.
#[track_caller]
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    assert!(soon(PATIENCE, condition), "waited for {PATIENCE:?} in vain: {what}");
}

/// `MYDOCKER_TEST_SLOW` says how many times longer everything takes than elsewhere: in a machine whose processor is a program.
fn slowness() -> u32 {
    std::env::var("MYDOCKER_TEST_SLOW").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// A limit for this machine.
pub fn at_most(limit: Duration) -> Duration {
    limit * slowness()
}

/// So many rounds, bytes, files or levels; fewer in a slow machine, where other things are asked than how much it bears.
pub fn fewer(count: usize) -> usize {
    count.div_ceil(slowness() as usize)
}

/// All of the cases; every third one in a slow machine. For long tables of alike ones.
pub fn cases<T>(list: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    list.into_iter().step_by(if slowness() == 1 { 1 } else { 3 })
}

/// Whether the condition becomes true in time.
pub fn soon(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + at_most(limit);
    loop {
        let begun = Instant::now();
        if condition() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        // Looking is often a command: who only looks keeps everybody else from getting on.
        std::thread::sleep(GLANCE.max(begun.elapsed() * 3));
    }
}

/// A command line, as a list or as one would type it: blanks separate, '…' keeps together.
pub trait Line {
    fn words(&self) -> Vec<String>;
}

impl Line for str {
    fn words(&self) -> Vec<String> {
        let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
        for c in self.chars() {
            match c {
                '\'' => {
                    quoted = !quoted;
                    word.get_or_insert_default();
                }
                ' ' if !quoted => words.extend(word.take()),
                c => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words
    }
}

impl Line for String {
    fn words(&self) -> Vec<String> {
        self.as_str().words()
    }
}

impl Line for [&str] {
    fn words(&self) -> Vec<String> {
        self.iter().map(|&word| word.to_owned()).collect()
    }
}

impl<const N: usize> Line for [&str; N] {
    fn words(&self) -> Vec<String> {
        self.as_slice().words()
    }
}

/// A command that is about to run.
pub struct Cmd<'a> {
    host: &'a Host,
    command: Command,
    shown: String,
    input: Option<Vec<u8>>,
}

impl<'a> Cmd<'a> {
    pub fn new(host: &'a Host, program: &str, line: &(impl Line + ?Sized)) -> Self {
        let words = line.words();
        let mut command = Command::new(program);
        command.args(&words).env_clear().current_dir(&host.dir);
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root");
        command.env("MYDOCKER_ROOT", &host.store).env("MYDOCKER_RUN", &host.run_dir);
        host.net.hold(&mut command);
        Self { host, command, shown: words.join(" "), input: None }
    }

    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.command.env(key, value);
        self
    }

    pub fn cwd(mut self, dir: &str) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// What it reads; without this, nothing.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// The command itself, for who runs it in another way: nothing to read, and its output goes nowhere.
    pub fn into_command(mut self) -> Command {
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.command
    }

    pub fn run(self) -> Output {
        let input = self.input.clone().unwrap_or_default();
        let mut running = self.spawn();
        running.send(&input);
        running.hang_up();
        running.wait()
    }

    /// Starts it. Its standard input is a pipe if there was [`Cmd::input`], which is left to the caller then.
    pub fn spawn(mut self) -> Running<'a> {
        self.command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.start(None)
    }

    /// Starts it with the standard output going to a file.
    pub fn spawn_into(mut self, file: File) -> Running<'a> {
        self.command.stdin(Stdio::null()).stdout(file).stderr(Stdio::piped());
        self.start(None)
    }

    /// Starts it on a terminal of its own, as the leader of a session.
    pub fn on_terminal(mut self, rows: u16, columns: u16) -> Running<'a> {
        let (master, slave) = terminal(rows, columns);
        let end = || Stdio::from(slave.try_clone().unwrap());
        self.command.stdin(end()).stdout(end()).stderr(end());
        // SAFETY: between fork and exec there are two system calls, and nothing that allocates.
        unsafe {
            self.command.pre_exec(|| {
                let taken = rustix::process::setsid().and_then(|_| rustix::process::ioctl_tiocsctty(fd(&0)));
                taken.map(drop).map_err(|errno| std::io::Error::from_raw_os_error(errno.raw_os_error()))
            });
        }
        self.start(Some(Terminal { before: settings(&master), master, _slave: slave }))
    }

    fn start(mut self, terminal: Option<Terminal>) -> Running<'a> {
        let deadline = Instant::now() + at_most(Duration::from_secs(10));
        let mut child = loop {
            match self.command.spawn() {
                // A test wrote to the program, and a child that another test forked at that moment has not executed yet.
                Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy && Instant::now() < deadline => {
                    std::thread::yield_now();
                }
                spawned => {
                    break spawned.unwrap_or_else(|e| panic!("{}: {e}", self.command.get_program().display()));
                }
            }
        };
        let (out, err) = (Shared::default(), Shared::default());
        let mut readers = Vec::new();
        readers.extend(terminal.as_ref().map(|terminal| collect(terminal.master.try_clone().unwrap(), &out)));
        readers.extend(child.stdout.take().map(|pipe| collect(pipe, &out)));
        readers.extend(child.stderr.take().map(|pipe| collect(pipe, &err)));
        Running { host: self.host, child, shown: self.shown, out, err, readers, terminal, seen: 0 }
    }
}

/// The two sides of a terminal. Ours of the slave stays open until the end: without any, its settings are gone.
struct Terminal {
    master: File,
    _slave: File,
    before: Termios,
}

fn settings(master: &File) -> Termios {
    rustix::termios::tcgetattr(fd(master)).unwrap()
}

type Shared = Arc<Mutex<Vec<u8>>>;

fn collect(mut from: impl Read + Send + 'static, into: &Shared) -> JoinHandle<()> {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        let mut buf = vec![0; 1 << 16];
        // A terminal that nobody holds any more says EIO instead of "the end".
        while let Ok(n @ 1..) = from.read(&mut buf) {
            into.lock().unwrap().extend_from_slice(&buf[..n]);
        }
    })
}

/// rustix without std has descriptor types of its own.
pub fn fd(file: &impl AsRawFd) -> rustix::fd::BorrowedFd<'_> {
    // SAFETY: the borrow keeps the file open.
    unsafe { rustix::fd::BorrowedFd::borrow_raw(file.as_raw_fd()) }
}

fn terminal(rows: u16, columns: u16) -> (File, File) {
    let open = |path: &str| File::options().read(true).write(true).open(path).unwrap();
    let master = open("/dev/ptmx");
    rustix::pty::unlockpt(fd(&master)).unwrap();
    let name = rustix::pty::ptsname(fd(&master), Vec::new()).unwrap();
    let slave = open(name.to_str().unwrap());
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(fd(&master), size).unwrap();
    (master, slave)
}

/// A command that runs.
pub struct Running<'a> {
    host: &'a Host,
    child: Child,
    shown: String,
    out: Shared,
    err: Shared,
    readers: Vec<JoinHandle<()>>,
    terminal: Option<Terminal>,
    /// How much of the output was already expected.
    seen: usize,
}

impl Running<'_> {
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Types, or writes to the pipe.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Some(terminal) = &mut self.terminal {
            terminal.master.write_all(bytes.as_ref()).unwrap();
        } else if let Some(pipe) = &mut self.child.stdin {
            let _ = pipe.write_all(bytes.as_ref()); // it may have ended without reading all
        }
    }

    /// Closes the pipe.
    pub fn hang_up(&mut self) {
        self.child.stdin = None;
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.out.lock().unwrap()).into_owned()
    }

    /// Waits until the text appears after all that was expected before.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let (out, from) = (Arc::clone(&self.out), self.seen);
        let find = || out.lock().unwrap()[from..].windows(text.len()).position(|part| part == text.as_bytes());
        if !soon(PATIENCE, || find().is_some() || self.readers.iter().all(JoinHandle::is_finished)) || find().is_none()
        {
            let _ = self.child.kill();
            let err = String::from_utf8_lossy(&self.err.lock().unwrap()).into_owned();
            panic!("mydocker {}: expected {text:?}, got {:?} {err:?}", self.shown, &self.output()[from..]);
        }
        self.seen += find().unwrap() + text.len();
    }

    /// The terminal's settings, which are the ones of its other side.
    pub fn settings(&self) -> Termios {
        settings(&self.terminal.as_ref().unwrap().master)
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(fd(&self.terminal.as_ref().unwrap().master), size).unwrap();
    }

    #[track_caller]
    pub fn wait(mut self) -> Output {
        let mut status = None;
        soon(PATIENCE, || {
            status = status.or_else(|| self.child.try_wait().unwrap());
            status.is_some()
        });
        let is_restored = self.terminal.take().is_none_or(|t| same(&t.before, &settings(&t.master)));
        // Whoever still holds a pipe or the terminal now would keep a shell's $(…) waiting, too.
        if !soon(PATIENCE, || status.is_some() && self.readers.iter().all(JoinHandle::is_finished)) {
            let _ = self.child.kill();
            let err = String::from_utf8_lossy(&self.err.lock().unwrap()).into_owned();
            panic!("mydocker {}: no end ({status:?}) after {PATIENCE:?}: {:?} {err:?}", self.shown, self.output());
        }
        let killed = status.unwrap().signal() == Some(9);
        assert!(is_restored || killed, "mydocker {}: the terminal is not as before", self.shown);
        let bytes = self.out.lock().unwrap().clone();
        let output = Output {
            code: code(status.unwrap()),
            out: String::from_utf8_lossy(&bytes).into_owned(),
            err: String::from_utf8_lossy(&self.err.lock().unwrap()).into_owned(),
            bytes,
            shown: self.shown,
        };
        self.host.remember(&output.out);
        output
    }
}

fn same(a: &Termios, b: &Termios) -> bool {
    let modes =
        |t: &Termios| (t.input_modes.bits(), t.output_modes.bits(), t.control_modes.bits(), t.local_modes.bits());
    modes(a) == modes(b)
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

/// What a command left.
pub struct Output {
    /// As a shell has it: 128+n for signal n.
    pub code: i32,
    pub out: String,
    pub err: String,
    /// The output as it was.
    pub bytes: Vec<u8>,
    shown: String,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, out, err, shown, .. } = self;
        write!(f, "[mydocker {shown}] -> {code}, out {out:?}, err {err:?}")
    }
}

impl Output {
    /// It worked, said nothing to stderr, and this is its answer, without the last newline.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.code == 0 && self.err.is_empty(), "{self:?}");
        self.out.strip_suffix('\n').unwrap_or(&self.out).to_owned()
    }

    /// It ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code == code, "expected exit code {code}: {self:?}");
        self
    }

    /// It failed with this code, no answer, and one line that says this.
    #[track_caller]
    pub fn fails(self, code: i32, text: &str) {
        let one = self.err.starts_with("mydocker: ") && self.err.ends_with('\n') && self.err.lines().count() == 1;
        let fits = self.code == code && self.out.is_empty() && one && self.err.contains(text);
        assert!(fits, "expected {code} and one line with {text:?}: {self:?}");
    }
}
