//! Our decoder of zstd against the `zstd` command: what that packs, and what is left when bytes of it are lost or changed.

use crate::host::{Host, artifact};
use crate::process::{cases, fewer};
use mydocker::error::Result;
use mydocker::kernel::io::Source;
use mydocker::store::gzip;
use std::fs;

struct Pieces<'a>(&'a [u8], usize);

impl Source for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = buf.len().min(self.1);
        self.0.read(&mut buf[..n])
    }
}

/// Reads so many bytes at a time and gives as many on.
fn unpacked(bytes: &[u8], piece: usize) -> Result<Vec<u8>> {
    let mut source = Pieces(bytes, piece);
    let mut plain = gzip::open(&mut source, 1 << 20)?;
    let (mut all, mut buf) = (Vec::new(), vec![0; piece.min(65536)]);
    loop {
        match plain.read(&mut buf)? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buf[..n]),
        }
    }
}

/// Numbers that repeat.
fn random() -> impl FnMut() -> usize {
    let mut state = 1u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    }
}

/// Bytes that were there before, from every distance and of every length, between a few new ones.
fn repeated(bytes: usize) -> Vec<u8> {
    let mut random = random();
    let mut all = vec![1];
    while all.len() < bytes {
        let distance = 1 + random() % [3, 20, 300, 5000, 1 << 20][random() % 5].min(all.len());
        for _ in 0..random() % [5, 40, 2000][random() % 3] {
            all.push(all[all.len() - distance]);
        }
        for _ in 0..random() % 8 {
            all.push(random() as u8);
        }
    }
    all
}

fn text(lines: usize) -> Vec<u8> {
    (0..lines).flat_map(|n| format!("{n} {:x} line\n", n * n).into_bytes()).collect()
}

fn inputs() -> Vec<Vec<u8>> {
    let mut random = random();
    let text = text(fewer(60_000));
    let few: Vec<u8> = (0..fewer(300_000)).map(|_| b"aaaaaaabbbccd\n"[random() % 14]).collect();
    let noise: Vec<u8> = (0..fewer(200_000)).map(|_| random() as u8).collect();
    let program = fs::read(artifact("busybox.tar", "image")).unwrap();
    let mixed = [&noise[..5000], &vec![0; 300_000], &text, &noise, &few, &noise].concat();
    let zeros = vec![0; fewer(3_000_000)];
    vec![Vec::new(), vec![b'x'], vec![b'x'; 300], text, few, noise, program, mixed, zeros, repeated(fewer(1_500_000))]
}

#[test]
fn what_the_command_packs() {
    let h = Host::empty();
    let (mut packed, mut plain) = (Vec::new(), Vec::new());
    for input in inputs() {
        h.write("in", &input);
        for command in cases([
            "zstd -q --fast=5 --check <in",
            "zstd -q -1 --no-check <in",
            "zstd -q -c -3 in",
            "zstd -q -c -6 --no-content-size --no-check in",
            "zstd -q -11 <in",
            "zstd -q -c --ultra -19 --content-size in",
        ]) {
            h.sh(&format!("{command} >out"));
            let out = fs::read(h.path("out")).unwrap();
            assert!(unpacked(&out, usize::MAX).unwrap() == input, "{command}, {} bytes", input.len());
            if out.len() < 200_000 {
                packed.extend_from_slice(&out);
                plain.extend_from_slice(&input);
            }
        }
    }
    // Frames one after the other, a few bytes at a time.
    assert!(unpacked(&packed, 7).unwrap() == plain);
}

#[test]
fn a_whole_system() {
    let h = Host::empty();
    let tar = artifact("debian.tar", "debian").to_str().unwrap().to_owned();
    h.ok(&["import", &tar, "plain"]);
    h.sh(&format!("zstd -q -1 <{tar} >system.tar.zst"));
    h.ok("import system.tar.zst packed");
    let layers = |image| h.ok(&["inspect", "-f", "{{json .RootFS.Layers}}", image]);
    assert_eq!(layers("packed"), layers("plain"));
}

/// Of a damaged archive nothing is taken for what was packed; that nothing panics or goes on for ever is in it.
#[test]
fn what_is_damaged() {
    let h = Host::empty();
    let mixed = [&repeated(900)[..], &vec![7; 5000], b"abcabcabd".repeat(20).as_slice()].concat();
    for (input, level) in cases([(mixed, "-19"), (text(200), "-3"), (vec![b'x'; 300], "-1")]) {
        h.write("in", &input);
        h.sh(&format!("zstd -q {level} --check <in >out"));
        let whole = fs::read(h.path("out")).unwrap();
        for end in 4..whole.len() {
            let why = unpacked(&whole[..end], usize::MAX).unwrap_err().to_string();
            assert_eq!(why, "the zstd data ends too early", "{end} of {}", whole.len());
        }
        let mut other = whole.clone();
        for at in 4..whole.len() {
            for change in [1, 8, 64, 128, 255] {
                other[at] ^= change;
                match unpacked(&other, usize::MAX) {
                    Ok(content) => assert!(content == input, "{at} ^ {change}"),
                    Err(why) => assert!(why.to_string().contains("zstd"), "{why}"),
                }
                other[at] ^= change;
            }
        }
    }
}
