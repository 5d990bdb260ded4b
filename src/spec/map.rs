//! Maps of few entries, in the order of their keys. The standard library's tree is compiled anew for each type, 4 KB every
//! time, and it is made for more than the labels of a container.

use super::order::sorted;
use alloc::vec;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::slice;

/// A map. To get is log n, to insert is n: not for what an archive may have a million of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Map<K, V>(Vec<(K, V)>);

/// The entries of a map, in order.
pub type Iter<'a, K, V> = core::iter::Map<slice::Iter<'a, (K, V)>, fn(&(K, V)) -> (&K, &V)>;

/// A set is a map to nothing.
pub type Set<K> = Map<K, ()>;

impl<K, V> Map<K, V> {
    /// An empty one, which takes no memory.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The entries in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<K: Ord, V> Map<K, V> {
    /// One of these entries, of which the last with a key counts. However many there are, in whatever order.
    pub fn of(entries: Vec<(K, V)>) -> Self {
        let mut map = Self::new();
        map.extend(sorted(entries, &|a, b| a.0 < b.0));
        map
    }

    fn find<Q: Ord + ?Sized>(&self, wanted: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(key, _)| key.borrow().cmp(wanted))
    }

    /// What the key has.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|at| &self.0[at].1)
    }

    /// Whether the key is there.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// The same for whoever changes it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        Some(&mut self.0[at].1)
    }

    /// Gives the key a value, in place of the one that it had.
    pub fn insert(&mut self, key: K, value: V) {
        match self.find(&key) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (key, value)),
        }
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord, V> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    #[test]
    fn as_the_standard_library() {
        let (mut ours, mut theirs) = (Map::new(), BTreeMap::new());
        for n in 0..200u32 {
            let key = n.wrapping_mul(2_654_435_761) >> 25;
            ours.insert(key, n);
            theirs.insert(key, n);
            assert_eq!((ours.get(&key), ours.len(), ours.is_empty()), (Some(&n), theirs.len(), false));
        }
        assert!(ours.iter().eq(theirs.iter()) && ours.keys().eq(theirs.keys()));
        assert!(!ours.contains_key(&128) && ours.get(&128).is_none());
        let mut again = Map::default();
        again.extend(ours.clone());
        assert_eq!(ours, again);
        again.clear();
        assert!(again.is_empty() && again.into_iter().next().is_none());
    }
}
