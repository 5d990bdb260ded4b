//! Attempts on files, devices and mounts, which take several steps. Where one works it is undone.

use super::Attempt;
use super::kernel::{Answer, NOTHING, at_cwd, call, memory, open, text};
use linux_raw_sys::errno;
use linux_raw_sys::general as raw;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PLACE: &str = "/tmp/place";
const NODE: &str = "/tmp/node";

fn mount(source: &str, kind: &str, flags: u32, options: &str) -> Answer {
    let _ = fs::create_dir_all(PLACE); // it may be there
    let words = [text(source), text(PLACE), text(kind), flags as usize, text(options), 0];
    call(raw::__NR_mount, words)
}

fn unmount(path: &str) -> Answer {
    call(raw::__NR_umount2, [text(path), 0, 0, 0, 0, 0])
}

/// Mounts it, and takes it down again.
fn try_mount(source: &str, kind: &str, flags: u32, options: &str) -> Answer {
    mount(source, kind, flags, options)?;
    unmount(PLACE)
}

/// Makes a node and opens it, for reading, without waiting.
fn try_node(kind: u32, device: (u64, u64)) -> Answer {
    let _ = fs::remove_file(NODE); // of an attempt before
    let number = (device.0 << 8 | device.1 & 0xff | (device.1 & !0xff) << 12) as usize;
    call(raw::__NR_mknodat, [at_cwd(), text(NODE), (kind | 0o600) as usize, number, 0, 0])?;
    let opened = open(NODE, raw::O_RDONLY | raw::O_NONBLOCK);
    let _ = fs::remove_file(NODE); // made above
    opened
}

/// The first disk of the machine, as everybody may know.
fn disk() -> (u64, u64) {
    let known = fs::read_to_string("/proc/partitions").unwrap_or_default();
    let numbers: Vec<u64> = known.split_whitespace().skip(4).take(2).filter_map(|word| word.parse().ok()).collect();
    numbers.first_chunk().map_or((254, 0), |[major, minor]| (*major, *minor))
}

/// Reads a byte.
fn try_read(path: &str) -> Answer {
    let mut file = fs::File::open(path).map_err(|e| number(&e))?;
    match file.read(&mut [0]).map_err(|e| number(&e))? {
        0 => Err(NOTHING),
        bytes => Ok(bytes),
    }
}

fn number(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

/// Opens for writing the first one that is there.
fn try_write(paths: &[&str]) -> Answer {
    let mut last = Err(errno::ENOENT as i32);
    for path in paths {
        last = open(path, raw::O_WRONLY);
        if last != Err(errno::ENOENT as i32) {
            break;
        }
    }
    last
}

/// Makes a cgroup below our own.
fn try_cgroup() -> Answer {
    let first = ["memory", "pids", "."]
        .iter()
        .find(|name| fs::exists(format!("/sys/fs/cgroup/{name}/tasks")).is_ok_and(|is| is));
    let path = format!("/sys/fs/cgroup/{}/attempt", first.unwrap_or(&"."));
    fs::create_dir(&path).and_then(|()| fs::remove_dir(&path)).map_err(|e| number(&e)).map(|()| 0)
}

/// The file that names a program which the kernel runs on the host when a cgroup is empty. cgroups(7)
fn try_release_agent() -> Answer {
    mount("none", "cgroup", 0, "memory")?;
    let opened = open(&format!("{PLACE}/release_agent"), raw::O_WRONLY);
    let _ = call(raw::__NR_umount2, [text(PLACE), raw::MNT_DETACH as usize, 0, 0, 0, 0]); // it was mounted above
    opened
}

/// Looks behind the first thing that covers a file of /proc.
fn try_unmask() -> Answer {
    let covered = ["/proc/timer_list", "/proc/keys", "/proc/kcore", "/proc/interrupts"];
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let first = covered.iter().find(|path| mounts.contains(&format!(" {path} "))).unwrap_or(&covered[0]);
    unmount(first)
}

/// The root of the file system that /etc/hosts was mounted from, which is the host's, by a handle that everybody can guess:
/// inode 2 of ext4. Others know no such file, but say so only to who may ask. open_by_handle_at(2)
fn open_by_handle() -> Answer {
    const FILEID_INO32_GEN: u64 = 1;
    let handle = memory([8 | FILEID_INO32_GEN << 32, 2]);
    let mount = open("/etc/hosts", raw::O_RDONLY)?;
    call(raw::__NR_open_by_handle_at, [mount, handle, raw::O_PATH as usize, 0, 0, 0])
}

/// A character into the input of the terminal, as if somebody had typed it.
fn type_into_terminal() -> Answer {
    call(raw::__NR_ioctl, [0, 0x5412, text("!"), 0, 0, 0])
}

/// Every attempt that needs more than one call.
pub const ATTEMPTS: &[Attempt] = &[
    ("mount tmpfs", || try_mount("none", "tmpfs", 0, "")),
    ("mount proc", || try_mount("none", "proc", 0, "")),
    ("mount sysfs", || try_mount("none", "sysfs", 0, "")),
    ("mount bind", || try_mount("/etc", "", raw::MS_BIND, "")),
    ("mount disk", || {
        let _ = fs::remove_file(NODE); // of an attempt before
        let (major, minor) = disk();
        let node = (major << 8 | minor & 0xff) as usize;
        call(raw::__NR_mknodat, [at_cwd(), text(NODE), (raw::S_IFBLK | 0o600) as usize, node, 0, 0])?;
        // No such option: whoever may mount a disk learns that, and nothing is mounted.
        let tried = try_mount(NODE, "ext4", raw::MS_RDONLY, "nosuchoption");
        let _ = fs::remove_file(NODE); // made above
        tried
    }),
    ("remount rw", || {
        call(raw::__NR_mount, [0, text("/proc/sys"), 0, (raw::MS_REMOUNT | raw::MS_BIND) as usize, 0, 0])
    }),
    ("unmask", try_unmask),
    ("node disk", || try_node(raw::S_IFBLK, disk())),
    ("node loop", || try_node(raw::S_IFBLK, (7, 0))),
    ("node fuse", || try_node(raw::S_IFCHR, (10, 229))),
    ("node mem", || try_node(raw::S_IFCHR, (1, 1))),
    ("node port", || try_node(raw::S_IFCHR, (1, 4))),
    ("node kmsg", || try_node(raw::S_IFCHR, (1, 11))),
    ("node null", || try_node(raw::S_IFCHR, (1, 3))),
    ("kcore", || try_read("/proc/kcore")),
    ("keys", || try_read("/proc/keys")),
    ("timer_list", || try_read("/proc/timer_list")),
    ("interrupts", || try_read("/proc/interrupts")),
    ("core_pattern", || try_write(&["/proc/sys/kernel/core_pattern"])),
    ("modprobe", || try_write(&["/proc/sys/kernel/modprobe", "/proc/sys/kernel/poweroff_cmd"])),
    ("drop_caches", || try_write(&["/proc/sys/vm/drop_caches"])),
    ("sysrq-trigger", || try_write(&["/proc/sysrq-trigger"])),
    ("irq", || try_write(&["/proc/irq/default_smp_affinity"])),
    ("sysfs", || try_write(&["/sys/kernel/mm/ksm/run", "/sys/kernel/uevent_helper", "/sys/kernel/profiling"])),
    ("cgroup", try_cgroup),
    ("release_agent", try_release_agent),
    ("open_by_handle_at", open_by_handle),
    ("tiocsti", type_into_terminal),
];

/// Lets `here` and `there` of a directory change places, again and again. renameat2(2)
pub fn flip(dir: &str) {
    let (here, there) = (text(&format!("{dir}/here")), text(&format!("{dir}/there")));
    println!("ready");
    while call(raw::__NR_renameat2, [at_cwd(), here, at_cwd(), there, raw::RENAME_EXCHANGE as usize, 0]).is_ok() {}
    println!("done");
}

/// Watches for processes that come from outside, and tries to get at what they have before they become their program:
/// says `got` and what for each that it could open, and `done` when the time is over.
pub fn lie_in_wait(seconds: u64) {
    let own = std::process::id();
    let end = Instant::now() + Duration::from_secs(seconds);
    let ours = |exe: &Path| exe.starts_with("/bin") || exe.starts_with("/attempts");
    println!("ready");
    while Instant::now() < end {
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        for pid in pids.filter(|pid| *pid != own && *pid != 1) {
            let Ok(exe) = fs::read_link(format!("/proc/{pid}/exe")) else { continue };
            if !ours(&exe) {
                println!(
                    "got a look at {} of {}",
                    exe.display(),
                    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim()
                );
                get(pid);
            }
        }
    }
    println!("done");
}

/// All that a process could give away.
fn get(pid: u32) {
    for (what, flags) in [("mem", raw::O_RDWR), ("exe", raw::O_WRONLY)] {
        if open(&format!("/proc/{pid}/{what}"), flags).is_ok() {
            println!("got {what}");
        }
    }
    let place = |path: &str| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    // A process that is gone by now has none.
    if place(&format!("/proc/{pid}/root/")).is_some_and(|root| Some(root) != place("/")) {
        println!("got another root");
    }
    for link in ["cwd", "fd"] {
        let path = PathBuf::from(format!("/proc/{pid}/{link}"));
        let files = fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in if link == "fd" { files.collect() } else { vec![path] } {
            println!("got {} {}", path.display(), fs::read_link(&path).unwrap_or_default().display());
        }
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapPrm:\t"));
    println!("got capabilities {}", capabilities.unwrap_or_default());
}
