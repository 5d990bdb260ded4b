//! Which device nodes a container may make and open: from the record to rules, and from rules to what the kernel takes:
//! lines for the v1 controller, a program for v2.

use crate::error::{Error, Result, Tried, escaped};
use crate::kernel::bpf::Instruction;
use crate::kernel::{at, file};
use crate::spec::schema::Value;
use crate::spec::{Device, Spec};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, CWD, FileType, Stat, statat};

/// Nodes that one `--device DIRECTORY` may stand for.
const NODES_MAX: usize = 4096;
/// How deep such a directory may be.
const DEPTH_MAX: usize = 8;

const MAKE: u8 = 1;
const READ: u8 = 2;
const WRITE: u8 = 4;
const ALL: u8 = MAKE | READ | WRITE;

/// The two kinds of device nodes; the numbers are v2's (`BPF_DEVCG_DEV_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Block = 1,
    Char = 2,
}

/// Devices that may be made or opened. What no rule allows is denied; one rule must allow all that is wanted at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    kind: Kind,
    /// `None` is every one.
    major: Option<u32>,
    minor: Option<u32>,
    /// Some of [`MAKE`], [`READ`] and [`WRITE`]: the bits of v2 (`BPF_DEVCG_ACC_*`).
    access: u8,
}

/// docker's default: every node may be made, only these may be opened. (docker opens 5:1 too, the host's console; a
/// container's console is a terminal of its own, 136:*.)
const DEFAULT: [Rule; 10] = [
    Rule { kind: Kind::Char, major: None, minor: None, access: MAKE },
    Rule { kind: Kind::Block, major: None, minor: None, access: MAKE },
    Rule { kind: Kind::Char, major: Some(1), minor: Some(3), access: ALL }, // null
    Rule { kind: Kind::Char, major: Some(1), minor: Some(5), access: ALL }, // zero
    Rule { kind: Kind::Char, major: Some(1), minor: Some(7), access: ALL }, // full
    Rule { kind: Kind::Char, major: Some(1), minor: Some(8), access: ALL }, // random
    Rule { kind: Kind::Char, major: Some(1), minor: Some(9), access: ALL }, // urandom
    Rule { kind: Kind::Char, major: Some(5), minor: Some(0), access: ALL }, // tty
    Rule { kind: Kind::Char, major: Some(5), minor: Some(2), access: ALL }, // ptmx
    Rule { kind: Kind::Char, major: Some(136), minor: None, access: ALL },  // terminals
];

/// The rules of a container; `None` for a privileged one, which has none.
pub fn of(spec: &Spec) -> Result<Option<Vec<Rule>>> {
    if spec.security.privileged {
        return Ok(None);
    }
    let mut rules = DEFAULT.to_vec();
    for device in &spec.devices {
        add_device(&mut rules, device)?;
    }
    for text in &spec.device_rules {
        for rule in parse(text)? {
            add(&mut rules, rule);
        }
    }
    Ok(Some(rules))
}

/// The rules of a bundle: whether what they do not name is allowed, and those that say otherwise. Later ones are stronger, and
/// at the end stand runc's own, so that the usual devices can always be used. The list that comes out is what the kernel's v1
/// controller would have, also where a program stands for it. But what that silently passes over, a rule that takes something
/// out of the middle of a wider one, is refused.
pub fn of_bundle(asked: Value<'_>) -> Result<(bool, Vec<Rule>)> {
    let (mut rest, mut rules) = (false, Vec::new());
    for (n, rule) in asked.list().enumerate() {
        let number = |field| match rule.at(field).number() {
            None | Some(-1) => Some(None),
            Some(number) => u32::try_from(number).ok().map(Some),
        };
        let kinds: &[Kind] = match rule.at("type").word() {
            "" | "a" => &[Kind::Block, Kind::Char],
            "b" => &[Kind::Block],
            "c" | "u" => &[Kind::Char],
            _ => &[],
        };
        let allow = rule.at("allow").is_true();
        let access = match rule.at("access").word() {
            "" => Some(ALL),
            text => access(text),
        };
        let (Some(major), Some(minor), Some(access), false) =
            (number("major"), number("minor"), access, kinds.is_empty())
        else {
            let why = "give a type of a, b or c, numbers, and some of r, w and m as access";
            return Err(Error::new(format_args!("linux.resources.devices: rule {n} is none: {why}")));
        };
        if let (2, None, None, ALL) = (kinds.len(), major, minor, access) {
            rest = allow;
            rules.clear();
            continue;
        }
        for kind in kinds {
            change(&mut rules, Rule { kind: *kind, major, minor, access }, allow != rest)?;
        }
    }
    // Where all is allowed, making nodes is, too, unless it was forbidden for some.
    for rule in DEFAULT.iter().filter(|rule| !rest || rule.access == ALL) {
        change(&mut rules, *rule, !rest)?;
    }
    Ok((rest, rules))
}

/// Adds a rule to a list, or takes what it names off the list.
fn change(rules: &mut Vec<Rule>, rule: Rule, adds: bool) -> Result<()> {
    if adds {
        add(rules, rule);
        return Ok(());
    }
    let covers = |one: Option<u32>, other| one.is_none() || one == other;
    for other in rules.iter_mut().filter(|other| other.kind == rule.kind && other.access & rule.access != 0) {
        let (majors, minors) = ((rule.major, other.major), (rule.minor, other.minor));
        if covers(majors.0, majors.1) && covers(minors.0, minors.1) {
            other.access &= !rule.access;
        } else if [majors, minors].iter().all(|(one, other)| covers(*one, *other) || covers(*other, *one)) {
            let (one, other) = (rule.line(), other.line());
            let why = format!("\"{one}\" cannot be an exception to \"{other}\", which is for more devices");
            return Err(Error::new(format_args!("linux.resources.devices: not possible here: {why}")));
        }
    }
    rules.retain(|rule| rule.access != 0);
    Ok(())
}

/// A rule for the same devices as another one adds to what that allows, as in the kernel's own list.
fn add(rules: &mut Vec<Rule>, rule: Rule) {
    let same = |other: &&mut Rule| (other.kind, other.major, other.minor) == (rule.kind, rule.major, rule.minor);
    match rules.iter_mut().find(same) {
        Some(other) => other.access |= rule.access,
        None => rules.push(rule),
    }
}

/// `rwm` in any order, each at most once.
fn access(text: &str) -> Option<u8> {
    let mut access = 0;
    for letter in text.bytes() {
        let bit = match letter {
            b'r' => READ,
            b'w' => WRITE,
            b'm' => MAKE,
            _ => return None,
        };
        if access & bit != 0 {
            return None;
        }
        access |= bit;
    }
    (access != 0).then_some(access)
}

/// `c 10:200 rwm`. An `a` stands for both kinds: the kernel's own would ignore the numbers behind it.
fn parse(text: &str) -> Result<Vec<Rule>> {
    let numbers = |text: &str| match text {
        "*" => Some(None),
        _ if text.bytes().all(|b| b.is_ascii_digit()) => text.parse::<u32>().ok().map(Some),
        _ => None,
    };
    let read = || {
        let mut words = text.split(' ');
        let (kind, device, allowed) = (words.next()?, words.next()?, words.next()?);
        let (major, minor) = device.split_once(':')?;
        let (major, minor, access) = (numbers(major)?, numbers(minor)?, access(allowed)?);
        let kinds: &[Kind] = match kind {
            "a" => &[Kind::Block, Kind::Char],
            "b" => &[Kind::Block],
            "c" => &[Kind::Char],
            _ => return None,
        };
        let mut rules = Vec::new();
        for kind in kinds {
            rules.push(Rule { kind: *kind, major, minor, access });
        }
        words.next().is_none().then_some(rules)
    };
    read().ok_or_else(|| {
        let text = escaped(text);
        Error::new(format_args!(
            "invalid device cgroup rule '{text}': write it like 'c 10:200 rwm', with a, b or c in front"
        ))
    })
}

fn add_device(rules: &mut Vec<Rule>, device: &Device) -> Result<()> {
    let source = &device.source;
    let cannot = || {
        let source = escaped(source);
        format!("error gathering device information while adding custom device \"{source}\"")
    };
    let access = access(&device.access)
        .ok_or_else(|| Error::new(format_args!("{}: invalid mode {}", cannot(), escaped(&device.access))))?;
    let stat = at::stat(CWD, source, AtFlags::empty()).tried_with(cannot)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        let rule = node(&stat, access).ok_or_else(|| Error::new(format_args!("{}: not a device node", cannot())))?;
        add(rules, rule);
        return Ok(());
    }
    // Every node below the directory; what is no node is passed over, and no link is followed.
    let mut dirs = alloc::vec![(source.clone(), 0)];
    let mut nodes_left = NODES_MAX;
    while let Some((path, depth)) = dirs.pop() {
        let dir = file::open_dir(&path)?;
        for (name, _) in file::entries(dir.as_fd())? {
            let Ok(stat) = statat(&dir, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) else { continue }; // it has just gone
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory && depth < DEPTH_MAX {
                dirs.push((format!("{path}/{}", name.to_string_lossy()), depth + 1));
            }
            let Some(rule) = node(&stat, access) else { continue };
            nodes_left = nodes_left
                .checked_sub(1)
                .ok_or_else(|| Error::new(format_args!("{}: more than {NODES_MAX} devices in it", cannot())))?;
            add(rules, rule);
        }
    }
    Ok(())
}

fn node(stat: &Stat, access: u8) -> Option<Rule> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::BlockDevice => Kind::Block,
        FileType::CharacterDevice => Kind::Char,
        _ => return None,
    };
    let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    Some(Rule { kind, major: Some(major), minor: Some(minor), access })
}

impl Rule {
    /// The rule for `devices.allow` of v1: `c 1:3 rwm`. Documentation/admin-guide/cgroup-v1/devices.rst
    pub fn line(&self) -> String {
        let kind = if self.kind == Kind::Char { 'c' } else { 'b' };
        let number = |n: Option<u32>| n.map_or("*".into(), |n| n.to_string());
        let mut line = format!("{kind} {}:{} ", number(self.major), number(self.minor));
        for (bit, letter) in [(READ, 'r'), (WRITE, 'w'), (MAKE, 'm')] {
            if self.access & bit != 0 {
                line.push(letter);
            }
        }
        line
    }
}

/// The rules as a program of type `BPF_PROG_TYPE_CGROUP_DEVICE`: it answers 1 for yes and 0 for no.
/// With `rest` it says yes to all that the rules do not name any part of, else only to what one of them names all of.
/// linux/bpf.h, `struct bpf_cgroup_dev_ctx`: access and kind (the upper and the lower 16 bits), major, minor.
pub fn program(rules: &[Rule], rest: bool) -> Vec<Instruction> {
    const ANSWER: u8 = 0;
    const CONTEXT: u8 = 1; // what it points to is read first; then the register is free
    const FREE: u8 = 1;
    const KIND: u8 = 2;
    const ACCESS: u8 = 3;
    const MAJOR: u8 = 4;
    const MINOR: u8 = 5;
    let mut program = alloc::vec![
        Instruction::load(KIND, CONTEXT, 0),
        Instruction::load(MAJOR, CONTEXT, 4),
        Instruction::load(MINOR, CONTEXT, 8),
        Instruction::copy(ACCESS, KIND),
        Instruction::shift_right(ACCESS, 16),
        Instruction::and(KIND, 0xffff),
    ];
    for rule in rules {
        let is_partial = rule.access != ALL;
        // A test that fails skips what is left of this rule.
        let mut left = 1 + i16::from(rule.major.is_some()) + i16::from(rule.minor.is_some());
        left += if is_partial { 5 + i16::from(rest) } else { 2 };
        for (register, wanted) in [(KIND, Some(rule.kind as u32)), (MAJOR, rule.major), (MINOR, rule.minor)] {
            if let Some(wanted) = wanted {
                left -= 1;
                program.push(Instruction::skip_unless(register, wanted as i32, left));
            }
        }
        if is_partial {
            program.push(Instruction::copy(FREE, ACCESS));
            program.push(Instruction::and(FREE, i32::from(if rest { rule.access } else { ALL & !rule.access })));
            if rest {
                program.push(Instruction::skip_unless(FREE, 0, 1));
                program.push(Instruction::skip_unless(KIND, 0, 2)); // always: there is no such kind
            } else {
                program.push(Instruction::skip_unless(FREE, 0, 2));
            }
        }
        program.push(Instruction::set(ANSWER, i32::from(!rest)));
        program.push(Instruction::exit());
    }
    program.push(Instruction::set(ANSWER, i32::from(rest)));
    program.push(Instruction::exit());
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::bpf;

    fn one(text: &str) -> Rule {
        let rules = parse(text).unwrap();
        assert_eq!(rules.len(), 1);
        rules[0]
    }

    /// What the kernel would do with the program.
    fn answer(program: &[Instruction], kind: Kind, access: u8, major: u32, minor: u32) -> u64 {
        let context = [u32::from(access) << 16 | kind as u32, major, minor];
        let mut registers = [0u64; 11];
        let mut at = 0;
        for _ in 0..100_000 {
            let Instruction { code, registers: which, offset, number } = program[at];
            let (to, from) = (usize::from(which & 15), usize::from(which >> 4));
            at += 1;
            match code {
                bpf::LOAD => {
                    assert_eq!(from, 1, "only the context is memory");
                    registers[to] = u64::from(context[offset as usize / 4]);
                }
                bpf::SET => registers[to] = number as u64,
                bpf::COPY => registers[to] = registers[from],
                bpf::AND => registers[to] &= number as u64,
                bpf::SHIFT_RIGHT => registers[to] >>= number,
                bpf::SKIP_UNLESS if registers[to] != number as u64 => at += offset as usize,
                bpf::SKIP_UNLESS => {}
                bpf::EXIT => return registers[0],
                other => panic!("{other:#x}"),
            }
        }
        panic!("it does not end")
    }

    #[test]
    fn rules_as_docker_writes_them() {
        let rule = |kind, major, minor, access| Rule { kind, major, minor, access };
        assert_eq!(one("c 10:200 rwm"), rule(Kind::Char, Some(10), Some(200), ALL));
        assert_eq!(one("b *:* r"), rule(Kind::Block, None, None, READ));
        assert_eq!(one("c 189:* mw"), rule(Kind::Char, Some(189), None, MAKE | WRITE));
        let both = parse("a *:* rwm").unwrap();
        assert_eq!(both, [rule(Kind::Block, None, None, ALL), rule(Kind::Char, None, None, ALL)]);
        for bad in
            ["", "c", "c 1:3", "c 1:3 ", "c 1:3 rr", "c 1:3 x", "d 1:3 r", "c 1 r", "c 1:+3 r", "c 1:3 r ", "c -1:3 r"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_of_v1() {
        assert_eq!(one("c 10:200 mwr").line(), "c 10:200 rwm");
        assert_eq!(one("b *:7 m").line(), "b *:7 m");
        assert_eq!(DEFAULT[9].line(), "c 136:* rwm");
    }

    #[test]
    fn same_devices_are_one_rule() {
        let mut rules = Vec::new();
        for text in ["c 1:2 r", "c 1:2 w", "b 1:2 r", "c 1:* r"] {
            add(&mut rules, one(text));
        }
        let lines: Vec<String> = rules.iter().map(Rule::line).collect();
        assert_eq!(lines, ["c 1:2 rw", "b 1:2 r", "c 1:* r"]);
    }

    #[test]
    fn nodes_of_the_host() {
        let device = |source: &str| Device { source: source.into(), target: "/x".into(), access: "rw".into() };
        let mut rules = Vec::new();
        add_device(&mut rules, &device("/dev/null")).unwrap();
        assert_eq!(rules[0].line(), "c 1:3 rw");
        let mut all = Vec::new();
        add_device(&mut all, &device("/dev")).unwrap();
        assert!(all.contains(&rules[0]));
        for (path, why) in [("/nosuch", "no such file"), ("/etc/passwd", "not a device node")] {
            let error = add_device(&mut rules, &device(path)).unwrap_err();
            assert!(format!("{error}").contains(why), "{error}");
        }
    }

    #[test]
    fn the_program_decides_as_the_rules_say() {
        let mut rules = DEFAULT.to_vec();
        for text in ["c 10:200 rw", "b 8:* r", "b *:3 w"] {
            add(&mut rules, one(text));
        }
        let program = program(&rules, false);
        for kind in [Kind::Block, Kind::Char] {
            for access in 0..=ALL {
                for major in [0, 1, 5, 8, 10, 136, 4095] {
                    for minor in [0, 1, 2, 3, 5, 8, 200, 0xfffff] {
                        let is = |wanted: Option<u32>, have| wanted.is_none_or(|wanted| wanted == have);
                        let allows = |r: &Rule| {
                            r.kind == kind && is(r.major, major) && is(r.minor, minor) && access & !r.access == 0
                        };
                        let expected = u64::from(rules.iter().any(allows));
                        assert_eq!(answer(&program, kind, access, major, minor), expected, "{major}:{minor} {access}");
                    }
                }
            }
        }
    }

    #[test]
    fn without_rules_nothing_is_allowed() {
        assert_eq!(answer(&program(&[], false), Kind::Char, READ, 1, 3), 0);
        let all = program(&parse("a *:* rwm").unwrap(), false);
        assert_eq!(answer(&all, Kind::Block, ALL, 8, 0), 1);
    }

    /// A rule of a bundle.
    struct Asked {
        allow: bool,
        kind: String,
        major: Option<i64>,
        minor: Option<i64>,
        access: Option<String>,
    }

    fn asked(text: &str) -> Asked {
        let mut words = text.split(' ');
        let allow = words.next() == Some("+");
        let kind = words.next().unwrap().into();
        let mut numbers = words.next().unwrap_or("*:*").split(':').map(|number| number.parse().ok());
        let (major, minor) = (numbers.next().unwrap(), numbers.next().unwrap());
        Asked { allow, kind, major, minor, access: words.next().map(Into::into) }
    }

    fn of_asked(asked: &[Asked]) -> Result<(bool, Vec<Rule>)> {
        let mut json = String::from("[");
        for (at, rule) in asked.iter().enumerate() {
            json += if at == 0 { "" } else { "," };
            json.extend(["{\"allow\":", &rule.allow.to_string(), ",\"type\":\"", &rule.kind, "\""]);
            for (name, number) in [("major", rule.major), ("minor", rule.minor)] {
                json += &number.map_or_else(String::new, |number| format!(",\"{name}\":{number}"));
            }
            json += &rule.access.as_ref().map_or_else(String::new, |access| format!(",\"access\":\"{access}\""));
            json.push('}');
        }
        json.push(']');
        of_bundle(Value::of(&json))
    }

    fn bundle(texts: &[&str]) -> core::result::Result<(bool, Vec<String>), String> {
        let asked: Vec<Asked> = texts.iter().map(|text| asked(text)).collect();
        of_asked(&asked)
            .map(|(rest, rules)| (rest, rules.iter().map(Rule::line).collect()))
            .map_err(|error| format!("{error}"))
    }

    #[test]
    fn lists_of_bundles() {
        let usual: Vec<String> = DEFAULT.iter().map(Rule::line).collect();
        assert_eq!(bundle(&[]), Ok((false, usual.clone())));
        assert_eq!(bundle(&["- a"]), Ok((false, usual.clone())));
        assert_eq!(bundle(&["+ a", "- a *:* mrw"]), Ok((false, usual)));
        assert_eq!(bundle(&["- a", "+ a"]), Ok((true, Vec::new())));
        assert_eq!(bundle(&["- a", "+ c 10:200", "- c 10:200 w"]).unwrap().1[0], "c 10:200 rm");
        assert_eq!(bundle(&["- a", "+ b 8:1 r", "+ c 10:2", "- a 8:* rwm"]).unwrap().1[0], "c 10:2 rwm");
        assert_eq!(bundle(&["+ a *:7"]).unwrap().1[..2], ["b *:7 rwm", "c *:7 rwm"]);
        // What is always allowed leaves the list of what is not.
        assert_eq!(bundle(&["+ a", "- c 1:3 rw", "- b 8:*"]), Ok((true, ["b 8:* rwm".into()].into())));
        for hole in [&["+ c 10:*", "- c 10:1 r"][..], &["+ c 10:*", "- c *:1 r"], &["+ a", "- c *:* w"]] {
            let error = bundle(hole).unwrap_err();
            assert!(error.starts_with("linux.resources.devices: not possible here: "), "{error}");
        }
        for bad in ["+ p 1:1", "+ c 1:-2", "+ c 1:4294967296", "+ c 1:1 x", "+ c 1:1 rr"] {
            assert_eq!(bundle(&["- a", bad]).unwrap_err().split(':').nth(1), Some(" rule 1 is none"), "{bad}");
        }
    }

    /// Rules one after the other, each for all of what it names, are what a list of them says.
    #[test]
    fn the_program_decides_as_a_bundle_asks() {
        let lists: [&[&str]; 4] = [
            &["+ c 10:* r", "+ c 10:200", "+ b 8:1", "- b 8:* w", "- c 10:200 m"],
            &["+ a", "- b", "+ b 8:*"],
            &["+ a", "- b 8:* w", "- c 10:200 m", "- c 4:* rw", "+ c *:* r"],
            &["+ b 8:1", "+ a", "- a 10:200"],
        ];
        for (n, list) in lists.iter().enumerate() {
            let wanted: Vec<Asked> = list.iter().map(|text| asked(text)).collect();
            let Ok((rest, rules)) = of_asked(&wanted) else {
                assert_eq!(n, 1, "only one of them has a hole");
                continue;
            };
            let program = program(&rules, rest);
            for kind in [Kind::Block, Kind::Char] {
                for bit in [MAKE, READ, WRITE] {
                    for major in [0, 1, 4, 8, 10, 136] {
                        for minor in [0, 1, 3, 200] {
                            let is = |wanted: Option<i64>, have: u32| wanted.is_none_or(|n| n == i64::from(have));
                            let mut expected = 0;
                            for rule in &wanted {
                                let letter = if kind == Kind::Block { "b" } else { "c" };
                                let kinds = rule.kind.as_str();
                                let bits = rule.access.as_deref().map_or(Some(ALL), access).unwrap();
                                if (kinds == "a" || kinds == letter)
                                    && is(rule.major, major)
                                    && is(rule.minor, minor)
                                    && bits & bit != 0
                                {
                                    expected = u64::from(rule.allow);
                                }
                            }
                            let usual = |r: &&Rule| !rest || r.access == ALL;
                            for r in DEFAULT.iter().filter(usual) {
                                let matches = r.kind == kind
                                    && r.major.is_none_or(|n| n == major)
                                    && r.minor.is_none_or(|n| n == minor);
                                if matches && r.access & bit != 0 {
                                    expected = 1;
                                }
                            }
                            let got = answer(&program, kind, bit, major, minor);
                            assert_eq!(got, expected, "{n}: {kind:?} {major}:{minor} {bit}");
                        }
                    }
                }
            }
        }
        // What is partly denied is not allowed.
        let (rest, rules) = of_asked(&[asked("+ a"), asked("- b 8:0 w")]).unwrap();
        let program = program(&rules, rest);
        assert_eq!([READ, WRITE, ALL].map(|access| answer(&program, Kind::Block, access, 8, 0)), [1, 0, 0]);
    }
}
