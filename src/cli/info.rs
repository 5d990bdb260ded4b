//! `version`, `info`.

use super::args::Parsed;
use super::template::Template;
use super::{OK, human, object, open_store, print, read, text};
use miniserde::json::{Number, Value};
use mydocker::error::Result;
use mydocker::kernel::file;
use mydocker::life::remove;
use mydocker::spec::Status;
use mydocker::store::{containers, images};
use mydocker::walls::cgroup;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn show(parsed: &Parsed, value: &Value, plain: &str) -> Result<u8> {
    match parsed.last("format") {
        None => print(plain)?,
        Some("json") => print(&format!("{}\n", miniserde::json::to_string(value)))?,
        Some(format) => print(&format!("{}\n", Template::parse(format)?.render(value)?))?,
    }
    Ok(OK)
}

/// `version`. One program is client and server; scripts that ask for either get the same answer.
pub fn version(parsed: &Parsed) -> Result<u8> {
    let uname = rustix::system::uname();
    let kernel = uname.release().to_string_lossy().into_owned();
    let side = || {
        object(vec![
            ("Version", text(VERSION)),
            ("Os", text("linux")),
            ("Arch", text(images::architecture())),
            ("KernelVersion", text(&kernel)),
        ])
    };
    let value = object(vec![("Client", side()), ("Server", side())]);
    let arch = images::architecture();
    show(parsed, &value, &format!("mydocker {VERSION} (linux/{arch}, kernel {kernel}, no daemon)\n"))
}

/// `info`
pub fn info(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let (found, errors) = containers::all(&store)?;
    let mut counts = [0u64; 3];
    for container in &found {
        match remove::settle(&store, container)?.map(|state| state.status) {
            Some(Status::Running | Status::Restarting) => counts[0] += 1,
            Some(Status::Created) => counts[1] += 1,
            Some(Status::Exited) => counts[2] += 1,
            None => {}
        }
    }
    let uname = rustix::system::uname();
    let kernel = uname.release().to_string_lossy().into_owned();
    let memory = file::read_text("/proc/meminfo").ok().and_then(|t| {
        t.lines().find_map(|l| l.strip_prefix("MemTotal:")?.trim().trim_end_matches(" kB").parse::<u64>().ok())
    });
    let memory = memory.unwrap_or(0) * 1024;
    let online = file::read_text("/sys/devices/system/cpu/online").unwrap_or_default();
    let cpus = read::cpu_list(online.trim(), "").map_or(1, |list| list.len() as u64);
    let number = |n: u64| Value::Number(Number::U64(n));
    let total: u64 = counts.iter().sum();
    let image_count = images::ids(&store)?.len() as u64;
    let cgroups = cgroup::version();
    let value = object(vec![
        ("Containers", number(total)),
        ("ContainersRunning", number(counts[0])),
        ("ContainersStopped", number(counts[1] + counts[2])),
        ("ContainersDamaged", number(errors.len() as u64)),
        ("Images", number(image_count)),
        ("ServerVersion", text(VERSION)),
        ("Driver", text("overlay")),
        ("CgroupVersion", text(cgroups.to_string())),
        ("KernelVersion", text(&kernel)),
        ("OSType", text("linux")),
        ("Architecture", text(uname.machine().to_string_lossy())),
        ("NCPU", number(cpus)),
        ("MemTotal", number(memory)),
        ("DockerRootDir", text(&store.root_path)),
        ("RunRootDir", text(&store.run_path)),
        ("Name", text(uname.nodename().to_string_lossy())),
    ]);
    let damaged = if errors.is_empty() { String::new() } else { format!(" Damaged: {}\n", errors.len()) };
    let plain = format!(
        "Containers: {total}\n Running: {}\n Created: {}\n Exited: {}\n{damaged}Images: {image_count}\n\
         Version: {VERSION}\nStorage Driver: overlay\nCgroup Version: {cgroups}\nKernel Version: {kernel}\nCPUs: {cpus}\n\
         Total Memory: {}\nRoot Dir: {}\nRun Dir: {}\n",
        counts[0],
        counts[1],
        counts[2],
        human::size_binary(memory),
        store.root_path,
        store.run_path,
    );
    show(parsed, &value, &plain)
}
