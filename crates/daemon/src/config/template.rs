use std::fmt::Write;

use super::{
    Config,
    keys::{TABLES, Table},
    section::{Effect, Key},
};

/// The configuration with a description of every key.
pub(super) fn commented(config: &Config) -> String {
    let values = toml::Table::try_from(config).expect("the configuration is made of text, numbers and lists");
    let mut out = String::from(
        "# nuncio.toml: one Nuncio node. Every key is here with its default; leave out what you do not change.\n\
         # Relative paths start at this file's directory. Spans of time read 30s, sizes 4MiB.\n\
         # An environment variable NUNCIO_<SECTION>__<KEY> comes before the file.\n\
         # A changed key marked (live) is taken over while the node runs, the others at its next start.\n",
    );
    for Table { name, about, keys } in TABLES {
        if name.is_empty() {
            write_keys(&mut out, keys, &values);
            continue;
        }
        let empty = toml::Table::new();
        let table = values.get(*name).and_then(toml::Value::as_table).unwrap_or(&empty);
        let _ = write!(out, "\n# {about}\n[{name}]\n");
        write_keys(&mut out, keys, table);
    }
    out
}

/// The keys that differ from the defaults, without descriptions.
pub(super) fn differing(config: &Config) -> String {
    let values = |config| toml::Table::try_from(config).expect("the configuration is made of text, numbers and lists");
    let (own, defaults) = (values(config), values(&Config::default()));
    let mut out = toml::Table::new();
    for (name, value) in own {
        let default = defaults.get(&name);
        match (value, default) {
            (toml::Value::Table(table), Some(toml::Value::Table(default))) => {
                let kept: toml::Table =
                    table.into_iter().filter(|(key, value)| default.get(key) != Some(value)).collect();
                if !kept.is_empty() {
                    out.insert(name, kept.into());
                }
            }
            (value, default) if default != Some(&value) => {
                out.insert(name, value);
            }
            _ => {}
        }
    }
    out.to_string()
}

fn write_keys(out: &mut String, keys: &[Key], values: &toml::Table) {
    for key in keys {
        out.push('\n');
        let (about, example) = key.description();
        let last = about.len().saturating_sub(1);
        for (number, line) in about.iter().enumerate() {
            let mark = if number == last && key.effect == Effect::Live { " (live)" } else { "" };
            let _ = writeln!(out, "#{line}{mark}");
        }
        let name = key.name;
        let _ = match (values.get(name), example) {
            (Some(value), _) => writeln!(out, "{name} = {value}"),
            (None, Some(example)) => writeln!(out, "# {name} = {example}"),
            (None, None) => writeln!(out, "# {name} ="),
        };
    }
}
