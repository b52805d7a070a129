//! What is in the binary, as a bill of materials in CycloneDX: every package that is linked into `nuncio` or builds it, out of
//! `Cargo.lock` and cargo's resolution. No clock and no random serial number: the same sources give the same file.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context;
use cargo_metadata::{Package, PackageId};
use serde_json::{Value, json};

use crate::graph::Graph;

/// The document, with a line end.
pub(crate) fn document(root: &Path) -> anyhow::Result<String> {
    let graph = Graph::read(root)?;
    let binary = graph.member("nuncio")?;
    let checksums = checksums(root)?;
    let reached = graph.reach(&binary, None);
    let references: BTreeMap<&PackageId, String> = reached.iter().map(|id| (id, purl(graph.package(id)))).collect();
    let components = reached.iter().filter(|id| **id != binary);
    let components: Vec<_> = components.map(|id| component(graph.package(id), "library", &checksums)).collect();
    let dependencies: Vec<_> = reached
        .iter()
        .map(|id| {
            let mut on: Vec<_> = graph.needs(id).iter().filter_map(|next| references.get(next)).collect();
            on.sort();
            on.dedup();
            json!({"ref": references[id], "dependsOn": on})
        })
        .collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(graph.package(&binary), "application", &checksums)},
        "components": components,
        "dependencies": dependencies,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn component(package: &Package, kind: &str, checksums: &BTreeMap<(String, String), String>) -> Value {
    let reference = purl(package);
    let mut component = json!({
        "type": kind,
        "bom-ref": reference,
        "name": package.name.as_str(),
        "version": package.version.to_string(),
        "purl": reference,
    });
    if let Some(license) = &package.license {
        // cargo takes the old way of writing "or", too; the document does not.
        component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
    }
    if let Some(sum) = checksums.get(&(package.name.to_string(), package.version.to_string())) {
        component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
    }
    component
}

fn purl(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version.to_string().replace('+', "%2B"))
}

/// SHA-256 of each package as the registry serves it.
fn checksums(root: &Path) -> anyhow::Result<BTreeMap<(String, String), String>> {
    let lock: toml::Table = fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?.parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array).context("Cargo.lock holds no packages")?;
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let entry = |package| Some(((text(package, "name")?, text(package, "version")?), text(package, "checksum")?));
    Ok(packages.iter().filter_map(entry).collect())
}
