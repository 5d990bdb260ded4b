//! What an image says about itself, and what its containers make of it. `commit --change` and `import --change`.

use crate::host::{Host, busybox_tar};

/// Puts an image's document into the store as somebody else wrote it.
pub fn put(h: &Host, name: &str, document: &str) -> String {
    let path = h.write("document", document);
    let id = h.sh(&format!("sha256sum {path} | cut -d' ' -f1"));
    h.sh(&format!("cp {path} {0}/images/{id}; ln -s {id} {0}/refs/{name}:latest", h.store.display()));
    format!("sha256:{id}")
}

/// A document with this configuration and the busybox's layer, as often as asked.
fn document(h: &Host, config: &str, times: usize) -> String {
    let layer = h.ok("inspect -f '{{index .RootFS.Layers 0}}' busybox");
    let layers = vec![format!("\"{layer}\""); times].join(",");
    format!(
        r#"{{"architecture":"amd64","os":"linux","config":{config},"rootfs":{{"type":"layers","diff_ids":[{layers}]}}}}"#
    )
}

#[test]
fn all_of_it_drives_a_run() {
    let h = Host::new();
    let config = r#"{"User":"user1","ExposedPorts":{"80/tcp":{}},"Env":["A=1","PATH=/bin"],"Entrypoint":["sh","-c"],
        "Cmd":["id -un; pwd; echo $A $PATH; touch /data/x && ls -d /data"],"Volumes":{"/data":{}},"WorkingDir":"/not/there",
        "Labels":{"l":"v"},"StopSignal":"SIGUSR1","Healthcheck":{"Test":["CMD","true"]},"ArgsEscaped":true,"OnBuild":null}"#;
    put(&h, "full", &document(&h, config, 1));
    h.sh(&format!("mkdir -p {}/volumes", h.store.display()));
    let output = h.run("run --name box full");
    assert_eq!(output.out, "user1\n/not/there\n1 /bin\n", "{output:?}"); // the volume is root's, as in docker
    let told = h.ok(&[
        "inspect",
        "-f",
        "{{.Config.StopSignal}} {{.Config.Labels}} {{json .Config.Healthcheck}} {{json .Config.ExposedPorts}} {{json .Config.Volumes}} {{.Config.User}}",
        "box",
    ]);
    assert!(told.starts_with("SIGUSR1 map[l:v] {\"Test\":[\"CMD\",\"true\"]"), "{told}");
    assert!(told.ends_with(" {\"80/tcp\":{}} {\"/data\":{}} user1"), "{told}");
    let image = h.ok("inspect -f '{{json .Config}}' full");
    assert!(
        image.starts_with("{\"User\":\"user1\",\"ExposedPorts\":{\"80/tcp\":{}},\"Env\":[")
            && !image.contains("OnBuild"),
        "{image}"
    );
    h.ok("rm -v box");
    assert_eq!(h.ok("volume ls -q"), "");
}

#[test]
fn an_image_for_another_machine_says_so() {
    let h = Host::new();
    let own = document(&h, "{}", 1).replace("amd64", "");
    put(&h, "mine", &own);
    assert_eq!(h.run("run --rm --network none mine true").err, "");
    put(&h, "foreign", &own.replace("\"\"", "\"s390x\""));
    let output = h.run("run --rm --network none foreign true");
    assert!(output.code == 0 && output.err.starts_with("mydocker: image foreign is made for s390x"), "{output:?}");
}

#[test]
fn commands_of_one_word_are_read_too() {
    let h = Host::new();
    put(&h, "old", &document(&h, r#"{"Entrypoint":"echo","Cmd":"hi"}"#, 1));
    assert_eq!(h.ok("run --rm old"), "hi");
    assert_eq!(h.ok("run --rm old you"), "you");
    assert_eq!(h.ok("inspect -f '{{.Config.Entrypoint}} {{.Config.Cmd}}' old"), "[echo] [hi]");
    put(&h, "broken", r#"{"config":{"Cmd":[1]}}"#);
    h.run("run --rm broken").fails(125, "is damaged: it is not an image configuration");
    h.ok("rmi old");
}

#[test]
fn a_layer_that_is_there_twice_counts_once() {
    let h = Host::new();
    put(&h, "twice", &document(&h, r#"{"Cmd":["echo","hi"]}"#, 3));
    assert_eq!(h.ok("run --name box twice"), "hi");
    assert_eq!(h.ok("images --format {{.Size}} twice"), h.ok("images --format {{.Size}} busybox"));
    let id = h.ok("commit box more");
    assert_eq!(h.ok("inspect -f '{{len .RootFS.Layers}}' more"), "4");
    assert_eq!(h.ok(&["run", "--rm", &id]), "hi");
}

#[test]
fn volumes_of_an_image_are_filled_and_go_with_rm_v() {
    let h = Host::empty();
    h.ok(&["import", "-c", "VOLUME /etc [\"/x\"]", "-c", "VOLUME [\"/etc\", \"/made\"]", busybox_tar(), "vols"]);
    let count = || h.ok("volume ls -q").lines().count();
    assert_eq!(h.ok("run --rm vols sh -c 'ls /etc/passwd; mount | grep -c \" /made \"'"), "/etc/passwd\n1");
    assert_eq!(count(), 0);
    h.ok("run --name box -v named:/made --tmpfs /etc vols true");
    let kinds = h.ok("inspect -f '{{range .Mounts}}{{.Name}}:{{.Destination}} {{end}}' box");
    assert!(kinds.contains("named:/made ") && !kinds.contains(":/etc "), "{kinds}");
    h.ok("rm box");
    assert!(count() >= 2);
    h.ok("volume prune -f");
    assert_eq!(h.ok("volume ls -q"), "named");
}

#[test]
fn every_instruction_of_a_change() {
    let h = Host::new();
    h.ok("run --name box -e A=b busybox true");
    let changes = [
        "ENTRYPOINT [\"echo\"]",
        "CMD it is",
        "ENV P=$A:/c",
        "ENV PATH=$PATH:/opt",
        "EXPOSE 80 53/udp",
        "LABEL l=\"a b\" m=$A",
        "USER user1",
        "VOLUME /v",
        "WORKDIR /w",
        "STOPSIGNAL 9",
        "ONBUILD RUN make",
        "HEALTHCHECK --interval=1s CMD true",
    ];
    let mut line = vec!["commit", "-a", "Me <me@x>", "-m", "why"];
    for change in &changes {
        line.extend(["-c", change]);
    }
    line.extend(["box", "new"]);
    h.ok(line.as_slice());
    for (template, want) in [
        ("{{.Config.Entrypoint}}{{.Config.Cmd}}", "[echo][/bin/sh -c it is]"),
        (
            "{{range .Config.Env}}{{.}} {{end}}",
            "A=b P=b:/c PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt ",
        ),
        ("{{json .Config.ExposedPorts}} {{json .Config.Volumes}}", "{\"53/udp\":{},\"80/tcp\":{}} {\"/v\":{}}"),
        ("{{.Config.Labels}} {{.Config.User}} {{.Config.WorkingDir}}", "map[l:a b m:b] user1 /w"),
        (
            "{{.Config.StopSignal}} {{.Config.OnBuild}} {{json .Config.Healthcheck.Test}}",
            "9 [RUN make] [\"CMD-SHELL\",\"true\"]",
        ),
        ("{{.Author}} {{.Comment}} {{.Os}}", "Me <me@x> why linux"),
    ] {
        assert_eq!(h.ok(&["image", "inspect", "-f", template, "new"]), want, "{template}");
    }
    assert_eq!(h.ok("run --rm new"), "/bin/sh -c it is");
    // What was for the next build is not for the one after it.
    h.ok("run --name second new");
    h.ok("commit second third");
    assert_eq!(h.ok("image inspect -f {{.Config.OnBuild}} third"), "[]");
    for (change, why) in [
        ("RUN x", "RUN is not a valid change command"),
        ("CMD", "it has no value"),
        ("EXPOSE 70000", "PORT/PROTOCOL"),
        ("STOPSIGNAL NOPE", "NOPE"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
    ] {
        h.run(&["commit", "-c", change, "box", "bad"]).fails(125, why);
        h.run(&["import", "-c", change, busybox_tar(), "bad"]).fails(125, why);
    }
    assert_eq!(h.ok("images -q bad"), "");
}

#[test]
fn a_commit_that_does_not_pause() {
    let h = Host::new();
    h.idle("--name box");
    for flag in ["--no-pause", "--pause=false", "-p=false", "-p=true", "--pause"] {
        h.ok(&["commit", flag, "box", "new"]);
    }
    h.run("commit --pause=maybe box new").fails(125, "invalid argument \"maybe\"");
    assert_eq!(h.ok("exec box echo alive"), "alive");
}

#[test]
fn inspect_of_an_image_has_dockers_shape() {
    let h = Host::new();
    let all = h.ok("image inspect busybox");
    let order = [
        "Id",
        "RepoTags",
        "RepoDigests",
        "Parent",
        "Comment",
        "Created",
        "Author",
        "Config",
        "Architecture",
        "Os",
        "Size",
        "GraphDriver",
        "RootFS",
        "Metadata",
    ];
    for key in order {
        assert!(all.contains(&format!("\n        \"{key}\": ")), "{key} is not in {all}");
    }
    let upper = h.ok("image inspect -f {{.GraphDriver.Data.UpperDir}} busybox");
    assert!(std::path::Path::new(&upper).join("bin/sh").exists(), "{upper}");
    assert!(h.run("image inspect nosuch").exits(1).err.ends_with("No such image: nosuch:latest\n"));
}
