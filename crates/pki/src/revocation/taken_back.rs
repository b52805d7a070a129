//! What a list takes back: certificates by their serial numbers, as everybody writes and reads them, and keys.
//!
//! The keys stand in an extension of ours that is not critical: who does not know it goes by the serial numbers. Two places that
//! issue for one authority do not know each other's serial numbers; the key is the same in all that a node gets.

use std::collections::BTreeMap;

use der::{
    Decode, Encode, Sequence,
    asn1::{ObjectIdentifier, OctetString},
};
use x509_cert::ext::Extension;

use super::RevocationError;
use crate::Certificate;

/// Beside the word of a root, see [`heir`](crate::heir), in the same arc.
pub(super) const KEYS: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113556.1.8000.2554.42705.34933.9305.20226.44437.6161110.2163479.101");

/// What an authority says of a key that it has certified; the latter includes the former.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyWord {
    /// None of its issuers certifies it once more.
    NoMore,
    /// None of its certificates counts, whatever their numbers.
    Refused,
}

/// Serial numbers with the second of their revocation, and keys by [`Certificate::key_id`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TakenBack {
    pub(crate) entries: BTreeMap<Vec<u8>, u64>,
    keys: BTreeMap<[u8; 32], KeyWord>,
}

#[derive(Sequence)]
struct Key {
    id: OctetString,
    is_refused: bool,
}

impl TakenBack {
    pub(super) fn new(entries: BTreeMap<Vec<u8>, u64>) -> Self {
        Self { entries, keys: BTreeMap::new() }
    }

    /// One more certificate; what was said of it before stays.
    pub(crate) fn add(&mut self, certificate: &Certificate, second: u64) {
        self.entries.entry(certificate.serial_bytes().to_vec()).or_insert(second);
    }

    /// The key of a certificate gets no other one, if it is a leaf for a secp256k1 key: no others renew themselves.
    pub(crate) fn add_key_of(&mut self, certificate: &Certificate) {
        if certificate.node_id().is_some() && !certificate.is_ca() {
            self.say(certificate.key_id(), KeyWord::NoMore);
        }
    }

    /// No certificate for this key counts.
    pub(crate) fn refuse(&mut self, key: [u8; 32]) {
        self.say(key, KeyWord::Refused);
    }

    /// All that both say.
    pub(crate) fn join(&mut self, other: &Self) {
        for (serial, second) in &other.entries {
            self.entries.entry(serial.clone()).or_insert(*second);
        }
        self.join_keys(other);
    }

    /// What the other says of keys, whose numbers are another authority's.
    pub(crate) fn join_keys(&mut self, other: &Self) {
        other.keys.iter().for_each(|(key, word)| self.say(*key, *word));
    }

    /// Whether it says anything of a key.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether it says all that the other says.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        other.entries.keys().all(|serial| self.entries.contains_key(serial))
            && other.keys.iter().all(|(key, word)| self.word(key) >= Some(*word))
    }

    /// Whether a certificate of this authority's is taken back, by its number or by its key.
    pub(crate) fn has(&self, certificate: &Certificate) -> bool {
        self.entries.contains_key(certificate.serial_bytes())
            || (!self.keys.is_empty() && self.word(&certificate.key_id()) == Some(KeyWord::Refused))
    }

    /// What is said of a key.
    pub(crate) fn word(&self, key: &[u8; 32]) -> Option<KeyWord> {
        self.keys.get(key).copied()
    }

    pub(super) fn refused(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.keys.iter().filter(|(_, word)| **word == KeyWord::Refused).map(|(key, _)| key)
    }

    fn say(&mut self, key: [u8; 32], word: KeyWord) {
        let said = self.keys.entry(key).or_insert(word);
        *said = word.max(*said);
    }

    /// `None` while there is no word of a key.
    pub(super) fn extension(&self) -> Result<Option<Extension>, der::Error> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let keys = self
            .keys
            .iter()
            .map(|(id, word)| Ok(Key { id: OctetString::new(id.as_slice())?, is_refused: *word == KeyWord::Refused }));
        let keys = keys.collect::<Result<Vec<_>, der::Error>>()?;
        Ok(Some(Extension { extn_id: KEYS, critical: false, extn_value: OctetString::new(keys.to_der()?)? }))
    }

    /// Takes the words of a list's extensions.
    pub(super) fn read(&mut self, extensions: &[Extension]) -> Result<(), RevocationError> {
        for extension in extensions.iter().filter(|one| one.extn_id == KEYS) {
            let keys = Vec::<Key>::from_der(extension.extn_value.as_bytes()).map_err(RevocationError::malformed)?;
            for Key { id, is_refused } in keys {
                let id = id.as_bytes().try_into().map_err(|_| RevocationError::Malformed {
                    reason: format!("it names a key by {} bytes, not 32", id.as_bytes().len()),
                })?;
                self.say(id, if is_refused { KeyWord::Refused } else { KeyWord::NoMore });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Issuer, Kind, Validity};

    fn extension_of(content: &[u8]) -> Vec<Extension> {
        let extn_value = OctetString::new(content).unwrap();
        vec![Extension { extn_id: KEYS, critical: false, extn_value }]
    }

    #[test]
    fn words_of_keys_are_written_and_read_back_and_the_stronger_one_counts() {
        let root = Issuer::root("chain", Validity::days(1)).unwrap();
        let [one, other] = [(); 2].map(|()| root.issue(Kind::Node, "node", Validity::days(1)).unwrap().chain.remove(0));
        let mut said = TakenBack::default();
        assert!(said.extension().unwrap().is_none(), "a list without keys is as it was");
        said.add_key_of(root.certificate());
        assert_eq!(said, TakenBack::default(), "an authority's key does not renew itself");
        said.add_key_of(&one);
        said.refuse(other.key_id());
        said.add_key_of(&other);
        let mut read = TakenBack::default();
        read.read(&[said.extension().unwrap().unwrap()]).unwrap();
        assert_eq!(read, said);
        assert_eq!((read.has(&one), read.has(&other)), (false, true));
        assert_eq!(read.word(&one.key_id()), Some(KeyWord::NoMore));
        let mut weaker = TakenBack::default();
        weaker.add_key_of(&other);
        assert!(read.covers(&weaker) && !weaker.covers(&read));
        weaker.join(&read);
        assert_eq!(weaker, read);
    }

    #[test]
    fn what_is_no_list_of_keys_makes_the_whole_list_unreadable() {
        let short = vec![Key { id: OctetString::new([1; 31]).unwrap(), is_refused: true }].to_der().unwrap();
        let whole = vec![Key { id: OctetString::new([1; 32]).unwrap(), is_refused: true }].to_der().unwrap();
        assert!(TakenBack::default().read(&extension_of(&whole)).is_ok());
        let longer = [&whole[..], &[0]].concat();
        for content in [&short[..], &whole[..whole.len() - 1], &longer, &[], &[5, 0]] {
            assert!(TakenBack::default().read(&extension_of(content)).is_err(), "{content:?}");
        }
    }
}
