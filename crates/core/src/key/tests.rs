use proptest::prelude::*;

use super::*;

fn at(segments: &[Segment]) -> Location {
    segments.iter().copied().collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const fn iteration(loop_name: u32, iteration: u32) -> Segment {
    Segment::Iteration { loop_name, iteration }
}

#[test]
fn keys_have_their_golden_bytes() {
    use Segment::Name;
    assert_eq!(hex(&names()), "1501");
    assert_eq!(hex(&name(0)), "150114");
    assert_eq!(hex(&name(1)), "15011501");
    assert_eq!(hex(&name(256)), "1501160100");
    assert_eq!(hex(&histories()), "1502");
    assert_eq!(hex(&history(&at(&[Name(0)]))), "150214");
    assert_eq!(hex(&history(&at(&[Name(3), iteration(3, 5), Name(4)]))), "150215030515031505001504");
    assert_eq!(hex(&history(&at(&[Name(3), iteration(3, 0), Name(4)]))), "1502150305150314001504");
    assert_eq!(hex(&history(&at(&[Name(3), iteration(3, 300)]))), "1502150305150316012c00");
    assert_eq!(hex(&STATE), "15031501");
    assert_eq!(hex(&OUTPUT), "15031502");
    assert_eq!(hex(&ERROR), "15031503");
    assert_eq!(hex(&INPUT), "15031504");
    assert_eq!(hex(&metadatas()), "1504");
    assert_eq!(hex(&metadata("id")), "150402696400");
    assert_eq!(hex(&metadata("a\0b")), "15040261 00ff6200".replace(' ', ""));
}

#[test]
fn the_range_of_iterations_names_the_loop_twice() {
    let loop_location = at(&[Segment::Name(3)]);
    let (from, to) = iterations(&loop_location, 3, 0, 300);
    assert_eq!(
        (hex(&from), hex(&to)),
        ("1502150305150314 00".replace(' ', ""), "150215030515031 6012c00".replace(' ', ""))
    );
}

#[test]
fn the_end_of_a_prefix_is_the_next_key_that_does_not_start_with_it() {
    assert_eq!(after_prefix(&[0x15, 0x02]).as_deref(), Some(&[0x15, 0x03][..]));
    assert_eq!(after_prefix(&[0x15, 0xff, 0xff]).as_deref(), Some(&[0x16][..]));
    assert_eq!(after_prefix(&[0xff]), None);
    assert_eq!(after_prefix(&[]), None);
}

#[test]
fn a_key_of_another_space_or_arity_is_refused_with_its_offset() {
    assert_eq!(parse_name(&STATE).unwrap_err().to_string(), "found 3, expected 1, the space of names, at offset 0");
    assert_eq!(parse_name(&names()).unwrap_err().offset(), 2);
    assert_eq!(parse_name(&[0x15, 1, 0x14, 0x14]).unwrap_err().offset(), 3);
    assert_eq!(parse_history(&[0x15, 2, 0x05, 0x14, 0x14]).unwrap_err().offset(), 5);
    assert_eq!(parse_history(&[0x15, 2, 0x02, 0x00]).unwrap_err().offset(), 2);
    assert_eq!(parse_name(&[0x15, 1, 0x16, 0x00, 0x01]).unwrap_err().offset(), 2);
    assert_eq!(parse_name(&[0x15, 1, 0x19, 1, 0, 0, 0, 0]).unwrap_err().offset(), 2);
    assert_eq!(parse_metadata(&[0x15, 4, 0x02, b'a']).unwrap_err().offset(), 4);
    assert!(is_run_row(&OUTPUT) && !is_run_row(&names()));
}

#[test]
fn locations_know_their_scope() {
    let root = Location::root();
    let inner = root.name(3).iteration(3, 5).name(4);
    assert!(inner.is_within(&root) && inner.is_within(&inner) && !root.is_within(&inner));
    assert!(!inner.is_within(&root.name(3).name(5)));
    assert_eq!(inner.parent(), Some(root.name(3).iteration(3, 5)));
    assert_eq!(root.parent(), None);
    assert_eq!(inner.last(), Some(Segment::Name(4)));
}

fn any_segment() -> impl Strategy<Value = Segment> {
    prop_oneof![
        any::<u32>().prop_map(Segment::Name),
        (any::<u32>(), any::<u32>()).prop_map(|(loop_name, i)| iteration(loop_name, i)),
    ]
}

proptest! {
    #[test]
    fn every_location_comes_back_from_its_key(segments in prop::collection::vec(any_segment(), 0..8)) {
        let location = at(&segments);
        prop_assert_eq!(parse_history(&history(&location)).unwrap(), location);
    }

    #[test]
    fn every_name_and_id_comes_back_from_its_key(index in any::<u32>(), id in any::<String>()) {
        prop_assert_eq!(parse_name(&name(index)).unwrap(), index);
        prop_assert_eq!(parse_metadata(&metadata(&id)).unwrap(), id);
    }

    #[test]
    fn keys_of_iterations_order_as_numbers(a in any::<u32>(), b in any::<u32>()) {
        let location = Location::root().name(1);
        let key = |i| history(&location.iteration(1, i));
        prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
    }

    #[test]
    fn a_location_is_a_byte_prefix_exactly_of_what_is_within_it(
        a in prop::collection::vec((0u32..3).prop_map(Segment::Name), 0..4),
        b in prop::collection::vec((0u32..3).prop_map(Segment::Name), 0..4),
    ) {
        let (a, b) = (at(&a), at(&b));
        prop_assert_eq!(history(&b).starts_with(&history(&a)), b.is_within(&a));
    }

    #[test]
    fn garbage_keys_never_panic(key in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = (parse_name(&key), parse_history(&key), parse_metadata(&key), is_run_row(&key));
    }
}
