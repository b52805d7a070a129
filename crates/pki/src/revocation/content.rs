use std::collections::BTreeMap;

use der::{
    Any, Decode, Encode, Sequence,
    asn1::{IntRef, UintRef},
};
use x509_cert::{AlgorithmIdentifier, Version, ext::Extension, name::Name};

use super::{Edition, RevocationError, TakenBack};
use crate::{instant::Moment, name::Named};

const CRL_NUMBER: &str = "2.5.29.20";
const DELTA: &str = "2.5.29.27";
const DISTRIBUTION_POINT: &str = "2.5.29.28";
const CERTIFICATE_ISSUER: &str = "2.5.29.29";

/// What a list says, in either version.
pub(super) struct Said {
    pub(super) issuer: Named,
    pub(super) edition: Edition,
    pub(super) next_update: Option<u64>,
    pub(super) taken_back: TakenBack,
}

/// Version 1 has neither the version nor extensions; serial numbers may be as long as they are.
#[derive(Sequence)]
struct ToBeSigned<'a> {
    version: Option<Version>,
    signature: Any,
    issuer: Any,
    this_update: Moment,
    next_update: Option<Moment>,
    revoked: Option<Vec<Entry<'a>>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

#[derive(Sequence)]
struct Entry<'a> {
    serial: IntRef<'a>,
    date: Moment,
    extensions: Option<Vec<Extension>>,
}

/// What a new list shall say besides what it takes back.
pub(crate) struct Draft {
    pub(crate) algorithm: AlgorithmIdentifier,
    pub(crate) issuer: Name,
    pub(crate) this_update: Moment,
    pub(crate) next_update: Moment,
    pub(crate) extensions: Vec<Extension>,
}

/// Writes the signed part of a list, version 2.
pub(crate) fn write(mut draft: Draft, taken_back: &TakenBack) -> Result<Vec<u8>, der::Error> {
    draft.extensions.extend(taken_back.extension()?);
    let revoked = taken_back
        .entries
        .iter()
        .map(|(serial, second)| Ok(Entry { serial: IntRef::new(serial)?, date: Moment(*second), extensions: None }))
        .collect::<Result<Vec<_>, der::Error>>()?;
    let tbs = ToBeSigned {
        version: Some(Version::V2),
        signature: Any::encode_from(&draft.algorithm)?,
        issuer: Any::encode_from(&draft.issuer)?,
        this_update: draft.this_update,
        next_update: Some(draft.next_update),
        revoked: (!revoked.is_empty()).then_some(revoked),
        extensions: Some(draft.extensions),
    };
    tbs.to_der()
}

/// Reads the signed part of a list.
pub(super) fn read(tbs: &[u8]) -> Result<Said, RevocationError> {
    let tbs = ToBeSigned::from_der(tbs).map_err(RevocationError::malformed)?;
    if !matches!(tbs.version, None | Some(Version::V1 | Version::V2)) {
        return Err(RevocationError::Malformed { reason: "its version is neither 1 nor 2".into() });
    }
    let extensions = tbs.extensions.unwrap_or_default();
    refuse_partial(&extensions)?;
    let mut entries = BTreeMap::new();
    for entry in tbs.revoked.unwrap_or_default() {
        refuse_partial(entry.extensions.as_deref().unwrap_or_default())?;
        entries.insert(entry.serial.as_bytes().to_vec(), entry.date.0);
    }
    let mut taken_back = TakenBack::new(entries);
    taken_back.read(&extensions)?;
    Ok(Said {
        issuer: tbs.issuer.to_der().and_then(|der| Named::from_der(&der)).map_err(RevocationError::malformed)?,
        edition: Edition::new(number(&extensions)?, tbs.this_update.0),
        next_update: tbs.next_update.map(|time| time.0),
        taken_back,
    })
}

fn refuse_partial(extensions: &[Extension]) -> Result<(), RevocationError> {
    let is_partial = |one: &&Extension| {
        let oid = one.extn_id.to_string();
        // One that does not insist on it, as it has to, would take the place of the complete list.
        [DELTA, DISTRIBUTION_POINT, CERTIFICATE_ISSUER].contains(&&*oid) || (one.critical && oid != CRL_NUMBER)
    };
    match extensions.iter().find(is_partial) {
        Some(one) => Err(RevocationError::Partial { oid: one.extn_id.to_string() }),
        None => Ok(()),
    }
}

fn number(extensions: &[Extension]) -> Result<Option<Vec<u8>>, RevocationError> {
    let Some(extension) = extensions.iter().find(|one| one.extn_id.to_string() == CRL_NUMBER) else { return Ok(None) };
    let number = UintRef::from_der(extension.extn_value.as_bytes()).map_err(RevocationError::malformed)?;
    Ok(Some(number.as_bytes().to_vec()))
}
