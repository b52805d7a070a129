//! What a message says of its urgency, to releases that know it and to others.

use bytes::Bytes;
use nuncio_protocol::{
    Priority,
    unicast::{Content, Message},
};
use nuncio_wire::unicast;

use super::party::{parties, passed_on, unicast_frame, unicast_over};
use super::relay_changes_nothing::request;

fn of(message: Message, priority: Priority) -> Message {
    let header = nuncio_protocol::Header { priority, ..message.header };
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
