//! Packs the texts of the help (src/cli/help.rs), and keeps apart what each start needs of them.

use std::path::PathBuf;
use std::{env, fs};

const DIR: &str = "src/cli/help";

fn main() {
    println!("cargo::rerun-if-changed={DIR}");
    let read = |file: &str| fs::read_to_string(format!("{DIR}/{file}")).expect(file);
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("OUT_DIR"));

    let mut text = read("verbs.txt");
    // The headings, and the flags without their sentences.
    let mut flags = String::new();
    for line in text.lines().filter(|line| line.starts_with(['#', '-', '+'])) {
        flags.extend(line.split("  ").take(1).chain(["\n"]));
    }
    for file in ["overview.txt", "completion.bash", "mydocker.1", "config.json", "features.json"] {
        text.extend(["# ", file, "\n", &read(file)]);
    }
    assert!(text.len() < 65536, "the help is longer than what src/cli/help.rs unpacks");
    fs::write(out.join("flags"), flags).expect("flags");
    fs::write(out.join("help"), miniz_oxide::deflate::compress_to_vec(text.as_bytes(), 10)).expect("help");
}
