//! Revocation lists taken from the network, kept for the next start: `revocations.pem` in the data directory.

use std::io;

use nuncio_pki::{Policy, RevocationList, SharedPolicy};
use tokio::sync::mpsc;

use crate::{changes::ChangesError, control::Control, data_dir::DataDir};

const FILE: &str = "revocations.pem";

/// The lists of former runs.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn load(data: &DataDir) -> Result<Vec<RevocationList>, ChangesError> {
    let path = data.path().join(FILE);
    match data.read(FILE) {
        Ok(None) => Ok(Vec::new()),
        Ok(Some(text)) => RevocationList::from_pem_bundle(&text)
            .map_err(|error| ChangesError::Invalid { path, message: error.to_string() }),
        Err(source) => Err(ChangesError::File { path, source }),
    }
}

/// Keeps every list in force whenever one was adopted, until the node has ended.
pub(crate) async fn keep(
    control: &Control,
    policy: SharedPolicy,
    mut adopted: mpsc::UnboundedReceiver<RevocationList>,
) {
    while let Some(list) = adopted.recv().await {
        control.recheck_sdks();
        match store(&control.data, &policy.load()) {
            Ok(()) => tracing::info!(issuer = list.issuer(), number = list.number(), "revocation list kept"),
            Err(error) => {
                tracing::error!(%error, "a revocation list from the network is in force, but cannot be kept for the next start")
            }
        }
    }
}

fn store(data: &DataDir, policy: &Policy) -> io::Result<()> {
    let lists: String = policy.crls().iter().map(RevocationList::to_pem).collect();
    data.write(FILE, &lists)
}

#[cfg(test)]
mod tests {
    use nuncio_testkit::TestAuthority;

    use super::*;

    #[test]
    fn lists_in_force_are_read_back_and_a_broken_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path()).unwrap();
        assert!(load(&data).unwrap().is_empty());
        let authority = TestAuthority::new();
        let list = authority.revoke(&authority.node("a"));
        store(&data, &authority.policy().with_newest([list.clone()])).unwrap();
        assert_eq!(load(&data).unwrap(), [list]);
        data.write(FILE, "-----BEGIN X509 CRL-----\nnonsense\n-----END X509 CRL-----\n").unwrap();
        assert!(load(&data).unwrap_err().to_string().contains(FILE));
    }
}
