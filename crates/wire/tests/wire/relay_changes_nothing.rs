//! A relay drops what it does not pass on, and can do nothing else to it.

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::NodeKey;
use nuncio_protocol::{
    Header, MAX_BODY, Topic,
    amop::{self, Destination, Multicast, Post, PublishSeq, ResultCode, SealedPost, TenantId},
    unicast::{self, Content, Refusal},
};
use nuncio_wire::{
    DecodeError,
    amop::{Frame, MAX_DESTINATIONS},
};

use super::party::{Party, bridge_over, header, lone, meet, parties, passed_on, unicast_frame, unicast_over};

pub(super) fn request(source: &Party, target: &Party, body: &'static str) -> unicast::Message {
    unicast::Message { header: header(source, target), content: Content::Request { body: body.into() } }
}

pub(super) fn publish(source: &Party, target: &Party) -> amop::Message {
    let (topic, data) = (Topic::new("t1").unwrap(), Bytes::from("hello"));
    amop::Message {
        header: header(source, target),
        content: amop::Content::Publish { message: 5, topic, tenant: None, data },
    }
}

pub(super) fn multicast_to(source: &Party, destinations: &[&Party]) -> Multicast {
    let topic = Topic::new("t1").unwrap();
    let destination = |party: &&Party| Destination { node: party.node, key: Bytes::new() };
    Multicast {
        source: source.node,
        epoch: source.epoch,
        number: 1,
        sent: Duration::from_millis(1234),
        lifetime: Duration::from_secs(5),
        hops_left: 15,
        destinations: destinations.iter().map(destination).collect(),
        priority: Default::default(),
        post: Some(Post { seq: PublishSeq([3; 32]), topic, tenant: Some(TenantId(9)), data: "hey all".into() }),
        sealed: None,
    }
}

pub(super) fn multicast_over(multicast: Multicast, from: &Party, to: &Party) -> Result<Multicast, DecodeError> {
    match bridge_over(Frame::Multicast(multicast), from, to)? {
        Frame::Multicast(multicast) => Ok(multicast),
        other => panic!("a multicast, not {other:?}"),
    }
}

/// A header that differs in one thing each.
fn forged(good: Header, other: &Party) -> Vec<Header> {
    vec![
        Header { source: other.node, source_epoch: other.epoch, ..good },
        Header { source_epoch: good.source_epoch + 1, ..good },
        Header { target_epoch: good.target_epoch + 1, ..good },
        Header { number: good.number + 1, ..good },
        Header { sent: good.sent + Duration::from_millis(1), ..good },
        Header { lifetime: good.lifetime + Duration::from_millis(1), ..good },
    ]
}

fn changed(bytes: &Bytes, place: usize) -> Bytes {
    let mut changed = bytes.to_vec();
    changed[place] ^= 1;
    changed.into()
}

#[test]
fn what_is_relayed_stays_sealed_on_the_way_and_is_passed_on_byte_for_byte() {
    let [a, relay, second, b] = parties();
    let (header, body) = unicast_frame(request(&a, &b, "hello"), &a, &relay).unwrap();
    let at_relay = nuncio_wire::unicast::decode(header, body.clone(), a.node, &relay.context).unwrap();
    assert_eq!(at_relay.content, Content::Sealed { asks: true, bytes: body.clone() });
    let (header, passed) = unicast_frame(at_relay, &relay, &second).unwrap();
    assert_eq!(passed, body);
    let at_second = nuncio_wire::unicast::decode(header, passed, relay.node, &second.context).unwrap();
    assert_eq!(unicast_over(at_second, &second, &b), Ok(request(&a, &b, "hello")));
}

#[test]
fn a_relay_can_change_nothing_that_matters_of_a_unicast() {
    let [a, relay, b, other] = parties();
    let at_relay = unicast_over(request(&a, &b, "hello"), &a, &relay).unwrap();
    let Content::Sealed { bytes, .. } = &at_relay.content else { panic!("sealed") };
    let good = unicast::Message { header: passed_on(at_relay.header), ..at_relay.clone() };
    assert!(unicast_over(good, &relay, &b).is_ok(), "hops change");
    for header in forged(at_relay.header, &other) {
        let arrived = unicast_over(unicast::Message { header, ..at_relay.clone() }, &relay, &b);
        // Of an epoch in which the source is not known to be, nothing is opened, and so nothing believed.
        let is_refused = arrived == Err(DecodeError::Seal { node: header.source });
        let is_closed = matches!(arrived, Ok(unicast::Message { content: Content::Sealed { .. }, .. }));
        assert!(is_refused || (is_closed && header.source_epoch != a.epoch && header.source == a.node), "{arrived:?}");
    }
    let sealed = |asks, bytes| Content::Sealed { asks, bytes };
    let contents = [0, 8, bytes.len() - 1].map(|place| sealed(true, changed(bytes, place)));
    for content in contents.into_iter().chain([sealed(false, bytes.clone()), sealed(true, bytes.slice(1..))]) {
        let forged = unicast::Message { content, ..at_relay.clone() };
        assert_eq!(unicast_over(forged, &relay, &b), Err(DecodeError::Seal { node: a.node }));
    }
    // Meant for one node, it opens at no other.
    let header = Header { target: other.node, target_epoch: other.epoch, ..at_relay.header };
    let redirected = unicast::Message { header, ..at_relay };
    assert_eq!(unicast_over(redirected, &relay, &other), Err(DecodeError::Seal { node: a.node }));
}

#[test]
fn a_relay_can_change_nothing_that_matters_of_a_publish_nor_move_it_to_another_stream() {
    let [a, relay, b, other] = parties();
    let over = |message, from, to| match bridge_over(Frame::Message(message), from, to)? {
        Frame::Message(message) => Ok(message),
        other => panic!("a message, not {other:?}"),
    };
    let at_relay = over(publish(&a, &b), &a, &relay).unwrap();
    let amop::Content::Sealed { asks: true, bytes } = &at_relay.content else { panic!("a sealed publish") };
    for header in forged(at_relay.header, &other) {
        let arrived = over(amop::Message { header, ..at_relay.clone() }, &relay, &b);
        let is_closed = matches!(arrived, Ok(amop::Message { content: amop::Content::Sealed { .. }, .. }));
        assert!(arrived.is_err() || (is_closed && header.source == a.node), "{arrived:?}");
    }
    let as_result = amop::Content::Sealed { asks: false, bytes: bytes.clone() };
    let as_result = amop::Message { content: as_result, ..at_relay.clone() };
    assert_eq!(over(as_result, &relay, &b), Err(DecodeError::Seal { node: a.node }));
    let content = Content::Sealed { asks: true, bytes: bytes.clone() };
    let as_unicast = unicast::Message { header: at_relay.header, content };
    assert_eq!(unicast_over(as_unicast, &relay, &b), Err(DecodeError::Seal { node: a.node }));
    assert_eq!(over(at_relay, &relay, &b), Ok(publish(&a, &b)));
}

#[test]
fn a_multicast_may_be_split_by_relays_but_not_changed() {
    let [a, relay, b, far] = parties();
    let sent = multicast_to(&a, &[&relay, &b, &far]);
    let at_relay = multicast_over(sent.clone(), &a, &relay).unwrap();
    assert_eq!(at_relay.post, sent.post);
    let only = |number: usize| vec![at_relay.destinations[number].clone()];
    let part = Multicast { destinations: only(1), hops_left: 14, ..at_relay.clone() };
    assert_eq!(multicast_over(part.clone(), &relay, &b), Ok(part.clone()));

    let sealed = part.sealed.clone().unwrap();
    for tenant in [changed(&sealed.tenant, 3), Bytes::new(), Bytes::from_static(&[7; 8])] {
        let unnamed = Multicast { sealed: Some(SealedPost { tenant, ..sealed.clone() }), ..part.clone() };
        let arrived = multicast_over(unnamed, &relay, &b).unwrap();
        assert_eq!(
            arrived.post,
            sent.post.clone().map(|post| Post { tenant: None, ..post }),
            "who has no key names nobody"
        );
    }
    let too_long = SealedPost { tenant: Bytes::from_static(&[7; 25]), ..sealed.clone() };
    multicast_over(Multicast { sealed: Some(too_long), ..part.clone() }, &relay, &b).expect_err("it is bounded");
    let bytes = changed(&sealed.bytes, 40);
    let forgeries = [
        Multicast { sealed: Some(SealedPost { bytes, ..sealed }), ..part.clone() },
        Multicast { source: relay.node, ..part.clone() },
        Multicast { epoch: 1, ..part.clone() },
        Multicast { number: 2, ..part.clone() },
        Multicast { sent: Duration::ZERO, ..part.clone() },
        Multicast { lifetime: Duration::from_secs(50), ..part.clone() },
    ];
    for forged in forgeries {
        let node = forged.source;
        assert_eq!(multicast_over(forged, &relay, &b), Err(DecodeError::Signature { node }));
    }
    // Another's key, or a changed one, opens nothing.
    for key in [at_relay.destinations[2].key.clone(), changed(&part.destinations[0].key, 20), Bytes::new()] {
        let destinations = vec![Destination { node: b.node, key }];
        let forged = Multicast { destinations, ..part.clone() };
        assert_eq!(multicast_over(forged, &relay, &b), Err(DecodeError::Seal { node: a.node }));
    }
}

#[test]
fn in_clear_a_neighbour_speaks_for_itself_and_to_its_neighbour_only() {
    let [a, relay, b, other] = parties();
    let failure = |source, target| {
        let content = Content::Failure { refusal: Refusal::Denied };
        unicast::Message { content, ..request(source, target, "") }
    };
    // A relay encodes what is not its own as it is: here, what it has made up.
    for message in [request(&a, &b, "hello"), failure(&a, &b)] {
        assert_eq!(unicast_over(message, &relay, &b), Err(DecodeError::Seal { node: a.node }));
    }
    let code = ResultCode(0);
    let result = amop::Content::Result { code, data: Bytes::new() };
    for message in [publish(&a, &b), amop::Message { content: result, ..publish(&a, &b) }] {
        let arrived = bridge_over(Frame::Message(message), &relay, &b);
        assert_eq!(arrived, Err(DecodeError::Seal { node: a.node }));
    }
    // In clear for the relay, but read by another.
    let (header, body) = unicast_frame(failure(&other, &b), &a, &relay).unwrap();
    let read = nuncio_wire::unicast::decode(header, body, other.node, &relay.context);
    assert_eq!(read, Err(DecodeError::Seal { node: other.node }));
    let (source, destination) = (multicast_to(&a, &[&b]), multicast_to(&a, &[&b]));
    let (header, body) = super::party::bridge_frame(Frame::Multicast(source), &a, &b).unwrap();
    let read = nuncio_wire::amop::decode_frame(header, body, a.node, &other.context);
    assert_eq!(read, Err(DecodeError::Signature { node: a.node }), "it is not for {destination:?}");
}

#[test]
fn a_seal_holds_in_its_own_network_only() {
    let [relay, b] = parties();
    let elsewhere = lone(5, "other");
    meet(&elsewhere, &b);
    meet(&elsewhere, &relay);
    let at_relay = unicast_over(request(&elsewhere, &b, "hello"), &elsewhere, &relay).unwrap();
    assert_eq!(unicast_over(at_relay, &relay, &b), Err(DecodeError::Seal { node: elsewhere.node }));
    let cast = multicast_over(multicast_to(&elsewhere, &[&relay, &b]), &elsewhere, &relay);
    assert_eq!(cast, Err(DecodeError::Signature { node: elsewhere.node }));
}

#[test]
fn what_came_before_its_sources_key_is_opened_when_the_key_is_there() {
    let [a, relay] = parties();
    let b = lone(3, "test");
    meet(&relay, &b);
    a.context.keyring().learn(b.node, b.epoch, &b.context.keyring().public());
    let closed = unicast_over(unicast_over(request(&a, &b, "hello"), &a, &relay).unwrap(), &relay, &b).unwrap();
    assert!(matches!(closed.content, Content::Sealed { asks: true, .. }));
    assert_eq!(nuncio_wire::unicast::open(closed.clone(), &b.context), Ok(closed.clone()), "still without the key");
    let over = |frame: Frame| bridge_over(bridge_over(frame, &a, &relay).unwrap(), &relay, &b).unwrap();
    let Frame::Message(bridged) = over(Frame::Message(publish(&a, &b))) else { panic!("a message") };
    let Frame::Multicast(cast) = over(Frame::Multicast(multicast_to(&a, &[&b]))) else { panic!("a multicast") };
    assert_eq!(cast.post, None);

    b.context.keyring().learn(a.node, a.epoch, &a.context.keyring().public());
    assert_eq!(nuncio_wire::unicast::open(closed, &b.context), Ok(request(&a, &b, "hello")));
    assert_eq!(nuncio_wire::amop::open(bridged, &b.context), Ok(publish(&a, &b)));
    let opened = nuncio_wire::amop::open_multicast(cast, &b.context).unwrap();
    assert_eq!(opened.post, multicast_to(&a, &[&b]).post);
}

#[test]
fn what_cannot_be_sealed_is_not_sent() {
    let [a, relay] = parties();
    let stranger = lone(3, "test");
    assert_eq!(unicast_frame(request(&a, &stranger, "hello"), &a, &relay), None);
    let frames = [Frame::Message(publish(&a, &stranger)), Frame::Multicast(multicast_to(&a, &[&stranger]))];
    for frame in frames {
        assert_eq!(super::party::bridge_frame(frame, &a, &relay), None);
    }
    // Of several, those remain that have a key.
    let cast = multicast_over(multicast_to(&a, &[&stranger, &relay]), &a, &relay).unwrap();
    assert_eq!(cast.destinations.iter().map(|to| to.node).collect::<Vec<_>>(), [relay.node]);
}

#[test]
fn the_longest_list_of_destinations_fits_a_header_at_every_relay_and_a_longer_one_is_refused() {
    let [a, relay, second, b] = parties();
    let at_relay = multicast_over(multicast_to(&a, &[&b]), &a, &relay).unwrap();
    let with = |destinations| Multicast { destinations, ..at_relay.clone() };
    let [one] = &at_relay.destinations[..] else { panic!("one destination") };
    let to_another = || Destination { node: NodeKey::generate().node_id(), ..one.clone() };
    let many: Vec<_> = std::iter::repeat_with(to_another).take(MAX_DESTINATIONS + 1).collect();
    let longest = with(many[1..].to_vec());
    assert_eq!(multicast_over(longest.clone(), &relay, &second), Ok(longest));
    let longer = with(many);
    let many = DecodeError::TooMany { what: "destinations", count: MAX_DESTINATIONS + 1, limit: MAX_DESTINATIONS };
    assert_eq!(multicast_over(longer, &relay, &second), Err(many));
    let key = [&one.key[..], &[0]].concat().into();
    let wide = with(vec![Destination { key, ..one.clone() }]);
    assert_eq!(multicast_over(wide, &relay, &second), Err(DecodeError::Field { field: "key" }));
}

/// Each would have whoever passes it on make a copy. Their list nobody has signed: a relay that passes both on is not to blame.
#[test]
fn a_list_that_names_a_destination_twice_counts_once() {
    let [a, relay, b, c] = parties();
    let at_relay = multicast_over(multicast_to(&a, &[&b, &c]), &a, &relay).unwrap();
    let mut destinations = at_relay.destinations.clone();
    destinations.push(Destination { key: Bytes::new(), ..destinations[0].clone() });
    let twice = Multicast { destinations, ..at_relay.clone() };
    assert_eq!(multicast_over(twice.clone(), &relay, &c), multicast_over(at_relay.clone(), &relay, &c));
    assert_eq!(multicast_over(twice, &a, &relay), Ok(at_relay), "as any relay takes it");
}

/// Who relays cannot look into what is sealed, and is not to blame for it.
#[test]
fn nonsense_under_a_seal_is_told_to_be_its_sources() {
    let [a, relay, b] = parties();
    let too_long = || Bytes::from(vec![0; MAX_BODY + 1]);
    let is_its = |error: DecodeError| matches!(error, DecodeError::Sealed { node, .. } if node == a.node);
    for content in [Content::Request { body: too_long() }, Content::ServiceRequest { body: too_long() }] {
        let message = unicast::Message { header: header(&a, &b), content };
        let at_relay = unicast_over(message, &a, &relay).expect("a relay does not look into it");
        assert!(is_its(unicast_over(at_relay, &relay, &b).unwrap_err()));
    }
    let mut message = publish(&a, &b);
    message.content =
        amop::Content::Publish { message: 5, topic: Topic::new("t1").unwrap(), tenant: None, data: too_long() };
    let at_relay = bridge_over(Frame::Message(message), &a, &relay).expect("a relay does not look into it");
    assert!(is_its(bridge_over(at_relay, &relay, &b).unwrap_err()));
    let mut multicast = multicast_to(&a, &[&b]);
    multicast.post = multicast.post.map(|post| Post { data: too_long(), ..post });
    let at_relay = multicast_over(multicast, &a, &relay).expect("a relay does not look into it");
    assert!(is_its(multicast_over(at_relay, &relay, &b).unwrap_err()));
}

#[test]
fn copies_of_a_relayed_message_are_known_by_their_seal() {
    let [a, relay, second, b] = parties();
    let once = unicast_over(request(&a, &b, "hello"), &a, &relay).unwrap();
    let again = unicast_over(request(&a, &b, "hello"), &a, &relay).unwrap();
    assert_ne!(once.header.seal.0, again.header.seal.0, "sealed anew");
    let seal = once.header.seal.0;
    let further = unicast_over(once, &relay, &second).unwrap();
    assert_eq!(further.header.seal.0, seal, "the same all the way");
    assert_eq!(unicast_over(further, &second, &b).unwrap().header.seal.0, seal, "and where it is opened");
    let bridged = bridge_over(Frame::Message(publish(&a, &b)), &a, &relay).unwrap();
    assert!(matches!(bridged, Frame::Message(message) if message.header.seal.0 != 0));
    assert_eq!(unicast_over(request(&a, &b, "hello"), &a, &b).unwrap().header.seal.0, 0, "a link of their own");
}
