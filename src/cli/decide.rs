//! `run` and `create`: from flags to a complete description of the container. Nothing is made here but an image that was
//! named by its file; everything that can be wrong is found before anything of the container exists.

pub mod limits;
mod mounts;

use super::args::Parsed;
use super::images::import_file;
use super::read;
use super::words;
use mydocker::error::{EXIT_ENGINE, Error, Result};
use mydocker::kernel::{file, hex, time};
use mydocker::life::program::{DEFAULT_PATH, merge_env};
use mydocker::spec::{Namespaces, Network, RECORD_VERSION, Security, Spec};
use mydocker::store::images::{self, Config, Found, Image};
use mydocker::store::{Store, layers, reference};
use rustix::io::Errno;
use std::collections::BTreeMap;

/// The image that is used when none is named; `MYDOCKER_IMAGE` names another.
const DEFAULT_IMAGE: &str = "busybox";
/// Bytes of a host name, sethostname(2).
const HOSTNAME_BYTES_MAX: usize = 64;
/// docker's size of /dev/shm.
const SHM_BYTES: u64 = 64 << 20;
const SIGTERM: i32 = 15;

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

/// Decides everything. Returns with the images locked (shared): the image must not go before the container refers to it.
pub fn decide(parsed: &Parsed, store: &Store) -> Result<Decision> {
    let mut notes = Vec::new();
    let limits = limits::limits(parsed)?;
    let mounts = mounts::mounts(parsed)?;
    let network = network(parsed)?;
    let (asked_env, labels) = (env(parsed)?, labels(parsed)?);
    let name = parsed.last("name").map(read::container_name).transpose()?;
    let cwd = parsed.last("workdir").map(workdir).transpose()?;
    if let Some(path) = parsed.last("cidfile")
        && std::fs::exists(path).unwrap_or(true)
    {
        return Err(bad(format!(
            "container ID file found, make sure the other container isn't running or delete {path}"
        )));
    }
    let root = root(parsed, store, &mut notes)?;
    let config = root.config;
    let entrypoint = match parsed.last("entrypoint") {
        Some("") => Vec::new(),
        Some(word) => vec![word.to_owned()],
        None => config.entrypoint.unwrap_or_default(),
    };
    let cmd =
        if !root.words.is_empty() || parsed.given("entrypoint") { root.words } else { config.cmd.unwrap_or_default() };
    if entrypoint.is_empty() && cmd.is_empty() {
        return Err(bad("no command specified: neither the command line nor the image has one"));
    }
    let mut env = config.env.unwrap_or_default();
    merge_env(&mut env, &asked_env);
    let mut all_labels = config.labels.unwrap_or_default();
    all_labels.extend(labels);
    let id = hex::fresh_id();
    let hostname = hostname(parsed, &id, network)?;
    let tty = parsed.on("tty");
    // Without -d, a terminal that nobody can type into is of no use: -t alone reads ours, as in the tutorials.
    let stdin = parsed.on("interactive")
        || tty && !parsed.on("detach") && rustix::termios::isatty(mydocker::kernel::sys::stdin());
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
        tty,
        stdin,
        auto_remove: parsed.on("rm"),
        network,
        mounts,
        limits,
        labels: all_labels,
        stop_signal: config.stop_signal.as_deref().and_then(|s| read::signal(s).ok()).unwrap_or(SIGTERM),
        groups: Vec::new(),
        umask: 0o022,
        security: Security::default(),
        ids: None,
        namespaces: Namespaces::default(),
        read_only: false,
        shm_bytes: Some(SHM_BYTES),
        devices: Vec::new(),
        device_rules: Vec::new(),
        sysctls: BTreeMap::new(),
        ulimits: Vec::new(),
        oom_score_adj: None,
        init: false,
        id,
    };
    Ok(Decision { spec, notes, is_name_generated: name.is_none() })
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
    let (word, words) = match (parsed.last("image"), parsed.words.split_first()) {
        (Some(image), _) => (image, parsed.words.as_slice()),
        (None, Some((first, rest))) => (first.as_str(), rest),
        (None, None) => {
            let usage = "usage: mydocker run [OPTIONS] IMAGE [COMMAND] [ARG...]";
            return Err(Error::new(format!("'mydocker {}' requires at least 1 argument; {usage}", parsed.verb)).exit(1));
        }
    };
    if let Some((id, image)) = find(store, word)? {
        return with_image(store, word, id, &image, words);
    }
    // The image may be left out: a plain word that is a program of the default image is the command.
    let default = std::env::var("MYDOCKER_IMAGE").unwrap_or_else(|_| DEFAULT_IMAGE.to_owned());
    if !parsed.given("image")
        && !reference::is_explicit(word)
        && let Some((id, image)) = find(store, &default)?
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
    let layers = image.diff_ids()?;
    if let Some(gone) = layers.iter().find(|layer| !layers::exists(store, layer)) {
        return Err(bad(format!("image {word} is damaged: its layer {gone} is not in {}/layers", store.root_path)));
    }
    if layers.is_empty() {
        return Err(bad(format!("image {word} has no layers: there is nothing to run in it")));
    }
    let config = image.config.clone().unwrap_or_default();
    Ok(Root { image: word.to_owned(), image_id: id, layers, rootfs: None, config, words: words.to_vec() })
}

/// An image by name, id or path; a path is imported the first time.
fn find(store: &Store, word: &str) -> Result<Option<(String, Image)>> {
    let is_archive_name = [".tar", ".tar.gz", ".tgz", ".tar.zst"].iter().any(|end| word.ends_with(end));
    let is_path = ["./", "../", "/"].iter().any(|start| word.starts_with(start));
    let id = if is_archive_name || is_path || word.contains('/') && std::fs::exists(word).unwrap_or(false) {
        let id = import_file(store, word)?;
        store.lock_images(false)?;
        Some(id)
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

fn hostname(parsed: &Parsed, id: &str, network: Network) -> Result<String> {
    match (parsed.last("hostname"), network) {
        (Some(name), _) => {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if name.is_empty() || name.len() > HOSTNAME_BYTES_MAX || !name.chars().all(fits) {
                let name = name.escape_debug();
                return Err(bad(format!("invalid hostname '{name}': up to 64 letters, digits, '.', '-' and '_'")));
            }
            Ok(name.to_owned())
        }
        (None, Network::Host) => Ok(rustix::system::uname().nodename().to_string_lossy().into_owned()),
        (None, Network::None) => Ok(id[..12].to_owned()),
    }
}

/// A variable of our own environment.
pub fn from_our_env(key: &str) -> Option<String> {
    std::env::var(key).ok()
}

/// The environment that was asked for: `-e` beats files, later beats earlier.
fn env(parsed: &Parsed) -> Result<Vec<String>> {
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

fn labels(parsed: &Parsed) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
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

fn read_flag_file(path: &str) -> Result<Vec<u8>> {
    file::read_at(rustix::fs::CWD, path, file::RECORD_BYTES_MAX).map_err(|e| e.exit(EXIT_ENGINE))
}
