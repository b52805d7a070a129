use std::fmt::Write;

use super::{
    Config, Rights,
    tables::{Access, Admin, Gateway, Identity, Log, P2p},
};

type Keys = &'static [(&'static str, &'static [&'static str])];

/// What stands above the tables.
const TOP: Keys = &[(
    "data_dir",
    &[" Where the node keeps what it must remember; made with mode 0700. One node per directory. Default: data."],
)];

const TABLES: &[(&str, &str, Keys)] = &[
    ("identity", "Who the node is, and whom it trusts.", Identity::KEYS),
    ("p2p", "Links to other nodes.", P2p::KEYS),
    ("gateway", "The port for FISCO BCOS 2.x SDKs.", Gateway::KEYS),
    ("admin", "The operator's API.", Admin::KEYS),
    ("access", "Which certified nodes are welcome.", Access::KEYS),
    ("rights", "Who may publish, subscribe and see which topics, and how much.", Rights::KEYS),
    ("log", "What is written to standard error.", Log::KEYS),
];

/// The configuration with a description of every key.
pub(super) fn commented(config: &Config) -> String {
    let values = toml::Table::try_from(config).expect("the configuration is made of text, numbers and lists");
    let mut out = String::from(
        "# nuncio.toml: one Nuncio node. Every key is here with its default; leave out what you do not change.\n\
         # Relative paths start at this file's directory. Spans of time read 30s, sizes 4MiB.\n\
         # An environment variable NUNCIO_<SECTION>__<KEY> comes before the file.\n",
    );
    write_keys(&mut out, TOP, &values);
    for (name, about, keys) in TABLES {
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

fn write_keys(out: &mut String, keys: Keys, values: &toml::Table) {
    for (key, lines) in keys {
        out.push('\n');
        let mut example = None;
        for line in *lines {
            match line.trim().strip_prefix("Example: ") {
                Some(text) => example = Some(text),
                None => {
                    let _ = writeln!(out, "#{line}");
                }
            }
        }
        let _ = match (values.get(*key), example) {
            (Some(value), _) => writeln!(out, "{key} = {value}"),
            (None, Some(example)) => writeln!(out, "# {key} = {example}"),
            (None, None) => writeln!(out, "# {key} ="),
        };
    }
}
