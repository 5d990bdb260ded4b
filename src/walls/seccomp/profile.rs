//! Reads a profile: docker's format, with conditions on capabilities, architectures and the kernel, of which OCI's
//! (config-linux.md of the runtime specification, "Seccomp") is a part.
#![allow(clippy::unnecessary_box_returns)] // an error of `Read` is one word wide

use super::assembly::{INSTRUCTIONS_MAX, too_long};
use super::calls;
use super::machine::{self, Machine};
use super::rules::{
    ALLOW, Action, Condition, ERRNO, ERRNO_MAX, KILL_PROCESS, KILL_THREAD, LOG, NOTIFY, Op, Rule, Rules, TRACE, TRAP,
};
use crate::error::{Error, Result, escaped};
use crate::kernel::caps;
use crate::spec::json::tree::{self, Node, Read, Value, Wrong};
use crate::spec::text::is_alike;
use crate::spec::words;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// linux/seccomp.h, `SECCOMP_FILTER_FLAG_*`: every thread of the process (ours has one).
const FLAG_TSYNC: u32 = 1;
/// Everything but allowed calls goes into the audit log.
const FLAG_LOG: u32 = 2;
/// No mitigation of speculative store bypass for its own sake.
pub const FLAG_SPEC_ALLOW: u32 = 4;
/// Has a listener.
pub const FLAG_NEW_LISTENER: u32 = 8;
/// Who waits for its answer is woken by fatal signals only (Linux 5.19).
const FLAG_WAIT_KILLABLE: u32 = 32;
/// An errno that a profile does not name: EPERM.
const ERRNO_DEFAULT: u64 = 1;

/// A profile that was read and found right.
pub struct Profile {
    default: Action,
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
    /// Whether it is about 32-bit programs too.
    pub compat: bool,
    entries: Vec<Entry>,
    /// Who decides about calls with the action NOTIFY.
    pub listener: Listener,
}

/// Who decides about some calls: it gets a descriptor for that.
#[derive(Default)]
pub struct Listener {
    /// The path of its socket; empty for nobody.
    pub path: String,
    /// What it is told besides.
    pub metadata: String,
}

/// One element of `syscalls`.
struct Entry {
    calls: Vec<usize>,
    rules: Vec<Rule>,
    includes: When,
    excludes: When,
}

/// A condition of docker's format; what is empty does not count.
#[derive(Default)]
struct When {
    /// Whether the machine is among the architectures, if there are any.
    machine: Option<bool>,
    capabilities: u64,
    kernel: Option<(u32, u32)>,
}

impl Profile {
    /// Reads a profile for a machine. The error names line and column. `is_lenient`: calls that are unknown are passed over.
    pub fn read(text: &str, machine: &Machine, is_lenient: bool) -> Result<Self> {
        tree::read(text).and_then(|node| profile(&node, machine, is_lenient)).map_err(|wrong| {
            let (line, column) = tree::place(text, wrong.at);
            Error::new(format_args!("seccomp profile, line {line}, column {column}: {}", wrong.what)).exit(125)
        })
    }

    /// What it says to processes that can get these capabilities on this kernel.
    pub fn rules(&self, capabilities: u64, kernel: (u32, u32)) -> Result<Rules> {
        let mut rules = Rules::new(self.default);
        let mut conditional = 0;
        for entry in &self.entries {
            let When { machine, capabilities: caps, kernel: version } = entry.excludes;
            if machine == Some(true) || caps & capabilities != 0 || version.is_some_and(|version| kernel >= version) {
                continue;
            }
            let When { machine, capabilities: caps, kernel: version } = entry.includes;
            if machine == Some(false) || caps & !capabilities != 0 || version.is_some_and(|version| kernel < version) {
                continue;
            }
            if entry.rules.iter().any(|rule| !rule.conditions.is_empty()) {
                conditional += entry.calls.len().saturating_mul(entry.rules.len());
            }
            if conditional > INSTRUCTIONS_MAX {
                return Err(too_long()); // each takes an instruction at least, and memory before
            }
            for call in &entry.calls {
                for rule in &entry.rules {
                    rules.add(*call, rule.clone());
                }
            }
        }
        Ok(rules)
    }
}

type Fields<'a> = [(Cow<'a, str>, Node<'a>)];

fn wrong(node: &Node<'_>, what: String) -> Box<Wrong> {
    Box::new(Wrong { at: node.at, what })
}

/// The same for what a part of the profile is not, or what is not there.
fn is(node: &Node<'_>, name: &str, what: &str) -> Box<Wrong> {
    wrong(node, [name, " is ", what].concat())
}

fn unknown(node: &Node<'_>, what: &str, name: &str) -> Box<Wrong> {
    wrong(node, format!("unknown {what} \"{}\"", escaped(name)))
}

fn object<'n, 'a>(node: &'n Node<'a>, what: &str) -> Read<&'n Fields<'a>> {
    match &node.value {
        Value::Object(fields) => Ok(fields),
        _ => Err(is(node, what, "not an object")),
    }
}

/// A field by its name, in whatever case, as docker takes it. The last one counts; null is none.
fn field<'n, 'a>(fields: &'n Fields<'a>, name: &str) -> Option<&'n Node<'a>> {
    let (_, node) = fields.iter().rev().find(|(found, _)| is_alike(found, name))?;
    if matches!(node.value, Value::Null) { None } else { Some(node) }
}

fn text<'n>(node: &'n Node<'_>, what: &str) -> Read<&'n str> {
    match &node.value {
        Value::Text(text) => Ok(text),
        _ => Err(is(node, what, "not a string")),
    }
}

/// A field that must be there.
fn required<'n, 'a>(node: &Node<'_>, fields: &'n Fields<'a>, name: &str) -> Read<&'n Node<'a>> {
    field(fields, name).ok_or_else(|| is(node, name, "missing"))
}

/// The elements of a list that may be missing.
fn list<'n, 'a>(fields: &'n Fields<'a>, name: &str) -> Read<&'n [Node<'a>]> {
    match field(fields, name) {
        None => Ok(&[]),
        Some(Node { value: Value::List(nodes), .. }) => Ok(nodes),
        Some(node) => Err(is(node, name, "not a list")),
    }
}

fn number(fields: &Fields<'_>, name: &str, max: u64, default: u64) -> Read<u64> {
    let Some(node) = field(fields, name) else { return Ok(default) };
    let number = if let Value::Number(text) = node.value { text.parse().ok() } else { None };
    number.filter(|number| *number <= max).ok_or_else(|| wrong(node, format!("{name} is not a number from 0 to {max}")))
}

/// A word of a list of words; with `prefix` before it.
fn one_of<'n>(node: &'n Node<'_>, prefix: &str, words: &str, what: &str) -> Read<&'n str> {
    let name = text(node, what)?;
    match known(name, prefix, words) {
        Some(_) => Ok(&name[prefix.len()..]),
        None => Err(unknown(node, what, name)),
    }
}

/// The place of a name, which has the prefix, among these words.
fn known(name: &str, prefix: &str, words: &str) -> Option<usize> {
    words::place(words, name.strip_prefix(prefix)?)
}

fn profile(node: &Node<'_>, machine: &Machine, is_lenient: bool) -> Read<Profile> {
    let fields = object(node, "the profile")?;
    let default_node = required(node, fields, "defaultAction")?;
    let default = action(default_node, fields, "defaultErrnoRet")?;
    let listener = match field(fields, "listenerPath").filter(|_| is_lenient) {
        Some(node) => Listener {
            path: text(node, "listenerPath")?.into(),
            metadata: field(fields, "listenerMetadata").map_or(Ok(""), |node| text(node, "listenerMetadata"))?.into(),
        },
        None => Listener::default(),
    };
    let heard = |node: &Node<'_>, action: Action| {
        // Whoever starts a program must say a word itself, of the descriptor.
        let why = if listener.path.is_empty() { "nobody would listen" } else { "only for calls that are named" };
        let is_possible = action != NOTIFY || !listener.path.is_empty() && !core::ptr::eq(node, default_node);
        if is_possible { Ok(()) } else { Err(wrong(node, ["SCMP_ACT_NOTIFY is not possible: ", why].concat())) }
    };
    heard(default_node, default)?;
    let mut entries = Vec::new();
    for node in list(fields, "syscalls")? {
        let entry = entry(node, machine, is_lenient)?;
        entry.rules.iter().try_for_each(|rule| heard(node, rule.action))?;
        entries.push(entry);
    }
    Ok(Profile { default, flags: flags(fields)?, compat: covers_compat(fields, machine)?, entries, listener })
}

fn flags(fields: &Fields<'_>) -> Read<u32> {
    if field(fields, "flags").is_none() {
        return Ok(FLAG_SPEC_ALLOW); // what runc does when a profile says nothing
    }
    let mut flags = 0;
    for node in list(fields, "flags")? {
        flags |= match text(node, "flag")? {
            "SECCOMP_FILTER_FLAG_TSYNC" => FLAG_TSYNC,
            "SECCOMP_FILTER_FLAG_LOG" => FLAG_LOG,
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => FLAG_SPEC_ALLOW,
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => FLAG_WAIT_KILLABLE,
            other => return Err(unknown(node, "flag", other)),
        };
    }
    // With one thread there is nobody to synchronise with, and the kernel's answer would be a thread id in an error.
    Ok(flags & !FLAG_TSYNC)
}

/// Whether 32-bit programs of the machine are among the architectures. Its own programs always are.
fn covers_compat(fields: &Fields<'_>, machine: &Machine) -> Read<bool> {
    let name = |node| one_of(node, "SCMP_ARCH_", machine::NAMES, "architecture");
    let mut covers = false;
    let listed = list(fields, "architectures")?;
    for node in listed {
        covers |= name(node)? == machine.compat.name;
    }
    for node in list(fields, "archMap")? {
        if !listed.is_empty() {
            return Err(wrong(node, "there are architectures already; one of the two is enough".into()));
        }
        let fields = object(node, "an element of archMap")?;
        let ours = name(required(node, fields, "architecture")?)? == machine.native.name;
        for node in list(fields, "subArchitectures")? {
            covers |= name(node)? == machine.compat.name && ours;
        }
    }
    Ok(covers)
}

/// After `SCMP_ACT_`.
const ACTION_NAMES: &str = "KILL KILL_THREAD KILL_PROCESS TRAP ERRNO TRACE LOG ALLOW NOTIFY";
static ACTIONS: [Action; 9] = [KILL_THREAD, KILL_THREAD, KILL_PROCESS, TRAP, ERRNO, TRACE, LOG, ALLOW, NOTIFY];

/// An action. The field `errno` may have the errno that goes with it.
fn action(node: &Node<'_>, fields: &Fields<'_>, errno: &str) -> Read<Action> {
    let errno = number(fields, errno, ERRNO_MAX.into(), ERRNO_DEFAULT)? as u32;
    let name = text(node, "action")?;
    match known(name, "SCMP_ACT_", ACTION_NAMES).map(|at| ACTIONS[at]) {
        Some(action @ (ERRNO | TRACE)) => Ok(action | errno),
        Some(action) => Ok(action),
        None => Err(unknown(node, "action", name)),
    }
}

fn entry(node: &Node<'_>, machine: &Machine, is_lenient: bool) -> Read<Entry> {
    let fields = object(node, "an element of syscalls")?;
    let mut names = list(fields, "names")?;
    if let Some(name) = field(fields, "name").filter(|node| !matches!(&node.value, Value::Text(t) if t.is_empty())) {
        if !names.is_empty() {
            return Err(wrong(name, "there are names already; one of the two is enough".into()));
        }
        names = core::slice::from_ref(name);
    }
    let mut calls = Vec::with_capacity(names.len());
    for node in names {
        let name = text(node, "name")?;
        match calls::find(name) {
            Some(call) => calls.push(call),
            None if is_lenient => {}
            None => return Err(unknown(node, "system call", name)),
        }
    }
    if calls.is_empty() && (!is_lenient || names.is_empty()) {
        return Err(is(node, "names", "missing"));
    }
    let action = action(required(node, fields, "action")?, fields, "errnoRet")?;
    let mut conditions = Vec::new();
    for node in list(fields, "args")? {
        conditions.push(condition(node)?);
    }
    let includes = when(fields, "includes", machine)?;
    let excludes = when(fields, "excludes", machine)?;
    Ok(Entry { calls, rules: split(action, conditions), includes, excludes })
}

/// Conditions on different arguments must all hold. With two on the same argument each of them stands for itself: so runc
/// reads profiles, and theirs is the format.
fn split(action: Action, conditions: Vec<Condition>) -> Vec<Rule> {
    let mut seen = 0_u8;
    let mut twice = false;
    for condition in &conditions {
        let bit = 1 << condition.argument;
        twice |= seen & bit != 0;
        seen |= bit;
    }
    if !twice {
        return vec![Rule { action, conditions }];
    }
    conditions.into_iter().map(|one| Rule { action, conditions: vec![one] }).collect()
}

/// After `SCMP_CMP_`.
const OP_NAMES: &str = "NE LT LE EQ GE GT MASKED_EQ";
static OPS: [Op; 7] = [Op::Ne, Op::Lt, Op::Le, Op::Eq, Op::Ge, Op::Gt, Op::Masked];

fn condition(node: &Node<'_>) -> Read<Condition> {
    let fields = object(node, "an element of args")?;
    let name_node = required(node, fields, "op")?;
    let name = text(name_node, "op")?;
    let Some(op) = known(name, "SCMP_CMP_", OP_NAMES) else { return Err(unknown(name_node, "op", name)) };
    required(node, fields, "index")?;
    let argument = number(fields, "index", 5, 0)? as u8;
    required(node, fields, "value")?;
    Ok(Condition {
        argument,
        op: OPS[op],
        value: number(fields, "value", u64::MAX, 0)?,
        other: number(fields, "valueTwo", u64::MAX, 0)?,
    })
}

fn when(fields: &Fields<'_>, name: &str, machine: &Machine) -> Read<When> {
    let mut when = When::default();
    let Some(node) = field(fields, name) else { return Ok(when) };
    let fields = object(node, name)?;
    for node in list(fields, "arches")? {
        let ours = one_of(node, "", machine::WORDS, "architecture")? == machine.word;
        when.machine = Some(ours || when.machine == Some(true));
    }
    for node in list(fields, "caps")? {
        let name = text(node, "capability")?;
        // Here the names are whole, and in capitals.
        let is_plain = name.starts_with("CAP_") && !name.bytes().any(|b| b.is_ascii_lowercase());
        match caps::capability(name).filter(|_| is_plain) {
            Some(number) => when.capabilities |= 1 << number,
            None => return Err(unknown(node, "capability", name)),
        }
    }
    if let Some(node) = field(fields, "minKernel") {
        let version = text(node, "minKernel")?;
        let parts = version.split_once('.').and_then(|(one, two)| Some((one.parse().ok()?, two.parse().ok()?)));
        when.kernel = match parts {
            Some(parts) => Some(parts),
            None => return Err(wrong(node, format!("minKernel \"{}\" is not like \"4.8\"", escaped(version)))),
        };
    }
    Ok(when)
}
