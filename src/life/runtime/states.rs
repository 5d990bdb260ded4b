//! What is known of the containers that engines made: `<root>/<id>/`, with the record and, until the container is started,
//! its gate.

use super::gate;
use crate::error::{Error, Result, Tried, escaped};
use crate::kernel::{at, file, proc, process, time};
use crate::spec::oci::{self, State};
use crate::spec::record::{self, to_json};
use crate::walls::cgroup::{self, Place};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

/// The record in a container's directory.
const RECORD: &str = "state.json";

/// A container that is known.
pub struct Known {
    /// The engine's name for it.
    pub id: String,
    /// Its directory.
    pub dir: OwnedFd,
    /// What is known of it.
    pub state: Box<State>,
}

/// Refuses what is no id: it becomes a directory's name.
fn check(id: &str) -> Result<()> {
    let is_right = |b: u8| b.is_ascii_alphanumeric() || b"_+-.".contains(&b);
    if id.is_empty() || id.len() > 1024 || id == "." || id == ".." || !id.bytes().all(is_right) {
        let id = escaped(id);
        return Err(Error::new(format_args!("invalid container id \"{id}\": letters, digits and _ + - . make one")));
    }
    Ok(())
}

/// The directory of a container that is to be.
pub fn make(root: &str, id: &str) -> Result<OwnedFd> {
    check(id)?;
    let root = file::make_dirs(root, 0o700)?;
    match at::make_dir(root.as_fd(), id, 0o711) {
        Err(Errno::EXIST) => {
            Err(Error::new(format_args!("container with id {id} exists: container ID already in use")))
        }
        made => {
            made.tried_to("make the directory of container", id)?;
            file::open_dir_at(root.as_fd(), id)
        }
    }
}

/// Takes the directory away, with all that is in it.
pub fn remove(root: &str, id: &str) -> Result<()> {
    check(id)?;
    file::remove_tree(file::open_dir(root)?.as_fd(), id)
}

/// Finds one by its id.
pub fn find(root: &str, id: &str) -> Result<Known> {
    check(id)?;
    let missing = |errno| match errno {
        Errno::NOENT | Errno::NOTDIR => Error::new(format_args!("container {id} does not exist")),
        errno => Error::tried("open the directory of container", id, errno),
    };
    let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW;
    let dir = at::open(rustix::fs::CWD, &format!("{root}/{id}"), flags).map_err(missing)?;
    let text = match file::text_at(dir.as_fd(), RECORD) {
        Err(error) if error.is(Errno::NOENT) => {
            return Err(Error::new(format_args!(
                "container {id} does not exist (yet): it is being created, or that failed"
            )));
        }
        text => text?,
    };
    let mut state = Box::<State>::default();
    record::from_document(&mut *state, &text).map_err(|e| e.behind(&[root, "/", id, "/", RECORD, ", "]))?;
    Ok(Known { id: id.to_owned(), dir, state })
}

/// Shows all that are known; what is damaged or just being made is passed over.
pub fn each(root: &str, see: &mut dyn FnMut(&Known)) -> Result<()> {
    let names = match file::open_dir(root) {
        Err(error) if error.is(Errno::NOENT) => return Ok(()),
        dir => file::names(dir?.as_fd())?,
    };
    for id in names {
        let _ = find(root, &id).map(|known| see(&known));
    }
    Ok(())
}

impl Known {
    /// Writes down what is known.
    pub fn write(&self) -> Result<()> {
        file::replace_at(self.dir.as_fd(), RECORD, to_json(&*self.state).as_bytes(), false)
    }

    /// Where its cgroups are.
    pub fn place(&self) -> Result<Place<'_>> {
        Place::at(&self.state.cgroup)
    }

    /// Its first process, if that has not ended.
    pub fn init(&self) -> Option<OwnedFd> {
        let pidfd = process::open_pidfd(self.state.pid).ok()?;
        // Only now: the number could have become another process's before.
        let is_it = proc::born(self.state.pid) == Some(self.state.born) && !process::readable(pidfd.as_fd(), 0);
        is_it.then_some(pidfd)
    }

    /// The same; an error in runc's words if it has.
    pub fn running(&self) -> Result<OwnedFd> {
        self.init().ok_or_else(|| Error::new(format_args!("container not running: {} is stopped", self.id)))
    }

    /// How far it is in its life, in the specification's words.
    pub fn status(&self) -> &'static str {
        if self.init().is_none() {
            "stopped"
        } else if gate::is_closed(self.dir.as_fd()) {
            "created"
        } else if self.place().is_ok_and(cgroup::is_frozen) {
            "paused"
        } else {
            "running"
        }
    }

    /// The path of its root file system on the host.
    pub fn rootfs(&self) -> String {
        file::absolute(&self.state.bundle, &self.state.config.root.at("path").text())
    }

    /// The specification's state, without the bracket at its end. `pid` is that of its first process, 0 when it has none.
    pub fn tell(&self, status: &str, pid: i32) -> String {
        let mut text =
            format!("{{{}", record::texts(&[("ociVersion", oci::VERSION), ("id", &self.id), ("status", status)]));
        text.extend([",\"pid\":", &pid.to_string(), ","]);
        text.push_str(&record::texts(&[("bundle", &self.state.bundle)]));
        let annotations = self.state.config.annotations.value();
        text.extend([",\"annotations\":", if annotations.is_there() { annotations.json() } else { "{}" }]);
        text
    }

    /// The pid of its first process, 0 when it has none any more.
    pub fn pid(&self, status: &str) -> i32 {
        if status == "stopped" { 0 } else { self.state.pid }
    }

    /// The same with what list and state tell besides.
    pub fn tell_all(&self, status: &str) -> String {
        let created = time::rfc3339(self.state.created);
        let more = [("rootfs", &*self.rootfs()), ("created", &created), ("owner", "root")];
        format!("{},{}}}", self.tell(status, self.pid(status)), record::texts(&more))
    }
}
