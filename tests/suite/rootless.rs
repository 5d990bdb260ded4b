//! A caller who is not root: needs setpriv (util-linux) and user namespaces.

use crate::host::{binary, busybox_tar, copy_program, is_v1};
use crate::process::{soon, until};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

const NOBODY: u32 = 65_534;

/// A home of somebody else, in a place that everybody can reach.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let dir = PathBuf::from(format!("/tmp/mydocker-test-{}-{name}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        copy_program(binary(), &dir.join("mydocker"));
        fs::copy(busybox_tar(), dir.join("busybox.tar")).unwrap();
        for path in [dir.clone(), dir.join("mydocker"), dir.join("busybox.tar")] {
            std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let home = Self(dir);
        home.ok("import busybox.tar busybox");
        home
    }

    fn run(&self, line: &str) -> (i32, String, String) {
        let script = format!("exec ./mydocker {line}");
        let out = Command::new("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c", &script])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", &self.0)
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
        (out.status.code().unwrap_or(-1), text(out.stdout), text(out.stderr))
    }

    #[track_caller]
    fn ok(&self, line: &str) -> String {
        let (code, out, err) = self.run(line);
        assert_eq!((code, err.as_str()), (0, ""), "{line}: {out}");
        out
    }

    #[track_caller]
    fn fails(&self, line: &str, code: i32, text: &str) {
        let (got, out, err) = self.run(line);
        assert_eq!((got, out.as_str(), err.lines().count()), (code, "", 1), "{line}: {err}");
        assert!(err.contains(text), "{line}: {err}");
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let (_, ids, _) = self.run("ps -aq");
        if !ids.is_empty() {
            self.run(&format!("rm -f -v {}", ids.replace('\n', " ")));
        }
        // The last monitor may still be sweeping in it.
        let is_gone = soon(Duration::from_secs(20), || fs::remove_dir_all(&self.0).is_ok() || !self.0.exists());
        assert!(is_gone || std::thread::panicking(), "{} stays", self.0.display());
    }
}

#[test]
fn it_runs_with_one_id() {
    let home = Home::new("run");
    let seen =
        home.ok("run --rm busybox sh -c 'id -u; cat /proc/self/uid_map; touch /x && stat -c %u /x; hostname | wc -c'");
    assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), ["0", "0", "65534", "1", "0", "13"]);
    assert_eq!(
        home.ok("run --rm busybox grep -E '^(CapEff|Seccomp):' /proc/self/status").split_whitespace().nth(3),
        Some("2")
    );
    assert_eq!(home.run("run --rm busybox sh -c 'exit 7'").0, 7);
    assert_eq!(home.run("run --rm busybox nosuch").0, 127);
    assert_eq!(home.ok("run --rm -v vol:/v busybox sh -c 'echo kept > /v/f'"), "");
    assert_eq!(home.ok("run --rm -v vol:/v busybox cat /v/f"), "kept");
    assert!(home.ok("run --rm --network host busybox ip link").contains("LOOPBACK"));
    for flags in ["", "--network none", "--network default"] {
        assert_eq!(home.ok(&format!("run --rm {flags} busybox ls /sys/class/net")), "lo", "{flags}");
    }
    home.fails("run --rm --network bridge busybox true", 125, "network bridge needs root");
    home.fails("create --network nosuch busybox true", 125, "network nosuch needs root");
    home.fails("network create mine", 1, "networks need root");
    assert_eq!(
        home.ok("run --rm --read-only --tmpfs /run busybox sh -c 'touch /run/a; touch /b 2>/dev/null || echo ro'"),
        "ro"
    );
}

#[test]
fn check_tells_what_is_not_to_be_had() {
    let home = Home::new("check");
    let (code, out, err) = home.run("check");
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("\nok    root          user 65534 in a user namespace of its own"), "{out}");
    assert!(out.contains("\nok    overlay ") && !out.contains("\nno ") && !out.contains("bridge "), "{out}");
}

#[test]
fn the_whole_life_of_a_container() {
    let home = Home::new("life");
    let id = home.ok("run -d --name box busybox sh -c 'trap \"exit 3\" TERM; echo up; while true; do sleep 0.1; done'");
    until("it runs", || home.ok("logs box") == "up");
    assert_eq!(home.ok("exec box id -u"), "0");
    assert_eq!(home.run("exec box sh -c 'exit 9'").0, 9);
    home.ok("exec box sh -c 'echo new > /etc/new; rm -r /home; mkdir /home; touch /home/own'");
    assert_eq!(home.ok("ps -q --no-trunc"), id);
    assert!(home.ok("top box").contains("trap"));
    home.ok("commit -o all.tar box mine");
    assert_eq!(home.ok("run --rm mine sh -c 'cat /etc/new; ls /home'"), "new\nown");
    assert_eq!(home.ok("run --rm ./all.tar cat /etc/new"), "new");
    assert_eq!(home.ok("export -o exported.tar box"), "");
    assert_eq!(fs::read(home.0.join("exported.tar")).unwrap(), fs::read(home.0.join("all.tar")).unwrap());
    assert_eq!(home.ok("volume create data"), "data");
    assert!(home.ok("run --rm -v data:/etc busybox ls /etc").contains("passwd"));
    assert_eq!(home.ok("volume rm data"), "data");
    assert_eq!(home.ok("stop box"), "box");
    assert_eq!(home.ok("ps -a --format '{{.Status}}' --filter name=^box$").split(' ').nth(1), Some("(3)"));
    assert_eq!(home.ok("start box"), "box");
    assert_eq!(home.ok("commit box again").len(), 71);
    assert_eq!(home.ok("rm -f box"), "box");
    assert_eq!(home.ok("ps -aq"), "");
    assert!(home.run("rmi again mine").0 == 0);
}

#[test]
fn what_it_cannot_have_it_says() {
    let home = Home::new("refused");
    home.fails("run --rm -u 5 busybox true", 125, "user 5: the container's user namespace has no such id");
    home.fails("run --rm --pid host busybox true", 125, "cannot share the process ids of others");
    home.fails("run --rm --userns 1000:10 busybox true", 125, "map the ids");
    if is_v1() {
        home.fails("run --rm -m 20m busybox true", 125, "cannot set limits without the host's root");
    }
    home.ok("run -d --name box busybox sleep 1000");
    home.fails("pause box", 1, "cannot pause: the container has no cgroup");
    assert_eq!(home.ok("ps -aq").lines().count(), 1);
}

#[test]
fn files_are_copied_and_compared() {
    let h = Home::new("copy");
    fs::write(h.0.join("f"), "x").unwrap();
    std::os::unix::fs::chown(h.0.join("f"), Some(NOBODY), Some(NOBODY)).unwrap();
    h.ok("run --name box busybox touch /made");
    h.ok("cp f box:/stopped");
    h.ok("start box");
    h.ok("run -d --name live -v vol:/data busybox sleep 1000");
    h.ok("cp -a f live:/data/in");
    h.ok("cp live:/data/. out");
    h.ok("cp box:/stopped out");
    assert_eq!(fs::read_to_string(h.0.join("out/in")).unwrap(), "x");
    assert_eq!(fs::read_to_string(h.0.join("out/stopped")).unwrap(), "x");
    h.ok("exec live sh -c 'rm /etc/group; rm -r /home; mkdir /home'");
    assert_eq!(h.ok("diff live"), "A /data\nC /etc\nD /etc/group\nC /home\nD /home/user1");
    assert_eq!(h.ok("diff box"), "A /made\nA /stopped");
    h.fails("cp live:/nosuch .", 1, "Could not find the file /nosuch in container live");
}

#[test]
fn the_host_of_a_user_starts_and_goes_down() {
    let home = Home::new("boot");
    home.ok("run -d --name box --network none --restart always busybox sleep 1000");
    assert_eq!(home.ok("shutdown -t 1"), "box");
    assert!(home.ok("boot").contains("box       running"));
    assert!(home.ok("boot").contains("box       was running"));
    home.ok("rm -f box");
}
