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
        // No shell: that would open /dev/null for what runs in its background, perhaps when it is gone.
        h.ok("run -d --name box --pid host busybox sleep 1000");
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

/// A mount in a shared volume would be the host's too, and stay there for ever.
#[test]
fn nothing_is_mounted_on_the_host_by_way_of_a_shared_volume() {
    let h = Host::new();
    let dir = h.path("shared");
    std::fs::create_dir(&dir).unwrap();
    h.sh(&format!("mount --bind {dir} {dir} && mount --make-shared {dir}"));
    let lines = [
        format!("-v {dir}:/s:rshared -v vol:/s/sub"),
        format!("-v {dir}:/s:rshared --tmpfs /s/sub"),
        format!("--mount type=bind,src={dir},dst=/s,bind-propagation=shared -v vol:/s/a/b"),
        format!("-v {dir}:/etc:rshared"),
        format!("-t -v {dir}:/dev:rshared"),
    ];
    // Whatever a container's mount would be the host's by way of is below the directory; other tests mount things elsewhere.
    let mounts = || {
        let all = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        all.lines().filter(|line| line.contains(&dir)).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = mounts();
    assert_eq!(before.len(), 1, "{before:?}");
    let found: Vec<_> = lines.iter().map(|flags| h.run(&format!("run --rm {flags} busybox true"))).collect();
    let works = h.run(&format!("run --rm -v {dir}:/s:rshared -v vol:/t busybox true"));
    let after = mounts();
    h.sh(&format!("umount {dir}/* 2>/dev/null || :; umount {dir}"));
    assert_eq!(after, before);
    for output in found {
        output.fails(125, "would be mounted on the host");
    }
    works.ok();
}

/// Where no cgroup checks it, a device node of an image or of a volume is not opened, but those of --device are.
#[test]
fn nodes_are_closed_where_nobody_checks_them() {
    let h = Host::new();
    if !crate::host::is_v1() {
        return; // v2 has its program everywhere
    }
    let dir = h.path("nodes");
    h.sh(&format!("mkdir {dir} && mknod -m 666 {dir}/fuse c 10 229"));
    let (store, run, bin) = (h.store.display(), h.run_dir.display(), crate::host::binary());
    let mydocker = format!("MYDOCKER_ROOT={store} MYDOCKER_RUN={run} {bin} run --rm");
    let alone =
        |line: &str| h.sh(&format!("unshare -m sh -c \"umount /sys/fs/cgroup/devices; {mydocker} {line} || :\" 2>&1"));
    let open = "sh -c ': </v/fuse; echo done'";
    assert!(alone(&format!("-v {dir}:/v busybox {open}")).contains("Permission denied"));
    assert_eq!(alone(&format!("--privileged -v {dir}:/v busybox {open}")), "done");
    assert_eq!(alone(&format!("--device /dev/fuse:/v/fuse busybox {open}")), "done");
    assert_eq!(alone("busybox sh -c 'echo x >/dev/null; echo done'"), "done");
}
