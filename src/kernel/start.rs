//! What a program is given when it starts, and what std would do before `main`: the C library's start files call us without
//! it. Of what std does there we need half, and it takes eleven system calls more.
#![allow(unsafe_code)]

use super::{process, sys};
use alloc::borrow::ToOwned;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};

const SIGPIPE: i32 = 13;

unsafe extern "C" {
    /// environ(7)
    static environ: *const *const c_char;
}

/// Makes `$main`, from the arguments to the exit code, what the C library calls.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        /// Called by the C library once, with the arguments that the kernel left on the stack.
        #[unsafe(no_mangle)]
        extern "C" fn main(count: core::ffi::c_int, args: *const *const core::ffi::c_char) -> core::ffi::c_int {
            let main: fn(alloc::vec::Vec<alloc::ffi::CString>) -> u8 = $main;
            // SAFETY: this is what the C library vouches for.
            main(unsafe { $crate::kernel::start::begin(count, args) }).into()
        }
    };
}

/// Does what has to be done first, and copies the arguments.
///
/// # Safety
/// `args` are as many pointers to strings as `count` says.
pub unsafe fn begin(count: c_int, args: *const *const c_char) -> Vec<CString> {
    open_standard_streams();
    sys::set_signal(SIGPIPE, true); // who writes to a pipe without a reader hears of it from write(2)
    let mut copies = Vec::with_capacity(count as usize);
    for at in 0..count as usize {
        // SAFETY: the caller vouches for it.
        copies.push(unsafe { CStr::from_ptr(*args.add(at)) }.into());
    }
    copies
}

/// Opens /dev/null as what is closed of standard input, output and error: the next file that is opened would become it.
fn open_standard_streams() {
    let streams = [sys::stdin(), sys::stdout(), sys::stderr()];
    let mut asked = streams.map(|stream| PollFd::from_borrowed_fd(stream, PollFlags::empty()));
    process::wait_for(&mut asked, 0);
    for stream in asked {
        if stream.revents().contains(PollFlags::NVAL) {
            match rustix::fs::open(c"/dev/null", OFlags::RDWR, Mode::empty()) {
                Ok(null) => core::mem::forget(null), // it got the lowest number that was free
                Err(_) => sys::abort(),
            }
        }
    }
}

/// The environment, `KEY=value` each.
fn each_variable() -> impl Iterator<Item = &'static CStr> {
    // SAFETY: an array of strings with a null pointer at its end. Nothing of ours changes it but `sys::retitle`, which makes
    // the strings empty.
    let at = |at| unsafe {
        let variable = *environ.add(at);
        if variable.is_null() { None } else { Some(CStr::from_ptr(variable)) }
    };
    (0..).map_while(at)
}

/// A copy of it.
pub fn environment() -> Vec<CString> {
    each_variable().map(CString::from).collect()
}

/// The first variable of this name; none where it is not UTF-8.
pub fn variable(name: &str) -> Option<String> {
    let value = |text: &'static CStr| text.to_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=");
    Some(str::from_utf8(each_variable().find_map(value)?).ok()?.to_owned())
}

/// The current directory, if it has a name in UTF-8.
pub fn current_dir() -> Option<String> {
    rustix::process::getcwd(Vec::new()).ok()?.into_string().ok()
}
