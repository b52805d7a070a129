//! What passes a relay tells it neither topic nor body nor seq, nor which of its source's clients published it.

use bytes::Bytes;
use nuncio_protocol::{
    Topic,
    amop::{self, Multicast, Post, PublishSeq, ResultCode, TenantId},
    unicast,
};
use nuncio_wire::amop::Frame;

use super::{
    party::{Party, bridge_frame, header, parties, unicast_frame},
    relay_changes_nothing::multicast_to,
};

const BODY: &[u8] = b"the secret body of it all";
const TOPIC: &str = "the-secret-topic";
const SEQ: [u8; 32] = *b"the seq that a publisher counts!";
const TENANT: TenantId = TenantId(u64::from_be_bytes(*b"a tenant"));

/// All that a relay sees of a frame: its bytes and what it decodes.
fn view(frame: Option<(Bytes, Bytes)>, from: &Party, relay: &Party) -> Vec<u8> {
    let (header, body) = frame.expect("sealed");
    let mut view = [&header[..], &body[..]].concat();
    if let Ok(read) = nuncio_wire::unicast::decode(header.clone(), body.clone(), from.node, &relay.context) {
        view.extend(format!("{read:?}").into_bytes());
    }
    if let Ok(read) = nuncio_wire::amop::decode_frame(header, body, from.node, &relay.context) {
        view.extend(format!("{read:?}").into_bytes());
    }
    view
}

/// Whether any of it is there: as it is, or as `Debug` writes bytes and numbers.
fn tells(view: &[u8]) -> bool {
    let lists = [BODY, &SEQ].map(|secret| format!("{secret:?}").trim_matches(['[', ']']).to_owned());
    let (tenant, number) = ([TENANT.0.to_be_bytes(), TENANT.0.to_le_bytes()], TENANT.0.to_string());
    let mut secrets: Vec<&[u8]> = vec![BODY, TOPIC.as_bytes(), &SEQ, &tenant[0], &tenant[1], number.as_bytes()];
    secrets.extend(lists.iter().map(String::as_bytes));
    // Half of a secret is one, too.
    secrets.iter().any(|secret| view.windows(secret.len() / 2).any(|part| secret.starts_with(part)))
}

fn unicast(source: &Party, target: &Party, content: unicast::Content) -> unicast::Message {
    unicast::Message { header: header(source, target), content }
}

fn bridge(source: &Party, target: &Party, content: amop::Content) -> Frame {
    Frame::Message(amop::Message { header: header(source, target), content })
}

fn contents() -> (Vec<unicast::Content>, Vec<amop::Content>) {
    let (body, data, topic) = (Bytes::from(BODY), Bytes::from(BODY), Topic::new(TOPIC).unwrap());
    let unicasts = vec![unicast::Content::Request { body: body.clone() }, unicast::Content::Reply { body }];
    let publish = amop::Content::Publish { message: 1, topic, tenant: Some(TENANT), data: data.clone() };
    (unicasts, vec![publish, amop::Content::Result { code: ResultCode(0), data }])
}

fn cast(source: &Party, destinations: &[&Party]) -> Frame {
    let (seq, topic, data) = (PublishSeq(SEQ), Topic::new(TOPIC).unwrap(), Bytes::from(BODY));
    let post = Some(Post { seq, topic, tenant: Some(TENANT), data });
    Frame::Multicast(Multicast { post, ..multicast_to(source, destinations) })
}

#[test]
fn a_relay_reads_neither_topic_nor_body_nor_seq_nor_whose_it_is() {
    let [a, relay, b, c] = parties();
    let (unicasts, bridged) = contents();
    for content in unicasts {
        assert!(!tells(&view(unicast_frame(unicast(&a, &b, content), &a, &relay), &a, &relay)));
    }
    for content in bridged {
        assert!(!tells(&view(bridge_frame(bridge(&a, &b, content), &a, &relay), &a, &relay)));
    }
    for destinations in [&[&b][..], &[&b, &c]] {
        assert!(!tells(&view(bridge_frame(cast(&a, destinations), &a, &relay), &a, &relay)));
    }
}

/// So that the test above would see it.
#[test]
fn the_node_that_it_is_for_reads_all_of_it() {
    let [a, b] = parties();
    let (unicasts, bridged) = contents();
    for content in unicasts {
        assert!(tells(&view(unicast_frame(unicast(&a, &b, content), &a, &b), &a, &b)));
    }
    for content in bridged {
        assert!(tells(&view(bridge_frame(bridge(&a, &b, content), &a, &b), &a, &b)));
    }
    assert!(tells(&view(bridge_frame(cast(&a, &[&b]), &a, &b), &a, &b)));
}

/// How long a kind of answer is tells which kind it is, if there is none with a body: that a relay may see. What it must
/// not see is a refusal's reason.
#[test]
fn refusals_look_the_same_to_a_relay() {
    let [a, relay, b] = parties();
    use unicast::{
        Content::Failure,
        Refusal::{Busy, Denied, NoHandler, NoRoute},
    };
    let headers = [Busy, Denied, NoHandler, NoRoute].map(|refusal| {
        let (header, body) = unicast_frame(unicast(&a, &b, Failure { refusal }), &a, &relay).unwrap();
        (header, body.len())
    });
    assert!(headers.windows(2).all(|pair| pair[0] == pair[1]), "{headers:?}");
}
