//! Private topics: what a publisher's session is asked, and what it says.

use nuncio_protocol::{
    Topic,
    amop::{ChallengeId, ClientId, ClientInput, ClientOutput, ClientPort as _},
};
use serde_json::json;

use crate::rig::Rig;

const TOPIC: &str = "#!$TopicNeedVerify_salaries";
const CHANNEL: &str = "#!$VerifyChannel_#!$TopicNeedVerify_salaries_0123456789abcdef0123456789abcdef";

impl Rig {
    fn question(&self, client: ClientId, byte: u8) {
        let (topic, channel) = (Topic::new(TOPIC).unwrap(), Topic::new(CHANNEL).unwrap());
        let asked = ClientOutput::Challenge { client, challenge: ChallengeId([byte; 64]), topic, channel };
        self.clients.handle_output(asked).unwrap();
    }

    async fn verdict(&mut self) -> (ClientId, u8, String, bool) {
        match self.input().await {
            ClientInput::ProofJudged { client, challenge, topic, accepted } => {
                (client, challenge.0[63], topic.to_string(), accepted)
            }
            other => panic!("a verdict, not {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_publisher_is_asked_about_a_subscriber_and_its_verdict_is_the_core_s() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect().await;
    rig.question(client, 0xab);
    let question = "ab".repeat(64);
    let asked = json!({ "type": "verify", "question": question, "topic": TOPIC, "channel": CHANNEL });
    assert_eq!(web.hear().await, asked);
    for accepted in [true, false] {
        let verdict = json!({ "type": "verdict", "id": 3, "question": question, "topic": TOPIC, "accepted": accepted });
        assert_eq!(web.ask(verdict).await["code"], 0);
        assert_eq!(rig.verdict().await, (client, 0xab, TOPIC.to_owned(), accepted));
    }
}

#[tokio::test]
async fn the_same_goes_in_binary() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect().await;
    web.say_binary(b"\x01\0\0\0\0\0\0\0\x05\x01t".to_vec()).await;
    web.hear_binary().await;
    rig.topics().await;
    rig.question(client, 7);
    let named = |name: &str| [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    let asked = [&[0x85], &[7; 64][..], &named(TOPIC), &named(CHANNEL)].concat();
    assert_eq!(web.hear_binary().await, asked);
    let verdict = |accepted: u8| [b"\x07\0\0\0\0\0\0\0\x09", &[7; 64][..], &[accepted], &named(TOPIC)].concat();
    web.say_binary(verdict(1)).await;
    assert_eq!(web.hear_binary().await, b"\x81\0\0\0\0\0\0\0\x09\0\0\0\0");
    assert_eq!(rig.verdict().await, (client, 7, TOPIC.to_owned(), true));
    for wrong in [verdict(2), verdict(1)[..74].to_vec(), verdict(1)[..72].to_vec()] {
        web.say_binary(wrong).await;
        assert_eq!(web.hear_binary().await[9..13], (-1i32).to_be_bytes());
    }
    assert!(rig.has_no_input());
}

#[tokio::test]
async fn a_verdict_that_says_too_little_is_none() {
    let mut rig = Rig::new().await;
    let (mut web, _) = rig.connect().await;
    let question = "ab".repeat(64);
    let verdicts = [
        json!({ "type": "verdict", "topic": TOPIC, "accepted": true }),
        json!({ "type": "verdict", "question": question, "accepted": true }),
        json!({ "type": "verdict", "question": question, "topic": TOPIC }),
        json!({ "type": "verdict", "question": question, "topic": TOPIC, "accepted": 1 }),
        json!({ "type": "verdict", "question": question, "topic": "a\u{7}", "accepted": true }),
        json!({ "type": "verdict", "question": "ab".repeat(63), "topic": TOPIC, "accepted": true }),
        json!({ "type": "verdict", "question": "xy".repeat(64), "topic": TOPIC, "accepted": true }),
    ];
    for verdict in verdicts {
        assert_eq!(web.ask(verdict.clone()).await["word"], "malformed", "{verdict}");
    }
    assert!(rig.has_no_input());
}
