//! Name constraints (RFC 5280, 4.2.1.10), as OpenSSL reads them.

use der::asn1::ObjectIdentifier;

use crate::{
    Certificate,
    general_name::{GeneralName, NameConstraints, Subtree},
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
    for name in names(certificate, is_leaf)? {
        let of_kind = |tree: &&Subtree| name.is_of_kind(&tree.base);
        let mut permitted = constraints.permitted.iter().filter(of_kind).peekable();
        let mut excluded = constraints.excluded.iter().filter(of_kind);
        if permitted.peek().is_some() && !any_match(&name, permitted)? {
            return Err(format!("its name {} is not a permitted one", name.shown()));
        }
        if any_match(&name, &mut excluded)? {
            return Err(format!("its name {} is an excluded one", name.shown()));
        }
    }
    Ok(())
}

fn any_match<'t>(name: &Borne<'_>, mut trees: impl Iterator<Item = &'t Subtree>) -> Result<bool, String> {
    trees.try_fold(false, |found, tree| {
        if tree.is_cut {
            return Err("a constraint has a minimum or maximum, which nobody supports".into());
        }
        Ok(found || name.lies_in(&tree.base)?)
    })
}

fn names(certificate: &Certificate, is_leaf: bool) -> Result<Vec<Borne<'_>>, String> {
    let subject = certificate.subject_name();
    let mut names: Vec<Borne<'_>> = certificate.extensions().alternative_names.iter().map(Borne::of).collect();
    if subject.attributes().next().is_some() {
        names.push(Borne::Directory(subject));
    }
    for attribute in subject.attributes().filter(|one| one.oid == EMAIL_ADDRESS) {
        match &attribute.text {
            Some(text) if attribute.tag == IA5_STRING => names.push(Borne::Email(text)),
            _ => return Err("the e-mail address in its subject is no IA5String".into()),
        }
    }
    // Without a DNS name of its own, a leaf's CN is taken for one where it looks like one.
    if is_leaf && !names.iter().any(|name| matches!(name, Borne::Dns(_))) {
        let common_names = subject.attributes().filter(|one| one.oid == crate::name::COMMON_NAME);
        names.extend(common_names.filter_map(|one| one.text.as_deref().filter(|cn| is_host(cn)).map(Borne::Dns)));
    }
    Ok(names)
}

impl<'a> Borne<'a> {
    fn of(name: &'a GeneralName) -> Self {
        match name {
            GeneralName::Email(name) => Self::Email(name),
            GeneralName::Dns(name) => Self::Dns(name),
            GeneralName::Directory(name) => Self::Directory(name),
            GeneralName::Uri(name) => Self::Uri(name),
            GeneralName::Address(address) => Self::Address(address),
            GeneralName::Other(..) => Self::Other(name),
        }
    }

    fn is_of_kind(&self, base: &GeneralName) -> bool {
        match self {
            Self::Directory(_) => matches!(base, GeneralName::Directory(_)),
            Self::Dns(_) => matches!(base, GeneralName::Dns(_)),
            Self::Email(_) => matches!(base, GeneralName::Email(_)),
            Self::Uri(_) => matches!(base, GeneralName::Uri(_)),
            Self::Address(_) => matches!(base, GeneralName::Address(_)),
            Self::Other(name) => *name == base,
        }
    }

    fn lies_in(&self, base: &GeneralName) -> Result<bool, String> {
        match (self, base) {
            (Self::Directory(name), GeneralName::Directory(base)) => Ok(name.is_below(base)),
            (Self::Dns(name), GeneralName::Dns(base)) => Ok(is_dns_below(name, base)),
            (Self::Email(name), GeneralName::Email(base)) => Ok(is_email_in(name, base)),
            (Self::Uri(name), GeneralName::Uri(base)) => {
                let host = host_of(name).ok_or_else(|| format!("its name {name} is no URI with a host"))?;
                Ok(is_host_in(host, base))
            }
            (Self::Address(address), GeneralName::Address(base)) => is_address_in(address, base),
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

/// An address and a mask of the same length, of either version of IP.
fn is_address_in(address: &[u8], base: &[u8]) -> Result<bool, String> {
    if !matches!((address.len(), base.len()), (4 | 16, 8 | 32)) {
        return Err("an IP address in a constraint or in a name is neither of version 4 nor of version 6".into());
    }
    let (network, mask) = base.split_at(base.len() / 2);
    Ok(address.len() == network.len()
        && address.iter().zip(network).zip(mask).all(|((byte, network), mask)| (byte ^ network) & mask == 0))
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
