//! `version`, `info`.

use super::args::Parsed;
use super::shape::{object, put, put_number, put_string, put_text};
use super::template::Template;
use super::{OK, human, open_store, print, read};
use alloc::string::ToString;
use mydocker::error::Result;
use mydocker::kernel::{file, proc};
use mydocker::life::remove;
use mydocker::spec::Status;
use mydocker::spec::json::{Object, Value};
use mydocker::store::{containers, images};
use mydocker::walls::cgroup;

/// What is true of every machine. docker's names for the kinds of networks that there are: its `none` is a null.
const ALWAYS: &str = concat!(
    "{\"ServerVersion\":\"",
    env!("CARGO_PKG_VERSION"),
    "\",\"Driver\":\"overlay\",\"OSType\":\"linux\",\
     \"Plugins\":{\"Volume\":[\"local\"],\"Network\":[\"bridge\",\"host\",\"null\"]}}"
);
const VERSION: &str =
    "mydocker {{.Client.Version}} ({{.Client.Os}}/{{.Client.Arch}}, kernel {{.Client.KernelVersion}}, no daemon)";
const INFO: &str = "Containers: {{.Containers}}\n Running: {{.ContainersRunning}}\n Created: {{.Created}}\n Exited: {{.Exited}}\n\
    {{if .ContainersDamaged}} Damaged: {{.ContainersDamaged}}\n{{end}}Images: {{.Images}}\nVersion: {{.ServerVersion}}\n\
    Storage Driver: {{.Driver}}\nPlugins:\n Volume: local\n Network: {{join .Plugins.Network \" \"}}\n\
    Cgroup Version: {{.CgroupVersion}}\nKernel Version: {{.KernelVersion}}\nCPUs: {{.NCPU}}\nTotal Memory: {{.Memory}}\n\
    Root Dir: {{.DockerRootDir}}\nRun Dir: {{.RunRootDir}}";

fn show(parsed: &Parsed, o: Object, usual: &str) -> Result<u8> {
    let value = Value::Object(o);
    let text = match parsed.last("format") {
        Some("json") => mydocker::spec::json::to_string(&value),
        format => Template::parse(format.unwrap_or(usual))?.render(&value)?,
    };
    print(&(text + "\n")).map(|()| OK)
}

/// `version`. One program is client and server; scripts that ask for either get the same answer.
pub fn version(parsed: &Parsed) -> Result<u8> {
    let (mut side, mut o) = (Object::new(), Object::new());
    put_text(&mut side, "Version", env!("CARGO_PKG_VERSION"));
    put_text(&mut side, "Os", "linux");
    put_text(&mut side, "Arch", images::architecture());
    put_text(&mut side, "KernelVersion", &rustix::system::uname().release().to_string_lossy());
    put(&mut o, "Client", Value::Object(side.clone()));
    put(&mut o, "Server", Value::Object(side));
    show(parsed, o, VERSION)
}

/// `info`
pub fn info(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let mut o = object(ALWAYS);
    let [mut running, mut created, mut exited] = [0; 3];
    let errors = containers::each(&store, &mut |spec| {
        match remove::settled(&store, &spec)?.map(|state| state.status) {
            Some(Status::Running | Status::Restarting) => running += 1,
            Some(Status::Created) => created += 1,
            Some(Status::Exited) => exited += 1,
            None => {}
        }
        Ok(())
    })?;
    put_number(&mut o, "ContainersDamaged", errors.len() as i64);
    let memory = proc::machine().memory_kib * 1024;
    let online = file::read_text("/sys/devices/system/cpu/online").unwrap_or_default();
    let cpus = read::cpu_list(online.trim(), "").map_or(1, |list| list.len());
    put_number(&mut o, "Containers", running + created + exited);
    put_number(&mut o, "ContainersRunning", running);
    put_number(&mut o, "ContainersStopped", created + exited);
    put_number(&mut o, "Images", images::ids(&store)?.len() as i64);
    put_number(&mut o, "NCPU", cpus as i64);
    put_number(&mut o, "MemTotal", memory as i64);
    put_string(&mut o, "CgroupVersion", cgroup::version().to_string());
    put_text(&mut o, "DockerRootDir", &store.root_path);
    put_text(&mut o, "RunRootDir", &store.run_path);
    let uname = rustix::system::uname();
    put_text(&mut o, "KernelVersion", &uname.release().to_string_lossy());
    put_text(&mut o, "Architecture", &uname.machine().to_string_lossy());
    put_text(&mut o, "Name", &uname.nodename().to_string_lossy());
    if !parsed.given("format") {
        // For our own text alone.
        put_number(&mut o, "Created", created);
        put_number(&mut o, "Exited", exited);
        put_string(&mut o, "Memory", human::size_binary(memory));
    }
    show(parsed, o, INFO)
}
