//! Names: every type of string, and what name constraints forbid.

use super::lab::{Bench, Case, Chain, spec};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        ("UTF8String", "utf8only", "机构 A", "机构 A"),
        ("PrintableString", "MASK:0x2", "agency A", "agency A"),
        ("T61String", "MASK:0x4", "agéncy", "agéncy"),
        ("BMPString", "MASK:0x800", "机构 A", "机构 A"),
        ("letters of the other case", "utf8only", "Agency A", "aGENCY a"),
        ("more blanks", "utf8only", "agency  A ", " agency A"),
    ]
    .into_iter()
    .map(|(name, strings, subject, issuer)| {
        Case::good(format!("name: {name}"), move |bench: &Bench<'_>| {
            issued_under(bench, [strings; 2], [subject, issuer])
        })
    })
    .collect();
    for (name, strings) in [
        ("PrintableString, then UTF8String", ["MASK:0x2", "utf8only"]),
        ("UTF8String, then BMPString", ["utf8only", "MASK:0x800"]),
        ("BMPString, then PrintableString", ["MASK:0x800", "MASK:0x2"]),
        ("T61String, then UTF8String", ["MASK:0x4", "utf8only"]),
    ] {
        cases.push(Case::good(format!("name: {name}"), move |bench: &Bench<'_>| {
            issued_under(bench, strings, ["agency A", "agency A"])
        }));
    }
    cases.push(Case::bad("name: another letter", |bench: &Bench<'_>| {
        issued_under(bench, ["utf8only"; 2], ["agency A", "agency B"])
    }));
    cases.push(Case::bad("name: letters beyond ASCII of the other case", |bench: &Bench<'_>| {
        issued_under(bench, ["utf8only"; 2], ["agÉncy", "agéncy"])
    }));
    for (name, subject) in [
        (
            "every attribute",
            "/C=CN/ST=Guangdong/L=Shenzhen/O=fisco-bcos/OU=node/CN=node0/emailAddress=a@b.example/DC=x/serialNumber=7",
        ),
        ("two attributes in one step", "/O=fisco-bcos/CN=node0+UID=7"),
        ("empty", "/"),
        ("letters that RFC 4514 escapes", "/CN=a\\,b\\+c\"d;e<f>"),
        ("64 letters", "/CN=0123456789012345678901234567890123456789012345678901234567890123"),
    ] {
        cases.push(Case::good(format!("name: {name}"), move |bench: &Bench<'_>| {
            let root = bench.root();
            let mut arguments = spec("k1-leaf", subject, "basicConstraints=CA:FALSE");
            if subject.contains('+') {
                arguments = arguments.with("-sha256 -multivalue-rdn");
            }
            Chain::new(&bench.make(Some(&root), &arguments), &[], &[&root])
        }));
    }
    cases.extend(constraints());
    cases
}

const HERE: &str = "permitted;dirName:d\n[d]\nO=here";

/// Whether openssl accepts; a constraint, a subject and extensions.
const CONSTRAINTS: &[(bool, &str, &str, &str)] = &[
    (true, HERE, "/O=here/CN=node0", ""),
    (true, HERE, "/O=HERE/CN=node0", ""),
    (false, HERE, "/O=there/CN=node0", ""),
    (false, HERE, "/CN=node0/O=here", ""),
    (false, "excluded;dirName:d\n[d]\nO=here", "/O=here/CN=node0", ""),
    (true, "excluded;dirName:d\n[d]\nO=here", "/O=there/CN=node0", ""),
    (true, "permitted;DNS:a.example", "/CN=node0", ""),
    (true, "permitted;DNS:a.example", "/CN=node0.a.example", ""),
    (false, "permitted;DNS:a.example", "/CN=node0.b.example", ""),
    (true, "permitted;DNS:a.example", "/CN=node0", "subjectAltName=DNS:x.a.example,DNS:A.example"),
    (false, "permitted;DNS:a.example", "/CN=node0", "subjectAltName=DNS:x.a.example,DNS:b.example"),
    (false, "permitted;DNS:a.example", "/CN=node0", "subjectAltName=DNS:xa.example"),
    (true, "permitted;DNS:.a.example", "/CN=node0", "subjectAltName=DNS:x.a.example"),
    (false, "permitted;DNS:.a.example", "/CN=node0", "subjectAltName=DNS:a.example"),
    (false, "excluded;DNS:a.example", "/CN=node0", "subjectAltName=DNS:x.a.example"),
    (true, "permitted;email:a.example", "/CN=node0", "subjectAltName=email:me@a.example"),
    (false, "permitted;email:a.example", "/CN=node0", "subjectAltName=email:me@b.example"),
    (false, "permitted;email:a.example", "/CN=node0/emailAddress=me@b.example", ""),
    (true, "permitted;email:me@a.example", "/CN=node0", "subjectAltName=email:me@A.example"),
    (false, "permitted;email:me@a.example", "/CN=node0", "subjectAltName=email:Me@a.example"),
    (true, "permitted;email:.a.example", "/CN=node0", "subjectAltName=email:me@x.a.example"),
    (true, "permitted;URI:a.example", "/CN=node0", "subjectAltName=URI:https://a.example:1/x"),
    (false, "permitted;URI:a.example", "/CN=node0", "subjectAltName=URI:https://x.a.example/"),
    (true, "permitted;URI:.a.example", "/CN=node0", "subjectAltName=URI:https://x.a.example/"),
    (true, "permitted;IP:10.0.0.0/255.0.0.0", "/CN=node0", "subjectAltName=IP:10.1.2.3"),
    (false, "permitted;IP:10.0.0.0/255.0.0.0", "/CN=node0", "subjectAltName=IP:11.1.2.3"),
    (false, "permitted;IP:10.0.0.0/255.0.0.0", "/CN=node0", "subjectAltName=IP:::1"),
    (false, "excluded;IP:10.0.0.0/255.0.0.0", "/CN=node0", "subjectAltName=IP:10.1.2.3"),
    (true, "permitted;IP:fd00::/ff00::", "/CN=node0", "subjectAltName=IP:fd00::1"),
    (false, "permitted;IP:fd00::/ff00::", "/CN=node0", "subjectAltName=IP:10.1.2.3"),
    (false, "permitted;DNS:a.example", "/CN=10.0.0.1", ""),
    (false, "permitted;DNS:a.example", "/CN=node0.b.example", "subjectAltName=email:me@a.example"),
    (true, "permitted;DNS:a.example", "/CN=node0", "subjectAltName=DNS:*.a.example"),
    (false, "excluded;DNS:a.example", "/CN=node0", "subjectAltName=DNS:*.a.example"),
    (false, "permitted;URI:a.example", "/CN=node0", "subjectAltName=URI:urn:a.example"),
    (false, "permitted;URI:a.example", "/CN=node0", "subjectAltName=URI:https://me@a.example/"),
    (false, "permitted;URI:a.example", "/CN=node0", "subjectAltName=URI:https://[fd00:0:0:0:0:0:0:1]/"),
    (false, "permitted;dirName:d\n[d]\nO=here", "/O=here/CN=x", "subjectAltName=dirName:e\n[e]\nO=there"),
    (false, "excluded;otherName:1.2.3.4;UTF8:a", "/CN=node0", "subjectAltName=otherName:1.2.3.4;UTF8:b"),
    (true, "excluded;otherName:1.2.3.4;UTF8:a", "/CN=node0", "subjectAltName=otherName:1.2.3.5;UTF8:b"),
    (true, "permitted;RID:1.2.3.4", "/CN=node0", ""),
    (false, "permitted;RID:1.2.3.4", "/CN=node0", "subjectAltName=RID:1.2.3.4"),
];

fn constraints() -> Vec<Case> {
    let mut cases: Vec<Case> = CONSTRAINTS
        .iter()
        .copied()
        .map(|(good, constraint, subject, extensions)| {
            let name = format!("constraint {constraint} and {subject} {extensions}").replace('\n', " ");
            Case::new(
                good,
                name,
                Box::new(move |bench: &Bench<'_>| constrained(bench, constraint, subject, extensions)),
            )
        })
        .collect();
    cases.extend(written_constraints());
    cases.push(Case::bad("constraint of the root", |bench: &Bench<'_>| {
        let says = "basicConstraints=CA:TRUE\nnameConstraints=critical,permitted;DNS:a.example";
        let root = bench.make(None, &spec("k1", "/CN=root", says));
        let agency = bench.agency(&root);
        let leaf = bench.make(Some(&agency), &spec("k1-leaf", "/CN=node0", "subjectAltName=DNS:b.example"));
        Chain::new(&leaf, &[&agency], &[&root])
    }));
    cases.push(Case::bad("constraint broken by an agency", |bench: &Bench<'_>| {
        let says = "basicConstraints=CA:TRUE\nnameConstraints=critical,permitted;dirName:d\n[d]\nO=here";
        let root = bench.make(None, &spec("k1", "/CN=root", says));
        let agency = bench.agency(&root);
        let leaf = bench.make(Some(&agency), &spec("k1-leaf", "/O=here/CN=node0", ""));
        Chain::new(&leaf, &[&agency], &[&root])
    }));
    cases
}

/// That openssl's configuration cannot say.
fn written_constraints() -> impl Iterator<Item = Case> {
    let rows = [
        (true, "of nothing", "DER:3000", "DNS:a.example"),
        (false, "an address of five bytes excluded", "DER:300ba1093007870501020304ff", "IP:1.2.3.4"),
        (false, "an address of three bytes permitted", "DER:3009a0073005870301ffff", "IP:1.2.3.4"),
        (true, "every host permitted", "DER:3006a00430028200", "DNS:a.example"),
        (false, "every host excluded", "DER:3006a10430028200", "DNS:a.example"),
        (true, "every name permitted", "DER:3008a0063004a4023000", "DNS:a.example"),
        (false, "every name excluded", "DER:3008a1063004a4023000", "DNS:a.example"),
        (false, "from the second label down", "DER:300aa0083006820161800101", "DNS:a"),
        (false, "to the second label", "DER:300aa0083006820161810101", "DNS:a"),
        (false, "that cannot be read", "DER:0500", "DNS:a"),
    ];
    rows.into_iter().map(|(good, name, value, alternative)| {
        Case::new(good, format!("constraint {name}"), move |bench: &Bench<'_>| {
            let root = bench.root();
            let says = format!("basicConstraints=CA:TRUE\nnameConstraints=critical,{value}");
            let agency = bench.make(Some(&root), &spec("k1-b", "/CN=agency", &says));
            let says = format!("subjectAltName={alternative}");
            let leaf = bench.make(Some(&agency), &spec("k1-leaf", "/CN=node0", &says));
            Chain::new(&leaf, &[&agency], &[&root])
        })
    })
}

fn constrained(bench: &Bench<'_>, constraint: &str, subject: &str, extensions: &str) -> Chain {
    let root = bench.root();
    let says = format!("basicConstraints=CA:TRUE\nnameConstraints=critical,{constraint}");
    let agency = bench.make(Some(&root), &spec("k1-b", "/CN=agency", &says));
    let leaf = bench.make(Some(&agency), &spec("k1-leaf", subject, extensions));
    Chain::new(&leaf, &[&agency], &[&root])
}

/// An agency named in one way, and a leaf of the same key that names its issuer in another.
fn issued_under(bench: &Bench<'_>, [shown, meant]: [&'static str; 2], [subject, issuer]: [&str; 2]) -> Chain {
    let root = bench.root();
    let says = "basicConstraints=critical,CA:TRUE";
    let named = |name: &str, strings| spec("k1-b", &format!("/CN={name}"), says).strings(strings);
    let agency = bench.make(Some(&root), &named(subject, shown));
    let signing = bench.make(Some(&root), &named(issuer, meant));
    Chain::new(&bench.leaf(&signing), &[&agency], &[&root])
}
