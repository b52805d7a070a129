//! How often anything is dialled, whatever others say and do.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use nuncio_protocol::{
    Config, Output, PeeringInput, StatusInput,
    peering::{Address, ConnectionId, Direction, Parting},
    status_sync::Status,
};
use nuncio_testkit::simulator::{Lone, Simulator, Weather, What, address, node_id, record, sign};

const S: Duration = Duration::from_secs(1);

/// Where one was dialled and when.
#[derive(Debug, Default)]
struct Dials(Vec<(Instant, Address)>);

impl Dials {
    /// Lets a tenth of a second pass at a time; nobody answers any dial.
    fn run(&mut self, a: &mut Lone, time: Duration, mut meanwhile: impl FnMut(&mut Lone, u32) -> Vec<Output>) {
        for step in 0..(time.as_millis() / 100) as u32 {
            let mut outputs = meanwhile(a, step);
            outputs.extend(a.advance(S / 10));
            while let Some(output) = outputs.pop() {
                if let Output::Dial { address, .. } = output {
                    self.0.push((a.now, address.clone()));
                    outputs.extend(a.input(PeeringInput::DialFailed { address, reason: "refused".into() }));
                }
            }
        }
    }

    fn of(&self, wanted: impl Fn(&Address) -> bool) -> Vec<Instant> {
        self.0.iter().filter(|(_, address)| wanted(address)).map(|(at, _)| *at).collect()
    }
}

/// The most of them within so long.
fn peak(dials: &[Instant], window: Duration) -> usize {
    let within = |first: &Instant| dials.iter().filter(|at| *at >= first && **at < *first + window).count();
    dials.iter().map(within).max().unwrap_or(0)
}

/// A record of the `n`-th node that names these addresses.
fn at(n: usize, seq: u64, addresses: Vec<Address>) -> std::sync::Arc<nuncio_protocol::status_sync::Record> {
    sign(Status { addresses, ..record(n, seq, &[1], &[]).status.clone() })
}

fn bystander() -> Address {
    Address::new("bystander:80")
}

#[test]
fn no_record_has_a_bystander_dialled_more_than_five_times_in_half_a_minute() {
    let (mut a, mut dials) = (Lone::new(0, Config::default()), Dials::default());
    a.link(1, &[0], &[]);
    dials.run(&mut a, 120 * S, |a, step| {
        let addresses = |n: usize| vec![Address::new(&format!("other-{n}-{step}:1")), bystander()];
        let records = (2..22).map(|n| at(n, u64::from(step) + 1, addresses(n)));
        a.answered(1, records.collect())
    });
    let theirs = dials.of(|address| *address == bystander());
    assert!(theirs.len() > 5, "it is tried now and then");
    assert!(peak(&theirs, 30 * S) <= 5, "{}", peak(&theirs, 30 * S));
}

#[test]
fn where_a_node_was_met_nobody_else_is_looked_for() {
    let mut a = Lone::new(0, Config::default());
    let connection = a.link(1, &[0], &[]);
    let mut outputs = a.answered(1, (2..22).map(|n| at(n, 1, vec![address(1)])).collect());
    outputs.extend(a.advance(60 * S));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Dial { .. })));
    outputs = a.input(PeeringInput::ConnectionClosed { connection, reason: "reset".into() });
    outputs.extend(a.advance(S));
    let dialled = Output::Dial { address: address(1), expected: Some(node_id(1)) };
    assert!(outputs.contains(&dialled), "its owner has its turn at once");
}

#[test]
fn a_node_that_always_names_new_addresses_is_dialled_no_more_often_than_another() {
    let (mut a, mut dials) = (Lone::new(0, Config::default()), Dials::default());
    a.link(1, &[0], &[]);
    dials.run(&mut a, 90 * S, |a, step| {
        let addresses = (0..8).map(|n| Address::new(&format!("other-{step}:{n}"))).collect();
        a.answered(1, vec![at(2, u64::from(step) + 1, addresses)])
    });
    let all = dials.of(|_| true);
    assert!(all.len() > 5 && peak(&all, 30 * S) <= 12, "{}", peak(&all, 30 * S));
}

#[test]
fn all_eight_addresses_of_a_record_are_tried_and_none_of_one_with_more() {
    let (mut a, mut dials) = (Lone::new(0, Config::default()), Dials::default());
    a.link(1, &[0], &[]);
    let addresses = |name: &str, count| (0..count).map(|n| Address::new(&format!("{name}:{n}"))).collect::<Vec<_>>();
    a.answered(1, vec![at(2, 1, addresses("eight", 8)), at(3, 1, addresses("nine", 9))]);
    dials.run(&mut a, 200 * S, |_, _| Vec::new());
    let tried: BTreeSet<_> = dials.0.iter().map(|(_, address)| address.clone()).collect();
    assert_eq!(tried, addresses("eight", 8).into_iter().collect());
}

#[test]
fn a_peer_that_dialled_us_is_never_dialled_at_the_port_it_came_from() {
    let (mut a, mut dials) = (Lone::new(0, Config::default()), Dials::default());
    let (connection, peer, direction) = (ConnectionId(1), node_id(1), Direction::Inbound);
    let address = Address::new("node-1:54321");
    let opened = PeeringInput::ConnectionOpened { connection, peer, direction, address };
    dials.run(&mut a, 120 * S, |a, step| match step {
        0 => a.input(opened.clone()),
        1 => a.input(PeeringInput::Introduced { connection, epoch: 1 }),
        2 => a.answered(1, vec![record(1, 1, &[0], &[])]),
        9 => a.input(PeeringInput::ConnectionClosed { connection, reason: "reset".into() }),
        _ => Vec::new(),
    });
    let tried: BTreeSet<_> = dials.0.iter().map(|(_, address)| address.as_str()).collect();
    assert_eq!(tried, BTreeSet::from(["node-1:30300"]));
}

#[test]
fn a_hundred_configured_peers_are_dialled_in_turn_five_in_a_second() {
    let (mut a, mut dials) = (Lone::new(0, Config::default()), Dials::default());
    dials.run(&mut a, 60 * S, |a, step| match step {
        0 => (0..100).flat_map(|n| a.input(PeeringInput::PeerAdded { address: address(n + 1) })).collect(),
        _ => Vec::new(),
    });
    let all = dials.of(|_| true);
    // Times are known to a tenth of a second.
    assert!(peak(&all, S - S / 10) <= 5, "{}", peak(&all, S - S / 10));
    let first_round = &dials.0[..200.min(dials.0.len())];
    let tried: BTreeSet<_> = first_round.iter().map(|(_, address)| address).collect();
    assert_eq!(tried.len(), 100, "none waits for ever");
}

#[test]
fn the_second_host_with_a_key_dials_five_times_in_half_a_minute_at_the_most() {
    let mut a = Lone::new(0, Config::default());
    let mut dials = Vec::new();
    // Each of the others has a link with the first host: it answers, tells all it knows, and says goodbye a second later.
    let mut open: BTreeMap<ConnectionId, Instant> = BTreeMap::new();
    let mut outputs = a.input(PeeringInput::PeerAdded { address: address(1) });
    for _ in 0..900 {
        let over: Vec<_> = open.iter().filter(|(_, until)| **until <= a.now).map(|(id, _)| *id).collect();
        for connection in over {
            open.remove(&connection);
            outputs.extend(a.input(PeeringInput::Farewell { connection, parting: Parting::DuplicateIdentity }));
        }
        while let Some(output) = outputs.pop() {
            let Output::Dial { address, .. } = output else { continue };
            dials.push(a.now);
            let n = (1..5).find(|n| nuncio_testkit::simulator::address(*n) == address).unwrap();
            let (connection, opened) = a.connect(n, Direction::Outbound);
            open.insert(connection, a.now + S);
            outputs.extend(opened);
            outputs.extend(a.answered(n, (1..5).map(|n| record(n, 1, &[1, 2, 3, 4], &[])).collect()));
        }
        outputs.extend(a.advance(S / 10));
    }
    assert!(dials.len() > 5, "it does try again");
    assert!(peak(&dials, 30 * S) <= 5, "{} in half a minute", peak(&dials, 30 * S));
}

#[test]
fn whoever_bans_this_node_is_not_dialled_again_at_once() {
    for (parting, is_patient) in [(Parting::Banned, true), (Parting::Leaving, false)] {
        let mut a = Lone::new(0, Config::default());
        let mut dials = Vec::new();
        let mut outputs = a.input(PeeringInput::PeerAdded { address: address(1) });
        for _ in 0..900 {
            while let Some(output) = outputs.pop() {
                let Output::Dial { .. } = output else { continue };
                dials.push(a.now);
                let (connection, opened) = a.connect(1, Direction::Outbound);
                outputs.extend(opened);
                outputs.extend(a.input(PeeringInput::Farewell { connection, parting }));
            }
            outputs.extend(a.advance(S / 10));
        }
        let peak = peak(&dials, 60 * S);
        assert!(dials.len() > 1, "{parting:?}: it does try again");
        assert_eq!(peak <= 3, is_patient, "{parting:?}: {peak} in a minute");
    }
}

/// Links the hub with all others, takes it away for half a minute as `lose` says and gives it back as `give_back` does.
fn lose_a_hub(lose: impl Fn(&mut Simulator), give_back: impl Fn(&mut Simulator)) {
    let mut network = Simulator::new(1, Weather::default());
    network.keep_journal(1 << 20);
    network.add_nodes(51, &Config::default());
    for node in 1..51 {
        network.connect(node, 0);
    }
    let all_linked = |network: &Simulator| network.overlay(0).is_some_and(|hub| hub.links().len() == 50);
    assert!(network.run_until(20 * S, all_linked));
    lose(&mut network);
    network.run_for(30 * S);
    assert!(network.overlay(0).is_none_or(|hub| hub.links().is_empty()));
    give_back(&mut network);
    assert!(network.run_until(20 * S, all_linked), "{:?} links", network.overlay(0).map(|hub| hub.links().len()));

    let start = Instant::now();
    let mut dials: BTreeMap<usize, Vec<Instant>> = BTreeMap::new();
    for entry in network.journal() {
        if matches!(entry.what, What::Out(Output::Dial { .. })) {
            dials.entry(entry.node).or_default().push(start + entry.at);
        }
    }
    assert!(dials.len() >= 50);
    for (node, dials) in dials {
        assert!(peak(&dials, S) <= 5, "node {node} dials {} times in a second", peak(&dials, S));
    }
}

#[test]
fn fifty_nodes_that_lose_a_hub_and_get_it_back_are_linked_with_it_soon_and_dial_little() {
    lose_a_hub(|network| network.crash(0), |network| network.restart(0));
    lose_a_hub(|network| network.partition(&BTreeSet::from([0])), Simulator::heal);
}

#[test]
fn an_own_address_among_the_peers_is_named_as_such_and_never_dialled() {
    let mut a = Lone::new(0, Config::default());
    let own = || Address::new("127.0.0.1:30300");
    a.input(StatusInput::LocalAddresses { addresses: vec![own()] });
    let mut outputs = a.input(PeeringInput::PeerAdded { address: own() });
    outputs.extend(a.advance(60 * S));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Dial { .. })));
    let waiting = a.overlay.pending_peers();
    let said = waiting[0].last_error.as_deref();
    assert_eq!((waiting.len(), said), (1, Some("this address is our own")), "nobody waits for it");
}
