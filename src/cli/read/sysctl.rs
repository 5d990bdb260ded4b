//! `--sysctl`: kernel parameters that belong to a namespace.

use super::{nth, wrongs};
use alloc::borrow::ToOwned;
use alloc::string::String;
use mydocker::error::Result;

/// Parameters of an ipc namespace besides `fs.mqueue.*`. ipc_namespaces(7)
const IPC: &str = "kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shm_rmid_forced kernel.shmall \
                   kernel.shmmax kernel.shmmni";

/// The namespace that a kernel parameter belongs to.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Scope {
    /// `net.*`
    Network,
    /// System V and POSIX message queues, shared memory, semaphores.
    Ipc,
    /// The NIS domain name.
    Uts,
}

/// One `--sysctl`.
#[derive(Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// With dots: `net.ipv4.ip_forward`.
    pub key: String,
    /// What is written.
    pub value: String,
    /// Where it counts.
    pub scope: Scope,
}

/// Reads `key=value`.
pub fn sysctl(text: &str) -> Result<Sysctl> {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let (key, value) = text.split_once('=').unwrap_or_default();
    let (scope, why) = if !text.contains('=') {
        (None, "it is not key=value")
    } else if !key.split('.').all(is_word) {
        (None, "its name is not words of letters, digits, '_' and '-' between dots")
    } else if value.contains(|c: char| c.is_control() && c != '\t') {
        (None, "control characters in its value")
    } else if key == "kernel.hostname" {
        (None, "the name of the host is set with --hostname")
    } else if key == "kernel.domainname" {
        (Some(Scope::Uts), "")
    } else if nth(IPC, key).is_some() || key.starts_with("fs.mqueue.") {
        (Some(Scope::Ipc), "")
    } else if key.starts_with("net.") {
        (Some(Scope::Network), "")
    } else {
        (None, "it is not in a separate kernel namespace, it would change the host")
    };
    match scope {
        Some(scope) => Ok(Sysctl { key: key.to_owned(), value: value.to_owned(), scope }),
        None => Err(wrongs("sysctl '{}' is not allowed: {}", &[text, why])),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;
    use crate::cli::human::visible;
    use alloc::format;

    #[test]
    fn sysctls() {
        for (typed, value, scope) in [
            ("net.ipv4.ip_forward=1", "1", Scope::Network),
            ("net.ipv4.ping_group_range=0 2147483647", "0 2147483647", Scope::Network),
            ("kernel.sem=1\t2\t3\t4", "1\t2\t3\t4", Scope::Ipc),
            ("fs.mqueue.msg_max=100", "100", Scope::Ipc),
            ("kernel.domainname=a=b", "a=b", Scope::Uts),
        ] {
            let read = sysctl(typed).unwrap();
            assert_eq!((read.value.as_str(), read.scope), (value, scope), "{typed}");
            assert!(typed.starts_with(&format!("{}=", read.key)));
        }
        for (typed, why) in [
            ("", "not key=value"),
            ("net.ipv4.ip_forward", "not key=value"),
            ("=1", "words of letters"),
            ("net.=1", "words of letters"),
            ("net..ipv4=1", "words of letters"),
            ("net.ipv4/../../kernel.core_pattern=x", "words of letters"),
            ("/net.x=1", "words of letters"),
            ("net.a\n=1", "words of letters"),
            ("net.a=1\n2", "control characters"),
            ("kernel.hostname=x", "--hostname"),
            ("vm.max_map_count=262144", "separate kernel namespace"),
            ("kernel.core_pattern=|/bin/sh", "separate kernel namespace"),
            ("kernel.semx=1", "separate kernel namespace"),
            ("fs.mqueue=1", "separate kernel namespace"),
            ("network.x=1", "separate kernel namespace"),
        ] {
            let error = text(sysctl(typed));
            assert!(error.starts_with(&format!("sysctl '{}' is not allowed: ", visible(typed))), "{error}");
            assert!(error.contains(why), "{error}");
        }
    }
}
