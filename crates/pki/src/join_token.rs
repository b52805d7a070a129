//! What a newcomer needs to become a node of an agency: where to ask, whom to believe, and a secret that works once.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::instant;

/// What a token begins with, so that people and scanners of leaked secrets know it.
const PREFIX: &str = "nuncio_join_";

/// Longest text read, in bytes.
const MAX_TEXT: usize = 8 << 10;

/// Most addresses of each kind, and their longest.
const MAX_ADDRESSES: usize = 8;
const MAX_ADDRESS: usize = 256;

/// Most roots besides the first.
const MAX_FURTHER: usize = 8;

/// Longest name of an agency with those above it, in bytes.
const MAX_AGENCY: usize = 1024;

/// Bytes of the hash at the end, by which a token that was not copied whole is known.
const CHECK: usize = 4;

/// Names an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvitationId(pub [u8; 16]);

/// A one-time token as its holder has it.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// Which invitation it is.
    pub id: InvitationId,
    /// Proves that its holder was given it.
    pub secret: Zeroizing<[u8; 32]>,
    /// SHA-256 of the root's certificate: who answers must stand below it.
    pub root: [u8; 32],
    /// The same of other roots that nodes of the network show still, as while one takes another's place; at most 8.
    pub further: Vec<[u8; 32]>,
    /// The agency that invites, see [`agency_path`](crate::Credential::agency_path): who answers must be a node of it. Others
    /// stand below the root too.
    pub agency: String,
    /// The name that the node will have.
    pub name: String,
    /// The network that it joins.
    pub network: String,
    /// Where it asks, each `host:port`; at most 8.
    pub at: Vec<String>,
    /// Nodes to link with, each `host:port`; at most 8.
    pub peers: Vec<String>,
    /// Its last second, of 1970.
    pub ends: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    id: String,
    secret: String,
    root: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    further: Vec<String>,
    agency: String,
    name: String,
    network: String,
    at: Vec<String>,
    peers: Vec<String>,
    ends: u64,
}

impl JoinToken {
    /// The token as one word.
    pub fn to_text(&self) -> Zeroizing<String> {
        let content = Content {
            id: self.id.to_string(),
            secret: hex::encode(*self.secret),
            root: hex::encode(self.root),
            further: self.further.iter().map(hex::encode).collect(),
            agency: self.agency.clone(),
            name: self.name.clone(),
            network: self.network.clone(),
            at: self.at.clone(),
            peers: self.peers.clone(),
            ends: self.ends,
        };
        let mut bytes = Zeroizing::new(serde_json::to_vec(&content).expect("texts and numbers are JSON"));
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&*bytes)))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// When it is none, or not whole.
    pub fn parse(text: &str) -> Result<Self, JoinTokenError> {
        if text.len() > MAX_TEXT {
            return Err(JoinTokenError::NotOne);
        }
        // Mail breaks long lines, and shells and people put quotes around.
        let is_of_it = |c: &char| !c.is_whitespace() && !matches!(c, '"' | '\'');
        let mut whole = Zeroizing::new(String::with_capacity(text.len()));
        whole.extend(text.chars().filter(is_of_it));
        let encoded = whole.strip_prefix(PREFIX).ok_or(JoinTokenError::NotOne)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| JoinTokenError::Damaged)?);
        let (content, sum) = bytes.split_last_chunk::<CHECK>().ok_or(JoinTokenError::Damaged)?;
        if check(content) != *sum {
            return Err(JoinTokenError::Damaged);
        }
        Self::from_content(content).ok_or(JoinTokenError::Damaged)
    }

    /// Reads what stands in a token's text before its check, for whoever tries readers with anything.
    #[doc(hidden)]
    pub fn from_content(content: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Content>(content).ok()?.read()
    }

    /// Whether its time is over.
    pub fn has_ended(&self, now: UnixTime) -> bool {
        self.ends < now.as_secs()
    }

    /// Its end, RFC 3339.
    pub fn ends_text(&self) -> String {
        instant::text(instant::at(self.ends))
    }
}

impl Content {
    fn read(self) -> Option<JoinToken> {
        let fit = |list: &[String]| {
            list.len() <= MAX_ADDRESSES && list.iter().all(|one| one.len() <= MAX_ADDRESS && !one.is_empty())
        };
        if self.at.is_empty()
            || !fit(&self.at)
            || !fit(&self.peers)
            || !(1..=128).contains(&self.network.len())
            || self.network.chars().any(char::is_control)
            || self.agency.len() > MAX_AGENCY
            || self.name.len() > 256
            || self.further.len() > MAX_FURTHER
        {
            return None;
        }
        Some(JoinToken {
            id: self.id.parse().ok()?,
            secret: Zeroizing::new(digits(&self.secret)?),
            root: digits(&self.root)?,
            further: self.further.iter().map(|root| digits(root)).collect::<Option<_>>()?,
            agency: self.agency,
            name: self.name,
            network: self.network,
            at: self.at,
            peers: self.peers,
            ends: self.ends,
        })
    }
}

fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex::decode(text).ok()?.try_into().ok()
}

fn check(content: &[u8]) -> [u8; CHECK] {
    Sha256::digest(content).first_chunk().copied().unwrap_or_default()
}

impl fmt::Display for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::str::FromStr for InvitationId {
    type Err = JoinTokenError;

    fn from_str(text: &str) -> Result<Self, JoinTokenError> {
        digits(text).map(Self).ok_or(JoinTokenError::Damaged)
    }
}

/// The secret is not shown.
impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinTokenError {
    /// It is something else.
    #[error("this is no join token: one begins with {PREFIX}")]
    NotOne,
    /// A part is missing, or letters were changed.
    #[error("this join token is not whole, or was changed: copy all of it")]
    Damaged,
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn token() -> JoinToken {
        JoinToken {
            id: InvitationId([7; 16]),
            secret: Zeroizing::new([9; 32]),
            root: [1; 32],
            further: Vec::new(),
            agency: "agencyA".into(),
            name: "node9".into(),
            network: "nuncio".into(),
            at: vec!["10.0.0.1:30400".into()],
            peers: vec!["10.0.0.1:30300".into()],
            ends: 2_000_000_000,
        }
    }

    #[test]
    fn a_token_comes_back_as_it_was_and_a_part_of_one_never() {
        let text = token().to_text();
        assert_eq!(JoinToken::parse(&format!(" {}\n", *text)), Ok(token()));
        let (one, two) = text.split_at(76);
        assert_eq!(JoinToken::parse(&format!("\"{one}\r\n {two}\"")), Ok(token()), "as mail breaks it");
        assert!((0..text.len()).all(|cut| JoinToken::parse(&text[..cut]).is_err()));
        for at in PREFIX.len()..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(JoinToken::parse(&String::from_utf8(changed).unwrap()).is_err(), "{at}");
        }
        assert!(!format!("{:?}", token()).contains("secret"), "{:?}", token());
        // As earlier releases read it, where there is one root.
        let content = URL_SAFE_NO_PAD.decode(&text[PREFIX.len()..]).unwrap();
        assert!(!String::from_utf8_lossy(&content).contains("further"));
    }

    proptest! {
        #[test]
        fn whatever_a_token_names_comes_back(
            (id, secret, root, ends) in any::<([u8; 16], [u8; 32], [u8; 32], u64)>(),
            further in vec(any::<[u8; 32]>(), 0..=MAX_FURTHER),
            (agency, name, network) in ("\\PC{0,60}", "\\PC{0,60}", "\\PC{1,30}"),
            at in vec("\\PC{1,60}", 1..=MAX_ADDRESSES),
            peers in vec("\\PC{1,60}", 0..=MAX_ADDRESSES),
        ) {
            let token = JoinToken { id: InvitationId(id), secret: secret.into(), root, further, agency, name, network, at, peers, ends };
            prop_assert_eq!(JoinToken::parse(&token.to_text()), Ok(token));
        }
    }

    #[test]
    fn what_would_take_room_is_refused() {
        let mut wide = token();
        wide.at = vec!["a:1".into(); MAX_ADDRESSES + 1];
        assert!(JoinToken::parse(&wide.to_text()).is_err());
        let mut long = token();
        long.peers = vec!["x".repeat(MAX_ADDRESS + 1)];
        assert!(JoinToken::parse(&long.to_text()).is_err());
        let many = JoinToken { further: vec![[1; 32]; MAX_FURTHER + 1], ..token() };
        assert!(JoinToken::parse(&many.to_text()).is_err());
        let nowhere = JoinToken { network: String::new(), ..token() };
        assert!(JoinToken::parse(&nowhere.to_text()).is_err());
        let mut deep = token();
        deep.agency = "x".repeat(MAX_AGENCY + 1);
        assert!(JoinToken::parse(&deep.to_text()).is_err());
        assert_eq!(JoinToken::parse(&"x".repeat(MAX_TEXT + 1)), Err(JoinTokenError::NotOne));
        assert!(!token().has_ended(instant::at(2_000_000_000)) && token().has_ended(instant::at(2_000_000_001)));
    }
}
