//! The verbs of networks.

use super::{flags, inspect, network};
use crate::cli::args::{MANY, Verb};

/// `network create`
pub const CREATE: Verb = Verb {
    text: "network create\n\
           [OPTIONS] NETWORK\n\
           Make a network\n\
           A range of addresses that is free is chosen, unless --subnet names one. A host's address in --subnet is the gateway's.\n\n\
           Example:\n  mydocker network create --subnet 192.168.10.1/24 testbridge && mydocker run --network testbridge busybox ip a",
    flags: flags::NETWORK_CREATE,
    words: (1, 1),
    stops: false,
    run: network::create,
};

/// `network ls`
pub const LS: Verb = Verb {
    text: "network ls,network list\n\
           [OPTIONS]\n\
           List networks",
    flags: flags::NETWORKS,
    words: (0, 0),
    stops: false,
    run: network::ls,
};

/// `network inspect`
pub const INSPECT: Verb = Verb {
    text: "network inspect\n\
           [OPTIONS] NETWORK [NETWORK...]\n\
           Tell everything about networks, as JSON",
    flags: flags::NETWORK_INSPECT,
    words: (1, MANY),
    stops: false,
    run: inspect::inspect,
};

/// `network rm`
pub const RM: Verb = Verb {
    text: "network rm,network remove\n\
           [OPTIONS] NETWORK [NETWORK...]\n\
           Remove networks\n\
           A network that a running container is on is not removed.",
    flags: flags::NETWORK_RM,
    words: (1, MANY),
    stops: false,
    run: network::rm,
};

/// `network prune`
pub const PRUNE: Verb = Verb {
    text: "network prune\n\
           [OPTIONS]\n\
           Remove all networks that no container is to be on",
    flags: flags::PRUNE,
    words: (0, 0),
    stops: false,
    run: network::prune,
};

/// `network connect`
pub const CONNECT: Verb = Verb {
    text: "network connect\n\
           [OPTIONS] NETWORK CONTAINER\n\
           Put a container, running or not, on one more network\n\
           Example:\n  mydocker network connect --alias db back box",
    flags: flags::NETWORK_CONNECT,
    words: (2, 2),
    stops: false,
    run: network::connect,
};

/// `network disconnect`
pub const DISCONNECT: Verb = Verb {
    text: "network disconnect\n\
           [OPTIONS] NETWORK CONTAINER\n\
           Take a container, running or not, off a network",
    flags: flags::NETWORK_DISCONNECT,
    words: (2, 2),
    stops: false,
    run: network::disconnect,
};
