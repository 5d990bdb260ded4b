//! `cp`: the whole table of what SRC and DEST can be, both ways, archives on `-`, and containers that fight back.

use crate::host::Host;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

/// What SRC is, how DEST is spelled, and what is in the place of DEST afterwards besides what was there (`d/`, `e`), or the
/// beginning of the error. `PARENT` and `SOURCE` stand for paths that differ by direction.
const TABLE: [(&str, &str, &str); 34] = [
    // a file
    ("file", "d", "d/file"),
    ("file", "d/", "d/file"),
    ("file", "d/.", "d/file"),
    ("file", "e", "e=hello"),
    ("file", "n", "n=hello"),
    ("file", "n/", "!no such directory"),
    ("file", "e/", "!NOTADIR"),
    ("file", "x/n", "!PARENT"),
    ("file", "ld", "d/file"),
    ("file", "le", "e=hello"),
    ("file", "ln", "n=hello"),
    ("file/", "d", "!not a directory"),
    ("file/.", "d", "!not a directory"),
    // a directory
    ("dir", "d", "d/dir d/dir/in d/dir/sub d/dir/sub/deep"),
    ("dir/", "d", "d/dir d/dir/in d/dir/sub d/dir/sub/deep"),
    ("dir", "n", "n n/in n/sub n/sub/deep"),
    ("dir", "n/", "n n/in n/sub n/sub/deep"),
    ("dir", "e", "!cannot copy directory"),
    ("dir", "x/n", "!PARENT"),
    ("dir", "ld", "d/dir d/dir/in d/dir/sub d/dir/sub/deep"),
    ("dir", "ln", "n n/in n/sub n/sub/deep"),
    // what is in a directory
    ("dir/.", "d", "d/in d/sub d/sub/deep"),
    ("dir/.", "d/", "d/in d/sub d/sub/deep"),
    ("dir/./", "n", "n n/in n/sub n/sub/deep"),
    ("dir/.", "e", "!cannot copy directory"),
    ("dir/sub/..", "d", "d/dir d/dir/in d/dir/sub d/dir/sub/deep"),
    // symlinks
    ("link", "d", "d/link->file"),
    ("link", "n", "n->file"),
    ("-L link", "d", "d/link"),
    ("-L link", "n", "n=hello"),
    ("dirlink", "d", "d/dirlink->dir"),
    ("dirlink/", "d", "d/dirlink d/dirlink/in d/dirlink/sub d/dirlink/sub/deep"),
    ("dirlink/.", "d", "d/in d/sub d/sub/deep"),
    ("nosuch", "d", "!SOURCE"),
];

fn make_source(dir: &Path) {
    fs::create_dir_all(dir.join("dir/sub")).unwrap();
    fs::write(dir.join("file"), "hello").unwrap();
    fs::write(dir.join("dir/in"), "in").unwrap();
    fs::write(dir.join("dir/sub/deep"), "deep").unwrap();
    symlink("file", dir.join("link")).unwrap();
    symlink("dir", dir.join("dirlink")).unwrap();
}

fn make_destination(dir: &Path) {
    let _ = fs::remove_dir_all(dir); // there is none before the first case
    fs::create_dir_all(dir.join("d")).unwrap();
    fs::write(dir.join("e"), "old").unwrap();
    for (name, target) in [("ld", "d"), ("le", "e"), ("ln", "n")] {
        symlink(target, dir.join(name)).unwrap();
    }
}

/// What is in a destination that was not there before.
fn listing(dir: &Path) -> String {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(at).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let mut name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            let kind = entry.file_type().unwrap();
            if kind.is_symlink() {
                name = format!("{name}->{}", fs::read_link(&path).unwrap().display());
            } else if kind.is_dir() {
                left.push(path);
            } else if !name.contains('/') {
                name = format!("{name}={}", fs::read_to_string(&path).unwrap());
            }
            found.push(name);
        }
    }
    found.retain(|name| !["d", "e=old", "ld->d", "le->e", "ln->n"].contains(&name.as_str()));
    found.sort();
    found.join(" ")
}

/// The words of a case: flags before the source.
fn case(source: &str) -> (Vec<&str>, &str) {
    let mut words: Vec<&str> = source.split(' ').collect();
    let last = words.pop().unwrap();
    (words, last)
}

/// Every case out of a container (that may run or not) and into it.
fn whole_table(h: &Host, is_running: bool) {
    let host = h.dir.join("w");
    make_source(&host);
    h.ok("cp w/. box:/w");
    for (source, destination, wanted) in TABLE {
        let (flags, source) = case(source);
        // Out.
        let seen = h.dir.join("t");
        make_destination(&seen);
        let (from, to) = (format!("box:/w/{source}"), format!("t/{destination}"));
        let out = h.run(&[&["cp"][..], &flags, &[&from, &to]].concat()[..]);
        let error = wanted.strip_prefix('!').map(|error| {
            error
                .replace(
                    "PARENT",
                    &format!("invalid output path: directory \"{}/t/x\" does not exist", h.dir.display()),
                )
                .replace("NOTADIR", "not a directory")
                .replace("SOURCE", "Could not find the file /w/nosuch in container box")
        });
        match &error {
            Some(error) => out.fails(1, error),
            None => assert_eq!((out.ok(), listing(&seen)), (String::new(), wanted.to_owned()), "{from} {to}"),
        }
        // In.
        make_destination(&seen);
        if is_running {
            h.ok("exec box rm -rf /t");
            h.ok("cp t box:/");
        }
        let name = if is_running { "box" } else { &format!("box{}", h.ok("create busybox true").get(..12).unwrap()) };
        let name = name.strip_prefix("box").filter(|id| !id.is_empty()).unwrap_or("box");
        if !is_running {
            h.ok(&["cp", "t", &format!("{name}:/")]);
        }
        let (from, to) = (format!("w/{source}"), format!("{name}:t/{destination}"));
        let done = h.run(&[&["cp"][..], &flags, &[&from, &to]].concat()[..]);
        let error = wanted.strip_prefix('!').map(|error| {
            error
                .replace("PARENT", &format!("Could not find the file /t/x in container {name}"))
                .replace("NOTADIR", "no such directory")
                .replace("SOURCE", &format!("lstat {}/w/nosuch: no such file or directory", h.dir.display()))
        });
        match &error {
            Some(error) => done.fails(1, error),
            None => {
                done.ok();
                fs::remove_dir_all(&seen).unwrap();
                h.ok(&["cp", &format!("{name}:/t"), "."]);
                assert_eq!(listing(&seen), wanted, "{from} {to}");
            }
        }
        if !is_running {
            h.ok(&["rm", name]);
        }
    }
}

#[test]
fn every_case_with_a_running_container() {
    let h = Host::new();
    h.idle("--name box");
    whole_table(&h, true);
}

#[test]
fn every_case_with_a_stopped_container() {
    let h = Host::new();
    h.ok("create --name box busybox true");
    whole_table(&h, false);
    assert_eq!(h.ok("start -a box"), "");
}

#[test]
fn words_that_mean_nothing() {
    let h = Host::new();
    h.ok("create --name box busybox true");
    h.write("f", "x");
    for (line, text) in [
        ("cp f g", "must specify at least one container source"),
        ("cp box:/a box:/b", "copying between containers is not supported"),
        ("cp f nosuch:/", "No such container: nosuch"),
        ("cp f box:", "no path in container box"),
        ("cp '' box:/", "source can not be empty"),
        ("cp f ''", "destination can not be empty"),
        ("cp - box:/etc/passwd", "destination \"box:/etc/passwd\" must be a directory"),
        ("cp box:/etc/passwd /dev/null", "invalid output path: \"/dev/null\" must be a directory or a regular file"),
        ("cp f box:/etc/passwd/x", "not a directory"),
    ] {
        h.run(line).fails(1, text);
    }
    h.run("cp f").exits(1);
    h.run("cp --bogus f box:/").fails(125, "unknown flag: --bogus");
    h.ok("cp ./f box:/x:y");
    h.ok("cp box:/x:y ./a:b");
    assert_eq!(fs::read_to_string(h.path("a:b")).unwrap(), "x");
}

#[test]
fn a_directory_and_what_is_none_do_not_replace_each_other() {
    let h = Host::new();
    h.idle("--name box");
    h.ok("exec box mkdir -p /d/f /e");
    h.ok("exec box touch /e/sub");
    h.write("f", "x");
    h.write("sub/x", "x");
    h.run("cp f box:/d").fails(1, "cannot overwrite directory \"f\" with non-directory");
    h.run("cp sub box:/e").fails(1, "cannot overwrite non-directory \"sub\" with directory");
    h.ok("cp sub box:/d");
    h.ok("cp sub box:/d");
    assert_eq!(h.ok("exec box sh -c 'find /d /e | sort'"), "/d\n/d/f\n/d/sub\n/d/sub/x\n/e\n/e/sub");
}

#[test]
fn owners_modes_times_and_links() {
    let h = Host::new();
    h.idle("--name box");
    h.sh("mkdir -p s/d; echo x >s/f; ln s/f s/g; ln -s /etc s/l; mkfifo -m 622 s/p; chmod 4751 s/f; chmod 2770 s/d; \
          truncate -s 100M s/hole; echo end >>s/hole; touch -d @1000000000 s/f s/d; chown -R 1000:1001 s; chmod 4751 s/f");
    let look = "cd DIR; stat -c '%n %u %g %a %h' f d l p; stat -c %Y f d; [ f -ef g ] && readlink l; [ $(du -k hole | cut -f1) -lt 1000 ] && echo sparse";
    let plain = "f 0 0 4751 2\nd 0 0 2770 2\nl 0 0 777 1\np 0 0 622 1\n1000000000\n1000000000\n/etc\nsparse";
    let kept = plain.replace(" 0 0 ", " 1000 1001 ");
    h.ok("cp s box:/a");
    h.ok("cp -a s box:/b");
    for (dir, wanted) in [("/a", plain), ("/b", &kept)] {
        assert_eq!(h.ok(&["exec", "box", "sh", "-c", &look.replace("DIR", dir)]), wanted, "{dir}");
    }
    h.ok("cp box:/b out");
    h.ok("cp --archive box:/b kept");
    for (dir, wanted) in [("out", plain), ("kept", &kept)] {
        assert_eq!(h.sh(&look.replace("DIR", dir)), wanted, "{dir}");
    }
    // A directory that is there keeps its owner; the mode is the source's.
    h.ok("exec box chown 7:7 /a/d");
    h.ok("cp s/. box:/a");
    assert_eq!(h.ok("exec box stat -c '%u %a' /a/d"), "7 2770");
}

#[test]
fn archives_on_standard_streams() {
    let h = Host::new();
    h.idle("--name box");
    make_source(&h.dir.join("s"));
    let tar = |script: &str| {
        h.sh(&format!("tar -C s -c {script} >x.tar"));
        fs::read(h.path("x.tar")).unwrap()
    };
    h.ok("exec box ln -s /var/log /tmp/log");
    let stream = |to: &str, script: &str| h.cmd(&["cp", "-", to]).input(tar(script)).run();
    stream("box:/tmp", "--owner=5:5 --group=6:6 file").ok();
    assert_eq!(h.ok("exec box stat -c '%u %g %s' /tmp/file"), "5 6 5");
    stream("box:/tmp/", "-z dir").ok();
    assert_eq!(h.ok("exec box cat /tmp/dir/sub/deep"), "deep");
    // Where the archive does not say that it is a directory, a symlink leads on, inside the container.
    stream("box:/tmp", "--transform=s,^,log/, file").ok();
    assert_eq!(h.ok("exec box cat /var/log/file"), "hello");
    stream("box:/tmp", "--transform=s,^,../../, -P file").fails(1, "\"..\"");
    stream("box:/tmp", "-J file").fails(1, "xz");
    h.cmd("cp - box:/tmp").input("no archive at all").run().fails(1, "not a tar archive");
    h.cmd("cp - box:/tmp").input([0; 1024]).run().ok();

    h.ok("cp s box:/a");
    for (path, wanted) in [
        ("/a/file", "file"),
        ("a/dir", "dir/ dir/in dir/sub/ dir/sub/deep"),
        ("/a/dir/.", "./ ./in ./sub/ ./sub/deep"),
        ("/a/link", "link"),
        ("/a/dirlink/", "dirlink/ dirlink/in dirlink/sub/ dirlink/sub/deep"),
    ] {
        let out = h.run(&["cp", &format!("box:{path}"), "-"]);
        assert_eq!(out.code, 0, "{out:?}");
        fs::write(h.path("y.tar"), &out.bytes).unwrap();
        assert_eq!(h.sh("tar tf y.tar").replace('\n', " "), wanted);
    }
    h.run("cp box:/nosuch -").fails(1, "Could not find the file /nosuch in container box");
}

#[test]
fn all_of_a_root_without_what_the_kernel_makes_up() {
    let h = Host::new();
    h.idle("--name box -v vol:/data");
    h.ok("exec box touch /data/x");
    h.ok("cp box:/ root");
    let seen = h.sh("cd root; ls -d data/x etc/hosts bin/busybox; ls -A proc sys dev");
    assert_eq!(seen, "bin/busybox\ndata/x\netc/hosts\ndev:\n\nproc:\n\nsys:");
    h.run("cp box:/proc/cpuinfo .").fails(1, "the kernel makes up what is there");
    h.run("cp root/etc/hosts box:/proc/").fails(1, "the kernel makes up what is there");
    h.ok("exec box sh -c 'echo shared >/dev/shm/f'");
    h.ok("cp box:/dev/shm/f .");
    assert_eq!(fs::read_to_string(h.path("f")).unwrap(), "shared\n");
}

#[test]
fn volumes_are_seen_running_and_stopped() {
    let h = Host::new();
    h.write("bind/f", "bound");
    h.write("n", "new");
    let bind = h.path("bind");
    h.ok(&format!("run --name box -v vol:/data -v {bind}:/b -v {bind}:/ro:ro busybox sh -c 'echo x >/data/x'"));
    for round in ["stopped", "running"] {
        h.ok(&["cp", "n", &format!("box:/data/{round}")]);
        h.ok(&["cp", "n", &format!("box:/b/{round}")]);
        assert_eq!(fs::read_to_string(format!("{bind}/{round}")).unwrap(), "new");
        h.run("cp n box:/ro").fails(1, "mounted volume is marked read-only");
        h.ok("cp box:/ro/f box.f");
        let _ = fs::remove_dir_all(h.path("out")); // of the round before
        h.ok("cp box:/data out");
        assert!(h.sh("cat out/x out/stopped").starts_with("x\nnew"));
        if round == "stopped" {
            h.ok("rm box");
            h.idle(&format!("--name box -v vol:/data -v {bind}:/b -v {bind}:/ro:ro"));
        }
    }
    assert_eq!(h.ok("exec box ls /data"), "running\nstopped\nx");
}

#[test]
fn a_read_only_root_is_left_alone() {
    let h = Host::new();
    h.write("n", "new");
    for make in ["create", "run -d"] {
        h.ok(&format!("{make} --name box --read-only -v vol:/data busybox sleep 1000"));
        h.run("cp n box:/tmp").fails(1, "container rootfs is marked read-only");
        h.run("cp n box:/tmp/y").fails(1, "container rootfs is marked read-only");
        h.ok("cp n box:/data");
        h.ok("cp box:/etc/passwd .");
        h.ok("rm -f box");
    }
}

#[test]
fn ids_are_the_containers_with_a_user_namespace_too() {
    let h = Host::new();
    h.sh("echo x >f; chown 1000:1000 f");
    for make in ["create", "run -d"] {
        h.ok(&format!("{make} --name box --userns 200000:65536 busybox sleep 1000"));
        h.ok("cp f box:/plain");
        h.ok("cp -a f box:/kept");
        h.ok("cp -a box:/kept out");
        assert_eq!((fs::metadata(h.path("out")).unwrap().uid(), make), (1000, make));
        if make == "create" {
            h.ok("start box");
        }
        assert_eq!(h.ok("exec box stat -c '%u %g' /plain /kept"), "0 0\n1000 1000");
        h.ok("rm -f box");
    }
}

#[test]
fn a_container_that_goes_on_is_as_it_was() {
    let h = Host::new();
    h.write("f", "x");
    // One that was made for one run only has not had it yet.
    h.ok("create --rm --name once busybox cat /f");
    h.ok("cp f once:/");
    assert_eq!(h.ok("start -a once"), "x");
    let dir = h.path("root");
    h.sh("mkdir root; tar -C root -xf ../../busybox.tar 2>/dev/null || cp -a /bin/busybox root/ || true");
    h.ok(&format!("create --name dir --rootfs {dir} true"));
    h.ok("cp f dir:/here");
    assert_eq!(fs::read_to_string(h.path("root/here")).unwrap(), "x");
    // Copies into one that does not run wait for each other.
    h.ok("create --name box busybox sh -c 'cat /0 /1 /2 /3'");
    let copies: Vec<_> = (0..4).map(|n| h.spawn(&["cp", "f", &format!("box:/{n}")])).collect();
    for copy in copies {
        copy.wait().ok();
    }
    assert_eq!(h.ok("start -a box"), "xxxx");
    // A paused one is copied from and to.
    h.idle("--name still");
    h.ok("pause still");
    h.ok("cp f still:/");
    h.ok("cp still:/f g");
    h.ok("unpause still");
}

#[test]
fn a_terminal_is_told_what_was_copied() {
    let h = Host::new();
    h.ok("create --name box busybox true");
    h.write("f", "abc");
    h.sh("touch -d @1000000000 f"); // a time that needs no more than a tar header
    let mut to = h.terminal("cp f box:/x");
    to.expect("Successfully copied 3B (transferred 2.05kB) to box:/x");
    to.wait().exits(0);
    let quiet = h.terminal("cp -q f box:/x").wait();
    assert_eq!((quiet.code, quiet.out.as_str()), (0, ""));
    let loud = h.run("cp --quiet=false box:/x y");
    assert_eq!(loud.err, format!("Successfully copied 3B (transferred 2.05kB) to {}\n", h.path("y")));
}

/// Something outside that nobody may touch.
fn treasure(h: &Host) -> String {
    h.write("treasure/gold", "gold");
    h.sh("stat -c '%n %s %a %u %Y' treasure treasure/*; cat treasure/*")
}

#[test]
fn symlinks_of_a_container_lead_nowhere_else() {
    let h = Host::new();
    let before = treasure(&h);
    let outside = h.path("treasure");
    h.idle("--name box");
    h.write("gold", "lead");
    let up = "../".repeat(40);
    for (n, target) in
        [outside.clone(), format!("{up}{outside}"), "/proc/1/root".into(), "/proc/self/root".into()].iter().enumerate()
    {
        h.ok(&["exec", "box", "ln", "-s", target, &format!("/l{n}")]);
        let done = h.run(&["cp", "gold", &format!("box:/l{n}/gold")]);
        assert_eq!(done.code, 1, "{done:?}");
        let done = h.run(&["cp", &format!("box:/l{n}/gold"), "stolen"]);
        assert_eq!(done.code, 1, "{done:?}");
    }
    // The same paths inside the container are fine, and are its own.
    h.ok(&["exec", "box", "mkdir", "-p", &outside]);
    h.ok("cp gold box:/l0/gold");
    assert_eq!(h.ok(&["exec", "box", "cat", &format!("{outside}/gold")]), "lead");
    h.ok(&["exec", "box", "ln", "-s", &format!("{outside}/gold"), "/l1/silver"]);
    h.ok("cp gold box:/l1/silver");
    // A link in what is copied out stays a link.
    h.ok("exec box mkdir /d");
    h.ok(&["exec", "box", "ln", "-s", &outside, "/d/sub"]);
    h.ok("cp box:/d out");
    h.ok("exec box rm /d/sub");
    h.ok("exec box mkdir /d/sub");
    h.ok("exec box touch /d/sub/gold");
    h.run("cp box:/d/. out").fails(1, "cannot overwrite non-directory \"sub\" with directory");
    assert_eq!(treasure_now(&h), before);
}

fn treasure_now(h: &Host) -> String {
    h.sh("stat -c '%n %s %a %u %Y' treasure treasure/*; cat treasure/*")
}

#[test]
fn a_race_with_a_symlink_changes_nothing_outside() {
    let h = Host::new();
    let before = treasure(&h);
    let outside = h.path("treasure");
    // What /x leads to while the container wins: the same path on the host, and, by way of a process that is not in the
    // container (where root outside could go, but root inside cannot), the host's root.
    let flip = format!(
        "mkdir -p /a{outside} /real; echo ready; while :; do mv /real /x 2>/dev/null; mv /x /real; \
         ln -sn {outside} /x; rm -f /x; ln -sn /proc/1/root{outside} /x; rm -f /x; done"
    );
    h.ok(&["run", "-d", "--name", "box", "--pid", "host", "busybox", "sh", "-c", &flip]);
    h.write("s/gold", "lead");
    // Both are directories: a name that is a symlink to somewhere is followed, as the caller's own word.
    h.sh("mkfifo -m 777 s/fifo; mkdir s/deep got out; echo lead >s/deep/gold");
    let end = Instant::now() + Duration::from_secs(3);
    let (mut won, mut rounds) = (0, 0);
    while Instant::now() < end {
        // Half a dozen at a time: that is what makes them meet.
        let copies: Vec<_> = ["cp s/. box:/x", "cp s/gold box:/x/gold", "cp box:/x got", "cp box:/x/. out"]
            .iter()
            .map(|line| h.spawn(*line))
            .collect();
        rounds += 1;
        won += copies.into_iter().map(|copy| copy.wait().code).filter(|code| *code == 0).count();
    }
    eprintln!("{won} copies of {rounds} rounds got through");
    assert_eq!(treasure_now(&h), before);
    let stolen = h.sh("grep -rls '^gold$' got out || true");
    assert_eq!(stolen, "", "read from outside");
}

#[test]
fn what_is_copied_may_change_meanwhile() {
    let h = Host::new();
    let before = treasure(&h);
    let outside = h.path("treasure");
    let flip = format!(
        "mkdir -p /t/d /t/e; echo x >/t/d/gold; cd /t; while :; do mv d q; ln -s {outside} d; rm d; mv q d; \
         rm -f p; ln -s {outside}/gold p; rm -f p; mkfifo p; rm -f p; mknod p c 1 3; done"
    );
    h.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", &flip]);
    let end = Instant::now() + Duration::from_secs(2);
    h.sh("mkdir -p in/d; mkfifo -m 666 in/p; echo lead >in/d/gold");
    while Instant::now() < end {
        let copies: Vec<_> = ["cp box:/t out", "cp in/. box:/t"].iter().map(|line| h.spawn(*line)).collect();
        for copy in copies {
            copy.wait();
        }
        h.sh("test -z \"$(grep -rls '^gold$' out)\"; rm -rf out");
    }
    assert_eq!(treasure_now(&h), before);
}
