use rustls_pki_types::{CertificateDer, UnixTime};
use zeroize::Zeroizing;

use super::{Asked, IssueError, IssuingDesk, lasting};
use crate::{
    Certificate, CertificateRequest, InvitationId, Policy,
    authority::{
        Kind,
        joining::{Invitations, JoinRefusal},
        store::capped,
    },
};

/// Somebody who has no certificate yet, and an invitation. Nothing of it is proved.
#[derive(Debug)]
pub struct Newcomer {
    /// Which invitation.
    pub id: InvitationId,
    /// Its secret.
    pub secret: Zeroizing<Vec<u8>>,
    /// A certificate request, DER, for the invitation's name.
    pub request: Vec<u8>,
}

impl IssuingDesk {
    /// Issues the first certificate of a node that comes with an invitation; once, or again for the same key. Behind what stands
    /// above it are the other roots of the agency's `ca.crt`, of which a newcomer takes those that its token names.
    ///
    /// # Errors
    /// Why not, fit to be told to who asked.
    pub fn admit(
        &mut self,
        newcomer: &Newcomer,
        policy: &Policy,
        now: UnixTime,
    ) -> Result<Vec<Certificate>, IssueError> {
        if newcomer.request.len() > Asked::MAX_REQUEST {
            return Err(IssueError::TooLarge { bytes: newcomer.request.len(), limit: Asked::MAX_REQUEST });
        }
        let invitations = Invitations::of(self.authority.directory());
        let invitation = invitations.find(newcomer.id, &newcomer.secret, now)??;
        let request = CertificateRequest::from_der(&newcomer.request)?;
        request.verify(Kind::Node)?;
        if request.has_attributes() {
            return Err(IssueError::Attributes);
        }
        if request.common_name() != invitation.name {
            return Err(JoinRefusal::OtherName { wanted: invitation.name, asked: request.common_name() }.into());
        }
        let node = request.node_id().filter(|node| policy.admits(node)).ok_or(JoinRefusal::Denied)?;
        self.authority.follow()?;
        self.ledger.forget_ended(now);
        self.ledger.refuse_full(node)?;
        self.refuse_revoked(node, &[], policy)?;
        if !invitations.claim(newcomer.id, node)? {
            return Err(JoinRefusal::Used.into());
        }
        let validity = capped(self.authority.issuer(), lasting(now, self.rules.lifetime))?;
        let chain = self.authority.issuer().sign_request(&request, Kind::Node, validity)?;
        let ders: Vec<CertificateDer<'_>> = chain.iter().map(|one| one.der().clone()).collect();
        policy.judge(&ders, now).map_err(|source| IssueError::Unsound(source.into()))?;
        self.ledger.note(node, &chain[0])?;
        let further: Vec<_> = self.authority.trusted().iter().filter(|root| !chain.contains(root)).cloned().collect();
        Ok([chain, further].concat())
    }
}
