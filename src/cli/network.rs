//! `network create`, `network ls`, `network rm`, `network prune`, `network connect`, `network disconnect`.

mod asked;
mod shown;

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
pub use shown::value;

use super::args::Parsed;
use super::decide::network::joins;
use super::filter::{self, Filter};
use super::prune::{self, Filters, Pruned};
use super::read::network as words;
use super::run::note_forwarding;
use super::shape::{picked, put_labels, put_string, put_text};
use super::{OK, complain, each, human, known_specs, open_store, print, print_list, read};
use mydocker::error::{Error, Result};
use mydocker::kernel::time;
use mydocker::life::{connect as rewire, network as life};
use mydocker::spec::Endpoint;
use mydocker::spec::json::Value;
use mydocker::spec::order;
use mydocker::store::networks::{self, DEFAULT, Network};
use mydocker::store::{Store, containers};
use mydocker::walls::net::bridge::forwards;

/// `network create NETWORK`
pub fn create(parsed: &Parsed) -> Result<u8> {
    let mut made = Network::default();
    asked::read(parsed, &mut made)?;
    let store = open_store()?;
    life::make(&store, &mut made)?;
    print(&format!("{}\n", made.id))?;
    Ok(OK)
}

/// docker's word for what makes a network.
pub fn driver(network: &Network) -> &'static str {
    match network.name.as_str() {
        "host" => "host",
        "none" => "null",
        _ => "bridge",
    }
}

/// All networks by name, the built-in ones among them. What is damaged is told of, and makes the exit code 1.
fn all(store: &Store, code: &mut u8) -> Result<Vec<Network>> {
    let (mut all, errors) = networks::all(store)?;
    for error in &errors {
        complain(error, code);
    }
    if !all.iter().any(|network| network.name == DEFAULT) {
        match life::find(store, DEFAULT) {
            Ok(network) => all.push(*network),
            Err(error) if errors.is_empty() => complain(&error, code),
            Err(_) => {} // told already
        }
    }
    for name in life::WITHOUT_BRIDGE {
        all.push(*life::without_bridge(name));
    }
    Ok(order::sorted(all, &|a, b| a.name < b.name))
}

/// The names of networks that containers are to be on, running or not.
fn used(store: &Store, code: &mut u8) -> Result<Vec<String>> {
    let mut used = Vec::new();
    for user in &known_specs(store, code)? {
        for endpoint in &user.endpoints {
            used.push(endpoint.network.clone());
        }
    }
    Ok(used)
}

fn fits(filter: &Filter, network: &Network, used: &[String]) -> bool {
    let is_built_in = networks::BUILT_IN.contains(&network.name.as_str());
    match filter.key {
        "name" => filter.matches(&network.name),
        "id" => filter.matches(&network.id),
        "driver" => filter.value == driver(network),
        "label" => read::has_label(&network.labels, &filter.value),
        "type" => (filter.value == "builtin") == is_built_in,
        "dangling" => (!is_built_in && !used.contains(&network.name)) == filter.wanted,
        _ => filter.value == "local",
    }
}

/// `network ls`
pub fn ls(parsed: &Parsed) -> Result<u8> {
    let (mut filters, mut keys) = (Vec::new(), Vec::new());
    for typed in &parsed.all("filter") {
        let filter = filter::parse(typed, "dangling driver id label name scope type")?;
        if filter.key == "type" && !matches!(filter.value.as_str(), "builtin" | "custom") {
            return Err(Error::new(format_args!("Invalid filter '{}': builtin or custom", human::escaped(typed))));
        }
        keys.push(filter.key);
        filters.push(filter);
    }
    let store = open_store()?;
    let mut code = OK;
    let (mut rows, mut ids) = (Vec::new(), String::new());
    let used = used(&store, &mut code)?;
    for network in &all(&store, &mut code)? {
        if filter::all_fit(&keys, &|at| fits(&filters[at], network, &used)) {
            let id = if parsed.on("no-trunc") { &network.id } else { human::short(&network.id) };
            ids.extend([id, "\n"]);
            rows.push(row(network, id));
        }
    }
    print_list(parsed, &ids, "table {{.ID}}\\t{{.Name}}\\t{{.Driver}}\\t{{.Scope}}", HEADERS, &rows)?;
    Ok(code)
}

/// The words over columns that differ from the names of the fields.
const HEADERS: &str = "ID NETWORK ID";

fn row(network: &Network, id: &str) -> Value {
    let mut o = picked("Scope - \"local\",IPv4 - \"true\",", &Value::Null);
    let created = match network.created {
        0 => "0001-01-01 00:00:00".to_owned(), // Go's time that nobody has set
        created => time::plain(created),
    };
    let truth = |is_true: bool| if is_true { "true" } else { "false" };
    put_text(&mut o, "ID", id);
    put_text(&mut o, "Name", &network.name);
    put_text(&mut o, "Driver", driver(network));
    put_text(&mut o, "IPv6", truth(network.subnet6.is_some()));
    put_text(&mut o, "Internal", truth(network.is_internal));
    put_labels(&mut o, &network.labels);
    put_string(&mut o, "CreatedAt", created + " +0000 UTC");
    Value::Object(o)
}

/// `network rm NETWORK…`
pub fn rm(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    each(&parsed.words, &mut |word| match life::remove(&store, word) {
        Ok(()) => Ok(word.to_owned()),
        Err(error) if parsed.on("force") && error.what == life::missing(word).what => Ok(String::new()),
        Err(error) => Err(error),
    })
}

/// What `network prune` removes.
pub const UNUSED: &str = "networks not used by at least one container";

/// `network prune`: networks that no container is to be on go away.
pub fn prune(parsed: &Parsed) -> Result<u8> {
    let filters = Filters::parse(parsed)?;
    if !prune::is_agreed(parsed, &format!("WARNING! This will remove all custom {UNUSED}."))? {
        return Ok(OK);
    }
    let store = open_store()?;
    let pruned = unused(&store, &filters)?;
    print(&pruned.list())?;
    Ok(pruned.code)
}

/// Removes the networks that no container is to be on.
pub fn unused(store: &Store, filters: &Filters<'_>) -> Result<Pruned> {
    let mut pruned = Pruned::new("Deleted Networks:");
    let used = used(store, &mut pruned.code)?;
    let (all, errors) = networks::all(store)?;
    for error in &errors {
        complain(error, &mut pruned.code);
    }
    for network in all {
        let is_kept = network.name == DEFAULT
            || used.contains(&network.name)
            || !filters.fit(network.created, Some(&network.labels));
        if is_kept {
            continue;
        }
        match life::remove(store, &network.name) {
            Ok(()) => pruned.deleted.push(network.name),
            Err(error) => complain(&error, &mut pruned.code),
        }
    }
    Ok(pruned)
}

/// `network connect NETWORK CONTAINER`
pub fn connect(parsed: &Parsed) -> Result<u8> {
    let mut endpoint = Endpoint::default();
    place(parsed, &mut endpoint)?;
    let store = open_store()?;
    let (network, container) = both(&store, parsed, false)?;
    if driver(&network) == "bridge" {
        joins(&store, &network.name, &mut endpoint).map_err(|error| error.exit(1))?;
    }
    let before = forwards();
    rewire::connect(&store, &container, &network, endpoint).map_err(|error| error.exit(1))?;
    note_forwarding(before);
    Ok(OK)
}

/// Fills in what the container wants to be on the network.
fn place(parsed: &Parsed, endpoint: &mut Endpoint) -> Result<()> {
    endpoint.ip = parsed.read("ip", |text| words::ip(text, false))?;
    endpoint.ip6 = parsed.read("ip6", |text| words::ip(text, true))?;
    endpoint.mac = parsed.read("mac-address", words::mac)?;
    parsed.each("alias", &mut |text| {
        endpoint.aliases.push(words::alias(text)?);
        Ok(())
    })
}

/// `network disconnect NETWORK CONTAINER`
pub fn disconnect(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let (network, container) = both(&store, parsed, true)?;
    rewire::disconnect(&store, &container, &network, parsed.on("force"))?;
    Ok(OK)
}

/// The network and the container that the two words stand for. A network that is gone can still be left.
fn both(store: &Store, parsed: &Parsed, is_left: bool) -> Result<(Box<Network>, containers::Container)> {
    let [name, word] = [parsed.word(0), parsed.word(1)];
    let found = life::find(store, name);
    let container = containers::find(store, word)?;
    if found.is_err() && is_left && networks::is_on(&container.spec, name) {
        let mut gone = Box::<Network>::default();
        name.clone_into(&mut gone.name);
        return Ok((gone, container));
    }
    Ok((found?, container))
}
