//! The bytes of snapshots, and what is said of bytes that are not theirs.

use super::*;
use crate::Loaded;
use crate::actor::Actor;
use crate::codec::change::ChangeWriter;
use crate::codec::record::{Entry, EntryKind};
use crate::key::Location;

/// An actor with a run and two cells, after one change.
fn changes() -> Vec<(u64, Bytes)> {
    let mut writer = ChangeWriter::new(CommitId([0xab; 16]), 1_700_000_000_000);
    writer.created(1, true, Some(&Bytes::from_static(&[0x05])));
    writer.name(0, "charge");
    let kind = EntryKind::Step { output: Some(Bytes::from_static(&[0x01])), error: None };
    writer.entry(&Entry { id: "id".into(), location: Location::root().name(0), kind });
    writer.base("state", &Bytes::from_static(&[0x18, 0x2a]), 2);
    writer.base("other", &Bytes::from_static(&[0xf5]), 2);
    vec![(1, writer.finish(1))]
}

fn contents() -> Contents {
    let kept = Kept { changes: changes(), oldest_change: Some(1), ..Kept::default() };
    let plan = compact(&kept, Retention::default()).unwrap().unwrap();
    let numbers = plan.snapshot.open.iter().chain(&plan.snapshot.closed);
    let rows: std::collections::BTreeMap<u64, Bytes> = plan.put_chunks.into_iter().collect();
    let chunks = numbers.map(|number| (*number, rows[number].clone())).collect();
    Contents { snapshot: plan.snapshot, chunks }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_snapshot_has_these_bytes_for_ever() {
    let Contents { snapshot, chunks } = contents();
    assert_eq!((snapshot.seq, &snapshot.open[..], &snapshot.closed[..]), (1, &[1, 2, 3][..], &[][..]));
    assert_eq!(
        hex(&snapshot.manifest),
        "0100abababababababababababababababab0068e5cf8b0100000068e5cf8b010000010000000000000000000000000200000\
         064000000000000004a0000000000000000000000000000000100000002056f7468657201000000000000000100000005737\
         46174650100000000000000010000007509e934"
    );
    let rows: Vec<String> = chunks.iter().map(|(_, row)| hex(row)).collect();
    let run = "0100000100000000000000010101050100000000066368617267650210010002696401000000000000010101001901000000000000000068\
               e5cf8b01000001000000000000001b000039097875";
    assert_eq!(rows, [run, "0100f59cc600e2", "0100182a6af7394c"]);
}

#[test]
fn an_actor_that_is_read_from_these_bytes_is_the_one_that_was_written() {
    let open = |loaded| Actor::open(loaded, 1, 1).unwrap();
    let whole = open(Loaded { changes: changes(), ..Loaded::default() });
    let read = open(Loaded { snapshot: Some(contents()), ..Loaded::default() });
    for cell in ["state", "other"] {
        assert_eq!(read.read(cell, None).unwrap(), whole.read(cell, None).unwrap());
    }
    assert_eq!((read.state(), read.queued(), read.last_commit()), (whole.state(), whole.queued(), whole.last_commit()));
    let entries = |actor: &Actor| format!("{:?}", actor.entries());
    assert_eq!(entries(&read), entries(&whole));
}

/// Every bit flipped in turn, every length, and another row's bytes.
fn damaged(row: &Bytes, other: &Bytes) -> Vec<Bytes> {
    let flipped = (0..row.len() * 8).map(|bit| {
        let mut bytes = row.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes.into()
    });
    flipped.chain((0..row.len()).map(|length| row.slice(..length))).chain([other.clone()]).collect()
}

#[test]
fn a_damaged_manifest_names_the_snapshot_that_it_is_of() {
    let whole = contents();
    for manifest in damaged(&whole.snapshot.manifest, &whole.chunks[0].1) {
        let snapshot = Snapshot { manifest, ..whole.snapshot.clone() };
        let loaded = Loaded { snapshot: Some(Contents { snapshot, ..whole.clone() }), ..Loaded::default() };
        assert!(matches!(Actor::open(loaded, 1, 1), Err(OpenError::Snapshot { seq: 1, .. })));
    }
}

#[test]
fn a_damaged_chunk_is_named_by_its_number_and_that_of_its_snapshot() {
    let whole = contents();
    for at in 0..whole.chunks.len() {
        let (number, row) = whole.chunks[at].clone();
        for row in damaged(&row, &whole.chunks[(at + 1) % 3].1) {
            let mut contents = whole.clone();
            contents.chunks[at].1 = row;
            let error = Actor::open(Loaded { snapshot: Some(contents), ..Loaded::default() }, 1, 1).err().unwrap();
            assert!(matches!(error, OpenError::Chunk { seq: 1, number: found, .. } if found == number), "{error}");
            assert!(error.to_string().contains(&format!("chunk {number} of the snapshot of change 1")), "{error}");
        }
    }
}

#[test]
fn a_snapshot_of_a_later_version_is_newer_and_not_damaged() {
    let mut whole = contents();
    let (number, row) = whole.chunks[0].clone();
    let mut content = row[..row.len() - CHECKSUM_BYTES].to_vec();
    content[0] = 2;
    whole.chunks[0].1 = sealed(number, Writer(content));
    let error = Actor::open(Loaded { snapshot: Some(whole), ..Loaded::default() }, 1, 1).err().unwrap();
    assert!(error.is_newer(), "{error}");
}

/// An actor in a loop that keeps its rounds, each a join of branches that have settled: so many of their steps.
fn rounds(disk: &mut disk::Disk, steps: u32) {
    const BRANCHES: u32 = 9;
    let mut grown = 0;
    disk.append(|change| {
        change.created(1, true, None);
        ["rounds", "both", "step"].iter().zip(0..).for_each(|(name, index)| change.name(index, name));
        (0..BRANCHES).for_each(|branch| change.name(3 + branch, &format!("b{branch}")));
    });
    for round in 0..=steps / BRANCHES {
        disk.append(|change| {
            let (state, iteration) = (Bytes::from(vec![0x19, 0, 0]), round);
            let kind = EntryKind::Loop { state, iteration, output: None };
            change.entry(&Entry { id: "rounds".into(), location: Location::root().name(0), kind });
            let join = Location::root().name(0).iteration(0, round).name(1);
            let status = |branch| (format!("b{branch}"), settled());
            let kind = EntryKind::Join { branches: (0..BRANCHES).map(status).collect() };
            change.entry(&Entry { id: format!("join-{round}"), location: join.clone(), kind });
            for branch in 0..BRANCHES {
                let kind = EntryKind::Step { output: Some(Bytes::from_static(&[0x01])), error: None };
                let location = join.clone().name(3 + branch).name(2);
                change.entry(&Entry { id: format!("{round}-{branch}"), location, kind });
            }
        });
        grown += disk.changes.values().next_back().map_or(0, Bytes::len);
        if grown >= 256 << 10 {
            let plan = compact(&disk.kept(false), Retention::default()).unwrap().unwrap();
            assert!(disk.apply(plan, usize::MAX - 1));
            grown = 0;
        }
    }
}

fn settled() -> crate::codec::record::BranchStatus {
    let status = crate::codec::record::BranchStatusType::Completed;
    crate::codec::record::BranchStatus { status, output: Some(Bytes::from_static(&[0x01])), error: None }
}

#[test]
fn an_opening_and_a_compaction_read_what_is_open_however_much_has_closed() {
    let read = |steps| {
        let mut disk = disk::Disk::default();
        rounds(&mut disk, steps);
        let kept = disk.kept(false);
        let chunks = kept.newest.iter().flat_map(|newest| &newest.chunks);
        let bytes: usize = chunks.chain(&kept.changes).map(|(_, row)| row.len()).sum();
        (bytes, disk.open(false).unwrap(), disk.open(true).unwrap())
    };
    for steps in [1_000, 10_000, 40_000] {
        let (bytes, open, whole) = read(steps);
        assert!(bytes <= (256 << 10) + 4_096, "{steps} steps: {bytes} bytes");
        assert!(open.entries().len() <= 256 << 4, "{steps} steps: {} entries in memory", open.entries().len());
        assert!(whole.entries().len() >= steps as usize, "{} entries", whole.entries().len());
    }
}
