//! What `inspect` tells about a container, in docker's words. What does not exist here has the value that docker shows
//! when it is not used.

use super::super::shape::{list, map, number, texts};
use super::super::{object, ps, read, text};
use miniserde::json::Value;
use mydocker::error::Result;
use mydocker::kernel::time;
use mydocker::spec::{
    Check, Checked, Device, Health, Limits, Mount, MountKind, Namespace, Network, Owner, Policy, Spec, State, Status,
    Ulimit,
};
use mydocker::store::containers::Container;
use mydocker::store::{Store, volumes};
use mydocker::walls::mount;

const SIGTERM: i32 = 15;

/// RFC 3339 with as many digits as are needed, as Go writes it; 0 is never.
pub fn moment(at: i64) -> Value {
    if at == 0 {
        return text("0001-01-01T00:00:00Z");
    }
    let long = time::rfc3339(at);
    let short = long.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    text(format!("{short}Z"))
}

/// The whole answer; `None` when the container has just gone.
pub fn value(store: &Store, container: &Container, with_size: bool) -> Result<Option<Value>> {
    let spec = &container.spec;
    let Some((state, is_paused)) = ps::state(store, container)? else { return Ok(None) };
    let words: Vec<String> = spec.args().cloned().collect();
    let (path, args) = words.split_first().map_or(("", &[][..]), |(path, args)| (path.as_str(), args));
    let own = |name: &str| text(format!("{}/containers/{}/{name}", store.root_path, spec.id));
    let image = if spec.image_id.is_empty() { String::new() } else { format!("sha256:{}", spec.image_id) };
    let mounts = spec.mounts.iter().filter(|m| m.kind != MountKind::Tmpfs);
    let mut fields = vec![
        ("Id", text(&spec.id)),
        ("Created", moment(spec.created)),
        ("Path", text(path)),
        ("Args", texts(args)),
        ("State", life(&state, is_paused)),
        ("Image", text(image)),
        ("ResolvConfPath", own("resolv.conf")),
        ("HostnamePath", own("hostname")),
        ("HostsPath", own("hosts")),
        ("LogPath", if spec.log.is_kept { own("log") } else { text("") }),
        ("Name", text(format!("/{}", spec.name))),
        ("RestartCount", number(i64::from(state.restarts))),
        ("Driver", text("overlay")),
        ("Platform", text("linux")),
        ("MountLabel", text("")),
        ("ProcessLabel", text("")),
        ("AppArmorProfile", text("")),
        ("ExecIDs", list(vec![])),
        ("HostConfig", host_config(spec)),
        ("GraphDriver", graph_driver(store, spec)),
        ("Mounts", list(mounts.map(|m| mount_of(store, m)).collect())),
        ("Config", config(spec)),
        ("NetworkSettings", network(spec)),
    ];
    if with_size {
        let (own, all) = ps::sizes(store, container)?;
        fields.extend([("SizeRw", number(own as i64)), ("SizeRootFs", number(all as i64))]);
    }
    Ok(Some(object(fields)))
}

fn life(state: &State, is_paused: bool) -> Value {
    let is_restarting = state.status == Status::Restarting;
    object(vec![
        ("Status", text(ps::state_word(state, is_paused))),
        ("Running", Value::Bool(state.status == Status::Running || is_restarting)),
        ("Paused", Value::Bool(is_paused)),
        ("Restarting", Value::Bool(is_restarting)),
        ("OOMKilled", Value::Bool(state.oom_killed)),
        ("Dead", Value::Bool(false)),
        ("Pid", number(i64::from(state.pid))),
        ("ExitCode", number(i64::from(state.exit_code))),
        ("Error", text(&state.error)),
        ("StartedAt", moment(state.started)),
        ("FinishedAt", moment(state.finished)),
        ("Health", state.health.as_ref().map_or(Value::Null, health)),
    ])
}

fn health(checked: &Checked) -> Value {
    let one = |check: &Check| {
        object(vec![
            ("Start", moment(check.start)),
            ("End", moment(check.end)),
            ("ExitCode", number(i64::from(check.exit_code))),
            ("Output", text(&check.output)),
        ])
    };
    object(vec![
        ("Status", text(super::verdict(checked.status))),
        ("FailingStreak", number(i64::from(checked.failing_streak))),
        ("Log", list(checked.log.iter().map(one).collect())),
    ])
}

fn config(spec: &Spec) -> Value {
    let signal = if spec.stop_signal == SIGTERM { String::new() } else { read::signal_name(spec.stop_signal) };
    let is_off = || Value::Bool(false);
    object(vec![
        ("Hostname", text(&spec.hostname)),
        ("Domainname", text("")),
        ("User", text(&spec.user)),
        ("AttachStdin", is_off()),
        ("AttachStdout", is_off()),
        ("AttachStderr", is_off()),
        ("ExposedPorts", object(vec![])),
        ("Tty", Value::Bool(spec.tty)),
        ("OpenStdin", Value::Bool(spec.stdin)),
        ("StdinOnce", is_off()),
        ("Env", texts(&spec.env)),
        ("Cmd", texts(&spec.cmd)),
        ("Healthcheck", spec.health.as_ref().map_or(Value::Null, checks)),
        ("Image", text(&spec.image)),
        ("Volumes", object(vec![])),
        ("WorkingDir", text(&spec.cwd)),
        ("Entrypoint", texts(&spec.entrypoint)),
        ("OnBuild", list(vec![])),
        ("Labels", map(&spec.labels)),
        ("StopSignal", text(signal)),
        ("StopTimeout", spec.stop_timeout.map_or(Value::Null, number)),
    ])
}

fn checks(health: &Health) -> Value {
    object(vec![
        ("Test", texts(&health.test)),
        ("Interval", number(health.interval_ns)),
        ("Timeout", number(health.timeout_ns)),
        ("StartPeriod", number(health.start_period_ns)),
        ("StartInterval", number(health.start_interval_ns)),
        ("Retries", number(i64::from(health.retries))),
    ])
}

fn namespace(namespace: &Namespace, private: &str) -> Value {
    text(match namespace.of {
        Owner::Private => private.to_owned(),
        Owner::Shareable => "shareable".to_owned(),
        Owner::Host => "host".to_owned(),
        Owner::Container => format!("container:{}", namespace.container),
    })
}

fn network_mode(spec: &Spec) -> &'static str {
    match spec.network {
        Network::None => "none",
        Network::Host => "host",
    }
}

fn host_config(spec: &Spec) -> Value {
    let security = &spec.security;
    let mut options: Vec<String> = Vec::new();
    options.extend(security.no_new_privileges.then(|| "no-new-privileges".to_owned()));
    options.extend(security.seccomp.as_ref().map(|profile| format!("seccomp={profile}")));
    let (masked, read_only) =
        if security.privileged || security.unmasked { Default::default() } else { mount::covered() };
    let restart = vec![
        ("Name", text(policy(spec.restart.policy))),
        ("MaximumRetryCount", number(i64::from(spec.restart.retries_max))),
    ];
    let is_kept_short = |mount: &&Mount| matches!(mount.kind, MountKind::Bind | MountKind::Volume);
    let memory = spec.mounts.iter().filter(|mount| mount.kind == MountKind::Tmpfs);
    let memory = memory.map(|mount| (mount.target.as_str(), text(&mount.mode)));
    let ids = spec.ids.map_or(String::new(), |ids| format!("{}:{}", ids.first, ids.size));
    let shared = &spec.namespaces;
    let no_list = || list(vec![]);
    let mut fields = vec![
        ("Binds", texts(&spec.mounts.iter().filter(is_kept_short).map(bind).collect::<Vec<_>>())),
        ("ContainerIDFile", text("")),
        ("LogConfig", log(spec)),
        ("NetworkMode", text(network_mode(spec))),
        ("PortBindings", object(vec![])),
        ("RestartPolicy", object(restart)),
        ("AutoRemove", Value::Bool(spec.auto_remove)),
        ("VolumeDriver", text("")),
        ("VolumesFrom", no_list()),
        ("CapAdd", texts(&security.cap_add)),
        ("CapDrop", texts(&security.cap_drop)),
        ("CgroupnsMode", namespace(&shared.cgroup, "private")),
        ("Dns", no_list()),
        ("DnsOptions", no_list()),
        ("DnsSearch", no_list()),
        ("ExtraHosts", no_list()),
        ("GroupAdd", texts(&spec.groups)),
        ("IpcMode", if spec.shm_bytes.is_none() { text("none") } else { namespace(&shared.ipc, "private") }),
        ("Links", no_list()),
        ("OomScoreAdj", number(i64::from(spec.oom_score_adj.unwrap_or(0)))),
        ("PidMode", namespace(&shared.pid, "")),
        ("Privileged", Value::Bool(security.privileged)),
        ("PublishAllPorts", Value::Bool(false)),
        ("ReadonlyRootfs", Value::Bool(spec.read_only)),
        ("SecurityOpt", texts(&options)),
        ("Tmpfs", object(memory.collect())),
        ("UTSMode", namespace(&shared.uts, "")),
        ("UsernsMode", text(ids)),
        ("ShmSize", number(spec.shm_bytes.unwrap_or(0) as i64)),
        ("Sysctls", map(&spec.sysctls)),
        ("Runtime", text("mydocker")),
        ("Init", if spec.init { Value::Bool(true) } else { Value::Null }),
        ("DeviceCgroupRules", texts(&spec.device_rules)),
        ("Devices", devices(spec)),
        ("Ulimits", ulimits(spec)),
        ("MaskedPaths", texts(&masked)),
        ("ReadonlyPaths", texts(&read_only)),
    ];
    fields.extend(limits(&spec.limits));
    object(fields)
}

fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::No => "no",
        Policy::OnFailure => "on-failure",
        Policy::Always => "always",
        Policy::UnlessStopped => "unless-stopped",
    }
}

fn limits(limits: &Limits) -> Vec<(&'static str, Value)> {
    let whole = |number_of: Option<u64>| number(number_of.unwrap_or(0) as i64);
    let name = |list: &Option<String>| text(list.as_deref().unwrap_or(""));
    // Without a word about swap there is as much of it as memory.
    let swap = limits.memory_swap.or(limits.memory.map(|bytes| 2 * bytes as i64)).unwrap_or(0);
    vec![
        ("CpuShares", whole(limits.cpu_shares)),
        ("Memory", whole(limits.memory)),
        ("NanoCpus", whole(limits.nano_cpus)),
        ("CgroupParent", text(&limits.cgroup_parent)),
        ("BlkioWeight", whole(limits.blkio_weight)),
        ("CpuPeriod", whole(limits.cpu_period)),
        ("CpuQuota", number(limits.cpu_quota.unwrap_or(0))),
        ("CpusetCpus", name(&limits.cpuset_cpus)),
        ("CpusetMems", name(&limits.cpuset_mems)),
        ("MemoryReservation", whole(limits.memory_reservation)),
        ("MemorySwap", number(swap)),
        ("MemorySwappiness", limits.memory_swappiness.map_or(Value::Null, |part| number(part as i64))),
        ("OomKillDisable", Value::Bool(limits.oom_kill_disable)),
        ("PidsLimit", limits.pids.map_or(Value::Null, number)),
    ]
}

fn devices(spec: &Spec) -> Value {
    let one = |device: &Device| {
        object(vec![
            ("PathOnHost", text(&device.source)),
            ("PathInContainer", text(&device.target)),
            ("CgroupPermissions", text(&device.access)),
        ])
    };
    list(spec.devices.iter().map(one).collect())
}

fn ulimits(spec: &Spec) -> Value {
    let one = |limit: &Ulimit| {
        object(vec![("Name", text(&limit.name)), ("Hard", number(limit.hard)), ("Soft", number(limit.soft))])
    };
    list(spec.ulimits.iter().map(one).collect())
}

fn log(spec: &Spec) -> Value {
    let mut options: Vec<(&str, Value)> = Vec::new();
    if spec.log.is_kept {
        options.extend((spec.log.max_bytes > 0).then(|| ("max-size", text(spec.log.max_bytes.to_string()))));
        options.push(("max-file", text(spec.log.max_files.to_string())));
    }
    object(vec![("Type", text(&spec.log.driver)), ("Config", object(options))])
}

/// A bind or a volume as `-v` has it.
fn bind(mount: &Mount) -> String {
    let read_only = mount.read_only && !mount.mode.split(',').any(|word| word == "ro");
    let mode = [mount.mode.as_str(), if read_only { "ro" } else { "" }];
    let mode = mode.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(",");
    let colon = if mode.is_empty() { "" } else { ":" };
    format!("{}:{}{colon}{mode}", mount.source, mount.target)
}

fn mount_of(store: &Store, mount: &Mount) -> Value {
    let is_bind = mount.kind == MountKind::Bind;
    let propagation = match mount.propagation.as_str() {
        _ if !is_bind => "",
        "" => "rprivate",
        other => other,
    };
    object(vec![
        ("Type", text(if is_bind { "bind" } else { "volume" })),
        ("Name", text(if is_bind { "" } else { &mount.source })),
        ("Source", text(if is_bind { mount.source.clone() } else { volumes::path(store, &mount.source) })),
        ("Destination", text(&mount.target)),
        ("Driver", text(if is_bind { "" } else { "local" })),
        ("Mode", text(&mount.mode)),
        ("RW", Value::Bool(!mount.read_only)),
        ("Propagation", text(propagation)),
    ])
}

/// The directories of its root file system. It is mounted nowhere on the host.
fn graph_driver(store: &Store, spec: &Spec) -> Value {
    let own = |name: &str| text(format!("{}/containers/{}/{name}", store.root_path, spec.id));
    let lower = spec.layers.iter().rev().map(|layer| format!("{}/layers/{layer}/diff", store.root_path));
    let data = match &spec.rootfs {
        Some(dir) => vec![("UpperDir", text(dir))],
        None => vec![
            ("LowerDir", text(lower.collect::<Vec<_>>().join(":"))),
            ("MergedDir", text("")),
            ("UpperDir", own("upper")),
            ("WorkDir", own("work")),
        ],
    };
    object(vec![("Data", object(data)), ("Name", text("overlay"))])
}

fn network(spec: &Spec) -> Value {
    const ADDRESSES: [&str; 5] = ["Gateway", "GlobalIPv6Address", "IPAddress", "IPv6Gateway", "MacAddress"];
    let numbers = || [("GlobalIPv6PrefixLen", number(0)), ("IPPrefixLen", number(0))];
    let empty = || ADDRESSES.into_iter().map(|key| (key, text(""))).chain(numbers());
    let mut endpoint: Vec<(&str, Value)> = empty().collect();
    endpoint.extend([("NetworkID", text("")), ("EndpointID", text("")), ("Aliases", Value::Null)]);
    let mut fields: Vec<(&str, Value)> = empty().collect();
    fields.extend([
        ("Bridge", text("")),
        ("EndpointID", text("")),
        ("Networks", object(vec![(network_mode(spec), object(endpoint))])),
        ("Ports", object(vec![])),
        ("SandboxID", text("")),
        ("SandboxKey", text("")),
    ]);
    object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (at, want) in [
            (0, "0001-01-01T00:00:00Z"),
            (time::SECOND, "1970-01-01T00:00:01Z"),
            (1_795_303_213_431_986_900, "2026-11-21T23:20:13.4319869Z"),
        ] {
            assert!(matches!(moment(at), Value::String(text) if text == want));
        }
    }
}
