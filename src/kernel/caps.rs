//! The names of capabilities. capabilities(7), linux/capability.h

/// Every capability that Linux has; the index is its number.
pub static CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The number of a capability by its name: any case, `CAP_` may be left out.
pub fn capability(name: &str) -> Option<u32> {
    let alike = |known: &&str| known.eq_ignore_ascii_case(name) || known["CAP_".len()..].eq_ignore_ascii_case(name);
    CAPABILITIES.iter().position(alike).map(|bit| bit as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, bit) in [("CAP_CHOWN", 0), ("net_admin", 12), ("cap_sys_Time", 25), ("CHECKPOINT_RESTORE", 40)] {
            assert_eq!(capability(name), Some(bit), "{name}");
        }
        for wrong in ["", "CAP_", "BOGUS", "ALL", "CAP_CAP_CHOWN", " CHOWN"] {
            assert_eq!(capability(wrong), None, "{wrong}");
        }
    }
}
