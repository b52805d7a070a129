use std::{collections::BTreeSet, ffi::OsString};

use toml::{Table, Value};

use super::{Config, ConfigError, TABLES};

const PREFIX: &str = "NUNCIO_";

/// Puts environment variables in front of the file: `NUNCIO_<SECTION>__<KEY>` and `NUNCIO_DATA_DIR`. Lists are
/// written with commas or as TOML; between commas, and in an empty text, nothing is no entry. A list that restricts is emptied by
/// `[]` only: a variable that somebody left empty opens no door.
pub(super) fn overlay(
    config: Config,
    variables: impl IntoIterator<Item = (String, OsString)>,
) -> Result<Config, ConfigError> {
    let (mut config, mut taken) = (config, BTreeSet::new());
    for (variable, value) in variables {
        let Some(name) = variable.strip_prefix(PREFIX) else { continue };
        let name = name.to_ascii_lowercase();
        let path: Vec<_> = match name.split_once("__") {
            Some((section, key)) => vec![section, key],
            None if name == "data_dir" => vec![name.as_str()],
            None => match meant(&name) {
                Some(meant) => {
                    let message = format!("is no key of the configuration; {meant} is, with two underscores");
                    return Err(ConfigError::Environment { variable, message });
                }
                // Of the command line, or of somebody else: Kubernetes sets some for every service of this name.
                None => continue,
            },
        };
        let set = text(value).and_then(|text| {
            // Which of two came last would be chance.
            if taken.contains(&name) {
                Err("is there twice, in small letters too".to_owned())
            } else {
                set(&config, &path, &text)
            }
        });
        config = set.map_err(|message| ConfigError::Environment { variable, message })?;
        taken.insert(name);
    }
    if !taken.is_empty() {
        config.judge().map_err(|(key, message)| {
            let variable = format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"));
            ConfigError::Environment { variable, message }
        })?;
    }
    Ok(config)
}

fn text(value: OsString) -> Result<String, String> {
    value.into_string().map_err(|value| format!("{value:?} is not UTF-8"))
}

/// The variable whose underscores were not written twice.
fn meant(name: &str) -> Option<String> {
    let mut keys = TABLES.iter().flat_map(|table| table.keys.iter().map(move |key| (table.name, key.name)));
    let (table, key) = keys.find(|(table, key)| !table.is_empty() && name == format!("{table}_{key}"))?;
    Some(format!("{PREFIX}{table}__{key}").to_ascii_uppercase())
}

fn set(config: &Config, path: &[&str], text: &str) -> Result<Config, String> {
    let table = Table::try_from(config).map_err(|error| error.to_string())?;
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let list = items.map(Value::from).collect::<Vec<_>>();
    if list.is_empty() && restricts(path) {
        return Err("says nothing: unset it, or write [] for an empty list".to_owned());
    }
    let literal = format!("value = {text}").parse::<Table>().ok().filter(|table| table.len() == 1);
    let literal = literal.and_then(|mut table| table.remove("value"));
    let mut first_error = None;
    for value in [Some(Value::from(text)), literal, Some(Value::Array(list))].into_iter().flatten() {
        match insert(table.clone(), path, value).try_into::<Config>() {
            Ok(config) => return Ok(config),
            Err(error) => first_error = first_error.or_else(|| Some(error.message().to_owned())),
        }
    }
    Err(first_error.unwrap_or_else(|| "cannot be read".to_owned()))
}

/// Whether a list there keeps somebody out, or from doing something, by what stands in it.
fn restricts(path: &[&str]) -> bool {
    matches!(
        path,
        ["access" | "gateway", "allow" | "deny"]
            | ["identity", "crl"]
            | ["admin", "read_only" | "full_users"]
            | ["issuer", "only"]
    )
}

fn insert(mut table: Table, path: &[&str], value: Value) -> Table {
    match path {
        [section, key] => {
            let section = table.entry(*section).or_insert_with(|| Table::new().into());
            if let Value::Table(inner) = section {
                inner.insert((*key).to_owned(), value);
            }
        }
        [key] => {
            table.insert((*key).to_owned(), value);
        }
        _ => {}
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Peer;

    fn set_to(text: &str, variables: &[&str], value: &str) -> Result<Config, ConfigError> {
        let file = Config::parse(text, std::path::Path::new("nuncio.toml")).unwrap();
        overlay(file, variables.iter().map(|name| ((*name).to_owned(), value.into())))
    }

    #[test]
    fn a_variable_with_nothing_in_it_is_an_empty_list() {
        let file = "[p2p]\npeers = [\"a:1\"]";
        for (text, peers) in
            [("", &[][..]), (" , ", &[]), ("b:2,", &["b:2"]), (",b:2, ,c:3", &["b:2", "c:3"]), ("[]", &[])]
        {
            let config = set_to(file, &["NUNCIO_P2P__PEERS"], text).unwrap();
            assert_eq!(config.p2p.peers.iter().map(Peer::as_str).collect::<Vec<_>>(), peers, "{text:?}");
        }
    }

    #[test]
    fn a_variable_with_nothing_in_it_opens_no_list_that_restricts() {
        let file = "[identity]\ncrl = [\"x\"]\n[admin]\nread_only = [\"auditor\"]";
        let lists = [
            "NUNCIO_ACCESS__ALLOW",
            "NUNCIO_ACCESS__DENY",
            "NUNCIO_GATEWAY__ALLOW",
            "NUNCIO_GATEWAY__DENY",
            "NUNCIO_IDENTITY__CRL",
            "NUNCIO_ADMIN__READ_ONLY",
            "NUNCIO_ADMIN__FULL_USERS",
            "NUNCIO_ISSUER__ONLY",
        ];
        for list in lists {
            for nothing in ["", " ", " , "] {
                let said = set_to(file, &[list], nothing).unwrap_err().to_string();
                assert!(said.contains(list) && said.contains("says nothing"), "{said}");
            }
        }
        let emptied = set_to(file, &lists, "[]").unwrap();
        assert!(emptied.identity.crl.is_empty() && emptied.admin.read_only.is_empty(), "who writes so means it");
    }
}
