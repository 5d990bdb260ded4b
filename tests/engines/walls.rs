//! What a container may see and do, by the flags that podman and docker have in common.

use crate::checks;
use crate::process::until;
use crate::stage::{Stage, cgroup_file, is_v1};

pub const CHECKS: &[crate::Check] = checks![
    limits,
    out_of_memory,
    user,
    environment,
    read_only,
    volumes,
    tmpfs,
    host_namespaces,
    another_containers_namespaces,
    ulimits,
    capabilities,
    privileged,
    device,
    sysctl,
    seccomp,
    no_new_privileges,
    first_process,
    masks,
    oom_score,
    shared_memory,
    bridge,
];

/// Runs a script in a container with these flags.
#[track_caller]
fn says(s: &Stage, flags: &str, script: &str) -> String {
    s.ok(&format!("engine run --rm --network none {flags} busybox sh -c '{script}'"))
}

/// One line of /proc/self/status.
#[track_caller]
fn status(s: &Stage, flags: &str, key: &str) -> String {
    let line = says(s, flags, &format!("grep {key}: /proc/self/status"));
    line.split_whitespace().nth(1).unwrap().to_owned()
}

fn limits(s: &Stage) {
    let memory = "--memory 64m --memory-swap 64m --memory-reservation 32m";
    let flags = format!("{memory} --cpus 0.5 --cpu-shares 512 --pids-limit 50 --cpuset-cpus 0");
    let files = [
        (cgroup_file("memory/memory.limit_in_bytes", "memory.max"), "67108864"),
        (cgroup_file("memory/memory.soft_limit_in_bytes", "memory.low"), "33554432"),
        (cgroup_file("cpu/cpu.cfs_quota_us", "cpu.max"), if is_v1() { "50000" } else { "50000 100000" }),
        (cgroup_file("cpu/cpu.shares", "cpu.weight"), if is_v1() { "512" } else { "20" }),
        (cgroup_file("pids/pids.max", "pids.max"), "50"),
        (cgroup_file("cpuset/cpuset.cpus", "cpuset.cpus"), "0"),
        (cgroup_file("memory/memory.memsw.limit_in_bytes", "memory.swap.max"), if is_v1() { "67108864" } else { "0" }),
    ];
    // A kernel may have no limits of swap.
    let (paths, want): (Vec<&str>, Vec<&str>) = files.iter().map(|(path, value)| (path.as_str(), *value)).unzip();
    let shown = says(s, &flags, &format!("for f in {}; do cat $f || echo none; done", paths.join(" ")));
    let shown: Vec<&str> = shown.lines().collect();
    assert_eq!(shown[..6], want[..6]);
    assert!(shown[6] == want[6] || shown[6] == "none", "{shown:?}");
    // More processes than allowed.
    let many = "i=0; while [ $i -lt 20 ]; do sleep 9 & i=$((i+1)); done 2>/dev/null; echo not reached";
    let said = s.line(&format!("engine run --rm --network none --pids-limit 10 busybox sh -c '{many}'")).run();
    assert!(said.code != 0 && !said.out.contains("not reached"), "{said:?}");
}

fn out_of_memory(s: &Stage) {
    let flags = "--network none --memory 24m --memory-swap 24m";
    s.ok(&format!("engine run -d --name box {flags} busybox sh -c 'exec tail -c 200m /dev/zero'"));
    assert_eq!(s.ok("engine wait box"), "137");
    // podman hears of it from conmon, which does not look everywhere.
    assert!(s.name == "podman" || s.field("box", "State.OOMKilled") == "true");
    s.remove("box");
}

fn user(s: &Stage) {
    assert_eq!(says(s, "--user 1000:10 --group-add 20", "id -u; id -g; id -G"), "1000\n10\n10 20");
    assert_eq!(says(s, "--user user1", "id -un; id -gn"), "user1\nuser1");
    assert_eq!(status(s, "--user 1000", "CapEff"), "0000000000000000");
}

fn environment(s: &Stage) {
    let flags = "--env ONE=1 --env TWO='a b' --workdir /tmp --hostname its-name";
    let shown = says(s, flags, "echo $ONE $TWO; pwd; hostname");
    assert_eq!(shown, "1 a b\n/tmp\nits-name");
}

fn read_only(s: &Stage) {
    let script = "echo x >/file || echo x >/tmp/file && cat /tmp/file";
    let said =
        s.line(&format!("engine run --rm --network none --read-only --tmpfs /tmp busybox sh -c '{script}'")).run();
    assert!(said.code == 0 && said.out == "x\n" && said.err.contains("Read-only file system"), "{said:?}");
}

fn volumes(s: &Stage) {
    s.write("shared/file", "of the host\n");
    assert_eq!(says(s, "-v DIR/shared:/data", "cat /data/file; echo inside >/data/new"), "of the host");
    assert_eq!(s.ok("cat shared/new"), "inside");
    let said = says(s, "-v DIR/shared:/data:ro", "cat /data/new; echo x 2>/dev/null >/data/more || echo refused");
    assert_eq!(said, "inside\nrefused");
    // One file.
    assert_eq!(says(s, "-v DIR/shared/file:/etc/motd", "cat /etc/motd"), "of the host");
    // A named one outlives its container, and begins with what the image has there.
    assert_eq!(says(s, "-v kept:/etc", "grep -c root /etc/passwd; echo stays >/etc/file"), "1");
    assert_eq!(says(s, "-v kept:/data", "cat /data/file"), "stays");
    s.ok("engine volume rm kept");
    // How mounts spread.
    let shown = says(s, "-v DIR/shared:/data:rslave", "grep \" /data \" /proc/self/mountinfo");
    assert!(!shown.contains("shared:"), "{shown}");
}

fn tmpfs(s: &Stage) {
    let shown =
        says(s, "--tmpfs /mine:size=1m,mode=1770", "stat -c %a /mine; df -k /mine | tail -1; grep /mine /proc/mounts");
    assert!(shown.starts_with("1770\n") && shown.contains(" 1024 ") && shown.contains("nosuid"), "{shown}");
}

fn host_namespaces(s: &Stage) {
    for (flag, name) in [("--network host", "net"), ("--pid host", "pid"), ("--ipc host", "ipc"), ("--uts host", "uts")]
    {
        let network = if name == "net" { "" } else { "--network none" };
        let line = format!("engine run --rm {network} {flag} busybox readlink /proc/self/ns/{name}");
        assert_eq!(s.ok(&line), s.ok(&format!("readlink /proc/self/ns/{name}")));
    }
    let read = "for n in net pid ipc uts mnt; do readlink /proc/self/ns/$n; done";
    let own = says(s, "", read);
    let of_host = s.ok(read);
    assert!(of_host.lines().all(|host| !own.contains(host)), "{own}");
    // The processes of the stage are there.
    assert_eq!(
        says(s, "--pid host", "readlink /proc/1/ns/pid >/dev/null; tr \"\\0\" \" \" </proc/1/cmdline | grep -c inside"),
        "1"
    );
}

fn another_containers_namespaces(s: &Stage) {
    s.idle("box", "--ipc shareable --hostname its-name");
    let read = "sh -c 'for n in net ipc pid; do readlink /proc/self/ns/$n; done'";
    let want = s.ok(&format!("engine exec box {read}"));
    let flags = "--network container:box --ipc container:box --pid container:box";
    assert_eq!(s.ok(&format!("engine run --rm {flags} busybox {read}")), want);
    assert!(s.ok(&format!("engine run --rm {flags} busybox ps")).contains("sleep 1000"));
    // It is the other's process 1 that ends the namespace, not this one's end.
    assert_eq!(s.field("box", "State.Status"), "running");
    s.remove("box");
}

fn ulimits(s: &Stage) {
    let shown = says(
        s,
        "--ulimit nofile=100:200 --ulimit core=0 --ulimit nproc=3000:4000",
        "ulimit -n; ulimit -Hn; ulimit -c; grep -c \"processes *3000 *4000\" /proc/self/limits",
    );
    assert_eq!(shown, "100\n200\n0\n1");
}

fn capabilities(s: &Stage) {
    assert_eq!(status(s, "", "CapEff"), "00000000a80425fb");
    let flags = "--cap-drop ALL --cap-add CHOWN";
    assert_eq!(status(s, flags, "CapEff"), "0000000000000001");
    assert_eq!(status(s, flags, "CapBnd"), "0000000000000001");
    assert_eq!(status(s, "--cap-add SYS_PTRACE --cap-drop CHOWN", "CapPrm").as_bytes()[15], b'a');
    let said = s.exits(1, "engine run --rm --network none --cap-drop CHOWN busybox chown 1 /tmp");
    assert!(said.contains("Operation not permitted"), "{said}");
}

/// Whether there are all capabilities that the kernel knows, or somebody who makes do with less: docker asks for all, and runc
/// does not give all when one is missing.
pub fn has_all_capabilities(s: &Stage) -> bool {
    s.is_ours() || s.name == "podman" || bounding(s) & KNOWN == KNOWN
}

/// The capabilities that both engines know.
pub const KNOWN: u64 = 0x3f_ffff_ffff;

/// What the stage may have.
pub fn bounding(s: &Stage) -> u64 {
    hexadecimal(&s.ok("sed -n 's/^CapBnd:\t//p' /proc/self/status"))
}

/// A set of capabilities as the kernel shows it.
pub fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap()
}

fn privileged(s: &Stage) {
    if !has_all_capabilities(s) {
        return;
    }
    assert_eq!(KNOWN & hexadecimal(&status(s, "--privileged", "CapEff")), KNOWN & bounding(s));
    assert_eq!(status(s, "--privileged", "Seccomp"), "0");
    let shown = says(
        s,
        "--privileged",
        "mount -t tmpfs none /tmp && echo mounted; test -w /proc/sys/kernel/domainname && echo open",
    );
    assert_eq!(shown, "mounted\nopen");
}

fn device(s: &Stage) {
    assert_eq!(
        says(s, "--device /dev/zero:/dev/mine", "head -c 3 /dev/mine | wc -c; stat -c %t:%T /dev/mine"),
        "3\n1:5"
    );
    let opens = "for how in \"<\" \">>\" \"<>\"; do eval \"true $how/dev/mine\" 2>/dev/null && echo opens || echo refused; done";
    assert_eq!(says(s, "--device /dev/fuse:/dev/mine:rw", opens), "opens\nopens\nopens");
    assert_eq!(says(s, "--device /dev/fuse:/dev/mine:r", opens), "opens\nrefused\nrefused");
    // One that nobody asked for: the node can be made, and not opened.
    assert_eq!(says(s, "--cap-add MKNOD", &format!("mknod /dev/mine c 10 229; {opens}")), "refused\nrefused\nrefused");
}

fn sysctl(s: &Stage) {
    let flags = "--sysctl net.ipv4.ip_unprivileged_port_start=7 --sysctl kernel.msgmax=4242";
    assert_eq!(says(s, flags, "cd /proc/sys; cat net/ipv4/ip_unprivileged_port_start kernel/msgmax"), "7\n4242");
}

fn seccomp(s: &Stage) {
    assert_eq!(status(s, "", "Seccomp"), "2");
    // podman's own profile allows that.
    if s.name == "docker" {
        let said = says(s, "", "unshare -U true 2>&1 || echo refused");
        assert!(said.contains("Operation not permitted") && said.ends_with("refused"), "{said}");
    }
    assert_eq!(says(s, "--security-opt seccomp=unconfined", "unshare -U echo may"), "may");
    let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[
        {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":38},
        {"names":["kill"],"action":"SCMP_ACT_ERRNO","args":[{"index":1,"value":10,"op":"SCMP_CMP_EQ"}]}]}"#;
    let profile = s.write("profile.json", profile);
    let flags = format!("--security-opt seccomp={profile}");
    let said = says(s, &flags, "mkdir /tmp/x 2>&1; kill -USR1 $$ 2>&1; kill -0 $$ && echo goes");
    assert!(
        said.contains("Function not implemented") && said.contains("not permitted") && said.ends_with("goes"),
        "{said}"
    );
}

fn no_new_privileges(s: &Stage) {
    assert_eq!(status(s, "", "NoNewPrivs"), "0");
    assert_eq!(status(s, "--security-opt no-new-privileges", "NoNewPrivs"), "1");
}

fn first_process(s: &Stage) {
    let shown = says(s, "--init", "readlink /proc/1/exe; echo $$");
    let (first, own) = shown.split_once('\n').unwrap();
    assert!(first.ends_with("init") && own != "1", "{shown}");
    s.exits(3, "engine run --rm --init --network none busybox sh -c 'exit 3'");
}

fn masks(s: &Stage) {
    let script = "head -c 1 /proc/kcore | wc -c; ls /sys/firmware | wc -l; echo x 2>/dev/null >/proc/sys/kernel/domainname || echo refused; \
        echo x 2>/dev/null >/sys/kernel/profiling || echo refused";
    assert_eq!(says(s, "", script), "0\n0\nrefused\nrefused");
}

fn oom_score(s: &Stage) {
    assert_eq!(says(s, "--oom-score-adj 500", "cat /proc/self/oom_score_adj"), "500");
}

fn shared_memory(s: &Stage) {
    let shown = says(s, "--shm-size 3m", "df -k /dev/shm | tail -1");
    assert!(shown.contains(" 3072 "), "{shown}");
}

fn bridge(s: &Stage) {
    s.ok("engine run -d --name box busybox sh -c 'echo page >/tmp/index.html; exec httpd -f -h /tmp'");
    let address = match s.name {
        "podman" => s.field("box", "NetworkSettings.IPAddress"),
        _ => s.field("box", "NetworkSettings.Networks.bridge.IPAddress"),
    };
    until("it serves", || {
        s.line(&format!("engine run --rm busybox wget -q -O - http://{address}/")).run().out == "page\n"
    });
    assert_eq!(s.ok("engine exec box ip -o -4 addr show eth0 | grep -o 'inet [0-9.]*'"), format!("inet {address}"));
    s.remove("box");
}
