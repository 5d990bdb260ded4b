//! `--tmpfs`: a path and the options of mount(8) and tmpfs(5).

use super::{digits, is_digits, nth, wrong};
use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt::Write;
use mydocker::error::Result;
use mydocker::spec::{Mount, MountKind};

/// Switches in the order in which the kernel shows them: first those that are on when nothing is said.
const SWITCHES: &str = "nosuid nodev noexec sync dirsync noatime nodiratime relatime strictatime";
/// Their bits.
const ON: u32 = 0b111;
/// What takes a value.
const VALUES: &str = "size mode uid gid nr_inodes nr_blocks mpol huge";
/// When huge pages are used.
const HUGE: &str = "never always within_size advise deny force";
/// Highest mode of a directory.
const MODE_MAX: u32 = 0o7777;

/// Reads `--tmpfs`: the path in the container, and all options, docker's default ones among them. Of two options that
/// contradict each other the later one counts.
pub fn tmpfs(text: &str) -> Result<Mount> {
    let (target, asked) = text.split_once(':').unwrap_or((text, ""));
    let mut mount = Mount { kind: MountKind::Tmpfs, target: super::target(target)?, ..Mount::default() };
    let mut is_on = ON;
    let mut values = [""; 8];
    for option in asked.split(',') {
        let (key, value) = option.split_once('=').unwrap_or_default();
        if let Some(at) = nth(VALUES, key).filter(|_| fits(key, value)) {
            values[at] = option;
        } else if option == "ro" || option == "rw" {
            mount.read_only = option == "ro";
        } else if let Some((at, asked)) = switch(option) {
            is_on = is_on & !(1 << at) | u32::from(asked) << at;
        } else if !option.is_empty() {
            return Err(wrong("invalid tmpfs option \"{}\"", option));
        }
    }
    mount.mode = start(mount.read_only, is_on);
    for option in values {
        if !option.is_empty() {
            mount.mode.extend([",", option]);
        }
    }
    Ok(mount)
}

/// All options of a tmpfs that `--mount` asks for.
pub fn options(read_only: bool, bytes: Option<u64>, mode: u32) -> String {
    let mut all = start(read_only, ON);
    if let Some(bytes @ 1..) = bytes {
        let _ = write!(all, ",size={bytes}"); // a String takes everything
    }
    let _ = write!(all, ",mode={mode:o}");
    all
}

/// The options that have no value.
fn start(read_only: bool, is_on: u32) -> String {
    let mut all = if read_only { "ro" } else { "rw" }.to_owned();
    for (at, name) in SWITCHES.split(' ').enumerate() {
        if is_on >> at & 1 == 1 {
            all.extend([",", name]);
        }
    }
    all
}

/// What an option does to which switch: `exec` switches `noexec` off, `async` `sync`.
fn switch(option: &str) -> Option<(usize, bool)> {
    let opposite = match option {
        "async" => "sync",
        "nosync" | "nodirsync" => "",
        _ => option.strip_prefix("no").unwrap_or_default(),
    };
    if let Some(at) = nth(SWITCHES, option) {
        return Some((at, true));
    }
    let off = nth(SWITCHES, opposite).or_else(|| nth(SWITCHES, &["no", option].concat()));
    off.map(|at| (at, false))
}

fn fits(key: &str, value: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && is_digits(text);
    let amount = match value.as_bytes() {
        [.., b'k' | b'K' | b'm' | b'M' | b'g' | b'G' | b't' | b'T'] => &value[..value.len() - 1],
        _ => value,
    };
    match key {
        "size" => is_number(value.strip_suffix('%').unwrap_or(amount)),
        "nr_inodes" | "nr_blocks" => is_number(amount),
        "mode" => super::octal(value, MODE_MAX).is_some(),
        "uid" | "gid" => digits(value).is_some_and(|id| id != u32::MAX),
        "huge" => nth(HUGE, value).is_some(),
        _ => !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":=-".contains(&byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;
    use alloc::format;

    #[test]
    fn options_are_merged() {
        for (typed, target, options) in [
            ("/run", "/run", "rw,nosuid,nodev,noexec"),
            ("/run:", "/run", "rw,nosuid,nodev,noexec"),
            ("/run:size=1024k,mode=700", "/run", "rw,nosuid,nodev,noexec,size=1024k,mode=700"),
            ("/a/../b/:mode=0755,exec,size=50%", "/b", "rw,nosuid,nodev,size=50%,mode=0755"),
            ("/t:ro,suid,dev,exec,rw,noexec", "/t", "rw,noexec"),
            ("/t:ro,noatime,sync,async,dirsync", "/t", "ro,nosuid,nodev,noexec,dirsync,noatime"),
            ("/t:noatime,atime,strictatime,nostrictatime,norelatime", "/t", "rw,nosuid,nodev,noexec"),
            ("/t:size=1m,size=2g,uid=0,gid=5", "/t", "rw,nosuid,nodev,noexec,size=2g,uid=0,gid=5"),
            (
                "/t:huge=always,nr_inodes=1k,mpol=bind:0-3",
                "/t",
                "rw,nosuid,nodev,noexec,nr_inodes=1k,mpol=bind:0-3,huge=always",
            ),
        ] {
            let mount = tmpfs(typed).unwrap();
            assert_eq!((mount.target.as_str(), mount.mode.as_str()), (target, options), "{typed}");
            assert_eq!(mount.read_only, options.starts_with("ro"), "{typed}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let refused = |typed: &str| text(tmpfs(typed).map(drop));
        for option in [
            "foo",
            "size=abc",
            "size=",
            "size=-1",
            "size=1kk",
            "size=%",
            "mode=8",
            "mode=77777",
            "uid=-1",
            "uid=root",
            "huge=big",
            "nr_inodes=%",
            "mpol=",
            "mpol=a b",
            "size",
            "ro=1",
            "nosync",
            "remount",
            "nosize",
            "mode=\n",
            "gid=4294967295",
        ] {
            let shown = super::super::super::human::visible(option);
            assert_eq!(refused(&format!("/t:{option}")), format!("invalid tmpfs option \"{shown}\""));
        }
        assert_eq!(refused("run"), "invalid mount path: 'run' mount path must be absolute");
        assert_eq!(refused(""), "invalid mount path: '' mount path must be absolute");
        assert_eq!(refused("/:ro"), "invalid specification: destination can't be '/'");
    }
}
