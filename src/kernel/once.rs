//! A value that is set once and stays until the end of the process, as std's `OnceLock`, for a program without std.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use core::ptr;
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering::{AcqRel, Acquire};

/// A place for the value, which is somewhere on the heap. The tests of this program have threads, so it may be shared.
pub struct Once<T: Send + Sync + 'static>(AtomicPtr<T>);

impl<T: Send + Sync + 'static> Once<T> {
    /// An empty one.
    #[allow(clippy::new_without_default)] // only ever a static
    pub const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&'static T> {
        // SAFETY: null, or a box that was leaked.
        unsafe { self.0.load(Acquire).as_ref() }
    }

    /// Sets the value. Where there is one already, that one stays.
    pub fn set(&self, value: T) -> &'static T {
        let new = Box::leak(Box::new(value));
        match self.0.compare_exchange(ptr::null_mut(), new, AcqRel, Acquire) {
            Ok(_) => new,
            // SAFETY: not null, so it is a box that was leaked.
            Err(old) => unsafe { &*old },
        }
    }

    /// The value, which is made now where there is none.
    pub fn get_or_make(&self, make: impl FnOnce() -> T) -> &'static T {
        self.get().unwrap_or_else(|| self.set(make()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_stays() {
        static ONCE: Once<u32> = Once::new();
        assert!(ONCE.get().is_none());
        assert_eq!([*ONCE.set(1), *ONCE.set(2), *ONCE.get_or_make(|| 3)], [1, 1, 1]);
        assert_eq!(ONCE.get(), Some(&1));
    }
}
