//! Where words go: data to standard output, everything else to standard error.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use comfy_table::{Table, TableStyle, presets};
use serde::Serialize;

use crate::failure::Failure;

/// How this run of the program speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Data as JSON, one object per line.
    pub(crate) json: bool,
    /// Whether standard output may be coloured.
    colour: bool,
    /// Whether standard error is watched by a person.
    progress: bool,
}

impl Output {
    /// Looks at the terminal and at `NO_COLOR`.
    pub(crate) fn new(json: bool) -> Self {
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            json,
            colour: !plain && !json && io::stdout().is_terminal(),
            progress: !plain && io::stderr().is_terminal(),
        }
    }

    /// One line of data.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// One JSON object on a line of its own.
    pub(crate) fn object(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::operation("internal", format_args!("cannot write JSON: {error}")))?;
        self.line(&text)
    }

    /// The object with `--json`, else the text.
    pub(crate) fn show(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { self.object(value) } else { self.line(&text()) }
    }

    /// One object per row with `--json`, else a table.
    pub(crate) fn rows<T: Serialize>(
        self,
        values: &[T],
        header: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        if self.json {
            return values.iter().try_for_each(|value| self.object(value));
        }
        if values.is_empty() {
            self.note("none");
            return Ok(());
        }
        self.table(header, values.iter().map(row))
    }

    /// A table without lines, as wide as its content.
    pub(crate) fn table(self, header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<(), Failure> {
        self.line(&layout(header, rows))
    }

    /// A fact for the reader that is not data, on standard error.
    pub(crate) fn note(self, text: &str) {
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// A passing line on a terminal, replaced by the next; nothing elsewhere.
    pub(crate) fn progress(self, text: &str) {
        if self.progress {
            let mut stderr = io::stderr();
            let _ = write!(stderr, "\r\x1b[2K{text}");
            let _ = stderr.flush();
        }
    }

    /// The text in green, or plain.
    pub(crate) fn good(self, text: &str) -> String {
        if self.colour { format!("\x1b[32m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// The text in red, or plain.
    pub(crate) fn bad(self, text: &str) -> String {
        if self.colour { format!("\x1b[31m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Data as it is.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::output_closed(),
            _ => Failure::operation("output", format_args!("cannot write to standard output: {error}")),
        })
    }
}

/// The failure on standard error: with `--json` also one object there.
pub(crate) fn report(failure: &Failure, json: bool) {
    let mut stderr = io::stderr();
    let mut text = format!("error: {}\n", failure.message);
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("hint: {hint}\n"));
    }
    let _ = stderr.write_all(text.as_bytes());
    if json {
        report_object(failure.code, &failure.message);
    }
}

/// The JSON form of a failure, on standard error.
pub(crate) fn report_object(code: &str, message: &str) {
    let _ = writeln!(io::stderr(), "{}", serde_json::json!({ "error": code, "message": message }));
}

fn layout(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let style: TableStyle = presets::NOTHING;
    let mut table = Table::new();
    table.load_style(style).set_header(header.iter().map(|name| name.to_uppercase()));
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["long".to_owned(), "2".to_owned()]];
        assert_eq!(layout(&["name", "n"], rows.into_iter()), "NAME  N\na     1\nlong  2");
    }
}
