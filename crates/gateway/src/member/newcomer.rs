//! Who comes in.

use nuncio_pki::Credential;
use nuncio_rights::{Key, Party};

use crate::access::{self, ClientName};

/// Somebody who has proved who he is and wants a session.
#[derive(Debug)]
pub(crate) struct Newcomer {
    /// What his share of the budgets is kept under.
    pub(crate) name: ClientName,
    pub(crate) party: Party,
    pub(crate) subject: String,
    pub(crate) serial: String,
    /// What he is judged by while he stays.
    pub(crate) credential: Option<Credential>,
}

/// Who has shown a token that counts: a client of the node's own agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The token's name: that of the client in rules, and in the audit log.
    pub name: String,
    /// The token's SHA-256, which lists and rules name as they do a key: `key:` and 64 digits.
    pub hash: [u8; 32],
}

/// How long somebody comes in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stay {
    /// Until he goes: the audit log hears of each.
    Session,
    /// For one message. Who comes so again and again is told of once in ten minutes: the log would else have no room for others.
    Message,
}

impl Newcomer {
    /// Whoever has this certificate.
    pub(crate) fn certified(credential: Credential, node: Option<&Party>) -> Self {
        Self {
            name: ClientName::of_key(&credential),
            party: access::party(&credential, node),
            subject: credential.subject.clone(),
            serial: credential.serial.clone(),
            credential: Some(credential),
        }
    }

    /// Whoever has shown this token.
    pub(crate) fn by_token(holder: Holder, node: Option<&Party>) -> Self {
        let Holder { name, hash } = holder;
        let agency = node.map_or_else(String::new, |node| node.agency.clone());
        let node = node.cloned().map(Box::new);
        Self {
            party: Party { keys: vec![Key::Hash(hash)], node, ..Party::sdk(agency, name.clone()) },
            name: ClientName::KeyHash(hash),
            subject: format!("token {name}"),
            serial: String::new(),
            credential: None,
        }
    }
}
