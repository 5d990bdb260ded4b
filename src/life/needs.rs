//! command: whether this host has what containers need. What must be tried is tried for real, by the code that a start runs,
//! in a child with namespaces of its own and in a store of its own inside the store, and nothing of it stays. An errno
//! tells more than the number of a version.

use super::{control, packing};
use crate::error::{Error, Result, Tried};
use crate::kernel::{at, file, hex, io, proc as procfs, process, sys, time};
use crate::spec::words;
use crate::spec::{Endpoint, IdRange, Network, Publish, Spec};
use crate::store::containers::{self, Container};
use crate::store::trash::{self, Draft};
use crate::store::{self, Store, networks};
use crate::walls::{Visible, cgroup, ids, mount, net, privs, seccomp};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, OFlags};
use rustix::io::Errno;

/// What no start goes without.
const CAPABILITIES: &str = "DAC_OVERRIDE SETGID SETPCAP NET_ADMIN SYS_ADMIN";
/// Before this moment, 2020-01-01, no clock is right.
const CLOCK_MIN: i64 = 1_577_836_800 * time::SECOND;
/// With less than that of memory a container has to be small.
const MEMORY_MIN_KIB: u64 = 60 << 10;
/// Ids of the user namespace that is tried.
const IDS: IdRange = IdRange { first: 100_000, size: 65_536 };
/// The directory in the layer that is tried.
const LAYER: &str = "deleted";
/// How directories begin that are tried out outside of a store.
const PREFIX: &str = ".mydocker-check-";

/// What was found out about one need.
pub struct Found<'a> {
    /// `ok`; `warn`: `run` works without it; `no`: it does not.
    pub status: &'static str,
    /// One word.
    pub name: &'static str,
    /// What is there, or why it is not.
    pub text: &'a str,
    /// What does not work without it.
    pub without: &'static str,
}

/// A container without flags does not start without it.
const NEEDED: u8 = 1;
/// It is tried without namespaces.
const ALONE: u8 = 2;
/// Without it no namespaces can be made.
const FIRST: u8 = 4 | NEEDED | ALONE;
/// The exit code that an error asks for with which a container starts all the same.
const HARMLESS: u8 = 0;
/// Who is not root does without.
const OF_ROOT: u8 = 8;
/// It is tried in the store.
const STORED: u8 = 16;

/// One need: its name, what does not work without it, bits from [`NEEDED`] on, and what tells about it; nothing where
/// there is nothing to tell, or all was told before.
type Need = (&'static str, &'static str, u8, fn(&mut Here) -> Result<()>);

#[rustfmt::skip]
static NEEDS: [Need; 24] = [
    ("kernel", "everything", FIRST, kernel),
    ("proc", "everything", FIRST, proc),
    ("root", "everything", FIRST, root),
    ("namespaces", "everything", FIRST, namespaces),
    ("capabilities", "containers lack them, too; import, cp and run -u may fail", ALONE, capabilities),
    ("store", "everything (choose another place: --root DIR)", NEEDED | ALONE, store),
    ("disk", "images, containers and volumes that outlive a reboot", ALONE, disk),
    ("run", "everything (choose another place: --run-root DIR)", NEEDED | ALONE, run),
    ("overlay", "containers of images (another place: --root DIR; without one: run --rootfs DIR)", NEEDED | STORED, overlay),
    ("deletions", "what an image has and a container deletes cannot be made anew there", STORED, deletions),
    ("mounts", "everything", NEEDED | STORED, mounts),
    ("seccomp", "run (but with --security-opt seccomp=unconfined)", NEEDED, filter),
    ("remount", "read-only binds do not protect what is mounted below them", 0, remount),
    ("userns", "--userns", OF_ROOT | STORED, user_namespaces),
    ("cgroup", "limits, pause, stats, --pid host, and the certain end of all processes", NEEDED, groups),
    ("limits", "these flags", ALONE, limits),
    ("devices", "CAP_MKNOD, --device for reading only, --device-cgroup-rule", ALONE, devices),
    ("bridge", "networks", NEEDED | OF_ROOT, bridge),
    ("veth", "networks", NEEDED | OF_ROOT, veth),
    ("nf_tables", "networks and published ports", NEEDED | OF_ROOT, nf_tables),
    ("networks", "networks and published ports", NEEDED | OF_ROOT | STORED, networks),
    ("modules", "somebody must load what is missing above (modprobe -a, insmod)", ALONE, modules),
    ("clock", "certificates, the ages that ps shows, --since and --until", ALONE, clock),
    ("memory", "more than the smallest containers", ALONE, memory),
];

/// What is known so far.
struct Here<'a> {
    /// What is told about a need that is met.
    text: String,
    root: &'a str,
    run: &'a str,
    is_rootless: bool,
    scratch: Option<Scratch>,
    groups: cgroup::Trial,
    has_overlay: bool,
    is_grouped: bool,
    has_network_parts: bool,
}

/// A store with one container, which is removed again.
struct Scratch {
    draft: Draft,
    store: Box<Store>,
    container: Container,
}

/// Tells about each need. Whether a plain `run` works; the errors are told, too.
pub fn look(root: &str, run: &str, tell: &mut dyn FnMut(&Found<'_>) -> Result<()>) -> Result<bool> {
    let mut here = Here {
        text: String::new(),
        root,
        run,
        is_rootless: false,
        scratch: None,
        groups: cgroup::Trial::default(),
        has_overlay: false,
        is_grouped: false,
        has_network_parts: true,
    };
    let (mut can_start, mut can_try, mut passed_over, mut told) = (true, true, String::new(), Ok(()));
    for (name, without, kind, look) in &NEEDS {
        if kind & OF_ROOT != 0 && here.is_rootless || told.is_err() {
            continue;
        }
        if kind & ALONE == 0 && !can_try || kind & STORED != 0 && here.scratch.is_none() {
            passed_over.extend([" ", name]);
            continue;
        }
        here.text.clear();
        let (mut status, mut without) = ("ok", *without);
        match look(&mut here) {
            Ok(()) if here.text.is_empty() => continue,
            Ok(()) => without = "",
            Err(error) => {
                let is_harmless = kind & NEEDED == 0 || error.code == Some(HARMLESS);
                status = if is_harmless { "warn" } else { "no" };
                can_start &= is_harmless;
                can_try &= is_harmless || kind & FIRST != FIRST;
                here.text = error.to_string();
            }
        }
        told = tell(&Found { status, name, text: &here.text, without });
    }
    if let Some(scratch) = here.scratch {
        let _ = rustix::process::chdir(c"/"); // what it was may be removed all the same
        scratch.draft.discard();
    }
    told?;
    if !passed_over.is_empty() {
        let text = ["not tried, as something above is missing:", &passed_over].concat();
        tell(&Found { status: "warn", name: "others", text: &text, without: "" })?;
    }
    Ok(can_start)
}

impl Here<'_> {
    /// The need is met: what is there. The last word of those that tell.
    #[allow(clippy::unnecessary_wraps)]
    fn say(&mut self, words: &[&str]) -> Result<()> {
        for word in words {
            self.text.push_str(word);
        }
        Ok(())
    }
}

/// What is missing, or that nothing is.
fn all_but(here: &mut Here, names: &str, what: &str, all: &str) -> Result<()> {
    if names.is_empty() { here.say(&[all]) } else { Err(Error::new([what, names].concat())) }
}

fn kernel(here: &mut Here) -> Result<()> {
    file::open_in_root(file::open_dir("/")?.as_fd(), ".", OFlags::PATH).tried("openat2 (Linux 5.6)")?;
    packing::in_child(0, &mut || Ok(()))?;
    here.say(&["Linux ", &rustix::system::uname().release().to_string_lossy()])
}

fn proc(here: &mut Here) -> Result<()> {
    match file::read_text("/proc/self/mountinfo") {
        Ok(_) => here.say(&["/proc is mounted"]),
        Err(_) => Err(Error::new("/proc is not mounted: mount -t proc proc /proc")),
    }
}

fn root(here: &mut Here) -> Result<()> {
    let uid = rustix::process::geteuid();
    if !uid.is_root() {
        ids::become_own_root()?;
    }
    here.is_rootless = !process::is_in_first_user_namespace();
    if here.is_rootless {
        let uid = uid.as_raw().to_string();
        let have = "limits only where a cgroup is ours, --network none or host";
        here.say(&["user ", &uid, " in a user namespace of its own: ", have])?;
    }
    let all = if here.is_rootless { "" } else { "root" };
    all_but(here, &privs::missing(CAPABILITIES, false)?, "missing capabilities:", all)
}

const NAMESPACES: [u32; 6] = [
    raw::CLONE_NEWNS,
    raw::CLONE_NEWPID,
    raw::CLONE_NEWNET,
    raw::CLONE_NEWIPC,
    raw::CLONE_NEWUTS,
    raw::CLONE_NEWCGROUP,
];

fn namespaces(here: &mut Here) -> Result<()> {
    let words = "mount pid net ipc uts cgroup";
    let (mut first, mut names) = (Ok(()), String::new());
    for (flag, name) in NAMESPACES.iter().zip(words.split(' ')) {
        // A kernel without cgroups has none of theirs.
        if *flag == raw::CLONE_NEWCGROUP && cgroup::version() == 0 {
            continue;
        }
        let tried = packing::in_child(*flag, &mut || Ok(()));
        if tried.is_err() {
            names.extend([" ", name]);
            first = tried;
        }
    }
    first.map_err(|error| error.said(["cannot make namespaces:", &names].concat()))?;
    here.say(&[words])
}

fn capabilities(here: &mut Here) -> Result<()> {
    all_but(here, &privs::missing(CAPABILITIES, true)?, "missing:", "all")
}

/// The path, or the part of it that is there, and that directory.
fn nearest(mut path: &str) -> Result<(&str, OwnedFd)> {
    loop {
        match file::open_dir(path) {
            Err(error) if error.is(Errno::NOENT) && path.len() > 1 => {
                path = &path[..path.rfind('/').unwrap_or(0).max(1)];
            }
            dir => return Ok((path, dir?)),
        }
    }
}

/// What the error is about.
fn locate(error: Error, path: &str, inside: &str) -> Error {
    let what = ["cannot use ", path, ": ", &error.what, " in ", inside].concat();
    error.said(what)
}

fn draft_in(path: &str, inside: &str, dir: OwnedFd, prefix: &str) -> Result<Draft> {
    trash::draft_in(dir, prefix).map_err(|error| locate(error.said("make a directory".to_owned()), path, inside))
}

fn store(here: &mut Here) -> Result<()> {
    let own = [here.root, "/tmp"].concat();
    let (inside, dir) = nearest(&own)?;
    let stat = rustix::fs::fstatvfs(&dir).tried_to("look at", inside)?;
    let kind = kind_of(&dir);
    let draft = draft_in(here.root, inside, dir, if inside == own { "" } else { PREFIX })?;
    match fill(&[inside, "/", &draft.name].concat(), here.run) {
        Ok((store, container)) => here.scratch = Some(Scratch { draft, store, container }),
        Err(error) => {
            draft.discard();
            return Err(locate(error, here.root, inside));
        }
    }
    let free = ((stat.f_bavail * stat.f_frsize) >> 20).to_string();
    here.say(&[here.root, ": ", &kind, ", ", &free, " MiB are free"])
}

/// A store with a container of one layer, in which there is a directory.
fn fill(path: &str, run: &str) -> Result<(Box<Store>, Container)> {
    let store = store::open(path, run)?;
    let mut spec = Spec::empty();
    spec.id = hex::fresh_id();
    spec.name.push_str("check");
    spec.shm_bytes = Some(1 << 20);
    spec.layers.push(spec.id.clone());
    let layer = [path, "/layers/", &spec.id, "/diff/", LAYER].concat();
    file::make_dirs(&layer, 0o755)?;
    let files = [("hosts", ""), ("hostname", ""), ("resolv.conf", "")];
    let (container, _) = containers::create(&store, &mut spec, &files)?;
    // A descriptor would stand for a mount that is none of the children's mount namespaces; the current directory does not.
    rustix::process::fchdir(&container.dir).tried("enter a directory")?;
    Ok((store, container))
}

/// The name of the file system.
fn kind_of(dir: &OwnedFd) -> String {
    let line = file::mount_of(dir.as_fd()).unwrap_or_default();
    let (_, rest) = crate::spec::text::cut(&line, " - ").unwrap_or(("", "unknown"));
    rest.split(' ').next().unwrap_or_default().to_owned()
}

/// A disk that is none.
fn disk(here: &mut Here) -> Result<()> {
    let kind = here.scratch.as_ref().map(|scratch| kind_of(&scratch.store.root)).unwrap_or_default();
    if !words::has("tmpfs ramfs rootfs", &kind) {
        return Ok(());
    }
    Err(Error::new(["the store is on ", &kind, ": it is memory, and gone after a reboot"].concat()))
}

fn run(here: &mut Here) -> Result<()> {
    let (inside, dir) = nearest(here.run)?;
    draft_in(here.run, inside, dir, PREFIX)?.discard();
    here.say(&[here.run])
}

/// Does it in a child, in new namespaces, and if it works, says so. The current directory is the container's.
fn in_container(
    here: &mut Here,
    namespaces: u32,
    text: &str,
    work: &mut dyn FnMut(&mut Scratch) -> Result<()>,
) -> Result<()> {
    let Some(scratch) = &mut here.scratch else { return Ok(()) };
    packing::in_child(namespaces | raw::CLONE_NEWNS, &mut || work(scratch))?;
    here.say(&[text])
}

/// The container's root, mounted.
fn mounted(scratch: &Scratch, ids: Option<BorrowedFd<'_>>) -> Result<OwnedFd> {
    Ok(mount::sources(&scratch.store, &scratch.container.spec, ids, None)?.swap_remove(0))
}

fn overlay(here: &mut Here) -> Result<()> {
    let most = if mount::has_long_lists() { "500" } else { "48" };
    in_container(here, 0, "most layers of an image: ", &mut |scratch| mounted(scratch, None).map(drop))?;
    here.has_overlay = true;
    here.say(&[most])
}

/// A directory that was deleted and made anew has an attribute that says so.
fn deletions(here: &mut Here) -> Result<()> {
    if !here.has_overlay {
        return Ok(()); // said before
    }
    in_container(here, 0, "the overlay marks them", &mut |scratch| {
        let root = mounted(scratch, None)?;
        at::remove(root.as_fd(), LAYER, AtFlags::REMOVEDIR).tried("delete a directory of an image")?;
        at::make_dir(root.as_fd(), LAYER, 0o755).tried("make a directory of an image anew")
    })
}

fn mounts(here: &mut Here) -> Result<()> {
    let kind = kind_of(&file::open_dir("/")?);
    let namespaces = raw::CLONE_NEWPID | raw::CLONE_NEWNET | raw::CLONE_NEWIPC | raw::CLONE_NEWUTS;
    in_container(here, namespaces, "proc sysfs tmpfs devpts, and another root than / on ", &mut |scratch| {
        scratch.container.spec.rootfs = Some("upper".to_owned());
        let no_cgroups = &mut || Ok(Visible::V1(Vec::new()));
        let root = mount::build(&scratch.store, &scratch.container.spec, no_cgroups, mount::Given::default(), true)?;
        mount::enter(root.as_fd())
    })?;
    here.say(&[&kind])
}

fn filter(here: &mut Here) -> Result<()> {
    packing::in_child(0, &mut || seccomp::enter(&seccomp::compile(None, 0, process::kernel_version())?).map(drop))?;
    here.say(&["system calls can be filtered"])
}

fn remount(here: &mut Here) -> Result<()> {
    all_but(here, if mount::can_protect_all() { "" } else { "Linux 5.12" }, "mount_setattr needs ", "mount_setattr")
}

fn user_namespaces(here: &mut Here) -> Result<()> {
    if !here.has_overlay {
        return Ok(()); // said before
    }
    let (end, our_end) = control::pipe()?;
    let mut our_end = Some(our_end);
    // It lives until our end of the pipe is closed, or we die.
    let mut wait = || io::read_to_end(end.as_fd(), 1).map(drop);
    let (child, sync) = packing::spawn(raw::CLONE_NEWUSER, &mut wait, &mut || drop(our_end.take()))?;
    let tried = ids::prepare(child.pid, IDS).and_then(|namespace| {
        in_container(here, 0, "the layers' ids can be mapped", &mut |scratch| {
            ids::adopt(IDS)?;
            mounted(scratch, Some(namespace.as_fd())).map(drop)
        })
    });
    drop(our_end);
    packing::await_writer(&child, sync.as_fd()).and(tried)
}

fn groups(here: &mut Here) -> Result<()> {
    if cgroup::version() == 0 {
        return Err(Error::new("no hierarchy is mounted here").exit(HARMLESS));
    }
    let mut spec = Spec::empty();
    spec.id = hex::fresh_id();
    let tried = cgroup::try_out(&spec, &mut here.groups).and_then(|joined| {
        packing::in_child(0, &mut || cgroup::join(&joined))?;
        let Some(into) = &joined.into else { return Ok(()) };
        let child = process::spawn(0, Some(into.as_fd()), &mut || sys::exit(0))?;
        process::wait(child.pidfd.as_fd());
        Ok(())
    });
    let done = tried.and(cgroup::release(cgroup::Place::of(&spec)));
    done.map_err(|error| if here.is_rootless { error.exit(HARMLESS) } else { error })?;
    here.is_grouped = true;
    let own = if here.groups.is_own { ", mounted for mydocker alone" } else { "" };
    here.say(&["version ", if here.groups.is_v2 { "2" } else { "1" }, own])
}

fn limits(here: &mut Here) -> Result<()> {
    if !here.is_grouped {
        return Ok(()); // said before
    }
    let missing = core::mem::take(&mut here.groups.missing);
    all_but(here, &missing, "no controller is here for:", "all, and pause")
}

fn devices(here: &mut Here) -> Result<()> {
    if !here.is_grouped {
        return Ok(()); // said before
    }
    let missing = if here.groups.filters_devices { "" } else { "a devices controller, or CONFIG_CGROUP_BPF" };
    all_but(here, missing, "what is to check the opening of devices needs ", "each opening of one is checked")
}

/// Tries a part of networks in a network of its own.
fn part(here: &mut Here, work: fn() -> Result<()>) -> Result<()> {
    let tried = packing::in_child(raw::CLONE_NEWNET, &mut || work());
    here.has_network_parts &= tried.is_ok();
    tried?;
    here.say(&["works"])
}

fn bridge(here: &mut Here) -> Result<()> {
    part(here, net::needs::bridge)
}

fn veth(here: &mut Here) -> Result<()> {
    part(here, net::needs::veth)
}

fn nf_tables(here: &mut Here) -> Result<()> {
    part(here, net::needs::rules)
}

/// All of it as for a start, in another network than the host's.
fn networks(here: &mut Here) -> Result<()> {
    if !here.has_network_parts {
        return Ok(()); // said before
    }
    let text = if net::bridge::forwards()[0] {
        "this host passes packets on"
    } else {
        "the first container makes this host pass packets on"
    };
    in_container(here, raw::CLONE_NEWNET, text, &mut |scratch| {
        let spec = &mut *scratch.container.spec;
        spec.network = Network::Bridge;
        spec.endpoints.push(Endpoint { network: networks::DEFAULT.to_owned(), ..Endpoint::default() });
        spec.ports.push(Publish { port: 80, ..Publish::default() });
        let mut published = net::ports::prepare(&scratch.store, spec)?;
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let attached = net::endpoint::attach(&scratch.store, spec, pid)?;
        published.open(spec, &attached)
    })
}

/// Where the kernel is told what loads its modules.
const LOADER: &str = "/proc/sys/kernel/modprobe";

fn modules(here: &mut Here) -> Result<()> {
    let Ok(path) = file::read_text(LOADER) else { return Ok(()) }; // it has no modules
    let path = path.trim_end();
    if !path.is_empty() && file::exists_at(CWD, path) {
        return here.say(&["loaded by ", path]);
    }
    Err(Error::new(["the program that loads them is not there: \"", path, "\" (", LOADER, ")"].concat()))
}

fn clock(here: &mut Here) -> Result<()> {
    let has_own = file::exists_at(CWD, "/dev/rtc0") || file::exists_at(CWD, "/sys/class/rtc/rtc0");
    let more =
        if has_own { " UTC" } else { " UTC (there is no hardware clock: something must set it after each boot)" };
    here.say(&[&time::plain(time::now()), more])?;
    judge(here, time::now() < CLOCK_MIN, "it is wrong: ")
}

fn memory(here: &mut Here) -> Result<()> {
    let kib = procfs::machine().memory_kib;
    if kib == 0 {
        return Ok(()); // without /proc nobody knows
    }
    here.say(&[&(kib >> 10).to_string(), " MiB"])?;
    judge(here, kib < MEMORY_MIN_KIB, "only ")
}

/// What was said is bad news.
fn judge(here: &Here, is_bad: bool, why: &str) -> Result<()> {
    if is_bad { Err(Error::new([why, &here.text].concat())) } else { Ok(()) }
}
