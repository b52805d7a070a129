//! Where words go: data to standard output, everything else to standard error.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use comfy_table::{Table, TableStyle, presets};
use serde::Serialize;

use crate::failure::Failure;

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// How this run of the program speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Data as JSON, one object per line.
    pub(crate) json: bool,
    /// Whether standard output may be coloured.
    colour: bool,
    /// Whether standard error is watched by a person.
    watched: bool,
}

impl Output {
    /// Looks at the terminal and at `NO_COLOR`.
    pub(crate) fn new(json: bool) -> Self {
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            json,
            colour: !plain && !json && io::stdout().is_terminal(),
            watched: !plain && io::stderr().is_terminal(),
        }
    }

    /// One line of data. What is harmful in it becomes visible: remotes may have written parts of it.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        self.bytes(format!("{}\n", self.harmless(text)).as_bytes())
    }

    /// Several lines, written at once.
    pub(crate) fn lines(self, lines: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), Failure> {
        let lines = lines.into_iter().map(|line| format!("{}\n", self.harmless(line.as_ref())));
        self.bytes(lines.collect::<String>().as_bytes())
    }

    /// One JSON object on a line of its own.
    pub(crate) fn object(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::operation("internal", format_args!("cannot write JSON: {error}")))?;
        self.bytes(format!("{}\n", nuncio_plain::json(&text)).as_bytes())
    }

    /// The object with `--json`, else the text as one line.
    pub(crate) fn show(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { self.object(value) } else { self.line(&text()) }
    }

    /// The object with `--json`, else the lines.
    pub(crate) fn show_lines(self, value: &impl Serialize, lines: impl FnOnce() -> Vec<String>) -> Result<(), Failure> {
        if self.json { self.object(value) } else { self.lines(lines()) }
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
        let harmless = |cell: String| nuncio_plain::line(&cell).into_owned();
        let rows = rows.map(|row| row.into_iter().map(harmless).collect());
        self.bytes(format!("{}\n", layout(header, rows)).as_bytes())
    }

    /// A table that is not data, on standard error.
    pub(crate) fn note_table(self, header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        let harmless = |cell: String| nuncio_plain::line(&cell).into_owned();
        let rows = rows.map(|row| row.into_iter().map(harmless).collect());
        let _ = writeln!(io::stderr(), "{}", layout(header, rows));
    }

    /// A fact for the reader that is not data, on standard error.
    pub(crate) fn note(self, text: &str) {
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(io::stderr(), "{}", nuncio_plain::line(text));
    }

    /// Whether the reader says yes; no without a terminal.
    pub(crate) fn ask(self, question: &str) -> bool {
        if self.json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return false;
        }
        let mut stderr = io::stderr();
        let _ = write!(stderr, "{} [y/N] ", nuncio_plain::line(question));
        let _ = stderr.flush();
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).is_ok_and(|_| matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// Whether a person watches standard error on a terminal.
    pub(crate) const fn is_watched(self) -> bool {
        self.watched
    }

    /// Whether standard output may be coloured.
    pub(crate) const fn is_coloured(self) -> bool {
        self.colour
    }

    /// The text in green, or plain.
    pub(crate) fn good(self, text: &str) -> String {
        if self.colour { format!("{GREEN}{text}{PLAIN}") } else { text.to_owned() }
    }

    /// The text in red, or plain.
    pub(crate) fn bad(self, text: &str) -> String {
        if self.colour { format!("{RED}{text}{PLAIN}") } else { text.to_owned() }
    }

    /// The text as one line in which nothing works on the terminal but, on a terminal, [`good`](Self::good) and
    /// [`bad`](Self::bad).
    fn harmless(self, text: &str) -> String {
        let harmless = nuncio_plain::line(text);
        if !self.colour {
            return harmless.into_owned();
        }
        let ours = [GREEN, RED, PLAIN];
        ours.iter().fold(harmless.into_owned(), |text, colour| text.replace(&*nuncio_plain::line(colour), colour))
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

/// A warning before anything is known of how this run speaks.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "warning: {}", nuncio_plain::line(text));
}

/// The failure on standard error: with `--json` also one object there.
pub(crate) fn report(failure: &Failure, json: bool) {
    let mut stderr = io::stderr();
    let mut text = format!("error: {}\n", nuncio_plain::line(&failure.message));
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("hint: {}\n", nuncio_plain::line(hint)));
    }
    let _ = stderr.write_all(text.as_bytes());
    if json {
        report_object(failure.code, &failure.message);
    }
}

/// The JSON form of a failure, on standard error.
pub(crate) fn report_object(code: &str, message: &str) {
    let object = serde_json::json!({ "error": code, "message": message }).to_string();
    let _ = writeln!(io::stderr(), "{}", nuncio_plain::json(&object));
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

    const EVIL: &str = "a\u{1b}[2J\r\nunicast from b: forged\u{202e}\u{9b}";

    fn output(json: bool, colour: bool) -> Output {
        Output { json, colour, watched: false }
    }

    #[test]
    fn nothing_that_a_remote_wrote_works_on_the_terminal() {
        for colour in [false, true] {
            let shown = output(false, colour).harmless(EVIL);
            assert_eq!(shown, "a␛[2J␍␊unicast from b: forged��");
        }
        let coloured = output(false, true);
        assert_eq!(coloured.harmless(&coloured.bad(EVIL)), format!("{RED}a␛[2J␍␊unicast from b: forged��{PLAIN}"));
        assert!(!coloured.harmless("\u{1b}[2K\u{1b}]0;title\u{7}").contains('\u{1b}'));
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["long".to_owned(), "2".to_owned()]];
        assert_eq!(layout(&["name", "n"], rows.into_iter()), "NAME  N\na     1\nlong  2");
    }
}
