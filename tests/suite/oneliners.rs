//! Lines as people type them at a prompt and into scripts, with `docker` being this program.

use crate::host::Host;
use crate::process::{Cmd, Output};

/// A host on whose $PATH our binary is called docker.
fn docker() -> Host {
    let h = Host::new();
    std::fs::create_dir(h.dir.join("bin")).unwrap();
    std::os::unix::fs::symlink(crate::host::binary(), h.dir.join("bin/docker")).unwrap();
    h
}

/// What a shell makes of the line.
fn sh(h: &Host, line: &str) -> Output {
    Cmd::new(h, "sh", &["-c", line]).env("PATH", &format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", h.path("bin"))).run()
}

/// What a line answers that works, and says nothing to stderr.
#[track_caller]
fn answer(h: &Host, line: &str) -> String {
    sh(h, line).ok()
}

/// A container that does nothing, as people start one.
const BUSY: &str = "busybox sh -c 'trap \"exit 0\" TERM; sleep 1000 & wait'";

#[test]
fn running() {
    let h = docker();
    assert_eq!(answer(&h, "docker run --rm busybox echo hello | tr a-z A-Z"), "HELLO");
    assert_eq!(answer(&h, "docker run --rm busybox sh -c 'exit 3'; echo $?"), "3");
    assert_eq!(answer(&h, "docker run --rm busybox nosuch 2>/dev/null; echo $?"), "127");
    assert_eq!(answer(&h, "docker run --rm -v $PWD:/w -w /w busybox sh -c 'echo made >file' && cat file"), "made");
    assert_eq!(answer(&h, "A=1 B=2 docker run --rm -e A -e B=3 busybox sh -c 'echo $A$B'"), "13");
    assert_eq!(answer(&h, "mkdir d; echo x >d/f; tar c d | docker run --rm -i busybox tar xO"), "x");
    let both = "docker run --rm busybox sh -c 'echo o; echo e >&2' >out 2>err; cat err out";
    assert_eq!(answer(&h, both), "e\no");
    assert_eq!(answer(&h, "docker wait $(docker run -d busybox sh -c 'exit 7')"), "7");
    assert_eq!(answer(&h, "docker run --rm busybox wc -c </etc/passwd"), "0"); // without -i there is no input
    assert_eq!(answer(&h, "docker run -d --rm --name gone busybox sleep 1 >/dev/null && docker wait gone"), "0");
}

#[test]
fn cleaning_up() {
    let h = docker();
    let three = "for n in 1 2 3; do docker run -d --name box$n ";
    answer(&h, &format!("{three}{BUSY}; done"));
    assert_eq!(answer(&h, "docker ps -q | wc -l").trim(), "3");
    assert_eq!(answer(&h, "docker ps --format '{{.Names}}' | sort | tr '\\n' ' '"), "box1 box2 box3 ");
    assert_eq!(answer(&h, "docker stop $(docker ps -q) | wc -l").trim(), "3");
    assert_eq!(
        answer(&h, "docker ps -a --filter status=exited --format '{{.Names}} {{.State}}' | head -1"),
        "box3 exited"
    );
    let ids = answer(&h, "docker ps -aq");
    assert_eq!(answer(&h, "docker rm $(docker ps -aq)"), ids);
    assert_eq!(answer(&h, "docker ps -aq | xargs -r docker rm"), "");
    answer(&h, "docker create --name old busybox true");
    let pruned = answer(&h, "docker container prune -f");
    assert!(
        pruned.starts_with("Deleted Containers:\n") && pruned.ends_with("\n\nTotal reclaimed space: 0B"),
        "{pruned}"
    );
    assert_eq!(answer(&h, "docker rm -f nosuch"), "");
    let output = sh(&h, "docker rm nosuch").exits(1);
    assert!(output.err.contains("No such container: nosuch"), "{output:?}");
    assert_eq!(answer(&h, "docker rmi $(docker images -q) | grep -c Deleted"), "2");
}

#[test]
fn asking() {
    let h = docker();
    answer(&h, &format!("docker run -d --name web -l tier=front -e A=b -v $PWD:/w:ro {BUSY}"));
    answer(&h, "docker run --name done busybox sh -c 'exit 4'; :");
    assert_eq!(answer(&h, "docker inspect -f '{{.State.ExitCode}}' done"), "4");
    let is_up = "[ \"$(docker inspect -f '{{.State.Running}}' web 2>/dev/null)\" = true ] && echo up";
    assert_eq!(answer(&h, is_up), "up");
    assert_eq!(answer(&h, "docker inspect nosuch >/dev/null 2>&1 || echo missing"), "missing");
    let mounts = "docker inspect -f '{{range .Mounts}}{{.Source}}:{{.Destination}}:{{.RW}}{{end}}' web";
    assert_eq!(answer(&h, mounts), format!("{}:/w:false", h.dir.display()));
    assert_eq!(answer(&h, "docker inspect -f '{{range .Config.Env}}{{println .}}{{end}}' web | grep ^A="), "A=b");
    assert_eq!(answer(&h, "docker inspect -f '{{json .Config.Labels}}' web"), "{\"tier\":\"front\"}");
    assert_eq!(answer(&h, "docker inspect -f '{{.Name}}' web done | tr -d /"), "web\ndone");
    assert_eq!(answer(&h, "docker ps -qf label=tier=front --no-trunc"), answer(&h, "docker inspect -f '{{.Id}}' web"));
    assert_eq!(answer(&h, "docker ps -aqf name=^done$ | wc -c").trim(), "13");
    assert_eq!(answer(&h, "test -d /proc/$(docker inspect -f '{{.State.Pid}}' web) && echo alive"), "alive");
    assert_eq!(answer(&h, "docker images --format '{{.Repository}}:{{.Tag}}'"), "busybox:latest");
    assert_eq!(answer(&h, "docker image inspect -f '{{.Os}} {{len .RootFS.Layers}}' busybox"), "linux 1");
    assert_eq!(answer(&h, "docker top web | head -1 | cut -c1-3"), "UID");
    assert_eq!(answer(&h, "docker stats --no-stream --format '{{.Name}} {{.PIDs}}'"), "web 2");
    assert_eq!(answer(&h, "docker port web"), "");
    assert_eq!(answer(&h, "docker ps -l --format '{{.Names}} {{.Status}}' | cut -d' ' -f1-3"), "done Exited (4)");
}

#[test]
fn looking_inside() {
    let h = docker();
    let lines = "sh -c 'for n in 1 2 3 4 5 6 7 8; do echo line $n; done; echo bad >&2; trap \"exit 0\" TERM; sleep 1000 & wait'";
    answer(&h, &format!("docker run -d --name box busybox {lines}"));
    crate::process::until("it has written all", || answer(&h, "docker logs box 2>&1").contains("bad"));
    assert_eq!(answer(&h, "docker logs --tail 5 box 2>&1 | grep -c line"), "4");
    assert_eq!(answer(&h, "docker logs box 2>/dev/null | tail -1"), "line 8");
    assert_eq!(answer(&h, "printf 'cd /etc\\npwd\\n' >script; docker exec -i box sh <script"), "/etc");
    assert_eq!(answer(&h, "docker exec -u 1000 -w /tmp box sh -c 'pwd; id -u'"), "/tmp\n1000");
    assert_eq!(answer(&h, "docker exec box sh -c 'exit 9'; echo $?"), "9");
    assert_eq!(
        answer(&h, "docker commit -m try box box:new | cut -c1-7; docker run --rm box:new echo ok"),
        "sha256:\nok"
    );
    assert_eq!(answer(&h, "docker kill -s TERM box && docker wait box"), "box\n0");
    let wrong = sh(&h, "docker exec box true").exits(1);
    assert!(wrong.err.contains("is not running"), "{wrong:?}");
    let tty = sh(&h, "docker run -it --rm busybox true </dev/null").exits(1);
    assert!(tty.err.contains("the input device is not a TTY"), "{tty:?}");
}

#[test]
fn living() {
    let h = docker();
    answer(&h, &format!("docker run -d --restart unless-stopped --name box {BUSY}"));
    let policy = "docker inspect -f '{{.HostConfig.RestartPolicy.Name}} {{.RestartCount}}' box";
    assert_eq!(answer(&h, policy), "unless-stopped 0");
    assert_eq!(answer(&h, "docker restart -t 1 box"), "box");
    assert_eq!(answer(&h, "docker update --restart no box"), "box");
    assert_eq!(answer(&h, policy), "no 0");
    assert_eq!(answer(&h, "docker rename box other && docker ps --format '{{.Names}}'"), "other");
    assert_eq!(answer(&h, "docker stop -t 5 other && docker start other && docker rm -f other"), "other\nother\nother");
}

#[test]
fn moving_files() {
    let h = docker();
    answer(&h, &format!("docker run -d --name box {BUSY}"));
    assert_eq!(answer(&h, "echo mine >f; docker cp f box:/tmp/f 2>/dev/null; docker exec box cat /tmp/f"), "mine");
    assert_eq!(answer(&h, "docker cp box:/tmp/f - | tar xO"), "mine");
    assert_eq!(answer(&h, "docker diff box | grep /tmp"), "C /tmp\nA /tmp/f");
}
