//! command: which containers come before which others when the host starts: those that a container names, and those that it
//! uses. When the host goes down it is the other way round. An order is no wish: nobody is started because of it.

use crate::spec::Spec;
use alloc::vec::Vec;

/// The label that names containers as `--after` does, with commas between.
pub const LABEL: &str = "mydocker.after";

/// For each container the places of those among them that it comes after.
pub fn of(specs: &[&Spec]) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    for spec in specs {
        let mut before = Vec::new();
        for (at, other) in specs.iter().enumerate() {
            if other.id != spec.id && (names(spec, &other.name) || uses(spec, &other.id)) {
                before.push(at);
            }
        }
        all.push(before);
    }
    all
}

/// Whether it asks to come after the container of this name.
fn names(spec: &Spec, name: &str) -> bool {
    let label = spec.labels.get(LABEL).map_or("", |names| names);
    spec.after.iter().any(|after| after == name) || label.split(',').any(|after| after.trim() == name)
}

/// Whether it joins a namespace of the container with this id, or knows it by a name of its own.
fn uses(spec: &Spec, id: &str) -> bool {
    let shared = &spec.namespaces;
    spec.network_of.as_deref() == Some(id)
        || [&shared.ipc, &shared.pid, &shared.uts, &shared.cgroup].iter().any(|namespace| namespace.container == id)
        || spec.links.iter().any(|link| link.split(':').next() == Some(id))
}

/// Takes circles out of an order: the members of each come one after the other. Returns them, by their places.
pub fn straighten(before: &mut [Vec<usize>]) -> Vec<Vec<usize>> {
    let mut reach = Vec::new();
    for at in 0..before.len() {
        reach.push(reached(before, at));
    }
    let mut circles: Vec<Vec<usize>> = Vec::new();
    for (at, from_here) in reach.iter().enumerate() {
        // Who comes after itself is in a circle, with all that are before and after it.
        let mut circle = Vec::new();
        for (other, from_there) in reach.iter().enumerate() {
            if from_here[other] && from_there[at] {
                circle.push(other);
            }
        }
        if circle.first() == Some(&at) {
            for (place, member) in circle.iter().enumerate() {
                before[*member].retain(|other| !circle.contains(other));
                if place > 0 {
                    before[*member].push(circle[place - 1]);
                }
            }
            circles.push(circle);
        }
    }
    circles
}

/// Which ones come before this one, also by way of others.
fn reached(before: &[Vec<usize>], from: usize) -> Vec<bool> {
    let mut is_reached = alloc::vec![false; before.len()];
    let mut left = alloc::vec![from];
    while let Some(at) = left.pop() {
        for next in &before[at] {
            if !core::mem::replace(&mut is_reached[*next], true) {
                left.push(*next);
            }
        }
    }
    is_reached
}

/// For each the length of the longest row that it is the last one of: 1 for who comes after nobody. Without circles.
pub fn depths(before: &[Vec<usize>]) -> Vec<i64> {
    let mut depths = alloc::vec![1; before.len()];
    // A row is no longer than there are places in it.
    for _ in 0..before.len() {
        for (at, others) in before.iter().enumerate() {
            for other in others {
                depths[at] = depths[at].max(depths[*other] + 1);
            }
        }
    }
    depths
}

/// The same order for who goes the other way.
pub fn reversed(before: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut after = alloc::vec![Vec::new(); before.len()];
    for (at, others) in before.iter().enumerate() {
        for other in others {
            after[*other].push(at);
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn who_names_and_who_uses() {
        let mut specs: Vec<Spec> = Vec::new();
        for name in ["a", "b", "c", "d", "e", "f", "g"] {
            specs.push(Spec { name: name.to_string(), id: name.repeat(64), ..Spec::default() });
        }
        specs[0].after = vec!["b".to_string(), "gone".to_string(), "a".to_string()];
        specs[1].labels.insert(LABEL.to_string(), "c, d,".to_string());
        specs[2].network_of = Some("d".repeat(64));
        specs[3].namespaces.ipc.container = "e".repeat(64);
        specs[4].namespaces.pid.container = "f".repeat(64);
        specs[5].links = vec![["g".repeat(64).as_str(), ":db"].concat(), "x:y".to_string()];
        let all: Vec<&Spec> = specs.iter().collect();
        assert_eq!(of(&all), [vec![1], vec![2, 3], vec![3], vec![4], vec![5], vec![6], vec![]]);
        assert_eq!(of(&all[3..6]), [vec![1], vec![2], vec![]], "who is not there does not matter");
        assert_eq!(depths(&of(&all)), [7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(depths(&[vec![], vec![0], vec![0], vec![1, 2], vec![]]), [1, 2, 2, 3, 1]);
        assert_eq!(reversed(&of(&all)), [vec![], vec![0], vec![1], vec![1, 2], vec![3], vec![4], vec![5]]);
    }

    #[test]
    fn circles() {
        let straight = |before: &[&[usize]]| {
            let mut before: Vec<Vec<usize>> = before.iter().map(|others| others.to_vec()).collect();
            let circles = straighten(&mut before);
            assert!((0..before.len()).all(|at| !reached(&before, at)[at]), "{before:?}");
            (before, circles)
        };
        assert_eq!(straight(&[]), (vec![], vec![]));
        assert_eq!(straight(&[&[1], &[2], &[]]), (vec![vec![1], vec![2], vec![]], vec![]));
        assert_eq!(straight(&[&[1], &[0]]), (vec![vec![], vec![0]], vec![vec![0, 1]]));
        // 1, 2 and 4 go round; 0 comes after them, and 3 before.
        let (before, circles) = straight(&[&[4], &[4, 3], &[1], &[], &[2]]);
        assert_eq!(before, [vec![4], vec![3], vec![1], vec![], vec![2]]);
        assert_eq!(circles, [vec![1, 2, 4]]);
        // Two circles that share a member are one; a third one is for itself.
        let (before, circles) = straight(&[&[1], &[0, 2], &[1], &[4, 0], &[3]]);
        assert_eq!(before, [vec![], vec![0], vec![1], vec![0], vec![3]]);
        assert_eq!(circles, [vec![0, 1, 2], vec![3, 4]]);
    }
}
