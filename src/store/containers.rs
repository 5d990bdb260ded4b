//! Containers on disk: their records, how they appear and disappear, and how they are found.

use super::{Store, base, ids_in, names, only_one, trash};
use crate::error::{Error, Result, Tried, escaped};
use crate::kernel::{at, fault, file, hex, lock, time};
use crate::spec::order;
use crate::spec::record::{Usual, from_json_as, texts, to_json};
use crate::spec::{MountKind, Namespace, Owner, RECORD_VERSION, RECORD_VERSION_MIN, Spec, State, Status};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, chmodat, fsync, syncfs};
use rustix::io::Errno;

/// The byte of `lock` that the monitor holds for as long as it lives: the container is running.
pub const LOCK_LIFE: i64 = 0;
/// The byte of `lock` that a command holds while it makes, starts or removes the container.
pub const LOCK_CHANGE: i64 = 1;

/// What scripts look for at the top of a root to learn that they are in a container: docker's name for it.
pub const MARK: &str = ".dockerenv";

/// Mode of a record that was never synced: nobody was promised anything of that container. One that was changed is synced.
const UNCONFIRMED: u32 = 0o400;
const CONFIRMED: u32 = 0o600;

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
    if spec.rootfs.is_none() {
        let _ = base::ensure(store); // it saves time, no more
    }
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
        // Read-only until [`confirm`]. The content may be on disk long after the name is.
        file::create_at(dir, "config.json", to_json(&**spec).as_bytes(), UNCONFIRMED)?;
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

/// Puts a new container on disk, with its name, its volumes, and the state that it is in: a power cut does not take it back.
/// `containers` is the store's. All of the file system, because that is one flush: a dozen files and directories are a dozen,
/// and a name, which is a symlink, cannot be synced by itself.
pub fn confirm(containers: BorrowedFd<'_>, id: &str) -> Result<()> {
    syncfs(containers).tried("sync the new container to disk")?;
    // Only who finds an empty record asks for the mode. It may be gone already.
    let _ = at::c(&[id, "/config.json"].concat())
        .and_then(|record| chmodat(containers, record.as_c_str(), Mode::from_raw_mode(CONFIRMED), AtFlags::empty()));
    Ok(())
}

/// Puts the state of a container on disk. One that is gone has none.
pub fn sync_state(store: &Store, id: &str) -> Result<()> {
    let sync = || {
        let dir = at::open(store.containers.as_fd(), id, OFlags::DIRECTORY | OFlags::RDONLY)?;
        fsync(at::open(dir.as_fd(), "state.json", OFlags::RDONLY | OFlags::NOFOLLOW)?)?;
        fsync(dir)
    };
    match sync() {
        Err(Errno::NOENT) => Ok(()),
        done => done.tried("sync the container's state to disk"),
    }
}

/// Whether a file has no content: a name may reach the disk before the bytes do, and a power cut may come in between.
pub(super) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Whether nobody was promised anything of a container: its making may have been cut off.
pub fn is_unconfirmed(store: &Store, id: &str) -> bool {
    at::stat(store.containers.as_fd(), &[id, "/config.json"].concat(), AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| stat.st_mode & 0o777 == UNCONFIRMED)
}

/// Whether a power cut came before the record of a new container was on disk, and before anybody was told of it.
fn is_unwritten(store: &Store, id: &str) -> bool {
    let record = [id, "/config.json"].concat();
    is_unconfirmed(store, id)
        && file::read_at(store.containers.as_fd(), &record, file::RECORD_BYTES_MAX).is_ok_and(|bytes| is_blank(&bytes))
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

/// Takes a container without a readable record off the disk: everything that its id leads to.
pub fn remove_lost(store: &Store, id: &str) -> Result<()> {
    while let Some(name) = names::of(store, id)? {
        names::release(store, &name, id)?;
    }
    remove_run_dir(store, id)?;
    trash::throw(store, store.containers.as_fd(), id).map(drop)
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
    Ok(Container { spec: spec_in(store, dir.as_fd(), "", id, name, None)?, dir })
}

/// What was asked of a container. `dir` and `path` as for [`state_in`]; with `usual` its variables are passed over.
fn spec_in(
    store: &Store,
    dir: BorrowedFd<'_>,
    path: &str,
    id: &str,
    name: &str,
    usual: Option<&Usual>,
) -> Result<Box<Spec>> {
    let text = read_record(store, dir, id, &[path, name].concat())?;
    let mut spec = Spec::empty();
    if !from_json_as(&mut *spec, &text, usual) {
        return Err(unreadable(store, id, name));
    }
    // The record decides which directories are used, mounted and removed: it must be about this place.
    if !(RECORD_VERSION_MIN..=RECORD_VERSION).contains(&spec.version) || spec.id != id || !is_contained(&spec) {
        return Err(damaged(store, id, name, "it does not fit this version of mydocker or this place"));
    }
    Ok(spec)
}

/// What most records have in common: those of what was asked, and those of what happened.
fn usual(store: &Store) -> &(Usual, Usual) {
    store.usual.get_or_init(|| (Usual::of(&*Spec::empty(), "env"), Usual::of(&*State::created(), "")))
}

/// What was asked of a container that is in order, without opening its directory. What is not, [`look`] sees to.
fn glance(store: &Store, id: &str) -> Option<Box<Spec>> {
    let usual = Some(&usual(store).0);
    let spec = spec_in(store, store.containers.as_fd(), &[id, "/"].concat(), id, "config.json", usual).ok()?;
    leads_to(store, &spec).then_some(spec)
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

fn read_record(store: &Store, dir: BorrowedFd<'_>, id: &str, name: &str) -> Result<String> {
    let bytes = file::read_small_at(dir, name, file::RECORD_BYTES_MAX)
        .map_err(|e| store.locate(&format!("containers/{id}"), e))?;
    String::from_utf8(bytes).map_err(|_| damaged(store, id, name, "it is not text"))
}

fn unreadable(store: &Store, id: &str, name: &str) -> Error {
    damaged(store, id, name, "it is not the JSON that it should be")
}

fn damaged(store: &Store, id: &str, name: &str, why: &str) -> Error {
    let remedy = format!("'mydocker rm -f {}' removes the container", &id[..12]);
    Error::new(format_args!("the record {}/containers/{id}/{name} is damaged: {why}; {remedy}", store.root_path))
}

/// What happened last to a container, as written in `dir`, or in the container's directory there (`path` is its name and a
/// slash). `None` when nothing is written.
pub fn state_in(store: &Store, dir: BorrowedFd<'_>, path: &str, id: &str) -> Result<Option<Box<State>>> {
    let mut state = State::created();
    match read_record(store, dir, id, &[path, "state.json"].concat()) {
        // A power cut came between a change and its way to the disk: what it was is not known, but it had begun.
        Ok(text) if is_blank(text.as_bytes()) => state.status = Status::Running,
        Ok(text) if from_json_as(&mut *state, &text, Some(&usual(store).1)) => {}
        Ok(_) => return Err(unreadable(store, id, "state.json")),
        Err(error) if error.is(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error),
    }
    Ok(Some(state))
}

/// The same of the container with this id, by its path.
pub fn state_of(store: &Store, id: &str) -> Result<Box<State>> {
    let state = state_in(store, store.containers.as_fd(), &[id, "/"].concat(), id)?;
    Ok(state.unwrap_or_else(State::created))
}

/// Whether the monitor of a container lives, by the same two ways to its directory.
pub fn lives_in(dir: BorrowedFd<'_>, path: &str) -> Result<bool> {
    lock::held(dir, &[path, "lock"].concat(), LOCK_LIFE)
}

/// Whether the monitor of the container with this id lives.
pub fn lives(store: &Store, id: &str) -> Result<bool> {
    lives_in(store.containers.as_fd(), &[id, "/"].concat())
}

impl Container {
    /// What happened last, as written. Ask [`Container::is_alive`] before believing `running`.
    pub fn state(&self, store: &Store) -> Result<Box<State>> {
        let state = state_in(store, self.dir.as_fd(), "", &self.spec.id)?;
        Ok(state.unwrap_or_else(State::created))
    }

    /// Which file its record is in now: another one after every change.
    pub fn record_now(&self) -> Option<(u64, i64, u64)> {
        let stat = at::stat(self.dir.as_fd(), "config.json", AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some((stat.st_ino, stat.st_mtime, stat.st_mtime_nsec as u64))
    }

    /// Whether it may have run once.
    pub fn was_used(&self) -> bool {
        let upper = file::open_dir_at(self.dir.as_fd(), "upper").and_then(|upper| file::entries(upper.as_fd()));
        upper.is_ok_and(|entries| !entries.is_empty()) || file::exists_at(self.dir.as_fd(), "state.json")
    }

    /// Whether its monitor lives.
    pub fn is_alive(&self) -> Result<bool> {
        lives_in(self.dir.as_fd(), "")
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

/// Whether a removal of this directory has begun, or its making was cut off: nobody needs what it refers to.
pub fn is_going(store: &Store, id: &str) -> bool {
    GONE.iter().any(|gone| file::exists_at(store.containers.as_fd(), &format!("{id}/{gone}")))
        || is_unwritten(store, id)
}

/// Whether a monitor lives in this directory; also when that cannot be found out.
pub fn is_alive(store: &Store, id: &str) -> bool {
    lives(store, id).unwrap_or(true)
}

/// Whether a monitor lives in this directory, or a command changes it.
pub fn is_busy(store: &Store, id: &str) -> bool {
    let held = |byte| lock::held(store.containers.as_fd(), &[id, "/lock"].concat(), byte).unwrap_or(true);
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
            if is_unwritten(store, id) && !is_busy(store, id) {
                remove_lost(store, id)?;
                trash::sweep(store)?;
            }
            // It may have gone completely between our looks.
            if file::exists_at(store.containers.as_fd(), id) { Err(error) } else { Ok(None) }
        }
    }
}

/// Whether its name leads to it.
pub fn is_named(store: &Store, container: &Container) -> bool {
    leads_to(store, &container.spec)
}

fn leads_to(store: &Store, spec: &Spec) -> bool {
    file::link_target(store.names.as_fd(), &spec.name).as_ref() == Some(&spec.id)
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

/// Shows what was asked of every container, but for its variables, in no order; one error for each that cannot be read, or that
/// `see` has one for. None of them is open.
pub fn each(store: &Store, see: &mut dyn FnMut(Box<Spec>) -> Result<()>) -> Result<Vec<Error>> {
    let mut errors = Vec::new();
    for id in &ids(store)? {
        let spec = match glance(store, id) {
            Some(spec) => Ok(Some(spec)),
            None => look(store, id).map(|container| container.map(|container| container.spec)),
        };
        errors.extend(spec.and_then(|spec| spec.map_or(Ok(()), &mut *see)).err());
    }
    Ok(errors)
}

/// Every container, newest first, and one error for each that cannot be read. All are open.
pub fn all(store: &Store) -> Result<(Vec<Container>, Vec<Error>)> {
    let mut found = Vec::new();
    let errors = each(store, &mut |spec| match open(store, &spec.id) {
        Err(error) if error.is(Errno::NOENT) => Ok(()), // just removed
        container => container.map(|container| found.push(container)),
    })?;
    Ok((order::sorted(found, &|a, b| a.spec.created > b.spec.created), errors))
}

/// What [`each`] shows, in no order, and the errors.
pub fn specs(store: &Store) -> Result<(Vec<Box<Spec>>, Vec<Error>)> {
    let mut specs = Vec::new();
    let errors = each(store, &mut |spec| {
        specs.push(spec);
        Ok(())
    })?;
    Ok((specs, errors))
}

/// The anonymous volumes of a container: the ones that go with it on request.
pub fn anonymous_volumes(spec: &Spec) -> impl Iterator<Item = &str> {
    spec.mounts.iter().filter(|m| m.kind == MountKind::Anonymous).map(|m| m.source.as_str())
}
