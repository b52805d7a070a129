//! What is linked into what, out of cargo's own resolution: nothing is fetched.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::Context;
use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// For which platform the lists are: that of the released binary.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// The workspace with all that its packages are built with; tests' own dependencies are left out.
pub(crate) struct Graph {
    metadata: Metadata,
    edges: BTreeMap<PackageId, Vec<PackageId>>,
}

impl Graph {
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let platform = format!("--filter-platform={PLATFORM}");
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .features(CargoOpt::SomeFeatures(Vec::new()))
            .other_options([platform, "--locked".to_owned(), "--offline".to_owned()])
            .exec()
            .context("cargo does not describe the workspace; build it once, so that all packages are here")?;
        let resolve = metadata.resolve.as_ref().context("cargo resolved nothing")?;
        let mut edges = BTreeMap::new();
        for node in &resolve.nodes {
            let built = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development));
            edges.insert(node.id.clone(), built.map(|dep| dep.pkg.clone()).collect());
        }
        Ok(Self { metadata, edges })
    }

    pub(crate) fn package(&self, id: &PackageId) -> &Package {
        &self.metadata[id]
    }

    /// The package of the workspace with this name.
    pub(crate) fn member(&self, name: &str) -> anyhow::Result<PackageId> {
        let found = self.metadata.workspace_packages().into_iter().find(|package| package.name == name);
        Ok(found.with_context(|| format!("the workspace has no package {name}"))?.id.clone())
    }

    pub(crate) fn is_member(&self, id: &PackageId) -> bool {
        self.metadata.workspace_members.contains(id)
    }

    pub(crate) fn needs(&self, id: &PackageId) -> &[PackageId] {
        self.edges.get(id).map_or(&[], Vec::as_slice)
    }

    /// A package and all that it is built with, as if `without` were not asked for by packages of the workspace.
    pub(crate) fn reach(&self, from: &PackageId, without: Option<&PackageId>) -> BTreeSet<PackageId> {
        let (mut reached, mut open) = (BTreeSet::from([from.clone()]), vec![from.clone()]);
        while let Some(id) = open.pop() {
            for next in self.needs(&id) {
                if self.is_member(&id) && without == Some(next) {
                    continue;
                }
                if reached.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        reached
    }
}
