//! What docker's objects look like as text: the order of their keys, and which ones are left out.

use super::human::{behind, part};
use super::inspect::moment;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use mydocker::spec::json::tree;
use mydocker::spec::json::{self, Array, Number, Object, Value};
use mydocker::spec::map::Map;
use mydocker::spec::text;

/// The keys of docker's structures in its order. An object that has only such keys is a structure, any other one a map.
const ORDER: &str = "Id Status RepoTags RepoDigests Parent Comment Created DockerVersion Author Path Args State \
    Running Paused Restarting OOMKilled Dead Pid Start End ExitCode Error StartedAt FinishedAt Output Health FailingStreak \
    Log Hostname Domainname User AttachStdin AttachStdout AttachStderr ExposedPorts Tty OpenStdin StdinOnce Env Cmd \
    Healthcheck Test Interval Timeout StartPeriod StartInterval Retries Image Volumes WorkingDir Entrypoint \
    Bridge SandboxID HairpinMode LinkLocalIPv6Address LinkLocalIPv6PrefixLen Ports SandboxKey SecondaryIPAddresses \
    SecondaryIPv6Addresses IPAMConfig Links Aliases NetworkID EndpointID Gateway IPAddress IPPrefixLen IPv6Gateway \
    GlobalIPv6Address GlobalIPv6PrefixLen MacAddress DriverOpts DNSNames Networks HostIp HostPort OnBuild Labels \
    StopSignal StopTimeout Shell ResolvConfPath HostnamePath HostsPath LogPath Type Data Name Hard Soft MaximumRetryCount \
    RestartCount Source Destination Driver Mode RW Propagation Platform MountLabel ProcessLabel AppArmorProfile ExecIDs \
    HostConfig GraphDriver SizeRw SizeRootFs Mounts Config NetworkSettings Architecture Os Size RootFS Layers Metadata \
    PathOnHost PathInContainer CgroupPermissions";
/// The same for networks, where the name comes first.
const ORDER_OF_NETWORKS: &str = "Name Id Created Scope Driver EnableIPv4 EnableIPv6 IPAM Internal Attachable Ingress \
    ConfigFrom ConfigOnly Containers Options Config Labels Subnet IPRange Gateway AuxiliaryAddresses EndpointID MacAddress IPv4Address \
    IPv6Address";
/// Keys that are left out of the JSON when their value is empty.
const LEFT_OUT: &str = "Health Healthcheck Interval Timeout StartPeriod StartInterval Retries StopSignal StopTimeout Name \
    Driver Tmpfs Sysctls SizeRw SizeRootFs Init IPRange AuxiliaryAddresses ExposedPorts";
/// Keys of lists and maps that are `null` in the JSON when they are empty.
const NULL: &str = "ExecIDs Binds VolumesFrom CapAdd CapDrop ExtraHosts GroupAdd Links SecurityOpt DeviceCgroupRules \
    DeviceRequests Env Cmd Volumes Entrypoint OnBuild IPAMConfig Aliases DNSNames";
/// Keys of maps: what these do not have is no mistake.
const MAPS: &str =
    "Labels Ports Networks ExposedPorts Volumes PortBindings Tmpfs Sysctls Options Data Attributes Containers";

/// Whether a word is one of those between blanks.
pub use mydocker::spec::words::has as is_in;

/// Whether what is behind this key is a map.
pub fn is_map(key: &str) -> bool {
    is_in(MAPS, key)
}

/// The fields of a structure in docker's order; `None` for a map.
pub fn fields(object: &Object) -> Option<Vec<(&str, &Value)>> {
    if object.len() < 2 {
        return None;
    }
    for order in [ORDER, ORDER_OF_NETWORKS] {
        let found: Vec<_> = order.split(' ').filter_map(|key| Some((key, object.get(key)?))).collect();
        if found.len() == object.len() {
            return Some(found);
        }
    }
    None
}

/// Appends the value as JSON: on one line, or with this many levels of four spaces before each line.
pub fn write(out: &mut String, value: &Value, level: Option<usize>) {
    let inner = level.map(|level| level + 1);
    let line = |out: &mut String, level: Option<usize>| {
        if let Some(level) = level {
            out.push('\n');
            out.extend(core::iter::repeat_n("    ", level));
        }
    };
    match value {
        Value::Array(all) if !all.is_empty() => {
            for (at, value) in all.iter().enumerate() {
                out.push(if at == 0 { '[' } else { ',' });
                line(out, inner);
                write(out, value, inner);
            }
            line(out, level);
            out.push(']');
        }
        Value::Object(all) => {
            let fields = fields(all).unwrap_or_else(|| all.iter().map(|(key, value)| (key.as_str(), value)).collect());
            let mut mark = '{';
            // An image's configuration is the one structure that leaves out whatever is empty.
            let is_lean = all.contains_key("Shell");
            for (key, value) in fields {
                if is_empty(value) && (is_lean || is_in(LEFT_OUT, key)) {
                    continue;
                }
                out.push(mark);
                mark = ',';
                line(out, inner);
                out.push_str(&json::to_string(key));
                out.push_str(if level.is_some() { ": " } else { ":" });
                let is_null =
                    matches!(value, Value::Array(_) | Value::Object(_)) && is_empty(value) && is_in(NULL, key);
                write(out, if is_null { &Value::Null } else { value }, inner);
            }
            if mark == '{' {
                out.push_str("{}");
            } else {
                line(out, level);
                out.push('}');
            }
        }
        other => out.push_str(&json::to_string(other)),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(Number::U64(number)) => *number == 0,
        Value::String(text) => text.is_empty(),
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        _ => false,
    }
}

/// The object that a JSON text of ours is.
pub fn object(json: &str) -> Object {
    match tree::value(json) {
        Some(Value::Object(object)) => object,
        _ => Object::new(), // what we wrote ourselves is one
    }
}

/// An object with the rows of a table, each ended by a comma: `Key path`, or `Key path DEFAULT` (JSON) for what is not in
/// the record, or null there. The path leads through the objects of the record, `.` is the record itself. With `@` in front
/// nanoseconds become a time; with paths in braces it is a text, empty if one of them leads to nothing.
/// `Key path(rows)` is an object picked from where the path leads, or a list of such objects where that is a list.
/// Much smaller than a line of code for each field.
pub fn picked(mut table: &str, record: &Value) -> Object {
    rows(&mut table, record)
}

/// The rows up to the bracket that ends them, or all.
fn rows(table: &mut &str, record: &Value) -> Object {
    let mut object = Object::new();
    while let Some((end, mark)) = table.bytes().enumerate().find(|(_, byte)| matches!(byte, b',' | b'(' | b')')) {
        let row = part(table, 0, end);
        *table = behind(table, end + 1);
        if mark == b')' {
            break;
        }
        let mut words = row.splitn(3, ' ');
        let (key, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut value = if mark == b'(' { section(table, find(record, path)) } else { field(record, path) };
        if let (Value::Null, Some(default)) = (&value, words.next()) {
            value = tree::value(default).unwrap_or(Value::Null);
        }
        put(&mut object, key, value);
    }
    object
}

fn section(table: &mut &str, of: &Value) -> Value {
    let start = *table;
    let object = Value::Object(rows(table, of));
    match of {
        Value::Null => Value::Null,
        Value::Array(list) => {
            let mut all = Array::new();
            for item in list {
                all.push(Value::Object(picked(start, item)));
            }
            Value::Array(all)
        }
        _ => object,
    }
}

fn field(record: &Value, path: &str) -> Value {
    if !path.contains('{') {
        return match find(record, path.trim_start_matches('@')) {
            Value::Number(Number::U64(at)) if path.starts_with('@') => Value::String(moment(*at as i64)),
            found => found.clone(),
        };
    }
    let mut text = String::new();
    for part in path.split('{') {
        let after = match part.split_once('}') {
            None => part,
            Some((path, after)) => {
                match find(record, path) {
                    Value::String(found) if !found.is_empty() => text.push_str(found),
                    number @ Value::Number(_) => text.push_str(&json::to_string(number)),
                    _ => return Value::String(String::new()),
                }
                after
            }
        };
        text.push_str(after);
    }
    Value::String(text)
}

static NOTHING: Value = Value::Null;

fn find<'a>(record: &'a Value, path: &str) -> &'a Value {
    let mut found = record;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        found = match found {
            Value::Object(object) => object.get(name).unwrap_or(&NOTHING),
            _ => &NOTHING,
        };
    }
    found
}

// Calls are small; a list of many fields that is built in place is not.

/// Puts a field into an object.
#[inline(never)]
pub fn put(object: &mut Object, key: &str, value: Value) {
    object.insert(key.to_owned(), value);
}

/// Puts a text into an object.
#[inline(never)]
pub fn put_text(object: &mut Object, key: &str, text: &str) {
    put(object, key, Value::String(text.to_owned()));
}

/// Puts a text into an object that nobody else needs.
#[inline(never)]
pub fn put_string(object: &mut Object, key: &str, text: String) {
    put(object, key, Value::String(text));
}

/// Appends a word to a list with commas between the words.
pub fn add_word(list: &mut String, word: &str) {
    text::add(list, ",", word);
}

/// Puts labels into an object, as docker's lists have them: `a=b,c=d`.
pub fn put_labels(object: &mut Object, labels: &Map<String, String>) {
    let mut list = String::new();
    for (key, value) in labels {
        add_word(&mut list, key);
        list.extend(["=", value]);
    }
    put_string(object, "Labels", list);
}

/// Puts a whole number into an object.
#[inline(never)]
pub fn put_number(object: &mut Object, key: &str, number: i64) {
    put(object, key, Value::Number(u64::try_from(number).map_or(Number::I64(number), Number::U64)));
}

/// Puts a truth value into an object.
#[inline(never)]
pub fn put_flag(object: &mut Object, key: &str, flag: bool) {
    put(object, key, Value::Bool(flag));
}

/// Puts a list of texts into an object.
#[inline(never)]
pub fn put_texts(object: &mut Object, key: &str, texts: &[String]) {
    let mut all = Array::new();
    for text in texts {
        all.push(Value::String(text.clone()));
    }
    put(object, key, Value::Array(all));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_and_maps() {
        let text = r#"{"Name":"","MaximumRetryCount":0,"Type":"bind"}"#;
        let Some(structure) = tree::value(text) else { panic!() };
        let mut out = String::new();
        write(&mut out, &structure, None);
        assert_eq!(out, r#"{"Type":"bind","MaximumRetryCount":0}"#);
        let Some(map) = tree::value(r#"{"b":[],"Name":"x","Env":[],"Labels":{}}"#) else { panic!() };
        out.clear();
        write(&mut out, &map, Some(0));
        assert_eq!(out, "{\n    \"Env\": null,\n    \"Labels\": {},\n    \"Name\": \"x\",\n    \"b\": []\n}");
    }

    #[test]
    fn each_key_has_one_place() {
        for order in [ORDER, ORDER_OF_NETWORKS] {
            let mut keys: Vec<&str> = order.split(' ').collect();
            assert!(keys.iter().all(|key| !key.is_empty()));
            keys.sort_unstable();
            assert!(keys.is_sorted_by(|a, b| a < b));
        }
    }
}
