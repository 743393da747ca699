//! Tests of the stores through their public interface, in one binary, which is also the second process of those that
//! need one.

// The lint's own exception for tests does not reach what they share.
#![allow(clippy::unwrap_used)]

mod child;
mod commits;
mod contract;
mod faults;
mod files;
mod forgetting;
mod joint;
mod kill;
mod lock;
mod model;
#[cfg(target_os = "linux")]
mod system;
