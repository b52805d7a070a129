//! What each direct dependency costs, by cargo's resolution, and why it is there, by `bin/xtask/dependencies.toml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use anyhow::{Context, bail};
use cargo_metadata::PackageId;

use crate::graph::Graph;

const HEAD: &str = "\
# Dependencies

<!-- Written by `cargo xtask generate` from Cargo.lock and bin/xtask/dependencies.toml. Do not edit: CI compares it. -->

Every package from elsewhere that Nuncio's crates name, what it costs and why it is there. **All** counts the packages that it brings, itself
included; **alone** those of them that would go with it. Tests' own dependencies are not counted. A dependency without a reason fails the tests,
and so does a reason without a dependency.
";

/// The page.
pub(crate) fn page(root: &Path) -> anyhow::Result<String> {
    let graph = Graph::read(root)?;
    let text = fs::read_to_string(root.join("bin/xtask/dependencies.toml")).context("cannot read dependencies.toml")?;
    let mut reasons: BTreeMap<String, String> = toml::from_str(&text).context("bin/xtask/dependencies.toml")?;
    let binary = graph.member("nuncio")?;
    let whole = graph.reach(&binary, None);
    let asked = asked_for(&graph, &whole);
    let mut page = HEAD.to_owned();
    let count = whole.iter().filter(|id| !graph.is_member(id)).count();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "\n`nuncio` is built of {count} packages from elsewhere, of which {} are named here.\n\n",
        asked.len()
    );
    page.push_str("| package | version | licence | all | alone | used by | why |\n|---|---|---|---|---|---|---|\n");
    for (id, users) in asked {
        let package = graph.package(&id);
        let name = package.name.to_string();
        let Some(reason) = reasons.remove(&name) else {
            bail!("{name}: bin/xtask/dependencies.toml does not say why it is there; used by {}", join(&users));
        };
        let all = graph.reach(&id, None).len();
        let alone = whole.len() - graph.reach(&binary, Some(&id)).len();
        let licence = package.license.as_deref().unwrap_or("–");
        let _ = writeln!(
            page,
            "| `{name}` | {} | {licence} | {all} | {alone} | {} | {reason} |",
            package.version,
            join(&users)
        );
    }
    if let Some(name) = reasons.keys().next() {
        bail!("{name}: bin/xtask/dependencies.toml gives a reason, and nothing in `nuncio` names it");
    }
    Ok(page)
}

/// What the workspace's own packages in the binary name, and which of them do.
fn asked_for(graph: &Graph, whole: &BTreeSet<PackageId>) -> Vec<(PackageId, BTreeSet<String>)> {
    let mut asked = BTreeMap::<PackageId, BTreeSet<String>>::new();
    for user in whole.iter().filter(|id| graph.is_member(id)) {
        let name = graph.package(user).name.trim_start_matches("nuncio-").to_owned();
        for id in graph.needs(user).iter().filter(|id| !graph.is_member(id)) {
            asked.entry(id.clone()).or_default().insert(name.clone());
        }
    }
    let mut asked: Vec<_> = asked.into_iter().collect();
    asked.sort_by_key(|(id, _)| (graph.package(id).name.to_string(), graph.package(id).version.clone()));
    asked
}

fn join(users: &BTreeSet<String>) -> String {
    users.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
