//! Containers on disk: their records, how they appear and disappear, and how they are found.

use super::{Store, ids_in, names, only_one, trash};
use crate::error::{Error, Result, escaped};
use crate::kernel::{at, fault, file, hex, lock, order, time};
use crate::spec::record::{Part, from_json, texts, to_json};
use crate::spec::{MountKind, Namespace, Owner, RECORD_VERSION, RECORD_VERSION_MIN, Spec, State};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

/// The byte of `lock` that the monitor holds for as long as it lives: the container is running.
pub const LOCK_LIFE: i64 = 0;
/// The byte of `lock` that a command holds while it makes, starts or removes the container.
pub const LOCK_CHANGE: i64 = 1;

/// What scripts look for at the top of a root to learn that they are in a container: docker's name for it.
pub const MARK: &str = ".dockerenv";

/// A container as found on disk.
pub struct Container {
    /// What was asked.
    pub spec: Box<Spec>,
    /// `containers/<id>/`
    pub dir: OwnedFd,
}

/// Puts a new container on disk: directory, records, name. It appears complete or not at all. The caller holds
/// [`LOCK_CHANGE`] (the returned descriptor) until it is done with it. The spec is taken only when all went well.
pub fn create(store: &Store, spec: &mut Box<Spec>, files: &[(&str, &str)]) -> Result<(Container, OwnedFd)> {
    let draft = trash::draft(store)?;
    let fill = || -> Result<OwnedFd> {
        let dir = draft.dir.as_fd();
        let lock_file = lock::open(dir, "lock")?;
        lock::take(lock_file.as_fd(), LOCK_CHANGE)?;
        if spec.rootfs.is_none() {
            file::make_dir_at(dir, "upper", 0o755)?;
            file::make_dir_at(dir, "work", 0o700)?;
        }
        for (name, text) in files {
            file::create_at(dir, name, text.as_bytes(), 0o644)?;
        }
        if spec.log.is_kept {
            file::create_at(dir, "log", b"", 0o600)?; // now, so that a disk that is full later keeps nothing from starting
        }
        file::create_at(dir, "config.json", to_json(&**spec).as_bytes(), 0o600)?;
        fault::point("create:filled");
        Ok(lock_file)
    };
    let lock_file = match fill() {
        Ok(lock_file) => lock_file,
        Err(error) => {
            draft.discard();
            return Err(store.locate("tmp", error));
        }
    };
    let dir = draft.place(store.containers.as_fd(), &spec.id)?;
    fault::point("create:placed");
    if let Err(error) = names::reserve(store, &spec.name, &spec.id) {
        discard(store, &spec.id);
        return Err(error);
    }
    fault::point("create:named");
    Ok((Container { spec: core::mem::replace(spec, Spec::empty()), dir }, lock_file))
}

/// Puts a changed record in the place of the old one, durably. The caller holds [`LOCK_CHANGE`].
pub fn rewrite(store: &Store, container: &Container) -> Result<()> {
    file::replace_at(container.dir.as_fd(), "config.json", to_json(&*container.spec).as_bytes(), true)
        .map_err(|e| store.locate(&format!("containers/{}", container.spec.id), e))
}

fn discard(store: &Store, id: &str) {
    if trash::throw(store, store.containers.as_fd(), id).is_ok() {
        let _ = trash::sweep(store); // what stays is swept by the next command
    }
}

/// Name of `config.json` once the container is on its way out.
const GONE: [&str; 2] = ["gone.json", "gone-with-volumes.json"];

/// Takes a container off the disk. One rename makes it a container no more; from there on every listing finishes what a
/// killed removal left undone. The content is deleted by the next sweep. Goes on after an error and returns the first.
pub fn remove(store: &Store, spec: &Spec, with_volumes: bool) -> Result<()> {
    let dir = match file::open_dir_at(store.containers.as_fd(), &spec.id) {
        Err(error) if error.is(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    match at::rename(dir.as_fd(), "config.json", GONE[usize::from(with_volumes)]) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(Error::os(format_args!("remove the container {}", spec.name), errno)),
    }
    fault::point("remove:marked");
    finish_removal(store, spec, with_volumes)
}

fn finish_removal(store: &Store, spec: &Spec, with_volumes: bool) -> Result<()> {
    let mut volumes = Ok(());
    if with_volumes {
        for name in anonymous_volumes(spec) {
            volumes = volumes.and(super::volumes::remove_with(store, name, &spec.id));
        }
        fault::point("remove:emptied");
    }
    let run = remove_run_dir(store, &spec.id);
    let name = names::release(store, &spec.name, &spec.id);
    fault::point("remove:unnamed");
    let thrown = trash::throw(store, store.containers.as_fd(), &spec.id).map(drop);
    fault::point("remove:thrown");
    volumes.and(thrown).and(name).and(run)
}

/// Removes `<run>/<id>/`.
pub fn remove_run_dir(store: &Store, id: &str) -> Result<()> {
    match file::open_dir(&store.run_path) {
        Ok(run) => file::remove_tree(run.as_fd(), id),
        Err(error) if error.is(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens a container by its full id and reads what was asked of it.
pub fn open(store: &Store, id: &str) -> Result<Container> {
    open_as(store, id, "config.json")
}

fn open_as(store: &Store, id: &str, name: &str) -> Result<Container> {
    let dir = file::open_dir_at(store.containers.as_fd(), id)?;
    let text = read_record(store, &dir, id, name)?;
    let mut spec = Spec::empty();
    parse(store, id, name, &text, &mut *spec)?;
    // The record decides which directories are used, mounted and removed: it must be about this place.
    if !(RECORD_VERSION_MIN..=RECORD_VERSION).contains(&spec.version) || spec.id != id || !is_contained(&spec) {
        return Err(damaged(store, id, name, "it does not fit this version of mydocker or this place"));
    }
    Ok(Container { spec, dir })
}

/// Whether everything in the record that becomes a path in the store, or of the host's kernel, stays in its place.
fn is_contained(spec: &Spec) -> bool {
    let word = |text: &str| !text.is_empty() && !text.starts_with('.') && !text.contains('/') && !text.contains('\0');
    let key = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let absolute = |path: &str| path.starts_with('/') && !path.contains('\0');
    let shared = &spec.namespaces;
    let owner = |namespace: &Namespace| namespace.of != Owner::Container || hex::is(&namespace.container, 64);
    word(&spec.name)
        && (spec.image_id.is_empty() || hex::is(&spec.image_id, 64))
        && spec.layers.iter().all(|layer| hex::is(layer, 64))
        && spec.rootfs.as_deref().is_none_or(absolute)
        && absolute(&spec.cwd)
        && !spec.limits.cgroup_parent.split('/').any(|part| part == "..")
        && [&shared.ipc, &shared.pid, &shared.uts, &shared.cgroup].into_iter().all(owner)
        && spec.network_of.as_deref().is_none_or(|id| hex::is(id, 64))
        && spec.endpoints.iter().all(|endpoint| word(&endpoint.network))
        && spec.sysctls.keys().all(|name| key(name))
        && spec.devices.iter().all(|device| absolute(&device.source) && absolute(&device.target))
        && spec.mounts.iter().all(|mount| {
            absolute(&mount.target)
                && match mount.kind {
                    MountKind::Bind => absolute(&mount.source),
                    MountKind::Volume => word(&mount.source),
                    MountKind::Anonymous => hex::is(&mount.source, 64),
                    MountKind::Tmpfs => mount.source.is_empty(),
                }
        })
}

fn read_record(store: &Store, dir: &OwnedFd, id: &str, name: &str) -> Result<String> {
    let bytes = file::read_at(dir.as_fd(), name, file::RECORD_BYTES_MAX)
        .map_err(|e| store.locate(&format!("containers/{id}"), e))?;
    String::from_utf8(bytes).map_err(|_| damaged(store, id, name, "it is not text"))
}

fn parse(store: &Store, id: &str, name: &str, text: &str, record: &mut dyn Part) -> Result<()> {
    if from_json(record, text) {
        return Ok(());
    }
    Err(damaged(store, id, name, "it is not the JSON that it should be"))
}

fn damaged(store: &Store, id: &str, name: &str, why: &str) -> Error {
    let remedy = format!("'mydocker rm -f {}' removes the container", &id[..12]);
    Error::new(format_args!("the record {}/containers/{id}/{name} is damaged: {why}; {remedy}", store.root_path))
}

impl Container {
    /// What happened last, as written. Ask [`Container::is_alive`] before believing `running`.
    pub fn state(&self, store: &Store) -> Result<State> {
        let mut state = State::created();
        match read_record(store, &self.dir, &self.spec.id, "state.json") {
            Ok(text) => parse(store, &self.spec.id, "state.json", &text, &mut state)?,
            Err(error) if error.is(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        Ok(state)
    }

    /// Whether it may have run once.
    pub fn was_used(&self) -> bool {
        let upper = file::open_dir_at(self.dir.as_fd(), "upper").and_then(|upper| file::entries(upper.as_fd()));
        upper.is_ok_and(|entries| !entries.is_empty()) || file::exists_at(self.dir.as_fd(), "state.json")
    }

    /// Whether its monitor lives.
    pub fn is_alive(&self) -> Result<bool> {
        lock::held(self.dir.as_fd(), "lock", LOCK_LIFE)
    }

    /// Takes [`LOCK_CHANGE`] so that no other command changes the container at the same time, when its turn has come.
    pub fn await_change(&self, store: &Store) -> Result<OwnedFd> {
        let lock_file = self.open_lock(store)?;
        lock::wait(lock_file.as_fd(), LOCK_CHANGE)?;
        self.locked(store, lock_file)
    }

    /// The same, if nobody has it.
    pub fn try_change(&self, store: &Store) -> Option<OwnedFd> {
        let lock_file = self.open_lock(store).ok()?;
        if lock::take(lock_file.as_fd(), LOCK_CHANGE).ok()? { self.locked(store, lock_file).ok() } else { None }
    }

    fn open_lock(&self, store: &Store) -> Result<OwnedFd> {
        lock::open(self.dir.as_fd(), "lock").or_else(|error| {
            self.is_still_there(store)?;
            Err(store.locate(&format!("containers/{}", self.spec.id), error))
        })
    }

    fn locked(&self, store: &Store, lock_file: OwnedFd) -> Result<OwnedFd> {
        self.is_still_there(store).map(|()| lock_file)
    }

    /// Somebody may have removed it since we found it: then what we have open is a thing in the trash.
    fn is_still_there(&self, store: &Store) -> Result<()> {
        if file::exists_at(store.containers.as_fd(), &self.spec.id) { Ok(()) } else { Err(missing(&self.spec.name)) }
    }

    /// Writes down what happened, for us and (in /run) in the tutorials' format. With `sync` it survives a power cut.
    pub fn write_state(&self, store: &Store, state: &State, sync: bool) -> Result<()> {
        self.note_state(store, state, sync)?;
        write_info(store, &self.spec, state)
    }

    /// Writes down what happened where that changes nothing for the tutorials' readers.
    pub fn note_state(&self, store: &Store, state: &State, sync: bool) -> Result<()> {
        let bytes = to_json(state).into_bytes();
        match file::replace_at(self.dir.as_fd(), "state.json", &bytes, sync) {
            // A full disk must not swallow how a container ended: the old record's own block has room for the new one.
            Err(error) if error.is(Errno::NOSPC) || error.is(Errno::DQUOT) => {
                file::overwrite_at(self.dir.as_fd(), "state.json", &bytes).map_err(|_| error)
            }
            other => other,
        }
        .map_err(|e| store.locate(&format!("containers/{}", self.spec.id), e))
    }

    /// Writes down the part that is for the tutorials' readers.
    pub fn write_info(&self, store: &Store, state: &State) -> Result<()> {
        write_info(store, &self.spec, state)
    }
}

/// The tutorials' record, kept for their readers: `<run>/<id>/containerInfo.json`.
fn write_info(store: &Store, spec: &Spec, state: &State) -> Result<()> {
    let (mut command, mut volume) = (String::new(), String::new());
    let mut before = "";
    for words in [&spec.entrypoint, &spec.cmd] {
        for word in words {
            command.extend([before, word]);
            before = " ";
        }
    }
    for mount in &spec.mounts {
        volume.extend([if volume.is_empty() { "" } else { "," }, &mount.source, ":", &mount.target]);
    }
    let pid = if state.pid == 0 { String::new() } else { state.pid.to_string() };
    let info = texts(&[
        ("pid", &pid),
        ("id", &spec.id),
        ("name", &spec.name),
        ("command", &command),
        ("created_time", &time::plain(spec.created)),
        ("status", state.status.word()),
        ("volume", &volume),
    ]);
    let dir = run_dir(store, &spec.id)?;
    file::replace_at(dir.as_fd(), "containerInfo.json", ["{", &info, "}"].concat().as_bytes(), false)
}

/// Opens `<run>/<id>/`, made when missing.
pub fn run_dir(store: &Store, id: &str) -> Result<OwnedFd> {
    file::make_dirs(&format!("{}/{id}", store.run_path), 0o700)
}

/// The ids of all containers, in no order; what is half-made or half-removed is among them.
pub fn ids(store: &Store) -> Result<Vec<String>> {
    ids_in(&store.containers)
}

/// Whether a removal of this directory has begun: nobody needs what it refers to.
pub fn is_going(store: &Store, id: &str) -> bool {
    GONE.iter().any(|gone| file::exists_at(store.containers.as_fd(), &format!("{id}/{gone}")))
}

/// Whether a monitor lives in this directory; also when that cannot be found out.
pub fn is_alive(store: &Store, id: &str) -> bool {
    match file::open_dir_at(store.containers.as_fd(), id) {
        Ok(dir) => lock::held(dir.as_fd(), "lock", LOCK_LIFE).unwrap_or(true),
        Err(error) => !error.is(Errno::NOENT),
    }
}

/// Whether a monitor lives in this directory, or a command changes it.
pub fn is_busy(store: &Store, id: &str) -> bool {
    let Ok(dir) = file::open_dir_at(store.containers.as_fd(), id) else { return false };
    let held = |byte| lock::held(dir.as_fd(), "lock", byte).unwrap_or(true);
    held(LOCK_LIFE) || held(LOCK_CHANGE)
}

/// The container in the directory `id`. `None` for what is half-made or half-removed; unless somebody is at it, that is
/// finished here.
fn look(store: &Store, id: &str) -> Result<Option<Container>> {
    match open(store, id) {
        Ok(container) if is_named(store, &container) => Ok(Some(container)),
        Ok(container) => unnamed(store, container),
        Err(error) => {
            for (with_volumes, gone) in GONE.iter().enumerate() {
                let Ok(container) = open_as(store, id, gone) else { continue };
                if let Some(_change) = container.try_change(store)
                    && !container.is_alive()?
                {
                    finish_removal(store, &container.spec, with_volumes == 1)?;
                }
                return Ok(None);
            }
            // It may have gone completely between our looks.
            if file::exists_at(store.containers.as_fd(), id) { Err(error) } else { Ok(None) }
        }
    }
}

/// Whether its name leads to it.
pub fn is_named(store: &Store, container: &Container) -> bool {
    names::holder(store, &container.spec.name).as_deref() == Some(&container.spec.id)
}

/// A directory without a name: its maker is at work, or was killed before it could reserve the name, or the store was
/// damaged. Only what certainly was never started is thrown away.
fn unnamed(store: &Store, mut container: Container) -> Result<Option<Container>> {
    Ok(if find_name(store, &mut container)? { Some(container) } else { None })
}

/// Looks for the name that leads to it; whether there is one.
fn find_name(store: &Store, container: &mut Container) -> Result<bool> {
    let change = container.try_change(store);
    // Its maker may have named it between our two looks; only with the lock in hand is the answer final.
    if change.is_some() && is_named(store, container) {
        return Ok(true);
    }
    let id = &container.spec.id;
    if let Some(name) = names::of(store, id)? {
        container.spec.name = name;
        if change.is_some() {
            rewrite(store, container)?; // who renamed it was killed before the record followed
        }
        return Ok(true);
    }
    if change.is_none() {
        return Ok(false); // somebody makes or removes it
    }
    if container.was_used() || container.is_alive()? {
        let why = format!("its name {} does not lead to it", container.spec.name);
        return Err(damaged(store, id, "config.json", &why));
    }
    discard(store, id);
    Ok(false)
}

/// The error for a container that is not here.
pub fn missing(word: &str) -> Error {
    Error::new(format_args!("No such container: {}", escaped(word)))
}

/// Whether an error is the one of [`missing`]; a damaged container is not missing.
pub fn is_missing(error: &Error) -> bool {
    error.what.starts_with("No such container")
}

/// The id that a word stands for: a full id, a name, or a unique prefix of an id, in this order.
pub fn resolve(store: &Store, word: &str) -> Result<String> {
    if hex::is(word, 64) && file::exists_at(store.containers.as_fd(), word) {
        Ok(word.to_owned())
    } else if let Some(id) = names::holder(store, word.strip_prefix('/').unwrap_or(word)) {
        Ok(id)
    } else {
        let ids = if word.is_empty() { Vec::new() } else { ids(store)? };
        only_one(&ids, word, word)?.ok_or_else(|| missing(word))
    }
}

/// Finds a container by what [`resolve`] takes.
pub fn find(store: &Store, word: &str) -> Result<Container> {
    look(store, &resolve(store, word)?)?.ok_or_else(|| missing(word))
}

/// Every container, newest first, and one error for each that cannot be read.
pub fn all(store: &Store) -> Result<(Vec<Container>, Vec<Error>)> {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for id in &ids(store)? {
        match look(store, id) {
            Ok(container) => found.extend(container),
            Err(error) => errors.push(error),
        }
    }
    Ok((order::sorted(found, &|a, b| a.spec.created > b.spec.created), errors))
}

/// The anonymous volumes of a container: the ones that go with it on request.
pub fn anonymous_volumes(spec: &Spec) -> impl Iterator<Item = &str> {
    spec.mounts.iter().filter(|m| m.kind == MountKind::Anonymous).map(|m| m.source.as_str())
}
