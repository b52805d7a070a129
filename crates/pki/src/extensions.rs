//! What a certificate's extensions say, as far as a chain is judged by it.

use crate::{
    general_name::{GeneralName, NameConstraints},
    heir::HEIR,
    name::Named,
};
use der::{
    Decode, DecodeValue, EncodeValue, FixedTag, Header, Length, Reader, Sequence, SliceReader, Tag, Tagged, Writer,
    asn1::{AnyRef, BitStringRef, IntRef, ObjectIdentifier, OctetStringRef},
    oid::db::{DB, rfc5280::*},
};

/// Proof of what a key may do; everything unsaid is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    pub(crate) basic: Option<Basic>,
    pub(crate) key_usage: Option<KeyUsage>,
    pub(crate) purposes: Option<Vec<ObjectIdentifier>>,
    pub(crate) netscape: Option<NetscapeType>,
    pub(crate) alternative_names: Vec<GeneralName>,
    pub(crate) constraints: Option<NameConstraints>,
    pub(crate) own_key: Option<Vec<u8>>,
    pub(crate) issuer_key: IssuerKey,
    /// By which a root says that this one takes its place: see [`heir`](crate::heir).
    pub(crate) heir: Option<Vec<u8>>,
    /// The first one that nobody may ignore and nobody here knows, or that cannot be read or stands there twice.
    pub(crate) fault: Option<String>,
}

/// basicConstraints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Basic {
    pub(crate) ca: bool,
    /// How many authorities may stand below it, before the leaf.
    pub(crate) path_length: Option<u32>,
}

/// keyUsage, by the numbers of its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyUsage(u16);

/// nsCertType, as old configurations of OpenSSL write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NetscapeType(u8);

/// authorityKeyIdentifier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IssuerKey {
    pub(crate) key: Option<Vec<u8>>,
    /// Of the certificate that has this serial: its issuer.
    pub(crate) issuer: Option<Box<Named>>,
    pub(crate) serial: Option<Vec<u8>>,
}

/// Whatever is critical must be known. These are known beside those that are read; policies restrict nothing as long as
/// none is asked for.
const HARMLESS: &[ObjectIdentifier] =
    &[ID_CE_CERTIFICATE_POLICIES, ID_CE_POLICY_MAPPINGS, ID_CE_INHIBIT_ANY_POLICY, OCSP_NO_CHECK];

const OCSP_NO_CHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");

/// What a leaf issued for whom it trusts (RFC 3820).
const PROXY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.14");

const NETSCAPE_CERT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113730.1.1");

#[derive(Sequence)]
pub(crate) struct Extension<'a> {
    oid: ObjectIdentifier,
    #[asn1(default = "Default::default")]
    critical: Flag,
    value: &'a OctetStringRef,
}

#[derive(Sequence)]
struct BasicConstraints<'a> {
    #[asn1(default = "Default::default")]
    ca: Flag,
    #[asn1(optional = "true")]
    path_length: Option<IntRef<'a>>,
}

/// A BOOLEAN. Some write `true` as another number than DER asks for, and OpenSSL takes it.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct Flag(bool);

impl FixedTag for Flag {
    const TAG: Tag = Tag::Boolean;
}

impl<'a> DecodeValue<'a> for Flag {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        match reader.read_vec(header.length())?[..] {
            [byte] => Ok(Self(byte != 0)),
            _ => Err(Tag::Boolean.length_error().into()),
        }
    }
}

impl EncodeValue for Flag {
    fn value_len(&self) -> der::Result<Length> {
        self.0.value_len()
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        self.0.encode_value(writer)
    }
}

impl Extensions {
    pub(crate) fn read(extensions: &[Extension<'_>]) -> Self {
        let mut read = Self::default();
        for (index, extension) in extensions.iter().enumerate() {
            let name = || DB.by_oid(&extension.oid).map_or_else(|| extension.oid.to_string(), str::to_owned);
            let repeated = extensions[..index].iter().any(|one| one.oid == extension.oid);
            let fault = if repeated {
                Some(format!("its extension {} stands there twice", name()))
            } else {
                match read.take(extension.oid, extension.value.as_bytes()) {
                    _ if extension.oid == PROXY => Some("it is that of a proxy, which speaks for somebody else".into()),
                    Ok(true) => None,
                    Ok(false) if !extension.critical.0 || HARMLESS.contains(&extension.oid) => None,
                    Ok(false) => Some(format!("its extension {} is critical and not known here", name())),
                    Err(_) => Some(format!("its extension {} cannot be read", name())),
                }
            };
            read.fault = read.fault.or(fault);
        }
        read
    }

    /// False when it is none of those that are read.
    fn take(&mut self, oid: ObjectIdentifier, value: &[u8]) -> der::Result<bool> {
        match oid {
            ID_CE_BASIC_CONSTRAINTS => self.basic = Some(Basic::read(value)?),
            ID_CE_KEY_USAGE => self.key_usage = Some(KeyUsage::read(value)?),
            ID_CE_EXT_KEY_USAGE => self.purposes = Some(Vec::from_der(value)?),
            NETSCAPE_CERT_TYPE => self.netscape = Some(NetscapeType::read(value)?),
            ID_CE_SUBJECT_ALT_NAME => self.alternative_names = GeneralName::read_all(value)?,
            ID_CE_NAME_CONSTRAINTS => self.constraints = Some(NameConstraints::read(value)?),
            ID_CE_SUBJECT_KEY_IDENTIFIER => {
                self.own_key = Some(<&OctetStringRef>::from_der(value)?.as_bytes().to_vec())
            }
            // Where lists lie is for others; that it can be read is asked all the same.
            ID_CE_CRL_DISTRIBUTION_POINTS => drop(Vec::<AnyRef<'_>>::from_der(value)?),
            HEIR => self.heir = Some(BitStringRef::from_der(value)?.raw_bytes().to_vec()),
            ID_CE_AUTHORITY_KEY_IDENTIFIER => self.issuer_key = IssuerKey::read(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Basic {
    fn read(value: &[u8]) -> der::Result<Self> {
        let basic = BasicConstraints::from_der(value)?;
        let path_length = basic.path_length.map(|length| number(length.as_bytes())).transpose()?;
        Ok(Self { ca: basic.ca.0, path_length })
    }
}

/// No chain is as long as what does not fit.
fn number(bytes: &[u8]) -> der::Result<u32> {
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        return Err(Tag::Integer.value_error().into());
    }
    let number = bytes.iter().try_fold(0_u32, |sum, byte| sum.checked_mul(256).map(|sum| sum | u32::from(*byte)));
    Ok(number.unwrap_or(u32::MAX))
}

impl KeyUsage {
    pub(crate) const DIGITAL_SIGNATURE: u16 = 1 << 15;
    pub(crate) const KEY_ENCIPHERMENT: u16 = 1 << 13;
    pub(crate) const KEY_AGREEMENT: u16 = 1 << 11;
    pub(crate) const CERT_SIGN: u16 = 1 << 10;
    pub(crate) const CRL_SIGN: u16 = 1 << 9;

    fn read(value: &[u8]) -> der::Result<Self> {
        let mut bits = BitStringRef::from_der(value)?.raw_bytes().iter().copied();
        Ok(Self(u16::from_be_bytes([bits.next().unwrap_or_default(), bits.next().unwrap_or_default()])))
    }

    /// Whether one of these bits is set.
    pub(crate) const fn has(self, bits: u16) -> bool {
        self.0 & bits != 0
    }
}

impl NetscapeType {
    pub(crate) const CLIENT: u8 = 1 << 7;
    pub(crate) const SERVER: u8 = 1 << 6;

    fn read(value: &[u8]) -> der::Result<Self> {
        Ok(Self(BitStringRef::from_der(value)?.raw_bytes().first().copied().unwrap_or_default()))
    }

    pub(crate) const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

impl IssuerKey {
    fn read(value: &[u8]) -> der::Result<Self> {
        let sequence = AnyRef::from_der(value)?;
        sequence.tag().assert_eq(Tag::Sequence)?;
        let mut reader = SliceReader::new(sequence.value())?;
        let mut found = Self::default();
        while !reader.is_finished() {
            let part = AnyRef::decode(&mut reader)?;
            match part.tag().number().value() {
                0 => found.key = Some(part.value().to_vec()),
                1 => found.issuer = GeneralName::first_directory(part.value())?,
                2 => found.serial = Some(part.value().to_vec()),
                _ => {}
            }
        }
        Ok(found)
    }
}
