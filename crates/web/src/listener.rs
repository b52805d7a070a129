//! Lets connections in, one task each.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use nuncio_door::{Place, Throttle};
use nuncio_gateway::{BindError, Entrance, Refusal, Sessions, address};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    Tokens,
    config::Config,
    connection::{self, Stranger},
};

/// How long the listener rests when the system gives it no connection, for want of file descriptors most likely.
const REST: Duration = Duration::from_millis(200);

/// How long a session may take beyond the drain time to say goodbye.
const GRACE: Duration = Duration::from_secs(1);

/// A door that listens and lets nobody in yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
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
    throttle: Throttle<IpAddr>,
}

/// Opens the door of a gateway.
///
/// # Errors
/// When the address cannot be listened on.
pub fn bind(config: Config, entrance: Entrance) -> Result<Bound, BindError> {
    let (listener, address) = nuncio_gateway::listen("the web door", config.listen)?;
    let limits = config.limits;
    let door = Door {
        seats: Sessions::new(limits.connections, limits.connections_per_address),
        door: nuncio_door::Door::new(&limits.door),
        origins: config.origins,
        tokens: config.tokens,
        tls: config.tls,
        throttle: Throttle::default(),
        entrance,
    };
    Ok(Bound { listener, address, door: Arc::new(door) })
}

impl Bound {
    /// Where it listens.
    pub const fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Lets clients in until `shutdown`, then gives their messages in flight the gateway's drain time to be answered.
    pub async fn run(self, shutdown: CancellationToken) {
        info!(address = %self.address, "web door listens");
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, remote)) => self.door.let_in(socket, remote, &tasks, &shutdown),
                Err(error) => {
                    if self.door.throttle.allows(self.address.ip()) {
                        warn!(%error, "no connection can be accepted; raise the limit of open files if it says so");
                    }
                    sleep(REST).await;
                }
            }
        }
        drop(self.listener);
        tasks.close();
        let drain = self.door.entrance.timeouts().drain;
        if timeout(drain + GRACE, tasks.wait()).await.is_err() {
            warn!(address = %self.address, sessions = tasks.len(), "web door closed before all its sessions had ended");
        } else {
            info!(address = %self.address, "web door closed");
        }
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
        self.seats.check(address)?;
        Ok(self.door.knock(address)?)
    }

    async fn serve(
        self: Arc<Self>,
        socket: TcpStream,
        remote: SocketAddr,
        mut place: Place,
        shutdown: CancellationToken,
    ) {
        let limit = self.entrance.timeouts().handshake;
        if !self.tls {
            return match self.seats.begin(address(remote)) {
                Ok(_seat) => {
                    connection::serve(&self, (socket, None), Some(Stranger::new(place, limit)), remote, shutdown).await
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
        match admitted.and_then(|admitted| Ok((admitted, self.seats.begin(address(remote))?))) {
            Ok(((stream, client), _seat)) => {
                let stranger = match client {
                    Some(_) => {
                        place.admitted();
                        None
                    }
                    None => Some(Stranger::new(place, limit)),
                };
                connection::serve(&self, (stream, client), stranger, remote, shutdown).await;
            }
            Err(refusal) => self.entrance.refuse(remote, &refusal),
        }
    }
}
