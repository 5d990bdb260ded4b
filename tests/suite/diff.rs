//! `diff`: what a container added, changed and deleted.

use crate::host::Host;

#[test]
fn what_changed_is_told_running_and_stopped() {
    let h = Host::new();
    let change = "echo new >/newf; rm /etc/group; mkdir -p /d/e /d.x; echo ready; exec sleep 1000";
    h.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", change]);
    crate::process::until("it changed its files", || h.ok("logs box") == "ready");
    let wanted = "A /d\nA /d/e\nA /d.x\nC /etc\nD /etc/group\nA /newf";
    assert_eq!(h.ok("diff box"), wanted);
    h.ok("stop -t 0 box");
    assert_eq!(h.ok("container diff box"), wanted);
    h.ok("create --name fresh busybox true");
    assert_eq!(h.ok("diff fresh"), "");
    h.run("diff nosuch").fails(1, "No such container: nosuch");
    h.run("diff box fresh").exits(1);
}

#[test]
fn only_what_is_different_is_a_change() {
    let h = Host::new();
    let change = "touch -r /etc/passwd /tmp/time; echo x >>/etc/passwd; \
                  chmod 600 /etc/group; \
                  cat /etc/shadow >/dev/null 2>&1; : >>/var/log/x; rm /var/log/x; \
                  ln -s x /tmp/l; mkfifo /tmp/p; rm /tmp/time; \
                  rmdir /run; echo file >/run; rm -r /home; mkdir /home; touch /home/new; \
                  chown 5 /usr/local";
    h.ok(&["run", "--name", "box", "busybox", "sh", "-c", change]);
    assert_eq!(
        h.ok("diff box"),
        "C /etc\nC /etc/group\nC /etc/passwd\nC /home\nA /home/new\nD /home/user1\nC /run\nC /tmp\nA /tmp/l\nA /tmp/p\n\
         C /usr\nC /usr/local"
    );
}

#[test]
fn every_layer_below_counts() {
    let h = Host::new();
    // One layer makes, the next one hides, the third makes anew.
    for script in ["mkdir -p /d/s; touch /d/a /d/s/b /gone /file", "rm /gone; rm -r /d; mkdir -p /d/s; touch /d/s/c"] {
        let image = if script.starts_with("mkdir") { "busybox" } else { "pile" };
        h.ok(&["run", "--name", "box", image, "sh", "-c", script]);
        h.ok("commit box pile");
        h.ok("rm box");
    }
    let change = "touch /gone /d/a; echo x >/d/s/c; rm /file; mkdir /file; touch /file/in";
    h.ok(&["run", "--name", "box", "pile", "sh", "-c", change]);
    assert_eq!(h.ok("diff box"), "C /d\nA /d/a\nC /d/s\nC /d/s/c\nC /file\nA /file/in\nA /gone");
    h.ok("rm box");
    h.ok("run --name box pile sh -c 'rm -r /d; mkdir -p /d/s'");
    assert_eq!(h.ok("diff box"), "C /d\nC /d/s\nD /d/s/c");
}

#[test]
fn what_we_mount_is_no_change_and_a_directory_has_nothing_to_compare() {
    let h = Host::new();
    h.ok("run --name box -v vol:/data --tmpfs /tmp -w /work busybox touch /data/x /tmp/y");
    assert_eq!(h.ok("diff box"), "A /data\nA /work");
    h.ok(&format!("create --name dir --rootfs {} true", h.dir.display()));
    h.run("diff dir").fails(1, "there is nothing to compare it with");
}
