//! Name constraints (RFC 5280, 4.2.1.10), as OpenSSL reads them.

use std::mem::discriminant;

use der::{Encode, asn1::ObjectIdentifier};
use x509_cert::ext::pkix::{NameConstraints, constraints::name::GeneralSubtree, name::GeneralName};

use crate::{
    Certificate,
    name::{IA5_STRING, Named},
};

const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// A name that a certificate bears.
enum Borne<'a> {
    Directory(&'a Named),
    Dns(&'a str),
    Email(&'a str),
    Uri(&'a str),
    Address(&'a [u8]),
    /// Of a kind that no constraint here can speak about.
    Other(&'a GeneralName),
}

/// Refuses a certificate that bears a name outside the permitted subtrees, or in an excluded one.
pub(super) fn refuse(constraints: &NameConstraints, certificate: &Certificate, is_leaf: bool) -> Result<(), String> {
    let directories = directory_names(certificate)?;
    for name in names(certificate, &directories, is_leaf)? {
        let of_kind = |tree: &&GeneralSubtree| name.is_of_kind(&tree.base);
        let mut permitted = constraints.permitted_subtrees.iter().flatten().filter(of_kind).peekable();
        let mut excluded = constraints.excluded_subtrees.iter().flatten().filter(of_kind);
        if permitted.peek().is_some() && !any_match(&name, permitted)? {
            return Err(format!("its name {} is not a permitted one", name.shown()));
        }
        if any_match(&name, &mut excluded)? {
            return Err(format!("its name {} is an excluded one", name.shown()));
        }
    }
    Ok(())
}

fn any_match<'t>(name: &Borne<'_>, mut trees: impl Iterator<Item = &'t GeneralSubtree>) -> Result<bool, String> {
    trees.try_fold(false, |found, tree| {
        if tree.minimum != 0 || tree.maximum.is_some() {
            return Err("a constraint has a minimum or maximum, which nobody supports".into());
        }
        Ok(found || name.lies_in(&tree.base)?)
    })
}

fn directory_names(certificate: &Certificate) -> Result<Vec<Named>, String> {
    let named = certificate.extensions().alternative_names.iter().filter_map(|name| match name {
        GeneralName::DirectoryName(name) => Some(name.to_der().and_then(|der| Named::from_der(&der))),
        _ => None,
    });
    named.collect::<Result<_, _>>().map_err(|_| "its subjectAltName cannot be read".into())
}

fn names<'a>(certificate: &'a Certificate, directories: &'a [Named], is_leaf: bool) -> Result<Vec<Borne<'a>>, String> {
    let subject = certificate.subject_name();
    let mut names: Vec<Borne<'a>> = directories.iter().map(Borne::Directory).collect();
    if subject.attributes().next().is_some() {
        names.push(Borne::Directory(subject));
    }
    for attribute in subject.attributes().filter(|one| one.oid == EMAIL_ADDRESS) {
        match &attribute.text {
            Some(text) if attribute.tag == IA5_STRING => names.push(Borne::Email(text)),
            _ => return Err("the e-mail address in its subject is no IA5String".into()),
        }
    }
    let alternative = &certificate.extensions().alternative_names;
    names.extend(alternative.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(Borne::Dns(name.as_str())),
        GeneralName::Rfc822Name(name) => Some(Borne::Email(name.as_str())),
        GeneralName::UniformResourceIdentifier(name) => Some(Borne::Uri(name.as_str())),
        GeneralName::IpAddress(address) => Some(Borne::Address(address.as_bytes())),
        GeneralName::DirectoryName(_) => None,
        other => Some(Borne::Other(other)),
    }));
    // Without a DNS name of its own, a leaf's CN is taken for one where it looks like one.
    if is_leaf && !names.iter().any(|name| matches!(name, Borne::Dns(_))) {
        let common_names = subject.attributes().filter(|one| one.oid == crate::name::COMMON_NAME);
        names.extend(common_names.filter_map(|one| one.text.as_deref().filter(|cn| is_host(cn)).map(Borne::Dns)));
    }
    Ok(names)
}

impl Borne<'_> {
    fn is_of_kind(&self, base: &GeneralName) -> bool {
        match self {
            Self::Directory(_) => matches!(base, GeneralName::DirectoryName(_)),
            Self::Dns(_) => matches!(base, GeneralName::DnsName(_)),
            Self::Email(_) => matches!(base, GeneralName::Rfc822Name(_)),
            Self::Uri(_) => matches!(base, GeneralName::UniformResourceIdentifier(_)),
            Self::Address(_) => matches!(base, GeneralName::IpAddress(_)),
            Self::Other(name) => discriminant(*name) == discriminant(base),
        }
    }

    fn lies_in(&self, base: &GeneralName) -> Result<bool, String> {
        match (self, base) {
            (Self::Directory(name), GeneralName::DirectoryName(base)) => {
                let base = base.to_der().and_then(|der| Named::from_der(&der));
                Ok(name.is_below(&base.map_err(|_| "a constraint cannot be read")?))
            }
            (Self::Dns(name), GeneralName::DnsName(base)) => Ok(is_dns_below(name, base.as_str())),
            (Self::Email(name), GeneralName::Rfc822Name(base)) => Ok(is_email_in(name, base.as_str())),
            (Self::Uri(name), GeneralName::UniformResourceIdentifier(base)) => {
                let host = host_of(name).ok_or_else(|| format!("its name {name} is no URI with a host"))?;
                Ok(is_host_in(host, base.as_str()))
            }
            (Self::Address(address), GeneralName::IpAddress(base)) => Ok(is_address_in(address, base.as_bytes())),
            _ => Err("a constraint is of a kind that is not supported".into()),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Directory(name) => name.text.clone(),
            Self::Dns(name) | Self::Email(name) | Self::Uri(name) => nuncio_plain::line(name).into_owned(),
            Self::Address(address) => hex::encode(address),
            Self::Other(_) => "of another kind".into(),
        }
    }
}

/// `a.example` and what is below it; `.a.example` only what is below it.
fn is_dns_below(name: &str, base: &str) -> bool {
    let Some(before) = name.len().checked_sub(base.len()) else { return false };
    let ends = name.as_bytes()[before..].eq_ignore_ascii_case(base.as_bytes());
    let at_label = before == 0 || base.is_empty() || base.starts_with('.') || name.as_bytes()[before - 1] == b'.';
    ends && at_label
}

/// One mailbox, all of a host, or with a leading dot all of the hosts below.
fn is_email_in(name: &str, base: &str) -> bool {
    let Some((local, host)) = name.rsplit_once('@') else { return false };
    match base.rsplit_once('@') {
        Some((mailbox, at)) => (mailbox.is_empty() || mailbox == local) && host.eq_ignore_ascii_case(at),
        None => is_host_in(host, base),
    }
}

fn is_host_in(host: &str, base: &str) -> bool {
    match base.strip_prefix('.') {
        Some(_) => host.len() > base.len() && is_dns_below(host, base),
        None => host.eq_ignore_ascii_case(base),
    }
}

fn host_of(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let host = rest.split([':', '/']).next()?;
    (!host.is_empty()).then_some(host)
}

/// An address and a mask of the same length.
fn is_address_in(address: &[u8], base: &[u8]) -> bool {
    let (network, mask) = base.split_at(base.len() / 2);
    address.len() == network.len()
        && address.iter().zip(network).zip(mask).all(|((byte, network), mask)| (byte ^ network) & mask == 0)
}

/// At least two labels of letters, digits, `-` and `_`.
fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.contains('.') && name.split('.').all(is_label)
}
