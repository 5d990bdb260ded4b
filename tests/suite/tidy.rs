//! The laws of the house, checked on the source and on the binary.

use crate::host::wanted;
use std::fs;
use std::path::Path;

const LINES_OF_A_FILE_MAX: usize = 600;
const LINES_OF_A_FUNCTION_MAX: usize = 80;
const BYTES_OF_THE_BINARY_MAX: usize = 1_000_000;
/// A room imports only from the ones before it.
const ROOMS: [&str; 7] = ["error", "spec", "kernel", "store", "walls", "life", "cli"];

#[derive(Clone)]
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn room(&self) -> &str {
        let path = self.path.strip_prefix("src/").unwrap_or("");
        path.split(['/', '.']).next().unwrap()
    }

    /// Lines with their numbers, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or("").trim_end()))
    }
}

fn sources(dir: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(dir)];
    while let Some(dir) = dirs.pop() {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
                found
                    .push(Source { path: name.to_str().unwrap().to_owned(), text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    assert!(found.len() > 10 || dir == "tests");
    found
}

/// Fails with every line of code that breaks a law.
#[track_caller]
fn nowhere(law: &str, sources: &[Source], breaks: impl Fn(&Source, &str) -> bool) {
    let mut found = Vec::new();
    for source in sources {
        let lines = source.code().filter(|(_, line)| breaks(source, line));
        found.extend(lines.map(|(at, line)| format!("{}:{at}: {}", source.path, line.trim())));
    }
    assert!(found.is_empty(), "{law}:\n{}", found.join("\n"));
}

#[test]
fn unsafe_is_in_the_kernel_room_only() {
    nowhere("unsafe outside src/kernel", &sources("src"), |source, line| {
        source.room() != "kernel" && line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
    });
    let main = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).unwrap();
    assert!(main.contains("#![forbid(unsafe_code)]"));
}

#[test]
fn rooms_import_from_the_rooms_before_them() {
    let rank = |room: &str| ROOMS.iter().position(|known| *known == room);
    nowhere("import against the direction", &sources("src"), |source, line| {
        let Some(own) = rank(source.room()) else { return false };
        let later = |at: usize| {
            rank(line[at..].split(|c: char| !c.is_alphanumeric()).next().unwrap_or("")).is_some_and(|r| r > own)
        };
        line.match_indices("crate::").any(|(at, word)| later(at + word.len()))
    });
    nowhere("the engine knows nothing of its door", &sources("src"), |source, line| {
        !["cli", "main"].contains(&source.room()) && line.contains("cli::")
    });
}

#[test]
fn walls_do_not_know_each_other() {
    let all = sources("src");
    let walls: Vec<&str> = all.iter().filter_map(|s| s.path.strip_prefix("src/walls/")?.strip_suffix(".rs")).collect();
    nowhere("a wall that uses another", &all, |source, line| {
        let own = source.path.strip_prefix("src/walls/").and_then(|name| name.strip_suffix(".rs"));
        own.is_some_and(|own| own != "mod")
            && walls.iter().any(|other| {
                ["super::", "walls::"]
                    .iter()
                    .any(|from| line.contains(&format!("{from}{other}")) && Some(*other) != own)
            })
    });
}

#[test]
fn only_the_door_writes_to_the_standard_streams() {
    nowhere("println and its kind", &sources("src"), |source, line| {
        let prints = ["println!", "eprintln!", "print!(", "eprint!("].iter().any(|word| line.contains(word));
        prints && !["cli", "main"].contains(&source.room())
    });
}

#[test]
fn nothing_is_left_to_do() {
    nowhere("an unfinished place", &sources("src"), |_, line| {
        ["todo!", "unimplemented!", "dbg!", "thread::sleep", "nanosleep"].iter().any(|word| line.contains(word))
    });
}

#[test]
fn no_test_is_ignored() {
    for dir in ["src", "tests"] {
        nowhere("an ignored test", &sources(dir), |_, line| line.trim_start().starts_with("#[ignore"));
    }
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let all = [sources("src"), sources("tests")].concat();
    let long = all.iter().filter(|source| source.text.lines().count() > LINES_OF_A_FILE_MAX);
    let long: Vec<String> = long.map(|source| format!("{}: {}", source.path, source.text.lines().count())).collect();
    assert!(long.is_empty(), "longer than {LINES_OF_A_FILE_MAX} lines: {long:?}");
}

#[test]
fn functions_fit_a_screen() {
    let mut long = Vec::new();
    for source in [sources("src"), sources("tests")].concat() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let begins = line.split("fn ").next().is_some_and(|before| before.len() < line.len());
            let words = line.trim_start();
            let is_function =
                begins && ["fn ", "pub ", "const ", "unsafe ", "extern "].iter().any(|word| words.starts_with(word));
            // rustfmt puts the closing brace below the first letter.
            let end = format!("{}}}", &line[..line.len() - words.len()]);
            let length = lines[at..].iter().position(|line| *line == end);
            if is_function && length.is_some_and(|length| length > LINES_OF_A_FUNCTION_MAX) && !line.ends_with('}') {
                long.push(format!("{}:{}: {} lines", source.path, at + 1, length.unwrap()));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn the_readme_names_every_verb() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for verb in
        "run create start ps logs events exec top stats inspect port stop kill pause unpause update rm wait commit load save import images rmi completion"
            .split(' ')
    {
        assert!(
            text.contains(&format!("`{verb}`")) || text.contains(&format!("mydocker {verb}")),
            "{verb} is not in README.md"
        );
    }
}

#[test]
fn the_binary_is_small_static_and_stripped() {
    let Some(path) = wanted(std::env::var("MYDOCKER_BIN").ok(), "MYDOCKER_BIN: run the tests by ./build/test") else {
        return;
    };
    let elf = fs::read(path).unwrap();
    assert!(elf.len() < BYTES_OF_THE_BINARY_MAX, "{} bytes", elf.len());
    let number =
        |at: usize, size: usize| elf[at..at + size].iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte));
    // elf(5): program headers at e_phoff, 56 bytes each, begin with their type; PT_INTERP is 3.
    let programs = (0..number(56, 2)).map(|n| number(number(32, 8) + n * 56, 4));
    assert!(programs.clone().count() > 0 && programs.clone().all(|kind| kind != 3), "it wants a dynamic loader");
    // Section headers at e_shoff, 64 bytes each, the type after four bytes; SHT_SYMTAB is 2.
    let mut sections = (0..number(60, 2)).map(|n| number(number(40, 8) + n * 64 + 4, 4));
    assert!(sections.all(|kind| kind != 2), "it has a symbol table");
}

#[test]
fn the_released_binary_cannot_be_told_to_die() {
    let Some(path) = wanted(std::env::var("MYDOCKER_BIN").ok(), "MYDOCKER_BIN: run the tests by ./build/test") else {
        return;
    };
    let bytes = fs::read(path).unwrap();
    assert!(!bytes.windows(15).any(|part| part == b"MYDOCKER_DIE_AT"));
}
