//! Whatever call is the last one a process makes: what is stored is the fold of the changes that were committed, as the
//! memory store has it, and the run goes on from there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, unused_imports, reason = "the core's own tests use all of it")]
#[path = "../../core/tests/harness/mod.rs"]
mod harness;
mod model;

use std::collections::BTreeMap;

use bytes::Bytes;
use harness::{Attempt, Do, World};
use model::{Driver, Process, actor};
use pawl_core::codec::change::{self, ChangeRecord, ChangeWriter, Parks, Record};
use pawl_core::codec::message::write_message;
use pawl_core::codec::record::{Entry, EntryKind, EntryMetadata, EntryStatus};
use pawl_core::failure::{Failure, FailureKind, Terminal};
use pawl_core::ids::CommitId;
use pawl_core::inbox::{Message, MessageKey, Purpose};
use pawl_core::key::Location;
use pawl_core::state::{Action, Delta, Op, Path};
use pawl_core::{Actor, Loaded, STATE};
use pawl_embed::Limits;
use pawl_store::{Change, InboxRow, Opened, Outcome, Put, Status};
use proptest::prelude::*;

/// One change of a story, whatever its number.
#[derive(Debug, Clone)]
struct Scene {
    records: Vec<Record>,
    status: Status,
    alarm: Option<i64>,
    sends: usize,
    takes: usize,
}

impl Scene {
    fn quiet(records: Vec<Record>) -> Scene {
        Scene { records, status: Status::Running, alarm: Some(0), sends: 0, takes: 0 }
    }

    /// The scene as the change with this number; its place in the story names its commit. The core does not register
    /// the first `names` names again.
    fn change(&self, place: usize, seq: u64, names: u32) -> Change {
        let mut writer = ChangeWriter::new(id(place), 1_000);
        let is_known = |record: &&Record| matches!(record, Record::Name { index, .. } if *index < names);
        self.records.iter().filter(|record| !is_known(record)).for_each(|record| writer.record(record));
        let put = |index: usize| {
            let (sender, sender_seq) = ("self".to_owned(), seq << 16 | index as u64);
            let key = MessageKey { sender, sender_seq };
            let message = Message {
                key,
                name: format!("m{place}.{index}"),
                body: Bytes::from_static(&[1]),
                sent_at: 5,
                due_at: 5,
                purpose: Purpose::Plain,
            };
            let row = InboxRow { sender: "self".into(), sender_seq, body: write_message(&message) };
            Put { receiver: actor().name, row }
        };
        Change {
            put: (0..self.sends).map(put).collect(),
            take: (0..self.takes).map(|index| (taken(place, index).into(), 0)).collect(),
            alarm: self.alarm,
            ..Change::new(seq, writer.finish(seq), self.status)
        }
    }
}

fn id(place: usize) -> CommitId {
    let mut id = [0xaa; 16];
    id[..8].copy_from_slice(&(place as u64).to_be_bytes());
    CommitId(id)
}

fn taken(place: usize, index: usize) -> String {
    format!("taken {place}.{index}")
}

/// What a fold shows: entries with everything beside them, their order, the state and the end.
fn picture(read: Vec<(u64, ChangeRecord)>) -> Vec<String> {
    let actor = Actor::open(Loaded { read, ..Loaded::default() }, 1, 1 << 40).unwrap();
    let mut commits: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut picture = Vec::new();
    for listed in actor.entries() {
        let recorded = listed.recorded;
        commits.entry(recorded.commit).or_default().push(listed.path.clone());
        picture.push(format!("{} {:?} {:?} {:?}", listed.path, recorded.entry, recorded.metadata, recorded.failure));
    }
    picture.sort();
    for mut paths in commits.into_values() {
        paths.sort();
        picture.push(paths.join(" "));
    }
    picture.push(format!("{:?}", actor.read(STATE, None).unwrap()));
    picture.push(format!("{:?} {} {}", actor.outcome(), actor.exists(), actor.has_run()));
    picture
}

/// What the memory store has after so many scenes.
fn expected(story: &[Scene], count: usize) -> Vec<String> {
    let scenes = story[..count].iter().enumerate();
    let change = |(place, scene): (usize, &Scene)| {
        let seq = place as u64 + 1;
        (seq, change::read(seq, &scene.change(place, seq, 0).body).unwrap())
    };
    picture(scenes.map(change).collect())
}

/// How many scenes are stored: at least those that were acknowledged.
fn stored(opened: &Opened, acknowledged: usize) -> usize {
    let newest = opened.read.iter().filter_map(|(_, change)| {
        let place = u64::from_be_bytes(change.id.0[..8].try_into().unwrap()) as usize;
        (change.id == id(place)).then_some(place + 1)
    });
    newest.max().unwrap_or(usize::from(opened.row.is_some())).max(acknowledged)
}

/// How many names are registered: a death may leave some that no entry uses.
fn names(opened: &Opened) -> u32 {
    let records = opened.read.iter().flat_map(|(_, change)| &change.records);
    records.filter(|record| matches!(record, Record::Name { .. })).count() as u32
}

/// What of a driver may fail after a commit.
const FLAKY: &[&str] = &["deletePrefix", "deleteRange", "delete", "addMessage", "completeMessage"];

/// Tells a story to its end, with a death after each of `lives` calls; in all but the last life `failing` calls fail.
fn tell(story: &[Scene], limits: Limits, together: usize, lives: &[usize], failing: &'static [&'static str]) -> Driver {
    let mut driver = Driver::default();
    let mut lives = lives.iter();
    let mut acknowledged = 0;
    loop {
        let mut process = Process::new(driver, limits);
        process.calls_left = lives.next().copied().unwrap_or(usize::MAX);
        process.failing = failing;
        let Some(opened) = process.open() else {
            driver = process.driver.clone();
            continue;
        };
        let opened = opened.unwrap();
        assert!(!process.desk.found(&actor()).unwrap().swapped);
        let mut told = stored(&opened, acknowledged);
        assert_eq!(picture(opened.read.clone()), expected(story, told), "after {told} scenes");
        check_row(&opened, story, told, &process.driver);
        acknowledged = told;
        let names = names(&opened);
        let mut seq = opened.row.map_or(0, |row| row.seq);
        while told < story.len() {
            let until = story.len().min(told + together);
            let changes: Vec<Change> =
                (told..until).map(|place| story[place].change(place, seq + 1 + (place - told) as u64, names)).collect();
            seq += changes.len() as u64;
            match process.commit(opened.epoch, changes) {
                Some(Outcome::Yes) => (told, acknowledged) = (until, until),
                Some(other) => panic!("refused: {other:?}"),
                None => break,
            }
        }
        driver = process.driver.clone();
        if told == story.len() {
            break;
        }
    }
    let mut process = Process::new(driver, limits);
    let opened = process.open().unwrap().unwrap();
    assert_eq!(picture(opened.read), expected(story, story.len()));
    check_messages(story, &process.driver);
    process.driver.clone()
}

fn check_row(opened: &Opened, story: &[Scene], told: usize, driver: &Driver) {
    let Some(last) = told.checked_sub(1).map(|last| &story[last]) else { return };
    let row = opened.row.as_ref().unwrap();
    // A park is in no word that other engines know.
    if told > 1 {
        assert_eq!(row.status, last.status, "after {told} scenes");
    }
    if let (Status::Waiting, Some(alarm)) = (last.status, last.alarm) {
        assert!(driver.alarm.is_some_and(|told| told <= alarm), "{:?} for {alarm}", driver.alarm);
    }
}

/// Each message went out once, under one id, and each that was taken is completed.
fn check_messages(story: &[Scene], driver: &Driver) {
    let mut names: Vec<&str> = driver.messages.values().map(String::as_str).collect();
    names.sort();
    let sent = story.iter().enumerate().flat_map(|(at, scene)| (0..scene.sends).map(move |i| format!("m{at}.{i}")));
    let mut sent: Vec<String> = sent.collect();
    sent.sort();
    assert_eq!(names, sent);
    let taken = story.iter().enumerate().flat_map(|(at, scene)| (0..scene.takes).map(move |i| taken(at, i)));
    assert!(taken.collect::<Vec<_>>().iter().all(|id| driver.completed.contains(id)));
}

/// What may happen in a scene.
#[derive(Debug, Clone)]
enum Event {
    Step { name: u32, output: u8, fails: bool },
    InLoop { output: u8 },
    NextIteration,
    Race,
    Messages,
    Set { field: u8, value: u8, long: bool },
    Migrate,
    Park,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..4u32, any::<u8>(), any::<bool>())
            .prop_map(|(name, output, fails)| Event::Step { name, output: output % 24, fails }),
        2 => (0..24u8).prop_map(|output| Event::InLoop { output }),
        2 => Just(Event::NextIteration),
        1 => Just(Event::Race),
        1 => Just(Event::Messages),
        3 => (0..3u8, 0..24u8, prop::bool::weighted(0.1))
            .prop_map(|(field, value, long)| Event::Set { field, value, long }),
        1 => Just(Event::Migrate),
        1 => Just(Event::Park),
    ]
}

fn scene() -> impl Strategy<Value = (Vec<Event>, u8, i64, usize, usize)> {
    (prop::collection::vec(event(), 0..3), 0..4u8, 2_000..9_000i64, 0..3usize, 0..2usize)
}

/// The names that a story uses, registered by its second scene.
const NAMES: [&str; 11] = ["a", "b", "c", "d", "loop", "in loop", "race", "branch", "w:0", "w:1", "w:count"];
const LOOP: u32 = 4;
const RACE: u32 = 6;
const MESSAGES: u32 = 8;

/// Writes a story.
struct Author {
    iteration: u32,
    dropped: u32,
    /// Ids rise, so that what is written at a place again is another entry.
    races: u32,
    received: bool,
    in_loop: BTreeMap<u32, String>,
}

impl Author {
    fn story(scenes: &[(Vec<Event>, u8, i64, usize, usize)]) -> Vec<Scene> {
        let names = (0..).zip(NAMES).map(|(index, name)| Record::Name { index, name: name.into() });
        let base = Record::Base { cell: STATE.into(), value: Bytes::from_static(&[0xb9, 0, 0]), version: 1 };
        let created = Record::Created { incarnation: 1, workflow: true, input: Some(Bytes::from_static(&[7])) };
        let mut story = vec![Scene::quiet(vec![created]), Scene::quiet(names.chain([base]).collect())];
        let mut author = Author { iteration: 0, dropped: 0, races: 0, received: false, in_loop: BTreeMap::new() };
        for (events, status, alarm, sends, takes) in scenes {
            let mut records = Vec::new();
            events.iter().for_each(|event| author.write(event, &mut records));
            let parked = records.iter().any(|record| matches!(record, Record::Parked { .. }));
            let (status, alarm) = match (status, parked) {
                (_, true) => (Status::Parked, Some(*alarm)),
                (0, _) => (Status::Waiting, Some(*alarm)),
                (1, _) => (Status::Waiting, None),
                _ => (Status::Running, Some(0)),
            };
            story.push(Scene { records, status, alarm, sends: *sends, takes: *takes });
        }
        story.push(Scene { status: Status::Completed, ..Scene::quiet(vec![Record::Completed { output: None }]) });
        story
    }

    fn write(&mut self, event: &Event, records: &mut Vec<Record>) {
        match event {
            Event::Step { name, output, fails } => {
                let id = format!("id {name}");
                put(records, step(&id, Location::root().name(*name), *output), *output);
                if *fails {
                    let terminal = Some(Terminal::Exhausted);
                    records.push(Record::Failure { entry_id: id, terminal, failure: failure(*output) });
                }
            }
            Event::InLoop { output } => {
                let id = format!("in loop {}", self.iteration);
                let location = Location::root().name(LOOP).iteration(LOOP, self.iteration).name(LOOP + 1);
                self.in_loop.insert(self.iteration, id.clone());
                put(records, step(&id, location, *output), *output);
            }
            Event::NextIteration => self.next_iteration(records),
            Event::Race => self.race(records),
            Event::Messages => self.messages(records),
            Event::Set { field, value, long } => {
                if records.iter().any(|record| matches!(record, Record::Delta { .. } | Record::Base { .. })) {
                    return;
                }
                let value = if *long { long_text() } else { Bytes::copy_from_slice(&[*value]) };
                let op = Op { path: Path::root().key(format!("f{field}").as_str()), action: Action::Set(value) };
                let delta = Delta::new(vec![op]).unwrap().encode();
                records.push(Record::Delta { cell: STATE.into(), delta });
            }
            Event::Migrate => {
                if !records.iter().any(|record| matches!(record, Record::Delta { .. } | Record::Base { .. })) {
                    let value = Bytes::from_static(&[0xb9, 0, 1, 0x61, b'm', 1]);
                    records.push(Record::Base { cell: STATE.into(), value, version: 2 });
                }
            }
            Event::Park => records.push(Record::Parked(Parks { times: 3, by: "v1".into() })),
        }
    }

    fn next_iteration(&mut self, records: &mut Vec<Record>) {
        self.iteration += 1;
        let iteration = self.iteration;
        let kind = EntryKind::Loop { state: Bytes::from_static(&[0xf7]), iteration, output: None };
        put(records, Entry { id: "loop".into(), location: Location::root().name(LOOP), kind }, 1);
        if iteration.is_multiple_of(2) {
            let to = iteration - 1;
            let gone: Vec<u32> = self.in_loop.range(..to).map(|(iteration, _)| *iteration).collect();
            let entry_ids = gone.iter().filter_map(|iteration| self.in_loop.remove(iteration)).collect();
            let (location, iterations) = (Location::root().name(LOOP), Some((self.dropped, to)));
            records.push(Record::Dropped { location, iterations, entry_ids });
            self.dropped = to;
        }
    }

    /// Two messages and the row that counts them, once.
    fn messages(&mut self, records: &mut Vec<Record>) {
        if std::mem::replace(&mut self.received, true) {
            return;
        }
        for index in MESSAGES..MESSAGES + 3 {
            let kind = EntryKind::Message { name: "m".into(), data: Bytes::from_static(&[2]) };
            put(records, Entry { id: format!("message {index}"), location: Location::root().name(index), kind }, 1);
        }
    }

    /// The loser of the race before goes; a new one comes to the same place.
    fn race(&mut self, records: &mut Vec<Record>) {
        let location = Location::root().name(RACE);
        let loser = |races: u32| format!("loser {races}");
        if self.races > 0 {
            let entry_ids = vec![loser(self.races)];
            records.push(Record::Dropped { location: location.name(RACE + 1), iterations: None, entry_ids });
        }
        self.races += 1;
        put(records, step("race", location.clone(), 1), 1);
        put(records, step(&loser(self.races), location.name(RACE + 1), 2), 2);
    }
}

fn long_text() -> Bytes {
    let mut text = vec![0x7a, 0, 2, 0, 0];
    text.resize(5 + 0x2_0000, b'x');
    text.into()
}

fn put(records: &mut Vec<Record>, entry: Entry, attempts: u8) {
    let entry_id = entry.id.clone();
    let metadata = EntryMetadata {
        status: EntryStatus::Completed,
        error: None,
        attempts: attempts.into(),
        last_attempt_at_ms: 1,
        created_at_ms: 2,
        completed_at_ms: Some(3),
        rollback_completed_at_ms: None,
        rollback_error: None,
    };
    records.push(Record::Entry(entry));
    records.push(Record::Metadata { entry_id, metadata });
}

fn step(id: &str, location: Location, output: u8) -> Entry {
    let kind = EntryKind::Step { output: Some(Bytes::copy_from_slice(&[output])), error: None };
    Entry { id: id.into(), location, kind }
}

fn failure(output: u8) -> Failure {
    let message = format!("boom {output}");
    Failure { kind: FailureKind::Timeout, name: "Error".into(), message, stack: None, fields: None }
}

/// As small as the largest scene allows.
const TIGHT: Limits = Limits { rows: 9, bytes: 140_000, together: false };

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_story_is_stored_as_far_as_it_was_committed_whichever_call_is_the_last(
        scenes in prop::collection::vec(scene(), 1..25),
        tight in any::<bool>(),
        together in 1..5usize,
        lives in prop::collection::vec(0..12usize, 0..12),
        flaky in any::<bool>(),
    ) {
        let story = Author::story(&scenes);
        tell(&story, if tight { TIGHT } else { Limits::NONE }, together, &lives, if flaky { FLAKY } else { &[] });
    }
}

/// The changes of a program that the core itself ran.
fn program() -> Vec<Scene> {
    let program = [
        Do::Step("first", vec![Attempt::Throws, Attempt::Writes("a", 1, None)]),
        Do::Loop("loop", 5, vec![Do::Step("in loop", vec![Attempt::Writes("b", 2, None)]), Do::Sleep("nap", 60_000)]),
        Do::Next("message", Some(1_000)),
        Do::Step("last", vec![Attempt::ThrowsCritical]),
    ];
    let mut world = World::new();
    world.run(&program, &[]);
    let scenes = world.changes.iter().map(|(seq, body)| Scene::quiet(change::read(*seq, body).unwrap().records));
    let mut story: Vec<Scene> = scenes.collect();
    let ends = story.iter_mut().filter(|scene| {
        scene.records.iter().any(|record| matches!(record, Record::Completed { .. } | Record::Failed(_)))
    });
    ends.for_each(|scene| {
        let failed = scene.records.iter().any(|record| matches!(record, Record::Failed(_)));
        scene.status = if failed { Status::Failed } else { Status::Completed };
    });
    story
}

#[test]
fn a_program_that_the_core_ran_survives_a_death_after_every_call() {
    let story = program();
    assert!(story.len() > 20);
    for calls in 0..60 {
        tell(&story, TIGHT, 1 + calls % 3, &[calls], &[]);
    }
}

#[test]
fn deltas_are_folded_into_their_base_when_they_outgrow_it() {
    let scenes: Vec<_> = (0..200u32)
        .map(|n| (vec![Event::Set { field: (n % 3) as u8, value: (n % 24) as u8, long: n == 50 }], 2, 0, 0, 0))
        .collect();
    let story = Author::story(&scenes);
    let driver = tell(&story, Limits::SPLIT, 1, &[3, 120, 30], &[]);
    let deltas = driver.rows.keys().filter(|key| key.starts_with(&[0x15, 9, 0x15, 1])).count();
    assert!(deltas < 150, "{deltas} change rows");
}
