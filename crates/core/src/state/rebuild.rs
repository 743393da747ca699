//! Arrays that are made anew of slots they had and of new ones, and back.

use super::delta::Piece;
use super::items::Items;
use super::tree::Node;

/// What an array was before a rebuild, in terms of what it is after it.
#[derive(Debug, Clone)]
pub(super) struct Discarded {
    /// For each old slot the place of it in the rebuilt part, or `GONE`.
    places: Vec<u32>,
    /// The values of those that are gone, in their order.
    gone: Vec<Node>,
}

const GONE: u32 = u32::MAX;

impl Discarded {
    /// How many slots there were.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn nodes(&mut self) -> &mut [Node] {
        &mut self.gone
    }

    pub fn encoded_len(&self) -> usize {
        self.gone.iter().map(Node::encoded_len).sum()
    }
}

/// Replaces every slot from `start`. Returns what takes it back and how many bytes came in; none, and nothing changed, if
/// the pieces name slots that are not there, or one twice.
pub(super) fn rebuild(items: &mut Items, start: usize, pieces: &[Piece]) -> Option<(Discarded, usize)> {
    let count = items.len().checked_sub(start)?;
    let places = places_of(count, start, pieces)?;
    let mut old: Vec<Option<Node>> = items.split_off(start).into_iter().map(Some).collect();
    let mut added = 0;
    let mut now = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Kept { start: first, count } => {
                let first = *first as usize - start;
                now.extend(old[first..first + *count as usize].iter_mut().filter_map(Option::take));
            }
            Piece::New(values) => {
                added += values.iter().map(|value| value.len()).sum::<usize>();
                now.extend(values.iter().map(|value| Node::Encoded(value.clone())));
            }
        }
    }
    items.extend(now);
    Some((Discarded { places, gone: old.into_iter().flatten().collect() }, added))
}

/// Undoes a [`rebuild`].
pub(super) fn restore(items: &mut Items, start: usize, old: Discarded) {
    let mut rebuilt: Vec<Option<Node>> = items.split_off(start).into_iter().map(Some).collect();
    let mut gone = old.gone.into_iter();
    let restored = old.places.iter().filter_map(|place| match *place {
        GONE => gone.next(),
        place => rebuilt[place as usize].take(),
    });
    items.extend(restored.collect());
}

/// Where each of `count` old slots, of which the first is `start`, comes to stand.
fn places_of(count: usize, start: usize, pieces: &[Piece]) -> Option<Vec<u32>> {
    let mut places = vec![GONE; count];
    let mut next = 0usize;
    for piece in pieces {
        if let Piece::Kept { start: first, count } = piece {
            let first = (*first as usize).checked_sub(start)?;
            for (offset, place) in places.get_mut(first..first.checked_add(*count as usize)?)?.iter_mut().enumerate() {
                if *place != GONE {
                    return None;
                }
                *place = u32::try_from(next + offset).ok().filter(|place| *place != GONE)?;
            }
        }
        next = next.checked_add(piece.len())?;
    }
    (start + next < GONE as usize).then_some(places)
}
