//! Health checks: when they are made, what they find, and how that is shown.

use crate::host::Host;
use crate::process::until;
use std::fs;

fn status(h: &Host) -> String {
    let status = h.field("box", "Status");
    status.rsplit_once(" (").map_or(String::new(), |(_, word)| word.trim_end_matches(')').to_owned())
}

/// What is known of its health, as JSON.
fn record(h: &Host) -> String {
    let id = h.ok("ps -aq --no-trunc --filter name=^box$");
    let text = fs::read_to_string(h.store.join("containers").join(id).join("state.json")).unwrap();
    text.split("\"health\":").nth(1).unwrap().to_owned()
}

#[test]
fn it_is_found_out_now_and_then() {
    let h = Host::new();
    h.ok("run -d --name box --health-cmd 'test -f /ok' --health-interval 200ms --health-retries 2 busybox sleep 1000");
    assert_eq!(status(&h), "health: starting");
    assert_eq!(h.ok("ps -q --filter health=starting").len(), 12);
    until("it is unhealthy", || status(&h) == "unhealthy");
    h.ok("exec box touch /ok");
    until("it is healthy", || status(&h) == "healthy");
    assert_eq!(h.ok("ps -q --filter health=unhealthy"), "");
    until("the old checks are forgotten", || !record(&h).contains("\"exit_code\":1"));
    assert!(record(&h).contains("\"failing_streak\":0") && record(&h).matches("\"start\":").count() == 5);
}

#[test]
fn a_check_is_inside_and_what_it_says_is_kept() {
    let h = Host::new();
    h.ok("run -d --name box --hostname inside -u 1000 -w /tmp -e A=b --health-interval 100ms \
          --health-cmd 'hostname; id -u; pwd; echo $A; echo wrong >&2; exit 3' busybox sleep 1000");
    until("it was checked", || record(&h).contains("exit_code"));
    let record = record(&h);
    assert!(
        record.contains("\"output\":\"inside\\n1000\\n/tmp\\nb\\nwrong\\n\"") && record.contains("\"exit_code\":3"),
        "{record}"
    );
}

#[test]
fn a_check_that_takes_too_long_is_killed() {
    let h = Host::new();
    h.ok("run -d --name box --health-interval 100ms --health-timeout 200ms --health-retries 1 \
          --health-cmd 'echo slow; sleep 987; true' busybox sleep 1000");
    until("it is unhealthy", || status(&h) == "unhealthy");
    assert!(
        record(&h).contains("\"exit_code\":-1,\"output\":\"Health check exceeded timeout (200ms): slow\\n\""),
        "{}",
        record(&h)
    );
    let sleeping = || h.ok("top box -o args").matches("sleep 987").count();
    until("nothing is left of it", || sleeping() <= 1);
}

#[test]
fn a_check_that_says_too_much_is_cut() {
    let h = Host::new();
    h.ok("run -d --name box --health-interval 100ms --health-cmd 'yes | head -c 300000' busybox sleep 1000");
    until("it is healthy", || status(&h) == "healthy");
    let record = record(&h);
    let output = record.split("\"output\":\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(output.ends_with("...") && output.len() == 2048 * 3 + 3, "{}", output.len()); // y\n is three characters there
}

#[test]
fn failures_do_not_count_while_it_starts() {
    let h = Host::new();
    h.ok("run -d --name box --health-cmd 'test -f /ok' --health-interval 100ms --health-retries 1 \
          --health-start-period 1h --health-start-interval 50ms busybox sleep 1000");
    until("it was checked often", || record(&h).matches("\"exit_code\":1").count() == 5);
    assert_eq!(status(&h), "health: starting");
    h.ok("exec box touch /ok");
    until("it is healthy", || status(&h) == "healthy");
    h.ok("exec box rm /ok");
    until("it is unhealthy", || status(&h) == "unhealthy");
}

#[test]
fn a_command_that_is_not_there_is_a_failure() {
    let h = Host::new();
    h.ok("create --name made busybox sleep 1000");
    h.ok(&["commit", "-c", "HEALTHCHECK --interval=100ms --retries=1 CMD [\"nosuch\"]", "made", "checked"]);
    h.ok("run -d --name box checked");
    until("it is unhealthy", || status(&h) == "unhealthy");
    assert!(record(&h).contains("executable file not found"), "{}", record(&h));
}

#[test]
fn images_say_how_and_flags_say_otherwise() {
    let h = Host::new();
    h.ok("create --name made busybox sleep 1000");
    h.ok(&["commit", "-c", "HEALTHCHECK --interval=100ms CMD test -f /ok", "made", "checked"]);
    h.ok("run -d --name box checked sh -c 'touch /ok; sleep 1000'");
    until("it is healthy", || status(&h) == "healthy");
    h.ok("rm -f box");
    h.ok("run -d --name box --no-healthcheck checked sleep 1000");
    assert_eq!(status(&h), "");
    assert_eq!(h.ok("ps -q --filter health=none").len(), 12);
    h.ok("commit box unchecked");
    h.ok("rm -f box");
    h.ok("run -d --name box unchecked sleep 1000");
    assert_eq!(status(&h), "");
}

#[test]
fn nobody_is_asked_while_it_stands_still() {
    let h = Host::new();
    h.ok("run -d --name box --health-cmd true --health-interval 100ms busybox sleep 1000");
    until("it is healthy", || status(&h) == "healthy");
    h.ok("pause box");
    assert_eq!(status(&h), "Paused");
    let before = record(&h);
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(record(&h), before);
    h.ok("unpause box");
    until("it is asked again", || record(&h) != before);
    h.ok("stop -t 0 box");
}

#[test]
fn each_run_is_healthy_for_itself() {
    let h = Host::new();
    h.ok("run -d --name box --restart always --health-cmd 'sleep 0.01' --health-interval 20ms busybox sleep 0.5");
    until("it was healthy", || status(&h) == "healthy");
    until("it starts again", || status(&h) == "health: starting");
    until("it is healthy again", || status(&h) == "healthy");
    h.ok("rm -f box");
}

#[test]
fn flags_that_make_no_sense_are_refused() {
    let h = Host::new();
    for (flags, text) in [
        ("--health-interval 1us", "Interval in Healthcheck cannot be less than 1ms"),
        ("--health-timeout 1ns", "Timeout in Healthcheck cannot be less than 1ms"),
        ("--health-interval -1s", "--health-interval cannot be negative"),
        ("--health-retries -1", "--health-retries cannot be negative"),
        ("--health-interval 5", "time: invalid duration \"5\""),
        ("--no-healthcheck --health-cmd x", "--no-healthcheck conflicts with --health-* options"),
    ] {
        h.run(&format!("run -d {flags} busybox true")).fails(125, text);
    }
    assert_eq!(h.ok("ps -aq"), "");
}
