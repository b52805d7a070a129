//! Replacing certificates in files.

use std::path::Path;

use rustls_pki_types::UnixTime;

use super::{
    AuthorityError, Issuer, Validity,
    draft::Draft,
    layout::{bundle, refuse_replacing},
    profile::Profile,
};
use crate::{
    Certificate,
    directory::read_certificates,
    path::{Anchors, Leaf, refuse_time},
};

/// Renews the first certificate of a file; the others stay, but for those of the issuers that have been renewed themselves.
/// The file is replaced once what was written has been read back and holds.
pub(super) fn renew(file: &Path, issuer: &Issuer, validity: Validity) -> Result<Certificate, AuthorityError> {
    let old = read_certificates(file)?;
    refuse_replacing(file)?;
    let chain = issuer.renew(&old[0], validity)?;
    let renewed = &chain[0];
    let newest = |one: &Certificate| chain.iter().find(|newer| is_newer(newer, one)).unwrap_or(one).clone();
    let content: Vec<Certificate> = std::iter::once(renewed.clone()).chain(old[1..].iter().map(newest)).collect();
    let draft = Draft::public(file, &bundle(&content))?;
    let written = read_certificates(draft.written())?;
    refuse_changed(&old[0], &written[0])?;
    refuse_unsound(&written[0], issuer, &chain)?;
    draft.replace()?;
    Ok(renewed.clone())
}

/// Whether it is of the same name and key and lasts longer.
fn is_newer(newer: &Certificate, one: &Certificate) -> bool {
    newer.subject_name().is(one.subject_name())
        && newer.public_key() == one.public_key()
        && newer.not_after().as_secs() > one.not_after().as_secs()
}

/// What it is for must not change.
fn refuse_changed(old: &Certificate, new: &Certificate) -> Result<(), AuthorityError> {
    let same = old.subject_der() == new.subject_der()
        && old.public_key() == new.public_key()
        && old.is_ca() == new.is_ca()
        && old.stated_roles() == new.stated_roles()
        && Profile::of(old)?.is_like(&Profile::of(new)?);
    if same { Ok(()) } else { Err(AuthorityError::Changed { subject: old.subject() }) }
}

/// It must lead to the issuer's root now.
fn refuse_unsound(new: &Certificate, issuer: &Issuer, chain: &[Certificate]) -> Result<(), AuthorityError> {
    let now = UnixTime::now();
    let faults = if new.is_signed_by(new) {
        refuse_time(new, now).err().into_iter().collect()
    } else {
        let anchors = Anchors::new(vec![issuer.root_certificate().clone()]);
        if new.is_ca() { anchors.faults_of_authority(chain, now) } else { anchors.faults(chain, now, Leaf::Client) }
    };
    match faults.into_iter().next() {
        Some(source) => Err(AuthorityError::Unsound { subject: new.subject(), source: Box::new(source) }),
        None => Ok(()),
    }
}
