//! Authorities are replaced while their certificates are in use, whatever interrupts it and whoever disagrees.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use nuncio_pki::{
    Certificate, CertificateRequest, Identity, IdentityPaths, Policy, RevocationFile, RevocationList,
    authority::{
        Authority, AuthorityError, Chosen, Kind, OldAgency, Plan, PrivateKey, Rotation, RotationError, Sdks, SdksAt,
        Seen, Shown, Step, Validity,
    },
};
use rustls_pki_types::UnixTime;

#[path = "support/openssl.rs"]
mod openssl;
use openssl::{build_agency, build_leaf, build_root, openssl};

/// A root, an agency, nodes and an SDK, each in a folder.
struct Chain {
    directory: tempfile::TempDir,
}

const NODES: [&str; 3] = ["node0", "node1", "node2"];

const NO_SDKS: Sdks<'_> = Sdks::CutOff;

impl Chain {
    fn new() -> Self {
        let chain = Self { directory: tempfile::tempdir().unwrap() };
        let root = Authority::init(&chain.path("ca"), "chain", Validity::days(100)).unwrap();
        let an_hour_ago = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() - 3600));
        let agency = root.agency("agencyA", &chain.path("agencyA"), Validity::days_from(an_hour_ago, 90)).unwrap();
        for name in NODES {
            agency.issue(Kind::Node, name, &chain.path(name), Validity::days(20)).unwrap();
        }
        agency.issue(Kind::Sdk, "sdk", &chain.path("sdk"), Validity::days(20)).unwrap();
        agency.issue(Kind::SdkRsa, "rsa", &chain.path("rsa"), Validity::days(20)).unwrap();
        chain
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<Certificate> {
        read(&self.path(name))
    }

    fn identity(&self, node: &str) -> (Identity, Policy) {
        Identity::load(&IdentityPaths::in_directory(self.path(node))).unwrap()
    }

    /// What the network sees.
    fn seen(&self, nodes: &[&str]) -> Vec<Seen> {
        nodes
            .iter()
            .map(|name| {
                let (identity, _) = self.identity(name);
                let chain = identity.chain.iter().map(|der| Certificate::from_der(der.clone()).unwrap()).collect();
                Seen { node_id: identity.key.node_id().to_string(), name: (*name).into(), chain, reachable: true }
            })
            .collect()
    }

    fn plan(&self, authority: &str, folders: &[&str]) -> Rotation {
        let folders = folders.iter().map(|name| self.path(name)).collect();
        Rotation::plan(&self.path(authority), Plan { folders, ..Plan::default() }).unwrap()
    }

    fn open(&self, authority: &str) -> Rotation {
        Rotation::open(&self.path(authority)).unwrap()
    }

    fn step(&self, step: Step) {
        let mut rotation = self.open("ca");
        match step {
            Step::Prepared => drop(rotation.prepare(None).unwrap().clone()),
            Step::Issued => drop(rotation.issue(&self.seen(&NODES), &Chosen::AllSeen).unwrap()),
            Step::Switched => drop(rotation.switch().unwrap()),
            _ => drop(rotation.retire(&self.seen(&NODES), &BTreeSet::new(), NO_SDKS, OldAgency::Unsaid).unwrap()),
        }
    }

    /// The folder with these files and no others.
    fn restore(&self, files: &BTreeMap<&PathBuf, &Vec<u8>>) {
        for entry in fs::read_dir(self.directory.path()).unwrap() {
            fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        for (path, content) in files {
            let path = self.directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            if path.extension().is_some_and(|ending| ending == "key") {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
    }

    /// Everything in the folder, and when it was written.
    fn files(&self) -> BTreeMap<PathBuf, (std::time::SystemTime, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![self.directory.path().to_owned()];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    let written = fs::metadata(&path).unwrap().modified().unwrap();
                    let content = fs::read(&path).unwrap();
                    found.insert(path.strip_prefix(self.directory.path()).unwrap().to_owned(), (written, content));
                }
            }
        }
        found
    }
}

fn read(path: &Path) -> Vec<Certificate> {
    Certificate::from_pem_bundle(fs::read(path).unwrap()).unwrap()
}

fn accepts(trusted: &[Certificate], identity: &Identity) -> bool {
    Policy::new(trusted.to_vec()).unwrap().judge(&identity.chain, UnixTime::now()).is_ok()
}

#[test]
fn a_root_is_replaced_and_nobody_is_cut_off_on_the_way() {
    let chain = Chain::new();
    let old = chain.read("ca/ca.crt");
    let ids = NODES.map(|name| chain.identity(name).0.key.node_id());
    let rsa = fs::read(chain.path("rsa/sdk.crt")).unwrap();
    let before = chain.identity("node0").0;
    let all = ["agencyA", "node0", "node1", "node2", "sdk", "rsa"];
    let mut rotation = chain.plan("ca", &all);
    rotation.prepare(None).unwrap();
    rotation.issue(&chain.seen(&NODES), &Chosen::AllSeen).unwrap();
    assert_eq!(chain.read("ca/ca.crt"), old, "nothing in use has changed");
    assert!(NODES.iter().all(|name| chain.read(&format!("{name}/ca.crt")) == old));
    rotation.switch().unwrap();
    drop(rotation);

    let new = chain.read("ca/ca.crt");
    assert_eq!(new[0].common_name().as_deref(), Some("chain-2"));
    for (name, id) in NODES.iter().zip(ids) {
        let (identity, policy) = chain.identity(name);
        assert_eq!(identity.key.node_id(), id);
        assert_eq!(policy.anchors(), [old[0].clone(), new[0].clone()]);
        for trusted in [&old, &new] {
            assert!(accepts(trusted, &identity), "who trusts {} alone", trusted[0].subject());
        }
    }
    // Peers that hold the old chain take the new one, though its leaf is the same, and never the reverse.
    let policy = chain.identity("node0").1;
    let judged = |identity: &Identity| policy.judge(&identity.chain, UnixTime::now()).unwrap();
    let (older, newer) = (judged(&before), judged(&chain.identity("node0").0));
    assert!(newer.is_newer_than(&older) && !older.is_newer_than(&newer));
    fs::write(chain.path("old.crt"), old[0].to_pem()).unwrap();
    for trusted in ["old.crt", "ca/ca.crt"] {
        let verify = format!("verify -x509_strict -CAfile {trusted} -untrusted node0/node.crt node0/node.crt");
        openssl(chain.directory.path(), &verify);
    }
    // What is issued from now on is accepted by both too.
    let agency = Authority::open(&chain.path("agencyA")).unwrap();
    agency.issue(Kind::Node, "late", &chain.path("late"), Validity::days(5)).unwrap();
    for trusted in [&old, &new] {
        assert!(accepts(trusted, &chain.identity("late").0));
    }

    let done = chain.open("ca").retire(&chain.seen(&NODES), &BTreeSet::new(), NO_SDKS, OldAgency::Unsaid).unwrap();
    assert_eq!(done.written.len(), 5, "{done:?}");
    for name in NODES {
        assert_eq!(chain.read(&format!("{name}/ca.crt")), new);
        assert!(accepts(&old, &chain.identity(name).0), "who was told nothing yet is not cut off");
    }
    assert_eq!(fs::read(chain.path("rsa/sdk.crt")).unwrap(), rsa, "another authority's");
    assert!(matches!(Rotation::open(&chain.path("ca")), Err(RotationError::NotPlanned { .. })));
    assert!(chain.path("ca").join("former").join(&hex::encode(old[0].key_id())[..16]).join("ca.key").exists());
    chain.plan("ca", &["node0"]);
}

#[test]
fn an_agency_is_replaced_under_its_name_and_the_old_one_revoked() {
    let chain = Chain::new();
    let agency = Authority::open(&chain.path("agencyA")).unwrap();
    agency.issue(Kind::Node, "lost", &chain.path("lost"), Validity::days(20)).unwrap();
    agency.revoke(&chain.read("lost/node.crt")[0]).unwrap();
    let before = NODES.map(|name| chain.read(&format!("{name}/node.crt")));
    let root = Authority::open(&chain.path("ca")).unwrap();
    let mut rotation = chain.plan("agencyA", &["node0", "node1", "node2", "sdk", "lost"]);
    assert!(matches!(rotation.prepare(None), Err(RotationError::RootNeeded { .. })));
    let stranger = Authority::init(&chain.path("other"), "other", Validity::days(9)).unwrap();
    assert!(matches!(rotation.prepare(Some(&stranger)), Err(RotationError::OtherRoot { .. })));
    rotation.prepare(Some(&root)).unwrap();
    let done = rotation.issue(&chain.seen(&NODES), &Chosen::AllSeen).unwrap();
    assert_eq!(done.left_out.len(), 1, "the revoked one: {done:?}");
    let done = rotation.switch().unwrap();
    assert!(done.left_out[0].contains("revoked"), "{done:?}");
    for (name, old) in NODES.iter().zip(&before) {
        let new = chain.read(&format!("{name}/node.crt"));
        assert_eq!(new[0].public_key(), old[0].public_key());
        assert_eq!(new[0].stated_roles(), old[0].stated_roles());
        assert_ne!(new[1].public_key(), old[1].public_key());
        assert_eq!(new[1].subject(), old[1].subject());
        let life = |one: &Certificate| one.not_after().as_secs() - one.not_before().as_secs();
        assert!(life(&new[0]).abs_diff(life(&old[0])) < 10, "as long as it was made for");
        assert_eq!(chain.identity(name).0.certificate.agency, "agencyA");
    }
    let old = rotation.old().clone();
    let renewed = root.issuer().renew(&old, Validity::days(9)).unwrap().remove(0);
    rotation.retire(&chain.seen(&NODES), &BTreeSet::new(), NO_SDKS, OldAgency::RevokedBy(&root)).unwrap();
    let lists = RevocationFile::read(&chain.path("ca/ca.crl")).unwrap().lists;
    assert!(lists[0].lists(&old));
    let policy = Policy::new(chain.read("ca/ca.crt")).unwrap().with_crls(lists).unwrap();
    assert!(policy.judge(&chain.identity("node0").0.chain, UnixTime::now()).is_ok());
    for of_old in [&before[0][1], &renewed] {
        assert!(policy.judge(&[before[0][0].der().clone(), of_old.der().clone()], UnixTime::now()).is_err());
    }
    // Both agencies have lists of their own.
    let now = Authority::open(&chain.path("agencyA")).unwrap();
    now.revoke(&chain.read("node2/node.crt")[0]).unwrap();
    let former = Authority::open_issuer_of(&before[1][0], &chain.path("agencyA")).unwrap();
    former.revoke(&before[1][0]).unwrap();
}

/// What the new authority revokes meanwhile is in its own list, not in the old one's.
#[test]
fn a_switch_that_is_run_again_after_the_first_revocation_lets_the_rotation_end() {
    let chain = Chain::new();
    let root = Authority::open(&chain.path("ca")).unwrap();
    let [lost, gone] = ["lost", "gone"]
        .map(|name| root.agency(name, &chain.path(name), Validity::days(9)).unwrap().certificate().clone());
    chain.plan("ca", &["agencyA", "lost", "gone", "node0", "node1", "node2", "sdk"]);
    for step in [Step::Prepared, Step::Issued, Step::Switched] {
        chain.step(step);
    }
    let new = Authority::open(&chain.path("ca")).unwrap();
    assert!(!new.crl_path().exists() && new.revoke(&lost).is_err());
    let [lost, gone] = [(lost, "lost"), (gone, "gone")].map(|(old, name)| {
        let reissued = chain.read(&format!("{name}/agency.crt")).remove(0);
        assert_ne!(reissued, old);
        reissued
    });
    new.revoke(&lost).unwrap();
    chain.step(Step::Switched);
    new.revoke(&gone).unwrap();
    chain.step(Step::Retired);
    let lists = RevocationFile::read(&new.crl_path()).unwrap().lists;
    assert!(lists.len() == 1 && lists[0].lists(&lost) && lists[0].lists(&gone));
}

/// Where lists are required nobody of an authority without one comes in: so there is one before the new authority is used.
#[test]
fn the_new_authority_has_a_list_before_it_is_used_where_the_old_one_has_made_any() {
    for (name, root) in [("ca", false), ("agencyA", true)] {
        let chain = Chain::new();
        let authority = Authority::open(&chain.path(name)).unwrap();
        let first = authority.next_lists().unwrap();
        assert!(first.iter().all(RevocationList::is_empty) && first[0].is_signed_by(authority.certificate()));
        let root = root.then(|| Authority::open(&chain.path("ca")).unwrap());
        let mut rotation = chain.plan(name, &["agencyA", "node0", "node1", "node2", "sdk"]);
        let new = rotation.prepare(root.as_ref()).unwrap().clone();
        let place = rotation.folder().join("new/ca.crl");
        let begun = RevocationFile::read(&place).unwrap();
        assert!(begun.lists[0].is_signed_by(&new) && begun.lists[0].is_empty());
        rotation.prepare(root.as_ref()).unwrap();
        assert_eq!(RevocationFile::read(&place).unwrap().lists, begun.lists, "it is made once");
        let before = Policy::new(chain.read("node0/ca.crt")).unwrap().with_crls(begun.lists.clone()).unwrap();
        let spreads = before.claim(&begun.certificates, UnixTime::now());
        assert_eq!(spreads.lists().told().len(), 1, "nodes that trust the old root take it before the switch");
        rotation.issue(&chain.seen(&NODES), &Chosen::AllSeen).unwrap();
        // By hand, once more.
        let begun = Authority::open(&rotation.folder().join("new")).unwrap().next_lists().unwrap();
        rotation.switch().unwrap();
        let lists = RevocationFile::read(&authority.crl_path()).unwrap().lists;
        assert!(lists.contains(&begun[0]) && lists.contains(&first[0]));
        // It is continued, not begun again.
        let next = Authority::open(&chain.path(name)).unwrap().next_lists().unwrap();
        assert!(next[0].edition().is_newer_than(begun[0].edition()));
        rotation.switch().unwrap();
    }
}

/// After each file that a step writes, it is interrupted and run again.
#[test]
fn a_step_that_was_interrupted_anywhere_is_run_again() {
    let chain = Chain::new();
    let root = Authority::open(&chain.path("ca")).unwrap();
    // Lists and their numbers go with the key that signed them.
    let spare = root.agency("spare", &chain.path("spare"), Validity::days(9)).unwrap();
    root.revoke(spare.certificate()).unwrap();
    chain.plan("ca", &["agencyA", "node0", "node1", "node2", "sdk"]);
    let mut cuts = 0;
    for step in [Step::Prepared, Step::Issued, Step::Switched, Step::Retired] {
        if step == Step::Issued {
            // Made by hand: the new one's number is not the old one's.
            let begun = Authority::open(&chain.path("ca/rotation/new")).unwrap();
            (0..2).for_each(|_| drop(begun.next_lists().unwrap()));
        }
        let before = chain.files();
        chain.step(step);
        let after = chain.files();
        let is_news = |path: &PathBuf, content: &Vec<u8>| before.get(path).is_none_or(|(_, old)| old != content);
        let mut written: Vec<_> = after
            .iter()
            .filter(|(path, (_, content))| is_news(path, content))
            // The last act of all is to move the rotation's folder away.
            .filter(|(path, _)| step != Step::Retired || !path.starts_with("ca/former"))
            .map(|(path, (time, content))| (*time, path.clone(), content.clone()))
            .collect();
        // The clock of files is coarse; of those of one moment, this is the order.
        let place = |path: &Path| match path.to_str() {
            Some("ca/ca.key") => 2,
            Some("ca/ca.crt") => 3,
            Some("ca/ca.crl.number") => 4,
            Some("ca/rotation/state.json") => 5,
            _ => u8::from(path.extension().is_none_or(|ending| ending != "key")),
        };
        written.sort_by_key(|(time, path, _)| (*time, place(path), path.clone()));
        for count in 0..written.len() {
            cuts += 1;
            let mut files: BTreeMap<_, _> = before.iter().map(|(path, (_, content))| (path, content)).collect();
            // What goes away goes before the key that it belonged to.
            if written[..count].iter().any(|(_, path, _)| path == Path::new("ca/ca.key")) {
                files.retain(|path, _| after.contains_key(*path));
            }
            files.extend(written[..count].iter().map(|(_, path, content)| (path, content)));
            chain.restore(&files);
            chain.step(step);
            NODES.iter().for_each(|name| drop(chain.identity(name)));
            let (now, wanted) = (chain.files(), after.keys().collect::<Vec<_>>());
            assert_eq!(now.keys().collect::<Vec<_>>(), wanted, "{step:?} after {count} files");
        }
    }
    assert!(cuts > 20, "{cuts}");
}

/// A kill between a key's two names leaves both.
#[test]
fn no_copy_of_a_key_outlives_the_run_that_was_killed() {
    let chain = Chain::new();
    let root = Authority::open(&chain.path("ca")).unwrap();
    let former = format!("agencyA/former/{}", &hex::encode(chain.read("agencyA/agency.crt")[0].key_id())[..16]);
    let leave = |folder: &str| {
        let place = chain.path(folder);
        fs::create_dir_all(&place).unwrap();
        fs::copy(chain.path("agencyA/agency.key"), place.join(".agency.key.0123456789abcdef.new")).unwrap();
    };
    let is_clean = || chain.files().keys().all(|path| path.extension().is_none_or(|ending| ending != "new"));
    chain.plan("agencyA", &NODES);
    leave("agencyA/rotation/new");
    fs::copy(chain.path("ca/ca.key"), chain.path("agencyA/rotation/new/agency.key")).unwrap();
    chain.open("agencyA").prepare(Some(&root)).unwrap();
    assert!(is_clean(), "{:?}", chain.files().keys());
    chain.open("agencyA").issue(&[], &Chosen::default()).unwrap();
    leave(&former);
    fs::copy(chain.path("agencyA/agency.key"), chain.path(&former).join("agency.key")).unwrap();
    chain.open("agencyA").switch().unwrap();
    assert!(is_clean(), "{:?}", chain.files().keys());
    // Likewise where no rotation is.
    leave("late");
    fs::rename(chain.path("late/.agency.key.0123456789abcdef.new"), chain.path("late/.node.key.0123456789abcdef.new"))
        .unwrap();
    fs::copy(chain.path("node0/node.key"), chain.path("late/node.key")).unwrap();
    Authority::open(&chain.path("agencyA"))
        .unwrap()
        .issue(Kind::Node, "late", &chain.path("late"), Validity::days(5))
        .unwrap();
    assert!(is_clean(), "{:?}", chain.files().keys());
}

#[test]
fn nobody_retires_an_authority_too_early() {
    let chain = Chain::new();
    let others = Chain::new();
    chain.plan("ca", &["agencyA", "node0"]);
    let none = BTreeSet::new();
    let retire = |seen: &[Seen], given_up: &BTreeSet<String>| {
        chain.open("ca").retire(seen, given_up, NO_SDKS, OldAgency::Unsaid)
    };
    assert!(matches!(retire(&chain.seen(&NODES), &none), Err(RotationError::OutOfOrder { .. })));
    chain.step(Step::Prepared);
    chain.step(Step::Issued);
    chain.step(Step::Switched);
    let before = fs::read(chain.path("node0/ca.crt")).unwrap();
    // node1 and node2 are not at hand, and one of them was once seen.
    let seen = chain.seen(&NODES);
    assert_eq!(chain.open("ca").shown_by(&seen[0].chain), Shown::New);
    assert_eq!(chain.open("ca").shown_by(&others.seen(&["node0"])[0].chain), Shown::Other);
    let error = retire(&seen[..2], &none).unwrap_err();
    let RotationError::TooEarly { old, unseen } = &error else { panic!("{error}") };
    assert_eq!(old.iter().map(|seen| seen.name.as_str()).collect::<Vec<_>>(), ["node1"]);
    assert_eq!(unseen.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["node2"]);
    assert!(error.to_string().contains("node1 (") && error.to_string().contains("node2 ("), "{error}");
    assert!(matches!(retire(&[], &none), Err(RotationError::NothingSeen)));
    assert!(matches!(retire(&others.seen(&NODES), &none), Err(RotationError::NothingSeen)));
    assert_eq!(fs::read(chain.path("node0/ca.crt")).unwrap(), before);
    // A file at hand that was put back counts as well.
    let good = fs::read(chain.path("node0/node.crt")).unwrap();
    let bundle = [chain.read("node0/node.crt")[0].to_pem(), chain.read("node1/node.crt")[1].to_pem()].concat();
    fs::write(chain.path("node0/node.crt"), bundle).unwrap();
    let late: BTreeSet<_> = seen[1..].iter().map(|seen| seen.node_id.clone()).collect();
    assert!(matches!(retire(&seen, &late), Err(RotationError::NotSwitched { .. })));
    fs::write(chain.path("node0/node.crt"), good).unwrap();
    retire(&seen, &late).unwrap();
}

/// As a node says it of an SDK that shows the certificates in this file: authorities come before what is shown.
fn sdks_at(chain: &Chain, node: &str, file: &str) -> SdksAt {
    let bundle = chain.read(file);
    let roots = read(&chain.path(&format!("{node}/ca.crt")));
    let (leaf, above) = bundle.split_first().unwrap();
    let mut issuers: Vec<Certificate> = Vec::new();
    let mut top = leaf.clone();
    while let Some(next) = roots.iter().chain(above).find(|one| top.is_signed_by(one) && **one != top).cloned() {
        let is_root = roots.contains(&next);
        issuers.push(next.clone());
        if is_root {
            break;
        }
        top = next;
    }
    SdksAt {
        node_id: chain.seen(&[node])[0].node_id.clone(),
        name: node.into(),
        issuers: vec![(issuers, 3)],
        unknown: None,
    }
}

#[test]
fn an_authority_does_not_go_while_sdks_show_it_or_a_node_does_not_say() {
    for (authority, end) in [("ca", OldAgency::Unsaid), ("agencyA", OldAgency::Unrevoked)] {
        let chain = Chain::new();
        fs::copy(chain.path("sdk/sdk.crt"), chain.path("before.crt")).unwrap();
        let mut rotation = chain.plan(authority, &["agencyA", "node0", "node1", "node2", "sdk"]);
        rotation
            .prepare((authority == "agencyA").then(|| Authority::open(&chain.path("ca")).unwrap()).as_ref())
            .unwrap();
        rotation.issue(&[], &Chosen::default()).unwrap();
        rotation.switch().unwrap();
        drop(rotation);
        let [old, new] = ["before.crt", "sdk/sdk.crt"].map(|file| sdks_at(&chain, "node0", file));
        let rotation = chain.open(authority);
        assert_eq!([&old, &new].map(|at| rotation.shown_by_issuers(&at.issuers[0].0)), [Shown::Old, Shown::New]);
        assert_eq!(rotation.shown_by_issuers(&[]), Shown::Other);
        drop(rotation);
        let silent = SdksAt {
            issuers: Vec::new(),
            unknown: Some("it is of before".into()),
            ..sdks_at(&chain, "node1", "sdk/sdk.crt")
        };
        let retire = |sdks: Sdks<'_>, given_up: &[&str]| {
            let given_up = given_up.iter().map(|node| (*node).to_owned()).collect();
            chain.open(authority).retire(&chain.seen(&NODES), &given_up, sdks, end)
        };
        let error = retire(Sdks::Told(&[old.clone(), silent.clone()]), &[]).unwrap_err().to_string();
        assert!(
            error.contains("3 at node0 (") && error.contains("node1 (") && error.contains("it is of before"),
            "{error}"
        );
        let early = |told: &[SdksAt], given_up: &[&str]| {
            matches!(retire(Sdks::Told(told), given_up), Err(RotationError::SdksTooEarly { .. }))
        };
        assert!(early(std::slice::from_ref(&silent), &[]) && early(std::slice::from_ref(&old), &[]));
        let two = sdks_at(&chain, "node2", "sdk/sdk.crt");
        assert!(early(&[old.clone(), silent.clone(), two.clone()], &[&silent.node_id]), "each for itself");
        assert!(early(&[new.clone(), two.clone()], &[]), "node1 was not asked");
        // Given up by name, or all of them; or all have moved.
        if authority == "ca" {
            retire(Sdks::Told(&[new, silent.clone(), two]), &[&silent.node_id]).unwrap();
        } else {
            retire(Sdks::CutOff, &[]).unwrap();
        }
    }
}

#[test]
fn a_state_that_was_altered_is_refused_and_two_do_not_work_at_once() {
    let chain = Chain::new();
    let held = chain.plan("ca", &["node0"]);
    assert!(matches!(Rotation::open(&chain.path("ca")), Err(RotationError::Busy { .. })));
    drop(held);
    let state = chain.path("ca/rotation/state.json");
    let text = fs::read_to_string(&state).unwrap();
    let key = hex::encode(chain.read("ca/ca.crt")[0].key_id());
    for altered in [
        text.replace("planned", "switched"),
        text.replace("node0", "node1"),
        text.replace(&key, &"0".repeat(64)),
        text.replace(&key, "../../../etc"),
        text.replace("\"nodes\": {}", "\"nodes\": {\"a\": \"b\"}"),
        text.replace("\"days\"", "\"more\": 1, \"days\""),
        text[..text.len() / 2].to_owned(),
        String::new(),
    ] {
        assert_ne!(altered, text);
        fs::write(&state, altered).unwrap();
        assert!(matches!(Rotation::open(&chain.path("ca")), Err(RotationError::Altered { .. })));
    }
    fs::write(&state, &text).unwrap();
    // A step that was left out by hand is no step.
    let early = chain.open("ca").issue(&[], &Chosen::default()).unwrap_err();
    assert!(matches!(early, RotationError::OutOfOrder { step: Step::Planned, .. }));
    chain.step(Step::Prepared);
    let again = Rotation::plan(&chain.path("ca"), Plan::default());
    assert!(matches!(again, Err(RotationError::Underway { step: Step::Prepared, .. })));
    // A state that is lost after the switch does not make the new root its own successor.
    chain.step(Step::Issued);
    chain.step(Step::Switched);
    fs::remove_file(&state).unwrap();
    drop(chain.plan("ca", &["node0"]));
    assert!(matches!(Rotation::open(&chain.path("ca")), Err(RotationError::Altered { .. })));
}

#[test]
fn what_build_chain_made_is_rotated_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    build_root(path);
    build_agency(path);
    build_leaf(path, "node", "node");
    let node = path.join("conf");
    fs::create_dir_all(&node).unwrap();
    fs::create_dir_all(path.join("root")).unwrap();
    fs::create_dir_all(path.join("agency")).unwrap();
    let copies = [
        ("ca.crt", "root"),
        ("ca.key", "root"),
        ("ca.crt", "agency"),
        ("agency.crt", "agency"),
        ("agency.key", "agency"),
        ("ca.crt", "conf"),
        ("node.crt", "conf"),
        ("node.key", "conf"),
    ];
    for (name, folder) in copies {
        fs::copy(path.join(name), path.join(folder).join(name)).unwrap();
    }
    let plan = Plan { folders: vec![path.join("agency"), path.join("conf")], ..Plan::default() };
    let mut rotation = Rotation::plan(&path.join("root"), plan).unwrap();
    rotation.prepare(None).unwrap();
    rotation.issue(&[], &Chosen::default()).unwrap();
    rotation.switch().unwrap();
    let (identity, _) = Identity::load(&IdentityPaths::in_directory(&node)).unwrap();
    for trusted in [read(&path.join("ca.crt")), read(&path.join("root/ca.crt"))] {
        assert!(accepts(&trusted, &identity));
    }
    drop(rotation);
    // Its agency too, under the new root.
    let root = Authority::open(&path.join("root")).unwrap();
    let plan = Plan { folders: vec![node.clone()], ..Plan::default() };
    let mut rotation = Rotation::plan(&path.join("agency"), plan).unwrap();
    rotation.prepare(Some(&root)).unwrap();
    rotation.issue(&[], &Chosen::default()).unwrap();
    rotation.switch().unwrap();
    let (identity, _) = Identity::load(&IdentityPaths::in_directory(&node)).unwrap();
    for trusted in [read(&path.join("ca.crt")), read(&path.join("root/ca.crt"))] {
        assert!(accepts(&trusted, &identity));
    }
}

fn names(done: &[String], word: &str) -> usize {
    done.iter().filter(|line| line.contains(word)).count()
}

/// What anybody has who stole the agency's key: a node of his own, which the network shows.
#[test]
fn what_only_the_network_shows_is_not_issued_anew_unless_it_is_named() {
    let chain = Chain::new();
    let root = Authority::open(&chain.path("ca")).unwrap();
    let thief = Authority::open(&chain.path("agencyA")).unwrap();
    thief.issue(Kind::Node, "thief", &chain.path("thief"), Validity::days(20)).unwrap();
    let seen = chain.seen(&["node0", "node1", "node2", "thief"]);
    let mut rotation = chain.plan("agencyA", &["node0", "sdk"]);
    rotation.prepare(Some(&root)).unwrap();
    let issued = || {
        let files = fs::read_dir(chain.path("agencyA/rotation/issued")).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let done = rotation.issue(&seen, &Chosen::default()).unwrap();
    assert_eq!(names(&done.left_out, "only the network shows"), 3, "{done:?}");
    assert!(names(&done.left_out, "--node NODEID") == 3 && names(&done.left_out, "thief (") == 1, "{done:?}");
    assert_eq!(issued().len(), 2, "{:?}", issued());
    let named = Chosen::Nodes(BTreeSet::from([seen[1].node_id.clone()]));
    let done = rotation.issue(&seen, &named).unwrap();
    assert_eq!(names(&done.left_out, "only the network shows"), 2, "{done:?}");
    assert!(issued().iter().any(|name| name.starts_with("node1-")), "{:?}", issued());
    assert!(!issued().iter().any(|name| name.starts_with("thief-")), "{:?}", issued());
    rotation.issue(&seen, &Chosen::AllSeen).unwrap();
    assert_eq!(issued().len(), 5);
}

/// One member's certificates, however strange, are his own affair.
#[test]
fn one_member_does_not_stop_the_rotation_of_the_others() {
    let chain = Chain::new();
    let agency = Authority::open(&chain.path("agencyA")).unwrap();
    agency.issue(Kind::Node, "lost", &chain.path("lost"), Validity::days(20)).unwrap();
    let revoked = chain.read("lost/node.crt")[0].clone();
    agency.revoke(&revoked).unwrap();
    let root = Authority::open(&chain.path("ca")).unwrap();
    let mut rotation = chain.plan("agencyA", &["node0"]);
    rotation.prepare(Some(&root)).unwrap();
    let mut seen = chain.seen(&NODES);
    // Somebody's revoked certificate in his chain makes nobody revoked.
    seen[1].chain.push(revoked);
    // A stranger's certificate above which somebody put a good one.
    let stranger = Chain::new().seen(&["node0"]).remove(0);
    seen.push(Seen { chain: vec![stranger.chain[0].clone(), seen[0].chain[0].clone()], ..stranger });
    // What a node signed with its own key, as if it were an authority.
    let path = chain.directory.path();
    openssl(path, "ecparam -name secp256k1 -genkey -noout -out x.key");
    openssl(path, "req -new -key x.key -subj /CN=x -out x.csr");
    openssl(path, "x509 -req -in x.csr -CA node2/node.crt -CAkey node2/node.key -set_serial 7 -days 2 -out x.crt");
    let forged = [chain.read("x.crt"), seen[2].chain.clone()].concat();
    seen.push(Seen { node_id: "aaaaaaaaaa".into(), name: "forger".into(), chain: forged, reachable: true });
    let done = rotation.issue(&seen, &Chosen::AllSeen).unwrap();
    assert_eq!((done.written.len(), done.left_out.len()), (3, 1), "{done:?}");
    assert!(
        done.left_out[0].starts_with("forger (aaaaaaaa): ") && done.left_out[0].contains("would not hold"),
        "{done:?}"
    );
    let whole = fs::read(chain.path("node0/node.crt")).unwrap();
    rotation.switch().unwrap();
    assert_ne!(fs::read(chain.path("node0/node.crt")).unwrap(), whole);
}

#[test]
fn what_would_not_hold_is_left_out_by_name_and_the_others_go_on() {
    let chain = Chain::new();
    let root = Authority::open(&chain.path("ca")).unwrap();
    let mut rotation = chain.plan("agencyA", &["node0", "node1", "node2"]);
    rotation.prepare(Some(&root)).unwrap();
    rotation.issue(&[], &Chosen::default()).unwrap();
    // Issued to nobody: it came after.
    let agency = Authority::open(&chain.path("agencyA")).unwrap();
    fs::remove_dir_all(chain.path("node1")).unwrap();
    agency.issue(Kind::Node, "node1", &chain.path("node1"), Validity::days(20)).unwrap();
    let done = rotation.switch().unwrap();
    assert_eq!((names(&done.left_out, "node1/node.crt"), done.left_out.len()), (1, 1), "{done:?}");
    for name in ["node0", "node2"] {
        assert_eq!(rotation.shown_by(&chain.read(&format!("{name}/node.crt"))), Shown::New);
    }
    let early =
        rotation.retire(&chain.seen(&["node0", "node2"]), &BTreeSet::new(), NO_SDKS, OldAgency::RevokedBy(&root));
    assert!(matches!(early, Err(RotationError::NotIssued { .. })), "{early:?}");
}

#[test]
fn who_is_revoked_on_the_way_keeps_nothing() {
    let chain = Chain::new();
    let root = Authority::open(&chain.path("ca")).unwrap();
    let old = NODES.map(|name| chain.read(&format!("{name}/node.crt"))[0].clone());
    chain.plan("agencyA", &["node0", "node1", "node2"]).prepare(Some(&root)).unwrap();
    chain.open("agencyA").issue(&[], &Chosen::default()).unwrap();
    let issued = |node: &str| {
        let files = fs::read_dir(chain.path("agencyA/rotation/issued")).unwrap().map(|file| file.unwrap().path());
        files.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(node))
    };
    let successors = ["node0", "node1"].map(|node| read(&issued(node).unwrap())[0].clone());
    let revoked = |one: &Certificate| {
        let lists = RevocationFile::read(&chain.path("agencyA/ca.crl")).unwrap().lists;
        lists.iter().any(|list| list.lists(one))
    };
    // Between issue and switch.
    Authority::open(&chain.path("agencyA")).unwrap().revoke(&old[0]).unwrap();
    let done = chain.open("agencyA").switch().unwrap();
    assert_eq!(names(&done.left_out, "revoked"), 1, "{done:?}");
    assert!(issued("node0").is_none() && revoked(&successors[0]), "it was handed out");
    assert_eq!(chain.read("node0/node.crt")[0], old[0]);
    // After the switch: the old one's list is with its key.
    let former = Authority::open_issuer_of(&old[1], &chain.path("agencyA")).unwrap();
    assert!(former.directory().starts_with(chain.path("agencyA/former")));
    former.revoke(&old[1]).unwrap();
    // A list that was lost is not taken for an empty one.
    let list = former.crl_path();
    let held = fs::read(&list).unwrap();
    fs::remove_file(&list).unwrap();
    assert!(matches!(chain.open("agencyA").issue(&[], &Chosen::default()), Err(RotationError::Authority(_))));
    fs::write(&list, held).unwrap();
    let gone = chain.seen(&NODES)[0].node_id.clone();
    let seen = chain.seen(&NODES);
    chain.open("agencyA").retire(&seen, &BTreeSet::from([gone]), NO_SDKS, OldAgency::RevokedBy(&root)).unwrap();
    assert!(revoked(&successors[1]), "it is in use, by somebody who is revoked");
}

#[test]
fn a_key_beside_a_certificate_is_not_written_over() {
    let chain = Chain::new();
    let root = Authority::open(&chain.path("ca")).unwrap();
    let both =
        [fs::read(chain.path("node0/node.crt")).unwrap(), fs::read(chain.path("node0/node.key")).unwrap()].concat();
    fs::write(chain.path("node0/node.crt"), &both).unwrap();
    let mut rotation = chain.plan("agencyA", &["node0", "node1"]);
    rotation.prepare(Some(&root)).unwrap();
    rotation.issue(&[], &Chosen::default()).unwrap();
    let done = rotation.switch().unwrap();
    assert_eq!(fs::read(chain.path("node0/node.crt")).unwrap(), both);
    assert_eq!(names(&done.left_out, "node0/node.crt: it holds something beside certificates"), 1, "{done:?}");
    assert_eq!(rotation.shown_by(&chain.read("node1/node.crt")), Shown::New);
    let late = BTreeSet::from([chain.seen(&NODES)[0].node_id.clone()]);
    let early = rotation.retire(&chain.seen(&["node0", "node1"]), &late, NO_SDKS, OldAgency::RevokedBy(&root));
    assert!(matches!(early, Err(RotationError::NotSwitched { .. })), "{early:?}");
}

#[test]
fn an_agency_does_not_retire_unrevoked_by_oversight_and_its_key_is_in_one_place() {
    let chain = Chain::new();
    let root = Authority::open(&chain.path("ca")).unwrap();
    let mut rotation = chain.plan("agencyA", &NODES);
    rotation.prepare(Some(&root)).unwrap();
    rotation.issue(&[], &Chosen::default()).unwrap();
    assert!(chain.path("agencyA/rotation/new/agency.key").exists());
    rotation.switch().unwrap();
    drop(rotation);
    assert!(!chain.path("agencyA/rotation/new/agency.key").exists());
    chain.open("agencyA").switch().unwrap();
    let retire = |end| chain.open("agencyA").retire(&chain.seen(&NODES), &BTreeSet::new(), NO_SDKS, end);
    assert!(matches!(retire(OldAgency::Unsaid), Err(RotationError::StillTrusted { .. })));
    retire(OldAgency::Unrevoked).unwrap();
    let key = fs::read(chain.path("agencyA/agency.key")).unwrap();
    let copies = chain.files().into_values().filter(|(_, content)| *content == key).count();
    assert_eq!(copies, 1);
}

/// Authorities opened before a rotation took over do not sign by the key that was replaced.
#[test]
fn an_authority_that_was_replaced_meanwhile_does_not_revoke_in_its_place() {
    let chain = Chain::new();
    let root = Authority::open(&chain.path("ca")).unwrap();
    let opened_before = Authority::open(&chain.path("agencyA")).unwrap();
    let old = chain.read("node0/node.crt")[0].clone();
    let mut rotation = chain.plan("agencyA", &NODES);
    rotation.prepare(Some(&root)).unwrap();
    rotation.issue(&[], &Chosen::default()).unwrap();
    rotation.switch().unwrap();
    assert!(opened_before.revoke(&old).is_err());
    assert!(!chain.path("agencyA/ca.crl").exists());
}

#[test]
fn more_nodes_than_are_remembered_stop_nothing() {
    let chain = Chain::new();
    let mut rotation = chain.plan("ca", &NODES);
    let one = chain.seen(&["node0"]).remove(0);
    // IDs as long as they are, and names that are written with as many bytes as there can be.
    let crowd = |letter: &str, count: usize, reachable: bool| {
        let name = ["数".repeat(100), "🦀".repeat(100), "\"".repeat(100)];
        let node = |number: usize| Seen {
            node_id: format!("{letter}{number:0127}"),
            name: name[if letter == "a" { 2 } else { number % 3 }].clone(),
            reachable,
            ..one.clone()
        };
        (0..count).map(node).collect::<Vec<_>>()
    };
    rotation.note(&crowd("a", 16_384, false)).unwrap();
    rotation.note(&crowd("b", 10, false)).unwrap();
    assert_eq!(rotation.expected().filter(|(node, _)| node.starts_with('b')).count(), 0);
    rotation.note(&crowd("c", 10, true)).unwrap();
    assert_eq!(rotation.expected().filter(|(node, _)| node.starts_with('c')).count(), 10);
    assert_eq!(rotation.expected().count(), 16_384);
    assert!(rotation.expected().all(|(_, name)| (60..=64).contains(&name.len())));
    drop(rotation);
    chain.open("ca");
    // All names of more than one byte for each character.
    let mut rotation = chain.plan("ca", &NODES);
    let wide: Vec<_> = crowd("b", 3 * 16_384, true).into_iter().step_by(3).collect();
    rotation.note(&wide).unwrap();
    assert_eq!(rotation.expected().count(), 16_384);
    drop(rotation);
    chain.open("ca");
}

/// Folders of `build_chain.sh`'s kind hold PEM; what was made with `openssl` may be in either form.
#[test]
fn keys_and_lists_in_der_are_put_away_as_they_are() {
    for (name, base) in [("ca", "ca"), ("agencyA", "agency")] {
        let chain = Chain::new();
        let root = Authority::open(&chain.path("ca")).unwrap();
        let folder = chain.path(name);
        let made = Authority::open(&folder).unwrap().next_lists().unwrap();
        openssl(&folder, &format!("pkey -in {base}.key -outform DER -out key.der"));
        openssl(&folder, "x509 -in ca.crt -outform DER -out trust.der");
        let key = folder.join(format!("{base}.key"));
        fs::write(&key, fs::read(folder.join("key.der")).unwrap()).unwrap();
        fs::write(folder.join("ca.crl"), made[0].der()).unwrap();
        fs::rename(folder.join("trust.der"), folder.join("ca.crt")).unwrap();
        let before = [key.clone(), folder.join("ca.crl")].map(|path| fs::read(path).unwrap());
        let mut rotation = chain.plan(name, &["agencyA", "node0", "node1", "node2", "sdk"]);
        rotation.prepare(Some(&root)).unwrap();
        rotation.issue(&[], &Chosen::default()).unwrap();
        rotation.switch().unwrap();
        rotation.switch().unwrap();
        let former = folder.join("former").join(&hex::encode(rotation.old().key_id())[..16]);
        let kept = [former.join(format!("{base}.key")), former.join("ca.crl")].map(|path| fs::read(path).unwrap());
        assert!(kept == before, "{name}");
        let old = Authority::open(&former).unwrap();
        assert_eq!(old.certificate(), rotation.old());
        assert_ne!(Authority::open(&folder).unwrap().certificate(), old.certificate());
        assert_eq!(rotation.shown_by(&chain.seen(&["node0"])[0].chain), Shown::New);
    }
}

/// Two issuers of one agency have certified one key: what is taken back of the one is of the key.
#[test]
fn a_key_that_was_taken_back_gets_no_certificate_of_the_successor() {
    let chain = Chain::new();
    let (root, agency) =
        (Authority::open(&chain.path("ca")).unwrap(), Authority::open(&chain.path("agencyA")).unwrap());
    let [first, second, _] = NODES.map(|name| {
        let held = chain.read(&format!("{name}/node.crt")).remove(0);
        agency.renew(&chain.path(&format!("{name}/node.crt")), Some(15)).unwrap();
        held
    });
    agency.distrust(&first).unwrap();
    let mut rotation = chain.plan("agencyA", &NODES);
    let new = rotation.prepare(Some(&root)).unwrap().clone();
    let begun = RevocationFile::read(&rotation.folder().join("new/ca.crl")).unwrap();
    assert!(begun.lists[0].is_signed_by(&new) && begun.lists[0].is_empty());
    let done = rotation.issue(&[], &Chosen::default()).unwrap();
    assert_eq!((names(&done.left_out, "is revoked, or its key is"), done.written.len()), (1, 2), "{done:?}");
    // That the other's key is no longer trusted is said between two steps: what was made for it is taken back as well.
    agency.distrust(&second).unwrap();
    let handed_out: Vec<_> = done.written.iter().map(|path| read(path).remove(0)).collect();
    let of_second = handed_out.iter().find(|one| one.public_key() == second.public_key()).unwrap();
    let done = rotation.switch().unwrap();
    assert_eq!(names(&done.left_out, "is revoked, or its key is"), 2, "{done:?}");
    let successor = Authority::open(&chain.path("agencyA")).unwrap();
    assert_eq!(*successor.certificate(), new);
    let lists = RevocationFile::read(&successor.crl_path()).unwrap().lists;
    assert!(lists.iter().any(|list| list.is_signed_by(&new) && list.lists(of_second)));
    // Nor later, by the successor itself.
    for (name, is_barred) in NODES.iter().zip([true, true, false]) {
        let key = nuncio_pki::KeyFile::load(&chain.path(&format!("{name}/node.key"))).unwrap();
        let request = CertificateRequest::create(&PrivateKey::from_file(key).unwrap(), Kind::Node, name).unwrap();
        let signed =
            successor.sign_request(&request, Kind::Node, &chain.path(&format!("{name}.crt")), Validity::days(9));
        assert_eq!(matches!(signed, Err(AuthorityError::TakenBack { .. })), is_barred, "{name}: {signed:?}");
    }
}
