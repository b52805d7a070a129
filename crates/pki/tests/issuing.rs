//! What an agency's node renews by itself, and for whom it does not; and what a node takes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path, time::Duration};

use nuncio_identity::NodeId;
use nuncio_pki::{
    Certificate, CertificateRequest, Credential, Identity, IdentityPaths, Policy, RenewalSchedule,
    authority::{
        Asked, Authority, AuthorityError, IssueError, Issued, IssuingDesk, IssuingRules, Kind, PrivateKey,
        RenewalFault, Validity, issued_to, renewal_request, take_renewed,
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};
use tempfile::TempDir;

#[path = "support/dates.rs"]
mod dates;
#[path = "support/openssl.rs"]
mod openssl;
use dates::dates;

const DAY: Duration = Duration::from_secs(86_400);

/// A root, an agency with a desk, and a policy that trusts the root.
struct Place {
    directory: TempDir,
    root: Authority,
    agency: Authority,
    policy: Policy,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Authority::init(&directory.path().join("ca"), "chain", Validity::days(300)).unwrap();
        let agency = root.agency("agencyA", &directory.path().join("agencyA"), Validity::days(200)).unwrap();
        let policy = Policy::new(vec![root.certificate().clone()]).unwrap();
        Self { directory, root, agency, policy }
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn desk(&self, rules: IssuingRules) -> IssuingDesk {
        IssuingDesk::open(self.agency.directory(), rules, UnixTime::now()).unwrap()
    }

    fn node(&self, name: &str) -> Issued {
        self.agency.issue(Kind::Node, name, &self.at(name), Validity::days(30)).unwrap()
    }

    fn renew(&self, desk: &mut IssuingDesk, asked: &Asked) -> Result<Vec<Certificate>, IssueError> {
        desk.renew(asked, &self.policy, UnixTime::now())
    }
}

fn rules() -> IssuingRules {
    IssuingRules { lifetime: DAY, only: Vec::new(), per_hour: 12 }
}

fn ders(chain: &[Certificate]) -> Vec<CertificateDer<'static>> {
    chain.iter().map(|one| one.der().clone()).collect()
}

/// As the node asks with what it has.
fn asked(node: &Issued) -> Asked {
    let request = CertificateRequest::renewing(&node.key, node.certificate()).unwrap();
    Asked { source: node.node_id().unwrap(), request: request.der().to_vec(), chain: ders(&node.chain) }
}

fn refused(outcome: Result<Vec<Certificate>, IssueError>) -> String {
    let error = outcome.map(|chain| chain[0].subject()).unwrap_err();
    assert!(!error.told().contains('/'), "no path is told: {}", error.told());
    error.to_string()
}

#[test]
fn a_node_gets_the_same_certificate_for_another_day() {
    let place = Place::new();
    let (node, mut desk) = (place.node("node0"), place.desk(rules()));
    let chain = place.renew(&mut desk, &asked(&node)).unwrap();
    let (old, new) = (node.certificate(), &chain[0]);
    assert_eq!((new.subject(), new.node_id(), new.stated_roles()), (old.subject(), old.node_id(), old.stated_roles()));
    assert_ne!(new.serial(), old.serial());
    let left = new.not_after().as_secs() - UnixTime::now().as_secs();
    assert!((DAY.as_secs() - 60..=DAY.as_secs()).contains(&left), "{left}");
    assert_eq!(place.policy.judge(&ders(&chain), UnixTime::now()).unwrap().node_id, node.node_id());
    // And with the renewed one again.
    let again = Asked { chain: ders(&chain), ..asked(&node) };
    place.renew(&mut desk, &again).unwrap();
    let noted = issued_to(node.node_id().unwrap(), place.agency.directory()).unwrap();
    assert_eq!((noted.len(), &noted[0], &noted[1]), (3, old, new), "what it had, and what it got");
}

#[test]
fn short_lives_begin_shortly_before_now_and_none_outlives_the_agency() {
    let place = Place::new();
    let node = place.node("node0");
    let lasting = |lifetime| {
        let mut desk = place.desk(IssuingRules { lifetime, ..rules() });
        let chain = place.renew(&mut desk, &asked(&node)).unwrap();
        (chain[0].not_before().as_secs(), chain[0].not_after().as_secs())
    };
    let now = UnixTime::now().as_secs();
    let (begins, ends) = lasting(Duration::from_secs(20));
    assert!((now - 2..=now + 5).contains(&begins) && (now + 20..=now + 30).contains(&ends), "{begins} {ends} {now}");
    assert_eq!(lasting(DAY * 10_000).1, place.agency.certificate().not_after().as_secs());
}

#[test]
fn who_is_of_another_agency_gets_nothing() {
    let place = Place::new();
    let mut desk = place.desk(rules());
    let other = place.root.agency("agencyB", &place.at("agencyB"), Validity::days(100)).unwrap();
    let theirs = other.issue(Kind::Node, "node0", &place.at("theirs"), Validity::days(10)).unwrap();
    assert!(refused(place.renew(&mut desk, &asked(&theirs))).contains("with a key of its own"));
    // The same name and another key, below the same root and below another.
    let namesake = place.root.agency("agencyA", &place.at("namesake"), Validity::days(100)).unwrap();
    let theirs = namesake.issue(Kind::Node, "node0", &place.at("theirs2"), Validity::days(10)).unwrap();
    assert!(refused(place.renew(&mut desk, &asked(&theirs))).contains("with a key of its own"));
    let foreign = Place::new();
    let stranger = foreign.node("node0");
    assert!(refused(place.renew(&mut desk, &asked(&stranger))).contains("does not hold"));
    // Nor does the root's own node at the agency's desk.
    let roots = place.root.issue(Kind::Node, "node9", &place.at("roots"), Validity::days(10)).unwrap();
    assert!(refused(place.renew(&mut desk, &asked(&roots))).contains("with a key of its own"));
}

#[test]
fn nobody_gets_anothers_certificate() {
    let place = Place::new();
    let (node, other, mut desk) = (place.node("node0"), place.node("node1"), place.desk(rules()));
    let honest = asked(&node);
    let theirs = asked(&other);
    // A request for another's key; one for another's certificate; a message of another's.
    let for_their_key = Asked { request: theirs.request.clone(), ..honest.clone() };
    assert!(refused(place.renew(&mut desk, &for_their_key)).contains("the request is for node"));
    let with_their_certificate = Asked { chain: theirs.chain.clone(), ..honest.clone() };
    assert!(refused(place.renew(&mut desk, &with_their_certificate)).contains("the certificate is for node"));
    let replayed = Asked { source: other.node_id().unwrap(), ..honest.clone() };
    assert!(refused(place.renew(&mut desk, &replayed)).contains("the request is for node"));
    // A name that is not its own.
    let request = CertificateRequest::create(&node.key, Kind::Node, "node1").unwrap();
    let renamed = Asked { request: request.der().to_vec(), ..honest.clone() };
    assert!(refused(place.renew(&mut desk, &renamed)).contains("keeps the name"));
    // A request that its key did not sign.
    let mut forged = honest.clone();
    *forged.request.last_mut().unwrap() ^= 1;
    assert!(refused(place.renew(&mut desk, &forged)).contains("not signed by the key in it"));
    place.renew(&mut desk, &honest).unwrap();
}

#[test]
fn nobody_gets_another_role() {
    let place = Place::new();
    let (node, mut desk) = (place.node("node0"), place.desk(rules()));
    for kind in [Kind::Sdk, Kind::Operator] {
        // By the request.
        let request = CertificateRequest::create(&node.key, kind, "node0").unwrap();
        let raised = Asked { request: request.der().to_vec(), ..asked(&node) };
        assert!(refused(place.renew(&mut desk, &raised)).contains("keeps the name"));
        // By the certificate that is shown: an SDK's or an operator's.
        let holder = place.agency.issuer().issue(kind, "other", Validity::days(10)).unwrap();
        let wrong = refused(place.renew(&mut desk, &asked(&holder)));
        assert!(wrong.contains("does not hold"), "{wrong}");
    }
    // Where certificates need not state roles, one that states another is not renewed as a node's either.
    let lax = place.policy.clone().with_roles(nuncio_pki::RoleRule::Any);
    let operator = place.agency.issuer().issue(Kind::Operator, "other", Validity::days(10)).unwrap();
    assert!(desk.renew(&asked(&operator), &lax, UnixTime::now()).is_err());
    // The agency itself asks to be renewed: an authority is no node.
    let key = fs::read(place.agency.directory().join("agency.key")).unwrap();
    let key = PrivateKey::from_file(nuncio_pki::KeyFile::read(&key).unwrap()).unwrap();
    let chain = place.agency.issuer().chain();
    let request = CertificateRequest::renewing(&key, &chain[0]).unwrap();
    let itself = Asked { source: chain[0].node_id().unwrap(), request: request.der().to_vec(), chain: ders(chain) };
    assert!(refused(place.renew(&mut desk, &itself)).contains("does not hold"));
}

#[test]
fn a_request_that_asks_for_extensions_is_refused() {
    let place = Place::new();
    let (node, mut desk) = (place.node("node0"), place.desk(rules()));
    let path = place.at("node0");
    let subject = "/CN=node0/O=fisco-bcos/OU=node";
    openssl::openssl(
        &path,
        &format!("req -new -key node.key -subj {subject} -addext basicConstraints=CA:TRUE -out raised.csr"),
    );
    let request = CertificateRequest::from_pem(fs::read(path.join("raised.csr")).unwrap()).unwrap();
    assert!(request.has_attributes());
    let raised = Asked { request: request.der().to_vec(), ..asked(&node) };
    let words = refused(place.renew(&mut desk, &raised));
    assert!(words.contains("asks for attributes"), "{words}");
}

#[test]
fn whoever_was_revoked_gets_nothing_whichever_certificate_it_shows() {
    let place = Place::new();
    let (node, mut desk) = (place.node("node0"), place.desk(rules()));
    let first = place.renew(&mut desk, &asked(&node)).unwrap();
    let second = place.renew(&mut desk, &Asked { chain: ders(&first), ..asked(&node) }).unwrap();
    // The last one is revoked, by a list in the agency's folder that no node has taken yet.
    place.agency.revoke(&second[0]).unwrap();
    for shown in [&node.chain, &first, &second] {
        let words = refused(place.renew(&mut desk, &Asked { chain: ders(shown), ..asked(&node) }));
        assert!(words.contains(&second[0].serial()) && words.contains("revoked"), "{words}");
    }
    // After a start the ledger still knows.
    drop(desk);
    let mut desk = place.desk(rules());
    assert!(refused(place.renew(&mut desk, &asked(&node))).contains("revoked"));
    let other = place.node("node1");
    place.renew(&mut desk, &asked(&other)).unwrap();
    // A list that is in force in the network alone counts as well, also for who shows another certificate than it names.
    let renewed = place.renew(&mut desk, &asked(&other)).unwrap();
    for revoked in [other.certificate(), &renewed[0]] {
        let list = place.agency.issuer().revoke(&[revoked], None, dates()).unwrap();
        let policy = place.policy.clone().with_crls(vec![list]).unwrap();
        let words = refused(desk.renew(&asked(&other), &policy, UnixTime::now()));
        assert!(words.contains(&revoked.serial()) && words.contains("revoked"), "{words}");
    }
    // And who is denied by a list of nodes.
    let third = place.node("node2");
    let policy = place.policy.clone().with_access([].into(), [third.node_id().unwrap()].into());
    assert!(desk.renew(&asked(&third), &policy, UnixTime::now()).is_err());
}

#[test]
fn what_has_ended_and_what_is_too_long_is_refused_and_a_flood_costs_nobody_else() {
    let place = Place::new();
    let (node, other, mut desk) = (place.node("node0"), place.node("node1"), place.desk(rules()));
    let later = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + 31 * DAY);
    let ended = desk.renew(&asked(&node), &place.policy, later).unwrap_err().to_string();
    assert!(ended.contains("expired"), "{ended}");
    let long = Asked { request: vec![0x30; Asked::MAX_REQUEST + 1], ..asked(&node) };
    assert!(refused(place.renew(&mut desk, &long)).contains("at most"));
    let deep = Asked { chain: vec![node.chain[1].der().clone(); 6], ..asked(&node) };
    assert!(refused(place.renew(&mut desk, &deep)).contains("does not hold"));
    assert!(refused(place.renew(&mut desk, &Asked { chain: Vec::new(), ..asked(&node) })).contains("does not hold"));
    for _ in 0..100 {
        let _ = place.renew(&mut desk, &long);
    }
    assert!(refused(place.renew(&mut desk, &asked(&node))).contains("12 times an hour"));
    place.renew(&mut desk, &asked(&other)).unwrap();
}

/// As many as are counted in an hour; of each the key alone is known.
#[test]
fn nodes_of_other_agencies_without_number_take_no_turn_of_its_own() {
    let place = Place::new();
    let (node, mut desk) = (place.node("node0"), place.desk(rules()));
    let stranger = || {
        let source = nuncio_identity::NodeKey::generate().node_id();
        Asked { source, request: Vec::new(), chain: Vec::new() }
    };
    let told = |desk: &mut IssuingDesk| place.renew(desk, &stranger()).unwrap_err();
    for _ in 0..16_384 {
        told(&mut desk);
    }
    assert!(matches!(told(&mut desk), IssueError::Crowded), "strangers are counted, too");
    place.renew(&mut desk, &asked(&node)).unwrap();
}

#[test]
fn who_asks_too_often_is_told_that_before_anything_is_read_for_him() {
    let place = Place::new();
    let (node, mut desk) = (place.node("node0"), place.desk(IssuingRules { per_hour: 1, ..rules() }));
    place.renew(&mut desk, &asked(&node)).unwrap();
    fs::write(place.agency.directory().join("agency.crt"), "nothing").unwrap();
    let refused = place.renew(&mut desk, &asked(&node));
    assert!(matches!(refused, Err(IssueError::TooOften { per_hour: 1 })), "{refused:?}");
}

#[test]
fn one_node_has_so_many_certificates_that_hold_and_the_rules_name_who_may() {
    let place = Place::new();
    let (node, other, third) = (place.node("node0"), place.node("node1"), place.node("node2"));
    let mut desk = place.desk(IssuingRules { per_hour: u32::MAX, ..rules() });
    let words = loop {
        if let Err(error) = place.renew(&mut desk, &asked(&node)) {
            break error.to_string();
        }
    };
    assert!(words.contains("still hold"), "{words}");
    assert!(issued_to(node.node_id().unwrap(), place.agency.directory()).unwrap().len() <= 64);
    drop(desk);
    for only in ["node1".to_owned(), other.node_id().unwrap().to_string()] {
        let mut desk = place.desk(IssuingRules { only: vec![only], ..rules() });
        place.renew(&mut desk, &asked(&other)).unwrap();
        assert!(refused(place.renew(&mut desk, &asked(&third))).contains("[issuer] only"));
    }
}

#[test]
fn one_process_issues_from_a_folder_and_a_torn_ledger_is_read_as_far_as_it_goes() {
    let place = Place::new();
    let node = place.node("node0");
    let mut desk = place.desk(rules());
    let again = IssuingDesk::open(place.agency.directory(), rules(), UnixTime::now()).unwrap_err();
    assert!(again.to_string().contains("another process issues"), "{again}");
    place.renew(&mut desk, &asked(&node)).unwrap();
    drop(desk);
    let ledger = place.agency.directory().join("issued.jsonl");
    let text = fs::read_to_string(&ledger).unwrap();
    fs::write(&ledger, &text[..text.len() - 40]).unwrap();
    let mut desk = place.desk(rules());
    let noted = |node: &Issued| issued_to(node.node_id().unwrap(), place.agency.directory()).unwrap().len();
    assert_eq!(noted(&node), 1, "what it had is left, what it got is torn");
    place.renew(&mut desk, &asked(&node)).unwrap();
    assert_eq!(noted(&node), 2);
}

#[test]
fn a_desk_follows_its_agencys_renewal() {
    let place = Place::new();
    let (node, mut desk) = (place.node("node0"), place.desk(rules()));
    let renewed = place.root.renew(&place.agency.directory().join("agency.crt"), Some(100)).unwrap();
    let chain = place.renew(&mut desk, &asked(&node)).unwrap();
    assert_eq!(chain[1], renewed);
}

/// A node's clock, what it shows, and its plan.
struct Holder {
    asked: Asked,
    shown: Credential,
    schedule: RenewalSchedule,
    renewals: u32,
}

impl Holder {
    fn new(place: &Place, name: &str, seed: u64, now: UnixTime) -> Self {
        let node = place.agency.issuer().issue(Kind::Node, name, Validity::days_from(now, 1)).unwrap();
        let shown = place.policy.judge(&ders(&node.chain), now).unwrap();
        Self { asked: asked(&node), schedule: RenewalSchedule::new(&shown, seed), shown, renewals: 0 }
    }

    /// Asks as a node does, when it is due.
    fn ask(&mut self, desk: &mut IssuingDesk, policy: &Policy, now: Duration, is_away: bool) {
        let at = UnixTime::since_unix_epoch(now);
        if is_away {
            return self.schedule.handle_failed(now);
        }
        let chain = ders(&desk.renew(&self.asked, policy, at).unwrap());
        self.shown = policy.judge(&chain, at).unwrap();
        self.asked.chain = chain;
        self.schedule.handle_renewed(&self.shown);
        self.renewals += 1;
    }
}

/// Leaves of 24 h from the agency's real desk, which is away for five hours every eleventh day. Ten nodes without a desk are in
/// `renewing`.
#[test]
fn thirty_days_of_leaves_for_a_day_pass_and_nobody_is_ever_without_one() {
    const DAYS: u32 = 30;
    let (place, start) = (Place::new(), UnixTime::now());
    let mut desk = place.desk(rules());
    let mut nodes: Vec<_> = (0..2).map(|index| Holder::new(&place, &format!("node{index}"), index, start)).collect();
    let began = Duration::from_secs(start.as_secs());
    let is_away = |now: Duration| {
        let (day, second) = ((now - began).as_secs() / DAY.as_secs(), (now - began).as_secs() % DAY.as_secs());
        day % 11 == 10 && second < 5 * 3600
    };
    let mut least = DAY;
    loop {
        let next = nodes.iter_mut().min_by_key(|node| node.schedule.poll_timeout()).unwrap();
        let now = next.schedule.poll_timeout();
        if now > began + DAY * DAYS {
            break;
        }
        least = least.min(next.schedule.left(now));
        assert!(UnixTime::since_unix_epoch(now).as_secs() <= next.shown.not_after.as_secs(), "it still holds");
        next.ask(&mut desk, &place.policy, now, is_away(now));
    }
    // 24 h less five minutes that it begins before: about 45 times sixteen hours.
    for node in &nodes {
        assert!((40..=47).contains(&node.renewals), "{}: {}", node.shown.name, node.renewals);
        assert_eq!(node.shown.node_id, Some(node.asked.source));
    }
    assert!(least > Duration::from_secs(30 * 60), "the shortest that was ever left: {least:?}");
    // Of the past, no more is kept than what holds still.
    drop(desk);
    let end = UnixTime::since_unix_epoch(began + DAY * DAYS);
    IssuingDesk::open(place.agency.directory(), rules(), end).unwrap();
    for node in &nodes {
        let kept = issued_to(node.asked.source, place.agency.directory()).unwrap().len();
        assert!((1..=3).contains(&kept), "{kept}");
    }
}

/// Many renewals without a start between: what has ended is forgotten, or the bound of a node would end them.
#[test]
fn a_desk_forgets_what_has_ended_while_it_runs() {
    let (place, start) = (Place::new(), UnixTime::now());
    let mut desk = place.desk(rules());
    let mut node = Holder::new(&place, "node0", 0, start);
    for day in 0..66_u32 {
        let now = Duration::from_secs(start.as_secs()) + DAY * day;
        node.ask(&mut desk, &place.policy, now, false);
    }
}

fn identity(directory: &Path) -> (Identity, IdentityPaths) {
    let paths = IdentityPaths::in_directory(directory);
    (Identity::load(&paths).unwrap().0, paths)
}

fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// A certificate by the agency's key for the name and key of a request, with these extensions; and what stands above it.
fn issued_otherwise(place: &Place, request: &CertificateRequest, extensions: &str) -> Vec<CertificateDer<'static>> {
    fs::write(place.at("otherwise.csr"), request.to_pem()).unwrap();
    fs::write(place.at("otherwise.cnf"), extensions).unwrap();
    let arguments = "x509 -req -in otherwise.csr -days 3 -sha256 -CA agencyA/agency.crt -CAkey agencyA/agency.key \
                     -CAcreateserial -extfile otherwise.cnf -out otherwise.crt";
    openssl::openssl(place.directory.path(), arguments);
    let leaf = Certificate::load(&place.at("otherwise.crt")).unwrap();
    ders(&[leaf, place.agency.issuer().chain().to_vec()].concat())
}

#[test]
fn a_node_takes_its_renewed_certificate_and_nothing_else() {
    let place = Place::new();
    let (node, mut desk) = (place.node("node0"), place.desk(rules()));
    let (own, paths) = identity(&place.at("node0"));
    let request = renewal_request(&paths.key, own.certificate.certificate()).unwrap();
    let source: NodeId = node.node_id().unwrap();
    let shown = own.certificate.presented().map(|one| one.der().clone()).collect();
    let wanted = Asked { source, request: request.der().to_vec(), chain: shown };
    let chain = ders(&place.renew(&mut desk, &wanted).unwrap());
    let before = files(&place.at("node0"));
    let now = UnixTime::now();
    let fault = |chain: &[CertificateDer<'static>]| {
        let error = take_renewed(chain, &own.certificate, &paths, now).unwrap_err();
        assert_eq!(files(&place.at("node0")), before, "nothing was changed, and nothing is left beside it: {error}");
        error
    };
    let other = |chain: &[CertificateDer<'static>], wanted: &str| {
        let error = fault(chain);
        assert!(matches!(&error, RenewalFault::Other { what } if *what == wanted), "{error}");
    };
    assert!(matches!(fault(&[]), RenewalFault::Empty));
    assert!(matches!(fault(&[CertificateDer::from(vec![1, 2, 3])]), RenewalFault::Unreadable(_)));
    assert!(matches!(fault(&own.chain), RenewalFault::Stale { .. }), "the present one");
    other(&ders(&place.node("node1").chain), "key");
    let make = |kind, name: &str| {
        let request = CertificateRequest::create(&node.key, kind, name).unwrap();
        let chain = place.agency.issuer().sign_request(&request, Kind::Node, Validity::days(3)).unwrap();
        ders(&chain)
    };
    other(&make(Kind::Node, "node7"), "name");
    let request = CertificateRequest::renewing(&node.key, node.certificate()).unwrap();
    let operator = place.agency.issuer().sign_request(&request, Kind::Operator, Validity::days(3)).unwrap();
    assert!(matches!(fault(&ders(&operator)), RenewalFault::Other { .. }));
    for extensions in [
        "basicConstraints=CA:FALSE",
        "basicConstraints=CA:TRUE",
        "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,nonRepudiation,keyEncipherment\nsubjectKeyIdentifier=hash\n\
         extendedKeyUsage=serverAuth,clientAuth,1.2.840.113556.1.8000.2554.42705.34933.9305.20226.44437.6161110.2163479.1\n\
         1.2.3.4=ASN1:NULL",
    ] {
        other(&issued_otherwise(&place, &request, extensions), "purpose");
    }
    let second = place.root.agency("agencyB", &place.at("agencyB"), Validity::days(100)).unwrap();
    let theirs = second.issuer().sign_request(&request, Kind::Node, Validity::days(3)).unwrap();
    other(&ders(&theirs), "agency");
    let foreign = Place::new();
    let theirs = foreign.agency.issuer().sign_request(&request, Kind::Node, Validity::days(3)).unwrap();
    assert!(matches!(fault(&ders(&theirs)), RenewalFault::Directory(_)));
    assert!(matches!(fault(&chain[..1]), RenewalFault::Directory(_)), "without its agency it leads nowhere");
    assert!(matches!(fault(&vec![chain[0].clone(); 6]), RenewalFault::Chain(_)));

    // Proved, and given up all the same.
    drop(take_renewed(&chain, &own.certificate, &paths, now).unwrap());
    assert_eq!(files(&place.at("node0")), before);

    let taken = take_renewed(&chain, &own.certificate, &paths, now).unwrap().put().unwrap();
    assert_eq!((taken.key.node_id(), &taken.certificate.name), (source, &own.certificate.name));
    let (loaded, _) = identity(&place.at("node0"));
    assert_eq!(loaded.certificate.serial, taken.certificate.serial);
    assert_ne!(loaded.certificate.serial, own.certificate.serial);
    openssl::openssl(place.directory.path(), "verify -CAfile ca/ca.crt -untrusted agencyA/agency.crt node0/node.crt");
}

/// One file may be both `cert` and `key`.
#[test]
fn a_key_in_the_certificates_file_is_not_given_for_a_renewed_certificate() {
    let place = Place::new();
    place.node("node0");
    let (own, paths) = identity(&place.at("node0"));
    let chain = ders(&place.agency.issuer().renew(own.certificate.certificate(), Validity::days(3)).unwrap());
    let mixed = IdentityPaths { key: place.at("node0/node.pem"), cert: place.at("node0/node.pem"), ..paths.clone() };
    let content = [fs::read(&paths.cert).unwrap(), fs::read(&paths.key).unwrap()].concat();
    // It has the mode of a key's.
    fs::copy(&paths.key, &mixed.key).unwrap();
    fs::write(&mixed.key, &content).unwrap();
    let now = UnixTime::now();
    let error = take_renewed(&chain, &own.certificate, &mixed, now).unwrap_err();
    assert!(matches!(&error, RenewalFault::Write(AuthorityError::HoldsMore { .. })), "{error}");
    assert_eq!(fs::read(&mixed.cert).unwrap(), content);
    take_renewed(&chain, &own.certificate, &paths, now).unwrap().put().unwrap();
}
