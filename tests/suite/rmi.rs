//! `tag`, `history`, and what `rmi` and `image prune` take and leave, as docker does.

use crate::host::{Host, busybox_tar};

/// `busybox`, and `child`, which was made from it.
fn with_child() -> (Host, String, String) {
    let h = Host::new();
    let base = h.ok("images -q --no-trunc busybox");
    h.ok(&["run", "--name", "box", "busybox", "sh", "-c", "echo some bytes >/new"]);
    let child = h.ok("commit -m why -a me box child:1");
    h.ok("rm box");
    (h, base, child)
}

#[test]
fn tag_gives_one_more_name() {
    let h = Host::new();
    let id = h.ok("images -q --no-trunc");
    assert_eq!(h.ok("tag busybox other/box:1"), "");
    assert_eq!(h.ok(&["tag", &id[7..20], "third"]), "");
    assert_eq!(h.ok("image tag other/box:1 third"), "");
    assert_eq!(
        h.ok("images --format '{{.Repository}}:{{.Tag}}' --filter reference=*box --filter reference=third:*"),
        "busybox:latest\nthird:latest"
    );
    assert_eq!(h.ok("run --rm other/box:1 echo hi"), "hi");
    h.run("tag nosuch a:b").fails(1, "No such image: nosuch:latest");
    h.run("tag busybox UPPER").fails(1, "repository name must be lowercase");
    h.run("tag busybox").fails(1, "requires 2 arguments");
    assert_eq!(h.ok("images -q").lines().count(), 1);
}

#[test]
fn history_tells_how_an_image_came_to_be() {
    let (h, base, child) = with_child();
    let text = h.ok("history child:1");
    let lines: Vec<Vec<&str>> =
        text.lines().map(|l| l.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect()).collect();
    assert_eq!(lines[0], ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]);
    assert_eq!((lines[1][0], &lines[1][2..]), (&child[7..19], &["sh -c echo some bytes >/new", "11B", "why"][..]));
    assert_eq!((lines[2][0], lines[2].last().unwrap().starts_with("Imported from /")), (&base[7..19], true));
    assert_eq!(h.ok("history -q child:1"), format!("{}\n{}", &child[7..19], &base[7..19]));
    assert_eq!(h.ok("image history -q --no-trunc child:1"), format!("{child}\n{base}"));
    let exact = h.ok("history -H=false --format '{{.Size}} {{.CreatedSince}}' child:1");
    assert!(exact.starts_with("11 20") && exact.lines().next().unwrap().ends_with('Z'), "{exact}");
    assert_eq!(h.ok("history --format json busybox").lines().filter(|l| l.contains("\"CreatedBy\":\"\"")).count(), 1);
    h.run("history nosuch").fails(1, "No such image: nosuch:latest");
    // A long command is cut, and what is no text for a terminal is shown as such.
    h.ok(&["run", "--name", "box", "busybox", "echo", &"long ".repeat(20), "\u{1b}[31m"]);
    h.ok("commit box long");
    let by = |flags: &str| {
        h.ok(&format!("history {flags} --format {{{{.CreatedBy}}}} long")).lines().next().unwrap().to_owned()
    };
    assert!(by("").chars().count() == 45 && by("").ends_with('…'), "{}", by(""));
    assert!(by("--no-trunc").ends_with("\\u{1b}[31m"), "{}", by("--no-trunc"));
}

#[test]
fn a_parent_stays_without_a_name_and_goes_with_its_child() {
    let (h, base, child) = with_child();
    assert_eq!(h.ok("inspect -f {{.Parent}} child:1"), base);
    h.run(&["rmi", &base])
        .fails(1, &format!("unable to delete {} (cannot be forced) - image has dependent child", &base[7..19]));
    h.run(&["rmi", "-f", &base[7..19]]).fails(1, "image has dependent child images");
    assert_eq!(h.ok("rmi busybox"), "Untagged: busybox:latest");
    assert_eq!(h.ok("images -q --no-trunc"), child); // the parent is hidden
    assert_eq!(h.ok("images -qa").lines().count(), 2);
    assert_eq!(h.ok("history -q child:1").lines().count(), 2);
    assert_eq!(h.ok("image prune -f"), "Total reclaimed space: 0B");
    let out = h.ok("rmi child:1");
    let said: Vec<&str> = out.lines().collect();
    assert_eq!(said[..3], ["Untagged: child:1", &format!("Deleted: {child}"), &format!("Deleted: {base}")]);
    assert_eq!(said.len(), 5, "{out}"); // and two layers
    assert_eq!(h.ok("images -qa"), "");
}

#[test]
fn no_prune_keeps_the_nameless_parent() {
    let (h, base, _) = with_child();
    h.ok("rmi busybox");
    let out = h.ok("rmi --no-prune child:1");
    assert!(!out.contains(&base), "{out}");
    assert_eq!(h.ok("images -q --no-trunc"), base);
    assert_eq!(h.ok(&["rmi", &base[7..19]]).lines().count(), 2);
}

#[test]
fn a_parent_with_a_name_or_a_container_stays() {
    let (h, base, child) = with_child();
    assert!(!h.ok("rmi child:1").contains(&base));
    h.ok("create --name box busybox true");
    let again = h.ok("commit box child:1");
    assert_ne!(again, child);
    h.run("rmi busybox").fails(1, "(must force) - container");
    assert_eq!(h.ok("rmi -f busybox"), "Untagged: busybox:latest"); // its child keeps it, and the container would, too
    assert!(!h.ok("rmi child:1").contains(&base));
    assert_eq!(h.ok("images -qa --no-trunc"), base);
    let id = h.field("box", "ID");
    let why =
        format!("unable to delete {} (must be forced) - image is being used by stopped container {id}", &base[7..19]);
    h.run(&["rmi", &base]).fails(1, &why);
    h.ok(&["rmi", "-f", &base]);
    assert_eq!(h.ok("start -a box"), "");
}

#[test]
fn several_names() {
    let h = Host::new();
    let id = h.ok("images -q --no-trunc");
    h.ok("tag busybox other");
    h.run(&["rmi", &id]).fails(1, "(must be forced) - image is referenced in multiple repositories");
    h.ok("create --name box busybox true");
    assert_eq!(h.ok("rmi busybox"), "Untagged: busybox:latest"); // the other name is enough for the container
    h.run("rmi other").fails(1, "(must force) - container");
    h.ok("rm box");
    h.ok("tag other busybox");
    let out = h.ok(&["rmi", "-f", &id]);
    assert!(out.starts_with(&format!("Untagged: busybox:latest\nUntagged: other:latest\nDeleted: {id}\n")), "{out}");
}

#[test]
fn force_does_not_take_the_image_of_a_running_container() {
    let h = Host::new();
    let id = h.ok("images -q --no-trunc");
    let box_id = h.idle("--name box");
    h.run(&["rmi", "-f", &id])
        .fails(1, &format!("(cannot be forced) - image is being used by running container {}", &box_id[..12]));
    assert_eq!(h.ok("rmi -f busybox"), "Untagged: busybox:latest");
    assert_eq!(h.ok("images -q --no-trunc"), id);
    h.ok("rm -f box");
    h.ok(&["rmi", &id]);
    assert_eq!((h.ok("images -qa"), h.ok("rmi -f nosuch")), (String::new(), String::new()));
}

#[test]
fn a_false_claim_of_parenthood_is_not_believed() {
    let h = Host::new();
    let id = h.ok("images -q --no-trunc");
    let doc = format!(r#"{{"os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[]}},"parent":"{id}"}}"#);
    let evil = crate::imageconfig::put(&h, "evil", &doc);
    h.ok(&["rmi", &id]);
    assert_eq!(h.ok("images -q --no-trunc"), evil);
}

#[test]
fn pruning_takes_all_generations() {
    let (h, base, child) = with_child();
    h.ok(&["import", "-c", "LABEL keep=1", busybox_tar(), "kept"]);
    h.ok("rmi busybox");
    let out = h.ok("image prune -af --filter label!=keep");
    for what in ["untagged: child:1".to_owned(), format!("deleted: {child}"), format!("deleted: {base}")] {
        assert!(out.contains(&what), "{what} is not in {out}");
    }
    assert_eq!(h.ok("images -a --format {{.Repository}}"), "kept");
}

#[test]
fn sizes_of_shared_layers() {
    let (h, ..) = with_child();
    let sizes = |name: &str| h.ok(&["images", "--format", "{{.UniqueSize}} {{.SharedSize}}", name]);
    let whole = h.ok("images --format {{.Size}} busybox");
    assert_eq!(sizes("busybox"), format!("0B {whole}"));
    assert_eq!(sizes("child"), format!("11B {whole}"));
    let json = h.ok("images --format json busybox");
    for key in [
        "Containers",
        "CreatedAt",
        "CreatedSince",
        "Digest",
        "ID",
        "Repository",
        "SharedSize",
        "Size",
        "Tag",
        "UniqueSize",
        "VirtualSize",
    ] {
        assert!(json.contains(&format!("\"{key}\":\"")), "{key}: {json}");
    }
    assert!(h.ok("images --format '{{.CreatedAt}}' busybox").ends_with(" +0000 UTC"));
    assert_eq!(h.ok("images -q -f until=1h"), "");
}
