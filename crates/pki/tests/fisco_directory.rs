//! Directories made by FISCO BCOS's tool (the same `openssl` steps) work as they are.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use nuncio_pki::{Certificate, DirectoryError, FileError, Identity, IdentityPaths, KeyKind, inspect};
use rustls_pki_types::UnixTime;

#[path = "support/openssl.rs"]
mod openssl;
use openssl::{build_agency, build_leaf, build_root, build_rsa, openssl};

/// `conf/` of node0.
fn fisco_conf(directory: &Path) -> IdentityPaths {
    build_root(directory);
    build_agency(directory);
    build_leaf(directory, "node0", "node");
    let conf = directory.join("conf");
    fs::create_dir(&conf).unwrap();
    for (from, to) in [("node0.key", "node.key"), ("node0.crt", "node.crt"), ("ca.crt", "ca.crt")] {
        fs::copy(directory.join(from), conf.join(to)).unwrap();
    }
    IdentityPaths::in_directory(&conf)
}

#[test]
fn a_node_directory_of_build_chain_loads_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let paths = fisco_conf(directory.path());
    let (identity, policy) = Identity::load(&paths).unwrap();

    let text = openssl(directory.path(), "ec -in conf/node.key -text -noout -conv_form uncompressed");
    let digits: String = text
        .split("pub:")
        .nth(1)
        .and_then(|rest| rest.split("ASN1").next())
        .unwrap()
        .chars()
        .filter(char::is_ascii_hexdigit)
        .collect();
    assert_eq!(identity.key.node_id().to_string(), digits.strip_prefix("04").unwrap());
    assert_eq!((identity.certificate.name.as_str(), identity.certificate.agency.as_str()), ("node0", "agency"));
    assert_eq!(identity.chain.len(), 2, "leaf and agency, no root");
    assert!(policy.anchors()[0].is_v1());

    // 36500 days from now lie beyond 2049, so notAfter is a GeneralizedTime.
    let leaf = Certificate::from_der(identity.chain[0].clone()).unwrap();
    assert_eq!((leaf.not_after().as_secs() - leaf.not_before().as_secs()) / (24 * 3600), 36_500);
    let in_a_lifetime =
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(identity.certificate.not_after.as_secs() - 1));
    assert!(policy.judge(&identity.chain, in_a_lifetime).is_ok());
}

#[test]
fn a_sec1_key_with_parameters_and_a_doubled_bundle_load_too() {
    let directory = tempfile::tempdir().unwrap();
    let paths = fisco_conf(directory.path());
    openssl(directory.path(), "ec -in node0.key -out sec1.key");
    let parameters = openssl(directory.path(), "ecparam -name secp256k1");
    let sec1 = fs::read_to_string(directory.path().join("sec1.key")).unwrap();
    let start = sec1.find("-----BEGIN EC PRIVATE").unwrap();
    fs::write(&paths.key, format!("{parameters}{}", &sec1[start..])).unwrap();
    // gen_node_cert.sh appends agency and root once more.
    let bundle = fs::read_to_string(&paths.cert).unwrap();
    let agency = fs::read_to_string(directory.path().join("agency.crt")).unwrap();
    let root = fs::read_to_string(&paths.ca).unwrap();
    fs::write(&paths.cert, format!("{bundle}{agency}{root}")).unwrap();

    let (identity, _) = Identity::load(&paths).unwrap();
    assert_eq!(identity.chain.len(), 2);
}

#[test]
fn keys_that_others_can_read_are_refused_with_the_command_that_mends_it() {
    let directory = tempfile::tempdir().unwrap();
    let paths = fisco_conf(directory.path());
    for mode in [0o644, 0o640, 0o604, 0o620] {
        fs::set_permissions(&paths.key, fs::Permissions::from_mode(mode)).unwrap();
        let error = Identity::load(&paths).unwrap_err();
        assert!(matches!(error, DirectoryError::File(FileError::Exposed { .. })), "{error}");
        assert!(error.to_string().contains(&format!("mode {mode:04o}")), "{error}");
        assert_eq!(error.hint(), format!("chmod 600 {}", paths.key.display()));
    }
    fs::set_permissions(&paths.key, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(Identity::load(&paths).is_ok());
}

#[test]
fn every_broken_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let paths = fisco_conf(directory.path());
    let break_it = |path: &Path, content: &str| {
        let good = fs::read(path).unwrap();
        fs::write(path, content).unwrap();
        let error = Identity::load(&paths).unwrap_err();
        fs::write(path, good).unwrap();
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
        assert!(!error.hint().is_empty());
        error
    };
    assert!(matches!(break_it(&paths.key, "hello"), DirectoryError::Key { .. }));
    assert!(matches!(break_it(&paths.cert, "hello"), DirectoryError::Certificate { .. }));
    assert!(matches!(break_it(&paths.ca, ""), DirectoryError::Certificate { .. }));
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(break_it(&paths.cert, damaged), DirectoryError::Certificate { .. }));

    // Another node's key.
    let other = tempfile::tempdir().unwrap();
    let others = fisco_conf(other.path());
    let other_key = fs::read_to_string(&others.key).unwrap();
    let mismatch = break_it(&paths.key, &other_key);
    assert!(matches!(mismatch, DirectoryError::Mismatch { .. }), "{mismatch}");
    // Another consortium's root, under the same name.
    let other_root = fs::read_to_string(&others.ca).unwrap();
    let foreign = break_it(&paths.ca, &other_root);
    assert!(foreign.to_string().contains("another key"), "{foreign}");
    // The agency is missing in the bundle.
    let leaf = Certificate::from_pem_bundle(fs::read_to_string(&paths.cert).unwrap()).unwrap().remove(0);
    let alone = break_it(&paths.cert, &leaf.to_pem());
    assert!(alone.to_string().contains("OU=agency,O=fisco-bcos,CN=agency is neither there nor"), "{alone}");

    fs::remove_file(&paths.key).unwrap();
    assert!(matches!(Identity::load(&paths).unwrap_err(), DirectoryError::File(FileError::Read { .. })));
}

#[test]
fn inspection_tells_nodes_agencies_roots_and_rsa_apart() {
    let directory = tempfile::tempdir().unwrap();
    let paths = fisco_conf(directory.path());
    let now = UnixTime::now();
    let summaries = inspect(&paths.cert, None, None, now).unwrap();
    assert_eq!(summaries.len(), 3);
    assert!(summaries.iter().all(|one| one.chain_valid), "{summaries:#?}");
    assert_eq!(summaries.iter().map(|one| one.version).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(summaries.iter().map(|one| one.is_ca).collect::<Vec<_>>(), [false, true, true]);
    assert!(summaries[0].not_after.starts_with("2126-"), "{}", summaries[0].not_after);
    let fingerprint = openssl(directory.path(), "x509 -in conf/node.crt -noout -fingerprint -sha256");
    let fingerprint: String = fingerprint.split('=').nth(1).unwrap().trim().replace(':', "").to_lowercase();
    assert_eq!(summaries[0].fingerprint, fingerprint);
    let serial = openssl(directory.path(), "x509 -in conf/node.crt -noout -serial");
    assert_eq!(summaries[0].serial, serial.split('=').nth(1).unwrap().trim().to_lowercase());

    build_rsa(directory.path(), &["sdk"]);
    let rsa =
        inspect(&directory.path().join("sdk.crt"), Some(&directory.path().join("rsa-ca.crt")), None, UnixTime::now())
            .unwrap();
    assert!(rsa[0].chain_valid, "{rsa:?}");
    assert_eq!((rsa[0].key.as_str(), rsa[0].version, rsa[0].node_id.as_deref()), ("RSA-2048", 1, None));
    let foreign = inspect(&directory.path().join("sdk.crt"), Some(&paths.ca), None, UnixTime::now()).unwrap();
    assert!(!foreign[0].chain_valid);
    assert!(foreign[0].chain_problem.as_ref().unwrap().contains("does not chain to ca.crt"));
    let leaf = Certificate::from_pem_bundle(fs::read_to_string(directory.path().join("sdk.crt")).unwrap()).unwrap();
    assert_eq!(leaf[0].key_kind(), KeyKind::Rsa { bits: 2048 });
}
