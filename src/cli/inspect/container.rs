//! What `inspect` tells about a container, in docker's words. What does not exist here has the value that docker shows
//! when it is not used.

use super::super::shape::{begun, put, put_flag, put_map, put_number, put_text, put_texts};
use super::super::{ps, read};
use miniserde::json::{Object, Value};
use mydocker::error::Result;
use mydocker::kernel::time;
use mydocker::spec::{
    Checked, Health, Limits, Mount, MountKind, Namespace, Owner, Policy, Spec, State, Status, Verdict,
};
use mydocker::store::containers::Container;
use mydocker::store::{Store, volumes};
use mydocker::walls::mount;

const SIGTERM: i32 = 15;

/// What is the same for all containers, in each of the objects.
const ALWAYS: &str = r#"{"Driver":"overlay","Platform":"linux","MountLabel":"","ProcessLabel":"","AppArmorProfile":"",
    "ExecIDs":[]}"#;
const CONFIG: &str = r#"{"Domainname":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"ExposedPorts":{},
    "StdinOnce":false,"Healthcheck":null,"Volumes":{},"OnBuild":[],"StopSignal":"","StopTimeout":null}"#;
const HOST_CONFIG: &str = r#"{"ContainerIDFile":"","PortBindings":{},"VolumeDriver":"","VolumesFrom":[],"Dns":[],
    "DnsOptions":[],"DnsSearch":[],"ExtraHosts":[],"Links":[],"PublishAllPorts":false,"Runtime":"mydocker","Init":null,
    "MemorySwappiness":null,"PidsLimit":null}"#;
const NETWORK: &str = r#"{"Bridge":"","EndpointID":"","Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,
    "IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","MacAddress":"","Ports":{},"SandboxID":"","SandboxKey":""}"#;
const ENDPOINT: &str = r#"{"Aliases":null,"EndpointID":"","Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,
    "IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","MacAddress":"","NetworkID":""}"#;

/// RFC 3339 with as many digits as are needed, as Go writes it; 0 is never.
pub fn moment(at: i64) -> String {
    if at == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    let long = time::rfc3339(at);
    let short = long.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    format!("{short}Z")
}

/// The whole answer; `None` when the container has just gone.
pub fn value(store: &Store, container: &Container, with_size: bool) -> Result<Option<Value>> {
    let spec = &container.spec;
    let Some((state, is_paused)) = ps::state(store, container)? else { return Ok(None) };
    let words: Vec<String> = spec.args().cloned().collect();
    let (path, args) = words.split_first().map_or(("", &[][..]), |(path, args)| (path.as_str(), args));
    let home = format!("{}/containers/{}", store.root_path, spec.id);
    let mut o = begun(ALWAYS);
    put_text(&mut o, "Id", &spec.id);
    put_text(&mut o, "Created", &moment(spec.created));
    put_text(&mut o, "Path", path);
    put_texts(&mut o, "Args", args);
    put(&mut o, "State", life(&state, is_paused));
    let image = if spec.image_id.is_empty() { String::new() } else { format!("sha256:{}", spec.image_id) };
    put_text(&mut o, "Image", &image);
    for (key, name) in [("ResolvConfPath", "resolv.conf"), ("HostnamePath", "hostname"), ("HostsPath", "hosts")] {
        put_text(&mut o, key, &format!("{home}/{name}"));
    }
    put_text(&mut o, "LogPath", &if spec.log.is_kept { format!("{home}/log") } else { String::new() });
    put_text(&mut o, "Name", &format!("/{}", spec.name));
    put_number(&mut o, "RestartCount", state.restarts.into());
    put(&mut o, "HostConfig", host_config(spec));
    put(&mut o, "GraphDriver", graph_driver(store, spec, &home));
    let mounts = spec.mounts.iter().filter(|mount| mount.kind != MountKind::Tmpfs);
    put(&mut o, "Mounts", Value::Array(mounts.map(|mount| mount_of(store, mount)).collect()));
    put(&mut o, "Config", config(spec));
    let (mut network, mut networks) = (begun(NETWORK), Object::new());
    put(&mut networks, ps::network_name(spec), Value::Object(begun(ENDPOINT)));
    put(&mut network, "Networks", Value::Object(networks));
    put(&mut o, "NetworkSettings", Value::Object(network));
    if with_size {
        let (own, all) = ps::sizes(store, container)?;
        put_number(&mut o, "SizeRw", own as i64);
        put_number(&mut o, "SizeRootFs", all as i64);
    }
    Ok(Some(Value::Object(o)))
}

fn life(state: &State, is_paused: bool) -> Value {
    let is_restarting = state.status == Status::Restarting;
    let mut o = Object::new();
    put_text(&mut o, "Status", ps::state_word(state, is_paused));
    put_flag(&mut o, "Running", state.status == Status::Running || is_restarting);
    put_flag(&mut o, "Paused", is_paused);
    put_flag(&mut o, "Restarting", is_restarting);
    put_flag(&mut o, "OOMKilled", state.oom_killed);
    put_flag(&mut o, "Dead", false);
    put_number(&mut o, "Pid", state.pid.into());
    put_number(&mut o, "ExitCode", state.exit_code.into());
    put_text(&mut o, "Error", &state.error);
    put_text(&mut o, "StartedAt", &moment(state.started));
    put_text(&mut o, "FinishedAt", &moment(state.finished));
    put(&mut o, "Health", state.health.as_ref().map_or(Value::Null, health));
    Value::Object(o)
}

/// docker's word for a verdict.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Starting => "starting",
        Verdict::Healthy => "healthy",
        Verdict::Unhealthy => "unhealthy",
    }
}

fn health(checked: &Checked) -> Value {
    let log = checked.log.iter().map(|check| {
        let mut o = Object::new();
        put_text(&mut o, "Start", &moment(check.start));
        put_text(&mut o, "End", &moment(check.end));
        put_number(&mut o, "ExitCode", check.exit_code.into());
        put_text(&mut o, "Output", &check.output);
        Value::Object(o)
    });
    let mut o = Object::new();
    put_text(&mut o, "Status", verdict(checked.status));
    put_number(&mut o, "FailingStreak", checked.failing_streak.into());
    put(&mut o, "Log", Value::Array(log.collect()));
    Value::Object(o)
}

fn config(spec: &Spec) -> Value {
    let mut o = begun(CONFIG);
    put_text(&mut o, "Hostname", &spec.hostname);
    put_text(&mut o, "User", &spec.user);
    put_flag(&mut o, "Tty", spec.tty);
    put_flag(&mut o, "OpenStdin", spec.stdin);
    put_texts(&mut o, "Env", &spec.env);
    put_texts(&mut o, "Cmd", &spec.cmd);
    put_text(&mut o, "Image", &spec.image);
    put_text(&mut o, "WorkingDir", &spec.cwd);
    put_texts(&mut o, "Entrypoint", &spec.entrypoint);
    put_map(&mut o, "Labels", &spec.labels);
    if let Some(health) = &spec.health {
        put(&mut o, "Healthcheck", checks(health));
    }
    if spec.stop_signal != SIGTERM {
        put_text(&mut o, "StopSignal", &read::signal_name(spec.stop_signal));
    }
    if let Some(seconds) = spec.stop_timeout {
        put_number(&mut o, "StopTimeout", seconds);
    }
    Value::Object(o)
}

/// A health check, as the configuration of an image or a container has it.
pub fn checks(health: &Health) -> Value {
    let mut o = Object::new();
    put_texts(&mut o, "Test", &health.test);
    put_number(&mut o, "Interval", health.interval_ns);
    put_number(&mut o, "Timeout", health.timeout_ns);
    put_number(&mut o, "StartPeriod", health.start_period_ns);
    put_number(&mut o, "StartInterval", health.start_interval_ns);
    put_number(&mut o, "Retries", health.retries.into());
    Value::Object(o)
}

fn put_namespace(object: &mut Object, key: &str, namespace: &Namespace, private: &str) {
    let other = format!("container:{}", namespace.container);
    let text = match namespace.of {
        Owner::Private => private,
        Owner::Shareable => "shareable",
        Owner::Host => "host",
        Owner::Container => &other,
    };
    put_text(object, key, text);
}

fn host_config(spec: &Spec) -> Value {
    let mut o = begun(HOST_CONFIG);
    let mut binds = Vec::new();
    let mut memory = Object::new();
    for mount in &spec.mounts {
        match mount.kind {
            MountKind::Bind | MountKind::Volume => {
                let mode = mode(mount);
                let colon = if mode.is_empty() { "" } else { ":" };
                binds.push(format!("{}:{}{colon}{mode}", mount.source, mount.target));
            }
            MountKind::Tmpfs => put_text(&mut memory, &mount.target, &mount.mode),
            MountKind::Anonymous => {}
        }
    }
    put_texts(&mut o, "Binds", &binds);
    put(&mut o, "Tmpfs", Value::Object(memory));
    put(&mut o, "LogConfig", log(spec));
    put_text(&mut o, "NetworkMode", ps::network_name(spec));
    put(&mut o, "RestartPolicy", restart(spec));
    put_flag(&mut o, "AutoRemove", spec.auto_remove);
    put_texts(&mut o, "GroupAdd", &spec.groups);
    put_number(&mut o, "OomScoreAdj", spec.oom_score_adj.unwrap_or(0).into());
    put_flag(&mut o, "ReadonlyRootfs", spec.read_only);
    let shared = &spec.namespaces;
    put_namespace(&mut o, "CgroupnsMode", &shared.cgroup, "private");
    put_namespace(&mut o, "IpcMode", &shared.ipc, if spec.shm_bytes.is_some() { "private" } else { "none" });
    put_namespace(&mut o, "PidMode", &shared.pid, "");
    put_namespace(&mut o, "UTSMode", &shared.uts, "");
    put_text(&mut o, "UsernsMode", &spec.ids.map_or(String::new(), |ids| format!("{}:{}", ids.first, ids.size)));
    put_number(&mut o, "ShmSize", spec.shm_bytes.unwrap_or(0) as i64);
    put_map(&mut o, "Sysctls", &spec.sysctls);
    if spec.init {
        put_flag(&mut o, "Init", true);
    }
    put_security(&mut o, spec);
    put_devices(&mut o, spec);
    put_limits(&mut o, &spec.limits);
    Value::Object(o)
}

fn restart(spec: &Spec) -> Value {
    let policy = match spec.restart.policy {
        Policy::No => "no",
        Policy::OnFailure => "on-failure",
        Policy::Always => "always",
        Policy::UnlessStopped => "unless-stopped",
    };
    let mut o = Object::new();
    put_text(&mut o, "Name", policy);
    put_number(&mut o, "MaximumRetryCount", spec.restart.retries_max.into());
    Value::Object(o)
}

fn put_security(o: &mut Object, spec: &Spec) {
    let security = &spec.security;
    let mut options: Vec<String> = Vec::new();
    if security.no_new_privileges {
        options.push("no-new-privileges".to_owned());
    }
    if let Some(profile) = &security.seccomp {
        options.push(format!("seccomp={profile}"));
    }
    let is_open = security.privileged || security.unmasked;
    let (masked, read_only) = if is_open { Default::default() } else { mount::covered() };
    put_texts(o, "CapAdd", &security.cap_add);
    put_texts(o, "CapDrop", &security.cap_drop);
    put_flag(o, "Privileged", security.privileged);
    put_texts(o, "SecurityOpt", &options);
    put_texts(o, "MaskedPaths", &masked);
    put_texts(o, "ReadonlyPaths", &read_only);
}

fn put_devices(o: &mut Object, spec: &Spec) {
    let devices = spec.devices.iter().map(|device| {
        let mut o = Object::new();
        put_text(&mut o, "PathOnHost", &device.source);
        put_text(&mut o, "PathInContainer", &device.target);
        put_text(&mut o, "CgroupPermissions", &device.access);
        Value::Object(o)
    });
    put(o, "Devices", Value::Array(devices.collect()));
    put_texts(o, "DeviceCgroupRules", &spec.device_rules);
    let ulimits = spec.ulimits.iter().map(|limit| {
        let mut o = Object::new();
        put_text(&mut o, "Name", &limit.name);
        put_number(&mut o, "Hard", limit.hard);
        put_number(&mut o, "Soft", limit.soft);
        Value::Object(o)
    });
    put(o, "Ulimits", Value::Array(ulimits.collect()));
}

fn put_limits(o: &mut Object, limits: &Limits) {
    // Without a word about swap there is as much of it as memory.
    let swap = limits.memory_swap.or(limits.memory.map(|bytes| (2 * bytes) as i64));
    let whole = |number: Option<u64>| number.map(|number| number as i64);
    for (key, number) in [
        ("CpuShares", whole(limits.cpu_shares)),
        ("Memory", whole(limits.memory)),
        ("NanoCpus", whole(limits.nano_cpus)),
        ("BlkioWeight", whole(limits.blkio_weight)),
        ("CpuPeriod", whole(limits.cpu_period)),
        ("CpuQuota", limits.cpu_quota),
        ("MemoryReservation", whole(limits.memory_reservation)),
        ("MemorySwap", swap),
    ] {
        put_number(o, key, number.unwrap_or(0));
    }
    for (key, number) in [("MemorySwappiness", whole(limits.memory_swappiness)), ("PidsLimit", limits.pids)] {
        if let Some(number) = number {
            put_number(o, key, number);
        }
    }
    put_text(o, "CgroupParent", &limits.cgroup_parent);
    put_text(o, "CpusetCpus", limits.cpuset_cpus.as_deref().unwrap_or(""));
    put_text(o, "CpusetMems", limits.cpuset_mems.as_deref().unwrap_or(""));
    put_flag(o, "OomKillDisable", limits.oom_kill_disable);
}

fn log(spec: &Spec) -> Value {
    let (mut o, mut options) = (Object::new(), Object::new());
    if spec.log.is_kept {
        if spec.log.max_bytes > 0 {
            put_text(&mut options, "max-size", &spec.log.max_bytes.to_string());
        }
        put_text(&mut options, "max-file", &spec.log.max_files.to_string());
    }
    put_text(&mut o, "Type", &spec.log.driver);
    put(&mut o, "Config", Value::Object(options));
    Value::Object(o)
}

/// The options of a mount as `-v` has them.
fn mode(mount: &Mount) -> String {
    let is_said = mount.mode.split(',').any(|word| word == "ro");
    match (mount.read_only && !is_said, mount.mode.is_empty()) {
        (true, true) => "ro".to_owned(),
        (true, false) => format!("{},ro", mount.mode),
        (false, _) => mount.mode.clone(),
    }
}

fn mount_of(store: &Store, mount: &Mount) -> Value {
    let mut o = Object::new();
    let place = volumes::path(store, &mount.source);
    let (kind, name, source, driver, propagation) = match (mount.kind, mount.propagation.as_str()) {
        (MountKind::Bind, "") => ("bind", "", &mount.source, "", "rprivate"),
        (MountKind::Bind, other) => ("bind", "", &mount.source, "", other),
        _ => ("volume", mount.source.as_str(), &place, "local", ""),
    };
    put_text(&mut o, "Type", kind);
    put_text(&mut o, "Name", name);
    put_text(&mut o, "Source", source);
    put_text(&mut o, "Destination", &mount.target);
    put_text(&mut o, "Driver", driver);
    put_text(&mut o, "Mode", &mode(mount));
    put_flag(&mut o, "RW", !mount.read_only);
    put_text(&mut o, "Propagation", propagation);
    Value::Object(o)
}

/// The directories of its root file system. It is mounted nowhere on the host.
fn graph_driver(store: &Store, spec: &Spec, home: &str) -> Value {
    let (mut o, mut data) = (Object::new(), Object::new());
    if let Some(dir) = &spec.rootfs {
        put_text(&mut data, "UpperDir", dir);
    } else {
        let lower = spec.layers.iter().rev().map(|layer| format!("{}/layers/{layer}/diff", store.root_path));
        put_text(&mut data, "LowerDir", &lower.collect::<Vec<_>>().join(":"));
        put_text(&mut data, "MergedDir", "");
        put_text(&mut data, "UpperDir", &format!("{home}/upper"));
        put_text(&mut data, "WorkDir", &format!("{home}/work"));
    }
    put(&mut o, "Data", Value::Object(data));
    put_text(&mut o, "Name", "overlay");
    Value::Object(o)
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
            assert_eq!(moment(at), want);
        }
    }

    #[test]
    fn what_objects_begin_with_is_json() {
        for text in [ALWAYS, CONFIG, HOST_CONFIG, NETWORK, ENDPOINT] {
            assert!(begun(text).len() > 5, "{text}");
        }
    }
}
