//! `version`, `info`.

use super::args::Parsed;
use super::shape::{put, put_text, put_texts};
use super::template::Template;
use super::{OK, human, object, open_store, print, read};
use miniserde::json::{Number, Object, Value};
use mydocker::error::Result;
use mydocker::kernel::{file, proc};
use mydocker::life::remove;
use mydocker::spec::Status;
use mydocker::store::{containers, images};
use mydocker::walls::cgroup;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// docker's names for the kinds of networks that there are: its `none` is a null.
const NETWORK_DRIVERS: &str = "bridge host null";

fn show(parsed: &Parsed, value: &Value, plain: &str) -> Result<u8> {
    let text = match parsed.last("format") {
        None => return print(plain).map(|()| OK),
        Some("json") => miniserde::json::to_string(value),
        Some(format) => Template::parse(format)?.render(value)?,
    };
    print(&(text + "\n")).map(|()| OK)
}

/// `version`. One program is client and server; scripts that ask for either get the same answer.
pub fn version(parsed: &Parsed) -> Result<u8> {
    let uname = rustix::system::uname();
    let kernel = uname.release().to_string_lossy().into_owned();
    let arch = images::architecture();
    let mut side = Object::new();
    for (key, text) in [("Version", VERSION), ("Os", "linux"), ("Arch", arch), ("KernelVersion", &kernel)] {
        put_text(&mut side, key, text);
    }
    let side = Value::Object(side);
    let value = object(vec![("Client", side.clone()), ("Server", side)]);
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
    let memory = proc::machine().memory_kib * 1024;
    let online = file::read_text("/sys/devices/system/cpu/online").unwrap_or_default();
    let cpus = read::cpu_list(online.trim(), "").map_or(1, |list| list.len() as u64);
    let (total, stopped) = (counts.iter().sum::<u64>(), counts[1] + counts[2]);
    let image_count = images::ids(&store)?.len() as u64;
    let cgroups = cgroup::version().to_string();
    let mut o = Object::new();
    for (key, number) in [
        ("Containers", total),
        ("ContainersRunning", counts[0]),
        ("ContainersStopped", stopped),
        ("ContainersDamaged", errors.len() as u64),
        ("Images", image_count),
        ("NCPU", cpus),
        ("MemTotal", memory),
    ] {
        put(&mut o, key, Value::Number(Number::U64(number)));
    }
    for (key, text) in [
        ("ServerVersion", VERSION),
        ("Driver", "overlay"),
        ("CgroupVersion", &cgroups),
        ("KernelVersion", &kernel),
        ("OSType", "linux"),
        ("Architecture", &uname.machine().to_string_lossy()),
        ("DockerRootDir", &store.root_path),
        ("RunRootDir", &store.run_path),
        ("Name", &uname.nodename().to_string_lossy()),
    ] {
        put_text(&mut o, key, text);
    }
    let mut plugins = Object::new();
    for (key, names) in [("Volume", "local"), ("Network", NETWORK_DRIVERS)] {
        put_texts(&mut plugins, key, &names.split(' ').map(str::to_owned).collect::<Vec<_>>());
    }
    put(&mut o, "Plugins", Value::Object(plugins));
    let damaged = if errors.is_empty() { String::new() } else { format!(" Damaged: {}\n", errors.len()) };
    let plain = format!(
        "Containers: {total}\n Running: {}\n Created: {}\n Exited: {}\n{damaged}Images: {image_count}\n\
         Version: {VERSION}\nStorage Driver: overlay\nPlugins:\n Volume: local\n Network: {NETWORK_DRIVERS}\n\
         Cgroup Version: {cgroups}\nKernel Version: {kernel}\nCPUs: {cpus}\n\
         Total Memory: {}\nRoot Dir: {}\nRun Dir: {}\n",
        counts[0],
        counts[1],
        counts[2],
        human::size_binary(memory),
        store.root_path,
        store.run_path,
    );
    show(parsed, &Value::Object(o), &plain)
}
