//! The ids of a container in a user namespace of its own. user_namespaces(7)

use crate::error::{Result, Tried};
use crate::kernel::{file, process, sys};
use crate::spec::IdRange;
use alloc::format;
use alloc::string::String;
use linux_raw_sys::general::CLONE_NEWUSER;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::process::{Gid, Uid};
use rustix::thread::{CapabilitySets, ThreadNameSpaceType, move_into_thread_name_spaces};

/// monitor: gives the new user namespace of the child `pid` its ids, and returns the namespace.
pub fn prepare(pid: i32, ids: IdRange) -> Result<OwnedFd> {
    let map = format!("0 {} {}\n", ids.first, ids.size);
    process::map_ids(pid, &map, &map)
}

/// child: becomes the root of its user namespace. Until here it was still the host's.
pub fn enter() -> Result<()> {
    rustix::thread::set_thread_groups(&[]).tried("give up the host's groups")?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).tried("become the container's root group")?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).tried("become the container's root")
}

/// helper: becomes the host's user that is the root inside, with all our powers. An overlay makes its own files as the one
/// who mounted it: that must be somebody whom the id-mapped mounts know.
pub fn adopt(ids: IdRange) -> Result<()> {
    let what = "become the container's root on the host";
    rustix::thread::set_keep_capabilities(true).tried(what)?;
    let (uid, gid) = (Uid::from_raw(ids.first), Gid::from_raw(ids.first));
    rustix::thread::set_thread_res_gid(gid, gid, gid).tried(what)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).tried(what)?;
    let have = rustix::thread::capabilities(None).tried(what)?;
    rustix::thread::set_capabilities(None, CapabilitySets { effective: have.permitted, ..have }).tried(what)
}

/// command: whoever is not root becomes the root of a new user namespace that has just this one user and group. Every
/// process of ours, and every container, is in it from here on.
pub fn become_own_root() -> Result<()> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    sys::unshare(CLONE_NEWUSER)
        .tried("make a user namespace (this kernel keeps them for root: try sudo mydocker …)")?;
    // Giving up groups could open what a group is there to close: without that promise there is no map of groups.
    for (name, text) in
        [("setgroups", "deny".into()), ("uid_map", format!("0 {uid} 1\n")), ("gid_map", format!("0 {gid} 1\n"))]
    {
        let text: String = text;
        file::write_at(rustix::fs::CWD, &format!("/proc/self/{name}"), &text)
            .tried(format_args!("write {name} of our user namespace"))?;
    }
    Ok(())
}

/// command: whoever is not root enters the user namespace that one of its containers was started in.
pub fn enter_that_of(init: BorrowedFd<'_>) -> Result<()> {
    move_into_thread_name_spaces(init, ThreadNameSpaceType::USER).tried("enter the container's user namespace")
}
