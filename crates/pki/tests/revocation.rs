//! Revocation lists: what is read, whose counts, which of two is newer, and how they are made.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path, thread, time::Duration};

use nuncio_pki::{
    Certificate, ChainError, CrlPolicy, KeyFile, Policy, PolicyError, RevocationFile, RevocationList, SignerError,
    SignerId,
    authority::{Authority, AuthorityError, Issuer, Kind, PrivateKey, RevocationDates, Validity},
};
use rustls_pki_types::{CertificateDer, UnixTime};

#[path = "support/consortium.rs"]
mod consortium;
#[path = "support/dates.rs"]
mod dates;
#[path = "support/openssl.rs"]
mod openssl;
use consortium::{Consortium, consortium};
use dates::dates;
use openssl::openssl;

const CA: &str = "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=30\n\
    [numbered]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=30\ncrlnumber=number\ncrl_extensions=e\n\
    [dated]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=30\ncrl_extensions=e\n\
    [e]\nauthorityKeyIdentifier=keyid:always\n";

fn now() -> UnixTime {
    UnixTime::now()
}

fn trust(root: &Issuer) -> Policy {
    Policy::new(vec![root.certificate().clone()]).unwrap()
}

fn chain(certificates: &[Certificate]) -> Vec<CertificateDer<'static>> {
    certificates.iter().map(|one| one.der().clone()).collect()
}

/// A folder in which `openssl ca -gencrl` works, and the authority it works for.
fn openssl_authority(revoked: usize) -> (tempfile::TempDir, Issuer) {
    let directory = tempfile::tempdir().unwrap();
    let root = Issuer::root("chain", Validity::days(100)).unwrap();
    fs::write(directory.path().join("ca.crt"), root.certificate().to_pem()).unwrap();
    fs::write(directory.path().join("ca.key"), root.key().to_pem().unwrap().as_bytes()).unwrap();
    fs::write(directory.path().join("ca.cnf"), CA).unwrap();
    let line = |number: usize| format!("R\t350101000000Z\t260101000000Z\t5A{number:038X}\tunknown\t/CN=n{number}\n");
    fs::write(directory.path().join("index.txt"), (0..revoked).map(line).collect::<String>()).unwrap();
    (directory, root)
}

fn gencrl(directory: &Path, section: &str, more: &str) -> RevocationList {
    let arguments = "ca -gencrl -config ca.cnf -keyfile ca.key -cert ca.crt -out out.crl";
    openssl(directory, &format!("{arguments} -name {section} {more}"));
    RevocationFile::read(&directory.join("out.crl")).unwrap().lists.remove(0)
}

#[test]
fn lists_of_openssl_are_read_whatever_their_version_form_and_number() {
    let (directory, root) = openssl_authority(2);
    let path = directory.path();
    let first = gencrl(path, "d", "");
    assert!(openssl(path, "crl -in out.crl -noout -text").contains("Version 1"));
    fs::write(path.join("number"), "5E884898DA28047151D0E56F8DC6292773603D0D\n").unwrap();
    let long = gencrl(path, "numbered", "");
    let dated = gencrl(path, "dated", "");
    assert_eq!(long.edition().to_string(), "0x5e884898da28047151d0e56f8dc6292773603d0d");
    assert!(dated.edition().to_string().starts_with("of 20"));
    openssl(path, "crl -in out.crl -outform DER -out out.der");
    let der = RevocationFile::read(&path.join("out.der")).unwrap().lists.remove(0);
    assert_eq!(der, dated);
    for list in [&first, &long, &dated, &der] {
        assert_eq!(list.len(), 2);
        assert!(list.is_signed_by(root.certificate()) && list.is_current(now()));
    }
    assert!(trust(&root).adopt(first, &[], now()).unwrap().is_some());
}

#[test]
fn a_list_of_fifty_thousand_is_read_from_file_and_network() {
    let (directory, root) = openssl_authority(50_000);
    let list = gencrl(directory.path(), "dated", "");
    assert_eq!(list.len(), 50_000);
    let sent = RevocationList::from_der(list.der()).unwrap();
    assert!(trust(&root).adopt(sent, &[], now()).unwrap().is_some());
}

#[test]
fn lists_without_a_number_follow_each_other_by_their_date() {
    let (directory, root) = openssl_authority(1);
    let at = |second: u32| format!("-crl_lastupdate 202601010000{second:02}Z -crl_nextupdate 20400101000000Z");
    let [first, second, third] = [1, 2, 3].map(|second| gencrl(directory.path(), "dated", &at(second)));
    let adopt = |policy: &Policy, list: &RevocationList| policy.adopt(list.clone(), &[], now()).unwrap();
    let policy = adopt(&trust(&root), &second).unwrap();
    assert!(adopt(&policy, &first).is_none() && adopt(&policy, &second).is_none());
    let held = policy.lists().told();
    let newer = adopt(&policy, &third).unwrap();
    assert_eq!(newer.lists().newer_than(&held).0, [third]);
    // The authority begins to number its lists.
    fs::write(directory.path().join("number"), "01\n").unwrap();
    let numbered = gencrl(directory.path(), "numbered", "");
    let held = newer.lists().told();
    let newest = adopt(&newer, &numbered).unwrap();
    assert_eq!(newest.lists().iter().count(), 1, "it replaces the other");
    assert_eq!(newest.lists().newer_than(&held).0.len(), 1, "and others are told of it");
}

/// Its number was lost, or went back.
#[test]
fn what_an_authority_revokes_that_has_lost_count_counts_beside_its_list_in_force_after_a_restart_too() {
    let root = Issuer::root("chain", Validity::days(100)).unwrap();
    let [one, two] = ["agencyA", "agencyB"].map(|name| root.agency(name, Validity::days(100)).unwrap());
    let list = |revoked: &[&Issuer], previous: Option<&RevocationList>, seconds_ago: u64| {
        let this_update = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() - seconds_ago));
        let revoked: Vec<_> = revoked.iter().map(|agency| agency.certificate()).collect();
        root.revoke(&revoked, previous, RevocationDates { this_update, ..dates() }).unwrap()
    };
    let adopt = |policy: &Policy, list: &RevocationList| policy.adopt(list.clone(), &[], now()).unwrap();
    let revokes = |policy: &Policy, agency: &Issuer| {
        let theirs = agency.revoke(&[], None, dates()).unwrap();
        policy.adopt(theirs, &[agency.certificate().clone()], now()).is_err()
    };
    let first = list(&[], None, 50);
    let second = list(&[], Some(&first), 40);
    let policy = adopt(&trust(&root), &second).unwrap();

    let second_again = list(&[&one], Some(&first), 30);
    let policy = adopt(&policy, &second_again).unwrap();
    assert!(revokes(&policy, &one) && !revokes(&policy, &two));
    assert!(adopt(&policy, &second_again).is_none(), "it is known");
    let first_again = list(&[&one, &two], None, 20);
    let policy = adopt(&policy, &first_again).unwrap();
    assert!(revokes(&policy, &one) && revokes(&policy, &two));
    assert!(adopt(&policy, &list(&[], None, 60)).is_none(), "that is an old one");

    let of_file = adopt(&trust(&root), &first_again).unwrap();
    let (restarted, _) = of_file.with_former(policy.lists().remembered().cloned(), &[], now());
    assert!(revokes(&restarted, &one) && revokes(&restarted, &two));

    let counted = adopt(&policy, &list(&[&two], Some(&second), 10)).unwrap();
    assert_eq!(counted.lists().iter().count(), 1, "it counts again");
    assert!(!revokes(&counted, &one) && revokes(&counted, &two));
}

/// Its lists are numbered as they should be, and the first is dated a thousand seconds ahead.
#[test]
fn a_list_of_a_clock_that_was_ahead_ends_with_the_next_that_is_numbered_higher() {
    let root = Issuer::root("chain", Validity::days(100)).unwrap();
    let agency = root.agency("agencyA", Validity::days(100)).unwrap();
    let list = |revoked: &[&Issuer], previous: Option<&RevocationList>, seconds: i64| {
        let second = now().as_secs().checked_add_signed(seconds).unwrap();
        let this_update = UnixTime::since_unix_epoch(Duration::from_secs(second));
        let revoked: Vec<_> = revoked.iter().map(|agency| agency.certificate()).collect();
        root.revoke(&revoked, previous, RevocationDates { this_update, ..dates() }).unwrap()
    };
    let adopt = |policy: &Policy, list: &RevocationList| policy.adopt(list.clone(), &[], now()).unwrap().unwrap();
    let [first, next] = [list(&[], None, -90), list(&[], Some(&list(&[], None, -80)), -70)];
    // Both revoke the agency by mistake, say; the next does not.
    let (ahead, late) = (list(&[&agency], None, 1000), list(&[&agency], None, -60));
    for (former, counts) in [(ahead, 1), (late, 2)] {
        let replaced = adopt(&adopt(&trust(&root), &former), &next);
        assert_eq!(replaced.lists().iter().count(), counts, "it was in force");
        let beside = adopt(&adopt(&trust(&root), &first), &former);
        assert_eq!(beside.lists().iter().count(), 2);
        assert_eq!(adopt(&beside, &next).lists().iter().count(), counts, "it counted beside another");
    }
}

#[test]
fn a_list_that_counts_beside_an_overdue_one_does_not_stand_in_for_it() {
    let root = Issuer::root("chain", Validity::days(100)).unwrap();
    let node = root.issue(Kind::Node, "node", Validity::days(90)).unwrap();
    let at = |second| UnixTime::since_unix_epoch(Duration::from_secs(second));
    let ago = |seconds| at(now().as_secs() - seconds);
    let first = root.revoke(&[], None, dates()).unwrap();
    let overdue = RevocationDates { this_update: ago(90), next_update: ago(30) };
    let second = root.revoke(&[], Some(&first), overdue).unwrap();
    let again = root.revoke(&[], None, RevocationDates { this_update: ago(20), ..dates() }).unwrap();
    let hard = trust(&root).with_crl_policy(CrlPolicy::Hard).with_crls(vec![second, again]).unwrap();
    assert_eq!(hard.lists().iter().count(), 2);
    let refused = hard.admit(&chain(&node.chain), now()).unwrap_err();
    assert!(matches!(refused, ChainError::NoCurrentList { overdue: Some(_), .. }), "{refused}");
}

#[test]
fn a_list_is_refused_when_its_signer_may_not_sign_it() {
    let root = Issuer::root("chain", Validity::days(100)).unwrap();
    let policy = trust(&root);
    let refusal = |policy: &Policy, signer: &Issuer| {
        let list = signer.revoke(&[], None, dates()).unwrap();
        policy.adopt(list, &[signer.certificate().clone()], now()).unwrap_err()
    };
    let agency = root.agency("agencyA", Validity::days(100)).unwrap();
    let list = root.revoke(&[agency.certificate()], None, dates()).unwrap();
    let revoking = policy.adopt(list, &[], now()).unwrap().unwrap();
    let error = refusal(&revoking, &agency);
    let PolicyError::BadSigner { source, .. } = &error else { panic!("{error}") };
    assert!(matches!(**source, SignerError::Chain(ChainError::Revoked { .. })), "{error}");

    let long_ago = Validity::days_from(UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_000_000_000)), 10);
    let ended = root.agency("agencyB", long_ago).unwrap();
    assert!(refusal(&policy, &ended).to_string().contains("expired"));

    let stranger = Issuer::root("chain", Validity::days(100)).unwrap().agency("agencyA", Validity::days(100)).unwrap();
    assert!(refusal(&policy, &stranger).to_string().contains("not below an authority"));
    assert!(policy.adopt(agency.revoke(&[], None, dates()).unwrap(), &[], now()).is_err(), "it must be shown");
}

#[test]
fn an_agency_whose_certificate_does_not_let_it_sign_lists_signs_none() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root) = (directory.path(), Issuer::root("chain", Validity::days(100)).unwrap());
    fs::write(path.join("ca.crt"), root.certificate().to_pem()).unwrap();
    fs::write(path.join("ca.key"), root.key().to_pem().unwrap().as_bytes()).unwrap();
    fs::write(path.join("ext"), "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n").unwrap();
    openssl(path, "ecparam -name secp256k1 -genkey -noout -out a.key");
    openssl(path, "req -new -key a.key -subj /CN=agencyA -out a.csr");
    openssl(
        path,
        "x509 -req -in a.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 9 -sha256 -extfile ext -out a.crt",
    );
    let certificate = Certificate::from_pem_bundle(fs::read_to_string(path.join("a.crt")).unwrap()).unwrap().remove(0);
    let key = PrivateKey::from_file(KeyFile::load(&path.join("a.key")).unwrap()).unwrap();
    let agency = Issuer::from_parts(key, vec![certificate.clone()]);
    let list = agency.revoke(&[], None, dates()).unwrap();
    let error = trust(&root).adopt(list, &[certificate], now()).unwrap_err();
    assert!(error.to_string().contains("key usage"), "{error}");
}

#[test]
fn a_list_is_kept_for_each_key_also_of_namesakes() {
    let root = Issuer::root("chain", Validity::days(100)).unwrap();
    let [old, new] = [(); 2].map(|()| root.agency("agencyA", Validity::days(100)).unwrap());
    assert_ne!(SignerId::of(old.certificate()), SignerId::of(new.certificate()));
    let agencies = [old.certificate().clone(), new.certificate().clone()];
    let ninth = (0..9).fold(None, |last, _| Some(old.revoke(&[], last.as_ref(), dates()).unwrap())).unwrap();
    let policy = trust(&root).adopt(ninth, &agencies, now()).unwrap().unwrap();
    let first = new.revoke(&[], None, dates()).unwrap();
    let policy = policy.adopt(first, &agencies, now()).unwrap().expect("a low number of another key is news");
    assert_eq!(policy.lists().told().len(), 2);
}

#[test]
fn lists_of_sdk_authorities_are_taken_where_these_are_trusted_and_admit_no_node() {
    let (root, rsa) = (
        Issuer::root("chain", Validity::days(100)).unwrap(),
        Issuer::rsa_root("chain", Validity::days(100), true).unwrap(),
    );
    let list = rsa.revoke(&[], None, dates()).unwrap();
    assert!(trust(&root).adopt(list.clone(), &[rsa.certificate().clone()], now()).is_err());
    let policy = trust(&root).with_sdk_authorities(vec![rsa.certificate().clone()]);
    let adopted = policy.adopt(list.clone(), &[], now()).unwrap().unwrap();
    assert_eq!(adopted.lists().told().len(), 1, "others are told of it");
    assert_eq!(policy.with_crls(vec![list]).unwrap().lists().told().len(), 1, "from a file, too");
    let node = rsa.issue(Kind::Node, "node", Validity::days(9)).unwrap();
    assert!(adopted.judge(&chain(&node.chain), now()).is_err());
}

#[test]
fn where_lists_are_required_each_authority_on_the_way_needs_a_current_one() {
    let root = Issuer::root("chain", Validity::days(100)).unwrap();
    let agency = root.agency("agencyA", Validity::days(100)).unwrap();
    let node = chain(&agency.issue(Kind::Node, "node", Validity::days(90)).unwrap().chain);
    let lists = vec![root.revoke(&[], None, dates()).unwrap(), agency.revoke(&[], None, dates()).unwrap()];
    let hard = trust(&root).with_crl_policy(CrlPolicy::Hard);
    let refuses = |policy: &Policy, now| matches!(policy.admit(&node, now), Err(ChainError::NoCurrentList { .. }));
    assert!(refuses(&hard, now()) && hard.judge(&node, now()).is_ok(), "who is in stays");
    assert!(refuses(&hard.clone().with_crls(lists[..1].to_vec()).unwrap(), now()), "the agency's is missing");
    let both = hard.with_crls(lists).unwrap();
    assert!(both.admit(&node, now()).is_ok());
    let later = Validity::days(60).not_after;
    assert!(refuses(&both, later), "they are overdue");
    assert!(both.with_crl_policy(CrlPolicy::Soft).admit(&node, later).is_ok());
}

#[test]
fn revocations_at_the_same_time_lose_none_and_repeat_no_number() {
    let Consortium { directory, agency, .. } = consortium();
    let leaves = [(); 12].map(|()| agency.issuer().issue(Kind::Node, "node", Validity::days(9)).unwrap());
    let numbers: Vec<String> = thread::scope(|scope| {
        let revoke = |index: usize| {
            let (leaf, path) = (leaves[index].certificate(), agency.directory());
            scope.spawn(move || Authority::open(path).unwrap().revoke(leaf).unwrap().edition().to_string())
        };
        let running: Vec<_> = (0..leaves.len()).map(revoke).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let distinct: std::collections::BTreeSet<_> = numbers.iter().collect();
    assert_eq!(distinct.len(), 12, "{numbers:?}");
    let list = RevocationFile::read(&agency.crl_path()).unwrap().lists.remove(0);
    assert!(leaves.iter().all(|leaf| list.lists(leaf.certificate())));
    let again = agency.revoke(leaves[0].certificate()).unwrap();
    assert_eq!(again, list, "it is revoked already");
    drop(directory);
}

#[test]
fn the_authority_that_issued_a_certificate_is_found_below_a_folder() {
    let Consortium { directory, root, agency } = consortium();
    let out = directory.path().join("out");
    let issue = |kind, name: &str| agency.issue(kind, name, &out.join(name), Validity::days(9)).unwrap();
    let (node, rsa) = (issue(Kind::Node, "node0"), issue(Kind::SdkRsa, "sdk"));
    let open = |certificate: &Certificate| Authority::open_issuer_of(certificate, directory.path()).unwrap();
    for certificate in [node.certificate(), rsa.certificate()] {
        let found = open(certificate);
        assert_eq!(found.directory(), agency.directory());
        assert!(found.revoke(certificate).unwrap().lists(certificate));
    }
    assert_eq!(RevocationFile::read(&agency.crl_path()).unwrap().lists.len(), 2, "one of each key, in one file");
    assert_eq!(open(agency.certificate()).directory(), root.directory());
    let foreign = consortium().agency.issuer().issue(Kind::Node, "x", Validity::days(9)).unwrap();
    let error = Authority::open_issuer_of(foreign.certificate(), directory.path()).unwrap_err();
    let AuthorityError::NotIssuedHere { authority, .. } = &error else { panic!("{error}") };
    let rsa = agency.channel_issuer().unwrap();
    for one in [root.certificate(), agency.certificate(), rsa.certificate()] {
        assert_eq!(authority.split("; ").filter(|named| **named == *one.subject()).count(), 1, "{error}");
    }
}

#[test]
fn the_list_of_an_rsa_authority_spreads_among_nodes_that_do_not_trust_it() {
    let Consortium { directory, root, agency } = consortium();
    let sdk = agency.issue(Kind::SdkRsa, "sdk", &directory.path().join("sdk"), Validity::days(9)).unwrap();
    let list = agency.revoke(sdk.certificate()).unwrap();
    let file = RevocationFile::read(&agency.crl_path()).unwrap();
    let policy = Policy::new(vec![root.certificate().clone()]).unwrap();
    let loaded = policy.clone().with_crls(file.lists).unwrap();
    assert!(loaded.lacks_signers() && loaded.lists().told().is_empty());
    let loaded = loaded.claim(&file.certificates, now());
    assert_eq!(loaded.lists().told().len(), 1, "with what stands beside it in the file");
    assert!(policy.adopt(list.clone(), &file.certificates, now()).unwrap().is_some());
    // A node that trusts the authority itself tells of it under the same name.
    let rsa = agency.channel_issuer().unwrap();
    let serving = policy.clone().with_sdk_authorities(vec![rsa.certificate().clone()]);
    let adopted = serving.adopt(list.clone(), &[], now()).unwrap().unwrap();
    assert_eq!(adopted.lists().told(), loaded.lists().told());
    // It passes on what others need, whether the list came with it or before it.
    assert!(adopted.lists().signers().is_empty() && adopted.lacks_signers());
    let with_way = serving.adopt(list, &file.certificates, now()).unwrap().unwrap();
    for passing in [adopted.claim(&file.certificates, now()), with_way] {
        assert_eq!(passing.lists().signers().len(), 2, "who signed it, and the agency");
    }
    // What lets it sign lists lets it issue nothing.
    let node = rsa.issue(Kind::Node, "node", Validity::days(9)).unwrap();
    let shown = [&node.chain[..1], &file.certificates].concat();
    assert!(policy.judge(&chain(&shown), now()).is_err());
    // A leaf signs no lists.
    let leaf = agency.issuer().issue(Kind::Node, "node", Validity::days(9)).unwrap();
    let certificate = leaf.certificate().clone();
    let by_leaf = Issuer::from_parts(leaf.key, vec![certificate.clone()]).revoke(&[], None, dates()).unwrap();
    let known = [certificate, agency.certificate().clone()];
    assert!(policy.adopt(by_leaf, &known, now()).unwrap_err().to_string().contains("key usage"));
}

#[test]
fn a_list_that_was_lost_or_put_back_is_not_continued() {
    let Consortium { directory: _directory, agency, .. } = consortium();
    let [one, two, three] = [(); 3].map(|()| agency.issuer().issue(Kind::Node, "node", Validity::days(9)).unwrap());
    agency.revoke(one.certificate()).unwrap();
    let old = fs::read(agency.crl_path()).unwrap();
    agency.revoke(two.certificate()).unwrap();
    let new = fs::read(agency.crl_path()).unwrap();
    fs::write(agency.crl_path(), old).unwrap();
    assert!(matches!(agency.revoke(three.certificate()), Err(AuthorityError::ListLost { .. })));
    fs::remove_file(agency.crl_path()).unwrap();
    assert!(matches!(agency.revoke(three.certificate()), Err(AuthorityError::ListLost { .. })));
    fs::write(agency.crl_path(), new).unwrap();
    assert_eq!(agency.revoke(three.certificate()).unwrap().edition().to_string(), "3");
}

/// `openssl ca -gencrl` numbers lists only where its configuration says so.
#[test]
fn lists_with_and_without_numbers_follow_each_other() {
    let Consortium { directory, root, agency } = consortium();
    let path = directory.path();
    let leaves = [(); 7].map(|()| agency.issuer().issue(Kind::Node, "node", Validity::days(9)).unwrap());
    for leaf in &leaves[..5] {
        agency.distrust(leaf.certificate()).unwrap();
    }
    let fifth = RevocationFile::read(&agency.crl_path()).unwrap().lists.remove(0);
    for (name, from) in [("ca.key", "agency.key"), ("ca.crt", "agency.crt")] {
        fs::copy(agency.directory().join(from), path.join(name)).unwrap();
    }
    fs::write(path.join("ca.cnf"), CA).unwrap();
    let revoked = leaves[..6].iter().map(|leaf| leaf.certificate().serial().to_uppercase());
    let index: String =
        revoked.map(|serial| format!("R\t350101000000Z\t260101000000Z\t{serial}\tunknown\t/CN=n\n")).collect();
    fs::write(path.join("index.txt"), index).unwrap();
    let made = |date: &str| gencrl(path, "dated", &format!("-crl_lastupdate {date}Z -crl_nextupdate 20400101000000Z"));
    let put = |list: &RevocationList| fs::write(agency.crl_path(), list.to_pem()).unwrap();
    // An older one would take revocations back all the same.
    put(&made("20260101000000"));
    assert!(matches!(agency.revoke(leaves[6].certificate()), Err(AuthorityError::ListLost { .. })));
    let younger = made("20390101000000");
    assert!(younger.edition().is_newer_than(fifth.edition()));
    put(&younger);
    let next = agency.revoke(leaves[6].certificate()).unwrap();
    assert_eq!(next.edition().to_string(), "6");
    assert!(leaves.iter().all(|leaf| next.lists(leaf.certificate())));
    // Whichever of the three others hold, they take it.
    let agencies = [agency.certificate().clone()];
    for held in [&fifth, &younger] {
        let policy = trust(root.issuer()).adopt(held.clone(), &agencies, now()).unwrap().unwrap();
        assert!(policy.adopt(next.clone(), &agencies, now()).unwrap().is_some());
    }
    // And once more, beside one that came from elsewhere.
    put(&younger);
    assert!(matches!(agency.revoke(leaves[6].certificate()), Err(AuthorityError::ListLost { .. })));
    assert_eq!(agency.merge(&next).unwrap(), None);
    put(&made("20390601000000"));
    assert_eq!(agency.next_lists().unwrap()[0].edition().to_string(), "7");
}
