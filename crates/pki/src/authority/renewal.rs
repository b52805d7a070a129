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

/// Renews the certificate at a place in a file; the others stay, but for those of the issuers that have been renewed themselves.
pub(super) fn renew(
    file: &Path,
    place: usize,
    issuer: &Issuer,
    validity: Validity,
) -> Result<Certificate, AuthorityError> {
    let old = read_certificates(file)?;
    let chain = issuer.renew(&old[place], validity)?;
    let newest = |one: &Certificate| chain.iter().find(|newer| is_newer(newer, one)).unwrap_or(one).clone();
    let mut content: Vec<Certificate> = old.iter().map(newest).collect();
    content[place] = chain[0].clone();
    replace(file, &old[place], (&content, place), (issuer, &chain))
}

/// Renews what another authority issued in the place of a file's certificate: above the old one stood another authority, so
/// that the file gets the whole chain, the root too if it had one.
pub(super) fn renew_in_place(
    file: &Path,
    old: &Certificate,
    made: &Certificate,
    (issuer, validity): (&Issuer, Validity),
) -> Result<Certificate, AuthorityError> {
    let is_root = |one: &Certificate| one.is_signed_by(one);
    let chain = issuer.renew(made, validity)?;
    let has_root = read_certificates(file)?.iter().any(is_root);
    let content: Vec<Certificate> = chain.iter().filter(|one| has_root || !is_root(one)).cloned().collect();
    replace(file, old, (&content, 0), (issuer, &chain))
}

/// The file is replaced once what was written has been read back and holds.
fn replace(
    file: &Path,
    old: &Certificate,
    (content, place): (&[Certificate], usize),
    (issuer, chain): (&Issuer, &[Certificate]),
) -> Result<Certificate, AuthorityError> {
    refuse_replacing(file)?;
    let draft = Draft::public(file, &bundle(content))?;
    let mut written = read_certificates(draft.written())?;
    refuse_changed(old, &written[place])?;
    refuse_unsound(&written[place], issuer, chain)?;
    draft.replace()?;
    Ok(written.swap_remove(place))
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
