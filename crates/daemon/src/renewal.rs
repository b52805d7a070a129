//! This node's own certificate renews itself: when it is due, a node of the agency is asked for another.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nuncio_audit::Event;
use nuncio_identity::NodeId;
use nuncio_node::{
    NodeSnapshot, Snapshot,
    service::{Answer, Request},
};
use nuncio_pki::{
    Credential, Identity, IdentityPaths, RenewalSchedule,
    authority::{AuthorityError, RenewalFault, Renewed, refuse_renewing, renewal_request, take_renewed},
};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::time::{sleep, timeout};

use crate::{
    ReloadError,
    control::Control,
    reading::{ReadingError, Readings},
};

/// How long a node that issues may take.
const ANSWER: Duration = Duration::from_secs(10);

/// The clock that certificates go by may be set meanwhile: so often it is looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Renews the certificate as long as the node runs.
pub(crate) async fn keep(control: Arc<Control>) {
    let mut shown = control.own.load_full();
    let mut schedule = RenewalSchedule::new(&shown, seed(&control));
    // Not known yet.
    let (mut is_unfit, mut last) = (None, None);
    loop {
        let now = now();
        if !Arc::ptr_eq(&shown, &control.own.load()) {
            shown = control.own.load_full();
            schedule.handle_renewed(&shown);
            control.set_overdue(None);
            is_unfit = None;
        }
        if is_unfit != Some(false) && !issuers(&control.node.snapshot(), &shown, true, last).is_empty() {
            is_unfit = Some(name_unfit(&control, is_unfit).await);
        }
        if let Some(wait) = schedule.poll_timeout().checked_sub(now).filter(|wait| !wait.is_zero()) {
            sleep(wait.min(LOOK)).await;
            continue;
        }
        let issuers = issuers(&control.node.snapshot(), &shown, schedule.is_late(now), last);
        let Some(issuer) = issuers.get(schedule.failures() as usize % issuers.len().max(1)).copied() else {
            // Nobody renews here, or not yet: where an operator does, other parts warn.
            let mut snapshots = control.node.snapshots();
            let _ = timeout(LOOK, snapshots.wait_for(|now| !self::issuers(now, &shown, false, last).is_empty())).await;
            continue;
        };
        if let Err(fault) = renew(&control, &shown, issuer).await {
            let left = schedule.left(now).as_secs();
            let cause = fault.to_string();
            control.set_overdue(Some(match &fault {
                Fault::Place(_) => format!("this node's certificate is not renewed: {cause}"),
                _ => format!(
                    "the certificate of this node is due to be renewed, and node {} did not: {cause}",
                    issuer.short()
                ),
            }));
            control.audit.record(Event::RenewalFailed { issuer: issuer.into(), cause: cause.into(), left });
            schedule.handle_failed(now);
        } else {
            last = Some(issuer);
        }
    }
}

/// Says, before the day that it is due, that the certificate stands in a file that no renewal may or can replace, and says it no
/// more once that is mended.
async fn name_unfit(control: &Control, was_unfit: Option<bool>) -> bool {
    let warning = match refuse_unfit(control).await {
        Err(fault @ Fault::Place(_)) => Some(format!("this node's certificate is not renewed: {fault}")),
        _ => None,
    };
    let is_unfit = warning.is_some();
    if is_unfit || was_unfit == Some(true) {
        control.set_overdue(warning);
    }
    is_unfit
}

/// A certificate that finds no place is not to be issued: the issuer's book and its pace would be full of those.
async fn refuse_unfit(control: &Control) -> Result<(), Fault> {
    let place = control.state().config.identity_paths().cert;
    control.readings.run(move || refuse_renewing(&place)).await?.map_err(Fault::Place)
}

/// Asks one node that issues, and shows what it gives.
async fn renew(control: &Control, shown: &Credential, issuer: NodeId) -> Result<(), Fault> {
    refuse_unfit(control).await?;
    let paths = control.state().config.identity_paths();
    let (key, certificate) = (paths.key.clone(), shown.certificate().clone());
    let request = control.readings.run(move || renewal_request(&key, &certificate)).await??;
    let chain = shown.presented().map(|one| one.der().to_vec().into()).collect();
    let wanted = Request::Renewal { request: request.der().to_vec().into(), chain };
    let answer = control.node.ask_service(issuer, &wanted, ANSWER).await?;
    let chain = match answer {
        Answer::Renewed { chain } => chain,
        Answer::Refused { reason } => return Err(Fault::Refused { reason: nuncio_plain::line(&reason).into_owned() }),
        _ => return Err(Fault::Refused { reason: "its answer is of a later release".to_owned() }),
    };
    let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    take(control, chain, paths).await
}

/// Nobody reloads meanwhile.
async fn take(control: &Control, chain: Vec<CertificateDer<'static>>, paths: IdentityPaths) -> Result<(), Fault> {
    let _turn = control.turn.lock().await;
    let present = control.own.load_full();
    let place = paths.cert.clone();
    let prove = move || take_renewed(&chain, &present, &paths, UnixTime::now());
    let identity = put(&control.readings, place, prove).await?;
    Ok(control.show_renewed(identity).await?)
}

/// The thread that proves the certificate leaves it beside the present one, and only who waits still has it put into its place.
async fn put(
    readings: &Readings,
    place: PathBuf,
    prove: impl FnOnce() -> Result<Renewed, RenewalFault> + Send + 'static,
) -> Result<Identity, Fault> {
    let renewed = readings.run(prove).await??;
    match readings.run(move || renewed.put()).await {
        Err(ReadingError::Slow) => Err(Fault::Unsure { place }),
        ended => Ok(ended??),
    }
}

/// The nodes of the agency that say that they issue: the one that did last, then the nearest. When time is short, those too that
/// cannot be reached: then the operator hears of it. Another agency may make an authority of any name below itself, so that the
/// name of who issued alone says nothing.
fn issuers(snapshot: &Snapshot, own: &Credential, is_late: bool, last: Option<NodeId>) -> Vec<NodeId> {
    let agency = own.agency_path();
    let issues = snapshot.nodes.iter().filter(|node| node.issues() && node.agency_path() == agency);
    let issues = issues.filter(|node| is_late || node.reachable);
    let place = |node: &NodeSnapshot| (last != Some(node.node_id), node.hops.unwrap_or(u8::MAX), node.node_id);
    let mut found: Vec<_> = issues.map(place).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, _, node)| node).collect()
}

/// Of this run of this node.
fn seed(control: &Control) -> u64 {
    let node = control.node.node_id();
    let first = node.as_bytes().first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first) ^ control.node.snapshot().epoch
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// With what the system says.
fn with_cause(error: &AuthorityError) -> String {
    let cause = std::error::Error::source(error).map(|source| format!(": {source}"));
    format!("{error}{}", cause.unwrap_or_default())
}

/// Why the certificate was not renewed.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no request could be made: {0}")]
    Request(#[from] AuthorityError),
    #[error("{}", with_cause(.0))]
    Place(AuthorityError),
    #[error("it could not be asked: {0}")]
    Service(#[from] nuncio_node::service::ServiceError),
    #[error("it refused: {reason}")]
    Refused { reason: String },
    #[error("{0}")]
    Renewed(#[from] RenewalFault),
    #[error("the new certificate is in its file, and cannot be shown: {0}")]
    Shown(#[from] ReloadError),
    #[error("{0}")]
    Reading(#[from] ReadingError),
    #[error(
        "the file system does not answer, so it is not known whether the new certificate is in {} already: this node goes on \
         with the one it shows, and its next start takes what is there",
        place.display()
    )]
    Unsure { place: PathBuf },
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::mpsc};

    use nuncio_testkit::TestAuthority;

    use super::*;

    #[tokio::test]
    async fn a_renewal_that_is_given_up_changes_nothing_however_late_it_ends() {
        let (authority, directory) = (TestAuthority::new(), tempfile::tempdir().unwrap());
        authority.write_node_directory(directory.path(), "node");
        let paths = IdentityPaths::in_directory(directory.path());
        let (own, _) = Identity::load(&paths).unwrap();
        let before = fs::read(&paths.cert).unwrap();
        let place = paths.cert.clone();
        let prove = || {
            let (chain, present, paths) = (authority.renew(&own).chain, own.certificate.clone(), paths.clone());
            move || take_renewed(&chain, &present, &paths, UnixTime::now())
        };
        // Nobody waits for the proof, which goes on once it was given up.
        let (readings, (release, held)) = (Readings::new(Duration::ZERO), mpsc::channel::<()>());
        let late = prove();
        let late = move || {
            let _ = held.recv();
            late()
        };
        let given_up = put(&readings, place.clone(), late).await.unwrap_err();
        assert!(given_up.to_string().contains("nothing was changed"), "{given_up}");
        drop(release);
        readings.all_have_ended().await;
        assert_eq!(fs::read(&place).unwrap(), before);
        // In time it is put there.
        let readings = Readings::new(Duration::from_secs(600));
        let renewed = put(&readings, place.clone(), prove()).await.unwrap();
        assert_ne!(renewed.certificate.serial, own.certificate.serial);
        assert_ne!(fs::read(&place).unwrap(), before);
    }
}
