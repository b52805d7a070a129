//! Shell scripts say what they miss, and where they look for it.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

fn testnet() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testnet")).unwrap()
}

/// Every shell script below `testnet`.
fn scripts() -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![testnet()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "sh") {
                found.push(path);
            }
        }
    }
    found
}

fn run(script: &Path, within: &TempDir, binary: &str) -> Output {
    Command::new(script).current_dir(within).env("NUNCIO_BINARY", binary).output().unwrap()
}

#[test]
fn only_one_place_knows_where_the_program_is() {
    // These build it, or put it into a package.
    let may = ["binary.sh", "package.sh"];
    for script in scripts() {
        let text = fs::read_to_string(&script).unwrap();
        let mut code = text.lines().filter(|line| !line.starts_with('#'));
        let looks = code.any(|line| line.contains("target/release/nuncio"));
        assert!(!looks || may.iter().any(|name| script.ends_with(name)), "{}", script.display());
    }
}

#[test]
fn a_program_that_is_missing_is_named_with_what_to_do() {
    let elsewhere = tempfile::tempdir().unwrap();
    let needs = |script: &PathBuf| {
        let text = fs::read_to_string(script).unwrap();
        text.starts_with("#!") && (text.contains("/binary.sh\"") || text.contains("/lib.sh\""))
    };
    let scripts: Vec<_> = scripts().into_iter().filter(needs).collect();
    assert!(scripts.len() > 30, "{}", scripts.len());
    for script in scripts {
        let output = run(&script, &elsewhere, "no/nuncio");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{}: {said}", script.display());
        assert!(
            said.contains("no program no/nuncio; build it with: cargo build --release"),
            "{}: {said}",
            script.display()
        );
        assert_eq!(said.lines().count(), 1, "{}: {said}", script.display());
    }
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_program_is_named_as_seen_from_where_a_script_is_called() {
    let elsewhere = tempfile::tempdir().unwrap();
    let source = format!(". {}/binary.sh && echo \"$binary\"", testnet().display());
    let named = |name: &str| {
        let mut bash = Command::new("bash");
        let output = bash.args(["-euc", &source]).current_dir(&elsewhere).env("NUNCIO_BINARY", name).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    assert!(!named(".").0, "a directory is no program");
    std::os::unix::fs::symlink("/bin/true", elsewhere.path().join("a program")).unwrap();
    let program = fs::canonicalize("/bin/true").unwrap().display().to_string();
    assert_eq!(named("./a program"), (true, program.clone()));
    assert_eq!(named("a program"), (true, program));
}
