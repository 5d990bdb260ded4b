//! Kernel parameters of a container's namespaces. proc_sys(5)

use crate::error::{Result, Tried};
use crate::kernel::file;
use crate::spec::map::Map;
use crate::spec::text;
use alloc::string::String;

/// child, in its namespaces and still with the host's /proc: what is written there is of the writer's namespaces.
pub fn enter(parameters: &Map<String, String>) -> Result<()> {
    for (key, value) in parameters {
        let path = ["/proc/sys/", &text::replace(key, ".", "/")].concat();
        file::write_at(rustix::fs::CWD, &path, value).tried(format_args!("set the sysctl {key} to {value}"))?;
    }
    Ok(())
}
