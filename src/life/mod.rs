//! LIFE: processes in time. Who runs what:
//!
//! ```text
//! command  create · start (forks the monitor) · relay · exec · stop, kill, pause, wait · update · watch · remove · commit
//! monitor  monitor (one per container: logs, reaps, answers, removes) · provide (what its child cannot get itself)
//! child    init, program (what becomes the container's process), reaper (pid 1 under --init): these return `!`
//! ```

pub mod commit;
pub mod control;
pub mod copy;
pub mod create;
pub mod exec;
pub mod init;
pub mod log;
pub mod monitor;
pub mod packing;
pub mod program;
pub mod provide;
pub mod reaper;
pub mod relay;
pub mod remove;
pub mod start;
pub mod stop;
pub mod stream;
pub mod update;
pub mod watch;
