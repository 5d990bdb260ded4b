//! GROUND: Linux and byte formats. Has never heard of a container.
//!
//! Law of this room: the only `unsafe` of the project is in here (`sys.rs`, `heap.rs`, `start.rs`, `once.rs`, `unwind.rs`).

pub mod at;
pub mod bpf;
pub mod caps;
pub mod conntrack;
pub mod fault;
pub mod file;
pub mod heap;
pub mod hex;
pub mod io;
pub mod link;
pub mod lock;
pub mod netlink;
pub mod nft;
pub mod once;
pub mod proc;
pub mod process;
pub mod ring;
pub mod seal;
pub mod start;
pub mod sys;
pub mod time;
pub mod timing;
#[cfg(all(target_env = "musl", panic = "abort", not(test)))]
mod unwind;
