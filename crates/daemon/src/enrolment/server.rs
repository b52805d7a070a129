use std::{
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError},
    time::Duration,
};

use nuncio_audit::Event;
use nuncio_door::{Door, Limits, Place};
use nuncio_metrics::{Cause, EnrolmentRefusal};
use nuncio_node::service::Enrolment;
use nuncio_pki::{
    Certificate, Identity, InvitationId, Policy,
    authority::{IssueError, JoinRefusal, Newcomer},
};
use rustls_pki_types::UnixTime;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use super::{PATIENCE, read, shown::EnrolmentTls, write};
use crate::{StartError, control::Control, issuer::Desk};

/// Whose secret is wrong waits so long for the answer, on his place at the door.
const PENANCE: Duration = Duration::from_secs(2);

/// How long the listener rests when the system gives it no connection.
const REST: Duration = Duration::from_millis(200);

/// Who may stand at the port: a few newcomers at a time, and few tries of one address.
fn limits() -> Limits {
    Limits::new(16, 1, 8)
}

/// What a handshake, a message and its answer take, in bytes.
const GUEST: usize = 128 << 10;

/// What newcomers can make a node hold.
pub(crate) fn bounds() -> Vec<nuncio_bounds::Bound> {
    limits().bounds(GUEST).into()
}

/// A port that listens and answers nobody yet.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    tls: Arc<EnrolmentTls>,
    desk: Desk,
}

/// Opens the port of an issuer.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn bind(address: SocketAddr, own: &Identity, desk: Desk) -> Result<Bound, StartError> {
    const KEY: &str = "[issuer] listen";
    let failed = |source| StartError::Listen { key: KEY, address, source };
    let tls = EnrolmentTls::new(own, Arc::clone(&desk)).map_err(|error| failed(io::Error::other(error)))?;
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, address, tls: Arc::new(tls), desk })
}

impl Bound {
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a renewal of the node's certificate replaces.
    pub(crate) fn tls(&self) -> Arc<EnrolmentTls> {
        Arc::clone(&self.tls)
    }
}

/// Serves until the node stops.
pub(crate) async fn serve(bound: Bound, control: Arc<Control>) {
    let (door, mut guests) = (Door::new(&limits()), JoinSet::new());
    loop {
        let (stream, from) = match bound.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "the enrolment port gets no connection");
                sleep(REST).await;
                continue;
            }
        };
        // Those who are gone leave nothing.
        while guests.try_join_next().is_some() {}
        // Who comes too often, or finds no place, is closed without a word.
        let Ok(place) = door.knock(from.ip()) else {
            control.audit.record(refused(EnrolmentRefusal::Door, from, String::new(), "closed before its handshake"));
            continue;
        };
        let (tls, desk) = (Arc::clone(&bound.tls), Arc::clone(&bound.desk));
        guests.spawn(receive(stream, from, place, (tls, desk), Arc::clone(&control)));
    }
}

/// One newcomer, as long as nobody else needs the place.
async fn receive(
    stream: TcpStream,
    from: SocketAddr,
    mut place: Place,
    (tls, desk): (Arc<EnrolmentTls>, Desk),
    control: Arc<Control>,
) {
    tokio::select! {
        () = place.given_away() => {}
        outcome = answer(stream, from, &tls, desk, control) => {
            if let Err(error) = outcome {
                tracing::debug!(%from, %error, "a newcomer did not come to an end");
            }
        }
    }
}

async fn answer(
    stream: TcpStream,
    from: SocketAddr,
    tls: &EnrolmentTls,
    desk: Desk,
    control: Arc<Control>,
) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(tls.followed().await);
    let mut stream = timeout(PATIENCE, acceptor.accept(stream)).await??;
    let message = read(&mut stream).await?;
    let newcomer = read_newcomer(message).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let (id, policy) = (newcomer.id, control.policy.load_full());
    let decided = tokio::task::spawn_blocking(move || decide(&desk, &newcomer, &policy)).await?;
    control.audit.record(event(from, id, &decided));
    if matches!(decided, Err(IssueError::Join(JoinRefusal::Unknown))) {
        sleep(PENANCE).await;
    }
    write(&mut stream, &crate::issuer::answer(&decided).encode()).await?;
    timeout(PATIENCE, stream.shutdown()).await?
}

fn decide(desk: &Desk, newcomer: &Newcomer, policy: &Policy) -> Result<Vec<Certificate>, IssueError> {
    desk.lock().unwrap_or_else(PoisonError::into_inner).admit(newcomer, policy, UnixTime::now())
}

fn read_newcomer(message: Vec<u8>) -> Result<Newcomer, String> {
    let Enrolment { invitation, secret, request } =
        Enrolment::decode(message.into()).map_err(|error| error.to_string())?;
    let secret = Zeroizing::new(secret.to_vec());
    Ok(Newcomer { id: InvitationId(invitation), secret, request: request.to_vec() })
}

fn refused(of: EnrolmentRefusal, from: SocketAddr, invitation: String, cause: &str) -> Event {
    Event::EnrolmentRefused {
        refused: Cause::Enrolment(of).into(),
        address: from.to_string().into(),
        invitation: invitation.into(),
        cause: cause.into(),
    }
}

const fn cause(error: &IssueError) -> EnrolmentRefusal {
    match error {
        IssueError::Join(JoinRefusal::Unknown) => EnrolmentRefusal::Unknown,
        IssueError::Join(JoinRefusal::Ended { .. }) => EnrolmentRefusal::Ended,
        IssueError::Join(JoinRefusal::Used) => EnrolmentRefusal::Used,
        IssueError::Join(JoinRefusal::OtherName { .. }) => EnrolmentRefusal::OtherName,
        IssueError::Join(JoinRefusal::Denied) => EnrolmentRefusal::Access,
        _ => EnrolmentRefusal::Issuer,
    }
}

fn event(from: SocketAddr, id: InvitationId, decided: &Result<Vec<Certificate>, IssueError>) -> Event {
    let (address, invitation) = (from.to_string().into(), id.to_string().into());
    match decided {
        Ok(chain) => {
            let leaf = &chain[0];
            Event::NodeEnrolled {
                address,
                invitation,
                node: leaf.node_id().map(Into::into),
                subject: leaf.subject().into(),
                serial: leaf.serial().into(),
                not_after: leaf.not_after().as_secs(),
            }
        }
        Err(error) => refused(cause(error), from, id.to_string(), &error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_counted_as_what_it_is() {
        let name = String::new;
        for (refusal, counted) in [
            (JoinRefusal::Unknown, EnrolmentRefusal::Unknown),
            (JoinRefusal::Ended { ends: name() }, EnrolmentRefusal::Ended),
            (JoinRefusal::Used, EnrolmentRefusal::Used),
            (JoinRefusal::OtherName { wanted: name(), asked: name() }, EnrolmentRefusal::OtherName),
            (JoinRefusal::Denied, EnrolmentRefusal::Access),
        ] {
            assert_eq!(cause(&refusal.clone().into()), counted, "{refusal}");
        }
        assert_eq!(cause(&IssueError::Attributes), EnrolmentRefusal::Issuer);
    }
}
