//! An agency that renews its nodes' certificates by itself, in one of its own nodes.
//!
//! A renewal is a new time for what is there: the key, the name, the role and the extensions of a certificate that this very
//! agency issued, that holds, and whose key asks. Nothing that a request says gets into what is issued.

mod asked;
mod ledger;
mod newcomer;
mod pace;
mod refusal;

pub use asked::Asked;
pub(super) use ledger::is_issued_from;
pub use ledger::issued_to;
pub use newcomer::Newcomer;
pub use refusal::IssueError;

use std::{path::Path, time::Duration};

use nuncio_identity::NodeId;
use rustls_pki_types::{CertificateDer, UnixTime};

use self::{ledger::Ledger, pace::Pace};
use super::{Authority, AuthorityError, Issuer, Validity, store::capped};
use crate::{
    Certificate, Credential, Policy, RevocationFile, RevocationList, Role, certificate::key_id_of_node, instant,
};

/// How long a signature of the agency's token is waited for: while one is, others wait for the desk.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an agency lets its node issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuingRules {
    /// How long what it issues is valid; never longer than the agency.
    pub lifetime: Duration,
    /// The nodes that it renews, by node ID or by the name in their certificate; empty: all of the agency.
    pub only: Vec<String>,
    /// How often one node may ask in an hour.
    pub per_hour: u32,
}

/// The desk at which nodes of an agency have their certificates renewed. It draws no conclusions from who may reach it:
/// whoever asks has proved the key that [`Asked::source`] names, and all else is judged here.
#[derive(Debug)]
pub struct IssuingDesk {
    authority: Authority,
    rules: IssuingRules,
    ledger: Ledger,
    pace: Pace,
    /// Of those who show no certificate of this authority: they are counted apart, for they may be without number.
    strangers: Pace,
}

impl IssuingDesk {
    /// Opens an agency's folder, as [`Authority::open`] does, and the ledger of what was issued in it, `issued.jsonl`. One
    /// process at a time holds it.
    ///
    /// # Errors
    /// When there is no authority in it, its files do not fit together, or another process issues from it.
    pub fn open(directory: &Path, rules: IssuingRules, now: UnixTime) -> Result<Self, AuthorityError> {
        let authority = Authority::open(directory)?.with_patience(PATIENCE);
        let ledger = Ledger::open(directory, now)?;
        let [pace, strangers] = [(); 2].map(|()| Pace::new(rules.per_hour));
        Ok(Self { authority, rules, ledger, pace, strangers })
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> &Certificate {
        self.authority.certificate()
    }

    /// The certificates of the authority in its folder now, the root last.
    ///
    /// # Errors
    /// When its files do not fit together any more.
    pub fn follow(&mut self) -> Result<&[Certificate], AuthorityError> {
        self.authority.follow()?;
        Ok(self.authority.issuer().chain())
    }

    /// Renews the certificate of who asks, and notes it on disk before it is given away.
    ///
    /// # Errors
    /// Why not, fit to be told to who asked.
    pub fn renew(&mut self, asked: &Asked, policy: &Policy, now: UnixTime) -> Result<Vec<Certificate>, IssueError> {
        self.take_turn(asked, now)?;
        let credential = asked.judge(policy, now)?;
        let own = self.own_of(&credential)?;
        self.refuse_unlisted(&credential)?;
        self.ledger.forget_ended(now);
        self.ledger.refuse_full(asked.source)?;
        self.refuse_revoked(asked.source, &[credential.certificate(), &own], policy)?;
        let validity = capped(self.authority.issuer(), lasting(now, self.rules.lifetime))?;
        let chain = self.authority.issuer().renew(&own, validity)?;
        let ders: Vec<CertificateDer<'_>> = chain.iter().map(|one| one.der().clone()).collect();
        policy.judge(&ders, now).map_err(|source| IssueError::Unsound(source.into()))?;
        self.ledger.note(asked.source, credential.certificate())?;
        self.ledger.note(asked.source, &chain[0])?;
        Ok(chain)
    }

    /// Whom one of the two counts already is asked for nothing else first: to refuse him costs neither a file nor a signature.
    fn take_turn(&mut self, asked: &Asked, now: UnixTime) -> Result<(), IssueError> {
        for counting in [&mut self.pace, &mut self.strangers] {
            if counting.is_counting(asked.source, now) {
                counting.take(asked.source, now)?;
                return Ok(self.authority.follow()?);
            }
        }
        self.authority.follow()?;
        let is_own = asked.shows_one_by(self.certificate());
        let counted = if is_own { &mut self.pace } else { &mut self.strangers };
        counted.take(asked.source, now)
    }

    /// The very key of this authority must have issued what is shown, or what a rotation issued in its place: for whom that
    /// did is somebody's choice, and nobody else comes over from the former key.
    fn own_of(&self, credential: &Credential) -> Result<Certificate, IssueError> {
        let shown = credential.certificate();
        if shown.is_signed_by(self.certificate()) {
            return Ok(shown.clone());
        }
        let is_former = self.authority.former_certificates().any(|former| shown.is_signed_by(&former));
        let made = if is_former { self.authority.issued_in_place_of(shown) } else { None };
        let other =
            || IssueError::OtherAgency { issuer: credential.issuer.clone(), agency: self.certificate().subject() };
        made.ok_or_else(other)
    }

    fn refuse_unlisted(&self, credential: &Credential) -> Result<(), IssueError> {
        let node = credential.node_id.map(|node| node.to_string());
        let is_named = |one: &String| *one == credential.name || node.as_ref() == Some(one);
        if self.rules.only.is_empty() || self.rules.only.iter().any(is_named) {
            return Ok(());
        }
        Err(IssueError::NotListed { name: credential.name.clone() })
    }

    /// Somebody of whom one certificate was taken back has lost the trust in its key, whichever certificate it shows: what
    /// was noted here counts, and besides the lists in force in the network the one that lies in the authority's folder.
    fn refuse_revoked(&self, node: NodeId, shown: &[&Certificate], policy: &Policy) -> Result<(), IssueError> {
        // And of those whose place it took.
        let former: Vec<_> = self.authority.former_certificates().collect();
        let own = [self.authority.own_lists()?, self.authority.former_lists()?].concat();
        let signers = || std::iter::once(self.certificate()).chain(&former);
        let lists = || signers().flat_map(|one| policy.lists().of(one)).chain(&own).map(RevocationList::taken_back);
        let is_revoked = |serial: &[u8]| lists().any(|said| said.entries.contains_key(serial));
        let shown = shown.iter().map(|one| one.serial_bytes());
        if let Some(serial) = shown.chain(self.ledger.serials(node)).find(|serial| is_revoked(serial)) {
            return Err(IssueError::Revoked { serial: hex::encode(serial) });
        }
        // What another issuer of this authority has given it stands in no ledger here.
        let key = key_id_of_node(&node);
        if lists().any(|said| said.word(&key).is_some()) {
            return Err(IssueError::KeyTakenBack { node: node.short() });
        }
        Ok(())
    }

    /// Puts the lists of this authority and its RSA authority together: those in its folder, and those in force in the network.
    /// When there is something that the network has to be told, what is in the folder then comes back. See [`Authority::merge`].
    ///
    /// # Errors
    /// When the lists in the folder cannot be read or written.
    pub fn merge_lists(&mut self, policy: &Policy) -> Result<Option<RevocationFile>, AuthorityError> {
        self.authority.follow()?;
        let rsa = self.authority.channel_issuer_there()?;
        let signers = [Some(self.certificate()), rsa.as_ref().map(Issuer::certificate)];
        let heard: Vec<_> = signers.into_iter().flatten().flat_map(|signer| policy.lists().of(signer)).collect();
        let mut is_new = false;
        for list in heard {
            is_new |= self.authority.merge(list)?.is_some();
        }
        Ok(if is_new { Some(RevocationFile::read(&self.authority.crl_path())?) } else { None })
    }
}

/// From a little before `now`, since clocks differ: five minutes, of short lives a tenth.
fn lasting(now: UnixTime, lifetime: Duration) -> Validity {
    let seconds = lifetime.as_secs().max(1);
    let before = now.as_secs().saturating_sub((seconds / 10).min(300));
    Validity { not_before: instant::at(before), not_after: instant::at(now.as_secs().saturating_add(seconds)) }
}

/// It states that it is a node's, and nothing else.
fn refuse_other_role(credential: &Credential) -> Result<(), IssueError> {
    let certificate = credential.certificate();
    let is_node = certificate.stated_roles().roles().iter().all(|role| *role == Role::Node);
    if is_node && !certificate.is_ca() {
        return Ok(());
    }
    Err(IssueError::OtherRole { subject: credential.subject.clone(), stated: certificate.stated_roles().to_string() })
}
