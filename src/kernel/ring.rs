//! Bytes from one process to its child without copying them: a few slots of shared memory, and a socket on which the one
//! says how much is in the next slot, and the other that it is free again. Half the cost of a pipe.

use super::io::{self, Source};
use super::sys::{self, Shared};
use crate::error::{Error, Result, Tried};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

const SLOT_BYTES: usize = 256 << 10;
/// As many as a machine with a little more than 512 MB has; a smaller one has fewer. They even out files of different sizes, one of which
/// keeps the one side busy, and one the other.
const SLOTS_MAX: usize = 16;
const SLOTS_MIN: usize = 4;
const MACHINE_BYTES_FOR_SLOT: u64 = 32 << 20;

/// Both sides, before the fork.
pub struct Ring {
    memory: Shared,
    slots: usize,
    giver: OwnedFd,
    taker: OwnedFd,
}

impl Ring {
    /// Makes one. After a fork the two processes take a side each.
    pub fn new() -> Result<Self> {
        let machine = rustix::system::sysinfo();
        #[allow(clippy::useless_conversion)] // narrower on other machines
        let bytes = u64::from(machine.totalram) * u64::from(machine.mem_unit);
        Self::of((bytes / MACHINE_BYTES_FOR_SLOT).clamp(SLOTS_MIN as u64, SLOTS_MAX as u64) as usize)
    }

    fn of(slots: usize) -> Result<Self> {
        let memory = sys::shared_memory(slots * SLOT_BYTES).tried("get shared memory")?;
        let (giver, taker) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .tried("make a socket")?;
        Ok(Self { memory, slots, giver, taker })
    }

    /// The side that gives. The other one is closed.
    pub fn giver(self) -> Giver {
        Giver { memory: self.memory, slots: self.slots, socket: self.giver, slot: 0, is_free: self.slots }
    }

    /// The descriptor of the side that takes.
    pub fn taker_fd(&self) -> BorrowedFd<'_> {
        self.taker.as_fd()
    }

    /// The side that takes, through this copy of [`Ring::taker_fd`]. It is the only one that stays open.
    pub fn taker(self, socket: BorrowedFd<'_>) -> Taker<'_> {
        Taker { memory: self.memory, slots: self.slots, socket, slot: self.slots - 1, at: 0, end: 0, has_slot: false }
    }
}

/// The side that gives; `is_free` slots wait to be filled. That it is dropped is the end of what it gives.
pub struct Giver {
    memory: Shared,
    slots: usize,
    socket: OwnedFd,
    slot: usize,
    is_free: usize,
}

impl Giver {
    /// Room for the next bytes. Waits for it; a taker that is gone is `EPIPE`.
    pub fn room(&mut self) -> Result<&mut [u8]> {
        if self.is_free == 0 {
            match io::read(&self.socket, &mut [0; 1]) {
                Ok(0) => return Err(gone(Errno::PIPE)),
                other => other.map_err(gone)?,
            };
            self.is_free = 1;
        }
        Ok(self.memory.part(self.slot * SLOT_BYTES, SLOT_BYTES))
    }

    /// Hands over the first bytes of what [`Giver::room`] returned, and says where they are: the taker only reads them.
    pub fn give(&mut self, bytes: usize) -> Result<&[u8]> {
        io::write_all(&self.socket, &(bytes as u32).to_ne_bytes()).map_err(gone)?;
        let from = self.slot * SLOT_BYTES;
        self.slot = (self.slot + 1) % self.slots;
        self.is_free -= 1;
        Ok(self.memory.part(from, bytes))
    }
}

/// The side that takes.
pub struct Taker<'a> {
    memory: Shared,
    slots: usize,
    socket: BorrowedFd<'a>,
    slot: usize,
    at: usize,
    end: usize,
    has_slot: bool,
}

impl Source for Taker<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        if self.at == self.end {
            // Not an error: the giver may have gone after the last slot.
            if self.has_slot {
                let _ = io::write_all(self.socket, &[0]);
            }
            let mut size = [0; 4];
            let mut got = io::read(self.socket, &mut size);
            if got == Err(Errno::CONNRESET) {
                // Once, when the giver went without having heard that slots are free: what it gave is still to come.
                got = io::read(self.socket, &mut size);
            }
            let got = got.tried(TALK)?;
            self.has_slot = got > 0;
            (self.slot, self.at) = ((self.slot + 1) % self.slots, 0);
            self.end = (u32::from_ne_bytes(size) as usize).min(SLOT_BYTES);
        }
        let n = buf.len().min(self.end - self.at);
        buf[..n].copy_from_slice(&self.memory.part(self.slot * SLOT_BYTES + self.at, n)[..]);
        self.at += n;
        Ok(n)
    }
}

/// A taker that went without having read everything is `ECONNRESET` once.
fn gone(errno: Errno) -> Error {
    Error::os(TALK, if errno == Errno::CONNRESET { Errno::PIPE } else { errno })
}

const TALK: &str = "hand the archive over";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::process;
    use alloc::vec;

    /// A child gives `slots` of them, each full of its number, and goes; we begin to take when it is gone or not.
    fn given(of: usize, slots: usize, taken_before: bool) -> alloc::vec::Vec<u8> {
        let mut ring = Some(Ring::of(of).unwrap());
        let child = process::spawn(0, None, &mut || {
            let mut giver = ring.take().unwrap().giver();
            for n in 0..slots {
                giver.room().unwrap().fill(n as u8);
                giver.give(SLOT_BYTES - n).unwrap();
            }
            sys::exit(0)
        })
        .unwrap();
        let ring = ring.unwrap();
        let socket = process::duplicate(ring.taker_fd()).unwrap();
        let mut taker = ring.taker(socket.as_fd());
        let mut first = vec![0; 10];
        let mut all = vec![];
        if taken_before {
            let n = taker.read(&mut first).unwrap();
            all.extend_from_slice(&first[..n]);
        } else {
            assert_eq!(process::wait(child.pidfd.as_fd()), 0);
        }
        let mut buf = vec![0; 100_000];
        loop {
            match taker.read(&mut buf).unwrap() {
                0 => return all,
                n => all.extend_from_slice(&buf[..n]),
            }
        }
    }

    #[test]
    fn what_is_given_comes_in_order() {
        const MAX: usize = SLOTS_MAX;
        for (slots, taken_before) in [(0, false), (1, false), (SLOTS_MIN, false), (MAX, true), (3 * MAX + 1, true)] {
            for of in [SLOTS_MIN, SLOTS_MAX] {
                let mut wanted = vec![];
                for n in 0..slots {
                    wanted.resize(wanted.len() + SLOT_BYTES - n, n as u8);
                }
                assert!(given(of, slots, taken_before) == wanted);
            }
        }
    }

    #[test]
    fn a_taker_that_goes_ends_it() {
        let mut ring = Some(Ring::new().unwrap());
        let child = process::spawn(0, None, &mut || {
            let ring = ring.take().unwrap();
            let socket = process::duplicate(ring.taker_fd()).unwrap();
            let read = ring.taker(socket.as_fd()).read(&mut [0; 10]);
            sys::exit(i32::from(read.is_err()))
        })
        .unwrap();
        let mut giver = ring.unwrap().giver();
        let error = loop {
            if let Err(error) = giver.room().map(drop).and_then(|()| giver.give(1).map(drop)) {
                break error;
            }
        };
        assert!(error.is(Errno::PIPE));
        assert_eq!(process::wait(child.pidfd.as_fd()), 0);
    }
}
