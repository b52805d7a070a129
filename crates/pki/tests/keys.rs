//! Keys of nodes in every form that `openssl pkey` reads.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use nuncio_pki::{KeyError, KeyFile};

#[path = "support/openssl.rs"]
mod openssl;
use openssl::openssl;

fn node(file: &[u8]) -> Result<String, KeyError> {
    KeyFile::read(file)?.into_node_key().map(|key| key.node_id().to_string())
}

#[test]
fn keys_of_openssl_load_in_both_forms() {
    for pem in [include_str!("keys/sec1.pem"), include_str!("keys/pkcs8.pem")] {
        let key = KeyFile::read(pem.as_bytes()).unwrap().into_node_key().unwrap();
        assert_eq!(key.node_id().to_string(), include_str!("keys/node.nodeid").trim());
        assert_eq!(node(key.to_pem().as_bytes()).unwrap(), key.node_id().to_string());
    }
}

#[test]
fn every_form_of_one_key_is_that_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let read = |name: &str| fs::read(path.join(name)).unwrap();
    fs::write(path.join("good"), include_str!("keys/pkcs8.pem")).unwrap();
    let commands = [
        ("sec1", "ec -in good"),
        ("explicit", "ec -in good -param_enc explicit"),
        ("explicit-compressed", "ec -in good -param_enc explicit -conv_form compressed"),
        ("explicit-pkcs8", "pkcs8 -topk8 -nocrypt -in explicit"),
        ("no-public", "ec -in good -no_public"),
        ("compressed", "ec -in good -conv_form compressed"),
        ("pkcs8-der", "pkcs8 -topk8 -nocrypt -in good -outform DER"),
        ("sec1-der", "ec -in good -outform DER"),
        ("explicit-der", "ec -in good -param_enc explicit -outform DER"),
        ("explicit-pkcs8-der", "pkcs8 -topk8 -nocrypt -in explicit -outform DER"),
        ("with-text", "pkey -in good -text"),
    ];
    let expected = node(&read("good")).unwrap();
    for (name, command) in commands {
        openssl(path, &format!("{command} -out {name}"));
        assert_eq!(node(&read(name)), Ok(expected.clone()), "{name}");
    }
    openssl(path, "req -new -x509 -key good -subj /CN=x -days 9 -out x.crt");
    for order in [["x.crt", "good"], ["good", "x.crt"], ["sec1", "x.crt"]] {
        assert_eq!(node(&order.map(read).concat()), Ok(expected.clone()), "{order:?}");
    }
}

#[test]
fn other_keys_are_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let said = |command: &str| {
        openssl(path, &format!("{command} -out key"));
        node(&fs::read(path.join("key")).unwrap()).unwrap_err().to_string()
    };
    fs::write(path.join("good"), include_str!("keys/pkcs8.pem")).unwrap();
    assert_eq!(node(b"nothing"), Err(KeyError::NoKey));
    for encrypted in [
        "pkcs8 -topk8 -v2 aes-256-cbc -passout pass:secret -in good",
        "pkcs8 -topk8 -v2 aes-256-cbc -passout pass:secret -in good -outform DER",
        "ec -in good -aes256 -passout pass:secret",
    ] {
        assert!(said(encrypted).contains("encrypted"), "{encrypted}");
    }
    for (other, named) in [
        ("ecparam -name prime256v1 -genkey -noout", "EC key"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384", "secp384r1"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit", "another curve"),
        ("genpkey -algorithm RSA", "rsaEncryption"),
        ("rsa -traditional -in key", "RSA"),
        ("genpkey -algorithm ED25519", "Ed25519"),
    ] {
        let said = said(other);
        assert!(said.contains("not a secp256k1 private key") && said.contains(named), "{other}: {said}");
    }
}

/// A secret with the public half of another one would sign for nobody.
#[test]
fn halves_of_two_keys_are_no_key() {
    let mut der = pem_bytes(include_str!("keys/sec1.pem"));
    let last = der.len() - 1;
    der[last] ^= 1;
    assert!(matches!(node(&der), Err(KeyError::Damaged { .. })));
    let mut secret = pem_bytes(include_str!("keys/sec1.pem"));
    secret[20] ^= 1;
    assert!(matches!(node(&secret), Err(KeyError::Damaged { .. })));
}

fn pem_bytes(pem: &str) -> Vec<u8> {
    use rustls_pki_types::{PrivateSec1KeyDer, pem::PemObject};
    PrivateSec1KeyDer::from_pem_slice(pem.as_bytes()).unwrap().secret_sec1_der().to_vec()
}

/// A URI names a program that is loaded: whoever could write it, or the program, would run what he likes.
#[test]
fn a_module_is_loaded_only_where_nobody_else_decides_what_it_is() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let directory = tempfile::tempdir().unwrap();
    let (module, key) = (directory.path().join("module.so"), directory.path().join("ca.key"));
    std::fs::write(&module, "no library").unwrap();
    std::fs::write(&key, format!("pkcs11:object=ca?module-path={}", module.display())).unwrap();
    let mode = |path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let load = || nuncio_pki::KeyFile::load(&key).unwrap_err().to_string();
    mode(&module, 0o755);
    mode(&key, 0o600);
    assert!(load().contains("cannot be loaded"), "{}", load());
    // Where a file must hold the key itself, that is not even tried.
    let held = nuncio_pki::KeyFile::load_held(&key).unwrap_err().to_string();
    assert!(held.contains("one is needed that a file holds"), "{held}");
    for bad in [0o775, 0o757, 0o777] {
        mode(&module, bad);
        assert!(load().contains("others can change it"), "{bad:o}: {}", load());
    }
    mode(&module, 0o755);
    mode(&key, 0o644);
    assert!(load().contains("can be read by others"), "{}", load());
    mode(&key, 0o600);
    // Root alone can give files away, and root alone could read what others keep private.
    for path in [&module, &key] {
        if chown(path, Some(65534), None).is_ok() {
            assert!(load().contains("others can change it"), "{}", load());
            chown(path, Some(0), None).unwrap();
        }
    }
}
