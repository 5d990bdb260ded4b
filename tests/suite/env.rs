//! The environment and the place a command starts in.

use crate::host::Host;

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[test]
fn nothing_of_the_hosts_environment_gets_in() {
    let h = Host::new();
    let env = h.cmd("run --rm --hostname box busybox env").env("SECRET", "x").run().ok();
    assert_eq!(env, format!("{PATH}\nHOSTNAME=box\nHOME=/root"));
}

#[test]
fn e_sets_and_copies() {
    let h = Host::new();
    let line = "run --rm --hostname box -e FOO -e NOSUCH -e BAR=1 -e EMPTY= -e BAR=2 busybox env";
    let env = h.cmd(line).env("FOO", "from host").run().ok();
    assert_eq!(env, format!("{PATH}\nHOSTNAME=box\nFOO=from host\nBAR=2\nEMPTY=\nHOME=/root"));
}

#[test]
fn e_replaces_what_is_always_there() {
    let h = Host::new();
    assert_eq!(h.ok("run --rm -e HOME=/h -e PATH=/bin busybox sh -c 'echo $HOME $PATH'"), "/h /bin");
}

#[test]
fn a_variable_without_a_name_is_refused() {
    let h = Host::new();
    h.run("run -e =x busybox true").fails(125, "=x");
}

#[test]
fn env_files_are_read_as_docker_does() {
    let h = Host::new();
    h.write("file", "A=1\n# c\n  B= two \nPATHX\nC=\"q\"\n\nD\n");
    let env = h.cmd("run --rm --hostname box --env-file file -e A=over busybox env").env("D", "host").run().ok();
    assert_eq!(env, format!("{PATH}\nHOSTNAME=box\nA=over\nB= two \nC=\"q\"\nD=host\nHOME=/root"));
}

#[test]
fn bad_env_files_are_refused() {
    let h = Host::new();
    h.write("file", "A B=1\n");
    h.run("run --env-file file busybox true").fails(125, "variable 'A B' contains whitespaces");
    h.run("run --env-file /nonexistent busybox true").fails(125, "/nonexistent");
}

#[test]
fn the_working_directory_is_made_when_missing() {
    let h = Host::new();
    assert_eq!(h.ok("run --rm busybox pwd"), "/");
    assert_eq!(h.ok("run --rm -w /made/here busybox pwd"), "/made/here");
    h.run("run -w rel busybox pwd").fails(125, "the working directory 'rel' is invalid");
}

#[test]
fn users_are_looked_up_in_the_image() {
    let h = Host::new();
    let id = |user: &str| h.ok(&["run", "--rm", "-u", user, "busybox", "id"]);
    assert_eq!(id("4242:4343"), "uid=4242 gid=4343 groups=4343");
    assert_eq!(id("user1"), "uid=1000(user1) gid=1000(user1) groups=10(wheel),1000(user1)");
    assert_eq!(id("user1:daemon"), "uid=1000(user1) gid=1(daemon) groups=1(daemon)");
    assert_eq!(id("1000"), "uid=1000(user1) gid=1000(user1) groups=10(wheel),1000(user1)");
    assert_eq!(id("0"), "uid=0(root) gid=0(root) groups=0(root)");
}

#[test]
fn unknown_users_are_refused() {
    let h = Host::new();
    let before = h.snapshot();
    h.run("run -u nosuchuser busybox id").fails(125, "unable to find user nosuchuser");
    h.run("run -u root:nosuchgroup busybox id").fails(125, "nosuchgroup");
    h.unchanged(&before);
}

#[test]
fn a_user_has_a_home() {
    let h = Host::new();
    assert_eq!(h.ok("run --rm -u user1 busybox sh -c 'echo $HOME'"), "/home/user1");
    assert_eq!(h.ok("run --rm -u 4242 busybox sh -c 'echo $HOME'"), "/");
}

#[test]
fn a_user_has_no_capabilities() {
    let h = Host::new();
    let caps = h.ok("run --rm -u user1 busybox grep -E 'Cap(Eff|Prm)' /proc/self/status");
    assert_eq!(caps, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000");
}

#[test]
fn the_hostname_is_the_short_id_or_what_was_asked() {
    let h = Host::new();
    assert_eq!(h.ok("run --rm --hostname foo busybox hostname"), "foo");
    assert_eq!(h.ok("run --rm -h foo busybox cat /etc/hostname"), "foo");
    let id = h.ok("run -d --name box busybox sh -c 'hostname; sleep 1000'");
    crate::process::until("it says its name", || h.ok("logs box") == id[..12]);
    h.run("run --hostname bad/name busybox true").fails(125, "bad/name");
}

#[test]
fn the_entrypoint_can_be_replaced_and_cleared() {
    let h = Host::new();
    assert_eq!(h.ok("run --rm --entrypoint /bin/echo busybox a b"), "a b");
    h.ok(&["import", "-c", "ENTRYPOINT [\"echo\", \"in\"]", "-c", "CMD [\"x\"]", crate::host::busybox_tar(), "ent"]);
    assert_eq!(h.ok("run --rm ent"), "in x");
    assert_eq!(h.ok("run --rm ent y z"), "in y z");
    assert_eq!(h.ok(&["run", "--rm", "--entrypoint", "", "ent", "echo", "hi"]), "hi");
    h.run("run --rm --entrypoint '' ent").fails(125, "no command specified");
}
