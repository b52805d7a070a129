//! Who comes in, and what he may.

use std::{collections::BTreeSet, sync::Arc};

use nuncio_audit::{Audit, Event};
use nuncio_gateway::{Access, Holder};
use nuncio_pki::{
    RoleRule,
    authority::{Kind, Validity},
};
use nuncio_rights::{Fallback, Limit, Per, Quota, Rights, Rule, Rules, Who};
use nuncio_web::Tokens;
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, http::StatusCode, protocol::frame::coding::CloseCode};

use crate::rig::{PATIENCE, Rig};

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

/// Where tokens are taken too, a certificate that is shown must be an SDK's all the same.
#[tokio::test]
async fn whoever_shows_a_certificate_of_another_role_is_refused_with_both_roles_and_what_mends_it() {
    for tokens in [false, true] {
        let audit = Audit::default();
        let (mut events, recorded) = (audit.follow(), audit.clone());
        let mut rig = Rig::with(|gateway, web| {
            gateway.audit = recorded;
            web.tokens = tokens.then(|| Arc::new(NoTokens) as Arc<dyn Tokens>);
        })
        .await;
        let operator = rig.authority.issuer().issue(Kind::Operator, "ops", Validity::days(30)).unwrap();
        operator.write(&rig.directory.path().join("operator"), Kind::Sdk).unwrap();
        for other in ["node", "operator"] {
            let heard = rig.try_connect_as(other).await.map(drop).unwrap_err();
            assert!(heard.to_string().contains("AccessDenied"), "{heard}");
            let told = timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
            let Event::SdkRefused { cause, hint, noise: false, .. } = &told.event else { panic!("{told:?}") };
            let words = format!("has role {other}, and this door takes role sdk only");
            assert!(cause.as_str().contains(&words), "{cause}");
            assert!(hint.as_str().contains("nuncio cert issue NAME --ca DIR --out DIR --kind sdk"), "{hint}");
        }
        assert!(rig.has_no_input());
    }
}

#[derive(Debug)]
struct NoTokens;

impl Tokens for NoTokens {
    fn find(&self, _: &str) -> Result<Holder, String> {
        Err("none".into())
    }
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
