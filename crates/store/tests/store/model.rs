//! SQLite answers as memory does, whatever is asked, over crashes and reopenings.

use std::fmt::Write as _;

use pawl_store::{ActorId, Batch, Change, Completion, InboxRow, Outcome, Put, Request, Scopes, Status};
use proptest::prelude::*;

use pawl_conformance::driver::{Driver, Place};

/// What one step of a run does. Small numbers, so that they meet.
#[derive(Clone, Debug)]
enum Act {
    Open {
        who: u8,
    },
    /// `skew` 0 is a batch that fits; other values miss its seq or its epoch.
    Commit {
        who: u8,
        skew: u8,
        changes: Vec<Written>,
    },
    Alarms {
        after: Option<u8>,
        limit: usize,
    },
    /// Wait for all answers.
    Finish,
    Close,
    Abandon,
}

#[derive(Clone, Debug)]
struct Written {
    body: Vec<u8>,
    alarm: Option<i64>,
    status: usize,
    put: Vec<(u8, u64, u8)>,
    take: Vec<(u8, u64)>,
}

fn written() -> impl Strategy<Value = Written> {
    let body =
        prop_oneof![proptest::collection::vec(any::<u8>(), 0..40), (0..9000usize).prop_map(|size| vec![1; size])];
    let put = proptest::collection::vec((0..4u8, 1..6u64, 0..2u8), 0..3);
    let take = proptest::collection::vec((0..4u8, 1..6u64), 0..2);
    (body, any::<Option<i64>>(), 0..9usize, put, take).prop_map(|(body, alarm, status, put, take)| Written {
        body,
        alarm,
        status,
        put,
        take,
    })
}

fn act() -> impl Strategy<Value = Act> {
    let changes = proptest::collection::vec(written(), 1..4);
    let skew = prop_oneof![12 => Just(0u8), 1 => 1..5u8];
    prop_oneof![
        4 => (0..4u8).prop_map(|who| Act::Open { who }),
        12 => (0..4u8, skew, changes).prop_map(|(who, skew, changes)| Act::Commit { who, skew, changes }),
        2 => (any::<Option<u8>>(), 0..6usize).prop_map(|(after, limit)| Act::Alarms { after: after.map(|n| n % 4), limit }),
        4 => Just(Act::Finish),
        1 => Just(Act::Close),
        1 => Just(Act::Abandon),
    ]
}

fn id(who: u8) -> ActorId {
    ActorId::new(["one", "two"][usize::from(who) / 2], ["order/1", "order/1/b"][usize::from(who) % 2])
}

/// Runs `acts`, and tells all that was answered. The seqs of batches follow `newest`, which is kept as in a host: by what
/// was read at an opening, and what was submitted since.
fn run(place: &Place, acts: &[Act]) -> String {
    let mut driver = place.open();
    let mut told = String::new();
    let mut newest = [0u64; 4];
    for act in acts {
        match act {
            Act::Open { who } => drop(driver.submit(Request::Open { actor: id(*who), scopes: Scopes::Open })),
            Act::Alarms { after, limit } => {
                driver.submit(Request::Alarms { after: after.map(id), limit: *limit });
            }
            Act::Commit { who, skew, changes } => {
                let newest = &mut newest[usize::from(*who)];
                driver.submit_batch(batch(*who, *skew, changes, *newest, driver.epoch()));
                *newest += changes.len() as u64;
            }
            Act::Finish => tell(&mut driver, &mut told, &mut newest),
            Act::Close | Act::Abandon => {
                // What an abandoned store has written of what it did not answer is not defined: let it have answered.
                tell(&mut driver, &mut told, &mut newest);
                if matches!(act, Act::Close) {
                    driver.store.close()
                } else {
                    driver.store.abandon()
                }
                driver = place.open();
            }
        }
    }
    tell(&mut driver, &mut told, &mut newest);
    for who in 0..4 {
        let _ = writeln!(told, "at the end {:?}", driver.open(&id(who)));
    }
    told
}

fn batch(who: u8, skew: u8, changes: &[Written], newest: u64, epoch: u64) -> Batch {
    let first = newest + 1 + u64::from(skew == 1) - u64::from(skew == 2 && newest > 0);
    let epoch = epoch + u64::from(skew == 3) - u64::from(skew == 4 && epoch > 1);
    let change = |(seq, written): (u64, &Written)| Change {
        seq,
        body: written.body.clone().into(),
        put: written.put.iter().map(|(to, seq, body)| put(who, *to, *seq, *body)).collect(),
        take: written.take.iter().map(|(from, seq)| (id(*from).name, *seq)).collect(),
        answers: Vec::new(),
        alarm: written.alarm,
        status: Status::ALL[written.status],
        state_version: u32::from(who),
    };
    Batch { actor: id(who), epoch, changes: (first..).zip(changes).map(change).collect() }
}

fn put(from: u8, to: u8, seq: u64, body: u8) -> Put {
    Put { receiver: id(to).name, row: InboxRow { sender: id(from).name, sender_seq: seq, body: vec![body].into() } }
}

fn tell(driver: &mut Driver, told: &mut String, newest: &mut [u64; 4]) {
    let mut sure = true;
    for (ticket, completion) in driver.finish() {
        sure &= !matches!(completion, Completion::Committed(Outcome::No(_)));
        let _ = writeln!(told, "{ticket} {completion:?}");
    }
    if !sure {
        for who in 0..4 {
            newest[usize::from(who)] = driver.open(&id(who)).row.map_or(0, |row| row.seq);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_answers_as_memory_does(acts in proptest::collection::vec(act(), 1..60)) {
        let (memory, sqlite) = (run(&Place::memory(), &acts), run(&Place::sqlite(), &acts));
        prop_assert_eq!(memory, sqlite);
    }
}
