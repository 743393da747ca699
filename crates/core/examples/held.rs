//! What a cell holds of a value of a given shape, before and after writes all over it, as the system counts it.
//!
//! `held <shape> <bytes> <writes>` prints one line of JSON: bytes of the encoded value, resident bytes beyond those before it was
//! loaded, and how many nanoseconds a write took at the median. To be run once per shape: what was freed is not always given back.
#![allow(clippy::unwrap_used, reason = "a program for benches: whatever is wrong ends it")]

use std::time::Instant;

use bytes::Bytes;
use pawl_core::codec::cbor::Writer;
use pawl_core::state::{Action, Cell, Delta, Op, Path};

/// A prime, so that writes jump about.
const STRIDE: usize = 7_919;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, shape, bytes, writes] = &args[..] else { panic!("held <shape> <bytes> <writes>") };
    let shape = Shape::named(shape);
    let count = bytes.parse::<usize>().unwrap() / shape.entry_bytes();
    let writes = writes.parse::<usize>().unwrap();
    let before = resident();
    let value = shape.encoded(count);
    let encoded = value.len();
    let mut cell = Cell::new(value, 0).unwrap();
    let unread = resident() - before;
    let mut took = Vec::with_capacity(writes);
    for turn in 0..writes {
        let delta = Delta::parse(&shape.write(count, turn).encode()).unwrap();
        let began = Instant::now();
        cell.apply(turn as u64 + 1, &delta).unwrap();
        cell.keep_from(None);
        took.push(began.elapsed().as_nanos());
    }
    let written = resident() - before;
    took.sort_unstable();
    println!(
        r#"{{"encoded":{encoded},"unread":{unread},"written":{written},"writeNs":{},"slowestNs":{}}}"#,
        took[writes / 2],
        took[writes - 1],
    );
    assert_eq!(cell.encode().len() as u64, cell.size());
}

#[derive(Clone, Copy)]
enum Shape {
    /// An array of objects.
    Things,
    /// The same objects in a Map, by text.
    Map,
    /// Numbers in a Map, by text.
    Numbers,
    /// Texts in a Set.
    Set,
    /// The same, in an order that is not theirs.
    Mixed,
    /// Numbers in a Set.
    Ids,
    /// The same objects in an object, by name.
    Object,
    /// The same by number.
    ById,
}

impl Shape {
    fn named(name: &str) -> Shape {
        match name {
            "things" => Shape::Things,
            "map" => Shape::Map,
            "numbers" => Shape::Numbers,
            "set" => Shape::Set,
            "mixed" => Shape::Mixed,
            "ids" => Shape::Ids,
            "object" => Shape::Object,
            "byId" => Shape::ById,
            other => panic!("no shape is called {other}"),
        }
    }

    /// About how many bytes an entry takes.
    fn entry_bytes(self) -> usize {
        match self {
            Shape::Things => 66,
            Shape::Map | Shape::Object => 77,
            Shape::ById => 73,
            Shape::Numbers => 16,
            Shape::Set => 11,
            Shape::Mixed => 9,
            Shape::Ids => 5,
        }
    }

    fn encoded(self, count: usize) -> Bytes {
        let mut out = Writer::with_capacity(count * self.entry_bytes());
        out.object(1);
        out.key(b"all");
        match self {
            Shape::Things => out.array(count),
            Shape::Map | Shape::Numbers => out.map(count),
            Shape::Set | Shape::Mixed | Shape::Ids => out.set(count),
            Shape::Object | Shape::ById => out.object(count),
        };
        for i in 0..count {
            match self {
                Shape::Things => {}
                Shape::ById => {
                    out.key(i.to_string().as_bytes());
                }
                Shape::Mixed => drop(out.text(&scattered(i))),
                Shape::Ids => drop(out.uint(i as u64)),
                _ => {
                    out.text(&format!("key {i}"));
                }
            }
            match self {
                Shape::Set | Shape::Mixed | Shape::Ids => {}
                Shape::Numbers => {
                    out.uint(i as u64);
                }
                _ => thing(&mut out, i),
            }
        }
        out.finish()
    }

    fn write(self, count: usize, turn: usize) -> Delta {
        let i = turn * STRIDE % count;
        let all = Path::root().key("all");
        let named = all.clone().entry(text(&format!("key {i}")), 0);
        let value = || Action::Set(number(turn));
        Delta::new(match self {
            Shape::Things => vec![Op { path: all.index(i as u32).key("count"), action: value() }],
            Shape::Map => vec![Op { path: named.key("count"), action: value() }],
            Shape::Object => vec![Op { path: all.key(format!("key {i}")).key("count"), action: value() }],
            Shape::ById => vec![Op { path: all.key(i.to_string()).key("count"), action: value() }],
            Shape::Numbers => vec![Op { path: named, action: value() }],
            Shape::Set => moved(&all, text(&format!("key {i}")), text(&format!("new {i}"))),
            Shape::Mixed => moved(&all, text(&scattered(i)), text(&format!("new {i}"))),
            Shape::Ids => moved(&all, number(i), number(count + turn)),
        })
        .unwrap()
    }
}

/// A member goes, and another one comes.
fn moved(set: &Path, from: Bytes, to: Bytes) -> Vec<Op> {
    vec![
        Op { path: set.clone().entry(from, 0), action: Action::Delete },
        Op { path: set.clone().entry(to, 0), action: Action::Add },
    ]
}

/// Eight letters that are no counter's.
fn scattered(i: usize) -> String {
    format!("{:08x}", (i as u32).wrapping_mul(0x9e37_79b1))
}

fn thing(out: &mut Writer, id: usize) {
    out.object(5);
    out.key(b"id").uint(id as u64);
    out.key(b"name").text(&format!("thing {id}"));
    out.key(b"price").number(id as f64 * 1.25 + 0.5);
    out.key(b"tags").array(2).text("new").text("blue");
    out.key(b"count").uint(0);
}

fn text(text: &str) -> Bytes {
    let mut out = Writer::new();
    out.text(text);
    out.finish()
}

fn number(value: usize) -> Bytes {
    let mut out = Writer::new();
    out.uint(value as u64);
    out.finish()
}

/// Bytes that the process has in memory.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
