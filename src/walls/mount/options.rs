//! The options of a bundle's mount: those of mount(8), and the runtime specification's own.

use crate::spec::words;
use alloc::string::String;
use alloc::vec::Vec;
use linux_raw_sys::general as raw;

/// Not flags of mount(2), whose bits these are for the kernel alone: ids are mapped, the content of what is covered is copied.
pub const MAP_IDS: u32 = 1 << 30;
/// See [`MAP_IDS`].
pub const COPY_UP: u32 = 1 << 29;
/// What mount(2) is not told.
pub const OURS: u32 = MAP_IDS | COPY_UP | raw::MS_BIND;

/// In pairs: what sets a flag of [`FLAGS`], and what clears it.
const WORDS: &str = "ro rw nosuid suid nodev dev noexec exec nosymfollow symfollow noatime atime nodiratime diratime \
                     relatime norelatime strictatime nostrictatime bind - idmap - sync async dirsync - \
                     lazytime nolazytime iversion noiversion mand nomand silent loud remount - tmpcopyup - defaults -";
static FLAGS: [u32; 20] = [
    raw::MS_RDONLY,
    raw::MS_NOSUID,
    raw::MS_NODEV,
    raw::MS_NOEXEC,
    raw::MS_NOSYMFOLLOW,
    raw::MS_NOATIME,
    raw::MS_NODIRATIME,
    raw::MS_RELATIME,
    raw::MS_STRICTATIME,
    raw::MS_BIND,
    MAP_IDS,
    raw::MS_SYNCHRONOUS,
    raw::MS_DIRSYNC,
    raw::MS_LAZYTIME,
    raw::MS_I_VERSION,
    raw::MS_MANDLOCK,
    raw::MS_SILENT,
    raw::MS_REMOUNT,
    COPY_UP,
    0,
];
/// So many of them also come with an r in front, and are then about all that is mounted below, too.
const RECURSIVE: usize = 11;

/// Who sees what is mounted below a mount.
const PROPAGATIONS: &str = "shared slave private unbindable";
static PROPAGATION_FLAGS: [u32; 4] = [raw::MS_SHARED, raw::MS_SLAVE, raw::MS_PRIVATE, raw::MS_UNBINDABLE];

/// Flags of mount(2).
#[derive(Default)]
pub struct Flags {
    /// Asked for.
    pub set: u32,
    /// Asked not to be.
    pub clear: u32,
}

/// What a mount is to be like.
#[derive(Default)]
pub struct Options {
    /// Of the mount itself.
    pub own: Flags,
    /// Of all that is mounted below it, too.
    pub tree: Flags,
    /// One after the other.
    pub propagation: Vec<u32>,
    /// The file system's own, with commas.
    pub data: String,
}

impl Options {
    /// Sorts them. A later one overrides an earlier one.
    pub fn read(options: &[String]) -> Self {
        let mut all = Self::default();
        for option in options {
            if let Some(flags) = propagation(option) {
                all.propagation.push(flags);
                continue;
            }
            let below = || words::place(WORDS, option.strip_prefix('r')?).filter(|at| at / 2 < RECURSIVE);
            let (at, flags) = match words::place(WORDS, option) {
                Some(at) => (at, &mut all.own),
                None => match below() {
                    Some(at) => (at, &mut all.tree),
                    None => {
                        all.add(option);
                        continue;
                    }
                },
            };
            let flag = FLAGS[at / 2];
            let (more, less) =
                if at % 2 == 0 { (&mut flags.set, &mut flags.clear) } else { (&mut flags.clear, &mut flags.set) };
            *more |= flag;
            *less &= !flag;
        }
        all
    }

    /// One more for the file system.
    pub fn add(&mut self, option: &str) {
        if !self.data.is_empty() && !option.is_empty() {
            self.data.push(',');
        }
        self.data.push_str(option);
    }

    /// Whether one of these flags was asked for, for the mount or for the whole tree.
    pub fn has(&self, flags: u32) -> bool {
        (self.own.set | self.tree.set) & flags != 0
    }
}

/// The flags of `shared`, `rslave` and their like.
pub fn propagation(word: &str) -> Option<u32> {
    if let Some(at) = words::place(PROPAGATIONS, word) {
        return Some(PROPAGATION_FLAGS[at]);
    }
    words::place(PROPAGATIONS, word.strip_prefix('r')?).map(|at| PROPAGATION_FLAGS[at] | raw::MS_REC)
}

#[cfg(test)]
mod tests {
    use super::super::tree::attributes;
    use super::*;
    use alloc::borrow::ToOwned;

    fn read(options: &str) -> Options {
        let mut list = Vec::new();
        options.split_whitespace().for_each(|option| list.push(option.to_owned()));
        Options::read(&list)
    }

    #[test]
    fn every_word_has_its_flag() {
        assert_eq!(WORDS.split(' ').count(), 2 * FLAGS.len());
        for (word, set, clear) in [
            ("ro", raw::MS_RDONLY, 0),
            ("rw", 0, raw::MS_RDONLY),
            ("nosymfollow", raw::MS_NOSYMFOLLOW, 0),
            ("exec", 0, raw::MS_NOEXEC),
            ("relatime", raw::MS_RELATIME, 0),
            ("norelatime", 0, raw::MS_RELATIME),
            ("strictatime", raw::MS_STRICTATIME, 0),
            ("bind", raw::MS_BIND, 0),
            ("idmap", MAP_IDS, 0),
            ("async", 0, raw::MS_SYNCHRONOUS),
            ("dirsync", raw::MS_DIRSYNC, 0),
            ("nolazytime", 0, raw::MS_LAZYTIME),
            ("iversion", raw::MS_I_VERSION, 0),
            ("silent", raw::MS_SILENT, 0),
            ("loud", 0, raw::MS_SILENT),
            ("remount", raw::MS_REMOUNT, 0),
            ("tmpcopyup", COPY_UP, 0),
            ("defaults", 0, 0),
        ] {
            let got = read(word);
            assert_eq!((got.own.set, got.own.clear, &*got.data), (set, clear, ""), "{word}");
            assert_eq!((got.tree.set, got.tree.clear), (0, 0), "{word}");
        }
        for (word, set, clear) in [
            ("rro", raw::MS_RDONLY, 0),
            ("rrw", 0, raw::MS_RDONLY),
            ("rbind", raw::MS_BIND, 0),
            ("ridmap", MAP_IDS, 0),
            ("rnosymfollow", raw::MS_NOSYMFOLLOW, 0),
            ("rsuid", 0, raw::MS_NOSUID),
            ("rstrictatime", raw::MS_STRICTATIME, 0),
            ("rrelatime", raw::MS_RELATIME, 0),
        ] {
            let got = read(word);
            assert_eq!((got.tree.set, got.tree.clear, got.own.set), (set, clear, 0), "{word}");
        }
    }

    #[test]
    fn the_rest_is_the_file_system_s() {
        let got = read("nosuid mode=755 rsync size=64k rprivate shared rremount");
        assert_eq!(got.data, "mode=755,rsync,size=64k,rremount");
        assert_eq!(got.propagation, [raw::MS_PRIVATE | raw::MS_REC, raw::MS_SHARED]);
    }

    #[test]
    fn the_last_one_counts() {
        let got = read("ro nosuid rw");
        assert_eq!((got.own.set, got.own.clear), (raw::MS_NOSUID, raw::MS_RDONLY));
        assert!(read("bind rbind").tree.set & raw::MS_BIND != 0);
    }

    #[test]
    fn flags_are_attributes() {
        for (options, on, off) in [
            ("ro nosuid nodev noexec", 0xf, 0),
            ("rw dev", 0, 5),
            ("noatime", raw::MOUNT_ATTR_NOATIME, raw::MOUNT_ATTR__ATIME),
            ("relatime", 0, raw::MOUNT_ATTR__ATIME),
            ("atime", 0, raw::MOUNT_ATTR__ATIME),
            (
                "strictatime nodiratime",
                raw::MOUNT_ATTR_STRICTATIME | raw::MOUNT_ATTR_NODIRATIME,
                raw::MOUNT_ATTR__ATIME,
            ),
            ("symfollow bind sync", 0, raw::MOUNT_ATTR_NOSYMFOLLOW),
        ] {
            let own = read(options).own;
            assert_eq!(attributes(own.set, own.clear), (u64::from(on), u64::from(off)), "{options}");
        }
    }
}
