//! Lets connections in, one task each.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use nuncio_door::Place;
use nuncio_gateway::{BindError, Entrance, Owner, Port, Refusal, Sessions, address};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Tokens,
    config::Config,
    connection::{self, Stranger},
};

/// A door that listens and lets nobody in yet.
#[derive(Debug)]
pub struct Bound {
    port: Port,
    door: Arc<Door>,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) entrance: Entrance,
    pub(crate) origins: Vec<String>,
    pub(crate) tokens: Option<Arc<dyn Tokens>>,
    tls: bool,
    seats: Sessions,
    door: nuncio_door::Door,
}

/// Opens the door of a gateway.
///
/// # Errors
/// When the address cannot be listened on.
pub fn bind(config: Config, entrance: Entrance) -> Result<Bound, BindError> {
    let port = Port::listen("the web door", config.listen)?;
    let limits = config.limits;
    let door = Door {
        seats: Sessions::new(limits.connections, limits.connections_per_address),
        door: nuncio_door::Door::new(&limits.door),
        origins: config.origins,
        tokens: config.tokens,
        tls: config.tls,
        entrance,
    };
    Ok(Bound { port, door: Arc::new(door) })
}

impl Bound {
    /// Where it listens.
    pub const fn local_address(&self) -> SocketAddr {
        self.port.local_address()
    }

    /// Lets clients in until `shutdown`, then gives their messages in flight the gateway's drain time to be answered.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { port, door } = self;
        let let_in = |socket, remote, tasks: &TaskTracker| door.let_in(socket, remote, tasks, &shutdown);
        port.run(door.entrance.timeouts().drain, &shutdown, let_in).await;
    }
}

impl Door {
    /// Takes a place and leaves the rest to a task, so that no handshake holds up the next connection.
    fn let_in(
        self: &Arc<Self>,
        socket: TcpStream,
        remote: SocketAddr,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) {
        match self.place(address(remote)) {
            Ok(place) => drop(tasks.spawn(Arc::clone(self).serve(socket, remote, place, shutdown.clone()))),
            Err(refusal) => self.entrance.refuse(remote, &refusal),
        }
    }

    fn place(&self, address: IpAddr) -> Result<Place, Refusal> {
        let place = self.door.knock(address)?;
        self.seats.check(address)?;
        Ok(place)
    }

    async fn serve(
        self: Arc<Self>,
        socket: TcpStream,
        remote: SocketAddr,
        mut place: Place,
        shutdown: CancellationToken,
    ) {
        let (limit, from) = (self.entrance.timeouts().handshake, address(remote));
        if !self.tls {
            return match self.seats.begin(from, Owner::of(None, from), || Ok(())).await {
                Ok(seat) => {
                    let stranger = Some(Stranger::new(place, limit));
                    connection::serve(&self, (socket, None), stranger, (remote, &seat), shutdown).await;
                }
                Err(refusal) => self.entrance.refuse(remote, &refusal),
            };
        }
        let admitted = tokio::select! {
            () = shutdown.cancelled() => return,
            () = place.given_away() => Err(Refusal::GaveWay),
            admitted = timeout(limit, self.entrance.handshake(socket, self.tokens.is_some())) => {
                admitted.unwrap_or(Err(Refusal::TooSlow { limit }))
            }
        };
        let seated = match admitted {
            Ok((stream, client)) => {
                let owner = Owner::of(client.as_ref(), from);
                let ask = || client.as_ref().map_or(Ok(()), |client| self.entrance.ask(client));
                self.seats.begin(from, owner, ask).await.map(|seat| (stream, client, seat))
            }
            Err(refusal) => Err(refusal),
        };
        match seated {
            Ok((stream, client, seat)) => {
                let stranger = match client {
                    Some(_) => {
                        place.admitted();
                        None
                    }
                    None => Some(Stranger::new(place, limit)),
                };
                connection::serve(&self, (stream, client), stranger, (remote, &seat), shutdown).await;
            }
            Err(refusal) => self.entrance.refuse(remote, &refusal),
        }
    }
}
