//! One bundle under our runtime, runc and crun: what the program in it sees.
//!
//! Every line that runc and crun agree on is what ours says, too, and ours says nothing that neither of them does.

use crate::bundle::Bundle;
use crate::checks;
use crate::process::until_is;
use crate::stage::{Stage, cgroups};
use std::collections::BTreeSet;

pub const CHECKS: &[crate::Check] =
    checks![as_umoci_makes_it, as_an_engine_makes_it, with_everything, in_a_user_namespace];

/// What a program sees, a fact a line. Left out is what the two do each in its way:
/// - ignored signals, which they hand on from their callers, and we do not;
/// - what a mount calls its source, and whether it follows the host's;
/// - size, mode and options of the empty directories that cover /sys/firmware and hold cgroup v1: ours cannot be written to.
const REPORT: &str = r#"
id; umask; pwd; hostname; cat /proc/sys/kernel/domainname
env | sort
grep -E "^(Uid|Gid|Groups|Cap|NoNew|Seccomp:|Sig(Pnd|Blk|Cgt)|Umask|Cpus_allowed_list|Threads)" /proc/self/status
sed "s/^/limit /" /proc/self/limits
echo "oom $(cat /proc/self/oom_score_adj)"
awk '{
    at = 7; while ($at != "-") at++
    covers = $5 == "/sys/firmware" || $5 == "/sys/fs/cgroup"
    print "mount " $5, $(at + 1), covers ? "" : $4 " " $6 " " $(at + 3)
}' /proc/self/mountinfo
find /dev -path /dev/pts/[0-9]* -o -exec stat -c "%A %u:%g %t:%T %N" {} +
for n in 0 1 2 3 4; do test -e /proc/$$/fd/$n && echo "descriptor $n"; done
sed "s/^/cgroup /" /proc/self/cgroup
for f in memory/memory.limit_in_bytes pids/pids.max cpu/cpu.shares cpu/cpu.cfs_quota_us devices/devices.list cpuset/cpuset.cpus \
    memory.max pids.max cpu.max cpu.weight cpuset.cpus; do
    test -e /sys/fs/cgroup/$f && sed "s|^|$f |" /sys/fs/cgroup/$f
done
for n in uid gid; do sed "s/^/$n map /" /proc/self/${n}_map; done
for f in /proc/kcore /proc/timer_list /proc/sys /proc/sysrq-trigger /proc/bus; do
    test -e $f && echo "$f $(stat -c %F $f) $(test -w $f && echo writable)"
done
cd /proc/sys; for f in net/ipv4/ip_unprivileged_port_start kernel/msgmax; do echo "$f $(cat $f)"; done
echo "personality $(uname -m) $(cat /proc/self/personality 2>/dev/null)"
unshare -U true 2>/dev/null && echo "may unshare"
mkdir /tmp/made 2>&1; rmdir /tmp/made 2>/dev/null
echo "session $(cat /proc/self/sessionid 2>/dev/null) $(cut -d' ' -f5-8 /proc/self/stat | sed 's/[0-9]\+/n/g')"
"#;

/// What the bundle's program says under a runtime.
#[track_caller]
fn report(s: &Stage, runtime: &str, change: impl Fn(&mut Bundle)) -> BTreeSet<String> {
    let mut b = Bundle::new(s, REPORT).under(runtime);
    // The same name for all.
    b.set("linux.cgroupsPath", &format!("\"/{}-same\"", s.name));
    change(&mut b);
    b.create();
    b.ok("runtime start ID");
    until_is("stopped", || b.status());
    b.ok("runtime delete ID");
    until_is("", || cgroups("-same").iter().map(|path| path.display().to_string()).collect());
    b.said().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[track_caller]
fn same(s: &Stage, change: impl Fn(&mut Bundle)) {
    let [runc, crun, ours] = ["runc", "crun", &s.runtime].map(|runtime| report(s, runtime, &change));
    assert!(runc.len() > 60, "{runc:?}");
    let missing: Vec<&String> = runc.intersection(&crun).filter(|line| !ours.contains(*line)).collect();
    let strange: Vec<&String> = ours.iter().filter(|line| !runc.contains(*line) && !crun.contains(*line)).collect();
    assert!(missing.is_empty() && strange.is_empty(), "missing: {missing:#?}\nstrange: {strange:#?}");
}

fn as_umoci_makes_it(s: &Stage) {
    same(s, |_| {});
}

/// docker's capabilities, masks and limits.
fn as_an_engine_makes_it(s: &Stage) {
    let names = "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE";
    let names: Vec<String> = names.split(' ').map(|name| format!("\"CAP_{name}\"")).collect();
    let names = names.join(",");
    same(s, |b| {
        b.set(
            "process.capabilities",
            &format!(r#"{{"bounding":[{names}],"effective":[{names}],"permitted":[{names}]}}"#),
        );
        b.unset("process.noNewPrivileges").unset("process.rlimits");
        b.add("linux.namespaces", r#"{"type":"cgroup"}"#);
        b.set("linux.resources.memory", r#"{"limit":67108864}"#).set("linux.resources.pids", r#"{"limit":77}"#);
        b.set("linux.resources.cpu", r#"{"shares":512,"quota":50000,"period":100000,"cpus":"0"}"#);
        b.set("process.oomScoreAdj", "100");
        b.set("linux.rootfsPropagation", "\"rprivate\"");
    });
}

fn with_everything(s: &Stage) {
    s.ok("mkdir -p shared/below && echo content >shared/file");
    let shared = s.dir.join("shared").display().to_string();
    same(s, |b| {
        b.set("process.user", r#"{"uid":1000,"gid":10,"umask":23,"additionalGids":[20,30]}"#);
        b.set("process.cwd", "\"/tmp\"").set("hostname", "\"its-name\"").set("root.readonly", "true");
        b.add("process.env", "\"WORDS=a b\"");
        b.set(
            "process.rlimits",
            r#"[{"type":"RLIMIT_NOFILE","soft":100,"hard":200},{"type":"RLIMIT_CORE","soft":0,"hard":0}]"#,
        );
        b.set("process.noNewPrivileges", "true");
        b.set("linux.sysctl", r#"{"net.ipv4.ip_unprivileged_port_start":"7","kernel.msgmax":"4242"}"#);
        b.add("mounts", &format!(r#"{{"destination":"/home","type":"bind","source":"{shared}","options":["rbind","ro","nosuid","rprivate"]}}"#));
        b.add(
            "mounts",
            &format!(r#"{{"destination":"/etc/passwd","type":"bind","source":"{shared}/file","options":["bind"]}}"#),
        );
        b.add(
            "mounts",
            r#"{"destination":"/run","type":"tmpfs","source":"mine","options":["noexec","size=1m","mode=700"]}"#,
        );
        b.add(
            "linux.devices",
            r#"{"type":"c","path":"/dev/mine","major":10,"minor":229,"fileMode":416,"uid":1000,"gid":10}"#,
        );
        b.add("linux.resources.devices", r#"{"allow":true,"type":"c","major":10,"minor":229,"access":"rw"}"#);
        b.set(
            "linux.seccomp",
            r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],
            "syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}"#,
        );
    });
}

fn in_a_user_namespace(s: &Stage) {
    same(s, |b| {
        b.map_ids().set("process.oomScoreAdj", "100");
        b.add("linux.namespaces", r#"{"type":"user"}"#).add("linux.namespaces", r#"{"type":"cgroup"}"#);
    });
}
