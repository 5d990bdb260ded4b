//! What `inspect` tells about a container, in docker's words. What does not exist here has the value that docker shows
//! when it is not used.

use super::super::ps;
use super::super::read;
use super::super::shape::{picked, put, put_flag, put_number, put_text, put_texts};
use miniserde::json::{self, Object, Value};
use mydocker::error::Result;
use mydocker::kernel::time;
use mydocker::spec::map::Set;
use mydocker::spec::record::to_json;
use mydocker::spec::{Mount, MountKind, Namespace, Owner, Spec, State, Status};
use mydocker::store::containers::Container;
use mydocker::store::{Store, images, volumes};
use mydocker::walls::mount;

const SIGTERM: i32 = 15;

// The fields that are as in our record, or always the same, by `picked`.
const TOP: &str = "Id id,Driver - \"overlay\",Platform - \"linux\",MountLabel - \"\",ProcessLabel - \"\",\
    AppArmorProfile - \"\",ExecIDs - [],";
const STATE: &str = "Status status,OOMKilled oom_killed,Dead - false,Pid pid,ExitCode exit_code,Error error,\
    StartedAt @started,FinishedAt @finished,Health - null,";
const HEALTH: &str = "Status status,FailingStreak failing_streak,";
const CHECK: &str = "Start @start,End @end,ExitCode exit_code,Output output,";
const CONFIG: &str = "Hostname hostname,Domainname - \"\",User user,AttachStdin - false,AttachStdout - false,\
    AttachStderr - false,Tty tty,OpenStdin stdin,StdinOnce - false,Env env,Cmd cmd,Healthcheck - null,\
    Image image,WorkingDir cwd,Entrypoint entrypoint,OnBuild - [],Labels labels,StopSignal - \"\",\
    StopTimeout stop_timeout,";
const CHECKS: &str = "Test health.test,Interval health.interval_ns,Timeout health.timeout_ns,\
    StartPeriod health.start_period_ns,StartInterval health.start_interval_ns,Retries health.retries,";
const HOST_CONFIG: &str = "ContainerIDFile - \"\",NetworkMode network,PortBindings - {},AutoRemove auto_remove,\
    VolumeDriver - \"\",VolumesFrom - [],CapAdd security.cap_add,CapDrop security.cap_drop,Dns - [],DnsOptions - [],\
    DnsSearch - [],ExtraHosts - [],GroupAdd groups,Links - [],OomScoreAdj oom_score_adj 0,Privileged security.privileged,\
    PublishAllPorts - false,ReadonlyRootfs read_only,ShmSize shm_bytes 0,Sysctls sysctls,Runtime - \"mydocker\",\
    Init - null,CpuShares limits.cpu_shares 0,Memory limits.memory 0,NanoCpus limits.nano_cpus 0,\
    CgroupParent limits.cgroup_parent,BlkioWeight limits.blkio_weight 0,CpuPeriod limits.cpu_period 0,\
    CpuQuota limits.cpu_quota 0,CpusetCpus limits.cpuset_cpus \"\",CpusetMems limits.cpuset_mems \"\",\
    MemoryReservation limits.memory_reservation 0,MemorySwappiness limits.memory_swappiness,\
    OomKillDisable limits.oom_kill_disable,PidsLimit limits.pids,DeviceCgroupRules device_rules,";
const RESTART: &str = "Name restart.policy,MaximumRetryCount restart.retries_max,";
const DEVICE: &str = "PathOnHost source,PathInContainer target,CgroupPermissions access,";
const ULIMIT: &str = "Name name,Hard hard,Soft soft,";
const ENDPOINT: &str = "EndpointID - \"\",Gateway - \"\",GlobalIPv6Address - \"\",GlobalIPv6PrefixLen - 0,\
    IPAddress - \"\",IPPrefixLen - 0,IPv6Gateway - \"\",MacAddress - \"\",";
const NETWORK: &str = "Bridge - \"\",Ports - {},SandboxID - \"\",SandboxKey - \"\",";

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
    let record = json::from_str(&to_json(spec)).unwrap_or(Value::Null); // what we wrote ourselves
    let words: Vec<String> = spec.args().cloned().collect();
    let (path, args) = words.split_first().map_or(("", &[][..]), |(path, args)| (path.as_str(), args));
    let home = format!("{}/containers/{}", store.root_path, spec.id);
    let mut o = picked(TOP, &record);
    put_text(&mut o, "Created", &moment(spec.created));
    put_text(&mut o, "Path", path);
    put_texts(&mut o, "Args", args);
    put(&mut o, "State", life(&state, is_paused));
    let prefix = if spec.image_id.is_empty() { "" } else { "sha256:" };
    put_text(&mut o, "Image", &format!("{prefix}{}", spec.image_id));
    for (key, name) in
        [("ResolvConfPath", "resolv.conf"), ("HostnamePath", "hostname"), ("HostsPath", "hosts"), ("LogPath", "log")]
    {
        let is_there = key != "LogPath" || spec.log.is_kept;
        put_text(&mut o, key, &if is_there { format!("{home}/{name}") } else { String::new() });
    }
    put_text(&mut o, "Name", &format!("/{}", spec.name));
    put_number(&mut o, "RestartCount", state.restarts.into());
    put(&mut o, "HostConfig", host_config(spec, &record));
    put(&mut o, "GraphDriver", graph_driver(store, spec, &home));
    let mounts = spec.mounts.iter().filter(|mount| mount.kind != MountKind::Tmpfs);
    put(&mut o, "Mounts", Value::Array(mounts.map(|mount| mount_of(store, mount)).collect()));
    put(&mut o, "Config", config(store, spec, &record));
    let (mut network, mut networks) = (picked(NETWORK, &record), Object::new());
    network.extend(picked(ENDPOINT, &record));
    put(&mut networks, ps::network_name(spec), Value::Object(picked(ENDPOINT, &record)));
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
    let record: Value = json::from_str(&to_json(state)).unwrap_or(Value::Null); // what we wrote ourselves
    let is_restarting = state.status == Status::Restarting;
    let mut o = picked(STATE, &record);
    put_text(&mut o, "Status", ps::state_word(state, is_paused));
    put_flag(&mut o, "Running", state.status == Status::Running || is_restarting);
    put_flag(&mut o, "Paused", is_paused);
    put_flag(&mut o, "Restarting", is_restarting);
    if let Value::Object(record) = &record
        && let Some(checked @ Value::Object(health)) = record.get("health")
    {
        let mut found = picked(HEALTH, checked);
        put(&mut found, "Log", each(CHECK, health.get("log")));
        put(&mut o, "Health", Value::Object(found));
    }
    Value::Object(o)
}

/// What is picked of each of a list's items.
fn each(table: &str, list: Option<&Value>) -> Value {
    let Some(Value::Array(list)) = list else { return Value::Array(json::Array::new()) };
    Value::Array(list.iter().map(|item| Value::Object(picked(table, item))).collect())
}

fn config(store: &Store, spec: &Spec, record: &Value) -> Value {
    let mut o = picked(CONFIG, record);
    let empty = || Value::Object(Object::new());
    let (mut ports, mut volumes) = (Object::new(), Object::new());
    let image = images::get(store, &spec.image_id).ok().and_then(|image| image.config); // it may be gone by now
    for port in image.iter().flat_map(|config| &config.exposed_ports).flat_map(Set::keys) {
        put(&mut ports, port, empty());
    }
    for mount in spec.mounts.iter().filter(|mount| mount.kind == MountKind::Anonymous) {
        put(&mut volumes, &mount.target, empty());
    }
    put(&mut o, "ExposedPorts", Value::Object(ports));
    put(&mut o, "Volumes", Value::Object(volumes));
    if spec.health.is_some() {
        put(&mut o, "Healthcheck", Value::Object(picked(CHECKS, record)));
    }
    if spec.stop_signal != SIGTERM {
        put_text(&mut o, "StopSignal", &read::signal_name(spec.stop_signal));
    }
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

fn host_config(spec: &Spec, record: &Value) -> Value {
    let mut o = picked(HOST_CONFIG, record);
    put(&mut o, "RestartPolicy", Value::Object(picked(RESTART, record)));
    if let Value::Object(record) = record {
        put(&mut o, "Devices", each(DEVICE, record.get("devices")));
        put(&mut o, "Ulimits", each(ULIMIT, record.get("ulimits")));
    }
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
    let shared = &spec.namespaces;
    put_namespace(&mut o, "CgroupnsMode", &shared.cgroup, "private");
    put_namespace(&mut o, "IpcMode", &shared.ipc, if spec.shm_bytes.is_some() { "private" } else { "none" });
    put_namespace(&mut o, "PidMode", &shared.pid, "");
    put_namespace(&mut o, "UTSMode", &shared.uts, "");
    put_text(&mut o, "UsernsMode", &spec.ids.map_or(String::new(), |ids| format!("{}:{}", ids.first, ids.size)));
    // Without a word about swap there is as much of it as memory.
    let swap = spec.limits.memory_swap.unwrap_or(2 * spec.limits.memory.unwrap_or(0) as i64);
    put_number(&mut o, "MemorySwap", swap);
    if spec.init {
        put_flag(&mut o, "Init", true);
    }
    put_security(&mut o, spec);
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
    put_texts(o, "SecurityOpt", &options);
    put_texts(o, "MaskedPaths", &masked);
    put_texts(o, "ReadonlyPaths", &read_only);
}

/// A size as people write it: `10m`, not 10485760.
fn in_units(mut bytes: u64) -> String {
    let mut units = ["", "k", "m", "g"].into_iter();
    let mut unit = units.next();
    while bytes > 0 && bytes.is_multiple_of(1024) && units.len() > 0 {
        (bytes, unit) = (bytes / 1024, units.next());
    }
    format!("{bytes}{}", unit.unwrap_or_default())
}

fn log(spec: &Spec) -> Value {
    let (mut o, mut options) = (Object::new(), Object::new());
    if spec.log.is_kept {
        if spec.log.max_bytes > 0 {
            put_text(&mut options, "max-size", &in_units(spec.log.max_bytes));
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
    fn what_is_picked_is_there() {
        let tables =
            [TOP, STATE, HEALTH, CHECK, CONFIG, CHECKS, HOST_CONFIG, RESTART, DEVICE, ULIMIT, ENDPOINT, NETWORK];
        for row in tables.iter().flat_map(|table| table.split_terminator(',')) {
            let words: Vec<&str> = row.split(' ').collect();
            assert!((2..=3).contains(&words.len()) && (words[1] != "-" || words.len() == 3), "{row}");
            assert!(words.get(2).is_none_or(|default| json::from_str::<Value>(default).is_ok()), "{row}");
        }
    }
}
