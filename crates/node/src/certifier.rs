use std::collections::BTreeMap;

use bytes::Bytes;
use nuncio_behaviour::{Certifier, Member};
use nuncio_identity::NodeId;
use nuncio_pki::{Policy, RevocationList, SharedPolicy};
use nuncio_protocol::status_sync::IssuerId;
use nuncio_transport::{Admission, Admissions};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::{agencies::Agencies, lifetimes::Lifetimes};

/// Judges the chains behind status records by the policy that the handshakes use.
pub(crate) struct PolicyCertifier {
    policy: SharedPolicy,
    /// Told when a record shows that a peer's certificate was renewed.
    admissions: Admissions,
    /// Told of every agency in a chain that holds.
    agencies: Agencies,
    /// Told until when a certificate lasts that holds.
    lifetimes: Lifetimes,
}

impl PolicyCertifier {
    pub(crate) const fn new(
        policy: SharedPolicy,
        admissions: Admissions,
        agencies: Agencies,
        lifetimes: Lifetimes,
    ) -> Self {
        Self { policy, admissions, agencies, lifetimes }
    }
}

impl Certifier for PolicyCertifier {
    fn certify(&self, node: NodeId, chain: &[Bytes]) -> Result<Member, String> {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
        let certificate = self.policy.load().judge(&chain, UnixTime::now()).map_err(|error| error.to_string())?;
        if certificate.node != node {
            return Err(format!("it is the certificate of {}", certificate.node.short()));
        }
        let member = Member { name: certificate.name.clone(), agency: certificate.agency.clone() };
        self.agencies.meet(&chain);
        self.lifetimes.note(node, certificate.not_after);
        self.admissions.renew(node, Admission { certificate, chain });
        Ok(member)
    }

    fn is_proved_anew(&self, node: &NodeId) -> bool {
        self.lifetimes.contains(node) || self.admissions.get(node).is_some()
    }

    fn newer_lists(&self, held: &BTreeMap<IssuerId, u64>) -> (Vec<Bytes>, Vec<Bytes>) {
        let policy = self.policy.load();
        let is_newer =
            |list: &&RevocationList| held.get(&IssuerId(list.series())).is_none_or(|number| *number < list.number());
        let lists: Vec<_> = policy.crls().iter().filter(is_newer).collect();
        let agencies = self.agencies.signers_of(&lists);
        (
            lists.iter().map(|list| Bytes::copy_from_slice(list.der())).collect(),
            agencies.iter().map(|agency| Bytes::copy_from_slice(agency.der())).collect(),
        )
    }
}

/// The numbers of the lists in force, as the status tells them.
pub(crate) fn revocation_numbers(policy: &Policy) -> BTreeMap<IssuerId, u64> {
    policy.crl_numbers().into_iter().map(|(series, number)| (IssuerId(series), number)).collect()
}
