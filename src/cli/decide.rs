//! `run` and `create`: from flags to a complete description of the container. Nothing is made here but an image that was
//! named by its file; everything that can be wrong is found before anything of the container exists.

mod devices;
mod ids;
pub mod life;
pub mod limits;
mod log;
mod mounts;
mod namespaces;
pub mod network;
mod security;

use super::args::Parsed;
use super::bundle;
use super::images::import_file;
use super::read::{self, bad, wrong, wrongs};
use super::words;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mydocker::error::{EXIT_ENGINE, Error, Result, escaped};
use mydocker::kernel::start;
use mydocker::kernel::{at, file, hex, time};
use mydocker::life::program::{DEFAULT_PATH, merge_env};
use mydocker::spec::map::Map;
use mydocker::spec::port::Range;
use mydocker::spec::{Network, Owner, RECORD_VERSION, Spec};
use mydocker::store::images::{self, Config, Found, HealthConfig, Image};
use mydocker::store::{Store, layers, reference};
use rustix::io::Errno;

/// The image that is used when none is named; `MYDOCKER_IMAGE` names another.
const DEFAULT_IMAGE: &str = "busybox";
/// Bytes of a host name, sethostname(2).
const HOSTNAME_BYTES_MAX: usize = 64;
/// docker's size of /dev/shm.
const SHM_BYTES: u64 = 64 << 20;
/// The mask that docker's programs start with.
const UMASK: u32 = 0o022;
/// Bits of a file mode that a mask can have.
const UMASK_MAX: u32 = 0o777;
/// docker's highest group id.
const GID_MAX: u64 = 2_147_483_647;
/// What the kernel adds to a process's badness, proc(5).
const OOM_SCORE_ADJ: core::ops::RangeInclusive<i64> = -1000..=1000;
const SIGTERM: i32 = 15;
/// The names of what this binary, and so its containers, run on, after an optional `linux/`.
const PLATFORMS: [&str; 5] = if cfg!(target_arch = "x86_64") {
    ["amd64", "x86_64", "x86-64", "linux", ""]
} else {
    ["arm64", "aarch64", "arm64/v8", "linux", ""]
};

/// What was decided.
pub struct Decision {
    /// The container.
    pub spec: Box<Spec>,
    /// Lines that the person should read.
    pub notes: Vec<String>,
    /// Whether the name was ours to choose.
    pub is_name_generated: bool,
}

/// What a decision is made from, and what there is of it after some steps.
pub struct Job<'a> {
    parsed: &'a Parsed,
    store: &'a Store,
    made: Decision,
    ids: ids::Asked,
    health: HealthConfig,
    /// The ports that it serves, as flags say.
    exposed: Vec<Range>,
    /// What the image says.
    config: Config,
    /// The words that are the command.
    words: &'a [String],
}

type Step = fn(&mut Job<'_>) -> Result<()>;

/// From the image on, which may be imported for it, nothing about the flags alone may be wrong any more.
const STEPS: &[Step] = &[
    |job| limits::limits(job.parsed, &mut job.made.spec.limits),
    network::network,
    network::conflicts,
    network::ports,
    network::names,
    namespaces::namespaces,
    security::security,
    ids::asked,
    namespaces::sysctls,
    devices::devices,
    device_rules,
    ulimits,
    groups,
    numbers,
    mounts::mounts,
    life::ending,
    life::health,
    refuse_sources,
    log::log,
    |job| env(job.parsed, &mut job.made.spec.env),
    labels,
    names,
    hostname,
    refuse_cidfile,
    image,
    command,
    ids::take,
    |job| {
        from_image(job);
        mounts::of_image(job);
        life::of_image(job);
        network::of_image(job)
    },
];

/// Decides everything. Returns with the images locked (shared): the image must not go before the container refers to it;
/// and with the ids locked if it has a user namespace.
pub fn decide(parsed: &Parsed, store: &Store) -> Result<Decision> {
    let mut job = Job {
        parsed,
        store,
        made: Decision { spec: Spec::empty(), notes: Vec::new(), is_name_generated: false },
        ids: ids::Asked::Host,
        health: HealthConfig::default(),
        exposed: Vec::new(),
        config: Config::default(),
        words: &parsed.words,
    };
    let spec = &mut job.made.spec;
    spec.version = RECORD_VERSION;
    spec.id = hex::fresh_id();
    spec.tty = parsed.on("tty");
    spec.stdin = reads_stdin(parsed);
    spec.auto_remove = parsed.on("rm");
    spec.read_only = parsed.on("read-only");
    spec.init = parsed.on("init");
    for step in STEPS {
        step(&mut job)?;
    }
    job.made.spec.created = time::now();
    Ok(job.made)
}

/// Flags about where images come from: there is no registry, and other machines' programs do not run here.
fn refuse_sources(job: &mut Job<'_>) -> Result<()> {
    match job.parsed.last("pull") {
        None | Some("" | "missing" | "never") => {}
        Some("always") => {
            return Err(bad("cannot pull: there is no registry; make images with: mydocker import FILE.tar NAME"));
        }
        Some(other) => {
            let what = "invalid pull option: '{}': must be one of \"always\", \"missing\" or \"never\"";
            return Err(wrong(what, other));
        }
    }
    // Choices that docker gives and that are made here already.
    for (flag, only) in [("runtime", "runc"), ("isolation", "default"), ("volume-driver", "local")] {
        let asked = job.parsed.last(flag).unwrap_or(only);
        if !asked.is_empty() && asked != only {
            return Err(wrongs("--{} {} is not there: only {}", &[flag, asked, only]));
        }
    }
    let platform = job.parsed.last("platform").unwrap_or_default();
    if PLATFORMS.contains(&platform.strip_prefix("linux/").unwrap_or(platform)) {
        return Ok(());
    }
    Err(wrongs("platform {} does not run here: this host is linux/{}", &[platform, PLATFORMS[0]]))
}

fn refuse_cidfile(job: &mut Job<'_>) -> Result<()> {
    match job.parsed.last("cidfile") {
        Some(path) if at::look(path).err() != Some(Errno::NOENT) => {
            Err(wrong("container ID file found, make sure the other container isn't running or delete {}", path))
        }
        _ => Ok(()),
    }
}

/// Without -d, a terminal that nobody can type into is of no use: -t alone reads ours, as in the tutorials.
fn reads_stdin(parsed: &Parsed) -> bool {
    let has_terminal = || rustix::termios::isatty(mydocker::kernel::sys::stdin());
    parsed.on("interactive") || parsed.on("tty") && !parsed.on("detach") && has_terminal()
}

/// The entrypoint, and the words that follow it.
fn command(job: &mut Job<'_>) -> Result<()> {
    let (spec, config) = (&mut job.made.spec, &mut job.config);
    let entrypoint = job.parsed.last("entrypoint");
    match entrypoint {
        Some("") => {}
        Some(word) => spec.entrypoint.push(word.to_owned()),
        None => spec.entrypoint = config.entrypoint.take().unwrap_or_default(),
    }
    spec.cmd = if !job.words.is_empty() || entrypoint.is_some() {
        job.words.to_vec()
    } else {
        config.cmd.take().unwrap_or_default()
    };
    if spec.entrypoint.is_empty() && spec.cmd.is_empty() {
        return Err(bad("no command specified: neither the command line nor the image has one"));
    }
    Ok(())
}

/// What the image says and no flag does, and where both count.
fn from_image(job: &mut Job<'_>) {
    let (spec, config) = (&mut job.made.spec, &mut job.config);
    let asked = core::mem::replace(&mut spec.env, config.env.take().unwrap_or_default());
    merge_env(&mut spec.env, &asked);
    if let Some(labels) = &config.labels {
        for (key, value) in labels {
            if !spec.labels.contains_key(key) {
                spec.labels.insert(key.clone(), value.clone());
            }
        }
    }
    if spec.cwd.is_empty() {
        let dir = config.working_dir.as_deref().filter(|dir| dir.starts_with('/'));
        dir.unwrap_or("/").clone_into(&mut spec.cwd);
    }
    if let Some(user) = &config.user
        && !job.parsed.given("user")
    {
        user.clone_into(&mut spec.user);
    }
    if spec.stop_signal == 0 {
        let signal = config.stop_signal.as_deref().and_then(|name| read::signal(name).ok());
        spec.stop_signal = signal.unwrap_or(SIGTERM);
    }
}

fn device_rules(job: &mut Job<'_>) -> Result<()> {
    job.parsed.list("device-cgroup-rule", read::device::rule, &mut job.made.spec.device_rules)
}

/// What `--ulimit` asks for; of two for the same resource the later one counts.
fn ulimits(job: &mut Job<'_>) -> Result<()> {
    let all = &mut job.made.spec.ulimits;
    job.parsed.list("ulimit", read::ulimit::ulimit, all)?;
    keep_last(all, &|one, later| one.name == later.name);
    Ok(())
}

/// Of several that are about the same thing only the last one stays.
fn keep_last<T>(all: &mut Vec<T>, is_same: &dyn Fn(&T, &T) -> bool) {
    let mut at = 0;
    while at < all.len() {
        if all[at + 1..].iter().any(|later| is_same(&all[at], later)) {
            all.remove(at);
        } else {
            at += 1;
        }
    }
}

/// What `--group-add` asks for. The image knows what the names mean.
fn groups(job: &mut Job<'_>) -> Result<()> {
    job.parsed.list("group-add", group, &mut job.made.spec.groups)
}

fn group(text: &str) -> Result<String> {
    let why = if text.is_empty() || read::has_control(text) || text.contains(':') {
        "it is not the name or number of a group"
    } else if read::is_digits(text) && text.parse::<u64>().map_or(true, |gid| gid > GID_MAX) {
        "uids and gids must be in range 0-2147483647"
    } else {
        return Ok(text.to_owned());
    };
    Err(bad(why))
}

/// The mask of its files, the size of /dev/shm if there is one, and how gladly it is killed.
fn numbers(job: &mut Job<'_>) -> Result<()> {
    let (parsed, spec) = (job.parsed, &mut job.made.spec);
    spec.umask = parsed.read("umask", umask)?.unwrap_or(UMASK);
    let asked = parsed.read("shm-size", read::bytes)?.filter(|bytes| *bytes > 0);
    spec.shm_bytes = asked.or(Some(SHM_BYTES)).filter(|_| parsed.last("ipc") != Some(namespaces::NO_SHM));
    spec.oom_score_adj = parsed.read("oom-score-adj", oom_score)?.map(|number| number as i32);
    Ok(())
}

fn umask(text: &str) -> Result<u32> {
    read::octal(text, UMASK_MAX).ok_or_else(|| bad("it is not an octal number up to 0777"))
}

fn oom_score(text: &str) -> Result<i64> {
    let number = read::whole(text)?;
    if OOM_SCORE_ADJ.contains(&number) {
        return Ok(number);
    }
    Err(wrong("Invalid value {}, range for oom score adj is [-1000, 1000]", &number.to_string()))
}

/// Finds the root file system, and which words are the command.
fn image(job: &mut Job<'_>) -> Result<()> {
    let (parsed, store) = (job.parsed, job.store);
    if let Some(dir) = parsed.last("rootfs") {
        return rootfs(&mut job.made.spec, dir);
    }
    let word = match (parsed.last("image"), parsed.words.split_first()) {
        (Some(image), _) => image,
        (None, Some((first, rest))) => {
            job.words = rest;
            first.as_str()
        }
        (None, None) => {
            let usage = "usage: mydocker run [OPTIONS] IMAGE [COMMAND] [ARG...]";
            return Err(wrongs("'mydocker {}' requires at least 1 argument; {}", &[parsed.verb, usage]).exit(1));
        }
    };
    if let Some(image) = find(job, word)? {
        return with_image(job, word, image);
    }
    // The image may be left out: a plain word that is a program of the default image is the command.
    let default = from_our_env("MYDOCKER_IMAGE").unwrap_or_else(|| DEFAULT_IMAGE.to_owned());
    if !parsed.given("image")
        && !reference::is_explicit(word)
        && let Some(image) = find(job, &default)?
    {
        let env = image.config.as_ref().and_then(|config| config.env.as_deref()).unwrap_or_default();
        let path = env.iter().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
        let program = word.split(' ').next().unwrap_or(word);
        if layers::has_program(store, &image.diff_ids()?, path, program) {
            let note = ["no image is named '", word, "': running it as a command of the default image ", &default];
            job.made.notes.push(note.concat());
            job.words = &parsed.words;
            return with_image(job, &default, image);
        }
    }
    let text = reference::parse(word).map_err(|e| e.exit(EXIT_ENGINE))?.text();
    let what = "Unable to find image '{}' locally: there is no registry; make it with: mydocker import FILE.tar {}";
    Err(wrongs(what, &[&text, &text]))
}

fn rootfs(spec: &mut Spec, dir: &str) -> Result<()> {
    let real = file::real_path(dir).map_err(|errno| Error::tried("use --rootfs", dir, errno))?;
    let path = real.ok_or_else(|| bad("cannot use --rootfs: the path is not UTF-8"))?;
    let is_dir = at::look(&path).is_ok_and(|stat| file::is_directory(&stat));
    if !is_dir || path == "/" {
        return Err(wrong("cannot use --rootfs {}: it must be a directory, and not /", dir));
    }
    spec.image.clone_from(&path);
    spec.rootfs = Some(path);
    Ok(())
}

fn with_image(job: &mut Job<'_>, word: &str, mut image: Box<Image>) -> Result<()> {
    let spec = &mut job.made.spec;
    spec.layers = image.layers()?;
    if let Some(gone) = spec.layers.iter().find(|layer| !layers::exists(job.store, layer)) {
        return Err(wrongs(
            "image {} is damaged: its layer {} is not in {}/layers",
            &[word, gone, &job.store.root_path],
        ));
    }
    if spec.layers.is_empty() {
        return Err(wrong("image {} has no layers: there is nothing to run in it", word));
    }
    word.clone_into(&mut spec.image);
    let (own, made_for) = (images::architecture(), image.architecture.as_deref().unwrap_or_default());
    if !made_for.is_empty() && made_for != own {
        let note =
            ["image ", word, " is made for ", made_for, " and this machine is ", own, ": its programs may not run"];
        job.made.notes.push(note.concat());
    }
    if let Some(config) = &mut image.config {
        core::mem::swap(&mut job.config, config);
    }
    Ok(())
}

/// An image by name, id or path, which is the container's from now on; a path is imported the first time. It cannot go
/// until the images are unlocked.
fn find(job: &mut Job<'_>, word: &str) -> Result<Option<Box<Image>>> {
    let store = job.store;
    // The entry of a bundle means the image that is in it, whatever has its name here.
    let word = bundle::entry_image().unwrap_or(word);
    let is_archive_name = [".tar", ".tar.gz", ".tgz", ".tar.zst"].iter().any(|end| word.ends_with(end));
    let is_path = ["./", "../", "/"].iter().any(|start| word.starts_with(start));
    let id = if is_archive_name || is_path || word.contains('/') && at::look(word).is_ok() {
        import_file(store, word, job.parsed.on("quiet"))?
    } else {
        store.lock_images(false)?;
        match images::find(store, word).map_err(|e| e.exit(EXIT_ENGINE))? {
            Some(Found::Reference(_, id) | Found::Id(id)) => id,
            None => return Ok(None),
        }
    };
    let image = images::get(store, &id)?;
    job.made.spec.image_id = id;
    Ok(Some(image))
}

/// What the container, its directory and its user are called.
fn names(job: &mut Job<'_>) -> Result<()> {
    let (parsed, made) = (job.parsed, &mut job.made);
    made.is_name_generated = !parsed.given("name");
    made.spec.name = match parsed.last("name") {
        Some(name) => read::container_name(name)?.to_owned(),
        None => words::name(&hex::random(4)),
    };
    if let Some(dir) = parsed.last("workdir") {
        made.spec.cwd = workdir(dir)?;
    }
    parsed.last("user").unwrap_or_default().clone_into(&mut made.spec.user);
    parsed.list("after", |name| read::container_name(name).map(str::to_owned), &mut made.spec.after)
}

/// Checks a working directory: docker wants it absolute.
pub fn workdir(dir: &str) -> Result<String> {
    match read::clean(dir) {
        Some(clean) if dir.starts_with('/') => Ok(clean),
        _ => {
            let what = "the working directory '{}' is invalid, it needs to be an absolute path";
            Err(wrong(what, &escaped(dir).to_string()))
        }
    }
}

/// The names of the host inside. Who sees another container's network is given that one's when it is made.
fn hostname(job: &mut Job<'_>) -> Result<()> {
    let spec = &mut job.made.spec;
    let is_hosts = spec.namespaces.uts.of == Owner::Host;
    for flag in ["hostname", "domainname"] {
        let Some(name) = job.parsed.last(flag) else { continue };
        if is_hosts {
            return Err(wrong("conflicting options: {} and the UTS mode: --uts host has the host's name", flag));
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if name.is_empty() || name.len() > HOSTNAME_BYTES_MAX || !name.bytes().all(fits) {
            return Err(wrongs("invalid {} '{}': up to 64 letters, digits, '.', '-' and '_'", &[flag, name]));
        }
    }
    spec.domainname = job.parsed.last("domainname").map(str::to_owned);
    spec.hostname = match job.parsed.last("hostname") {
        Some(name) => name.to_owned(),
        None if is_hosts || spec.network == Network::Host => {
            rustix::system::uname().nodename().to_string_lossy().into_owned()
        }
        None => spec.id[..12].to_owned(),
    };
    Ok(())
}

/// A variable of our own environment.
fn from_our_env(key: &str) -> Option<String> {
    start::variable(key)
}

/// Adds the environment that was asked for: `-e` beats files, later beats earlier.
pub fn env(parsed: &Parsed, all: &mut Vec<String>) -> Result<()> {
    let mut asked = Vec::new();
    for path in parsed.all("env-file") {
        asked.append(&mut read::env_file(path, &read_flag_file(path)?, &from_our_env)?);
    }
    for text in parsed.all("env") {
        if let Some(entry) = read::env(text, &from_our_env)? {
            asked.push(entry);
        }
    }
    merge_env(all, &asked);
    Ok(())
}

fn labels(job: &mut Job<'_>) -> Result<()> {
    let all = &mut job.made.spec.labels;
    for path in job.parsed.all("label-file") {
        for line in read::env_file(path, &read_flag_file(path)?, &|_| None)? {
            add_label(all, &line)?;
        }
    }
    for text in job.parsed.all("label") {
        add_label(all, text)?;
    }
    Ok(())
}

fn add_label(all: &mut Map<String, String>, text: &str) -> Result<()> {
    let (key, value) = read::label(text)?;
    all.insert(key, value);
    Ok(())
}

/// The content of a file that a flag names.
fn read_flag_file(path: &str) -> Result<Vec<u8>> {
    file::read_at(rustix::fs::CWD, path, file::RECORD_BYTES_MAX).map_err(|e| e.exit(EXIT_ENGINE))
}
