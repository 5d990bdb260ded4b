//! command: looks whether the store is as it should be: records, what they refer to, layers, and what nothing refers to.
//!
//! Records and references are read while the images are locked, so nobody is between a layer and its image, or between an
//! image and its container. What others make or remove meanwhile holds a lock of its own, and is passed over. Layers never
//! change: their content is compared without any lock.

use super::remove;
use crate::error::{Error, Result, Tried};
use crate::kernel::{file, hex, time};
use crate::spec::{MountKind, State, Status};
use crate::store::containers::{self, Container};
use crate::store::layers::{self, Proof};
use crate::store::reference::Reference;
use crate::store::{Store, images, names, trash, volumes};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::fd::AsFd;

/// What was looked at and found, in numbers.
#[derive(Default)]
pub struct Summary {
    /// Images, layers that something refers to, containers and volumes.
    pub counts: [usize; 4],
    /// Findings.
    pub found: usize,
    /// Findings that are still true.
    pub left: usize,
    /// Layers by what is known of their content ([`Proof`]): proven, noted now, unknown.
    pub proofs: [usize; 3],
}

/// How a finding is put right; each loses nothing that anybody could still want.
enum Remedy {
    /// Only a person can.
    None,
    /// What every import does.
    Tidy,
    /// What every removal does.
    Sweep,
    /// What every listing does with the container.
    Settle(String),
    /// A name of its own for a container that has none.
    Name(String),
    /// A name that leads nowhere is given back.
    Unname(String, String),
    /// A state that cannot be read is put aside.
    State(String),
    /// A file in a directory of the store goes.
    Remove(String, String),
    /// A directory of the store is made.
    Make(String),
    /// A volume is made.
    Volume(String),
    /// A run directory goes.
    Run(String),
    /// A layer is counted again.
    Count(String),
}

struct Look<'a> {
    store: &'a Store,
    findings: Vec<(String, Remedy)>,
    /// Layers that something refers to, and what that is.
    users: BTreeMap<String, String>,
    /// Whether some record could not be read: then nobody knows which layers are needed.
    is_blind: bool,
    summary: Summary,
}

/// Checks the store, and with `repair` puts right what can be without losing anything. `deep`: compares the content of
/// layers, too. `tell` gets a line for each finding.
pub fn check(store: &Store, repair: bool, deep: bool, tell: &mut dyn FnMut(&str)) -> Result<Summary> {
    let mut look =
        Look { store, findings: Vec::new(), users: BTreeMap::new(), is_blind: false, summary: Summary::default() };
    store.lock_images(true)?;
    let done = look.records();
    store.unlock_images();
    done?;
    look.contents(deep, repair);
    let Look { findings, mut summary, .. } = look;
    summary.found = findings.len();
    for (what, remedy) in findings {
        let done = if repair { put_right(store, &remedy) } else { Ok("") };
        match done {
            Ok("") => {
                summary.left += 1;
                tell(&what);
            }
            Ok(done) => tell(&format!("{what}: {done}")),
            Err(error) => {
                summary.left += 1;
                tell(&format!("{what}: cannot be put right: {error}"));
            }
        }
    }
    Ok(summary)
}

impl Look<'_> {
    fn find(&mut self, what: String, remedy: Remedy) {
        self.findings.push((what, remedy));
    }

    fn unknown(&mut self, path: &str) {
        self.find(format!("unknown: {path} is nothing of ours"), Remedy::None);
    }

    fn records(&mut self) -> Result<()> {
        self.images()?;
        self.references()?;
        for name in file::names(self.store.containers.as_fd())? {
            if hex::is(&name, 64) {
                self.container(&name)?;
            } else {
                self.unknown(&format!("containers/{name}"));
            }
        }
        self.names()?;
        self.volumes()?;
        self.layers()?;
        for path in trash::left(self.store)? {
            self.find(format!("left over: {path}, by a command that was killed"), Remedy::Sweep);
        }
        let run = file::open_dir(&self.store.run_path).and_then(|run| file::names(run.as_fd()));
        for id in run.unwrap_or_default().into_iter().filter(|id| hex::is(id, 64)) {
            if !file::exists_at(self.store.containers.as_fd(), &id) {
                let path = format!("{}/{id}", self.store.run_path);
                self.find(format!("left over: {path}, of a container that is gone"), Remedy::Run(id));
            }
        }
        Ok(())
    }

    fn images(&mut self) -> Result<()> {
        for name in file::names(self.store.images.as_fd())? {
            if name.starts_with('.') {
                self.find(format!("left over: images/{name}, half a record"), Remedy::Tidy);
                continue;
            } else if !hex::is(&name, 64) {
                self.unknown(&format!("images/{name}"));
                continue;
            }
            self.summary.counts[0] += 1;
            match images::get(self.store, &name).and_then(|image| image.diff_ids()) {
                Ok(layers) => self.uses(layers, &format!("image {}", &name[..12])),
                Err(error) => {
                    self.is_blind = true;
                    let remedy = format!("'mydocker rmi {}' removes the image", &name[..12]);
                    self.find(format!("damaged: {error}; {remedy}"), Remedy::None);
                }
            }
        }
        Ok(())
    }

    fn uses(&mut self, layers: Vec<String>, user: &str) {
        for layer in layers {
            self.users.insert(layer, user.to_string());
        }
    }

    fn references(&mut self) -> Result<()> {
        for (dir, is_name) in [("refs", true), ("files", false)] {
            let links = self.store.dir(dir)?;
            for name in file::names(links.as_fd())? {
                let image = file::link_target(links.as_fd(), &name).filter(|id| hex::is(id, 64));
                let shown = if is_name { Reference::from_file_name(&name).map(|name| name.text()) } else { None };
                match (image, shown) {
                    (Some(id), _) if images::exists(self.store, &id) => {}
                    (Some(id), Some(shown)) => self.find(
                        format!("missing: image {id}, which {shown} stands for"),
                        Remedy::Remove(dir.to_string(), name),
                    ),
                    (Some(_), None) if !is_name => {
                        self.find(format!("left over: files/{name}, of an image that is gone"), Remedy::Tidy);
                    }
                    _ => self.unknown(&format!("{dir}/{name}")),
                }
            }
        }
        Ok(())
    }

    fn container(&mut self, id: &str) -> Result<()> {
        let store = self.store;
        let container = match containers::open(store, id) {
            Ok(container) => container,
            Err(_) if !file::exists_at(store.containers.as_fd(), id) => return Ok(()),
            Err(_) if containers::is_going(store, id) => {
                if !containers::is_busy(store, id) {
                    let what = format!("left over: container {id}, whose removal was not finished");
                    self.find(what, Remedy::Settle(id.to_string()));
                }
                return Ok(());
            }
            Err(error) => {
                self.is_blind = true;
                self.find(format!("damaged: {error}"), Remedy::None);
                return Ok(());
            }
        };
        self.summary.counts[2] += 1;
        let name = &container.spec.name;
        self.uses(container.spec.layers.clone(), &format!("container {name}"));
        // What somebody is at is neither whole nor wrong.
        if containers::is_busy(store, id) {
            return Ok(());
        }
        if !containers::is_named(store, &container) {
            let (what, remedy) = match names::of(store, id)? {
                Some(_) => (format!("left over: a new name of container {name}"), Remedy::Settle(id.to_string())),
                None if container.was_used() => {
                    (format!("missing: the name {name} of container {id}"), Remedy::Name(id.to_string()))
                }
                None => (format!("left over: container {id}, which was not finished"), Remedy::Settle(id.to_string())),
            };
            self.find(what, remedy);
        }
        self.state(&container)?;
        self.places(&container)
    }

    fn state(&mut self, container: &Container) -> Result<()> {
        let (id, name) = (&container.spec.id, &container.spec.name);
        match container.state(self.store) {
            Err(error) => self.find(format!("damaged: {error}"), Remedy::State(id.clone())),
            Ok(state) if matches!(state.status, Status::Running | Status::Restarting) => {
                self.find(format!("left over: container {name}, whose monitor was killed"), Remedy::Settle(id.clone()));
            }
            Ok(_) => {}
        }
        for draft in file::names(container.dir.as_fd())?.into_iter().filter(|name| name.starts_with('.')) {
            let dir = format!("containers/{id}");
            self.find(format!("left over: {dir}/{draft}, half a record"), Remedy::Remove(dir, draft));
        }
        Ok(())
    }

    /// What a container needs on disk besides its records and layers.
    fn places(&mut self, container: &Container) -> Result<()> {
        let spec = &container.spec;
        for dir in ["upper", "work"].into_iter().filter(|_| spec.rootfs.is_none()) {
            if !file::exists_at(container.dir.as_fd(), dir) {
                let path = format!("containers/{}/{dir}", spec.id);
                let what = format!("missing: {path} of container {}", spec.name);
                // Overlayfs needs an empty directory for itself; what a container changed nobody can make anew.
                self.find(what, if dir == "work" { Remedy::Make(path) } else { Remedy::None });
            }
        }
        for mount in &spec.mounts {
            let is_volume = matches!(mount.kind, MountKind::Volume | MountKind::Anonymous);
            if is_volume && volumes::created(self.store, &mount.source)?.is_none() {
                let what = format!("missing: volume {} of container {}", mount.source, spec.name);
                self.find(what, Remedy::Volume(mount.source.clone()));
            }
        }
        Ok(())
    }

    fn names(&mut self) -> Result<()> {
        for name in file::names(self.store.names.as_fd())? {
            let Some(id) = names::holder(self.store, &name) else {
                if file::exists_at(self.store.names.as_fd(), &name) {
                    self.unknown(&format!("names/{name}"));
                }
                continue;
            };
            // A container's name goes before the container does.
            if !file::exists_at(self.store.containers.as_fd(), &id)
                && names::holder(self.store, &name).as_ref() == Some(&id)
            {
                self.find(format!("left over: the name {name} of a container that is gone"), Remedy::Unname(name, id));
            }
        }
        Ok(())
    }

    fn volumes(&mut self) -> Result<()> {
        let volumes = self.store.dir("volumes")?;
        for name in file::names(volumes.as_fd())? {
            self.summary.counts[3] += 1;
            if !file::exists_at(volumes.as_fd(), &format!("{name}/_data")) && file::exists_at(volumes.as_fd(), &name) {
                self.find(format!("missing: volumes/{name}/_data"), Remedy::Volume(name));
            }
        }
        Ok(())
    }

    /// Which layers there are, and which there should be.
    fn layers(&mut self) -> Result<()> {
        for name in file::names(self.store.layers.as_fd())? {
            if !hex::is(&name, 64) {
                self.unknown(&format!("layers/{name}"));
            } else if !self.is_blind && !self.users.contains_key(&name) {
                self.find(format!("left over: layer {name}, which nothing refers to"), Remedy::Tidy);
            }
        }
        let mut missing = Vec::new();
        for (layer, user) in &self.users {
            if !layers::exists(self.store, layer) {
                missing.push(format!("missing: layer {layer} of {user}; what brought it must be imported again"));
            }
        }
        for what in missing {
            self.find(what, Remedy::None);
        }
        Ok(())
    }

    /// Whether the layers are what they were.
    fn contents(&mut self, deep: bool, notes: bool) {
        let users = core::mem::take(&mut self.users);
        for (layer, user) in &users {
            if !layers::exists(self.store, layer) {
                continue; // told already, or removed meanwhile
            }
            self.summary.counts[1] += 1;
            let (why, remedy) = match layers::verify(self.store, layer) {
                Err(error) => (error.to_string(), Remedy::Count(layer.clone())),
                Ok(Some(why)) => (why, Remedy::None),
                Ok(None) if !deep => continue,
                Ok(None) => match layers::prove(self.store, layer, notes) {
                    Err(error) => (error.to_string(), Remedy::None),
                    Ok(Proof::Changed) => ("its content is not what it was".to_string(), Remedy::None),
                    Ok(proof) => {
                        self.summary.proofs[proof as usize] += 1;
                        continue;
                    }
                },
            };
            if layers::exists(self.store, layer) {
                self.find(format!("damaged: layer {layer} of {user}: {why}"), remedy);
            }
        }
    }
}

/// Puts one finding right and says how; nothing to say when that is left to a person.
fn put_right(store: &Store, remedy: &Remedy) -> Result<&'static str> {
    Ok(match remedy {
        Remedy::None => "",
        Remedy::Tidy => images::tidy(store).map(|()| "removed")?,
        Remedy::Sweep => trash::sweep(store).map(|()| "removed")?,
        Remedy::Settle(id) => match containers::find(store, id) {
            Err(error) if containers::is_missing(&error) => "removed",
            container => remove::settle(store, &container?).map(|_| "finished")?,
        },
        Remedy::Name(id) => {
            let mut container = containers::open(store, id)?;
            let _change = container.lock_change(store)?;
            if names::reserve(store, &container.spec.name, id).is_err() {
                container.spec.name = format!("{}_{}", container.spec.name, &id[..12]);
                containers::rewrite(store, &container)?;
                names::reserve(store, &container.spec.name, id)?;
            }
            "it has a name again"
        }
        Remedy::Unname(name, id) => names::release(store, name, id).map(|()| "removed")?,
        Remedy::State(id) => put_state_aside(store, id)?,
        Remedy::Remove(dir, name) => {
            file::remove_tree(file::open_dir(&format!("{}/{dir}", store.root_path))?.as_fd(), name)?;
            "removed"
        }
        Remedy::Make(path) => file::make_dirs(&format!("{}/{path}", store.root_path), 0o700).map(|_| "made anew")?,
        Remedy::Volume(name) => volumes::ensure(store, name).map(|_| "made anew, with nothing in it")?,
        Remedy::Run(id) => containers::remove_run_dir(store, id).map(|()| "removed")?,
        Remedy::Count(layer) => layers::note_again(store, layer).map(|()| "counted again")?,
    })
}

fn put_state_aside(store: &Store, id: &str) -> Result<&'static str> {
    let container = containers::open(store, id)?;
    let _change = container.lock_change(store)?;
    if container.is_alive()? {
        return Err(Error::new("it runs: its monitor writes it again when it ends"));
    }
    let dir = &container.dir;
    rustix::fs::renameat(dir, "state.json", dir, "state.damaged").tried("put it aside")?;
    let error = "its record was damaged".to_string();
    let ended = State { status: Status::Exited, exit_code: 137, finished: time::now(), error, ..State::created() };
    container.write_state(store, &ended, true)?;
    Ok("it counts as exited; the old record is in state.damaged")
}
