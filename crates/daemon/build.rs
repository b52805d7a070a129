//! Tells release builds of which commit they are; `NUNCIO_COMMIT` and `NUNCIO_COMMIT_DATE` say it where there is no git. Other
//! builds do not ask: each commit would build anew all that stands on this crate.

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-env-changed=NUNCIO_COMMIT");
    println!("cargo:rerun-if-env-changed=NUNCIO_COMMIT_DATE");
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        for file in ["HEAD", "logs/HEAD"] {
            if let Some(path) = git(&["rev-parse", "--git-path", file]) {
                println!("cargo:rerun-if-changed={path}");
            }
        }
        tell("NUNCIO_COMMIT", &["rev-parse", "--short=12", "HEAD"]);
        tell("NUNCIO_COMMIT_DATE", &["show", "--no-patch", "--format=%cs", "HEAD"]);
    }
}

/// What the environment says, else what git says, else nothing.
fn tell(name: &str, arguments: &[&str]) {
    let told = env::var(name).ok().filter(|told| !told.is_empty()).or_else(|| git(arguments));
    if let Some(told) = told {
        println!("cargo:rustc-env={name}={told}");
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
