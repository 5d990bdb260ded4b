//! `run` and `create`: from flags to a complete description of the container. Nothing is made here but an image that was
//! named by its file; everything that can be wrong is found before anything of the container exists.

mod devices;
mod ids;
pub mod life;
pub mod limits;
mod log;
mod mounts;
mod namespaces;
mod security;

use super::args::Parsed;
use super::bundle;
use super::human::visible;
use super::images::import_file;
use super::read;
use super::words;
use mydocker::error::{EXIT_ENGINE, Error, Result};
use mydocker::kernel::{file, hex, time};
use mydocker::life::program::{DEFAULT_PATH, merge_env};
use mydocker::spec::map::{Map, Set};
use mydocker::spec::{Namespaces, Network, Owner, RECORD_VERSION, Spec, Ulimit};
use mydocker::store::images::{self, Config, Found, Image};
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
const OOM_SCORE_ADJ: std::ops::RangeInclusive<i64> = -1000..=1000;
const SIGTERM: i32 = 15;
/// The names of what this binary, and so its containers, run on.
const PLATFORMS: [&str; 4] = if cfg!(target_arch = "x86_64") {
    ["linux/amd64", "linux", "amd64", ""]
} else {
    ["linux/arm64", "linux", "arm64", ""]
};

/// What was decided.
pub struct Decision {
    /// The container.
    pub spec: Spec,
    /// Lines that the person should read.
    pub notes: Vec<String>,
    /// Whether the name was ours to choose.
    pub is_name_generated: bool,
}

fn bad(what: impl Into<String>) -> Error {
    Error::new(what).exit(EXIT_ENGINE)
}

/// Decides everything. Returns with the images locked (shared): the image must not go before the container refers to it;
/// and with the ids locked if it has a user namespace.
pub fn decide(parsed: &Parsed, store: &Store) -> Result<Decision> {
    let mut notes = Vec::new();
    let limits = limits::limits(parsed)?;
    let network = network(parsed)?;
    let namespaces = namespaces::namespaces(parsed, store)?;
    let security = security::security(parsed, &mut notes)?;
    let asked_ids = ids::asked(parsed, network, &namespaces)?;
    let sysctls = namespaces::sysctls(parsed, network, &namespaces)?;
    let devices = devices::devices(parsed)?;
    let device_rules = parsed.read_all("device-cgroup-rule", read::device::rule)?;
    let (ulimits, groups, umask) = (ulimits(parsed)?, groups(parsed)?, umask(parsed)?);
    let (shm_bytes, oom_score_adj) = (shm_bytes(parsed)?, oom_score_adj(parsed)?);
    let mut mounts = mounts::mounts(parsed)?;
    let restart = life::restart(parsed)?.unwrap_or_default();
    let (stop_signal, stop_timeout) = (life::stop_signal(parsed)?, life::stop_timeout(parsed)?);
    let health = life::health(parsed)?;
    refuse_sources(parsed)?;
    let log = log::log(parsed)?;
    let (asked_env, asked_labels) = (env(parsed)?, labels(parsed)?);
    let name = parsed.last("name").map(read::container_name).transpose()?;
    let cwd = parsed.last("workdir").map(workdir).transpose()?;
    let id = hex::fresh_id();
    let hostname = hostname(parsed, &id, network, &namespaces)?;
    refuse_cidfile(parsed)?;
    // From here on the image is known: nothing about the flags alone may be wrong any more, it may be imported now.
    let root = root(parsed, store, &mut notes)?;
    let (entrypoint, cmd) = command(parsed, &root)?;
    let config = root.config;
    mounts::add_images(&mut mounts, config.volumes.iter().flat_map(Set::keys));
    let mut env = config.env.unwrap_or_default();
    merge_env(&mut env, &asked_env);
    let mut labels = config.labels.unwrap_or_default();
    labels.extend(asked_labels);
    let spec = Spec {
        version: RECORD_VERSION,
        name: name.map_or_else(|| words::name(&hex::random(4)), str::to_owned),
        created: time::now(),
        image: root.image,
        image_id: root.image_id,
        layers: root.layers,
        rootfs: root.rootfs,
        entrypoint,
        cmd,
        env,
        cwd: cwd.or(config.working_dir.filter(|dir| dir.starts_with('/'))).unwrap_or_else(|| "/".to_owned()),
        user: parsed.last("user").map(str::to_owned).or(config.user).unwrap_or_default(),
        hostname,
        tty: parsed.on("tty"),
        stdin: reads_stdin(parsed),
        auto_remove: parsed.on("rm"),
        network,
        mounts: mounts::in_order(mounts),
        limits,
        labels,
        stop_signal: stop_signal
            .or_else(|| config.stop_signal.and_then(|name| read::signal(&name).ok()))
            .unwrap_or(SIGTERM),
        stop_timeout,
        restart,
        health: life::checked(health, config.healthcheck),
        log,
        groups,
        umask,
        security,
        ids: ids::take(store, asked_ids)?,
        namespaces,
        read_only: parsed.on("read-only"),
        shm_bytes,
        devices,
        device_rules,
        sysctls,
        ulimits,
        oom_score_adj,
        init: parsed.on("init"),
        id,
    };
    Ok(Decision { spec, notes, is_name_generated: name.is_none() })
}

/// Flags about where images come from: there is no registry, and other machines' programs do not run here.
fn refuse_sources(parsed: &Parsed) -> Result<()> {
    match parsed.last("pull") {
        None | Some("" | "missing" | "never") => {}
        Some("always") => {
            return Err(bad("cannot pull: there is no registry; make images with: mydocker import FILE.tar NAME"));
        }
        Some(other) => {
            let known = "must be one of \"always\", \"missing\" or \"never\"";
            return Err(bad(format!("invalid pull option: '{}': {known}", visible(other))));
        }
    }
    // Choices that docker gives and that are made here already.
    for (flag, only) in [("runtime", "runc"), ("isolation", "default"), ("volume-driver", "local")] {
        if let Some(other) = parsed.last(flag).filter(|value| !value.is_empty() && *value != only) {
            return Err(bad(format!("--{flag} {} is not there: only {only}", visible(other))));
        }
    }
    match parsed.last("platform") {
        Some(platform) if !PLATFORMS.contains(&platform) => {
            Err(bad(format!("platform {} does not run here: this host is {}", visible(platform), PLATFORMS[0])))
        }
        _ => Ok(()),
    }
}

fn refuse_cidfile(parsed: &Parsed) -> Result<()> {
    match parsed.last("cidfile") {
        Some(path) if std::fs::exists(path).unwrap_or(true) => {
            Err(bad(format!("container ID file found, make sure the other container isn't running or delete {path}")))
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
fn command(parsed: &Parsed, root: &Root) -> Result<(Vec<String>, Vec<String>)> {
    let config = &root.config;
    let entrypoint = match parsed.last("entrypoint") {
        Some("") => Vec::new(),
        Some(word) => vec![word.to_owned()],
        None => config.entrypoint.clone().unwrap_or_default(),
    };
    let cmd = if !root.words.is_empty() || parsed.given("entrypoint") {
        root.words.clone()
    } else {
        config.cmd.clone().unwrap_or_default()
    };
    if entrypoint.is_empty() && cmd.is_empty() {
        return Err(bad("no command specified: neither the command line nor the image has one"));
    }
    Ok((entrypoint, cmd))
}

/// What `--ulimit` asks for; of two for the same resource the later one counts.
fn ulimits(parsed: &Parsed) -> Result<Vec<Ulimit>> {
    let mut all: Vec<Ulimit> = Vec::new();
    for ulimit in parsed.read_all("ulimit", read::ulimit::ulimit)? {
        all.retain(|other| other.name != ulimit.name);
        all.push(ulimit);
    }
    Ok(all)
}

/// What `--group-add` asks for. The image knows what the names mean.
fn groups(parsed: &Parsed) -> Result<Vec<String>> {
    parsed.read_all("group-add", |text| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && text.parse::<u64>().map_or(true, |gid| gid > GID_MAX) {
            return Err(bad(format!("uids and gids must be in range 0-{GID_MAX}")));
        }
        if text.is_empty() || text.contains(|c: char| c.is_control() || c == ':') {
            return Err(bad("it is not the name or number of a group"));
        }
        Ok(text.to_owned())
    })
}

fn umask(parsed: &Parsed) -> Result<u32> {
    let read = |text: &str| read::octal(text, UMASK_MAX).ok_or_else(|| bad("it is not an octal number up to 0777"));
    Ok(parsed.read("umask", read)?.unwrap_or(UMASK))
}

/// Size of /dev/shm, if there is one.
fn shm_bytes(parsed: &Parsed) -> Result<Option<u64>> {
    let asked = parsed.read("shm-size", read::bytes)?.filter(|bytes| *bytes > 0);
    Ok(if parsed.last("ipc") == Some(namespaces::NO_SHM) { None } else { asked.or(Some(SHM_BYTES)) })
}

fn oom_score_adj(parsed: &Parsed) -> Result<Option<i32>> {
    parsed.read("oom-score-adj", |text| {
        let number: i64 = text.parse().map_err(|_| bad("it is not a whole number"))?;
        if !OOM_SCORE_ADJ.contains(&number) {
            return Err(bad(format!("Invalid value {number}, range for oom score adj is [-1000, 1000]")));
        }
        Ok(number as i32)
    })
}

/// The root file system, and which words are the command.
struct Root {
    image: String,
    image_id: String,
    layers: Vec<String>,
    rootfs: Option<String>,
    config: Config,
    words: Vec<String>,
}

fn root(parsed: &Parsed, store: &Store, notes: &mut Vec<String>) -> Result<Root> {
    if let Some(dir) = parsed.last("rootfs") {
        let real = std::fs::canonicalize(dir).map_err(|e| match e.raw_os_error() {
            Some(errno) => Error::os(format!("use --rootfs {dir}"), Errno::from_raw_os_error(errno)),
            None => Error::new(format!("cannot use --rootfs {dir}: {e}")),
        })?;
        let path = real.to_str().ok_or_else(|| bad("cannot use --rootfs: the path is not UTF-8"))?;
        if !real.is_dir() || path == "/" {
            return Err(bad(format!("cannot use --rootfs {dir}: it must be a directory, and not /")));
        }
        return Ok(Root {
            image: path.to_owned(),
            image_id: String::new(),
            layers: Vec::new(),
            rootfs: Some(path.to_owned()),
            config: Config::default(),
            words: parsed.words.clone(),
        });
    }
    let is_quiet = parsed.on("quiet");
    let (word, words) = match (parsed.last("image"), parsed.words.split_first()) {
        (Some(image), _) => (image, parsed.words.as_slice()),
        (None, Some((first, rest))) => (first.as_str(), rest),
        (None, None) => {
            let usage = "usage: mydocker run [OPTIONS] IMAGE [COMMAND] [ARG...]";
            return Err(Error::new(format!("'mydocker {}' requires at least 1 argument; {usage}", parsed.verb)).exit(1));
        }
    };
    if let Some((id, image)) = find(store, word, is_quiet)? {
        return with_image(store, word, id, &image, words);
    }
    // The image may be left out: a plain word that is a program of the default image is the command.
    let default = std::env::var("MYDOCKER_IMAGE").unwrap_or_else(|_| DEFAULT_IMAGE.to_owned());
    if !parsed.given("image")
        && !reference::is_explicit(word)
        && let Some((id, image)) = find(store, &default, is_quiet)?
    {
        let config = image.config.clone().unwrap_or_default();
        let path = config.env.iter().flatten().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
        let program = word.split(' ').next().unwrap_or(word);
        if layers::has_program(store, &image.diff_ids()?, path, program) {
            notes.push(format!("no image is named '{word}': running it as a command of the default image {default}"));
            return with_image(store, &default, id, &image, &parsed.words);
        }
    }
    let text = reference::parse(word).map_err(|e| e.exit(EXIT_ENGINE))?.text();
    Err(bad(format!(
        "Unable to find image '{text}' locally: there is no registry; make it with: mydocker import FILE.tar {text}"
    )))
}

fn with_image(store: &Store, word: &str, id: String, image: &Image, words: &[String]) -> Result<Root> {
    let layers = image.layers()?;
    if let Some(gone) = layers.iter().find(|layer| !layers::exists(store, layer)) {
        return Err(bad(format!("image {word} is damaged: its layer {gone} is not in {}/layers", store.root_path)));
    }
    if layers.is_empty() {
        return Err(bad(format!("image {word} has no layers: there is nothing to run in it")));
    }
    let config = image.config.clone().unwrap_or_default();
    Ok(Root { image: word.to_owned(), image_id: id, layers, rootfs: None, config, words: words.to_vec() })
}

/// An image by name, id or path; a path is imported the first time. It cannot go until the images are unlocked.
fn find(store: &Store, word: &str, is_quiet: bool) -> Result<Option<(String, Image)>> {
    // The entry of a bundle means the image that is in it, whatever has its name here.
    let word = bundle::entry_image().unwrap_or(word);
    let is_archive_name = [".tar", ".tar.gz", ".tgz", ".tar.zst"].iter().any(|end| word.ends_with(end));
    let is_path = ["./", "../", "/"].iter().any(|start| word.starts_with(start));
    let id = if is_archive_name || is_path || word.contains('/') && std::fs::exists(word).unwrap_or(false) {
        Some(import_file(store, word, is_quiet)?)
    } else {
        store.lock_images(false)?;
        images::find(store, word).map_err(|e| e.exit(EXIT_ENGINE))?.map(|found| match found {
            Found::Reference(_, id) | Found::Id(id) => id,
        })
    };
    id.map(|id| images::get(store, &id).map(|image| (id, image))).transpose()
}

fn network(parsed: &Parsed) -> Result<Network> {
    match parsed.last("network") {
        None | Some("none") => Ok(Network::None),
        Some("host") => Ok(Network::Host),
        Some(other) => {
            let other = other.escape_debug();
            Err(bad(format!("network {other} not found: there are none (only lo) and host (the host's own)")))
        }
    }
}

/// Checks a working directory: docker wants it absolute.
pub fn workdir(dir: &str) -> Result<String> {
    match read::clean(dir) {
        Some(clean) if dir.starts_with('/') => Ok(clean),
        _ => Err(bad(format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            dir.escape_debug()
        ))),
    }
}

fn hostname(parsed: &Parsed, id: &str, network: Network, namespaces: &Namespaces) -> Result<String> {
    let is_hosts = namespaces.uts.of == Owner::Host;
    match parsed.last("hostname") {
        Some(_) if is_hosts => {
            Err(bad("conflicting options: hostname and the UTS mode: --uts host has the host's name"))
        }
        Some(name) => {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if name.is_empty() || name.len() > HOSTNAME_BYTES_MAX || !name.chars().all(fits) {
                let name = visible(name);
                return Err(bad(format!("invalid hostname '{name}': up to 64 letters, digits, '.', '-' and '_'")));
            }
            Ok(name.to_owned())
        }
        None if is_hosts || network == Network::Host => {
            Ok(rustix::system::uname().nodename().to_string_lossy().into_owned())
        }
        None => Ok(id[..12].to_owned()),
    }
}

/// A variable of our own environment.
fn from_our_env(key: &str) -> Option<String> {
    std::env::var(key).ok()
}

/// The environment that was asked for: `-e` beats files, later beats earlier.
pub fn env(parsed: &Parsed) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for path in parsed.all("env-file") {
        merge_env(&mut all, &read::env_file(path, &read_flag_file(path)?, &from_our_env)?);
    }
    for text in parsed.all("env") {
        if let Some(entry) = read::env(text, &from_our_env)? {
            merge_env(&mut all, &[entry]);
        }
    }
    Ok(all)
}

fn labels(parsed: &Parsed) -> Result<Map<String, String>> {
    let mut all = Map::new();
    for path in parsed.all("label-file") {
        for line in read::env_file(path, &read_flag_file(path)?, &|_| None)? {
            all.extend([read::label(&line)?]);
        }
    }
    for text in parsed.all("label") {
        all.extend([read::label(text)?]);
    }
    Ok(all)
}

/// The content of a file that a flag names.
fn read_flag_file(path: &str) -> Result<Vec<u8>> {
    file::read_at(rustix::fs::CWD, path, file::RECORD_BYTES_MAX).map_err(|e| e.exit(EXIT_ENGINE))
}
