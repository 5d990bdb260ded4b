//! A document of JSON as programs get it. miniserde's own tree of it brings the standard library's, which is 7 KB.

use crate::spec::map;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
pub use miniserde::json::Number;
use miniserde::ser::{self, Fragment, Serialize};

/// A list.
pub type Array = Vec<Value>;
/// An object, in the order of its keys.
pub type Object = map::Map<String, Value>;

/// Any value.
#[derive(Clone, Default)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    String(String),
    /// A list.
    Array(Array),
    /// An object.
    Object(Object),
}

impl Serialize for Value {
    fn begin(&self) -> Fragment<'_> {
        match self {
            Self::Null => Fragment::Null,
            Self::Bool(is_so) => Fragment::Bool(*is_so),
            Self::Number(number) => number.begin(),
            Self::String(text) => text.begin(),
            Self::Array(all) => all.begin(),
            Self::Object(all) => Fragment::Map(Box::new(Entries(all.iter()))),
        }
    }
}

/// The entries of an object that are still to be written.
struct Entries<'a>(map::Iter<'a, String, Value>);

impl ser::Map for Entries<'_> {
    fn next(&mut self) -> Option<(Cow<'_, str>, &dyn Serialize)> {
        self.0.next().map(|(key, value)| (Cow::Borrowed(key.as_str()), value as &dyn Serialize))
    }
}
