//! `import`, `images`, `rmi`, and images named by their file.

use crate::host::{Host, busybox_tar};
use std::fs;

/// Makes an archive of the busybox with one more file.
fn archive(h: &Host, path: &str, content: &str) -> String {
    let copy = h.write(path, fs::read(busybox_tar()).unwrap());
    h.write("mark", content);
    h.sh(&format!("tar -rf {copy} --owner=0 --group=0 mark"));
    copy
}

fn count(h: &Host, dir: &str) -> usize {
    fs::read_dir(h.store.join(dir)).unwrap().count()
}

#[test]
fn import_prints_the_id_and_names_the_image() {
    let h = Host::empty();
    let id = h.ok(&["import", busybox_tar(), "some/name:1.0"]);
    assert!(id.len() == 71 && id.starts_with("sha256:"), "{id}");
    assert_eq!(
        h.ok(&["images", "--format", "{{.Repository}} {{.Tag}} {{.ID}}"]),
        format!("some/name 1.0 {}", &id[7..19])
    );
    assert_eq!(h.ok("run --rm some/name:1.0 echo hi"), "hi");
    assert_eq!(h.ok(&["run", "--rm", &id, "echo", "hi"]), "hi");
    assert_eq!(h.ok(&["run", "--rm", &id[7..15], "echo", "hi"]), "hi");
}

#[test]
fn import_reads_a_pipe_and_gzip() {
    let h = Host::empty();
    let tar = fs::read(busybox_tar()).unwrap();
    h.cmd("import - piped").input(tar).run().ok();
    h.sh(&format!("gzip -c {} >b.tgz", busybox_tar()));
    h.ok("import b.tgz zipped");
    for image in ["piped", "zipped"] {
        assert_eq!(h.ok(&["run", "--rm", image, "echo", "hi"]), "hi");
    }
    assert_eq!(count(&h, "layers"), 1); // the same content is the same layer
}

#[test]
fn import_changes_the_configuration() {
    let h = Host::empty();
    let changes = [
        "-c",
        "CMD [\"sh\", \"-c\", \"id -un; pwd; echo $A\"]",
        "-c",
        "ENV A=b",
        "-c",
        "USER user1",
        "-c",
        "WORKDIR /tmp",
    ];
    let line: Vec<&str> = ["import"].into_iter().chain(changes).chain([busybox_tar(), "x"]).collect();
    h.ok(line.as_slice());
    assert_eq!(h.ok("run --rm x"), "user1\n/tmp\nb");
    h.run(&["import", "-c", "RUN true", busybox_tar()]).fails(125, "RUN true");
}

#[test]
fn what_is_no_archive_is_refused_whole() {
    let h = Host::empty();
    h.ok("images");
    let before = h.snapshot();
    h.write("junk", "this is no archive, but it is longer than a header: ".repeat(40));
    h.run("import junk x").fails(1, "junk");
    let tar = fs::read(busybox_tar()).unwrap();
    h.write("cut.tar", &tar[..tar.len() / 2]);
    h.run("import cut.tar x").fails(1, "cut.tar");
    h.run("run ./cut.tar true").fails(125, "cut.tar");
    h.run("import nosuch.tar x").fails(1, "nosuch.tar");
    h.write("cut.tgz", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]);
    h.run("import cut.tgz x").fails(1, "cut.tgz");
    h.unchanged(&before);
}

#[test]
fn bad_references_are_refused() {
    let h = Host::empty();
    for name in ["../x", "UPPER", "a//b", "x:", "x:bad tag", "-x", "a\u{1b}b", "/x", "x/..", ""] {
        let output = h.run(&["import", "--", busybox_tar(), name]);
        assert!(
            output.code != 0 && output.err.lines().count() == 1 && !output.err.contains('\u{1b}'),
            "{name}: {output:?}"
        );
    }
    assert_eq!(h.ok("images -q"), "");
}

#[test]
fn an_archive_can_be_run_by_its_path() {
    let h = Host::empty();
    archive(&h, "box.tar", "1");
    assert_eq!(h.ok("run --rm ./box.tar cat /mark"), "1");
    assert_eq!(h.ok("run --rm box.tar cat /mark"), "1");
    assert_eq!(h.ok(&["run", "--rm", &h.path("box.tar"), "cat", "/mark"]), "1");
    assert_eq!((count(&h, "images"), count(&h, "layers")), (1, 1));
    h.sh("gzip -k box.tar && mv box.tar.gz other.tgz");
    assert_eq!(h.ok("run --rm ./other.tgz cat /mark"), "1");
}

#[test]
fn an_archive_is_known_by_its_file_not_by_its_name() {
    let h = Host::empty();
    let (a, b) = (archive(&h, "a/box.tar", "1"), archive(&h, "b/box.tar", "2"));
    assert_eq!(h.ok(&["run", "--rm", &a, "cat", "/mark"]), "1");
    assert_eq!(h.ok(&["run", "--rm", &b, "cat", "/mark"]), "2");
    assert_eq!(h.ok(&["run", "--rm", &a, "cat", "/mark"]), "1");
}

#[test]
fn an_archive_that_changed_is_a_new_image() {
    let h = Host::empty();
    archive(&h, "box.tar", "1");
    assert_eq!(h.ok("run --rm ./box.tar cat /mark"), "1");
    archive(&h, "box.tar", "2");
    assert_eq!(h.ok("run --rm ./box.tar cat /mark"), "2");
}

#[test]
fn a_running_container_does_not_change_with_its_file() {
    let h = Host::empty();
    archive(&h, "box.tar", "1");
    h.ok("run -d --name box ./box.tar sleep 1000");
    archive(&h, "box.tar", "2");
    assert_eq!(h.ok("run --rm ./box.tar cat /mark"), "2");
    assert_eq!(h.ok("exec box cat /mark"), "1");
}

#[test]
fn images_lists_them() {
    let h = Host::new();
    let table = h.ok("images");
    let head: Vec<&str> = table.lines().next().unwrap().split("  ").map(str::trim).filter(|c| !c.is_empty()).collect();
    assert_eq!(head, ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    let id = h.ok("images -q --no-trunc");
    assert!(id.starts_with("sha256:") && h.ok("images -q") == id[7..19]);
    assert_eq!(h.ok("images nosuch -q"), "");
    assert_eq!(h.ok("images busybox:latest -q"), id[7..19]);
    assert_eq!(h.ok("images busybox:other -q"), "");
    assert!(h.ok("images --format {{.Size}}").ends_with("MB"));
}

#[test]
fn rmi_untags_and_deletes() {
    let h = Host::new();
    let id = h.ok("images -q --no-trunc");
    let out = h.ok("rmi busybox");
    assert!(out.starts_with(&format!("Untagged: busybox:latest\nDeleted: {id}\nDeleted: sha256:")), "{out}");
    assert_eq!((count(&h, "images"), count(&h, "layers"), count(&h, "refs")), (0, 0, 0));
    h.run("rmi busybox").fails(1, "No such image: busybox");
}

#[test]
fn rmi_refuses_what_is_in_use() {
    let h = Host::new();
    let id = h.ok("create --name box busybox true");
    let before = h.snapshot();
    h.run("rmi busybox").fails(1, &format!("container {} is using", &id[..12]));
    h.unchanged(&before);
    h.ok("rm box");
    h.ok("rmi busybox");
}

#[test]
fn rmi_f_leaves_a_container_its_layers() {
    let h = Host::new();
    h.idle("--name box");
    h.ok("stop box");
    h.ok("rmi -f busybox");
    assert_eq!((h.ok("images -q"), count(&h, "layers")), (String::new(), 1));
    assert_eq!(h.ok("start box"), "box");
    assert_eq!(h.ok("exec box echo alive"), "alive");
    h.ok("rm -f box");
    assert_eq!(count(&h, "layers"), 0);
}

#[test]
fn shared_layers_stay() {
    let h = Host::new();
    h.ok("run --name box busybox touch /x");
    h.ok("commit box more");
    h.ok("rm box");
    assert_eq!(count(&h, "layers"), 2);
    h.ok("rmi busybox");
    assert_eq!(h.ok("run --rm more ls /x"), "/x");
    h.ok("rmi more");
    assert_eq!(count(&h, "layers"), 0);
}

#[test]
fn a_tag_moves_to_the_newer_image() {
    let h = Host::empty();
    let old = h.ok(&["import", &archive(&h, "a.tar", "1"), "box"]);
    h.ok(&["import", &archive(&h, "b.tar", "2"), "box"]);
    assert_eq!(h.ok("run --rm box cat /mark"), "2");
    assert_eq!(h.ok(&["run", "--rm", &old, "cat", "/mark"]), "1");
    assert!(h.ok("images").contains("<none>"));
}

#[test]
fn several_words_go_on_after_a_failure() {
    let h = Host::new();
    h.ok(&["import", &archive(&h, "a.tar", "1"), "one"]);
    let output = h.run("rmi one nosuch busybox").exits(1);
    assert!(
        output.err == "mydocker: No such image: nosuch:latest\n" || output.err == "mydocker: No such image: nosuch\n"
    );
    assert_eq!(h.ok("images -q"), "");
}

#[test]
fn an_image_may_bring_everything_the_command_lacks() {
    let h = Host::empty();
    h.ok(&["import", busybox_tar(), "bare"]);
    h.run("run --rm bare").fails(125, "no command specified");
}

#[test]
fn files_keep_their_owners_modes_and_times() {
    let h = Host::empty();
    h.sh("mkdir t && echo x >t/f && chown 1000:10 t/f && chmod 4751 t/f && touch -d @1000000000 t/f && ln t/f t/g && mkfifo t/p");
    h.sh(&format!("cp {} t.tar && tar -rf t.tar --numeric-owner t", busybox_tar()));
    let stat = h.ok(&["run", "--rm", "./t.tar", "stat", "-c", "%u %g %a %Y %h %F", "/t/f", "/t/p"]);
    let lines: Vec<&str> = stat.lines().collect();
    assert_eq!(lines[0], "1000 10 4751 1000000000 2 regular file");
    assert!(lines[1].ends_with("fifo"), "{stat}");
}

#[test]
fn a_descriptor_of_the_caller_can_be_named() {
    let h = Host::empty();
    let tar = crate::host::busybox_tar();
    let line = format!(
        "MYDOCKER_ROOT={} MYDOCKER_RUN={} {} import /dev/fd/5 busybox 5<{tar}",
        h.store.display(),
        h.run_dir.display(),
        crate::host::binary()
    );
    assert!(h.sh(&line).starts_with("sha256:"));
}

#[test]
fn filters_of_images() {
    let h = Host::new();
    h.ok(&["import", "-c", "LABEL tier=db", busybox_tar(), "team/data:1"]);
    let names = |filter: &str| h.ok(&["images", "-f", filter, "--format", "{{.Repository}}:{{.Tag}}"]);
    assert_eq!(names("reference=busy*"), "busybox:latest");
    assert_eq!(names("reference=*/data:?"), "team/data:1");
    assert_eq!(names("label=tier=db"), "team/data:1");
    assert_eq!(names("before=team/data:1"), "busybox:latest");
    assert_eq!(names("since=busybox"), "team/data:1");
    assert_eq!(names("dangling=true"), "");
    assert!(h.ok("images --digests").contains(" DIGEST ") && h.ok("images 'team/*' -q").lines().count() == 1);
    h.run("images -f bogus=1").fails(1, "Invalid filter 'bogus'");
    h.run("images -f since=nosuch").fails(1, "No such image: nosuch:latest");
}
