//! What an input costs: bytes by an allocator that counts, time by a thread that looks at the clock.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MAX: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Counts the inputs; odd while one is tried.
static TURN: AtomicUsize = AtomicUsize::new(0);

fn take(bytes: usize) {
    if IN_USE.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX.load(Ordering::Relaxed) {
        MAX.store(usize::MAX, Ordering::Relaxed); // the message needs memory, too
        eprintln!("the input takes too much memory");
        std::process::abort();
    }
}

// SAFETY: all is left to the system's allocator; only sums are kept here.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Ends this process when one input takes longer than `limit`.
pub fn watch(limit: Duration) {
    std::thread::spawn(move || {
        let mut turn = (0, Instant::now());
        loop {
            std::thread::park_timeout(limit / 20);
            let now = TURN.load(Ordering::Relaxed);
            if now != turn.0 || now.is_multiple_of(2) {
                turn = (now, Instant::now());
            } else if turn.1.elapsed() > limit {
                eprintln!("the input takes more than {limit:?}");
                std::process::abort();
            }
        }
    });
}

/// Tries one input, which may take so many bytes.
pub fn guard(bytes_max: usize, run: impl FnOnce() -> String) -> String {
    MAX.store(IN_USE.load(Ordering::Relaxed) + bytes_max, Ordering::Relaxed);
    TURN.fetch_add(1, Ordering::Relaxed);
    let outcome = run();
    TURN.fetch_add(1, Ordering::Relaxed);
    MAX.store(usize::MAX, Ordering::Relaxed);
    outcome
}
