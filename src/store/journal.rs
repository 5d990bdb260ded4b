//! Files of lines that only grow and are put aside when they are large: `log` is the newest, `log.1` the one before it.
//! Their writer renames, from the oldest to the newest; what it was writing when it was killed is the only thing that can
//! be missing, and the rest can be read as it stands. A reader goes by inodes, so it loses nothing when they are renamed
//! under it.

use crate::error::{Error, Result, Tried};
use crate::kernel::{at, fault, io};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, OFlags, SeekFrom, fstat, inotify, seek};
use rustix::io::{Errno, pread};

/// Bytes that a reader holds: more than any line has that we wrote. A longer one is garbage, and skipped.
const BUFFER_BYTES: usize = 256 << 10;
/// Bytes that are read at once: as much as stays in the processor's cache until it is written.
const READ_BYTES: usize = 128 << 10;
/// The same on the way back from the end.
const BLOCK_BYTES: u64 = 64 << 10;
/// How often a reader that is overtaken by the writer looks anew. Each time the writer fills a whole file in between.
const LOOKS_MAX: u32 = 100;

fn file_name(name: &str, slot: u32) -> String {
    if slot == 0 { name.to_string() } else { format!("{name}.{slot}") }
}

/// Opens the newest file for appending, and makes it when it is missing.
pub fn append(dir: BorrowedFd<'_>, name: &str) -> core::result::Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    at::make(dir, name, flags, 0o600)
}

/// Puts the files one further, `files_max` of them stay, and opens a new one. Only for who alone writes there. When this
/// fails the old one is still the newest, or no file has its name; it can be written to in either case.
pub fn rotate(dir: BorrowedFd<'_>, name: &str, files_max: u32) -> core::result::Result<OwnedFd, Errno> {
    let fresh = format!(".{name}");
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = at::make(dir, &fresh, flags, 0o600)?;
    fault::point("rotate:made");
    shift(dir, name, files_max)?;
    fault::point("rotate:shifted");
    at::rename(dir, &fresh, name)?;
    fault::point("rotate:done");
    Ok(file)
}

/// Makes room at slot 0, up to the first slot that is free: that one was left by a kill half-way. Without a free one the
/// oldest file is replaced.
fn shift(dir: BorrowedFd<'_>, name: &str, files_max: u32) -> core::result::Result<(), Errno> {
    let is_taken = |slot: &u32| at::stat(dir, &file_name(name, *slot), AtFlags::SYMLINK_NOFOLLOW).is_ok();
    let oldest = files_max.saturating_sub(1);
    let free = (0..oldest).find(|slot| !is_taken(slot)).unwrap_or(oldest);
    if free == oldest && oldest > 0 {
        // Not left to the rename: ext4 writes what replaces a file to the disk at once (`auto_da_alloc`), and its writer waits.
        let _ = at::remove(dir, &file_name(name, oldest), AtFlags::empty()); // it may be missing; else the rename replaces it
        fault::point("rotate:removed");
    }
    for slot in (0..free).rev() {
        at::rename(dir, &file_name(name, slot), &file_name(name, slot + 1))?;
        fault::point("rotate:moved");
    }
    Ok(())
}

/// What makes a file the same file under another name.
type Identity = (u64, u64);

fn identity(stat: &rustix::fs::Stat) -> Identity {
    (stat.st_dev, stat.st_ino)
}

/// Where a reader begins.
pub enum From<'a> {
    /// With the oldest line.
    Start,
    /// So many lines before the end. Lines that the function is false for do not count; it is given them from the last one
    /// on, without their newlines.
    End(u64, &'a mut dyn FnMut(&[u8]) -> bool),
}

/// Reads lines, from the oldest file to the newest, and goes on with what is written later.
pub struct Reader {
    dir: OwnedFd,
    name: &'static str,
    /// `None`: there was none yet.
    file: Option<OwnedFd>,
    /// Where it was found.
    slot: u32,
    buffer: Vec<u8>,
    /// What of the buffer is read, but not given out.
    rest: Range<usize>,
    /// Whether the rest of a line that is too long is being skipped.
    is_skipping: bool,
}

impl Reader {
    /// A reader of the files `name`, `name.1` … in `dir`.
    pub fn open(dir: OwnedFd, name: &'static str, from: From<'_>) -> Result<Self> {
        let mut reader =
            Self { dir, name, file: None, slot: 0, buffer: vec![0; BUFFER_BYTES], rest: 0..0, is_skipping: false };
        match from {
            From::Start => drop(reader.advance(None)?),
            From::End(count, counts) => reader.go_back(count, counts)?,
        }
        Ok(reader)
    }

    /// The next line with its newline; `None` when no whole one is there now.
    pub fn line(&mut self) -> Result<Option<&[u8]>> {
        loop {
            if let Some(length) = io::newline(&self.buffer[self.rest.clone()]) {
                let line = self.rest.start..=self.rest.start + length;
                self.rest.start += length + 1;
                if core::mem::take(&mut self.is_skipping) {
                    continue;
                }
                return Ok(Some(&self.buffer[line]));
            }
            self.buffer.copy_within(self.rest.clone(), 0);
            self.rest = 0..self.rest.len();
            if self.rest.end == self.buffer.len() {
                self.is_skipping = true;
                self.rest.end = 0;
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Reads on; false when there is no more now.
    fn fill(&mut self) -> Result<bool> {
        loop {
            if self.read()? {
                return Ok(true);
            }
            let known = self.file.as_ref().map(|file| fstat(file).tried("read the log")).transpose()?;
            let known = known.as_ref().map(identity);
            if known.is_some() && known == self.at(0) {
                return Ok(false);
            }
            // It was put aside, and what was written to it before that may have come after our look.
            if self.read()? {
                return Ok(true);
            }
            if !self.advance(known)? {
                return Ok(false);
            }
        }
    }

    /// Takes the next file in hand; false when there is none.
    fn advance(&mut self, known: Option<Identity>) -> Result<bool> {
        let Some((slot, file)) = self.next_file(known)? else { return Ok(false) };
        (self.slot, self.file) = (slot, Some(file));
        // What has no newline in the last one never gets one.
        self.rest = 0..0;
        self.is_skipping = false;
        Ok(true)
    }

    fn read(&mut self) -> Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let end = self.buffer.len().min(self.rest.end + READ_BYTES);
        let n = io::read(file, &mut self.buffer[self.rest.end..end]).tried("read the log")?;
        self.rest.end += n;
        Ok(n > 0)
    }

    /// The file after the one that is read, with its slot; the oldest one when none is, or when it is no more there.
    fn next_file(&self, known: Option<Identity>) -> Result<Option<(u32, OwnedFd)>> {
        for _ in 0..LOOKS_MAX {
            let next = match known.and_then(|known| self.find(known)) {
                Some(0) => return Ok(None),
                // Where a rotation is, or was killed, one slot is free.
                Some(slot) => {
                    let free = u32::from(self.at(slot - 1).is_none());
                    let Some(next) = (slot - 1).checked_sub(free) else { return Ok(None) };
                    let file = self.open_slot(next, None);
                    // Unless it is still the one after ours, a rotation went past.
                    let is_next = self.at(slot) == known && (free == 0 || self.at(slot - 1).is_none());
                    file.filter(|_| is_next).map(|file| (next, file))
                }
                None => {
                    let Some(files) = self.look() else { continue };
                    let Some((slot, identity)) = files.last() else { return Ok(None) };
                    self.open_slot(*slot, Some(*identity)).map(|file| (*slot, file))
                }
            };
            if next.is_some() {
                return Ok(next);
            }
        }
        Err(self.too_fast())
    }

    /// The slot of a file that is held open, which was once seen in ours. Files only ever move up.
    fn find(&self, known: Identity) -> Option<u32> {
        let mut free = 0;
        for slot in self.slot.. {
            match self.at(slot) {
                Some(identity) if identity == known => return Some(slot),
                Some(_) => {}
                None if free > 0 => break,
                None => free += 1,
            }
        }
        None
    }

    fn at(&self, slot: u32) -> Option<Identity> {
        at::stat(self.dir.as_fd(), &file_name(self.name, slot), AtFlags::SYMLINK_NOFOLLOW).ok().as_ref().map(identity)
    }

    fn too_fast(&self) -> Error {
        Error::new(format_args!(
            "the files of {} are replaced faster than they can be read; give them a larger size",
            self.name
        ))
    }

    /// The files that there are, newest first. `None` when a rotation went past. In the time of one rotation every file
    /// moves one slot up at most, which is the way we look, so none is missed; one that is met twice counts once.
    fn look(&self) -> Option<Vec<(u32, Identity)>> {
        // Held open, so that its inode cannot become another file's meanwhile.
        let held = self.open_slot(0, None);
        let newest = held.as_ref().and_then(|file| fstat(file).ok()).as_ref().map(identity);
        let mut found: Vec<(u32, Identity)> = newest.map(|identity| (0, identity)).into_iter().collect();
        let mut free = 0;
        for slot in 1.. {
            match self.at(slot) {
                Some(identity) if found.last().is_some_and(|(_, last)| *last == identity) => {}
                Some(identity) => found.push((slot, identity)),
                None if free > 0 => break,
                None => free += 1,
            }
        }
        (self.at(0) == newest).then_some(found)
    }

    /// Opens the file in a slot, if it is the wanted one.
    fn open_slot(&self, slot: u32, wanted: Option<Identity>) -> Option<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = at::open(self.dir.as_fd(), &file_name(self.name, slot), flags).ok()?;
        let is_wanted = |wanted| fstat(&file).is_ok_and(|stat| identity(&stat) == wanted);
        wanted.is_none_or(is_wanted).then_some(file)
    }

    /// Goes to where the last `count` lines begin.
    fn go_back(&mut self, count: u64, counts: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
        'anew: for _ in 0..LOOKS_MAX {
            let Some(files) = self.look() else { continue };
            let mut left = count;
            for (slot, identity) in files {
                let Some(file) = self.open_slot(slot, Some(identity)) else { continue 'anew };
                let mut enough = |line: &[u8]| {
                    if !counts(line) {
                        return false;
                    }
                    let is_enough = left == 0;
                    left = left.saturating_sub(1);
                    is_enough
                };
                let at = backwards(file.as_fd(), &mut enough)?;
                seek(&file, SeekFrom::Start(at.unwrap_or(0))).tried("read the log")?;
                (self.slot, self.file) = (slot, Some(file));
                if at.is_some() {
                    break;
                }
            }
            return Ok(());
        }
        Err(self.too_fast())
    }

    /// Something that becomes readable when there may be more to read.
    pub fn watch(&self) -> Result<OwnedFd> {
        use inotify::{CreateFlags, WatchFlags};
        use rustix::fd::AsRawFd;
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).tried("watch the log")?;
        // The directory's watch tells of the files in it, too, whatever they are called meanwhile.
        let path = at::c(&format!("/proc/self/fd/{}", self.dir.as_raw_fd())).tried("watch the log")?;
        let events = WatchFlags::MODIFY | WatchFlags::MOVED_TO | WatchFlags::CREATE;
        inotify::add_watch(&watch, &*path, events).tried("watch the log")?;
        Ok(watch)
    }
}

/// Forgets what a [`Reader::watch`] has told: only that there was something matters.
pub fn calm(watch: &OwnedFd) {
    let mut events = [0u8; 4096];
    while rustix::io::read(watch, &mut events).is_ok_and(|n| n > 0) {}
}

/// Goes through the lines of a file from the last one to the first, until `is_enough` is true for one; then the offset of
/// the line after that one. What follows the last newline is no line yet.
fn backwards(file: BorrowedFd<'_>, is_enough: &mut dyn FnMut(&[u8]) -> bool) -> Result<Option<u64>> {
    let mut start = fstat(file).tried("read the log")?.st_size as u64;
    // From `start` to the newline that ends the line whose beginning is still to be found.
    let mut data: Vec<u8> = Vec::new();
    let mut has_end = false;
    while start > 0 {
        let block = start.saturating_sub(BLOCK_BYTES);
        let mut front = vec![0u8; (start - block) as usize];
        let mut filled = 0;
        while filled < front.len() {
            match pread(file, &mut front[filled..], block + filled as u64) {
                Ok(0) => break, // somebody has made it shorter: zeros, which are no line
                Ok(n) => filled += n,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::os("read the log", errno)),
            }
        }
        // Only the front part can have newlines besides the one at the end.
        let searched = front.len();
        front.append(&mut data);
        (data, start) = (front, block);
        for at in (0..searched).rev() {
            if data[at] != b'\n' {
                continue;
            }
            if has_end && is_enough(&data[at + 1..data.len() - 1]) {
                return Ok(Some(start + data.len() as u64));
            }
            data.truncate(at + 1);
            has_end = true;
        }
        if !has_end {
            data.clear();
        } else if data.len() > BUFFER_BYTES {
            data = vec![b'\n']; // no line of ours
        }
    }
    if has_end && is_enough(&data[..data.len() - 1]) {
        return Ok(Some(data.len() as u64));
    }
    Ok(None)
}
