//! Lets the key-value driver of an embedding host be the store of Pawl's engine.
//!
//! Owned here: which rows a change becomes, in which batches they are written, what follows a commit, and how rows become
//! changes again. The rows that another engine can see are those of engine behaviour section 2, byte for byte; what has no
//! place there is in rows of Pawl's own, below `(9)`. Not owned here: any call of a driver. A [`DriverStore`] is given to
//! the host; the adapter keeps the [`Desk`], takes [`Work`] from it, does it, and says what became of it.
//!
//! The one law: *rows that a reader can reach are written in one batch with the row of their change*, so that whatever call
//! is the last one, what is stored is the fold of whole changes.
//!
//! ```
//! use std::sync::Arc;
//! use pawl_embed::{Limits, Rows, Work};
//! use pawl_store::{ActorId, Completion, Request, Scopes, Store};
//!
//! let (mut store, desk) = pawl_embed::open([7; 16], Arc::new(|| {}));
//! store.submit(1, Request::Open { actor: ActorId::new("default", "workflow/1"), scopes: Scopes::Open });
//! let work = desk.take();
//! assert!(matches!(work[..], [Work::Load { ticket: 1, .. }]));
//! // Here the adapter lists the driver's rows.
//! desk.loaded(1, Ok(Rows::new()), Limits::SPLIT);
//! let mut done = Vec::new();
//! store.drain(&mut done);
//! assert!(matches!(&done[1], (1, Completion::Opened(opened)) if opened.row.is_none()));
//! ```

mod alarm;
mod desk;
mod drivers;
mod error;
mod failure;
mod kept;
mod keys;
mod life;
mod load;
mod missing;
mod names;
mod open;
mod plan;
mod rows;
mod split;
mod sweep;
mod translate;
mod work;

pub use desk::{Desk, DriverStore, open};
pub use keys::own as own_rows;
pub use rows::{PIECE_BYTES, ROW_BYTES};
pub use work::{Call, Found, Limits, Rows, Work, Written};
