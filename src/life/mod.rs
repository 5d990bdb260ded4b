//! LIFE: processes in time. Who runs what:
//!
//! ```text
//! command  create · start (forks the monitor) · attach · relay, keys · exec · stop, kill, pause, wait · update · watch · remove
//!          · boot, shutdown (all at once, in sequence) · network, connect · commit · export · check (the store)
//!          · needs (the host) · packing, unpacking (children that handle archives)
//! monitor  monitor (one per container: logs, reaps, answers, removes) · run (how one run begins) · restart (when it does
//!          so again) · health (its checks) · stream · forward (published ports) · provide (what its child cannot get itself)
//! child    init, program (what becomes the container's process), reaper (pid 1 under --init): these return `!`
//! ```

pub mod attach;
pub mod boot;
pub mod check;
pub mod commit;
pub mod connect;
pub mod control;
pub mod copy;
pub mod create;
pub mod diff;
pub mod exec;
pub mod export;
pub mod forward;
pub mod health;
pub mod hosts;
pub mod init;
pub mod keys;
pub mod log;
pub mod monitor;
pub mod needs;
pub mod network;
pub mod packing;
pub mod program;
pub mod provide;
pub mod reaper;
pub mod relay;
pub mod remove;
pub mod rename;
pub mod restart;
pub mod run;
pub mod runtime;
pub mod sequence;
pub mod shutdown;
pub mod start;
pub mod stop;
pub mod stream;
pub mod unpacking;
pub mod update;
pub mod watch;

use crate::error::Error;

/// docker's answer to who wants something of a container that is between two runs.
pub(crate) fn is_restarting(id: &str) -> Error {
    Error::new(format_args!("Container {id} is restarting, wait until the container is running"))
}
