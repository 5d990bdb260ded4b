//! The verbs that only tell something.

use super::super::args::Parsed;
use super::super::read::{self, bad};
use super::super::{OK, absolute, help, print, table, top};
use super::{known, root};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use mydocker::error::{Result, Tried};
use mydocker::kernel::{at, io, proc, process, time};
use mydocker::life::runtime;
use mydocker::spec::record;
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
    let is_quiet = parsed.on("quiet");
    let mut text = String::from(match (is_quiet, is_json) {
        (true, _) => "",
        (_, true) => "[",
        _ => "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER",
    });
    runtime::each(root(), &mut |known| {
        let (id, status) = (&*known.id, known.status());
        if is_quiet {
            text.extend([id, "\n"]);
        } else if is_json {
            text.extend([if text.len() > 1 { "," } else { "" }, &known.tell_all(status)]);
        } else {
            let (pid, bundle, created) = (known.pid(status), &known.state.bundle, time::rfc3339(known.state.created));
            let _ = write!(text, "\n{id}\t{pid}\t{status}\t{bundle}\t{created}\troot"); // a String takes everything
        }
    })?;
    if is_json && !is_quiet {
        text.push_str("]\n");
    } else if !is_quiet {
        text = table::aligned(&text, 12);
    }
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
        return print(&(record::to_json(&pids) + "\n")).map(|()| OK);
    }
    let mut processes = Vec::new();
    for pid in pids {
        processes.extend(proc::read(pid).map(|process| *process));
    }
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

/// `events [--stats] [--interval DURATION] ID`; that memory ran out is told with the next line of statistics, or at the end
pub fn events(parsed: &Parsed) -> Result<u8> {
    let known = known(parsed)?;
    let interval_ns = parsed.read("interval", read::duration)?.unwrap_or(5_000_000_000);
    if interval_ns <= 0 {
        return Err(bad("--interval: it is longer than 0"));
    }
    let mut kills = cgroup::oom_kills(known.place()?);
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
        let is_last = parsed.on("stats") || process::readable(init.as_fd(), interval_ns / 1_000_000);
        let before = core::mem::replace(&mut kills, cgroup::oom_kills(known.place()?));
        if kills > before {
            print(&format!("{{\"type\":\"oom\",\"id\":\"{}\"}}\n", known.id))?;
        }
        if is_last {
            return Ok(OK);
        }
    }
}
