//! Where a key is: a PKCS#11 URI (RFC 7512), the only line of a key file.

use std::path::{Path, PathBuf};

use crate::KeyError;

/// How the file of such a key begins.
const SCHEME: &str = "pkcs11:";

/// The parts that say which module, token and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Uri {
    pub(super) module: PathBuf,
    pub(super) pin_source: Option<PathBuf>,
    pub(super) token: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) object: Option<String>,
    pub(super) id: Option<Vec<u8>>,
}

/// Whether the file of a key says where the key is.
pub(crate) fn is_uri(file: &[u8]) -> bool {
    file.trim_ascii_start().starts_with(SCHEME.as_bytes())
}

impl Uri {
    pub(super) fn parse(file: &[u8]) -> Result<Self, KeyError> {
        let text = str::from_utf8(file).map_err(|_| refused("it is no UTF-8"))?.trim();
        let text = text.strip_prefix(SCHEME).ok_or_else(|| refused("it does not begin with pkcs11:"))?;
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut uri =
            Self { module: PathBuf::new(), pin_source: None, token: None, serial: None, object: None, id: None };
        for part in path.split(';').filter(|part| !part.is_empty()) {
            let (name, value) = attribute(part)?;
            match name {
                "token" => uri.token = Some(words(value)?),
                "serial" => uri.serial = Some(words(value)?),
                "object" => uri.object = Some(words(value)?),
                "id" => uri.id = Some(value),
                "type" if value == b"private" => {}
                _ => {
                    return Err(refused(&format!("it has {}, which is not known here", nuncio_plain::short(name, 32))));
                }
            }
        }
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = attribute(part)?;
            match name {
                "module-path" => uri.module = words(value)?.into(),
                "pin-source" => uri.pin_source = Some(file_of(&words(value)?)),
                "pin-value" => {
                    return Err(refused("it has a PIN in it; put that into a file and name it by pin-source"));
                }
                _ => {
                    return Err(refused(&format!("it has {}, which is not known here", nuncio_plain::short(name, 32))));
                }
            }
        }
        uri.complete()
    }

    fn complete(self) -> Result<Self, KeyError> {
        if !self.module.is_absolute() {
            return Err(refused("module-path must be the whole path of the token's library"));
        }
        if self.object.is_none() && self.id.is_none() {
            return Err(refused("it names no key, by object= or id="));
        }
        Ok(self)
    }
}

fn file_of(text: &str) -> PathBuf {
    let path = text.strip_prefix("file://").or_else(|| text.strip_prefix("file:")).unwrap_or(text);
    Path::new(path).into()
}

fn attribute(part: &str) -> Result<(&str, Vec<u8>), KeyError> {
    let (name, value) = part.split_once('=').ok_or_else(|| refused("a part of it has no ="))?;
    Ok((name, decoded(value)?))
}

fn decoded(text: &str) -> Result<Vec<u8>, KeyError> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = after.get(..2).and_then(|digits| hex::decode(digits).ok());
            bytes.extend(digits.ok_or_else(|| refused("a % in it is followed by no two hexadecimal digits"))?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Ok(bytes)
}

fn words(value: Vec<u8>) -> Result<String, KeyError> {
    String::from_utf8(value).map_err(|_| refused("a part of it is no UTF-8"))
}

fn refused(reason: &str) -> KeyError {
    KeyError::Token { reason: format!("the PKCS#11 URI cannot be used: {reason}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_a_module_and_one_key() {
        let uri = Uri::parse(
            b"\n pkcs11:token=bank%20A;object=ca;type=private;id=%01%fe?module-path=/usr/lib/p.so&pin-source=file:/run/pin\n",
        );
        let uri = uri.unwrap();
        assert_eq!(uri.token.as_deref(), Some("bank A"));
        assert_eq!((uri.object.as_deref(), uri.id), (Some("ca"), Some(vec![1, 0xfe])));
        assert_eq!(uri.pin_source, Some("/run/pin".into()));
        for bad in [
            "pkcs11:object=a",
            "pkcs11:object=a?module-path=p.so",
            "pkcs11:token=a?module-path=/p.so",
            "pkcs11:object=a;slot-id=1?module-path=/p.so",
            "pkcs11:object=a?module-path=/p.so&pin-value=1234",
            "pkcs11:object=%1?module-path=/p.so",
            "pkcs11:object=%zz?module-path=/p.so",
            "pkcs11:object?module-path=/p.so",
            "pkcs11:object=%ff?module-path=/p.so",
            "pkcs11:type=cert;object=a?module-path=/p.so",
        ] {
            assert!(is_uri(bad.as_bytes()));
            assert!(matches!(Uri::parse(bad.as_bytes()), Err(KeyError::Token { .. })), "{bad}");
        }
    }
}
