//! Both sides of a private topic.

use nuncio_channel_protocol::{TopicVerdict, TopicVerification};

use super::{hub::Hub, *};
use crate::{Challengers, PrivateSubscription, PublishError, TopicKey, TopicPublicKey};

const NAME: &str = "#!$TopicNeedVerify_t";
const CHANNEL: &str = "#!$VerifyChannel_#!$TopicNeedVerify_t_0123456789abcdef0123456789abcdef";

/// A client that publishes to `t` for the owners of `known`, and its node.
async fn publishing(known: TopicPublicKey) -> (crate::PrivatePublisher, Node) {
    let (client, mut node, _) = pair(Client::builder()).await;
    let publishing = client.private_publisher("t", [known]);
    tokio::pin!(publishing);
    tokio::select! {
        biased;
        _ = &mut publishing => panic!("before the node was told"),
        () = node.expect_topics(&["#!$PushChannel_#!$TopicNeedVerify_t"]) => {}
    }
    let publisher = tokio::select! {
        publisher = publishing => publisher.unwrap(),
        frame = node.next() => panic!("an unexpected frame or end: {frame:?}"),
    };
    (publisher, node)
}

/// Asks the client to challenge; gives back the challenge's frame.
async fn ask(node: &mut Node, id: &str) -> Frame {
    let asked = TopicVerification { node: id.into(), topic: NAME.into(), channel: CHANNEL.into() };
    let seq = FrameSeq::from_number(70);
    node.send(Frame::request(FrameKind::TopicVerification, seq, asked.encode())).await;
    let freed = node.next().await.unwrap();
    assert_eq!((freed.kind, freed.seq, freed.body.len()), (FrameKind::TopicVerification, seq, 0));
    let challenge = node.next().await.unwrap();
    assert_eq!(challenge.kind, FrameKind::Unicast);
    assert_eq!(AmopBody::unpack(challenge.body.clone()).unwrap().topic(), CHANNEL);
    challenge
}

async fn verdict(node: &mut Node) -> TopicVerdict {
    let frame = node.next().await.unwrap();
    assert_eq!(frame.kind, FrameKind::TopicVerified);
    TopicVerdict::decode(&frame.body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_is_accepted_by_its_key_only() {
    let key = TopicKey::generate();
    let (publisher, mut node) = publishing(key.public()).await;
    for (signer, accepted) in [(TopicKey::generate(), false), (key, true)] {
        let challenge = ask(&mut node, "abab").await;
        let secret = AmopBody::unpack(challenge.body.clone()).unwrap().data;
        let answer = AmopBody::new(CHANNEL, signer.sign(&secret).into()).unwrap().pack();
        node.send(challenge.answer(FrameKind::Answer, ResultCode::OK, answer)).await;
        let said = verdict(&mut node).await;
        assert_eq!((said.is_accepted(), said.node.as_str(), said.topic.as_str()), (accepted, "abab", NAME));
    }
    assert!(soon(publisher.accepted(1)).await);
    assert_eq!(publisher.refused(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_is_gone_is_refused_and_each_challenge_is_new() {
    let (publisher, mut node) = publishing(TopicKey::generate().public()).await;
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let challenge = ask(&mut node, "abab").await;
        secrets.push(challenge.body.clone());
        node.send(challenge.answer(FrameKind::Answer, ResultCode::NO_SUBSCRIBER, Bytes::new())).await;
        assert!(!verdict(&mut node).await.is_accepted());
    }
    assert_ne!(secrets[0], secrets[1]);
    drop(publisher);
    node.expect_topics(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_answers_challenges_by_itself() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let key = TopicKey::generate();
    let subscribing = client.subscribe_private("t", key.clone());
    tokio::pin!(subscribing);
    let mut channel = None;
    let mut subscription = loop {
        tokio::select! {
            biased;
            subscription = &mut subscribing => break subscription.unwrap(),
            frame = node.next() => {
                let topics = TopicList::decode(&frame.unwrap().body, 512).unwrap().topics;
                channel = topics.into_iter().find(|topic| topic.starts_with("#!$VerifyChannel_"));
            }
        }
    };
    let channel = channel.unwrap();
    assert_eq!(channel.len(), CHANNEL.len());
    node.send(message(FrameKind::Unicast, 9, &channel, "a challenge")).await;
    let answer = node.next().await.unwrap();
    assert_eq!(answer.kind, FrameKind::Answer);
    let answer = AmopBody::unpack(answer.body).unwrap().data;
    assert!(key.public().made(&answer, b"a challenge"));
    node.send(message(FrameKind::Multicast, 10, NAME, "a message")).await;
    assert_eq!(soon(subscription.next()).await.unwrap().data, "a message");
}

/// What is left of a subscriber's channel when its topic's name is cut off.
const CHANNELS: &str = "#!$VerifyChannel_#!$TopicNeedVerify_t_";

/// Subscribes `t` at a hub; the channel, too.
async fn honest(hub: &Hub, key: &TopicKey, challengers: Challengers) -> (PrivateSubscription, String) {
    let client = hub.client().await;
    let subscription = client.subscribe_private_for("t", key.clone(), challengers).await.unwrap();
    (subscription, hub.topic(CHANNELS).await)
}

/// The case of `eve`: a certificate but no key. What comes to her channel she hands to the victim's, and its answer back.
async fn eve(hub: &Hub, victim: String) {
    let client = hub.client().await;
    let mut challenges = client.subscribe([CHANNEL]).await.unwrap();
    tokio::spawn(async move {
        while let Some(challenge) = challenges.next().await {
            match client.publish(&victim, challenge.data.clone()).await {
                Ok(signature) => drop(challenge.respond(signature)),
                Err(_) => challenge.decline(),
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_signature_proves_the_subscriber_that_made_it_and_nobody_else() {
    let (mut hub, key) = (Hub::new(), TopicKey::generate());
    let (subscription, channel) = honest(&hub, &key, Challengers::Any).await;
    let publisher = hub.client().await.private_publisher("t", [key.public()]).await.unwrap();
    eve(&hub, channel.clone()).await;
    assert!(!hub.challenge(NAME, CHANNEL).await, "the nodes let her, the subscriber does not");
    assert_eq!(subscription.declined_challenges(), 1);
    assert!(hub.challenge(NAME, &channel).await);
    assert_eq!((publisher.refused(), subscription.declined_challenges()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_publisher_challenges_channels_of_its_topic_only() {
    let (mut hub, key) = (Hub::new(), TopicKey::generate());
    let _publisher = hub.client().await.private_publisher("t", [key.public()]).await.unwrap();
    let mut elsewhere = hub.client().await.subscribe(["orders"]).await.unwrap();
    assert!(!hub.challenge(NAME, "orders").await);
    assert!(futures::FutureExt::now_or_never(elsewhere.next()).is_none());
}

#[tokio::test(start_paused = true)]
async fn challenges_of_sdks_are_signed_for_who_wants_it_and_no_other_bytes_ever() {
    let (key, sdk) = (TopicKey::generate(), "0123456789abcdef0123456789abcdef");
    for (challengers, signs) in [(Challengers::Any, true), (Challengers::Nuncio, false)] {
        let hub = Hub::new();
        let (subscription, channel) = honest(&hub, &key, challengers).await;
        let client = hub.client().await;
        let answer = client.publish(&channel, sdk).await;
        assert_eq!(answer.is_ok_and(|answer| key.public().made(&answer, sdk.as_bytes())), signs);
        for other in ["", "a transaction, say", &"0".repeat(64)] {
            let answer = client.publish(&channel, other.to_owned()).await;
            assert!(matches!(answer, Err(PublishError::SubscriberGone { .. })), "{answer:?}");
        }
        assert_eq!(subscription.declined_challenges(), 3 + u64::from(!signs));
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_challenges_of_sdks_are_signed_a_minute_and_they_take_nothing_from_ours() {
    let (mut hub, key) = (Hub::new(), TopicKey::generate());
    let (_subscription, channel) = honest(&hub, &key, Challengers::Any).await;
    let _publisher = hub.client().await.private_publisher("t", [key.public()]).await.unwrap();
    let client = hub.client().await;
    let mut signed = 0;
    for _ in 0..100 {
        signed += u32::from(client.publish(&channel, "17 bytes at most").await.is_ok());
    }
    assert_eq!(signed, 60);
    assert!(hub.challenge(NAME, &channel).await);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(client.publish(&channel, "17 bytes at most").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_pool_proves_itself_anew_where_it_moves() {
    let (mut hub, key) = (Hub::new(), TopicKey::generate());
    let _publisher = hub.client().await.private_publisher("t", [key.public()]).await.unwrap();
    let mut subscription = hub.pool().await.subscribe_private("t", key.clone(), Challengers::Any).await.unwrap();
    tokio::spawn(async move {
        while let Some(delivery) = subscription.next().await {
            let seen = delivery.data.clone();
            delivery.respond(seen).unwrap();
        }
    });
    let first = hub.topic(CHANNELS).await;
    assert!(hub.challenge(NAME, &first).await);
    hub.cut(&first).await;
    let second = hub.topic_but(CHANNELS, &first).await;
    assert!(hub.challenge(NAME, &second).await);
    assert_eq!(hub.client().await.publish(NAME, "a message").await, Ok("a message".into()));
}

#[tokio::test(start_paused = true)]
async fn a_publisher_of_a_pool_moves_when_its_node_is_lost() {
    let (mut hub, key) = (Hub::new(), TopicKey::generate());
    let (mut subscription, channel) = honest(&hub, &key, Challengers::Nuncio).await;
    let mut publisher = hub.pool().await.private_publisher("t", [key.public()]).await.unwrap();
    tokio::spawn(async move {
        while let Some(delivery) = subscription.next().await {
            delivery.respond("seen").unwrap()
        }
    });
    assert!(hub.challenge(NAME, &channel).await);
    assert!(publisher.accepted(1).await);
    hub.cut("#!$PushChannel_#!$TopicNeedVerify_t").await;
    // The loss may show at the first call only, which says that nothing was sent, or does not know.
    let answer = loop {
        match publisher.publish("again").await {
            Err(PublishError::Disconnected { .. }) => {}
            outcome => break outcome,
        }
    };
    assert_eq!(answer, Ok(Bytes::from("seen")));
    assert!(hub.challenge(NAME, &channel).await);
    assert!(publisher.accepted(1).await);
}
