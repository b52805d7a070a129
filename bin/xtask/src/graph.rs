//! What `nuncio` is built of, as cargo resolves it for a release: `cargo metadata` would name more, since it turns on the features
//! that only tests ask for. Nothing is fetched.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::Path,
    process::Command,
};

use anyhow::{Context, bail};

/// For which platform the lists are: that of the released binary.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// A package by name and version.
pub(crate) type Key = (String, String);

/// What is known of a package besides its name.
#[derive(Debug, Default)]
pub(crate) struct Package {
    /// As its manifest states it.
    pub(crate) licence: Option<String>,
    /// Whether it is of this workspace.
    pub(crate) is_own: bool,
    /// What it is built with.
    pub(crate) needs: BTreeSet<Key>,
}

/// The program with all that it is built with.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) program: Key,
    pub(crate) packages: BTreeMap<Key, Package>,
}

impl Graph {
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let listed = Command::new(cargo)
            .current_dir(root)
            .args(["tree", "--package", "nuncio", "--edges", "normal,build", "--target", PLATFORM])
            .args(["--prefix", "depth", "--format", "\t{p}\t{l}\t", "--color", "never", "--locked", "--offline"])
            .output()
            .context("cannot run cargo tree")?;
        if !listed.status.success() {
            bail!("cargo tree: {}", String::from_utf8_lossy(&listed.stderr).trim());
        }
        Self::of(&String::from_utf8_lossy(&listed.stdout))
    }

    /// Reads lines of `depth TAB package TAB licence TAB`; a package stands below what needs it, and its own below its first line only.
    fn of(listed: &str) -> anyhow::Result<Self> {
        let mut packages = BTreeMap::<Key, Package>::new();
        let mut way: Vec<Key> = Vec::new();
        for line in listed.lines().filter(|line| !line.is_empty()) {
            let mut fields = line.split('\t');
            let mut field = || fields.next().with_context(|| format!("cargo tree says {line:?}"));
            let (depth, words, licence) = (field()?.parse::<usize>()?, field()?, field()?);
            let mut words = words.split(' ');
            let (Some(name), Some(version)) = (words.next(), words.next()) else { bail!("cargo tree says {line:?}") };
            let key = (name.to_owned(), version.trim_start_matches('v').to_owned());
            way.truncate(depth);
            if let Some(above) = way.last() {
                packages.entry(above.clone()).or_default().needs.insert(key.clone());
            }
            let package = packages.entry(key.clone()).or_default();
            package.licence = Some(licence.to_owned()).filter(|licence| !licence.is_empty());
            // Of others it says at most that they are macros.
            package.is_own = words.any(|word| word.starts_with("(/"));
            way.push(key);
        }
        let program = way.first().context("cargo tree says nothing")?.clone();
        Ok(Self { program, packages })
    }

    /// A package and all that it is built with, as if `without` were not asked for by packages of the workspace.
    pub(crate) fn reach(&self, from: &Key, without: Option<&Key>) -> BTreeSet<Key> {
        let (mut reached, mut open) = (BTreeSet::from([from.clone()]), vec![from.clone()]);
        while let Some(package) = open.pop().and_then(|key| self.packages.get(&key)) {
            for next in &package.needs {
                let is_left_out = package.is_own && without == Some(next);
                if !is_left_out && reached.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        reached
    }
}
