//! The verbs of networks.

use super::{MANY, flags, inspect, network};
use crate::cli::args::Verb;

/// `network create`
pub const CREATE: Verb = Verb {
    name: "network create",
    aliases: &[],
    usage: "[OPTIONS] NETWORK",
    about: "Make a network",
    long: "A range of addresses that is free is chosen, unless --subnet names one. A host's address in --subnet is the gateway's.\n\n\
           Example:\n  mydocker network create --subnet 192.168.10.1/24 testbridge && mydocker run --network testbridge busybox ip a",
    flags: flags::NETWORK_CREATE,
    words: (1, 1),
    stops: false,
    run: network::create,
};

/// `network ls`
pub const LS: Verb = Verb {
    name: "network ls",
    aliases: &["network list"],
    usage: "[OPTIONS]",
    about: "List networks",
    long: "",
    flags: flags::NETWORKS,
    words: (0, 0),
    stops: false,
    run: network::ls,
};

/// `network inspect`
pub const INSPECT: Verb = Verb {
    name: "network inspect",
    aliases: &[],
    usage: "[OPTIONS] NETWORK [NETWORK...]",
    about: "Tell everything about networks, as JSON",
    long: "",
    flags: flags::NETWORK_INSPECT,
    words: (1, MANY),
    stops: false,
    run: inspect::inspect,
};

/// `network rm`
pub const RM: Verb = Verb {
    name: "network rm",
    aliases: &["network remove"],
    usage: "[OPTIONS] NETWORK [NETWORK...]",
    about: "Remove networks",
    long: "A network that a running container is on is not removed.",
    flags: flags::NETWORK_RM,
    words: (1, MANY),
    stops: false,
    run: network::rm,
};

/// `network prune`
pub const PRUNE: Verb = Verb {
    name: "network prune",
    aliases: &[],
    usage: "[OPTIONS]",
    about: "Remove all networks that no container is to be on",
    long: "",
    flags: flags::PRUNE,
    words: (0, 0),
    stops: false,
    run: network::prune,
};

/// `network connect`
pub const CONNECT: Verb = Verb {
    name: "network connect",
    aliases: &[],
    usage: "[OPTIONS] NETWORK CONTAINER",
    about: "Put a container, running or not, on one more network",
    long: "Example:\n  mydocker network connect --alias db back box",
    flags: flags::NETWORK_CONNECT,
    words: (2, 2),
    stops: false,
    run: network::connect,
};

/// `network disconnect`
pub const DISCONNECT: Verb = Verb {
    name: "network disconnect",
    aliases: &[],
    usage: "[OPTIONS] NETWORK CONTAINER",
    about: "Take a container, running or not, off a network",
    long: "",
    flags: flags::NETWORK_DISCONNECT,
    words: (2, 2),
    stops: false,
    run: network::disconnect,
};
