//! What a container uses, for `stats` and `top`.

use super::place::{Group, Hierarchy, Place, add_pids, hierarchies, tree};
use crate::error::{Error, Result};
use crate::kernel::{file, proc};
use crate::spec::order;
use crate::spec::text::cut;
use alloc::format;
use alloc::vec::Vec;
use rustix::io::Errno;

/// One look at a container. What its host does not count is 0.
#[derive(Default)]
pub struct Usage {
    /// Nanoseconds of CPU time since its start, of all CPUs together.
    pub cpu_ns: u64,
    /// Bytes of memory, without the page cache that could be dropped at once, as docker counts.
    pub memory_bytes: u64,
    /// Bytes of memory that it may use: its limit, or all that the host has.
    pub memory_limit: u64,
    /// Tasks: processes and their threads.
    pub pids: u64,
    /// How many tasks it may have.
    pub pids_limit: Option<u64>,
    /// Bytes read from disks.
    pub block_read: u64,
    /// Bytes written to disks.
    pub block_written: u64,
}

/// Anyone: what a running container uses at this moment. `ENOENT` when it has no cgroup (any more).
pub fn usage(place: Place<'_>) -> Result<Usage> {
    let mut usage = Usage { memory_limit: memory_of_host(), ..Usage::default() };
    for (hierarchy, group) in groups(place)? {
        // A file that is missing is a controller that is missing, or a container that ends at this moment.
        let read = |name: &str| group.read(name).unwrap_or_default();
        let number = |name: &str| read(name).parse::<u64>().ok();
        if hierarchy.has("memory") {
            let (used, limit, cache) = if hierarchy.v2 {
                ("memory.current", "memory.max", "inactive_file")
            } else {
                ("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file")
            };
            usage.memory_bytes =
                number(used).unwrap_or(0).saturating_sub(field(&read("memory.stat"), cache).unwrap_or(0));
            // v1's "no limit" is a very large number, v2's is no number.
            usage.memory_limit = usage.memory_limit.min(number(limit).unwrap_or(u64::MAX));
        }
        if hierarchy.has("pids") {
            usage.pids = number("pids.current").unwrap_or(0);
            usage.pids_limit = number("pids.max");
        }
        if hierarchy.v2 {
            usage.cpu_ns = field(&read("cpu.stat"), "usage_usec").unwrap_or(0) * 1000;
            (usage.block_read, usage.block_written) = disks_v2(&read("io.stat"));
            continue;
        }
        if hierarchy.has("cpuacct") {
            usage.cpu_ns = number("cpuacct.usage").unwrap_or(0);
        }
        if hierarchy.has("blkio") {
            let text = group.read("blkio.throttle.io_service_bytes_recursive");
            (usage.block_read, usage.block_written) =
                disks_v1(&text.unwrap_or_else(|_| read("blkio.throttle.io_service_bytes")));
        }
    }
    Ok(usage)
}

/// Anyone: the processes of a running container in the host's terms, also those in cgroups that it made itself. `ENOENT`
/// when it has no cgroup (any more).
pub fn pids(place: Place<'_>) -> Result<Vec<i32>> {
    // Any hierarchy will do: it is in all of them.
    let groups = groups(place)?; // they keep the way to the path
    let mut pids = Vec::new();
    for dir in tree(groups[0].1.path.clone()) {
        // What cannot be read has gone, or is a v2 cgroup of threads, whose processes are listed above.
        let text = file::read_text(&format!("{dir}/cgroup.procs")).unwrap_or_default();
        add_pids(&mut pids, &text);
    }
    let mut pids = order::sorted(pids, &|a, b| a < b);
    pids.dedup();
    Ok(pids)
}

fn groups(place: Place<'_>) -> Result<Vec<(Hierarchy, Group)>> {
    let mut found = Vec::new();
    for hierarchy in hierarchies()? {
        if let Some(group) = Group::find(&hierarchy, place)? {
            found.push((hierarchy, group));
        }
    }
    if found.is_empty() {
        return Err(Error::tried("find the cgroup of the container", place.id, Errno::NOENT));
    }
    Ok(found)
}

/// proc_meminfo(5)
fn memory_of_host() -> u64 {
    let text = file::read_text("/proc/meminfo").unwrap_or_default();
    match proc::kib(&text, "MemTotal:") {
        0 => u64::MAX,
        kib => kib.saturating_mul(1024),
    }
}

/// The number behind a name in a file of `name number` lines.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Bytes read and written: `8:0 Read 4096`, `8:0 Write 0` and sums of other kinds.
fn disks_v1(text: &str) -> (u64, u64) {
    sums(text, " Read ", " Write ")
}

/// The same: `8:0 rbytes=4096 wbytes=0 rios=1 …`
fn disks_v2(text: &str) -> (u64, u64) {
    sums(text, " rbytes=", " wbytes=")
}

/// The sums of the numbers behind two words.
fn sums(text: &str, read: &str, written: &str) -> (u64, u64) {
    let mut sums = (0, 0);
    for line in text.lines() {
        for (word, sum) in [(read, &mut sums.0), (written, &mut sums.1)] {
            let rest = cut(line, word).map_or("", |(_, rest)| rest);
            *sum += rest.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0u64);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_files_say() {
        assert_eq!(field("inactive_file_x 1\ninactive_file 2\n", "inactive_file"), Some(2));
        assert_eq!(field("usage_usec x", "usage_usec"), None);
        let v1 = "8:0 Read 4096\n8:0 Write 10\n8:0 Sync 7\n8:0 Total 4106\n8:16 Read 4\nTotal 4110\n";
        assert_eq!(disks_v1(v1), (4100, 10));
        assert_eq!(disks_v2("8:0 rbytes=4096 wbytes=1 rios=1 wios=1 dbytes=9\n8:16 rbytes=4 wbytes=2\n"), (4100, 3));
        assert!(memory_of_host() > 1 << 20);
    }
}
