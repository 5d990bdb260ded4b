use super::emit::{octal, pax_record, put, ustar};
use super::pax::time;
use super::*;
use alloc::vec;

/// Feeds blocks until the first entry.
fn parse(bytes: &[u8]) -> Result<Entry> {
    let mut parser = Parser::default();
    for chunk in bytes.chunks(BLOCK_BYTES) {
        let mut block = [0; BLOCK_BYTES];
        block[..chunk.len()].copy_from_slice(chunk);
        if let Step::Entry(entry) = parser.block(&block)? {
            return Ok(*entry);
        }
    }
    Err(Error::new("no entry"))
}

fn sealed(mut block: Block) -> Block {
    block[148..156].fill(b' ');
    let sum = block.iter().map(|b| u64::from(*b)).sum();
    octal(&mut block, 148, 6, sum);
    block
}

fn with_pax(records: &[(&str, &str)], entry: &Entry) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in records {
        pax_record(&mut body, key.as_bytes(), value.as_bytes());
    }
    let mut pax = Entry::new(b"x".to_vec(), Kind::Other(b'x'));
    pax.stored = body.len() as u64;
    let mut all = ustar(&pax).to_vec();
    all.extend_from_slice(&body);
    all.resize(all.len() + padding(body.len() as u64), 0);
    all.extend_from_slice(&ustar(entry));
    all
}

fn round_trip(entry: &Entry) -> usize {
    let mut bytes = Vec::new();
    emit(entry, &mut bytes).unwrap();
    let again = parse(&bytes).unwrap();
    assert!(again.name == entry.name && again.link == entry.link && again.kind == entry.kind);
    assert!(again.mtime == entry.mtime && again.xattrs == entry.xattrs && again.stored == entry.stored);
    assert_eq!((again.mode, again.uid, again.gid), (entry.mode, entry.uid, entry.gid));
    bytes.len()
}

#[test]
fn what_is_emitted_is_read_back() {
    let mut entry = Entry::new(b"usr/bin/true".to_vec(), Kind::File);
    (entry.mode, entry.uid, entry.gid, entry.stored) = (0o4755, 0o7777777, 5, 0o77777777777);
    assert_eq!(round_trip(&entry), 512);
    for seconds in [-1, -2, 0, 5, 1 << 40] {
        for nanoseconds in [0, 1, 999_999_999] {
            entry.mtime = Time { seconds, nanoseconds };
            round_trip(&entry);
        }
    }
    entry.stored += 1;
    entry.uid += 1;
    entry.gid = u32::MAX - 1;
    entry.xattrs.insert(b"user.a=%b".to_vec(), vec![0, b'\n', 255]);
    entry.xattrs.insert(b"user.empty".to_vec(), vec![]);
    assert_eq!(round_trip(&entry), 1536);
}

#[test]
fn names_of_every_length() {
    for size in 1..600 {
        let name: Vec<u8> = (1..=size).map(|at| if at % 60 == 0 { b'/' } else { b'n' }).collect();
        round_trip(&Entry::new(name.clone(), if size % 60 == 0 { Kind::Directory } else { Kind::File }));
        let mut link = Entry::new(vec![b'n'; size], Kind::Symlink);
        link.link = name;
        round_trip(&link);
    }
    assert!(emit(&Entry::new(vec![b'n'; NAME_BYTES_MAX + 1], Kind::File), &mut Vec::new()).is_err());
}

#[test]
fn numbers() {
    let read = |field: &[u8]| number(field).ok();
    assert_eq!(read(b"0000644\0"), Some(0o644));
    assert_eq!(read(b"   644 \0"), Some(0o644));
    assert_eq!(read(b"\0\0\0\0\0\0\0\0"), Some(0));
    assert_eq!(read(b"77777777"), Some(0o77777777));
    assert_eq!(read(b"00008\0\0\0"), None);
    assert_eq!(read(&[0x80, 0, 0, 0, 0, 0x20, 0, 0]), Some(0x200000));
    assert_eq!(read(&[0xff; 12]), Some(-1));
    assert_eq!(read(&[0xff, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0]), Some(-256));
    assert_eq!(read(&[0x80, 0, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255]), Some(i64::MAX));
    assert_eq!(read(&[0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]), None);
    assert!(length(&[0xff; 12]).is_err() && owner(&[0xff; 8]).is_err());
    assert!(owner(&[0x80, 0, 0, 0, 255, 255, 255, 255]).is_err());
    let moment = |text: &[u8]| time(text).ok().map(|t| (t.seconds, t.nanoseconds));
    assert_eq!(moment(b"-1.5"), Some((-2, 500_000_000)));
    assert_eq!(moment(b"7.1234567899"), Some((7, 123_456_789)));
    assert_eq!(moment(b"1e9"), None);
    assert_eq!(moment(b"9223372036854775808"), None);
}

#[test]
fn hostile_headers_are_refused() {
    assert!(parse(&[b'j'; 512]).is_err_and(|e| e.what == "not a tar archive"));
    let good = ustar(&Entry::new(b"f".to_vec(), Kind::File));
    let mut damaged = good;
    damaged[0] = b'g';
    assert!(parse(&damaged).is_err());
    for (at, bytes) in [(124, &[0xff; 12][..]), (124, b"9"), (108, &[0xff; 8]), (0, b"\0"), (156, b"x9")] {
        let mut block = good;
        block[at..at + bytes.len()].copy_from_slice(bytes);
        assert!(parse(&sealed(block)).is_err());
    }
    let file = Entry::new(b"f".to_vec(), Kind::File);
    for (key, value) in [("size", "-1"), ("size", "9223372036854775808"), ("uid", "4294967295"), ("mtime", "x")] {
        assert!(parse(&with_pax(&[(key, value)], &file)).is_err());
    }
    for record in [&b"5 a=\n"[..], b"99 a=b\n", b"x", b"7 ab=c", b"00000000000007 a=b\n", b"3 \n", b"4 a\n"] {
        assert_eq!(Pax::default().read(record).is_err(), record != b"5 a=\n");
    }
    let mut large = Entry::new(b"x".to_vec(), Kind::Other(b'x'));
    large.stored = RECORD_BYTES_MAX as u64 + 1;
    assert!(parse(&ustar(&large)).is_err());
}

#[test]
fn signed_sums_and_v7() {
    let mut block = [0u8; BLOCK_BYTES];
    put(&mut block, 0, b"d\xe9/");
    octal(&mut block, 100, 7, 0o755);
    block[148..156].fill(b' ');
    let sum: i64 = block.iter().map(|b| i64::from(*b as i8)).sum();
    octal(&mut block, 148, 6, sum as u64);
    assert!(parse(&block).is_ok_and(|entry| entry.kind == Kind::Directory));
}

#[test]
fn global_and_long_names() {
    let mut bytes =
        with_pax(&[("uid", "7"), ("mtime", "1.5"), ("path", "long")], &Entry::new(b"f".to_vec(), Kind::File));
    bytes[156] = b'g';
    let header: Block = bytes[..512].try_into().unwrap();
    bytes[..512].copy_from_slice(&sealed(header));
    let tail = bytes.split_off(1024);
    let both = [bytes, with_pax(&[("uid", "")], &Entry::new(b"f".to_vec(), Kind::File))].concat();
    let entry = parse(&both).unwrap();
    assert!(entry.uid == 0 && entry.name == b"long" && entry.mtime.nanoseconds == 500_000_000);
    let mut long = Entry::new(b"././@LongLink".to_vec(), Kind::Other(b'L'));
    long.stored = 601;
    let bytes = [&ustar(&long)[..], &[b'n'; 600], &[0; 424], &tail].concat();
    assert!(parse(&bytes).is_ok_and(|entry| entry.name == [b'n'; 600]));
}

#[test]
fn sparse_maps() {
    let mut file = Entry::new(b"s".to_vec(), Kind::File);
    file.stored = 7;
    let read = |map: &str, size: &str| parse(&with_pax(&[("GNU.sparse.map", map), ("GNU.sparse.size", size)], &file));
    let entry = read("0,3,10,4", "14").unwrap();
    assert!(entry.size == 14 && entry.regions.unwrap()[1] == Region { offset: 10, bytes: 4 });
    for (map, size) in [("0,3,10,4", "13"), ("10,4,0,3", "14"), ("0,3,2,4", "14"), ("0,3", "14"), ("0,3,10", "14")] {
        assert!(read(map, size).is_err());
    }
    assert!(read("0,3,9223372036854775807,4", "9223372036854775807").is_err());
    file.stored = 512 + 7;
    let new = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "99")];
    let map = |text: &str| [with_pax(&new, &file), format!("{text:\0<512}").into_bytes()].concat();
    assert!(parse(&map("2\n0\n3\n95\n4\n")).is_ok_and(|entry| (entry.stored, entry.size) == (7, 99)));
    for text in ["2\n0\n3\n96\n4\n", "9999999999\n", "1\nx\n", "\n", "2\n0\n3\n"] {
        assert!(parse(&map(text)).is_err());
    }
}

#[test]
fn paths_and_shown_names() {
    assert_eq!(path(b"/./a//b/.").unwrap(), b"a/b");
    assert_eq!(path(b"./").unwrap(), b"");
    assert!(path(b"a/../b").is_err() && path(b"..").is_err() && path(b"a\0b").is_err());
    assert_eq!(shown(b"a\x1b[31m\n\xff"), "a\\u{1b}[31m\\n\u{fffd}");
    assert!(travels(b"user.x") && !travels(b"user.overlay.opaque") && !travels(b"trusted.overlay.opaque"));
}

#[test]
fn random_blocks_never_panic() {
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize
    };
    let flags = b"0gxLKS5123467D";
    for _ in 0..20_000 {
        let mut parser = Parser::default();
        for _ in 0..4 {
            let mut block = ustar(&Entry::new(b"name".to_vec(), Kind::Other(flags[next() % flags.len()])));
            for _ in 0..next() % 8 {
                block[next() % 512] = next() as u8;
            }
            put(&mut block, 124, b"00000000100\0");
            if parser.block(&sealed(block)).is_err() {
                break;
            }
        }
    }
}
