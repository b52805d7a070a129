//! Two machines that issue for one agency, each from a copy of its folder: what is taken back at one is at the other.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nuncio_pki::{
    Certificate, CertificateRequest, ChainError, InvitationId, Policy, RevocationFile, RevocationList,
    authority::{
        Asked, Authority, Invitations, IssueError, Issued, IssuingDesk, IssuingRules, Kind, Newcomer, Validity,
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};

#[path = "support/consortium.rs"]
mod consortium;
#[path = "support/openssl.rs"]
mod openssl;
use consortium::{Consortium, consortium};

const CA: &str = "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=30\n\
    crlnumber=number\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid:always\n";

/// An agency's folder and a copy of it, each with a desk.
struct Two {
    consortium: Consortium,
    copy: PathBuf,
    desks: [IssuingDesk; 2],
    policy: Policy,
}

impl Two {
    fn new() -> Self {
        let consortium = consortium();
        let copy = consortium.directory.path().join("copy");
        copied(consortium.agency.directory(), &copy);
        let rules = || IssuingRules { lifetime: Duration::from_secs(86_400), only: Vec::new(), per_hour: 100 };
        let desk = |folder: &Path| IssuingDesk::open(folder, rules(), now()).unwrap();
        let desks = [desk(consortium.agency.directory()), desk(&copy)];
        let policy = Policy::new(vec![consortium.root.certificate().clone()]).unwrap();
        Self { consortium, copy, desks, policy }
    }

    fn node(&self, name: &str) -> Issued {
        self.consortium.agency.issuer().issue(Kind::Node, name, Validity::days(30)).unwrap()
    }

    /// The tool, at one of the two folders.
    fn tool(&self, at: usize) -> Authority {
        Authority::open([self.consortium.agency.directory(), &self.copy][at]).unwrap()
    }

    fn renew(&mut self, at: usize, node: &Issued, shown: &[Certificate]) -> Result<Vec<Certificate>, IssueError> {
        let request = CertificateRequest::renewing(&node.key, node.certificate()).unwrap().der().to_vec();
        let asked = Asked { source: node.node_id().unwrap(), request, chain: ders(shown) };
        self.desks[at].renew(&asked, &self.policy, now())
    }

    /// A list spreads: it is in force where both desks are.
    fn spread(&mut self, list: RevocationList) {
        let agency = self.consortium.agency.certificate().clone();
        let adopted = self.policy.adopt(list, &[agency], now()).unwrap();
        self.policy = adopted.expect("it is newer than what is in force");
    }

    fn merge(&mut self, at: usize) -> Option<RevocationList> {
        self.desks[at].merge_lists(&self.policy).unwrap().map(|mut file| file.lists.remove(0))
    }

    fn list_at(&self, at: usize) -> RevocationList {
        RevocationFile::read(&self.tool(at).crl_path()).unwrap().lists.remove(0)
    }

    fn verdict(&self, chain: &[Certificate]) -> Result<(), ChainError> {
        self.policy.judge(&ders(chain), now()).map(|_| ())
    }
}

fn now() -> UnixTime {
    UnixTime::now()
}

fn ders(chain: &[Certificate]) -> Vec<CertificateDer<'static>> {
    chain.iter().map(|one| one.der().clone()).collect()
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

fn refused(outcome: Result<Vec<Certificate>, IssueError>) -> String {
    outcome.map(|chain| chain[0].subject()).unwrap_err().told()
}

#[test]
fn each_renews_what_the_other_issued_and_no_number_is_given_twice() {
    let mut two = Two::new();
    let node = two.node("node0");
    let (mut shown, mut serials) = (node.chain.clone(), BTreeSet::from([node.certificate().serial()]));
    for turn in 0..20 {
        shown = two.renew(turn % 2, &node, &shown).unwrap();
        assert!(serials.insert(shown[0].serial()), "a number twice");
        two.verdict(&shown).unwrap();
    }
}

#[test]
fn whose_certificate_was_revoked_at_one_gets_no_other_at_the_other() {
    let mut two = Two::new();
    let (node, other) = (two.node("node0"), two.node("node1"));
    let first = two.renew(0, &node, &node.chain).unwrap();
    // The second has never seen this certificate, and the thief does not show it.
    let list = two.tool(0).distrust(&first[0]).unwrap();
    two.spread(list);
    let words = refused(two.renew(1, &node, &node.chain));
    assert!(words.contains("was taken back by a revocation list"), "{words}");
    two.renew(1, &other, &other.chain).unwrap();
    // Only what was named is revoked.
    assert!(matches!(two.verdict(&first), Err(ChainError::Revoked { .. })));
    two.verdict(&node.chain).unwrap();
}

#[test]
fn a_node_that_is_revoked_is_refused_with_whatever_anybody_gave_it() {
    let mut two = Two::new();
    let (node, other) = (two.node("node0"), two.node("node1"));
    let second = two.renew(1, &node, &node.chain).unwrap();
    let id = node.node_id().unwrap();
    // The first knows of no certificate of this node.
    let list = two.tool(0).revoke_node(&id, &[]).unwrap();
    assert!(list.is_empty(), "nothing is named by a number");
    assert_eq!(list.refused_keys().collect::<Vec<_>>(), [hex::encode(node.certificate().key_id())]);
    two.spread(list.clone());
    for chain in [&node.chain, &second] {
        let refusal = two.verdict(chain).unwrap_err();
        assert!(matches!(&refusal, ChainError::Revoked { .. }), "{refusal}");
        for at in 0..2 {
            assert!(two.renew(at, &node, chain).is_err());
        }
    }
    two.verdict(&other.chain).unwrap();
    // Nor does it join anew by an invitation.
    let (number, secret) = Invitations::of(&two.copy).make("node0", Validity::days(1).not_after).unwrap();
    let request = CertificateRequest::create(&node.key, Kind::Node, "node0").unwrap().der().to_vec();
    let newcomer = Newcomer { id: InvitationId(number.0), secret: secret.to_vec().into(), request };
    let words = refused(two.desks[1].admit(&newcomer, &two.policy, now()));
    assert!(words.contains("was taken back"), "{words}");
    // Said once more it is the same list; a later one says it too.
    assert_eq!(two.tool(0).revoke_node(&id, &[]).unwrap(), list);
    let later = two.tool(0).distrust(other.certificate()).unwrap();
    assert!(later.lists(&second[0]) && later.lists(other.certificate()));
}

/// What is revoked at both at the same time, before either hears of the other.
#[test]
fn lists_that_two_make_at_once_become_one_that_says_all() {
    let mut two = Two::new();
    let nodes = ["a", "b", "c"].map(|name| two.node(name));
    let lists = [0, 1].map(|at| two.tool(at).distrust(nodes[at].certificate()).unwrap());
    assert_ne!(lists[0].edition(), lists[1].edition(), "or nobody would take the second");
    let (older, newer) = if lists[0].edition().is_newer_than(lists[1].edition()) { (1, 0) } else { (0, 1) };
    two.spread(lists[older].clone());
    two.spread(lists[newer].clone());
    // In the network only the newer counts, which does not say all.
    two.verdict(&nodes[older].chain).unwrap();
    assert_eq!(two.merge(newer), None, "its folder has what is in force");
    let both = two.merge(older).expect("nobody else has all of it");
    two.spread(both.clone());
    for node in &nodes[..2] {
        assert!(matches!(two.verdict(&node.chain), Err(ChainError::Revoked { .. })));
    }
    two.verdict(&nodes[2].chain).unwrap();
    // Both go on from there, and nothing comes of hearing it again.
    for at in [older, newer, older] {
        assert_eq!(two.merge(at), None);
        assert_eq!(two.list_at(at), both);
    }
    let next = two.tool(newer).distrust(nodes[2].certificate()).unwrap();
    assert!(next.edition().is_newer_than(both.edition()));
    assert!(nodes.iter().all(|node| next.lists(node.certificate())));
}

/// The same of SDKs with RSA keys, whose authority has lists of its own in that file.
#[test]
fn lists_of_the_rsa_authority_become_one_as_well() {
    let mut two = Two::new();
    let rsa = two.consortium.agency.channel_issuer().unwrap();
    let sdks = [(); 2].map(|()| rsa.issue(Kind::SdkRsa, "sdk", Validity::days(9)).unwrap());
    let lists = [0, 1].map(|at| two.tool(at).distrust(sdks[at].certificate()).unwrap());
    let known = RevocationFile::read(&two.tool(0).crl_path()).unwrap().certificates;
    for list in lists {
        two.policy = two.policy.adopt(list, &known, now()).unwrap().unwrap_or_else(|| two.policy.clone());
    }
    let (first, second) = (two.merge(0), two.merge(1));
    assert!(first.is_some() != second.is_some(), "the one whose list is not in force");
    let both = first.or(second).unwrap();
    assert!(sdks.iter().all(|sdk| both.lists(sdk.certificate())));
    two.policy = two.policy.adopt(both.clone(), &known, now()).unwrap().unwrap();
    for at in 0..2 {
        assert_eq!(two.merge(at), None);
        assert_eq!(two.list_at(at), both);
    }
}

/// A tool of an earlier release, or another one, goes on from a list with fewer words.
#[test]
fn a_newer_list_that_says_less_takes_nothing_out_of_the_agencys() {
    let mut two = Two::new();
    let (node, other) = (two.node("a"), two.node("b"));
    two.tool(0).distrust(other.certificate()).unwrap();
    let said = two.tool(0).revoke_node(&node.node_id().unwrap(), &[]).unwrap();
    // As openssl makes one for the agency, from the other's number alone.
    let (agency, path) = (&two.consortium.agency, two.consortium.directory.path());
    let files = [
        ("ca.key", agency.issuer().key().to_pem().unwrap().to_string()),
        ("ca.crt", agency.certificate().to_pem()),
        ("ca.cnf", CA.to_owned()),
        ("number", "FFFFFF\n".to_owned()),
        (
            "index.txt",
            format!(
                "R\t350101000000Z\t260101000000Z\t{}\tunknown\t/CN=b\n",
                other.certificate().serial().to_uppercase()
            ),
        ),
    ];
    files.into_iter().for_each(|(name, content)| fs::write(path.join(name), content).unwrap());
    openssl::openssl(path, "ca -gencrl -config ca.cnf -keyfile ca.key -cert ca.crt -out less.crl");
    let less = RevocationFile::read(&path.join("less.crl")).unwrap().lists.remove(0);
    assert!(less.edition().is_newer_than(said.edition()));
    two.spread(less);
    two.verdict(&node.chain).unwrap();
    let both = two.merge(0).expect("it says more than the newer one");
    two.spread(both);
    assert!(two.verdict(&node.chain).is_err() && two.verdict(&other.chain).is_err());
}

#[test]
fn a_list_of_another_key_changes_nothing_and_one_that_was_lost_comes_back() {
    let mut two = Two::new();
    let stranger = consortium();
    let leaf = stranger.agency.issuer().issue(Kind::Node, "x", Validity::days(9)).unwrap();
    let foreign = stranger.agency.revoke(leaf.certificate()).unwrap();
    assert_eq!(two.tool(0).merge(&foreign).unwrap(), None);
    assert!(!two.tool(0).crl_path().exists());
    let node = two.node("a");
    let list = two.tool(0).distrust(node.certificate()).unwrap();
    two.spread(list.clone());
    fs::remove_file(two.tool(0).crl_path()).unwrap();
    assert!(two.tool(0).distrust(two.node("b").certificate()).is_err(), "it would lose revocations");
    assert_eq!(two.merge(0), None);
    assert_eq!(two.list_at(0), list);
    two.tool(0).distrust(two.node("b").certificate()).unwrap();
}

/// An agency that was renewed has two certificates, and its thief shows the older one.
#[test]
fn of_an_agency_whose_key_is_revoked_no_certificate_counts() {
    let Consortium { directory: _directory, root, agency } = consortium();
    let node = agency.issuer().issue(Kind::Node, "node", Validity::days(9)).unwrap();
    let renewed = root.renew(&agency.directory().join("agency.crt"), Some(100)).unwrap();
    let (old, new) = (agency.certificate(), &renewed);
    let shown = |agency: &Certificate| ders(&[node.certificate().clone(), agency.clone()]);
    let policy = Policy::new(vec![root.certificate().clone()]).unwrap();
    let under = |list: RevocationList| policy.clone().with_crls(vec![list]).unwrap();
    let by_number = under(root.revoke(new).unwrap());
    assert!(by_number.judge(&shown(new), now()).is_err());
    assert!(by_number.judge(&shown(old), now()).is_ok(), "its number is another");
    let by_key = under(root.revoke_key(new).unwrap());
    for agency in [new, old] {
        let refusal = by_key.judge(&shown(agency), now()).unwrap_err();
        assert!(matches!(&refusal, ChainError::Revoked { .. }), "{refusal}");
    }
    // It signs no lists any more either.
    let by_agency = agency.revoke(node.certificate()).unwrap();
    assert!(by_key.adopt(by_agency, &[old.clone(), new.clone()], now()).is_err());
}

/// Who knows nothing of keys reads the numbers.
#[test]
fn openssl_reads_a_list_with_keys_and_goes_by_its_numbers() {
    let Consortium { directory, agency, root } = consortium();
    let path = directory.path();
    let [node, other] = [(); 2].map(|()| agency.issuer().issue(Kind::Node, "node", Validity::days(9)).unwrap());
    let list = agency.revoke_node(&node.node_id().unwrap(), &[node.certificate().clone()]).unwrap();
    fs::write(path.join("list.pem"), list.to_pem()).unwrap();
    let authorities = [root.certificate(), agency.certificate()].map(Certificate::to_pem).concat();
    fs::write(path.join("all.pem"), authorities).unwrap();
    for (name, one) in [("node.pem", &node), ("other.pem", &other)] {
        fs::write(path.join(name), one.certificate().to_pem()).unwrap();
    }
    let verify = |name: &str| {
        openssl::try_openssl(
            path,
            &format!("verify -crl_check -CRLfile list.pem -trusted all.pem -partial_chain {name}"),
        )
    };
    let (is_good, text) = verify("node.pem");
    assert!(!is_good && text.contains("certificate revoked"), "{text}");
    let (is_good, text) = verify("other.pem");
    assert!(is_good, "{text}");
}
