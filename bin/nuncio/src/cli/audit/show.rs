//! `nuncio audit show`: entries of a log, by kind and time.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    str::FromStr,
};

use jiff::Timestamp;
use nuncio_audit::{Kind, MAX_LINE, Mark};
use nuncio_pki::open_file;
use serde_json::Value;

use super::Log;
use crate::{cli::text, failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    log: Log,
    /// Only entries of this kind; may be given several times
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<KindName>,
    /// Only entries since then: 2026-01-31T10:00:00Z, or 2h for two hours ago
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only entries until then
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Only the last of them, so many
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

/// The name of a kind of entry.
#[derive(Debug, Clone)]
struct KindName(String);

impl FromStr for KindName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).chain(Mark::KINDS).collect();
        all.contains(&text).then(|| Self(text.to_owned())).ok_or_else(|| format!("it is one of {}", all.join(", ")))
    }
}

/// A time, or a span before now.
#[derive(Debug, Clone, Copy)]
struct Moment(Timestamp);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(time) = text.parse() {
            return Ok(Self(time));
        }
        let ago = text::duration(text).ok().and_then(|span| Timestamp::now().checked_sub(span).ok());
        ago.map(Self).ok_or_else(|| "write 2026-01-31T10:00:00Z, or 2h for two hours ago".to_owned())
    }
}

impl Arguments {
    fn wants(&self, entry: &Value) -> bool {
        let kind = entry["kind"].as_str().unwrap_or_default();
        let time = || entry["time"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
        (self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted.0 == kind))
            && self.since.is_none_or(|since| time().is_some_and(|time| time >= since.0))
            && self.until.is_none_or(|until| time().is_some_and(|time| time <= until.0))
    }
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let mut last = VecDeque::new();
    for path in arguments.log.find()?.files {
        let file = open_file(&path).map_err(|error| Failure::file("cannot read", &path, &error))?;
        let mut content = BufReader::new(file);
        let (mut line, mut number) = (Vec::new(), 0);
        loop {
            line.clear();
            let read = (&mut content).take(MAX_LINE as u64 + 2).read_until(b'\n', &mut line);
            if read.map_err(|error| Failure::file("cannot read", &path, &error))? == 0 {
                break;
            }
            number += 1;
            let Ok(entry) = serde_json::from_slice::<Value>(&line) else {
                output.note(&format!("{}:{number} is no entry; see `nuncio audit verify`", path.display()));
                continue;
            };
            if !arguments.wants(&entry) {
                continue;
            }
            match arguments.last {
                None => print(&entry, output)?,
                Some(most) => {
                    last.push_back(entry);
                    if last.len() > most {
                        last.pop_front();
                    }
                }
            }
        }
    }
    last.iter().try_for_each(|entry| print(entry, output))
}

fn print(entry: &Value, output: Output) -> Result<(), Failure> {
    output.show(entry, || line(entry))
}

/// Time, kind, and the rest as `name=value`.
pub(super) fn line(entry: &Value) -> String {
    let text = |key: &str| entry[key].as_str().unwrap_or("-").to_owned();
    let mut line = format!("{} {}", text("time"), text("kind"));
    let fields = entry.as_object().into_iter().flatten();
    for (key, value) in fields.filter(|(key, _)| !["time", "kind", "seq", "prev", "signature"].contains(&key.as_str()))
    {
        push(&mut line, key, value);
    }
    line
}

fn push(line: &mut String, key: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(fields) => fields.iter().for_each(|(inner, value)| push(line, &format!("{key}.{inner}"), value)),
        Value::String(text) if text.is_empty() => {}
        Value::String(text) if text.contains(' ') => line.push_str(&format!(" {key}={text:?}")),
        Value::String(text) => line.push_str(&format!(" {key}={text}")),
        other => line.push_str(&format!(" {key}={other}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_when_what_and_who() {
        let entry = json!({
            "seq": 1, "time": "2026-01-31T10:00:00Z", "kind": "operator_acted", "prev": "ab",
            "actor": {"by": "process", "uid": 0, "pid": null}, "action": {"act": "add_peer", "address": "a:1"},
            "outcome": "done", "cause": "in words",
        });
        assert_eq!(
            line(&entry),
            "2026-01-31T10:00:00Z operator_acted action.act=add_peer action.address=a:1 actor.by=process actor.uid=0 \
             cause=\"in words\" outcome=done"
        );
    }

    #[test]
    fn kinds_and_times_are_read_as_people_write_them() {
        assert!("node_refused".parse::<KindName>().is_ok() && "seal".parse::<KindName>().is_ok());
        assert!("nothing".parse::<KindName>().unwrap_err().contains("node_refused"));
        assert!("2h".parse::<Moment>().unwrap().0 < Timestamp::now());
        assert!("2026-01-31T10:00:00Z".parse::<Moment>().is_ok() && "soon".parse::<Moment>().is_err());
    }
}
