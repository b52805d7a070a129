use super::*;

const HOSTILE: Account<u32> = Account::Of(1);
const HONEST: Account<u32> = Account::Of(2);
const MIB: usize = 1 << 20;

fn queue(ledger: &Arc<Ledger<u32>>) -> FairQueue<u32, usize> {
    FairQueue::new(32 * MIB, Arc::clone(ledger))
}

fn fill(queue: &mut FairQueue<u32, usize>, account: Account<u32>, bytes: usize) -> usize {
    (0..).take_while(|_| queue.push(account, bytes, bytes, Rank::Middle).is_ok()).count() * bytes
}

#[test]
fn one_alone_fills_the_queue_and_others_and_the_node_itself_find_room_all_the_same() {
    let mut queue = queue(&Arc::new(Ledger::new(256 * MIB)));
    assert_eq!(fill(&mut queue, HOSTILE, MIB), 32 * MIB, "as if nobody else was there");
    assert_eq!(fill(&mut queue, HONEST, MIB), 32 * MIB);
    assert_eq!(fill(&mut queue, Account::Own, MIB), 32 * MIB);
    assert_eq!(queue.bytes(), 96 * MIB);
}

#[test]
fn however_many_queues_some_fill_everybody_else_finds_room_in_each() {
    let ledger = Arc::new(Ledger::new(256 * MIB));
    let mut queues: Vec<_> = (0..200).map(|_| queue(&ledger)).collect();
    for hostile in 10..15 {
        for queue in &mut queues {
            fill(queue, Account::Of(hostile), 100 << 10);
        }
    }
    assert!(ledger.used() <= 192 * MIB && ledger.used() > 128 * MIB, "{}", ledger.used());
    assert!(fill(&mut queues[0], HONEST, MIB) >= 2 * MIB);
    assert!(fill(&mut queues[0], Account::Own, MIB) >= 16 * MIB);
    assert!((1..300).all(|who| fill(&mut queues[1], Account::Of(1000 + who), 1000) >= 64_000));
    drop(queues);
    assert_eq!(ledger.used(), 0, "all is given back");
}

#[test]
fn links_that_take_nothing_leave_room_for_others() {
    let ledger = Arc::new(Ledger::new(256 * MIB));
    let mut dead: Vec<_> = (0..5).map(|_| queue(&ledger)).collect();
    for (account, links) in [(HONEST, 3), (Account::Own, 5)] {
        for queue in &mut dead[..links] {
            fill(queue, account, MIB);
        }
        assert!(fill(&mut queue(&ledger), account, MIB) >= 2 * MIB, "{account:?}");
    }
}

#[test]
fn who_sends_little_waits_for_nobody_who_sends_much() {
    let mut queue = queue(&Arc::new(Ledger::new(256 * MIB)));
    for hostile in 10..15 {
        fill(&mut queue, Account::Of(hostile), 60_000);
    }
    queue.push(HONEST, 1, 1, Rank::Middle).expect("there is room");
    let before: usize = std::iter::from_fn(|| queue.pop()).map(|(_, _, bytes)| bytes).take_while(|b| *b > 1).sum();
    assert!(before <= 5 * (QUANTUM + 60_000), "{before} bytes before it");
}

#[test]
fn those_who_send_much_get_as_much_as_each_other_however_long_their_messages_are() {
    let mut queue = queue(&Arc::new(Ledger::new(256 * MIB)));
    for (account, bytes) in [(HOSTILE, 3 * MIB), (HONEST, 1000), (Account::Own, 100_000)] {
        fill(&mut queue, account, bytes);
    }
    let mut left = [0; 3];
    while left.iter().sum::<usize>() < 36 * MIB {
        let (account, _, bytes) = queue.pop().expect("much waits");
        left[[HOSTILE, HONEST, Account::Own].iter().position(|all| *all == account).unwrap_or(0)] += bytes;
    }
    assert!(left.iter().all(|bytes| bytes.abs_diff(12 * MIB) <= 3 * MIB + QUANTUM), "{left:?}");
}

#[test]
fn messages_of_one_account_keep_their_order_and_ranks_go_before_turns() {
    let mut queue = queue(&Arc::new(Ledger::new(MIB)));
    for (account, message, rank) in [
        (HONEST, 9, Rank::Last),
        (HONEST, 1, Rank::Middle),
        (HONEST, 2, Rank::Middle),
        (HOSTILE, 3, Rank::Middle),
        (HOSTILE, 0, Rank::First),
    ] {
        queue.push(account, message, 20 << 10, rank).expect("there is room");
    }
    let left: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, message, _)| message).collect();
    assert_eq!(left, [0, 1, 3, 2, 9]);
}

#[test]
fn what_is_leaving_still_counts_and_what_has_left_does_not() {
    let ledger = Arc::new(Ledger::new(MIB));
    let mut queue = FairQueue::new(20, Arc::clone(&ledger));
    assert_eq!(fill(&mut queue, HONEST, 10), 20);
    assert!(queue.pop().is_some() && queue.pop().is_some() && queue.is_empty());
    assert_eq!((queue.push(HONEST, 10, 10, Rank::Middle), queue.bytes()), (Err(10), 20));
    queue.settle();
    assert_eq!((queue.push(HONEST, 10, 10, Rank::Middle), ledger.used()), (Ok(()), 10));
}

#[test]
fn a_message_that_comes_alone_finds_its_place_and_what_much_took_is_given_back() {
    let mut queue = queue(&Arc::new(Ledger::new(256 * MIB)));
    let mut pass = |messages: usize| {
        for _ in 0..messages {
            queue.push(HONEST, 1, 1, Rank::Middle).expect("there is room");
        }
        while queue.pop().is_some() {}
        queue.settle();
        queue.owners[&Some(2)].lines[&HONEST.part()].waiting[Rank::Middle as usize].capacity()
    };
    assert!((1..=KEPT_PLACES).contains(&pass(1)), "kept for the next");
    assert_eq!(pass(10 * KEPT_PLACES), 0);
}

#[test]
fn a_message_without_bytes_waits_for_its_turn_like_any_other_however_many_accounts_come() {
    let mut queue = queue(&Arc::new(Ledger::new(MIB)));
    let accounts = 4 * KEPT_LINES as u32;
    for who in 0..accounts {
        queue.push(Account::Of(who), 0, 0, Rank::Middle).expect("there is room");
    }
    let left: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(account, ..)| account).collect();
    assert_eq!(left, (0..accounts).map(Account::Of).collect::<Vec<_>>());
    assert!(queue.is_empty());
}

#[test]
fn accounts_without_number_leave_nothing_behind() {
    let ledger = Arc::new(Ledger::new(256 * MIB));
    let mut queue = queue(&ledger);
    for who in 0..100_000 {
        queue.push(Account::Of(who), 1, 1, Rank::Middle).expect("there is room");
        queue.pop();
        queue.settle();
    }
    assert!(queue.known <= KEPT_LINES && queue.owners.len() <= KEPT_LINES);
}

#[test]
fn one_source_behind_a_relay_leaves_room_and_turns_to_the_others_there() {
    let ledger = Arc::new(Ledger::new(256 * MIB));
    let mut queue = queue(&ledger);
    let behind = |source| Account::Brought(1, source);
    assert_eq!(fill(&mut queue, behind(1), MIB), 32 * MIB, "as if nobody else was there");
    assert!(fill(&mut queue, behind(2), MIB) >= 8 * MIB);
    for hostile in 3..10 {
        fill(&mut queue, behind(hostile), 50_000);
    }
    queue.push(behind(77), 1, 1, Rank::Middle).expect("there is room");
    queue.push(HONEST, 2, 2, Rank::Middle).expect("there is room");
    let (mut before, mut left) = (0, Vec::new());
    while left.len() < 2 {
        let (account, message, bytes) = queue.pop().expect("both wait");
        if message <= 2 {
            left.push((account, before));
        }
        before += bytes;
    }
    let before = |account| left.iter().find(|(whose, _)| *whose == account).map(|(_, before)| *before);
    assert!(before(HONEST) <= Some(MIB), "a neighbour has its turn whoever waits behind another: {left:?}");
    assert!(before(behind(77)) <= Some(2 * MIB + 9 * (QUANTUM + 50_000)), "{left:?}");
}

#[test]
fn however_many_sources_a_neighbour_names_it_has_one_share_and_one_turn() {
    let ledger = Arc::new(Ledger::new(256 * MIB));
    let mut queues: Vec<_> = (0..20).map(|_| queue(&ledger)).collect();
    for queue in &mut queues {
        for source in 0..500 {
            fill(queue, Account::Brought(1, source), 100_000);
        }
    }
    assert!(queues[0].bytes() <= 80 * MIB + 100_000 && ledger.used() <= 128 * MIB, "{}", ledger.used());
    assert!(queues.iter_mut().all(|queue| queue.push(HONEST, MIB, MIB, Rank::Middle).is_ok()));
    let mut left = [0; 2];
    while left[1] < MIB {
        let (account, _, bytes) = queues[0].pop().expect("much waits");
        left[usize::from(account == HONEST)] += bytes;
    }
    assert!(left[0] <= MIB + QUANTUM + 100_000, "{left:?}");
    drop(queues);
    assert_eq!(ledger.used(), 0, "all is given back");
}

#[test]
fn one_source_that_fills_many_links_leaves_room_for_others_behind_its_relay() {
    let ledger = Arc::new(Ledger::new(256 * MIB));
    let mut queues: Vec<_> = (0..50).map(|_| queue(&ledger)).collect();
    for hostile in 1..4 {
        for queue in &mut queues {
            fill(queue, Account::Brought(1, hostile), 100 << 10);
        }
    }
    assert!(queues.iter_mut().all(|queue| queue.push(Account::Brought(1, 77), 0, 20_000, Rank::Middle).is_ok()));
}

#[test]
fn one_client_of_the_node_leaves_room_and_turns_to_the_others_and_to_the_node() {
    let ledger = Arc::new(Ledger::new(256 * MIB));
    let mut queues: Vec<_> = (0..50).map(|_| queue(&ledger)).collect();
    for queue in &mut queues {
        fill(queue, Account::Client(1), 60_000);
    }
    for account in [Account::Client(2), Account::Own] {
        for queue in &mut queues {
            queue.push(account, 0, 60_000, Rank::Middle).expect("there is room");
        }
    }
    let before = std::iter::from_fn(|| queues[0].pop()).take_while(|(_, message, _)| *message > 0);
    assert!(before.count() <= 3);
}

/// Of what leaves while all of it waits always, how much is of each rank; and how much of the first comes first.
fn shares(ranks: &[Rank], bytes: usize) -> (Vec<usize>, usize) {
    let mut queue = FairQueue::<u32, usize>::boundless();
    for (place, rank) in ranks.iter().enumerate() {
        (0..2).for_each(|_| queue.push(HOSTILE, place, bytes, *rank).expect("there is room"));
    }
    let (mut left, mut lead) = (vec![0; ranks.len()], 0);
    for _ in 0..100_000 {
        let (account, place, _) = queue.pop().expect("all of it waits");
        queue.push(account, place, bytes, ranks[place]).expect("there is room");
        lead += usize::from(left[1..].iter().all(|left| *left == 0) && place == 0);
        left[place] += 1;
    }
    (left, lead)
}

#[test]
fn whatever_floods_a_rank_a_ninth_is_left_to_those_behind_and_a_little_of_it_waits_for_nobody() {
    for bytes in [0, 1000, 100_000] {
        let (left, lead) = shares(&[Rank::First, Rank::Middle], bytes);
        assert!((10_500..12_000).contains(&left[1]), "{left:?} of {bytes} bytes");
        assert!((lead * (bytes + OVERHEAD)) as i64 >= LEAD, "{lead} of {bytes} bytes before the first of the others");
    }
}

#[test]
fn what_is_left_does_not_shrink_with_each_rank_that_is_flooded_and_no_rank_starves_between_two_others() {
    use Rank::{First, Last, Middle, Second};
    let ninth = |part: usize, whole: usize| (10 * whole..13 * whole).contains(&(part * 100));
    for bytes in [0, 1000, 100_000] {
        let (left, _) = shares(&[First, Second, Middle], bytes);
        assert!(ninth(left[2], 100_000) && ninth(left[1], left[0] + left[1]), "{left:?} of {bytes} bytes");
        let (left, _) = shares(&[First, Middle, Last], bytes);
        assert!(ninth(left[1] + left[2], 100_000) && ninth(left[2], left[1] + left[2]), "{left:?} of {bytes} bytes");
        let (left, _) = shares(&RANKS, bytes);
        assert!(ninth(left[2] + left[3], 100_000) && ninth(left[1], left[0] + left[1]), "{left:?} of {bytes} bytes");
        assert!(ninth(left[3], left[2] + left[3]), "{left:?} of {bytes} bytes");
    }
}

#[test]
fn nothing_is_due_to_a_rank_while_nothing_of_it_waits() {
    let mut queue = FairQueue::<u32, Rank>::boundless();
    let push = |queue: &mut FairQueue<u32, Rank>, rank| queue.push(HONEST, rank, 60_000, rank).expect("there is room");
    (0..2000).for_each(|_| push(&mut queue, Rank::Middle));
    (0..1000).for_each(|_| assert!(queue.pop().is_some()));
    (0..1000).for_each(|_| push(&mut queue, Rank::First));
    let before = std::iter::from_fn(|| queue.pop()).take_while(|(_, rank, _)| *rank == Rank::First).count();
    assert_eq!(before, 3, "more than it may be ahead, and no more");
}

#[test]
fn what_is_urgent_now_and_then_never_waits_however_long_others_do() {
    let mut queue = FairQueue::<u32, usize>::boundless();
    for round in 0..10_000 {
        (0..3).for_each(|_| queue.push(HONEST, 1, 60_000, Rank::Middle).expect("there is room"));
        queue.push(HOSTILE, 0, 10_000, Rank::First).expect("there is room");
        assert_eq!(queue.pop().map(|(_, message, _)| message), Some(0), "round {round}");
        assert_eq!(queue.pop().map(|(_, message, _)| message), Some(1));
    }
}
