//! command: a child that unpacks an archive, shut into the directory that it fills. We read, uncompress and hash meanwhile,
//! on another processor.

use super::packing::await_writer;
use super::{control, program};
use crate::error::{Error, Result, Tried};
use crate::kernel::ring::{Giver, Ring};
use crate::kernel::{file, hex, io, process, sys};
use crate::store::unpack::{self, Limits, Unpacked};
use crate::walls;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use linux_raw_sys::general::CLONE_NEWNET;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

/// The names of opaque directories, and some of entries that were left out.
const REPORT_BYTES_MAX: usize = 2 << 20;

/// What an archive may cost when nobody says otherwise. It is unpacked by a child ([`unpack`]).
pub fn limits() -> Limits {
    Limits { unpacker: unpack, ..Limits::default() }
}

/// As [`unpack::unpack`], by a child that sees nothing but this directory and has no powers but those to make files.
pub fn unpack(source: &mut dyn io::Source, into: BorrowedFd<'_>, limits: &Limits) -> Result<Unpacked> {
    let mut ring = Some(Ring::new()?);
    let (notes, child_notes) = control::pipe()?;
    let (sync, child_sync) = control::pair()?;
    let mut ours = Some((notes, sync));
    let child = process::spawn(0, None, &mut || {
        drop(ours.take());
        let mut work = || {
            let Some(ring) = ring.take() else { return Ok(()) };
            process::set_stdio([Some(ring.taker_fd()), Some(child_notes.as_fd()), Some(child_sync.as_fd())])?;
            let mut archive = ring.taker(sys::stdin());
            shut_in(into)?;
            report(&mut archive, limits)
        };
        match work() {
            Ok(()) => sys::exit(0),
            // Where the error goes is the standard error stream by now, or the first descriptor that is closed.
            Err(error) => program::fail(sys::stderr(), error),
        }
    })?;
    drop((child_notes, child_sync));
    let (Some(ring), Some((notes, sync))) = (ring, ours) else { sys::exit(1) };
    let fed = feed(source, ring.giver());
    // Its end, too, ends this.
    let report = io::read_to_end(notes.as_fd(), REPORT_BYTES_MAX);
    let done = await_writer(&child, sync.as_fd());
    match fed {
        Err(error) if !error.is(Errno::PIPE) => Err(error),
        fed => {
            done?;
            let mut got = read_report(&report?)?;
            got.diff_id = fed?;
            unpack::mark_opaque(into, &got.opaque)?;
            Ok(got)
        }
    }
}

/// Hands the bytes over and returns their digest.
fn feed(source: &mut dyn io::Source, mut to: Giver) -> Result<String> {
    let mut hash = hex::Hash::default();
    loop {
        let n = source.read(to.room()?)?;
        if n == 0 {
            return Ok(hash.end());
        }
        hash.add(to.give(n)?);
    }
}

/// child: leaves everything but the directory and the standard streams, which are what it talks to us with.
fn shut_in(into: BorrowedFd<'_>) -> Result<()> {
    if !program::die_with_parent(sys::stderr()) {
        sys::exit(1);
    }
    rustix::process::fchdir(into).tried("enter the directory to unpack into")?;
    rustix::process::chroot(c".").tried("shut the unpacker in")?;
    sys::close_from(3, false);
    // One wall more, where the kernel has it.
    let _ = sys::unshare(CLONE_NEWNET);
    walls::privs::keep_for_files()?;
    walls::privs::forbid_new()
}

/// child: unpacks, and tells what there is to tell: records of a letter and text, each with a NUL at its end.
fn report(archive: &mut dyn io::Source, limits: &Limits) -> Result<()> {
    let root = file::open_dir("/")?;
    let got = unpack::unpack_files(archive, root.as_fd(), limits, false)?;
    let mut text = Vec::new();
    let mut put = |letter: u8, value: &[u8]| {
        text.push(letter);
        text.extend_from_slice(value);
        text.push(0);
    };
    put(b'b', got.bytes.to_string().as_bytes());
    for number in got.tally.iter().flatten() {
        put(b't', number.to_string().as_bytes());
    }
    for what in &got.left_out {
        put(b'l', what.as_bytes());
    }
    for path in &got.opaque {
        put(b'o', path);
    }
    io::write_all(sys::stdout(), &text).tried("tell what was unpacked")
}

fn read_report(text: &[u8]) -> Result<Unpacked> {
    let mut got = Unpacked::default();
    let (mut is_whole, mut tally) = (false, Vec::new());
    for record in text.split(|byte| *byte == 0) {
        let shown = || String::from_utf8_lossy(&record[1..]);
        match record.first() {
            Some(b'b') => (got.bytes, is_whole) = (shown().parse().unwrap_or(0), true),
            Some(b't') => tally.extend(shown().parse::<u64>().ok()),
            Some(b'l') => got.left_out.push(shown().into_owned()),
            Some(b'o') => got.opaque.push(record[1..].to_vec()),
            _ => {}
        }
    }
    got.tally = tally.try_into().ok();
    if is_whole { Ok(got) } else { Err(Error::new("the process that unpacks the archive was killed")) }
}
