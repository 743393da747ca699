//! Compaction under a host: what it writes, what it drops, and what an opening then reads.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pawl_core::STATE;
use pawl_core::codec::cbor::Writer;
use pawl_core::input::{CellWrites, Create, Input as ActorInput, Outcome, Writes};
use pawl_core::snapshot::Retention;
use pawl_core::state::{Action, Delta, Op, Path};
use pawl_host::{Host, Input, Output};
use pawl_store::{OpenOptions, Stats};

const HANDLE: u64 = 1;
/// How many fields the state has, and the bytes of each.
const FIELDS: u64 = 256;
const FIELD_BYTES: usize = 4_000;

/// Wakes whoever waits for the store or the planner.
#[derive(Default)]
struct Bell(Mutex<u64>, Condvar);

impl Bell {
    fn ring(&self) {
        *self.0.lock().unwrap() += 1;
        self.1.notify_all();
    }

    fn rung(&self) -> u64 {
        *self.0.lock().unwrap()
    }

    fn wait_beyond(&self, before: u64) {
        let rung = self.0.lock().unwrap();
        let waited = self.1.wait_timeout_while(rung, Duration::from_secs(30), |rung| *rung <= before).unwrap();
        assert!(!waited.1.timed_out(), "nobody rang within 30 s");
    }
}

struct Driver {
    host: Host,
    bell: Arc<Bell>,
    calls: u64,
}

impl Driver {
    fn open(url: &str, retention: Retention) -> Driver {
        Driver::open_with(url, retention, |store| store)
    }

    fn open_with(
        url: &str,
        retention: Retention,
        wrap: impl FnOnce(Box<dyn pawl_store::Store>) -> Box<dyn pawl_store::Store>,
    ) -> Driver {
        let bell = Arc::new(Bell::default());
        let heard = bell.clone();
        let options = OpenOptions::new(Arc::new(move || heard.ring()));
        let wake = options.wake.clone();
        let store = wrap(pawl_store::open(url, options).unwrap());
        let host = Host::new(store, "default", 1).with_compaction(retention, wake);
        let mut driver = Driver { host, bell, calls: 0 };
        let said = driver.all(vec![Input::Open { handle: HANDLE, name: "order/1".into() }]);
        assert!(driver.host.actor(HANDLE).is_some(), "{said:?}");
        driver
    }

    /// Takes inputs in, and waits for what the store does about them.
    fn all(&mut self, inputs: Vec<Input>) -> Vec<Output> {
        let mut turn = self.host.advance(1_000, inputs);
        let mut outputs = std::mem::take(&mut turn.others);
        while turn.pending > 0 {
            self.host.store().flush();
            turn = self.host.advance(1_000, []);
            outputs.append(&mut turn.others);
        }
        outputs
    }

    fn create(&mut self) {
        let mut state = Writer::with_capacity(0);
        state.object(FIELDS as usize);
        for field in 0..FIELDS {
            state.key(name(field).as_bytes());
            state.raw(&value(0));
        }
        let state = Some(state.finish());
        let create =
            Create { call: 1, workflow: false, input: None, state, state_version: 1, hosted: false, ordered: false };
        self.all(vec![Input::Actor { handle: HANDLE, input: ActorInput::Create(create) }]);
    }

    /// Sets one field, as an action of its own.
    fn set(&mut self, field: u64, number: u8) {
        self.set_many(field..field + 1, number);
    }

    /// Sets several, as one action.
    fn set_many(&mut self, fields: std::ops::Range<u64>, number: u8) {
        self.calls += 1;
        let op = |field| Op { path: Path::root().key(name(field)), action: Action::Set(value(number)) };
        let pin = self.host.actor(HANDLE).unwrap().queued();
        let delta = Some(Delta::new(fields.map(op).collect()).unwrap());
        let writes =
            Writes { cells: vec![CellWrites { cell: STATE.into(), pin, delta, reads: None }], ..Writes::default() };
        let input =
            ActorInput::Acted { call: self.calls + 1, outcome: Outcome::Done { output: None, writes }, keep: None };
        self.all(vec![Input::Actor { handle: HANDLE, input }]);
    }

    fn state(&self) -> Bytes {
        self.host.actor(HANDLE).unwrap().read(STATE, None).unwrap().unwrap()
    }

    fn stats(&mut self) -> Stats {
        self.host.store().stats()
    }

    /// Waits until as many snapshots were put, and what they are in the place of is gone.
    fn wait_for_snapshots(&mut self, count: u64) {
        while self.stats().snapshots < count || self.host.is_compacting() {
            let before = self.bell.rung();
            self.host.store().flush();
            let stood = (self.stats().snapshots, self.host.is_compacting());
            self.host.advance(1_000, []);
            if stood == (self.stats().snapshots, self.host.is_compacting()) && self.host.is_planning() {
                self.bell.wait_beyond(before);
            }
        }
    }
}

fn name(field: u64) -> String {
    format!("field{field}")
}

fn value(number: u8) -> Bytes {
    let mut text = vec![0x79];
    text.extend_from_slice(&(FIELD_BYTES as u16).to_be_bytes());
    text.extend(std::iter::repeat_n(b'a' + number % 26, FIELD_BYTES));
    text.into()
}

fn database() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("memory:compaction-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

const SHORT: Retention = Retention { deltas: 10, delta_bytes: 64 << 20 };

#[test]
fn an_opening_reads_the_base_and_what_came_after_it_and_only_touched_chunks_are_written_again() {
    let url = database();
    let mut driver = Driver::open(&url, SHORT);
    driver.create();
    // The first snapshot holds the whole value.
    driver.set(0, 1);
    driver.wait_for_snapshots(1);
    let first = driver.stats();
    assert!(first.chunks_put >= 16, "1 MB in chunks of at most 64 KiB: {first:?}");
    // 300 writes of 4 KB, all to one field: more than the base has.
    for number in 0..300 {
        driver.set(7, number as u8);
    }
    driver.wait_for_snapshots(2);
    let second = driver.stats();
    assert!(second.chunks_put - first.chunks_put <= 4, "one field is in one chunk: {first:?} {second:?}");
    let state = driver.state();
    driver.host.store().close();

    let mut driver = Driver::open(&url, SHORT);
    assert_eq!(driver.state(), state);
    let read = driver.stats();
    assert!(read.bytes_read < 2 * state.len() as u64 + (256 << 10), "the base and less than as much again: {read:?}");
    driver.host.store().close();
}

#[test]
fn what_is_appended_over_and_over_takes_no_more_and_more_room() {
    let url = database();
    let mut driver = Driver::open(&url, SHORT);
    driver.create();
    driver.set(0, 1);
    driver.wait_for_snapshots(1);
    for round in 0..3 {
        (0..300).for_each(|number| driver.set(number % FIELDS, round));
        driver.wait_for_snapshots(u64::from(round) + 2);
    }
    let stats = driver.stats();
    assert!(stats.chunk_bytes < 6 << 20, "what is written again is in proportion to what was appended: {stats:?}");
    let state = driver.state();
    driver.host.store().close();
    let driver = Driver::open(&url, SHORT);
    assert_eq!(driver.state(), state);
}

/// What becomes of the piece of a compaction that is the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The process dies before it is written.
    DiesBefore,
    /// The process dies when it was written, and was not told.
    DiesAfter,
    /// The store refuses it, and lives on.
    Refused,
}

/// A store in which so many pieces of compactions go well.
struct Faulty {
    inner: Box<dyn pawl_store::Store>,
    left: u64,
    fate: Fate,
    struck: Arc<AtomicBool>,
    refused: Vec<(u64, pawl_store::Completion)>,
}

impl pawl_store::Store for Faulty {
    fn submit(&mut self, ticket: u64, request: pawl_store::Request) {
        if !matches!(request, pawl_store::Request::Compact(_)) || self.left > 0 {
            self.left -= u64::from(matches!(request, pawl_store::Request::Compact(_)));
            return self.inner.submit(ticket, request);
        }
        self.struck.store(true, Ordering::Relaxed);
        match self.fate {
            Fate::DiesBefore => self.inner.abandon(),
            Fate::DiesAfter => {
                self.inner.submit(ticket, request);
                self.inner.flush();
                self.inner.abandon();
            }
            Fate::Refused => {
                let error = pawl_store::StoreError::new(pawl_store::Code::StoreUnavailable, "the disk is full".into());
                self.refused.push((ticket, request.asked().refused(error)));
            }
        }
    }

    fn drain(&mut self, into: &mut Vec<(u64, pawl_store::Completion)>) {
        into.append(&mut self.refused);
        self.inner.drain(into);
    }

    fn pending(&self) -> usize {
        self.inner.pending()
    }

    fn flush(&mut self) {
        self.inner.flush();
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    fn close(&mut self) {
        self.inner.close();
    }

    fn abandon(&mut self) {
        self.inner.abandon();
    }
}

/// Runs a compaction of which so many pieces go well; says whether that was all of it.
fn fail_after(url: &str, pieces: u64, fate: Fate) -> bool {
    let struck = Arc::new(AtomicBool::new(false));
    let faulty =
        |inner| Box::new(Faulty { inner, left: pieces, fate, struck: struck.clone(), refused: Vec::new() }) as Box<_>;
    let mut driver = Driver::open_with(url, SHORT, faulty);
    driver.create();
    assert!(driver.host.is_compacting(), "a megabyte was appended");
    while driver.host.is_compacting() && !struck.load(Ordering::Relaxed) {
        let before = driver.bell.rung();
        driver.host.store().flush();
        driver.host.advance(1_000, []);
        if driver.host.is_planning() {
            driver.bell.wait_beyond(before);
        }
    }
    driver.host.advance(1_000, []);
    if fate == Fate::Refused {
        let state = driver.state();
        driver.set(3, 9);
        assert_ne!(driver.state(), state, "the actor goes on");
        driver.set(3, 0);
    }
    driver.host.store().abandon();
    !struck.load(Ordering::Relaxed)
}

fn fails_at_every_piece(database: impl Fn() -> String, fate: Fate) {
    let expected = {
        let mut driver = Driver::open("memory:", Retention::default());
        driver.create();
        driver.state()
    };
    for pieces in 0..100 {
        let url = database();
        let is_whole = fail_after(&url, pieces, fate);
        let mut driver = Driver::open(&url, SHORT);
        assert_eq!(driver.state(), expected, "{fate:?} after {pieces} pieces");
        // What the dead one left is in nobody's way.
        (0..9).for_each(|round| driver.set_many(round * 32..(round + 1) * 32, 9));
        while driver.host.is_compacting() {
            driver.wait_for_snapshots(0);
        }
        let state = driver.state();
        driver.host.store().close();
        assert_eq!(Driver::open(&url, SHORT).state(), state, "{fate:?} after {pieces} pieces, and another compaction");
        if is_whole {
            assert!(pieces >= 2, "a compaction is several pieces");
            return;
        }
    }
    panic!("a compaction of 100 pieces");
}

fn file() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("compaction-{}-{}.db", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("sqlite:{}", std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).display())
}

#[test]
fn dying_before_any_piece_of_a_compaction_loses_nothing() {
    fails_at_every_piece(database, Fate::DiesBefore);
    fails_at_every_piece(file, Fate::DiesBefore);
}

#[test]
fn dying_after_any_piece_of_a_compaction_that_nobody_heard_of_loses_nothing() {
    fails_at_every_piece(database, Fate::DiesAfter);
    fails_at_every_piece(file, Fate::DiesAfter);
}

#[test]
fn a_piece_of_a_compaction_that_is_refused_ends_that_compaction_and_nothing_else() {
    fails_at_every_piece(database, Fate::Refused);
    fails_at_every_piece(file, Fate::Refused);
}

#[test]
fn what_goes_goes_in_bounded_slices_and_the_file_does_not_grow_with_what_was() {
    let url = file();
    let mut driver = Driver::open_with(&url, SHORT, |inner| Box::new(Bounded { inner }));
    driver.create();
    driver.set(0, 1);
    driver.wait_for_snapshots(1);
    let path = url.strip_prefix("sqlite:").unwrap().to_owned();
    let mut sizes = Vec::new();
    for round in 0..12 {
        (0..8).for_each(|part| driver.set_many(part * 32..(part + 1) * 32, round));
        while driver.host.is_compacting() {
            driver.wait_for_snapshots(0);
        }
        sizes.push(std::fs::metadata(&path).unwrap().len());
    }
    assert!(driver.stats().snapshots >= 5, "{:?}", driver.stats());
    let (middle, last) = (sizes[5], sizes[11]);
    assert!(last <= middle + (2 << 20), "12 times a megabyte was written over: {sizes:?}");
}

/// A store that counts what a piece of a compaction asks of it.
struct Bounded {
    inner: Box<dyn pawl_store::Store>,
}

impl pawl_store::Store for Bounded {
    fn submit(&mut self, ticket: u64, request: pawl_store::Request) {
        if let pawl_store::Request::Compact(piece) = &request {
            assert!(piece.bytes() <= (1 << 20) + (64 << 10), "a piece of {} bytes", piece.bytes());
            assert!(piece.drop_chunks.len() <= 16, "a piece that drops {} chunks", piece.drop_chunks.len());
        }
        self.inner.submit(ticket, request);
    }

    fn drain(&mut self, into: &mut Vec<(u64, pawl_store::Completion)>) {
        self.inner.drain(into);
    }

    fn pending(&self) -> usize {
        self.inner.pending()
    }

    fn flush(&mut self) {
        self.inner.flush();
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    fn close(&mut self) {
        self.inner.close();
    }

    fn abandon(&mut self) {
        self.inner.abandon();
    }
}
