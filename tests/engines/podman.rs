//! What only podman has.

use crate::checks;
use crate::stage::Stage;

pub const CHECKS: &[crate::Check] = checks![the_runtime_is_ours, health, user_namespace, umask, a_hook, by_systemd_not];

/// Imports the image.
pub fn open(s: &Stage) {
    s.ok(&format!("engine import {} busybox", s.image));
    // What `--init` mounts into containers.
    s.ok("printf '\\n' >>$CONTAINERS_CONF; sed -i \"/^\\[containers\\]/a init_path = \\\"$(command -v tini-static)\\\"\" $CONTAINERS_CONF");
}

fn the_runtime_is_ours(s: &Stage) {
    s.idle("box", "");
    assert_eq!(s.field("box", "OCIRuntime"), s.runtime);
    s.remove("box");
}

fn health(s: &Stage) {
    let flags = "--health-cmd 'test -e /tmp/healthy' --health-interval disable --health-retries 1";
    s.idle("box", flags);
    s.exits(1, "engine healthcheck run box");
    s.ok("engine exec box touch /tmp/healthy && engine healthcheck run box");
    s.remove("box");
}

fn user_namespace(s: &Stage) {
    let flags = "--uidmap 0:100000:65536 --gidmap 0:200000:65536";
    let script = "cat /proc/self/uid_map /proc/self/gid_map | tr -s \" \"; stat -c %u:%g /etc/passwd; touch /x && echo writes; id -u";
    let shown = s.ok(&format!("engine run --rm --network none {flags} busybox sh -c '{script}'"));
    assert_eq!(shown, " 0 100000 65536\n 0 200000 65536\n0:0\nwrites\n0");
    // Who joins gets the same ids.
    s.idle("box", flags);
    let pid = s.field("box", "State.Pid");
    assert_eq!(s.ok(&format!("stat -c %u:%g /proc/{pid}")), "100000:200000");
    assert_eq!(s.ok("engine exec box sh -c 'id -u; cat /proc/self/uid_map | tr -s \" \"'"), "0\n 0 100000 65536");
    let joins = "--network container:box --userns container:box";
    assert_eq!(s.ok(&format!("engine run --rm {joins} busybox cat /proc/self/uid_map | tr -s ' '")), " 0 100000 65536");
    s.remove("box");
}

fn umask(s: &Stage) {
    assert_eq!(s.ok("engine run --rm --network none --umask 0077 busybox sh -c umask"), "0077");
}

/// podman writes hooks of a directory into config.json.
fn a_hook(s: &Stage) {
    let hook = s.write("hook.sh", "#!/bin/sh\ncat >DIR/hook-$1\n".replace("DIR", s.dir.to_str().unwrap()).as_str());
    s.ok(&format!("chmod 755 {hook}"));
    for stage in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
        s.write(
            &format!("hooks/{stage}.json"),
            &format!(
                r#"{{"version":"1.0.0","hook":{{"path":"{hook}","args":["hook","{stage}"]}},"when":{{"always":true}},"stages":["{stage}"]}}"#
            ),
        );
    }
    let id = s.ok("podman --runtime RUNTIME --hooks-dir DIR/hooks run -d --network none busybox sleep 1000");
    s.remove(&id);
    for (stage, status) in [
        ("prestart", ""),
        ("createRuntime", ""),
        ("createContainer", ""),
        ("poststart", "running"),
        ("poststop", "stopped"),
    ] {
        let state = s.ok(&format!("cat hook-{stage}"));
        assert!(state.contains(&format!("\"id\":\"{id}\"")), "{stage}: {state}");
        // runc says "created" to those after the start.
        assert!(
            status.is_empty()
                || stage == "poststart" && !s.is_ours()
                || state.contains(&format!("\"status\":\"{status}\"")),
            "{stage}: {state}"
        );
    }
}

/// An engine that leaves cgroups to systemd is told so, and nothing stays.
fn by_systemd_not(s: &Stage) {
    let said = s.line("podman --runtime RUNTIME --cgroup-manager systemd run --rm --network none busybox true").run();
    assert!(said.code != 0, "{said:?}");
    assert_eq!(s.ok("engine ps -aq"), "");
}
