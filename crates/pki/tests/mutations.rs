//! What is changed anywhere is refused: certificates of a handshake, revocation lists, requests. Nothing panics, and every
//! refusal is a sentence.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{error::Error, sync::LazyLock};

use der::{Reader, SliceReader};
use nuncio_pki::{
    Certificate, CertificateRequest, Policy, RevocationList,
    authority::{AGENCY_DAYS, CERTIFICATE_DAYS, Issuer, Kind, PrivateKey, ROOT_DAYS, RevocationDates, Validity},
};
use proptest::{prelude::*, sample::Index};
use rustls_pki_types::{CertificateDer, UnixTime};

struct World {
    policy: Policy,
    agency: Certificate,
    chain: Vec<CertificateDer<'static>>,
    list: RevocationList,
    request: Vec<u8>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let root = Issuer::root("chain", Validity::days(ROOT_DAYS)).unwrap();
    let agency = root.agency("agencyA", Validity::days(AGENCY_DAYS)).unwrap();
    let leaf = agency.issue(Kind::Node, "node0", Validity::days(CERTIFICATE_DAYS)).unwrap();
    let other = agency.issue(Kind::Node, "node1", Validity::days(CERTIFICATE_DAYS)).unwrap();
    World {
        policy: Policy::new(vec![root.certificate().clone()]).unwrap(),
        agency: agency.certificate().clone(),
        chain: leaf.chain[..2].iter().map(|one| one.der().clone()).collect(),
        list: revoking(&agency, other.certificate()),
        request: CertificateRequest::create(&PrivateKey::secp256k1(), Kind::Node, "node2").unwrap().der().to_vec(),
    }
});

/// What is done to bytes.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Cut(Index),
    Append(Vec<u8>),
    Insert(Index, Vec<u8>),
    Overwrite(Index, Vec<u8>),
    /// Of the elements of the structure, wherever they stand in it.
    Element(Index, Structural),
}

#[derive(Debug, Clone)]
enum Structural {
    Drop,
    Double,
    Tag(u8),
    Value(Vec<u8>),
    Swap,
}

fn changes() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    let bytes = || proptest::collection::vec(any::<u8>(), 1..40);
    let structural = prop_oneof![
        Just(Structural::Drop),
        Just(Structural::Double),
        any::<u8>().prop_map(Structural::Tag),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Structural::Value),
        Just(Structural::Swap),
    ];
    prop_oneof![
        3 => (index(), 1_u8..).prop_map(|(at, bits)| Change::Flip(at, bits)),
        1 => index().prop_map(Change::Cut),
        1 => bytes().prop_map(Change::Append),
        1 => (index(), bytes()).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (index(), bytes()).prop_map(|(at, bytes)| Change::Overwrite(at, bytes)),
        6 => (index(), structural).prop_map(|(at, change)| Change::Element(at, change)),
    ]
}

fn changed(bytes: &[u8], change: &Change) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    match change {
        Change::Flip(at, bits) => changed[at.index(bytes.len())] ^= bits,
        Change::Cut(at) => changed.truncate(at.index(bytes.len())),
        Change::Append(more) => changed.extend(more),
        Change::Insert(at, more) => drop(changed.splice(at.index(bytes.len())..at.index(bytes.len()), more.clone())),
        Change::Overwrite(at, other) => {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + other.len());
            changed[at..end].copy_from_slice(&other[..end - at]);
        }
        Change::Element(at, change) => {
            let mut tree = Tree::read(bytes);
            let count = tree.count();
            tree.change(&mut at.index(count), change);
            changed = tree.write();
        }
    }
    changed
}

/// A tag, and elements or bytes.
struct Tree {
    tag: u8,
    parts: Vec<Tree>,
    value: Vec<u8>,
}

impl Tree {
    fn read(bytes: &[u8]) -> Self {
        let header = 2 + if bytes[1] & 0x80 == 0 { 0 } else { usize::from(bytes[1] & 0x7f) };
        let value = bytes[header..].to_vec();
        let mut parts = Vec::new();
        if bytes[0] & 0x20 != 0 {
            let mut reader = SliceReader::new(&value).unwrap();
            while !reader.is_finished() {
                parts.push(Self::read(reader.tlv_bytes().unwrap()));
            }
        }
        Self { tag: bytes[0], parts, value }
    }

    fn count(&self) -> usize {
        1 + self.parts.iter().map(Self::count).sum::<usize>()
    }

    fn change(&mut self, at: &mut usize, change: &Structural) {
        if *at == 0 {
            match change {
                Structural::Tag(tag) => self.tag = *tag,
                Structural::Value(value) => (self.parts, self.value) = (Vec::new(), value.clone()),
                Structural::Drop => (self.parts, self.value) = (Vec::new(), Vec::new()),
                Structural::Double => self.value.extend(self.value.clone()),
                Structural::Swap => self.parts.reverse(),
            }
        }
        for index in 0..self.parts.len() {
            let Some(rest) = at.checked_sub(1) else { return };
            *at = rest;
            if rest == 0 && matches!(change, Structural::Drop) {
                drop(self.parts.remove(index));
                return;
            }
            if rest == 0 && matches!(change, Structural::Double) {
                let again = Self::read(&self.parts[index].write());
                self.parts.insert(index, again);
                return;
            }
            self.parts[index].change(at, change);
            if *at == 0 {
                return;
            }
        }
    }

    fn write(&self) -> Vec<u8> {
        let value = match &self.parts[..] {
            [] => self.value.clone(),
            parts => parts.iter().flat_map(Self::write).collect(),
        };
        let length = match value.len() {
            short @ 0..=127 => vec![u8::try_from(short).unwrap()],
            long => [&[0x82], &u16::try_from(long).unwrap().to_be_bytes()[..]].concat(),
        };
        let length = if value.len() > 127 && value.len() < 256 { vec![0x81, length[2]] } else { length };
        [&[self.tag], &length[..], &value].concat()
    }
}

fn revoking(agency: &Issuer, certificate: &Certificate) -> RevocationList {
    let dates = RevocationDates { this_update: UnixTime::now(), next_update: Validity::days(30).not_after };
    agency.revoke(&[certificate], None, dates).unwrap()
}

fn is_sentence(error: &dyn Error) -> bool {
    let (mut said, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said.len() > 10 && !["Some(", "Error {", "unwrap"].iter().any(|debug| said.contains(debug))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_certificate_is_refused(which in 0..2_usize, change in changes()) {
        let mut chain = WORLD.chain.clone();
        chain[which] = changed(&chain[which], &change).into();
        prop_assume!(chain != WORLD.chain);
        let judged = WORLD.policy.judge(&chain, UnixTime::now());
        prop_assert!(judged.as_ref().is_err_and(|error| is_sentence(error)), "{judged:?}");
    }

    #[test]
    fn a_changed_list_is_not_its_signers(change in changes()) {
        let bytes = changed(WORLD.list.der(), &change);
        prop_assume!(bytes != WORLD.list.der());
        match RevocationList::from_der(&bytes) {
            Ok(list) => prop_assert!(!list.is_signed_by(&WORLD.agency), "{bytes:02x?}"),
            Err(error) => prop_assert!(is_sentence(&error), "{error}"),
        }
    }

    #[test]
    fn a_changed_request_is_not_its_keys(change in changes()) {
        let bytes = changed(&WORLD.request, &change);
        prop_assume!(bytes != WORLD.request);
        let verified = CertificateRequest::from_der(&bytes).and_then(|request| request.verify(Kind::Node));
        prop_assert!(verified.as_ref().is_err_and(|error| is_sentence(error)), "{verified:?}");
    }
}

#[test]
fn what_is_not_changed_is_accepted() {
    let World { policy, agency, chain, list, request } = &*WORLD;
    policy.judge(chain, UnixTime::now()).unwrap();
    assert!(RevocationList::from_der(list.der()).unwrap().is_signed_by(agency));
    CertificateRequest::from_der(request).unwrap().verify(Kind::Node).unwrap();
    for der in chain.iter().map(|one| &one[..]).chain([list.der(), request]) {
        assert_eq!(Tree::read(der).write(), der, "taken apart and put together");
    }
}
