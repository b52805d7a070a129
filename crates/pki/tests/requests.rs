//! Certificate requests as anybody may make them: what an authority signs of them, and what it does not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path};

use nuncio_pki::{
    Certificate, CertificateRequest, Policy, RequestError, Role,
    authority::{Authority, AuthorityError, Kind, Validity},
};
use rustls_pki_types::{CertificateDer, UnixTime};

#[path = "support/consortium.rs"]
mod consortium;
#[path = "support/openssl.rs"]
mod openssl;
use consortium::{Consortium, consortium};
use openssl::openssl;

const CONFIG: &str = "[req]\nprompt=no\ndistinguished_name=dn\nattributes=more\nreq_extensions=wanted\n[dn]\nCN=node0\n\
    [more]\nchallengePassword=a secret\n\
    [wanted]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\nsubjectAltName=DNS:bank.example,IP:127.0.0.1\n\
    extendedKeyUsage=1.2.840.113556.1.8000.2554.42705.34933.9305.20226.44437.6161110.2163479.3\n";

/// A request by openssl with a key of this kind.
fn request(path: &Path, key: &str) -> Vec<u8> {
    fs::write(path.join("request.cnf"), CONFIG).unwrap();
    openssl(path, &format!("genpkey {key} -out key.pem"));
    openssl(path, "req -new -key key.pem -config request.cnf -out request.csr");
    fs::read(path.join("request.csr")).unwrap()
}

const SECP256K1: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1";

fn signed(agency: &Authority, request: &CertificateRequest, kind: Kind) -> Result<Vec<Certificate>, AuthorityError> {
    agency.issuer().sign_request(request, kind, Validity::days(9))
}

fn judged(root: &Authority, chain: &[Certificate]) -> Result<(), String> {
    let chain: Vec<CertificateDer<'_>> = chain.iter().map(|one| one.der().clone()).collect();
    let policy = Policy::new(vec![root.certificate().clone()]).unwrap();
    policy.judge(&chain, UnixTime::now()).map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn what_a_request_asks_for_beside_its_name_gets_into_no_certificate() {
    let Consortium { directory, agency, root } = consortium();
    let pem = request(directory.path(), SECP256K1);
    let asked = openssl(directory.path(), "req -in request.csr -noout -text");
    assert!(asked.contains("CA:TRUE") && asked.contains("challengePassword"), "{asked}");
    let request = CertificateRequest::from_pem(&pem).unwrap();
    assert!(request.has_attributes());
    let chain = signed(&agency, &request, Kind::Node).unwrap();
    assert!(!chain[0].is_ca());
    assert_eq!(chain[0].stated_roles().roles(), [Role::Node]);
    fs::write(directory.path().join("node.crt"), chain[0].to_pem()).unwrap();
    let text = openssl(directory.path(), "x509 -in node.crt -noout -text");
    for word in ["bank.example", "127.0.0.1", "CA:TRUE", "Certificate Sign", "a secret"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    judged(&root, &chain).unwrap();
}

#[test]
fn only_keys_of_the_kind_are_certified() {
    let Consortium { directory, agency, .. } = consortium();
    for (key, kinds) in [
        (SECP256K1, &[Kind::Node, Kind::Sdk, Kind::Operator][..]),
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:2048", &[Kind::SdkRsa, Kind::NodeRsa]),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-384", &[]),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-256", &[]),
        ("-algorithm ED25519", &[]),
    ] {
        let request = CertificateRequest::from_pem(request(directory.path(), key)).unwrap();
        for kind in [Kind::Node, Kind::Sdk, Kind::Operator, Kind::SdkRsa, Kind::NodeRsa] {
            let outcome = signed(&agency, &request, kind);
            let is_other = matches!(&outcome, Err(AuthorityError::Request(RequestError::OtherKey { .. })));
            assert_eq!((outcome.is_ok(), is_other), (kinds.contains(&kind), !kinds.contains(&kind)), "{key} {kind:?}");
        }
    }
}

/// A curve that is written out is known by its parameters; what is issued names it.
#[test]
fn a_key_with_its_curve_written_out_gets_a_certificate_that_names_it() {
    let Consortium { directory, agency, root } = consortium();
    let pem = request(directory.path(), &format!("{SECP256K1} -pkeyopt ec_param_enc:explicit"));
    match CertificateRequest::from_pem(&pem) {
        Err(error) => assert!(error.to_string().contains("not a certificate request"), "{error}"),
        Ok(request) => match signed(&agency, &request, Kind::Node) {
            Ok(chain) => judged(&root, &chain).unwrap(),
            Err(error) => assert!(matches!(error, AuthorityError::Request(_)), "{error}"),
        },
    }
}

#[test]
fn a_request_is_read_under_both_names_and_in_no_other_form() {
    let Consortium { directory, agency, .. } = consortium();
    let pem = String::from_utf8(request(directory.path(), SECP256K1)).unwrap();
    let request = CertificateRequest::from_pem(&pem).unwrap();
    let old = pem.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    assert_eq!(CertificateRequest::from_pem(&old).unwrap().der(), request.der());
    assert_eq!(CertificateRequest::from_pem(request.der()).unwrap().der(), request.der());
    let refuses = |bytes: &[u8]| assert!(CertificateRequest::from_der(bytes).is_err(), "{}", hex::encode(bytes));
    let der = request.der();
    // Indefinite length, which is BER: the outer frame, and a frame within it.
    let body = &der[4..];
    assert_eq!(&der[..2], [0x30, 0x82]);
    refuses(&[&[0x30, 0x80], body, &[0, 0]].concat());
    // A length in more bytes than it needs, bytes after the end, a piece, nothing.
    let long = [&[0x30, 0x83, 0], &der[2..]].concat();
    refuses(&long);
    refuses(&[der, &[0]].concat());
    (0..der.len()).step_by(7).for_each(|end| refuses(&der[..end]));
    for other in ["CERTIFICATE", "X509 CRL", "PRIVATE KEY", "certificate request"] {
        assert!(CertificateRequest::from_pem(pem.replace("CERTIFICATE REQUEST", other)).is_err(), "{other}");
    }
    // One that is as long as a file may be is read and refused like any other.
    let huge = [der, &vec![0x30; 1 << 20]].concat();
    refuses(&huge);
    signed(&agency, &request, Kind::Node).unwrap();
}

#[test]
fn no_bit_of_a_request_can_be_changed_by_whoever_passes_it_on() {
    let Consortium { directory, .. } = consortium();
    let request = CertificateRequest::from_pem(request(directory.path(), SECP256K1)).unwrap();
    request.verify(Kind::Node).unwrap();
    for bit in 0..request.der().len() * 8 {
        let mut changed = request.der().to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        let holds = CertificateRequest::from_der(&changed).is_ok_and(|changed| changed.verify(Kind::Node).is_ok());
        assert!(!holds, "bit {} of byte {}", bit % 8, bit / 8);
    }
}

#[test]
fn names_that_no_node_can_have_are_not_certified() {
    let Consortium { directory, agency, .. } = consortium();
    let path = directory.path();
    request(path, SECP256K1);
    let long = "x".repeat(64);
    for (subject, is_good) in [
        ("/CN=node0/CN=node1", true),
        ("/O=only", false),
        ("/CN=..%2fnode", false),
        ("/CN=a\u{202e}b", false),
        (&format!("/CN={long}"), true),
        ("/CN=node0/OU=operator", true),
    ] {
        openssl(path, &format!("req -new -utf8 -key key.pem -config request.cnf -subj {subject} -out named.csr"));
        let request = CertificateRequest::from_pem(fs::read(path.join("named.csr")).unwrap()).unwrap();
        let outcome = signed(&agency, &request, Kind::Node);
        assert_eq!(outcome.is_ok(), is_good, "{subject}: {outcome:?}");
        let Ok(chain) = outcome else { continue };
        assert_eq!(chain[0].stated_roles().roles(), [Role::Node], "{subject}");
        assert_eq!(chain[0].common_name().unwrap(), request.common_name(), "{subject}");
    }
}
