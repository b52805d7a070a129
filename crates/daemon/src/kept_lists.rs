//! Revocation lists taken from the network, kept for the next start with the agencies that signed them:
//! `revocations.pem` in the data directory.

mod pace;

use std::{sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use nuncio_audit::Audit;
use nuncio_node::tell_gone;
use nuncio_pki::{Certificate, Lists, MAX_CHAIN_BYTES, Policy, RevocationList, SharedPolicy};
use rustls_pki_types::UnixTime;
use tokio::{sync::watch, time::sleep_until};

use self::pace::Pace;
use crate::{
    changes::{ChangesError, load, store},
    control::Control,
    data_dir::{DataDir, StateFile},
};

/// What a block of PEM has around its content, in bytes, and more.
const FRAME: usize = 128;

/// More certificates than are kept: of each list's signer, those above it.
const CERTIFICATES: usize = Lists::MAX * 5;

/// The longest file there can be, in bytes. PEM writes 48 bytes as 64 letters and a newline.
const LONGEST: usize =
    HEADER.len() + (Lists::MAX_BYTES + CERTIFICATES * MAX_CHAIN_BYTES) / 48 * 65 + (Lists::MAX + CERTIFICATES) * FRAME;

const _: () = assert!(LONGEST as u64 <= Kept::MAX_LENGTH, "what is written must be read again");

/// How a file begins.
const HEADER: &str = "# taken from the network; written by the node\n";

/// What former runs took from the network.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Kept {
    pub(crate) lists: Vec<RevocationList>,
    /// They let other nodes verify the lists; here they are trusted no more than any certificate.
    pub(crate) agencies: Vec<Certificate>,
}

/// Keeps every list in force whenever one was adopted, or made of two here, until the node has ended.
pub(crate) async fn keep(
    control: Arc<Control>,
    mut adoptions: watch::Receiver<Vec<Certificate>>,
    mut merged: watch::Receiver<()>,
) {
    let (mut pace, mut is_kept) = (Pace::new(Instant::now()), true);
    loop {
        let due = pace.poll_timeout();
        let is_over = tokio::select! {
            adopted = adoptions.changed() => adopted.is_err(),
            Ok(()) = merged.changed() => false,
            () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                is_kept = write(&control, &mut pace, is_kept).await;
                continue;
            }
        };
        if is_over {
            break;
        }
        control.recheck_sdks();
        pace.handle_news(Instant::now());
    }
    if pace.poll_timeout().is_some() {
        write(&control, &mut pace, is_kept).await;
    }
}

/// On a thread where it keeps nobody waiting; says whether they are kept now.
async fn write(control: &Arc<Control>, pace: &mut Pace, was_kept: bool) -> bool {
    let of = Arc::clone(control);
    let stored = tokio::task::spawn_blocking(move || Kept::of(&of.policy.load()).store(&of.data)).await;
    match stored {
        Ok(Ok(bytes)) => {
            pace.handle_written(bytes, Instant::now());
            tracing::info!(bytes, "revocation lists kept");
            return true;
        }
        Ok(Err(error)) if was_kept => tracing::error!(
            %error,
            "a revocation list from the network is in force, but cannot be kept for the next start; that is tried again"
        ),
        // It was told, or the runtime ends.
        Ok(Err(_)) | Err(_) => {}
    }
    pace.handle_failed(Instant::now());
    false
}

impl Kept {
    /// What former runs kept.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn load(data: &DataDir) -> Result<Self, ChangesError> {
        load(data)
    }

    fn of(policy: &Policy) -> Self {
        Self { lists: policy.lists().remembered().cloned().collect(), agencies: policy.list_signers() }
    }

    /// Puts them into force again, in the policy that is in use from then on.
    pub(crate) fn restore(&self, policy: Policy, now: UnixTime, audit: &Audit) -> SharedPolicy {
        let (policy, gone) = policy.with_former(self.lists.iter().cloned(), &self.agencies, now);
        tell_gone(audit, &gone);
        Arc::new(ArcSwap::from_pointee(policy))
    }

    /// Says how many bytes it took.
    fn store(&self, data: &DataDir) -> Result<usize, ChangesError> {
        store(data, self)
    }
}

impl StateFile for Kept {
    const NAME: &'static str = "revocations.pem";
    const LOST: &'static str = "peers send what they hold of the others";
    const MAX_LENGTH: u64 = 128 << 20;

    fn parse(text: &str) -> Result<Self, String> {
        let blocks = blocks(text).collect::<Result<Vec<_>, _>>()?;
        if blocks.is_empty() && text != HEADER {
            return Err("it holds no PEM block".to_owned());
        }
        Ok(blocks.into_iter().collect())
    }

    fn salvage(text: &str) -> (Self, String) {
        let kept: Self = blocks(text).filter_map(Result::ok).collect();
        let words = format!("{} revocation lists and {} agencies", kept.lists.len(), kept.agencies.len());
        (kept, words)
    }

    fn to_text(&self) -> String {
        let lists = self.lists.iter().map(RevocationList::to_pem);
        let blocks = lists.chain(self.agencies.iter().map(Certificate::to_pem));
        std::iter::once(HEADER.to_owned()).chain(blocks).collect()
    }
}

enum Block {
    List(RevocationList),
    Agency(Certificate),
}

/// Each for itself: one that is torn does not take the others with it.
fn blocks(text: &str) -> impl Iterator<Item = Result<Block, String>> {
    text.split("-----BEGIN ").skip(1).map(|rest| {
        let block = format!("-----BEGIN {rest}");
        if rest.starts_with("X509 CRL-----") {
            let mut lists = RevocationList::from_pem_bundle(&block).map_err(|error| error.to_string())?;
            lists.pop().map(Block::List).ok_or_else(String::new)
        } else {
            let mut agencies = Certificate::from_pem_bundle(&block).map_err(|error| error.to_string())?;
            agencies.pop().map(Block::Agency).ok_or_else(String::new)
        }
    })
}

impl FromIterator<Block> for Kept {
    fn from_iter<T: IntoIterator<Item = Block>>(blocks: T) -> Self {
        let mut kept = Self::default();
        for block in blocks {
            match block {
                Block::List(list) => kept.lists.push(list),
                Block::Agency(agency) => kept.agencies.push(agency),
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use nuncio_testkit::TestAuthority;

    use super::*;

    #[test]
    fn lists_in_force_are_read_back_with_their_agencies() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path()).unwrap();
        assert_eq!(Kept::load(&data).unwrap(), Kept::default());
        let authority = TestAuthority::new();
        let list = authority.revoke(&authority.node("a"));
        let agency = Certificate::from_der(authority.node("b").chain[1].clone()).unwrap();
        let policy =
            authority.policy().with_newest([list.clone()], &[authority.agency_certificate().clone()], UnixTime::now());
        for agencies in [Vec::new(), vec![agency]] {
            Kept { agencies: agencies.clone(), ..Kept::of(&policy) }.store(&data).unwrap();
            let kept = Kept::load(&data).unwrap();
            assert!(kept.agencies.iter().all(|agency| list.is_signed_by(agency)));
            assert_eq!(kept, Kept { lists: vec![list.clone()], agencies });
        }
    }

    #[test]
    fn a_torn_file_keeps_the_lists_that_stand_whole_in_it_and_nonsense_stops_no_start() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path()).unwrap();
        let authority = TestAuthority::new();
        let list = authority.revoke(&authority.node("a"));
        let agency = Certificate::from_der(authority.node("b").chain[1].clone()).unwrap();
        let whole = Kept { lists: vec![list.clone()], agencies: vec![agency] }.to_text();
        data.write(Kept::NAME, &whole[..whole.len() - 40]).unwrap();
        for _ in 0..2 {
            assert_eq!(Kept::load(&data).unwrap(), Kept { lists: vec![list.clone()], agencies: Vec::new() });
        }
        let nonsense = "-----BEGIN X509 CRL-----\nnonsense\n-----END X509 CRL-----\n";
        data.write(Kept::NAME, &format!("{nonsense}{}", list.to_pem())).unwrap();
        assert_eq!(Kept::load(&data).unwrap().lists, [list]);
        for nonsense in [nonsense, "", "\0\0", "-----BEGIN X509 CRL-----"] {
            data.write(Kept::NAME, nonsense).unwrap();
            assert_eq!(Kept::load(&data).unwrap(), Kept::default(), "{nonsense:?}");
        }
    }
}
