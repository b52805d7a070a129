//! The committed reference is what the commands say.

use std::{fs, process::Command};

#[test]
fn the_committed_reference_is_what_the_commands_say() {
    let checked = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("check")
        .env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("xtask starts");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

/// What is linked into the binary, with its licence and hash; what only tests need is not in it.
#[test]
fn the_bill_of_materials_names_what_is_linked() {
    let directory = tempfile::tempdir().expect("a directory");
    let bill = |name: &str| {
        let path = directory.path().join(name);
        let made = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["sbom", "--out"])
            .arg(&path)
            .env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("xtask starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::read_to_string(path).expect("it is written")
    };
    let text = bill("one.json");
    assert_eq!(text, bill("other.json"), "the same sources, the same file");
    let document: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let components = document["components"].as_array().expect("there are components");
    let named = |name: &str| components.iter().find(|component| component["name"] == name);
    let rustls = named("rustls").expect("rustls is linked");
    assert_eq!(rustls["hashes"][0]["content"].as_str().map(str::len), Some(64));
    assert!(rustls["licenses"][0]["expression"].as_str().is_some_and(|licence| licence.contains("Apache-2.0")));
    assert!(named("nuncio-protocol").is_some() && named("proptest").is_none() && named("libp2p-quic").is_none());
}
