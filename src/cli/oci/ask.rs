//! The verbs that make processes, change them or end them.

use super::super::args::Parsed;
use super::super::read::{self, bad};
use super::super::{OK, absolute, seal_but};
use super::{known, root};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mydocker::error::{Result, Tried};
use mydocker::kernel::sys;
use mydocker::life::runtime::{self, Console, Known, Manner, Program};
use mydocker::spec::oci::{Capabilities, Process, Resources, State};
use mydocker::spec::record;
use rustix::termios::isatty;

/// How a process is made, and that we are what nobody can write to.
fn manner(parsed: &Parsed) -> Result<Manner> {
    let preserved = match parsed.last("preserve-fds") {
        Some(text) => read::digits(text)
            .filter(|count| *count < 1024)
            .ok_or_else(|| bad(format!("--preserve-fds {text}: this is not a number of descriptors")))?,
        None => 0,
    };
    sys::keep_open(3, preserved).tried("use the descriptors of --preserve-fds, from 3 on")?;
    seal_but(preserved)?;
    Ok(Manner { preserved, no_pivot: parsed.on("no-pivot"), old_keyring: parsed.on("no-new-keyring") })
}

/// Who holds the terminal of a process.
fn console(parsed: &Parsed, terminal: Option<bool>, detached: bool) -> Result<Console> {
    let socket = parsed.last("console-socket").filter(|path| !path.is_empty());
    match (terminal == Some(true), socket) {
        (false, Some(_)) => Err(bad("--console-socket is for a process with a terminal (process.terminal, --tty)")),
        (false, None) => Ok(Console::None),
        (true, Some(path)) => Ok(Console::Socket(absolute(path))),
        (true, None) if detached => Err(bad("process.terminal needs --console-socket: nobody would hold the terminal")),
        (true, None) => Ok(Console::Ours),
    }
}

/// What create makes, and run, too; its pid is noted where that was asked for.
fn made(parsed: &Parsed, detached: bool) -> Result<(Known, Program)> {
    let manner = manner(parsed)?;
    let bundle = absolute(parsed.last("bundle").unwrap_or("."));
    let mut state = Box::<State>::default();
    super::read(&mut state.config, &format!("{bundle}/config.json"))?;
    state.bundle = bundle;
    let console = console(parsed, state.config.process.terminal, detached)?;
    let (known, program) = runtime::create(root(), parsed.word(0), state, &console, manner)?;
    note_pid(parsed, &program).inspect_err(|_| drop(runtime::delete(root(), &known, true)))?;
    Ok((known, program))
}

fn note_pid(parsed: &Parsed, program: &Program) -> Result<()> {
    parsed
        .last("pid-file")
        .filter(|path| !path.is_empty())
        .map_or(Ok(()), |path| runtime::note_pid(path, program.child.pid))
}

fn stay(program: Program) -> Result<u8> {
    runtime::stay(program, isatty(sys::stdin())).map(|code| code as u8)
}

/// `create [-b DIR] ID`
pub fn create(parsed: &Parsed) -> Result<u8> {
    made(parsed, true).map(|_| OK)
}

/// `run [-d] [-b DIR] ID`
pub fn run(parsed: &Parsed) -> Result<u8> {
    let detached = parsed.on("detach");
    let (known, program) = made(parsed, detached)?;
    let done = runtime::start(&known).and_then(|()| if detached { Ok(OK) } else { stay(program) });
    if done.is_err() || !detached && !parsed.on("keep") {
        let removed = runtime::delete(root(), &known, true);
        return done.and_then(|code| removed.map(|()| code));
    }
    done
}

/// `exec [OPTIONS] ID COMMAND`, or with `--process FILE`
pub fn exec(parsed: &Parsed) -> Result<u8> {
    if parsed.given("cgroup") {
        return Err(bad("--cgroup is not possible: it runs in the cgroup of the container"));
    }
    let manner = manner(parsed)?;
    let mut known = known(parsed)?;
    let mut given = Process::default();
    let process = match parsed.last("process") {
        Some(path) => {
            super::read(&mut given, path)?;
            &given
        }
        None => {
            asked(parsed, &mut known.state.config.process)?;
            &known.state.config.process
        }
    };
    let detached = parsed.on("detach");
    let console = console(parsed, process.terminal, detached)?;
    let program = runtime::exec(&known, process, &console, manner, parsed.on("ignore-paused"))?;
    note_pid(parsed, &program)?;
    if detached { Ok(OK) } else { stay(program) }
}

/// The program that the words and flags of exec ask for, on top of the container's own.
fn asked(parsed: &Parsed, process: &mut Process) -> Result<()> {
    process.args = parsed.words.get(1..).unwrap_or_default().to_vec();
    if process.args.is_empty() {
        return Err(bad("exec needs a command, or --process FILE"));
    }
    process.terminal = Some(parsed.on("tty"));
    if let Some(cwd) = parsed.last("cwd") {
        cwd.clone_into(&mut process.cwd);
    }
    let texts = |key, list: &mut Vec<String>| {
        for text in parsed.all(key) {
            list.push(text.to_owned());
        }
    };
    texts("env", &mut process.env);
    if let Some(user) = parsed.last("user") {
        let (uid, gid) = user.split_once(':').map_or((user, None), |(uid, gid)| (uid, Some(gid)));
        let number =
            |text: &str| read::digits(text).ok_or_else(|| bad(format!("--user {user}: this is not UID[:GID]")));
        process.user.uid = Some(number(uid)?);
        process.user.gid = gid.map(number).transpose()?;
        process.user.groups.clear();
    }
    for gid in parsed.all("additional-gids") {
        let gid = read::digits(gid).ok_or_else(|| bad(format!("--additional-gids {gid}: this is not a group id")))?;
        process.user.groups.push(gid);
    }
    let Capabilities { bounding, effective, permitted, .. } = &mut *process.capabilities;
    for set in [bounding, effective, permitted] {
        texts("cap", set);
    }
    if parsed.given("no-new-privs") {
        process.no_new_privileges = Some(parsed.on("no-new-privs"));
    }
    for (key, label) in [("apparmor", &mut process.apparmor), ("process-label", &mut process.selinux)] {
        if let Some(text) = parsed.last(key) {
            *label = Some(text.to_owned());
        }
    }
    Ok(())
}

/// `kill [-a] ID [SIGNAL]`
pub fn kill(parsed: &Parsed) -> Result<u8> {
    let signal = read::signal(parsed.words.get(1).map_or("TERM", String::as_str))?;
    runtime::kill(&known(parsed)?, signal, parsed.on("all")).map(|()| OK)
}

/// The flags of update: where the value belongs in the specification's resources.
const LIMITS: &str = "memory memory limit\nmemory-reservation memory reservation\nmemory-swap memory swap\ncpu-share cpu shares\n\
    cpu-quota cpu quota\ncpu-period cpu period\ncpu-burst cpu burst\ncpu-idle cpu idle\ncpuset-cpus cpu cpus\n\
    cpuset-mems cpu mems\npids-limit pids limit\nblkio-weight blockIO weight";

/// `update -r FILE ID`, or with limits as flags
pub fn update(parsed: &Parsed) -> Result<u8> {
    let known = known(parsed)?;
    let mut resources = Resources::default();
    match parsed.last("resources") {
        Some(path) => super::read(&mut resources, path)?,
        None => {
            let asked = limits(parsed)?;
            record::from_document(&mut resources, &asked).map_err(|error| error.behind(&[&asked, ", "]))?;
        }
    }
    runtime::update(&known, &resources).map(|()| OK)
}

/// What the flags ask for, as JSON.
fn limits(parsed: &Parsed) -> Result<String> {
    let (mut text, mut last) = (String::from("{"), "");
    for line in LIMITS.lines() {
        let mut words = line.split(' ');
        let (Some(flag), Some(group), Some(field)) = (words.next(), words.next(), words.next()) else { continue };
        let Some(value) = parsed.last(flag) else { continue };
        let read: fn(&str) -> Result<i64> = |text| match text {
            "-1" => Ok(-1),
            text => read::bytes(text).map(|bytes| bytes as i64),
        };
        let value = if flag.starts_with("cpuset") {
            mydocker::spec::json::to_string(value)
        } else {
            parsed.read(flag, read)?.unwrap_or_default().to_string()
        };
        let before = if group == last {
            String::from(",")
        } else {
            format!("{}\"{group}\":{{", if last.is_empty() { "" } else { "}," })
        };
        text.extend([&before, "\"", field, "\":", &value]);
        last = group;
    }
    text.push_str(if last.is_empty() { "}" } else { "}}" });
    Ok(text)
}
