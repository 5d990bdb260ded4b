//! Kernel parameters of a container's namespaces. proc_sys(5)

use crate::error::{Result, Tried};
use crate::kernel::file;
use crate::spec::{Spec, text};

/// child, in its namespaces and still with the host's /proc: what is written there is of the writer's namespaces.
pub fn enter(spec: &Spec) -> Result<()> {
    for (key, value) in &spec.sysctls {
        let path = ["/proc/sys/", &text::replace(key, ".", "/")].concat();
        file::write_at(rustix::fs::CWD, &path, value).tried(format_args!("set the sysctl {key} to {value}"))?;
    }
    Ok(())
}
