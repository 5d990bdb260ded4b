//! The same on aarch64: built here, run in a machine of that kind.

use crate::machine::{Disk, Machine, USUAL, made, tell};
use std::fs;
use std::path::PathBuf;

/// What build/arm64 makes.
fn built() -> PathBuf {
    std::env::var_os("MYDOCKER_ARM64").map_or_else(|| made("arm64", &[]).unwrap(), PathBuf::from)
}

#[test]
fn containers_and_unit_tests_on_arm64() {
    let (files, disk) = (built(), Disk::new("arm64", 512));
    let machine = Machine::empty(USUAL, "arm64")
        .root("disk")
        .disk(&disk.0)
        .file("bin/mydocker", &files.join("mydocker"))
        .file("payload", &files)
        .limit(300);
    let outcome = machine.run("arm64.sh").ok();
    tell("arm64: smoke test and unit tests", outcome.took);
}

#[test]
fn the_binary_for_arm64_is_as_small_and_static() {
    let elf = fs::read(built().join("mydocker")).unwrap();
    assert!(elf.len() < 1_000_000, "{} bytes", elf.len());
    let number = |at: usize, size: usize| elf[at..][..size].iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte));
    // elf(5): the machine at 18 is EM_AARCH64; program headers at e_phoff, 56 bytes each, begin with their type (PT_LOAD is 1,
    // PT_INTERP 3) and end with their alignment. Kernels with pages of 64 KiB load only what is aligned to them.
    assert_eq!(number(18, 2), 183);
    for program in (0..number(56, 2)).map(|n| number(32, 8) + n * 56) {
        assert_ne!(number(program, 4), 3, "it wants a dynamic loader");
        assert!(number(program, 4) != 1 || number(program + 48, 8) % (64 << 10) == 0, "it wants small pages");
    }
    // Section headers at e_shoff, 64 bytes each, the type after four bytes; SHT_SYMTAB is 2.
    let mut sections = (0..number(60, 2)).map(|n| number(number(40, 8) + n * 64 + 4, 4));
    assert!(sections.all(|kind| kind != 2), "it has a symbol table");
}
