//! Who comes in, and what he may.

use std::{collections::BTreeSet, sync::Arc};

use nuncio_gateway::Access;
use nuncio_pki::RoleRule;
use nuncio_rights::{Fallback, Limit, Per, Quota, Rights, Rule, Rules, Who};
use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, http::StatusCode, protocol::frame::coding::CloseCode};

use crate::rig::Rig;

fn rights(rules: Rules) -> Arc<Rights> {
    Arc::new(Rights::new(rules).unwrap())
}

#[tokio::test]
async fn what_a_client_may_not_is_denied_with_the_reason_and_follows_the_rights_in_force() {
    let some = rights(Rules {
        default: Fallback::Deny,
        allow: vec![Rule {
            publish: vec!["orders*".parse().unwrap()],
            subscribe: vec!["prices".parse().unwrap()],
            ..Rule::default()
        }],
        ..Rules::default()
    });
    let mut rig = Rig::with(|gateway, _| gateway.rights = some).await;
    let (mut web, _) = rig.connect().await;
    let denied = web.ask(json!({ "type": "publish", "id": 1, "topic": "prices", "data": "x" })).await;
    assert_eq!((&denied["code"], &denied["word"]), (&json!(-40012), &json!("denied")));
    assert!(denied["message"].as_str().unwrap().contains("no rule allows it"), "{denied}");
    web.say(json!({ "type": "publish", "id": 2, "topic": "orders/1", "data": "x" })).await;
    rig.publish().await;
    let denied = web.ask(json!({ "type": "subscribe", "id": 3, "topics": ["prices", "secrets"] })).await;
    assert_eq!(denied["code"], -40012);
    assert!(denied["message"].as_str().unwrap().starts_with("\"secrets\" (no rule"), "{denied}");
    assert_eq!(rig.topics().await, ["prices".to_owned()].into(), "the other one is subscribed");
    assert_eq!(web.ask(json!({ "type": "subscribe", "id": 4, "topics": ["prices"] })).await["code"], 0);
    rig.topics().await;
    rig.renewal.set_rights(Arc::default());
    assert_eq!(rig.topics().await, ["prices", "secrets"].map(String::from).into());
}

#[tokio::test]
async fn quotas_of_messages_and_sessions_hold_as_for_sdks() {
    let limit = |quota| Limit { who: Who::default(), per: Per::Credential, quota };
    let quota = Quota { messages: Some(1), sessions: Some(1), ..Quota::default() };
    let some = rights(Rules { limits: vec![limit(quota)], ..Rules::default() });
    let mut rig = Rig::with(|gateway, _| gateway.rights = some).await;
    let (mut web, _) = rig.connect().await;
    // What is larger than what is left is let through and paid off: the third at the latest, if it comes in time.
    let over = loop {
        web.say(json!({ "type": "publish", "id": 1, "topic": "t", "data": "x" })).await;
        tokio::select! {
            _ = rig.publish() => {}
            over = web.hear() => break over,
        }
    };
    assert_eq!((&over["code"], &over["word"]), (&json!(103), &json!("over_limit")));
    match rig.try_connect(None).await.map(drop) {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_client_without_an_sdk_s_certificate_does_not_come_in_and_who_is_denied_later_goes() {
    let mut rig = Rig::new().await;
    let strangers = tempfile::tempdir().unwrap();
    nuncio_testkit::TestAuthority::new().write_sdk_directory(strangers.path(), false);
    std::fs::copy(rig.directory.path().join("sdk/ca.crt"), strangers.path().join("ca.crt")).unwrap();
    std::fs::rename(strangers.path(), rig.directory.path().join("strangers")).unwrap();
    assert!(rig.try_connect_as("strangers").await.is_err());
    assert!(rig.try_connect_as("node").await.is_err(), "a node's certificate is no SDK's");
    let (mut web, client) = rig.connect().await;
    let nobody = "key:".to_owned() + &"0".repeat(64);
    let only_nobody =
        Access { allow: BTreeSet::from([nobody.parse().unwrap()]), roles: RoleRule::default(), ..Access::default() };
    rig.renewal.set_access(only_nobody);
    assert_eq!(web.closed().await.0, CloseCode::Policy);
    assert_eq!(rig.disconnected().await, client);
    assert!(rig.try_connect(None).await.is_err());
}

#[tokio::test]
async fn a_page_comes_in_only_from_an_origin_that_is_named() {
    let mut rig = Rig::with(|_, web| web.origins = vec!["https://shop.example".into()]).await;
    for origin in ["https://evil.example", "null", "https://shop.example.evil.example", "http://shop.example", ""] {
        match rig.try_connect(Some(origin)).await.map(drop) {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{origin}"),
            other => panic!("{origin}: {other:?}"),
        }
    }
    assert!(rig.has_no_input(), "and the core hears nothing of it");
    let mut page = rig.try_connect(Some("https://shop.example")).await.unwrap();
    page.expect_silence().await;
}
