//! Virtual machines: what one is made of, how it is started, and what came of it.

use crate::initramfs::{self, Archive};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The oldest kernel that Debian still has, its usual one, the next, and the newest: the first of each that can be had.
pub const OLDEST: &[&str] = &["bullseye-security", "bullseye", "bookworm"];
pub const USUAL: &[&str] = &["bookworm"];
pub const NEXT: &[&str] = &["bookworm-backports", "trixie"];
pub const NEWEST: &[&str] = &["trixie-backports", "trixie", "bookworm-backports"];

/// So many machines run at a time.
const AT_A_TIME: u32 = 2;
/// What a machine says at its end: this, a number that nobody inside can guess without looking, and the exit code.
const END: &str = "@@VM-EXIT";

/// A machine in the making.
pub struct Machine {
    kernel: PathBuf,
    aarch64: bool,
    memory_mib: u32,
    limit: Duration,
    archive: Archive,
    parameters: Vec<String>,
    disks: u32,
    qemu: Vec<String>,
}

/// A machine that runs. It is switched off (as by a power cut) when this is dropped.
pub struct Running {
    child: Child,
    said: Arc<(Mutex<Said>, Condvar)>,
    started: Instant,
    limit: Duration,
    nonce: String,
    folder: PathBuf,
    _turn: Turn,
}

/// What a machine wrote on its serial line.
#[derive(Default)]
struct Said {
    text: String,
    is_over: bool,
}

/// How a machine ended.
pub struct Outcome {
    /// The exit code of its script; `None` if it ended without saying one (a panic, a power cut).
    pub code: Option<i32>,
    /// What it wrote on its serial line.
    pub text: String,
    /// From the start of QEMU to its end.
    pub took: Duration,
}

/// target/
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned()
}

/// Calls a script of build/ that prints a path as its last line.
pub fn made(script: &str, args: &[&str]) -> Result<PathBuf, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("build").join(script);
    let output = Command::new(path).args(args).env("CARGO_TARGET_DIR", target()).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() {
        Ok(PathBuf::from(said(&output.stdout).lines().last().unwrap_or_default()))
    } else {
        Err(said(&output.stderr))
    }
}

/// The binary under test.
pub fn binary() -> PathBuf {
    std::env::var_os("MYDOCKER_BIN").map_or_else(|| env!("CARGO_BIN_EXE_mydocker").into(), PathBuf::from)
}

impl Machine {
    /// A machine with the first of these kernels that can be had, mydocker in /bin, and in /payload all of tests/vm/guest
    /// and busybox.tar.
    pub fn new(kernels: &[&str]) -> Self {
        Self::empty(kernels, "amd64").with_mydocker()
    }

    /// The same with hardly a module on board, for little memory.
    pub fn small(kernels: &[&str]) -> Self {
        Self::with_modules(kernels, "amd64", "").with_mydocker()
    }

    fn with_mydocker(mut self) -> Self {
        self.archive.copy("bin/mydocker", &binary());
        let busybox = made("image", &[]).unwrap();
        self.file("payload/busybox.tar", &busybox)
    }

    /// A machine that has only the kernel, busybox and the scripts.
    pub fn empty(kernels: &[&str], architecture: &str) -> Self {
        Self::with_modules(kernels, architecture, initramfs::ON_BOARD)
    }

    fn with_modules(kernels: &[&str], architecture: &str, on_board: &str) -> Self {
        made("qemu", if architecture == "arm64" { &["aarch64"] } else { &[] }).unwrap();
        let kernel = kernels.iter().find_map(|suite| match made("kernel", &[suite, architecture]) {
            Ok(kernel) => Some(kernel),
            Err(why) => {
                eprintln!("no kernel of {suite}, the next one is taken: {why}");
                None
            }
        });
        let kernel = kernel.unwrap_or_else(|| panic!("no kernel of {kernels:?} can be had"));
        let mut archive = initramfs::base(&kernel, on_board);
        archive.copy("payload", &initramfs::guest(""));
        Self {
            kernel,
            aarch64: architecture == "arm64",
            memory_mib: 768,
            limit: Duration::from_secs(300),
            archive,
            parameters: Vec::new(),
            disks: 0,
            qemu: Vec::new(),
        }
    }

    /// What "/" is: `initramfs` (as it stands), `tmpfs`, `disk` (the first disk, onto which the programs are copied), or
    /// the path of an init on the first disk, which is then executed.
    pub fn root(self, root: &str) -> Self {
        self.parameter(&format!("vm.root={root}"))
    }

    /// A word for the kernel's command line. `guest/init` says which ones it knows.
    pub fn parameter(mut self, word: &str) -> Self {
        self.parameters.push(word.to_owned());
        self
    }

    pub fn memory(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// How long it may run, on a machine with nothing else to do. Under load it gets four times as long.
    pub fn limit(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds * 4);
        self
    }

    /// Takes a file or a directory along.
    pub fn file(mut self, name: &str, from: &Path) -> Self {
        self.archive.copy(name, from);
        self
    }

    /// A file with this content.
    pub fn text(mut self, name: &str, content: &str) -> Self {
        self.archive.file(name, content.as_bytes());
        self
    }

    /// A disk: vda, vdb … in the order of the calls.
    pub fn disk(self, image: &Path) -> Self {
        // Its flushes are not handed on: what a machine has written is kept when its QEMU is killed, as nothing else is.
        self.drive(&format!("file={},format=raw,cache=unsafe", image.display()))
    }

    /// A disk as QEMU's `-drive` describes it.
    pub fn drive(mut self, description: &str) -> Self {
        let id = self.disks;
        self.disks += 1;
        self.qemu(&[
            "-drive",
            &format!("{description},if=none,id=d{id}"),
            "-device",
            &format!("virtio-blk-pci,drive=d{id}"),
        ])
    }

    /// Further arguments for QEMU.
    pub fn qemu(mut self, args: &[&str]) -> Self {
        self.qemu.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// Runs a script of /payload to its end.
    pub fn run(self, script: &str) -> Outcome {
        self.start(script).outcome()
    }

    /// Starts a machine that executes a script of /payload and is then switched off.
    pub fn start(self, script: &str) -> Running {
        let turn = Turn::taken();
        static COUNT: Mutex<u32> = Mutex::new(0);
        let count = {
            let mut count = COUNT.lock().unwrap();
            *count += 1;
            *count
        };
        let nonce = format!("{}-{count}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("vm-{nonce}"));
        fs::create_dir_all(&folder).unwrap();
        let initrd = folder.join("initrd");
        fs::write(&initrd, self.archive.finished()).unwrap();

        let mut words = format!(
            "panic=-1 quiet loglevel=1 random.trust_cpu=on mitigations=off cryptomgr.notests vm.nonce={nonce} vm.script={script}"
        );
        let mut command = Command::new("setpriv"); // QEMU goes when the test goes
        command.args(["--pdeathsig", "KILL", "--"]);
        if self.aarch64 {
            command.args("qemu-system-aarch64 -M virt,gic-version=3 -cpu cortex-a72".split(' '));
            words += " console=ttyAMA0";
        } else {
            command.args("qemu-system-x86_64 -M pc -cpu max".split(' '));
            words += " console=ttyS0 reboot=t tsc=reliable no_timer_check";
        }
        for word in &self.parameters {
            words += " ";
            words += word;
        }
        command.args("-accel tcg,thread=multi -nodefaults -no-user-config -no-reboot -display none -smp 2".split(' '));
        command.args("-chardev stdio,id=line,signal=off -serial chardev:line".split(' '));
        command.args(["-m", &self.memory_mib.to_string(), "-append", &words]).args(&self.qemu);
        command.arg("-kernel").arg(self.kernel.join("vmlinuz")).arg("-initrd").arg(&initrd);
        let errors = File::create(folder.join("errors")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        let said = Arc::new((Mutex::new(Said::default()), Condvar::new()));
        let (line, heard) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&said));
        std::thread::spawn(move || hear(line, &heard));
        Running { child, said, started, limit: self.limit, nonce, folder, _turn: turn }
    }
}

/// Reads the serial line to its end.
fn hear(mut line: impl BufRead, said: &(Mutex<Said>, Condvar)) {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = line.read_until(b'\n', &mut bytes);
        let mut now = said.0.lock().unwrap();
        now.is_over = !matches!(read, Ok(1..));
        now.text.push_str(&String::from_utf8_lossy(&bytes).replace('\r', ""));
        said.1.notify_all();
        if now.is_over {
            return;
        }
    }
}

impl Running {
    /// Waits until the machine has written this. Panics if it ends or its time is over before.
    #[track_caller]
    pub fn until(&self, text: &str) {
        let said = self.wait(|said| said.text.contains(text));
        assert!(said.text.contains(text), "the machine did not say {text:?}: {}", tail(&said.text));
    }

    /// What it has written so far.
    pub fn text(&self) -> String {
        self.said.0.lock().unwrap().text.clone()
    }

    /// A power cut.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn outcome(mut self) -> Outcome {
        let is_over = self.wait(|_| false).is_over;
        let took = self.started.elapsed();
        if !is_over {
            self.child.kill().unwrap();
        }
        self.child.wait().unwrap();
        let errors = fs::read_to_string(self.folder.join("errors")).unwrap_or_default();
        let late = if is_over { String::new() } else { format!("\nthe machine's time is over: {took:?}\n") };
        let text = self.text() + &errors + &late;
        let end = format!("{END} {} ", self.nonce);
        let code = text.rsplit(&end).next().filter(|rest| rest.len() < text.len());
        let code = code.and_then(|rest| rest.split("@@").next()?.parse().ok());
        Outcome { code, text, took }
    }

    fn wait(&self, is_enough: impl Fn(&Said) -> bool) -> MutexGuard<'_, Said> {
        let left = self.limit.saturating_sub(self.started.elapsed());
        let goes_on = |said: &mut Said| !said.is_over && !is_enough(said);
        self.said.1.wait_timeout_while(self.said.0.lock().unwrap(), left, goes_on).unwrap().0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Outcome {
    /// The script's code is 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", tail(&self.text));
        self
    }
}

/// The end of a long text, and all lines of it that tell of a failure.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(60);
    let failed = lines[..from].iter().filter(|line| line.contains("FAIL")).take(40);
    failed.chain(&lines[from..]).copied().collect::<Vec<_>>().join("\n")
}

/// The right to run a machine.
struct Turn;

static MACHINES: OnceLock<(Mutex<u32>, Condvar)> = OnceLock::new();

impl Turn {
    fn taken() -> Self {
        let (count, changed) = MACHINES.get_or_init(Default::default);
        let count = count.lock().unwrap_or_else(PoisonError::into_inner);
        *changed.wait_while(count, |count| *count >= AT_A_TIME).unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (count, changed) = MACHINES.get_or_init(Default::default);
        *count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        changed.notify_all();
    }
}

/// An ext4 file system in a file of its own below target/tmp, removed by [`Disk`]'s end.
pub struct Disk(pub PathBuf);

impl Disk {
    /// An empty one.
    pub fn new(name: &str, mib: u64) -> Self {
        Self::filled(name, mib, &[])
    }

    /// One with what is in a directory.
    pub fn of(name: &str, mib: u64, folder: &Path) -> Self {
        Self::filled(name, mib, &["-d", folder.to_str().unwrap()])
    }

    fn filled(name: &str, mib: u64, args: &[&str]) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("disk-{}-{name}", std::process::id()));
        File::create(&path).unwrap().set_len(mib << 20).unwrap();
        let made = Command::new("mke2fs")
            .args("-q -t ext4 -F -E lazy_itable_init=1,lazy_journal_init=1,nodiscard".split(' '))
            .args(args)
            .arg(&path)
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .status();
        assert!(made.unwrap().success());
        Self(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Tells how long something took, where `./build/test` prints it.
pub fn tell(what: &str, took: Duration) {
    let _ = writeln!(std::io::stderr(), "{what}: {:.1} s", took.as_secs_f64());
}
