//! Room for revocation lists: whoever makes authorities as he likes fills it for nobody but himself.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use nuncio_pki::{
    Certificate, Lists, Policy, PolicyError, RevocationError, RevocationList, SignerError,
    authority::{Authority, Issuer, Plan, RevocationDates, Rotation, Validity},
};
use rustls_pki_types::UnixTime;

#[path = "support/openssl.rs"]
mod openssl;
use openssl::{build_root, fisco, openssl};

fn list_of(signer: &Issuer) -> RevocationList {
    let validity = Validity::days(30);
    let dates = RevocationDates { this_update: validity.not_before, next_update: validity.not_after };
    signer.revoke(&[], None, dates).unwrap()
}

fn adopt(policy: &Policy, signer: &Issuer, known: &[Certificate]) -> Result<Option<Policy>, PolicyError> {
    let known = [&[signer.certificate().clone()], known].concat();
    policy.adopt(list_of(signer), &known, UnixTime::now())
}

/// How many lists a policy has of this authority and of those that it made.
fn held(policy: &Policy, names: &str) -> usize {
    policy.lists().iter().filter(|list| list.issuer().contains(names)).count()
}

/// FISCO BCOS's script gives agencies no pathlen.
#[test]
fn an_agency_that_makes_authorities_without_end_keeps_nobody_elses_lists_out() {
    let directory = fisco();
    let path = directory.path();
    let (root, mallory) =
        (Authority::open(&path.join("root")).unwrap(), Authority::open(&path.join("agency")).unwrap());
    let known = [mallory.certificate().clone()];
    let mut policy = Policy::new(vec![root.certificate().clone()]).unwrap();
    let below = |number: usize| mallory.issuer().agency(&format!("fill{number}"), Validity::days(9)).unwrap();
    for number in 0..Lists::MAX {
        policy = adopt(&policy, &below(number), &known).unwrap().expect("it is news");
    }
    assert_eq!(held(&policy, "fill"), Lists::MAX);
    let refused = adopt(&policy, &below(99), &known).unwrap_err();
    assert!(matches!(refused, PolicyError::TooManyLists { .. }), "{refused}");
    // Another agency, that one's own, and the root: all find room, and are read as they are.
    let good = root.issuer().agency("good", Validity::days(9)).unwrap();
    policy = adopt(&policy, &good, &[]).unwrap().expect("it is news");
    policy = adopt(&policy, root.issuer(), &[]).unwrap().expect("it is news");
    assert_eq!((held(&policy, "good"), held(&policy, "CN=chain"), held(&policy, "fill")), (1, 1, Lists::MAX - 2));
    // So do authorities as far below: those below another root, whose key this one has certified.
    Rotation::plan(root.directory(), Plan::default()).unwrap().prepare(None).unwrap();
    let other = Authority::open(&root.directory().join("rotation/new")).unwrap();
    let cross = Certificate::load(&root.directory().join("rotation/cross.crt")).unwrap();
    let as_far = other.issuer().agency("as far", Validity::days(9)).unwrap();
    policy = adopt(&policy, &as_far, &cross).unwrap().expect("it is news");
    assert_eq!((held(&policy, "as far"), held(&policy, "fill")), (1, Lists::MAX - 3));
    // What an agency signs itself comes before what those below it sign.
    policy = adopt(&policy, mallory.issuer(), &[]).unwrap().expect("it is news");
    assert_eq!((held(&policy, "CN=agency"), held(&policy, "fill")), (1, Lists::MAX - 4));
    // And the good one's next list takes the place of its first.
    let next = good.revoke(&[], Some(&list_of(&good)), dates_of_later()).unwrap();
    let known = [good.certificate().clone()];
    let policy = policy.adopt(next, &known, UnixTime::now()).unwrap().expect("it is newer");
    assert_eq!((held(&policy, "good"), policy.lists().iter().count()), (1, Lists::MAX));
}

/// While a root is replaced, its cross-certificate is above all agencies for nodes that trust the old one alone.
#[test]
fn agencies_below_the_heir_of_a_root_are_no_family() {
    let directory = fisco();
    let path = directory.path();
    let mallory = Authority::open(&path.join("agency")).unwrap();
    let root = Authority::open(&path.join("root")).unwrap();
    Rotation::plan(root.directory(), Plan::default()).unwrap().prepare(None).unwrap();
    let heir = Authority::open(&root.directory().join("rotation/new")).unwrap();
    let cross = Certificate::load(&root.directory().join("rotation/cross.crt")).unwrap();
    let mut policy = Policy::new(vec![root.certificate().clone()]).unwrap();
    for number in 0..40 {
        let good = heir.issuer().agency(&format!("good{number}"), Validity::days(9)).unwrap();
        policy = adopt(&policy, &good, &cross).unwrap().expect("it is news");
    }
    let below = |number: usize| mallory.issuer().agency(&format!("fill{number}"), Validity::days(9)).unwrap();
    let known = [mallory.certificate().clone()];
    for number in 0..Lists::MAX - 40 {
        policy = adopt(&policy, &below(number), &known).unwrap().expect("it is news");
    }
    let refused = adopt(&policy, &below(99), &known).unwrap_err();
    assert!(matches!(refused, PolicyError::TooManyLists { .. }), "{refused}");
    let late = heir.issuer().agency("late", Validity::days(9)).unwrap();
    policy = adopt(&policy, &late, &cross).unwrap().expect("it is news");
    assert_eq!((held(&policy, "good"), held(&policy, "late"), held(&policy, "fill")), (40, 1, Lists::MAX - 41));
    // The heir's own, too.
    policy = adopt(&policy, heir.issuer(), &cross).unwrap().expect("it is news");
    assert_eq!((held(&policy, "chain-2"), held(&policy, "fill")), (1, Lists::MAX - 42));
}

/// In force is its second list; this is a first one again, made since.
fn miscounted(policy: &Policy, signer: &Issuer, known: &[Certificate]) -> Result<Option<Policy>, PolicyError> {
    let known = [&[signer.certificate().clone()], known].concat();
    let second = signer.revoke(&[], Some(&list_of(signer)), ago(20)).unwrap();
    let again = signer.revoke(&[], None, ago(10)).unwrap();
    let policy = policy.adopt(second, &known, UnixTime::now())?.unwrap_or_else(|| policy.clone());
    policy.adopt(again, &known, UnixTime::now())
}

/// Of a list that was made so many seconds ago.
fn ago(seconds: u64) -> RevocationDates {
    let now = UnixTime::now().as_secs();
    let this_update = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now - seconds));
    RevocationDates { this_update, next_update: Validity::days(30).not_after }
}

/// Whoever loses count has two lists of each key.
#[test]
fn lists_that_count_beside_others_are_in_the_bound_of_all_and_go_with_them() {
    let good = Validity::days(30);
    let root = Issuer::root("chain", good).unwrap();
    let mut policy = Policy::new(vec![root.certificate().clone()]).unwrap();
    let fifteen: Vec<_> = (0..15).map(|number| root.agency(&format!("twice{number}"), good).unwrap()).collect();
    for agency in &fifteen {
        policy = miscounted(&policy, agency, &[]).unwrap().expect("it is news");
    }
    assert_eq!(held(&policy, "twice"), 30);
    let mut gone = Vec::new();
    for number in 0..Lists::MAX {
        let agency = root.agency(&format!("good{number}"), good).unwrap();
        let next = adopt(&policy, &agency, &[]).unwrap().expect("it finds room");
        assert!(next.lists().iter().count() <= Lists::MAX);
        gone.extend(next.lists().gone_since(policy.lists()));
        policy = next;
    }
    assert_eq!((held(&policy, "good"), held(&policy, "twice"), gone.len()), (Lists::MAX, 0, 30));
}

/// Nobody keeps others from what one revokes that has lost count.
#[test]
fn a_list_that_counts_beside_another_makes_room_as_any_does() {
    let good = Validity::days(30);
    let root = Issuer::root("chain", good).unwrap();
    let lost = root.agency("lost", good).unwrap();
    let second = root.revoke(&[], Some(&list_of(&root)), ago(20)).unwrap();
    let trusted = || Policy::new(vec![root.certificate().clone()]).unwrap();
    let mut policy = trusted().adopt(second, &[], UnixTime::now()).unwrap().unwrap();
    let fills: Vec<_> = (1..Lists::MAX).map(|number| root.agency(&format!("fill{number}"), good).unwrap()).collect();
    for fill in &fills {
        policy = adopt(&policy, fill, &[]).unwrap().expect("there is room");
    }
    let again = root.revoke(&[lost.certificate()], None, ago(10)).unwrap();
    let next = policy.adopt(again, &[], UnixTime::now()).unwrap().expect("a root always finds room");
    assert_eq!((next.lists().iter().count(), held(&next, "CN=chain"), held(&next, "fill")), (Lists::MAX, 2, 62));
    assert!(adopt(&next, &lost, &[]).is_err(), "it is revoked");
    // Who has most is told that there is none.
    let directory = fisco();
    let [root, mallory] = ["root", "agency"].map(|name| Authority::open(&directory.path().join(name)).unwrap());
    let known = [mallory.certificate().clone()];
    let below = |number: usize| mallory.issuer().agency(&format!("fill{number}"), Validity::days(9)).unwrap();
    let first = below(0);
    let mut policy = Policy::new(vec![root.certificate().clone()]).unwrap();
    let signed = [first.certificate().clone(), known[0].clone()];
    let second = first.revoke(&[], Some(&list_of(&first)), ago(20)).unwrap();
    policy = policy.adopt(second, &signed, UnixTime::now()).unwrap().unwrap();
    for number in 1..Lists::MAX {
        policy = adopt(&policy, &below(number), &known).unwrap().expect("there is room");
    }
    let again = first.revoke(&[], None, ago(10)).unwrap();
    let refused = policy.adopt(again.clone(), &signed, UnixTime::now()).unwrap_err();
    assert!(matches!(refused, PolicyError::TooManyLists { .. }), "{refused}");
    let (_, gone) = policy.with_former([again.clone()], &signed, UnixTime::now());
    assert_eq!(gone, [again]);
}

fn dates_of_later() -> RevocationDates {
    let validity = Validity::days(31);
    RevocationDates { this_update: validity.not_before, next_update: validity.not_after }
}

/// Certificates of what stands below it are refused, and so are its lists.
#[test]
fn below_an_agency_with_a_pathlen_nobody_signs_lists_as_an_authority() {
    let good = Validity::days(30);
    let root = Issuer::root("chain", good).unwrap();
    let agency = root.agency("agencyA", good).unwrap();
    // As if it were a root.
    let rogue = Issuer::from_parts(copy_of(&agency), vec![agency.certificate().clone()]);
    let below = rogue.agency("below", good).unwrap();
    let policy = Policy::new(vec![root.certificate().clone()]).unwrap();
    let refused = adopt(&policy, &below, &[agency.certificate().clone()]).unwrap_err();
    let PolicyError::BadSigner { source, .. } = &refused else { panic!("{refused}") };
    assert!(matches!(**source, SignerError::Chain(_)), "{refused}");
    assert!(refused.to_string().contains("its pathlen allows 0 authorities below it, and there are 1"), "{refused}");
    // What the agency lets sign lists, and nothing else, is no authority.
    let rsa = Issuer::rsa_root("agencyA", good, true).unwrap();
    let vouched = agency.vouch_for_lists_of(rsa.certificate()).unwrap();
    let known = [vouched, agency.certificate().clone()];
    assert!(policy.adopt(list_of(&rsa), &known, UnixTime::now()).unwrap().is_some());
}

fn copy_of(issuer: &Issuer) -> nuncio_pki::authority::PrivateKey {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let private = |name: &str, text: &str| {
        use std::os::unix::fs::OpenOptionsExt;
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path.join(name));
        std::io::Write::write_all(&mut file.unwrap(), text.as_bytes()).unwrap();
    };
    private("key", &issuer.key().to_pem().unwrap());
    nuncio_pki::authority::PrivateKey::Secp256k1(
        nuncio_pki::KeyFile::load(&path.join("key")).unwrap().into_node_key().unwrap(),
    )
}

/// What says so has to be critical, and a tool that forgets it must not empty a list.
#[test]
fn a_part_of_a_list_is_no_list_also_where_it_does_not_insist_on_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    build_root(path);
    fs::write(path.join("index.txt"), "").unwrap();
    for (what, extension) in [
        ("a delta", "2.5.29.27=DER:020101"),
        ("users alone", "2.5.29.28=DER:30038101FF"),
        ("some reasons", "2.5.29.28=DER:300483020640"),
    ] {
        let config = format!(
            "[d]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=30\ncrl_extensions=e\n[e]\n{extension}\n"
        );
        fs::write(path.join("crl.cnf"), config).unwrap();
        openssl(path, "ca -gencrl -config crl.cnf -name d -keyfile ca.key -cert ca.crt -out out.crl");
        let refused = RevocationList::from_pem_bundle(fs::read(path.join("out.crl")).unwrap()).unwrap_err();
        assert!(matches!(refused, RevocationError::Partial { .. }), "{what}: {refused}");
    }
}
