//! Keys and hashes that authorities sign with.

use super::lab::{Bench, CA, Case, Chain, spec};

const OLD_HASH: &str = "SHA-1, SHA-224 and MD5 are too weak, or met by nobody: SHA-256 and longer are accepted";
const ODD_KEY: &str = "no library here reads the key, and openssl makes none such unless it is told to";
const OTHER_CURVE: &str = "no library here knows the curve";

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for key in ["k1", "p256", "p384", "p521", "rsa", "rsa-3072"] {
        cases.extend(
            ["-sha256", "-sha384", "-sha512"].map(|hash| Case::good(format!("{key} {hash}"), signed(key, hash))),
        );
    }
    // As openssl pairs them when nobody says anything.
    cases.extend(
        ["k1", "p256", "p384", "p521", "rsa", "rsa-pss", "ed25519"]
            .map(|key| Case::good(format!("{key} as openssl pairs it"), signed(key, ""))),
    );
    cases.extend(
        [
            ("rsa", "-sha256 -sigopt rsa_padding_mode:pss"),
            ("rsa", "-sha384 -sigopt rsa_padding_mode:pss"),
            ("rsa", "-sha512 -sigopt rsa_padding_mode:pss"),
            ("rsa", "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32"),
            ("rsa", "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:0"),
            ("rsa-3072", "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:333"),
            ("rsa-pss", "-sha384"),
            ("rsa-pss-384", "-sha384"),
            ("rsa-e3", "-sha256"),
            ("p256-compressed", "-sha256"),
        ]
        .map(|(key, arguments)| Case::good(format!("{key} {arguments}"), signed(key, arguments))),
    );
    cases.push(Case::bad("k1 with written-out parameters", signed("k1-explicit", "-sha256")));
    let weak =
        [("rsa", "-sha1"), ("k1", "-sha1"), ("p256", "-sha1"), ("k1", "-sha224"), ("rsa", "-sha224"), ("rsa", "-md5")];
    cases.extend(weak.map(|(key, hash)| Case::good(format!("{key} {hash}"), signed(key, hash)).differs(OLD_HASH)));
    cases.extend([
        Case::good("rsa pss -sha1", signed("rsa", "-sha1 -sigopt rsa_padding_mode:pss")).differs(OLD_HASH),
        Case::good(
            "rsa pss with two hashes",
            signed("rsa", "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_mgf1_md:sha512"),
        )
        .differs("nobody chooses two hashes but by mistake"),
        Case::bad("k1 -sha3-256", signed("k1", "-sha3-256")),
        Case::good("p224", signed("p224", "-sha256")).differs(OTHER_CURVE),
        Case::good("brainpool", signed("brainpool", "-sha256")).differs(OTHER_CURVE),
        Case::good("ed448", signed("ed448", "")).differs(OTHER_CURVE),
        Case::good("rsa-1024", signed("rsa-1024", "-sha256")).differs("such keys can be factored"),
        Case::good("rsa with a long exponent", signed("rsa-e41", "-sha256")).differs(ODD_KEY),
        Case::good("p256 with its point in hybrid form", signed("p256-hybrid", "-sha256")).differs(ODD_KEY),
        Case::bad("p256 with written-out parameters", signed("p256-explicit", "-sha256")),
    ]);
    cases.extend(mixed());
    cases
}

fn mixed() -> Vec<Case> {
    let mut cases = Vec::new();
    // The leaf's own key is another question; a client of the channel port may have any that TLS can use.
    for key in ["rsa", "p256", "p384", "ed25519"] {
        cases.push(Case::good(format!("leaf with {key}"), move |bench| {
            let root = bench.root();
            let leaf = bench.make(Some(&root), &spec(key, "/CN=sdk", "basicConstraints=CA:FALSE"));
            Chain::new(&leaf, &[], &[&root])
        }));
    }
    cases.push(Case::bad("leaf with written-out parameters", |bench| {
        let root = bench.root();
        Chain::new(&bench.make(Some(&root), &spec("k1-explicit", "/CN=sdk", "")), &[], &[&root])
    }));
    for (root, agency) in [("p384", "k1-b"), ("rsa", "p256"), ("ed25519", "k1-b"), ("k1", "rsa"), ("p521", "ed25519")] {
        cases.push(Case::good(format!("{agency} below {root}"), move |bench| {
            let root = bench.make(None, &spec(root, "/CN=root", CA).with(""));
            let agency = bench.make(Some(&root), &spec(agency, "/CN=agency", CA).with(""));
            let leaf = bench.make(Some(&agency), &spec("k1-leaf", "/CN=node0", "").with(""));
            Chain::new(&leaf, &[&agency], &[&root])
        }));
    }
    cases
}

/// A leaf signed by a root with this key and these arguments.
fn signed(key: &'static str, arguments: &'static str) -> impl Fn(&Bench<'_>) -> Chain {
    move |bench| {
        let root = bench.make(None, &spec(key, "/CN=root", CA).with(arguments));
        let leaf = bench.make(Some(&root), &spec("k1-leaf", "/CN=node0", "basicConstraints=CA:FALSE").with(arguments));
        Chain::new(&leaf, &[], &[&root])
    }
}
