//! What is in the binary, as a bill of materials in CycloneDX: every package that is linked into `nuncio` or builds it, out of
//! `Cargo.lock` and cargo's resolution. No clock and no random serial number: the same sources give the same file.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context;
use serde_json::{Value, json};

use crate::graph::{Graph, Key, Package};

/// The document, with a line end.
pub(crate) fn document(root: &Path) -> anyhow::Result<String> {
    let Graph { program, packages } = Graph::read(root)?;
    let checksums = checksums(root)?;
    let of = |key: &Key, kind: &str| component(key, &packages[key], kind, checksums.get(key));
    let components: Vec<_> = packages.keys().filter(|key| **key != program).map(|key| of(key, "library")).collect();
    let dependencies: Vec<_> = packages
        .iter()
        .map(|(key, package)| {
            let on: Vec<_> = package.needs.iter().map(reference).collect();
            json!({"ref": reference(key), "dependsOn": on})
        })
        .collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": of(&program, "application")},
        "components": components,
        "dependencies": dependencies,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn component(key: &Key, package: &Package, kind: &str, checksum: Option<&String>) -> Value {
    let reference = reference(key);
    let mut component = json!({"type": kind, "bom-ref": reference, "name": key.0, "version": key.1, "purl": reference});
    if let Some(licence) = &package.licence {
        // cargo takes the old way of writing "or", too; the document does not.
        component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
    }
    if let Some(sum) = checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
    }
    component
}

fn reference((name, version): &Key) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// SHA-256 of each package as the registry serves it.
fn checksums(root: &Path) -> anyhow::Result<BTreeMap<Key, String>> {
    let lock: toml::Table = fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?.parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array).context("Cargo.lock holds no packages")?;
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let entry = |package| Some(((text(package, "name")?, text(package, "version")?), text(package, "checksum")?));
    Ok(packages.iter().filter_map(entry).collect())
}
