use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use nuncio_audit::{Audit, Kind};
use nuncio_behaviour::Certifier;
use nuncio_identity::NodeKey;
use nuncio_pki::Identity;
use nuncio_protocol::status_sync::{Status, Version};
use nuncio_testkit::TestAuthority;

use super::*;
use crate::certifier::PolicyCertifier;

/// A network that remembers what was decided.
#[derive(Default)]
struct Notebook {
    expelled: BTreeSet<NodeId>,
    /// Nodes that stay out whatever is decided.
    convicted: BTreeSet<NodeId>,
    records: Vec<Arc<Record>>,
    /// Nodes whose records are refused.
    refused: BTreeSet<NodeId>,
    lists: BTreeMap<IssuerId, u64>,
    /// How often all were to be judged.
    judged: usize,
}

impl Network for Notebook {
    fn expel(&mut self, node: NodeId) {
        self.expelled.insert(node);
        self.records.retain(|record| record.status.node != node);
    }

    fn readmit(&mut self, node: NodeId) {
        assert!(self.convicted.contains(&node) || self.expelled.remove(&node), "it was expelled");
    }

    fn is_expelled(&self, node: &NodeId) -> bool {
        self.expelled.contains(node)
    }

    fn refuses(&self, record: &Record) -> bool {
        self.refused.contains(&record.status.node)
    }

    fn refused_records(&self) -> Vec<Arc<Record>> {
        self.records.iter().filter(|record| self.refuses(record)).cloned().collect()
    }

    fn judge_members(&mut self) {
        self.judged += 1;
    }

    fn set_revocation_lists(&mut self, numbers: BTreeMap<IssuerId, u64>) {
        self.lists = numbers;
    }
}

struct Rig {
    authority: TestAuthority,
    shared: Shared,
    admission: Admission,
    network: Notebook,
}

impl Rig {
    fn new() -> Self {
        let authority = TestAuthority::new();
        let shared = Shared {
            policy: authority.shared_policy(),
            admissions: Admissions::default(),
            agencies: Agencies::default(),
            lifetimes: Lifetimes::default(),
            unlisted: Unlisted::default(),
        };
        let admission = Admission::new(node(), shared.clone(), None, Audit::default());
        Self { authority, shared, admission, network: Notebook::default() }
    }

    fn set_lists<const A: usize, const D: usize>(&self, allow: [NodeId; A], deny: [NodeId; D]) {
        self.shared.policy.store(Arc::new(self.authority.policy().with_access(allow.into(), deny.into())));
    }

    fn judge_again(&mut self) {
        self.admission.judge_again(&mut self.network, UnixTime::now());
    }

    fn tick(&mut self) -> bool {
        self.tick_at(Instant::now())
    }

    fn tick_at(&mut self, at: Instant) -> bool {
        self.admission.handle_tick(&mut self.network, UnixTime::now(), at)
    }

    fn certifier(&self) -> PolicyCertifier {
        PolicyCertifier::new(self.shared.clone(), Audit::default())
    }

    /// What a peer brings goes to the certifier, whose word to the event loop; says whether it was newer.
    fn adopt(&mut self, (list, agencies): (Bytes, Vec<Bytes>)) -> bool {
        let is_newer = self.certifier().take_list(node(), &list, &agencies);
        if is_newer {
            self.admission.handle_lists_taken(&mut self.network);
        }
        is_newer
    }

    /// Shows the certifier the certificate of `identity` behind a record signed by `signer`.
    fn certify(&self, signer: NodeId, identity: &Identity) -> bool {
        let chain: Vec<_> = identity.chain.iter().map(|der| Bytes::copy_from_slice(der)).collect();
        self.certifier().certify(signer, &chain).is_ok()
    }
}

fn node() -> NodeId {
    NodeKey::generate().node_id()
}

fn record(node: NodeId) -> Arc<Record> {
    let status = Status {
        node,
        version: Version { epoch: 1, seq: 1 },
        addresses: Vec::new(),
        neighbours: BTreeSet::new(),
        topics: BTreeMap::new(),
        name: String::new(),
        agency: String::new(),
        software: String::new(),
        multicast_topics: BTreeSet::new(),
        takes_batches: false,
        traces: false,
        takes_priorities: false,
        revocations: BTreeMap::new(),
        application: Bytes::new(),
        sealing_key: Bytes::new(),
        issues: false,
        clock: std::time::Duration::ZERO,
        proofs: 0,
    };
    Arc::new(Record { status, bytes: Bytes::new(), pages: Vec::new(), agency_path: None })
}

#[test]
fn whoever_is_denied_is_expelled_before_any_link_but_never_this_node() {
    let mut rig = Rig::new();
    let (denied, own) = (node(), rig.admission.own);
    rig.set_lists([], [denied, own]);
    rig.admission.begin(&mut rig.network);
    assert_eq!(rig.network.expelled, [denied].into());
    assert!(!rig.admission.admits(&denied));
}

#[test]
fn a_denied_node_is_expelled_known_or_not_and_let_in_again_with_the_list() {
    let mut rig = Rig::new();
    let [unknown, known, stays] = [(); 3].map(|()| node());
    rig.network.records = vec![record(known), record(stays)];
    rig.set_lists([], [unknown, known]);
    rig.network.refused = [known].into();
    rig.judge_again();
    assert_eq!(rig.network.expelled, [unknown, known].into());
    rig.set_lists([], [unknown]);
    rig.network.refused.clear();
    rig.judge_again();
    assert_eq!(rig.network.expelled, [unknown].into());
    rig.set_lists([], []);
    rig.judge_again();
    assert!(rig.network.expelled.is_empty());
}

#[test]
fn a_node_that_was_denied_and_is_revoked_too_stays_out_when_the_list_lets_it_in() {
    let mut rig = Rig::new();
    let revoked = node();
    rig.network.records = vec![record(revoked)];
    rig.network.refused = [revoked].into();
    rig.set_lists([], [revoked]);
    rig.judge_again();
    rig.set_lists([], []);
    rig.judge_again();
    assert_eq!(rig.network.expelled, [revoked].into());
}

#[test]
fn nobody_is_told_that_who_stays_out_was_let_in_again() {
    let mut rig = Rig::new();
    let [denied, convicted] = [(); 2].map(|()| node());
    rig.set_lists([], [denied, convicted]);
    rig.judge_again();
    rig.network.convicted = [convicted].into();
    rig.set_lists([], []);
    rig.judge_again();
    assert_eq!(rig.network.expelled, [convicted].into());
    let told = rig.admission.audit.counts().find(|(kind, _)| *kind == Kind::NodeReadmitted);
    assert_eq!(told, Some((Kind::NodeReadmitted, 1)));
}

#[test]
fn a_member_that_is_not_allowed_is_expelled_when_its_record_comes_and_let_in_when_it_is_allowed() {
    let mut rig = Rig::new();
    let (allowed, missing) = (node(), rig.authority.node("missing"));
    let id = missing.key.node_id();
    rig.set_lists([allowed], []);
    assert!(!rig.certify(id, &missing));
    assert!(rig.tick());
    assert_eq!(rig.network.expelled, [id].into());
    assert!(!rig.tick(), "once");
    rig.set_lists([allowed, id], []);
    rig.judge_again();
    assert!(rig.network.expelled.is_empty());
    assert!(rig.certify(id, &missing));
}

#[test]
fn keys_without_a_certificate_do_not_fill_the_memory_of_who_is_refused() {
    let mut rig = Rig::new();
    let missing = rig.authority.node("missing");
    let stranger = TestAuthority::new().node("stranger");
    rig.set_lists([node()], []);
    for _ in 0..100 {
        assert!(!rig.certify(node(), &missing), "somebody else's certificate");
    }
    assert!(!rig.certify(stranger.key.node_id(), &stranger), "of another authority");
    assert!(!rig.tick());
    assert!(rig.network.expelled.is_empty());
}

#[test]
fn who_is_let_in_by_the_behaviour_is_judged_like_any_other_from_then_on() {
    let mut rig = Rig::new();
    let revoked = node();
    rig.network.records = vec![record(revoked)];
    rig.network.refused = [revoked].into();
    rig.judge_again();
    rig.network.expelled.clear();
    rig.tick();
    assert!(rig.admission.expelled.is_empty());
}

#[test]
fn a_certificate_that_ends_is_judged_again_without_anybody_asking() {
    let mut rig = Rig::new();
    let ended = node();
    rig.network.records = vec![record(ended)];
    rig.network.refused = [ended].into();
    rig.shared.lifetimes.note(ended, UnixTime::since_unix_epoch(Duration::from_secs(1)));
    assert!(rig.tick());
    assert_eq!((rig.network.judged, &rig.network.expelled), (1, &[].into()), "beside what else there is to do");
    let [good, refused] = [node(), ended].map(record);
    rig.admission.handle_refused(vec![good, refused], &mut rig.network, UnixTime::now());
    assert_eq!(rig.network.expelled, [ended].into());
}

/// A list of an authority, DER, that revokes one of its nodes, and the certificates that lead to it.
fn list_of(authority: &TestAuthority) -> (Bytes, Vec<Bytes>) {
    let (identity, node) = (authority.node("a"), authority.node("b"));
    let agencies = node.chain[1..].iter().map(|der| Bytes::copy_from_slice(der)).collect();
    (Bytes::copy_from_slice(authority.revoke(&identity).der()), agencies)
}

#[test]
fn a_list_of_an_authority_is_adopted_told_and_kept_and_a_foreign_one_is_not() {
    let mut rig = Rig::new();
    let (keeper, kept) = watch::channel(Vec::new());
    rig.admission.adoptions = Some(keeper);
    assert!(!rig.adopt(list_of(&TestAuthority::new())), "a stranger's");
    assert!(!rig.tick() && kept.borrow().is_empty());
    let good = list_of(&rig.authority);
    assert!(rig.adopt(good.clone()));
    assert!(!rig.adopt(good), "it is not newer");
    assert!(rig.tick());
    assert_eq!(rig.network.lists.len(), 1);
    assert_eq!(kept.borrow().len(), 1, "with its agency");
}

#[test]
fn lists_without_end_have_those_who_are_in_judged_once_a_second() {
    let (mut rig, began) = (Rig::new(), Instant::now());
    let list = list_of(&rig.authority);
    assert!(rig.adopt(list));
    let mut judged = 0;
    for tick in 0..=100 {
        rig.admission.handle_lists_taken(&mut rig.network);
        judged += usize::from(rig.tick_at(began + Duration::from_millis(100) * tick));
    }
    assert_eq!(judged, 11);
}

#[test]
fn others_are_told_of_a_list_at_once_also_while_judging_is_paused() {
    let (mut rig, began) = (Rig::new(), Instant::now());
    assert!(rig.adopt(list_of(&rig.authority)));
    assert!(rig.tick_at(began), "the pause begins");
    let first = rig.network.lists.clone();
    assert!(rig.adopt(list_of(&rig.authority)), "a newer one");
    assert_ne!(rig.network.lists, first);
    assert!(!rig.tick_at(began + LISTS_PAUSE / 2), "nobody is judged yet");
    assert!(rig.tick_at(began + LISTS_PAUSE));
}
