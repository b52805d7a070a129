//! The bounds in the code as one Markdown page.

use std::fmt::Write;

use nuncio_bounds::{Bound, Room, written};
use nuncio_daemon::{Config, bounds};

const HEAD: &str = "\
# Bounds

<!-- Written by `cargo xtask generate` from the constants that enforce them. Do not edit: CI compares it with the code. -->

Every map, queue and buffer that peers, SDKs, strangers and operators can make grow, with its bound and with what happens when
it is reached: whoever exceeds it is refused, and others are unharmed. Bytes include what an entry takes around its content.

The figures are those of the default configuration, and what is off there stands last. `nuncio config bounds` prints them for another one, with what each link
and SDK can cost and the sum: so much must a machine or container have for the worst that all of them can do at once. Fewer
links (`[p2p] max_links`) make it smaller first.
";

/// The page.
pub(crate) fn page() -> String {
    let rooms = bounds(&Config::default());
    let mut page = HEAD.to_owned();
    for room in &rooms {
        section(&mut page, room);
    }
    // What is off by default, and has bounds where it is on.
    let mut all = Config::default();
    all.web.enabled = true;
    all.files.directory = Some("files".into());
    for room in bounds(&all).iter().filter(|room| rooms.iter().all(|one| one.name != room.name)) {
        section(&mut page, room);
    }
    // Writing to a string cannot fail.
    let _ = write!(page, "\n## All together\n\n| configuration | bytes |\n|---|---|\n");
    for (name, config) in configurations() {
        let all = bounds(&config).iter().map(Room::sum).fold(0, usize::saturating_add);
        let _ = writeln!(page, "| {name} | {} |", written(all));
    }
    page
}

/// The default, and what makes the most of it smaller.
fn configurations() -> [(&'static str, Config); 4] {
    let (mut few, mut small, mut without) = (Config::default(), Config::default(), Config::default());
    for config in [&mut few, &mut small, &mut without] {
        config.p2p.max_links = 16;
    }
    let gateway = &mut small.gateway;
    (gateway.max_clients, gateway.max_pending_handshakes) = (256, 64);
    for total in [&mut gateway.total_queue, &mut gateway.total_intake, &mut gateway.total_in_flight] {
        total.0 = 64 << 20;
    }
    without.gateway.enabled = false;
    [
        ("the default one", Config::default()),
        ("`[p2p] max_links = 16`", few),
        (
            "and `[gateway] max_clients = 256`, `max_pending_handshakes = 64`, `total_queue`, `total_intake` and \
             `total_in_flight` of 64 MiB",
            small,
        ),
        ("`[p2p] max_links = 16` and no gateway", without),
    ]
}

fn section(page: &mut String, room: &Room) {
    let mut name = room.name.to_owned();
    name[..1].make_ascii_uppercase();
    let _ = write!(page, "\n## {name}: {}\n\n", written(room.sum()));
    page.push_str("| what | of each | entries | bytes | sum | when full |\n|---|---|---|---|---|---|\n");
    for bound in &room.bounds {
        let Bound { what, per, count, entries, bytes, when_full } = bound;
        let of_each = if *count == 1 { (*per).to_owned() } else { format!("{count} × {per}") };
        let entries = entries.map_or_else(|| "–".to_owned(), |entries| entries.to_string());
        let (bytes, sum) = (written(*bytes), written(bound.sum()));
        let _ = writeln!(page, "| {what} | {of_each} | {entries} | {bytes} | {sum} | {when_full} |");
    }
}
