//! Programs that an engine has run at moments of a container's life. config.md of the runtime specification, "POSIX-platform
//! Hooks"

use super::states::Known;
use crate::error::{Error, Result, Tried};
use crate::kernel::{io, process, sys};
use crate::life::control;
use crate::life::program;
use crate::spec::schema::Value;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use rustix::fd::AsFd;
use rustix::fs::{MemfdFlags, SeekFrom};

/// How much of what a hook complains about is passed on.
const COMPLAINT_BYTES_MAX: usize = 1024;
const SIGKILL: i32 = 9;

/// Runs those of a kind in order; each gets the state on its standard input, with this status and the pid of the first process.
/// The first one that fails is the end, but of those that nothing comes after.
pub fn run(known: &Known, kind: &str, status: &str, pid: i32) -> Result<()> {
    let hooks = known.state.config.hooks.at(kind);
    let state = if hooks.is_empty() { String::new() } else { known.tell(status, pid) + "}" };
    let mut done = Ok(());
    for hook in hooks.list() {
        let path = hook.at("path").text();
        done = done.and(run_one(hook, &path, &state).map_err(|e| e.behind(&[kind, " hook ", &path, ": "])));
        if done.is_err() && status != "stopped" {
            break;
        }
    }
    done
}

fn run_one(hook: Value<'_>, path: &str, state: &str) -> Result<()> {
    if !path.starts_with('/') {
        return Err(Error::new("its path is not absolute"));
    }
    let what = "give it the state";
    let input = rustix::fs::memfd_create(c"state", MemfdFlags::CLOEXEC).tried(what)?;
    io::write_all(input.as_fd(), state.as_bytes()).tried(what)?;
    rustix::fs::seek(&input, SeekFrom::Start(0)).tried(what)?;
    let (complaint, complains) = control::pipe()?;
    let (mut args, env) = (hook.at("args").texts(), hook.at("env").texts());
    if args.is_empty() {
        args.push(path.to_owned());
    }
    let child = process::spawn(0, None, &mut || {
        let done = process::null_stdio(7)
            .and_then(|()| process::set_stdio([Some(input.as_fd()), None, Some(complains.as_fd())]));
        sys::reset_signals();
        let error = done.err().unwrap_or_else(|| program::execute(path, &args, &env));
        let _ = io::write_all(complains.as_fd(), format!("{error}").as_bytes()); // the exit code tells too
        sys::exit(1)
    })?;
    drop(complains);
    let limit_ms =
        hook.at("timeout").number().filter(|seconds| *seconds > 0).map_or(-1, |seconds| seconds.saturating_mul(1000));
    if !process::readable(child.pidfd.as_fd(), limit_ms) {
        let _ = sys::signal(child.pidfd.as_fd(), SIGKILL); // it may end at this moment
        process::wait(child.pidfd.as_fd());
        return Err(Error::new(format_args!("killed after {} s", limit_ms / 1000)));
    }
    match process::wait(child.pidfd.as_fd()) {
        0 => Ok(()),
        code => {
            let mut said = [0; COMPLAINT_BYTES_MAX];
            control::nonblocking(complaint.as_fd())?;
            let bytes = io::read(complaint.as_fd(), &mut said).unwrap_or(0);
            let said = String::from_utf8_lossy(&said[..bytes]);
            let what = format!("exit code {code}: {}", said.trim());
            Err(Error::new(what.strip_suffix(": ").unwrap_or(&what)))
        }
    }
}
