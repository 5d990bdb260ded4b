//! What the processes may do: from flags to [`Security`].

use super::super::args::boolean;
use super::{Job, bad, read_flag_file, wrongs};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mydocker::error::Result;
use mydocker::kernel::caps;
use mydocker::walls::seccomp;

/// What `--security-opt seccomp=…` and [`Security::seccomp`] call no filter at all.
const UNCONFINED: &str = "unconfined";

/// One `--security-opt`.
#[derive(Debug, PartialEq)]
enum Opt<'a> {
    NoNewPrivileges(bool),
    /// `unconfined`, `builtin`, or the path of a profile.
    Seccomp(&'a str),
    Unmasked,
    /// For a security module: what was asked, and whether that is nothing.
    Module(bool),
}

/// What `--privileged`, `--cap-add`, `--cap-drop` and `--security-opt` ask for.
pub fn security(job: &mut Job<'_>) -> Result<()> {
    let (parsed, security) = (job.parsed, &mut job.made.spec.security);
    security.privileged = parsed.on("privileged");
    capabilities(&parsed.all("cap-add"), "Add", &mut security.cap_add)?;
    capabilities(&parsed.all("cap-drop"), "Drop", &mut security.cap_drop)?;
    for text in parsed.all("security-opt") {
        match option(text)? {
            Opt::NoNewPrivileges(is_on) => security.no_new_privileges = is_on,
            Opt::Unmasked => security.unmasked = true,
            Opt::Seccomp("builtin") => security.seccomp = None,
            Opt::Seccomp(UNCONFINED) => security.seccomp = Some(UNCONFINED.to_owned()),
            Opt::Seccomp(path) => security.seccomp = Some(profile(path)?),
            Opt::Module(true) => {}
            Opt::Module(false) => {
                let note = ["--security-opt ", text, " has no effect: security modules of this host are not used"];
                job.made.notes.push(note.concat());
            }
        }
    }
    Ok(())
}

/// `CAP_X` or `ALL`, in order and each once. Docker's words for an unknown one begin with the name of its field.
fn capabilities(typed: &[&str], field: &str, all: &mut Vec<String>) -> Result<()> {
    for name in typed {
        let upper = name.to_ascii_uppercase();
        let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
        let full = match caps::capability(&upper) {
            Some(_) => ["CAP_", short].concat(),
            None if upper == "ALL" => upper,
            None => return Err(wrongs("invalid Cap{}: unknown capability: \"CAP_{}\"", &[field, short])),
        };
        if !all.contains(&full) {
            all.push(full);
        }
    }
    Ok(())
}

/// Reads `--security-opt`: `key=value`, or the old `key:value`.
fn option(text: &str) -> Result<Opt<'_>> {
    if text == "no-new-privileges" {
        return Ok(Opt::NoNewPrivileges(true));
    }
    let pair = text.split_once('=').or_else(|| text.split_once(':'));
    let why = match pair.unwrap_or_default() {
        _ if pair.is_none() => "it is not key=value",
        ("no-new-privileges", value) => match boolean(value) {
            Some(is_on) => return Ok(Opt::NoNewPrivileges(is_on)),
            None => "it is true or false",
        },
        ("seccomp", "") => "unconfined, builtin, or the path of a profile",
        ("seccomp", value) => return Ok(Opt::Seccomp(value)),
        ("systempaths", UNCONFINED) => return Ok(Opt::Unmasked),
        ("systempaths", _) => "it can only be unconfined",
        ("apparmor", value) => return Ok(Opt::Module(value == UNCONFINED)),
        ("label", value) => return Ok(Opt::Module(value == "disable")),
        _ => "known are no-new-privileges, seccomp, systempaths, apparmor, label",
    };
    Err(wrongs("invalid --security-opt: \"{}\": {}", &[text, why]))
}

/// The text of a seccomp profile.
fn profile(path: &str) -> Result<String> {
    let read = |path: &str| {
        let bytes = read_flag_file(path)?;
        String::from_utf8(bytes).map_err(|_| bad("it is not UTF-8"))
    };
    let text = read(path).map_err(|error| {
        let why = error.errno.map_or_else(|| error.what.clone(), mydocker::error::text);
        wrongs("opening seccomp profile ({}) failed: {}", &[path, &why])
    })?;
    seccomp::check(&text).map_err(|error| wrongs("{}: {}", &[path, &error.to_string()]))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn names_of_capabilities() {
        let read = |names: &[&str]| {
            let mut all = Vec::new();
            capabilities(names, "Add", &mut all).map_or_else(|error| error.to_string(), |()| all.join(" "))
        };
        assert_eq!(read(&["net_admin", "CAP_SYS_TIME", "cap_net_admin", "all"]), "CAP_NET_ADMIN CAP_SYS_TIME ALL");
        assert_eq!(read(&["BOGUS"]), "invalid CapAdd: unknown capability: \"CAP_BOGUS\"");
        assert_eq!(read(&["cap_bogus"]), "invalid CapAdd: unknown capability: \"CAP_BOGUS\"");
        assert_eq!(read(&["CHOWN", ""]), "invalid CapAdd: unknown capability: \"CAP_\"");
        assert_eq!(read(&["CAP_ALL\n"]), "invalid CapAdd: unknown capability: \"CAP_ALL\\n\"");
    }

    #[test]
    fn security_options() {
        for (typed, want) in [
            ("no-new-privileges", Opt::NoNewPrivileges(true)),
            ("no-new-privileges:true", Opt::NoNewPrivileges(true)),
            ("no-new-privileges=false", Opt::NoNewPrivileges(false)),
            ("seccomp=unconfined", Opt::Seccomp("unconfined")),
            ("seccomp:unconfined", Opt::Seccomp("unconfined")),
            ("seccomp=/a:b=c.json", Opt::Seccomp("/a:b=c.json")),
            ("systempaths=unconfined", Opt::Unmasked),
            ("apparmor=unconfined", Opt::Module(true)),
            ("apparmor=docker-default", Opt::Module(false)),
            ("label:disable", Opt::Module(true)),
            ("label=type:svirt_apache_t", Opt::Module(false)),
        ] {
            assert_eq!(option(typed).unwrap(), want, "{typed}");
        }
        for wrong in
            ["", "bogus", "foo=bar", "no-new-privileges=maybe", "seccomp", "seccomp=", "systempaths=x", "disable"]
        {
            let error = option(wrong).map(drop).unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid --security-opt: \"{wrong}\": ")), "{error}");
        }
    }
}
