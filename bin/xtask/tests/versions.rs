//! `Cargo.lock` against the version floors of `deny.toml`. The database that audit tools read lists none of the libp2p
//! advisories of 2025 and 2026, so the floors are our own.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use std::{fs, path::Path};

use cargo_metadata::semver::Version;
use toml::{Table, Value};

/// Oldest version of a package that may be locked.
static FLOORS: [(&str, Version); 9] = [
    ("bytes", Version::new(1, 11, 1)),
    ("hickory-proto", Version::new(0, 26, 1)),
    ("libp2p-gossipsub", Version::new(0, 50, 1)),
    ("libp2p-rendezvous", Version::new(0, 17, 1)),
    ("lru", Version::new(0, 18, 2)),
    ("rustls", Version::new(0, 23, 18)),
    ("rustls-webpki", Version::new(0, 103, 13)),
    ("time", Version::new(0, 3, 47)),
    ("yamux", Version::new(0, 14, 1)),
];

/// Packages that nobody maintains any more.
const ABANDONED: [&str; 3] = ["bincode", "rustls-pemfile", "serde_cbor"];

fn read(name: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn locked() -> Vec<(String, Version, String)> {
    let lock = read("Cargo.lock");
    let text = |package: &Value, key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let packages = lock["package"].as_array().unwrap();
    let entry = |package| (text(package, "name"), text(package, "version").parse().unwrap(), text(package, "source"));
    packages.iter().map(entry).collect()
}

#[test]
fn no_locked_version_is_below_its_floor() {
    for (name, version, _) in locked() {
        let floor = FLOORS.iter().find(|(floored, _)| *floored == name);
        if let Some((_, floor)) = floor {
            assert!(version >= *floor, "{name} {version} is locked, and below {floor} it has known holes");
        }
        assert!(!ABANDONED.contains(&name.as_str()), "{name} {version} is locked, and nobody maintains it");
    }
}

#[test]
fn everything_comes_from_crates_io() {
    for (name, version, source) in locked() {
        let ours = source.is_empty() && (name.starts_with("nuncio") || name == "xtask");
        let public = source == "registry+https://github.com/rust-lang/crates.io-index";
        assert!(ours || public, "{name} {version} comes from {source:?}");
    }
}

#[test]
fn the_same_floors_are_bans_in_deny_toml() {
    let deny = read("deny.toml");
    let banned: Vec<_> =
        deny["bans"]["deny"].as_array().unwrap().iter().map(|ban| ban["crate"].as_str().unwrap()).collect();
    for (name, floor) in &FLOORS {
        let ban = format!("{name}@<{floor}");
        assert!(banned.contains(&ban.as_str()), "deny.toml does not ban {ban}");
    }
    for name in ABANDONED {
        assert!(banned.contains(&name), "deny.toml does not ban {name}");
    }
}
