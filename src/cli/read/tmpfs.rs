//! `--tmpfs`: a path and the options of mount(8) and tmpfs(5).

use super::{digits, is_digits, wrong};
use mydocker::error::Result;
use mydocker::spec::{Mount, MountKind};
use std::fmt::Write;

/// Switches in the order in which the kernel shows them: first those that are on when nothing is said.
const SWITCHES: [&str; 9] =
    ["nosuid", "nodev", "noexec", "sync", "dirsync", "noatime", "nodiratime", "relatime", "strictatime"];
const ON: usize = 3;
/// What takes a value.
const VALUES: [&str; 8] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", "huge"];
/// When huge pages are used.
const HUGE: [&str; 6] = ["never", "always", "within_size", "advise", "deny", "force"];
/// Highest mode of a directory.
const MODE_MAX: u32 = 0o7777;

/// Reads `--tmpfs`: the path in the container, and all options, docker's default ones among them. Of two options that
/// contradict each other the later one counts.
pub fn tmpfs(text: &str) -> Result<Mount> {
    let (target, asked) = text.split_once(':').unwrap_or((text, ""));
    let target = super::target(target)?;
    let mut read_only = false;
    let mut is_on = core::array::from_fn(|at| at < ON);
    let mut values = [""; VALUES.len()];
    for option in asked.split(',').filter(|option| !option.is_empty()) {
        let fail = || wrong("invalid tmpfs option \"{}\"", option);
        if let Some((key, value)) = option.split_once('=') {
            let at = VALUES.iter().position(|known| *known == key && fits(key, value)).ok_or_else(fail)?;
            values[at] = value;
        } else if option == "ro" || option == "rw" {
            read_only = option == "ro";
        } else {
            let (at, asked) = switch(option).ok_or_else(fail)?;
            is_on[at] = asked;
        }
    }
    let mut mode = start(read_only, &is_on);
    for (key, value) in VALUES.iter().zip(values) {
        if !value.is_empty() {
            mode.extend([",", key, "=", value]);
        }
    }
    Ok(Mount { kind: MountKind::Tmpfs, target, read_only, mode, ..Mount::default() })
}

/// All options of a tmpfs that `--mount` asks for.
pub fn options(read_only: bool, bytes: Option<u64>, mode: u32) -> String {
    let mut all = start(read_only, &core::array::from_fn(|at| at < ON));
    if let Some(bytes @ 1..) = bytes {
        let _ = write!(all, ",size={bytes}"); // a String takes everything
    }
    let _ = write!(all, ",mode={mode:o}");
    all
}

/// The options that have no value.
fn start(read_only: bool, is_on: &[bool; SWITCHES.len()]) -> String {
    let mut all = if read_only { "ro" } else { "rw" }.to_owned();
    for (name, is_on) in SWITCHES.iter().zip(is_on) {
        if *is_on {
            all.extend([",", name]);
        }
    }
    all
}

/// What an option does to which switch: `exec` switches `noexec` off, `async` `sync`.
fn switch(option: &str) -> Option<(usize, bool)> {
    let known = |name: &str| SWITCHES.iter().position(|known| *known == name);
    let opposite = match option {
        "async" => "sync",
        "nosync" | "nodirsync" => "",
        _ => option.strip_prefix("no").unwrap_or_default(),
    };
    let off = || known(opposite).or_else(|| known(&["no", option].concat())).map(|at| (at, false));
    known(option).map(|at| (at, true)).or_else(off)
}

fn fits(key: &str, value: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && is_digits(text);
    let is_amount = || is_number(value.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G', 't', 'T']).unwrap_or(value));
    match key {
        "size" => is_amount() || value.strip_suffix('%').is_some_and(is_number),
        "nr_inodes" | "nr_blocks" => is_amount(),
        "mode" => super::octal(value, MODE_MAX).is_some(),
        "uid" | "gid" => digits(value).is_some_and(|id| id != u32::MAX),
        "huge" => HUGE.contains(&value),
        _ => !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":=-".contains(&byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;

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
