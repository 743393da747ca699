//! The store in PostgreSQL, against a real server.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod calls;
mod contract;
mod server;
mod sharing;
