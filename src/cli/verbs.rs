//! The verb table: names, words and what each does. What is said of them, and their flags, is in `help.txt`.

mod lookup;

pub use lookup::{find, group_help, groups, in_order, of_group, overview};

use super::args::{MANY, Parsed, Verb};
use super::oci;
use super::{
    attach, boot, bundle, check, completion, cp, diff, events, exec, finish, images, info, inspect, load, logs,
    network, ports, prune, ps, run, stats, system, top, update, volume,
};
use mydocker::error::Result;

/// Every verb, in the order in which help shows them: its spellings, fewest and most words, what it does.
pub static VERBS: &[Verb] = &[
    verb("run,container run", 0, MANY, run::run).stopping(),
    verb("create,container create", 0, MANY, run::create).stopping(),
    verb("start,container start", 1, MANY, run::start),
    verb("ps,container ls,container list,container ps", 0, 0, ps::ps),
    verb("logs,container logs", 1, 1, logs::logs),
    verb("attach,container attach", 1, 1, attach::attach),
    verb("exec,container exec", 2, MANY, exec::exec).stopping(),
    verb("top,container top", 1, MANY, top::top).stopping(),
    verb("stats,container stats", 0, MANY, stats::stats),
    verb("events,system events", 0, 0, events::events),
    verb("inspect", 1, MANY, inspect::inspect),
    verb("port,container port", 1, 2, ports::port),
    verb("stop,container stop", 1, MANY, finish::stop),
    verb("restart,container restart", 1, MANY, run::restart),
    verb("boot", 0, 0, boot::boot),
    verb("shutdown", 0, 0, boot::shutdown),
    verb("kill,container kill", 1, MANY, finish::kill),
    verb("pause,container pause", 1, MANY, finish::pause),
    verb("unpause,container unpause", 1, MANY, finish::unpause),
    verb("update,container update", 1, MANY, update::update),
    verb("rm,container rm,container remove", 1, MANY, finish::rm),
    verb("rename,container rename", 2, 2, finish::rename),
    verb("wait,container wait", 1, MANY, finish::wait),
    verb("cp,container cp", 2, 2, cp::cp),
    verb("diff,container diff", 1, 1, diff::diff),
    verb("commit,container commit", 1, 2, images::commit),
    verb("export,container export", 1, 1, images::export),
    verb("import,image import", 1, 2, images::import),
    verb("bundle", 1, MANY, bundle::bundle),
    verb("load,image load", 0, 0, load::load),
    verb("save,image save", 1, MANY, load::save),
    verb("images,image ls,image list", 0, 1, images::images),
    verb("history,image history", 1, 1, images::history),
    verb("tag,image tag", 2, 2, images::tag),
    verb("rmi,image rm,image remove", 1, MANY, images::rmi),
    verb("container inspect", 1, MANY, inspect::inspect),
    verb("container prune", 0, 0, prune::containers),
    verb("image inspect", 1, MANY, inspect::inspect),
    verb("image prune", 0, 0, prune::images),
    verb("network create", 1, 1, network::create),
    verb("network ls,network list", 0, 0, network::ls),
    verb("network inspect", 1, MANY, inspect::inspect),
    verb("network rm,network remove", 1, MANY, network::rm),
    verb("network prune", 0, 0, network::prune),
    verb("network connect", 2, 2, network::connect),
    verb("network disconnect", 2, 2, network::disconnect),
    verb("volume create", 0, 1, volume::create),
    verb("volume ls,volume list", 0, 0, volume::ls),
    verb("volume inspect", 1, MANY, inspect::inspect),
    verb("volume rm,volume remove", 1, MANY, volume::rm),
    verb("volume prune", 0, 0, volume::prune),
    verb("system df", 0, 0, system::df),
    verb("system prune", 0, 0, system::prune),
    verb("system check", 0, 0, system::check),
    verb("oci create", 1, 1, oci::create),
    verb("oci start", 1, 1, oci::start),
    verb("oci state", 1, 1, oci::state),
    verb("oci kill", 1, 2, oci::kill),
    verb("oci delete", 1, 1, oci::delete),
    verb("oci run", 1, 1, oci::run),
    verb("oci exec", 0, MANY, oci::exec).stopping(),
    verb("oci ps", 0, MANY, oci::ps).stopping(),
    verb("oci list", 0, 0, oci::list),
    verb("oci pause", 1, 1, oci::pause),
    verb("oci resume", 1, 1, oci::resume),
    verb("oci update", 1, 1, oci::update),
    verb("oci events", 1, 1, oci::events),
    verb("oci spec", 0, 0, oci::spec),
    verb("oci features", 0, 0, oci::features),
    verb("completion", 1, 1, completion::completion),
    verb("check", 0, 0, check::check),
    verb("info,system info", 0, 0, info::info),
    verb("version", 0, 0, info::version),
];

const fn verb(names: &'static str, min: u8, max: u8, run: fn(&Parsed) -> Result<u8>) -> Verb {
    Verb { names, words: (min, max), stops: false, run }
}

impl Verb {
    const fn stopping(self) -> Verb {
        Verb { stops: true, ..self }
    }
}
