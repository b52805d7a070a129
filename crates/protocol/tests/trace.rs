//! Traces in virtual time: a line of nodes whose links take a while, and hops that lie, flood and say nothing.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod traced;

use std::time::Duration;

use bytes::Bytes;
use nuncio_protocol::{
    Config, Header, Output, Strike, UnicastInput,
    trace::{Fate, Signed, TraceInput, TraceParent},
    unicast::{Content, ExchangeId, Message, Refusal, UnicastError},
};
use nuncio_testkit::simulator::{Lone, brought, header, node_id, sent};

use traced::{Line, QUEUE, STEP, WIRE, id, report, signed, tracing};

const S: Duration = Duration::from_secs(1);

fn steps(line: &Line, traced: &nuncio_protocol::trace::Traced) -> Vec<(usize, Option<Fate>)> {
    let way = traced.way(node_id(0));
    way.iter().map(|step| (line.number(&step.node), step.report.map(|report| report.fate))).collect()
}

fn to(n: usize) -> Option<Fate> {
    Some(Fate::Sent { to: node_id(n) })
}

#[test]
fn every_hop_reports_when_it_took_queued_and_sent_the_message_and_the_answer_comes_as_ever() {
    let mut line = Line::of(4);
    let (outcome, traced) = line.ask(0, 3, id(1));
    assert!(outcome.is_ok());
    assert_eq!(steps(&line, &traced), [(1, to(2)), (2, to(3)), (3, Some(Fate::Delivered))]);
    let begins = line.since(traced.began);
    let [attempt] = traced.attempts[..] else { panic!("one first hop") };
    assert_eq!((line.since(attempt.queued), line.since(attempt.sent.unwrap())), (begins, begins + QUEUE));
    for (place, step) in traced.way(node_id(0)).iter().enumerate() {
        let (report, hops) = (step.report.unwrap(), place as u32 + 1);
        assert_eq!(report.took, begins + hops * (QUEUE + WIRE) + (hops - 1) * STEP, "hop {hops}");
        let waited = if place < 2 { STEP + QUEUE } else { STEP };
        assert_eq!((report.queued, report.done), (STEP, waited), "hop {hops}");
    }
    assert!(traced.forged.is_empty());
}

#[test]
fn a_silent_hop_is_named_by_its_neighbours_and_waited_for_a_second() {
    for silent in [1, 2, 3] {
        let mut line = Line::of(4);
        line.nodes[silent].says_nothing = true;
        let (_, traced) = line.ask(0, 3, id(1));
        let expected = [(1, to(2)), (2, to(3)), (3, Some(Fate::Delivered))];
        let expected = expected.map(|(hop, fate)| (hop, fate.filter(|_| hop != silent)));
        assert_eq!(steps(&line, &traced), expected);
        assert!(line.elapsed() >= S && line.elapsed() < 2 * S, "{:?}", line.elapsed());
    }
    let mut line = Line::of(4);
    let (outcome, _) = line.ask(0, 3, id(1));
    assert!(outcome.is_ok());
    assert!(line.elapsed() < S / 10, "with all reports here there is nothing to wait for: {:?}", line.elapsed());
}

#[test]
fn to_a_source_that_knows_no_traces_nobody_reports() {
    let mut line = Line::with(3, |n| Config { traces: n != 0, ..Config::default() });
    let (outcome, traced) = line.ask(0, 2, id(1));
    assert!(outcome.is_ok());
    assert_eq!(traced.reports, []);
    assert_eq!(line.nodes[1].lone.overlay.reports().sent, 0);
}

#[test]
fn where_a_message_goes_no_further_the_last_hop_says_so() {
    let mut line = Line::of(4);
    line.nodes[2].is_full = true;
    let (outcome, traced) = line.ask(0, 3, id(1));
    // What one behind the first hop says of itself is no proof for the request.
    assert_eq!(outcome, Err(UnicastError::TimedOut { after: 5 * S }));
    assert_eq!(steps(&line, &traced), [(1, to(2)), (2, Some(Fate::Refused))]);
}

#[test]
fn every_traced_request_ends_in_one_trace_also_when_it_is_refused_at_once() {
    let mut a = tracing(0);
    let ask = |a: &mut Lone, n: u8| a.input(traced::request(1, u64::from(n), id(n)));
    let outputs = ask(&mut a, 1);
    assert!(
        matches!(&outputs[..], [Output::Completed { .. }, Output::Traced { traced, .. }] if traced.reports.is_empty()),
        "{outputs:?}"
    );
    a.link(1, &[0], &[]);
    let opened = (1..=200).filter(|n| matches!(&ask(&mut a, *n)[..], [Output::SendUnicast { .. }])).count();
    assert_eq!(opened, 128, "the others are refused as busy");
    let ends = a.advance(100 * S);
    let traces = ends.iter().filter(|output| matches!(output, Output::Traced { .. })).count();
    assert_eq!(traces, 128, "and no trace stays open");
    assert!(matches!(&ask(&mut a, 201)[..], [Output::SendUnicast { .. }]));
}

#[test]
fn a_trace_name_that_is_in_use_is_refused() {
    let mut a = tracing(0);
    a.link(1, &[0], &[]);
    a.input(traced::request(1, 1, id(1)));
    let outputs = a.input(traced::request(1, 2, id(1)));
    let busy = UnicastError::Refused(Refusal::Busy);
    let is_refused =
        |output: &Output| matches!(output, Output::Completed { outcome: Err(error), .. } if *error == busy);
    assert!(outputs.iter().any(is_refused), "{outputs:?}");
}

/// Node 0, which has asked node 1, linked, for something that it traces.
fn asking() -> Lone {
    let mut a = tracing(0);
    a.link(1, &[0, 2], &[]);
    a.link(2, &[0, 1], &[]);
    a.input(traced::request(1, 1, id(1)));
    a
}

/// The `hop`-th node brings a report of itself.
fn reported(hop: usize, report: Signed) -> UnicastInput {
    let message = Message { header: header(hop, 0, 1), content: Content::Report(Box::new(report)) };
    UnicastInput::Received { from: node_id(hop), message }
}

#[test]
fn reports_are_taken_of_open_traces_only_of_each_hop_once_and_never_more_than_there_is_room_for() {
    let mut a = asking();
    let checks = |outputs: Vec<Output>| outputs.iter().filter(|one| matches!(one, Output::CheckReport { .. })).count();
    assert_eq!(checks(a.input(reported(2, report(id(9), 2, 0, Fate::Delivered)))), 0, "another's trace");
    assert_eq!(checks(a.input(reported(2, report(id(1), 2, 0, Fate::Delivered)))), 1);
    for _ in 0..10_000 {
        assert_eq!(checks(a.input(reported(2, report(id(1), 2, 0, Fate::Refused)))), 0, "it has reported");
    }
    assert_eq!(a.overlay.reports().refused, 10_001);
    let records = (3..200).map(|n| nuncio_testkit::simulator::record(n, 1, &[1], &[])).collect();
    a.answered(1, records);
    let flood = |n| UnicastInput::Received {
        from: node_id(1),
        message: Message {
            header: Header { hops: 2, ..header(n, 0, 1) },
            content: Content::Report(Box::new(report(id(1), n, 1, Fate::Delivered))),
        },
    };
    let taken: usize = (3..200).map(|n| checks(a.input(flood(n)))).sum();
    assert_eq!(taken, 31, "two ways of sixteen hops, and one was there");
    let outputs = a.advance(100 * S);
    let told = outputs.iter().find_map(|one| if let Output::Traced { traced, .. } = one { Some(traced) } else { None });
    assert_eq!(told.unwrap().reports, [], "no signature was checked, so nothing is told");
}

#[test]
fn a_forged_signature_is_its_hops_own_fault_and_tells_nothing() {
    let mut a = asking();
    a.input(reported(2, report(id(1), 2, 0, Fate::Delivered)));
    let checked = |holds| TraceInput::Checked { id: id(1), hop: node_id(2), holds };
    a.input(checked(Some(false)));
    assert_eq!(a.overlay.strikes().get(&Strike::Forged), Some(&1));
    a.input(checked(Some(true)));
    let outputs = a.advance(100 * S);
    let told = outputs.iter().find_map(|one| if let Output::Traced { traced, .. } = one { Some(traced) } else { None });
    let told = told.unwrap();
    assert_eq!((told.reports.len(), &told.forged[..]), (0, &[node_id(2)][..]));
}

#[test]
fn what_was_not_checked_for_want_of_room_may_come_again() {
    let mut a = asking();
    let of_two = || reported(2, report(id(1), 2, 0, Fate::Delivered));
    a.input(of_two());
    a.input(TraceInput::Checked { id: id(1), hop: node_id(2), holds: None });
    assert!(a.overlay.strikes().is_empty());
    assert!(matches!(&a.input(of_two())[..], [Output::CheckReport { .. }]));
}

/// A relay between node 1, which brings, and node 3; all sources take reports.
fn relay() -> Lone {
    let mut lone = Lone::ring();
    let neighbours = |n| match n {
        1 | 2 => &[0, 3][..],
        3 => &[1, 2],
        _ => &[1],
    };
    let records = (1..40).map(|n| signed(n, neighbours(n))).collect();
    lone.answered(1, records);
    lone
}

fn passing(source: usize, number: u64, clock: Duration) -> UnicastInput {
    brought_by(1, source, number, clock)
}

fn brought_by(via: usize, source: usize, number: u64, clock: Duration) -> UnicastInput {
    let header = Header { sent: clock, hops: 1 + u8::from(source != via), ..header(source, 3, number) };
    let message = Message {
        header: Header { trace: traced::followed(id(1)), ..header },
        content: Content::Sealed { asks: true, bytes: Bytes::from(number.to_be_bytes().to_vec()) },
    };
    UnicastInput::Received { from: node_id(via), message }
}

/// Carries out what a relay wants: what is queued leaves, what is to be signed is.
fn carried(a: &mut Lone, input: UnicastInput) -> usize {
    let mut reports = 0;
    let mut outputs = a.input(input);
    while let Some(output) = outputs.pop() {
        match output {
            Output::SendUnicast { message: Message { content: Content::Report(_), .. }, .. } => reports += 1,
            Output::SendUnicast { to, message, .. } => outputs.extend(traced::departed(a, to, &message.header)),
            Output::SignReport { passage } => outputs.extend(traced::sign(a, &passage)),
            _ => {}
        }
    }
    reports
}

#[test]
fn a_hop_reports_so_many_a_second_for_a_source_a_neighbour_and_in_all_and_passes_on_the_rest() {
    let mut a = relay();
    let of_one: usize = (0..1000).map(|n| carried(&mut a, passing(1, n, Duration::ZERO))).sum();
    assert_eq!(of_one, 32);
    let of_many: usize = (4..40)
        .flat_map(|source| (0..20).map(move |n| (source, n)))
        .map(|(source, n)| carried(&mut a, passing(source, n, Duration::ZERO)))
        .sum();
    assert_eq!(of_one + of_many, 32, "the neighbour that brought them all has used up its own");
    a.advance(S);
    let again: usize = (0..100).map(|n| carried(&mut a, passing(1, 2000 + n, S))).sum();
    assert_eq!(again, 10);
}

/// A relay cannot tell who made what a neighbour brings for others.
#[test]
fn what_a_neighbour_brings_in_anothers_name_leaves_that_one_its_reports() {
    let mut a = relay();
    let brought: usize = (0..100).map(|n| carried(&mut a, brought_by(1, 2, n, Duration::ZERO))).sum();
    assert_eq!(brought, 32);
    let own: usize = (0..100).map(|n| carried(&mut a, brought_by(2, 2, 1000 + n, Duration::ZERO))).sum();
    assert_eq!(own, 32);
}

#[test]
fn reports_and_answers_are_reported_on_by_nobody() {
    let mut a = relay();
    for content in
        [Content::Reply { body: Bytes::new() }, Content::Sealed { asks: false, bytes: Bytes::from_static(b"x") }]
    {
        let header = Header { trace: traced::followed(id(1)), ..header(1, 3, 1) };
        let message = Message { header, content };
        assert_eq!(carried(&mut a, UnicastInput::Received { from: node_id(1), message }), 0);
    }
}

#[test]
fn what_never_left_is_forgotten() {
    let mut a = relay();
    let passes = |n, clock| match passing(1, n, clock) {
        UnicastInput::Received { message, .. } => message.header,
        other => panic!("{other:?}"),
    };
    for (waits, signs) in [(9 * S, 1), (10 * S, 0)] {
        let clock = a.overlay.clock(a.now);
        let number = 1 + clock.as_secs();
        a.input(passing(1, number, clock));
        a.advance(waits);
        a.input(passing(1, number + 1, clock + waits));
        assert_eq!(traced::departed(&mut a, node_id(2), &passes(number, clock)).len(), signs, "{waits:?}");
    }
}

#[test]
fn what_a_traced_request_makes_a_hop_send_is_four_times_as_long_at_the_most() {
    for target in [0, 3, 99] {
        let mut a = relay();
        let (mut came, mut went) = (0, 0);
        for number in 1..=20 {
            let header = Header { trace: traced::followed(id(1)), ..header(1, target, number) };
            let message = Message { header, content: Content::Request { body: Bytes::new() } };
            let input = UnicastInput::Received { from: node_id(1), message };
            came += brought(&input.clone().into()).unwrap();
            let mut outputs = a.input(input);
            while let Some(output) = outputs.pop() {
                went += sent(&output).unwrap_or(0);
                match output {
                    Output::Request { inbound, body, .. } => {
                        outputs.extend(a.input(UnicastInput::Respond { inbound, body }))
                    }
                    Output::SendUnicast { to, message, .. } if message.header.trace.id.is_some() => {
                        outputs.extend(traced::departed(&mut a, to, &message.header));
                    }
                    Output::SignReport { passage } => outputs.extend(traced::sign(&mut a, &passage)),
                    _ => {}
                }
            }
        }
        assert_eq!(a.overlay.reports().sent, 20, "to {target}");
        assert!(went <= 4 * came, "to {target}: {went} bytes for {came}");
    }
}

#[test]
fn the_applications_trace_context_comes_to_the_target_and_to_nobody_else() {
    let parent: TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    let mut line = Line::of(3);
    let trace = nuncio_protocol::trace::Trace { parent: Some(parent), ..Default::default() };
    line.nodes[0].lone.input(UnicastInput::Request {
        exchange: ExchangeId(1),
        target: node_id(2),
        body: Bytes::new(),
        timeout: S,
        trace,
        priority: Default::default(),
    });
    let (_, traced) = line.ask(0, 2, id(1));
    assert_eq!(traced.reports.len(), 2);
    let mut b = tracing(1);
    b.link(0, &[1], &[]);
    let header = Header { trace, ..header(0, 1, 1) };
    let message = Message { header, content: Content::Request { body: Bytes::new() } };
    let outputs = b.input(UnicastInput::Received { from: node_id(0), message });
    assert!(matches!(&outputs[..], [Output::Request { parent: Some(given), .. }] if *given == parent), "{outputs:?}");
}
