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
use nuncio_identity::NodeId;
use nuncio_pki::{Identity, Policy};
use nuncio_transport::{Admissions, Config};
use tokio::sync::mpsc;

pub type Connection = (PeerId, StreamMuxerBox);

/// Nothing that these tests wait for takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
pub enum Medium {
    Memory,
    Tcp,
}

pub const MEDIA: [Medium; 2] = [Medium::Memory, Medium::Tcp];

/// One node, as its transport sees it.
#[derive(Clone)]
pub struct Party {
    pub config: Config,
    pub admissions: Admissions,
}

impl Party {
    pub fn new(identity: Identity, policy: Policy) -> Self {
        let config = Config {
            identity: Arc::new(identity),
            policy: Arc::new(ArcSwap::from_pointee(policy)),
            network: "test".to_owned(),
            max_body: 10 << 20,
            handshake_timeout: Duration::from_secs(20),
        };
        Self { config, admissions: Admissions::default() }
    }

    pub fn in_network(mut self, network: &str) -> Self {
        network.clone_into(&mut self.config.network);
        self
    }

    pub fn with_max_body(mut self, bytes: u32) -> Self {
        self.config.max_body = bytes;
        self
    }

    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.config.handshake_timeout = deadline;
        self
    }

    pub fn node(&self) -> NodeId {
        self.config.identity.key.node_id()
    }

    pub fn transport(&self, medium: Medium) -> Boxed<Connection> {
        let (config, admissions) = (self.config.clone(), self.admissions.clone());
        match medium {
            Medium::Memory => nuncio_transport::memory(config, admissions),
            Medium::Tcp => nuncio_transport::tcp(config, admissions),
        }
        .expect("the transport of a test")
    }
}

/// A listening transport; what becomes of each incoming connection is told in order of completion.
pub struct Door {
    pub address: Multiaddr,
    outcomes: mpsc::UnboundedReceiver<Result<Connection, ListenError>>,
}

impl Door {
    pub async fn open(mut transport: Boxed<Connection>, medium: Medium) -> Self {
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

    pub async fn outcome(&mut self) -> Result<Connection, ListenError> {
        soon(self.outcomes.recv()).await.expect("the listener lives as long as its door")
    }
}

pub async fn dial(transport: &mut Boxed<Connection>, address: &Multiaddr) -> Result<Connection, DialError> {
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let dialing = transport.dial(address.clone(), options).expect("a dialable address");
    soon(dialing).await.map_err(|error| DialError::Transport(vec![(address.clone(), TransportError::Other(error))]))
}

/// What both sides got from one connection.
pub struct Meeting {
    pub dialer: Result<Connection, DialError>,
    pub listener: Result<Connection, ListenError>,
}

pub async fn meet(dialer: &mut Boxed<Connection>, listener: Boxed<Connection>, medium: Medium) -> Meeting {
    let mut door = Door::open(listener, medium).await;
    let address = door.address.clone();
    let (dialer, listener) = tokio::join!(dial(dialer, &address), door.outcome());
    Meeting { dialer, listener }
}

/// Waits for an event that must come.
pub async fn soon<F: Future>(event: F) -> F::Output {
    tokio::time::timeout(PATIENCE, event).await.expect("an event that never came")
}

#[track_caller]
pub fn assert_says<E: Error + 'static>(outcome: &Result<Connection, E>, parts: &[&str], context: &str) {
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
