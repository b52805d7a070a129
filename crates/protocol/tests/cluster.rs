//! A random cluster under random misfortune; the promises are looked at after every event.

mod heard;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use heard::invariant_heard_in_order_or_named;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Config, Topic,
    amop::{ClientId, Kind, ResultCode},
};
use nuncio_testkit::simulator::{Heard, Listening, Simulator, Weather, node_id};
use proptest::{prelude::*, test_runner::FileFailurePersistence};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
enum Action {
    Wait(u16),
    Request(usize, usize),
    Publish(usize, bool),
    Multicast(usize, bool),
    Subscribe(usize, bool),
    Leave(usize),
    Crash(usize),
    Restart(usize),
    Cut(usize, usize),
    Heal,
}

fn action() -> impl Strategy<Value = Action> {
    let n = 0..8usize;
    prop_oneof![
        4 => (1..3000u16).prop_map(Action::Wait),
        6 => (n.clone(), n.clone()).prop_map(|(from, to)| Action::Request(from, to)),
        4 => (n.clone(), any::<bool>()).prop_map(|(client, multicast)| Action::Publish(client, multicast)),
        8 => (n.clone(), any::<bool>()).prop_map(|(node, broadcast)| Action::Multicast(node, broadcast)),
        3 => (n.clone(), proptest::bool::weighted(0.3)).prop_map(|(node, deaf)| Action::Subscribe(node, deaf)),
        1 => n.clone().prop_map(Action::Leave),
        2 => n.clone().prop_map(Action::Crash),
        2 => n.clone().prop_map(Action::Restart),
        2 => (n.clone(), n).prop_map(|(a, b)| Action::Cut(a, b)),
        1 => Just(Action::Heal),
    ]
}

#[derive(Debug, Clone)]
struct Scenario {
    seed: u64,
    nodes: usize,
    links: Vec<(usize, usize)>,
    degree: usize,
    loss: f64,
    full: f64,
    latency_ms: u32,
    actions: Vec<Action>,
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let links = proptest::collection::vec((0..8usize, 0..8usize), 1..8);
    let loss = prop_oneof![Just(0.0), Just(0.02), Just(0.2)];
    let full = prop_oneof![2 => Just(0.0), 1 => Just(0.1)];
    let actions = proptest::collection::vec(action(), 1..40);
    (any::<u64>(), 2..=8usize, links, prop_oneof![Just(0), Just(3)], (loss, full), 1..80u32, actions).prop_map(
        |(seed, nodes, links, degree, (loss, full), latency_ms, actions)| {
            let links = links.into_iter().map(|(a, b)| (a % nodes, b % nodes)).filter(|(a, b)| a != b).collect();
            Scenario { seed, nodes, links, degree, loss, full, latency_ms, actions }
        },
    )
}

/// Ends while it runs: the deadlines of what was asked, looked at when they have passed.
struct Watch {
    judged_requests: BTreeSet<(usize, nuncio_protocol::unicast::ExchangeId)>,
    judged_publishes: BTreeSet<(ClientId, nuncio_protocol::amop::PublishSeq)>,
}

/// A route begins with a link and leads on over links that both their ends name.
fn invariant_routes_lead_over_links_that_both_ends_name(network: &Simulator) {
    for (number, overlay) in network.running() {
        let names =
            |a: &NodeId, b: &NodeId| overlay.record(a).is_some_and(|record| record.status.neighbours.contains(b));
        let links: BTreeSet<_> = overlay.links().into_iter().map(|link| link.peer).collect();
        for view in overlay.nodes().into_iter().filter(|view| view.reachable) {
            let path = overlay.route(&view.node).expect("what is reachable has a route");
            assert_eq!(path.len(), view.hops.map_or(0, usize::from) + 1);
            assert_eq!((path.first(), path.last()), (Some(&overlay.node()), Some(&view.node)), "node {number}");
            assert!(
                path.get(1).is_none_or(|first| links.contains(first)),
                "node {number} has no link to {:?}",
                path[1]
            );
            for pair in path.windows(2).skip(1) {
                assert!(names(&pair[0], &pair[1]) && names(&pair[1], &pair[0]), "node {number} goes over {pair:?}");
            }
        }
    }
}

fn invariant_handlers_run_at_most_once(network: &Simulator) {
    for (request, trace) in &network.observed().requests {
        assert!(trace.handler_runs <= 1, "{request:?} ran {} times", trace.handler_runs);
        let replied = trace.ended.as_ref().is_some_and(|(_, outcome)| outcome.is_ok());
        assert!(!replied || trace.handler_runs == 1, "{request:?} was answered by nobody");
        assert!(!trace.is_denied() || trace.handler_runs == 0, "{request:?}: nobody saw it, it says: {trace:?}");
    }
}

fn invariant_requests_end_once_by_their_deadline(network: &Simulator, watch: &mut Watch) {
    for (request, trace) in &network.observed().requests {
        assert!(trace.ends <= 1, "{request:?} ended {} times", trace.ends);
        if trace.deadline < network.now() && watch.judged_requests.insert(*request) {
            assert!(trace.ends == 1 || trace.orphaned, "{request:?} did not end: {trace:?}");
            if let Some((at, _)) = trace.ended {
                assert!(at <= trace.deadline, "{request:?} ended late");
            }
        }
    }
    assert_eq!(network.observed().stray_ends, 0);
}

fn invariant_publishes_end_once_by_their_deadline(network: &Simulator, watch: &mut Watch) {
    for (publish, trace) in &network.observed().publishes {
        assert!(trace.ends <= 1, "{publish:?} was answered {} times", trace.ends);
        assert!(trace.kind == Kind::Unicast || trace.ends == 1, "a multicast is answered at once");
        if trace.deadline < network.now() && watch.judged_publishes.insert(*publish) {
            assert!(trace.ends == 1 || trace.orphaned, "{publish:?} was not answered: {trace:?}");
            if let Some((at, _)) = trace.ended {
                assert!(at <= trace.deadline, "{publish:?} was answered late");
            }
        }
    }
}

fn invariant_no_session_gets_a_message_twice(network: &Simulator) {
    for (publish, trace) in &network.observed().publishes {
        assert!(trace.deliveries.values().all(|count| *count == 1), "{publish:?}: {:?}", trace.deliveries);
        let unseen = trace.ended.as_ref().is_some_and(|(_, code)| *code == ResultCode::NO_SUBSCRIBER);
        assert!(!unseen || trace.deliveries.is_empty(), "{publish:?}: 100 says that nobody saw it: {trace:?}");
    }
}

fn invariant_no_message_crosses_more_links_than_allowed(network: &Simulator) {
    assert_eq!(network.observed().long_ways, 0);
}

fn invariant_links_go_down_before_they_come_up(network: &Simulator) {
    assert_eq!(network.observed().link_disorders, 0);
}

fn invariant_no_honest_node_is_banned(network: &Simulator) {
    assert_eq!(network.observed().unjust_bans, 0);
}

fn invariant_nothing_is_delivered_without_a_certified_source(network: &Simulator) {
    assert_eq!(network.observed().uncertified, 0);
}

fn invariants(network: &Simulator, watch: &mut Watch) {
    invariant_routes_lead_over_links_that_both_ends_name(network);
    invariant_handlers_run_at_most_once(network);
    invariant_requests_end_once_by_their_deadline(network, watch);
    invariant_publishes_end_once_by_their_deadline(network, watch);
    invariant_no_session_gets_a_message_twice(network);
    invariant_no_message_crosses_more_links_than_allowed(network);
    invariant_links_go_down_before_they_come_up(network);
    invariant_no_honest_node_is_banned(network);
    invariant_nothing_is_delivered_without_a_certified_source(network);
    invariant_heard_in_order_or_named(network);
}

/// Each node chooses its next hop by itself: where all hold the same records, no way leads in circles, and each arrives.
fn invariant_hops_lead_on_where_records_agree(network: &Simulator) {
    let numbers: BTreeMap<_, _> = (0..network.len()).map(|number| (node_id(number), number)).collect();
    for island in islands(network) {
        if !island.iter().all(|a| island.iter().all(|b| records_agree(network, *a, *b))) {
            continue;
        }
        for (from, to) in island.iter().flat_map(|from| island.iter().map(move |to| (*from, *to))) {
            let (mut here, mut steps) = (from, 0);
            while let Some(next) = network.overlay(here).and_then(|overlay| overlay.next_hop(&node_id(to))) {
                (here, steps) = (numbers[&next], steps + 1);
                assert!(steps <= island.len(), "a loop between {from} and {to}");
            }
        }
    }
}

/// Whether the two hold the same record of `b`, and it names the links that `b` has.
fn records_agree(network: &Simulator, a: usize, b: usize) -> bool {
    let (Some(overlay), Some(other)) = (network.overlay(a), network.overlay(b)) else { return false };
    let own = other.record(&other.node());
    let links: BTreeSet<_> = other.links().into_iter().map(|link| link.peer).collect();
    overlay.record(&other.node()) == own && own.is_some_and(|own| own.status.neighbours == links)
}

/// A core that refuses everything breaks no other promise.
fn at_rest_every_request_is_answered(network: &mut Simulator) {
    let mut asked = Vec::new();
    for island in islands(network) {
        for (from, to) in island.iter().flat_map(|from| island.iter().map(move |to| (*from, *to))) {
            asked.push((from, network.request(from, to, 5 * S)));
        }
    }
    network.run_for(6 * S);
    for request in asked {
        let trace = &network.observed().requests[&request];
        assert!(matches!(trace.ended, Some((_, Ok(_)))) && trace.handler_runs == 1, "{request:?}: {trace:?}");
    }
}

/// Nor does one whose clients never hear of each other. Of a message to one somebody of those that are there gets it, and says
/// so; one to all each of them gets, once.
fn at_rest_every_publish_is_answered(network: &mut Simulator) {
    let topic = Topic::new("at rest").expect("a valid topic");
    let (mut clients, mut said) = (BTreeMap::new(), Vec::new());
    for node in islands(network).into_iter().flatten() {
        let client = network.add_client(node, false);
        network.subscribe(client, &[&topic]);
        clients.insert(node, client);
    }
    network.run_for(12 * S);
    for island in islands(network) {
        let there: BTreeSet<_> = island.iter().map(|node| clients[node]).collect();
        for (client, kind) in
            there.iter().flat_map(|client| [Kind::Unicast, Kind::Multicast].map(|kind| (*client, kind)))
        {
            said.push((client, network.publish(client, kind, &topic), there.clone()));
        }
    }
    network.run_for(6 * S);
    for (client, seq, there) in said {
        let trace = &network.observed().publishes[&(client, seq)];
        assert!(matches!(trace.ended, Some((_, ResultCode::OK))) && trace.ends == 1, "{client:?}: {trace:?}");
        let got: BTreeSet<_> = trace.deliveries.keys().copied().collect();
        let is_got = match trace.kind {
            Kind::Unicast => got.len() == 1 && got.is_subset(&there),
            Kind::Multicast => got == there,
        };
        assert!(is_got && trace.deliveries.values().all(|count| *count == 1), "{client:?} of {there:?}: {trace:?}");
    }
}

/// Nodes that links connect, as the links themselves are.
fn islands(network: &Simulator) -> Vec<BTreeSet<usize>> {
    let mut open: BTreeSet<usize> = network.running().map(|(number, _)| number).collect();
    let numbers: BTreeMap<_, _> = (0..network.len()).map(|number| (node_id(number), number)).collect();
    let mut islands = Vec::new();
    while let Some(first) = open.pop_first() {
        let (mut island, mut queue) = (BTreeSet::from([first]), vec![first]);
        while let Some(number) = queue.pop() {
            let links = network.overlay(number).map(|overlay| overlay.links()).unwrap_or_default();
            for link in links {
                let peer = numbers[&link.peer];
                if island.insert(peer) {
                    open.remove(&peer);
                    queue.push(peer);
                }
            }
        }
        islands.push(island);
    }
    islands
}

fn at_rest_links_agree(network: &Simulator) {
    for (number, overlay) in network.running() {
        for link in overlay.links() {
            let other = network.running().find(|(_, other)| other.node() == link.peer).expect("the peer runs").1;
            let back = other.links().into_iter().find(|back| back.peer == overlay.node());
            let back = back.unwrap_or_else(|| panic!("node {number} has a link its peer does not have"));
            assert_eq!(back.connection, link.connection);
        }
    }
}

fn at_rest_a_path_is_a_route_and_tables_are_equal(network: &Simulator) {
    for island in islands(network) {
        for a in &island {
            let overlay = network.overlay(*a).expect("it runs");
            for b in &island {
                let other = network.overlay(*b).expect("it runs");
                assert!(overlay.route(&other.node()).is_some(), "no route from {a} to {b} in {island:?}");
                assert_eq!(overlay.record(&other.node()), other.record(&other.node()), "{a}'s record of {b} is old");
            }
            let reachable = overlay.nodes().into_iter().filter(|view| view.reachable).count();
            assert_eq!(reachable, island.len(), "node {a} believes in nodes that are gone");
        }
    }
}

fn at_rest_following_next_hops_arrives(network: &Simulator) {
    for island in islands(network) {
        for from in &island {
            for to in &island {
                let target = node_id(*to);
                let (mut here, mut steps) = (*from, 0);
                while here != *to {
                    let path = network.overlay(here).and_then(|overlay| overlay.route(&target)).expect("a route");
                    here = (0..network.len()).find(|number| node_id(*number) == path[1]).expect("a simulated node");
                    steps += 1;
                    assert!(steps <= island.len(), "a loop between {from} and {to}");
                }
            }
        }
    }
}

/// What a node publishes now everybody hears who has a path to it, also who heard nothing of it before: no gap is named.
fn at_rest_multicasts_are_heard_to_the_last(network: &mut Simulator, topic: &Topic) {
    let epoch = |network: &Simulator, node: usize| network.overlay(node).map(|overlay| overlay.version().epoch);
    let islands = islands(network);
    for origin in islands.iter().flatten() {
        assert!([None, Some(topic)].into_iter().all(|topic| network.multicast(*origin, topic)), "node {origin}");
    }
    network.run_for(12 * S);
    for island in islands {
        for (origin, node) in island.iter().flat_map(|a| island.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b) {
            for topic in [None, Some(topic.clone())] {
                let (since, of) = (epoch(network, node).expect("it runs"), epoch(network, origin).expect("it runs"));
                let last = network.observed().published[&(origin, of, topic.clone())].last().copied();
                let (origin, priority) = (node_id(origin), Default::default());
                let listening = Listening { node, since, origin, epoch: of, topic, priority };
                let heard = network.observed().heard.get(&listening).and_then(|heard| heard.last());
                assert_eq!(heard.copied(), last.map(|(number, body)| Heard::Message(number, body)), "{listening:?}");
            }
        }
    }
}

/// Where it all happens.
struct World {
    network: Simulator,
    nodes: usize,
    topic: Topic,
    clients: Vec<ClientId>,
    watch: Watch,
}

impl World {
    fn of(scenario: &Scenario) -> Self {
        let latency = scenario.latency_ms * MS / 2..=scenario.latency_ms * MS;
        let weather = Weather { latency, loss: scenario.loss, full: scenario.full, ..Weather::default() };
        let mut network = Simulator::new(scenario.seed, weather);
        network.keep_journal(400);
        let config = Config { target_degree: scenario.degree, max_request_timeout: 10 * S, ..Config::default() };
        network.add_nodes(scenario.nodes, &config);
        for (a, b) in &scenario.links {
            network.connect(*a, *b);
        }
        let topic = Topic::new("t").expect("a valid topic");
        for node in 0..scenario.nodes {
            network.listen(node, &[&topic]);
        }
        let watch = Watch { judged_requests: BTreeSet::new(), judged_publishes: BTreeSet::new() };
        Self { network, nodes: scenario.nodes, topic, clients: Vec::new(), watch }
    }

    fn go(&mut self, time: Duration) {
        let Self { network, watch, .. } = self;
        network.run_until(time, |network| {
            invariants(network, watch);
            false
        });
    }

    fn act(&mut self, action: &Action) {
        let n = self.nodes;
        let Self { network, topic, clients, .. } = self;
        match *action {
            Action::Wait(ms) => self.go(u32::from(ms) * MS),
            Action::Request(from, to) => {
                network.request(from % n, to % n, 6 * S);
            }
            Action::Subscribe(node, deaf) => {
                let client = network.add_client(node % n, deaf);
                network.subscribe(client, &[topic]);
                clients.push(client);
            }
            Action::Publish(client, multicast) if !clients.is_empty() => {
                let kind = if multicast { Kind::Multicast } else { Kind::Unicast };
                network.publish(clients[client % clients.len()], kind, topic);
            }
            Action::Leave(client) if !clients.is_empty() => {
                let client = clients.swap_remove(client % clients.len());
                network.remove_client(client);
            }
            Action::Publish(..) | Action::Leave(_) => {}
            Action::Multicast(node, broadcast) => {
                for _ in 0..3 {
                    network.multicast(node % n, (!broadcast).then_some(&*topic));
                }
            }
            Action::Crash(node) => network.crash(node % n),
            Action::Restart(node) => {
                network.restart(node % n);
                network.listen(node % n, &[topic]);
            }
            Action::Cut(a, b) if a % n != b % n => network.cut(a % n, b % n),
            Action::Cut(..) => {}
            Action::Heal => network.heal(),
        }
    }
}

fn play(scenario: &Scenario) {
    let mut world = World::of(scenario);
    for action in &scenario.actions {
        world.act(action);
        world.go(30 * MS);
        invariant_hops_lead_on_where_records_agree(&world.network);
    }
    world.network.heal();
    world.network.calm();
    world.go(12 * S);
    let World { mut network, mut watch, topic, .. } = world;
    network.run_for(120 * S);
    invariants(&network, &mut watch);
    at_rest_links_agree(&network);
    at_rest_a_path_is_a_route_and_tables_are_equal(&network);
    at_rest_following_next_hops_arrives(&network);
    at_rest_multicasts_are_heard_to_the_last(&mut network, &topic);
    at_rest_every_request_is_answered(&mut network);
    at_rest_every_publish_is_answered(&mut network);
    invariants(&network, &mut watch);
}

/// 64, or what `PROPTEST_CASES` says.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        max_shrink_iters: 400,
        // Kept in the repository: what failed once is tried first ever after.
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/cluster.failures"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn promises_hold_in_any_weather(scenario in scenario()) {
        play(&scenario);
    }
}

#[test]
fn two_halves_of_a_network_find_together_again() {
    let mut network = Simulator::new(11, Weather::default());
    network.add_nodes(8, &Config { target_degree: 3, ..Config::default() });
    for node in 1..8 {
        network.connect(node, node - 1);
    }
    network.run_for(20 * S);
    network.partition(&BTreeSet::from([0, 1, 2, 3]));
    network.run_for(20 * S);
    assert_eq!(islands(&network).len(), 2);
    network.heal();
    let whole = |network: &Simulator| islands(network).len() == 1;
    assert!(network.run_until(16 * S, whole));
    network.run_for(10 * S);
    at_rest_a_path_is_a_route_and_tables_are_equal(&network);
}
