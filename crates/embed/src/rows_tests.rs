use super::*;

fn head() -> Head {
    let base = Base { cell: "state".into(), version: 2, first: 3, chunks: 1, length: 9, as_of: 4 };
    Head {
        generation: 1,
        seq: 7,
        count: 2,
        hash: 99,
        incarnation: 1,
        workflow: true,
        state_version: 2,
        status: status_byte(Status::Waiting),
        alarm: Some(5),
        alarm_due: true,
        rows: 2,
        row_sum: 11,
        pending: vec![6, 7],
        cells: vec![base],
    }
}

fn change() -> ChangeRow {
    ChangeRow {
        id: CommitId([7; 16]),
        at: 1_700_000_000_000,
        adopted: false,
        entry_ids: vec!["a".into(), "b".into()],
        rest: vec![Record::Delta { cell: "state".into(), delta: Bytes::from_static(&[1]) }],
        sends: vec![Sent { id: "m".into(), name: "go".into(), body: Bytes::from_static(&[1]), at: 8 }],
        acks: vec![Ack { id: "n".into(), response: Some(Bytes::from_static(&[0xf6])) }],
    }
}

fn row(number: u64, change: &ChangeRow) -> (Bytes, Bytes) {
    Page::new(number, &change.encode(number)).row()
}

#[test]
fn a_head_and_a_change_read_back_as_they_were_written() {
    assert_eq!(Head::decode(&head().encode()), Ok(head()));
    let (key, value) = row(5, &change());
    assert_eq!(key, keys::change(5));
    let (parts, contents) = unseal_changes(&key, &value).unwrap();
    assert_eq!((parts, contents.len()), (0, 1));
    assert_eq!(ChangeRow::decode(5, &contents[0]), Ok(change()));
    assert_eq!(head().status(), Status::Waiting);
}

#[test]
fn what_does_not_fit_a_row_is_written_in_parts_of_at_most_64_kib() {
    for size in [PIECE_BYTES - 200, PIECE_BYTES, 3 * PIECE_BYTES, 200_000] {
        let delta = Bytes::from(vec![1; size]);
        let long = ChangeRow { rest: vec![Record::Delta { cell: "c".into(), delta }], ..change() };
        let rows = parted(5, &long.encode(5));
        assert!(rows.iter().all(|(_, value)| value.len() <= ROW_BYTES));
        let (own, parts) = rows.split_last().unwrap();
        assert_eq!(unseal_changes(&own.0, &own.1).unwrap(), (parts.len() as u32, Vec::new()));
        let pieces: Vec<Bytes> = parts.iter().map(|(key, value)| unseal_piece(key, value).unwrap()).collect();
        assert_eq!(ChangeRow::decode(5, &pieces.concat().into()), Ok(long));
    }
}

#[test]
fn a_row_takes_changes_until_it_is_full_and_goes_on_after_it_was_read() {
    let content = |number: u64| ChangeRow { at: number as i64, ..change() }.encode(number);
    let mut page = Page::new(5, &content(5));
    while page.push(&content(page.last + 1)) {
        let (key, value) = page.row();
        assert_eq!(Page::read(5, page.last, &value).as_ref(), Some(&page));
        let (_, contents) = unseal_changes(&key, &value).unwrap();
        let changes = (5..).zip(&contents).map(|(number, content)| ChangeRow::decode(number, content).unwrap().at);
        assert_eq!(changes.collect::<Vec<_>>(), (5..=page.last as i64).collect::<Vec<_>>());
    }
    assert!(page.last > 15 && page.row().1.len() < 3_000, "changes to {}", page.last);
    let large = Page::new(5, &[0; 5_000]);
    assert_eq!(Page::read(5, 5, &large.row().1), None);
}

#[test]
fn an_altered_bit_a_lost_byte_a_moved_row_and_a_newer_version_are_all_found() {
    let (key, value) = row(5, &change());
    assert!(unseal_changes(&keys::change(6), &value).is_err(), "a row under another key");
    for at in 0..value.len() {
        let mut altered = value.to_vec();
        altered[at] ^= 1;
        assert!(unseal_changes(&key, &altered.into()).is_err(), "bit flipped in byte {at}");
        assert!(unseal_changes(&key, &value.slice(..at)).is_err(), "cut to {at} bytes");
    }
    let mut newer = value.to_vec();
    newer[0] = 2;
    let error = unseal_changes(&key, &newer.into()).unwrap_err();
    assert_eq!(error.to_string(), "found version 2, expected row version 1, at offset 0");
}

#[test]
fn the_rows_have_these_bytes_for_ever() {
    let hex = keys::hex;
    assert_eq!(hex(&head().encode()), HEAD);
    assert_eq!(hex(&row(5, &change()).1), CHANGE);
}

const HEAD: &str = "0100010000000000000007000000000000000200000000000000630000000000000001000000000000000102000000020105\
                    000000000000000102000000000000000b000000000000000206000000000000000700000000000000010573746174650200\
                    00000300000000000000010000000000000009000000000000000400000000000000eeb3c446";
const CHANGE: &str = "01000000000044270100070707070707070707070707070707070068e5cf8b0100000605737461746501018ecb\
                      d2ae00020161016201016d02676f0101080000000000000001016e0101f6a41c514b";
