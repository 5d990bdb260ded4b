//! Words that nobody should type: refused with one clean line, the right exit code, and nothing half-made.

use crate::host::{Host, busybox_tar};
use crate::process::Output;

/// One line, without anything that a terminal would obey.
#[track_caller]
fn clean(output: &Output) {
    let is_clean = |text: &str| {
        text.trim_end_matches('\n').chars().all(|c| !c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c))
    };
    assert!(is_clean(&output.err) && output.err.ends_with('\n'), "{output:?}");
}

#[track_caller]
fn refused(h: &Host, line: &[&str], code: i32) {
    let before = h.snapshot();
    let output = h.run(line);
    assert!(output.code == code && output.out.is_empty(), "expected {code}: {output:?}");
    clean(&output);
    h.unchanged(&before);
}

const LONG: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[test]
fn names_of_containers() {
    let h = Host::new();
    let long = LONG.repeat(6);
    for name in [
        "",
        ".",
        "..",
        "/",
        "//",
        "a/b",
        "../x",
        "/../x",
        "a/../b",
        "-x",
        ".ab",
        "a b",
        "a\nb",
        "a\tb",
        "\u{1b}[31mred",
        "a\u{202e}b",
        "größe",
        "a:b",
        "a@b",
        "a*",
        "a\\b",
        "a'b",
        "\u{7f}ab",
        &long,
    ] {
        for verb in ["run", "create"] {
            refused(&h, &[verb, &format!("--name={name}"), "busybox", "true"], 125);
        }
    }
    h.ok(&["run", "--rm", "--name", &long[..255], "busybox", "true"]);
    h.ok(&["run", "--rm", "--name", "/slash", "busybox", "true"]);
}

#[test]
fn words_for_containers() {
    let h = Host::new();
    let id = h.ok("create --name box busybox true");
    let long = LONG.repeat(100);
    let by_path = format!("../containers/{id}");
    let by_name = "../names/box";
    for word in [
        "",
        ".",
        "..",
        "*",
        "/",
        "//",
        "-",
        "--",
        "b?x",
        "bo*",
        "names/box",
        by_name,
        &by_path,
        "./box",
        "box/",
        "box/.",
        "a\nb",
        "\u{1b}[31m",
        "größe",
        &long,
        "sha256:00",
        "\\",
        "%s",
        "00000000000000000000000000000000000000000000000000000000000000zz",
    ] {
        for verb in ["start", "stop", "kill", "rm", "wait", "logs", "commit", "exec"] {
            let mut line = vec![verb, "--", word];
            if verb == "exec" {
                line.push("true");
            }
            refused(&h, &line, 1);
        }
        let forced = h.run(&["rm", "-f", "--", word]);
        assert!(forced.code <= 1 && forced.out.is_empty(), "{forced:?}");
        assert_eq!(h.ok("ps -aq --no-trunc"), id, "{word:?}");
    }
    h.ok("rm box");
}

#[test]
fn references() {
    let h = Host::new();
    let (tar, long) = (busybox_tar(), LONG.repeat(6));
    for word in [
        "",
        ".",
        "..",
        "/",
        "../x",
        "a/../b",
        "/a",
        "a/",
        "a//b",
        "A",
        "a b",
        "a\nb",
        "\u{1b}[31m",
        "größe",
        ":",
        "a:",
        ":a",
        "a:b:c",
        "a:.b",
        "a@sha256:00",
        "a..b",
        "-a",
        "a+b",
        "a:b/c",
        "a\\b",
        "a*",
        &long,
    ] {
        refused(&h, &["import", tar, "--", word], 1);
        refused(&h, &["rmi", "--", word], 1);
        if !word.ends_with('*') {
            refused(&h, &["images", "--", word], 1); // which takes patterns
        }
        if !word.is_empty() {
            refused(&h, &["run", "--rm", "--", word, "true"], 125);
        }
    }
    h.ok("create --name box busybox true");
    refused(&h, &["commit", "box", "../x"], 1);
    refused(&h, &["commit", "box", "a\nb"], 1);
    h.ok("rm box");
}

/// A name that is allowed must work, or be refused before anything is made.
#[test]
fn long_references() {
    let h = Host::new();
    let name = LONG.repeat(6);
    let tag = "t".repeat(128);
    for reference in
        [&name[..255], &name[..250], &format!("{}:{tag}", &name[..200]), &format!("a/{}:{tag}", &name[..120])]
    {
        let before = h.snapshot();
        let output = h.run(&["import", busybox_tar(), reference]);
        if output.code != 0 {
            clean(&output);
            h.unchanged(&before);
            continue;
        }
        h.ok(&["run", "--rm", reference, "true"]);
        assert!(h.ok("images").contains(reference.split(':').next().unwrap()));
        h.ok(&["rmi", reference]);
    }
}

/// Values that are refused, or at least harmless.
const BAD_FLAGS: &[&str] = &[
    "--hostname=",
    "--hostname=a b",
    "--hostname=a\nb",
    "--hostname=../x",
    "-w=rel",
    "-w=",
    "-w=/a\nb/../../xy",
    "-u=nosuch",
    "-u=0:nosuch",
    "-u=-1",
    "-u=4294967295",
    "-u=a\nb",
    "-u=:",
    "-m=1",
    "-m=-1",
    "-m=x",
    "-m=99999999999999999999g",
    "--cpus=0.0000000001",
    "--cpus=-1",
    "--cpus=nan",
    "--cpus=1e9",
    "-c=1",
    "-c=99999999999",
    "--cpuset-cpus=99",
    "--cpuset-cpus=0-99999999999",
    "--cpuset-cpus=a\nb",
    "--pids-limit=x",
    "-e=",
    "-e==x",
    "--env-file=nosuch",
    "--env-file=no\nsuch",
    "--env-file=/",
    "-l=",
    "-l==x",
    "--network=no\nsuch",
    "--network=name=no\nsuch",
    "--network=\"",
    "--network=name=bridge,\"",
    "--network=container:no\nsuch",
    "--network-alias=a\nb",
    "--ip=1.2.3.4\n",
    "--mac-address=02:42:ac:11:00:\u{e9}",
    "-p=1:2\n",
    "-p=[\u{1b}]:1:2",
    "-p=1:2/tc\u{e9}",
    "-p=99999999999999999999",
    "-p==",
    "-p=target=1,\"",
    "--expose=1\n",
    "--expose=0-99999999999",
    "--add-host=a\n=1.2.3.4",
    "--add-host=a=1.2.3.4\nb",
    "--dns=1.2.3.4\noptions x",
    "--dns-search=a\nb",
    "--dns-option=a\nb",
    "--domainname=a\nb",
    "--link=no\nsuch",
    "--link=:",
    "--rootfs=/",
    "--rootfs=nosuch",
    "--rootfs=no\nsuch",
    "--rootfs=/dev/null",
    "--cidfile=/no\nsuch/x",
    "--cidfile=/nosuch/x",
    "--cidfile=/",
    "--no\u{1b}such",
    "-Z\n",
    "--entrypoint=no\nsuch",
    "--image=no\nsuch",
];

#[test]
fn values_of_flags() {
    let h = Host::new();
    let dir = h.path("dir");
    std::fs::create_dir(&dir).unwrap();
    let long = LONG.repeat(6);
    let volume = |text: &str| format!("-v={text}");
    let volumes = [
        volume(""),
        volume(":"),
        volume("::"),
        volume("a:"),
        volume(":/a"),
        volume("/a:"),
        volume("a:b"),
        volume("/a:/b:/c:/d"),
        volume("/a:/b:nosuch"),
        volume("/a:/b:ro,rw"),
        volume("../..:b"),
        volume(&format!("{dir}:/")),
        volume(&format!("{dir}:/..")),
        volume("/a\nb:/c"),
        volume("a\u{1b}b:/c"),
        volume("x/y:/c"),
        volume("größe:/c"),
        volume(&format!("{long}:/c")),
        volume("/proc/nosuch/x:/c"),
        volume("/dev/null/x:/c"),
        volume(&format!("/{}:/c", LONG.repeat(100))),
        volume(&format!("{dir}:/{}", LONG.repeat(6))),
        volume(&format!("{dir}:/bin/busybox/x")),
        volume(&format!("{dir}:/bin/busybox")),
        format!("--hostname={long}"),
    ];
    for flag in volumes.into_iter().chain(BAD_FLAGS.iter().map(|flag| (*flag).to_owned())) {
        let before = h.snapshot();
        let output = h.run(&["run", "--rm", &flag, "busybox", "true"]);
        if output.code != 0 {
            assert!(matches!(output.code, 125..=127) && output.out.is_empty(), "{flag:?}: {output:?}");
            clean(&output);
        } else if !flag.starts_with("-w") && !flag.starts_with("-e=") && !flag.starts_with("-u=:") {
            panic!("{flag:?} was accepted: {output:?}");
        }
        h.unchanged(&before);
    }
}

#[test]
fn paths_in_messages() {
    let h = Host::new();
    h.ok("create --name box busybox true");
    for line in [
        &["import", "no\nsuch"][..],
        &["import", "/dev/\u{1b}[31m"],
        &["import", busybox_tar(), "ok", "extra\nword"],
        &["run", "./no\nsuch.tar", "true"],
        &["run", "no\nsuch"],
        &["commit", "-o", "/no\nsuch/x", "box"],
        &["commit", "-o", "/", "box"],
        &["commit", "-o", "", "box"],
        &["commit", "-c", "NO\nSUCH x", "box"],
        &["commit", "-c", "ENV", "box"],
        &["no\nsuch"],
        &["--no\nsuch"],
        &["--root", "/dev/null/\n", "ps"],
        &["ps", "--filter", "no\nsuch=x"],
        &["ps", "--filter", "status=\u{1b}"],
        &["ps", "--format", "{{.No\nsuch}}"],
        &["ps", "--format", "{{"],
        &["kill", "-s", "NO\nSUCH", "box"],
        &["stop", "-t", "x\ny", "box"],
        &["logs", "--tail", "-1\n", "no\nbox"],
        &["rmi", "no\nsuch"],
        &["help", "no\nsuch"],
    ] {
        let before = h.snapshot();
        let output = h.run(line);
        assert!(output.code != 0 && output.out.is_empty(), "{output:?}");
        clean(&output);
        h.unchanged(&before);
    }
    // What came from outside is shown without being obeyed.
    std::fs::copy(busybox_tar(), h.path("re\u{1b}[31md\n.tar")).unwrap();
    h.ok(&["run", "--name", "red", "./re\u{1b}[31md\n.tar", "echo", "\u{1b}[31m"]);
    let listed = h.ok("ps -a");
    assert!(listed.lines().count() == 3 && !listed.contains('\u{1b}'), "{listed:?}");
    h.ok("images");
    h.ok("rm box red");
}

#[test]
fn values_with_newlines_arrive_as_they_are() {
    let h = Host::new();
    let line = [
        "run",
        "--rm",
        "-e",
        "A=1\n2",
        "-e",
        "B=",
        "-l",
        "a=b\nc",
        "busybox",
        "sh",
        "-c",
        "echo \"$A$B\"; echo \"$0\"",
        "x\ny",
    ];
    assert_eq!(h.ok(&line), "1\n2\nx\ny");
    h.ok(&["create", "--name", "box", "-l", "a=b\nc", "-e", "A=1\n2", "busybox", "echo", "\n"]);
    assert_eq!(h.ok("ps -a").lines().count(), 2);
    h.ok("commit box mine");
    assert_eq!(h.ok("run --rm mine env").lines().filter(|line| *line == "A=1" || *line == "2").count(), 2);
    h.ok("rm box");
}

#[test]
fn commands_that_are_none() {
    let h = Host::new();
    let before = h.snapshot();
    let long = LONG.repeat(2000);
    for (word, code) in [
        ("nosuch", 127),
        ("/nosuch", 127),
        ("no\nsuch", 127),
        ("\u{1b}[31m", 127),
        ("../../bin/sh/x", 127),
        ("/etc", 126),
        ("/etc/passwd", 126),
        ("/etc/passwd/x", 127),
        (".", 126),
        ("/", 126),
        ("", 127),
        (&LONG.repeat(10), 127),
        (&long, 126),
    ] {
        for mode in ["--rm", "-d", "-it"] {
            if mode == "-it" {
                continue;
            }
            let output = h.run(&["run", mode, "busybox", word]);
            assert!(output.code == code || output.code == 126 && word.len() > 200, "{mode} {word:.99}: {output:?}");
            clean(&output);
        }
        h.ok(&["create", "--name", "box", "busybox", word]);
        let output = h.run("start box");
        assert!((125..=127).contains(&output.code) || output.code == 1, "{output:?}");
        clean(&output);
        h.ok("rm box");
        h.unchanged(&before);
    }
}
