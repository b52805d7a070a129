//! The committed fuzz corpus through the same functions as the fuzzers call, on every run of the tests.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

#[path = "../../../fuzz/src/config_toml.rs"]
#[expect(unreachable_pub, reason = "of the fuzz workspace, too")]
mod config_decoder;
#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library of the fuzz workspace, too")]
mod decoders;
mod fuzz_corpus {
    mod file_messages;
    pub(crate) mod seeds;
    mod streams;
}

use std::{
    fs,
    path::{Path, PathBuf},
};

use fuzz_corpus::seeds;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 20] = [
    ("amop_body", decoders::amop_body),
    ("announcement", decoders::announcement),
    ("audit_log", decoders::audit_log),
    ("bridge_frame", decoders::bridge_frame),
    ("certificate_pem", decoders::certificate_pem),
    ("channel_frame", decoders::channel_frame),
    ("channel_json", decoders::channel_json),
    ("config_toml", config_decoder::config_toml),
    ("enrolment", decoders::enrolment),
    ("file_message", decoders::file_message),
    ("gossip", decoders::gossip),
    ("join_token", decoders::join_token),
    ("link_streams", decoders::link_streams),
    ("node_key_pem", decoders::node_key_pem),
    ("service", decoders::service),
    ("status", decoders::status),
    ("trace_report", decoders::trace_report),
    ("unicast_frame", decoders::unicast_frame),
    ("verdict", decoders::verdict),
    ("web_frame", decoders::web_frame),
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn no_input_of_the_corpus_makes_a_decoder_panic() {
    for (target, run) in TARGETS {
        let directory = corpus().join(target);
        let inputs = names(&directory);
        assert!(!inputs.is_empty(), "{target} has a corpus");
        for input in inputs {
            let bytes = fs::read(directory.join(&input)).unwrap();
            println!("{target}/{input}");
            run(&bytes);
            // What fuzzers find first: the input cut anywhere, and one byte of it changed.
            for cut in (0..bytes.len()).step_by(1 + bytes.len() / 64) {
                run(&bytes[..cut]);
                let mut changed = bytes.clone();
                changed[cut] = changed[cut].wrapping_add(0x7f);
                run(&changed);
            }
        }
    }
}

#[test]
fn every_corpus_has_a_target_and_every_target_a_program() {
    let targets: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&corpus()), targets);
    let programs = names(&corpus().join("../fuzz_targets"));
    assert_eq!(programs, targets.iter().map(|name| format!("{name}.rs")).collect::<Vec<_>>());
}

/// The seeds are what the corpus says they are: each is read, but for those named `not_…`.
#[test]
fn the_seeds_are_read_by_their_decoders() {
    for (target, name, bytes) in seeds::all() {
        assert!(name.starts_with("not_") != seeds::is_read(target, &bytes), "{target}/{name}");
    }
}

/// The fuzzers are a workspace of their own, which no other test builds: with `--locked` they are not built when our crates have
/// other dependencies than their lock file knows.
#[test]
fn the_lock_file_of_the_fuzzers_knows_the_dependencies_of_all_our_crates() {
    let text = fs::read_to_string(corpus().join("../Cargo.lock")).unwrap();
    let lock: toml::Value = toml::from_str(&text).unwrap();
    let locked = |name: &str| -> Option<Vec<String>> {
        let package = lock["package"].as_array()?.iter().find(|package| package["name"].as_str() == Some(name))?;
        let dependencies = package.get("dependencies").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        Some(dependencies.iter().filter_map(|one| Some(one.as_str()?.split(' ').next()?.to_owned())).collect())
    };
    let workspace = cargo_metadata::MetadataCommand::new().no_deps().exec().unwrap();
    let mut known = 0;
    for package in &workspace.packages {
        let Some(locked) = locked(&package.name) else { continue };
        let needed = package
            .dependencies
            .iter()
            .filter(|one| one.kind == cargo_metadata::DependencyKind::Normal && !one.optional);
        for one in needed {
            assert!(
                locked.contains(&one.name),
                "{} needs {}: cargo update --workspace in fuzz",
                package.name,
                one.name
            );
        }
        known += 1;
    }
    assert!(known > 15, "{known} of our crates");
}

#[test]
#[ignore = "writes fuzz/corpus anew; run it after a format has changed"]
fn write_the_seeds() {
    for (target, name, bytes) in seeds::all() {
        let directory = corpus().join(target);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(name), bytes).unwrap();
    }
}
