//! The engine of mydocker: containers from kernel calls, without a daemon.
//!
//! The rooms import each other in one direction only:
//! `error ← spec ← kernel ← store ← walls ← life` (and the binary's `cli` stands behind them all).
//! See ARCHITECTURE.md for the map and the laws of each room.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

pub mod error;
pub mod kernel;
pub mod life;
pub mod spec;
pub mod store;
pub mod walls;
