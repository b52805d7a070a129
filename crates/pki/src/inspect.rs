//! What a certificate file holds, for people.

use std::path::Path;

use rustls_pki_types::UnixTime;
use serde::Serialize;

mod lists;

pub use self::lists::{ListSummary, inspect_lists};
use crate::{
    Certificate, DirectoryError, RevocationFile, Role, RoleRule,
    directory::read_certificates,
    instant,
    path::{Anchors, Leaf},
};

/// What one certificate of a file says, and whether it can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// 128 hexadecimal digits, when the key is on secp256k1.
    pub node_id: Option<String>,
    /// RFC 4514.
    pub subject: String,
    /// RFC 4514.
    pub issuer: String,
    /// RFC 3339.
    pub not_before: String,
    /// RFC 3339.
    pub not_after: String,
    /// Whether it chains, now, to an authority: one of `ca.crt`, or a root in the file itself if there is no `ca.crt`.
    pub chain_valid: bool,
    /// Why not.
    pub chain_problem: Option<String>,
    /// The list of the issuer that revokes it, `NUMBER of ISSUER`, if one does.
    pub revoked: Option<String>,
    /// Lower-case hexadecimal.
    pub serial: String,
    /// `secp256k1`, `RSA-2048`, …
    pub key: String,
    /// SHA-256 of the key, see [`Certificate::key_id`], lower-case hexadecimal.
    pub key_id: String,
    /// SHA-256, lower-case hexadecimal.
    pub fingerprint: String,
    /// 1, 2 or 3.
    pub version: u8,
    /// Whether it may issue certificates.
    pub is_ca: bool,
    /// The roles it states: `node`, `sdk`, `operator`. An authority has none.
    pub roles: Vec<&'static str>,
    /// Those for which doors take it by default, stated or not.
    pub taken_as: Vec<&'static str>,
}

/// Reads a certificate file and says of each certificate what it is. `ca` names the authorities; without it, `ca.crt`
/// beside the file is taken, and where there is none the roots in the file. `crl` names a file of revocation lists; without
/// it, `ca.crl` beside the file is taken if there is one.
///
/// # Errors
/// When a file cannot be read.
pub fn inspect(
    path: &Path,
    ca: Option<&Path>,
    crl: Option<&Path>,
    now: UnixTime,
) -> Result<Vec<Summary>, DirectoryError> {
    let bundle = read_certificates(path)?;
    let anchors =
        anchors(path, ca)?.unwrap_or_else(|| bundle.iter().filter(|one| one.is_self_issued()).cloned().collect());
    let beside = path.with_file_name("ca.crl");
    let file = match crl {
        Some(crl) => RevocationFile::read(crl)?,
        None if beside.exists() => RevocationFile::read(&beside)?,
        None => RevocationFile::default(),
    };
    let issuers: Vec<_> = [&bundle, &anchors, &file.certificates].into_iter().flatten().cloned().collect();
    let summaries = (0..bundle.len()).map(|index| {
        let mut summary = Summary::of(&bundle[index..], &anchors, now);
        summary.revoked = lists::revoking(&bundle[index], &issuers, &file.lists);
        summary
    });
    Ok(summaries.collect())
}

/// The certificates that `ca` names, or `ca.crt` beside the file.
fn anchors(path: &Path, ca: Option<&Path>) -> Result<Option<Vec<Certificate>>, DirectoryError> {
    let beside = path.with_file_name("ca.crt");
    match ca {
        Some(ca) => read_certificates(ca).map(Some),
        None if beside.exists() => read_certificates(&beside).map(Some),
        None => Ok(None),
    }
}

impl Summary {
    /// Describes the first certificate of `chain`, judged by `anchors` with the help of the others. `chain` must not be
    /// empty.
    fn of(chain: &[Certificate], anchors: &[Certificate], now: UnixTime) -> Self {
        let certificate = &chain[0];
        let problem = problem(chain, anchors, now);
        let is_ca = certificate.is_ca() || (certificate.is_v1() && certificate.is_signed_by(certificate));
        let is_taken = |role: &&Role| !is_ca && RoleRule::default().admits(**role, certificate.stated_roles());
        Self {
            node_id: certificate.node_id().map(|node| node.to_string()),
            subject: certificate.subject(),
            issuer: certificate.issuer(),
            not_before: instant::text(certificate.not_before()),
            not_after: instant::text(certificate.not_after()),
            chain_valid: problem.is_none(),
            chain_problem: problem,
            revoked: None,
            serial: certificate.serial(),
            key_id: hex::encode(certificate.key_id()),
            key: certificate.key_kind().to_string(),
            fingerprint: certificate.fingerprint(),
            version: certificate.version(),
            is_ca,
            roles: certificate.stated_roles().roles().iter().map(|role| role.as_str()).collect(),
            taken_as: Role::ALL.iter().filter(is_taken).map(|role| role.as_str()).collect(),
        }
    }
}

fn problem(chain: &[Certificate], anchors: &[Certificate], now: UnixTime) -> Option<String> {
    let certificate = &chain[0];
    let anchors = Anchors::new(anchors.to_vec());
    let faults = if anchors.certificates().contains(certificate) {
        crate::path::refuse_time(certificate, now).err().into_iter().collect()
    } else if certificate.is_ca() {
        anchors.faults_of_authority(chain, now)
    } else {
        anchors.faults(chain, now, Leaf::Client)
    };
    (!faults.is_empty()).then(|| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}
