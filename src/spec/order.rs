//! Sorting with one copy of the algorithm in the program. The standard library's is compiled anew for each type: 3 to 4 KB
//! every time, for speed that lists of containers and files do not need.

use alloc::vec::Vec;

/// The items in order; equal ones stay as they were. Merge sort, n log n.
pub fn sorted<T>(mut items: Vec<T>, is_less: &dyn Fn(&T, &T) -> bool) -> Vec<T> {
    let order = order(items.len(), &|a, b| is_less(&items[a], &items[b]));
    arrange(order, &mut |a, b| items.swap(a, b));
    items
}

/// Brings to each place what `order` says is to be there, by swaps. It goes round in circles, each of which ends at the
/// place where it began.
fn arrange(mut order: Vec<usize>, swap: &mut dyn FnMut(usize, usize)) {
    for start in 0..order.len() {
        let mut place = start;
        while order[place] != start {
            let from = core::mem::replace(&mut order[place], place);
            swap(place, from);
            place = from;
        }
        order[place] = place;
    }
}

/// The positions of the items in order. `is_less` compares the items at two positions.
fn order(len: usize, is_less: &dyn Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut from: Vec<usize> = (0..len).collect();
    let mut to = from.clone();
    let mut width = 1;
    while width < len {
        let mut start = 0;
        while start < len {
            let (middle, end) = ((start + width).min(len), (start + 2 * width).min(len));
            let (mut left, mut right) = (start, middle);
            for slot in &mut to[start..end] {
                let takes_right = right < end && (left >= middle || is_less(from[right], from[left]));
                let side = if takes_right { &mut right } else { &mut left };
                *slot = from[*side];
                *side += 1;
            }
            start = end;
        }
        core::mem::swap(&mut from, &mut to);
        width *= 2;
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_standard_library() {
        for len in 0..70u32 {
            let items: Vec<(u32, u32)> = (0..len).map(|n| (n.wrapping_mul(2_654_435_761) >> 28, n)).collect();
            let mut wanted = items.clone();
            wanted.sort_by_key(|(key, _)| *key);
            assert_eq!(sorted(items, &|a, b| a.0 < b.0), wanted);
        }
    }
}
