//! `-v`: what is mounted where, with which options.

use super::{has_control, nth, volume_name, wrong, wrongs};
use alloc::borrow::ToOwned;
use mydocker::error::Result;
use mydocker::spec::text;
use mydocker::spec::{Mount, MountKind};

/// Reads `-v`: `/ctr`, `name:/ctr[:options]`, `/host:/ctr[:options]`. The source is left as typed: a host path is absolute,
/// or starts with `.` or `~/`. `mode` gets the options but `ro` and `rw`: z Z nocopy, a propagation, a consistency.
pub fn volume(text: &str) -> Result<Mount> {
    let (source, rest) = text.split_once(':').unwrap_or(("", text));
    let (target, mode) = rest.split_once(':').unwrap_or((rest, ""));
    let has_source = rest.len() < text.len();
    let what = if has_control(text) {
        "invalid volume specification: '{}': control characters are not allowed"
    } else if text.is_empty() {
        "invalid empty volume spec"
    } else if text.split(':').any(str::is_empty) {
        "invalid spec: {}: empty section between colons"
    } else if mode.contains(':') {
        "invalid spec: {}: too many colons"
    } else if has_source && mode.is_empty() && is_mode(target) {
        // A mode without a source, /ctr:ro, means nothing.
        "invalid volume specification: '{}'"
    } else {
        ""
    };
    if !what.is_empty() {
        return Err(wrong(what, text));
    }
    let kind = if source.is_empty() {
        MountKind::Anonymous
    } else if source.starts_with(['/', '.']) || source == "~" || source.starts_with("~/") {
        MountKind::Bind
    } else {
        volume_name(source)?;
        MountKind::Volume
    };
    if !mode.is_empty() && !is_mode(mode) {
        return Err(wrong("invalid mode: {}", mode));
    }
    let fail = |why: &str| {
        let kind = if kind == MountKind::Bind { "bind" } else { "volume" };
        wrongs("invalid volume specification: '{}': invalid mount config for type \"{}\": {}", &[text, kind, why])
    };
    let mut mount = Mount { kind, source: source.to_owned(), make_source: true, ..Mount::default() };
    for option in mode.split(',') {
        match (group(option), kind) {
            (None, _) => {} // there is no mode
            (Some(0), _) => mount.read_only = option == "ro",
            (Some(3), MountKind::Bind) => return Err(fail("field VolumeOptions must not be specified")),
            (Some(2), MountKind::Volume) => return Err(fail("field BindOptions must not be specified")),
            (Some(group), _) => {
                if group == 2 {
                    option.clone_into(&mut mount.propagation);
                }
                text::add(&mut mount.mode, ",", option);
            }
        }
    }
    mount.target = super::target(target).map_err(|e| fail(&e.what))?;
    Ok(mount)
}

/// Options that exclude each other; group 2 is the propagations.
const GROUPS: [&str; 5] =
    ["ro rw", "z Z", "private rprivate shared rshared slave rslave", "nocopy", "consistent cached delegated default"];

/// Which of them an option is in.
pub fn group(option: &str) -> Option<usize> {
    GROUPS.iter().position(|group| nth(group, option).is_some())
}

/// Whether this is a comma list that docker accepts.
fn is_mode(mode: &str) -> bool {
    let mut seen = [false; GROUPS.len()];
    mode.split(',').all(|option| group(option).is_some_and(|group| !core::mem::replace(&mut seen[group], true)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;
    use alloc::format;

    #[test]
    fn volumes() {
        let shown = |mount: Mount| {
            let (kind, ro) = (["bind", "volume", "anonymous"][mount.kind as usize], mount.read_only);
            format!("{kind} {} {} {ro} {} {}", mount.source, mount.target, mount.mode, mount.propagation)
        };
        for (typed, want) in [
            ("/m", "anonymous  /m false  "),
            ("/tmp/v:/m:ro", "bind /tmp/v /m true  "),
            ("./src:/m//a/../b/", "bind ./src /m/b false  "),
            ("..:/m", "bind .. /m false  "),
            ("~/x:/m:rw,z,rshared", "bind ~/x /m false z,rshared rshared"),
            ("vol1:/etc:ro,nocopy", "volume vol1 /etc true nocopy "),
            ("/a:./x", "bind /a /x false  "),
        ] {
            assert_eq!(shown(volume(typed).unwrap()), want, "{typed}");
        }
        let refused = |typed: &str| text(volume(typed).map(drop));
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
            assert_eq!(refused(typed), want, "{typed}");
        }
        assert!(refused("vol1:/x:shared").ends_with("field BindOptions must not be specified"));
        assert!(refused("x:/x").starts_with("create x: volume name is too short"));
    }
}
