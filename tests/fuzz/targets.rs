//! What is tried: each target takes bytes, and tells in a few words what became of them. What must always hold is asserted.

use crate::mutate::Random;
use mydocker::error::Result;
use mydocker::kernel::io::Source;
use mydocker::kernel::{file, hex};
use mydocker::life::log;
use mydocker::spec::ip;
use mydocker::spec::record::{self, Part};
use mydocker::spec::{Spec, State};
use mydocker::store::archive::{place, plan};
use mydocker::store::images::{self, Image};
use mydocker::store::networks::Network;
use mydocker::store::tar::{self, BLOCK_BYTES, Entry, Parser, Step};
use mydocker::store::unpack::{self, Limits};
use mydocker::store::volumes::Volume;
use mydocker::store::{self, bundle, gzip, reference};
use mydocker::walls::seccomp;
use rustix::fd::{AsFd, AsRawFd};
use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

/// A parser and how to get far into it.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]) -> String,
    /// Puts right what would stop every changed input at the door.
    pub mend: fn(&mut [u8], &mut Random),
    /// Words that mean something to it.
    pub words: &'static [&'static str],
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "true",
    "false",
    "\\u0000",
    "\\ud800",
    "\\",
    "1e999",
    "-",
    "{}",
    "[[[[[[[[",
    "\"type\":\"layers\"",
    "\"diff_ids\":[",
    "\"sha256:",
    "\"Labels\":{",
    "\"version\":1",
    "\"names\":[\"read\"]",
    "\"action\":\"SCMP_ACT_ALLOW\"",
    "\"defaultAction\":",
    "\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]",
];

const PAX: &[&str] = &[
    "path=",
    "linkpath=",
    "size=",
    "uid=",
    "gid=",
    "mtime=",
    "SCHILY.xattr.user.a=",
    "SCHILY.xattr.",
    "GNU.sparse.major=1",
    "GNU.sparse.minor=0",
    "GNU.sparse.name=",
    "GNU.sparse.realsize=",
    "GNU.sparse.size=",
    "GNU.sparse.map=0,1,2,3",
    "GNU.sparse.offset=",
    "GNU.sparse.numbytes=",
    "../",
    "/",
    ".wh.",
    ".wh..wh..opq",
    "ustar\x0000",
    "ustar  \0",
    "\n",
    "system.posix_acl_default",
    "security.capability",
];

const ARCHIVE: &[&str] = &[
    "\n%%index.json\n",
    "\n%%manifest.json\n",
    "\n%%blob\n",
    "@1@",
    "@2@",
    "#1#",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "null",
    "18446744073709551615",
    "\"digest\":\"sha256:@1@\"",
    "\"manifests\":[",
    "\"mediaType\":\"application/vnd.oci.image.index.v1+json\"",
    "\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\"",
    "\"Layers\":[\"../../etc/passwd\"]",
    "\"RepoTags\":[\"a:b\"]",
    "\"annotations\":{\"org.opencontainers.image.ref.name\":\"x\"}",
];

const BUNDLE: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "\"images\":[",
    "\"config\":\"\",\"id\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
    "\"layers\":[",
    "\"offset\":",
    "\"length\":",
    "\"entry\":[\"-it\"]",
    "\"program_length\":64",
    "18446744073709551615",
    "-1",
];

const NETWORK: &[&str] = &[
    "{",
    "}",
    "\"",
    "null",
    "\"subnet\":\"10.0.0.0/8\"",
    "\"subnet\":\"0.0.0.0/0\"",
    "\"subnet6\":\"fd00::/64\"",
    "\"gateway6\":\"::1\"",
    "255.255.255.255",
    "/32",
    "/128",
    "::ffff:1.2.3.4",
];

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "tar", run: tar, mend: seal, words: PAX },
    Target { name: "unpack", run: unpack, mend: seal, words: PAX },
    Target { name: "stream", run: stream, mend: leave, words: &["\x1f\u{8b}\x08", "(\u{b5}/\u{fd}", "\0\0"] },
    Target { name: "image", run: image, mend: leave, words: JSON },
    Target { name: "record", run: |input| document(input, Spec::default), mend: leave, words: JSON },
    Target { name: "state", run: |input| document(input, || *State::created()), mend: leave, words: JSON },
    Target { name: "volume", run: |input| document(input, Volume::default), mend: leave, words: JSON },
    Target { name: "network", run: network, mend: leave, words: NETWORK },
    Target {
        name: "address",
        run: address,
        mend: leave,
        words: &["::", ":", "::ffff:", "1.2.3.4", "0", "255", "fe80"],
    },
    Target { name: "archive", run: archive, mend: leave, words: ARCHIVE },
    Target { name: "bundle", run: carried, mend: leave, words: BUNDLE },
    Target { name: "seccomp", run: profile, mend: leave, words: JSON },
    Target {
        name: "reference",
        run: name,
        mend: leave,
        words: &["/", ":", "@sha256:", ".", "localhost", "docker.io/library/"],
    },
    Target {
        name: "log",
        run: line,
        mend: leave,
        words: &["stdout", "stderr", " F ", " P ", "2024-01-01T00:00:00.000000000Z"],
    },
];

/// A network's record, and what is reckoned with its ranges.
fn network(input: &[u8]) -> String {
    let shape = document(input, Network::default);
    let mut network = Network::default();
    if !std::str::from_utf8(input).is_ok_and(|text| record::from_json(&mut network, text)) {
        return shape;
    }
    let four = network.subnet();
    let six = network.subnet6().ok().flatten();
    for range in [four.ok(), six].into_iter().flatten() {
        assert!(range.nth(0).is_some_and(|first| range.contains(first) && range.position(first) == 0));
        assert!(range.nth(range.last()).is_some_and(|last| range.contains(last)));
        assert!(range.overlaps(&range));
    }
    let _ = (network.gateway(false), network.gateway(true), network.option("x"));
    shape
}

/// An IP address: as the standard library reads and writes it.
fn address(input: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(input) else { return "no text".to_owned() };
    let wanted: Option<IpAddr> = text.parse().ok();
    assert_eq!(ip::read(text), wanted, "{text:?}");
    wanted.map_or_else(
        || "no address".to_owned(),
        |wanted| {
            assert_eq!(ip::text(wanted), wanted.to_string());
            text.chars().map(|c| if c.is_ascii_hexdigit() { 'x' } else { c }).collect()
        },
    )
}

fn leave(_: &mut [u8], _: &mut Random) {}

/// Gives most headers their right sum.
fn seal(input: &mut [u8], random: &mut Random) {
    for block in input.as_chunks_mut::<BLOCK_BYTES>().0 {
        if block[257..262] == *b"ustar" && random.below(50) > 0 {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

/// The headers of an archive, and each written and read again.
fn tar(input: &[u8]) -> String {
    let mut shape = String::new();
    let mut parser = Parser::default();
    let mut blocks = input.chunks(BLOCK_BYTES);
    while let Some(chunk) = blocks.next() {
        let mut block = [0; BLOCK_BYTES];
        block[..chunk.len()].copy_from_slice(chunk);
        match parser.block(&block) {
            Err(error) => return shape + &error.to_string(),
            Ok(Step::More) => shape.push('.'),
            Ok(Step::Zeros) => shape.push('0'),
            Ok(Step::Entry(entry)) => {
                let _ = write!(shape, "{}{}", letter(&entry), u8::from(entry.regions.is_some()));
                assert!(!tar::shown(&entry.name).contains(|c: char| c.is_control()));
                if let Ok(path) = tar::path(&entry.name) {
                    assert!(path.split(|b| *b == b'/').all(|part| part != b".." && part != b"."), "{path:?}");
                }
                again(&entry);
                for _ in 0..entry.stored.div_ceil(BLOCK_BYTES as u64).min(input.len() as u64) {
                    let _ = blocks.next(); // an archive may end early
                }
            }
        }
    }
    shape
}

fn letter(entry: &Entry) -> char {
    (b'a' + tar_kind(entry)) as char
}

fn tar_kind(entry: &Entry) -> u8 {
    use tar::Kind::{BlockDevice, CharDevice, Directory, Fifo, File, HardLink, Other, Symlink};
    match entry.kind {
        File => 0,
        HardLink => 1,
        Symlink => 2,
        CharDevice => 3,
        BlockDevice => 4,
        Directory => 5,
        Fifo => 6,
        Other(_) => 7,
    }
}

/// What we write of an entry, we read as the same.
fn again(entry: &Entry) {
    let mut bytes = Vec::new();
    if tar::emit(entry, &mut bytes).is_err() {
        return; // too large for us
    }
    let mut parser = Parser::default();
    let mut back = None;
    for block in bytes.as_chunks::<BLOCK_BYTES>().0 {
        match parser.block(block).unwrap() {
            Step::Entry(entry) => back = Some(*entry),
            _ => assert!(back.is_none()),
        }
    }
    let back = back.expect("no entry");
    let is_text = |text: &[u8]| !text.contains(&0);
    // A NUL ends a name in a header; a file whose name ends with a slash is a directory; other types are taken as they come.
    if is_text(&entry.name) && is_text(&entry.link) && tar_kind(entry) < 7 {
        assert!(back.name == entry.name && back.link == entry.link, "{:?}", tar::shown(&entry.name));
        assert!((back.mode, back.uid, back.gid, back.stored) == (entry.mode, entry.uid, entry.gid, entry.stored));
        assert!(back.mtime == entry.mtime && back.xattrs == entry.xattrs);
    }
}

/// A whole archive, into a directory. Needs root, as the thing itself does.
fn unpack(input: &[u8]) -> String {
    if !rustix::process::geteuid().is_root() {
        return "not root".to_owned();
    }
    let around = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-unpack-{}-tree", std::process::id()));
    let inside = around.join("inside");
    let _ = std::fs::remove_dir_all(&around); // the last one may have been killed
    std::fs::create_dir_all(&inside).unwrap();
    std::fs::write(around.join("canary"), b"alive").unwrap();
    let dir = file::open_dir(inside.to_str().unwrap()).unwrap();
    let limits = Limits { bytes_max: 1 << 20, entries_max: 1000, ..Limits::default() };
    let mut source = input;
    let got = unpack::unpack(&mut source, dir.as_fd(), &limits);
    assert_eq!(std::fs::read(around.join("canary")).unwrap(), b"alive");
    assert_eq!(std::fs::read_dir(&around).unwrap().count(), 2, "something appeared beside the directory");
    std::fs::remove_dir_all(&around).unwrap();
    match got {
        Ok(got) => format!("{} left out, {} opaque", "l".repeat(got.left_out.len()), "o".repeat(got.opaque.len())),
        Err(error) => error.to_string().chars().filter(char::is_ascii_lowercase).take(60).collect(),
    }
}

/// Whatever is compressed.
fn stream(input: &[u8]) -> String {
    let read = |piece: usize| -> Result<usize> {
        let mut source = Pieces(input, piece);
        let mut plain = gzip::open(&mut source, 200)?;
        let (mut all, mut buf) = (0, [0; 5000]);
        loop {
            match plain.read(&mut buf)? {
                0 => return Ok(all),
                n if all > 4 << 20 => return Ok(all + n),
                n => all += n,
            }
        }
    };
    let (whole, pieces) = (read(usize::MAX), read(7));
    match (whole, pieces) {
        (Ok(whole), Ok(pieces)) => {
            assert_eq!(whole, pieces);
            format!("fine {}", "x".repeat(whole.checked_ilog2().map_or(0, |n| n as usize + 1)))
        }
        (Err(whole), Err(pieces)) => {
            assert_eq!(whole.to_string(), pieces.to_string());
            whole.to_string()
        }
        (whole, pieces) => panic!("{whole:?} in one piece, {pieces:?} in many"),
    }
}

struct Pieces<'a>(&'a [u8], usize);

impl Source for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = buf.len().min(self.1);
        self.0.read(&mut buf[..n])
    }
}

/// A JSON document that is ours: what is read is written as what is read again.
fn document<T: Part>(input: &[u8], fresh: fn() -> T) -> String {
    let Ok(text) = std::str::from_utf8(input) else { return "not text".to_owned() };
    let (mut read, mut again) = (fresh(), fresh());
    if !record::from_json(&mut read, text) {
        return "no".to_owned();
    }
    let written = record::to_json(&read);
    assert!(record::from_json(&mut again, &written), "we cannot read what we write: {written}");
    assert_eq!(record::to_json(&again), written);
    format!("yes {}", "x".repeat(written.len() / 64))
}

fn image(input: &[u8]) -> String {
    let outcome = document(input, Image::default);
    if let Some(image) = std::str::from_utf8(input).ok().and_then(images::parse)
        && let Ok(ids) = image.diff_ids()
    {
        assert!(ids.iter().all(|id| id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit())));
        return format!("{outcome} {}", "l".repeat(ids.len()));
    }
    outcome
}

fn profile(input: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(input) else { return "not text".to_owned() };
    match seccomp::check(text) {
        Err(error) => {
            assert!(!error.to_string().contains(|c: char| c.is_control()), "{error:?}");
            error.to_string()
        }
        Ok(()) => match seccomp::compile(Some(text), 0, (6, 1)) {
            Ok(filter) => format!("fine {}", filter.lets_begin()),
            Err(error) => format!("checked, but {error}"),
        },
    }
}

fn name(input: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(input) else { return "not text".to_owned() };
    match reference::parse(text) {
        Err(error) => error.to_string().replace(text, "it"),
        Ok(one) => {
            let same = |other: Option<reference::Reference>| other.is_some_and(|other| other.text() == one.text());
            assert!(same(reference::parse(&one.text()).ok()), "{text:?} is {:?}", one.text());
            let file = one.file_name();
            assert!(!file.contains('/') && file != "." && file != ".." && file.len() < 256, "{file:?}");
            assert!(same(reference::Reference::from_file_name(&file)), "{file:?}");
            format!("fine {}", one.text().matches(['/', ':', '.', '@']).collect::<String>())
        }
    }
}

fn line(input: &[u8]) -> String {
    match log::parse(input) {
        None => "no".to_owned(),
        Some(record) => {
            assert_eq!(record.time.len(), 30);
            format!("{} {}", record.is_stderr, record.is_whole)
        }
    }
}

/// The documents of an image archive: files, each after a line `%%NAME`; `%%blob` is called by its digest, as a layout has
/// it. `@2@` and `#2#` stand for the digest and the size of the file that comes two files later.
fn archive(input: &[u8]) -> String {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-archive-{}-tree", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir); // the last one may have been killed
    let blobs = dir.join("layout/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let text = String::from_utf8_lossy(input);
    let mut later: Vec<(String, usize)> = Vec::new(); // the nearest is the last
    for file in text.split("\n%%").take(50).collect::<Vec<_>>().into_iter().rev() {
        let (name, content) = file.split_once('\n').unwrap_or(("", file));
        let mut content = content.to_owned();
        for (at, (digest, size)) in later.iter().rev().enumerate().take(9) {
            content = content.replace(&format!("@{}@", at + 1), digest);
            content = content.replace(&format!("#{}#", at + 1), &size.to_string());
        }
        let digest = hex::sha256(content.as_bytes());
        match name {
            "index.json" | "manifest.json" | "oci-layout" => std::fs::write(dir.join("layout").join(name), &content),
            _ => std::fs::write(blobs.join(&digest), &content),
        }
        .unwrap();
        later.push((digest, content.len()));
    }
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let store = store::open(&path("store"), &path("run")).unwrap();
    let layout = file::open_dir(&path("layout")).unwrap();
    let place = place::open(&store, layout, &Limits::default(), &mut |_| {}).unwrap();
    let planned = plan::plan(&place);
    let outcome = match planned {
        Err(error) => {
            let error = error.to_string();
            assert!(!error.contains(|c: char| c.is_control()), "{error:?}");
            plain(&error)
        }
        Ok(all) => {
            let layers: usize = all.iter().map(|image| image.layers.len()).sum();
            let names: usize = all.iter().map(|image| image.names.len()).sum();
            format!("fine {} {} {}", "i".repeat(all.len()), "l".repeat(layers), "n".repeat(names))
        }
    };
    std::fs::remove_dir_all(&dir).unwrap();
    outcome
}

/// The words of an error without what it quotes.
fn plain(error: &str) -> String {
    error.split_whitespace().filter(|word| word.bytes().all(|b| b.is_ascii_lowercase())).collect()
}

/// The index of a bundle, behind 64 bytes of program and 512 of layers.
fn carried(input: &[u8]) -> String {
    const FRONT: usize = 64 + 512;
    let mark = if input.first() == Some(&b' ') { 2 } else { 1 };
    let mut bytes = vec![0; FRONT];
    bytes[48..52].copy_from_slice(&[b'm', b'd', b'k', mark]);
    bytes.extend(input);
    bytes.extend(b"mydocker");
    for number in [1, FRONT, input.len()] {
        bytes.extend((number as u64).to_le_bytes());
    }
    bytes.extend(hex::sha256(input).as_bytes());
    let file = rustix::fs::memfd_create("bundle", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    rustix::io::write(&file, &bytes).unwrap();
    let opened = bundle::open(&format!("/proc/self/fd/{}", file.as_raw_fd()));
    match opened {
        Err(error) => plain(&error.to_string()),
        Ok(None) => "none".to_owned(),
        Ok(Some(bundle)) => match bundle.verify() {
            Err(error) => "opened, ".to_owned() + &plain(&error.to_string()),
            Ok(()) => "fine".to_owned(),
        },
    }
}
