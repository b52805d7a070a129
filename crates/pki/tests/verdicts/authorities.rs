//! What an agency or a root must say of itself to issue.

use super::lab::{Bench, CA, Case, Chain, Issued, spec};
use nuncio_pki::Leaf;

pub(crate) fn cases() -> Vec<Case> {
    let named = |extensions: &str| format!("agency: {}", extensions.replace('\n', "; "));
    let good = AGENCIES.iter().map(|says| Case::good(named(says), below_agency(says)));
    let bad = NO_AGENCIES.iter().map(|says| Case::bad(named(says), below_agency(says)));
    let policies = "basicConstraints=CA:TRUE\npolicyConstraints=critical,requireExplicitPolicy:3";
    let other = Case::good(named(policies), below_agency(policies)).differs(POLICIES);
    good.chain(bad).chain([other]).chain(roots()).chain(versions()).chain(path_lengths()).collect()
}

const AGENCIES: &[&str] = &[
    "basicConstraints=CA:TRUE",
    "basicConstraints=critical,CA:TRUE",
    "basicConstraints=critical,CA:TRUE,pathlen:0",
    "basicConstraints=critical,CA:TRUE,pathlen:300",
    "basicConstraints=CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign",
    "basicConstraints=CA:TRUE\nkeyUsage=keyCertSign",
    "basicConstraints=CA:TRUE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid",
    "basicConstraints=CA:TRUE\nextendedKeyUsage=clientAuth",
    "basicConstraints=CA:TRUE\nextendedKeyUsage=clientAuth,serverAuth,1.2.3.4",
    "basicConstraints=CA:TRUE\n1.2.3.4=ASN1:UTF8String:unknown",
    "basicConstraints=CA:TRUE\ncertificatePolicies=critical,1.2.3.4",
    "basicConstraints=CA:TRUE\ninhibitAnyPolicy=critical,0",
    "basicConstraints=CA:TRUE\ncrlDistributionPoints=critical,URI:http://a.example/c",
    "basicConstraints=CA:TRUE\nnsComment=made by hand",
    "basicConstraints=CA:TRUE\nnsCertType=critical,sslCA",
    "basicConstraints=CA:TRUE\nnsCertType=client,server",
    "basicConstraints=CA:TRUE\nnsCertType=objCA",
    "basicConstraints=CA:TRUE\npolicyConstraints=requireExplicitPolicy:0",
    "basicConstraints=CA:TRUE\npolicyMappings=critical,1.2.3:1.2.4",
    "basicConstraints=CA:TRUE\nextendedKeyUsage=critical,clientAuth,emailProtection",
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nextendedKeyUsage=clientAuth,OCSPSigning",
];

const NO_AGENCIES: &[&str] = &[
    "",
    "keyUsage=keyCertSign",
    "nsCertType=sslCA",
    "basicConstraints=CA:FALSE",
    "basicConstraints=critical,CA:FALSE",
    "basicConstraints=CA:TRUE\nkeyUsage=digitalSignature",
    "basicConstraints=CA:TRUE\nkeyUsage=critical,cRLSign",
    "basicConstraints=CA:FALSE\nkeyUsage=keyCertSign",
    "basicConstraints=CA:TRUE\nextendedKeyUsage=serverAuth",
    "basicConstraints=CA:TRUE\nextendedKeyUsage=codeSigning,emailProtection",
    "basicConstraints=CA:TRUE\nextendedKeyUsage=anyExtendedKeyUsage",
    "basicConstraints=CA:TRUE\n1.2.3.4=critical,ASN1:UTF8String:unknown",
    "basicConstraints=DER:0500",
    "basicConstraints=CA:TRUE\nkeyUsage=DER:0500",
    "basicConstraints=CA:TRUE\nextendedKeyUsage=DER:0500",
    "basicConstraints=DER:30060101FF0201FF",
    "basicConstraints=DER:3003020103",
    "basicConstraints=CA:TRUE\nextendedKeyUsage=OCSPSigning",
    "basicConstraints=CA:TRUE\nkeyUsage=critical,encipherOnly,keyAgreement",
];

fn below_agency(extensions: &'static str) -> impl Fn(&Bench<'_>) -> Chain {
    move |bench| {
        let root = bench.root();
        let agency = bench.make(Some(&root), &spec("k1-b", "/CN=agency", extensions));
        Chain::new(&bench.leaf(&agency), &[&agency], &[&root])
    }
}

fn roots() -> Vec<Case> {
    let by_root = |extensions: &'static str| {
        move |bench: &Bench<'_>| {
            let root = bench.make(None, &spec("k1", "/CN=root", extensions));
            Chain::new(&bench.leaf(&root), &[], &[&root])
        }
    };
    vec![
        Case::good("root that may sign", by_root("basicConstraints=CA:TRUE\nkeyUsage=keyCertSign")),
        Case::bad("root that may not sign", by_root("basicConstraints=CA:TRUE\nkeyUsage=digitalSignature")),
        Case::bad("root that is none", by_root("basicConstraints=CA:FALSE")),
        Case::bad("root of version 3 that says nothing", by_root("subjectKeyIdentifier=hash")),
        Case::bad("root for servers only", by_root("basicConstraints=CA:TRUE\nextendedKeyUsage=serverAuth")),
        Case::bad(
            "root with an unknown critical extension",
            by_root("basicConstraints=CA:TRUE\n1.2.3.4=critical,ASN1:NULL"),
        ),
        Case::good(
            "agency for servers only, of a server",
            below_agency("basicConstraints=CA:TRUE\nextendedKeyUsage=serverAuth"),
        )
        .for_purpose(Leaf::Server),
    ]
}

fn versions() -> Vec<Case> {
    vec![
        Case::good("root of version 1", |bench| {
            let root = bench.make_v1(None, &spec("k1", "/CN=root", ""));
            Chain::new(&bench.leaf(&root), &[], &[&root])
        }),
        Case::bad("agency of version 1", |bench| {
            let root = bench.root();
            let agency = bench.make_v1(Some(&root), &spec("k1-b", "/CN=agency", ""));
            Chain::new(&bench.leaf(&agency), &[&agency], &[&root])
        }),
        Case::bad("agency of version 1, trusted by hand", |bench| {
            let root = bench.root();
            let agency = bench.make_v1(Some(&root), &spec("k1-b", "/CN=agency", ""));
            Chain::new(&bench.leaf(&agency), &[], &[&agency])
        }),
        Case::bad("leaf as an agency", |bench| {
            let root = bench.root();
            let leaf = bench.leaf(&root);
            let below = bench.make(Some(&leaf), &spec("k1-c", "/CN=below", ""));
            Chain::new(&below, &[&leaf], &[&root])
        }),
    ]
}

fn path_lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, good, root, above, below) in [
        ("pathlen 0 above one agency", true, "pathlen:5", "pathlen:1", "pathlen:0"),
        ("root allows one, there are two", false, "pathlen:1", "pathlen:9", "pathlen:9"),
        ("root allows two", true, "pathlen:2", "pathlen:9", "pathlen:9"),
        ("upper agency allows none", false, "pathlen:9", "pathlen:0", "pathlen:9"),
        ("upper agency allows one", true, "pathlen:9", "pathlen:1", "pathlen:9"),
        ("lower agency allows none, there is none", true, "pathlen:9", "pathlen:9", "pathlen:0"),
    ] {
        cases.push(Case::new(
            good,
            format!("path length: {name}"),
            Box::new(move |bench: &Bench<'_>| tiers(bench, [root, above, below])),
        ));
    }
    cases.push(Case::good("path length: who issued itself does not count", |bench| {
        // A new key under the old name: two certificates, one authority.
        let root = bench.make(None, &spec("k1", "/CN=root", "basicConstraints=critical,CA:TRUE,pathlen:1"));
        let again = bench.make(Some(&root), &spec("k1-d", "/CN=root", CA));
        let agency = bench.make(Some(&again), &spec("k1-b", "/CN=agency", CA));
        Chain::new(&bench.leaf(&agency), &[&agency, &again], &[&root])
    }));
    cases
}

const POLICIES: &str = "policies are not processed here, so what demands them is refused";

fn tiers(bench: &Bench<'_>, lengths: [&str; 3]) -> Chain {
    let [root, above, below] = lengths.map(|length| format!("basicConstraints=critical,CA:TRUE,{length}"));
    let root = bench.make(None, &spec("k1", "/CN=root", &root));
    let above: Issued = bench.make(Some(&root), &spec("k1-b", "/CN=above", &above));
    let below = bench.make(Some(&above), &spec("k1-c", "/CN=below", &below));
    Chain::new(&bench.leaf(&below), &[&above, &below], &[&root])
}
