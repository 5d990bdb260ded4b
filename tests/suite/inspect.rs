//! `inspect`, `port`, `prune`, `completion`: docker's shape, and what scripts pick out of it.

use crate::host::Host;

/// What a template makes of the container box.
#[track_caller]
fn told(h: &Host, template: &str) -> String {
    h.ok(&["inspect", "-f", template, "box"])
}

#[test]
fn a_container_has_dockers_shape() {
    let h = Host::new();
    let id = h
        .ok("create --name box -l a=b -e X=1 -m 50m --cpus 0.5 --cap-add net_admin --ulimit nofile=10:20 -w /tmp \
                   --entrypoint sh --tmpfs /t:size=1m --security-opt no-new-privileges -v vol:/v busybox -c true");
    let all = h.ok("inspect box");
    assert!(all.starts_with(&format!("[\n    {{\n        \"Id\": \"{id}\",\n        \"Created\": \"20")), "{all}");
    assert!(all.ends_with("\n    }\n]") && all.contains("\n            \"FinishedAt\": \"0001-01-01T00:00:00Z\"\n"));
    let order = ["Id", "Path", "Args", "State", "Image", "Name", "HostConfig", "GraphDriver", "Mounts", "Config"];
    let at = order.map(|key| all.find(&format!("\n        \"{key}\": ")).unwrap());
    assert!(at.is_sorted(), "{at:?}");
    for (template, want) in [
        ("{{.Name}} {{.Path}} {{.Args}}", "/box sh [-c true]"),
        (
            "{{.State.Status}} {{.State.Running}} {{.State.Pid}} {{.State.StartedAt}}",
            "created false 0 0001-01-01T00:00:00Z",
        ),
        ("{{.Config.Env}} {{.Config.Cmd}} {{.Config.Entrypoint}}", "[X=1] [-c true] [sh]"),
        ("{{index .Config.Labels \"a\"}}{{.Config.Labels.no}} {{.Config.WorkingDir}}", "b<no value> /tmp"),
        ("{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}}", "52428800 104857600 500000000"),
        ("{{.HostConfig.CapAdd}} {{json .HostConfig.SecurityOpt}}", "[CAP_NET_ADMIN] [\"no-new-privileges\"]"),
        ("{{json .HostConfig.Ulimits}}", "[{\"Name\":\"nofile\",\"Hard\":20,\"Soft\":10}]"),
        ("{{json .HostConfig.RestartPolicy}}", "{\"Name\":\"no\",\"MaximumRetryCount\":0}"),
        ("{{.HostConfig.Binds}} {{len .Mounts}} {{(index .Mounts 0).Type}}", "[vol:/v] 1 volume"),
        (
            "{{.HostConfig.NetworkMode}} {{range $name, $net := .NetworkSettings.Networks}}{{$name}}{{end}}",
            "bridge bridge",
        ),
        ("{{.HostConfig.PidMode}}{{.HostConfig.IpcMode}} {{.HostConfig.Privileged}}", "private false"),
        ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.Config.Healthcheck}}", "none <nil>"),
        ("{{.HostConfig.PidsLimit}} {{.HostConfig.Devices}} {{json .NetworkSettings.Ports}}", "<nil> [] {}"),
        ("{{.ID}} {{.LogPath}}", &format!("{id} {}/containers/{id}/log", h.store.display())),
    ] {
        assert!(told(&h, template).starts_with(want), "{template}: {}", told(&h, template));
    }
    assert!(h.ok("inspect --format json box").starts_with(&format!("[{{\"Id\":\"{id}\",")));
    assert!(!all.contains("SizeRw") && h.ok("inspect -s box").contains("\n        \"SizeRootFs\": "));
}

#[test]
fn what_is_not_there_is_said_and_the_rest_is_told() {
    let h = Host::new();
    h.ok("create --name box busybox true");
    let output = h.run("inspect nosuch").exits(1);
    assert!(output.out == "[]\n" && output.err.contains("Error: No such object: nosuch"), "{output:?}");
    let output = h.run(&["inspect", "box", "nosuch", "-f", "{{.Name}}"]).exits(1);
    assert!(output.out == "/box\n" && output.err.contains("No such object: nosuch"), "{output:?}");
    let output = h.run(&["inspect", "-f", "{{.Bogus}}", "box"]).exits(1);
    assert!(output.out == "\n" && output.err.contains("map has no entry for key \"Bogus\""), "{output:?}");
    h.run(&["inspect", "-f", "{{", "box"]).fails(64, "unclosed action");
    h.run(&["ps", "--format", "{{"]).fails(1, "unclosed action");
    assert_eq!(h.ok(&["inspect", "-f", "", "box"]), h.ok("inspect box"));
    let output = h.run("inspect --type image box").exits(1);
    assert!(output.out == "[]\n" && output.err.contains("No such image: box:latest"), "{output:?}");
    assert!(h.run("container inspect busybox").exits(1).err.contains("No such container: busybox"));
    h.run("inspect --type bogus box").fails(1, "not a valid value for --type");
}

#[test]
fn images_and_volumes() {
    let h = Host::new();
    h.ok("create --name box -v vol:/v busybox true");
    let id = h.ok("images -q --no-trunc");
    assert_eq!(
        h.ok(&["inspect", "-f", "{{.Id}} {{.RepoTags}} {{.Os}}", "busybox"]),
        format!("{id} [busybox:latest] linux")
    );
    assert_eq!(h.ok(&["image", "inspect", "-f", "{{json .RepoDigests}} {{.RootFS.Type}}", &id]), "[] layers");
    assert_eq!(h.ok(&["image", "inspect", "-f", "[{{.Config.User}}] {{.Config.Healthcheck}}", "busybox"]), "[] <nil>");
    let place = format!("{}/volumes/vol/_data", h.store.display());
    assert_eq!(h.ok(&["inspect", "-f", "{{.Mountpoint}} {{.Scope}}", "vol"]), format!("{place} local"));
    assert!(h.run("inspect --type volume ../vol").exits(1).err.contains("no such volume"));
}

#[test]
fn ports_that_nobody_published() {
    let h = Host::new();
    h.ok("create --name box busybox true");
    assert_eq!(h.ok("port box"), "");
    h.run("port box 99").fails(1, "No public port '99' published for box");
    h.run("port box 99/ax25").fails(1, "invalid port '99/ax25'");
    h.run("port nosuch").fails(1, "No such container: nosuch");
}

#[test]
fn pruning_asks_first() {
    let h = Host::new();
    let old = h.ok("create --name old -l keep=no busybox true");
    let kept = h.ok("create --name kept -l keep=yes busybox true");
    let busy = h.idle("--name busy");
    let no = h.ok("container prune");
    assert!(
        no.starts_with("WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ")
    );
    assert!(no.ends_with("Total reclaimed space: 0B") && h.ok("ps -aq").lines().count() == 3);
    h.ok("container prune -f --filter until=1h");
    h.run("container prune -f --filter bogus=1").fails(1, "Invalid filter 'bogus=1'");
    let yes = h.cmd("container prune --filter label!=keep=yes").input("y\n").run().ok();
    assert!(yes.contains(&format!("Deleted Containers:\n{old}\n\nTotal")), "{yes}");
    assert_eq!(h.ok("ps -aq --no-trunc"), format!("{busy}\n{kept}"));
}

#[test]
fn pruning_images() {
    let h = Host::new();
    h.ok("run --name box busybox sh -c 'echo 12345 >/f'");
    let nameless = h.ok("commit box");
    h.ok("commit box unused:1");
    assert!(h.ok("images -q --no-trunc -f dangling=true").contains(&nameless));
    let pruned = h.ok("image prune -f");
    assert!(pruned.contains(&format!("deleted: {nameless}\n")) && !pruned.contains("untagged"), "{pruned}");
    let pruned = h.ok("image prune -af");
    assert!(pruned.starts_with("Deleted Images:\nuntagged: unused:1\ndeleted: sha256:"), "{pruned}");
    assert!(pruned.ends_with("\n\nTotal reclaimed space: 6B"), "{pruned}");
    assert_eq!(h.ok("images --format {{.Repository}}"), "busybox"); // a container uses it
}

#[test]
fn completion_is_made_from_the_table() {
    let h = Host::empty();
    let bash = h.write("complete", h.ok("completion bash"));
    let ask = |line: &str, at: usize| {
        let script = format!(". {bash}; COMP_WORDS=({line}); COMP_CWORD={at}; _mydocker; echo ${{COMPREPLY[*]}}");
        h.sh(&format!("bash -c '{script}'"))
    };
    assert_eq!(ask("mydocker insp", 1), "inspect");
    assert_eq!(ask("mydocker ps --no", 2), "--no-trunc");
    assert_eq!(ask("mydocker container pru", 2), "prune");
    assert_eq!(ask("mydocker image prune --f", 3), "--filter --force");
    assert!(h.ok("completion zsh").starts_with("#compdef mydocker\n"));
    assert!(h.ok("completion fish").contains("'__fish_seen_subcommand_from ps' -s q -l quiet -d 'Only ids'\n"));
    assert!(h.ok("completion man").starts_with(".TH MYDOCKER 1 "));
    h.run("completion tcsh").fails(125, "invalid shell 'tcsh'");
}

#[test]
fn groups_list_their_verbs() {
    let h = Host::empty();
    let text = h.ok("container");
    assert!(text.contains("\n  inspect ") && text.contains("\n  ls ") && h.ok("help container") == text);
    h.run("container ispect x").fails(1, "did you mean 'mydocker container inspect'?");
}
