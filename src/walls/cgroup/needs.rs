//! What this host has of cgroups, tried out with a group of its own.

use super::place::{Place, hierarchies};
use super::setter::Setter;
use super::{Joined, open, rules, v1, v2, values};
use crate::error::Result;
use crate::kernel::file;
use crate::spec::Spec;
use crate::spec::words;
use alloc::string::String;
use rustix::fd::AsFd;

/// What was found.
#[derive(Default)]
pub struct Trial {
    /// Whether it is version 2.
    pub is_v2: bool,
    /// Whether it is mounted nowhere, but for us.
    pub is_own: bool,
    /// The flags that cannot be had for want of a controller, with their dashes.
    pub missing: String,
    /// Whether the kernel checks every opening of a device node here.
    pub filters_devices: bool,
}

/// Anyone: makes the groups of a container, for a process to join. The caller releases, also after an error. Nothing is
/// passed on to them (v2): that would stay.
pub fn try_out(spec: &Spec, trial: &mut Trial) -> Result<Joined> {
    let place = Place::of(spec);
    let rules = rules::of(spec)?.unwrap_or_default();
    let mut given = String::new();
    for hierarchy in &hierarchies()? {
        let group = hierarchy.make(place)?;
        given.push(' ');
        if hierarchy.v2 {
            (trial.is_v2, trial.is_own) = (true, hierarchy.own.is_some());
            given.push_str(file::read_text(&[&hierarchy.path, "/cgroup.controllers"].concat())?.trim_end());
            given.push_str(if file::exists_at(group.dir.as_fd(), "cgroup.freeze") { " freezer" } else { "" });
            trial.filters_devices = v2::filter_devices(&group, &rules, false);
            continue;
        }
        if hierarchy.has("cpuset") {
            v1::fill_cpuset(&Setter { hierarchy, place, group: &group }, v1::has_cpuset(&spec.limits))?;
        }
        if hierarchy.has("memory") && !file::exists_at(group.dir.as_fd(), "memory.memsw.limit_in_bytes") {
            trial.missing.push_str(" --memory-swap"); // swapaccount=1 on the kernel's command line
        }
        trial.filters_devices |= hierarchy.has("devices") && v1::filter_devices(&group, &rules, false).is_ok();
        for controller in hierarchy.controllers.split(',') {
            given.extend([controller, " "]);
        }
    }
    for (controller, flags) in values::NEEDS {
        let other = if trial.is_v2 && controller == "blkio" { "io" } else { controller };
        for flag in flags.split(' ').filter(|_| !words::has(&given, other)) {
            trial.missing.extend([" --", flag]);
        }
    }
    trial.missing.push_str(if words::has(&given, "freezer") { "" } else { " pause" });
    open(place)
}
