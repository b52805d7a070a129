//! What one exchange costs in the core, without any I/O: run it by hand with `--release`.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    BridgeInput, Config, Input, Output, Overlay, Topic, UnicastInput,
    amop::{ClientId, ClientInput, ClientOutput, Kind, PublishSeq, ResultCode},
    unicast::ExchangeId,
};
use nuncio_testkit::simulator::Lone;

const EXCHANGES: u64 = 400_000;

fn main() {
    for in_flight in [1, 64, 1024] {
        let unicast = per_exchange(|a, b| unicast(a, b, in_flight));
        let amop = per_exchange(|a, b| amop(a, b, in_flight));
        report(&format!(
            "{in_flight:>5} in flight: unicast {unicast:>5} ns, AMOP {amop:>5} ns per exchange, both nodes together"
        ));
    }
}

#[expect(clippy::print_stdout, reason = "this program is its output")]
fn report(line: &str) {
    println!("{line}");
}

fn per_exchange(run: impl FnOnce(&mut Lone, &mut Lone)) -> u128 {
    let (mut a, mut b) = (Lone::new(0, Config::default()), Lone::new(1, Config::default()));
    a.link(1, &[0], &[("t", 64)]);
    b.link(0, &[1], &[]);
    a.subscriber(1, &[]);
    for client in 10..74 {
        b.subscriber(client, &["t"]);
    }
    let start = Instant::now();
    run(&mut a, &mut b);
    start.elapsed().as_nanos() / u128::from(EXCHANGES)
}

fn drain(overlay: &mut Overlay, to: &mut Vec<Output>) {
    while let Some(output) = overlay.poll_output() {
        to.push(output);
    }
}

/// Asks in waves of `in_flight`; the time it took counts both cores.
fn unicast(a: &mut Lone, b: &mut Lone, in_flight: u64) {
    let (target, body) = (b.overlay.node(), Bytes::from_static(&[7; 64]));
    let (source, now) = (a.overlay.node(), a.now.max(b.now));
    let mut outputs = Vec::new();
    let mut ended = 0;
    for wave in 0..EXCHANGES / in_flight {
        for n in 0..in_flight {
            let exchange = ExchangeId(wave * in_flight + n + 1);
            let timeout = Duration::from_secs(5);
            let (body, trace) = (body.clone(), Default::default());
            a.overlay.handle_input(
                UnicastInput::Request { exchange, target, body, timeout, trace, priority: Default::default() },
                now,
            );
            drain(&mut a.overlay, &mut outputs);
        }
        exchange_unicasts(&mut b.overlay, source, &mut outputs, now);
        exchange_unicasts(&mut b.overlay, source, &mut outputs, now);
        for output in outputs.drain(..) {
            if let Output::SendUnicast { message, .. } = output {
                a.overlay.handle_input(UnicastInput::Received { from: target, message }, now);
                while let Some(output) = a.overlay.poll_output() {
                    ended += u64::from(matches!(output, Output::Completed { outcome: Ok(_), .. }));
                }
            }
        }
    }
    assert_eq!(ended, EXCHANGES / in_flight * in_flight);
}

/// Gives the target what is for it and takes what it decides.
fn exchange_unicasts(b: &mut Overlay, from: NodeId, outputs: &mut Vec<Output>, now: Instant) {
    for output in std::mem::take(outputs) {
        let input = match output {
            Output::SendUnicast { message, .. } => UnicastInput::Received { from, message },
            Output::Request { inbound, body, .. } => UnicastInput::Respond { inbound, body },
            _ => continue,
        };
        b.handle_input(input, now);
        drain(b, outputs);
    }
}

/// Publishes in waves of `in_flight` to 64 subscribers of another node.
fn amop(a: &mut Lone, b: &mut Lone, in_flight: u64) {
    let (source, target, now) = (a.overlay.node(), b.overlay.node(), a.now.max(b.now));
    let (topic, client) = (Topic::new("t").expect("a valid topic"), ClientId(1));
    let mut outputs = Vec::new();
    let mut replied = BTreeSet::new();
    for wave in 0..EXCHANGES / in_flight {
        for n in 0..in_flight {
            let mut seq = [0; 32];
            seq[..8].copy_from_slice(&(wave * in_flight + n).to_le_bytes());
            let (seq, kind, topic, data) =
                (PublishSeq(seq), Kind::Unicast, topic.clone(), Bytes::from_static(&[7; 64]));
            a.overlay.handle_input(
                Input::Client(ClientInput::Publish { priority: Default::default(), client, seq, kind, topic, data }),
                now,
            );
            drain(&mut a.overlay, &mut outputs);
        }
        exchange_bridged(&mut b.overlay, source, &mut outputs, now);
        exchange_bridged(&mut b.overlay, source, &mut outputs, now);
        replied.clear();
        for output in outputs.drain(..) {
            if let Output::SendBridge { message, .. } = output {
                a.overlay.handle_input(BridgeInput::Received { from: target, message }, now);
                while let Some(output) = a.overlay.poll_output() {
                    if let Output::Client(ClientOutput::Reply { seq, code: ResultCode::OK, .. }) = output {
                        replied.insert(seq);
                    }
                }
            }
        }
        assert_eq!(replied.len() as u64, in_flight);
    }
}

fn exchange_bridged(b: &mut Overlay, from: NodeId, outputs: &mut Vec<Output>, now: Instant) {
    for output in std::mem::take(outputs) {
        let input = match output {
            Output::SendBridge { message, .. } => Input::Bridge(BridgeInput::Received { from, message }),
            Output::Client(ClientOutput::Deliver { client, delivery, data, .. }) => {
                Input::Client(ClientInput::Acknowledge { client, delivery, code: ResultCode::OK, data })
            }
            _ => continue,
        };
        b.handle_input(input, now);
        drain(b, outputs);
    }
}
