//! Who asks, and how much he may.

use axum::http::{HeaderMap, header};
use nuncio_audit::{Actor, Scope};
use nuncio_pki::{Credential, SharedPolicy};
use rustls_pki_types::UnixTime;

use super::{
    peer::{Guest, Peer},
    rejection::Rejection,
};
use crate::{
    api::{ErrorCode, Failure},
    tokens::{TokenError, TokenFile},
};

const HOW: &str = "make a token with `nuncio token make NAME` and show it with --token-file FILE or $NUNCIO_TOKEN, or show an \
                   operator's certificate over https with --operator DIR";

/// Who may ask an API.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) full_users: Vec<u32>,
    pub(super) certificates: Option<Certificates>,
    pub(super) tokens: Option<TokenFile>,
}

/// How operators' certificates are judged.
#[derive(Clone)]
pub struct Certificates {
    /// Who issues them, and which are revoked.
    pub policy: SharedPolicy,
    /// What their holders may do.
    pub scope: Scope,
    /// The names in them of those who may only look.
    pub read_only: Vec<String>,
    /// The node's own agency, as [`agency_path`](nuncio_pki::Credential::agency_path) writes it: operators must be of it, or of an authority above
    /// it, for every agency gives whom it likes an operator's certificate. `None` for operators of any.
    pub agency: Option<String>,
}

/// Somebody who has proved who he is.
pub(super) struct Asker {
    pub(super) actor: Actor,
    pub(super) scope: Scope,
}

impl Authority {
    /// Who asks, by what the connection and the request prove.
    pub(super) fn asker(&self, peer: &Peer, headers: &HeaderMap) -> Result<Asker, Rejection> {
        match peer {
            Peer::Process(Some(process), _) => {
                let is_full = self.full_users.is_empty() || self.full_users.contains(&process.uid);
                let scope = if is_full { Scope::Full } else { Scope::Read };
                let actor = Actor::Process { uid: process.uid, gid: process.gid, pid: process.pid };
                Ok(Asker { actor, scope })
            }
            Peer::Process(None, _) => Err(unproved("the kernel does not say who asks").into()),
            Peer::Network(guest) => self.guest(guest, headers),
        }
    }

    fn guest(&self, guest: &Guest, headers: &HeaderMap) -> Result<Asker, Rejection> {
        if let Some(shown) = headers.get(header::AUTHORIZATION) {
            let token = shown.to_str().ok().and_then(|text| text.split_once(' '));
            let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token);
            let token = token.ok_or_else(|| unproved("`authorization` is not `Bearer TOKEN`"))?;
            let tokens = self.tokens.as_ref().ok_or_else(|| unproved("no tokens are taken here"))?;
            let token = tokens.find(token.trim()).map_err(refused)?;
            return Ok(Asker { actor: Actor::Token { name: token.name.into() }, scope: token.scope });
        }
        match &self.certificates {
            Some(certificates) if !guest.chain.is_empty() => certificates.asker(guest),
            _ => Err(unproved("nobody is answered here without a token or an operator's certificate").into()),
        }
    }
}

impl Certificates {
    /// Judged at each request: who was revoked meanwhile is refused on a connection that stands.
    fn asker(&self, guest: &Guest) -> Result<Asker, Rejection> {
        let judged = self.policy.load().admit_operator(&guest.chain, UnixTime::now());
        let operator = judged.map_err(|error| Rejection::of_chain(&error))?;
        self.refuse_stranger(&operator).map_err(Rejection::of_agency)?;
        let scope = if self.read_only.contains(&operator.name) { Scope::Read } else { self.scope };
        let (name, issuer, serial) = (operator.name.into(), operator.issuer.into(), operator.serial.into());
        Ok(Asker { actor: Actor::Certificate { name, issuer, serial }, scope })
    }
}

impl Certificates {
    fn refuse_stranger(&self, operator: &Credential) -> Result<(), Failure> {
        let Some(own) = &self.agency else { return Ok(()) };
        let theirs = operator.agency_path();
        let is_above = operator.is_of_root() || own.strip_prefix(&theirs).is_some_and(|rest| rest.starts_with('/'));
        if *own == theirs || is_above {
            return Ok(());
        }
        let why = format!(
            "certificate of {} is by agency {theirs:?}, and this node takes operators of its own agency {own:?} only",
            operator.subject
        );
        Err(Failure::new(ErrorCode::Unauthorized, why).with_hint(
            "nuncio cert issue NAME --ca DIR --out DIR --kind operator, with the node's own agency as DIR; or [admin] \
             same_agency = false in the node's nuncio.toml",
        ))
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("scope", &self.scope).finish_non_exhaustive()
    }
}

fn unproved(why: &str) -> Failure {
    Failure::new(ErrorCode::Unauthorized, why).with_hint(HOW)
}

/// What is wrong with the file is for the node's operator, not for strangers.
fn refused(error: TokenError) -> Failure {
    match error {
        TokenError::Unknown | TokenError::Ended { .. } => unproved(&error.to_string()),
        other => {
            tracing::error!(hint = other.hint(), "no token counts: {other}");
            unproved("the tokens of this node cannot be read; its log says why")
        }
    }
}
