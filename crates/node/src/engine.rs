//! The engine of one environment (thread), as JavaScript holds it.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::*;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use pawl_core::keys::Reply;
use pawl_core::limits::Lifetimes;
use pawl_core::snapshot::Retention;
use pawl_embed::{Desk, Limits, Written};
use pawl_host::{Host, Input, Turn};
use pawl_store::fault::{Fault, FaultStore, Gauge};
use pawl_store::{Code, OpenOptions, Stats, Store, StoreError};

use crate::backup::{CopyStore, From};
use crate::wire::{Reader, Said, read_inputs, write_answer, write_history, write_inspection, write_turn, write_work};

/// The URL of the store whose actors are kept by embedding hosts' drivers.
const DRIVERS: &str = "driver:";

/// No arguments, no error-first argument, weak (Node may exit), and at most one call on its way.
type WakeFunction = ThreadsafeFunction<(), (), (), Status, false, true, 1>;

/// How to open an engine. Every field is present, `null` for none.
#[napi(object)]
pub struct EngineOptions {
    /// `memory:`, `memory:NAME`, `sqlite:PATH` or `postgres://...`.
    pub url: String,
    pub namespace: String,
    /// How long to try for the lock of a store that is in use, in milliseconds; none: 5,000.
    pub lock_patience: Option<f64>,
    /// Of a shared store: how long JavaScript may be stuck before its lease is no longer renewed, in milliseconds; none: 60,000.
    pub stall_limit: Option<f64>,
    /// The version of the code: of a shared store, a run that one version has parked is offered to processes of another.
    pub code_version: Option<String>,
    /// Of an actor with state, after how many of its newest changes, and of how many bytes of them, it can be told what that was;
    /// none: 1,000 and 64 MiB.
    pub deltas: Option<f64>,
    pub delta_bytes: Option<f64>,
    /// How long, in milliseconds after its newest change, an actor stays whose run has ended, and what is known of one that was
    /// destroyed; none: for good.
    pub ended: Option<f64>,
    pub destroyed: Option<f64>,
    /// What one actor may have at once: messages that nobody has taken, operations that are pending, bytes of state; none: 10,000,
    /// 100,000 and 256 MiB.
    pub inbox_messages: Option<f64>,
    pub pending_operations: Option<f64>,
    pub state_bytes: Option<f64>,
    /// Whether the store is only looked at: another process may have it (SQLite).
    pub looks: Option<bool>,
    /// What ids are drawn from; none: chance.
    pub seed: Option<f64>,
    /// For crash tests: how a batch fails: `lose_before`, `lose_after`, `unknown_not_written`, `unknown_written` or `refuse`.
    pub fault: Option<String>,
    /// Which batch that is, from 1; 0: none, they are only counted.
    pub fault_at: Option<f64>,
}

/// What a store has done since it was opened.
#[napi(object)]
pub struct StoreStats {
    /// Batches that are durable.
    pub commits: f64,
    /// Changes in them.
    pub changes: f64,
    /// Transactions that made them durable: one sync each.
    pub transactions: f64,
}

struct Inner {
    host: Host,
    /// Where the work on embedding hosts' drivers lies.
    desk: Option<Desk>,
    /// What `advance` wrote and the caller's buffer could not take.
    output: Vec<u8>,
    room: Room,
}

/// Memory that every `advance` uses again. What is in it between two of them means nothing.
#[derive(Default)]
struct Room {
    said: Vec<Said>,
    inputs: Vec<Input>,
    turn: Turn,
}

/// Of a turn that was larger than this the memory is given back.
const ROOM_KEPT: usize = 1_024;

impl Room {
    fn tidy(&mut self) {
        let Room { said, inputs, turn } = self;
        turn.verdicts.clear();
        turn.others.clear();
        if said.capacity().max(inputs.capacity()).max(turn.others.capacity()) > ROOM_KEPT {
            *self = Room::default();
        }
    }
}

/// napi takes a bare `&mut [u8]` for a class; an alias, for what it is.
type BytesMut<'a> = &'a mut [u8];

type Slot = Rc<RefCell<Option<Inner>>>;

/// A store and the actors loaded from it.
#[napi]
pub struct Engine {
    slot: Slot,
    /// Outlives the store, so that a test can ask after a crash.
    gauge: Option<Gauge>,
}

#[napi]
impl Engine {
    /// Opens a store. Whether that succeeds is told by `advance`; only a wrong URL throws.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        options: EngineOptions,
        #[napi(ts_arg_type = "() => void")] wake: Function<'_, (), ()>,
    ) -> Result<Engine> {
        let wake = wake_function(wake)?;
        let seed = options.seed.map_or_else(chance, f64::to_bits);
        let (host, desk, gauge) = if options.url == DRIVERS {
            // Whoever keeps the rows names the store: the same in every process.
            let (store, desk) = pawl_embed::open([0; 16], wake);
            let host = Host::new(Box::new(store), options.namespace, seed).with_numbered_names();
            (host, Some(desk), None)
        } else {
            let (store, gauge) = open_store(&options, wake.clone())?;
            let retention = retention_of(&options);
            let limits = limits_of(&options);
            let lifetimes = Lifetimes {
                ended_ms: options.ended.map(|ms| ms as i64),
                destroyed_ms: options.destroyed.map(|ms| ms as i64),
            };
            let host = Host::new(store, options.namespace, seed).with_limits(limits).with_lifetimes(lifetimes);
            (host.with_compaction(retention, wake), None, gauge)
        };
        let slot: Slot = Rc::new(RefCell::new(Some(Inner { host, desk, output: Vec::new(), room: Room::default() })));
        close_with(&env, &slot)?;
        Ok(Engine { slot, gauge })
    }

    /// Takes in the inputs in `input[0 .. length)`, writes what follows from them into `output` and returns its length. If
    /// that is more than `output` holds, nothing was written, and `output` fetches it.
    #[napi(
        getter,
        catch_unwind,
        ts_return_type = "(now: number, input: Uint8Array, length: number, output: Uint8Array) => number"
    )]
    pub fn advance<'env>(&self, env: &'env Env) -> Result<Function<'env, (), u32>> {
        let slot = self.slot.clone();
        env.create_function_from_closure("advance", move |call| {
            let (now, input, length): (f64, &[u8], u32) = (call.get(0)?, call.get(1)?, call.get(2)?);
            let output: &mut [u8] = call.get(3)?;
            let input = input.get(..length as usize).ok_or_else(|| misuse("length is past the end of input"))?;
            with(&slot, |inner| inner.advance(now, input, output))
        })
    }

    /// Copies what the last `advance` could not write into `output`.
    #[napi(catch_unwind)]
    pub fn output(&self, #[napi(ts_arg_type = "Uint8Array")] output: BytesMut<'_>) -> Result<()> {
        with(&self.slot, |inner| inner.copy_output(output))
    }

    /// A cell of a loaded actor (its state is the cell `state`) as encoded bytes: the newest queued one if `view` is empty; otherwise as an attempt sees it:
    /// `view` is the pin, then an optional delta. Empty if it has no state.
    #[napi(catch_unwind)]
    pub fn read_cell(&self, handle: f64, cell: String, view: Uint8Array) -> Result<Uint8Array> {
        with(&self.slot, |inner| inner.read_cell(handle as u64, &cell, &view))
    }

    /// What a loaded actor's run has recorded and what waits in its inbox, as of the newest queued change; empty if it is
    /// not loaded.
    #[napi(catch_unwind)]
    pub fn inspect(&self, handle: f64) -> Result<Uint8Array> {
        with(&self.slot, |inner| Ok(Uint8Array::new(inner.inspect(handle as u64)?)))
    }

    /// What a loaded actor's run has recorded, as its rows hold it; empty if it is not loaded.
    #[napi(catch_unwind)]
    pub fn history(&self, handle: f64) -> Result<Uint8Array> {
        with(&self.slot, |inner| Ok(Uint8Array::new(inner.history(handle as u64))))
    }

    /// The idempotency key of a step that is running; none if it is not.
    #[napi(catch_unwind)]
    pub fn step_key(&self, handle: f64, op: f64) -> Result<Option<String>> {
        with(&self.slot, |inner| Ok(inner.host.step_key(handle as u64, op as u64)))
    }

    /// The same for the step of this name in a scope, which the engine may not have been told of yet.
    #[napi(catch_unwind)]
    pub fn step_key_in(&self, handle: f64, scope: f64, name: String) -> Result<Option<String>> {
        with(&self.slot, |inner| Ok(inner.host.step_key_in(handle as u64, scope as u64, &name)))
    }

    /// The newest change that wrote a cell of a loaded actor; none if there is no such cell.
    #[napi(catch_unwind)]
    pub fn cell_head(&self, handle: f64, cell: String) -> Result<Option<f64>> {
        with(&self.slot, |inner| {
            let head = inner.host.actor(handle as u64).and_then(|actor| actor.cell_head(&cell));
            Ok(head.map(|head| head as f64))
        })
    }

    /// The names of the cells that a loaded actor has beside its state, in order.
    #[napi(catch_unwind)]
    pub fn further_cells(&self, handle: f64) -> Result<Vec<String>> {
        with(&self.slot, |inner| {
            let actor = inner.host.actor(handle as u64);
            Ok(actor.map_or_else(Vec::new, |actor| actor.further_cells().map(str::to_owned).collect()))
        })
    }

    /// The number by which other processes on the store know this one; none if there can be none.
    #[napi(catch_unwind)]
    pub fn process(&self) -> Result<Option<f64>> {
        with(&self.slot, |inner| Ok(inner.host.store().process().map(|process| process as f64)))
    }

    /// What an attempt that is still running has read or written and another change has written since its pin, for people;
    /// none: it may still commit. `touched` is what a settle call carries for one cell.
    #[napi(catch_unwind)]
    pub fn overtaken(&self, handle: f64, touched: Uint8Array) -> Result<Option<String>> {
        with(&self.slot, |inner| {
            let touched = Reader::new(&touched).cell_writes().map_err(|error| misuse(&error.to_string()))?;
            Ok(inner.host.actor(handle as u64).and_then(|actor| actor.overtaken(&touched)))
        })
    }

    /// The oldest pin of a cell whose attempt can still be told what it sees; 0 if there is no such cell.
    #[napi(catch_unwind)]
    pub fn cell_floor(&self, handle: f64, cell: String) -> Result<f64> {
        with(&self.slot, |inner| {
            Ok(inner.host.actor(handle as u64).and_then(|actor| actor.floor(&cell)).unwrap_or(0) as f64)
        })
    }

    /// Whether another engine has written to an embedding host's actor since Pawl did, so that its cells are as old as that.
    #[napi(catch_unwind)]
    pub fn is_behind(&self, actor: String) -> Result<bool> {
        with(&self.slot, |inner| {
            let id = pawl_store::ActorId::new("default", actor.as_str());
            let found = inner.desk.as_ref().and_then(|desk| desk.found(&id));
            Ok(found.is_some_and(|found| found.swapped && found.cells))
        })
    }

    /// How many messages wait in the inbox of the actor of this name, as far as is known in this process.
    #[napi(catch_unwind)]
    pub fn waiting(&self, name: String) -> Result<f64> {
        with(&self.slot, |inner| Ok(inner.host.waiting(&name) as f64))
    }

    /// What a scope's chance is drawn from, as 32 hex digits: the same on every replay; none if it is not running.
    #[napi(catch_unwind)]
    pub fn scope_seed(&self, handle: f64, scope: f64) -> Result<Option<String>> {
        with(&self.slot, |inner| Ok(inner.host.scope_seed(handle as u64, scope as u64)))
    }

    /// The names on the way to a scope, as `both/left`, a round of a loop as `#3`; none if it is not running.
    #[napi(catch_unwind)]
    pub fn scope_path(&self, handle: f64, scope: f64) -> Result<Option<String>> {
        with(&self.slot, |inner| Ok(inner.host.scope_path(handle as u64, scope as u64)))
    }

    /// The key of what is done for a message that is being handled; none if the actor is not loaded.
    #[napi(catch_unwind)]
    pub fn message_key(&self, handle: f64, message_id: String) -> Result<Option<String>> {
        with(&self.slot, |inner| Ok(inner.host.message_key(handle as u64, &message_id)))
    }

    /// The key of what is done for a call under a caller's own key; none if the actor is not loaded.
    #[napi(catch_unwind)]
    pub fn call_key(&self, handle: f64, own: String) -> Result<Option<String>> {
        with(&self.slot, |inner| Ok(inner.host.call_key(handle as u64, &own)))
    }

    /// What an action under a caller's key has returned, if that is remembered at `now`: empty for nothing; otherwise as
    /// `answer` has it.
    #[napi(catch_unwind)]
    pub fn remembered(&self, handle: f64, key: String, now: f64) -> Result<Uint8Array> {
        with(&self.slot, |inner| Ok(Uint8Array::new(inner.remembered(handle as u64, &key, now as i64))))
    }

    /// What whoever asked a message is told, if a loaded actor has answered it: empty for not yet; otherwise a byte 0
    /// (`undefined`), a byte 1 and the value, or a byte 2 and a failure.
    #[napi(catch_unwind)]
    pub fn answer(&self, handle: f64, message_id: String) -> Result<Uint8Array> {
        with(&self.slot, |inner| Ok(Uint8Array::new(inner.answer(handle as u64, &message_id))))
    }

    /// Copies all that is durable into the empty store that `to` names; `url` leads to this one.
    #[napi(catch_unwind, ts_return_type = "Promise<Copied>")]
    pub fn copy_to(&self, url: String, to: String) -> Result<AsyncTask<CopyStore>> {
        let rows = with(&self.slot, |inner| Ok(inner.host.store().whole()))?;
        Ok(AsyncTask::new(CopyStore { from: rows.map_or(From::Url(url), From::Rows), to }))
    }

    /// What the store has done since it was opened.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> Result<StoreStats> {
        with(&self.slot, |inner| {
            let Stats { batches, changes, transactions, .. } = inner.host.store().stats();
            let count = |number: u64| number as f64;
            Ok(StoreStats { commits: count(batches), changes: count(changes), transactions: count(transactions) })
        })
    }

    /// How many batches were handed to the store, if a fault was asked for.
    #[napi(getter, catch_unwind)]
    pub fn batches(&self) -> f64 {
        self.gauge.as_ref().map_or(0, Gauge::batches) as f64
    }

    /// Whether the fault asked for has happened.
    #[napi(getter, catch_unwind)]
    pub fn struck(&self) -> bool {
        self.gauge.as_ref().is_some_and(Gauge::struck)
    }

    /// Finishes what the store was given, and releases it. Nothing works afterwards.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        if let Some(mut inner) = take(&self.slot) {
            inner.host.store().close();
        }
    }

    /// Ends as a killed process would. For crash tests.
    #[napi(catch_unwind)]
    pub fn abandon(&self) {
        if let Some(mut inner) = take(&self.slot) {
            inner.host.store().abandon();
        }
    }
}

impl Inner {
    fn advance(&mut self, now: f64, input: &[u8], output: &mut [u8]) -> Result<u32> {
        let Room { said, inputs, turn } = &mut self.room;
        read_inputs(input, said).map_err(|error| misuse(&error.to_string()))?;
        let desk = self.desk.as_ref();
        inputs.clear();
        inputs.extend(said.drain(..).filter_map(|said| to_host(said, desk)));
        self.host.advance_into(now as i64, inputs.drain(..), turn);
        self.output.clear();
        write_turn(turn, &mut self.output);
        self.room.tidy();
        if let Some(desk) = &self.desk {
            write_work(&desk.take(), &mut self.output);
        }
        if self.output.len() <= output.len() {
            output[..self.output.len()].copy_from_slice(&self.output);
        }
        u32::try_from(self.output.len()).map_err(|_| misuse("a turn says more than 4 GiB"))
    }

    fn copy_output(&mut self, output: &mut [u8]) -> Result<()> {
        let room = output.get_mut(..self.output.len()).ok_or_else(|| misuse("the buffer is too small"))?;
        room.copy_from_slice(&self.output);
        self.output = Vec::new();
        Ok(())
    }

    fn inspect(&mut self, handle: u64) -> Result<Vec<u8>> {
        if !self.host.read_closed_scopes(handle) {
            return Err(misuse("the store could not read what is recorded in the closed scopes of this actor"));
        }
        let mut bytes = Vec::new();
        if let Some(actor) = self.host.actor(handle) {
            write_inspection(actor, &mut bytes);
        }
        Ok(bytes)
    }

    fn history(&self, handle: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(actor) = self.host.actor(handle) {
            write_history(&actor.names(), &actor.entries(), &mut bytes);
        }
        bytes
    }

    fn answer(&self, handle: u64, message_id: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(answer) = self.host.actor(handle).and_then(|actor| actor.answer(message_id)) {
            write_answer(answer, &mut bytes);
        }
        bytes
    }

    fn remembered(&self, handle: u64, key: &str, now: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let kept = self.host.actor(handle).and_then(|actor| actor.remembered(now, key));
        if let Some(Reply::Value(value)) = kept.map(|kept| &kept.reply) {
            write_answer(&Ok(value.clone()), &mut bytes);
        }
        bytes
    }

    fn read_cell(&self, handle: u64, cell: &str, view: &[u8]) -> Result<Uint8Array> {
        let mut reader = Reader::new(view);
        let wrong = |error: crate::wire::WireError| misuse(&error.to_string());
        let bytes = if reader.is_at_end() {
            self.host.read(handle, cell, None)
        } else {
            let pin = reader.number().map_err(wrong)?;
            let delta = reader.optional(Reader::delta).map_err(wrong)?;
            self.host.read(handle, cell, Some((pin, delta.as_ref())))
        };
        match bytes {
            Ok(bytes) => Ok(Uint8Array::new(bytes.map(Vec::from).unwrap_or_default())),
            Err(error) => Err(Error::new(Status::GenericFailure, error.to_string())),
        }
    }
}

/// Says to the desk what is for the desk.
fn to_host(said: Said, desk: Option<&Desk>) -> Option<pawl_host::Input> {
    match (said, desk) {
        (Said::Host(input), _) => return Some(input),
        (_, None) => {}
        (Said::Loaded { ticket, rows, limits }, Some(desk)) => desk.loaded(ticket, Ok(rows), limits),
        (Said::NotLoaded { ticket, why }, Some(desk)) => {
            desk.loaded(ticket, Err(driver_failed(Code::StoreUnavailable, why)), Limits::SPLIT);
        }
        (Said::Written { ticket, failed }, Some(desk)) => desk.written(
            ticket,
            match failed {
                None => Written::Yes,
                Some((true, why)) => Written::No(driver_failed(Code::StoreUnavailable, why)),
                Some((false, why)) => Written::Unknown(driver_failed(Code::OutcomeUnknown, why)),
            },
        ),
        (Said::Settled { ticket, failed }, Some(desk)) => desk.settled(ticket, &failed),
        (Said::Forget { actor }, Some(desk)) => desk.forget(&pawl_store::ActorId::new("default", actor.as_str())),
    }
    None
}

fn driver_failed(code: Code, why: String) -> StoreError {
    StoreError::new(code, why)
}

fn limits_of(options: &EngineOptions) -> pawl_core::limits::Limits {
    let usual = pawl_core::limits::Limits::default();
    pawl_core::limits::Limits {
        inbox_messages: options.inbox_messages.map_or(usual.inbox_messages, |messages| messages as usize),
        pending_operations: options.pending_operations.map_or(usual.pending_operations, |pending| pending as usize),
        state_bytes: options.state_bytes.map_or(usual.state_bytes, |bytes| bytes as u64),
    }
}

fn retention_of(options: &EngineOptions) -> Retention {
    let Retention { deltas, delta_bytes } = Retention::default();
    Retention {
        deltas: options.deltas.map_or(deltas, |deltas| deltas as u64),
        delta_bytes: options.delta_bytes.map_or(delta_bytes, |bytes| bytes as u64),
    }
}

fn open_store(options: &EngineOptions, wake: pawl_store::Wake) -> Result<(Box<dyn Store>, Option<Gauge>)> {
    let mut opening = OpenOptions::new(wake.clone());
    opening.environment = Some(std::thread::current().id());
    if let Some(patience) = options.lock_patience {
        opening.lock_patience = Duration::from_millis(patience.max(0.0) as u64);
    }
    if let Some(limit) = options.stall_limit {
        opening.stall_limit = Duration::from_millis(limit.max(1.0) as u64);
    }
    if let Some(code) = &options.code_version {
        opening.code = code.as_str().into();
    }
    let look = if options.looks == Some(true) { pawl_store::look } else { pawl_store::open };
    let open = if pawl_postgres::serves(&options.url) { pawl_postgres::open } else { look };
    let store = open(&options.url, opening).map_err(|error| misuse(&error.message))?;
    let Some(fault) = options.fault.as_deref().map(fault_of).transpose()? else { return Ok((store, None)) };
    let at = options.fault_at.unwrap_or(0.0) as u64;
    let (store, gauge) = FaultStore::new(store, wake, at, fault);
    Ok((Box::new(store), Some(gauge)))
}

fn fault_of(word: &str) -> Result<Fault> {
    Ok(match word {
        "lose_before" => Fault::LoseBefore,
        "lose_after" => Fault::LoseAfter,
        "unknown_not_written" => Fault::UnknownNotWritten,
        "unknown_written" => Fault::UnknownWritten,
        "refuse" => Fault::Refuse,
        word => return Err(misuse(&format!("no fault is called {word}"))),
    })
}

/// What the store's own thread calls when something has finished. What finishes during `advance`, on JavaScript's own
/// thread, is taken up before it returns: there is nobody to wake.
fn wake_function(wake: Function<'_, (), ()>) -> Result<pawl_store::Wake> {
    let wake: WakeFunction = wake
        .build_threadsafe_function::<()>()
        .callee_handled::<false>()
        .weak::<true>()
        .max_queue_size::<1>()
        .build()?;
    let own = std::thread::current().id();
    Ok(Arc::new(move || {
        if std::thread::current().id() != own {
            // Ok; QueueFull: a wake is already on its way; Closing: the environment is gone. All three are fine.
            let _ = wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }))
}

/// Closes the store when the environment is torn down: a terminated worker leaves no lock behind.
fn close_with(env: &Env, slot: &Slot) -> Result<()> {
    let slot: Weak<_> = Rc::downgrade(slot);
    env.add_env_cleanup_hook(slot, |slot| {
        // Nothing may unwind out of a hook: it is called from C.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if let Some(mut inner) = slot.upgrade().and_then(|slot| take(&slot)) {
                inner.host.store().close();
            }
        }));
    })?;
    Ok(())
}

fn take(slot: &Slot) -> Option<Inner> {
    slot.try_borrow_mut().ok().and_then(|mut slot| slot.take())
}

fn with<R>(slot: &Slot, use_it: impl FnOnce(&mut Inner) -> Result<R>) -> Result<R> {
    let mut slot = slot.try_borrow_mut().map_err(|_| misuse("the engine was called from inside itself"))?;
    use_it(slot.as_mut().ok_or_else(|| Error::new(Status::Closing, "the engine is closed"))?)
}

fn misuse(what: &str) -> Error {
    Error::new(Status::InvalidArg, what)
}

/// 64 bits that differ from process to process and call to call.
fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}
