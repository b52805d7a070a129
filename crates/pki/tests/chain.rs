//! What `Policy::judge` accepts and refuses, and in which words.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeSet, time::Duration};

use nuncio_pki::{
    Anchors, Certificate, ChainError, Leaf, Policy, PolicyError, RevocationList,
    authority::{Issued, Issuer, Kind, RevocationDates, Validity},
};
use rustls_pki_types::{CertificateDer, UnixTime};

const DAY: u64 = 24 * 60 * 60;

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

fn now() -> UnixTime {
    at(2_000_000_000)
}

fn days(from: i64, to: i64) -> Validity {
    let shift = |days: i64| at(now().as_secs().saturating_add_signed(days * DAY.cast_signed()));
    Validity { not_before: shift(from), not_after: shift(to) }
}

fn good() -> Validity {
    days(-1, 100)
}

fn dates() -> RevocationDates {
    RevocationDates { this_update: days(0, 0).not_before, next_update: days(0, 30).not_after }
}

fn trust(root: &Issuer) -> Policy {
    Policy::new(vec![root.certificate().clone()]).unwrap()
}

fn ders(certificates: &[Certificate]) -> Vec<CertificateDer<'static>> {
    certificates.iter().map(|one| one.der().clone()).collect()
}

fn refusal(policy: &Policy, chain: &[Certificate]) -> ChainError {
    let error = policy.judge(&ders(chain), now()).unwrap_err();
    assert!(!error.hint().is_empty());
    error
}

fn node(issuer: &Issuer) -> Issued {
    issuer.issue(Kind::Node, "node0", good()).unwrap()
}

#[test]
fn a_good_chain_is_judged_with_and_without_its_root() {
    let root = Issuer::root("chain", good()).unwrap();
    let agency = root.agency("agencyA", good()).unwrap();
    let issued = node(&agency);
    for length in [2, 3] {
        let judged = trust(&root).judge(&ders(&issued.chain[..length]), now()).unwrap();
        assert_eq!(judged.node_id, issued.node_id());
        assert_eq!((judged.name.as_str(), judged.agency.as_str()), ("node0", "agencyA"));
        assert_eq!(judged.serial, issued.certificate().serial());
    }
    // Without an agency level, as build_chain.sh -N makes it.
    assert!(trust(&root).judge(&ders(&node(&root).chain), now()).is_ok());
}

#[test]
fn a_chain_that_does_not_reach_the_root_is_refused() {
    let root = Issuer::root("chain", good()).unwrap();
    let agency = root.agency("agencyA", good()).unwrap();
    let issued = node(&agency);
    let policy = trust(&root);
    assert_eq!(policy.judge(&[], now()), Err(ChainError::NoCertificate));

    let missing = refusal(&policy, &issued.chain[..1]);
    assert!(matches!(missing, ChainError::UnknownIssuer { .. }), "{missing}");
    let who = format!("certificate of OU=node,O=fisco-bcos,CN=node0 (node {})", issued.node_id().unwrap().short());
    assert!(missing.to_string().starts_with(&who), "{missing}");
    assert!(missing.to_string().contains("CN=agencyA is neither"), "{missing}");

    let namesake = Issuer::root("chain", good()).unwrap();
    let same_name = refusal(&trust(&namesake), &issued.chain);
    assert!(matches!(same_name, ChainError::WrongIssuerKey { .. }), "{same_name}");
    assert!(same_name.to_string().contains("CN=chain but with another key"), "{same_name}");
    let stranger = Issuer::root("other", good()).unwrap();
    let other_name = refusal(&trust(&stranger), &issued.chain);
    assert!(
        matches!(&other_name, ChainError::UnknownIssuer { issuer, .. } if issuer.ends_with("CN=chain")),
        "{other_name}"
    );

    // Two roots of one name side by side.
    let both = Policy::new(vec![namesake.certificate().clone(), root.certificate().clone()]).unwrap();
    assert!(both.judge(&ders(&issued.chain), now()).is_ok());
}

#[test]
fn dates_are_checked_on_every_level() {
    let root = Issuer::root("chain", good()).unwrap();
    let agency = root.agency("agencyA", good()).unwrap();
    let past = days(-10, -1);
    let expired = agency.issue(Kind::Node, "node0", past).unwrap();
    let error = refusal(&trust(&root), &expired.chain);
    assert!(matches!(error, ChainError::Expired { not_after, .. } if not_after == past.not_after), "{error}");
    assert!(error.to_string().contains("expired on 2033-05-17T03:33:20Z"), "{error}");
    assert!(error.hint().contains("nuncio cert renew"));
    let early = agency.issue(Kind::Node, "node0", days(1, 10)).unwrap();
    let error = refusal(&trust(&root), &early.chain);
    assert!(matches!(error, ChainError::NotYetValid { .. }), "{error}");
    assert!(error.to_string().contains("is not valid before 2033-05-19"), "{error}");
    let backwards = agency.issue(Kind::Node, "node0", days(10, -10)).unwrap();
    refusal(&trust(&root), &backwards.chain);

    let old_agency = root.agency("agencyA", days(-10, -1)).unwrap();
    let error = refusal(&trust(&root), &node(&old_agency).chain);
    assert!(matches!(&error, ChainError::Expired { who, .. } if who.subject.ends_with("CN=agencyA")), "{error}");

    let short = root.agency("agencyA", days(-10, 1)).unwrap();
    let ends = |policy: &Policy, issuer: &Issuer| policy.judge(&ders(&node(issuer).chain), now()).unwrap().not_after;
    assert_eq!(ends(&trust(&root), &short), days(-10, 1).not_after, "a node ends with its agency");
    let short_root = Issuer::root("chain", days(-10, 1)).unwrap();
    let below_short = short_root.agency("agencyA", good()).unwrap();
    assert_eq!(ends(&trust(&short_root), &below_short), days(-10, 1).not_after, "and with the root");

    // webpki never looks at the root's dates; we do.
    let old_root = Issuer::root("chain", days(-10, -1)).unwrap();
    let below = node(&old_root.agency("agencyA", good()).unwrap());
    let error = refusal(&trust(&old_root), &below.chain);
    assert!(matches!(&error, ChainError::Expired { who, .. } if who.subject.ends_with("CN=chain")), "{error}");
    assert_eq!(error.to_certificate_error(), rustls::CertificateError::Expired);
}

#[test]
fn only_authorities_issue() {
    let root = Issuer::root("chain", good()).unwrap();
    let agency = root.agency("agencyA", good()).unwrap();
    let policy = trust(&root);
    // A node that plays authority: its certificate says CA:FALSE.
    let rogue = forged_issuer(node(&agency));
    let error = refusal(&policy, &node(&rogue).chain);
    assert!(matches!(error, ChainError::NotAnAuthority { .. }), "{error}");
    // An agency's own certificate is no node's.
    let error = refusal(&policy, agency.chain());
    assert!(matches!(error, ChainError::AuthorityAsNode { .. }), "{error}");
    // Version 1, directly under the root: good enough for SDKs, not for nodes.
    let v1 = root.issue_v1(Kind::Node, "node0", good()).unwrap();
    assert!(matches!(refusal(&policy, &v1.chain), ChainError::NotVersion3 { version: 1, .. }));
    let rsa = agency.issue(Kind::NodeRsa, "node0", good()).unwrap();
    assert!(matches!(refusal(&policy, &rsa.chain), ChainError::NotSecp256k1 { .. }));
    // A leaf is no anchor.
    let leaf = node(&root).chain.swap_remove(0);
    assert!(matches!(Policy::new(vec![leaf]), Err(PolicyError::NotAnAuthority { .. })));
    assert!(matches!(Policy::new(Vec::new()), Err(PolicyError::NoAuthority)));
}

/// An issuer whose certificate is a leaf.
fn forged_issuer(leaf: Issued) -> Issuer {
    Issuer::from_parts(leaf.key, leaf.chain)
}

#[test]
fn size_is_bounded_and_rubbish_is_refused() {
    let root = Issuer::root("chain", good()).unwrap();
    let issued = node(&root);
    let leaf = issued.certificate().der().clone();
    let policy = trust(&root);
    let six = vec![leaf.clone(); 6];
    assert!(matches!(policy.judge(&six, now()), Err(ChainError::TooLong { certificates: 6, .. })));
    let large = vec![leaf.clone(), CertificateDer::from(vec![0x30; 17_000])];
    assert!(matches!(policy.judge(&large, now()), Err(ChainError::TooLong { certificates: 2, .. })));
    for length in [0, 1, leaf.len() / 2, leaf.len() - 1] {
        let cut = CertificateDer::from(leaf[..length].to_vec());
        assert!(matches!(policy.judge(&[cut], now()), Err(ChainError::Unreadable { position: 1, .. })), "{length}");
    }
    // Every single flipped bit is noticed, and none panics.
    for index in 0..leaf.len() {
        let mut bent = leaf.to_vec();
        bent[index] ^= 0x10;
        assert!(policy.judge(&[CertificateDer::from(bent)], now()).is_err(), "byte {index}");
    }
}

#[test]
fn access_lists_apply_after_the_chain() {
    let root = Issuer::root("chain", good()).unwrap();
    let (one, two) = (node(&root), node(&root));
    let id = |issued: &Issued| issued.node_id().unwrap();
    let set = |ids: &[&Issued]| ids.iter().map(|one| id(one)).collect::<BTreeSet<_>>();
    let denying = trust(&root).with_access(BTreeSet::new(), set(&[&one]));
    assert!(matches!(refusal(&denying, &one.chain), ChainError::Denied { .. }));
    assert!(denying.judge(&ders(&two.chain), now()).is_ok());
    let allowing = trust(&root).with_access(set(&[&one]), BTreeSet::new());
    assert!(allowing.judge(&ders(&one.chain), now()).is_ok());
    let refused = refusal(&allowing, &two.chain);
    assert!(matches!(refused, ChainError::NotAllowed { .. }));
    assert!(refused.hint().contains(&id(&two).to_string()));
    let both = trust(&root).with_access(set(&[&one]), set(&[&one]));
    assert!(matches!(refusal(&both, &one.chain), ChainError::Denied { .. }), "deny beats allow");
}

#[test]
fn revocation_holds_for_leaves_and_agencies() {
    let root = Issuer::root("chain", good()).unwrap();
    let agency = root.agency("agencyA", good()).unwrap();
    let (one, two) = (node(&agency), node(&agency));
    let list = agency.revoke(&[one.certificate()], None, dates()).unwrap();
    let policy = trust(&root).with_crls(vec![list]).unwrap();
    let error = refusal(&policy, &one.chain);
    let ChainError::Revoked { serial, issuer, crl_number, .. } = &error else { panic!("{error}") };
    assert_eq!((serial, *crl_number), (&one.certificate().serial(), 1));
    assert!(issuer.ends_with("CN=agencyA"));
    assert_eq!(error.to_certificate_error(), rustls::CertificateError::Revoked);
    assert!(policy.judge(&ders(&two.chain), now()).is_ok());
    // Past nextUpdate the list still revokes, and still stops nobody else.
    let later = days(0, 60).not_after;
    assert!(matches!(policy.judge(&ders(&one.chain), later), Err(ChainError::Revoked { .. })));
    assert!(policy.judge(&ders(&two.chain), later).is_ok());
    assert_eq!((policy.stale_crls(now()).count(), policy.stale_crls(later).count()), (0, 1));

    let of_root = root.revoke(&[agency.certificate()], None, dates()).unwrap();
    let error = refusal(&trust(&root).with_crls(vec![of_root]).unwrap(), &two.chain);
    assert!(matches!(&error, ChainError::Revoked { who, .. } if who.subject.ends_with("CN=agencyA")), "{error}");
}

#[test]
fn a_list_counts_only_for_the_key_that_signed_it() {
    let root = Issuer::root("chain", good()).unwrap();
    // Two generations of one agency: one name, two keys.
    let (old, new) = (root.agency("agencyA", good()).unwrap(), root.agency("agencyA", good()).unwrap());
    let (of_old, of_new) = (node(&old), node(&new));
    let lists = |first: &Issuer, first_leaf: &Issued, second: &Issuer, second_leaf: &Issued| {
        let one = first.revoke(&[first_leaf.certificate()], None, dates()).unwrap();
        let two = second.revoke(&[second_leaf.certificate()], None, dates()).unwrap();
        trust(&root).with_crls(vec![one, two]).unwrap()
    };
    let spare = (node(&old), node(&new));
    for policy in [lists(&old, &of_old, &new, &of_new), lists(&new, &of_new, &old, &of_old)] {
        assert!(matches!(refusal(&policy, &of_old.chain), ChainError::Revoked { .. }));
        assert!(matches!(refusal(&policy, &of_new.chain), ChainError::Revoked { .. }));
        assert!(policy.judge(&ders(&spare.0.chain), now()).is_ok());
        assert!(policy.judge(&ders(&spare.1.chain), now()).is_ok());
        assert_eq!(policy.crl_number(), 2);
    }
    // A list in the root's name by another root.
    let namesake = Issuer::root("chain", good()).unwrap();
    let forged = namesake.revoke(&[node(&namesake).certificate()], None, dates()).unwrap();
    assert!(matches!(trust(&root).with_crls(vec![forged.clone()]), Err(PolicyError::ForeignList { .. })));
    assert!(matches!(trust(&root).adopt(forged, &[]), Err(PolicyError::ForeignList { .. })));
}

#[test]
fn newer_lists_are_adopted_older_ones_are_not() {
    let root = Issuer::root("chain", good()).unwrap();
    let agency = root.agency("agencyA", good()).unwrap();
    let (one, two) = (node(&agency), node(&agency));
    let first = agency.revoke(&[one.certificate()], None, dates()).unwrap();
    let second = agency.revoke(&[two.certificate()], Some(&first), dates()).unwrap();
    let policy = trust(&root);
    // The agency must be shown, and must be the root's.
    assert!(matches!(policy.adopt(first.clone(), &[]), Err(PolicyError::ForeignList { .. })));
    let rogue = Issuer::root("chain", good()).unwrap().agency("agencyA", good()).unwrap();
    let by_rogue = rogue.revoke(&[], None, dates()).unwrap();
    assert!(policy.adopt(by_rogue, &[rogue.certificate().clone()]).is_err());

    let agencies = [agency.certificate().clone()];
    let once = policy.adopt(first.clone(), &agencies).unwrap().unwrap();
    let twice = once.adopt(second.clone(), &agencies).unwrap().unwrap();
    assert_eq!((once.crl_number(), twice.crl_number(), twice.crls().len()), (1, 2, 1));
    assert!(matches!(refusal(&twice, &one.chain), ChainError::Revoked { .. }), "a list is complete");
    assert!(twice.adopt(first, &agencies).unwrap().is_none());
    assert!(twice.adopt(second, &agencies).unwrap().is_none());
}

#[test]
fn revocation_lists_survive_pem_and_damage_is_refused() {
    let root = Issuer::root("chain", good()).unwrap();
    let list = root.revoke(&[node(&root).certificate()], None, dates()).unwrap();
    let both = format!("{}{}", list.to_pem(), list.to_pem());
    assert_eq!(RevocationList::from_pem_bundle(&both).unwrap(), [list.clone(), list.clone()]);
    assert!(RevocationList::from_pem_bundle("nothing").is_err());
    for length in 0..list.der().len() {
        assert!(RevocationList::from_der(&list.der()[..length]).is_err(), "{length}");
    }
    for index in 0..list.der().len() {
        let mut bent = list.der().to_vec();
        bent[index] ^= 0x10;
        let accepted = RevocationList::from_der(&bent).is_ok_and(|bent| bent.is_signed_by(root.certificate()));
        assert!(!accepted, "byte {index}");
    }
}

#[test]
fn judging_uses_nothing_of_the_presented_order_but_the_leaf() {
    let root = Issuer::root("chain", good()).unwrap();
    let agency = root.agency("agencyA", good()).unwrap();
    let issued = node(&agency);
    let [leaf, middle, top] = <[Certificate; 3]>::try_from(issued.chain).unwrap();
    let shuffled = [leaf, top.clone(), middle.clone(), middle, top];
    assert!(trust(&root).judge(&ders(&shuffled), now()).is_ok());
}

#[test]
fn every_fault_of_a_chain_is_named_not_only_the_first() {
    let (root, namesake, other) = (
        Issuer::root("chain", good()).unwrap(),
        Issuer::root("chain", good()).unwrap(),
        Issuer::root("other", good()).unwrap(),
    );
    let anchors = Anchors::new(vec![root.certificate().clone()]);
    let faults = |chain: &[Certificate]| anchors.faults(chain, now(), Leaf::Node);
    let below =
        |root: &Issuer, validity| root.agency("agencyA", good()).unwrap().issue(Kind::Node, "n", validity).unwrap();
    assert_eq!(faults(&below(&root, good()).chain), []);
    assert_eq!(faults(&[]), [ChainError::NoCertificate]);
    let foreign = faults(&below(&other, good()).chain);
    assert!(matches!(&foreign[..], [ChainError::UnknownIssuer { issuer, .. }] if issuer.contains("other")));
    let both = faults(&below(&namesake, days(-9, -1)).chain);
    assert!(matches!(&both[..], [ChainError::WrongIssuerKey { .. }, ChainError::Expired { .. }]), "{both:?}");
    let early = faults(&below(&root, days(1, 9)).chain);
    assert!(matches!(&early[..], [ChainError::NotYetValid { .. }]), "{early:?}");
    let leaf_only = faults(&below(&root, good()).chain[..1]);
    assert!(matches!(&leaf_only[..], [ChainError::UnknownIssuer { issuer, .. }] if issuer.contains("agencyA")));
}
