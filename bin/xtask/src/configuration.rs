//! Every key of the configuration as one Markdown page, from the table by which a reload acts.

use std::fmt::Write;

use nuncio_daemon::{
    Config,
    config::{TABLES, Table},
};

const HEAD: &str = "\
# The configuration

<!-- Written by `cargo xtask generate` from crates/daemon/src/config/tables.rs. Do not edit: CI compares it with the code. -->

`nuncio.toml`, by default in the directory where the command runs. Every key has a default; leave out what you do not change.
Relative paths start at the file's directory. Spans of time read `30s`, sizes `4MiB`. An environment variable
`NUNCIO_<SECTION>__<KEY>` comes before the file. `nuncio config default` prints a file with every key.

When a file changes, or on SIGHUP, a running node reads it again. What counts **at once** it takes over then; the rest stays as it is
until the **next start**, and `nuncio config running` shows both.
";

/// The page.
pub(crate) fn page() -> String {
    let mut page = HEAD.to_owned();
    let defaults = Config::default().values();
    for Table { name, about, keys } in TABLES {
        // Writing to a string cannot fail.
        let _ = match *name {
            "" => write!(page, "\n## Above the tables\n\n"),
            _ => write!(page, "\n## `[{name}]`\n\n{about}\n\n"),
        };
        page.push_str("| key | a change counts | default | meaning |\n|---|---|---|---|\n");
        for key in *keys {
            let full = if name.is_empty() { key.name.to_owned() } else { format!("{name}.{}", key.name) };
            let default = defaults.iter().find(|value| value.key == full).and_then(|value| value.value.as_ref());
            let default = default.map_or_else(|| "–".to_owned(), |value| format!("`{value}`"));
            let words = key.description().0.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
            let _ = writeln!(
                page,
                "| `{}` | {} | {default} | {} |",
                key.name,
                key.effect.words(),
                words.replace('|', "\\|")
            );
        }
    }
    page
}
