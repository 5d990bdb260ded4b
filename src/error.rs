//! The one error type: what was tried, the errno where there is one, and the exit code it asks for.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::fmt::Write as _;
use core::ops::{Deref, DerefMut};
use rustix::io::Errno;

/// Exit code of a command that could not be started: found, but not executable.
pub const EXIT_NOT_EXECUTABLE: u8 = 126;
/// Exit code of a command that does not exist in the container.
pub const EXIT_NOT_FOUND: u8 = 127;
/// Exit code of our own failures in `run`, `create` and of every bad flag.
pub const EXIT_ENGINE: u8 = 125;

/// Everything that can go wrong, as one line for a person. One word wide: results are handed up through many hands.
pub struct Error(Box<Told>);

/// What an [`Error`] tells.
pub struct Told {
    /// "verb object", or the whole sentence when there is no errno.
    pub what: String,
    /// The kernel's answer.
    pub errno: Option<Errno>,
    /// The exit code this error insists on; `None` leaves it to the verb (1, or 125 for run and create).
    pub code: Option<u8>,
}

/// The result of everything that can fail here.
pub type Result<T> = core::result::Result<T, Error>;

/// What an error says. Words that are still to be put together (`format_args!`) are cheaper to hand over than a text.
pub trait Words {
    /// The text.
    fn text(self) -> String;
}

impl Words for &str {
    fn text(self) -> String {
        self.to_owned()
    }
}

impl Words for &String {
    fn text(self) -> String {
        self.clone()
    }
}

impl Words for String {
    fn text(self) -> String {
        self
    }
}

impl Words for fmt::Arguments<'_> {
    fn text(self) -> String {
        format!("{self}")
    }
}

impl Error {
    /// An error that a sentence says completely.
    pub fn new(what: impl Words) -> Self {
        Self(Box::new(Told { what: what.text(), errno: None, code: None }))
    }

    /// An error of the kernel: what was tried, and its answer.
    pub fn os(what: impl Words, errno: Errno) -> Self {
        Self(Box::new(Told { what: what.text(), errno: Some(errno), code: None }))
    }

    /// The same, with what was done to what: `Error::tried("open", path, errno)`.
    #[cold]
    #[inline(never)]
    pub fn tried(verb: &str, what: &str, errno: Errno) -> Self {
        Self::os([verb, what].join(" "), errno)
    }

    /// The same error behind words that say where it happened: `["mount ", path, ": "]`.
    #[must_use]
    pub fn behind(mut self, place: &[&str]) -> Self {
        self.what.insert_str(0, &place.concat());
        self
    }

    /// The same error in other words.
    #[must_use]
    pub fn said(mut self, what: String) -> Self {
        self.what = what;
        self
    }

    /// The same error, its words put into a longer sentence.
    #[must_use]
    pub fn reword(self, longer: &dyn Fn(&str) -> String) -> Self {
        let what = longer(&self.what);
        self.said(what)
    }

    /// The same error with the exit code that it asks for.
    #[must_use]
    pub fn exit(mut self, code: u8) -> Self {
        self.code = Some(code);
        self
    }

    /// Whether the kernel answered with this errno.
    pub fn is(&self, errno: Errno) -> bool {
        self.errno == Some(errno)
    }
}

impl Deref for Error {
    type Target = Told;

    fn deref(&self) -> &Told {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Told {
        &mut self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errno {
            None => f.write_str(&self.what),
            Some(errno) => write!(f, "{}: {}", self.what, text(errno)),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A foreign text in a message, as `escape_debug` has it: its own way to be shown is 2 KB.
pub struct Escaped<'a>(&'a str);

/// The text without what could do something to a terminal.
pub fn escaped(text: &str) -> Escaped<'_> {
    Escaped(text)
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.escape_debug() {
            f.write_char(c)?;
        }
        Ok(())
    }
}

/// Adds "what was tried" to a kernel answer.
pub trait Tried<T> {
    /// `call().tried("mount /proc")?`
    fn tried(self, what: impl Words) -> Result<T>;
    /// The same for a text in two parts: `call().tried_to("open", path)?`
    fn tried_to(self, verb: &str, what: &str) -> Result<T>;
    /// The same for a text that costs something to make: `call().tried_with(|| format!("open {path} for {who}"))?`
    fn tried_with(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Tried<T> for core::result::Result<T, Errno> {
    fn tried(self, what: impl Words) -> Result<T> {
        self.map_err(|errno| Error::os(what, errno))
    }

    fn tried_to(self, verb: &str, what: &str) -> Result<T> {
        self.map_err(|errno| Error::tried(verb, what, errno))
    }

    fn tried_with(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|errno| Error::os(what(), errno))
    }
}

/// Errors by their numbers, which all our processors share (asm-generic/errno.h), as strerror(3) words them.
const TEXTS: &str = "\
1 operation not permitted
2 no such file or directory
3 no such process
4 interrupted system call
5 input/output error
6 no such device or address
7 argument list too long
8 exec format error
9 bad file descriptor
10 no child processes
11 resource temporarily unavailable
12 cannot allocate memory
13 permission denied
15 block device required
16 device or resource busy
17 file exists
18 invalid cross-device link
19 no such device
20 not a directory
21 is a directory
22 invalid argument
23 too many open files in system
24 too many open files
25 inappropriate ioctl for device
26 text file busy
27 file too large
28 no space left on device
29 illegal seek
30 read-only file system
31 too many links
32 broken pipe
34 numerical result out of range
36 file name too long
38 function not implemented
39 directory not empty
40 too many levels of symbolic links
61 no data available
75 value too large for defined data type
95 operation not supported
98 address already in use
104 connection reset by peer
110 connection timed out
111 connection refused
116 stale file handle
122 disk quota exceeded";

/// The text of an errno; the engine has no libc to ask.
pub fn text(errno: Errno) -> String {
    let number = errno.raw_os_error();
    for line in TEXTS.lines() {
        match line.split_once(' ') {
            Some((of, text)) if of.parse() == Ok(number) => return text.to_owned(),
            _ => {}
        }
    }
    format!("errno {number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (errno, wanted) in [
            (Errno::PERM, "operation not permitted"),
            (Errno::NOENT, "no such file or directory"),
            (Errno::AGAIN, "resource temporarily unavailable"),
            (Errno::NAMETOOLONG, "file name too long"),
            (Errno::LOOP, "too many levels of symbolic links"),
            (Errno::NODATA, "no data available"),
            (Errno::OVERFLOW, "value too large for defined data type"),
            (Errno::OPNOTSUPP, "operation not supported"),
            (Errno::CONNRESET, "connection reset by peer"),
            (Errno::DQUOT, "disk quota exceeded"),
            (Errno::NOANO, "errno 55"),
        ] {
            assert_eq!(text(errno), wanted);
        }
    }
}
