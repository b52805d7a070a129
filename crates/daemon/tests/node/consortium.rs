//! A root and an agency in folders, whose root is replaced while nodes run.

use std::{fs, path::PathBuf};

use nuncio_pki::authority::{Authority, Chosen, Kind, Plan, Rotation, Validity};
use tempfile::TempDir;

use crate::rig::Home;

pub(crate) struct Consortium {
    dir: TempDir,
    agency: Authority,
}

impl Consortium {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Authority::init(&dir.path().join("ca"), "chain", Validity::days(100)).unwrap();
        let agency = root.agency("agencyA", &dir.path().join("agency"), Validity::days(90)).unwrap();
        Self { dir, agency }
    }

    /// The agency's folder.
    pub(crate) fn agency(&self) -> PathBuf {
        self.dir.path().join("agency")
    }

    pub(crate) fn home(&self, name: &str, validity: Validity, toml: &str) -> Home {
        let dir = tempfile::tempdir().unwrap();
        let issued = self.agency.issue(Kind::Node, name, &dir.path().join("conf"), validity).unwrap();
        let home = Home { dir, id: issued.node_id().unwrap() };
        home.write(toml);
        home
    }

    /// One whose node issues.
    pub(crate) fn issuing(&self, rest: &str) -> Home {
        let ca = self.agency();
        self.home("issuer", Validity::days(20), &format!("[issuer]\nca = {ca:?}\nlifetime = \"1h\"\n{rest}"))
    }

    /// Replaces the root in the folders of the authorities and these homes, which trust only the new one afterwards. The nodes'
    /// own certificates stay.
    pub(crate) fn replace_root(&self, homes: &[&Home]) {
        let confs = homes.iter().map(|home| home.dir.path().join("conf"));
        let folders = std::iter::once(self.agency()).chain(confs.clone()).collect();
        let mut rotation = Rotation::plan(&self.dir.path().join("ca"), Plan { folders, ..Plan::default() }).unwrap();
        rotation.prepare(None).unwrap();
        rotation.issue(&[], &Chosen::AllSeen).unwrap();
        rotation.switch().unwrap();
        for conf in confs {
            fs::copy(self.dir.path().join("ca/ca.crt"), conf.join("ca.crt")).unwrap();
        }
    }
}
