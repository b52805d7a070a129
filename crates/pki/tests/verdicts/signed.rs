//! Signatures as other tools than openssl write them, and as somebody may have changed them.

use std::{fs, process::Command};

use super::{
    edited::{BIT_STRING, Fields, Frame, INTEGER, SEQUENCE, edited, framed, parts, tlv},
    lab::{Bench, CA, Case, Chain, Issued, run, spec},
};

const SHA256_WITH_RSA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const ECDSA_WITH_SHA256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const ECDSA_WITH_SHA384: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const NULL: &[u8] = &[5, 0];

pub(crate) fn cases() -> Vec<Case> {
    [algorithms(), frames(), pss()].into_iter().flatten().collect()
}

/// A leaf of a root with this key, changed and signed anew.
fn by(
    key: &'static str,
    digest: &'static [&'static str],
    change: impl Fn(&mut Fields) + Send + Sync + 'static,
    reframe: impl Fn(&mut Frame) + Send + Sync + 'static,
) -> impl Fn(&Bench<'_>) -> Chain + Send + Sync + 'static {
    move |bench| {
        let root = bench.make(None, &spec(key, "/CN=root", CA));
        let leaf = bench.leaf(&root);
        Chain::new(&framed(bench, &leaf, &root, digest, &change, &reframe), &[], &[&root])
    }
}

fn algorithms() -> Vec<Case> {
    let named = |parts: &[&[u8]]| tlv(SEQUENCE, &parts.concat());
    let with = move |oid: &'static [u8], parameters: &'static [u8]| {
        move |fields: &mut Fields| fields.algorithm = named(&[oid, parameters])
    };
    vec![
        Case::good("RSA without NULL", by("rsa", &["-sha256"], with(SHA256_WITH_RSA, &[]), |_| {})),
        Case::good("ECDSA with NULL", by("k1", &["-sha256"], with(ECDSA_WITH_SHA256, NULL), |_| {})),
        Case::bad(
            "two algorithms",
            by("k1", &["-sha256"], with(ECDSA_WITH_SHA384, &[]), move |frame| {
                frame.algorithm = named(&[ECDSA_WITH_SHA256]);
            }),
        ),
        Case::bad("one algorithm, signed by another", by("k1", &["-sha384"], with(ECDSA_WITH_SHA256, &[]), |_| {})),
        Case::bad(
            "the algorithm with NULL in one place",
            by("k1", &["-sha256"], with(ECDSA_WITH_SHA256, &[]), move |frame| {
                frame.algorithm = named(&[ECDSA_WITH_SHA256, NULL]);
            }),
        ),
    ]
}

fn frames() -> Vec<Case> {
    /// r and s, as they stand in an ECDSA signature.
    fn two(frame: &Frame) -> Vec<Vec<u8>> {
        parts(&bits(frame))
    }
    fn bits(frame: &Frame) -> Vec<u8> {
        let header = if frame.signature[1] & 0x80 == 0 { 3 } else { 4 };
        frame.signature[header..].to_vec()
    }
    let again = |frame: &mut Frame, content: &[u8]| frame.signature = tlv(BIT_STRING, &[&[0], content].concat());
    let k1 = |reframe: Box<dyn Fn(&mut Frame) + Send + Sync>| by("k1", &["-sha256"], |_| {}, reframe);
    vec![
        Case::bad(
            "ECDSA: a zero too much",
            k1(Box::new(move |frame| {
                let both = two(frame);
                let value = &both[0][2..];
                let padded = tlv(INTEGER, &[&[0, 0], value].concat());
                again(frame, &tlv(SEQUENCE, &[padded, both[1].clone()].concat()));
            })),
        ),
        Case::bad(
            "ECDSA: something after it",
            k1(Box::new(move |frame| {
                let longer = [bits(frame), vec![5, 0]].concat();
                again(frame, &longer);
            })),
        ),
        Case::bad("ECDSA: zero and zero", k1(Box::new(move |frame| again(frame, &[0x30, 6, 2, 1, 0, 2, 1, 0])))),
        Case::bad("no signature", k1(Box::new(move |frame| again(frame, &[])))),
        Case::bad(
            "a signature with bits left over",
            k1(Box::new(|frame| {
                let header = if frame.signature[1] & 0x80 == 0 { 2 } else { 3 };
                frame.signature[header] = 1;
            })),
        ),
        Case::good("the root's own signature is broken", |bench: &Bench<'_>| {
            let root = bench.root();
            let broken = framed(
                bench,
                &root,
                &root,
                &["-sha256"],
                |_| {},
                |frame| {
                    *frame.signature.last_mut().unwrap() ^= 1;
                },
            );
            Chain::new(&bench.leaf(&root), &[], &[&broken])
        }),
    ]
}

const SHA256: &[u8] = &[0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const MGF1: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
const RSASSA_PSS: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
const SALT_32: &[&str] = &["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"];
const SALT_20: &[&str] = &["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20"];

fn parameters(null: &[u8], rest: &[u8]) -> Vec<u8> {
    let hash = tlv(SEQUENCE, &[SHA256, null].concat());
    let mask = tlv(SEQUENCE, &[MGF1, &hash].concat());
    let all = tlv(SEQUENCE, &[tlv(0xa0, &hash), tlv(0xa1, &mask), rest.to_vec()].concat());
    tlv(SEQUENCE, &[RSASSA_PSS, &all].concat())
}

fn pss() -> Vec<Case> {
    const SALT: &[u8] = &[0xa2, 3, 2, 1, 32];
    let with =
        |null: &'static [u8], rest: Vec<u8>| move |fields: &mut Fields| fields.algorithm = parameters(null, &rest);
    vec![
        Case::good("PSS without NULL", by("rsa", SALT_32, with(&[], SALT.to_vec()), |_| {})),
        Case::good("PSS with its salt unsaid", by("rsa", SALT_20, with(NULL, Vec::new()), |_| {})),
        Case::good(
            "PSS with its trailer said",
            by("rsa", SALT_32, with(NULL, [SALT, &[0xa3, 3, 2, 1, 1]].concat()), |_| {}),
        ),
        Case::bad(
            "PSS with another trailer",
            by("rsa", SALT_32, with(NULL, [SALT, &[0xa3, 3, 2, 1, 2]].concat()), |_| {}),
        ),
        Case::bad("PSS with another salt than it says", by("rsa", SALT_20, with(NULL, SALT.to_vec()), |_| {})),
        Case::bad(
            "PSS that says nothing",
            by(
                "rsa",
                SALT_32,
                |fields| {
                    fields.algorithm = tlv(SEQUENCE, RSASSA_PSS);
                },
                |_| {},
            ),
        ),
        Case::bad("PSS by a key that is bound to another hash", |bench: &Bench<'_>| {
            let root = bench.make(None, &spec("rsa-pss-384", "/CN=root", CA).with("-sha384"));
            let leaf =
                bench.make(Some(&root), &spec("k1-leaf", "/CN=node0", "basicConstraints=CA:FALSE").with("-sha384"));
            let unbound = Issued { key: unbound(bench, &root), ..root.clone() };
            let salt = |fields: &mut Fields| fields.algorithm = parameters(NULL, SALT);
            Chain::new(&framed(bench, &leaf, &unbound, SALT_32, salt, |_| {}), &[], &[&root])
        }),
        Case::good("an edited leaf, for comparison", |bench: &Bench<'_>| {
            let root = bench.root();
            Chain::new(&edited(bench, &bench.leaf(&root), &root, |_| {}), &[], &[&root])
        }),
    ]
}

/// The numbers of a PSS key as a plain RSA key, which signs whatever it is asked to.
fn unbound(bench: &Bench<'_>, of: &Issued) -> std::path::PathBuf {
    let (whole, plain) = (bench.directory.join("whole.der"), bench.directory.join("plain.key"));
    run(Command::new("openssl")
        .args(["pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in"])
        .arg(&of.key)
        .arg("-out")
        .arg(&whole));
    let numbers = parts(&fs::read(&whole).unwrap()).remove(2);
    let header = numbers.len() - {
        let length = &numbers[1..];
        if length[0] & 0x80 == 0 {
            usize::from(length[0])
        } else {
            usize::from(u16::from_be_bytes([length[1], length[2]]))
        }
    };
    let inner = bench.write("numbers.der", &numbers[header..]);
    run(Command::new("openssl").args(["rsa", "-inform", "DER", "-in"]).arg(inner).arg("-out").arg(&plain));
    plain
}
