//! `update`.

use super::args::Parsed;
use super::decide::{life, limits};
use super::{each, open_store};
use alloc::borrow::ToOwned;
use mydocker::error::{Error, Result};
use mydocker::life::update;
use mydocker::spec::Limits;
use mydocker::store::containers;

/// `update [OPTIONS] CONTAINER…`
pub fn update(parsed: &Parsed) -> Result<u8> {
    if parsed.flags.is_empty() {
        return Err(Error::new("you must provide one or more flags when using this command").exit(1));
    }
    let mut asked = Limits::default();
    limits::limits(parsed, &mut asked)?;
    let restart = life::restart(parsed)?;
    let has_limits = parsed.flags.iter().any(|(key, _)| *key != "restart");
    let store = open_store()?;
    each(&parsed.words, &mut |word| {
        let container = containers::find(&store, word)?;
        let cannot =
            |error: Error| error.reword(&|what| ["Cannot update container ", &container.spec.id, ": ", what].concat());
        // A sum of memory and swap that nobody asked for stays unsaid: it is twice the memory, where the host counts swap.
        let merge = |had: &Limits| {
            let mut limits = limits::updated(had, &asked)?;
            limits.memory_swap = asked.memory_swap.or(had.memory_swap);
            Ok(limits)
        };
        let merge: Option<&update::Merge<'_>> = if has_limits { Some(&merge) } else { None };
        update::update(&store, &container, merge, restart).map_err(cannot)?;
        Ok(word.to_owned())
    })
}
