//! What rules say of an agency holds below a root that takes the old one's place; and nobody gets there but by the old root.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path};

use der::{Decode, Encode};
use nuncio_pki::{
    Certificate, Credential, Policy,
    authority::{Authority, Kind, Plan, Rotation, Validity},
};
use rustls_pki_types::{CertificateDer, UnixTime};

#[path = "support/openssl.rs"]
mod openssl;
use openssl::{fisco, openssl};

/// The object identifier of the old root's word.
const HEIR: &str = "1.2.840.113556.1.8000.2554.42705.34933.9305.20226.44437.6161110.2163479.100";

fn read(path: &Path) -> Certificate {
    Certificate::load(path).unwrap().remove(0)
}

/// The authority that is to take the place of the root in a folder, and the root's certificate for it.
fn heir_of(folder: &Path) -> (Authority, Certificate) {
    Rotation::plan(folder, Plan::default()).unwrap().prepare(None).unwrap();
    (Authority::open(&folder.join("rotation/new")).unwrap(), read(&folder.join("rotation/cross.crt")))
}

/// By what name rules know a leaf that shows these, where `root` alone is trusted.
fn known_as(root: &Certificate, chain: &[&Certificate]) -> String {
    let chain: Vec<CertificateDer<'_>> = chain.iter().map(|one| one.der().clone()).collect();
    let judged = Policy::new(vec![root.clone()]).unwrap().judge(&chain, UnixTime::now());
    judged.unwrap_or_else(|error| panic!("{error}")).agency_path()
}

/// Some leaf below an authority.
fn leaf(authority: &Authority) -> Certificate {
    authority.issuer().issue(Kind::Node, "node", Validity::days(9)).unwrap().certificate().clone()
}

#[test]
fn agencies_keep_their_names_below_the_heir_of_the_root_that_is_trusted_and_below_its_heir() {
    let directory = fisco();
    let root = Authority::open(&directory.path().join("root")).unwrap();
    let (second, cross) = heir_of(&directory.path().join("root"));
    let (third, cross_of_third) = heir_of(second.directory());
    for (number, (new, above)) in [(&second, vec![&cross]), (&third, vec![&cross_of_third, &cross])].iter().enumerate()
    {
        let agency = new.agency("agencyA", &directory.path().join(number.to_string()), Validity::days(9)).unwrap();
        let leaf_of_agency = leaf(&agency);
        let chain = [vec![&leaf_of_agency, agency.certificate()], above.clone()].concat();
        assert_eq!(known_as(root.certificate(), &chain), "agencyA");
        assert_eq!(known_as(new.certificate(), &chain), "agencyA");
        // Who is of the root itself stays so.
        assert_eq!(known_as(root.certificate(), &[vec![&leaf(new)], above.clone()].concat()), "chain");
    }
    let text = openssl(
        directory.path(),
        "verify -x509_strict -partial_chain -trusted root/rotation/new/ca.crt root/rotation/new/ca.crt",
    );
    assert!(text.contains("OK"), "{text}");
}

/// Without the word it is an authority like any other: below whom agencies have its name before theirs.
#[test]
fn an_authority_that_the_root_does_not_call_its_heir_is_none() {
    let directory = fisco();
    let path = directory.path();
    let root = Authority::open(&path.join("root")).unwrap();
    let (_, cross) = heir_of(&path.join("root"));
    let word = word_of(&cross);
    // The root's tool copied what somebody asked for: the word about another key.
    openssl(path, "ecparam -name secp256k1 -genkey -noout -out mallory.key");
    openssl(path, "pkcs8 -topk8 -nocrypt -in mallory.key -out mallory.key.8");
    openssl(
        path,
        "req -new -config cert.cnf -subj /CN=chain-2/O=fisco-bcos/OU=chain -key mallory.key -out mallory.csr",
    );
    for (number, extension) in
        ["", &format!("{HEIR} = DER:{word}\n"), &format!("{HEIR} = DER:0500\n")].iter().enumerate()
    {
        fs::write(path.join("heir.cnf"), format!("[heir]\nbasicConstraints = CA:TRUE\n{extension}")).unwrap();
        let folder = path.join(format!("mallory{number}"));
        fs::create_dir(&folder).unwrap();
        openssl(
            path,
            &format!(
                "x509 -req -days 9 -sha256 -CA ca.crt -CAkey ca.key -CAcreateserial -in mallory.csr -out mallory{number}/ca.crt \
                 -extensions heir -extfile heir.cnf"
            ),
        );
        fs::copy(path.join("mallory.key.8"), folder.join("ca.key")).unwrap();
        let mallory = Authority::open(&folder).unwrap();
        let below = mallory.agency("agencyA", &folder.join("below"), Validity::days(9)).unwrap();
        let leaf_below = leaf(&below);
        let chain = [&leaf_below, below.certificate(), mallory.certificate()];
        let judged = std::panic::catch_unwind(|| known_as(root.certificate(), &chain));
        // Nonsense under the word's name is refused altogether.
        assert_eq!(judged.ok(), (number < 2).then(|| "chain-2/agencyA".to_owned()), "{extension}");
    }
}

/// An agency can sign the word as well as a root can: of itself.
#[test]
fn an_agencys_heir_is_no_roots_heir() {
    let directory = fisco();
    let path = directory.path();
    let root = Authority::open(&path.join("root")).unwrap();
    let agency = read(&path.join("agency/ca.crt"));
    let (new, cross) = heir_of(&path.join("agency"));
    let below = new.agency("agencyB", &path.join("below"), Validity::days(9)).unwrap();
    let leaf_below = leaf(&below);
    let chain = [&leaf_below, below.certificate(), &cross, &agency];
    assert_eq!(known_as(root.certificate(), &chain), "agency/agency-2/agencyB");
    // Beside the root's true heir, too.
    let (_, true_cross) = heir_of(&path.join("root"));
    assert_eq!(known_as(root.certificate(), &[&chain[..], &[&true_cross]].concat()), "agency/agency-2/agencyB");
    // And where somebody trusts the agency itself, its heir takes its place.
    assert_eq!(known_as(&agency, &chain[..3]), "agency/agencyB");
}

/// Of an agency without a name nobody is told that it is the root.
#[test]
fn an_agency_without_a_name_is_nameless() {
    let directory = fisco();
    let path = directory.path();
    let root = Authority::open(&path.join("root")).unwrap();
    openssl(path, "req -new -config cert.cnf -subj /O=fisco-bcos/OU=agency -key agency.key -out nameless.csr");
    openssl(
        path,
        "x509 -req -days 9 -sha256 -CA ca.crt -CAkey ca.key -CAcreateserial -in nameless.csr -out agency/ca.crt -extensions \
         v4_req -extfile cert.cnf",
    );
    let nameless = Authority::open(&path.join("agency")).unwrap();
    assert_eq!(known_as(root.certificate(), &[&leaf(&nameless), nameless.certificate()]), "");
}

/// The value of the old root's word in a certificate, in hexadecimal digits.
fn word_of(cross: &Certificate) -> String {
    let parsed = x509_cert::Certificate::from_der(cross.der()).unwrap();
    let extensions = parsed.tbs_certificate().extensions().unwrap();
    let word = extensions.iter().find(|one| one.extn_id.to_string() == HEIR).expect("the old root calls it its heir");
    assert!(!word.critical, "who does not know it ignores it");
    let value = word.extn_value.to_der().unwrap();
    hex::encode(der::asn1::OctetString::from_der(&value).unwrap().as_bytes())
}

/// Where both roots are trusted, as while one takes the other's place.
#[test]
fn who_is_below_a_root_is_below_its_heir_and_below_the_one_before_by_his_own_files() {
    let directory = fisco();
    let path = directory.path();
    let root = Authority::open(&path.join("root")).unwrap();
    let (heir, cross) = heir_of(&path.join("root"));
    let of = |by: &Authority, name: &str| by.agency("agencyA", &path.join(name), Validity::days(9)).unwrap();
    let (before, after) = (of(&root, "before"), of(&heir, "after"));
    let stranger = Authority::init(&path.join("stranger"), "chain", Validity::days(99)).unwrap();
    let below_stranger = of(&stranger, "below-stranger");
    let anchors = [&root, &heir, &stranger].map(|one| one.certificate().clone());
    let policy = Policy::new(anchors.to_vec()).unwrap();
    let who = |agency: &Authority, more: &[&Certificate]| {
        let leaf = leaf(agency);
        let chain: Vec<_> =
            [&[&leaf, agency.certificate()], more].concat().iter().map(|one| one.der().clone()).collect();
        policy.judge(&chain, UnixTime::now()).unwrap()
    };
    let [old, told] = [&[][..], &[&cross]].map(|more| who(&before, more));
    let [new, taught] = [&[][..], &[&cross]].map(|more| who(&after, more));
    let below = |own: &Credential, other: &Credential| own.is_below_root_of(other, &anchors);
    assert!(below(&old, &told) && below(&new, &taught));
    // By the word of the old root itself, whoever shows it.
    assert!(below(&old, &taught) && below(&told, &new) && !below(&old, &new));
    // A root says of whom it likes that he follows it: so that one goes by what he shows himself.
    assert!(below(&taught, &old) && !below(&new, &told));
    let [strange, knowing] = [&[][..], &[&cross]].map(|more| who(&below_stranger, more));
    for one in [&old, &told, &new, &taught] {
        assert!(!below(one, &strange) && !below(one, &knowing) && !below(&knowing, one));
        assert_eq!(one.agency_path(), strange.agency_path(), "they have one name");
    }
    // An agency that is trusted itself is below its root still.
    let anchors = [root.certificate().clone(), before.certificate().clone()];
    let policy = Policy::new(anchors.to_vec()).unwrap();
    let judged = |chain: &[&Certificate]| {
        let chain: Vec<_> = chain.iter().map(|one| one.der().clone()).collect();
        policy.judge(&chain, UnixTime::now()).unwrap()
    };
    let (own, of_root) = (judged(&[&leaf(&before)]), judged(&[&leaf(&root)]));
    assert!(own.is_below_root_of(&of_root, &anchors) && !of_root.is_below_root_of(&own, &anchors));
}

/// The word is no secret: who issues certificates can put it into one for that very key.
#[test]
fn a_word_in_a_certificate_by_somebody_else_ties_nobody_to_him() {
    let directory = fisco();
    let path = directory.path();
    let root = Authority::open(&path.join("root")).unwrap();
    let (heir, cross) = heir_of(&path.join("root"));
    let stranger = Authority::init(&path.join("stranger"), "other", Validity::days(99)).unwrap();
    openssl(path, "req -new -config cert.cnf -subj /CN=x -key root/rotation/new/ca.key -out heir.csr");
    let word = word_of(&cross);
    fs::write(path.join("heir.cnf"), format!("[heir]\nbasicConstraints = CA:TRUE\n{HEIR} = DER:{word}\n")).unwrap();
    fs::write(path.join("heir.crt"), heir.certificate().to_pem()).unwrap();
    openssl(
        path,
        "x509 -in heir.crt -days 9 -sha256 -CA stranger/ca.crt -CAkey stranger/ca.key -CAcreateserial -out forged.crt \
         -clrext -extensions heir -extfile heir.cnf",
    );
    let forged = read(&path.join("forged.crt"));
    assert_eq!(
        (forged.public_key(), forged.subject()),
        (heir.certificate().public_key(), heir.certificate().subject())
    );
    let anchors = [&root, &stranger].map(|one| one.certificate().clone());
    let policy = Policy::new(anchors.to_vec()).unwrap();
    let judged = |chain: &[&Certificate]| {
        let chain: Vec<_> = chain.iter().map(|one| one.der().clone()).collect();
        policy.judge(&chain, UnixTime::now()).unwrap()
    };
    let (own, theirs) = (judged(&[&leaf(&root)]), judged(&[&leaf(&stranger), &forged]));
    assert!(!own.is_below_root_of(&theirs, &anchors));
}
