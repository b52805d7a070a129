//! What a message says of its urgency, to releases that know it and to others.

use bytes::Bytes;
use nuncio_protocol::{
    Header, Priority, amop,
    unicast::{Content, Message},
};
use nuncio_wire::{amop::Frame, unicast};

use super::party::{bridge_frame, bridge_over, parties, passed_on, unicast_frame, unicast_over};
use super::relay_changes_nothing::{multicast_over, multicast_to, publish, request};

fn of(message: Message, priority: Priority) -> Message {
    let header = Header { priority, ..message.header };
    Message { header, ..message }
}

#[test]
fn what_a_relay_changes_of_a_priority_the_target_does_not_believe_and_the_message_comes() {
    let [a, relay, b] = parties();
    for priority in Priority::ALL {
        for sent in [request(&a, &b, "hello"), Message { content: Content::Unanswered, ..request(&a, &b, "") }] {
            let sent = of(sent, priority);
            let at_relay = unicast_over(sent.clone(), &a, &relay).unwrap();
            assert_eq!(at_relay.header.priority, priority);
            // A release that knows no priorities leaves it out.
            for passed in Priority::ALL {
                let message = Message { header: passed_on(at_relay.header), ..at_relay.clone() };
                let arrived = unicast_over(of(message, passed), &relay, &b).unwrap();
                assert_eq!((arrived.header.priority, &arrived.content), (priority, &sent.content));
            }
        }
    }
}

#[test]
fn what_is_normal_is_said_as_by_releases_without_priorities_and_what_is_unknown_is_normal() {
    let [a, _, b] = parties();
    let frame = |priority| unicast_frame(of(request(&a, &b, "hello"), priority), &a, &b).unwrap();
    let ((urgent, _), (normal, body)) = (frame(Priority::Control), frame(Priority::Normal));
    assert_eq!(urgent, [&normal[..], &[15 << 3, 1]].concat(), "it takes two bytes, and what is normal none");
    let unknown = Bytes::from([&normal[..], &[15 << 3, 77]].concat());
    assert_eq!(unicast::decode(unknown, body, a.node, &b.context).unwrap().header.priority, Priority::Normal);
}

#[test]
fn the_same_holds_over_the_bridge_and_a_multicast_says_it_to_who_passes_it_on() {
    let [a, relay, b] = parties();
    for priority in Priority::ALL {
        let sent = publish(&a, &b);
        let sent = amop::Message { header: Header { priority, ..sent.header }, ..sent };
        let over = |message, from, to| match bridge_over(Frame::Message(message), from, to).unwrap() {
            Frame::Message(message) => message,
            other => panic!("a message, not {other:?}"),
        };
        assert_eq!(over(sent.clone(), &a, &b), sent);
        let at_relay = over(sent.clone(), &a, &relay);
        assert_eq!(at_relay.header.priority, priority);
        for passed in Priority::ALL {
            let header = Header { priority: passed, ..passed_on(at_relay.header) };
            let arrived = over(amop::Message { header, ..at_relay.clone() }, &relay, &b);
            assert_eq!((arrived.header.priority, &arrived.content), (priority, &sent.content));
        }
        let sent = amop::Multicast { priority, ..multicast_to(&a, &[&relay, &b]) };
        let at_relay = multicast_over(sent.clone(), &a, &relay).unwrap();
        let lowered = amop::Multicast { priority: Priority::Normal, hops_left: 14, ..at_relay.clone() };
        let arrived = multicast_over(lowered, &relay, &b).unwrap();
        assert_eq!((at_relay.priority, arrived.priority), (priority, Priority::Normal));
        assert_eq!((at_relay.post, arrived.post), (sent.post.clone(), sent.post), "nobody is blamed for it");
    }
    let frame = |priority| {
        let sent = publish(&a, &b);
        let sent = amop::Message { header: Header { priority, ..sent.header }, ..sent };
        bridge_frame(Frame::Message(sent), &a, &b).unwrap().0
    };
    let longer = frame(Priority::Control).len() - frame(Priority::Normal).len();
    assert_eq!(longer, 3, "what is normal takes no bytes, as by releases without priorities");
}
