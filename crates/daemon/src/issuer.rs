//! The agency's issuer in this node: what other nodes ask goes to the desk, which decides, and its answer back.

use std::sync::{Arc, Mutex, PoisonError};

use nuncio_audit::{Event, NodeIdText};
use nuncio_metrics::{Cause, IssuerRefusal};
use nuncio_node::service::{Answer, Call, Request};
use nuncio_pki::{
    Certificate, Identity, Policy,
    authority::{Asked, AuthorityError, IssueError, IssuingDesk, IssuingRules},
};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::sync::watch;

use crate::{StartError, config, control::Control};

/// The desk, whoever stands before it.
pub(crate) type Desk = Arc<Mutex<IssuingDesk>>;

/// The desk, and who stands before it.
#[derive(Debug)]
pub(crate) struct Issuing {
    desk: Desk,
}

impl Issuing {
    /// The desk, for newcomers too.
    pub(crate) fn desk(&self) -> Desk {
        Arc::clone(&self.desk)
    }

    /// Answers one request for a renewal.
    pub(crate) async fn serve(&self, call: Call, control: &Control) {
        let (desk, policy, asked) = (self.desk(), control.policy.load_full(), asked(&call));
        let decided = tokio::task::spawn_blocking(move || decide(&desk, &asked, &policy)).await;
        // A desk that panicked serves nobody; who asked hears that there is no answer.
        let Ok(decided) = decided else { return };
        control.audit.record(event(&call, &decided));
        call.answer(&answer(&decided));
    }
}

/// Has the lists of the agency put together whenever one was adopted, and says when that made another, until the node has ended. An
/// agency's folder that does not answer holds up nothing else.
pub(crate) async fn merge_lists(
    desk: Desk,
    control: Arc<Control>,
    mut adoptions: watch::Receiver<Vec<Certificate>>,
    merged: watch::Sender<()>,
) {
    loop {
        // Former runs may have taken what the folder lacks.
        match merge(&desk, &control).await {
            Ok(true) => merged.send_replace(()),
            Ok(false) => {}
            Err(error) => tracing::error!(
                %error,
                "what the network revokes of this agency is not in its directory: revoke nothing from there before it is"
            ),
        }
        if adoptions.changed().await.is_err() {
            return;
        }
    }
}

/// That in the agency's folder and that in force; what neither says alone is put into force, and spreads from here.
async fn merge(desk: &Desk, control: &Control) -> Result<bool, AuthorityError> {
    let (desk, policy) = (Arc::clone(desk), control.policy.load_full());
    let merged = tokio::task::spawn_blocking(move || {
        let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
        desk.merge_lists(&policy).map(|merged| (merged, desk.certificate().clone()))
    });
    // A desk that panicked merges nothing, and serves nobody.
    let Ok(merged) = merged.await else { return Ok(false) };
    let (Some(file), agency) = merged? else { return Ok(false) };
    let known: Vec<_> = file.certificates.iter().cloned().chain([agency]).collect();
    let former = control.policy.load_full();
    let put = |current: &Policy| current.clone().with_newest(file.lists.clone(), &known, UnixTime::now());
    control.enforce(put).await;
    let present = control.policy.load_full();
    nuncio_node::tell_gone(&control.audit, &present.lists().gone_since(former.lists()));
    control.tell_policy(&former, &present);
    Ok(true)
}

/// Opens the agency of this configuration, if there is one.
///
/// # Errors
/// When its files do not serve.
pub(crate) fn open(config: &config::Issuer, own: &Identity) -> Result<Option<Issuing>, StartError> {
    let Some(directory) = &config.ca else { return Ok(None) };
    let rules = IssuingRules { lifetime: config.lifetime.0, only: config.only.clone(), per_hour: config.per_hour };
    let desk = IssuingDesk::open(directory, rules, UnixTime::now()).map_err(StartError::Issuer)?;
    let (agency, shown) = (desk.certificate(), own.certificate.certificate());
    if !shown.is_signed_by(agency) {
        tracing::warn!(
            agency = agency.subject(),
            issuer = shown.issuer(),
            "[issuer] ca is not the agency of this node's own certificate: nodes ask their own agency only"
        );
    }
    Ok(Some(Issuing { desk: Arc::new(Mutex::new(desk)) }))
}

fn decide(desk: &Mutex<IssuingDesk>, asked: &Asked, policy: &Policy) -> Result<Vec<Certificate>, IssueError> {
    let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
    desk.renew(asked, policy, UnixTime::now())
}

fn asked(call: &Call) -> Asked {
    let (request, chain) = match &call.wanted {
        Request::Renewal { request, chain } => (request.to_vec(), chain.as_slice()),
        _ => (Vec::new(), [].as_slice()),
    };
    Asked { source: call.from, request, chain: chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect() }
}

fn event(call: &Call, decided: &Result<Vec<Certificate>, IssueError>) -> Event {
    let node = call.from.into();
    match decided.as_ref().map(|chain| chain.first()) {
        Ok(Some(leaf)) => Event::CertificateIssued {
            node,
            subject: leaf.subject().into(),
            serial: leaf.serial().into(),
            not_after: leaf.not_after().as_secs(),
        },
        Ok(None) => not_issued(IssuerRefusal::Issuer, node, "nothing came out"),
        Err(error) => not_issued(refusal(error), node, &error.to_string()),
    }
}

fn not_issued(refused: IssuerRefusal, node: NodeIdText, cause: &str) -> Event {
    Event::CertificateNotIssued { refused: Cause::Issuer(refused).into(), node, cause: cause.into() }
}

/// What a renewal that is refused is counted as.
const fn refusal(error: &IssueError) -> IssuerRefusal {
    match error {
        IssueError::TooOften { .. } | IssueError::Crowded => IssuerRefusal::TooOften,
        IssueError::TooLarge { .. } | IssueError::Request(_) => IssuerRefusal::Request,
        IssueError::OtherKey { .. } => IssuerRefusal::Key,
        IssueError::OtherName { .. } | IssueError::Attributes => IssuerRefusal::Other,
        IssueError::Chain(_) => IssuerRefusal::Chain,
        IssueError::OtherAgency { .. } => IssuerRefusal::OtherAgency,
        IssueError::OtherRole { .. } => IssuerRefusal::Role,
        IssueError::NotListed { .. } => IssuerRefusal::Access,
        IssueError::Revoked { .. } | IssueError::KeyTakenBack { .. } => IssuerRefusal::Revoked,
        IssueError::TooMany { .. } | IssueError::Full { .. } => IssuerRefusal::Full,
        _ => IssuerRefusal::Issuer,
    }
}

pub(crate) fn answer(decided: &Result<Vec<Certificate>, IssueError>) -> Answer {
    match decided {
        Ok(chain) => Answer::Renewed { chain: chain.iter().map(|one| one.der().to_vec().into()).collect() },
        Err(error) => Answer::Refused { reason: error.told() },
    }
}

#[cfg(test)]
mod tests {
    use nuncio_pki::{ChainError, RequestError};

    use super::*;

    #[test]
    fn each_refusal_is_counted_as_what_it_is() {
        let name = String::new;
        let table = [
            (IssueError::TooOften { per_hour: 1 }, IssuerRefusal::TooOften),
            (IssueError::Crowded, IssuerRefusal::TooOften),
            (IssueError::TooLarge { bytes: 2, limit: 1 }, IssuerRefusal::Request),
            (IssueError::Request(RequestError::NotSigned { subject: name() }), IssuerRefusal::Request),
            (IssueError::OtherKey { what: "the request", found: name(), asker: name() }, IssuerRefusal::Key),
            (IssueError::OtherName { asked: name(), held: name() }, IssuerRefusal::Other),
            (IssueError::Attributes, IssuerRefusal::Other),
            (IssueError::Chain(Box::new(ChainError::NoCertificate)), IssuerRefusal::Chain),
            (IssueError::OtherAgency { issuer: name(), agency: name() }, IssuerRefusal::OtherAgency),
            (IssueError::OtherRole { subject: name(), stated: name() }, IssuerRefusal::Role),
            (IssueError::NotListed { name: name() }, IssuerRefusal::Access),
            (IssueError::Revoked { serial: name() }, IssuerRefusal::Revoked),
            (IssueError::KeyTakenBack { node: name() }, IssuerRefusal::Revoked),
            (IssueError::TooMany { held: 1 }, IssuerRefusal::Full),
            (IssueError::Full { held: 1 }, IssuerRefusal::Full),
            (IssueError::Unsound(Box::new(ChainError::NoCertificate)), IssuerRefusal::Issuer),
        ];
        for (error, counted) in table {
            assert_eq!(refusal(&error), counted, "{error}");
        }
    }
}
