//! Inputs made by our own encoders, from which fuzzers start.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use nuncio_channel_protocol::{
    AmopBody, BlockNotification, Frame, FrameCodec, FrameKind, FrameSeq, HandshakeRequest, Subscription, TopicVerdict,
    TopicVerification,
};
use nuncio_identity::NodeKey;
use nuncio_pki::{
    Certificate, RevocationList,
    authority::{Authority, Kind, Validity},
};
use nuncio_protocol::{
    Topic, amop,
    peering::Address,
    status_sync::{Equivocation, PageDigest, Query, Status, Version},
    unicast::{self, ExchangeId, Refusal},
};
use nuncio_wire::{
    length_prefixed, multicast, status,
    verdict::{Protocol, Verdict},
};
use tokio_util::codec::Decoder;

use super::file_messages;
use crate::decoders::{key_pem, party};

pub(super) type Seed = (&'static str, &'static str, Vec<u8>);

/// Target, name and bytes of every seed.
pub(crate) fn all() -> Vec<Seed> {
    let mut seeds = channel();
    seeds.extend(streams());
    seeds.extend(records());
    seeds.extend(files());
    seeds.extend(file_messages::seeds());
    seeds
}

/// Whether the decoder that a seed is for accepts it.
pub(crate) fn is_read(target: &str, bytes: &[u8]) -> bool {
    let owned = Bytes::copy_from_slice(bytes);
    let (sender, _) = party(2);
    let (_, reader) = party(1);
    let text = || str::from_utf8(bytes).unwrap_or_default();
    match target {
        "amop_body" => AmopBody::unpack(owned).is_ok(),
        "channel_frame" => {
            matches!(FrameCodec::default().decode(&mut BytesMut::from(&bytes[1..])), Ok(Some(_)))
        }
        "channel_json" => {
            HandshakeRequest::decode(bytes).is_ok()
                || Subscription::decode(bytes, 4096).is_ok()
                || TopicVerdict::decode(bytes).is_ok()
                || TopicVerification::decode(bytes).is_ok()
                || BlockNotification::decode(owned).is_ok()
        }
        "unicast_frame" | "bridge_frame" => match length_prefixed::decode(&mut BytesMut::from(bytes)) {
            Ok(Some(length_prefixed::Frame::Message { header, body })) if target == "unicast_frame" => {
                nuncio_wire::unicast::decode(header, body, sender, &reader).is_ok()
            }
            Ok(Some(length_prefixed::Frame::Message { header, body })) => {
                nuncio_wire::amop::decode(header, body, sender, &reader).is_ok()
            }
            Ok(Some(_)) => true,
            _ => false,
        },
        "status" => {
            status::decode_record(owned.clone(), &reader).is_ok()
                || status::decode_query(owned.clone()).is_ok()
                || status::decode_answer(owned).is_ok()
                || status::decode_announcement(bytes).is_ok()
        }
        "gossip" => [multicast::BROADCAST, "nuncio/topic/t1"]
            .iter()
            .any(|topic| multicast::decode(topic, owned.clone(), &reader).is_ok()),
        "verdict" => Verdict::decode(bytes).is_ok(),
        "certificate_pem" => {
            Certificate::from_pem_bundle(text()).is_ok()
                || RevocationList::from_pem_bundle(text()).is_ok()
                || Certificate::from_der(bytes.to_vec().into()).is_ok()
                || RevocationList::from_der(bytes).is_ok()
        }
        "file_message" => file_messages::is_read(bytes),
        "node_key_pem" => NodeKey::from_pem(text()).is_ok(),
        "config_toml" => nuncio_daemon::Config::parse(text(), Path::new("nuncio.toml")).is_ok(),
        other => panic!("no decoder is known for {other}"),
    }
}

fn channel() -> Vec<Seed> {
    let body = AmopBody::new("t1", Bytes::from("hello")).unwrap().pack();
    let frame = |kind, body: Bytes| {
        // The first byte says where the stream is cut.
        let mut bytes = vec![20];
        bytes.extend_from_slice(&Frame::request(kind, FrameSeq::from_number(7), body).to_bytes());
        bytes
    };
    let mut lying = frame(FrameKind::Unicast, body.clone());
    lying[1..5].copy_from_slice(&u32::MAX.to_be_bytes());
    let mut short = frame(FrameKind::Unicast, body.clone());
    short[1..5].copy_from_slice(&41_u32.to_be_bytes());
    let subscription = Subscription { topics: vec!["t1".into(), "#!$TopicNeedVerify_t2".into()] };
    let (node, topic) = ("ab".repeat(64), "#!$TopicNeedVerify_t2".to_owned());
    let channel = format!("#!$VerifyChannel_{topic}_{}", "0".repeat(32));
    let verification = TopicVerification { node: node.clone(), topic: topic.clone(), channel };
    let verdict = TopicVerdict { check: 0, node, topic };
    vec![
        ("amop_body", "hello", body.to_vec()),
        ("amop_body", "not_long_enough", vec![200, b't']),
        ("channel_frame", "unicast", frame(FrameKind::Unicast, body.clone())),
        ("channel_frame", "multicast", frame(FrameKind::Multicast, body)),
        ("channel_frame", "empty", frame(FrameKind::Heartbeat, Bytes::new())),
        ("channel_frame", "not_a_length_of_4_gib", lying),
        ("channel_frame", "not_a_length_of_41", short),
        ("channel_json", "handshake", HandshakeRequest::new("fuzz").encode().to_vec()),
        ("channel_json", "subscription", subscription.encode().to_vec()),
        ("channel_json", "verification", verification.encode().to_vec()),
        ("channel_json", "verdict", verdict.encode().to_vec()),
        ("channel_json", "not_closed", br#"["t1", "#.to_vec()),
        ("channel_json", "not_shallow", b"[".repeat(300)),
    ]
}

fn streams() -> Vec<Seed> {
    let (reader, _) = party(1);
    let (sender, _) = party(2);
    let (third, third_context) = party(3);
    let request = |source, target| unicast::Message {
        source,
        target,
        epoch: 7,
        id: ExchangeId(9),
        hops_left: 15,
        hops: 1,
        content: unicast::Content::Request { body: "hello".into(), time_left: Duration::from_secs(2) },
        signature: None,
    };
    let failure = unicast::Content::Failure { refusal: Refusal::Denied };
    let failure = unicast::Message { content: failure, ..request(sender, reader) };
    let publish = amop::Content::Publish {
        target: reader,
        message: 5,
        topic: Topic::new("t1").unwrap(),
        data: "hello".into(),
        time_left: Duration::from_secs(2),
    };
    let result = amop::Content::Result { target: reader, code: amop::ResultCode(0), data: "Yes".into() };
    let multicast = |destinations| amop::Content::Multicast {
        destinations,
        seq: amop::PublishSeq([3; 32]),
        topic: Topic::new("t1").unwrap(),
        data: "hello".into(),
    };
    let bridged =
        |content| bridged(amop::Message { source: sender, epoch: 7, id: 1, hops_left: 15, content, signature: None });
    let mut alive = BytesMut::new();
    length_prefixed::encode_alive(&mut alive);
    // Written by the third party for its neighbour, the sender, it is signed for the reader behind it.
    let mut relayed = BytesMut::new();
    let body = nuncio_wire::unicast::encode(request(third, reader), sender, &third_context, &mut relayed);
    relayed.extend_from_slice(&body);
    vec![
        ("unicast_frame", "request", unicast_bytes(request(sender, reader))),
        ("unicast_frame", "failure", unicast_bytes(failure)),
        ("unicast_frame", "relayed", behind_sender(&relayed, third, reader)),
        ("unicast_frame", "alive", alive.to_vec()),
        ("unicast_frame", "not_4_gib", vec![0xff, 0xff, 0xff, 0xff, 0, 1, 0]),
        ("unicast_frame", "not_a_header_beyond_the_frame", vec![0, 0, 0, 3, 0xff, 0xff, 0]),
        ("bridge_frame", "publish", bridged(publish)),
        ("bridge_frame", "result", bridged(result)),
        ("bridge_frame", "multicast", bridged(multicast(vec![reader]))),
        ("bridge_frame", "multicast_to_two", bridged(multicast(vec![reader, third]))),
    ]
}

fn unicast_bytes(message: unicast::Message) -> Vec<u8> {
    let (reader, _) = party(1);
    let (_, context) = party(2);
    let mut bytes = BytesMut::new();
    let body = nuncio_wire::unicast::encode(message, reader, &context, &mut bytes);
    bytes.extend_from_slice(&body);
    bytes.to_vec()
}

/// The frame that the sender makes of one that came to it from `source`.
fn behind_sender(bytes: &[u8], source: nuncio_identity::NodeId, target: nuncio_identity::NodeId) -> Vec<u8> {
    let (_, context) = party(2);
    let Ok(Some(length_prefixed::Frame::Message { header, body })) =
        length_prefixed::decode(&mut BytesMut::from(bytes))
    else {
        panic!("a frame was made")
    };
    let message = nuncio_wire::unicast::decode(header, body, source, &context).unwrap();
    assert_eq!(message.target, target);
    unicast_bytes(message)
}

fn bridged(message: amop::Message) -> Vec<u8> {
    let (reader, _) = party(1);
    let (_, context) = party(2);
    let mut bytes = BytesMut::new();
    let body = nuncio_wire::amop::encode(message, reader, &context, &mut bytes);
    bytes.extend_from_slice(&body);
    bytes.to_vec()
}

fn records() -> Vec<Seed> {
    let (reader, _) = party(1);
    let (sender, context) = party(2);
    let version = Version { epoch: 3, seq: 4 };
    let own = Status {
        node: sender,
        version,
        addresses: vec![Address::new("127.0.0.1:30300")],
        neighbours: [reader].into(),
        topics: BTreeMap::from([(Topic::new("t1").unwrap(), 2)]),
        name: "node0".into(),
        agency: "agencyA".into(),
        software: "nuncio".into(),
        multicast_topics: BTreeSet::new(),
        revocations: BTreeMap::new(),
        application: "height 7".into(),
        proofs: 3,
        sealing_key: vec![7; 33].into(),
        clock: Duration::from_millis(1234),
    };
    let signed = |own| Arc::new(status::sign_record(own, &[Bytes::from("certificate")], &context));
    let record = signed(own.clone());
    let many = (0..100).map(|n| (Topic::new(&format!("t{n}")).unwrap(), n)).collect();
    let paged = signed(Status { topics: many, ..own.clone() });
    let other = signed(Status { name: "another name".into(), ..own });
    let proof = Equivocation::of(Arc::clone(&record), other).unwrap();
    let protocol = Protocol { highest: 3, features: ["later".to_owned()].into(), ..Protocol::of_this_release() };
    let refused = Verdict { network: "fuzz".into(), max_body: 10 << 20, refusal: Some("denied".into()), protocol };
    let topic = multicast::gossip_topic(Some(&Topic::new("t1").unwrap()));
    vec![
        ("status", "record", record.bytes.to_vec()),
        ("status", "record_with_pages", paged.bytes.to_vec()),
        ("status", "announcement", status::encode_announcement(sender, version, 1)),
        ("status", "query", status::encode_query(&Query::Nodes(vec![(sender, None), (reader, Some(version))]), [])),
        (
            "status",
            "query_all",
            status::encode_query(&Query::All { known: vec![(reader, version)] }, [PageDigest([7; 32])]),
        ),
        ("status", "query_proofs", status::encode_query(&Query::Proofs { held: vec![reader] }, [])),
        ("status", "answer", status::encode_answer(&[Arc::clone(&record)], &HashSet::new(), &[], true)),
        ("status", "answer_proofs", status::encode_answer(&[], &HashSet::new(), &[proof], false)),
        ("gossip", "broadcast", multicast::encode(multicast::BROADCAST, 1, 2, "all".into(), &context)),
        ("gossip", "topic", multicast::encode(&topic, 1, 3, "some".into(), &context)),
        ("gossip", "not_of_these_topics", multicast::encode("nuncio/topic/t2", 1, 4, "few".into(), &context)),
        ("verdict", "refused", refused.encode()[2..].to_vec()),
        ("verdict", "admitted", Verdict { refusal: None, ..refused }.encode()[2..].to_vec()),
        ("verdict", "of_version_1", b"\x0a\x04fuzz\x10\x07".to_vec()),
        ("verdict", "not_a_verdict", vec![0xff; 12]),
        ("verdict", "not_a_range", b"\x20\x03\x28\x02".to_vec()),
    ]
}

fn files() -> Vec<Seed> {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let validity = Validity::days(3650);
    let chain = Authority::init(&at("ca"), "chain", validity).unwrap();
    let agency = chain.agency("agencyA", &at("agency"), validity).unwrap();
    agency.issue(Kind::Node, "node0", &at("node"), validity).unwrap();
    agency.issue(Kind::SdkRsa, "sdk", &at("sdk"), validity).unwrap();
    let read = |name: &str| fs::read(at(name)).unwrap();
    let bundle = fs::read_to_string(at("node/node.crt")).unwrap();
    let certificate = Certificate::from_pem_bundle(&bundle).unwrap().remove(0);
    let crl = agency.revoke(&certificate).unwrap();
    let pkcs8 = NodeKey::from_pem(&key_pem(1)).unwrap().to_pem().as_bytes().to_vec();
    let configuration = "[p2p]\nlisten = \"127.0.0.1:30300\"\npeers = [\"node1:30301\", \"[::1]:30302\"]\n\n[gateway]\nenabled = true\n";
    vec![
        ("certificate_pem", "node", read("node/node.crt")),
        ("certificate_pem", "rsa_v1", read("sdk/sdk.crt")),
        ("certificate_pem", "authority", read("ca/ca.crt")),
        ("certificate_pem", "crl", crl.to_pem().into_bytes()),
        ("certificate_pem", "crl_der", crl.der().to_vec()),
        ("certificate_pem", "certificate_der", certificate.der().to_vec()),
        ("certificate_pem", "not_closed", bundle.as_bytes()[..bundle.len() / 5].to_vec()),
        ("node_key_pem", "pkcs8", pkcs8),
        ("node_key_pem", "sec1", key_pem(1).into_bytes()),
        ("node_key_pem", "not_a_key", bundle.into_bytes()),
        ("config_toml", "defaults", nuncio_daemon::Config::default_text().into_bytes()),
        ("config_toml", "short", configuration.into()),
        ("config_toml", "not_known", b"[p2p]\nlisen = \"127.0.0.1:1\"\n".to_vec()),
    ]
}
