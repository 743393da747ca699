//! Whatever is compacted when, and wherever that dies: what is read is what was written.

use proptest::prelude::*;

use super::*;
use crate::STATE;
use crate::snapshot::Retention;
use crate::snapshot::disk::Disk;
use crate::state::model::{Choices, Value};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_compaction_at_any_point_that_dies_anywhere_changes_nothing_that_is_read(
        choices in prop::collection::vec(any::<u16>(), 0..400),
    ) {
        let mut choices = Choices(choices.iter());
        let mut past = vec![choices.value(4)];
        let mut disk = Disk::default();
        disk.append(|change| {
            change.created(1, false, None);
            change.base(STATE, &past[0].encode(), 3);
        });
        // From which change on everything was promised to be kept.
        let mut promised = 1;
        while !choices.is_over() {
            if choices.below(5) == 0 {
                let deltas = choices.below(12) as u64;
                let retention = Retention { deltas, delta_bytes: 1 << 40 };
                if let Some(plan) = disk.plan(retention) {
                    promised = promised.max(plan.snapshot.seq.saturating_sub(deltas));
                    let rows = if choices.below(3) == 0 { choices.below(12) } else { usize::MAX - 1 };
                    disk.apply(plan, rows);
                }
            } else {
                let mut value = past[past.len() - 1].clone();
                let count = choices.below(4);
                let ops = choices.ops(&value, count);
                value.apply_all(&ops).unwrap();
                let delta = Delta::new(ops).unwrap().encode();
                disk.append(|change| change.delta(STATE, &delta));
                past.push(value);
            }
        }
        let newest = past[past.len() - 1].encode();
        prop_assert_eq!(disk.open(false).unwrap().read(STATE, None).unwrap(), Some(newest));
        for (seq, value) in (1..).zip(&past) {
            match disk.read(seq, false) {
                Some(kept) => {
                    let was = Was { value: Some(value.encode()), version: 3 };
                    prop_assert_eq!(kept.cell_at(STATE, seq).unwrap(), was, "after change {}", seq);
                }
                None => prop_assert!(seq < promised, "change {} of {} is gone: {} was promised", seq, past.len(), promised),
            }
        }
    }
}

#[test]
fn what_is_beyond_either_bound_of_retention_goes_and_nothing_else_does() {
    let filled = || {
        let mut disk = Disk::default();
        disk.append(|change| {
            change.created(1, false, None);
            change.base(STATE, &Value::Leaf(vec![0xf6]).encode(), 1);
        });
        disk
    };
    let grown = |retention: Retention| {
        let mut disk = filled();
        for _ in 0..20 {
            for _ in 0..10 {
                let set = crate::state::Op {
                    path: crate::state::Path::root(),
                    action: crate::state::Action::Set(Bytes::from(vec![0x01])),
                };
                let delta = Delta::new(vec![set]).unwrap().encode();
                disk.append(|change| change.delta(STATE, &delta));
            }
            let plan = disk.plan(retention).unwrap();
            disk.apply(plan, usize::MAX - 1);
        }
        let oldest = (1..=disk.newest()).find(|seq| disk.read(*seq, false).is_some()).unwrap();
        (disk.newest() - oldest, disk.snapshots.len())
    };
    let many = 1 << 40;
    assert_eq!(grown(Retention { deltas: 25, delta_bytes: many }), (30, 4), "25, and what is before the snapshot");
    assert_eq!(grown(Retention { deltas: 0, delta_bytes: many }), (0, 1));
    assert_eq!(grown(Retention { deltas: 1_000, delta_bytes: many }), (200, 20));
    let body = filled().changes[&1].len() as u64;
    let (kept, _) = grown(Retention { deltas: 1_000, delta_bytes: 30 * body });
    assert!((20..=40).contains(&kept), "about 30 changes of about {body} bytes: {kept}");
}
