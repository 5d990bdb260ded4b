//! Ways out that were tried in reviews of our own code: what the container changes, and what of ours believes it.

use crate::host::Host;

/// A process of the host, ended with the test.
struct Sleeper(std::process::Child);

impl Sleeper {
    fn new() -> Self {
        Self(std::process::Command::new("sleep").arg("1000").spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// With the host's process ids in sight, /proc/<pid>/root leads to the host for whoever has our powers, and for nobody inside.
#[test]
fn a_link_at_the_place_of_dev_null_leads_nowhere() {
    let h = Host::new();
    let canary = h.write("canary", "precious");
    let host = Sleeper::new();
    let target = format!("/proc/{}/root{canary}", host.0.id());
    assert_eq!(h.sh(&format!("cat {target}")), "precious");
    for make in [format!("ln -s {target} /dev/null"), "echo x >/dev/null".into(), "mkfifo /dev/null".into()] {
        h.ok(&[
            "run",
            "-d",
            "--name",
            "box",
            "--pid",
            "host",
            "busybox",
            "sh",
            "-c",
            "trap 'exit 0' TERM; sleep 1000 & wait",
        ]);
        h.ok(&["exec", "-i", "box", "sh", "-c", &format!("rm /dev/null; {make}")]);
        for flags in [&[][..], &["-d"], &["-i"]] {
            let line = [&["exec"][..], flags, &["box", "sh", "-c", "cat <&0; echo pwned >&0; echo pwned >&2"]].concat();
            h.run(line.as_slice()).fails(1, "/dev/null");
        }
        assert_eq!(std::fs::read_to_string(&canary).unwrap(), "precious", "{make}");
        h.ok("rm -f box");
    }
}

#[test]
fn a_process_of_ours_is_the_first_also_among_the_pids_of_another() {
    let h = Host::new();
    h.idle("--name box");
    for flags in ["", "--privileged", "--security-opt seccomp=unconfined", "--cap-add SYS_ADMIN", "-u 1000"] {
        assert_eq!(
            h.ok(&format!("run --rm --init --pid container:box {flags} busybox echo works")),
            "works",
            "{flags}"
        );
    }
}
