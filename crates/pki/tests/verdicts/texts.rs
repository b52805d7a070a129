//! One chain in the forms in which people keep it.

use std::fs;

use super::lab::{Bench, Case, Chain, Issued};

type Change = fn(&[u8]) -> Vec<u8>;

/// Each form of a PEM file, and whether openssl reads it.
const FORMS: &[(&str, bool, Change)] = &[
    ("CRLF", true, |pem| text(pem).replace('\n', "\r\n").into_bytes()),
    ("CR", false, |pem| text(pem).replace('\n', "\r").into_bytes()),
    ("byte order mark", true, |pem| [b"\xef\xbb\xbf", pem].concat()),
    ("no newline at the end", true, |pem| pem.trim_ascii().to_vec()),
    ("blanks at the ends of lines", true, |pem| text(pem).replace('\n', "  \n").into_bytes()),
    ("empty lines", false, |pem| text(pem).replace('\n', "\n\n").into_bytes()),
    ("indented", true, |pem| text(pem).replace('\n', "\n ").replace("\n -", "\n-").into_bytes()),
    ("one line", true, |pem| wrapped(pem, usize::MAX)),
    ("76 columns", true, |pem| wrapped(pem, 76)),
    ("48 columns", true, |pem| wrapped(pem, 48)),
    ("text before", true, |pem| [b"# issued by the consortium\n\n", pem].concat()),
    ("GBK before", true, |pem| [b"# \xbb\xfa\xb9\xb9\xd6\xa4\xca\xe9\n", pem].concat()),
    ("text after", true, |pem| [pem, b"\nissued 2026, see wiki\n"].concat()),
    ("zeros after", true, |pem| [pem, &[0; 16]].concat()),
    ("a private key's block before", true, |pem| {
        [b"-----BEGIN EC PARAMETERS-----\nBgUrgQQACg==\n-----END EC PARAMETERS-----\n", pem].concat()
    }),
    ("X509 CERTIFICATE", true, |pem| text(pem).replace("CERTIFICATE", "X509 CERTIFICATE").into_bytes()),
    ("TRUSTED CERTIFICATE", true, |pem| text(pem).replace("CERTIFICATE", "TRUSTED CERTIFICATE").into_bytes()),
    ("UTF-16", false, |pem| text(pem).encode_utf16().flat_map(u16::to_le_bytes).collect()),
    ("JSON text", false, |pem| text(pem).replace('\n', "\\n").into_bytes()),
    ("quoted mail", false, |pem| format!("> {}", text(pem).replace('\n', "\n> ")).into_bytes()),
    ("dashes of a text processor", false, |pem| text(pem).replace("-----", "\u{2013}----").into_bytes()),
    ("base64 alone", false, |pem| {
        text(pem).lines().filter(|line| !line.starts_with('-')).collect::<String>().into_bytes()
    }),
    ("PKCS7", false, |pem| text(pem).replace("CERTIFICATE", "PKCS7").into_bytes()),
    ("tabs", true, |pem| text(pem).replace('\n', "\t\n").into_bytes()),
    ("bag attributes before", true, |pem| {
        [b"Bag Attributes\n    localKeyID: 01 02\nsubject=CN = x\n\nissuer=CN = y\n", pem].concat()
    }),
    ("a header of its own", false, |pem| text(pem).replacen("-----\n", "-----\nComment: by hand\n\n", 1).into_bytes()),
    ("another label", false, |pem| text(pem).replace("CERTIFICATE", "CERT").into_bytes()),
    ("no end", false, |pem| text(pem).replace("-----END CERTIFICATE-----", "").into_bytes()),
    ("another end", false, |pem| text(pem).replace("END CERTIFICATE", "END CERT").into_bytes()),
    ("a letter that is no base64", false, |pem| {
        text(pem).replacen("\nMII", "\nM*I", 1).replacen("\nMI", "\n!I", 1).into_bytes()
    }),
];

pub(crate) fn cases() -> Vec<Case> {
    const LENIENT: &str = "what can be meant in one way only is read";
    let mut cases = Vec::new();
    for (name, good, change) in FORMS {
        let of = |which: &'static str| format!("{which} as {name}");
        let mut both = [
            Case::new(
                *good,
                of("leaf"),
                Box::new(move |bench: &Bench<'_>| {
                    let (root, leaf) = two(bench);
                    let leaf = changed(bench, &leaf, *change);
                    Chain::new(&leaf, &[], &[&root])
                }),
            ),
            Case::new(
                *good,
                of("root"),
                Box::new(move |bench: &Bench<'_>| {
                    let (root, leaf) = two(bench);
                    let root = changed(bench, &root, *change);
                    Chain::new(&leaf, &[], &[&root])
                }),
            ),
        ];
        if matches!(*name, "CR" | "empty lines" | "a header of its own") {
            both = both.map(|case| case.differs(LENIENT));
        }
        cases.extend(both);
    }
    cases.push(Case::good("leaf as DER", |bench| {
        let (root, leaf) = two(bench);
        Chain::new(&bench.rewrite(&leaf, "-outform DER"), &[], &[&root])
    }));
    let followed = |name: &str, after: &'static [u8]| {
        Case::good(format!("leaf as DER with {name} after it"), move |bench| {
            let (root, leaf) = two(bench);
            let der = fs::read(bench.rewrite(&leaf, "-outform DER").certificate).unwrap();
            let certificate = bench.write("changed.der", &[&der, after].concat());
            Chain::new(&Issued { certificate, ..leaf }, &[], &[&root])
        })
    };
    cases.push(followed("a newline", b"\n"));
    cases.push(followed("other bytes", b"\0junk").differs("they may be a further one that was damaged"));
    cases.push(Case::good("leaf with openssl's own text", |bench| {
        let (root, leaf) = two(bench);
        Chain::new(&bench.rewrite(&leaf, "-text"), &[], &[&root])
    }));
    cases.push(
        Case::good("root with openssl's trust settings", |bench| {
            let (root, leaf) = two(bench);
            Chain::new(&leaf, &[], &[&bench.rewrite(&root, "-addtrust clientAuth")])
        })
        .differs("they say which purposes to trust it for, in a way of openssl's own"),
    );
    cases
}

fn two(bench: &Bench<'_>) -> (Issued, Issued) {
    let root = bench.root();
    let leaf = bench.leaf(&root);
    (root, leaf)
}

fn changed(bench: &Bench<'_>, issued: &Issued, change: Change) -> Issued {
    let bytes = change(&fs::read(&issued.certificate).unwrap());
    Issued { certificate: bench.write("changed.pem", &bytes), key: issued.key.clone() }
}

fn text(pem: &[u8]) -> &str {
    str::from_utf8(pem).unwrap()
}

fn wrapped(pem: &[u8], columns: usize) -> Vec<u8> {
    let lines: Vec<&str> = text(pem).lines().collect();
    let [first, body @ .., last] = &lines[..] else { unreachable!("a PEM text has a begin and an end") };
    let letters: Vec<char> = body.concat().chars().collect();
    let body: Vec<String> = letters.chunks(columns).map(|line| line.iter().collect()).collect();
    format!("{first}\n{}\n{last}\n", body.join("\n")).into_bytes()
}
