use bytes::Bytes;
use nuncio_behaviour::{Certifier, Member};
use nuncio_identity::NodeId;
use nuncio_pki::SharedPolicy;
use rustls_pki_types::{CertificateDer, UnixTime};

/// Judges the chains behind status records by the policy that the handshakes use.
pub(crate) struct PolicyCertifier(pub(crate) SharedPolicy);

impl Certifier for PolicyCertifier {
    fn certify(&self, node: NodeId, chain: &[Bytes]) -> Result<Member, String> {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_ref())).collect();
        let certificate = self.0.load().judge(&chain, UnixTime::now()).map_err(|error| error.to_string())?;
        if certificate.node != node {
            return Err(format!("it is the certificate of {}", certificate.node.short()));
        }
        Ok(Member { name: certificate.name, agency: certificate.agency })
    }
}
