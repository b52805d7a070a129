//! Which SDKs may come in and stay.

use nuncio_gateway::{Access, ClientName};
use nuncio_pki::{
    Certificate, RevocationList, RoleRule,
    authority::{RevocationDates, Validity},
    tls::{ChannelPaths, channel_server_config},
};
use nuncio_protocol::amop::ClientInput;

use super::rig::Rig;

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
    let foreign = nuncio_testkit::TestAuthority::named("chain", "agency");
    let forged = RevocationList::from_der(foreign.revoke(&foreign.node("x")).der()).unwrap();
    rig.renewal.set_access(Access { revocations: vec![forged], ..Access::default() });
    assert!(rig.has_no_input(), "a list of somebody else revokes nothing");
    rig.renewal.set_access(Access { revocations: vec![list], ..Access::default() });
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
    rig.renewal.set_access(Access { revocations: vec![list], ..Access::default() });
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
