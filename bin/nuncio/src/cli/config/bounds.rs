//! What others can make a node hold.

use nuncio_bounds::{Bound, Room, written};
use nuncio_daemon::Config;
use serde_json::{Value, json};

use crate::{failure::Failure, output::Output};

/// What one of a kind can cost, all its bounds together.
struct Cost {
    per: &'static str,
    count: usize,
    bytes: usize,
}

pub(super) fn show(config: &Config, output: Output) -> Result<(), Failure> {
    let rooms = nuncio_daemon::bounds(config);
    let bytes = rooms.iter().map(Room::sum).fold(0, usize::saturating_add);
    let costs = costs(&rooms);
    if output.json {
        return output.object(&json!({
            "rooms": rooms.iter().map(room_object).collect::<Vec<_>>(),
            "per": costs.iter().map(cost_object).collect::<Vec<_>>(),
            "bytes": bytes,
        }));
    }
    let all = rooms.iter().flat_map(|room| room.bounds.iter().map(move |bound| (room.name, bound)));
    output.table(&["part", "what", "of each", "entries", "bytes", "sum", "when full"], all.map(row))?;
    output.line("")?;
    let rows = costs.iter().map(|Cost { per, count, bytes }| {
        vec![(*per).to_owned(), count.to_string(), written(*bytes), written(bytes.saturating_mul(*count))]
    });
    output.table(&["each", "count", "bytes", "sum"], rows)?;
    output.line("")?;
    output.line(&format!("all together: {} ({bytes} bytes)", written(bytes)))
}

fn row((room, bound): (&str, &Bound)) -> Vec<String> {
    let of_each = if bound.count == 1 { bound.per.to_owned() } else { format!("{} × {}", bound.count, bound.per) };
    let entries = bound.entries.map_or_else(|| "–".to_owned(), |entries| entries.to_string());
    let (bytes, sum) = (written(bound.bytes), written(bound.sum()));
    vec![room.to_owned(), bound.what.to_owned(), of_each, entries, bytes, sum, bound.when_full.to_owned()]
}

/// What each link, SDK and so on can cost, in the order in which they are met.
fn costs(rooms: &[Room]) -> Vec<Cost> {
    let mut costs: Vec<Cost> = Vec::new();
    for Bound { per, count, bytes, .. } in rooms.iter().flat_map(|room| &room.bounds) {
        match costs.iter_mut().find(|cost| (cost.per, cost.count) == (*per, *count)) {
            Some(cost) => cost.bytes = cost.bytes.saturating_add(*bytes),
            None => costs.push(Cost { per, count: *count, bytes: *bytes }),
        }
    }
    costs
}

fn room_object(room: &Room) -> Value {
    json!({
        "name": room.name,
        "bytes": room.sum(),
        "bounds": room.bounds.iter().map(bound_object).collect::<Vec<_>>(),
    })
}

fn bound_object(bound: &Bound) -> Value {
    let Bound { what, per, count, entries, bytes, when_full } = bound;
    json!({
        "what": what, "per": per, "count": count, "entries": entries,
        "bytes": bytes, "sum": bound.sum(), "when_full": when_full,
    })
}

fn cost_object(Cost { per, count, bytes }: &Cost) -> Value {
    json!({ "name": per, "count": count, "bytes": bytes, "sum": bytes.saturating_mul(*count) })
}
