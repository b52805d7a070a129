//! Connects to a port and says in plain words what is wrong with it, each time with what mends it.
//!
//! Three steps, of which only the first touches the network: [`probe`] collects [`Facts`] under deadlines,
//! [`diagnose`] turns them into [`Finding`]s, and whoever asked prints those. A probe opens several connections, one
//! per question, and sends no message to anybody; the port's owner reads of a few refused connections in its log.
//!
//! ```no_run
//! use std::time::Duration;
//! use nuncio_doctor::{Credentials, Question, diagnose, probe};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let own = Credentials::in_directory("node0/conf".as_ref())?;
//! let question = Question::new("127.0.0.1:30301".parse()?).with_credentials(own);
//! for finding in diagnose(&probe(question, Duration::from_secs(5)).await) {
//!     println!("{finding}");
//! }
//! # Ok(())
//! # }
//! ```

mod credentials;
mod diagnosis;
mod facts;
mod finding;
mod probe;
mod target;

pub use credentials::{Credentials, CredentialsError, CredentialsPaths, Owner};
pub use diagnosis::diagnose;
pub use facts::{
    Connection, ConnectionOutcome, Facts, Handshake, HttpAnswer, Inside, Offer, Opening, P2pOutcome, Port, Resolution,
    TlcpAnswer, TlsAttempt,
};
pub use finding::{Check, Finding, Severity};
pub use probe::{Question, probe};
pub use target::{Target, TargetError};
