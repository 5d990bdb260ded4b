//! `--mount`: one line of comma-separated values.

use super::super::args::boolean;
use super::{bad, clean, has_control, nth, tmpfs, volume_name, wrong, wrongs};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mydocker::error::Result;
use mydocker::spec::{Mount, MountKind, Recursion};

/// Highest mode of a file: permissions, setuid, setgid, sticky.
const MODE_MAX: u32 = 0o7777;
/// docker's mode of a tmpfs.
const TMPFS_MODE: u32 = 0o1777;

/// Reads `--mount`. The source of a bind is left as typed: `.`, `..` and what follows them count from our directory.
/// A volume without a source has none here.
pub fn mount(text: &str) -> Result<Mount> {
    if has_control(text) {
        return Err(bad("control characters are not allowed"));
    }
    let mut asked = Asked::default();
    for field in fields(text)? {
        asked.take(&field)?;
    }
    asked.finish()
}

/// The fields of one line of RFC 4180, as strict as Go's encoding/csv.
pub fn fields(line: &str) -> Result<Vec<String>> {
    let fail = |rest: &str, why: &str| {
        wrongs("parse error on column {}: {}", &[&(line.len() - rest.len() + 1).to_string(), why])
    };
    let mut all = Vec::new();
    let mut rest = line;
    loop {
        let mut field = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let Some((before, after)) = quoted.split_once('"') else {
                    return Err(fail("", "extraneous or missing \" in quoted-field"));
                };
                field.push_str(before);
                rest = after;
                let Some(more) = after.strip_prefix('"') else { break };
                field.push('"');
                quoted = more;
            }
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(fail(rest, "extraneous or missing \" in quoted-field"));
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            if let Some(quote) = rest[..end].find('"') {
                return Err(fail(&rest[quote..], "bare \" in non-quoted-field"));
            }
            field.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        all.push(field);
        let Some(next) = rest.strip_prefix(',') else { return Ok(all) };
        rest = next;
    }
}

/// What the fields so far ask for.
#[derive(Default)]
struct Asked {
    /// The fields that are what they are, whatever the others say.
    mount: Mount,
    /// `None` is a volume.
    kind: Option<String>,
    bytes: Option<u64>,
    mode: Option<u32>,
    /// The types that the fields so far belong to: `bind`, `volume`, `tmpfs`.
    types: Vec<&'static str>,
}

impl Asked {
    fn take(&mut self, field: &str) -> Result<()> {
        let (key, value) = field.split_once('=').map_or((field, None), |(key, value)| (key, Some(value)));
        let key = &*key.to_ascii_lowercase();
        for kind in ["bind", "volume", "tmpfs"] {
            if key.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-')) {
                self.types.push(kind);
            }
        }
        let mount = &mut self.mount;
        if nth("readonly ro volume-nocopy bind-create-src bind-nonrecursive", key).is_some() {
            let is_on = value.map_or(Some(true), boolean).ok_or_else(|| invalid(key, value.unwrap_or_default()))?;
            match key {
                "volume-nocopy" => if is_on { "nocopy" } else { "" }.clone_into(&mut mount.mode),
                "bind-create-src" => mount.make_source = is_on,
                "bind-nonrecursive" => {
                    mount.recursion = if is_on { Recursion::Disabled } else { Recursion::Enabled };
                }
                _ => mount.read_only = is_on,
            }
            return Ok(());
        }
        let value = value.ok_or_else(|| wrong("invalid field '{}' must be a key=value pair", field))?;
        match key {
            "type" => self.kind = Some(value.to_ascii_lowercase()),
            "source" | "src" => value.clone_into(&mut mount.source),
            "target" | "dst" | "destination" => value.clone_into(&mut mount.target),
            // Consistency has a meaning on other systems only.
            "consistency" => {}
            "bind-propagation" => mount.propagation = value.to_ascii_lowercase(),
            "bind-recursive" => {
                let must = "invalid value for bind-recursive: {} (must be \"enabled\", \"disabled\", \"writable\", or \
                            \"readonly\")";
                mount.recursion = Recursion::from_word(value).ok_or_else(|| wrong(must, value))?;
            }
            "volume-subpath" => value.clone_into(&mut mount.subpath),
            "volume-driver" if matches!(value, "" | "local") => {}
            "volume-driver" => return Err(wrong("there is no volume driver {}: only local", value)),
            "volume-opt" => return Err(bad("volume-opt: volumes have no options here")),
            "volume-label" => return Err(bad("volume-label: volumes have no labels here")),
            "tmpfs-size" => self.bytes = Some(super::bytes(value).map_err(|_| invalid(key, value))?),
            "tmpfs-mode" => self.mode = Some(super::octal(value, MODE_MAX).ok_or_else(|| invalid(key, value))?),
            _ => return Err(wrongs("unexpected key '{}' in '{}'", &[key, field])),
        }
        Ok(())
    }

    /// Whether the fields fit together.
    fn finish(&mut self) -> Result<Mount> {
        let mount = &mut self.mount;
        let kind = self.kind.as_deref().unwrap_or("volume");
        if kind.is_empty() {
            return Err(bad("type is required"));
        }
        if mount.target.is_empty() {
            return Err(bad("target is required"));
        }
        if let Some(other) = self.types.iter().find(|other| **other != kind) {
            return Err(wrongs("cannot mix '{}-*' options with mount type '{}'", &[other, kind]));
        }
        let (what, other) = match mount.recursion {
            Recursion::Writable if !mount.read_only => ("writable", "readonly"),
            Recursion::ReadOnly if !mount.read_only => ("readonly", "readonly"),
            Recursion::ReadOnly if mount.propagation != "rprivate" => ("readonly", "bind-propagation=rprivate"),
            _ => ("", ""),
        };
        if !what.is_empty() {
            let sentence = "option 'bind-recursive={}' requires '{}' to be specified in conjunction";
            return Err(wrongs(sentence, &[what, other]));
        }
        let fail = |why: &str| wrongs("invalid mount config for type \"{}\": {}", &[kind, why]);
        mount.target = super::target(&mount.target).map_err(|e| fail(&e.what))?;
        let (source, propagation) = (&mount.source, &mount.propagation);
        let (why, text) = match (kind, source.is_empty()) {
            ("bind", true) => ("field Source must not be empty", ""),
            ("bind", _) if !is_host_path(source) => ("invalid mount path: '{}' mount path must be absolute", &**source),
            ("bind", _) if !propagation.is_empty() && super::volume::group(propagation) != Some(2) => {
                ("invalid propagation mode: {}", &**propagation)
            }
            ("volume", true) if !mount.subpath.is_empty() => ("must not set Subpath when using anonymous volumes", ""),
            ("volume", true) if mount.read_only => ("must not set ReadOnly mode when using anonymous volumes", ""),
            ("tmpfs", false) => ("field Source must not be specified", ""),
            ("bind" | "volume" | "tmpfs", _) => ("", ""),
            ("image", _) => ("an image cannot be mounted here; use a volume or a bind", ""),
            _ => ("mount type unknown", ""),
        };
        if !why.is_empty() {
            return Err(fail(&wrong(why, text).what));
        }
        match kind {
            "bind" => {}
            "tmpfs" => {
                mount.kind = MountKind::Tmpfs;
                mount.mode = tmpfs::options(mount.read_only, self.bytes, self.mode.unwrap_or(TMPFS_MODE));
            }
            _ => {
                mount.kind = MountKind::Anonymous;
                if !mount.source.is_empty() {
                    mount.kind = MountKind::Volume;
                    volume_name(&mount.source)?;
                }
                let subpath = within(&mount.subpath);
                mount.subpath = subpath.ok_or_else(|| fail("subpath must be a relative path within the volume"))?;
            }
        }
        Ok(core::mem::take(mount))
    }
}

fn invalid(key: &str, value: &str) -> mydocker::error::Error {
    wrongs("invalid value for {}: {}", &[key, value])
}

/// An absolute path, or one that counts from our directory because it says so.
fn is_host_path(path: &str) -> bool {
    ["/", "./", "../"].iter().any(|start| path.starts_with(start)) || path == "." || path == ".."
}

/// A path that stays inside of something, without `.` and `..`; empty for all of it.
fn within(path: &str) -> Option<String> {
    let mut depth = 0;
    for part in path.split('/') {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        if depth < 0 {
            return None;
        }
    }
    let rooted = clean(&["/", path].concat()).filter(|_| !path.starts_with('/'))?;
    Some(rooted[1..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn read(text: &str) -> String {
        match mount(text) {
            Ok(m) => {
                let json = mydocker::spec::record::to_json(&m);
                let left = [",\"read_only\":false", ",\"mode\":\"\"", ",\"propagation\":\"\"", ",\"subpath\":\"\""];
                let json = left.iter().fold(json, |json, field| json.replace(field, ""));
                let json = json.replace(",\"recursion\":\"enabled\"", "").replace(",\"make_source\":false", "");
                json.replace(['"', '{', '}'], "")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_docker_takes() {
        let bind = "kind:bind,source:/source,target:/target";
        for (typed, want) in [
            ("type=bind,src=/source,dst=/target", bind.to_owned()),
            ("type=BIND,source=/source,destination=/x/../target/", bind.to_owned()),
            ("type=bind,source=.,target=/target", bind.replace("/source", ".")),
            ("type=bind,source=/source,target=/target,ro", format!("{bind},read_only:true")),
            ("type=bind,source=/source,target=/target,readonly=1", format!("{bind},read_only:true")),
            ("type=bind,source=/source,target=/target,readonly=false", bind.to_owned()),
            (
                "type=bind,source=/source,target=/target,consistency=cached,bind-create-src",
                bind.to_owned() + ",make_source:true",
            ),
            ("type=bind,source=/source,target=/target,bind-nonrecursive", bind.to_owned() + ",recursion:disabled"),
            (
                "type=bind,source=/source,target=/target,bind-recursive=readonly,readonly,bind-propagation=rprivate",
                format!("{bind},read_only:true,propagation:rprivate,recursion:readonly"),
            ),
            ("target=/t,source=foo", "kind:volume,source:foo,target:/t".to_owned()),
            ("type=volume,target=/t,volume-nocopy", "kind:anonymous,source:,target:/t,mode:nocopy".to_owned()),
            (
                "src=foo,target=/t,volume-subpath=a//b/../c/,volume-driver=local",
                "kind:volume,source:foo,target:/t,subpath:a/c".to_owned(),
            ),
            (
                "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=0700,ro",
                "kind:tmpfs,source:,target:/t,read_only:true,mode:ro,nosuid,nodev,noexec,size=1048576,mode=700"
                    .to_owned(),
            ),
            ("type=tmpfs,dst=/t", "kind:tmpfs,source:,target:/t,mode:rw,nosuid,nodev,noexec,mode=1777".to_owned()),
            ("type=bind,\"src=/a,b\",dst=/t", "kind:bind,source:/a,b,target:/t".to_owned()),
        ] {
            assert_eq!(read(typed), want, "{typed}");
        }
        assert_eq!(fields("a,\"b\"\"c\",,\"\"").unwrap(), ["a", "b\"c", "", ""]);
    }

    #[test]
    fn what_docker_refuses() {
        for (typed, want) in [
            ("", "invalid field '' must be a key=value pair"),
            ("foo=bar", "unexpected key 'foo' in 'foo=bar'"),
            ("type=bind,src=/tmp", "target is required"),
            ("type=,target=/t", "type is required"),
            ("type=volume, src=/foo,target=/foo", "unexpected key ' src' in ' src=/foo'"),
            ("type=volume,target=/foo,bogus", "invalid field 'bogus' must be a key=value pair"),
            ("type=tmpfs,target=/foo,tmpfs-size=foo", "invalid value for tmpfs-size: foo"),
            ("type=tmpfs,target=/foo,tmpfs-mode=8", "invalid value for tmpfs-mode: 8"),
            ("type=tmpfs,target=/foo,tmpfs-mode=+7", "invalid value for tmpfs-mode: +7"),
            ("type=bind,target=/f,source=/f,readonly=no", "invalid value for readonly: no"),
            ("type=bind,target=/f,source=/f,readonly= true", "invalid value for readonly:  true"),
            ("target=/f,source=/f,bind-propagation=rprivate", "cannot mix 'bind-*' options with mount type 'volume'"),
            ("type=bind,target=/f,source=/f,volume-nocopy=1", "cannot mix 'volume-*' options with mount type 'bind'"),
            ("type=bind,target=/f,source=/f,tmpfs-mode=1", "cannot mix 'tmpfs-*' options with mount type 'bind'"),
            (
                "type=bind,target=/f,source=/f,bind-recursive=writable",
                "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
            ),
            (
                "type=bind,target=/f,source=/f,bind-recursive=readonly,ro",
                "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
            ),
            ("type=bind,target=/f", "invalid mount config for type \"bind\": field Source must not be empty"),
            (
                "type=bind,target=/f,src=x",
                "invalid mount config for type \"bind\": invalid mount path: 'x' mount path must be absolute",
            ),
            (
                "type=bind,target=/f,src=/x,bind-propagation=both",
                "invalid mount config for type \"bind\": invalid propagation mode: both",
            ),
            (
                "type=tmpfs,target=/",
                "invalid mount config for type \"tmpfs\": invalid specification: destination can't be '/'",
            ),
            (
                "type=tmpfs,target=/f,src=x",
                "invalid mount config for type \"tmpfs\": field Source must not be specified",
            ),
            (
                "target=/f,ro",
                "invalid mount config for type \"volume\": must not set ReadOnly mode when using anonymous volumes",
            ),
            (
                "target=/f,src=vv,volume-subpath=a/../../b",
                "invalid mount config for type \"volume\": subpath must be a relative path within the volume",
            ),
            ("type=npipe,target=/f", "invalid mount config for type \"npipe\": mount type unknown"),
            ("src=vv,target=/f,volume-driver=nfs", "there is no volume driver nfs: only local"),
            ("type=bind,src=/a\n,target=/f", "control characters are not allowed"),
            ("src=\"a\",target=/f", "parse error on column 5: bare \" in non-quoted-field"),
            ("\"src=a", "parse error on column 7: extraneous or missing \" in quoted-field"),
            ("\"src=a\"b,target=/f", "parse error on column 8: extraneous or missing \" in quoted-field"),
        ] {
            assert_eq!(read(typed), want, "{typed}");
        }
    }
}
