//! What we issue, the `openssl` command reads, verifies and continues.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, os::unix::fs::PermissionsExt};

use nuncio_pki::{
    Certificate, CertificateRequest, Identity, IdentityPaths, RequestError,
    authority::{Authority, AuthorityError, CERTIFICATE_DAYS, Kind, Validity, request},
};

#[path = "support/consortium.rs"]
mod consortium;
#[path = "support/openssl.rs"]
mod openssl;
use consortium::{Consortium, consortium};
use openssl::{openssl, try_openssl};

#[test]
fn a_node_directory_verifies() {
    let Consortium { directory, agency, .. } = consortium();
    let path = directory.path();
    let out = path.join("node0");
    let issued = agency.issue(Kind::Node, "node0", &out, Validity::days(CERTIFICATE_DAYS)).unwrap();

    let verified =
        openssl(path, "verify -x509_strict -CAfile node0/ca.crt -untrusted agencyA/agency.crt node0/node.crt");
    assert!(verified.contains("OK"), "{verified}");
    assert!(openssl(path, "verify -CAfile ca/ca.crt agencyA/agency.crt").contains("OK"));
    let text = openssl(path, "x509 -in node0/node.crt -noout -text -nameopt RFC2253");
    for expected in [
        "Version: 3",
        "ecdsa-with-SHA256",
        "Subject: OU=node,O=fisco-bcos,CN=node0",
        "Issuer: OU=agency,O=fisco-bcos,CN=agencyA",
        "ASN1 OID: secp256k1",
        "CA:FALSE",
        "Digital Signature, Non Repudiation, Key Encipherment",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    let node_id = fs::read_to_string(out.join("node.nodeid")).unwrap();
    assert_eq!(node_id, format!("{}\n", issued.node_id().unwrap()));
    assert_eq!(node_id.len(), 129);
    assert_eq!(fs::metadata(out.join("node.key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(openssl(path, "pkey -in node0/node.key -noout -check").contains("valid"));
    let bundle = Certificate::from_pem_bundle(fs::read_to_string(out.join("node.crt")).unwrap()).unwrap();
    assert_eq!(bundle.len(), 3, "leaf, agency, root");
    Identity::load(&IdentityPaths::in_directory(&out)).unwrap();
}

#[test]
fn sdk_directories_verify() {
    let Consortium { directory, agency, .. } = consortium();
    let path = directory.path();
    let days = Validity::days(CERTIFICATE_DAYS);
    agency.issue(Kind::Sdk, "sdk", &path.join("sdk"), days).unwrap();
    agency.issue(Kind::SdkRsa, "sdk", &path.join("sdk-rsa"), days).unwrap();
    agency.issue(Kind::NodeRsa, "node0", &path.join("channel_cert"), days).unwrap();
    assert!(
        openssl(path, "verify -x509_strict -CAfile sdk/ca.crt -untrusted agencyA/agency.crt sdk/sdk.crt")
            .contains("OK")
    );
    assert!(openssl(path, "verify -x509_strict -CAfile sdk-rsa/ca.crt sdk-rsa/sdk.crt").contains("OK"));
    assert!(openssl(path, "verify -x509_strict -CAfile sdk-rsa/ca.crt channel_cert/node.crt").contains("OK"));
    assert!(openssl(path, "rsa -in sdk-rsa/sdk.key -noout -check").contains("ok"));
    assert_eq!(fs::read(path.join("sdk-rsa/ca.crt")).unwrap(), fs::read(path.join("agencyA/channel/ca.crt")).unwrap());
    let key = fs::read_to_string(path.join("sdk-rsa/sdk.key")).unwrap();
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"), "PKCS#8");
    for file in ["sdk/sdk.key", "sdk-rsa/sdk.key", "channel_cert/node.key", "agencyA/channel/ca.key", "ca/ca.key"] {
        assert_eq!(fs::metadata(path.join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
}

#[test]
fn revocation_lists_verify_and_grow() {
    let Consortium { directory, agency, root } = consortium();
    let path = directory.path();
    let days = Validity::days(CERTIFICATE_DAYS);
    let one = agency.issue(Kind::Node, "node0", &path.join("node0"), days).unwrap();
    let two = agency.issue(Kind::Node, "node1", &path.join("node1"), days).unwrap();
    let first = agency.revoke(one.certificate()).unwrap();
    let second = agency.revoke(two.certificate()).unwrap();
    let edition = |list: &nuncio_pki::RevocationList| (list.edition().to_string(), list.len());
    assert_eq!((edition(&first), edition(&second)), (("1".into(), 1), ("2".into(), 2)));

    openssl(path, "crl -in agencyA/ca.crl -noout -CAfile agencyA/agency.crt");
    let text = openssl(path, "crl -in agencyA/ca.crl -noout -text");
    assert!(text.contains("Version 2") && text.contains("X509v3 CRL Number"), "{text}");
    assert!(text.contains(&one.certificate().serial().to_uppercase()), "{text}");
    let (good, refused) = try_openssl(
        path,
        "verify -crl_check -CRLfile agencyA/ca.crl -CAfile ca/ca.crt -untrusted agencyA/agency.crt node0/node.crt",
    );
    assert!(!good && refused.contains("revoked"), "{refused}");

    // The node itself refuses to start with it, and says where to look.
    fs::copy(agency.crl_path(), path.join("node0/ca.crl")).unwrap();
    let error = Identity::load(&IdentityPaths::in_directory(path.join("node0"))).unwrap_err();
    assert!(error.to_string().contains("is revoked: serial"), "{error}");
    // The root did not issue it, so it cannot revoke it; the agency itself it can.
    assert!(matches!(root.revoke(one.certificate()), Err(AuthorityError::NotIssuedHere { .. })));
    root.revoke(agency.certificate()).unwrap();
    openssl(path, "crl -in ca/ca.crl -noout -CAfile ca/ca.crt");
}

#[test]
fn requests_go_both_ways_and_renewal_keeps_the_key() {
    let Consortium { directory, agency, .. } = consortium();
    let path = directory.path();
    for (kind, name) in [(Kind::Node, "node"), (Kind::SdkRsa, "sdk"), (Kind::Operator, "operator")] {
        request(kind, "node7", &path.join(name)).unwrap();
        let file = path.join(name).join(format!("{name}.csr"));
        assert!(openssl(path, &format!("req -in {name}/{name}.csr -noout -verify")).contains("OK"));
        // The same key asks again.
        let again = request(kind, "node7", &path.join(name)).unwrap();
        let before = CertificateRequest::from_pem(fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(again.node_id(), before.node_id());
        let leaf =
            agency.sign_request(&again, kind, &path.join(name).join(format!("{name}.crt")), Validity::days(9)).unwrap();
        assert_eq!(leaf.stated_roles().roles(), [kind.role()]);
    }
    fs::copy(path.join("ca/ca.crt"), path.join("node/ca.crt")).unwrap();
    Identity::load(&IdentityPaths::in_directory(path.join("node"))).unwrap();
    assert!(openssl(path, "verify -CAfile agencyA/channel/ca.crt sdk/sdk.crt").contains("OK"));
    let ours = CertificateRequest::from_pem(fs::read_to_string(path.join("node/node.csr")).unwrap()).unwrap();

    openssl(path, "ecparam -name secp256k1 -genkey -noout -out theirs.key");
    openssl(path, "req -new -key theirs.key -subj /CN=node8/O=else -out theirs.csr");
    let theirs = CertificateRequest::from_pem(fs::read_to_string(path.join("theirs.csr")).unwrap()).unwrap();
    let days = Validity::days(30);
    let leaf = agency.sign_request(&theirs, Kind::Node, &path.join("theirs.crt"), days).unwrap();
    assert_eq!(leaf.subject(), "OU=node,O=fisco-bcos,CN=node8");
    assert!(openssl(path, "verify -CAfile ca/ca.crt -untrusted agencyA/agency.crt theirs.crt").contains("OK"));

    let renewed = agency.renew(&path.join("theirs.crt"), Some(60)).unwrap();
    assert_eq!((renewed.node_id(), renewed.subject()), (leaf.node_id(), leaf.subject()));
    assert_ne!(renewed.serial(), leaf.serial());
    assert!(renewed.not_after().as_secs() > leaf.not_after().as_secs());
    assert!(openssl(path, "verify -CAfile ca/ca.crt -untrusted agencyA/agency.crt theirs.crt").contains("OK"));

    // A request that its key did not sign, and one with a key of another kind.
    let mut forged = pem_bytes(&fs::read_to_string(path.join("theirs.csr")).unwrap());
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let forged = CertificateRequest::from_der(&forged).unwrap();
    assert!(matches!(forged.verify(Kind::Node), Err(RequestError::NotSigned { .. })));
    assert!(matches!(ours.verify(Kind::SdkRsa), Err(RequestError::OtherKey { .. })));
}

fn pem_bytes(pem: &str) -> Vec<u8> {
    use rustls_pki_types::{CertificateSigningRequestDer, pem::PemObject};
    CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

#[test]
fn an_authority_made_by_build_chain_is_continued() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    openssl::build_root(path);
    openssl::build_agency(path);
    let agency = Authority::open(path).unwrap();
    assert_eq!(agency.certificate().common_name().as_deref(), Some("agency"));
    agency.issue(Kind::Node, "node0", &path.join("node0"), Validity::days(30)).unwrap();
    assert!(openssl(path, "verify -CAfile ca.crt -untrusted agency.crt node0/node.crt").contains("OK"));
    Identity::load(&IdentityPaths::in_directory(path.join("node0"))).unwrap();
    agency.issue(Kind::SdkRsa, "sdk", &path.join("sdk"), Validity::days(30)).unwrap();
    assert!(openssl(path, "verify -CAfile sdk/ca.crt sdk/sdk.crt").contains("OK"));
}

#[test]
fn nothing_is_overwritten_and_bad_names_are_refused() {
    let Consortium { directory, agency, root } = consortium();
    let path = directory.path();
    let days = Validity::days(30);
    let exists = Authority::init(root.directory(), "chain", days).unwrap_err();
    assert!(matches!(exists, AuthorityError::Exists { .. }), "{exists}");
    agency.issue(Kind::Node, "node0", &path.join("node0"), days).unwrap();
    let key = fs::read(path.join("node0/node.key")).unwrap();
    assert!(matches!(agency.issue(Kind::Node, "node0", &path.join("node0"), days), Err(AuthorityError::Exists { .. })));
    assert_eq!(fs::read(path.join("node0/node.key")).unwrap(), key);
    for name in ["", "../x", "a/b", "a,CN=b", " a", "a\n", &"x".repeat(65)] {
        let error = agency.issue(Kind::Node, name, &path.join("bad"), days).unwrap_err();
        assert!(matches!(error, AuthorityError::Name { .. }), "{name:?}: {error}");
    }
    let below = agency.agency("agencyB", &path.join("agencyB"), days).unwrap_err();
    assert!(matches!(below, AuthorityError::NotARoot { .. }), "{below}");
    assert!(matches!(Authority::open(&path.join("node0")), Err(AuthorityError::NoAuthority { .. })));
    assert!(exists.hint().is_some() && below.hint().is_some());
}

#[test]
fn nothing_outlives_its_authority() {
    let directory = tempfile::tempdir().unwrap();
    let root = Authority::init(&directory.path().join("ca"), "chain", Validity::days(10)).unwrap();
    let issued = root.issue(Kind::Node, "node0", &directory.path().join("node0"), Validity::days(100)).unwrap();
    assert_eq!(issued.certificate().not_after(), root.certificate().not_after());
}

#[test]
fn an_authority_that_may_not_issue_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for (says, reason) in [
        ("basicConstraints=CA:FALSE", "CA:FALSE"),
        ("keyUsage=keyCertSign", "basicConstraints"),
        ("basicConstraints=CA:TRUE\nkeyUsage=digitalSignature", "keyCertSign"),
    ] {
        openssl(path, "ecparam -name secp256k1 -genkey -noout -out ca.key");
        fs::set_permissions(path.join("ca.key"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(path.join("ca.cnf"), format!("[req]\ndistinguished_name=d\n[d]\n[x]\n{says}\n")).unwrap();
        openssl(path, "req -new -x509 -config ca.cnf -extensions x -key ca.key -subj /CN=chain -out ca.crt");
        let error = Authority::open(path).unwrap_err();
        assert!(matches!(&error, AuthorityError::MayNotIssue { .. }), "{error}");
        assert!(error.to_string().contains(reason) && error.hint().is_some(), "{error}");
    }
}
