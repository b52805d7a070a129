use std::time::{Duration, Instant};

use nuncio_admin::api::{Ban, Ending, Peer, Refusal, RefusalCount, Refusals, Status, Topic, Traffic};

use super::*;
use crate::cli::top::sight::Sight;

fn status() -> Status {
    Status {
        node_id: "ab".repeat(64),
        seq: 7,
        epoch: 2,
        version: "nuncio/0.1.0".into(),
        uptime_s: 3_700,
        peers: 2,
        nodes: 4,
        topics: 1,
        ready: true,
        name: "node0".into(),
        agency: "agencyA".into(),
        listen: vec!["127.0.0.1:30300".into()],
        gateway: None,
        certificate_not_after: 0,
        duplicate_identities: 0,
        warnings: Vec::new(),
    }
}

fn link(name: &str, state: &str, bytes: u64) -> Peer {
    Peer {
        node_id: Some(format!("{name:0<128}")),
        address: "127.0.0.1:30301".into(),
        direction: None,
        state: state.into(),
        connected_for_s: Some(60),
        rtt_ms: Some(0.25),
        agency: Some("agencyB".into()),
        name: Some(name.into()),
        configured: true,
        last_error: (state != "linked").then(|| "connection refused".into()),
        bytes_received: Some(bytes),
        bytes_sent: Some(2 * bytes),
    }
}

fn traffic(messages: u64) -> Traffic {
    Traffic {
        kind: "amop_publish".into(),
        peer: "own_agency".into(),
        messages_received: messages,
        messages_sent: 0,
        bytes_received: 100 * messages,
        bytes_sent: 0,
    }
}

fn sights() -> Sights {
    let before = Sight {
        status: status(),
        links: vec![link("node1", "linked", 1_000), link("node2", "waiting", 0)],
        topics: vec![
            Topic { topic: "orders".into(), nodes: vec!["ab".into(), "cd".into()], subscribers: 3 },
            Topic { topic: "prices".into(), nodes: vec!["ab".into()], subscribers: 12 },
        ],
        traffic: vec![traffic(10)],
        refusals: Refusals {
            counts: vec![RefusalCount { what: "link_inbound".into(), cause: "expired".into(), count: 3 }],
            bans: vec![Ban {
                node_id: "cd".repeat(64),
                name: Some("evil".into()),
                agency: None,
                reason: "for 9 s: forged".into(),
            }],
            last: vec![Refusal {
                time: "2026-11-28T20:00:00.123456789Z".into(),
                door: "sdk".into(),
                counted_as: "revoked".into(),
                kind: "node_refused".into(),
                who: "10.0.0.9:4".into(),
                cause: "its certificate has ended".into(),
            }],
        },
        lifetimes: vec![
            Ending { kind: "node".into(), subject: "CN=node0".into(), not_after: 1, days_left: 3, is_close: true },
            Ending { kind: "root".into(), subject: "CN=chain".into(), not_after: 2, days_left: 3_000, is_close: false },
        ],
        at: Instant::now(),
    };
    let mut now = before.clone();
    now.links[0] = link("node1", "linked", 21_000);
    now.traffic = vec![traffic(40)];
    now.at = before.at + Duration::from_secs(10);
    let mut sights = Sights::new(before);
    sights.take(Ok(now));
    sights
}

fn drawn(sights: &Sights, view: &mut View, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, sights, view)).unwrap();
    text_of(terminal.backend().buffer())
}

fn at(tab: Tab) -> View {
    View::new(tab, true)
}

#[test]
fn a_wide_terminal_shows_all_of_a_link_and_how_fast_it_goes() {
    let lines = drawn(&sights(), &mut at(Tab::Links), 120, 9);
    assert_eq!(
        lines,
        [
            "node0 of agencyA  ready, up 1h 1m, version nuncio/0.1.0",
            "2 links  4 nodes  1 topics  3 msg/s  300 bytes/s",
            " links  topics  traffic  refusals  certificates",
            "NODE         AGENCY       ADDRESS               STATE     RTT MS   IN/S  OUT/S      FOR WHY NOT",
            "node1        agencyB      127.0.0.1:30301       linked      0.25   2.0k   4.0k       1m",
            "node2        agencyB      127.0.0.1:30301       waiting     0.25      0      0       1m connection refused",
            "",
            "",
            "q quit · tab page · s sort · ? help",
        ]
    );
}

#[test]
fn forty_columns_show_what_matters_most_of_each_page() {
    for (tab, expected) in [
        (Tab::Links, ["NODE             STATE     RTT MS   IN/S", "node1            linked      0.25   2.0k"]),
        (Tab::Topics, ["TOPIC                 NODES  SUBSCRIBERS", "orders                    2            3"]),
        (Tab::Traffic, ["KIND            MSG/S  BYTES/S  MESSAGES", "amop publish        3      300        40"]),
        (Tab::Refusals, ["WHAT           WHY", "banned         for 9 s: forged"]),
        (Tab::Certificates, [" DAYS LEFT OF", "         3 node"]),
    ] {
        let lines = drawn(&sights(), &mut at(tab), 40, 12);
        assert!(lines.iter().all(|line| line.chars().count() <= 40), "{lines:#?}");
        assert_eq!(lines[0], "node0 of agencyA  ready, up 1h 1m, vers…");
        assert!(lines[2].starts_with(&format!(" {}  {} of 5", tab.name(), tab as usize + 1)), "{}", lines[2]);
        assert!(lines[3].starts_with(expected[0]) && lines[4].starts_with(expected[1]), "{lines:#?}");
    }
}

#[test]
fn s_sorts_by_the_next_column_numbers_from_the_greatest_down() {
    let mut view = at(Tab::Topics);
    let first = |view: &mut View| drawn(&sights(), view, 60, 10)[4].split_whitespace().next().unwrap().to_owned();
    assert_eq!(first(&mut view), "orders");
    view.sorted_by[Tab::Topics as usize] = 2;
    assert_eq!(first(&mut view), "prices");
    assert!(drawn(&sights(), &mut view, 60, 10)[3].contains("SUBSCRIBERS▾"));
    let mut view = at(Tab::Certificates);
    view.sorted_by[Tab::Certificates as usize] = 3;
    assert_eq!(first(&mut view), "3", "what ends first");
}

#[test]
fn what_remotes_wrote_moves_no_cursor_and_forges_no_line() {
    let mut sights = sights();
    sights.now.links[0].name = Some("a\u{1b}[2J\nforged\u{202e}".into());
    sights.now.status.warnings = vec!["one\u{1b}]0;x\u{7}".into()];
    sights.trouble = Some("gone\r".into());
    let lines = drawn(&sights, &mut at(Tab::Links), 120, 10);
    assert_eq!(lines[2], "no answer: gone␍");
    assert_eq!(lines[3], "one␛]0;x␇");
    assert!(lines[6].starts_with("a␛[2J␊forge…"), "{}", lines[6]);
}

#[test]
fn scrolling_ends_where_the_rows_do() {
    let mut sights = sights();
    sights.now.topics = (0..100)
        .map(|number| Topic { topic: format!("topic{number:02}"), nodes: Vec::new(), subscribers: 1 })
        .collect();
    let mut view = at(Tab::Topics);
    view.first = usize::MAX;
    let lines = drawn(&sights, &mut view, 60, 15);
    assert_eq!((view.first, view.height), (90, 10));
    assert!(lines[4].starts_with("topic90") && lines[13].starts_with("topic99"), "{lines:#?}");
}

#[test]
fn the_help_and_the_smallest_terminals_can_be_drawn() {
    for tab in Tab::ALL {
        for (width, height) in [(1, 1), (3, 2), (10, 4), (40, 12), (300, 80)] {
            let mut view = at(tab);
            view.help = true;
            drawn(&sights(), &mut view, width, height);
        }
    }
    let mut view = at(Tab::Links);
    view.help = true;
    assert!(drawn(&sights(), &mut view, 60, 20).iter().any(|line| line.contains("sort by the next column")));
}

#[test]
fn a_page_without_terminal_has_all_tabs_and_no_control_characters() {
    let mut sights = sights();
    sights.now.topics.clear();
    let lines = page(&sights, 100);
    for tab in Tab::ALL {
        assert!(lines.contains(&tab.name().to_uppercase()));
    }
    assert!(lines.iter().any(|line| line == "nobody subscribes a topic"));
    assert!(lines.iter().all(|line| line.chars().all(nuncio_plain::is_harmless)));
}
