//! The committed reference is what the commands say.

use std::process::Command;

#[test]
fn the_committed_reference_is_what_the_commands_say() {
    let checked = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("check")
        .env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("xtask starts");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
