//! Users and groups of an image. passwd(5), group(5)

use crate::error::{Error, Result, escaped};
use crate::kernel::file;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::AsFd;

/// /etc/passwd and /etc/group of an image are read no further than this (CVE-2026-47262).
const ACCOUNTS_BYTES_MAX: usize = 1 << 20;
/// Groups that a user can be in; the kernel's NGROUPS_MAX is 65536.
const GROUPS_MAX: usize = 1024;

/// A user as the container's files describe it.
pub struct Account {
    /// Its number.
    pub uid: u32,
    /// Its first group.
    pub gid: u32,
    /// All its groups.
    pub groups: Vec<u32>,
    /// Its home directory, `/` when the image does not say.
    pub home: String,
}

/// Finds `user[:group]`, and more `groups` by name or number, in the files of this process's root.
pub fn resolve(user: &str, groups: &[String]) -> Result<Account> {
    let root = file::open_dir("/")?;
    // An image without these files is fine; one that cannot be read (a FIFO, a huge file) counts as empty.
    let read = |path: &str| match file::read_in_root(root.as_fd(), path, ACCOUNTS_BYTES_MAX) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    };
    let user = if user.is_empty() { "0" } else { user };
    let (passwd, group) = (read("/etc/passwd"), read("/etc/group"));
    let mut account = find(user, &passwd, &group)?;
    for name in groups {
        let gid = gid_of(name, &group)?;
        if !account.groups.contains(&gid) {
            account.groups.push(gid);
        }
    }
    Ok(account)
}

/// `user[:group]` in the terms of passwd(5) and group(5), as docker reads it: a number need not be listed, a name must be.
fn find(user: &str, passwd: &str, group: &str) -> Result<Account> {
    let (user, asked_group) = match user.split_once(':') {
        Some((user, group)) => (if user.is_empty() { "0" } else { user }, Some(group)),
        None => (user, None),
    };
    let number = user.parse::<u32>().ok();
    // A number is always an id, whatever the names in the image are (CVE-2026-30892).
    let entry = entry_of(passwd, 6, &mut |f| number.map_or(f[0] == user, |n| f[2].parse() == Ok(n)));
    let unknown = || {
        Error::new(format_args!("unable to find user {}: no matching entries in passwd file", escaped(user))).exit(125)
    };
    let mut account = match &entry {
        Some(f) => Account {
            uid: f[2].parse().map_err(|_| unknown())?,
            gid: f[3].parse().map_err(|_| unknown())?,
            groups: Vec::new(),
            home: if f[5].starts_with('/') { f[5] } else { "/" }.to_owned(),
        },
        None => Account { uid: number.ok_or_else(unknown)?, gid: 0, groups: Vec::new(), home: "/".to_owned() },
    };
    if account.uid == u32::MAX || account.gid == u32::MAX {
        return Err(unknown()); // (uid_t)-1 means "leave it as it is" to the kernel
    }
    if let Some(asked) = asked_group {
        account.gid = gid_of(asked, group)?;
    } else if let Some(f) = &entry {
        entry_of(group, 4, &mut |g| {
            if g[3].split(',').any(|name| name == f[0])
                && let Ok(gid) = g[2].parse()
                && account.groups.len() < GROUPS_MAX
            {
                account.groups.push(gid);
            }
            false
        });
    }
    if !account.groups.contains(&account.gid) {
        account.groups.push(account.gid);
    }
    Ok(account)
}

/// The fields of the first line that has at least so many, and `is` the one that is looked for.
fn entry_of<'a>(text: &'a str, least: usize, is: &mut dyn FnMut(&[&str; 7]) -> bool) -> Option<[&'a str; 7]> {
    for line in text.lines() {
        let mut fields = [""; 7];
        let mut count = 0;
        for (place, field) in fields.iter_mut().zip(line.split(':')) {
            *place = field;
            count += 1;
        }
        if count >= least && is(&fields) {
            return Some(fields);
        }
    }
    None
}

/// The number of a group: a number is one, a name must be listed.
fn gid_of(asked: &str, group: &str) -> Result<u32> {
    let listed = || entry_of(group, 3, &mut |f| f[0] == asked).and_then(|f| f[2].parse().ok());
    let gid = match asked.parse::<u32>() {
        Ok(number) => Some(number).filter(|n| *n != u32::MAX),
        Err(_) => listed(),
    };
    gid.ok_or_else(|| {
        let asked = escaped(asked);
        Error::new(format_args!("unable to find group {asked}: no matching entries in group file")).exit(125)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nuser1:x:1000:1000::/home/user1:/bin/sh\nbroken\n";
    const GROUP: &str = "root:x:0:root\ndaemon:x:1:\nwheel:x:10:user1,other\nuser1:x:1000:\n";

    fn ids(user: &str) -> (u32, u32, Vec<u32>, String) {
        let a = find(user, PASSWD, GROUP).unwrap();
        (a.uid, a.gid, a.groups, a.home)
    }

    #[test]
    fn docker_examples() {
        assert_eq!(ids("0"), (0, 0, [0].into(), "/root".into()));
        assert_eq!(ids("4242:4343"), (4242, 4343, [4343].into(), "/".into()));
        assert_eq!(ids("user1"), (1000, 1000, [10, 1000].into(), "/home/user1".into()));
        assert_eq!(ids("1000"), (1000, 1000, [10, 1000].into(), "/home/user1".into()));
        assert_eq!(ids("user1:daemon"), (1000, 1, [1].into(), "/home/user1".into()));
        assert_eq!(ids("77"), (77, 0, [0].into(), "/".into()));
    }

    #[test]
    fn a_number_is_never_a_name() {
        let passwd = "1:x:0:0:root:/root:/bin/sh\n";
        let account = find("1:2", passwd, "2:x:0:\n").unwrap();
        assert_eq!((account.uid, account.gid), (1, 2));
    }

    #[test]
    fn unknown_names_are_refused() {
        assert!(gid_of("nosuch", GROUP).is_err());
        assert_eq!((gid_of("wheel", GROUP).unwrap(), gid_of("77", GROUP).unwrap()), (10, 77));
        for user in ["nosuch", "0:nosuch", "4294967295", "-1", "user1:4294967295"] {
            assert!(find(user, PASSWD, GROUP).is_err(), "{user}");
        }
    }
}
