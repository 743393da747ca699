//! A writer is killed, again and again; what it was told is there, and nothing is there in part.

use crate::child;
use std::collections::BTreeMap;

use pawl_conformance::driver::{Place, actor, change};
use pawl_store::{Batch, Change, Completion, InboxRow, Outcome, Put, Request, Status};

const ACTORS: u64 = 6;

fn name(n: u64) -> String {
    format!("order/{n}")
}

/// Commits to several actors at once, for ever, and says what was acknowledged.
#[test]
fn child_that_writes() {
    let Some(path) = child::path() else { return };
    let mut driver = Place::at(&path).open();
    let mut seqs: Vec<u64> = (0..ACTORS).map(|n| driver.open(&actor(&name(n))).changes.len() as u64).collect();
    loop {
        let mut submitted = BTreeMap::new();
        for (n, seq) in (0..).zip(&mut seqs) {
            let changes: Vec<_> = (1..=1 + (*seq + n) % 3).map(|more| written(n, *seq + more)).collect();
            *seq += changes.len() as u64;
            let batch = driver.batch(&actor(&name(n)), changes);
            submitted.insert(driver.submit_batch(batch), (n, *seq));
        }
        let said: Vec<_> = driver
            .finish()
            .into_iter()
            .map(|(ticket, completion)| match completion {
                Completion::Committed(Outcome::Yes) => submitted[&ticket],
                other => panic!("{other:?}"),
            })
            .map(|(n, seq)| format!("{n}={seq}"))
            .collect();
        child::say(&said.join(" "));
    }
}

/// Change `seq` of actor `n`: a body that can be told, and a message to a mailbox in the same atom.
fn written(n: u64, seq: u64) -> Change {
    let body = format!("{n}:{seq}:").repeat(1 + (seq as usize * 37) % 500);
    let row = InboxRow { sender: name(n).into(), sender_seq: seq, body: format!("{seq}").into() };
    Change { put: vec![Put { receiver: "mail/1".into(), row }], ..Change::new(seq, body, Status::Running) }
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_and_whole() {
    let kills = std::env::var("PAWL_TEST_KILLS").map_or(25, |kills| kills.parse().unwrap());
    let place = Place::sqlite();
    let mut acknowledged = vec![0; ACTORS as usize];
    for round in 0..kills {
        let mut writer = child::start("kill::child_that_writes", &place.path(), |_| {});
        // A different moment each time: after so many acknowledgements, and in the midst of whatever follows.
        for _ in 0..1 + round * 7 % 40 {
            for said in writer.hear().expect("a writer that writes").split(' ') {
                let (n, seq) = said.split_once('=').unwrap();
                acknowledged[n.parse::<usize>().unwrap()] = seq.parse::<u64>().unwrap();
            }
        }
        writer.process.kill().unwrap();
        writer.process.wait().unwrap();
        check(&place, &acknowledged, round);
    }
}

fn check(place: &Place, acknowledged: &[u64], round: usize) {
    let mut driver = place.open();
    let mut mail = BTreeMap::new();
    for row in driver.open(&actor("mail/1")).inbox {
        mail.entry(row.sender.to_string()).or_insert_with(Vec::new).push(row.sender_seq);
    }
    for (n, acknowledged) in (0..).zip(acknowledged) {
        let opened = driver.open(&actor(&name(n)));
        let seq = opened.row.map_or(0, |row| row.seq);
        assert!(seq >= *acknowledged, "round {round}: actor {n} has {seq} changes; {acknowledged} were acknowledged");
        for (seq, body) in &opened.changes {
            assert_eq!(*body, written(n, *seq).body, "round {round}");
        }
        let sent = mail.get(&name(n)).map_or(0, Vec::len) as u64;
        assert_eq!(sent, seq, "round {round}: a change and its message are there together");
    }
    // The survivor can be written, under its new epoch only.
    let probe = actor(&format!("probe/{round}"));
    let stale = Batch { epoch: driver.epoch() - 1, ..driver.batch(&probe, vec![change(1)]) };
    assert!(matches!(driver.ask(Request::Commit(stale)), Completion::Committed(Outcome::No(_))));
    driver.write(&probe, vec![change(1)]);
    driver.store.close();
}
