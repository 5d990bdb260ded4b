//! stub
use crate::error::Result;
/// A filter.
pub struct Filter;
/// stub
pub fn compile(_profile: Option<&str>, _capabilities: u64) -> Result<Filter> {
    Ok(Filter)
}
/// stub
pub fn enter(_filter: &Filter) -> Result<()> {
    Ok(())
}
