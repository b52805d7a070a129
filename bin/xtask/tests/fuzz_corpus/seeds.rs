//! Inputs made by our own encoders, from which fuzzers start.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use nuncio_audit::{Chain, Entry, Event, Mark, Verifier};
use nuncio_channel_protocol::{
    AmopBody, BlockNotification, Frame, FrameCodec, FrameKind, FrameSeq, HandshakeRequest, Subscription, TopicVerdict,
    TopicVerification,
};
use nuncio_identity::NodeKey;
use nuncio_pki::{
    Certificate, CertificateRequest, InvitationId, JoinToken, KeyFile, RevocationList,
    authority::{Authority, Kind, PrivateKey, Validity},
};
use nuncio_protocol::{
    Topic,
    peering::Address,
    status_sync::{Equivocation, IssuerId, PageDigest, Query, Status, TableDigest, Version},
    trace::TraceParent,
};
use nuncio_wire::{
    announcement,
    multicast::{self, Gossip},
    service, status, trace,
    verdict::{Protocol, Verdict},
};
use tokio_util::codec::Decoder;

use super::{file_messages, streams};
use crate::decoders::{EPOCH, key_pem, party};

pub(super) type Seed = (&'static str, &'static str, Vec<u8>);

/// Target, name and bytes of every seed.
pub(crate) fn all() -> Vec<Seed> {
    let mut seeds = channel();
    seeds.extend(streams::seeds());
    seeds.extend(records());
    seeds.extend(verdicts());
    seeds.extend(services());
    seeds.extend(newcomers());
    seeds.extend(files());
    seeds.extend(file_messages::seeds());
    seeds.extend(web());
    seeds.extend(streams::reports());
    seeds.extend(link_streams());
    seeds
}

/// Whether the decoder that a seed is for accepts it.
pub(crate) fn is_read(target: &str, bytes: &[u8]) -> bool {
    let owned = Bytes::copy_from_slice(bytes);
    let (_, reader) = party(1);
    let text = || str::from_utf8(bytes).unwrap_or_default();
    match target {
        "web_frame" => nuncio_web::is_frame(owned.clone(), true) || nuncio_web::is_frame(owned, false),
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
        "unicast_frame" | "bridge_frame" => streams::is_read(target, bytes),
        "link_streams" => nuncio_transport::hear(bytes),
        "announcement" => announcement::decode(bytes).is_ok_and(|read| read.check(&reader).is_ok()),
        "status" => {
            status::decode_record(owned.clone(), &reader).is_ok()
                || status::decode_query(owned.clone()).is_ok()
                || status::decode_answer(owned.clone()).is_ok()
                || status::decode_revocations_answer(owned).is_ok()
        }
        "trace_report" => {
            trace::decode_report(owned, party(2).0, reader.node()).is_ok()
                || text().parse::<TraceParent>().is_ok()
                || TraceParent::from_bytes(bytes).is_some()
        }
        "service" => service::Request::decode(owned.clone()).is_ok() || service::Answer::decode(owned).is_ok(),
        "enrolment" => service::Enrolment::decode(owned).is_ok(),
        "join_token" => JoinToken::parse(text()).is_ok(),
        "gossip" => [multicast::BROADCAST, "nuncio/topic/t1"]
            .iter()
            .any(|topic| multicast::decode(owned.clone()).is_ok_and(|read| read.check(topic, &reader).is_ok())),
        "verdict" => Verdict::decode(bytes).is_ok(),
        "certificate_pem" => {
            Certificate::from_pem_bundle(bytes).is_ok()
                || RevocationList::from_pem_bundle(bytes).is_ok()
                || Certificate::from_der(bytes.to_vec().into()).is_ok()
                || RevocationList::from_der(bytes).is_ok()
        }
        "file_message" => file_messages::is_read(bytes),
        "audit_log" => {
            let mut verifier = Verifier::new(None);
            verifier.file("log", &mut &*bytes).is_ok() && verifier.finish().is_ok()
        }
        "node_key_pem" => KeyFile::read(bytes).and_then(KeyFile::into_node_key).is_ok(),
        "config_toml" => nuncio_daemon::Config::parse(text(), Path::new("nuncio.toml")).is_ok(),
        other => panic!("no decoder is known for {other}"),
    }
}

fn services() -> Vec<Seed> {
    const SERVICE: &str = "service";
    let key = KeyFile::read(key_pem(5).as_bytes()).and_then(PrivateKey::from_file).unwrap();
    let request = CertificateRequest::create(&key, Kind::Node, "node5").unwrap().der().to_vec();
    let chain = || vec![Bytes::from_static(b"leaf"), Bytes::from_static(b"agency")];
    let renewal = service::Request::Renewal { request: request.into(), chain: chain() };
    let refused = service::Answer::Refused { reason: "asked too often".into() };
    let issuer = service::SdkIssuer { chain: chain(), sessions: 3 };
    let issuers = |count| service::Answer::SdkIssuers { issuers: vec![issuer.clone(); count], others: 1 };
    let offer = service::FileOffer { name: "report.pdf".into(), length: 70_000_000, sha256: [7; 32] };
    let chunk = |bytes| service::FileChunk { transfer: 1 << 51, offset: 1 << 20, data: vec![9; bytes].into() };
    let progress = service::FileProgress { transfer: 3, received: 1 << 20, state: service::FileState::Receiving };
    let long_name = service::FileOffer { name: "n".repeat(256), ..offer };
    let mut later = renewal.encode().to_vec();
    later[0] = 0x7a;
    vec![
        (SERVICE, "renewal", renewal.encode().to_vec()),
        (SERVICE, "renewed", service::Answer::Renewed { chain: chain() }.encode().to_vec()),
        (SERVICE, "refused", refused.encode().to_vec()),
        (SERVICE, "sdk_authorities", service::Request::SdkAuthorities.encode().to_vec()),
        (SERVICE, "sdk_issuers", issuers(2).encode().to_vec()),
        (SERVICE, "not_so_many_issuers", issuers(17).encode().to_vec()),
        (SERVICE, "probe", service::Request::Probe.encode().to_vec()),
        (SERVICE, "probed", service::Answer::Probed.encode().to_vec()),
        (SERVICE, "file_offer", service::Request::FileOffer(offer).encode().to_vec()),
        (SERVICE, "file_chunk", service::Request::FileChunk(chunk(100)).encode().to_vec()),
        (SERVICE, "file_progress", service::Answer::FileProgress(progress).encode().to_vec()),
        (SERVICE, "not_so_long_a_name", service::Request::FileOffer(long_name).encode().to_vec()),
        (SERVICE, "not_a_piece", service::Request::FileChunk(chunk(0)).encode().to_vec()),
        (SERVICE, "not_known_here", later),
        (SERVICE, "not_empty", Vec::new()),
    ]
}

fn newcomers() -> Vec<Seed> {
    const ENROLMENT: &str = "enrolment";
    const TOKEN: &str = "join_token";
    let key = KeyFile::read(key_pem(6).as_bytes()).and_then(PrivateKey::from_file).unwrap();
    let request = CertificateRequest::create(&key, Kind::Node, "node6").unwrap().der().to_vec();
    let brought = |secret: usize| {
        let (secret, request) = (vec![9; secret].into(), request.clone().into());
        service::Enrolment { invitation: [7; 16], secret, request }.encode().to_vec()
    };
    let nameless = service::Enrolment::decode(brought(32).into()).unwrap();
    let mut nameless = nameless.encode().to_vec();
    // The invitation's length is the second byte.
    nameless[1] = 15;
    nameless.remove(2);
    let token = JoinToken {
        id: InvitationId([7; 16]),
        secret: [9; 32].into(),
        root: [1; 32],
        further: Vec::new(),
        agency: "agencyA".to_owned(),
        name: "node6".into(),
        network: "nuncio".into(),
        at: vec!["10.0.0.1:30400".into(), "[::1]:30400".into()],
        peers: vec!["node0.example:30300".into()],
        ends: 2_000_000_000,
    };
    let text = token.to_text().as_bytes().to_vec();
    let crowded = JoinToken { at: vec!["a:1".into(); 9], ..token }.to_text().as_bytes().to_vec();
    let content =
        br#"{"id":"07","secret":"","root":"","agency":"","name":"n","network":"n","at":[],"peers":[],"ends":-1}"#;
    vec![
        (ENROLMENT, "newcomer", brought(32)),
        (ENROLMENT, "no_secret", brought(0)),
        (ENROLMENT, "not_so_long_a_secret", brought(65)),
        (ENROLMENT, "not_an_invitation_of_15_bytes", nameless),
        (TOKEN, "token", text.clone()),
        (TOKEN, "not_whole", text[..text.len() - 3].to_vec()),
        (TOKEN, "not_nine_addresses", crowded),
        (TOKEN, "not_encoded", content.to_vec()),
    ]
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
    let urgent = HandshakeRequest { priorities: true, ..HandshakeRequest::new("fuzz") };
    vec![
        ("amop_body", "hello", body.to_vec()),
        ("amop_body", "not_long_enough", vec![200, b't']),
        ("channel_frame", "unicast", frame(FrameKind::Unicast, body.clone())),
        ("channel_frame", "multicast", frame(FrameKind::Multicast, body)),
        ("channel_frame", "empty", frame(FrameKind::Heartbeat, Bytes::new())),
        ("channel_frame", "not_a_length_of_4_gib", lying),
        ("channel_frame", "not_a_length_of_41", short),
        ("channel_json", "handshake", HandshakeRequest::new("fuzz").encode().to_vec()),
        ("channel_json", "handshake_with_priorities", urgent.encode().to_vec()),
        ("channel_json", "subscription", subscription.encode().to_vec()),
        ("channel_json", "verification", verification.encode().to_vec()),
        ("channel_json", "verdict", verdict.encode().to_vec()),
        ("channel_json", "not_closed", br#"["t1", "#.to_vec()),
        ("channel_json", "not_shallow", b"[".repeat(300)),
    ]
}

fn records() -> Vec<Seed> {
    let (reader, _) = party(1);
    let (sender, context) = party(2);
    let version = Version { epoch: EPOCH, seq: 4 };
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
        takes_batches: true,
        traces: true,
        takes_priorities: true,
        revocations: BTreeMap::new(),
        application: "height 7".into(),
        proofs: 3,
        sealing_key: vec![7; 32].into(),
        issues: false,
        clock: Duration::from_millis(1234),
    };
    let signed = |own| Arc::new(status::sign_record(own, &[Bytes::from("certificate")], &context).unwrap());
    let record = signed(own.clone());
    let many = (0..100).map(|n| (Topic::new(&format!("t{n}")).unwrap(), n)).collect();
    let paged = signed(Status { topics: many, ..own.clone() });
    let other = signed(Status { name: "another name".into(), ..own });
    let proof = Equivocation::of(Arc::clone(&record), other).unwrap();
    let topic = multicast::gossip_topic(Some(&Topic::new("t1").unwrap()));
    let (held, all) = (BTreeMap::from([(IssuerId([5; 32]), 3)]), Query::All { known: vec![(reader, version)] });
    let placed = |topic: &str, body: &'static str, place: Option<u64>| {
        let (sent, lifetime) = (Duration::from_millis(1234), Duration::from_secs(60));
        let gossip = Gossip { origin: sender, epoch: EPOCH, number: 2, sent, lifetime, body: body.into(), place };
        multicast::encode(topic, gossip, &context).unwrap()
    };
    let gossip = |topic: &str, body: &'static str| placed(topic, body, None);
    let mut signed_by_nobody = announcement::encode(version, Duration::ZERO, &context).unwrap();
    *signed_by_nobody.last_mut().unwrap() ^= 1;
    vec![
        ("status", "record", record.bytes.to_vec()),
        ("announcement", "own", announcement::encode(version, Duration::from_millis(1234), &context).unwrap()),
        ("announcement", "not_signed", signed_by_nobody),
        ("status", "record_with_pages", paged.bytes.to_vec()),
        ("status", "query", status::encode_query(&Query::Nodes(vec![(sender, None), (reader, Some(version))]), [])),
        ("status", "query_all", status::encode_query(&all, [PageDigest([7; 32])])),
        ("status", "query_proofs", status::encode_query(&Query::Proofs { held: vec![reader] }, [])),
        ("status", "query_same", status::encode_query(&Query::Same { digest: TableDigest::from_bytes([7; 16]) }, [])),
        ("status", "answer", status::encode_answer(&[Arc::clone(&record)], &HashSet::new(), &[], true)),
        ("status", "answer_proofs", status::encode_answer(&[], &HashSet::new(), &[proof], false)),
        ("status", "query_revocations", status::encode_query(&Query::Revocations { held }, [])),
        ("status", "answer_revocations", status::encode_revocations_answer(&["list".into()], &["agency".into()])),
        ("status", "not_an_answer", vec![0xff; 12]),
        ("gossip", "broadcast", gossip(multicast::BROADCAST, "all")),
        ("gossip", "numbered", placed(multicast::BROADCAST, "all", Some(7))),
        ("gossip", "topic", gossip(&topic, "some")),
        ("gossip", "not_of_these_topics", gossip("nuncio/topic/t2", "few")),
    ]
}

/// Heads of frames, and behind those of data (1) the data.
fn link_streams() -> Vec<Seed> {
    let head = |kind: u8, amount: u8, stream: u8| [kind, 0, 0, amount, 0, 0, 0, stream];
    let seed = |name, parts: &[&[u8]]| ("link_streams", name, parts.concat());
    let (open, data) = ([head(0, 0, 1), head(0, 0, 3)].concat(), [&head(1, 5, 3)[..], b"hello"].concat());
    vec![
        seed("a_stream", &[&open, &data, &head(3, 0, 3)]),
        seed("ends", &[&open, &data, &head(4, 0, 1), &head(3, 0, 3)]),
        seed("credit", &[&open, &head(2, 200, 1), &data, &head(2, 1, 3)]),
        seed("not_a_kind", &[&open, &head(9, 0, 1)]),
        seed("not_its_number", &[&head(0, 0, 2)]),
        seed("not_open", &[&data]),
    ]
}

fn verdicts() -> Vec<Seed> {
    let protocol = Protocol { highest: 3, features: ["later".to_owned()].into(), ..Protocol::of_this_release() };
    let refused = Verdict { network: "fuzz".into(), max_body: 10 << 20, refusal: Some("denied".into()), protocol };
    vec![
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
    let pkcs8 = KeyFile::read(key_pem(1).as_bytes()).unwrap().into_node_key().unwrap().to_pem().as_bytes().to_vec();
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
        ("audit_log", "sealed", audit_log().into_bytes()),
        ("audit_log", "not_whole", audit_log().replace("stopped", "started").into_bytes()),
        ("config_toml", "defaults", nuncio_daemon::Config::default_text().into_bytes()),
        ("config_toml", "short", configuration.into()),
        ("config_toml", "not_known", b"[p2p]\nlisen = \"127.0.0.1:1\"\n".to_vec()),
    ]
}

/// A run of a node that stopped: three lines.
fn audit_log() -> String {
    let (key, now) = (NodeKey::from_secret_bytes(&[1; 32]).unwrap(), jiff::Timestamp::UNIX_EPOCH);
    let (mut chain, opened) = (Chain::default(), Mark::Opened { node: key.node_id(), version: "1".into() });
    let lines = [
        chain.append(now, &Entry::Mark(opened)),
        chain.append(now, &Entry::Event(&Event::Stopped)),
        chain.seal(now, &key.into()).unwrap(),
    ];
    lines.concat()
}

/// Frames of web clients, in both forms.
fn web() -> Vec<Seed> {
    let request = "0123456789abcdef0123456789abcdef";
    let respond =
        format!(r#"{{"type":"respond","id":4,"request":"{request}","code":17,"data":"AP8=","encoding":"base64"}}"#);
    let binary = |verb: u8, rest: &[u8]| [&[verb, 0, 0, 0, 0, 0, 0, 0, 7][..], rest].concat();
    vec![
        ("web_frame", "subscribe", br#"{"type":"subscribe","id":1,"topics":["a","b"]}"#.to_vec()),
        ("web_frame", "publish", br#"{"type":"publish","id":2,"topic":"a","data":"\u00e9\n"}"#.to_vec()),
        ("web_frame", "respond", respond.into_bytes()),
        ("web_frame", "token", br#"{"type":"token","token":"nuncio_00"}"#.to_vec()),
        ("web_frame", "binary_subscribe", binary(1, b"\x01a\x01b")),
        ("web_frame", "binary_publish", binary(3, b"\x01a\x00\xff")),
        ("web_frame", "binary_publish_as", binary(8, b"\x01\x01adata")),
        ("web_frame", "binary_respond", binary(5, &[request.as_bytes(), b"\0\0\0\x11data"].concat())),
        ("web_frame", "not_shallow", b"[".repeat(300)),
        ("web_frame", "not_as_long_as_it_says", binary(3, b"\x09a")),
    ]
}
