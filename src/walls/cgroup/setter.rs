//! A limit's way into the kernel, on both versions.

use super::place::{Group, Hierarchy, Place};
use super::v2;
use crate::error::{Error, Result};
use crate::kernel::file;
use crate::spec::Limits;
use crate::spec::words;
use alloc::string::ToString;
use rustix::io::Errno;

/// Why a file is missing when nothing else is known.
const NO_SUCH_LIMIT: &str = " (this kernel has no such limit)";

/// Where limits are set.
#[derive(Clone, Copy)]
pub struct Setter<'a> {
    /// The hierarchy of the group.
    pub hierarchy: &'a Hierarchy,
    /// Whose group it is.
    pub place: Place<'a>,
    /// Has a file for each limit.
    pub group: &'a Group,
}

impl Setter<'_> {
    /// Writes a value that must have a file.
    pub fn set(&self, limit: &str, name: &str, value: &str) -> Result<()> {
        self.group.set(limit, name, value)?.ok_or_else(|| self.why_not(limit, name))
    }

    /// The same for a number that may not be asked for.
    pub fn number(&self, limit: &str, name: &str, value: Option<u64>) -> Result<()> {
        value.map_or(Ok(()), |value| self.set(limit, name, &value.to_string()))
    }

    /// Where processes run, and where their memory is.
    pub fn cpusets(&self, limits: &Limits) -> Result<()> {
        for (limit, name, asked) in
            [("cpuset-cpus", "cpuset.cpus", &limits.cpuset_cpus), ("cpuset-mems", "cpuset.mems", &limits.cpuset_mems)]
        {
            if let Some(value) = asked {
                self.set(limit, name, value)?;
            }
        }
        Ok(())
    }

    /// Why a file is missing: some level does not pass its controller on, or the kernel has no such file.
    pub fn why_not(&self, limit: &str, name: &str) -> Error {
        if !self.hierarchy.v2 {
            return self.no_file(limit, name, NO_SUCH_LIMIT);
        }
        let controller = name.split('.').next().unwrap_or(name);
        let wanted = if words::has(v2::CONTROLLERS, controller) { v2::CONTROLLERS } else { controller };
        for level in self.hierarchy.levels(self.place) {
            for (failed, errno) in v2::pass_on(&level, wanted) {
                if failed != controller {
                    continue;
                }
                let why = match errno {
                    Errno::NOENT | Errno::INVAL if is_of_v1(controller) => {
                        " (a hierarchy of cgroup v1 has it that is mounted nowhere: mount it, or boot with cgroup_no_v1=all)"
                    }
                    Errno::NOENT | Errno::INVAL => " (the kernel or a cgroup above does not give that controller)",
                    Errno::BUSY | Errno::OPNOTSUPP if self.place.is_of_bundle() => {
                        " (it has processes of its own: choose another linux.cgroupsPath)"
                    }
                    Errno::BUSY | Errno::OPNOTSUPP => " (it has processes of its own: choose another --cgroup-parent)",
                    _ => "",
                };
                let (by, file) = (self.group.asked_by, v2::ENABLED);
                return Error::os(format_args!("{by}{limit}: write +{controller} to {level}/{file}{why}"), errno);
            }
        }
        self.no_file(limit, name, NO_SUCH_LIMIT)
    }

    /// The error for a value that has no file to go to.
    pub fn no_file(&self, limit: &str, name: &str, why: &str) -> Error {
        let (by, path) = (self.group.asked_by, &self.group.path);
        Error::os(format_args!("{by}{limit}: {path}/{name}{why}"), Errno::NOENT)
    }
}

/// Whether a controller is bound to a hierarchy of v1, where v2 does not get it. cgroups(7), /proc/cgroups:
/// `name hierarchy count enabled`
fn is_of_v1(controller: &str) -> bool {
    let name = if controller == "io" { "blkio" } else { controller };
    let text = file::read_text("/proc/cgroups").unwrap_or_default(); // a kernel without v1
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(name) && words.next().is_some_and(|hierarchy| hierarchy != "0")
    })
}
