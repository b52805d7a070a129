//! What other tools than openssl write, and openssl reads: times, versions, numbers, extensions, names.

use super::{
    edited::{Fields, INTEGER, SEQUENCE, SET, edited, extension, extensions, named, tlv},
    lab::{Bench, CA, Case, Chain, spec},
};

pub(crate) fn cases() -> Vec<Case> {
    let all = [times(), versions(), serials(), encodings(), twice(), names()];
    let why = |case: &Case| DIFFERENCES.iter().find(|(name, _)| *name == case.name).map(|(_, why)| *why);
    all.into_iter().flatten().map(|case| Case { difference: why(&case), ..case }).collect()
}

const DIFFERENCES: &[(&str, &str)] = &[
    ("version 2", OLD_VERSION),
    ("version 2 with extensions", OLD_VERSION),
    ("version 4", "there is no such version"),
    ("agency: basicConstraints with something after", BER),
    ("agency: a long form of a short length", BER),
    ("leaf: keyUsage with something after", BER),
    ("twice: unknown", "RFC 5280 forbids it, and nobody can say which of two counts"),
    ("subject: VisibleString", UNREAD),
    ("subject: BMPString with a surrogate pair", UNREAD),
];

const BER: &str = "DER is what is signed: what can be written in two ways is not taken in the other";
const OLD_VERSION: &str = "no tool makes version 2, which has neither the use of version 3 nor the age of version 1";
const UNREAD: &str = "openssl has no such string in names, and here it is read like every other";

/// A leaf that is changed in this way.
fn leaf(accepted: bool, name: impl Into<String>, change: impl Fn(&mut Fields) + Send + Sync + 'static) -> Case {
    Case::new(accepted, name, move |bench: &Bench<'_>| {
        let root = bench.root();
        Chain::new(&edited(bench, &bench.leaf(&root), &root, &change), &[], &[&root])
    })
}

/// The same of an agency with a leaf below it.
fn agency(accepted: bool, name: impl Into<String>, change: impl Fn(&mut Fields) + Send + Sync + 'static) -> Case {
    Case::new(accepted, name, move |bench: &Bench<'_>| {
        let root = bench.root();
        let agency = edited(bench, &bench.agency(&root), &root, &change);
        Chain::new(&bench.leaf(&agency), &[&agency], &[&root])
    })
}

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

fn times() -> Vec<Case> {
    const PAST: (u8, &str) = (UTC_TIME, "200101000000Z");
    const FUTURE: (u8, &str) = (UTC_TIME, "491231235959Z");
    let from = |tag, text| [(tag, text), FUTURE];
    let until = |tag, text| [PAST, (tag, text)];
    let rows = [
        (true, "from 1950", from(UTC_TIME, "500101000000Z")),
        (true, "from the last day of 1969", from(UTC_TIME, "691231160000Z")),
        (true, "from 1900", from(GENERALIZED_TIME, "19000101000000Z")),
        (true, "from the year 0", from(GENERALIZED_TIME, "00000101000000Z")),
        (true, "from 2020 in four digits", from(GENERALIZED_TIME, "20200101000000Z")),
        (true, "until 2048 in four digits", until(GENERALIZED_TIME, "20480101000000Z")),
        (true, "until the end of 9999", until(GENERALIZED_TIME, "99991231235959Z")),
        (true, "until 29 February", until(UTC_TIME, "480229000000Z")),
        (false, "until 1999", until(UTC_TIME, "991231235959Z")),
        (false, "until 30 February", until(UTC_TIME, "480230000000Z")),
        (false, "until half a second", until(GENERALIZED_TIME, "20480101000000.5Z")),
        (false, "until a minute", until(UTC_TIME, "4801010000Z")),
        (false, "until a time of China", until(UTC_TIME, "480101000000+0800")),
        (false, "until a time of nowhere", until(GENERALIZED_TIME, "20480101000000")),
        (false, "until second 60", until(UTC_TIME, "480101000060Z")),
        (false, "until hour 24", until(UTC_TIME, "480101240000Z")),
        (false, "until month 13", until(UTC_TIME, "481301000000Z")),
        (false, "until letters", until(UTC_TIME, "4801O1000000Z")),
        (false, "until two digits of a year in the other type", until(GENERALIZED_TIME, "480101000000Z")),
    ];
    let times = |[(a, from), (b, until)]: [(u8, &str); 2]| {
        tlv(SEQUENCE, &[tlv(a, from.as_bytes()), tlv(b, until.as_bytes())].concat())
    };
    rows.into_iter()
        .map(|(good, name, both)| leaf(good, format!("time: {name}"), move |fields| fields.validity = times(both)))
        .collect()
}

fn versions() -> Vec<Case> {
    let version = |number: u8| tlv(0xa0, &tlv(INTEGER, &[number]));
    vec![
        leaf(true, "version 1, written out", move |fields| {
            (fields.version, fields.rest) = (version(0), Vec::new());
        }),
        leaf(true, "version 1 with extensions", |fields| fields.version.clear()),
        leaf(true, "version 2", move |fields| (fields.version, fields.rest) = (version(1), Vec::new())),
        leaf(true, "version 2 with extensions", move |fields| fields.version = version(1)),
        leaf(true, "version 4", move |fields| fields.version = version(3)),
        agency(true, "agency: version 1 with extensions", |fields| fields.version.clear()),
        agency(true, "agency: version 2 with extensions", move |fields| fields.version = version(1)),
        leaf(true, "unique identifiers", |fields| {
            let ids = [tlv(0x81, &[0, 1, 2]), tlv(0x82, &[0, 3])].concat();
            fields.rest.splice(0..0, ids);
        }),
        leaf(true, "an empty list of extensions", |fields| fields.rest = extensions(&[])),
        leaf(false, "extensions twice", |fields| fields.rest = fields.rest.repeat(2)),
    ]
}

fn serials() -> Vec<Case> {
    let rows: [(bool, &str, &[u8]); 4] = [
        (false, "with a zero too much", &[0, 1]),
        (false, "negative, with a byte too much", &[0xff, 0x80]),
        (false, "of no byte", &[]),
        (true, "negative, of 20 bytes", &[0x80; 20]),
    ];
    rows.into_iter()
        .map(|(good, name, number)| {
            leaf(good, format!("serial {name}"), move |fields| fields.serial = tlv(INTEGER, number))
        })
        .collect()
}

const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];
const UNKNOWN: &[u8] = &[0x2a, 3, 4];
const CRITICAL: &[u8] = &[1, 1, 0xff];

/// Whether openssl accepts, and one extension: its identifier, its `critical`, its value.
type Says = (bool, &'static str, &'static [u8], &'static [u8], &'static [u8]);

fn encodings() -> Vec<Case> {
    let ca: &[u8] = &[0x30, 3, 1, 1, 0xff];
    let of_agencies: [Says; 8] = [
        (true, "CA:TRUE as 1", BASIC_CONSTRAINTS, CRITICAL, &[0x30, 3, 1, 1, 1]),
        (true, "critical as 1", BASIC_CONSTRAINTS, &[1, 1, 1], ca),
        (true, "not critical, written out", BASIC_CONSTRAINTS, &[1, 1, 0], ca),
        (true, "basicConstraints with something after", BASIC_CONSTRAINTS, &[], &[0x30, 3, 1, 1, 0xff, 5, 0]),
        (true, "a long form of a short length", BASIC_CONSTRAINTS, &[], &[0x30, 0x81, 3, 1, 1, 0xff]),
        (false, "a pathlen with a zero too much", BASIC_CONSTRAINTS, &[], &[0x30, 7, 1, 1, 0xff, 2, 2, 0, 1]),
        (false, "basicConstraints of nothing", BASIC_CONSTRAINTS, &[], &[]),
        (
            true,
            "a pathlen of 9 bytes",
            BASIC_CONSTRAINTS,
            &[],
            &[0x30, 14, 1, 1, 0xff, 2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
    ];
    let of_leaves: [Says; 9] = [
        (true, "keyUsage with zeros at its end", KEY_USAGE, CRITICAL, &[3, 2, 0, 0x80]),
        (true, "keyUsage with bits beyond its end", KEY_USAGE, CRITICAL, &[3, 2, 7, 0xff]),
        (true, "keyUsage of two bytes", KEY_USAGE, CRITICAL, &[3, 3, 7, 0x88, 0x80]),
        (false, "keyUsage of no bit", KEY_USAGE, CRITICAL, &[3, 1, 0]),
        (true, "keyUsage with something after", KEY_USAGE, CRITICAL, &[3, 2, 7, 0x80, 0]),
        (false, "extendedKeyUsage of nothing", EXTENDED_KEY_USAGE, &[], &[0x30, 0]),
        (
            true,
            "extendedKeyUsage that says it twice",
            EXTENDED_KEY_USAGE,
            &[],
            &[0x30, 20, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2],
        ),
        (true, "an alternative name of nothing", ALTERNATIVE_NAME, &[], &[0x30, 0]),
        (true, "an alternative name that is no ASCII", ALTERNATIVE_NAME, &[], &[0x30, 4, 0x82, 2, 0xbb, 0xfa]),
    ];
    let held = |oid: &[u8], critical: &[u8], says: &[u8]| extensions(&[extension(oid, critical, says)]);
    let agencies = of_agencies.into_iter().map(|(good, name, oid, critical, says)| {
        agency(good, format!("agency: {name}"), move |fields| fields.rest = held(oid, critical, says))
    });
    let leaves = of_leaves.into_iter().map(|(good, name, oid, critical, says)| {
        leaf(good, format!("leaf: {name}"), move |fields| fields.rest = held(oid, critical, says))
    });
    agencies.chain(leaves).collect()
}

fn twice() -> Vec<Case> {
    let rows: [(bool, &str, &[u8], &[u8]); 5] = [
        (true, "unknown", UNKNOWN, &[5, 0]),
        (false, "basicConstraints", BASIC_CONSTRAINTS, &[0x30, 0]),
        (false, "keyUsage", KEY_USAGE, &[3, 2, 7, 0x80]),
        (false, "subjectAltName", ALTERNATIVE_NAME, &[0x30, 3, 0x82, 1, 0x61]),
        (false, "extendedKeyUsage", EXTENDED_KEY_USAGE, &[0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2]),
    ];
    rows.into_iter()
        .map(|(good, name, oid, says)| {
            leaf(good, format!("twice: {name}"), move |fields| {
                fields.rest = extensions(&vec![extension(oid, &[], says); 2]);
            })
        })
        .collect()
}

fn names() -> Vec<Case> {
    let rows: [(bool, &str, u8, &[u8]); 17] = [
        (true, "NumericString", 0x12, b"12 3"),
        (false, "VideotexString", 0x15, b"node0"),
        (true, "IA5String", 0x16, b"node@0"),
        (false, "GraphicString", 0x19, b"node0"),
        (false, "VisibleString", 0x1a, b"node0"),
        (false, "GeneralString", 0x1b, b"node0"),
        (true, "UniversalString", 0x1c, b"\0\0\x67\x3a"),
        (false, "UniversalString of five bytes", 0x1c, b"\0\0\x67\x3a\0"),
        (false, "BMPString of three bytes", 0x1e, b"\x67\x3a\0"),
        (false, "BMPString with a surrogate pair", 0x1e, b"\xd8\x3d\xde\x00"),
        (true, "PrintableString with letters it has not", 0x13, b"node_0*"),
        (false, "UTF8String in GBK", 0x0c, b"\xbb\xfa\xb9\xb9"),
        (true, "a zero in it", 0x0c, b"node\0evil"),
        (true, "of no letter", 0x0c, b""),
        (false, "a number", 0x02, &[7]),
        (true, "bits", 0x03, &[0, 7]),
        (true, "of 300 letters", 0x0c, &[b'x'; 300]),
    ];
    let subjects = rows.into_iter().map(|(good, name, tag, value)| {
        leaf(good, format!("subject: {name}"), move |fields| fields.subject = named(tag, value))
    });
    let empty_set = leaf(true, "subject: an empty step", |fields| fields.subject = tlv(SEQUENCE, &tlv(SET, &[])));
    let nameless = Case::new(true, "authorities without a name", |bench: &Bench<'_>| {
        let root = bench.make(None, &spec("k1", "/", CA));
        let agency = bench.make(Some(&root), &spec("k1-b", "/", CA));
        Chain::new(&bench.leaf(&agency), &[&agency], &[&root])
    });
    subjects.chain([empty_set, nameless]).collect()
}
