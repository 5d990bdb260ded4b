//! `--tmpfs`: a path and the options of mount(8) and tmpfs(5).

use super::super::human::visible;
use super::bad;
use mydocker::error::Result;

/// Switches that are on when nothing is said, in the order in which the kernel shows them.
const ON: [&str; 3] = ["nosuid", "nodev", "noexec"];
/// Switches that are off when nothing is said.
const OFF: [&str; 6] = ["sync", "dirsync", "noatime", "nodiratime", "relatime", "strictatime"];
/// What takes a value.
const VALUES: [&str; 8] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", "huge"];
/// When huge pages are used.
const HUGE: [&str; 6] = ["never", "always", "within_size", "advise", "deny", "force"];
/// Highest mode of a directory.
const MODE_MAX: u32 = 0o7777;

/// Reads `--tmpfs`: the path in the container, and all options, docker's default ones among them. Of two options that
/// contradict each other the later one counts.
pub fn tmpfs(text: &str) -> Result<(String, String)> {
    let (target, asked) = text.split_once(':').unwrap_or((text, ""));
    let target = super::target(target)?;
    let mut read_only = false;
    let mut switches: Vec<(&str, bool)> =
        ON.map(|name| (name, true)).into_iter().chain(OFF.map(|n| (n, false))).collect();
    let mut values: [Option<&str>; VALUES.len()] = [None; VALUES.len()];
    for option in asked.split(',').filter(|option| !option.is_empty()) {
        let fail = || bad(format!("invalid tmpfs option \"{}\"", visible(option)));
        if let Some((key, value)) = option.split_once('=') {
            let at = VALUES.iter().position(|known| *known == key && fits(key, value)).ok_or_else(fail)?;
            values[at] = Some(value);
        } else if option == "ro" || option == "rw" {
            read_only = option == "ro";
        } else {
            let (name, is_on) = switch(option).ok_or_else(fail)?;
            switches.iter_mut().filter(|(known, _)| *known == name).for_each(|known| known.1 = is_on);
        }
    }
    let mut all = vec![if read_only { "ro" } else { "rw" }.to_owned()];
    all.extend(switches.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| (*name).to_owned()));
    let given = VALUES.iter().zip(values).filter_map(|(key, value)| value.map(|value| format!("{key}={value}")));
    all.extend(given);
    Ok((target, all.join(",")))
}

/// All options of a tmpfs that `--mount` asks for.
pub fn options(read_only: bool, bytes: Option<u64>, mode: u32) -> String {
    let first = if read_only { "ro" } else { "rw" };
    let size = bytes.filter(|bytes| *bytes > 0).map_or(String::new(), |bytes| format!(",size={bytes}"));
    format!("{first},{}{size},mode={mode:o}", ON.join(","))
}

/// What an option does to which switch: `exec` switches `noexec` off, `async` `sync`.
fn switch(option: &str) -> Option<(&'static str, bool)> {
    let known = |name: &str| ON.iter().chain(&OFF).copied().find(|known| *known == name);
    if let Some(name) = known(option) {
        return Some((name, true));
    }
    let opposite = match option {
        "async" => "sync".to_owned(),
        _ => option.strip_prefix("no").map_or_else(|| format!("no{option}"), str::to_owned),
    };
    let only = ["nosync", "nodirsync"].contains(&option);
    known(&opposite).filter(|_| !only).map(|name| (name, false))
}

fn fits(key: &str, value: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_amount = |text: &str| is_number(text.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G', 't', 'T']).unwrap_or(text));
    match key {
        "size" => is_amount(value) || value.strip_suffix('%').is_some_and(is_number),
        "nr_inodes" | "nr_blocks" => is_amount(value),
        "mode" => super::octal(value, MODE_MAX).is_some(),
        "uid" | "gid" => is_number(value) && value.parse::<u32>().is_ok_and(|id| id != u32::MAX),
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
            assert_eq!(tmpfs(typed).unwrap(), (target.to_owned(), options.to_owned()), "{typed}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
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
            let shown = visible(option);
            assert_eq!(text(tmpfs(&format!("/t:{option}"))), format!("invalid tmpfs option \"{shown}\""));
        }
        assert_eq!(text(tmpfs("run")), "invalid mount path: 'run' mount path must be absolute");
        assert_eq!(text(tmpfs("")), "invalid mount path: '' mount path must be absolute");
        assert_eq!(text(tmpfs("/:ro")), "invalid specification: destination can't be '/'");
    }
}
