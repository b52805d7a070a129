//! For every value: what is encoded is read back as it was. For all bytes: no decoder panics.

use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
use nuncio_identity::NodeId;
use nuncio_protocol::{
    amop::{self, Destination, Multicast},
    status_sync::{Equivocation, Status},
    unicast,
};
use nuncio_wire::{
    amop::Frame,
    announcement, length_prefixed, multicast, service,
    status::{self, EncodedAnswer, RevocationsAnswer},
    trace,
    verdict::Verdict,
};
use proptest::{collection, prelude::*, sample};

use super::{
    party::{Party, bridge_frame, bridge_over, cut, parties, passed_on, unicast_frame, unicast_over},
    values::{self, Place},
};

/// Source, relay and target.
static THREE: LazyLock<[Party; 3]> = LazyLock::new(parties);

fn place(party: &Party) -> Place {
    (party.node, party.epoch)
}

fn nodes() -> Vec<NodeId> {
    THREE.iter().map(|party| party.node).collect()
}

fn ends() -> (Place, Place) {
    (place(&THREE[0]), place(&THREE[2]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_changed_record_is_refused_or_says_the_same(
        bits in 1_u8..,
        at in any::<sample::Index>(),
        put in collection::vec(any::<u8>(), 0..20),
        cut in 0..20_usize,
    ) {
        let [a, _, b] = &*THREE;
        let chain = [Bytes::from_static(b"the leaf"), Bytes::from_static(b"the agency")];
        let record = status::sign_record(super::status_sync::empty(a.node), &chain, &a.context).unwrap();
        let good = status::decode_record(record.bytes.clone(), &b.context).unwrap();
        let at = at.index(record.bytes.len());
        let mut flipped = record.bytes.to_vec();
        flipped[at] ^= bits;
        let end = record.bytes.len().min(at + cut);
        let spliced = [&record.bytes[..at], &put, &record.bytes[end..]].concat();
        for changed in [flipped, spliced, record.bytes[..at].to_vec(), record.bytes.repeat(2)] {
            // What frames the signed part can be written in more than one way.
            if let Ok((read, behind)) = status::decode_record(changed.into(), &b.context) {
                prop_assert_eq!((&read.status, &behind), (&good.0.status, &good.1));
            }
        }
    }

    #[test]
    fn a_unicast_comes_as_it_was_over_a_link_and_over_two(sent in values::unicast(ends().0, ends().1)) {
        let [a, relay, b] = &*THREE;
        prop_assert_eq!(&unicast_over(sent.clone(), a, b), &Ok(sent.clone()));
        let at_relay = unicast_over(sent.clone(), a, relay).unwrap();
        let asks = sent.content.asks();
        prop_assert_eq!(at_relay.header, sent.header);
        let is_sealed = matches!(at_relay.content, unicast::Content::Sealed { asks: read, .. } if read == asks);
        prop_assert!(is_sealed, "{:?}", at_relay);
        let passed = unicast::Message { header: passed_on_if_it_may(sent.header), ..at_relay };
        let arrived = unicast::Message { header: passed.header, content: sent.content };
        prop_assert_eq!(unicast_over(passed, relay, b), Ok(arrived));
    }

    #[test]
    fn a_message_of_any_priority_comes_as_it_was_over_a_link_and_over_two(sent in values::prioritised(ends().0, ends().1)) {
        let [a, relay, b] = &*THREE;
        prop_assert_eq!(&unicast_over(sent.clone(), a, b), &Ok(sent.clone()));
        let at_relay = unicast_over(sent.clone(), a, relay).unwrap();
        prop_assert_eq!(at_relay.header, sent.header);
        let passed = unicast::Message { header: passed_on_if_it_may(sent.header), ..at_relay };
        let arrived = unicast::Message { header: passed.header, content: sent.content };
        prop_assert_eq!(unicast_over(passed, relay, b), Ok(arrived));
    }

    #[test]
    fn a_traced_request_and_a_report_come_as_they_were_over_a_link_and_over_two(
        sent in values::traced(ends().0, ends().1),
        report in values::report(nodes()[0], nodes()[2], nodes()),
    ) {
        let [a, relay, b] = &*THREE;
        let signed = trace::sign(report, &a.context).unwrap();
        prop_assert_eq!(trace::check(&signed, &b.context), Ok(()));
        let header = nuncio_protocol::Header { trace: Default::default(), ..sent.header };
        let report = unicast::Message { header, content: unicast::Content::Report(Box::new(signed)) };
        for sent in [sent, report] {
            prop_assert_eq!(&unicast_over(sent.clone(), a, b), &Ok(sent.clone()));
            let at_relay = unicast_over(sent.clone(), a, relay).unwrap();
            let passed = unicast::Message { header: passed_on_if_it_may(at_relay.header), ..at_relay };
            let header = nuncio_protocol::Header { trace: sent.header.trace, ..passed.header };
            prop_assert_eq!(unicast_over(passed, relay, b), Ok(unicast::Message { header, content: sent.content }));
        }
    }

    #[test]
    fn what_nodes_ask_each_other_themselves_comes_as_it_was(asked in values::service_request(), answer in values::service_answer()) {
        prop_assert_eq!(service::Request::decode(asked.encode()), Ok(asked));
        prop_assert_eq!(service::Answer::decode(answer.encode()), Ok(answer));
    }

    #[test]
    fn below_whom_sdks_stand_comes_as_it_was(answer in values::sdk_issuers()) {
        prop_assert_eq!(service::Answer::decode(answer.encode()), Ok(answer));
        let asked = service::Request::SdkAuthorities;
        prop_assert_eq!(service::Request::decode(asked.encode()), Ok(asked));
    }

    #[test]
    fn files_and_how_far_they_are_come_as_they_were(asked in values::file_request(), answer in values::file_progress()) {
        prop_assert_eq!(service::Request::decode(asked.encode()), Ok(asked));
        prop_assert_eq!(service::Answer::decode(answer.encode()), Ok(answer));
    }

    #[test]
    fn what_a_newcomer_brings_comes_as_it_was(sent in values::enrolment()) {
        prop_assert_eq!(service::Enrolment::decode(sent.encode()), Ok(sent));
    }

    #[test]
    fn a_word_about_a_link_comes_as_it_was(sent in values::word()) {
        let [a, _, b] = &*THREE;
        let mut head = BytesMut::new();
        let body = nuncio_wire::unicast::encode_frame(sent.clone(), b.node, &a.context, &mut head).unwrap();
        let (header, body) = cut(head, &body);
        prop_assert_eq!(nuncio_wire::unicast::decode_frame(header, body, a.node, &b.context), Ok(sent));
    }

    #[test]
    fn a_bridge_message_comes_as_it_was_over_a_link_and_over_two(sent in values::amop_named(ends().0, ends().1)) {
        let [a, relay, b] = &*THREE;
        let over = |message, from, to| match bridge_over(Frame::Message(message), from, to) {
            Ok(Frame::Message(message)) => message,
            other => panic!("a message, not {other:?}"),
        };
        prop_assert_eq!(&over(sent.clone(), a, b), &sent);
        let at_relay = over(sent.clone(), a, relay);
        prop_assert_eq!(at_relay.header, sent.header);
        let asks = matches!(sent.content, amop::Content::Publish { .. });
        let is_sealed = matches!(at_relay.content, amop::Content::Sealed { asks: read, .. } if read == asks);
        prop_assert!(is_sealed, "{:?}", at_relay);
        let passed = amop::Message { header: passed_on_if_it_may(sent.header), ..at_relay };
        let arrived = amop::Message { header: passed.header, content: sent.content };
        prop_assert_eq!(over(passed, relay, b), arrived);
    }

    #[test]
    fn a_multicast_comes_as_it_was_over_a_link(sent in values::multicast_named(ends().0, vec![ends().1.0])) {
        let [a, _, b] = &*THREE;
        prop_assert_eq!(bridge_over(Frame::Multicast(sent.clone()), a, b), Ok(Frame::Multicast(sent)));
    }

    #[test]
    fn a_multicast_to_many_says_the_same_to_each(sent in values::multicast_named(ends().0, nodes()[1..].to_vec())) {
        let [a, relay, b] = &*THREE;
        let over = |multicast, from, to| match bridge_over(Frame::Multicast(multicast), from, to) {
            Ok(Frame::Multicast(multicast)) => multicast,
            other => panic!("a multicast, not {other:?}"),
        };
        let at_relay = over(sent.clone(), a, relay);
        prop_assert_eq!(&at_relay.post, &sent.post, "the relay is one of those it is for");
        let rest: Vec<Destination> = at_relay.destinations[1..].to_vec();
        let passed = Multicast { destinations: rest, post: None, ..at_relay };
        let arrived = Multicast { post: sent.post, ..passed.clone() };
        prop_assert_eq!(over(passed, relay, b), arrived);
    }

    #[test]
    fn a_batch_and_a_question_come_as_they_were_over_a_link_and_over_two(
        batch in values::batch(ends().0, nodes()[1..].to_vec()),
        wanted in values::wanted(ends().0.0, ends().1),
    ) {
        let [a, relay, b] = &*THREE;
        for sent in [Frame::Batch(batch), Frame::Wanted(wanted)] {
            let at_relay = bridge_over(sent.clone(), a, relay).unwrap();
            prop_assert_eq!(&at_relay, &sent);
            prop_assert_eq!(bridge_over(at_relay, relay, b), Ok(sent));
        }
    }

    #[test]
    fn gossip_comes_as_it_was(sent in values::gossip(ends().0), topic in values::topic()) {
        let [a, _, b] = &*THREE;
        for topic in [multicast::gossip_topic(Some(&topic)), multicast::gossip_topic(None)] {
            let bytes = multicast::encode(&topic, sent.clone(), &a.context).unwrap();
            prop_assert!(bytes.len() <= sent.body.len() + multicast::MAX_OVERHEAD);
            let read = multicast::decode(bytes.into()).unwrap();
            prop_assert_eq!(read.stamp().origin, a.node);
            prop_assert_eq!(read.check(&topic, &b.context), Ok(sent.clone()));
        }
    }

    #[test]
    fn an_announcement_comes_as_it_was(version in values::version(), clock: u32) {
        let [a, _, b] = &*THREE;
        let clock = std::time::Duration::from_millis(clock.into());
        let read = announcement::decode(&announcement::encode(version, clock, &a.context).unwrap()).unwrap();
        prop_assert_eq!(read.says().node, a.node);
        let sent = announcement::Announcement { node: a.node, version, clock };
        prop_assert_eq!(read.check(&b.context), Ok(sent));
    }

    #[test]
    fn a_record_comes_as_it_was_alone_and_in_an_answer(
        status in values::status(nodes()[0], nodes()),
        chain in collection::vec(values::bytes(100), 0..=status::MAX_CHAIN),
        more: bool,
    ) {
        let [a, _, b] = &*THREE;
        let record = status::sign_record(status.clone(), &chain, &a.context).unwrap();
        prop_assert_eq!(&record.status, &status);
        prop_assert_eq!(&status::decode_record(record.bytes.clone(), &b.context).unwrap(), &(record.clone(), chain));
        let other = status::sign_record(Status { proofs: !status.proofs, ..status }, &[], &a.context).unwrap();
        let (first, second) = (record.bytes.clone(), other.bytes.clone());
        let (record, other) = (Arc::new(record), Arc::new(other));
        let proof = Equivocation::of(Arc::clone(&record), other).unwrap();
        let answer = status::encode_answer(&[record], &std::collections::HashSet::new(), &[proof], more);
        let read = EncodedAnswer { records: vec![first.clone()], proofs: vec![[first, second]], more };
        prop_assert_eq!(status::decode_answer(answer.into()), Ok(read));
    }

    #[test]
    fn a_query_comes_as_it_was(query in values::query(nodes())) {
        prop_assert_eq!(status::decode_query(status::encode_query(&query, []).into()), Ok((query, [].into())));
    }

    #[test]
    fn revocation_lists_come_as_they_were(
        lists in collection::vec(values::bytes(100), 0..=64),
        agencies in collection::vec(values::bytes(100), 0..=64),
    ) {
        let bytes = status::encode_revocations_answer(&lists, &agencies);
        prop_assert_eq!(status::decode_revocations_answer(bytes.into()), Ok(RevocationsAnswer { lists, agencies }));
    }

    #[test]
    fn a_verdict_comes_as_it_was(verdict in values::verdict()) {
        prop_assert_eq!(Verdict::decode(&verdict.encode()[2..]), Ok(verdict));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in values::bytes(300), body in values::bytes(100)) {
        decode_by_all(&bytes, &body);
    }

    #[test]
    fn no_change_of_a_good_frame_makes_a_decoder_panic(
        unicast in values::unicast(ends().0, ends().1),
        amop in values::amop_named(ends().0, ends().1),
        multicast in values::multicast_named(ends().0, nodes()[1..].to_vec()),
        status in values::status(nodes()[0], nodes()),
        place: prop::sample::Index,
        change: u8,
        is_cut: bool,
    ) {
        let [a, relay, b] = &*THREE;
        let record = status::sign_record(status, &[], &a.context).unwrap().bytes;
        let mut frames = vec![(record, Bytes::new())];
        for to in [relay, b] {
            frames.extend(unicast_frame(unicast.clone(), a, to));
            frames.extend(bridge_frame(Frame::Message(amop.clone()), a, to));
            frames.extend(bridge_frame(Frame::Multicast(multicast.clone()), a, to));
        }
        for (header, body) in frames {
            let mut changed = header.to_vec();
            let place = place.index(changed.len());
            if is_cut {
                changed.truncate(place);
            } else {
                changed[place] = change;
            }
            decode_by_all(&changed.into(), &body);
        }
    }
}

/// A message whose hops are used up is passed on no more; what it says is judged all the same.
fn passed_on_if_it_may(header: nuncio_protocol::Header) -> nuncio_protocol::Header {
    if header.hops_left == 0 || header.hops == 16 { header } else { passed_on(header) }
}

fn decode_by_all(bytes: &Bytes, body: &Bytes) {
    let [a, relay, b] = &*THREE;
    let _ = length_prefixed::decode(&mut BytesMut::from(&bytes[..]));
    for reader in [relay, b] {
        let context = &reader.context;
        if let Ok(message) = nuncio_wire::unicast::decode(bytes.clone(), body.clone(), a.node, context) {
            let _ = nuncio_wire::unicast::open(message, context);
        }
        let _ = nuncio_wire::unicast::decode_frame(bytes.clone(), body.clone(), a.node, context);
        match nuncio_wire::amop::decode_frame(bytes.clone(), body.clone(), a.node, context) {
            Ok(Frame::Message(message)) => drop(nuncio_wire::amop::open(message, context)),
            Ok(Frame::Multicast(multicast)) => drop(nuncio_wire::amop::open_multicast(multicast, context)),
            Ok(Frame::Batch(_) | Frame::Wanted(_)) | Err(_) => {}
        }
        let _ = status::decode_record(bytes.clone(), context);
        let report = trace::decode_report(bytes.clone(), a.node, reader.node);
        let _ = report.map(|read| trace::check(&read, context));
        let _ = announcement::decode(bytes).map(|read| read.check(context));
        let _ = multicast::decode(bytes.clone()).map(|read| read.check(multicast::BROADCAST, context));
    }
    let _ = status::decode_query(bytes.clone());
    let _ = status::decode_answer(bytes.clone());
    let _ = status::decode_revocations_answer(bytes.clone());
    let _ = Verdict::decode(bytes);
}
