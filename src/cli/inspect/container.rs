//! What `inspect` tells about a container, in docker's words. What does not exist here has the value that docker shows
//! when it is not used.

use super::super::ps;
use super::super::read;
use super::super::shape::{object, picked, put, put_flag, put_number, put_string, put_text, put_texts};
use super::settings;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mydocker::error::Result;
use mydocker::kernel::time;
use mydocker::life::remove;
use mydocker::spec::json::{self, Object, Value};
use mydocker::spec::record::{Part, to_json};
use mydocker::spec::{Mount, MountKind, Namespace, Owner, Spec, State, Status};
use mydocker::store::containers::Container;
use mydocker::store::{Store, volumes};
use mydocker::walls::cgroup::Freezer;
use mydocker::walls::mount;

const SIGTERM: i32 = 15;

/// The answer by [`picked`]: what is as in our records, what [`value`] adds to them, and what is always the same.
const CONTAINER: &str = "Id id,Driver - \"overlay\",Platform - \"linux\",MountLabel - \"\",ProcessLabel - \"\",\
    AppArmorProfile - \"\",ExecIDs - [],Created @created,Path path \"\",Args args [],Image sha256:{image_id},Name /{name},\
    ResolvConfPath {home}/resolv.conf,HostnamePath {home}/hostname,HostsPath {home}/hosts,LogPath {log_home}/log,\
    RestartCount state.restarts,Mounts mounts,\
    State state(Status status,Running running,Paused paused,Restarting restarting,OOMKilled oom_killed,Dead - false,\
        Pid pid,ExitCode exit_code,Error error,StartedAt @started,FinishedAt @finished,\
        Health health(Status status,FailingStreak failing_streak,\
            Log log(Start @start,End @end,ExitCode exit_code,Output output,)))\
    Config .(Hostname hostname,Domainname domainname \"\",User user,AttachStdin - false,AttachStdout - false,\
        AttachStderr - false,Tty tty,OpenStdin stdin,StdinOnce - false,Env env,Cmd cmd,\
        Healthcheck health(Test test,Interval interval_ns,Timeout timeout_ns,StartPeriod start_period_ns,\
            StartInterval start_interval_ns,Retries retries,)\
        Image image,WorkingDir cwd,Entrypoint entrypoint,OnBuild - [],Labels labels,StopSignal signal \"\",\
        StopTimeout stop_timeout,MacAddress mac \"\",ExposedPorts exposed,Volumes volumes,)\
    HostConfig .(ContainerIDFile - \"\",NetworkMode network_of,PortBindings bindings,AutoRemove auto_remove,\
        VolumeDriver - \"\",VolumesFrom - [],CapAdd security.cap_add,CapDrop security.cap_drop,Dns dns,\
        DnsOptions dns_options,DnsSearch dns_search,ExtraHosts extra_hosts,GroupAdd groups,Links links,OomScoreAdj oom_score_adj 0,\
        Privileged security.privileged,PublishAllPorts publish_all false,ReadonlyRootfs read_only,ShmSize shm_bytes 0,\
        Sysctls sysctls,Runtime - \"mydocker\",Init init,CpuShares limits.cpu_shares 0,Memory limits.memory 0,\
        NanoCpus limits.nano_cpus 0,CgroupParent limits.cgroup_parent,BlkioWeight limits.blkio_weight 0,\
        CpuPeriod limits.cpu_period 0,CpuQuota limits.cpu_quota 0,CpusetCpus limits.cpuset_cpus \"\",\
        CpusetMems limits.cpuset_mems \"\",MemoryReservation limits.memory_reservation 0,MemorySwap swap,\
        MemorySwappiness limits.memory_swappiness,OomKillDisable limits.oom_kill_disable,PidsLimit limits.pids,\
        DeviceCgroupRules device_rules,RestartPolicy restart(Name policy,MaximumRetryCount retries_max,)\
        Devices devices(PathOnHost source,PathInContainer target,CgroupPermissions access,)\
        Ulimits ulimits(Name name,Hard hard,Soft soft,)Binds binds,Tmpfs memory,\
        LogConfig .(Type log.driver,Config log_options,)CgroupnsMode cgroup_of,IpcMode ipc_of,PidMode pid_of,\
        UTSMode uts_of,UsernsMode {ids.first}:{ids.size},SecurityOpt options,MaskedPaths masked,\
        ReadonlyPaths read_only_paths,After after,)";
/// The directories of its root file system, which is mounted nowhere on the host: of layers, or its own.
const LAYERS: &str = "LowerDir lower,MergedDir - \"\",UpperDir {home}/upper,WorkDir {home}/work,";
const ROOTFS: &str = "UpperDir rootfs,";
const BIND: &str = "Type - \"bind\",Name - \"\",Source source,Destination target,Driver - \"\",Mode mode,RW rw,\
    Propagation propagation,";
const VOLUME: &str = "Type - \"volume\",Name source,Source place,Destination target,Driver - \"local\",Mode mode,RW rw,\
    Propagation - \"\",";

/// RFC 3339 with as many digits as are needed, as Go writes it; 0 is never.
pub fn moment(at: i64) -> String {
    if at == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    let long = time::rfc3339(at);
    let short = long.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    format!("{short}Z")
}

/// One of our records as an object that more can be put into.
pub fn record(of: &dyn Part) -> Object {
    object(&to_json(of))
}

/// The whole answer; `None` when the container has just gone.
pub fn value(store: &Store, container: &Container, with_size: bool) -> Result<Option<Value>> {
    let spec: &Spec = &container.spec;
    let Some(state) = remove::settle(store, container)? else { return Ok(None) };
    let is_paused = ps::is_paused(spec, &state, &Freezer::default());
    let mut o = record(spec);
    put(&mut o, "state", life(&state, is_paused));
    put_words(&mut o, spec);
    put_modes(&mut o, spec);
    put_mounts(&mut o, store, spec);
    put_directories(&mut o, store, spec);
    settings::put_requests(&mut o, store, spec);
    put_string(&mut o, "network_of", ps::network_name(spec));
    put(&mut o, "settings", Value::Object(settings::settings(store, spec, &state)));
    let directories = if spec.rootfs.is_some() { ROOTFS } else { LAYERS };
    let table = format!(
        "{CONTAINER}GraphDriver .(Name - \"overlay\",Data .({directories}))NetworkSettings settings({})",
        settings::SETTINGS
    );
    let mut o = picked(&table, &Value::Object(o));
    if with_size {
        let (own, all) = ps::sizes(store, spec)?;
        put_number(&mut o, "SizeRw", own as i64);
        put_number(&mut o, "SizeRootFs", all as i64);
    }
    Ok(Some(Value::Object(o)))
}

fn life(state: &State, is_paused: bool) -> Value {
    let is_restarting = state.status == Status::Restarting;
    let mut o = record(state);
    put_text(&mut o, "status", ps::state_word(state, is_paused));
    put_flag(&mut o, "running", state.status == Status::Running || is_restarting);
    put_flag(&mut o, "paused", is_paused);
    put_flag(&mut o, "restarting", is_restarting);
    Value::Object(o)
}

/// What it runs, and how it ends.
fn put_words(o: &mut Object, spec: &Spec) {
    let mut args = Vec::new();
    for arg in spec.args() {
        args.push(arg.clone());
    }
    if let [path, args @ ..] = args.as_slice() {
        put_text(o, "path", path);
        put_texts(o, "args", args);
    }
    if spec.stop_signal != SIGTERM {
        put_string(o, "signal", read::signal_name(spec.stop_signal));
    }
    if !spec.init {
        put(o, "init", Value::Null);
    }
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

/// What it shares, what it must not, and how much it may have.
fn put_modes(o: &mut Object, spec: &Spec) {
    let shared = &spec.namespaces;
    put_namespace(o, "cgroup_of", &shared.cgroup, "private");
    put_namespace(o, "ipc_of", &shared.ipc, if spec.shm_bytes.is_some() { "private" } else { "none" });
    put_namespace(o, "pid_of", &shared.pid, "");
    put_namespace(o, "uts_of", &shared.uts, "");
    // Without a word about swap there is as much of it as memory.
    let swap = spec.limits.memory_swap.unwrap_or(2 * spec.limits.memory.unwrap_or(0) as i64);
    put_number(o, "swap", swap);
    let security = &spec.security;
    let mut options: Vec<String> = Vec::new();
    if security.no_new_privileges {
        options.push("no-new-privileges".to_owned());
    }
    if let Some(profile) = &security.seccomp {
        options.push(format!("seccomp={profile}"));
    }
    put_texts(o, "options", &options);
    let is_open = security.privileged || security.unmasked;
    let (masked, read_only) = if is_open { Default::default() } else { mount::covered() };
    put_texts(o, "masked", &masked);
    put_texts(o, "read_only_paths", &read_only);
}

/// A size as people write it: `10m`, not 10485760.
fn in_units(mut bytes: u64) -> String {
    let mut unit = 0;
    while bytes > 0 && bytes.is_multiple_of(1024) && unit < 3 {
        (bytes, unit) = (bytes / 1024, unit + 1);
    }
    format!("{bytes}{}", ["", "k", "m", "g"][unit])
}

/// The options of a mount as `-v` has them.
fn mode(mount: &Mount) -> String {
    let mut mode = mount.mode.clone();
    if mount.read_only && !mode.split(',').any(|word| word == "ro") {
        mode.push_str(if mode.is_empty() { "ro" } else { ",ro" });
    }
    mode
}

fn put_mounts(o: &mut Object, store: &Store, spec: &Spec) {
    let (mut mounts, mut binds) = (json::Array::new(), Vec::new());
    let (mut memory, mut volumes) = (Object::new(), Object::new());
    for mount in &spec.mounts {
        let mode = mode(mount);
        match mount.kind {
            MountKind::Bind | MountKind::Volume => {
                let colon = if mode.is_empty() { "" } else { ":" };
                binds.push(format!("{}:{}{colon}{mode}", mount.source, mount.target));
            }
            MountKind::Anonymous => put(&mut volumes, &mount.target, Value::Object(Object::new())),
            MountKind::Tmpfs => {
                put_text(&mut memory, &mount.target, &mount.mode);
                continue;
            }
        }
        let mut shown = record(mount);
        put_string(&mut shown, "mode", mode);
        put_flag(&mut shown, "rw", !mount.read_only);
        put_string(&mut shown, "place", volumes::path(store, &mount.source));
        if mount.propagation.is_empty() {
            put_text(&mut shown, "propagation", "rprivate");
        }
        let table = if mount.kind == MountKind::Bind { BIND } else { VOLUME };
        mounts.push(Value::Object(picked(table, &Value::Object(shown))));
    }
    put(o, "mounts", Value::Array(mounts));
    put_texts(o, "binds", &binds);
    put(o, "memory", Value::Object(memory));
    put(o, "volumes", Value::Object(volumes));
}

/// The directories of layers, the uppermost one first.
pub fn directories(store: &Store, layers: &[String]) -> String {
    let mut text = String::new();
    for layer in layers.iter().rev() {
        text.extend([if text.is_empty() { "" } else { ":" }, &store.root_path, "/layers/", layer, "/diff"]);
    }
    text
}

/// Where its files are, and its log.
fn put_directories(o: &mut Object, store: &Store, spec: &Spec) {
    let mut options = Object::new();
    let home = format!("{}/containers/{}", store.root_path, spec.id);
    put_string(o, "lower", directories(store, &spec.layers));
    put_text(o, "home", &home);
    if spec.log.is_kept {
        put_text(o, "log_home", &home);
        if spec.log.max_bytes > 0 {
            put_string(&mut options, "max-size", in_units(spec.log.max_bytes));
        }
        put_string(&mut options, "max-file", spec.log.max_files.to_string());
    }
    put(o, "log_options", Value::Object(options));
}

#[cfg(test)]
mod tests {
    use super::*;
    use mydocker::spec::json::tree;

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
        let tables = [CONTAINER, LAYERS, ROOTFS, settings::SETTINGS, settings::ENDPOINT, BIND, VOLUME];
        for row in tables.concat().split([',', '(', ')']).map(str::trim).filter(|row| !row.is_empty()) {
            let words: Vec<&str> = row.split(' ').collect();
            assert!((2..=3).contains(&words.len()) && (words[1] != "-" || words.len() == 3), "{row}");
            assert!(words.get(2).is_none_or(|default| tree::value(default).is_some()), "{row}");
        }
        assert_eq!(CONTAINER.matches('(').count(), CONTAINER.matches(')').count());
    }
}
