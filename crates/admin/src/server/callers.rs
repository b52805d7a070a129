//! Whoever may no longer ask keeps no connection that others need: a token that was taken back would else hold all of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nuncio_audit::Scope;
use rustls_pki_types::CertificateDer;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    MAX_CONNECTIONS,
    authority::Authority,
    peer::{Entry, Guest},
};

/// How often is asked whether who was answered would be again.
const LOOK: Duration = Duration::from_secs(1);

/// Most connections in the book; no more than half of so many stand.
pub(crate) const MAX_CALLERS: usize = 2 * MAX_CONNECTIONS;

/// The connections by TCP whose requests were answered.
///
/// Bound: [`MAX_CALLERS`], of which those that are gone make room.
#[derive(Default)]
pub(super) struct Callers {
    held: Mutex<Vec<Caller>>,
}

#[derive(Clone)]
struct Caller {
    connection: Entry,
    proof: Proof,
    /// What he could do.
    scope: Scope,
}

/// What somebody has proved himself by: a token in the request, or the certificates of the connection.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Proof {
    token: Option<String>,
    chain: Arc<[CertificateDer<'static>]>,
}

impl Callers {
    /// Somebody asks over this connection, and may do so much.
    pub(super) fn note(&self, guest: &Guest, token: Option<&str>, scope: Scope) {
        let proof = Proof { token: token.map(str::to_owned), chain: Arc::clone(&guest.chain) };
        let mut held = self.held();
        match held.iter_mut().find(|caller| caller.connection.is_of(&guest.standing)) {
            Some(caller) => (caller.proof, caller.scope) = (proof, scope),
            None => {
                if held.len() >= MAX_CALLERS {
                    held.retain(|caller| !caller.connection.is_over());
                }
                held.push(Caller { connection: guest.standing.entry(), proof, scope });
            }
        }
    }

    /// Until `shutdown`, ends the connections of those who may no longer do what they could: a token was taken back or has
    /// ended, or a certificate. A reader that stalls is cut off all the same.
    pub(super) async fn review(&self, authority: &Authority, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(LOOK) => self.look(authority),
            }
        }
    }

    fn look(&self, authority: &Authority) {
        let held = {
            let mut held = self.held();
            held.retain(|caller| !caller.connection.is_over());
            held.clone()
        };
        // Many connections stand on one token.
        let mut judged: HashMap<&Proof, Option<Scope>> = HashMap::new();
        for Caller { connection, proof, scope } in &held {
            let judge = || authority.caller(proof.token.as_deref(), &proof.chain).ok().map(|asker| asker.scope);
            if judged.entry(proof).or_insert_with(judge).is_none_or(|now| now < *scope) {
                connection.dismiss();
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Vec<Caller>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
