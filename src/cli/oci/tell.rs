//! The verbs that only tell something.

use super::super::args::Parsed;
use super::super::read::{self, bad};
use super::super::{OK, absolute, help, print, table, top};
use super::{known, root};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write as _;
use mydocker::error::{Result, Tried};
use mydocker::kernel::{at, io, proc, process, time};
use mydocker::life::runtime;
use mydocker::spec::text;
use mydocker::walls::cgroup;
use rustix::fd::AsFd;
use rustix::fs::{CWD, OFlags};

/// `state ID`
pub fn state(parsed: &Parsed) -> Result<u8> {
    let known = known(parsed)?;
    print(&(known.tell_all(known.status()) + "\n")).map(|()| OK)
}

/// `list [-q] [-f table|json]`
pub fn list(parsed: &Parsed) -> Result<u8> {
    let is_json = wants_json(parsed)?;
    let (mut lines, mut objects) = (String::from("ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER"), Vec::new());
    let mut ids = String::new();
    for known in runtime::all(root())? {
        let status = known.status();
        let pid = if status == "stopped" { 0 } else { known.state.pid };
        let (id, bundle, created) = (&known.id, &known.state.bundle, time::rfc3339(known.state.created));
        let _ = write!(lines, "\n{id}\t{pid}\t{status}\t{bundle}\t{created}\troot"); // a String takes everything
        let _ = writeln!(ids, "{id}");
        objects.push(known.tell_all(status));
    }
    let text = match (parsed.on("quiet"), is_json) {
        (true, _) => ids,
        (_, true) => format!("[{}]\n", text::join(&objects, ",")),
        _ => table::aligned(&lines, 12),
    };
    print(&text).map(|()| OK)
}

fn wants_json(parsed: &Parsed) -> Result<bool> {
    match parsed.last("format") {
        None | Some("table") => Ok(false),
        Some("json") => Ok(true),
        Some(other) => Err(bad(format!("--format {other}: it is table or json"))),
    }
}

/// `ps [-f table|json] ID [ps OPTIONS]`
pub fn ps(parsed: &Parsed) -> Result<u8> {
    let is_json = wants_json(parsed)?;
    let pids = cgroup::pids(known(parsed)?.place()?)?;
    if is_json {
        let texts: Vec<String> = pids.iter().map(i32::to_string).collect();
        return print(&format!("[{}]\n", text::join(&texts, ","))).map(|()| OK);
    }
    let processes: Vec<_> = pids.iter().filter_map(|pid| proc::read(*pid).map(|process| *process)).collect();
    top::show(parsed.words.get(1..).unwrap_or_default(), &processes).map(|()| OK)
}

/// `features`
pub fn features(_: &Parsed) -> Result<u8> {
    print(help::text("features.json")).map(|()| OK)
}

/// `spec [-b DIR]`
pub fn spec(parsed: &Parsed) -> Result<u8> {
    let path = absolute(&format!("{}/config.json", parsed.last("bundle").unwrap_or(".")));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let file = at::make(CWD, &path, flags, 0o644).tried_to("make", &path)?;
    io::write_all(file.as_fd(), help::text("config.json").as_bytes()).tried_to("write", &path).map(|()| OK)
}

/// `events [--stats] [--interval DURATION] ID`
pub fn events(parsed: &Parsed) -> Result<u8> {
    let known = known(parsed)?;
    let interval_ns = parsed.read("interval", read::duration)?.unwrap_or(5_000_000_000);
    if interval_ns <= 0 {
        return Err(bad("--interval: it is longer than 0"));
    }
    loop {
        let init = known.running()?;
        let usage = cgroup::usage(known.place()?)?;
        let limit = usage.pids_limit.unwrap_or(0);
        print(&format!(
            "{{\"type\":\"stats\",\"id\":\"{}\",\"data\":{{\"cpu\":{{\"usage\":{{\"total\":{}}}}},\
             \"memory\":{{\"usage\":{{\"usage\":{},\"limit\":{}}}}},\"pids\":{{\"current\":{},\"limit\":{limit}}},\
             \"blkio\":{{\"read\":{},\"written\":{}}}}}}}\n",
            known.id,
            usage.cpu_ns,
            usage.memory_bytes,
            usage.memory_limit,
            usage.pids,
            usage.block_read,
            usage.block_written
        ))?;
        if parsed.on("stats") || process::readable(init.as_fd(), interval_ns / 1_000_000) {
            return Ok(OK);
        }
    }
}
