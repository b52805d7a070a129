//! What each direct dependency costs, by cargo's resolution, and why it is there, by `bin/xtask/dependencies.toml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use anyhow::{Context, bail};

use crate::graph::{Graph, Key};

const HEAD: &str = "\
# Dependencies

<!-- Written by `cargo xtask generate` from Cargo.lock and bin/xtask/dependencies.toml. Do not edit: CI compares it. -->

Every package from elsewhere that Nuncio's crates name, what it costs and why it is there. **All** counts the packages that it brings, itself
included; **alone** those of them that would go with it. Tests' own dependencies are not counted. A dependency without a reason fails the tests,
and so does a reason without a dependency.
";

const OPTIONAL: &str = "
## Only with a feature

Not counted above, and in no `nuncio` that is built by default.

| package | why |
|---|---|
";

const CRYPTOGRAPHY: &str = "
## Cryptography, counted

What computes with keys, and what brings it. Nuncio's own code names `aws-lc-rs`, `secp256k1`, `k256` and `rsa`, each for what the table
above says; the others come with what is named here.

| package | brought by |
|---|---|
";

/// Implementations of asymmetric cryptography and of ciphers, where they are in the binary.
const IMPLEMENTATIONS: [&str; 12] = [
    "aes-gcm",
    "aws-lc-sys",
    "ed25519-dalek",
    "k256",
    "openssl-sys",
    "p256",
    "p384",
    "ring",
    "rsa",
    "secp256k1-sys",
    "snow",
    "x25519-dalek",
];

/// The page.
pub(crate) fn page(root: &Path) -> anyhow::Result<String> {
    let graph = Graph::read(root)?;
    let text = fs::read_to_string(root.join("bin/xtask/dependencies.toml")).context("cannot read dependencies.toml")?;
    let mut reasons: toml::Table = toml::from_str(&text).context("bin/xtask/dependencies.toml")?;
    let optional = reasons.remove("optional");
    let asked = asked_for(&graph);
    let elsewhere = graph.packages.values().filter(|package| !package.is_own).count();
    let mut page = HEAD.to_owned();
    // Writing to a string cannot fail.
    let _ =
        write!(page, "\n`nuncio` is built of {elsewhere} packages from elsewhere; {} are named here.\n\n", asked.len());
    page.push_str("| package | version | licence | all | alone | used by | why |\n|---|---|---|---|---|---|---|\n");
    for (key, users) in asked {
        let (name, version) = &key;
        let Some(reason) = reasons.remove(name).and_then(|reason| Some(reason.as_str()?.to_owned())) else {
            bail!("{name}: bin/xtask/dependencies.toml does not say why it is there; used by {}", join(&users));
        };
        let all = graph.reach(&key, None).len();
        let alone = graph.packages.len() - graph.reach(&graph.program, Some(&key)).len();
        let licence = graph.packages[&key].licence.as_deref().unwrap_or("–");
        let _ = writeln!(page, "| `{name}` | {version} | {licence} | {all} | {alone} | {} | {reason} |", join(&users));
    }
    if let Some(name) = reasons.keys().next() {
        bail!("{name}: bin/xtask/dependencies.toml gives a reason, and nothing in `nuncio` names it");
    }
    page.push_str(OPTIONAL);
    for (name, reason) in optional.iter().filter_map(toml::Value::as_table).flatten() {
        let is_linked = graph.packages.keys().any(|(linked, _)| linked == name);
        let (Some(reason), false) = (reason.as_str(), is_linked) else {
            bail!("{name}: it is in every `nuncio`, or has no reason");
        };
        let _ = writeln!(page, "| `{name}` | {reason} |");
    }
    page.push_str(CRYPTOGRAPHY);
    for key in graph.packages.keys().filter(|(name, _)| IMPLEMENTATIONS.contains(&name.as_str())) {
        let users = graph.packages.iter().filter(|(_, package)| package.needs.contains(key));
        let users: BTreeSet<_> = users.map(|((name, _), _)| format!("`{name}`")).collect();
        let _ = writeln!(page, "| `{}` {} | {} |", key.0, key.1, join(&users));
    }
    Ok(page)
}

/// What the workspace's own packages in the binary name, and which of them do.
fn asked_for(graph: &Graph) -> BTreeMap<Key, BTreeSet<String>> {
    let mut asked = BTreeMap::<Key, BTreeSet<String>>::new();
    for ((name, _), package) in graph.packages.iter().filter(|(_, package)| package.is_own) {
        let user = name.trim_start_matches("nuncio-");
        for key in package.needs.iter().filter(|key| !graph.packages[*key].is_own) {
            asked.entry(key.clone()).or_default().insert(user.to_owned());
        }
    }
    asked
}

fn join(users: &BTreeSet<String>) -> String {
    users.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
