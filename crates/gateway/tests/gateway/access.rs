//! Which SDKs may come in and stay.

use std::collections::BTreeMap;

use nuncio_gateway::{Access, ClientName};
use nuncio_pki::{
    Certificate, CrlPolicy, RevocationList, RoleRule,
    authority::{RevocationDates, Validity},
    tls::{ChannelPaths, channel_server_config},
};
use nuncio_protocol::amop::ClientInput;
use nuncio_testkit::TestAuthority;

use super::rig::{Rig, eventually};

fn sdk_certificate(rig: &Rig) -> Certificate {
    let pem = std::fs::read_to_string(rig.directory.path().join("sdk/sdk.crt")).unwrap();
    Certificate::from_pem_bundle(&pem).unwrap().remove(0)
}

async fn is_cut(rig: &mut Rig) {
    let gone = rig.input().await;
    assert!(matches!(gone, ClientInput::Disconnected { .. }), "{gone:?}");
}

/// A refused SDK may only notice at its first read; the core never hears of it.
async fn is_refused(rig: &mut Rig) {
    if let Ok(mut sdk) = rig.try_sdk().await {
        sdk.expect_closed().await;
    }
    assert!(rig.has_no_input());
}

fn holding(authority: &TestAuthority, list: RevocationList) -> Access {
    let policy = authority.policy().with_crls(vec![list]).unwrap();
    Access { lists: policy.lists().clone(), ..Access::default() }
}

#[tokio::test]
async fn an_sdk_that_is_denied_while_connected_is_cut_and_refused_until_it_is_let_in() {
    let mut rig = Rig::new().await;
    let (_sdk, _) = rig.connect().await;
    let name = ClientName::Fingerprint(sdk_certificate(&rig).fingerprint());
    rig.renewal.set_access(Access { deny: [name].into(), ..Access::default() });
    is_cut(&mut rig).await;
    is_refused(&mut rig).await;
    rig.renewal.set_access(Access::default());
    rig.connect().await;
}

#[tokio::test]
async fn a_denied_sdk_stays_denied_by_every_name_and_however_it_writes_its_certificate() {
    let mut rig = Rig::new().await;
    let certificate = sdk_certificate(&rig);
    let twin = certificate.fingerprints().into_iter().nth(1).expect("its signature has a twin");
    let issued = format!("{}@{}", certificate.serial(), certificate.issuer());
    for name in [twin, issued, format!("key:{}", hex::encode(certificate.key_id()))] {
        rig.renewal.set_access(Access { deny: [name.parse().unwrap()].into(), ..Access::default() });
        is_refused(&mut rig).await;
    }
    rig.renewal.set_access(Access::default());
    rig.connect().await;
}

#[tokio::test]
async fn a_session_ends_when_its_authority_is_trusted_no_more() {
    let mut rig = Rig::new().await;
    let (_sdk, _) = rig.connect().await;
    let node = rig.directory.path().join("node");
    rig.renewal.renew(&channel_server_config(&ChannelPaths::in_directory(&node)).unwrap());
    assert!(rig.has_no_input(), "the same authority");
    TestAuthority::new().write_node_directory(&rig.directory.path().join("other"), "node0");
    let others = ChannelPaths::in_directory(rig.directory.path().join("other"));
    rig.renewal.renew(&channel_server_config(&others).unwrap());
    is_cut(&mut rig).await;
}

#[tokio::test]
async fn where_lists_are_required_nobody_comes_in_without_a_current_one_and_who_is_in_stays() {
    let mut rig = Rig::new().await;
    let (_sdk, _) = rig.connect().await;
    let policy = rig.authority.policy().with_crl_policy(CrlPolicy::Hard);
    rig.renewal.set_access(Access { lists: policy.lists().clone(), ..Access::default() });
    is_refused(&mut rig).await;
    let (validity, root) = (Validity::days(30), rig.authority.root());
    let dates = RevocationDates { this_update: validity.not_before, next_update: validity.not_after };
    let lists = vec![root.revoke(&[], None, dates).unwrap(), rig.authority.issuer().revoke(&[], None, dates).unwrap()];
    let policy = policy.with_crls(lists).unwrap();
    rig.renewal.set_access(Access { lists: policy.lists().clone(), ..Access::default() });
    let (_sdk, _) = rig.connect().await;
}

#[tokio::test]
async fn an_allow_list_admits_its_members_only() {
    let mut rig = Rig::new().await;
    let key = sdk_certificate(&rig).node_id().expect("an elliptic-curve SDK");
    let stranger = nuncio_identity::NodeKey::generate().node_id();
    rig.renewal.set_access(Access { allow: [ClientName::Key(stranger)].into(), ..Access::default() });
    is_refused(&mut rig).await;
    rig.renewal.set_access(Access { allow: [ClientName::Key(key)].into(), ..Access::default() });
    let (_sdk, _) = rig.connect().await;
}

#[tokio::test]
async fn a_session_ends_when_its_certificate_is_revoked() {
    let mut rig = Rig::new().await;
    let (_sdk, _) = rig.connect().await;
    let list = rig.authority.revoke_certificate(&sdk_certificate(&rig));
    let foreign = TestAuthority::named("chain", "agency");
    let forged = RevocationList::from_der(foreign.revoke(&foreign.node("x")).der()).unwrap();
    rig.renewal.set_access(holding(&foreign, forged));
    assert!(rig.has_no_input(), "a list of somebody else revokes nothing");
    rig.renewal.set_access(holding(&rig.authority, list));
    is_cut(&mut rig).await;
    is_refused(&mut rig).await;
}

#[tokio::test]
async fn a_session_ends_when_its_agency_is_revoked() {
    let mut rig = Rig::new().await;
    let (_sdk, _) = rig.connect().await;
    let validity = Validity::days(30);
    let dates = RevocationDates { this_update: validity.not_before, next_update: validity.not_after };
    let list = rig.authority.root().revoke(&[rig.authority.agency_certificate()], None, dates).unwrap();
    rig.renewal.set_access(holding(&rig.authority, list));
    is_cut(&mut rig).await;
    is_refused(&mut rig).await;
}

/// A version 1 certificate has nothing but its OU to state a role by.
#[tokio::test]
async fn sessions_of_another_role_are_cut_when_the_rule_is_back() {
    let mut rig = Rig::new().await;
    let channel = rig.directory.path().join("channel");
    rig.authority.write_channel_directory(&channel);
    let serve = |roles| channel_server_config(&ChannelPaths { roles, ..ChannelPaths::in_directory(&channel) }).unwrap();
    rig.renewal.renew(&serve(RoleRule::Any));
    rig.renewal.set_access(Access { roles: RoleRule::Any, ..Access::default() });
    let (_sdk, _) = rig.connect_as("channel").await;
    rig.renewal.renew(&serve(RoleRule::Required));
    rig.renewal.set_access(Access::default());
    is_cut(&mut rig).await;
    if let Ok(mut sdk) = super::rig::Sdk::connect(rig.address, &channel).await {
        sdk.expect_closed().await;
    }
    assert!(rig.has_no_input());
}

#[tokio::test]
async fn the_certificates_of_the_sessions_are_known_each_once_with_their_number() {
    let mut rig = Rig::new().await;
    rig.add_sdk("other");
    let _sessions = [rig.connect().await, rig.connect().await];
    let (other, client) = rig.connect_as("other").await;
    let shown = |rig: &Rig| {
        let found = rig.renewal.certificates().into_iter();
        found.map(|one| (one.chain[0].common_name().unwrap_or_default(), one.sessions)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(shown(&rig), BTreeMap::from([("other".to_owned(), 1), ("sdk".to_owned(), 2)]));
    drop(other);
    assert_eq!(rig.disconnected().await, client);
    eventually(|| shown(&rig) == BTreeMap::from([("sdk".to_owned(), 2)])).await;
}
