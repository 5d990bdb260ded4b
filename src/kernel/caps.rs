//! The names of capabilities. capabilities(7), linux/capability.h

use crate::spec::text::is_alike;

/// Every capability that Linux has, without `CAP_`, in the order of their numbers.
pub const NAMES: &str = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE \
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT \
    SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE \
    AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ \
    PERFMON BPF CHECKPOINT_RESTORE";
/// How many that are.
pub const COUNT: usize = 41;

/// The number of a capability by its name: any case, `CAP_` may be left out.
pub fn capability(name: &str) -> Option<u32> {
    let short = match name.split_at_checked("CAP_".len()) {
        Some((prefix, short)) if is_alike(prefix, "CAP_") => short,
        _ => name,
    };
    NAMES.split(' ').position(|known| is_alike(known, short)).map(|bit| bit as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(NAMES.split(' ').count(), COUNT);
        for (name, bit) in [("CAP_CHOWN", 0), ("net_admin", 12), ("cap_sys_Time", 25), ("CHECKPOINT_RESTORE", 40)] {
            assert_eq!(capability(name), Some(bit), "{name}");
        }
        for wrong in ["", "CAP_", "BOGUS", "ALL", "CAP_CAP_CHOWN", " CHOWN"] {
            assert_eq!(capability(wrong), None, "{wrong}");
        }
    }
}
