//! A root or an agency that was replaced: what is said of a key counts for all of its line, and nobody who holds one of their
//! certificates, or comes while both are in use, is left outside.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use nuncio_pki::{
    Certificate, Identity, IdentityPaths, Policy, RevocationFile,
    authority::{
        Asked, Authority, AuthorityError, Chosen, Invitations, IssueError, IssuingDesk, IssuingRules, Kind, Newcomer,
        OldAgency, Plan, Rotation, Sdks, Seen, Validity, renewal_request, request, take_first, take_renewed,
    },
};
use rustls_pki_types::UnixTime;
use sha2::{Digest, Sha256};

const NODES: [&str; 2] = ["node0", "node1"];

/// A root, an agency and two nodes of it, each in a folder.
struct Net {
    directory: tempfile::TempDir,
}

impl Net {
    fn new() -> Self {
        let net = Self { directory: tempfile::tempdir().unwrap() };
        let root = Authority::init(&net.path("ca"), "chain", Validity::days(100)).unwrap();
        let agency = root.agency("agencyA", &net.path("agencyA"), Validity::days(90)).unwrap();
        for name in NODES {
            agency.issue(Kind::Node, name, &net.path(name), Validity::days(20)).unwrap();
        }
        net
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn authority(&self, name: &str) -> Authority {
        Authority::open(&self.path(name)).unwrap()
    }

    /// What a file shows.
    fn shown(&self, name: &str) -> Vec<Certificate> {
        read(&self.path(name))
    }

    /// A rotation that is in use, of the authority in a folder, with these folders at hand.
    fn switched(&self, name: &str, folders: &[&str]) -> Rotation {
        let folders = folders.iter().map(|name| self.path(name)).collect();
        let root = self.authority("ca");
        let mut rotation = Rotation::plan(&self.path(name), Plan { folders, ..Plan::default() }).unwrap();
        rotation.prepare(Some(&root)).unwrap();
        rotation.issue(&[], &Chosen::default()).unwrap();
        rotation.switch().unwrap();
        rotation
    }

    fn seen(&self) -> [Seen; 2] {
        NODES.map(|name| {
            let chain = self.shown(&format!("{name}/node.crt"));
            Seen { node_id: chain[0].node_id().unwrap().to_string(), name: name.into(), chain, reachable: true }
        })
    }

    fn retire(&self, rotation: Rotation) {
        rotation.retire(&self.seen(), &BTreeSet::new(), Sdks::CutOff, OldAgency::Unrevoked).unwrap();
    }

    fn desk(&self) -> IssuingDesk {
        let rules = IssuingRules { lifetime: std::time::Duration::from_secs(86_400), only: Vec::new(), per_hour: 12 };
        IssuingDesk::open(&self.path("agencyA"), rules, UnixTime::now()).unwrap()
    }

    /// A copy of a folder, which no rotation has at hand.
    fn far(&self, name: &str) -> PathBuf {
        let far = self.path(&format!("far-{name}"));
        fs::create_dir(&far).unwrap();
        for file in ["node.key", "node.crt", "ca.crt"] {
            fs::copy(self.path(name).join(file), far.join(file)).unwrap();
        }
        far
    }

    /// Whether who trusts these, and has the lists in a file, lets somebody in.
    fn admits(&self, trusted: &[Certificate], lists: &str, chain: &[Certificate]) -> bool {
        let lists = RevocationFile::read(&self.path(lists)).unwrap().lists;
        let policy = Policy::new(trusted.to_vec()).unwrap().with_crls(lists).unwrap();
        judged(&policy, chain)
    }
}

fn read(path: &Path) -> Vec<Certificate> {
    Certificate::from_pem_bundle(fs::read(path).unwrap()).unwrap()
}

fn judged(policy: &Policy, chain: &[Certificate]) -> bool {
    let ders: Vec<_> = chain.iter().map(|one| one.der().clone()).collect();
    policy.judge(&ders, UnixTime::now()).is_ok()
}

/// The thief shows the certificate that he has, whoever replaced whom.
#[test]
fn a_node_that_is_revoked_by_its_key_is_refused_with_the_certificate_of_the_former_key_too() {
    for is_retired in [false, true] {
        let net = Net::new();
        let old = NODES.map(|name| net.shown(&format!("{name}/node.crt")));
        let rotation = net.switched("agencyA", &NODES);
        if is_retired {
            net.retire(rotation);
        }
        let new = NODES.map(|name| net.shown(&format!("{name}/node.crt")));
        assert!(old[0][1].public_key() != new[0][1].public_key(), "the agency has another key");
        let agency = net.authority("agencyA");
        agency.revoke_node(&new[0][0].node_id().unwrap(), &[]).unwrap();
        let trusted = net.shown("ca/ca.crt");
        let verdicts = [&old[0], &new[0], &old[1], &new[1]].map(|chain| net.admits(&trusted, "agencyA/ca.crl", chain));
        assert_eq!(verdicts, [false, false, true, true], "retired: {is_retired}");
        let kin = |of: &Authority| of.kin().into_iter().map(Result::unwrap).collect::<Vec<_>>();
        let former = kin(&agency);
        assert_eq!(former.iter().map(Authority::certificate).collect::<Vec<_>>(), [&old[0][1]]);
        assert_eq!(kin(&former[0])[0].certificate(), agency.certificate());
        // Said again it changes nothing, and the lists go on.
        let file = fs::read(agency.crl_path()).unwrap();
        agency.revoke_node(&new[0][0].node_id().unwrap(), &[]).unwrap();
        assert_eq!(fs::read(agency.crl_path()).unwrap(), file);
        agency.revoke_node(&new[1][0].node_id().unwrap(), &[]).unwrap();
        assert!(!net.admits(&trusted, "agencyA/ca.crl", &old[1]));
    }
}

/// What lies in a drawer is the old certificate; what is in use was issued in its place.
#[test]
fn who_revokes_the_old_certificate_revokes_what_was_issued_in_its_place() {
    let net = Net::new();
    let old = net.shown("node0/node.crt");
    net.retire(net.switched("agencyA", &NODES));
    let new = net.shown("node0/node.crt");
    let former = Authority::open_issuer_of(&old[0], &net.path("agencyA")).unwrap();
    assert!(former.directory().starts_with(net.path("agencyA/former")));
    former.distrust(&old[0]).unwrap();
    let trusted = net.shown("ca/ca.crt");
    for chain in [&old, &new] {
        assert!(!net.admits(&trusted, "agencyA/ca.crl", chain), "{}", chain[1].serial());
    }
    assert!(net.admits(&trusted, "agencyA/ca.crl", &net.shown("node1/node.crt")));
    let renewed = net.authority("agencyA").renew(&net.path("node0/node.crt"), None);
    assert!(renewed.is_err(), "{renewed:?}");
}

#[test]
fn an_agency_whose_key_is_revoked_is_refused_below_the_old_root_and_the_new_one() {
    let net = Net::new();
    let (root, before) = (net.shown("ca/ca.crt"), net.shown("node0/node.crt"));
    drop(net.switched("ca", &["agencyA", "node0", "node1"]));
    let trusted = [net.shown("ca/ca.crt"), root].concat();
    net.authority("ca").revoke_key(&net.shown("agencyA/agency.crt")[0]).unwrap();
    for chain in [before, net.shown("node0/node.crt")] {
        assert!(!net.admits(&trusted, "ca/ca.crl", &chain));
    }
}

/// The key of the first of three is lost.
#[test]
fn a_former_key_that_does_not_open_keeps_no_other_from_what_it_has_to_say() {
    let net = Net::new();
    let shown = || NODES.map(|name| net.shown(&format!("{name}/node.crt")));
    let first = shown();
    net.retire(net.switched("agencyA", &NODES));
    let second = shown();
    net.retire(net.switched("agencyA", &NODES));
    let third = shown();
    let lost = Authority::open_issuer_of(&first[0][0], &net.path("agencyA")).unwrap();
    fs::write(lost.directory().join("agency.key"), "gone").unwrap();
    let refuse = |revoked: Result<_, AuthorityError>| match revoked.unwrap_err() {
        AuthorityError::Unsaid { lists, .. } => assert_eq!(lists, [lost.crl_path()]),
        other => panic!("{other}"),
    };
    let agency = net.authority("agencyA");
    refuse(agency.revoke_node(&third[0][0].node_id().unwrap(), &[]));
    // One that is former itself has what was issued in the place of its certificate taken back.
    let former = Authority::open_issuer_of(&second[1][0], &net.path("agencyA")).unwrap();
    refuse(former.distrust(&second[1][0]));
    let trusted = net.shown("ca/ca.crt");
    let admits = |chain: &Vec<Certificate>| net.admits(&trusted, "agencyA/ca.crl", chain);
    for chains in [&second, &third] {
        assert_eq!([0, 1].map(|node| admits(&chains[node])), [false, false]);
    }
    assert!(admits(&first[0]), "nobody else can say it");
}

#[test]
fn an_agency_retires_though_a_former_key_of_its_root_does_not_open() {
    let net = Net::new();
    net.retire(net.switched("ca", &["agencyA", "node0", "node1"]));
    let lost = fs::read_dir(net.path("ca/former")).unwrap().next().unwrap().unwrap().path();
    fs::write(lost.join("ca.key"), "gone").unwrap();
    let (root, old) = (net.authority("ca"), net.shown("node0/node.crt"));
    let rotation = net.switched("agencyA", &NODES);
    let retired = rotation.retire(&net.seen(), &BTreeSet::new(), Sdks::CutOff, OldAgency::RevokedBy(&root)).unwrap();
    let list = lost.join("ca.crl").display().to_string();
    assert!(retired.left_out.iter().any(|one| one.contains(&list)), "{retired:?}");
    let trusted = net.shown("ca/ca.crt");
    let verdicts = [old, net.shown("node0/node.crt")].map(|chain| net.admits(&trusted, "ca/ca.crl", &chain));
    assert_eq!(verdicts, [false, true]);
}

fn ders(chain: &[Certificate]) -> Vec<rustls_pki_types::CertificateDer<'static>> {
    chain.iter().map(|one| one.der().clone()).collect()
}

/// Some show certificates of the old root still and trust it alone; others are switched.
#[test]
fn who_comes_while_a_root_is_replaced_meets_those_of_before_and_those_of_after() {
    let net = Net::new();
    let old = net.shown("ca/ca.crt");
    let _rotation = net.switched("ca", &["agencyA", "node0"]);
    let [before, after] = ["node1", "node0"].map(|name| net.shown(&format!("{name}/node.crt")));
    let (_, of_before) = Identity::load(&IdentityPaths::in_directory(net.path("node1"))).unwrap();
    assert_eq!(of_before.anchors(), old);
    let (root, agency) = (net.authority("ca"), net.authority("agencyA"));
    let late = root.agency("agencyB", &net.path("agencyB"), Validity::days(9)).unwrap();
    assert_eq!(net.authority("agencyB").certificate(), late.certificate());
    let issuers = [("root", root), ("agency", agency), ("late", late), ("again", net.authority("agencyB"))];
    for (name, issuer) in issuers {
        let path = net.path(name);
        issuer.issue(Kind::Node, name, &path, Validity::days(5)).unwrap();
        let (own, policy) = Identity::load(&IdentityPaths::in_directory(&path)).unwrap();
        assert!(of_before.judge(&own.chain, UnixTime::now()).is_ok(), "{name} at one of before");
        assert!(judged(&policy, &before) && judged(&policy, &after), "those of before and after at {name}");
        let path = net.path(&format!("{name}-boss"));
        issuer.issue(Kind::Operator, "boss", &path, Validity::days(5)).unwrap();
        let boss = read(&path.join("operator.crt"));
        assert!(of_before.admit_operator(&ders(&boss), UnixTime::now()).is_ok(), "{name}'s operator at one of before");
        assert!(
            judged(&Policy::new(read(&path.join("ca.crt"))).unwrap(), &before),
            "one of before to {name}'s operator"
        );
    }
    // The cross-certificate makes nobody a root.
    let is_root = |one: &Certificate| one.is_signed_by(one);
    assert!(["agencyA", "agencyB", "root", "agency"].iter().all(|name| {
        let trusted = net.shown(&format!("{name}/ca.crt"));
        trusted.len() == 2 && trusted.iter().all(is_root)
    }));
}

#[test]
fn who_comes_once_the_old_root_is_retired_trusts_the_new_one_alone() {
    let net = Net::new();
    let old = Policy::new(net.shown("ca/ca.crt")).unwrap();
    net.retire(net.switched("ca", &["agencyA", "node0", "node1"]));
    for name in ["ca", "agencyA"] {
        let path = net.path(&format!("late-{name}"));
        net.authority(name).issue(Kind::Node, "late", &path, Validity::days(5)).unwrap();
        assert_eq!(read(&path.join("ca.crt")), net.shown("ca/ca.crt"));
        let (own, _) = Identity::load(&IdentityPaths::in_directory(&path)).unwrap();
        assert!(old.judge(&own.chain, UnixTime::now()).is_ok(), "who was told nothing yet");
    }
}

/// As a node asks with what lies in its folder.
fn asked(folder: &Path) -> Asked {
    let chain = read(&folder.join("node.crt"));
    let request = renewal_request(&folder.join("node.key"), &chain[0]).unwrap().der().to_vec();
    Asked { source: chain[0].node_id().unwrap(), request, chain: ders(&chain) }
}

#[test]
fn who_holds_a_certificate_of_the_former_key_is_renewed_by_the_new_one_if_one_was_issued_in_its_place() {
    for is_retired in [false, true] {
        let net = Net::new();
        net.authority("agencyA").issue(Kind::Node, "stray", &net.path("stray"), Validity::days(20)).unwrap();
        let [far, stray] = ["node0", "stray"].map(|name| net.far(name));
        let rotation = net.switched("agencyA", &NODES);
        if is_retired {
            net.retire(rotation);
        }
        let (now, policy) = (UnixTime::now(), Policy::new(net.shown("ca/ca.crt")).unwrap());
        let mut desk = net.desk();
        let chain = desk.renew(&asked(&far), &policy, now).unwrap();
        assert_eq!(chain[1], net.shown("agencyA/agency.crt")[0]);
        let paths = IdentityPaths::in_directory(&far);
        let (before, _) = Identity::load(&paths).unwrap();
        let _ = take_renewed(&ders(&chain), &before.certificate, &paths, now).unwrap().put().unwrap();
        desk.renew(&asked(&far), &policy, now).unwrap();
        // Nobody chose to have this one certified by the new key.
        let refused = desk.renew(&asked(&stray), &policy, now);
        assert!(matches!(refused, Err(IssueError::OtherAgency { .. })), "{refused:?}");
        // Who was taken back since gets nothing, whichever of the two it shows.
        net.authority("agencyA").distrust(&net.shown("node0/node.crt")[0]).unwrap();
        let own = &before.certificate;
        let shown = own.presented().map(Certificate::to_pem).collect::<String>();
        fs::write(far.join("node.crt"), shown).unwrap();
        assert!(desk.renew(&asked(&far), &policy, now).is_err());
        assert!(net.authority("agencyA").renew(&far.join("node.crt"), None).is_err());
    }
}

/// A node that was down for longer than its certificate lasts.
#[test]
fn an_operator_renews_a_certificate_of_the_former_key_where_one_was_issued_in_its_place() {
    let net = Net::new();
    net.authority("agencyA").issue(Kind::Node, "stray", &net.path("stray"), Validity::days(20)).unwrap();
    let [far, stray] = ["node0", "stray"].map(|name| net.far(name));
    drop(net.switched("agencyA", &NODES));
    let agency = net.authority("agencyA");
    let before = read(&far.join("node.crt"));
    let renewed = agency.renew(&far.join("node.crt"), Some(9)).unwrap();
    let (own, _) = Identity::load(&IdentityPaths::in_directory(&far)).unwrap();
    assert_eq!((own.certificate.certificate(), &own.chain[1]), (&renewed, agency.certificate().der()));
    assert_eq!(read(&far.join("node.crt")).len(), before.len());
    agency.renew(&far.join("node.crt"), None).unwrap();
    let refused = agency.renew(&stray.join("node.crt"), None).unwrap_err();
    assert!(matches!(refused, AuthorityError::NotIssuedHere { .. }), "{refused}");
    assert!(refused.to_string().contains("with another key than it has now"), "{refused}");
    assert!(refused.hint().unwrap().contains("cert request"), "{:?}", refused.hint());
}

/// A key that is on another disk is not followed by one on this disk.
#[test]
fn an_authority_whose_key_is_elsewhere_is_not_replaced_by_one_here() {
    let net = Net::new();
    let (place, elsewhere) = (net.path("ca/ca.key"), net.path("usb.key"));
    fs::rename(&place, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &place).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    let mut rotation = Rotation::plan(&net.path("ca"), Plan::default()).unwrap();
    let refused = rotation.prepare(None).unwrap_err();
    assert!(refused.to_string().contains("ca.key: it is a link"), "{refused}");
    fs::remove_file(&place).unwrap();
    fs::rename(&elsewhere, &place).unwrap();
    rotation.prepare(None).unwrap();
    rotation.issue(&[], &Chosen::default()).unwrap();
    fs::rename(&place, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &place).unwrap();
    assert!(rotation.switch().is_err());
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
    assert!(!net.path("ca/former").exists());
}

/// As where several nodes read one `ca.crt`.
#[test]
fn files_that_are_links_lead_to_the_new_certificates_after_a_switch() {
    let net = Net::new();
    let shared = net.path("shared.crt");
    fs::copy(net.path("ca/ca.crt"), &shared).unwrap();
    for name in NODES {
        let place = net.path(&format!("{name}/ca.crt"));
        fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink(&shared, &place).unwrap();
    }
    drop(net.switched("ca", &["agencyA", "node0", "node1"]));
    assert_eq!(read(&shared).len(), 2);
    for name in NODES {
        assert!(fs::symlink_metadata(net.path(&format!("{name}/ca.crt"))).unwrap().is_symlink());
        let (_, policy) = Identity::load(&IdentityPaths::in_directory(net.path(name))).unwrap();
        assert_eq!(policy.anchors(), read(&shared));
    }
}

/// A root that is shown beside the one that a newcomer was told of is nobody's to believe.
#[test]
fn who_joins_while_a_root_is_replaced_trusts_the_roots_that_its_token_names() {
    let net = Net::new();
    let _rotation = net.switched("ca", &["agencyA", "node0"]);
    let [before, after] = ["node1", "node0"].map(|name| net.shown(&format!("{name}/node.crt")));
    let load = |name: &str| Identity::load(&IdentityPaths::in_directory(net.path(name))).unwrap();
    let (of_before, of_after, now) = (load("node1").1, load("node0").1, UnixTime::now());
    let (agency, mut desk) = (net.authority("agencyA"), net.desk());
    let hash = |one: &Certificate| <[u8; 32]>::from(Sha256::digest(one.der()));
    let root = hash(agency.issuer().root_certificate());
    let others: Vec<_> = agency.trusted().iter().map(hash).filter(|one| *one != root).collect();
    assert_eq!(others.len(), 1);
    for (name, further) in [("told", others), ("untold", Vec::new())] {
        let request = request(Kind::Node, name, &net.path(name)).unwrap().der().to_vec();
        let (id, secret) = Invitations::of(agency.directory()).make(name, Validity::days(1).not_after).unwrap();
        let newcomer = Newcomer { id, secret: secret.to_vec().into(), request };
        let chain = desk.admit(&newcomer, &of_after, now).unwrap();
        let own = take_first(&chain, (&root, &further, "agencyA"), &net.path(name), now).unwrap();
        assert!(of_before.judge(&own.chain, now).is_ok(), "{name} at one of before");
        let policy = load(name).1;
        assert_eq!((judged(&policy, &before), judged(&policy, &after)), (!further.is_empty(), true), "{name}");
        let is_root = |one: &Certificate| one.is_signed_by(one);
        assert!(net.shown(&format!("{name}/node.crt")).iter().filter(|one| is_root(one)).all(|one| hash(one) == root));
    }
}
