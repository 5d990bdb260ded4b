//! command: looks whether the store is as it should be: records, what they refer to, layers, and what nothing refers to.
//!
//! Records and references are read while the images are locked, so nobody is between a layer and its image, or between an
//! image and its container. What others make or remove meanwhile holds a lock of its own, and is passed over. Layers never
//! change: their content is compared without any lock.

use super::remove;
use crate::error::{Error, Result, Tried};
use crate::kernel::{at, file, hex, time};
use crate::spec::map::Map;
use crate::spec::{State, Status};
use crate::store::containers::{self, Container};
use crate::store::layers::{self, Proof};
use crate::store::reference::Reference;
use crate::store::{Store, images, names, trash, volumes};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Arguments;
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

/// How a finding about a thing is put right; each loses nothing that anybody could still want.
#[derive(Clone, Copy)]
enum Remedy {
    /// Only a person can.
    None,
    /// What every import does.
    Tidy,
    /// What every removal does.
    Sweep,
    /// What every listing does with a container.
    Settle,
    /// The container gets a name.
    Name,
    /// The name of a container that is gone is given back.
    Unname,
    /// The container's state, which cannot be read, is put aside.
    State,
    /// A name of an image that is gone goes.
    Untag,
    /// A path in the store goes.
    Remove,
    /// A directory of the store is made.
    Make,
    /// A volume is made.
    Volume,
    /// A container's run directory goes.
    Run,
    /// A layer is counted again.
    Count,
}

struct Look<'a> {
    store: &'a Store,
    findings: Vec<(String, Remedy, String)>,
    /// Layers that something refers to, and what that is.
    users: Map<String, String>,
    /// Whether some record could not be read: then nobody knows which layers are needed.
    is_blind: bool,
    summary: Summary,
}

/// Checks the store, and with `repair` puts right what can be without losing anything. `deep`: compares the content of
/// layers, too. `tell` gets a line for each finding.
pub fn check(store: &Store, repair: bool, deep: bool, tell: &mut dyn FnMut(&str)) -> Result<Summary> {
    let mut look =
        Look { store, findings: Vec::new(), users: Map::new(), is_blind: false, summary: Summary::default() };
    store.lock_images(true)?;
    let done = look.records();
    store.unlock_images();
    done?;
    look.contents(deep, repair);
    let mut summary = core::mem::take(&mut look.summary);
    (summary.found, summary.left) = (look.findings.len(), look.findings.len());
    for (line, remedy, thing) in &mut look.findings {
        match if repair { put_right(store, *remedy, thing) } else { Ok("") } {
            Ok("") => {}
            Ok(done) => {
                summary.left -= 1;
                line.extend([": ", done]);
            }
            Err(error) => line.extend([": cannot be put right: ", &error.to_string()]),
        }
        tell(line);
    }
    Ok(summary)
}

/// Looks at a name in a directory of the store.
type Looker<L> = fn(&mut L, &str);

impl Look<'_> {
    fn find(&mut self, what: Arguments<'_>, remedy: Remedy, thing: &str) {
        self.findings.push((what.to_string(), remedy, thing.to_string()));
    }

    /// Looks at every name in the directories of the store, and at what else commands leave.
    fn records(&mut self) -> Result<()> {
        let store = self.store;
        // Whether only ids are names there, and who looks at them.
        let dirs: [(&str, bool, Looker<Self>); 7] = [
            ("images", true, Self::image),
            ("refs", false, Self::reference),
            ("files", false, Self::file),
            ("containers", true, Self::container),
            ("names", false, Self::name),
            ("volumes", false, Self::volume),
            ("layers", true, Self::layer),
        ];
        for (dir, has_ids, look) in dirs {
            for name in &file::names(store.dir(dir)?.as_fd())? {
                if !has_ids || hex::is(name, 64) {
                    look(self, name);
                } else if dir == "images" && name.starts_with('.') {
                    self.find(format_args!("left over: images/{name}, half a record"), Remedy::Tidy, "");
                } else {
                    self.unknown(dir, name);
                }
            }
        }
        let users = core::mem::take(&mut self.users);
        for (layer, user) in &users {
            if !layers::exists(store, layer) {
                let what = format_args!("missing: layer {layer} of {user}; what brought it must be imported again");
                self.find(what, Remedy::None, "");
            }
        }
        self.users = users;
        for path in &trash::left(store)? {
            self.find(format_args!("left over: {path}, by a command that was killed"), Remedy::Sweep, "");
        }
        let run = file::open_dir(&store.run_path).and_then(|run| file::names(run.as_fd()));
        for id in &run.unwrap_or_default() {
            if hex::is(id, 64) && !file::exists_at(store.containers.as_fd(), id) {
                let what = format_args!("left over: {}/{id}, of a container that is gone", store.run_path);
                self.find(what, Remedy::Run, id);
            }
        }
        Ok(())
    }

    /// What no command makes.
    fn unknown(&mut self, dir: &str, name: &str) {
        self.find(format_args!("unknown: {dir}/{name} is nothing of ours"), Remedy::None, "");
    }

    fn image(&mut self, name: &str) {
        self.summary.counts[0] += 1;
        let short = &name[..12];
        match images::get(self.store, name).and_then(|image| image.diff_ids()) {
            Ok(layers) => self.uses(&layers, "image", short),
            Err(error) => {
                self.is_blind = true;
                let what = format_args!("damaged: {error}; 'mydocker rmi {short}' removes the image");
                self.find(what, Remedy::None, "");
            }
        }
    }

    fn uses(&mut self, layers: &[String], what: &str, name: &str) {
        for layer in layers {
            self.users.insert(layer.clone(), [what, " ", name].concat());
        }
    }

    fn reference(&mut self, name: &str) {
        match (self.image_of("refs/", name), Reference::from_file_name(name)) {
            (Some(id), Some(_)) if images::exists(self.store, &id) => {}
            (Some(id), Some(reference)) => {
                let what = format_args!("missing: image {id}, which {} stands for", reference.text());
                self.find(what, Remedy::Untag, name);
            }
            _ => self.unknown("refs", name),
        }
    }

    fn file(&mut self, name: &str) {
        match self.image_of("files/", name) {
            Some(id) if images::exists(self.store, &id) => {}
            Some(_) => self.find(format_args!("left over: files/{name}, of an image that is gone"), Remedy::Tidy, ""),
            None => self.unknown("files", name),
        }
    }

    /// The id that a link leads to.
    fn image_of(&self, dir: &str, name: &str) -> Option<String> {
        file::link_target(self.store.root.as_fd(), &[dir, name].concat()).filter(|id| hex::is(id, 64))
    }

    fn container(&mut self, id: &str) {
        let store = self.store;
        let container = match containers::open(store, id) {
            Ok(container) => container,
            Err(_) if !file::exists_at(store.containers.as_fd(), id) => return,
            Err(_) if containers::is_going(store, id) => {
                if !containers::is_busy(store, id) {
                    let what = format_args!("left over: container {id}, whose making or removal was not finished");
                    self.find(what, Remedy::Settle, id);
                }
                return;
            }
            Err(error) => {
                self.is_blind = true;
                self.find(format_args!("damaged: {error}"), Remedy::None, "");
                return;
            }
        };
        self.summary.counts[2] += 1;
        let name = &container.spec.name;
        self.uses(&container.spec.layers, "container", name);
        // What somebody is at is neither whole nor wrong.
        if containers::is_busy(store, id) {
            return;
        }
        // One that is being removed or renamed since our first look shows at the second one.
        let is_nameless = || {
            let again = containers::open(store, id);
            again.is_ok_and(|again| !containers::is_named(store, &again)) && self.is_there(id)
        };
        if !containers::is_named(store, &container) && is_nameless() && !containers::is_busy(store, id) {
            let other = names::of(store, id).unwrap_or_default();
            let (what, why, remedy) = match &other {
                Some(_) => ("left over", ", whose renaming was not finished", Remedy::Settle),
                None if container.was_used() => ("missing", ", to which no name leads: its name", Remedy::Name),
                None => ("left over", ", which was not finished", Remedy::Settle),
            };
            self.find(format_args!("{what}: container {name} ({id}){why}"), remedy, id);
            if other.is_none() && !container.was_used() {
                return; // all of it goes
            }
        }
        self.state(&container);
        self.places(&container);
    }

    /// Whether a container is there, and not on its way out.
    fn is_there(&self, id: &str) -> bool {
        file::exists_at(self.store.containers.as_fd(), &[id, "/config.json"].concat())
    }

    fn state(&mut self, container: &Container) {
        let (id, name) = (&container.spec.id, &container.spec.name);
        match container.state(self.store) {
            Err(error) => self.find(format_args!("damaged: {error}"), Remedy::State, id),
            Ok(state) if matches!(state.status, Status::Running | Status::Restarting) => {
                self.find(format_args!("left over: container {name}, whose monitor was killed"), Remedy::Settle, id);
            }
            Ok(_) => {}
        }
        for draft in &file::names(container.dir.as_fd()).unwrap_or_default() {
            if draft.starts_with('.') {
                let path = ["containers/", id, "/", draft].concat();
                self.find(format_args!("left over: {path}, half a record"), Remedy::Remove, &path);
            }
        }
    }

    /// What a container needs on disk besides its records and layers.
    fn places(&mut self, container: &Container) {
        let spec = &container.spec;
        for dir in ["upper", "work"] {
            // Somebody may be removing it at this moment.
            if spec.rootfs.is_none() && !file::exists_at(container.dir.as_fd(), dir) && self.is_there(&spec.id) {
                let path = ["containers/", &spec.id, "/", dir].concat();
                // Overlayfs needs an empty directory for itself; what a container changed nobody can make anew.
                let remedy = if dir == "work" { Remedy::Make } else { Remedy::None };
                self.find(format_args!("missing: {path} of container {}", spec.name), remedy, &path);
            }
        }
        for mount in &spec.mounts {
            if mount.is_volume() && matches!(volumes::get(self.store, &mount.source), Ok(None)) {
                // A container's record comes before its volumes.
                let what = if container.was_used() { "missing" } else { "left over" };
                let what = format_args!("{what}: no volume {} of container {}", mount.source, spec.name);
                self.find(what, Remedy::Volume, &mount.source);
            }
        }
    }

    fn name(&mut self, name: &str) {
        let store = self.store;
        let holder = names::holder(store, name);
        if holder.as_ref().is_some_and(|id| file::exists_at(store.containers.as_fd(), id)) {
            return;
        }
        // A container's name goes before the container does: what has gone since was all right.
        if file::exists_at(store.names.as_fd(), name) && names::holder(store, name) == holder {
            match holder {
                Some(_) => {
                    let what = format_args!("left over: the name {name} of a container that is gone");
                    self.find(what, Remedy::Unname, name);
                }
                None => self.unknown("names", name),
            }
        }
    }

    fn volume(&mut self, name: &str) {
        self.summary.counts[3] += 1;
        let path = ["volumes/", name, "/_data"].concat();
        let is_there = |path: &str| file::exists_at(self.store.root.as_fd(), path);
        if !is_there(&path) && is_there(&path[..path.len() - "/_data".len()]) {
            self.find(format_args!("left over: volumes/{name}, which was not finished"), Remedy::Volume, name);
        }
    }

    /// Comes when all that may need it is known.
    fn layer(&mut self, name: &str) {
        if !self.is_blind && !self.users.contains_key(name) {
            self.find(format_args!("left over: layer {name}, which nothing refers to"), Remedy::Tidy, "");
        }
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
                Err(error) => (error.to_string(), Remedy::Count),
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
                self.find(format_args!("damaged: layer {layer} of {user}: {why}"), remedy, layer);
            }
        }
    }
}

/// Puts one finding right and says how; nothing to say when that is left to a person.
fn put_right(store: &Store, remedy: Remedy, thing: &str) -> Result<&'static str> {
    let path = [&store.root_path, "/", thing].concat();
    let (dir, name) = path.rsplit_once('/').unwrap_or_default();
    let (done, how) = match remedy {
        Remedy::None => (Ok(()), ""),
        Remedy::Tidy => (images::tidy(store).and_then(|()| trash::sweep(store)), "removed"),
        Remedy::Sweep => (trash::sweep(store), "removed"),
        Remedy::Settle => match containers::find(store, thing) {
            Err(error) if containers::is_missing(&error) => (Ok(()), "removed"),
            Err(error) => (Err(error), ""),
            Ok(container) => (remove::settle(store, &container).map(drop), "finished"),
        },
        Remedy::Name => (name_again(store, thing), "it has a name again"),
        Remedy::Unname => {
            // Under its lock, this takes the name from nobody but the one that is gone.
            let id = names::holder(store, thing).unwrap_or_default();
            let is_back = file::exists_at(store.containers.as_fd(), &id);
            (if is_back { Ok(()) } else { names::release(store, thing, &id) }, "removed")
        }
        Remedy::Untag => (untag(store, thing), "removed"),
        Remedy::State => (put_state_aside(store, thing), "it counts as exited; the old record is in state.damaged"),
        Remedy::Remove => (file::open_dir(dir).and_then(|dir| file::remove_tree(dir.as_fd(), name)), "removed"),
        Remedy::Make => {
            (file::open_dir(dir).and_then(|dir| file::make_dir_at(dir.as_fd(), name, 0o700)).map(drop), "made anew")
        }
        Remedy::Volume => {
            let made = volumes::ensure(store, thing, volumes::labels_of(hex::is(thing, 64)));
            (made.map(drop), "made anew, with nothing in it")
        }
        Remedy::Run => (containers::remove_run_dir(store, thing), "removed"),
        Remedy::Count => (layers::note_again(store, thing), "counted again"),
    };
    done.map(|()| how)
}

fn name_again(store: &Store, id: &str) -> Result<()> {
    let _change = containers::open(store, id)?.await_change(store)?;
    let mut container = containers::open(store, id)?; // as it is now
    if names::reserve(store, &container.spec.name, id).is_ok() {
        return Ok(());
    }
    container.spec.name = [&container.spec.name, "_", &id[..12]].concat();
    containers::rewrite(store, &container)?;
    names::reserve(store, &container.spec.name, id)
}

fn untag(store: &Store, name: &str) -> Result<()> {
    store.lock_images(true)?;
    let refs = store.dir("refs")?;
    let id = file::link_target(refs.as_fd(), name).unwrap_or_default();
    let done = if images::exists(store, &id) { Ok(()) } else { file::remove_tree(refs.as_fd(), name) };
    store.unlock_images();
    done
}

fn put_state_aside(store: &Store, id: &str) -> Result<()> {
    let container = containers::open(store, id)?;
    let _change = container.await_change(store)?;
    if container.is_alive()? {
        return Err(Error::new("it runs: its monitor writes it again when it ends"));
    }
    let dir = &container.dir;
    at::rename(dir.as_fd(), "state.json", "state.damaged").tried("put it aside")?;
    let error = "its record was damaged".to_string();
    let ended = State { status: Status::Exited, exit_code: 137, finished: time::now(), error, ..*State::created() };
    container.write_state(store, &ended, true)
}
