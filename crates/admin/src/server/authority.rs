//! Who asks, and how much he may.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::{HeaderMap, header};
use nuncio_audit::{Actor, Scope};
use nuncio_pki::{Certificate, Credential, SharedPolicy};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{peer::Peer, rejection::Rejection};
use crate::{
    api::{ErrorCode, Failure},
    tokens::TokenFile,
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
    /// The names in them of those who may only look, as [`named`] reads them.
    pub read_only: Vec<String>,
    /// What the node's own certificate says: operators must be of its agency, or of an authority above that, for every agency
    /// gives whom it likes an operator's certificate, and so does every other root that is trusted here. `None` for operators
    /// of any.
    pub own: Option<Arc<ArcSwap<Credential>>>,
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
            Peer::Network(guest) => self.caller(bearer(headers)?, &guest.chain),
        }
    }

    /// Who asks by TCP, by the token that the request shows, or else by the certificates of the connection.
    pub(super) fn caller(&self, token: Option<&str>, chain: &[CertificateDer<'static>]) -> Result<Asker, Rejection> {
        if let Some(token) = token {
            let tokens = self.tokens.as_ref().ok_or_else(|| unproved("no tokens are taken here"))?;
            let token = tokens.judge(token).map_err(|why| unproved(&why))?;
            return Ok(Asker { actor: Actor::Token { name: token.name.into() }, scope: token.scope });
        }
        match &self.certificates {
            Some(certificates) if !chain.is_empty() => certificates.asker(chain),
            _ => Err(unproved("nobody is answered here without a token or an operator's certificate").into()),
        }
    }
}

impl Certificates {
    /// Judged at each request: who was revoked meanwhile is refused on a connection that stands.
    fn asker(&self, chain: &[CertificateDer<'static>]) -> Result<Asker, Rejection> {
        let policy = self.policy.load();
        let judged = policy.admit_operator(chain, UnixTime::now());
        let operator = judged.map_err(|error| Rejection::of_chain(&error))?;
        self.refuse_stranger(&operator, policy.anchors()).map_err(Rejection::of_agency)?;
        let scope = if self.may_only_look(&operator.name) { Scope::Read } else { self.scope };
        let (name, issuer, serial) = (operator.name.into(), operator.issuer.into(), operator.serial.into());
        Ok(Asker { actor: Actor::Certificate { name, issuer, serial }, scope })
    }
}

impl Certificates {
    fn may_only_look(&self, name: &str) -> bool {
        let name = folded(name);
        self.read_only.iter().any(|one| named(one) == name)
    }

    /// Agencies below different roots may have one name.
    fn refuse_stranger(&self, operator: &Credential, anchors: &[Certificate]) -> Result<(), Failure> {
        let Some(node) = self.own.as_ref().map(|own| own.load()) else { return Ok(()) };
        let (own, theirs) = (node.agency_path(), operator.agency_path());
        let is_above = operator.is_of_root() || own.strip_prefix(&theirs).is_some_and(|rest| rest.starts_with('/'));
        let is_below_its_root = node.is_below_root_of(operator, anchors);
        if is_below_its_root && (own == theirs || is_above) {
            return Ok(());
        }
        let another_root = if is_below_its_root { "" } else { " below another root" };
        let why = format!(
            "certificate of {} is by agency {theirs:?}{another_root}, and this node takes operators of its own agency {own:?} only",
            operator.subject
        );
        Err(Failure::new(ErrorCode::Unauthorized, why).with_hint(
            "nuncio cert issue NAME --ca DIR --out DIR --kind operator, with the node's own agency as DIR; or [admin] \
             same_agency = false in the node's nuncio.toml",
        ))
    }
}

/// The name that somebody means, with or without `CN=` or `CN = ` before it: as `openssl` prints it.
pub fn named(text: &str) -> String {
    let text = folded(text);
    let bare = text.strip_prefix("cn").and_then(|rest| rest.trim_start().strip_prefix('='));
    bare.unwrap_or(&text).trim().to_owned()
}

/// Letters' case and blanks make no other name of it: who is to look only shall not do all for a slip of the pen.
fn folded(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// The token that a request shows, if it shows any.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let Some(shown) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let token = shown.to_str().ok().and_then(|text| text.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    token.map(Some).ok_or_else(|| unproved("`authorization` is not `Bearer TOKEN`"))
}

fn unproved(why: &str) -> Failure {
    Failure::new(ErrorCode::Unauthorized, why).with_hint(HOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_as_openssl_prints_it() {
        for text in ["auditor", " Auditor", "CN=auditor", " CN=Auditor ", "CN = auditor", "cn =auditor", "CN=  auditor"]
        {
            assert_eq!(named(text), "auditor", "{text:?}");
        }
        assert_eq!(named("CN = the  Auditor"), "the auditor");
        assert_eq!((&*named("cnidaria"), &*named("CN auditor")), ("cnidaria", "cn auditor"));
    }
}
