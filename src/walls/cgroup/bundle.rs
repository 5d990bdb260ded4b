//! The cgroup of a bundle: where the engine wants it, with all that `linux.resources` says. What a value is called there, and
//! which file it goes to, is one table; what cannot be had here is refused by its name there, before anything is made.
//!
//! Numbers are as runc takes them: 0 is not asked for where it could be no limit, -1 is no limit. Unlike there, a limit of the
//! kernel's memory is refused: kernels of today take it on v1, and do nothing with it. That of TCP works there.

use super::place::{Group, Hierarchy, Place, mark};
use super::setter::Setter;
use super::{Joined, is_refused, look_in, rules, set_up, v2};
use crate::error::{Error, Result, escaped};
use crate::kernel::{at, process};
use crate::spec::schema::Value as Asked;
use crate::spec::text;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::fs::{AtFlags, CWD};
use rustix::io::Errno;

/// Fields of one value, with the files of v1 and v2. `-` is none, `=` is set with others. Behind that what is special: 0 is a
/// value (`0`), and what holds anyway (`0?`); 0 is no limit (`none`); v2 has another scale (`shares`).
const VALUES: &str = "memory.limit memory.limit_in_bytes memory.max\n\
                      memory.reservation memory.soft_limit_in_bytes memory.low\n\
                      memory.kernel - -\n\
                      memory.kernelTCP memory.kmem.tcp.limit_in_bytes -\n\
                      memory.swappiness memory.swappiness - 0\n\
                      memory.disableOOMKiller memory.oom_control - 0?\n\
                      cpu.shares cpu.shares cpu.weight shares\n\
                      cpu.quota cpu.cfs_quota_us =\n\
                      cpu.burst cpu.cfs_burst_us cpu.max.burst 0?\n\
                      cpu.period cpu.cfs_period_us =\n\
                      cpu.realtimeRuntime cpu.rt_runtime_us -\n\
                      cpu.realtimePeriod cpu.rt_period_us -\n\
                      cpu.cpus cpuset.cpus cpuset.cpus\n\
                      cpu.mems cpuset.mems cpuset.mems\n\
                      cpu.idle cpu.idle cpu.idle 0?\n\
                      pids.limit pids.max pids.max none\n\
                      blockIO.leafWeight blkio.leaf_weight -\n\
                      network.classID net_cls.classid - 0?";
/// Fields with a list of disks, likewise; behind that what the value is called in it, and v2's word for a rate.
const DISKS: &str = "blockIO.weightDevice blkio.weight_device io.weight weight\n\
                     blockIO.weightDevice blkio.leaf_weight_device - leafWeight\n\
                     blockIO.throttleReadBpsDevice blkio.throttle.read_bps_device io.max rate rbps\n\
                     blockIO.throttleWriteBpsDevice blkio.throttle.write_bps_device io.max rate wbps\n\
                     blockIO.throttleReadIOPSDevice blkio.throttle.read_iops_device io.max rate riops\n\
                     blockIO.throttleWriteIOPSDevice blkio.throttle.write_iops_device io.max rate wiops";
/// docker's way not to ask for a swappiness: -1.
const NOT_ASKED: &str = "18446744073709551615";

/// A value for a file.
struct Value {
    /// Below `linux.resources.`
    field: String,
    file: String,
    text: String,
    /// What the disk scheduler BFQ gets in a file of its own instead, where it is; empty for what is none of its.
    bfq: String,
    /// Whether it is what holds anyway where there is no such file.
    may_lack: bool,
}

/// All values that are asked for.
struct Plan<'a> {
    all: &'a [Hierarchy],
    v2: bool,
    values: Vec<Value>,
}

fn cannot(field: &str, why: &str) -> Error {
    Error::new(format_args!("linux.resources.{}: not possible here: {why}", escaped(field)))
}

/// The columns of a line.
fn columns(line: &str) -> [&str; 5] {
    let mut words = line.split(' ');
    core::array::from_fn(|_| words.next().unwrap_or_default())
}

fn controller(file: &str) -> &str {
    file.split('.').next().unwrap_or(file)
}

impl Plan<'_> {
    /// `files`: that of v1 and that of v2.
    fn add(&mut self, field: &str, files: [&str; 2], text: &str, may_lack: bool) -> Result<()> {
        let file = files[usize::from(self.v2)];
        if file != "-" && self.all.iter().any(|hierarchy| hierarchy.has(controller(file))) {
            let (field, file, text) = (field.into(), file.into(), text.into());
            self.values.push(Value { field, file, text, bfq: String::new(), may_lack });
            return Ok(());
        }
        if may_lack {
            return Ok(());
        }
        Err(cannot(
            field,
            &if file == "-" {
                match files[0] {
                    "-" => "kernels have no such limit any more".into(),
                    file => format!("cgroup v2 has nothing like {file}"),
                }
            } else {
                format!("no cgroup hierarchy with the controller {} is mounted", controller(file))
            },
        ))
    }

    /// A field with its files, a line of [`VALUES`].
    fn add_field(&mut self, line: &str, resources: Asked<'_>) -> Result<()> {
        let [field, v1, v2, special, _] = columns(line);
        let value = resources.at(field);
        let none = if self.v2 || special == "none" { "max" } else { "-1" };
        let (text, is_none) = match value.json() {
            "" | "\"\"" | NOT_ASKED => return Ok(()),
            "0" if special == "none" => (none, true),
            "0" | "false" if special.starts_with('0') => ("0", special == "0?"),
            "0" => return Ok(()),
            "true" => ("1", false),
            json if json.starts_with('-') => (none, true),
            _ => (value.word(), false), // a list of CPUs may be "0"
        };
        if self.v2 && v2 == "=" {
            return Ok(());
        }
        match text.parse() {
            Ok(shares) if self.v2 && special == "shares" => {
                self.add(field, [v1, v2], &v2::weight(shares).to_string(), is_none)
            }
            _ => self.add(field, [v1, v2], text, is_none),
        }
    }

    /// The weight of all disks, or of the one whose numbers stand before it.
    fn add_weight(&mut self, field: &str, v1: &str, disk: &str, weight: u64) -> Result<()> {
        let text = |weight: u64| [disk, &weight.to_string()].concat();
        self.add(field, [v1, "io.weight"], &text(if self.v2 { v2::io_weight(weight) } else { weight }), false)?;
        if let Some(value) = self.values.last_mut() {
            value.bfq = text(weight);
        }
        Ok(())
    }
}

/// What the resources come to. Nothing is changed yet.
fn plan<'a>(all: &'a [Hierarchy], place: Place<'_>, resources: Asked<'_>) -> Result<Plan<'a>> {
    let v2 = all.iter().any(|hierarchy| hierarchy.v2);
    let mut plan = Plan { all, v2, values: Vec::new() };
    VALUES.lines().try_for_each(|line| plan.add_field(line, resources))?;
    let now = |name: &str| look_in(all, place, controller(name), name, name);
    swap(&mut plan, resources, &now)?;
    if v2 {
        let quota = resources.at("cpu.quota").number().filter(|us| *us != 0);
        let period = resources.at("cpu.period").natural().filter(|us| *us != 0);
        if quota.is_some() || period.is_some() {
            let read = || now("cpu.max").ok_or_else(|| Error::os("read cpu.max", Errno::NOENT));
            let field = if quota.is_some() { "cpu.quota" } else { "cpu.period" };
            let text = v2::quota_in_period(quota, period, &read);
            plan.add(field, ["cpu.max"; 2], &text, quota.is_some_and(|us| us < 0))?;
        }
    }
    if let Some(weight @ 1..) = resources.at("blockIO.weight").natural() {
        plan.add_weight("blockIO.weight", "blkio.weight", "", weight)?;
    }
    DISKS.lines().try_for_each(|line| disks(&mut plan, line, resources))?;
    for large in resources.at("hugepageLimits").list() {
        let (size, limit) = (large.at("pageSize").word(), large.at("limit").word());
        if size.is_empty() || !size.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(cannot("hugepageLimits.pageSize", "write it like 2MB"));
        }
        // What is reserved but not in use counts only in newer kernels.
        for (rsvd, may_lack) in [("", false), (".rsvd", true)] {
            let end = if v2 { ".max" } else { ".limit_in_bytes" };
            plan.add("hugepageLimits", [&["hugetlb.", size, rsvd, end].concat(); 2], limit, may_lack)?;
        }
    }
    for link in resources.at("network.priorities").list() {
        let text = [&link.at("name").text(), " ", link.at("priority").word()].concat();
        plan.add("network.priorities", ["net_prio.ifpriomap", "-"], &text, false)?;
    }
    if !matches!(resources.at("rdma").json(), "" | "{}") {
        return Err(cannot("rdma", "mydocker does not set it"));
    }
    for (name, value) in &resources.at("unified").map() {
        let field = ["unified.", name].concat();
        if !v2 {
            return Err(cannot(&field, "it is for cgroup v2, and this host has v1"));
        }
        if name.contains(['/', '\0']) || name.trim_matches('.').is_empty() {
            return Err(cannot(&field, "it is no name of a file"));
        }
        // Files that keep a line for each device take one at a time.
        value.lines().try_for_each(|line| plan.add(&field, [name; 2], line, false))?;
    }
    Ok(plan)
}

/// On v1 the limit is that of memory and swap together, as in the bundle, on v2 that of swap.
fn swap(plan: &mut Plan<'_>, resources: Asked<'_>, now: &dyn Fn(&str) -> Option<String>) -> Result<()> {
    let some = |field| resources.at(field).number().filter(|number| *number != 0);
    let limit = some("memory.limit");
    // Memory without a limit has swap without one.
    let Some(sum) = some("memory.swap").or(limit.filter(|limit| *limit < 0)) else { return Ok(()) };
    let text = match sum {
        ..0 => if plan.v2 { "max" } else { "-1" }.into(),
        _ if plan.v2 => {
            let limit = limit.or_else(|| now("memory.max")?.trim().parse().ok());
            let rest = limit.filter(|limit| (0..=sum).contains(limit)).map(|limit| sum - limit);
            let why = "it is the sum with memory, whose limit must not be above it";
            rest.ok_or_else(|| cannot("memory.swap", why))?.to_string()
        }
        _ => sum.to_string(),
    };
    plan.add("memory.swap", ["memory.memsw.limit_in_bytes", "memory.swap.max"], &text, sum < 0)
}

/// A line of [`DISKS`].
fn disks(plan: &mut Plan<'_>, line: &str, resources: Asked<'_>) -> Result<()> {
    let [field, v1, v2, name, rate] = columns(line);
    for disk in resources.at(field).list() {
        let number = [disk.at("major").word(), ":", disk.at("minor").word(), " "].concat();
        let value = disk.at(name);
        let text = match (value.word(), value.natural()) {
            (_, None) => continue,
            (_, Some(0)) if rate.is_empty() => continue,
            (_, Some(weight)) if v2 == "io.weight" => {
                plan.add_weight(field, v1, &number, weight)?;
                continue;
            }
            (word, _) if !plan.v2 || rate.is_empty() => [&number, word].concat(),
            ("0", _) => [&number, rate, "=max"].concat(), // on v1 that is no limit
            (word, _) => [&number, rate, "=", word].concat(),
        };
        plan.add(field, [v1, v2], &text, false)?;
    }
    Ok(())
}

/// Writes what belongs to one hierarchy. Some values depend on others (memory must not be above memory and swap, a burst not
/// above its quota, and so on), and in which order they can change depends on what they were: what the kernel refuses is
/// tried again after the others.
fn write(setter: &Setter<'_>, plan: &Plan<'_>) -> Result<()> {
    let mut left: Vec<&Value> = Vec::new();
    left.extend(plan.values.iter().filter(|value| setter.hierarchy.has(controller(&value.file))));
    loop {
        let mut later = Vec::new();
        let mut refused = Ok(());
        for value in &left {
            match write_one(setter, value) {
                Err(error) if error.is(Errno::INVAL) => {
                    later.push(*value);
                    refused = refused.and(Err(error));
                }
                done => done?,
            }
        }
        if later.len() == left.len() || later.is_empty() {
            return refused;
        }
        left = later;
    }
}

fn write_one(setter: &Setter<'_>, value: &Value) -> Result<()> {
    let group = setter.group;
    if !value.bfq.is_empty() {
        let own = text::replace(&value.file, "io.", "io.bfq.");
        if group.set(&value.field, &own, &value.bfq)?.is_some() {
            return Ok(());
        }
    }
    match group.set(&value.field, &value.file, &value.text)? {
        None if !value.may_lack => Err(setter.why_not(&value.field, &value.file)),
        _ => Ok(()),
    }
}

/// monitor: makes the cgroup of a bundle in every hierarchy, and sets its resources. One that is there already is joined as it
/// is. Says whether all of it is new, which [`super::release_bundle`] wants to know. After an error nothing new is left.
pub fn prepare_bundle(place: Place<'_>, resources: Asked<'_>) -> Result<(Joined, bool)> {
    let all = place.hierarchies()?;
    let plan = plan(&all, place, resources)?;
    let (rest, rules) = rules::of_bundle(resources.at("devices"))?;
    let has = |file: &str| plan.values.iter().any(|value| value.file == file);
    let cpusets = [has("cpuset.cpus"), has("cpuset.mems")];
    // In a user namespace no device node can be opened, and nobody may say which.
    let is_root = process::is_in_first_user_namespace();
    let mut joined = Joined::default();
    let (mut made, mut found) = (Vec::new(), false);
    for hierarchy in &all {
        let done = hierarchy.make(place).and_then(|group| {
            if group.is_new {
                made.push(group.path.clone());
            }
            found |= !group.is_new;
            let decides = if hierarchy.v2 { !rest || !rules.is_empty() } else { is_root };
            let devices = decides.then_some((&*rules, rest));
            set_up((hierarchy, place, group), cpusets, &|setter| write(setter, &plan), devices, &mut joined)?;
            if hierarchy.v2 && decides && is_root && !joined.is_filtered {
                return Err(cannot("devices", "this kernel takes no program that decides about them"));
            }
            Ok(())
        });
        let Err(error) = done else { continue };
        let is_new = made.last().is_some_and(|path| *path == hierarchy.group(place));
        if is_refused(&error) && !is_root && !is_new && plan.values.iter().all(|value| value.may_lack) {
            continue; // nothing was asked for that needs one
        }
        for path in made.iter().rev() {
            let _ = at::remove(CWD, path, AtFlags::REMOVEDIR); // the error is the one to tell
        }
        for hierarchy in &all {
            hierarchy.remove_parents(place);
        }
        return Err(error);
    }
    if found {
        for path in &made {
            mark(path);
        }
    }
    Ok((joined, !found))
}

/// Anyone: changes the limits of a running bundle, those that are given. Rules about devices stay as they were, as in runc,
/// for engines send all that they know of.
pub fn update_bundle(place: Place<'_>, resources: Asked<'_>) -> Result<()> {
    let all = place.hierarchies()?;
    let plan = plan(&all, place, resources)?;
    if resources.at("memory.checkBeforeUpdate").is_true()
        && let Some(limit @ 1..) = resources.at("memory.limit").number()
    {
        // v1 refuses that by itself, v2 kills.
        let used =
            look_in(&all, place, "memory", "memory.current", "-").and_then(|text| text.trim().parse::<i64>().ok());
        if used.is_some_and(|used| used > limit) {
            return Err(cannot("memory.limit", "more than that is in use, and checkBeforeUpdate is set"));
        }
    }
    let mut has_any = false;
    for hierarchy in &all {
        let Some(group) = Group::find(hierarchy, place)? else { continue };
        has_any = true;
        write(&Setter { hierarchy, place, group: &group }, &plan)?;
    }
    if has_any || plan.values.is_empty() {
        return Ok(());
    }
    Err(Error::new("cannot change a limit: the container has no cgroup"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::oci::Bundle;
    use crate::spec::record::from_document;

    /// What would be written, or the error.
    fn planned(v2: bool, controllers: &str, json: &str) -> core::result::Result<String, String> {
        let mut bundle = Bundle::default();
        from_document(&mut bundle, &format!("{{\"ociVersion\":\"1\",\"linux\":{{\"resources\":{json}}}}}"))
            .map_err(|e| format!("{e}"))?;
        let all = [Hierarchy { path: "/nosuch".into(), controllers: controllers.into(), v2, own: None }];
        let place = Place::at("/a").map_err(|e| format!("{e}"))?;
        let plan = plan(&all, place, bundle.linux.at("resources")).map_err(|e| format!("{e}"))?;
        let lines = plan.values.iter().map(|value| {
            let bfq = if value.bfq.is_empty() { String::new() } else { format!(" (bfq {})", value.bfq) };
            let end = if value.may_lack { "?" } else { "" };
            format!("{}={}{bfq}{end}", value.file, value.text)
        });
        Ok(lines.collect::<Vec<_>>().join("; "))
    }

    #[track_caller]
    fn on_both(json: &str, v1: &str, v2: &str) {
        let all = "memory,pids,cpu,cpuset,blkio,hugetlb,net_cls,net_prio";
        for (is_v2, wanted) in [(false, v1), (true, v2)] {
            match planned(is_v2, if is_v2 { "" } else { all }, json) {
                Ok(got) => assert_eq!(got, wanted, "{json}"),
                Err(got) => {
                    let (field, _) = got.split_once(": not possible here: ").unwrap_or((&got, ""));
                    assert_eq!(field, format!("linux.resources.{wanted}"), "{got}");
                }
            }
        }
    }

    #[test]
    fn memory() {
        on_both("{}", "", "");
        on_both(
            r#"{"memory":{"limit":100,"swap":150,"reservation":50}}"#,
            "memory.limit_in_bytes=100; memory.soft_limit_in_bytes=50; memory.memsw.limit_in_bytes=150",
            "memory.max=100; memory.low=50; memory.swap.max=50",
        );
        on_both(
            r#"{"memory":{"limit":-1}}"#,
            "memory.limit_in_bytes=-1?; memory.memsw.limit_in_bytes=-1?",
            "memory.max=max?; memory.swap.max=max?",
        );
        on_both(
            r#"{"memory":{"limit":100,"swap":100}}"#,
            "memory.limit_in_bytes=100; memory.memsw.limit_in_bytes=100",
            "memory.max=100; memory.swap.max=0",
        );
        on_both(r#"{"memory":{"swap":100}}"#, "memory.memsw.limit_in_bytes=100", "memory.swap");
        on_both(
            r#"{"memory":{"limit":100,"swap":90}}"#,
            "memory.limit_in_bytes=100; memory.memsw.limit_in_bytes=90",
            "memory.swap",
        );
        on_both(r#"{"memory":{"limit":0,"swap":0,"kernel":0}}"#, "", "");
        on_both(r#"{"memory":{"kernel":-1,"kernelTCP":5}}"#, "memory.kmem.tcp.limit_in_bytes=5", "memory.kernelTCP");
        on_both(r#"{"memory":{"kernel":5}}"#, "memory.kernel", "memory.kernel");
        on_both(r#"{"memory":{"swappiness":0}}"#, "memory.swappiness=0", "memory.swappiness");
        on_both(r#"{"memory":{"swappiness":18446744073709551615}}"#, "", "");
        on_both(r#"{"memory":{"disableOOMKiller":false}}"#, "memory.oom_control=0?", "");
        on_both(r#"{"memory":{"disableOOMKiller":true}}"#, "memory.oom_control=1", "memory.disableOOMKiller");
    }

    #[test]
    fn processors() {
        on_both(
            r#"{"cpu":{"shares":1024,"quota":50000,"period":100000,"burst":10,"cpus":"0-1","mems":""}}"#,
            "cpu.shares=1024; cpu.cfs_quota_us=50000; cpu.cfs_burst_us=10; cpu.cfs_period_us=100000; cpuset.cpus=0-1",
            "cpu.weight=39; cpu.max.burst=10; cpuset.cpus=0-1; cpu.max=50000 100000",
        );
        on_both(r#"{"cpu":{"cpus":"0","mems":"0"}}"#, "cpuset.cpus=0; cpuset.mems=0", "cpuset.cpus=0; cpuset.mems=0");
        on_both(r#"{"cpu":{"quota":-1}}"#, "cpu.cfs_quota_us=-1?", "cpu.max=max?");
        on_both(
            r#"{"cpu":{"period":5000,"idle":1}}"#,
            "cpu.cfs_period_us=5000; cpu.idle=1",
            "cpu.idle=1; cpu.max=max 5000",
        );
        on_both(r#"{"cpu":{"shares":0,"idle":0,"realtimeRuntime":0}}"#, "cpu.idle=0?", "cpu.idle=0?");
        on_both(
            r#"{"cpu":{"realtimePeriod":9,"realtimeRuntime":5}}"#,
            "cpu.rt_runtime_us=5; cpu.rt_period_us=9",
            "cpu.realtimeRuntime",
        );
        on_both(r#"{"pids":{"limit":7}}"#, "pids.max=7", "pids.max=7");
        on_both(r#"{"pids":{"limit":-1}}"#, "pids.max=max?", "pids.max=max?");
        on_both(r#"{"pids":{}}"#, "", "");
    }

    #[test]
    fn disks_and_the_rest() {
        on_both(
            r#"{"blockIO":{"weight":500,"weightDevice":[{"major":8,"minor":0,"weight":10}]}}"#,
            "blkio.weight=500 (bfq 500); blkio.weight_device=8:0 10 (bfq 8:0 10)",
            "io.weight=4950 (bfq 500); io.weight=8:0 1 (bfq 8:0 10)",
        );
        on_both(r#"{"blockIO":{"leafWeight":10}}"#, "blkio.leaf_weight=10", "blockIO.leafWeight");
        on_both(
            r#"{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":16,"rate":9}],"throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":0}]}}"#,
            "blkio.throttle.read_bps_device=8:16 9; blkio.throttle.write_iops_device=8:0 0",
            "io.max=8:16 rbps=9; io.max=8:0 wiops=max",
        );
        on_both(
            r#"{"hugepageLimits":[{"pageSize":"2MB","limit":5}]}"#,
            "hugetlb.2MB.limit_in_bytes=5; hugetlb.2MB.rsvd.limit_in_bytes=5?",
            "hugetlb.2MB.max=5; hugetlb.2MB.rsvd.max=5?",
        );
        on_both(
            r#"{"hugepageLimits":[{"pageSize":"../2MB","limit":5}]}"#,
            "hugepageLimits.pageSize",
            "hugepageLimits.pageSize",
        );
        on_both(r#"{"network":{"classID":65537}}"#, "net_cls.classid=65537", "network.classID");
        on_both(
            r#"{"network":{"priorities":[{"name":"lo","priority":3}]}}"#,
            "net_prio.ifpriomap=lo 3",
            "network.priorities",
        );
        on_both(r#"{"network":{},"rdma":{}}"#, "", "");
        on_both(r#"{"rdma":{"mlx5_1":{"hcaHandles":3}}}"#, "rdma", "rdma");
        on_both(r#"{"unified":{"memory.high":"5\n6"}}"#, "unified.memory.high", "memory.high=5; memory.high=6");
        on_both(r#"{"unified":{"../x":"5"}}"#, "unified.../x", "unified.../x");
    }

    #[test]
    fn what_no_hierarchy_has_is_refused() {
        let pids = r#"{"pids":{"limit":5}}"#;
        let error = planned(false, "memory", pids).unwrap_err();
        assert!(error.ends_with("no cgroup hierarchy with the controller pids is mounted"), "{error}");
        assert_eq!(planned(false, "memory", r#"{"pids":{"limit":-1},"cpu":{"idle":0}}"#), Ok(String::new()));
    }
}
