//! House rules that no lint of the compiler knows.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Longest source file outside tests, in lines.
const LONGEST: usize = 500;

/// What reads a clock or draws randomness.
const CLOCKS_AND_DICE: [&str; 8] =
    ["Instant::now", "SystemTime", "OsRng", "SysRng", "from_os_rng", "thread_rng", "rand::random", "rand::rng()"];

/// A source file that is no test, with its lines up to the tests at its end.
struct Source {
    path: PathBuf,
    lines: Vec<String>,
}

fn sources(under: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for folder in under {
        for package in entries(&root.join(folder)) {
            collect(&package.join("src"), &mut found);
        }
    }
    assert!(!found.is_empty(), "there are sources under {under:?}");
    found
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn collect(directory: &Path, found: &mut Vec<Source>) {
    for path in entries(directory) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            collect(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text
                .lines()
                .take_while(|line| !["#[cfg(test)]", "#[cfg(all(test,"].iter().any(|mark| line.starts_with(mark)));
            found.push(Source { lines: lines.map(str::to_owned).collect(), path });
        }
    }
}

/// `path:line: text` of each line of code that holds one of `words`; comments and examples in them may.
fn code_with(sources: &[Source], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for Source { path, lines } in sources {
        for (index, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| code.contains(word)) {
                found.push(format!("{}:{}: {}", path.display(), index + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn no_file_is_too_long_to_read() {
    for Source { path, lines } in sources(&["bin", "crates"]) {
        assert!(lines.len() <= LONGEST, "{} has {} lines; at most {LONGEST}", path.display(), lines.len());
    }
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let found = code_with(&sources(&["bin", "crates"]), &[".unwrap()"]);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_core_reads_no_clock_and_throws_no_dice() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/protocol/src");
    let mut core = Vec::new();
    collect(&root, &mut core);
    assert!(core.len() > 10, "the core is where it was");
    let found = code_with(&core, &CLOCKS_AND_DICE);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
