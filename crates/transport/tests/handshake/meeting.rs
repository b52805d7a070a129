//! Parties, and how two of them meet.

use std::{error::Error, io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        Endpoint,
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, PortUse, TransportError, TransportEvent},
    },
    swarm::{DialError, ListenError},
};
use nuncio_door::Limits;
use nuncio_identity::NodeId;
use nuncio_pki::{Identity, Policy};
use nuncio_transport::{Admissions, Config};
use tokio::sync::mpsc;

pub(crate) type Connection = (PeerId, StreamMuxerBox);

/// Nothing that these tests wait for takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Medium {
    Memory,
    Tcp,
}

pub(crate) const MEDIA: [Medium; 2] = [Medium::Memory, Medium::Tcp];

/// One node, as its transport sees it.
#[derive(Clone)]
pub(crate) struct Party {
    pub(crate) config: Config,
    pub(crate) admissions: Admissions,
    pub(crate) limits: Limits,
}

impl Party {
    pub(crate) fn new(identity: Identity, policy: Policy) -> Self {
        let config = Config {
            identity: Arc::new(ArcSwap::from_pointee(identity)),
            policy: Arc::new(ArcSwap::from_pointee(policy)),
            network: "test".to_owned(),
            max_body: 10 << 20,
            handshake_timeout: Duration::from_secs(20),
        };
        Self { config, admissions: Admissions::default(), limits: Limits::new(256, 16, 128) }
    }

    pub(crate) fn in_network(mut self, network: &str) -> Self {
        network.clone_into(&mut self.config.network);
        self
    }

    pub(crate) fn with_max_body(mut self, bytes: u32) -> Self {
        self.config.max_body = bytes;
        self
    }

    pub(crate) fn with_deadline(mut self, deadline: Duration) -> Self {
        self.config.handshake_timeout = deadline;
        self
    }

    pub(crate) fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn node(&self) -> NodeId {
        self.config.identity.load().key.node_id()
    }

    pub(crate) fn transport(&self, medium: Medium) -> Boxed<Connection> {
        let (config, admissions) = (self.config.clone(), self.admissions.clone());
        match medium {
            Medium::Memory => nuncio_transport::memory(config, admissions),
            Medium::Tcp => nuncio_transport::tcp(
                config,
                admissions,
                nuncio_door::Door::new(&self.limits),
                nuncio_audit::Audit::default(),
            ),
        }
        .expect("the transport of a test")
    }
}

/// A listening transport; what becomes of each incoming connection is told in order of completion.
pub(crate) struct Door {
    pub(crate) address: Multiaddr,
    outcomes: mpsc::UnboundedReceiver<Result<Connection, ListenError>>,
}

impl Door {
    pub(crate) async fn open(mut transport: Boxed<Connection>, medium: Medium) -> Self {
        let address: Multiaddr = match medium {
            Medium::Memory => "/memory/0",
            Medium::Tcp => "/ip4/127.0.0.1/tcp/0",
        }
        .parse()
        .unwrap();
        transport.listen_on(ListenerId::next(), address).unwrap();
        let Some(TransportEvent::NewAddress { listen_addr: address, .. }) = soon(transport.next()).await else {
            panic!("the listener does not listen")
        };
        let (sender, outcomes) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(event) = transport.next().await {
                if let TransportEvent::Incoming { upgrade, .. } = event {
                    let sender = sender.clone();
                    // The receiver is gone when the test is over.
                    tokio::spawn(async move { sender.send(upgrade.await.map_err(as_swarms_report)).ok() });
                }
            }
        });
        Self { address, outcomes }
    }

    pub(crate) async fn outcome(&mut self) -> Result<Connection, ListenError> {
        soon(self.outcomes.recv()).await.expect("the listener lives as long as its door")
    }

    /// Waits for somebody who gets in, whoever else does not.
    pub(crate) async fn admitted(&mut self) -> Connection {
        loop {
            if let Ok(connection) = self.outcome().await {
                return connection;
            }
        }
    }
}

pub(crate) async fn dial(transport: &mut Boxed<Connection>, address: &Multiaddr) -> Result<Connection, DialError> {
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let dialing = transport.dial(address.clone(), options).expect("a dialable address");
    soon(dialing).await.map_err(|error| DialError::Transport(vec![(address.clone(), TransportError::Other(error))]))
}

/// What both sides got from one connection.
pub(crate) struct Meeting {
    pub(crate) dialer: Result<Connection, DialError>,
    pub(crate) listener: Result<Connection, ListenError>,
}

pub(crate) async fn meet(dialer: &mut Boxed<Connection>, listener: Boxed<Connection>, medium: Medium) -> Meeting {
    let mut door = Door::open(listener, medium).await;
    let address = door.address.clone();
    let (dialer, listener) = tokio::join!(dial(dialer, &address), door.outcome());
    Meeting { dialer, listener }
}

/// Waits for an event that must come.
pub(crate) async fn soon<F: Future>(event: F) -> F::Output {
    tokio::time::timeout(PATIENCE, event).await.expect("an event that never came")
}

#[track_caller]
pub(crate) fn assert_says<E: Error + 'static>(outcome: &Result<Connection, E>, parts: &[&str], context: &str) {
    let text = match outcome {
        Ok((peer, _)) => panic!("{context}: connected to {peer}"),
        Err(error) => nuncio_transport::describe(error),
    };
    assert!(!text.contains('\n'), "{context}: more than one line: {text}");
    for part in parts {
        assert!(text.contains(part), "{context}: expected `{part}` in `{text}`");
    }
}

/// So that roles are told apart as they are in a node.
fn as_swarms_report(error: io::Error) -> ListenError {
    ListenError::Transport(TransportError::Other(error))
}
