//! `exec`.

use super::args::Parsed;
use super::{decide, open_store, seal};
use mydocker::error::{Error, Result};
use mydocker::life::exec::{self, Exec};
use mydocker::store::containers;

/// `exec [OPTIONS] CONTAINER COMMAND [ARG...]`
pub fn exec(parsed: &Parsed) -> Result<u8> {
    seal()?;
    let request = Exec {
        args: parsed.words[1..].to_vec(),
        env: decide::env(parsed)?,
        cwd: parsed.last("workdir").map(decide::workdir).transpose()?,
        user: parsed.last("user").map(str::to_owned),
        tty: parsed.on("tty"),
        stdin: parsed.on("interactive") && !parsed.on("detach"),
        detach: parsed.on("detach"),
        privileged: parsed.on("privileged"),
    };
    if request.tty && request.stdin && !rustix::termios::isatty(mydocker::kernel::sys::stdin()) {
        return Err(Error::new("the input device is not a TTY").exit(1));
    }
    let store = open_store()?;
    let container = containers::find(&store, &parsed.words[0])?;
    exec::exec(&store, &container, &request).map(|code| code as u8)
}
