//! The heap of a program with one thread that lives for milliseconds: blocks of 24, 32, 48, 64 … bytes, cut off one after the
//! other and used again for the same size. The C library's asks the kernel for pages a few at a time and gives them back as
//! soon as it can: a third of all system calls of a `run`.
//!
//! Only the program itself uses this (main.rs); the tests have threads.
#![allow(unsafe_code)]
// Every block is aligned to a word.
#![allow(clippy::cast_ptr_alignment)]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{self, null_mut};
use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap_anonymous, mremap, munmap};

/// A block of more is a mapping of its own, which the kernel fills with zeros, moves and takes back.
const LARGE_BYTES: usize = 32 << 10;
const SMALLEST_BYTES: usize = 24;
/// More than that only mappings have.
const ALIGN_MAX: usize = 16;
/// What small blocks are cut from: the first piece is part of the program, and a page that is never used costs nothing.
const PIECE_BYTES: usize = 128 << 10;
/// Two sizes between each power of two and the next, up to [`LARGE_BYTES`].
const SIZES: usize = 2 * LARGE_BYTES.ilog2() as usize;

#[repr(align(4096))]
struct Piece(#[allow(dead_code)] [u8; PIECE_BYTES]);

struct Inner {
    /// The first unused block of each size; its first word is the address of the next one.
    unused: [*mut u8; SIZES],
    /// What has not been cut off yet.
    rest: *mut u8,
    end: *mut u8,
}

/// The heap. No thread but the first may use it.
pub struct Heap(UnsafeCell<Inner>, UnsafeCell<Piece>);

// SAFETY: whoever makes it the program's heap vouches for there being one thread.
unsafe impl Sync for Heap {}

impl Heap {
    /// An empty one.
    #[allow(clippy::new_without_default, clippy::large_stack_arrays)] // only ever a static
    pub const fn new() -> Self {
        let inner = Inner { unused: [null_mut(); SIZES], rest: null_mut(), end: null_mut() };
        Self(UnsafeCell::new(inner), UnsafeCell::new(Piece([0; PIECE_BYTES])))
    }
}

/// Which size a block has, and how many bytes that are. Those at odd places are powers of two, and aligned to [`ALIGN_MAX`].
fn size_of(layout: Layout) -> (usize, usize) {
    let bits = (layout.size() - 1).max(SMALLEST_BYTES - 1).ilog2() as usize;
    let between = 3 << (bits - 1);
    if layout.size() <= between && layout.align() <= 8 { (2 * bits - 2, between) } else { (2 * bits - 1, 2 << bits) }
}

fn is_large(layout: Layout) -> bool {
    layout.size() > LARGE_BYTES || layout.align() > ALIGN_MAX
}

fn map(bytes: usize) -> *mut u8 {
    // SAFETY: a new mapping at a place that the kernel chooses.
    let mapped = unsafe { mmap_anonymous(null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) };
    mapped.map_or(null_mut(), <*mut _>::cast)
}

// SAFETY: blocks are as large and as aligned as their size says, no two of them overlap, and only the one thread comes here.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return map(layout.size());
        }
        let (at, bytes) = size_of(layout);
        // SAFETY: one thread, and nothing below calls back. What is unused was a block of this size.
        unsafe {
            let inner = &mut *self.0.get();
            let block = inner.unused[at];
            if !block.is_null() {
                inner.unused[at] = block.cast::<*mut u8>().read();
                return block;
            }
            let mut start = inner.rest.map_addr(|rest| rest.next_multiple_of(if at % 2 == 0 { 8 } else { ALIGN_MAX }));
            if start.addr() + bytes > inner.end.addr() {
                start = if inner.end.is_null() { self.1.get().cast() } else { map(PIECE_BYTES) };
                if start.is_null() {
                    return start;
                }
                inner.end = start.add(PIECE_BYTES);
            }
            inner.rest = start.add(bytes);
            start
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller hands back a block of ours and its layout.
        unsafe {
            if is_large(layout) {
                let _ = munmap(block.cast(), layout.size()); // what is mapped can be unmapped
                return;
            }
            let inner = &mut *self.0.get();
            let (at, bytes) = size_of(layout);
            if block.add(bytes) == inner.rest {
                inner.rest = block; // the last one that was cut off, as most are that live shortly
                return;
            }
            block.cast::<*mut u8>().write(inner.unused[at]);
            inner.unused[at] = block;
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above; a mapping is full of zeros.
        unsafe {
            let block = self.alloc(layout);
            if !block.is_null() && !is_large(layout) {
                ptr::write_bytes(block, 0, layout.size());
            }
            block
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; the caller vouches for the new size with the old alignment.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            match (is_large(layout), is_large(new)) {
                (false, false) if size_of(layout).0 == size_of(new).0 => return block,
                (true, true) => {
                    let moved = mremap(block.cast(), layout.size(), size, MremapFlags::MAYMOVE);
                    return moved.map_or(null_mut(), <*mut _>::cast);
                }
                _ => {}
            }
            let to = self.alloc(new);
            if !to.is_null() {
                ptr::copy_nonoverlapping(block, to, layout.size().min(size));
                self.dealloc(block, layout);
            }
            to
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    #[test]
    fn sizes() {
        let size = |bytes, align| size_of(Layout::from_size_align(bytes, align).unwrap());
        assert_eq!([size(1, 1).1, size(24, 8).1, size(25, 8).1, size(33, 1).1, size(49, 8).1], [24, 24, 32, 48, 64]);
        assert_eq!([size(24, 16), size(40, 16)], [(7, 32), (9, 64)]);
        for bytes in 1..=LARGE_BYTES {
            let (at, room) = size(bytes, 8);
            assert!(room >= bytes && at < SIZES && (bytes == 1 || size(bytes - 1, 8).0 <= at), "{bytes}");
            assert!(room % 8 == 0 && (bytes < 24 || room < 2 * bytes));
        }
    }

    #[test]
    fn blocks_keep_what_is_in_them() {
        let heap = Box::new(Heap::new());
        let mut blocks: Vec<(*mut u8, Layout, u8)> = Vec::new();
        let mut seed = 1u32;
        let is_full_of =
            |block: *mut u8, bytes: usize, fill: u8| (0..bytes).all(|at| unsafe { block.add(at).read() } == fill);
        for round in 0..30_000u32 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let bytes = (seed >> 8) as usize % if round % 50 == 0 { 200_000 } else { 700 } + 1;
            let layout = Layout::from_size_align(bytes, 1 << (seed >> 28 & 7)).unwrap();
            if blocks.len() > 300 {
                let (block, old, fill) = blocks.swap_remove(seed as usize % 300);
                assert!(is_full_of(block, old.size(), fill));
                if seed & 64 == 0 {
                    unsafe { heap.dealloc(block, old) };
                    continue;
                }
                let moved = unsafe { heap.realloc(block, old, bytes) };
                assert!(is_full_of(moved, old.size().min(bytes), fill) && moved.addr() % old.align() == 0);
                unsafe { moved.write_bytes(fill, bytes) };
                blocks.push((moved, Layout::from_size_align(bytes, old.align()).unwrap(), fill));
            } else {
                let block = unsafe { heap.alloc_zeroed(layout) };
                assert!(is_full_of(block, bytes, 0) && block.addr() % layout.align() == 0);
                unsafe { block.write_bytes(round as u8, bytes) };
                blocks.push((block, layout, round as u8));
            }
        }
    }
}
