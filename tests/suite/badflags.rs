//! Values that no flag takes: 125, one line that names the thing, and nothing is made. Needs root.

use crate::host::Host;

/// Each of these flags makes `create` fail with a line that contains the words.
#[track_caller]
fn refused(host: &Host, table: &[(&str, &str)]) {
    let before = host.snapshot();
    for (flags, why) in table {
        host.run(&format!("create {flags} busybox true")).fails(125, why);
    }
    host.run(&format!("run --rm {} busybox true", table[0].0)).fails(125, table[0].1);
    host.unchanged(&before);
}

#[test]
fn security() {
    let h = Host::new();
    let broken = h.write("broken.json", "{\"defaultAction\": ");
    let table = [
        ("--cap-add BOGUS", "invalid CapAdd: unknown capability: \"CAP_BOGUS\""),
        ("--cap-drop cap_bogus", "invalid CapDrop: unknown capability: \"CAP_BOGUS\""),
        ("--cap-add CHOWN,KILL", "\"CAP_CHOWN,KILL\""),
        ("--privileged=maybe", "invalid argument \"maybe\" for \"--privileged\" flag"),
        ("--security-opt bogus", "invalid --security-opt: \"bogus\""),
        ("--security-opt foo=bar", "invalid --security-opt: \"foo=bar\""),
        ("--security-opt no-new-privileges=maybe", "invalid --security-opt: \"no-new-privileges=maybe\""),
        ("--security-opt systempaths=all", "invalid --security-opt: \"systempaths=all\""),
        (
            "--security-opt seccomp=/nosuch.json",
            "opening seccomp profile (/nosuch.json) failed: no such file or directory",
        ),
        ("--security-opt seccomp=/tmp", "opening seccomp profile (/tmp) failed: is a directory"),
        ("--group-add ''", "\"--group-add\" flag"),
        ("--group-add 4294967296", "uids and gids must be in range 0-2147483647"),
        ("--umask 8", "invalid argument \"8\" for \"--umask\" flag"),
        ("--umask 1777", "invalid argument \"1777\" for \"--umask\" flag"),
    ];
    refused(&h, &table);
    refused(&h, &[(&format!("--security-opt seccomp={broken}"), "broken.json")]);
}

#[test]
fn user_namespaces() {
    refused(
        &Host::new(),
        &[
            ("--userns bogus", "invalid argument \"bogus\" for \"--userns\" flag: invalid USER mode"),
            ("--userns 0:65536", "id 0 of the host"),
            ("--userns 100000:0", "one id at least"),
            ("--userns 4294967295:1", "they end at 4294967294"),
            ("--userns 100000:65536:1", "invalid USER mode"),
            ("--userns auto --privileged", "privileged mode is incompatible with user namespaces"),
            ("--userns 100000:65536 --privileged", "privileged mode is incompatible with user namespaces"),
            (
                "--userns auto --network host",
                "cannot share the host's network namespace when user namespaces are enabled",
            ),
            ("--userns auto --pid host", "cannot share the host PID namespace when user namespaces are enabled"),
        ],
    );
}

#[test]
fn namespaces() {
    let h = Host::new();
    h.ok("create --name box busybox true");
    refused(
        &h,
        &[
            ("--ipc bogus", "invalid IPC mode: bogus"),
            ("--ipc container:", "invalid IPC mode: container:"),
            ("--ipc container:nosuch", "No such container: nosuch"),
            ("--ipc container:box", "container box: non-shareable IPC"),
            ("--pid bogus", "--pid: invalid PID mode: bogus"),
            ("--pid container:nosuch", "No such container: nosuch"),
            ("--pid shareable", "--pid: invalid PID mode: shareable"),
            ("--uts bogus", "--uts: invalid UTS mode: bogus"),
            ("--uts container:box", "--uts: invalid UTS mode: container:box"),
            ("--uts host --hostname x", "conflicting options: hostname and the UTS mode"),
            ("--cgroupns bogus", "--cgroupns: invalid CGROUP mode: bogus"),
            ("--shm-size lots", "invalid argument \"lots\" for \"--shm-size\" flag"),
            ("--shm-size -1", "invalid argument \"-1\" for \"--shm-size\" flag"),
            ("--sysctl net.ipv4.ip_forward", "\"--sysctl\" flag"),
            ("--sysctl vm.swappiness=1", "sysctl 'vm.swappiness=1' is not allowed"),
            ("--sysctl net/../kernel/core_pattern=x", "sysctl 'net/../kernel/core_pattern=x' is not allowed"),
            ("--sysctl kernel.hostname=x", "sysctl 'kernel.hostname=x' is not allowed"),
            (
                "--sysctl net.ipv4.ip_forward=1 --network host",
                "sysctl 'net.ipv4.ip_forward' is not allowed: with --network host",
            ),
            ("--sysctl kernel.msgmax=1 --ipc host", "sysctl 'kernel.msgmax' is not allowed: with --ipc host"),
            ("--sysctl kernel.domainname=x --uts host", "sysctl 'kernel.domainname' is not allowed: with --uts host"),
        ],
    );
}

#[test]
fn mounts() {
    let h = Host::new();
    refused(
        &h,
        &[
            ("--mount foo=bar", "invalid argument \"foo=bar\" for \"--mount\" flag: unexpected key 'foo' in 'foo=bar'"),
            ("--mount ''", "\"--mount\" flag"),
            ("--mount type=bind,src=/tmp", "\"type=bind,src=/tmp\" for \"--mount\" flag: target is required"),
            ("--mount type=bind,src=/nosuchx,dst=/m", "bind source path does not exist: /nosuchx"),
            ("--mount type=bind,dst=/m", "field Source must not be empty"),
            ("--mount type=bogus,dst=/m", "invalid mount config for type \"bogus\": mount type unknown"),
            ("--mount type=image,src=busybox,dst=/m", "an image cannot be mounted here"),
            ("--mount type=tmpfs,dst=/m,tmpfs-size=lots", "invalid value for tmpfs-size: lots"),
            ("--mount type=tmpfs,dst=/m,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"),
            ("--mount type=tmpfs,dst=/m,volume-nocopy", "cannot mix 'volume-*' options with mount type 'tmpfs'"),
            ("--mount type=bind,src=/tmp,dst=/m,bind-recursive=readonly", "requires 'readonly' to be specified"),
            ("--mount type=bind,src=/tmp,dst=/m,bind-propagation=up", "invalid propagation mode: up"),
            ("--mount src=vv,dst=/m,volume-subpath=../..", "subpath must be a relative path within the volume"),
            ("--mount src=vv,dst=/m,volume-opt=type=nfs", "volume-opt"),
            ("--mount type=bind,\"src=/tmp,dst=/m", "quoted-field"),
            ("--mount type=tmpfs,dst=/", "destination can't be '/'"),
            ("--tmpfs run", "invalid mount path: 'run' mount path must be absolute"),
            ("--tmpfs /", "destination can't be '/'"),
            ("--tmpfs /m:bogus", "invalid tmpfs option \"bogus\""),
            ("--tmpfs /m:size=lots", "invalid tmpfs option \"size=lots\""),
            ("-v /tmp:/m --tmpfs /m", "Duplicate mount point: /m"),
            ("--tmpfs /m --tmpfs /m/", "Duplicate mount point: /m"),
            ("-v vv:/m --mount src=ww,dst=/x/../m", "Duplicate mount point: /m"),
        ],
    );
}

#[test]
fn devices() {
    let h = Host::new();
    let file = h.write("file", "");
    let missing = "error gathering device information while adding custom device";
    refused(
        &h,
        &[
            ("--device /dev/nosuch", "while adding custom device \"/dev/nosuch\": no such file or directory"),
            (&format!("--device {file}:/dev/x"), "not a device node"),
            ("--device /proc/self/fdinfo:/dev/x", missing),
            (
                "--device dev/null",
                "invalid argument \"dev/null\" for \"--device\" flag: dev/null is not an absolute path",
            ),
            ("--device /dev/null:/dev/x:q", "bad mode specified: q"),
            ("--device ''", "bad format for path"),
            ("--device-cgroup-rule 'c 1:3'", "invalid device cgroup format 'c 1:3'"),
            ("--device-cgroup-rule 'x 1:3 rwm'", "invalid device cgroup format 'x 1:3 rwm'"),
            ("--device-read-bps /dev/null", "bad format: /dev/null"),
            ("--device-read-bps /tmp/x:1m", "bad format for device path: /tmp/x:1m"),
            ("--device-write-bps /dev/null:1m", "--device-write-bps /dev/null"),
            ("--device-read-iops /dev/nosuch:5", "--device-read-iops /dev/nosuch: no such file or directory"),
            ("--device-write-iops /dev/null:1m", "invalid rate for device: /dev/null:1m"),
        ],
    );
}

#[test]
fn limits() {
    refused(
        &Host::new(),
        &[
            ("--ulimit nofile", "invalid argument \"nofile\" for \"--ulimit\" flag: invalid ulimit argument: nofile"),
            ("--ulimit bogus=1", "invalid ulimit type: bogus"),
            ("--ulimit nofile=x", "invalid ulimit value: x"),
            ("--ulimit nofile=2:1", "ulimit soft limit must be less than or equal to hard limit: 2 > 1"),
            ("--ulimit nofile=99999999999999999999", "invalid ulimit value"),
            ("--memory-swap 20m", "You should always set the Memory limit when using Memoryswap limit"),
            ("-m 20m --memory-swap 10m", "Minimum memoryswap limit should be larger than memory limit"),
            ("--memory-swap -2", "invalid argument \"-2\" for \"--memory-swap\" flag"),
            ("--memory-reservation 1m", "Minimum memory reservation allowed is 6MB"),
            ("-m 10m --memory-reservation 20m", "can not be less than memory reservation limit"),
            ("--memory-swappiness 101", "Valid memory swappiness range is 0-100"),
            ("--memory-swappiness x", "\"--memory-swappiness\" flag"),
            ("--oom-score-adj 1001", "Invalid value 1001, range for oom score adj is [-1000, 1000]"),
            ("--oom-score-adj x", "\"--oom-score-adj\" flag"),
            ("--blkio-weight 5", "Range of blkio weight is from 10 to 1000"),
            ("--blkio-weight 1001", "Range of blkio weight is from 10 to 1000"),
            ("--cpu-period 999", "CPU cfs period can not be less than 1ms"),
            ("--cpu-quota 999", "CPU cfs quota can not be less than 1ms"),
            ("--cpus 1 --cpu-period 100000", "Conflicting options: Nano CPUs (--cpus) and CPU Period (--cpu-period)"),
            ("--cpus 1 --cpu-quota 5000", "Conflicting options: Nano CPUs (--cpus) and CPU Quota (--cpu-quota)"),
            ("--cgroup-parent ../x", "invalid argument \"../x\" for \"--cgroup-parent\" flag"),
        ],
    );
}

#[test]
fn a_bad_flag_is_found_before_an_image_file_is_imported() {
    let h = Host::empty();
    h.run("images").ok();
    let before = h.snapshot();
    let tar = crate::host::busybox_tar();
    for flags in ["--cap-add BOGUS", "--device /dev/nosuch", "--userns 0:1", "--tmpfs x", "--ulimit x", "-h 'a b'"] {
        h.run(&format!("create {flags} {tar} true")).exits(125);
    }
    h.unchanged(&before);
}

#[test]
fn exec_reads_files_too() {
    let h = Host::new();
    h.idle("--name box");
    let path = h.write("env", "A=1\nB=2\n");
    let seen = h.ok(&format!("exec --env-file {path} -e B=3 box env"));
    assert!(seen.contains("A=1\n") && seen.contains("B=3"), "{seen}");
    h.run("exec --env-file /nosuch box env").fails(125, "/nosuch");
}

#[test]
fn ranges_of_ids_are_not_given_twice() {
    let h = Host::new();
    let made: Vec<_> = (0..4).map(|_| h.spawn("create --userns auto busybox true")).collect();
    let ids: Vec<String> = made.into_iter().map(|run| run.wait().ok()).collect();
    let first = |id: &String| {
        let record = std::fs::read_to_string(h.store.join("containers").join(id.trim()).join("config.json")).unwrap();
        record.split("\"ids\":{\"first\":").nth(1).unwrap().split(',').next().unwrap().parse::<u32>().unwrap()
    };
    let mut firsts: Vec<u32> = ids.iter().map(first).collect();
    firsts.sort_unstable();
    assert!(firsts.windows(2).all(|pair| pair[1] - pair[0] >= 65_536), "{firsts:?}");
    h.ok(&format!("rm {}", ids[0].trim()));
    let again = h.ok("create --userns auto busybox true");
    assert!(firsts.contains(&first(&again)), "a range that is free again is used again");
}

#[test]
fn a_damaged_record_that_may_own_ids_stops_the_choice() {
    let h = Host::new();
    let id = h.idle("--name box");
    let config = h.store.join("containers").join(id.trim()).join("config.json");
    let record = std::fs::read(&config).unwrap();
    std::fs::write(&config, "{").unwrap();
    let before = h.snapshot();
    h.run("create --userns auto busybox true").fails(125, "--userns=auto cannot choose: container");
    h.unchanged(&before);
    h.ok("create --userns 700000:65536 busybox true");
    std::fs::write(&config, record).unwrap();
    h.ok("rm -f box");
}

#[test]
fn what_is_asked_is_written_down() {
    let h = Host::new();
    h.ok("create --name donor --ipc shareable busybox true");
    let (dir, profile) = (h.path(""), h.write("p.json", "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}"));
    let id = h.ok(&format!(
        "create --cap-add net_admin --cap-drop ALL --security-opt no-new-privileges --security-opt seccomp={profile} \
         --security-opt systempaths=unconfined --group-add 5 --group-add audio --read-only --tmpfs /run:size=1m,mode=700 \
         --mount type=bind,src={dir},dst=/m,ro,bind-recursive=writable --device /dev/null:/dev/zilch:r \
         --device-cgroup-rule 'c 10:200 rwm' --shm-size 32m --ulimit nofile=100:200 --sysctl net.ipv4.ip_forward=1 \
         -m 20m --memory-swap -1 --memory-reservation 10m --oom-score-adj 500 --blkio-weight 300 --cpu-period 50000 \
         --cpu-quota 25000 --cgroup-parent /ours --cgroupns host --ipc container:donor --pid host --uts host --init \
         --umask 077 busybox true"
    ));
    let record = std::fs::read_to_string(h.store.join("containers").join(id.trim()).join("config.json")).unwrap();
    for part in [
        "\"cap_add\":[\"CAP_NET_ADMIN\"],\"cap_drop\":[\"ALL\"]",
        "\"seccomp\":\"{\\\"defaultAction\\\":",
        "\"no_new_privileges\":true,\"unmasked\":true",
        "\"groups\":[\"5\",\"audio\"],\"umask\":63",
        "\"target\":\"/run\",\"read_only\":false,\"mode\":\"rw,nosuid,nodev,noexec,size=1m,mode=700\"",
        "\"recursion\":\"writable\"",
        "\"source\":\"/dev/null\",\"target\":\"/dev/zilch\",\"access\":\"r\"",
        "\"device_rules\":[\"c 10:200 rwm\"]",
        "\"shm_bytes\":33554432",
        "\"name\":\"nofile\",\"soft\":100,\"hard\":200",
        "\"sysctls\":{\"net.ipv4.ip_forward\":\"1\"}",
        "\"memory\":20971520,\"memory_swap\":-1,\"memory_reservation\":10485760",
        "\"cpu_period\":50000,\"cpu_quota\":25000",
        "\"blkio_weight\":300",
        "\"cgroup_parent\":\"ours\"",
        "\"oom_score_adj\":500,\"init\":true",
        "\"read_only\":true,\"shm_bytes\"",
        "\"ipc\":{\"of\":\"container\",\"container\":\"",
        "\"pid\":{\"of\":\"host\"",
        "\"uts\":{\"of\":\"host\"",
        "\"cgroup\":{\"of\":\"host\"",
    ] {
        assert!(record.contains(part), "{part} is not in {record}");
    }
}
