//! The static binary against the real kernel: what a person types, and what must be true afterwards.
//! `./build/test` runs this with the release binary; `cargo test` alone takes the debug one.

mod archive;
mod attacks;
mod host;
mod process;
mod tidy;

mod attach;
mod badflags;
mod bundle;
mod commit;
mod contract;
mod cp;
mod crash;
mod cves;
mod diff;
mod disk;
mod env;
mod escape;
mod events;
mod exec;
mod flags;
mod health;
mod help;
mod hostile;
mod images;
mod inspect;
mod lifecycle;
mod limits;
mod logs;
mod oneliners;
mod ps;
mod races;
mod restart;
mod rootless;
mod rotation;
mod run;
mod strange;
mod systems;
mod tars;
mod terminal;
mod together;
mod tutorials;
mod volumes;
mod walls;
mod watch;
