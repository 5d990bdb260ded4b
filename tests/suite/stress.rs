//! Everything at once on the same images and containers, and much of it killed. Whatever happens, no image and no container
//! lacks its layers, every container starts, and what killed commands left is found and put right.

use crate::archive::Tar;
use crate::host::{Host, crash_binary};
use crate::process::{Cmd, Output, until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::time::{Duration, Instant};

const WORKERS: u64 = 6;
const COMMANDS_OF_A_WORKER: u32 = 45;
const IMAGES: u64 = 3;
const CONTAINERS: u64 = 5;

/// Places where the binary for crashes can be told to die.
const STEPS: [&str; 19] = [
    "commit:paused",
    "create:filled",
    "create:named",
    "create:placed",
    "image:drafted",
    "image:stored",
    "init:born",
    "layer:placed",
    "layer:unpacked",
    "monitor:alive",
    "monitor:cloned",
    "monitor:ended",
    "monitor:started",
    "remove:emptied",
    "remove:marked",
    "remove:thrown",
    "remove:unnamed",
    "rmi:deleted",
    "rmi:untagged",
];

/// What may be said to a command whose container or image somebody else has in hand.
const REASONS: [&str; 16] = [
    "No such container",
    "No such image",
    "Unable to find image",
    "conflict: unable to",
    "Conflict. The container name",
    "is busy: another command",
    "is not running",
    "already running",
    "container is running",
    "was started again",
    "ended without an answer",
    "is paused",
    "must be forced",
    "is restarting",
    "monitor was killed",
    "the process that handles the archive was killed",
];

/// A fixed sequence: what fails, fails again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn line(h: &Host, random: &mut Random) -> String {
    let (image, container) = (random.below(IMAGES), random.below(CONTAINERS));
    let (tar, saved) = (h.path(&format!("{image}.tar")), h.path(&format!("saved{image}.tar")));
    match random.below(28) {
        0..5 => format!("import -q {tar} image{image}"),
        5 => format!("rmi image{image}"),
        6 => format!("rmi -f image{image}"),
        7..9 => format!("run --rm image{image} cat /who"),
        9 => format!("run --rm {tar} cat /who"),
        10..12 => format!("create --name box{container} -v /data image{image} cat /who"),
        12..14 => format!("create --name box{container} {tar} cat /who"),
        14 => format!("run -d --name box{container} image{image} sleep 1000"),
        15 | 16 => format!("rm -f box{container}"),
        17..20 => format!("commit box{container} mine{image}"),
        20 => format!("run --rm mine{image} cat /who"),
        21 => format!("start box{container}"),
        22 => ["image prune -af", "image prune -f"][random.below(2) as usize].to_owned(),
        23 => ["system prune -af --volumes", "container prune -f"][random.below(2) as usize].to_owned(),
        24 => "system check --repair".to_owned(),
        25 => format!("save -o {saved} image{image}"),
        26 => format!("load -q -i {saved}"),
        _ => "system check".to_owned(),
    }
}

#[track_caller]
fn is_all_right(line: &str, output: &Output) {
    let whole = |text: &str| text.lines().all(|line| line.starts_with("left over: ") || line.starts_with("clean: "));
    let verb = line.split(' ').next().unwrap();
    if line.starts_with("system check") {
        assert!(whole(&output.out) && output.err.is_empty() && matches!(output.code, 0 | 1 | 4), "{output:?}");
    } else if output.code == 0 {
        let who: Option<u64> = if line.ends_with("cat /who") { output.out.parse().ok() } else { Some(0) };
        // A created container prints its id instead.
        assert!(verb == "create" || who.is_some_and(|who| who < IMAGES), "without its layers? {output:?}");
    } else {
        // Who is told to run something that somebody removes meanwhile hears that, or the end of it.
        let is_killed = output.code == 137 && output.err.is_empty();
        let is_known = |line: &str| REASONS.iter().any(|reason| line.contains(reason));
        assert!(is_killed || !output.err.is_empty() && output.err.lines().all(is_known), "{output:?}");
    }
}

fn work(h: &Host, seed: u64) {
    let mut random = Random(seed);
    let crash = crash_binary();
    for _ in 0..COMMANDS_OF_A_WORKER {
        let line = line(h, &mut random);
        let (fate, moment) = (random.below(8), random.below(40_000));
        let step = STEPS[random.below(STEPS.len() as u64) as usize];
        match (fate, &crash) {
            (0 | 1, _) => {
                let running = h.spawn(&line);
                let end = Instant::now() + Duration::from_micros(moment);
                until("its time has come", || Instant::now() > end);
                let _ = kill_process(Pid::from_raw(running.pid()).unwrap(), Signal::KILL); // it may have ended
                running.wait();
            }
            (2, Some(crash)) => drop(Cmd::new(h, crash, &line).env("MYDOCKER_DIE_AT", step).run()),
            _ => is_all_right(&line, &h.run(&line)),
        }
    }
}

#[test]
fn nobody_pulls_the_rug() {
    // Another one looks for more; what the machine does meanwhile is never the same anyway.
    let seed = std::env::var("MYDOCKER_STRESS_SEED").map_or(1, |seed| seed.parse().unwrap());
    let h = Host::empty();
    for image in 0..IMAGES {
        let archive = Tar::busybox().file("who", image.to_string().as_bytes()).finished();
        let tar = h.write(&format!("{image}.tar"), archive);
        h.ok(&["import", &tar, &format!("image{image}")]);
        h.ok(&["save", "-o", &h.path(&format!("saved{image}.tar")), &format!("image{image}")]);
    }
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let h = &h;
            scope.spawn(move || work(h, seed * WORKERS + worker));
        }
    });
    // What the killed ones left goes, and then nothing is wrong. Their last containers may be ending still.
    until("it is clean", || {
        let checked = h.run("system check --repair");
        is_all_right("system check", &checked);
        checked.code == 0
    });
    for id in h.ok("ps -aq").lines() {
        h.run(&format!("stop -t 0 {id}"));
        h.ok(&["start", id]);
        if h.ok(&["inspect", "-f", "{{.Path}}", id]) == "cat" {
            assert_eq!(h.ok(&["wait", id]), "0");
            let said = h.ok(&["logs", "--tail", "1", id]);
            assert!(said.chars().last().is_some_and(|who| ('0'..'3').contains(&who)), "{said:?}");
        } else {
            assert!(h.ok(&["exec", id, "cat", "/who"]).parse::<u64>().is_ok_and(|who| who < IMAGES));
        }
    }
    for id in h.ok("images -q").lines() {
        is_all_right("run --rm cat /who", &h.run(&["run", "--rm", id, "cat", "/who"]));
    }
    for id in h.ok("ps -aq").lines() {
        h.ok(&["rm", "-f", "-v", id]);
    }
    h.ok("system prune -af --volumes");
    assert!(h.ok("system check").starts_with("clean: 0 images, 0 layers, 0 containers, "), "{}", h.ok("images"));
    assert_eq!(fs::read_dir(h.store.join("layers")).unwrap().count(), 0);
}
