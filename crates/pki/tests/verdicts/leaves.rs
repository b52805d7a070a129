//! What a leaf says of itself, and what it is shown for.

use super::lab::{Bench, CA, Case, Chain, spec};
use nuncio_pki::Leaf;

const LEAF_CA: &str = "a key that can issue certificates is not one to be spread over nodes";

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for extensions in [
        "",
        "basicConstraints=critical,CA:FALSE",
        "basicConstraints=CA:FALSE,pathlen:3",
        "keyUsage=critical,digitalSignature",
        "keyUsage=keyAgreement",
        "basicConstraints=CA:FALSE\nkeyUsage=nonRepudiation,digitalSignature,keyEncipherment",
        "extendedKeyUsage=clientAuth",
        "extendedKeyUsage=critical,clientAuth,serverAuth",
        "subjectAltName=DNS:node0.example,IP:127.0.0.1,email:a@b.example,URI:http://a.example,RID:1.2.3.4",
        "subjectAltName=critical,DNS:node0.example",
        "subjectAltName=otherName:1.2.3.4;UTF8:a name,dirName:d\n[d]\nCN=other",
        "1.2.3.4=ASN1:NULL",
        "nsCertType=client",
        "subjectAltName=DER:30088206e88a82e782b9",
        "1.3.6.1.5.5.7.48.1.5=critical,DER:0500",
        "authorityKeyIdentifier=DER:3000",
        "2.5.29.54=critical,DER:020100",
        "2.5.29.36=DER:3003800100",
        "1.3.6.1.5.5.7.1.24=DER:3003020105",
        "1.3.6.1.4.1.11129.2.4.2=DER:04020000",
        "2.5.29.16=DER:3000",
        "authorityInfoAccess=OCSP;URI:http://a.example",
        "certificatePolicies=DER:0500",
        "nsCertType=critical,client,server",
        "authorityKeyIdentifier=DER:0500",
    ] {
        cases.push(Case::good(shown(extensions), says(extensions)));
    }
    for extensions in [
        "keyUsage=keyEncipherment",
        "keyUsage=nonRepudiation",
        "extendedKeyUsage=serverAuth",
        "extendedKeyUsage=codeSigning",
        "extendedKeyUsage=anyExtendedKeyUsage",
        "1.2.3.4=critical,ASN1:NULL",
        "subjectAltName=DER:0500",
        "nsCertType=server",
        "nsCertType=DER:0500",
        "2.5.29.16=critical,DER:3000",
        "1.3.6.1.5.5.7.1.24=critical,DER:3003020105",
        "1.3.6.1.4.1.11129.2.4.3=critical,DER:0500",
        "authorityInfoAccess=critical,OCSP;URI:http://a.example",
        "issuerAltName=critical,DNS:a.example",
        "2.5.29.46=critical,DER:3000",
        "crlDistributionPoints=DER:0500",
        "1.3.6.1.5.5.7.1.14=DER:300c300a06082b06010505071501",
    ] {
        cases.push(Case::bad(shown(extensions), says(extensions)));
    }
    cases.into_iter().chain(differing()).chain(purposes()).chain(versions()).chain(serials()).collect()
}

fn shown(extensions: &str) -> String {
    format!("leaf: {}", extensions.replace('\n', "; "))
}

fn differing() -> [Case; 2] {
    let known = "subjectKeyIdentifier=critical,hash";
    let addresses = "1.3.6.1.5.5.7.1.7=critical,DER:3000";
    [
        Case::bad(shown(known), says(known)).differs("RFC 5280 says not to mark it so, and what it says is known here"),
        Case::good(shown(addresses), says(addresses)).differs("networks of addresses (RFC 3779) mean nothing here"),
    ]
}

fn says(extensions: &'static str) -> impl Fn(&Bench<'_>) -> Chain {
    move |bench| {
        let root = bench.root();
        Chain::new(&bench.make(Some(&root), &spec("k1-leaf", "/CN=node0", extensions)), &[], &[&root])
    }
}

fn purposes() -> Vec<Case> {
    vec![
        Case::good("server: keyEncipherment only", says("keyUsage=keyEncipherment")).for_purpose(Leaf::Server),
        Case::good("server: serverAuth", says("extendedKeyUsage=serverAuth")).for_purpose(Leaf::Server),
        Case::good("server: says nothing of use", says("subjectKeyIdentifier=hash")).for_purpose(Leaf::Server),
        Case::bad("server: clientAuth", says("extendedKeyUsage=clientAuth")).for_purpose(Leaf::Server),
        Case::bad("server: certificate signing only", says("keyUsage=cRLSign")).for_purpose(Leaf::Server),
        Case::good("node: says nothing of use", says("subjectKeyIdentifier=hash")).for_purpose(Leaf::Node),
        Case::good(
            "node: as FISCO BCOS makes it",
            says("basicConstraints=CA:FALSE\nkeyUsage=nonRepudiation,digitalSignature,keyEncipherment"),
        )
        .for_purpose(Leaf::Node),
        Case::bad("node: for servers only", says("extendedKeyUsage=serverAuth")).for_purpose(Leaf::Node),
        Case::good("leaf: an authority", says(CA)).differs(LEAF_CA),
    ]
}

fn versions() -> Vec<Case> {
    vec![
        Case::good("leaf: version 1 below a root", |bench| {
            let root = bench.root();
            Chain::new(&bench.make_v1(Some(&root), &spec("k1-leaf", "/CN=sdk", "")), &[], &[&root])
        }),
        Case::good("leaf: version 1 below an agency", |bench| {
            let root = bench.root();
            let agency = bench.agency(&root);
            Chain::new(&bench.make_v1(Some(&agency), &spec("k1-leaf", "/CN=sdk", "")), &[&agency], &[&root])
        }),
        Case::good("leaf: RSA, version 1, as FISCO BCOS makes it", |bench| {
            let root = bench.make_v1(None, &spec("rsa-3072", "/CN=agency/O=fisco-bcos/OU=chain", ""));
            Chain::new(
                &bench.make_v1(Some(&root), &spec("rsa", "/CN=FISCO-BCOS/O=fisco-bcos/OU=agency", "")),
                &[],
                &[&root],
            )
        }),
        Case::good("node: version 1", |bench| {
            let root = bench.root();
            Chain::new(&bench.make_v1(Some(&root), &spec("k1-leaf", "/CN=node0", "")), &[], &[&root])
        })
        .for_purpose(Leaf::Node)
        .differs("a version 1 certificate cannot say that it is no authority"),
        Case::good("node: an RSA key", |bench| {
            let root = bench.root();
            Chain::new(&bench.make(Some(&root), &spec("rsa", "/CN=node0", "")), &[], &[&root])
        })
        .for_purpose(Leaf::Node)
        .differs("a node is its key on secp256k1"),
        Case::good("leaf: among those trusted", |bench| {
            let root = bench.root();
            let leaf = bench.leaf(&root);
            Chain::new(&leaf, &[], &[&leaf])
        })
        .differs("who is in ca.crt may issue; a leaf there is a mistake"),
    ]
}

fn serials() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, serial) in [
        ("of one byte", "-sha256 -set_serial 1"),
        ("zero", "-sha256 -set_serial 0"),
        ("of 20 bytes", "-sha256 -set_serial 0x7fffffffffffffffffffffffffffffffffffffff"),
        ("of 21 bytes", "-sha256 -set_serial 0xffffffffffffffffffffffffffffffffffffffff"),
        (
            "of 40 bytes",
            "-sha256 -set_serial 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ),
        ("negative", "-sha256 -set_serial -5"),
    ] {
        cases.push(Case::good(format!("serial {name}"), move |bench| {
            let root = bench.root();
            Chain::new(&bench.make(Some(&root), &spec("k1-leaf", "/CN=node0", "").with(serial)), &[], &[&root])
        }));
    }
    cases
}
