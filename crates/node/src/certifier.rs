use std::collections::BTreeMap;

use bytes::Bytes;
use nuncio_audit::Audit;
use nuncio_behaviour::{Certifier, Member};
use nuncio_identity::NodeId;
use nuncio_pki::{Certificate, ChainError, Policy, SharedPolicy};
use nuncio_protocol::status_sync::IssuerId;
use nuncio_transport::{Admission, Admissions};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::admission::{Shared, take_list};

/// Judges the chains behind status records by the policy that the handshakes use, its lists of allowed and denied nodes
/// included. For whoever puts a [`Behaviour`](nuncio_behaviour::Behaviour) into a swarm of his own; a [`Node`](crate::Node) has one.
#[derive(Debug)]
pub struct PolicyCertifier {
    shared: Shared,
    audit: Audit,
}

impl PolicyCertifier {
    /// By a policy, and by whom the transport has admitted.
    pub fn of(policy: SharedPolicy, admissions: Admissions) -> Self {
        Self::new(Shared::of(policy, admissions), Audit::default())
    }

    /// Tells what it finds: that a peer's certificate was renewed, which agencies stand in chains that hold, until when
    /// certificates last, whom the lists refuse, and which lists were taken or refused.
    pub(crate) const fn new(shared: Shared, audit: Audit) -> Self {
        Self { shared, audit }
    }
}

impl Certifier for PolicyCertifier {
    fn certify(&self, node: NodeId, chain: &[Bytes]) -> Result<Member, String> {
        let shared = &self.shared;
        let policy = shared.policy.load();
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
        let judged = policy.judge(&chain, UnixTime::now());
        // Only who has a certificate is remembered: keys cost nothing.
        if let Err(ChainError::Denied { .. } | ChainError::NotAllowed { .. }) = judged
            && is_of(node, &chain)
        {
            shared.unlisted.note(node);
        }
        // Also a revoked node shows who may sign the list that revokes it.
        if matches!(judged, Ok(_) | Err(ChainError::Revoked { .. })) {
            shared.agencies.meet(&chain, &policy, UnixTime::now());
        }
        let certificate = judged.map_err(|error| error.to_string())?;
        if certificate.node_id != Some(node) {
            return Err(format!("it is the certificate of {}", certificate.subject));
        }
        let agency_path = certificate.agency_path();
        let member = Member { name: certificate.name.clone(), agency: certificate.agency.clone(), agency_path };
        shared.lifetimes.note(node, certificate.not_after);
        shared.admissions.renew(node, Admission { certificate, chain });
        Ok(member)
    }

    fn is_proved_anew(&self, node: &NodeId) -> bool {
        self.shared.lifetimes.contains(node) || self.shared.admissions.get(node).is_some()
    }

    fn take_list(&self, peer: NodeId, list: &[u8], agencies: &[Bytes]) -> bool {
        take_list(&self.shared, &self.audit, (peer, list), agencies, UnixTime::now())
    }

    fn newer_lists(&self, held: &BTreeMap<IssuerId, u64>) -> (Vec<Bytes>, Vec<Bytes>) {
        let policy = self.shared.policy.load();
        let held = held.iter().map(|(IssuerId(series), place)| (*series, *place)).collect();
        let (lists, agencies) = policy.lists().newer_than(&held);
        (
            lists.iter().map(|list| Bytes::copy_from_slice(list.der())).collect(),
            agencies.iter().map(|agency| Bytes::copy_from_slice(agency.der())).collect(),
        )
    }
}

/// The lists in force, as the status tells them.
pub(crate) fn told_lists(policy: &Policy) -> BTreeMap<IssuerId, u64> {
    policy.lists().told().into_iter().map(|(series, number)| (IssuerId(series), number)).collect()
}

fn is_of(node: NodeId, chain: &[CertificateDer<'static>]) -> bool {
    let leaf = chain.first().and_then(|der| Certificate::from_der(der.clone()).ok());
    leaf.and_then(|leaf| leaf.node_id()) == Some(node)
}
