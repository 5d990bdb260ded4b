//! Image references: `name[:tag]`, distribution/reference grammar in the part that exists without a registry.

use crate::error::{Error, Result, escaped};
use crate::spec::text;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

/// Bytes of a name with its tag, as the distribution specification limits names.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of a tag.
pub const TAG_BYTES_MAX: usize = 128;

/// A checked reference: `name` may have slashes, `tag` is never empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Reference {
    /// `busybox`, `example.com/team/app`
    pub name: String,
    /// `latest` when none was given.
    pub tag: String,
}

/// Parses a reference; bad ones are named with their control characters escaped.
pub fn parse(text: &str) -> Result<Reference> {
    let bad = |why: &str| Error::new(format_args!("invalid reference format: '{}': {why}", escaped(text)));
    if text.contains('@') {
        return Err(bad("references by digest need a registry; use the name or the image id"));
    }
    // A colon after the last slash separates the tag; one before it belongs to a host's port.
    let (name, tag) = match text.rfind(':') {
        Some(at) if !text[at..].contains('/') => (&text[..at], &text[at + 1..]),
        _ => (text, "latest"),
    };
    let name = familiar(name);
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    let tag_fits = tag.len() <= TAG_BYTES_MAX
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|c| word(c) || c == b'.' || c == b'-');
    if !tag_fits {
        return Err(bad("a tag is letters, digits, '_', '.' and '-', 128 at most"));
    }
    // Together they become the name of a file.
    if name.is_empty() || name.len() + 1 + tag.len() > NAME_BYTES_MAX {
        return Err(bad("name and tag have 1 to 255 characters together"));
    }
    if name.bytes().any(|c| c.is_ascii_uppercase()) {
        return Err(bad("repository name must be lowercase"));
    }
    for (i, part) in name.split('/').enumerate() {
        let body = if i == 0 && name.contains('/') { part.split(':').next().unwrap_or(part) } else { part };
        let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let inner = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        let port = body.len() == part.len()
            || part[body.len() + 1..].bytes().all(|c| c.is_ascii_digit()) && part.len() > body.len() + 1;
        if !edge(body.bytes().next())
            || !edge(body.bytes().last())
            || !body.bytes().all(inner)
            || !port
            || text::has(body, "..")
        {
            return Err(bad(
                "a name is lower-case letters, digits and single '.', '_', '-' between them, parts separated by '/'",
            ));
        }
    }
    Ok(Reference { name: name.to_owned(), tag: tag.to_owned() })
}

/// A name as people write it: docker.io, and there library, are what a name without them means.
fn familiar(name: &str) -> &str {
    let short = [HUB, "index.docker.io/"].iter().find_map(|hub| name.strip_prefix(hub));
    let name = short.filter(|short| !has_host(short)).unwrap_or(name); // without it another one would be meant
    name.strip_prefix(LIBRARY).filter(|rest| !rest.contains('/')).unwrap_or(name)
}

/// Whether a name begins with a registry.
fn has_host(name: &str) -> bool {
    name.split_once('/').is_some_and(|(first, _)| first.contains(['.', ':']) || first == "localhost")
}

/// What docker puts before a name that names no registry, and before one of a single word.
const HUB: &str = "docker.io/";
const LIBRARY: &str = "library/";

impl Reference {
    /// The name in full, as it is in an archive for others: `docker.io/library/busybox:latest`
    pub fn full(&self) -> String {
        let hub = if has_host(&self.name) { "" } else { HUB };
        let library = if self.name.contains('/') { "" } else { LIBRARY };
        format!("{hub}{library}{}", self.text())
    }

    /// The file that stands for it in `refs/`: `+` is no character of a reference, so nothing is ambiguous.
    pub fn file_name(&self) -> String {
        [&text::replace(&self.name, "/", "+"), ":", &self.tag].concat()
    }

    /// Back from [`Reference::file_name`].
    pub fn from_file_name(file: &str) -> Option<Self> {
        parse(&text::replace(file, "+", "/")).ok()
    }

    /// `name:tag`
    pub fn text(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }
}

/// Whether the text can only be a reference or an id, not a program's name.
pub fn is_explicit(text: &str) -> bool {
    text.contains([':', '/', '@'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_ones() {
        for (text, name, tag) in [
            ("busybox", "busybox", "latest"),
            ("bb:1", "bb", "1"),
            ("other/x:t", "other/x", "t"),
            ("localhost:5000/a/b", "localhost:5000/a/b", "latest"),
            ("docker.io/library/busybox:1", "busybox", "1"),
            ("index.docker.io/some/thing", "some/thing", "latest"),
            ("library/busybox", "busybox", "latest"),
            ("docker.io/docker.io/x", "docker.io/docker.io/x", "latest"),
            ("quay.io/library/busybox", "quay.io/library/busybox", "latest"),
            ("a.b-c_d/e:V1.0-x_", "a.b-c_d/e", "V1.0-x_"),
        ] {
            let r = parse(text).unwrap();
            assert_eq!((r.name.as_str(), r.tag.as_str()), (name, tag));
            assert!(Reference::from_file_name(&r.file_name()).unwrap() == r);
        }
    }

    #[test]
    fn full_names() {
        for (text, full) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("some/thing:1", "docker.io/some/thing:1"),
            ("localhost/x", "localhost/x:latest"),
            ("localhost", "docker.io/library/localhost:latest"),
            ("quay.io/a/b:c", "quay.io/a/b:c"),
            ("host:5000/b", "host:5000/b:latest"),
        ] {
            assert_eq!(parse(text).unwrap().full(), full);
            assert!(parse(full).unwrap() == parse(text).unwrap());
        }
    }

    #[test]
    fn bad_ones() {
        for text in [
            "",
            ":",
            "a:",
            "../x",
            "a/../b",
            "/a",
            "a/",
            "a//b",
            "A",
            "a b",
            "a\n",
            "a:b:c",
            "a@sha256:00",
            "-a",
            "a..b",
            "a:.x",
            "x:p/y",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse(&"a".repeat(256)).is_err());
    }
}
