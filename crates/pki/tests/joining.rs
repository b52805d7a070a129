//! Who comes in by an invitation, and who does not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path, time::Duration};

use nuncio_pki::{
    Certificate, CertificateRequest, Identity, IdentityPaths, InvitationId, Policy,
    authority::{
        Authority, AuthorityError, Invitations, IssueError, IssuingDesk, IssuingRules, Kind, Newcomer, PrivateKey,
        RenewalFault, Validity, request, take_first,
    },
};
use rustls_pki_types::UnixTime;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zeroize::Zeroizing;

#[path = "support/openssl.rs"]
mod openssl;

struct Place {
    directory: TempDir,
    root: Authority,
    agency: Authority,
    policy: Policy,
    desk: IssuingDesk,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Authority::init(&directory.path().join("ca"), "chain", Validity::days(300)).unwrap();
        let agency = root.agency("agencyA", &directory.path().join("agencyA"), Validity::days(200)).unwrap();
        let policy = Policy::new(vec![root.certificate().clone()]).unwrap();
        let rules = IssuingRules { lifetime: Duration::from_secs(86_400), only: Vec::new(), per_hour: 12 };
        let desk = IssuingDesk::open(agency.directory(), rules, UnixTime::now()).unwrap();
        Self { directory, root, agency, policy, desk }
    }

    fn invitations(&self) -> Invitations {
        Invitations::of(self.agency.directory())
    }

    fn invite(&self, name: &str) -> (InvitationId, Zeroizing<Vec<u8>>) {
        let (id, secret) = self.invitations().make(name, later(3600)).unwrap();
        (id, Zeroizing::new(secret.to_vec()))
    }

    fn admit(&mut self, newcomer: &Newcomer) -> Result<Vec<Certificate>, IssueError> {
        self.desk.admit(newcomer, &self.policy, UnixTime::now())
    }
}

fn later(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() + seconds))
}

fn wanting(key: &PrivateKey, kind: Kind, name: &str) -> Vec<u8> {
    CertificateRequest::create(key, kind, name).unwrap().der().to_vec()
}

fn refused(outcome: Result<Vec<Certificate>, IssueError>) -> String {
    outcome.map(|chain| chain[0].subject()).unwrap_err().told()
}

#[test]
fn an_invitation_lets_one_key_in_and_the_same_key_again() {
    let mut place = Place::new();
    let ((id, secret), key) = (place.invite("node9"), PrivateKey::secp256k1());
    let newcomer = Newcomer { id, secret: secret.clone(), request: wanting(&key, Kind::Node, "node9") };
    let chain = place.admit(&newcomer).unwrap();
    assert_eq!((chain[0].common_name().as_deref(), chain[0].is_ca()), (Some("node9"), false));
    let again = place.admit(&newcomer).unwrap();
    assert_ne!(again[0].serial(), chain[0].serial(), "an interrupted join is run again");
    let thief = wanting(&PrivateKey::secp256k1(), Kind::Node, "node9");
    let stolen = Newcomer { id, secret, request: thief };
    assert!(refused(place.admit(&stolen)).contains("was used, by another key"));
    let used_by = place.invitations().list().unwrap()[0].used_by;
    assert_eq!(used_by, chain[0].node_id());
}

#[test]
fn nobody_is_invited_under_a_name_that_no_node_can_have() {
    let place = Place::new();
    for name in ["", " ", "../x", "a/b", "node9,CN=node0", "a\u{1b}[2J", "\u{202e}edon", &"x".repeat(65)] {
        let refused = place.invitations().make(name, later(3600)).unwrap_err();
        assert!(matches!(refused, AuthorityError::Name { .. }), "{name:?}: {refused}");
    }
    assert!(place.invitations().list().unwrap().is_empty());
    place.invite("节点 9");
}

#[test]
fn a_forged_an_ended_and_a_revoked_invitation_let_nobody_in() {
    let mut place = Place::new();
    let ((id, secret), key) = (place.invite("node9"), PrivateKey::secp256k1());
    let request = wanting(&key, Kind::Node, "node9");
    let with = |id, secret: &[u8]| Newcomer { id, secret: secret.to_vec().into(), request: request.clone() };
    let unknown = refused(place.admit(&with(InvitationId([1; 16]), &secret)));
    let mut wrong = secret.to_vec();
    wrong[31] ^= 1;
    for secret in [&wrong[..], &secret[..31], &[], &[0; 32]] {
        assert_eq!(refused(place.admit(&with(id, secret))), unknown, "whether there is such a one is not said");
    }
    let ended = place.desk.admit(&with(id, &secret), &place.policy, later(3601)).unwrap_err().to_string();
    assert!(ended.contains("ended on"), "{ended}");
    place.invitations().revoke(id).unwrap();
    assert_eq!(refused(place.admit(&with(id, &secret))), unknown);
    assert!(place.invitations().list().unwrap().is_empty());
    // Another agency's.
    let mut other = Place::new();
    let (id, secret) = place.invite("node9");
    assert_eq!(refused(other.admit(&with(id, &secret))), unknown);
}

#[test]
fn it_is_for_its_name_and_for_nodes_alone_and_a_bad_request_does_not_use_it_up() {
    let mut place = Place::new();
    let ((id, secret), key) = (place.invite("node9"), PrivateKey::secp256k1());
    let with = |request| Newcomer { id, secret: secret.clone(), request };
    assert!(refused(place.admit(&with(wanting(&key, Kind::Node, "node0")))).contains("is for node9"));
    assert!(refused(place.admit(&with(vec![0x30; 5000]))).contains("at most"));
    assert!(refused(place.admit(&with(vec![1, 2, 3]))).contains("not a certificate request"));
    let mut unsigned = wanting(&key, Kind::Node, "node9");
    *unsigned.last_mut().unwrap() ^= 1;
    assert!(refused(place.admit(&with(unsigned))).contains("not signed"));
    let rsa = PrivateKey::rsa().unwrap();
    assert!(refused(place.admit(&with(wanting(&rsa, Kind::NodeRsa, "node9")))).contains("does not fit"));
    let node = CertificateRequest::from_der(&wanting(&key, Kind::Node, "node9")).unwrap().node_id().unwrap();
    let denying = place.policy.clone().with_access([].into(), [node].into());
    let denied = place.desk.admit(&with(wanting(&key, Kind::Node, "node9")), &denying, UnixTime::now());
    assert!(refused(denied).contains("refuse this key"));
    // Whatever role the request names, a node's certificate comes out.
    let chain = place.admit(&with(wanting(&key, Kind::Operator, "node9"))).unwrap();
    assert_eq!(chain[0].stated_roles().roles(), [nuncio_pki::Role::Node]);
}

#[test]
fn the_whole_secret_counts() {
    let mut place = Place::new();
    let ((id, secret), key) = (place.invite("node9"), PrivateKey::secp256k1());
    let newcomer = Newcomer { id, secret, request: wanting(&key, Kind::Node, "node9") };
    // What is kept differs in its last digit from what the right secret gives: as if a wrong one nearly fitted.
    let kept = place.agency.directory().join(format!("joins/{id}.json"));
    let text = fs::read_to_string(&kept).unwrap();
    let end = text.find("\"hash\":\"").unwrap() + 8 + 63;
    let other = if &text[end..=end] == "0" { "1" } else { "0" };
    fs::write(&kept, format!("{}{other}{}", &text[..end], &text[end + 1..])).unwrap();
    assert!(refused(place.admit(&newcomer)).contains("knows no such join token"));
    fs::write(&kept, text).unwrap();
    place.admit(&newcomer).unwrap();
}

#[test]
fn it_is_used_up_before_anything_is_issued() {
    let mut place = Place::new();
    let ((id, secret), key) = (place.invite("node9"), PrivateKey::secp256k1());
    let newcomer =
        |key: &PrivateKey| Newcomer { id, secret: secret.clone(), request: wanting(key, Kind::Node, "node9") };
    // What would be issued would not be accepted here: nothing is given away, and yet the token is that key's.
    let foreign = Place::new();
    let unsound = place.desk.admit(&newcomer(&key), &foreign.policy, UnixTime::now()).unwrap_err();
    assert!(matches!(unsound, IssueError::Unsound(_)), "{unsound}");
    assert!(place.invitations().list().unwrap()[0].used_by.is_some());
    assert!(refused(place.admit(&newcomer(&PrivateKey::secp256k1()))).contains("was used, by another key"));
    place.admit(&newcomer(&key)).unwrap();
}

#[test]
fn a_key_that_was_revoked_joins_by_no_other_invitation_and_none_asks_for_extensions() {
    let mut place = Place::new();
    let ((id, secret), key) = (place.invite("node9"), PrivateKey::secp256k1());
    let request = wanting(&key, Kind::Node, "node9");
    let chain = place.admit(&Newcomer { id, secret, request: request.clone() }).unwrap();
    place.agency.revoke(&chain[0]).unwrap();
    let (id, secret) = place.invite("node9");
    let words = refused(place.admit(&Newcomer { id, secret: secret.clone(), request }));
    assert!(words.contains("was revoked") && words.contains(&chain[0].serial()), "{words}");
    assert!(place.invitations().list().unwrap().iter().any(|one| one.id == id && one.used_by.is_none()));

    let folder = place.directory.path().join("raised");
    fs::create_dir(&folder).unwrap();
    openssl::openssl(&folder, "ecparam -name secp256k1 -genkey -noout -out node.key");
    let raised = "req -new -key node.key -subj /CN=node9 -addext basicConstraints=CA:TRUE -out raised.csr";
    openssl::openssl(&folder, raised);
    let request = CertificateRequest::from_pem(fs::read(folder.join("raised.csr")).unwrap()).unwrap();
    let words = refused(place.admit(&Newcomer { id, secret, request: request.der().to_vec() }));
    assert!(words.contains("asks for attributes"), "{words}");
}

#[test]
fn of_many_who_come_at_once_by_one_invitation_one_comes_in() {
    let place = Place::new();
    let (id, secret) = place.invite("node9");
    let place = std::sync::Mutex::new(place);
    let outcomes: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (place, secret) = (&place, secret.clone());
                scope.spawn(move || {
                    let request = wanting(&PrivateKey::secp256k1(), Kind::Node, "node9");
                    place.lock().unwrap().admit(&Newcomer { id, secret, request }).is_ok()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|came| **came).count(), 1, "{outcomes:?}");
}

fn fingerprint(root: &Certificate) -> [u8; 32] {
    Sha256::digest(root.der()).into()
}

#[test]
fn a_newcomer_takes_what_stands_below_its_root_and_is_a_node_then() {
    let mut place = Place::new();
    let (id, secret) = place.invite("node9");
    let conf = place.directory.path().join("node9/conf");
    let request = request(Kind::Node, "node9", &conf).unwrap();
    let chain = place.admit(&Newcomer { id, secret, request: request.der().to_vec() }).unwrap();
    let names = |conf: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(conf).unwrap().map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let now = UnixTime::now();
    let pinned = fingerprint(place.root.certificate());
    let error = take_first(&chain, (&[7; 32], &[], "agencyA"), &conf, now).unwrap_err();
    assert!(matches!(error, RenewalFault::OtherRoot), "{error}");
    assert_eq!(names(&conf), ["node.csr", "node.key"], "nothing was written");
    let mut foreign = Place::new();
    let (id, secret) = foreign.invite("node9");
    let theirs = foreign.admit(&Newcomer { id, secret, request: request.der().to_vec() }).unwrap();
    let mixed: Vec<_> = theirs.iter().cloned().chain([place.root.certificate().clone()]).collect();
    assert!(matches!(
        take_first(&mixed, (&pinned, &[], "agencyA"), &conf, now).unwrap_err(),
        RenewalFault::Directory(_)
    ));
    let error = take_first(&chain, (&pinned, &[], "agencyB"), &conf, now).unwrap_err();
    assert!(matches!(error, RenewalFault::OtherAgency { .. }), "{error}");
    assert!(!conf.join("node.crt").exists());
    assert_eq!(place.agency.issuer().agency_path(), "agencyA");
    assert_eq!(place.root.issuer().agency_path(), "chain");
    let identity = take_first(&chain, (&pinned, &[], "agencyA"), &conf, now).unwrap();
    assert_eq!(names(&conf), ["ca.crt", "node.crt", "node.csr", "node.key", "node.nodeid"]);
    let (loaded, _) = Identity::load(&IdentityPaths::in_directory(&conf)).unwrap();
    assert_eq!(loaded.certificate.serial, identity.certificate.serial);
}
