//! A renewed certificate is for what the old one was, and nothing is lost on the way.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path};

use nuncio_pki::{
    Certificate, CertificateRequest, Identity, IdentityPaths, KeyFile, RevocationFile,
    authority::{
        AGENCY_DAYS, Authority, AuthorityError, CERTIFICATE_DAYS, Issuer, Kind, PrivateKey, ROOT_DAYS, Validity,
    },
};
use rustls_pki_types::UnixTime;

#[path = "support/openssl.rs"]
mod openssl;
use openssl::{build_agency, build_leaf, build_root, openssl};

fn read(path: &Path) -> Vec<Certificate> {
    Certificate::from_pem_bundle(fs::read_to_string(path).unwrap()).unwrap()
}

fn days_left(certificate: &Certificate) -> u64 {
    (certificate.not_after().as_secs() - UnixTime::now().as_secs()).div_ceil(24 * 3600)
}

/// What `openssl` says of a certificate, without what a renewal changes.
fn kept(directory: &Path, file: &str) -> String {
    let text = openssl(directory, &format!("x509 -in {file} -noout -text -certopt no_serial,no_validity,no_sigdump"));
    // The issuer's key is named anew: by its identifier, and not by a serial number that ends with it.
    text.split("X509v3 Authority Key Identifier").next().unwrap().to_owned()
}

#[test]
fn roots_agencies_and_leaves_keep_what_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let root = Authority::init(&path.join("ca"), "chain", Validity::days(ROOT_DAYS)).unwrap();
    let agency = root.agency("agencyA", &path.join("agencyA"), Validity::days(30)).unwrap();
    for (kind, folder) in [(Kind::Node, "node"), (Kind::SdkRsa, "rsa"), (Kind::Operator, "operator")] {
        agency.issue(kind, "a", &path.join(folder), Validity::days(20)).unwrap();
    }
    for (by, file, days) in [
        (&root, "ca/ca.crt", ROOT_DAYS),
        (&root, "agencyA/agency.crt", AGENCY_DAYS),
        (&agency, "agencyA/channel/ca.crt", ROOT_DAYS),
    ] {
        let (before, old) = (kept(path, file), read(&path.join(file)));
        assert!(before.contains("CA:TRUE"), "{before}");
        let by = Authority::open(by.directory()).unwrap();
        let renewed = by.renew(&path.join(file), None).unwrap();
        assert_eq!(kept(path, file), before);
        assert!(renewed.is_ca() && renewed.serial() != old[0].serial());
        assert!(days_left(&renewed).abs_diff(u64::from(days)) <= 1, "{file}: {}", days_left(&renewed));
        assert_eq!(read(&path.join(file)), [renewed], "the others of a file stay, and no other is added");
    }
    // What they issued still holds, and what they issue now.
    openssl(path, "verify -x509_strict -CAfile ca/ca.crt -untrusted agencyA/agency.crt node/node.crt");
    openssl(path, "verify -x509_strict -CAfile agencyA/channel/ca.crt rsa/sdk.crt");
    let agency = Authority::open(&path.join("agencyA")).unwrap();
    agency.issue(Kind::Node, "b", &path.join("b"), Validity::days(5)).unwrap();
    openssl(path, "verify -x509_strict -CAfile ca/ca.crt -untrusted agencyA/agency.crt b/node.crt");

    for file in ["node/node.crt", "rsa/sdk.crt", "operator/operator.crt"] {
        let (before, old) = (kept(path, file), read(&path.join(file)));
        let renewed = agency.renew(&path.join(file), None).unwrap();
        assert_eq!(kept(path, file), before);
        assert_eq!(renewed.stated_roles(), old[0].stated_roles());
        assert!(!renewed.is_ca() && days_left(&renewed).abs_diff(u64::from(CERTIFICATE_DAYS)) <= 1);
        let now = read(&path.join(file));
        assert_eq!(now.len(), old.len());
        if old.len() > 1 {
            assert_eq!(now[1], read(&path.join("agencyA/agency.crt"))[0], "the agency's renewed one");
        }
    }
    let (identity, _) = Identity::load(&IdentityPaths::in_directory(path.join("node"))).unwrap();
    assert!(days_left(&read(&path.join("node/node.crt"))[0]) > 300 && identity.chain.len() == 2);
    // An agency is not renewed by itself, and a root not by an agency.
    for file in ["agencyA/agency.crt", "ca/ca.crt"] {
        let before = fs::read(path.join(file)).unwrap();
        let error = agency.renew(&path.join(file), None).unwrap_err();
        assert!(matches!(error, AuthorityError::NotIssuedHere { .. }), "{error}");
        assert_eq!(fs::read(path.join(file)).unwrap(), before);
    }
}

#[test]
fn what_build_chain_made_is_renewed_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    build_root(path);
    build_agency(path);
    fs::create_dir(path.join("root")).unwrap();
    for file in ["ca.crt", "ca.key"] {
        fs::copy(path.join(file), path.join("root").join(file)).unwrap();
    }
    let extensions = "[v3_req]\nbasicConstraints = CA:FALSE\nsubjectAltName = DNS:node0.example,IP:10.0.0.1\n";
    let config = fs::read_to_string(path.join("cert.cnf")).unwrap().replace("[v3_req]\n", "[unused]\n");
    fs::write(path.join("cert.cnf"), format!("{config}{extensions}")).unwrap();
    build_leaf(path, "node0", "node");

    for (by, file) in [("root", "root/ca.crt"), ("root", "agency.crt"), (".", "node0.crt")] {
        let before = kept(path, file);
        let renewed = Authority::open(&path.join(by)).unwrap().renew(&path.join(file), None).unwrap();
        assert_eq!(kept(path, file), before);
        assert!(days_left(&renewed) <= u64::from(ROOT_DAYS));
    }
    assert!(read(&path.join("root/ca.crt"))[0].is_v1());
    assert!(kept(path, "node0.crt").contains("DNS:node0.example"), "{}", kept(path, "node0.crt"));
    openssl(path, "verify -CAfile root/ca.crt -untrusted agency.crt node0.crt");
}

#[test]
fn a_renewal_that_would_not_hold_leaves_the_file_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    // An agency of an agency, which may make none: only a chain shows it.
    let good = Validity::days(30);
    let middle = Issuer::root("chain", good).unwrap().agency("agencyB", good).unwrap();
    let key = KeyFile::read(middle.key().to_pem().unwrap().as_bytes()).unwrap();
    // Without what stands above it, it passes for a root.
    let middle = Issuer::from_parts(PrivateKey::from_file(key).unwrap(), vec![middle.certificate().clone()]);
    let rogue = middle.agency("agencyA", good).unwrap();
    let below = rogue.issue(Kind::Node, "node0", good).unwrap();
    below.write(&path.join("node0"), Kind::Node).unwrap();
    fs::create_dir(path.join("agencyA")).unwrap();
    fs::write(path.join("agencyA/agency.crt"), rogue.certificate().to_pem()).unwrap();
    fs::write(path.join("agencyA/ca.crt"), middle.certificate().to_pem()).unwrap();
    write_key(&path.join("agencyA/agency.key"), rogue.key());
    let before = fs::read(path.join("node0/node.crt")).unwrap();
    let error = Authority::open(&path.join("agencyA")).unwrap().renew(&path.join("node0/node.crt"), None).unwrap_err();
    assert!(matches!(error, AuthorityError::Unsound { .. }), "{error}");
    assert_eq!(fs::read(path.join("node0/node.crt")).unwrap(), before);
    assert_eq!(fs::read_dir(path.join("node0")).unwrap().count(), 4, "no draft is left");
}

fn write_key(path: &Path, key: &PrivateKey) {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(key.to_pem().unwrap().as_bytes()).unwrap();
}

#[test]
fn nothing_outlives_its_authority_rsa_neither() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let root = Authority::init(&path.join("ca"), "chain", Validity::days(40)).unwrap();
    let agency = root.agency("agencyA", &path.join("agencyA"), Validity::days(AGENCY_DAYS)).unwrap();
    assert_eq!(agency.certificate().not_after(), root.certificate().not_after());
    for (kind, folder) in [(Kind::Node, "node"), (Kind::SdkRsa, "rsa")] {
        let issued = agency.issue(kind, "a", &path.join(folder), Validity::days(CERTIFICATE_DAYS)).unwrap();
        assert_eq!(issued.certificate().not_after(), root.certificate().not_after(), "{folder}");
    }
    assert!(days_left(&agency.renew(&path.join("node/node.crt"), Some(7)).unwrap()) <= 7);
}

/// Whatever file an interrupted run got to, the same command ends what it began, with the same key.
#[test]
fn an_interrupted_issue_does_not_block_its_own_retry() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let days = Validity::days(30);
    let key_of = |file: &str| fs::read(path.join(file)).unwrap();

    Authority::init(&path.join("ca"), "chain", days).unwrap();
    let key = key_of("ca/ca.key");
    fs::remove_file(path.join("ca/ca.crt")).unwrap();
    assert!(matches!(Authority::open(&path.join("ca")), Err(AuthorityError::NoAuthority { .. })));
    let root = Authority::init(&path.join("ca"), "chain", days).unwrap();
    assert_eq!(key_of("ca/ca.key"), key);

    root.agency("agencyA", &path.join("agencyA"), days).unwrap();
    let key = key_of("agencyA/agency.key");
    fs::remove_file(path.join("agencyA/agency.crt")).unwrap();
    let agency = root.agency("agencyA", &path.join("agencyA"), days).unwrap();
    assert_eq!(key_of("agencyA/agency.key"), key);

    for (kind, name) in [(Kind::Node, "node"), (Kind::SdkRsa, "sdk")] {
        let folder = path.join(name);
        let files = [&format!("{name}.key"), "ca.crt", &format!("{name}.crt")].map(str::to_owned);
        for written in 0..files.len() {
            agency.issue(kind, "a", &folder, days).unwrap();
            let key = fs::read(folder.join(&files[0])).unwrap();
            // What an interrupted run had not come to.
            files[written..].iter().for_each(|file| fs::remove_file(folder.join(file)).unwrap());
            agency.issue(kind, "a", &folder, days).unwrap();
            assert_eq!(fs::read(folder.join(&files[0])).unwrap() == key, written > 0, "{name} after {written} files");
            fs::remove_dir_all(&folder).unwrap();
        }
    }
    // A key of another kind, and a root that others trust there, are not overwritten.
    agency.issue(Kind::Node, "a", &path.join("c"), days).unwrap();
    fs::remove_file(path.join("c/node.crt")).unwrap();
    fs::write(path.join("c/ca.crt"), Issuer::root("other", days).unwrap().certificate().to_pem()).unwrap();
    let error = agency.issue(Kind::Node, "a", &path.join("c"), days).unwrap_err();
    assert!(matches!(error, AuthorityError::Exists { .. }), "{error}");
    let error = agency.issue(Kind::NodeRsa, "a", &path.join("c"), days).unwrap_err();
    assert!(matches!(error, AuthorityError::Key { .. }), "{error}");
}

/// `cert = "node.pem"` and `key = "node.pem"` is a usual layout elsewhere.
#[test]
fn a_key_beside_a_certificate_outlives_the_renewal_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let root = Authority::init(&path.join("ca"), "chain", Validity::days(100)).unwrap();
    let agency = root.agency("agencyA", &path.join("agencyA"), Validity::days(50)).unwrap();
    agency.issue(Kind::Node, "node0", &path.join("node0"), Validity::days(20)).unwrap();
    let [certificate, key] = ["node.crt", "node.key"].map(|name| fs::read(path.join("node0").join(name)).unwrap());
    let file = path.join("node0/node.pem");
    for content in [[&certificate[..], &key].concat(), [&key[..], &certificate].concat()] {
        fs::write(&file, &content).unwrap();
        let error = agency.renew(&file, None).unwrap_err();
        assert!(matches!(&error, AuthorityError::HoldsMore { path } if *path == file), "{error}");
        assert!(error.to_string().contains("a private key") && error.hint().is_some(), "{error}");
        assert_eq!(fs::read(&file).unwrap(), content);
    }
    assert_eq!(fs::read_dir(path.join("node0")).unwrap().count(), 5, "no draft is left");
    fs::write(&file, certificate).unwrap();
    agency.renew(&file, None).unwrap();
}

#[test]
fn what_was_taken_back_is_not_certified_once_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let root = Authority::init(&path.join("ca"), "chain", Validity::days(100)).unwrap();
    let agency = root.agency("agencyA", &path.join("agencyA"), Validity::days(50)).unwrap();
    let issue = |kind, name: &str| agency.issue(kind, name, &path.join(name), Validity::days(20)).unwrap();
    let [first, other] = ["first", "other"].map(|name| issue(Kind::Node, name));
    let (barred, rsa) = (issue(Kind::Node, "barred"), issue(Kind::SdkRsa, "rsa"));
    // One that is revoked itself, one of whose key an earlier certificate was, and one by the RSA authority.
    agency.revoke(first.certificate()).unwrap();
    let later = agency.renew(&path.join("barred/node.crt"), None).unwrap();
    agency.distrust(barred.certificate()).unwrap();
    agency.revoke(rsa.certificate()).unwrap();
    let list = RevocationFile::read(&agency.crl_path()).unwrap().lists;
    assert!(!list.iter().any(|list| list.lists(&later)), "its own number is in no list");
    for file in ["first/node.crt", "barred/node.crt", "rsa/sdk.crt"] {
        let before = fs::read(path.join(file)).unwrap();
        let error = agency.renew(&path.join(file), None).unwrap_err();
        assert!(matches!(error, AuthorityError::TakenBack { .. }), "{file}: {error}");
        assert!(error.to_string().contains("agencyA/ca.crl") && error.hint().is_some(), "{error}");
        assert_eq!(fs::read(path.join(file)).unwrap(), before);
    }
    // Nor by a request, or where its certificate is gone.
    let request = CertificateRequest::create(&barred.key, Kind::Node, "another name").unwrap();
    let error = agency.sign_request(&request, Kind::Node, &path.join("new.crt"), Validity::days(9)).unwrap_err();
    assert!(matches!(error, AuthorityError::TakenBack { .. }) && !path.join("new.crt").exists(), "{error}");
    fs::remove_file(path.join("barred/node.crt")).unwrap();
    let error = agency.issue(Kind::Node, "barred", &path.join("barred"), Validity::days(9)).unwrap_err();
    assert!(matches!(error, AuthorityError::TakenBack { .. }), "{error}");
    agency.renew(&path.join("other/node.crt"), None).unwrap();
    drop(other);
    // An agency whose key its root refuses.
    root.revoke_key(agency.certificate()).unwrap();
    let error = root.renew(&path.join("agencyA/agency.crt"), None).unwrap_err();
    assert!(matches!(error, AuthorityError::TakenBack { .. }), "{error}");
}
