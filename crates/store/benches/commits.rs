//! Commits per second of the SQLite store, by how many actors commit at once. `cargo bench -p pawl-store`.
//!
//! Each round submits one batch of one change for each of so many actors, and waits for all answers: what a host does
//! whose actors wait for their commits.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pawl_store::{ActorId, Batch, Change, Completion, OpenOptions, Outcome, Request, Status, Store};

const TIME: Duration = Duration::from_secs(3);

fn main() {
    // `cargo test` runs benches, too, to see that they start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("the disk alone: {:.0} syncs/s, each after 4 KiB were appended", syncs_per_second());
    for body in [200, 2_000] {
        for group in [1, 10, 100] {
            let folder = std::env::temp_dir().join(format!("pawl-bench-{}", std::process::id()));
            let url = format!("sqlite:{}", folder.join("bench.db").display());
            let mut store = pawl_store::open(&url, OpenOptions::new(Arc::new(|| {}))).expect("a store");
            let (rounds, time) = measure(&mut *store, group, body);
            let (stats, rate) = (store.stats(), f64::from(rounds) * f64::from(group) / time.as_secs_f64());
            let each = time / rounds;
            println!("{body:>5} bytes, {group:>3} at once: {rate:>7.0} commits/s, {each:?} a round, {stats:?}");
            store.close();
            std::fs::remove_dir_all(folder).expect("the folder of this bench");
        }
    }
}

/// What no store can exceed: the pace of the disk.
fn syncs_per_second() -> f64 {
    let path = std::env::temp_dir().join(format!("pawl-bench-{}.bytes", std::process::id()));
    let mut file = std::fs::File::create(&path).expect("a file");
    let (started, mut syncs) = (Instant::now(), 0);
    while started.elapsed() < TIME {
        file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).expect("room on the disk");
        syncs += 1;
    }
    std::fs::remove_file(path).expect("the file of this bench");
    f64::from(syncs) / started.elapsed().as_secs_f64()
}

fn measure(store: &mut dyn Store, group: u32, body: usize) -> (u32, Duration) {
    let actors: Vec<_> = (0..group).map(|n| ActorId::new("default", format!("order/{n}"))).collect();
    let mut finished = Vec::new();
    store.flush();
    store.drain(&mut finished);
    let Some((_, Completion::Ready(info))) = finished.pop() else { panic!("not opened") };
    let (started, mut rounds) = (Instant::now(), 0);
    while started.elapsed() < TIME {
        rounds += 1;
        for actor in &actors {
            let change = Change::new(u64::from(rounds), vec![7; body], Status::Running);
            store.submit(1, Request::Commit(Batch { actor: actor.clone(), epoch: info.epoch, changes: vec![change] }));
        }
        store.flush();
        store.drain(&mut finished);
        assert!(finished.drain(..).all(|(_, answer)| matches!(answer, Completion::Committed(Outcome::Yes))));
    }
    (rounds, started.elapsed())
}
