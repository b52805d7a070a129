//! Every key of the configuration: what it means, and when a change of it takes effect. What the file documents, what a
//! reload takes over and what operators are told all come from here.

use super::{
    Config, Priorities, Rights,
    section::{Effect, Key},
    tables::{Access, Admin, Audit, Files, Gateway, Identity, Issuer, Log, P2p, Renewal, Web},
};

/// One table of the configuration file.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name; empty for what stands above the tables.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Its keys, in order.
    pub keys: &'static [Key],
}

const TOP: &[Key] = &[Key {
    name: "data_dir",
    effect: Effect::NextStart,
    lines: &[
        " Where the node keeps what it must remember; made with mode 0700. One node per directory. Default: data.",
    ],
}];

/// Every table, in the order of the file.
pub const TABLES: &[Table] = &[
    Table { name: "", about: "", keys: TOP },
    Table { name: "identity", about: "Who the node is, and whom it trusts.", keys: Identity::KEYS },
    Table { name: "p2p", about: "Links to other nodes.", keys: P2p::KEYS },
    Table { name: "gateway", about: "The port for FISCO BCOS 2.x SDKs.", keys: Gateway::KEYS },
    Table { name: "web", about: "The door for every language: WebSocket, for clients as SDKs are.", keys: Web::KEYS },
    Table { name: "admin", about: "The operator's API.", keys: Admin::KEYS },
    Table { name: "audit", about: "The audit log.", keys: Audit::KEYS },
    Table { name: "issuer", about: "This node renews the certificates of its agency's nodes.", keys: Issuer::KEYS },
    Table { name: "renewal", about: "This node asks for its next certificate by itself.", keys: Renewal::KEYS },
    Table { name: "access", about: "Which certified nodes are welcome.", keys: Access::KEYS },
    Table {
        name: "rights",
        about: "Who may publish, subscribe and see which topics, and how much.",
        keys: Rights::KEYS,
    },
    Table { name: "priorities", about: "How urgent what SDKs and web clients publish is.", keys: Priorities::KEYS },
    Table { name: "files", about: "Files that other nodes send to this one (nuncio send-file).", keys: Files::KEYS },
    Table { name: "log", about: "What is written to standard error.", keys: Log::KEYS },
];

/// A key whose value in the file is not the one in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// `section.key`.
    pub key: String,
    /// When a change of it takes effect.
    pub effect: Effect,
    /// What is in force; `None` when nothing is set.
    pub in_force: Option<toml::Value>,
    /// What the file says.
    pub in_file: Option<toml::Value>,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// `section.key`.
    pub key: String,
    /// When a change of it takes effect.
    pub effect: Effect,
    /// The value; `None` when nothing is set.
    pub value: Option<toml::Value>,
}

impl Config {
    /// Every key with its value, in the order of the file.
    pub fn values(&self) -> Vec<Value> {
        let values = table_of(self);
        let each = TABLES.iter().flat_map(|table| table.keys.iter().map(move |key| (table.name, key)));
        each.map(|(table, key)| Value {
            key: full_name(table, key.name),
            effect: key.effect,
            value: get(&values, table, key.name).cloned(),
        })
        .collect()
    }

    /// What holds when a node of this configuration reads `file` while it runs: the keys that can be swapped from there,
    /// the others as they are; and every key in which the two differ.
    ///
    /// # Errors
    /// When the two together make no configuration, in words.
    pub(crate) fn take_over(&self, file: &Self) -> Result<(Self, Vec<Difference>), String> {
        let (own, fresh) = (table_of(self), table_of(file));
        let (mut merged, mut differences) = (fresh.clone(), Vec::new());
        for (table, key) in TABLES.iter().flat_map(|table| table.keys.iter().map(move |key| (table.name, key))) {
            let [in_force, in_file] = [&own, &fresh].map(|values| get(values, table, key.name).cloned());
            if in_force == in_file {
                continue;
            }
            if key.effect == Effect::NextStart {
                set(&mut merged, table, key.name, in_force.clone());
            }
            let key_name = full_name(table, key.name);
            differences.push(Difference { key: key_name, effect: key.effect, in_force, in_file });
        }
        let merged: Self = merged.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        Ok((merged, differences))
    }
}

fn table_of(config: &Config) -> toml::Table {
    toml::Table::try_from(config).expect("the configuration is made of text, numbers and lists")
}

fn full_name(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

fn get<'a>(values: &'a toml::Table, table: &str, key: &str) -> Option<&'a toml::Value> {
    if table.is_empty() { values.get(key) } else { values.get(table)?.as_table()?.get(key) }
}

fn set(values: &mut toml::Table, table: &str, key: &str, value: Option<toml::Value>) {
    let inner = match table {
        "" => values,
        _ => match values.entry(table).or_insert_with(|| toml::Table::new().into()) {
            toml::Value::Table(inner) => inner,
            _ => return,
        },
    };
    match value {
        Some(value) => drop(inner.insert(key.to_owned(), value)),
        None => drop(inner.remove(key)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every optional key set, so that all of them are written.
    fn full() -> Config {
        let text: String = Config::default_text()
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(example) if example.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => example,
                _ => line,
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        Config::parse(&text, std::path::Path::new("x")).unwrap()
    }

    #[test]
    fn every_key_has_a_row_and_every_row_a_key() {
        let written = table_of(&full());
        let mut found = BTreeSet::new();
        for (name, value) in &written {
            match value.as_table() {
                Some(table) => found.extend(table.keys().map(|key| full_name(name, key))),
                None => drop(found.insert(name.clone())),
            }
        }
        let rows: BTreeSet<_> = full().values().into_iter().map(|value| value.key).collect();
        assert_eq!(found, rows, "a table or key is missing in TABLES, or has no example");
        assert!(full().values().iter().all(|value| value.value.is_some()));
    }

    #[test]
    fn what_can_be_swapped_is_and_the_rest_stays_and_is_named() {
        let (running, mut file) = (Config::default(), Config::default());
        file.p2p.peers = vec!["a:1".parse().unwrap()];
        file.p2p.max_links = 1;
        file.gateway.cert = Some("x".into());
        file.gateway.operators = Vec::new();
        file.admin.listen = Some("127.0.0.1:1".parse().unwrap());
        file.rights.default = nuncio_rights::Fallback::Deny;
        file.log.filter = "debug".into();
        let (merged, differences) = running.take_over(&file).unwrap();
        assert_eq!((&merged.p2p.peers, &merged.gateway.cert), (&file.p2p.peers, &file.gateway.cert));
        assert_eq!((merged.p2p.max_links, merged.admin.listen), (128, None), "what is not in force is not shown as if");
        let named =
            |effect| differences.iter().filter(|one| one.effect == effect).map(|one| one.key.as_str()).collect();
        let (live, waiting): (Vec<_>, Vec<_>) = (named(Effect::Live), named(Effect::NextStart));
        assert_eq!(live, ["p2p.peers", "gateway.cert", "rights.default", "log.filter"]);
        assert_eq!(waiting, ["p2p.max_links", "admin.listen"]);
        assert_eq!(running.take_over(&running).unwrap(), (running, Vec::new()));
    }

    /// The example in the description of a key that is a list without one by default.
    fn described(table: &str, key: &str) -> Option<toml::Value> {
        let row = TABLES.iter().find(|one| one.name == table)?.keys.iter().find(|one| one.name == key)?;
        let (example, _) = row.lines.iter().find_map(|line| line.split_once("As in `")?.1.split_once('`'))?;
        let mut parsed: toml::Table = toml::from_str(&format!("{key} = {example}")).unwrap();
        parsed.remove(key)
    }

    /// The same configuration with another value of one key.
    fn with_another(running: &Config, table: &str, key: &str, example: Option<toml::Value>) -> Config {
        let texts = ["x", "deny", "any", "hard", "json", "read", "debug", "31s", "1h", "99MiB", "127.0.0.1:7", "0660"];
        let texts = texts.map(toml::Value::from);
        let lists = texts.clone().map(|text| toml::Value::Array(vec![text]));
        let others = [toml::Value::from(true), false.into(), 7.into(), toml::Value::Array(vec![7.into()])];
        let node = toml::Value::from(nuncio_identity::NodeKey::generate().node_id().to_string());
        let peers = [toml::Value::Array(vec!["a:1".into()]), toml::Value::Array(vec![node])];
        let candidates =
            example.into_iter().chain(described(table, key)).chain(texts).chain(others).chain(peers).chain(lists);
        let mut all = candidates.filter_map(|value| {
            let mut file = table_of(running);
            set(&mut file, table, key, Some(value));
            file.try_into::<Config>().ok().filter(|file| file != running)
        });
        all.next().unwrap_or_else(|| panic!("no other value for {table}.{key}"))
    }

    #[test]
    fn each_key_for_itself_is_taken_over_or_stays_as_its_row_says() {
        let running = Config::default();
        for value in full().values() {
            let (table, key) = value.key.split_once('.').unwrap_or(("", &value.key));
            let file = with_another(&running, table, key, value.value.clone());
            let (merged, differences) = running.take_over(&file).unwrap();
            let expected = if value.effect == Effect::Live { &file } else { &running };
            assert_eq!(&merged, expected, "{}", value.key);
            assert_eq!(differences.len(), 1, "{}", value.key);
        }
    }
}
