//! The channel port: lets connections in, one task each.

mod sessions;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use arc_swap::ArcSwap;
use nuncio_audit::{Audit, Event};
use nuncio_door::{Place, Throttle};
use nuncio_metrics::{Cause, SdkRefusal};
use nuncio_pki::{Credential, tls::ChannelServerTls};
use nuncio_protocol::amop::ClientInput;
use nuncio_rights::{Party, Rights};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access::{self, Access, ClientName, Guard, SessionCertificate},
    clients::Clients,
    config::{Config, Limits, Timeouts},
    entrance::Entrance,
    node_info::NodeInfo,
    port::{BindError, Port},
    priorities::Priorities,
    rpc::Rpc,
    session,
    tls::{Admitted, Refusal, TlsSide},
    visitors::Visitors,
};
pub use sessions::{Owner, Seat, Sessions, Sitter};

/// A gateway that listens and lets nobody in yet.
#[derive(Debug)]
pub struct Bound {
    port: Port,
    door: Arc<Door>,
}

/// What all sessions of a gateway share.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) node_version: String,
    pub(crate) clients: Arc<Clients>,
    pub(crate) inputs: mpsc::Sender<ClientInput>,
    pub(crate) rpc: Rpc,
    /// Of what sessions say about their clients, by address.
    pub(crate) throttle: Throttle<IpAddr>,
    pub(crate) guard: Guard,
    pub(crate) visitors: Visitors,
    pub(crate) rights: ArcSwap<Rights>,
    pub(crate) priorities: ArcSwap<Priorities>,
    pub(crate) node: Option<Party>,
    pub(crate) audit: Audit,
    door: nuncio_door::Door,
    sessions: Sessions,
    same_agency: bool,
    tls: ArcSwap<TlsSide>,
}

/// Changes a running gateway: its certificates, and who may use it.
#[derive(Debug, Clone)]
pub struct Renewal(Arc<Door>);

/// Opens the channel port.
///
/// What clients do is sent to `inputs`; a session waits, unread, while that channel is full. What clients get goes through
/// `clients`.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn bind(
    config: Config,
    clients: Arc<Clients>,
    inputs: mpsc::Sender<ClientInput>,
    info: Arc<dyn NodeInfo>,
) -> Result<Bound, BindError> {
    let port = Port::listen("the gateway", config.listen)?;
    let calls_per_second = config.limits.calls_per_second;
    config.audit.count_in(&clients.counters().refused);
    let door = Door {
        door: nuncio_door::Door::new(&config.limits.door),
        sessions: Sessions::new(config.limits.connections, config.limits.connections_per_address),
        limits: config.limits,
        timeouts: config.timeouts,
        node_version: config.version.supported.clone(),
        clients,
        inputs,
        rpc: Rpc::new(config.version, info, config.rpc, calls_per_second),
        throttle: Throttle::default(),
        guard: Guard::new(config.access, config.tls.clone(), config.audit.clone()),
        visitors: Visitors::default(),
        rights: ArcSwap::new(config.rights),
        priorities: ArcSwap::from_pointee(config.priorities),
        node: config.node,
        audit: config.audit,
        same_agency: config.same_agency,
        tls: ArcSwap::from_pointee(TlsSide::new(&config.tls, config.same_agency)),
    };
    Ok(Bound { port, door: Arc::new(door) })
}

impl Bound {
    /// Where it listens.
    pub const fn local_address(&self) -> SocketAddr {
        self.port.local_address()
    }

    /// The way in for another door beside it.
    pub fn entrance(&self) -> Entrance {
        Entrance(Arc::clone(&self.door))
    }

    /// A way to renew its certificates while it runs.
    pub fn renewal(&self) -> Renewal {
        Renewal(Arc::clone(&self.door))
    }

    /// Lets clients in until `shutdown`, then gives their messages in flight [`Timeouts::drain`] to be answered.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { port, door } = self;
        let let_in = |socket, remote, tasks: &TaskTracker| door.let_in(socket, remote, tasks, &shutdown);
        port.run(door.timeouts.drain, &shutdown, let_in).await;
    }
}

impl Renewal {
    /// Does handshakes from now on with these certificates. Open sessions go on, but for those whose authority is trusted no
    /// more: they are cut at once.
    pub fn renew(&self, tls: &ChannelServerTls) {
        self.0.tls.store(Arc::new(TlsSide::new(tls, self.0.same_agency)));
        self.0.guard.set_tls(tls.clone());
    }

    /// Lets in, from now on, whom these lists admit; sessions of others are cut at once.
    pub fn set_access(&self, access: Access) {
        self.0.guard.set_access(access);
    }

    /// The certificates under which SDKs have sessions now.
    pub fn certificates(&self) -> Vec<SessionCertificate> {
        self.0.guard.certificates()
    }

    /// Puts rights into force: the next publish is judged by them, and so are the topics that open sessions have listed.
    /// Sessions beyond a quota stay.
    pub fn set_rights(&self, rights: Arc<Rights>) {
        self.0.rights.store(rights);
        self.0.clients.wake_all();
    }

    /// Says anew how urgent what clients publish is.
    pub fn set_priorities(&self, priorities: Priorities) {
        self.0.priorities.store(Arc::new(priorities));
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
            Ok(place) => {
                tasks.spawn(Arc::clone(self).serve(socket, remote, place, shutdown.clone()));
            }
            Err(refusal) => self.refuse(remote, &refusal),
        }
    }

    fn place(&self, address: IpAddr) -> Result<Place, Refusal> {
        let place = self.door.knock(address)?;
        self.sessions.check(address)?;
        Ok(place)
    }

    async fn serve(
        self: Arc<Self>,
        socket: TcpStream,
        remote: SocketAddr,
        mut place: Place,
        shutdown: CancellationToken,
    ) {
        let admitted = tokio::select! {
            () = shutdown.cancelled() => return,
            () = place.given_away() => Err(Refusal::GaveWay),
            admitted = self.admit(socket) => admitted,
        };
        let seated = match admitted {
            Ok(admitted) => {
                let owner = Owner::of(Some(&admitted.client), address(remote));
                let ask = || self.ask(&admitted.client);
                self.sessions.begin(address(remote), owner, ask).await.map(|seat| (admitted, seat))
            }
            Err(refusal) => Err(refusal),
        };
        match seated {
            Ok((admitted, seat)) => {
                place.admitted();
                session::run(self, admitted, remote, seat.sitter(), shutdown).await;
            }
            Err(refusal) => self.refuse(remote, &refusal),
        }
    }

    async fn admit(&self, socket: TcpStream) -> Result<Admitted, Refusal> {
        let limit = self.timeouts.handshake;
        socket.set_nodelay(true).map_err(Refusal::HungUp)?;
        let admitted = timeout_at(Instant::now() + limit, self.tls().accept(socket)).await;
        let Admitted { socket, tls, client } = admitted.unwrap_or(Err(Refusal::TooSlow { limit }))?;
        Ok(Admitted { client: self.judge(client)?, socket, tls })
    }

    /// What handshakes are done with now.
    pub(crate) fn tls(&self) -> Arc<TlsSide> {
        self.tls.load_full()
    }

    /// Gives those back whom the lists in force admit.
    pub(crate) fn judge(&self, client: Credential) -> Result<Credential, Refusal> {
        match self.guard.admit(&client) {
            Ok(()) => Ok(client),
            Err(denial) => Err(Refusal::NotAdmitted { subject: client.subject, denial }),
        }
    }

    /// Whether the quotas leave this client a session, while it is at the door still.
    ///
    /// # Errors
    /// When they do not.
    pub(crate) fn ask(&self, client: &Credential) -> Result<(), Refusal> {
        let (party, rights) = (access::party(client, self.node.as_ref()), self.rights.load());
        let asked = self.clients.ask(ClientName::of_key(client), (&party, &**rights), &self.limits);
        asked.map_err(|over| Refusal::OverQuota { subject: client.subject.clone(), over })
    }

    /// Counts, logs and records that somebody was not let in at the channel port.
    pub(crate) fn refuse(&self, remote: SocketAddr, refusal: &Refusal) {
        self.refuse_at(Cause::Sdk, remote, refusal);
    }

    /// The same at another door for clients.
    pub(crate) fn refuse_at(&self, door: fn(SdkRefusal) -> Cause, remote: SocketAddr, refusal: &Refusal) {
        self.clients.counters().connections_refused.increment();
        self.audit.record(Event::SdkRefused {
            refused: door(refusal.cause()).into(),
            address: remote.to_string().into(),
            cause: refusal.to_string().into(),
            hint: refusal.hint().unwrap_or_default().as_ref().into(),
            noise: !refusal.is_noteworthy(),
        });
    }
}

/// The address without its port; IPv4 is IPv4 also on a dual-stack socket.
pub fn address(remote: SocketAddr) -> IpAddr {
    remote.ip().to_canonical()
}
