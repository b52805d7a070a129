//! The way in for doors beside the channel port: what comes in there is a client as an SDK is, by the same rules and within
//! the same budgets.

use std::{net::SocketAddr, sync::Arc};

use nuncio_metrics::Cause;
use nuncio_pki::Credential;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::{
    config::{Limits, Timeouts},
    listener::Door,
    member::{Holder, Member, Newcomer, Stay},
    session,
    tls::Refusal,
};

/// A running gateway, as another door beside it reaches it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Entrance(pub(crate) Arc<Door>);

impl Entrance {
    /// How much the gateway lets in; sessions of all doors share it, but for those of connections.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// How long the gateway waits.
    pub fn timeouts(&self) -> &Timeouts {
        &self.0.timeouts
    }

    /// Does the handshake of the channel port: its certificates, and clients by its authorities, lists and roles. Where
    /// `guests` may come, who shows no certificate passes, and is nobody yet. Whoever calls bounds its time.
    ///
    /// # Errors
    /// Why the client is not let in.
    pub async fn handshake(
        &self,
        socket: TcpStream,
        guests: bool,
    ) -> Result<(TlsStream<TcpStream>, Option<Credential>), Refusal> {
        socket.set_nodelay(true).map_err(Refusal::HungUp)?;
        // Where the system cannot, it waits for vanished clients as long as it likes.
        let _ = session::tune(&socket, self.0.timeouts.write);
        let (stream, client) = self.0.tls().accept_guest(socket, guests).await?;
        Ok((stream, client.map(|client| self.0.judge(client)).transpose()?))
    }

    /// Whether the quotas leave this client a session.
    ///
    /// # Errors
    /// When its certificate, or its agency, has as many sessions as it may.
    pub fn ask(&self, client: &Credential) -> Result<(), Refusal> {
        self.0.ask(client)
    }

    /// Gives a client a session; none when the core has gone.
    ///
    /// # Errors
    /// When it may stay no longer, though it did when it came, or its certificate, or its agency, has as many sessions as it may.
    pub async fn enter(&self, client: Credential, remote: SocketAddr, stay: Stay) -> Result<Option<Member>, Refusal> {
        Member::enter(&self.0, Newcomer::certified(client, self.0.node.as_ref()), remote, stay).await
    }

    /// Gives the holder of a token a session; none when the core has gone.
    ///
    /// # Errors
    /// When a list does not admit it, or it has as many sessions as it may.
    pub async fn enter_by_token(
        &self,
        holder: Holder,
        remote: SocketAddr,
        stay: Stay,
    ) -> Result<Option<Member>, Refusal> {
        Member::enter(&self.0, Newcomer::by_token(holder, self.0.node.as_ref()), remote, stay).await
    }

    /// Counts, logs and records that somebody was not let in at a door beside the channel port.
    pub fn refuse(&self, remote: SocketAddr, refusal: &Refusal) {
        self.0.refuse_at(Cause::Web, remote, refusal);
    }
}
