//! The names that subjectAltName and name constraints hold (RFC 5280, 4.2.1.6 and 4.2.1.10).

use der::{
    Decode, Reader, Sequence, SliceReader, Tag, Tagged,
    asn1::{AnyRef, ObjectIdentifier},
};

use crate::name::Named;

/// One name. Texts are bytes read as Latin-1: they should be ASCII, and what is written there in any other way is the same
/// name where its bytes are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GeneralName {
    Email(String),
    Dns(String),
    Directory(Box<Named>),
    Uri(String),
    /// In a constraint with a mask behind it.
    Address(Vec<u8>),
    /// Of a kind that no constraint here can speak about, by the number of its tag and, where it has one, its type.
    Other(u32, Option<ObjectIdentifier>),
}

const OTHER_NAME: u32 = 0;

/// nameConstraints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameConstraints {
    pub(crate) permitted: Vec<Subtree>,
    pub(crate) excluded: Vec<Subtree>,
}

/// The names from one down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subtree {
    pub(crate) base: GeneralName,
    /// Whether it says at which depth it begins or ends.
    pub(crate) is_cut: bool,
}

#[derive(Sequence)]
struct WrittenConstraints<'a> {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    permitted: Option<Vec<WrittenSubtree<'a>>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    excluded: Option<Vec<WrittenSubtree<'a>>>,
}

#[derive(Sequence)]
struct WrittenSubtree<'a> {
    base: AnyRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", default = "Default::default")]
    minimum: u32,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    maximum: Option<u32>,
}

impl GeneralName {
    /// The value of subjectAltName.
    pub(crate) fn read_all(value: &[u8]) -> der::Result<Vec<Self>> {
        Vec::<AnyRef<'_>>::from_der(value)?.into_iter().map(Self::read).collect()
    }

    /// The first directory name among names that follow one another.
    pub(crate) fn first_directory(names: &[u8]) -> der::Result<Option<Box<Named>>> {
        let mut reader = SliceReader::new(names)?;
        while !reader.is_finished() {
            if let Self::Directory(name) = Self::read(AnyRef::decode(&mut reader)?)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    fn read(name: AnyRef<'_>) -> der::Result<Self> {
        let Tag::ContextSpecific { number, .. } = name.tag() else { return Err(name.tag().value_error().into()) };
        let text = || name.value().iter().map(|byte| char::from(*byte)).collect();
        Ok(match number.value() {
            1 => Self::Email(text()),
            2 => Self::Dns(text()),
            4 => Self::Directory(Box::new(Named::from_der(name.value())?)),
            6 => Self::Uri(text()),
            7 => Self::Address(name.value().to_vec()),
            OTHER_NAME => {
                Self::Other(OTHER_NAME, Some(ObjectIdentifier::decode(&mut SliceReader::new(name.value())?)?))
            }
            other => Self::Other(other, None),
        })
    }
}

impl NameConstraints {
    /// The value of nameConstraints.
    pub(crate) fn read(value: &[u8]) -> der::Result<Self> {
        let written = WrittenConstraints::from_der(value)?;
        let trees = |trees: Option<Vec<WrittenSubtree<'_>>>| {
            trees.into_iter().flatten().map(Subtree::read).collect::<der::Result<Vec<_>>>()
        };
        Ok(Self { permitted: trees(written.permitted)?, excluded: trees(written.excluded)? })
    }
}

impl Subtree {
    fn read(written: WrittenSubtree<'_>) -> der::Result<Self> {
        let is_cut = written.minimum != 0 || written.maximum.is_some();
        Ok(Self { base: GeneralName::read(written.base)?, is_cut })
    }
}
