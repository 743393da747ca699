//! The core of Pawl: a durable workflow engine as a state machine, without clock, randomness, threads or IO.
//!
//! An [`Actor`] is opened from what the store has of it. Inputs go in with the time; outputs are polled until there are
//! none; changes among them are made durable by whoever drives it, who then says so. The one law: **after every input,
//! poll until `None`.**
//!
//! ```
//! use pawl_core::input::{Create, Ended, Input, Start};
//! use pawl_core::output::{Output, RunOutcome};
//! use pawl_core::{Actor, Loaded};
//!
//! let mut actor = Actor::open(Loaded::default(), 1, 1 << 40)?;
//! let create = Create { call: 1, workflow: true, input: None, state: None, state_version: 1, hosted: false, ordered: false };
//! actor.handle(0, Input::Create(create));
//! let mut ended = None;
//! while let Some(output) = actor.poll() {
//!     match output {
//!         // Here a host writes the change to its store; a completion later it says `Durable`.
//!         Output::Commit(change) => actor.handle(0, Input::Durable { seq: change.seq }),
//!         Output::Reply { .. } => actor.handle(0, Input::Start(Start::default())),
//!         // Here an adapter calls the workflow's function.
//!         Output::RunWorkflow { scope, .. } => {
//!             actor.handle(0, Input::Ended { scope, outcome: Ended::Returned(None) });
//!         }
//!         Output::RunEnded(outcome) => ended = Some(outcome),
//!         output => panic!("unexpected {output:?}"),
//!     }
//! }
//! assert_eq!(ended, Some(RunOutcome::Completed(None)));
//! # Ok::<(), pawl_core::OpenError>(())
//! ```

mod actor;
pub mod answers;
pub mod codec;
pub mod compensation;
pub mod failure;
pub mod history;
pub mod ids;
pub mod inbox;
pub mod input;
pub mod key;
pub mod keys;
pub mod limits;
mod load;
pub mod output;
pub mod overlay;
pub mod past;
pub mod retry;
mod run;
pub mod scope;
pub mod snapshot;
pub mod state;
pub mod step;
pub mod timer;
pub mod wait;

pub use actor::{Actor, Over, STATE, Trouble};
pub use load::{Loaded, OpenError};
