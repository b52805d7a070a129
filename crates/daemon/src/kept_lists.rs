//! Revocation lists taken from the network, kept for the next start with the agencies that signed them:
//! `revocations.pem` in the data directory.

use std::io;

use nuncio_pki::{Certificate, CertificateError, Policy, RevocationList};
use tokio::sync::watch;

use crate::{changes::ChangesError, control::Control, data_dir::DataDir};

const FILE: &str = "revocations.pem";

/// What former runs took from the network.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Kept {
    pub(crate) lists: Vec<RevocationList>,
    /// They let other nodes verify the lists; here they are trusted no more than any certificate.
    pub(crate) agencies: Vec<Certificate>,
}

/// What former runs kept.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn load(data: &DataDir) -> Result<Kept, ChangesError> {
    let path = data.path().join(FILE);
    match data.read(FILE) {
        Ok(None) => Ok(Kept::default()),
        Ok(Some(text)) => Kept::from_pem(&text).map_err(|message| ChangesError::Invalid { path, message }),
        Err(source) => Err(ChangesError::File { path, source }),
    }
}

/// Keeps every list in force whenever one was adopted, until the node has ended.
pub(crate) async fn keep(control: &Control, mut adoptions: watch::Receiver<Vec<Certificate>>) {
    while adoptions.changed().await.is_ok() {
        let agencies = adoptions.borrow_and_update().clone();
        control.recheck_sdks();
        match store(&control.data, &control.policy.load(), &agencies) {
            Ok(()) => tracing::info!("revocation lists kept"),
            Err(error) => {
                tracing::error!(%error, "a revocation list from the network is in force, but cannot be kept for the next start")
            }
        }
    }
}

fn store(data: &DataDir, policy: &Policy, agencies: &[Certificate]) -> io::Result<()> {
    let lists = policy.crls().iter().map(RevocationList::to_pem);
    let text: String = lists.chain(agencies.iter().map(Certificate::to_pem)).collect();
    data.write(FILE, &text)
}

impl Kept {
    fn from_pem(text: &str) -> Result<Self, String> {
        let lists = RevocationList::from_pem_bundle(text).map_err(|error| error.to_string())?;
        match Certificate::from_pem_bundle(text) {
            Ok(agencies) => Ok(Self { lists, agencies }),
            Err(CertificateError::Empty) => Ok(Self { lists, agencies: Vec::new() }),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use nuncio_testkit::TestAuthority;

    use super::*;

    #[test]
    fn lists_in_force_are_read_back_and_a_broken_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path()).unwrap();
        assert_eq!(load(&data).unwrap(), Kept::default());
        let authority = TestAuthority::new();
        let list = authority.revoke(&authority.node("a"));
        let agency = Certificate::from_der(authority.node("b").chain[1].clone()).unwrap();
        let policy = authority.policy().with_newest([list.clone()]);
        store(&data, &policy, &[]).unwrap();
        assert_eq!(load(&data).unwrap(), Kept { lists: vec![list.clone()], agencies: Vec::new() });
        store(&data, &policy, std::slice::from_ref(&agency)).unwrap();
        let kept = load(&data).unwrap();
        assert!(kept.lists[0].is_signed_by(&kept.agencies[0]));
        assert_eq!(kept, Kept { lists: vec![list], agencies: vec![agency] });
        data.write(FILE, "-----BEGIN X509 CRL-----\nnonsense\n-----END X509 CRL-----\n").unwrap();
        assert!(load(&data).unwrap_err().to_string().contains(FILE));
    }
}
