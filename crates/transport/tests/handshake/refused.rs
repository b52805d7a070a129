//! Every refusal in both roles and over both media, with what either operator reads.

use std::{collections::BTreeSet, sync::Arc};

use nuncio_pki::Identity;
use nuncio_testkit::authority::TestAuthority;
use nuncio_transport::{HandshakeError, Refusal, handshake_error};

use crate::meeting::{MEDIA, Medium, Meeting, Party, assert_says, meet};

/// What two parties read that meet in both roles and over both media.
struct Case<'a> {
    /// The party that refuses.
    judge: Party,
    judge_reads: &'a [&'a str],
    /// The party that is refused.
    refused: Party,
    refused_reads: &'a [&'a str],
}

impl Case<'_> {
    async fn check(self) {
        for medium in MEDIA {
            let Meeting { dialer, listener } =
                meet(&mut self.refused.transport(medium), self.judge.transport(medium), medium).await;
            assert_says(&listener, self.judge_reads, &format!("{medium:?}, the judge listens, the judge reads"));
            assert_says(&dialer, self.refused_reads, &format!("{medium:?}, the judge listens, the refused reads"));
            self.nobody_was_registered();

            let Meeting { dialer, listener } =
                meet(&mut self.judge.transport(medium), self.refused.transport(medium), medium).await;
            assert_says(&dialer, self.judge_reads, &format!("{medium:?}, the judge dials, the judge reads"));
            assert_says(&listener, self.refused_reads, &format!("{medium:?}, the judge dials, the refused reads"));
            self.nobody_was_registered();
        }
    }

    fn nobody_was_registered(&self) {
        assert!(self.judge.admissions.is_empty(), "the judge registered a peer it refused");
        assert!(self.refused.admissions.is_empty(), "the refused registered a peer it has no connection with");
    }
}

/// `refused` trusts `authority` as the judge does, so that only one side has something to say.
async fn one_side_refuses(authority: &TestAuthority, refused: Identity, reason: &str, hint: &str) {
    let name = refused.key.node_id().short();
    let judge = Party::new(authority.node("judge"), authority.policy());
    let peer = judge.node().short();
    Case {
        judge,
        judge_reads: &["this node refuses node", &name, reason, "hint: ", hint],
        refused: Party::new(refused, authority.policy()),
        refused_reads: &[&format!("node {peer} refuses this node: "), reason, "hint: "],
    }
    .check()
    .await;
}

#[tokio::test]
async fn a_node_of_another_authority() {
    let authority = TestAuthority::new();
    let foreign = TestAuthority::named("another chain", "another agency").node("mallory");
    one_side_refuses(&authority, foreign, "does not chain to ca.crt", "same ca.crt").await;
}

#[tokio::test]
async fn a_node_of_another_authority_with_the_same_name() {
    let authority = TestAuthority::new();
    let foreign = TestAuthority::new().node("mallory");
    one_side_refuses(&authority, foreign, "with another key signed it", "two authorities share one name").await;
}

#[tokio::test]
async fn two_networks_that_refuse_each_other_both_say_so() {
    let (one, other) = (TestAuthority::named("one", "agency"), TestAuthority::named("other", "agency"));
    let (alice, bob) = (one.node("alice"), other.node("bob"));
    Case {
        judge_reads: &["this node refuses node", "CN=bob", "(and it refuses this node: ", "CN=alice"],
        refused_reads: &["this node refuses node", "CN=alice", "(and it refuses this node: ", "CN=bob"],
        judge: Party::new(alice, one.policy()),
        refused: Party::new(bob, other.policy()),
    }
    .check()
    .await;
}

#[tokio::test]
async fn an_expired_certificate() {
    let authority = TestAuthority::new();
    let expired = authority.expired_node("late");
    one_side_refuses(&authority, expired, "expired on 2", "nuncio cert renew").await;
}

#[tokio::test]
async fn an_sdks_certificate_makes_no_node() {
    let authority = TestAuthority::new();
    let sdk = authority.sdk_as_node("app");
    let reason = "CN=app (node ";
    one_side_refuses(&authority, sdk.clone(), reason, "nuncio cert issue NAME --ca DIR --out DIR --kind node").await;
    one_side_refuses(&authority, sdk, "has role sdk, and this door takes role node only", "nuncio cert").await;
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_names_the_clock() {
    let authority = TestAuthority::new();
    let early = authority.not_yet_valid_node("early");
    one_side_refuses(&authority, early.clone(), "is not valid before 2", "clocks of both machines").await;
    let clock = "the local clock of the refusing node says 2";
    one_side_refuses(&authority, early, clock, "clocks of both machines").await;
}

#[tokio::test]
async fn a_stolen_certificate() {
    let authority = TestAuthority::new();
    let victim = authority.node("victim");
    let thief = Identity { key: authority.node("thief").key, ..victim };
    one_side_refuses(&authority, thief, "but the connection was made with the key of node", "nuncio cert revoke").await;
}

#[tokio::test]
async fn no_certificate_behind_the_leaf() {
    let authority = TestAuthority::new();
    let bare = Identity { chain: Vec::new(), ..authority.node("bare") };
    let reason = "no certificate issued by the consortium was presented";
    one_side_refuses(&authority, bare, reason, "nuncio cert issue").await;
}

#[tokio::test]
async fn a_revoked_certificate() {
    let authority = TestAuthority::new();
    let revoked = authority.node("revoked");
    let list = authority.revoke(&revoked);
    let judge = Party::new(authority.node("judge"), authority.policy().with_crls(vec![list]).unwrap());
    Case {
        judge,
        judge_reads: &["this node refuses node", "is revoked: serial", "hint: ", "new key and certificate"],
        refused: Party::new(revoked, authority.policy()),
        refused_reads: &["refuses this node: ", "is revoked: serial", "hint: "],
    }
    .check()
    .await;
}

#[tokio::test]
async fn a_denied_node_and_one_that_is_not_allowed() {
    let authority = TestAuthority::new();
    let outcast = authority.node("outcast");
    let id = outcast.key.node_id();
    let someone = authority.node("someone").key.node_id();
    for (allow, deny, reason) in [
        (BTreeSet::new(), BTreeSet::from([id]), "is on the deny list"),
        (BTreeSet::from([someone]), BTreeSet::new(), "is not on the allow list"),
    ] {
        Case {
            judge: Party::new(authority.node("judge"), authority.policy().with_access(allow, deny)),
            judge_reads: &["this node refuses node", reason, &format!("nuncio access allow {id}")],
            refused: Party::new(outcast.clone(), authority.policy()),
            refused_reads: &["refuses this node: ", reason],
        }
        .check()
        .await;
    }
}

#[tokio::test]
async fn another_network_under_the_same_authority() {
    let authority = TestAuthority::new();
    Case {
        judge: Party::new(authority.node("alice"), authority.policy()).in_network("production"),
        judge_reads: &["is in network \"staging\", this node in \"production\"", "hint: "],
        refused: Party::new(authority.node("bob"), authority.policy()).in_network("staging"),
        refused_reads: &["is in network \"production\", this node in \"staging\"", "hint: "],
    }
    .check()
    .await;
}

#[tokio::test]
async fn another_longest_body() {
    let authority = TestAuthority::new();
    Case {
        judge: Party::new(authority.node("alice"), authority.policy()).with_max_body(1000),
        judge_reads: &["takes bodies up to 2000 bytes, this node up to 1000", "hint: "],
        refused: Party::new(authority.node("bob"), authority.policy()).with_max_body(2000),
        refused_reads: &["takes bodies up to 1000 bytes, this node up to 2000", "hint: "],
    }
    .check()
    .await;
}

#[tokio::test]
async fn the_typed_reason_is_found_under_the_layers() {
    let authority = TestAuthority::new();
    let judge = Party::new(authority.node("judge"), authority.policy());
    let refused = Party::new(authority.expired_node("late"), authority.policy());
    let Meeting { dialer, listener } =
        meet(&mut refused.transport(Medium::Tcp), judge.transport(Medium::Tcp), Medium::Tcp).await;
    let (at_dialer, at_judge) = (dialer.err().unwrap(), listener.err().unwrap());
    let Some(HandshakeError::Refused { refusal, .. }) = handshake_error(&at_judge) else {
        panic!("not found in {at_judge:?}")
    };
    assert!(matches!(**refusal, Refusal::Chain { .. }));
    assert_eq!(handshake_error(&at_judge).unwrap().node(), Some(refused.node()));
    assert!(matches!(handshake_error(&at_dialer), Some(HandshakeError::RefusedByPeer { .. })), "{at_dialer:?}");
    assert_eq!(handshake_error(&at_dialer).unwrap().node(), Some(judge.node()));
}

#[tokio::test]
async fn a_change_of_policy_takes_effect_at_the_next_connection() {
    let authority = TestAuthority::new();
    let judge = Party::new(authority.node("judge"), authority.policy());
    let peer = Party::new(authority.node("peer"), authority.policy());
    for medium in MEDIA {
        // One transport throughout: whatever it might remember of the first connection is there at the second.
        let mut dialing = peer.transport(medium);
        let Meeting { dialer, listener } = meet(&mut dialing, judge.transport(medium), medium).await;
        let _connections = (dialer.unwrap(), listener.unwrap());

        let denying = authority.policy().with_access(BTreeSet::new(), BTreeSet::from([peer.node()]));
        judge.config.policy.store(Arc::new(denying));
        let Meeting { dialer, listener } = meet(&mut dialing, judge.transport(medium), medium).await;
        assert_says(&listener, &["is on the deny list"], "the judge");
        assert_says(&dialer, &["refuses this node: ", "is on the deny list"], "the denied");

        judge.config.policy.store(Arc::new(authority.policy()));
        let Meeting { dialer, listener } = meet(&mut dialing, judge.transport(medium), medium).await;
        let _connections = (dialer.unwrap(), listener.unwrap());
    }
}
