//! Lists that were in force go on counting when their signer's root is retired: nobody whom they revoke comes back.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use nuncio_pki::{
    Certificate, ChainError, CrlPolicy, Lists, Policy, RevocationList,
    authority::{Authority, Chosen, Issued, Issuer, Kind, Plan, Rotation, Validity},
};
use rustls_pki_types::{CertificateDer, UnixTime};

#[path = "support/dates.rs"]
mod dates;
use dates::dates;

fn now() -> UnixTime {
    UnixTime::now()
}

fn trust(root: &Certificate) -> Policy {
    Policy::new(vec![root.clone()]).unwrap()
}

fn judged(policy: &Policy, leaf: &Issued, agency: &Certificate) -> Result<(), ChainError> {
    let chain: Vec<CertificateDer<'_>> = [leaf.certificate(), agency].map(|one| one.der().clone()).into();
    policy.admit(&chain, now()).map(drop)
}

fn is_revoked(policy: &Policy, leaf: &Issued, agency: &Certificate) -> bool {
    matches!(judged(policy, leaf, agency), Err(ChainError::Revoked { .. }))
}

/// An agency before and after its root was replaced.
struct Replaced {
    _directory: tempfile::TempDir,
    old_root: Certificate,
    root: Authority,
    old_agency: Certificate,
    agency: Certificate,
    good: Issued,
    bad: Issued,
    /// By the agency: revokes `bad`.
    list: RevocationList,
}

impl Replaced {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| -> PathBuf { directory.path().join(name) };
        let old = Authority::init(&path("ca"), "chain", Validity::days(100)).unwrap();
        let authority = old.agency("agencyA", &path("agencyA"), Validity::days(90)).unwrap();
        let [good, bad] =
            ["good", "bad"].map(|name| authority.issuer().issue(Kind::Node, name, Validity::days(9)).unwrap());
        let list = authority.issuer().revoke(&[bad.certificate()], None, dates()).unwrap();
        let (old_root, old_agency) = (old.certificate().clone(), authority.certificate().clone());
        let plan = Plan { folders: vec![path("agencyA")], ..Plan::default() };
        let mut rotation = Rotation::plan(&path("ca"), plan).unwrap();
        rotation.prepare(None).unwrap();
        rotation.issue(&[], &Chosen::AllSeen).unwrap();
        rotation.switch().unwrap();
        let agency = first(&path("agencyA/agency.crt"));
        let root = Authority::open(&path("ca")).unwrap();
        assert!(agency.is_signed_by(root.certificate()) && list.is_signed_by(&agency));
        Self { _directory: directory, old_root, root, old_agency, agency, good, bad, list }
    }

    /// While the old root was trusted, with the list that the network brought.
    fn before(&self) -> Policy {
        let known = [self.old_agency.clone()];
        trust(&self.old_root).adopt(self.list.clone(), &known, now()).unwrap().unwrap()
    }

    /// What files say once the old root is retired.
    fn fresh(&self) -> Policy {
        trust(self.root.certificate())
    }
}

fn first(path: &Path) -> Certificate {
    Certificate::load(path).unwrap().remove(0)
}

#[test]
fn a_list_of_an_agency_outlives_the_root_that_vouched_for_the_agency() {
    let one = Replaced::new();
    let (after, gone) = one.fresh().with_former_of(&one.before(), now());
    assert!(gone.is_empty() && is_revoked(&after, &one.bad, &one.agency));
    judged(&after, &one.good, &one.agency).unwrap();
    // Nobody could verify it, until its signer is met in the new root's certificate.
    assert!(after.lists().told().is_empty() && after.lacks_signers());
    assert!(after.lists().newer_than(&BTreeMap::new()).0.is_empty());
    let claimed = after.claim(std::slice::from_ref(&one.agency), now());
    assert!(is_revoked(&claimed, &one.bad, &one.agency) && !claimed.lacks_signers());
    let (lists, ways) = claimed.lists().newer_than(&BTreeMap::new());
    assert_eq!((lists, ways), (vec![one.list.clone()], vec![one.agency.clone()]));
    // Also where the agency was met in both while both were trusted.
    let both = Policy::new(vec![one.old_root.clone(), one.root.certificate().clone()]).unwrap();
    let known = [one.old_agency.clone(), one.agency.clone()];
    let (both, _) = both.with_former([one.list.clone()], &known, now());
    assert!(is_revoked(&one.fresh().with_former_of(&both, now()).0, &one.bad, &one.agency));
}

#[test]
fn where_lists_are_required_the_agency_is_not_shut_out() {
    let one = Replaced::new();
    let of_root = one.root.issuer().revoke(&[], None, dates()).unwrap();
    let fresh = one.fresh().with_crl_policy(CrlPolicy::Hard).with_crls(vec![of_root]).unwrap();
    assert!(matches!(judged(&fresh, &one.good, &one.agency), Err(ChainError::NoCurrentList { .. })));
    let (after, _) = fresh.with_former_of(&one.before(), now());
    judged(&after, &one.good, &one.agency).unwrap();
}

#[test]
fn what_a_former_run_kept_counts_with_the_old_certificates_and_without_any() {
    let one = Replaced::new();
    for known in [vec![one.old_agency.clone()], vec![one.old_agency.clone(), one.old_root.clone()], Vec::new()] {
        let (after, gone) = one.fresh().with_former([one.list.clone(), one.list.clone()], &known, now());
        assert!(gone.is_empty() && is_revoked(&after, &one.bad, &one.agency));
        assert_eq!(after.lists().iter().count(), 1);
        let claimed = after.claim(std::slice::from_ref(&one.agency), now());
        assert_eq!(claimed.lists().told().len(), 1);
    }
    // A peer that still trusts the old root sends it again: that is no news, and no fault.
    let (after, _) = one.fresh().with_former_of(&one.before(), now());
    assert!(after.adopt(one.list, std::slice::from_ref(&one.old_agency), now()).unwrap().is_none());
}

#[test]
fn the_next_list_takes_the_place_of_the_former_one_and_an_older_one_does_not() {
    let one = Replaced::new();
    let (after, _) = one.fresh().with_former_of(&one.before(), now());
    let authority = Authority::open(&one.root.directory().parent().unwrap().join("agencyA")).unwrap();
    let both = [one.bad.certificate(), one.good.certificate()];
    let next = authority.issuer().revoke(&both, Some(&one.list), dates()).unwrap();
    let newer = after.adopt(next.clone(), std::slice::from_ref(&one.agency), now()).unwrap().unwrap();
    assert_eq!(newer.lists().iter().collect::<Vec<_>>(), [&next]);
    let (newer, gone) = newer.with_former([one.list], std::slice::from_ref(&one.old_agency), now());
    assert!(gone.is_empty() && newer.lists().iter().eq([&next]), "it is superseded, not gone");
}

#[test]
fn a_list_whose_signer_nobody_vouched_for_does_not_come_in_from_the_network() {
    let one = Replaced::new();
    let (after, _) = one.fresh().with_former_of(&one.before(), now());
    let stranger = Issuer::root("other", Validity::days(9)).unwrap().agency("agencyA", Validity::days(9)).unwrap();
    let foreign = stranger.revoke(&[], None, dates()).unwrap();
    assert!(after.adopt(foreign.clone(), &[stranger.certificate().clone()], now()).is_err());
    let same = after.with_newest([foreign], &[stranger.certificate().clone()], now());
    assert_eq!(same.lists().iter().count(), 1);
}

#[test]
fn a_way_that_leads_up_no_more_is_looked_for_anew_and_the_list_counts_meanwhile() {
    let one = Replaced::new();
    // The agency was renewed; what its list came with has ended.
    let root = Issuer::root("root", Validity::days(900)).unwrap();
    let agency = root.agency("agencyB", Validity::days(20)).unwrap();
    let leaf = agency.issue(Kind::Node, "bad", Validity::days(9)).unwrap();
    let list = agency.revoke(&[leaf.certificate()], None, dates()).unwrap();
    let renewed = root.renew(agency.certificate(), Validity::days(400)).unwrap().remove(0);
    let policy = trust(root.certificate());
    let policy = policy.adopt(list, &[agency.certificate().clone()], now()).unwrap().unwrap();
    let later = Validity::days(100).not_after;
    assert!(!policy.has_lost_ways(now()) && policy.has_lost_ways(later));
    let lost = policy.clone().claim(&[one.agency], later);
    assert!(lost.lists().told().is_empty() && is_revoked(&lost, &leaf, &renewed));
    let found = policy.claim(std::slice::from_ref(&renewed), later);
    assert_eq!((found.lists().told().len(), found.lists().signers()), (1, vec![renewed]));
    assert!(!found.has_lost_ways(later));
}

/// Whoever makes authorities as he likes has as many lists when his root is retired as before.
#[test]
fn former_lists_keep_nobody_out_and_those_that_find_no_room_are_told() {
    let (gone_root, root) = (root("gone"), root("here"));
    let mut policy = trust(gone_root.certificate());
    let mut known = Vec::new();
    for number in 0..Lists::MAX {
        let agency = gone_root.agency(&format!("fill{number}"), Validity::days(9)).unwrap();
        known.push(agency.certificate().clone());
        policy = policy.adopt(agency.revoke(&[], None, dates()).unwrap(), &known, now()).unwrap().unwrap();
    }
    let (mut after, gone) = trust(root.certificate()).with_former_of(&policy, now());
    assert!(gone.is_empty() && after.lists().iter().count() == Lists::MAX);
    let mut told = Vec::new();
    for number in 0..3 {
        let good = root.agency(&format!("good{number}"), Validity::days(9)).unwrap();
        let list = good.revoke(&[], None, dates()).unwrap();
        let next = after.adopt(list, &[good.certificate().clone()], now()).unwrap().expect("it finds room");
        told.extend(next.lists().gone_since(after.lists()));
        after = next;
    }
    assert!(told.len() == 3 && told.iter().all(|list| policy.lists().iter().any(|one| one == list)));
    assert_eq!((after.lists().told().len(), after.lists().iter().count()), (3, Lists::MAX));
    // The files are full themselves: then they come first, and what went is named.
    let files = (0..Lists::MAX).map(|number| {
        let other = Issuer::root(&format!("file{number}"), Validity::days(9)).unwrap();
        other.revoke(&[], None, dates()).unwrap()
    });
    let full = trust(root.certificate()).with_crls(files.collect()).unwrap();
    let (full, gone) = full.with_former_of(&policy, now());
    assert_eq!((full.lists().iter().count(), gone.len()), (Lists::MAX, Lists::MAX));
}

/// Of agencies that are trusted, too.
#[test]
fn a_list_that_somebody_vouches_for_and_that_makes_room_is_told() {
    let root = root("here");
    let mut policy = trust(root.certificate());
    for number in 0..Lists::MAX {
        let agency = root.agency(&format!("agency{number}"), Validity::days(9)).unwrap();
        let (list, known) = (agency.revoke(&[], None, dates()).unwrap(), [agency.certificate().clone()]);
        policy = policy.adopt(list, &known, now()).unwrap().expect("there is room");
    }
    let next = policy.adopt(root.revoke(&[], None, dates()).unwrap(), &[], now()).unwrap().expect("it finds room");
    let gone = next.lists().gone_since(policy.lists());
    assert!(gone.len() == 1 && policy.lists().iter().any(|one| *one == gone[0]), "{gone:?}");
}

/// Signers whom nobody ever meets.
#[test]
fn lists_of_unknown_signers_end_with_the_file_that_named_them_and_keep_nobody_out() {
    let root = root("here");
    let unknown = |number: usize| {
        let other = Issuer::root(&format!("file{number}"), Validity::days(9)).unwrap();
        other.revoke(&[], None, dates()).unwrap()
    };
    let fresh = || trust(root.certificate());
    let full = fresh().with_crls((0..Lists::MAX).map(unknown).collect()).unwrap();
    let list = root.revoke(&[], None, dates()).unwrap();
    let next = full.adopt(list, &[], now()).unwrap().expect("it finds room");
    assert_eq!((next.lists().told().len(), next.lists().gone_since(full.lists()).len()), (1, 1));
    let (after, gone) = fresh().with_former_of(&next, now());
    assert!(gone.is_empty() && after.lists().iter().eq(next.lists().remembered()));
    assert_eq!(after.lists().iter().count(), 1, "no file names the others");
    // What a former run was told is its own memory: it stays.
    let (kept, _) = fresh().with_former([unknown(0)], &[], now());
    assert_eq!(fresh().with_former_of(&kept, now()).0.lists().iter().count(), 1);
}

fn root(name: &str) -> Issuer {
    Issuer::root(name, Validity::days(30)).unwrap()
}
