use std::{io, sync::Arc, time::Duration};

use nuncio_node::service::{Answer, Enrolment};
use nuncio_pki::{Certificate, CertificateError, CertificateRequest, JoinToken, tls::enrolment_client_config};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{PATIENCE, read, write};

/// How long one address may take to be connected.
const CONNECT: Duration = Duration::from_secs(5);

/// Asks the issuer of a token for a first certificate, at each of its addresses until one answers. What is answered is not
/// judged yet, but that it came from a node of the token's agency.
///
/// # Errors
/// Why there is none: the refusal, or what went wrong at each address.
pub async fn enrol(token: &JoinToken, request: &CertificateRequest) -> Result<Vec<Certificate>, EnrolmentError> {
    let (mut failures, mut is_silent) = (Vec::new(), true);
    for address in &token.at {
        match ask(address, token, request).await {
            Ok(Answer::Renewed { chain }) => {
                let chain = chain.into_iter().map(|der| Certificate::from_der(CertificateDer::from(der.to_vec())));
                return Ok(chain.collect::<Result<_, _>>()?);
            }
            Ok(Answer::Refused { reason }) => {
                return Err(EnrolmentError::Refused { reason: nuncio_plain::line(&reason).into_owned() });
            }
            Ok(_) => {
                is_silent = false;
                failures.push(format!("{address}: its answer is of a later release"));
            }
            Err(error) => {
                is_silent &= is_silence(&error);
                failures.push(format!("{address}: {error}"));
            }
        }
    }
    let failures = failures.join("; ");
    Err(if is_silent { EnrolmentError::Unreachable { failures } } else { EnrolmentError::Mistaken { failures } })
}

async fn ask(address: &str, token: &JoinToken, request: &CertificateRequest) -> io::Result<Answer> {
    let config = enrolment_client_config(token.root, &token.agency).map_err(io::Error::other)?;
    let connected = timeout(CONNECT, TcpStream::connect(address)).await?;
    let stream = connected.map_err(|error| io::Error::new(io::ErrorKind::NotConnected, error))?;
    let nobody = ServerName::try_from("enrolment.invalid").map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = timeout(PATIENCE, connector.connect(nobody, stream)).await?.map_err(in_words)?;
    let enrolment = Enrolment {
        invitation: token.id.0,
        secret: token.secret.to_vec().into(),
        request: request.der().to_vec().into(),
    };
    write(&mut stream, &enrolment.encode()).await?;
    let answer = read(&mut stream).await?;
    Answer::decode(answer.into()).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Whether nobody said anything: what is asked again later may be answered.
fn is_silence(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut, UnexpectedEof};
    matches!(error.kind(), NotConnected | TimedOut | UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

/// What the verifier says itself is a sentence.
fn in_words(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::General(words)) => io::Error::other(words.clone()),
        _ => error,
    }
}

/// Why a newcomer has no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolmentError {
    /// The issuer says no.
    #[error("the agency refused: {reason}")]
    Refused {
        /// Why, in its words.
        reason: String,
    },
    /// Nobody could be asked.
    #[error("no node of the agency could be asked: {failures}")]
    Unreachable {
        /// What went wrong at each address.
        failures: String,
    },
    /// Somebody answered, who is not whom the token names, or not as is understood here.
    #[error("what answers is no node that the token names: {failures}")]
    Mistaken {
        /// What went wrong at each address.
        failures: String,
    },
    /// What came is no certificate.
    #[error("the agency's answer cannot be read: {0}")]
    Unreadable(#[from] CertificateError),
}
