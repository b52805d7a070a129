//! Certificates that openssl does not write: taken apart, changed and signed anew.

use std::{fs, process::Command};

use der::{Reader, SliceReader};

use super::lab::{Bench, Issued, run};

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// The fields of a certificate's signed part, each with tag and length.
pub(crate) struct Fields {
    /// None is version 1.
    pub(crate) version: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    /// As it stands beside the signature too.
    pub(crate) algorithm: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) validity: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) key: Vec<u8>,
    /// What follows the key: unique identifiers and extensions.
    pub(crate) rest: Vec<u8>,
}

/// The two parts that frame what is signed.
pub(crate) struct Frame {
    pub(crate) algorithm: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Fields {
    fn read(certificate: &[u8]) -> Self {
        let tbs = parts(&parts(certificate)[0]);
        let [version, serial, algorithm, issuer, validity, subject, key, rest @ ..] = &tbs[..] else {
            panic!("a certificate of version 3")
        };
        let [version, serial, algorithm, issuer, validity, subject, key] =
            [version, serial, algorithm, issuer, validity, subject, key].map(Clone::clone);
        Self { version, serial, algorithm, issuer, validity, subject, key, rest: rest.concat() }
    }

    fn tbs(&self) -> Vec<u8> {
        let Self { version, serial, algorithm, issuer, validity, subject, key, rest } = self;
        tlv(SEQUENCE, &[version, serial, algorithm, issuer, validity, subject, key, rest].map(Vec::as_slice).concat())
    }
}

/// The certificate after a change, signed anew by its issuer.
pub(crate) fn edited(bench: &Bench<'_>, issued: &Issued, issuer: &Issued, change: impl FnOnce(&mut Fields)) -> Issued {
    framed(bench, issued, issuer, &["-sha256"], change, |_| {})
}

/// The same, signed with these arguments of `openssl dgst`, in a frame that is changed afterwards.
pub(crate) fn framed(
    bench: &Bench<'_>,
    issued: &Issued,
    issuer: &Issued,
    digest: &[&str],
    change: impl FnOnce(&mut Fields),
    reframe: impl FnOnce(&mut Frame),
) -> Issued {
    let whole = bench.rewrite(issued, "-outform DER").certificate;
    let mut fields = Fields::read(&fs::read(whole).unwrap());
    change(&mut fields);
    let number = bench.number();
    let [tbs, signed] = ["tbs", "sig"].map(|kind| bench.directory.join(format!("{number}.{kind}")));
    fs::write(&tbs, fields.tbs()).unwrap();
    let mut command = Command::new("openssl");
    run(command.arg("dgst").args(digest).arg("-sign").arg(&issuer.key).arg("-out").arg(&signed).arg(&tbs));
    let signature = tlv(BIT_STRING, &[&[0], &fs::read(signed).unwrap()[..]].concat());
    let mut frame = Frame { algorithm: fields.algorithm.clone(), signature };
    reframe(&mut frame);
    let der = tlv(SEQUENCE, &[fields.tbs(), frame.algorithm, frame.signature].concat());
    let pem = der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, &der).unwrap();
    Issued { certificate: bench.write(&format!("{number}.pem"), pem.as_bytes()), key: issued.key.clone() }
}

/// A tag, a length and a value.
pub(crate) fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = match u16::try_from(value.len()).unwrap().to_be_bytes() {
        [0, short @ 0..=127] => vec![short],
        [0, byte] => vec![0x81, byte],
        two => [&[0x82], &two[..]].concat(),
    };
    [&[tag], &length[..], value].concat()
}

/// What a constructed value holds.
pub(crate) fn parts(der: &[u8]) -> Vec<Vec<u8>> {
    let mut outer = SliceReader::new(der).unwrap();
    let whole = outer.tlv_bytes().unwrap();
    let header = 2 + if whole[1] & 0x80 == 0 { 0 } else { usize::from(whole[1] & 0x7f) };
    let mut reader = SliceReader::new(&whole[header..]).unwrap();
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(reader.tlv_bytes().unwrap().to_vec());
    }
    found
}

/// One extension: its object identifier's value, the bytes of its `critical` and what it says.
pub(crate) fn extension(oid: &[u8], critical: &[u8], says: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &[tlv(0x06, oid), critical.to_vec(), tlv(0x04, says)].concat())
}

/// The field that holds extensions.
pub(crate) fn extensions(all: &[Vec<u8>]) -> Vec<u8> {
    tlv(0xa3, &tlv(SEQUENCE, &all.concat()))
}

/// A name of one CN, whose value is written with this tag.
pub(crate) fn named(tag: u8, value: &[u8]) -> Vec<u8> {
    let attribute = tlv(SEQUENCE, &[tlv(0x06, &[0x55, 4, 3]), tlv(tag, value)].concat());
    tlv(SEQUENCE, &tlv(SET, &attribute))
}
