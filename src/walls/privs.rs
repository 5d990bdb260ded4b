//! Who a process is and what it may do: user, groups, capabilities, limits of its own. credentials(7), capabilities(7).

mod accounts;
pub mod schedule;

use crate::error::{EXIT_ENGINE, Error, Result, Tried};
use crate::kernel::{caps, file, process, sys};
use crate::spec::oci::Process;
use crate::spec::words;
use crate::spec::{Security, Spec};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Who a program is to be, in the container's terms.
pub struct Identity<'a> {
    /// `user[:group]` by name or number, empty for root.
    pub user: &'a str,
    /// More groups, by name or number.
    pub groups: &'a [String],
    /// Whether it gets every capability (`exec --privileged`).
    pub privileged: bool,
    /// Whether the host's root is not behind us: then groups can be neither taken nor given up.
    pub is_rootless: bool,
}

/// The user a process became, on the way out of its privileges.
pub struct User {
    /// Its home directory, `/` when the image does not say.
    pub home: String,
    /// The capabilities that it keeps.
    keep: CapabilitySets,
    /// Those of them that programs without any of their own get.
    ambient: CapabilitySet,
}

impl User {
    /// What counts for users of ours: nothing is passed on that was not asked for.
    const fn with(home: String, keep: CapabilitySet) -> Self {
        let sets = CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() };
        Self { home, keep: sets, ambient: CapabilitySet::empty() }
    }
}

/// Capabilities of a default container: docker's list. capabilities(7)
const DEFAULT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::AUDIT_WRITE)
    .union(CapabilitySet::SETFCAP);

/// The capabilities of these names; those of a newer kernel than we know are none.
fn set(names: &[String]) -> CapabilitySet {
    let mut set = CapabilitySet::empty();
    for name in names {
        set |= caps::capability(name).map_or(CapabilitySet::empty(), |bit| CapabilitySet::from_bits_retain(1 << bit));
    }
    set
}

/// The capabilities of a container's root. Asked ones win over dropped ones, as with docker. Where nothing checks the
/// opening of device nodes (`make_nodes` false), nobody makes one without having asked for it.
pub fn capabilities(security: &Security, make_nodes: bool) -> u64 {
    let all = |names: &[String]| names.iter().any(|name| name == "ALL");
    let (add, drop) = (set(&security.cap_add), set(&security.cap_drop));
    let default = if make_nodes { DEFAULT } else { DEFAULT.difference(CapabilitySet::MKNOD) };
    let keep = if security.privileged {
        CapabilitySet::from_bits_retain(u64::MAX)
    } else if all(&security.cap_add) {
        CapabilitySet::from_bits_retain(!drop.bits())
    } else if all(&security.cap_drop) {
        add
    } else {
        default.difference(drop).union(add)
    };
    keep.bits()
}

/// Which capabilities were asked for by name, and can't be had: we have no more than our own.
pub fn refuse_missing(security: &Security) -> Result<()> {
    let have = rustix::thread::capabilities(None).tried("read the capabilities")?.permitted;
    for name in &security.cap_add {
        if caps::capability(name).is_some_and(|bit| have.bits() & 1 << bit == 0) {
            return Err(Error::new(format_args!("cannot give {name}: this host does not let us have it ourselves"))
                .exit(EXIT_ENGINE));
        }
    }
    Ok(())
}

/// Which of these capabilities, or with `is_but` of all others that the kernel knows, we do not have: their names, with a
/// blank before each.
pub fn missing(names: &str, is_but: bool) -> Result<String> {
    let have = rustix::thread::capabilities(None).tried("read the capabilities")?.permitted;
    let mut missing = String::new();
    for (bit, name) in caps::NAMES.split(' ').enumerate() {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        let is_known = rustix::thread::capability_is_in_bounding_set(one).is_ok();
        if is_known && words::has(names, name) != is_but && !have.contains(one) {
            missing.extend([" ", name]);
        }
    }
    Ok(missing)
}

/// child, after its root is the container's: becomes the user, with groups, limits and mask. It still has our
/// capabilities: [`lock`] is what ends that.
pub fn enter(spec: &Spec, identity: &Identity<'_>, make_nodes: bool) -> Result<User> {
    let account = accounts::resolve(identity.user, identity.groups)?;
    set_limits(spec)?;
    new_keyring()?;
    let keep = if identity.privileged { u64::MAX } else { capabilities(&spec.security, make_nodes) };
    let keep = CapabilitySet::from_bits_retain(keep);
    drop_bounding(keep)?;
    rustix::thread::set_keep_capabilities(true).tried("keep the capabilities")?; // until the filter is in place
    become_account(&account, identity.is_rootless)?;
    // docker's: who is not root has none, whatever root would have.
    let keep = if account.uid == 0 { keep } else { CapabilitySet::empty() };
    rustix::process::umask(rustix::fs::Mode::from(spec.umask));
    Ok(User::with(account.home, keep))
}

/// The caller's keys are not the container's. A kernel without keys has none.
pub fn new_keyring() -> Result<()> {
    match sys::new_session_keyring() {
        Ok(()) | Err(Errno::NOSYS) => Ok(()),
        Err(errno) => Err(Error::os("make a session keyring", errno)),
    }
}

/// [`enter`] for a program of a bundle. Of the capabilities it gets those that we have.
pub fn enter_as(process: &Process) -> Result<User> {
    let limits = process.rlimits.value();
    for (at, limit) in limits.list().enumerate() {
        let (kind, number) = (limit.at("type").word(), |which| limit.at(which).natural().unwrap_or(0));
        if limits.list().take(at).any(|other| other.at("type").word() == kind) {
            return Err(Error::new(format_args!("process.rlimits: {kind} is there twice")));
        }
        let name = kind.strip_prefix("RLIMIT_").unwrap_or_default();
        set_rlimit(&name.to_ascii_lowercase(), number("soft"), number("hard"))?;
    }
    let capabilities = &process.capabilities;
    drop_bounding(set(&capabilities.bounding))?;
    rustix::thread::set_keep_capabilities(true).tried("keep the capabilities")?;
    let user = &process.user;
    let (uid, gid) = (user.uid.unwrap_or(0), user.gid.unwrap_or(0));
    own_stdio(uid);
    // One that gives no groups, in a user namespace where they can be neither taken nor given up.
    let is_rootless = user.groups.is_empty() && !process::is_in_first_user_namespace();
    let home = account_home(uid);
    become_account(&accounts::Account { uid, gid, groups: user.groups.clone(), home: String::new() }, is_rootless)?;
    if let Some(umask) = user.umask {
        rustix::process::umask(rustix::fs::Mode::from(umask));
    }
    Ok(User {
        home,
        keep: CapabilitySets {
            effective: set(&capabilities.effective),
            permitted: set(&capabilities.permitted),
            inheritable: set(&capabilities.inheritable),
        },
        ambient: set(&capabilities.ambient),
    })
}

/// Where a user is at home, as the container's files say; `/` when they do not.
fn account_home(uid: u32) -> String {
    accounts::resolve(&uid.to_string(), &[]).map_or_else(|_| "/".into(), |account| account.home)
}

/// Pipes of whoever calls us, and the terminal, become the user's: a program may open /dev/stdout. What cannot be given away is somebody else's.
fn own_stdio(uid: u32) {
    const TERMINALS: u32 = 136;
    for fd in [sys::stdin(), sys::stdout(), sys::stderr()] {
        let is_own = |stat: rustix::fs::Stat| match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice => rustix::fs::major(stat.st_rdev) == TERMINALS,
            kind => kind == FileType::Fifo,
        };
        if uid != 0 && rustix::fs::fstat(fd).is_ok_and(is_own) {
            let _ = rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), None);
        }
    }
}

fn become_account(account: &accounts::Account, is_rootless: bool) -> Result<()> {
    let groups: Vec<Gid> = account.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    match rustix::thread::set_thread_groups(&groups) {
        Err(Errno::PERM) if is_rootless => {} // a group could be there to deny something
        other => other.map_err(|errno| unmapped("group", account.gid, errno))?,
    }
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(|errno| unmapped("group", account.gid, errno))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(|errno| unmapped("user", account.uid, errno))
}

fn unmapped(what: &str, id: u32, errno: Errno) -> Error {
    match errno {
        Errno::INVAL => {
            Error::new(format_args!("cannot become {what} {id}: the container's user namespace has no such id"))
        }
        errno => Error::os(format_args!("become {what} {id}"), errno),
    }
}

/// child, while /proc is still the host's: its place in the line for the OOM killer. proc_pid_oom_score_adj(5)
pub fn set_oom_score(spec: &Spec) -> Result<()> {
    spec.oom_score_adj.map_or(Ok(()), |score| write_oom_score("self", score))
}

/// The same for any process, by its number or `self`.
pub fn write_oom_score(pid: &str, score: i32) -> Result<()> {
    let score = score.to_string();
    let path = ["/proc/", pid, "/oom_score_adj"].concat();
    file::write_at(rustix::fs::CWD, &path, &score).tried_to("set oom_score_adj to", &score)
}

/// child: the limits of each process. getrlimit(2)
fn set_limits(spec: &Spec) -> Result<()> {
    for limit in &spec.ulimits {
        let unlimited = |value: i64| u64::try_from(value).unwrap_or(u64::MAX); // -1
        set_rlimit(&limit.name, unlimited(limit.soft), unlimited(limit.hard))?;
    }
    Ok(())
}

fn set_rlimit(name: &str, soft: u64, hard: u64) -> Result<()> {
    let number = process::rlimit(name).ok_or_else(|| Error::new(format_args!("no such ulimit: {name}")))?;
    sys::set_limit(number, soft, hard).map_err(|errno| match errno {
        Errno::PERM => Error::os(format_args!("raise the ulimit {name} above our own hard limit"), errno),
        errno => Error::tried("set the ulimit", name, errno),
    })
}

/// child, the very last step before execve: gives up every capability that is not to be kept.
pub fn lock(user: &User) -> Result<()> {
    let _ = rustix::thread::clear_ambient_capability_set(); // EINVAL on kernels without ambient capabilities
    let have = rustix::thread::capabilities(None).tried("read the capabilities")?.permitted;
    let keep = CapabilitySets {
        effective: have & user.keep.effective & user.keep.permitted,
        permitted: have & user.keep.permitted,
        inheritable: have & user.keep.inheritable,
    };
    rustix::thread::set_capabilities(None, keep).tried("set the capabilities")?;
    for one in (user.ambient & keep.permitted & keep.inheritable).iter() {
        rustix::thread::configure_capability_in_ambient_set(one, true).tried("set an ambient capability")?;
    }
    Ok(())
}

/// child that copies files: gives up every capability but those to read and make any file.
pub fn keep_for_files() -> Result<()> {
    const FILES: CapabilitySet = CapabilitySet::CHOWN
        .union(CapabilitySet::DAC_OVERRIDE)
        .union(CapabilitySet::FOWNER)
        .union(CapabilitySet::FSETID)
        .union(CapabilitySet::MKNOD)
        .union(CapabilitySet::SETFCAP);
    lock(&User::with(String::new(), FILES))
}

/// child that only moves bytes: gives up every capability.
pub fn keep_nothing() -> Result<()> {
    lock(&User::with(String::new(), CapabilitySet::empty()))
}

/// child: whatever it does, execve gives no more rights than it has. prctl(2)
pub fn forbid_new() -> Result<()> {
    rustix::thread::set_no_new_privs(true).tried("forbid new privileges")
}

/// child: every capability that it may have is in force, also after a change of user. What follows needs them.
pub fn raise() -> Result<()> {
    let have = rustix::thread::capabilities(None).tried("read the capabilities")?;
    if have.effective == have.permitted {
        return Ok(());
    }
    rustix::thread::set_capabilities(None, CapabilitySets { effective: have.permitted, ..have })
        .tried("raise the capabilities")
}

fn drop_bounding(keep: CapabilitySet) -> Result<()> {
    for bit in 0..64 {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if keep.contains(one) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            Err(Errno::INVAL) => break, // this kernel knows no more
            Err(_) if rustix::thread::capability_is_in_bounding_set(one) != Ok(true) => {}
            Err(errno) => return Err(Error::os("drop a capability", errno)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(add: &[&str], drop: &[&str]) -> u64 {
        let list = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
        capabilities(&Security { cap_add: list(add), cap_drop: list(drop), ..Security::default() }, true)
    }

    #[test]
    fn docker_sets() {
        assert_eq!(bits(&[], &[]), 0xa804_25fb);
        assert_eq!(bits(&["CAP_NET_ADMIN", "CAP_SYS_TIME"], &["ALL"]), 0x0200_1000);
        assert_eq!(bits(&["ALL"], &["CAP_CHOWN"]), !1);
        assert_eq!(bits(&["CAP_CHOWN"], &["CAP_CHOWN", "CAP_KILL"]), 0xa804_25fb & !(1 << 5));
        assert_eq!(capabilities(&Security::default(), false), 0xa804_25fb & !(1 << 27));
    }
}
