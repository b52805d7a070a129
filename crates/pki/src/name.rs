//! Distinguished names, with every string type that stands in certificates.

use der::{Decode, Length, Reader, SliceReader, Tag, asn1::ObjectIdentifier, oid::db::DB};

/// A distinguished name in the forms that are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) der: Vec<u8>,
    /// RFC 4514: most specific part first.
    pub(crate) text: String,
    pub(crate) common_name: Option<String>,
    attributes: Vec<Vec<Attribute>>,
    canonical: Vec<Vec<u8>>,
}

/// One attribute of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) oid: ObjectIdentifier,
    pub(crate) tag: u8,
    /// What is written, where it is a string.
    pub(crate) text: Option<String>,
    der: Vec<u8>,
}

pub(crate) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

impl Named {
    /// Reads a Name: its whole DER.
    pub(crate) fn from_der(der: &[u8]) -> der::Result<Self> {
        let name = Element::only(der, SEQUENCE)?;
        let read = |rdn: Element<'_>| Element::all(rdn.value, SEQUENCE)?.into_iter().map(Attribute::read).collect();
        let rdns = Element::all(name.value, SET);
        let attributes: Vec<Vec<Attribute>> = rdns?.into_iter().map(read).collect::<der::Result<_>>()?;
        let first_cn = attributes.iter().flatten().find(|one| one.oid == COMMON_NAME);
        let shown = attributes.iter().rev().map(|rdn| rdn.iter().map(Attribute::shown).collect::<Vec<_>>().join("+"));
        Ok(Self {
            der: der.to_vec(),
            text: shown.collect::<Vec<_>>().join(","),
            common_name: first_cn
                .map(|one| nuncio_plain::line(&one.text.clone().unwrap_or_else(|| one.hexadecimal())).into_owned()),
            canonical: attributes.iter().map(|rdn| canonical(rdn)).collect(),
            attributes,
        })
    }

    /// Whether both are one name: the case of ASCII letters, blanks at the ends, runs of blanks and the type of string
    /// make no difference (RFC 5280, 7.1, as OpenSSL does it).
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }

    /// One form for all that [`is`](Self::is) takes for the same name.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        self.canonical.iter().flat_map(|rdn| [&(rdn.len() as u64).to_be_bytes(), &rdn[..]].concat()).collect()
    }

    /// Whether it lies in the subtree below `base`.
    pub(crate) fn is_below(&self, base: &Self) -> bool {
        self.canonical.starts_with(&base.canonical)
    }

    pub(crate) fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().flatten()
    }
}

impl Attribute {
    fn read(attribute: Element<'_>) -> der::Result<Self> {
        let mut reader = SliceReader::new(attribute.value)?;
        let oid = ObjectIdentifier::decode(&mut reader)?;
        let value = Element::read(&mut reader)?;
        reader.finish()?;
        let text = value.text();
        // What cannot be read cannot be compared: it would slip through name constraints.
        if text.is_none() && !matches!(value.tag, BIT_STRING | SEQUENCE) {
            return Err(Tag::Utf8String.value_error().into());
        }
        Ok(Self { oid, tag: value.tag, text, der: value.der.to_vec() })
    }

    /// As RFC 4514 writes it.
    fn shown(&self) -> String {
        let key = DB.find_names_for_oid(self.oid).min_by_key(|name| name.len());
        let key = key.map_or_else(|| self.oid.to_string(), str::to_ascii_uppercase);
        let value = self.text.as_ref().map_or_else(|| self.hexadecimal(), |text| escaped(text));
        format!("{key}={value}")
    }

    fn hexadecimal(&self) -> String {
        format!("#{}", hex::encode(&self.der))
    }

    fn canonical(&self) -> Vec<u8> {
        let folds = self.tag != NUMERIC_STRING;
        match self.text.as_ref().filter(|_| folds) {
            Some(text) => {
                let words: Vec<&str> = text.split(is_blank).filter(|word| !word.is_empty()).collect();
                [self.oid.as_bytes(), &[0], words.join(" ").to_ascii_lowercase().as_bytes()].concat()
            }
            None => [self.oid.as_bytes(), &[1], &self.der].concat(),
        }
    }
}

/// The blanks of C, which OpenSSL folds.
const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

/// One relative name; its attributes have no order.
fn canonical(rdn: &[Attribute]) -> Vec<u8> {
    let mut parts: Vec<_> = rdn.iter().map(Attribute::canonical).collect();
    parts.sort();
    parts.iter().flat_map(|part| [&(part.len() as u64).to_be_bytes(), &part[..]].concat()).collect()
}

/// A tag, a length and a value. `der` refuses tags that it has no name for, such as UniversalString's.
struct Element<'a> {
    tag: u8,
    value: &'a [u8],
    der: &'a [u8],
}

const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
pub(crate) const IA5_STRING: u8 = 0x16;
const VISIBLE_STRING: u8 = 0x1a;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

impl<'a> Element<'a> {
    fn read(reader: &mut SliceReader<'a>) -> der::Result<Self> {
        let rest = reader.clone();
        let tag = reader.read_byte()?;
        let length = Length::decode(reader)?;
        let value = reader.read_slice(length)?;
        let whole = (reader.position() - rest.position())?;
        Ok(Self { tag, value, der: rest.clone().read_slice(whole)? })
    }

    /// One element that fills the bytes.
    fn only(bytes: &'a [u8], tag: u8) -> der::Result<Self> {
        let mut all = Self::all(bytes, tag)?;
        if all.len() == 1 { Ok(all.swap_remove(0)) } else { Err(Tag::Sequence.length_error().into()) }
    }

    fn all(bytes: &'a [u8], tag: u8) -> der::Result<Vec<Self>> {
        let mut reader = SliceReader::new(bytes)?;
        let mut found = Vec::new();
        while !reader.is_finished() {
            let element = Self::read(&mut reader)?;
            if element.tag != tag {
                return Err(Tag::Sequence.value_error().into());
            }
            found.push(element);
        }
        Ok(found)
    }

    /// A string of any type. T.61 is read as Latin-1, as everybody writes it.
    fn text(&self) -> Option<String> {
        match self.tag {
            UTF8_STRING => String::from_utf8(self.value.to_vec()).ok(),
            PRINTABLE_STRING | IA5_STRING | VISIBLE_STRING | NUMERIC_STRING | TELETEX_STRING => {
                Some(self.value.iter().map(|byte| char::from(*byte)).collect())
            }
            BMP_STRING => {
                let (units, rest) = self.value.as_chunks::<2>();
                let text = char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit)));
                rest.is_empty().then(|| text.collect::<Result<_, _>>().ok()).flatten()
            }
            UNIVERSAL_STRING => {
                let (letters, rest) = self.value.as_chunks::<4>();
                let text = letters.iter().map(|letter| char::from_u32(u32::from_be_bytes(*letter)));
                rest.is_empty().then(|| text.collect()).flatten()
            }
            _ => None,
        }
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    let last = text.chars().count().saturating_sub(1);
    for (index, c) in text.chars().enumerate() {
        match c {
            '#' if index == 0 => escaped.push_str("\\#"),
            ' ' if index == 0 || index == last => escaped.push_str("\\ "),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => escaped.extend(['\\', c]),
            '\0'..='\x1f' | '\x7f' => escaped.push_str(&format!("\\{:02x}", c as u32)),
            _ => escaped.push(c),
        }
    }
    nuncio_plain::line(&escaped).into_owned()
}
