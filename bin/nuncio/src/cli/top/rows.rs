//! Each page as rows of cells. What remotes said is made harmless here.

use std::cmp::Ordering;

use super::{
    sight::{Sights, bytes, messages},
    view::Tab,
};
use crate::cli::text::{age, or_dash, short};

/// A column, and which ones stay where not all have room: those with the lowest rank.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// In columns of the terminal.
    pub(super) width: u16,
    pub(super) rank: u8,
    pub(super) is_number: bool,
}

const fn words(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width, rank, is_number: false }
}

const fn number(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width, rank, is_number: true }
}

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) columns: &'static [Column],
    /// The column that takes the room that is left.
    pub(super) widest: usize,
    pub(super) rows: Vec<Row>,
    /// What stands there when there are no rows.
    pub(super) nothing: &'static str,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    /// Whether the operator should look at it.
    pub(super) is_bad: bool,
}

/// What is written, and the number by which it is sorted.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) text: String,
    number: Option<f64>,
}

fn word(text: impl AsRef<str>) -> Cell {
    Cell { text: nuncio_plain::line(text.as_ref()).into_owned(), number: None }
}

fn count(number: u64) -> Cell {
    Cell { text: number.to_string(), number: Some(number as f64) }
}

fn measured(number: Option<f64>, written: impl Fn(f64) -> String) -> Cell {
    Cell { text: or_dash(number.map(written)), number }
}

/// `950`, `1.2k`, `34M`: four columns or less, or five with a point.
pub(super) fn amount(number: f64) -> String {
    let (unit, scaled) = match number {
        _ if number < 999.5 => return format!("{number:.0}"),
        _ if number < 999.5e3 => ("k", number / 1e3),
        _ if number < 999.5e6 => ("M", number / 1e6),
        _ => ("G", number / 1e9),
    };
    if scaled < 9.95 { format!("{scaled:.1}{unit}") } else { format!("{scaled:.0}{unit}") }
}

impl Page {
    pub(super) fn of(tab: Tab, sights: &Sights) -> Self {
        match tab {
            Tab::Links => links(sights),
            Tab::Topics => topics(sights),
            Tab::Traffic => traffic(sights),
            Tab::Refusals => refusals(sights),
            Tab::Certificates => certificates(sights),
        }
    }

    /// Sorts by a column: numbers from the greatest down, words from a to z. Which rows are alike stays as it was.
    pub(super) fn sort(&mut self, column: usize) {
        let is_number = self.columns[column].is_number;
        self.rows.sort_by(|one, other| {
            let (one, other) = (&one.cells[column], &other.cells[column]);
            match is_number {
                true => other.number.partial_cmp(&one.number).unwrap_or(Ordering::Equal),
                false => one.text.cmp(&other.text),
            }
        });
    }
}

fn links(sights: &Sights) -> Page {
    const COLUMNS: &[Column] = &[
        words("node", 12, 0),
        words("agency", 12, 4),
        words("address", 21, 5),
        words("state", 8, 1),
        number("rtt ms", 7, 2),
        number("in/s", 6, 3),
        number("out/s", 6, 3),
        number("for", 8, 6),
        words("why not", 20, 7),
    ];
    let rates = sights.link_rates();
    let rows = sights.now.links.iter().zip(rates).map(|(link, rate)| {
        let id = link.node_id.as_deref().map(short);
        let cells = vec![
            word(or_dash(link.name.clone().or(id))),
            word(or_dash(link.agency.as_ref())),
            word(&link.address),
            word(&link.state),
            measured(link.rtt_ms, |rtt| format!("{rtt:.2}")),
            measured(rate.map(|[received, _]| received), amount),
            measured(rate.map(|[_, sent]| sent), amount),
            measured(link.connected_for_s.map(|seconds| seconds as f64), |seconds| age(seconds as u64)),
            word(link.last_error.as_deref().unwrap_or_default()),
        ];
        Row { cells, is_bad: link.state != "linked" }
    });
    Page { columns: COLUMNS, widest: 8, rows: rows.collect(), nothing: "no links, and no peers are configured" }
}

fn topics(sights: &Sights) -> Page {
    const COLUMNS: &[Column] = &[words("topic", 16, 0), number("nodes", 6, 2), number("subscribers", 12, 1)];
    let rows = sights.now.topics.iter().map(|topic| {
        let cells = vec![word(&topic.topic), count(topic.nodes.len() as u64), count(topic.subscribers.into())];
        Row { cells, is_bad: false }
    });
    Page { columns: COLUMNS, widest: 0, rows: rows.collect(), nothing: "nobody subscribes a topic" }
}

fn traffic(sights: &Sights) -> Page {
    const COLUMNS: &[Column] = &[
        words("kind", 14, 0),
        words("peers", 12, 4),
        number("msg/s", 6, 1),
        number("bytes/s", 8, 2),
        number("messages", 9, 3),
        number("bytes", 7, 5),
    ];
    let rates = sights.traffic_rates();
    let rows = sights.now.traffic.iter().zip(rates).map(|(row, rate)| {
        let cells = vec![
            word(row.kind.replace('_', " ")),
            word(row.peer.replace('_', " ")),
            measured(rate.map(|[messages, _]| messages), amount),
            measured(rate.map(|[_, bytes]| bytes), amount),
            measured(Some(messages(row) as f64), amount),
            measured(Some(bytes(row) as f64), amount),
        ];
        Row { cells, is_bad: false }
    });
    Page { columns: COLUMNS, widest: 0, rows: rows.collect(), nothing: "nothing went over a link yet" }
}

fn refusals(sights: &Sights) -> Page {
    const COLUMNS: &[Column] =
        &[words("what", 14, 0), words("who", 14, 2), number("count", 6, 3), words("when", 20, 4), words("why", 16, 1)];
    let refusals = &sights.now.refusals;
    let row = |what: &str, who: &str, number: Cell, when: &str, why: &str, is_bad| {
        let cells = vec![word(what.replace('_', " ")), word(who), number, word(when), word(why)];
        Row { cells, is_bad }
    };
    let bans = refusals.bans.iter().map(|ban| {
        let name = ban.name.clone().unwrap_or_else(|| short(&ban.node_id));
        row("banned", &name, measured(None, amount), "now", &ban.reason, true)
    });
    let last = refusals.last.iter().map(|one| {
        let is_node = nuncio_admin::is_node_id_prefix(&one.who);
        let who = if is_node { short(&one.who) } else { one.who.clone() };
        let when = one.time.get(..19).unwrap_or(&one.time).replace('T', " ");
        row(&one.kind, &who, measured(None, amount), &when, &one.cause, false)
    });
    let counts = refusals
        .counts
        .iter()
        .map(|one| row(&one.what, "-", count(one.count), "since start", &one.cause.replace('_', " "), false));
    let rows = bans.chain(last).chain(counts).collect();
    Page { columns: COLUMNS, widest: 4, rows, nothing: "nobody was refused" }
}

fn certificates(sights: &Sights) -> Page {
    const COLUMNS: &[Column] = &[number("days left", 10, 0), words("of", 16, 1), words("subject", 20, 2)];
    let rows = sights.now.lifetimes.iter().map(|ending| {
        let days = Cell { text: ending.days_left.to_string(), number: Some(-(ending.days_left as f64)) };
        let cells = vec![days, word(ending.kind.replace('_', " ")), word(&ending.subject)];
        Row { cells, is_bad: ending.is_close || ending.days_left < 0 }
    });
    Page { columns: COLUMNS, widest: 2, rows: rows.collect(), nothing: "no certificate is known" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        for (number, text) in [
            (0.0, "0"),
            (999.4, "999"),
            (999.6, "1.0k"),
            (9_960.0, "10k"),
            (123_456.0, "123k"),
            (999_600.0, "1.0M"),
            (34e6, "34M"),
            (2.5e12, "2500G"),
        ] {
            assert_eq!(amount(number), text);
        }
    }
}
