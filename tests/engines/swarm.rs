//! docker swarm on one node.

use crate::checks;
use crate::process::until_is;
use crate::stage::Stage;

pub const CHECKS: &[crate::Check] = checks![swarm];

/// The containers that run for the service, one a line, sorted.
fn tasks(s: &Stage) -> Vec<String> {
    let mut ids: Vec<String> =
        s.ok("engine ps -q --filter label=com.docker.swarm.service.name=web").lines().map(str::to_owned).collect();
    ids.sort();
    ids
}

fn swarm(s: &Stage) {
    s.ok("engine swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1");
    let flags =
        "--detach --name web --stop-grace-period 1s --restart-delay 100ms --update-delay 0s --update-monitor 100ms";
    s.ok(&format!(
        "engine service create {flags} --replicas 3 --env VERSION=1 busybox sh -c 'trap exit TERM; sleep 1000 & wait'"
    ));
    until_is("3", || tasks(s).len().to_string());

    s.ok("engine service scale --detach web=5");
    until_is("5", || tasks(s).len().to_string());

    s.ok("engine service update --detach --update-parallelism 5 --env-add VERSION=2 web");
    until_is("2 2 2 2 2", || {
        let versions = tasks(s)
            .iter()
            .map(|id| s.line(&format!("engine exec {id} sh -c 'echo $VERSION'")).run().out)
            .collect::<String>();
        versions.split_whitespace().collect::<Vec<_>>().join(" ")
    });

    let before = tasks(s);
    s.ok(&format!("engine kill {}", before[0]));
    until_is("4 of them and 1", || {
        let now = tasks(s);
        let kept = now.iter().filter(|id| before[1..].contains(id)).count();
        format!("{kept} of them and {}", now.len() - kept)
    });

    s.ok("engine service rm web");
    until_is("", || s.ok("engine ps -aq --filter label=com.docker.swarm.service.name=web"));
    s.ok("engine swarm leave --force");
}
