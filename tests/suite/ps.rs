//! `ps`, names, ids, and how containers are found by them.

use crate::host::Host;

#[test]
fn the_table_has_dockers_columns_and_the_pid() {
    let h = Host::new();
    let id = h.idle("--name box");
    let table = h.ok("ps");
    let rows: Vec<&str> = table.lines().collect();
    let head: Vec<&str> = rows[0].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(head, ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PID", "PORTS", "NAMES"]);
    assert!(rows.len() == 2 && rows[1].starts_with(&id[..12]) && rows[1].ends_with(" box"), "{table}");
    for cell in [" busybox ", "\"sh -c 'trap \"exit…\"", " ago ", " Up ", &format!(" {} ", h.pid("box"))] {
        assert!(rows[1].contains(cell) || cell.starts_with('"'), "{cell:?} is not in {table}");
    }
}

#[test]
fn only_running_ones_are_shown_without_a() {
    let h = Host::new();
    h.ok("run --name old busybox true");
    h.ok("create --name new busybox true");
    h.idle("--name busy");
    assert_eq!(h.ok("ps --format {{.Names}}"), "busy");
    assert_eq!(h.ok("ps -a --format {{.Names}}"), "busy\nnew\nold");
    let states = h.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}} {{.Status}}"]);
    assert!(states.contains("new created Created\nold exited Exited (0) "), "{states}");
}

#[test]
fn quiet_prints_ids() {
    let h = Host::new();
    let id = h.idle("");
    assert_eq!(h.ok("ps -q"), id[..12]);
    assert_eq!(h.ok("ps -q --no-trunc"), id);
    assert_eq!(h.ok("ps -aq"), id[..12]);
    assert_eq!(h.ok(&["ps", "-f", &format!("id={}", &id[..5]), "-q"]), id[..12]);
}

#[test]
fn long_commands_are_cut_unless_asked_not_to() {
    let h = Host::new();
    h.ok("create --name box busybox echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    assert_eq!(h.field("box", "Command"), "\"echo aaaaaaaaaaaaaa…\"");
    let full = h.ok("ps -a --no-trunc --format {{.Command}}");
    assert_eq!(full, "\"echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"");
}

#[test]
fn control_characters_of_a_command_stay_visible() {
    let h = Host::new();
    h.ok("create --name box busybox echo \u{1b}[31mred");
    assert!(!h.ok("ps -a").contains('\u{1b}'));
}

#[test]
fn filters() {
    let h = Host::new();
    h.run("run --name bad -l tier=db busybox sh -c 'exit 3'").exits(3);
    h.ok("run --name good busybox true");
    h.idle("--name web1 --label tier=web");
    let names = |filter: &str| h.ok(&["ps", "-a", "--filter", filter, "--format", "{{.Names}}"]);
    assert_eq!(names("exited=3"), "bad");
    assert_eq!(names("status=running"), "web1");
    assert_eq!(names("status=exited"), "good\nbad");
    assert_eq!(names("label=tier"), "web1\nbad");
    assert_eq!(names("label=tier=web"), "web1");
    assert_eq!(names("name=^web"), "web1");
    assert_eq!(names("ancestor=busybox"), "web1\ngood\nbad");
    assert_eq!(names("ancestor=other"), "");
}

#[test]
fn several_filters_are_and_of_one_key_or() {
    let h = Host::new();
    h.ok("run --name aa -l x=1 busybox true");
    h.ok("run --name bb -l x=2 busybox true");
    assert_eq!(h.ok("ps -a -f name=aa -f name=bb -f label=x=1 --format {{.Names}}"), "aa");
    // Labels are the exception: docker wants all of them.
    assert_eq!(h.ok("ps -aq -f label=x=1 -f label=x=2"), "");
}

#[test]
fn more_filters() {
    let h = Host::new();
    h.ok("create --name old -v vol:/data busybox true");
    h.ok("create --name mid --network host busybox true");
    h.idle("--name new");
    let names = |filter: &str| h.ok(&["ps", "-a", "--filter", filter, "--format", "{{.Names}}"]);
    assert_eq!(names("name=^(old|mid)$"), "mid\nold");
    assert_eq!(names("name=^/n.w$"), "new");
    assert_eq!(names("before=mid"), "old");
    assert_eq!(names("since=mid"), "new");
    assert_eq!((names("volume=vol"), names("volume=/data")), ("old".to_owned(), "old".to_owned()));
    assert_eq!(names("network=host"), "mid");
    assert_eq!(names("health=none"), "new\nmid\nold");
    assert_eq!((names("health=healthy"), names("is-task=true"), names("publish=80")), Default::default());
    assert_eq!(names("is-task=false"), "new\nmid\nold");
    h.run("ps --filter before=nosuch").fails(1, "No such container: nosuch");
    for wrong in ["name=(", "health=ill", "publish=x", "is-task=maybe", "exited=x"] {
        h.run(&["ps", "--filter", wrong]).fails(1, &format!("Invalid filter '{wrong}'"));
    }
}

#[test]
fn the_newest_and_their_sizes() {
    let h = Host::new();
    h.run("run --name old busybox sh -c 'echo 12345 >/f; ln /f /g'").ok();
    h.ok("create --name new busybox true");
    assert_eq!(h.ok("ps -l --format {{.Names}}"), "new");
    assert_eq!(h.ok("ps -n 2 --format {{.Names}}"), "new\nold");
    assert_eq!(h.ok("ps -n5 --filter status=exited --format {{.Names}}"), "old");
    assert!(h.ok("ps -as").lines().next().unwrap().ends_with("   SIZE"));
    assert!(
        h.ok("ps -an1 -s").contains("   0B (virtual ") && h.ok("ps -a --format {{.Size}}").contains("6B (virtual ")
    );
    assert!(h.ok("ps -l --format json").contains("\"Platform\":null") && !h.ok("ps -l").contains("SIZE"));
    h.run("ps -n x").fails(125, "invalid argument \"x\" for \"-n, --last\" flag");
}

#[test]
fn unknown_filters_are_refused() {
    let h = Host::empty();
    h.run("ps --filter bogus=1").fails(1, "Invalid filter 'bogus'");
    h.run("ps --filter bogus").fails(1, "bogus");
    h.run("ps --filter status=asleep").fails(1, "asleep");
}

#[test]
fn formats() {
    let h = Host::new();
    h.idle("--name box");
    assert_eq!(h.ok(&["ps", "--format", "{{.Names}}\t{{.Image}}"]), "box\tbusybox");
    assert_eq!(h.ok(&["ps", "--format", "table {{.Names}}\\t{{.Image}}"]), "NAMES     IMAGE\nbox       busybox");
    assert_eq!(h.ok(&["ps", "--format", "{{upper .Names}}{{json .Image}}"]), "BOX\"busybox\"");
    assert_eq!(h.run(&["ps", "--format", "{{"]).code, 1);
    assert_eq!(h.run(&["ps", "--format", "{{.Bogus}}"]).code, 1);
}

#[test]
fn json_has_dockers_keys() {
    let h = Host::new();
    h.idle("--name box -l a=b");
    let json = h.ok("ps --format json");
    for key in [
        "Command",
        "CreatedAt",
        "ID",
        "Image",
        "Labels",
        "LocalVolumes",
        "Mounts",
        "Names",
        "Networks",
        "Ports",
        "RunningFor",
        "State",
        "Status",
    ] {
        assert!(json.contains(&format!("\"{key}\":")), "{key} is not in {json}");
    }
    assert!(json.contains("\"Names\":\"box\"") && json.contains("\"Labels\":\"a=b\"") && json.lines().count() == 1);
}

#[test]
fn a_container_is_found_by_id_name_and_prefix() {
    let h = Host::new();
    let id = h.ok("create --name box busybox true");
    for word in [&id, "box", "/box", &id[..12], &id[..1]] {
        assert_eq!(h.ok(&["wait", word]), "0", "{word}");
    }
    h.run("wait nosuch").fails(1, "No such container: nosuch");
    h.run(&["wait", ""]).fails(1, "No such container");
}

#[test]
fn an_ambiguous_prefix_lists_the_candidates() {
    let h = Host::new();
    let ids: Vec<String> = (0..17).map(|_| h.ok("create busybox true")).collect();
    let mut firsts: Vec<&str> = ids.iter().map(|id| &id[..1]).collect();
    firsts.sort_unstable();
    let twice = firsts.windows(2).find(|pair| pair[0] == pair[1]).unwrap()[0]; // 17 ids, 16 first digits
    let output = h.run(&["rm", twice]).exits(1);
    let all = ids.iter().filter(|id| id.starts_with(twice));
    assert!(all.clone().count() > 1 && all.clone().all(|id| output.err.contains(&id[..12])), "{output:?}");
}

#[test]
fn a_name_beats_a_prefix() {
    let h = Host::new();
    let first = h.ok("create busybox true");
    let second = h.ok(&["create", "--name", &first[..4], "busybox", "true"]);
    h.ok(&["rm", &first[..4]]);
    assert_eq!(h.ok("ps -aq --no-trunc"), first);
    assert_ne!(first, second);
}

#[test]
fn a_name_is_given_once() {
    let h = Host::new();
    let id = h.ok("create --name box busybox true");
    let before = h.snapshot();
    for line in ["run -d --name box busybox true", "run --name box busybox true", "create --name box busybox true"] {
        h.run(line).fails(125, &format!("The container name \"/box\" is already in use by container \"{id}\""));
    }
    h.unchanged(&before);
}

#[test]
fn names_that_are_none_are_refused() {
    let h = Host::new();
    let before = h.snapshot();
    for name in ["x", "", "bad name", "../up", "a/b", "-a", ".a", "a\n", "a\u{1b}b", "ä1"] {
        let output = h.run(&["create", "--name", name, "busybox", "true"]).exits(125);
        assert!(output.err.contains("nvalid container name") && output.err.lines().count() == 1, "{output:?}");
    }
    h.unchanged(&before);
}

#[test]
fn a_name_is_made_when_none_is_given() {
    let h = Host::new();
    h.ok("create busybox true");
    let name = h.ok("ps -a --format {{.Names}}");
    assert!(name.split('_').count() == 2 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
}

#[test]
fn a_damaged_record_hides_no_other_container() {
    let h = Host::new();
    h.ok("create --name good busybox true");
    let id = h.ok("create --name hurt busybox true");
    h.write(&format!("store/containers/{id}/config.json"), "{\"version\":");
    let output = h.run("ps -a --format {{.Names}}").exits(1);
    assert!(output.out == "good\n" && output.err.contains(&format!("{id}/config.json")), "{output:?}");
    h.run("start hurt").fails(1, "config.json");
    assert_eq!(h.ok("start -a good"), "");
    h.ok("rm -f hurt");
    assert_eq!(h.ok("ps -a --format {{.Names}}"), "good");
}
