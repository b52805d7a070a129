use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use nuncio_testkit::simulator::node_id;
use proptest::prelude::*;

use super::{detours::Exposure, *};
use crate::status_sync::{Status, Version};

/// The nodes of a run; the first is this one.
const NODES: usize = 10;

fn record(n: usize, neighbours: &BTreeSet<usize>) -> Arc<Record> {
    let status = Status {
        node: node_id(n),
        version: Version { epoch: 1, seq: 1 },
        addresses: Vec::new(),
        neighbours: neighbours.iter().map(|n| node_id(*n)).collect(),
        topics: BTreeMap::new(),
        name: String::new(),
        agency: String::new(),
        software: String::new(),
        multicast_topics: BTreeSet::new(),
        takes_batches: false,
        traces: false,
        takes_priorities: false,
        revocations: BTreeMap::new(),
        application: Bytes::new(),
        sealing_key: Bytes::new(),
        issues: false,
        clock: std::time::Duration::ZERO,
        proofs: 0,
    };
    Arc::new(Record { status, bytes: Bytes::new(), pages: Vec::new(), agency_path: None })
}

fn apply(routing: &mut Routing, n: usize, neighbours: &[usize]) {
    routing.apply(&record(n, &neighbours.iter().copied().collect()));
}

/// This node with links to the first ones of each path; each path leads to `target`.
fn paths(paths: &[&[usize]], target: usize) -> Routing {
    let mut routing = Routing::new(node_id(0));
    let mut edges: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for path in paths {
        routing.link_up(node_id(path[0]));
        let nodes = [&[0], *path, &[target]].concat();
        for pair in nodes.windows(2) {
            edges.entry(pair[0]).or_default().insert(pair[1]);
            edges.entry(pair[1]).or_default().insert(pair[0]);
        }
    }
    for (n, neighbours) in edges.iter().filter(|(n, _)| **n != 0) {
        routing.apply(&record(*n, neighbours));
    }
    routing.settle();
    routing
}

/// The same map, kept as simply as can be.
#[derive(Debug, Default)]
struct Model {
    links: BTreeSet<usize>,
    records: BTreeMap<usize, BTreeSet<usize>>,
}

impl Model {
    fn neighbours(&self, n: usize) -> BTreeSet<usize> {
        if n == 0 {
            return self.links.clone();
        }
        let names = |a: &usize, b: &usize| self.records.get(a).is_some_and(|named| named.contains(b));
        (1..NODES).filter(|other| *other != n && names(&n, other) && names(other, &n)).collect()
    }

    /// Links to cross from one node to every other, never through this one.
    fn hops(&self, from: usize) -> BTreeMap<usize, u8> {
        let mut hops = BTreeMap::from([(from, 0)]);
        let mut queue = VecDeque::from([from]);
        while let Some(n) = queue.pop_front() {
            let further = hops[&n] + 1;
            for next in self.neighbours(n) {
                if next != 0 && !hops.contains_key(&next) {
                    hops.insert(next, further);
                    queue.push_back(next);
                }
            }
        }
        hops
    }

    /// Every shortest path, both ends counted, that does not lead through this node.
    fn shortest(&self, from: usize, to: usize) -> Vec<Vec<usize>> {
        let hops = self.hops(to);
        let Some(&left) = hops.get(&from) else { return Vec::new() };
        if from == to {
            return vec![vec![to]];
        }
        let nearer =
            self.neighbours(from).into_iter().filter(|next| hops.get(next).is_some_and(|hops| *hops + 1 == left));
        let rest = nearer.flat_map(|next| self.shortest(next, to));
        rest.map(|rest| [vec![from], rest].concat()).collect()
    }

    /// How bad a first hop is, and how far from the target.
    fn cost(&self, link: usize, target: usize, excluded: &[usize], suspects: &[usize]) -> (bool, Exposure, usize) {
        let paths = self.shortest(link, target);
        let met = |path: &Vec<usize>| path.iter().any(|n| *n != target && suspects.contains(n));
        let exposure = match paths.iter().filter(|path| met(path)).count() {
            0 => Exposure::Never,
            some if some < paths.len() => Exposure::Perhaps,
            _ => Exposure::Always,
        };
        (excluded.contains(&link), exposure, paths[0].len())
    }
}

#[derive(Debug, Clone)]
enum Op {
    LinkUp(usize),
    LinkDown(usize),
    Apply(usize, BTreeSet<usize>),
    Forget(usize),
    Settle,
}

fn op() -> impl Strategy<Value = Op> {
    let node = || 1..NODES;
    prop_oneof![
        3 => node().prop_map(Op::LinkUp),
        1 => node().prop_map(Op::LinkDown),
        8 => (node(), prop::collection::btree_set(0..NODES, 0..6)).prop_map(|(n, named)| Op::Apply(n, named)),
        1 => node().prop_map(Op::Forget),
        2 => Just(Op::Settle),
    ]
}

fn perform(op: &Op, routing: &mut Routing, model: &mut Model) {
    match op {
        Op::LinkUp(n) => {
            routing.link_up(node_id(*n));
            model.links.insert(*n);
        }
        Op::LinkDown(n) => {
            routing.link_down(&node_id(*n));
            model.links.remove(n);
        }
        Op::Apply(n, named) => {
            routing.apply(&record(*n, named));
            model.records.insert(*n, named.clone());
        }
        Op::Forget(n) => {
            routing.forget(&node_id(*n));
            model.records.remove(n);
        }
        Op::Settle => drop(routing.settle()),
    }
}

fn ids(numbers: &[usize]) -> Vec<NodeId> {
    numbers.iter().map(|n| node_id(*n)).collect()
}

proptest! {
    #[test]
    fn any_sequence_of_changes_ends_in_the_map_that_a_naive_search_finds(
        ops in prop::collection::vec((op(), 0..NODES, 0..NODES), 1..40),
        excluded in prop::collection::vec(1..NODES, 0..3),
        suspects in prop::collection::vec(1..NODES, 0..3),
    ) {
        let (now, mut routing, mut model) = (Instant::now(), Routing::new(node_id(0)), Model::default());
        for (op, target, hop) in &ops {
            perform(op, &mut routing, &mut model);
            // The paths may be of the map as it was; asking is safe all the same, and leaves nothing wrong behind.
            let (target, hop) = (node_id(*target), node_id(*hop));
            routing.next_hop_without(&target, &[hop]);
            routing.next_hop_avoiding(&target, &[hop], &ids(&suspects), now);
            routing.path_via(&target, &hop);
            routing.path(&target);
        }
        routing.settle();
        let from_links: Vec<_> = model.links.iter().map(|link| (*link, model.hops(*link))).collect();
        for target in 1..NODES {
            let via = |allowed: &dyn Fn(&usize) -> bool| {
                let usable = from_links.iter().filter(|(link, _)| allowed(link));
                usable.filter_map(|(_, hops)| hops.get(&target).map(|hops| hops + 1)).min()
            };
            let id = node_id(target);
            prop_assert_eq!(routing.route(&id).map(|route| route.hops), via(&|_| true));
            prop_assert_eq!(routing.path(&id).map(|path| path.len() as u8), via(&|_| true).map(|hops| hops + 1));

            let hop = routing.next_hop_without(&id, &ids(&excluded));
            let hop = hop.map(|hop| (1..NODES).find(|n| node_id(*n) == hop).unwrap());
            let wanted = via(&|link| !excluded.contains(link));
            prop_assert_eq!(hop.map(|hop| model.hops(hop)[&target] + 1), wanted);
            prop_assert!(hop.is_none_or(|hop| model.links.contains(&hop) && !excluded.contains(&hop)));

            let usable = || from_links.iter().filter(|(_, hops)| hops.contains_key(&target)).map(|(link, _)| *link);
            let least = usable().map(|link| model.cost(link, target, &excluded, &suspects)).min();
            let hop = routing.next_hop_avoiding(&id, &ids(&excluded), &ids(&suspects), now);
            let cost = |hop: NodeId| {
                let link = usable().find(|link| node_id(*link) == hop).unwrap();
                model.cost(link, target, &excluded, &suspects)
            };
            prop_assert_eq!(hop.map(cost), least);

            for link in usable() {
                let met: BTreeSet<_> = model.shortest(link, target).concat().into_iter().filter(|n| *n != target).collect();
                let met: BTreeSet<_> = met.into_iter().map(node_id).collect();
                let via = routing.path_via(&id, &node_id(link));
                prop_assert_eq!(via.first().copied(), (link != target).then(|| node_id(link)));
                prop_assert_eq!(via.into_iter().collect::<BTreeSet<_>>(), met);
            }
        }
    }
}

#[test]
fn a_node_that_became_known_after_a_detour_was_asked_for_has_none() {
    let mut routing = paths(&[&[1], &[2]], 3);
    assert_eq!(routing.next_hop_without(&node_id(1), &[node_id(1)]), Some(node_id(2)));
    apply(&mut routing, 9, &[1]);
    assert_eq!(routing.next_hop_without(&node_id(9), &[node_id(1)]), None);
}

#[test]
fn the_next_try_avoids_every_node_of_the_path_that_failed() {
    // The nearer two ways both lead over 5.
    let mut routing = paths(&[&[1, 5], &[2, 5], &[3, 6, 7]], 9);
    let now = Instant::now();
    let next = |routing: &mut Routing, excluded: &[usize], suspects: &[NodeId]| {
        routing.next_hop_avoiding(&node_id(9), &ids(excluded), suspects, now)
    };
    assert_eq!(next(&mut routing, &[], &[]), Some(node_id(1)));
    assert_eq!(next(&mut routing, &[1], &[]), Some(node_id(2)), "without suspects the nearest other one");
    let failed = routing.path_via(&node_id(9), &node_id(1));
    assert_eq!(failed, ids(&[1, 5]));
    assert_eq!(next(&mut routing, &[1], &failed), Some(node_id(3)), "5 may be the hole");
    assert_eq!(next(&mut routing, &[1, 3], &ids(&[1, 5, 3, 6, 7])), Some(node_id(2)), "no way is left that avoids all");
    assert_eq!(next(&mut routing, &[1, 2, 3], &[]), Some(node_id(1)), "better over a tried one than not at all");
}

#[test]
fn a_hole_is_avoided_by_later_requests_until_it_answers_or_a_while_has_passed() {
    let mut routing = paths(&[&[1], &[2, 3]], 9);
    let start = Instant::now();
    let next = |routing: &mut Routing, now| routing.next_hop_avoiding(&node_id(9), &[], &[], now);
    assert_eq!(next(&mut routing, start), Some(node_id(1)));
    routing.note_silent(&node_id(9), &node_id(1), start);
    assert_eq!(next(&mut routing, start), Some(node_id(2)), "another request does not try the hole");
    assert_eq!(
        routing.next_hop_avoiding(&node_id(1), &[], &[], start),
        Some(node_id(1)),
        "itself it is reached at once"
    );
    routing.note_silent(&node_id(9), &node_id(2), start);
    assert_eq!(next(&mut routing, start), Some(node_id(1)), "where all are suspect, the nearest");

    routing.note_answered(&node_id(9), &node_id(2));
    assert_eq!(next(&mut routing, start), Some(node_id(2)), "one answer clears all it came over");
    assert_eq!(next(&mut routing, start + SILENCE), Some(node_id(1)));
}

#[test]
fn a_silent_target_puts_nobody_under_suspicion_for_long() {
    let mut routing = paths(&[&[1], &[2]], 9);
    let now = Instant::now();
    let mut suspects = routing.note_silent(&node_id(9), &node_id(1), now);
    suspects.extend(routing.note_silent(&node_id(9), &node_id(2), now));
    assert_eq!(suspects, ids(&[1, 2]));
    routing.forgive(&node_id(9), &suspects);
    assert!(routing.silent.is_empty());
}

#[test]
fn behind_whom_one_target_is_silent_is_avoided_by_what_is_for_that_target_alone() {
    // The near way to 7, 8 and 9 leads over 1, another over 2 and 3.
    let mut routing = paths(&[&[1], &[2, 3]], 9);
    for (target, others) in [(7, [1, 3]), (8, [1, 3])] {
        apply(&mut routing, target, &others);
    }
    apply(&mut routing, 1, &[0, 7, 8, 9]);
    apply(&mut routing, 3, &[2, 7, 8, 9]);
    routing.settle();
    let now = Instant::now();
    let next = |routing: &mut Routing, target| routing.next_hop_avoiding(&node_id(target), &[], &[], now);
    for _ in 0..5 {
        routing.note_silent(&node_id(9), &node_id(1), now);
    }
    assert_eq!([7, 8, 9].map(|target| next(&mut routing, target)), [1, 1, 2].map(|hop| Some(node_id(hop))));
    routing.note_silent(&node_id(8), &node_id(1), now);
    assert_eq!(
        [7, 8, 9].map(|target| next(&mut routing, target)),
        [Some(node_id(2)); 3],
        "two are not silent by themselves"
    );
    routing.forgive(&node_id(9), &[node_id(1)]);
    assert_eq!([7, 8, 9].map(|target| next(&mut routing, target)), [1, 2, 1].map(|hop| Some(node_id(hop))));
}

#[test]
fn who_only_may_have_passed_an_answer_on_is_not_cleared_by_it() {
    // From 1 it goes over 5 or 6, as 1 decides.
    let mut routing = paths(&[&[1, 5], &[1, 6], &[2, 5]], 9);
    let now = Instant::now();
    assert_eq!(routing.path_via(&node_id(9), &node_id(1)), ids(&[1, 5, 6]));
    routing.note_silent(&node_id(9), &node_id(2), now);
    routing.note_answered(&node_id(9), &node_id(1));
    routing.note_answered(&node_id(2), &node_id(2));
    assert!(routing.silent.is_suspect(&node_id(5), &node_id(9)));
    assert_eq!(routing.next_hop_avoiding(&node_id(9), &[node_id(1)], &[], now), Some(node_id(2)));
    routing.note_answered(&node_id(9), &node_id(2));
    assert!(routing.silent.is_empty());
}

#[test]
fn an_edge_that_one_end_alone_claims_is_on_no_path() {
    let mut routing = paths(&[&[1, 2, 3]], 4);
    routing.link_up(node_id(5));
    apply(&mut routing, 5, &[1, 2, 3, 4, 6]);
    apply(&mut routing, 6, &[]);
    routing.settle();
    assert_eq!(routing.path(&node_id(4)), Some(ids(&[0, 1, 2, 3, 4])));
    assert!(!routing.is_reachable(&node_id(6)));
    assert_eq!(routing.next_hop_without(&node_id(4), &[node_id(1)]), None);
}

#[test]
fn answers_to_whoever_has_them_lost_cost_one_search_each_loss_or_change_of_paths() {
    let mut routing = paths(&[&[1, 4], &[2, 4], &[3, 6, 7]], 9);
    let (mut now, source, via) = (Instant::now(), node_id(9), node_id(1));
    routing.note_lost(source, &[via], now);
    let searches = |routing: &mut Routing, now, hop| {
        let is_searched = |_: &u32| {
            routing.detours.clear();
            assert_eq!(routing.way_back(&source, &via, now), Some(node_id(hop)));
            !routing.detours.is_empty()
        };
        (0..100u32).filter(is_searched).count()
    };
    assert_eq!(searches(&mut routing, now, 3), 1);
    for _ in 0..100 {
        routing.note_lost(source, &[node_id(3)], now);
    }
    assert_eq!(searches(&mut routing, now, 3), 0, "one loss");
    now += std::time::Duration::from_secs(1);
    routing.note_lost(source, &[node_id(3)], now);
    assert_eq!(searches(&mut routing, now, 2), 1, "another one");
    routing.link_down(&node_id(2));
    routing.settle();
    assert_eq!(searches(&mut routing, now, 1), 1, "where all were in vain, the way it came");
}

#[test]
fn whoever_says_that_a_message_went_no_further_one_search_is_made_for_a_first_hop_and_a_map() {
    let mut routing = paths(&[&[1, 4], &[2, 4], &[3, 6, 7]], 9);
    let mut taken = super::WaysTaken::default();
    let mut searches = |routing: &mut Routing, hop| {
        let is_searched = |_: &u32| {
            routing.detours.clear();
            assert!(routing.may_turn_back(&node_id(9), &node_id(hop), &node_id(4), &mut taken));
            assert!(!routing.may_turn_back(&node_id(9), &node_id(hop), &node_id(7), &mut taken));
            !routing.detours.is_empty()
        };
        (0..10_u32).filter(is_searched).count()
    };
    assert_eq!([1, 2, 1].map(|hop| searches(&mut routing, hop)), [1, 1, 0]);
    routing.link_down(&node_id(3));
    routing.settle();
    assert_eq!(searches(&mut routing, 2), 1);
}

#[test]
fn of_sources_that_have_answers_lost_without_end_the_oldest_is_forgotten() {
    let (start, mut routing) = (Instant::now(), Routing::new(node_id(0)));
    for n in 1..=5000 {
        let over: Vec<_> = (0..20).map(node_id).collect();
        routing.note_lost(node_id(n), &over, start + n as u32 * std::time::Duration::from_millis(1));
    }
    assert_eq!(routing.lost.held(), (4096, 8));
    routing.way_back(&node_id(1), &node_id(2), start + 40 * std::time::Duration::from_secs(1));
    assert_eq!(routing.lost.held(), (0, 0), "all are forgotten after a while");
}
