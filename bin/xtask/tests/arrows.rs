//! The floors of the workspace: an arrow between two of its packages goes down, never up or sideways.

use std::collections::BTreeMap;

use cargo_metadata::{Dependency, DependencyKind, Metadata, MetadataCommand, Package};

/// Who may use libp2p itself; everyone else goes through them. The laboratory's attacker has to write raw streams.
const USE_LIBP2P: [&str; 4] = ["nuncio-behaviour", "nuncio-hostile", "nuncio-node", "nuncio-transport"];

/// All that the core stands on: nothing that opens, waits or runs.
const CORE_STANDS_ON: [&str; 11] = [
    "bytes",
    "foldhash",
    "indexmap",
    "nuncio-bounds",
    "nuncio-identity",
    "nuncio-rights",
    "rand",
    "sha2",
    "smallvec",
    "thiserror",
    "tracing",
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Floor {
    Number(u64),
    /// Test support: below nothing and above everything.
    Dev,
}

fn workspace() -> Metadata {
    // Nothing is resolved, so nothing is fetched.
    MetadataCommand::new().no_deps().exec().expect("cargo describes the workspace")
}

fn floor(package: &Package) -> Option<Floor> {
    let floor = &package.metadata["nuncio"]["floor"];
    match floor.as_str() {
        Some("dev") => Some(Floor::Dev),
        Some(_) => None,
        None => floor.as_u64().map(Floor::Number),
    }
}

fn floors(workspace: &Metadata) -> BTreeMap<String, Floor> {
    let floor = |package: &Package| {
        let name = package.name.to_string();
        let floor = floor(package).unwrap_or_else(|| panic!("{name}: [package.metadata.nuncio] has no floor"));
        (name, floor)
    };
    workspace.packages.iter().map(floor).collect()
}

/// The one package that is built with test support.
const SIMULATES: (&str, &str) = ("nuncio", "nuncio-testkit");

/// What is wrong with the arrow from a package to one of its dependencies.
fn judge(from: (&str, Floor), to: (&str, Floor), kind: DependencyKind) -> Result<(), String> {
    if kind == DependencyKind::Development {
        return Ok(());
    }
    match (from.1, to.1) {
        // The simulator is a tool for operators and developers as well; its feature for certificates is not used there.
        (_, Floor::Dev) if (from.0, to.0) == SIMULATES => Ok(()),
        (_, Floor::Dev) => Err(format!("{} uses {} outside its tests; make it a dev-dependency", from.0, to.0)),
        (Floor::Number(here), Floor::Number(there)) if there >= here => Err(format!(
            "{} (floor {here}) uses {} (floor {there}): arrows go down; move what both need to a floor below {here}",
            from.0, to.0
        )),
        _ => Ok(()),
    }
}

fn violations(workspace: &Metadata) -> Vec<String> {
    let floors = floors(workspace);
    let mut found = Vec::new();
    for package in &workspace.packages {
        let from = (package.name.as_str(), floors[package.name.as_str()]);
        for dependency in &package.dependencies {
            let Some(&floor) = floors.get(&dependency.name) else { continue };
            found.extend(judge(from, (&dependency.name, floor), dependency.kind).err());
        }
    }
    found
}

/// Dependencies of one package that its users are built with.
fn built_with(package: &Package) -> impl Iterator<Item = &Dependency> {
    package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development)
}

#[test]
fn every_arrow_goes_down() {
    let found = violations(&workspace());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_arrow_that_goes_up_or_sideways_is_named() {
    use DependencyKind::{Build, Development, Normal};
    let (low, high) = (Floor::Number(1), Floor::Number(3));
    assert_eq!(judge(("a", high), ("b", low), Normal), Ok(()));
    for kind in [Normal, Build] {
        let up = judge(("a", low), ("b", high), kind).unwrap_err();
        assert!(up.starts_with("a (floor 1) uses b (floor 3)"), "{up}");
        assert!(judge(("a", low), ("b", low), kind).is_err(), "sideways");
        assert!(judge(("a", high), ("testkit", Floor::Dev), kind).is_err(), "test support");
    }
    assert_eq!(judge(("a", low), ("b", high), Development), Ok(()));
    assert_eq!(judge(("a", low), ("testkit", Floor::Dev), Development), Ok(()));
}

#[test]
fn only_the_simulator_of_the_test_support_is_in_the_binary() {
    let workspace = workspace();
    let binary = workspace.packages.iter().find(|package| package.name == SIMULATES.0).unwrap();
    let testkit = built_with(binary).find(|dependency| dependency.name == SIMULATES.1).unwrap();
    assert!(testkit.features.is_empty(), "the binary asks the test support for {:?}", testkit.features);
}

#[test]
fn libp2p_has_few_doors() {
    for package in workspace().packages {
        for dependency in built_with(&package) {
            let swarm = ["libp2p", "libp2p-swarm", "libp2p-gossipsub"].contains(&dependency.name.as_str());
            let allowed = USE_LIBP2P.contains(&package.name.as_str());
            assert!(allowed || !swarm, "{} uses {}; only {USE_LIBP2P:?} do", package.name, dependency.name);
        }
    }
}

#[test]
fn the_core_stands_on_nothing_that_opens_waits_or_runs() {
    let workspace = workspace();
    let core = workspace.packages.iter().find(|package| package.name == "nuncio-protocol").unwrap();
    for dependency in built_with(core) {
        let name = dependency.name.as_str();
        assert!(CORE_STANDS_ON.contains(&name), "crates/protocol uses {name}");
        let thread = dependency.features.iter().any(|feature| feature.contains("thread") || feature == "sys_rng");
        assert!(!thread, "crates/protocol asks for {:?} of {name}", dependency.features);
    }
}

#[test]
fn what_libp2p_is_asked_for_leaves_out_quic_and_discovery() {
    for package in workspace().packages {
        for dependency in built_with(&package).filter(|dependency| dependency.name == "libp2p") {
            for unwanted in ["quic", "mdns", "upnp", "rendezvous", "relay", "full"] {
                let asked = dependency.features.iter().any(|feature| feature == unwanted);
                assert!(!asked, "{} asks libp2p for {unwanted}", package.name);
            }
        }
    }
}

/// What crates.io asks for, and what whoever finds a package there wants to know. `.ci/run` packs them.
#[test]
fn every_package_could_be_published() {
    let workspace = workspace();
    let stays = |package: &&Package| package.publish.as_ref().is_some_and(Vec::is_empty);
    let (private, public): (Vec<_>, Vec<_>) = workspace.packages.iter().partition(stays);
    let private: Vec<_> = private.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(private, ["nuncio-hostile", "xtask"], "a program for the laboratory, and the task runner");
    for package in public {
        let (name, home) = (package.name.as_str(), package.manifest_path.parent().unwrap());
        let readme = std::fs::read_to_string(home.join("README.md")).unwrap_or_default();
        assert!(readme.starts_with(&format!("# {name}\n")), "{name}: README.md has not its name for a title");
        assert!(home.join("LICENSE").is_file(), "{name}: no LICENSE");
        let words = package.description.as_deref().unwrap_or_default();
        assert!(!words.is_empty() && package.license.is_some(), "{name}: no description or no licence");
        assert!(!package.keywords.is_empty() && !package.categories.is_empty(), "{name}: nobody finds it");
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
            let has_version = dependency.req != cargo_metadata::semver::VersionReq::STAR;
            // Without a version it is left out of what is published, as the tests are that need it.
            let is_left_out = dependency.kind == DependencyKind::Development;
            assert!(has_version || is_left_out, "{name}: {} has no version", dependency.name);
        }
    }
}
