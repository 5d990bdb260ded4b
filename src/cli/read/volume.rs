//! `-v`: what is mounted where, with which options.

use super::super::human::visible;
use super::{bad, volume_name};
use mydocker::error::Result;

/// One `-v`.
#[derive(Debug, PartialEq)]
pub struct VolumeFlag {
    /// What is mounted.
    pub source: Source,
    /// Where in the container: absolute, without `.`, `..` and double slashes.
    pub target: String,
    /// `ro`.
    pub read_only: bool,
    /// The other options as typed: z Z nocopy, a propagation, a consistency.
    pub options: Vec<String>,
}

/// The left side of `-v`.
#[derive(Debug, PartialEq)]
pub enum Source {
    /// `-v /ctr`: a volume without a name.
    Anonymous,
    /// `-v name:/ctr`.
    Named(String),
    /// `-v /host:/ctr`, as typed: absolute, or starting with `.` or `~/`.
    Host(String),
}

/// Reads `-v`: `/ctr`, `name:/ctr[:options]`, `/host:/ctr[:options]`.
pub fn volume(text: &str) -> Result<VolumeFlag> {
    let shown = visible(text);
    if text.contains(char::is_control) {
        return Err(bad(format!("invalid volume specification: '{shown}': control characters are not allowed")));
    }
    let parts: Vec<&str> = text.split(':').collect();
    if text.is_empty() {
        return Err(bad("invalid empty volume spec".to_owned()));
    }
    if parts.contains(&"") {
        return Err(bad(format!("invalid spec: {shown}: empty section between colons")));
    }
    let (source, target, mode) = match parts[..] {
        [target] => (Source::Anonymous, target, None),
        // A mode without a source, /ctr:ro, means nothing.
        [_, target] if options(target).is_some() => {
            return Err(bad(format!("invalid volume specification: '{shown}'")));
        }
        [source, target] => (left(source)?, target, None),
        [source, target, mode] => (left(source)?, target, Some(mode)),
        _ => return Err(bad(format!("invalid spec: {shown}: too many colons"))),
    };
    let options = match mode {
        Some(mode) => options(mode).ok_or_else(|| bad(format!("invalid mode: {mode}")))?,
        None => Vec::new(),
    };
    let host = matches!(source, Source::Host(_));
    let kind = if host { "bind" } else { "volume" };
    let fail = |why: String| {
        bad(format!("invalid volume specification: '{shown}': invalid mount config for type \"{kind}\": {why}"))
    };
    if host && options.contains(&"nocopy") {
        return Err(fail("field VolumeOptions must not be specified".to_owned()));
    }
    if !host && options.iter().any(|option| group(option) == Some(2)) {
        return Err(fail("field BindOptions must not be specified".to_owned()));
    }
    let target = super::target(target).map_err(|e| fail(e.what.clone()))?;
    let read_only = options.contains(&"ro");
    let options = options.into_iter().filter(|option| group(option) != Some(0)).map(str::to_owned).collect();
    Ok(VolumeFlag { source, target, read_only, options })
}

fn left(text: &str) -> Result<Source> {
    let host = text.starts_with(['/', '.']) || text == "~" || text.starts_with("~/");
    if host { Ok(Source::Host(text.to_owned())) } else { Ok(Source::Named(volume_name(text)?.to_owned())) }
}

/// Options of one group exclude each other; group 2 is the propagations.
pub fn group(option: &str) -> Option<usize> {
    match option {
        "ro" | "rw" => Some(0),
        "z" | "Z" => Some(1),
        "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => Some(2),
        "nocopy" => Some(3),
        "consistent" | "cached" | "delegated" | "default" => Some(4),
        _ => None,
    }
}

/// The comma list of `-v`, if it is one that docker accepts.
fn options(mode: &str) -> Option<Vec<&str>> {
    let mut seen = [false; 5];
    for option in mode.split(',') {
        if core::mem::replace(&mut seen[group(option)?], true) {
            return None;
        }
    }
    Some(mode.split(',').collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;

    #[test]
    fn volumes() {
        let flag = |source, target: &str, read_only, options: &[&str]| VolumeFlag {
            source,
            target: target.to_owned(),
            read_only,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
        };
        let host = |path: &str| Source::Host(path.to_owned());
        for (typed, want) in [
            ("/m", flag(Source::Anonymous, "/m", false, &[])),
            ("/tmp/v:/m:ro", flag(host("/tmp/v"), "/m", true, &[])),
            ("./src:/m//a/../b/", flag(host("./src"), "/m/b", false, &[])),
            ("..:/m", flag(host(".."), "/m", false, &[])),
            ("~/x:/m:rw,z,rshared", flag(host("~/x"), "/m", false, &["z", "rshared"])),
            ("vol1:/etc:ro,nocopy", flag(Source::Named("vol1".to_owned()), "/etc", true, &["nocopy"])),
            ("/a:./x", flag(host("/a"), "/x", false, &[])),
        ] {
            assert_eq!(volume(typed).unwrap(), want, "{typed}");
        }
        let spec = "invalid volume specification: ";
        let path = "invalid mount path: 'rel' mount path must be absolute";
        for (typed, want) in [
            ("/tmp/v:rel", format!("{spec}'/tmp/v:rel': invalid mount config for type \"bind\": {path}")),
            (
                "/tmp/v/src:/",
                format!(
                    "{spec}'/tmp/v/src:/': invalid mount config for type \"bind\": \
                     invalid specification: destination can't be '/'"
                ),
            ),
            ("/a:/b:bogus", "invalid mode: bogus".to_owned()),
            ("/a:/b:ro,rw", "invalid mode: ro,rw".to_owned()),
            ("/a:ro", format!("{spec}'/a:ro'")),
            (":/a", "invalid spec: :/a: empty section between colons".to_owned()),
            ("/a:/b:ro:x", "invalid spec: /a:/b:ro:x: too many colons".to_owned()),
            ("/a:/b\n", format!("{spec}'/a:/b\\n': control characters are not allowed")),
            (
                "a/b:/m",
                "create a/b: \"a/b\" includes invalid characters for a local volume name, only \
                 \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
                    .to_owned(),
            ),
        ] {
            assert_eq!(text(volume(typed)), want, "{typed}");
        }
        assert!(text(volume("vol1:/x:shared")).ends_with("field BindOptions must not be specified"));
        assert!(text(volume("x:/x")).starts_with("create x: volume name is too short"));
    }
}
