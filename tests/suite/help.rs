//! Help, version, info: what a newcomer types first.

use crate::host::Host;

const VERBS: &str = "run create start ps logs exec top stats stop kill pause unpause update rm wait commit import bundle images \
                     export history tag rmi info version inspect port completion boot shutdown check";

#[test]
fn there_is_an_overview() {
    let h = Host::empty();
    let text = h.ok(&["help"]);
    for words in [&["--help"][..], &["-h"], &[]] {
        assert_eq!(h.ok(words), text);
    }
    for verb in VERBS.split_whitespace() {
        assert!(text.lines().any(|line| line.trim_start().starts_with(verb)), "{verb} is not in the overview");
    }
}

#[test]
fn every_verb_has_help() {
    let h = Host::empty();
    for verb in VERBS.split_whitespace() {
        let text = h.ok(&["help", verb]);
        assert!(text.starts_with(&format!("Usage:  mydocker {verb}")), "{text}");
        assert_eq!(h.ok(&[verb, "--help"]), text);
    }
    h.run("help nosuch").fails(1, "nosuch");
}

#[test]
fn both_spellings_work() {
    let h = Host::new();
    h.ok("container run --name box busybox true");
    assert_eq!(h.ok("container ls -a --format {{.Names}}"), "box");
    h.ok("container rm box");
    assert_eq!(h.ok("image ls --format {{.Repository}}"), "busybox");
    h.ok("image rm busybox");
}

#[test]
fn help_needs_no_root_and_makes_no_store() {
    let h = Host::empty();
    h.ok("help run");
    h.ok("run --help");
    assert!(!h.store.exists());
}

#[test]
fn version_and_info() {
    let h = Host::new();
    assert!(h.ok("version").contains(env!("CARGO_PKG_VERSION")));
    assert!(h.ok("--version").contains(env!("CARGO_PKG_VERSION")));
    h.ok("create busybox true");
    let info = h.ok("info");
    assert!(info.contains(h.store.to_str().unwrap()), "{info}");
    assert!(h.ok("info --format json").starts_with('{'));
}

#[test]
fn no_escape_codes_into_a_pipe() {
    let h = Host::new();
    for line in ["help", "ps -a", "images", "info"] {
        assert!(!h.ok(line).contains('\u{1b}'), "{line}");
    }
}

#[test]
fn what_is_elsewhere_is_said() {
    let h = Host::new();
    for (verb, why) in
        [("pull", "no registry"), ("push", "no registry"), ("build", "no builder"), ("login", "no registry")]
    {
        let output = h.run(&[verb, "x"]).exits(125);
        assert!(output.err.contains(why) && output.err.lines().count() == 1, "{output:?}");
    }
    assert!(!h.run("restart x").err.contains("did you mean"));
    assert!(h.run("--debug run --rm busybox true").err.contains("decided: {"));
}

#[test]
fn every_step_has_its_time() {
    let h = Host::new();
    let steps = |line: &str, wanted: &[&str]| {
        let output = h.run(line).exits(0);
        let lines: Vec<&str> = output.err.lines().collect();
        for step in wanted {
            assert!(lines.iter().any(|line| line.ends_with(step)), "no {step}: {}", output.err);
        }
        let since = |line: &&str| line.split_whitespace().next().unwrap().parse::<u64>().unwrap();
        assert!(lines.is_sorted_by_key(since) && lines.last().unwrap().ends_with("end"), "{}", output.err);
    };
    let of_all_three = ["decide::decide", "cgroup::prepare", "mount::enter", "Monitor::open", "take_down"];
    steps("--debug-timing run --rm --network none busybox true", &of_all_three);
    steps("--debug-timing run -d --name box busybox sleep 1000", &["create::create", "start::start"]);
    steps("--debug-timing exec box true", &["exec::open_init", "exec::enter", "lock"]);
    assert!(h.run("exec box true").err.is_empty());
}

#[test]
fn bash_completes() {
    let h = Host::new();
    h.ok("create --name boxed busybox true");
    let binary = std::path::Path::new(&crate::host::binary()).parent().unwrap().display().to_string();
    let complete = |typed: &[&str]| {
        let words = typed.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let script = format!(
            "export PATH={binary}:$PATH MYDOCKER_ROOT={} MYDOCKER_RUN={}; source <(mydocker completion bash); \
             COMP_WORDS=({words}) COMP_CWORD={}; _mydocker; echo \"${{COMPREPLY[*]}}\"",
            h.store.display(),
            h.run_dir.display(),
            typed.len() - 1
        );
        h.write("complete.sh", &script);
        h.sh("bash complete.sh")
    };
    for (typed, offered) in [
        (&["mydocker", "rena"][..], "rename"),
        (&["mydocker", "--r"], "--root --run-root"),
        (&["mydocker", "container", "pr"], "prune"),
        (&["mydocker", "run", "--restart", "un"], "unless-stopped"),
        (&["mydocker", "container", "kill", "-s", "T"], "TERM"),
        (&["mydocker", "rm", "box"], "boxed"),
        (&["mydocker", "network", "dis"], "disconnect"),
        (&["mydocker", "network", "rm", ""], "bridge host none"),
        (&["mydocker", "network", "connect", "b"], "boxed bridge"),
        (&["mydocker", "inspect", "b"], "boxed busybox:latest"),
        (&["mydocker", "rmi", ""], "busybox:latest"),
    ] {
        assert_eq!(complete(typed), offered, "{typed:?}");
    }
}
