//! Building a client.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::future::join_all;
use nuncio_channel_protocol::MAX_BODY;
use nuncio_pki::tls::TlsConfigError;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    Attempt, Client, Pool,
    client::Core,
    dial::{Dial, TlsDial},
    driver::Driver,
    options::Options,
    shared::Shared,
};

/// Most requests between callers and the connection.
const REQUEST_QUEUE: usize = 64;

/// Settings of a client; each has a default but the nodes and the certificates.
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until it connects"]
pub struct Builder {
    nodes: Vec<String>,
    certificates: Option<PathBuf>,
    options: Options,
}

/// Why there is no client. [`ConnectError::hint`] says where to look.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No node was named.
    #[error("no node was named")]
    NoNode,
    /// A node's address is not `host:port`.
    #[error("{node:?} is not a node's address: host:port, ip:port or [ipv6]:port")]
    Address {
        /// What was given.
        node: String,
    },
    /// No certificate directory was named.
    #[error("no certificate directory was named")]
    NoCertificates,
    /// The certificate directory cannot be used.
    #[error(transparent)]
    Certificates(#[from] TlsConfigError),
    /// No node could be used.
    #[error("{}", one_line(.attempts))]
    NoNodeUsable {
        /// Every node, in the order they were tried.
        attempts: Vec<Attempt>,
    },
}

impl Builder {
    /// Adds a node's channel port: `host:port`, `ip:port` or `[ipv6]:port`. With several, the first that serves is used,
    /// and when it is lost the next.
    pub fn node(mut self, address: impl Into<String>) -> Self {
        self.nodes.push(address.into());
        self
    }

    /// Names the directory with `ca.crt`, `sdk.crt` and `sdk.key`.
    pub fn certificates(mut self, directory: impl Into<PathBuf>) -> Self {
        self.certificates = Some(directory.into());
        self
    }

    /// What this client calls itself in the node's log. Default: `nuncio-channel-client/` and the version.
    pub fn client_type(mut self, client_type: impl Into<String>) -> Self {
        self.options.client_type = client_type.into();
        self
    }

    /// How long one node may take for TCP, TLS and the channel handshake together. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.options.connect_timeout = timeout;
        self
    }

    /// How long a publish, broadcast, call or subscribe may take, waiting for a connection included. Default: 5 s, over
    /// the 4 s in which a node answers every publish.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.request_timeout = timeout;
        self
    }

    /// How often the node is asked for a sign of life, and after how long without a byte from it the connection is given
    /// up. Default: 10 s and 30 s.
    pub fn heartbeat(mut self, interval: Duration, silence: Duration) -> Self {
        self.options.heartbeat = interval.max(Duration::from_millis(1));
        self.options.silence = silence;
        self
    }

    /// The first and the longest pause between two rounds over the nodes after a connection was lost; each is
    /// shortened by up to half at random. Default: 250 ms and 10 s.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.options.backoff = (first, longest);
        self
    }

    /// How many messages, and bytes of messages, may wait in each subscription. Default: 256 and 32 MiB; at least one and
    /// 10 MiB, so that every message fits.
    pub fn queue(mut self, messages: usize, bytes: usize) -> Self {
        self.options.queue_messages = messages.clamp(1, 1 << 20);
        self.options.queue_bytes = bytes.clamp(MAX_BODY, 1 << 40);
        self
    }

    /// How many requests may wait for their answers; further ones wait to be sent. Default: 1024.
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.options.max_in_flight = requests.clamp(1, 1 << 20);
        self
    }

    /// Loads the certificates and connects to the first node that serves; must run inside tokio. Later losses are
    /// mended in the background, but this first time every node is tried once only.
    ///
    /// # Errors
    /// When a setting is missing or unusable, or no node can be used.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let Some(directory) = &self.certificates else {
            return Err(ConnectError::NoCertificates);
        };
        let dial = TlsDial::load(directory)?;
        self.connect_with(Box::new(dial)).await
    }

    /// Loads the certificates and connects to every node at once; must run inside tokio. One that serves is enough: the
    /// others are tried again in the background.
    ///
    /// # Errors
    /// When a setting is missing or unusable, or no node can be used.
    pub async fn connect_all(self) -> Result<Pool, ConnectError> {
        let Some(directory) = &self.certificates else {
            return Err(ConnectError::NoCertificates);
        };
        let dial = TlsDial::load(directory)?;
        self.connect_all_with(|| Box::new(dial.clone())).await
    }

    pub(crate) async fn connect_with(self, dial: Box<dyn Dial>) -> Result<Client, ConnectError> {
        self.judge()?;
        let (client, mut driver) = client(dial, self.nodes, self.options);
        let connection = driver.round().await.map_err(|attempts| ConnectError::NoNodeUsable { attempts })?;
        tokio::spawn(driver.run(Some(connection)));
        Ok(client)
    }

    pub(crate) async fn connect_all_with(self, dial: impl Fn() -> Box<dyn Dial>) -> Result<Pool, ConnectError> {
        self.judge()?;
        let tries = self.nodes.iter().map(|node| {
            let (client, mut driver) = client(dial(), vec![node.clone()], self.options.clone());
            async move {
                let outcome = driver.round().await;
                (client, driver, outcome)
            }
        });
        let (mut clients, mut drivers, mut attempts) = (Vec::new(), Vec::new(), Vec::new());
        for (client, driver, outcome) in join_all(tries).await {
            clients.push(client);
            match outcome {
                Ok(connection) => drivers.push((driver, Some(connection))),
                Err(failed) => {
                    attempts.extend(failed);
                    drivers.push((driver, None));
                }
            }
        }
        if attempts.len() == clients.len() {
            return Err(ConnectError::NoNodeUsable { attempts });
        }
        for (driver, connection) in drivers {
            tokio::spawn(driver.run(connection));
        }
        Ok(Pool::new(clients))
    }

    fn judge(&self) -> Result<(), ConnectError> {
        if self.nodes.is_empty() {
            return Err(ConnectError::NoNode);
        }
        match self.nodes.iter().find(|node| !is_address(node)) {
            Some(node) => Err(ConnectError::Address { node: node.clone() }),
            None => Ok(()),
        }
    }
}

impl ConnectError {
    /// What to check.
    pub fn hint(&self) -> String {
        match self {
            Self::NoNode => "name at least one, such as 127.0.0.1:20200".into(),
            Self::Address { .. } => "the channel port is 20200 by default".into(),
            Self::NoCertificates => "name the directory that holds ca.crt, sdk.crt and sdk.key".into(),
            Self::Certificates(error) => error.hint(),
            Self::NoNodeUsable { attempts } => {
                attempts.first().map_or_else(String::new, |attempt| attempt.error.hint().into())
            }
        }
    }
}

/// A client without a connection, and what is to make one.
fn client(dial: Box<dyn Dial>, nodes: Vec<String>, options: Options) -> (Client, Driver) {
    let in_flight = Semaphore::new(options.max_in_flight);
    let shared = Arc::new(Shared::new(options));
    let (requests, incoming) = mpsc::channel(REQUEST_QUEUE);
    let stop = CancellationToken::new();
    let driver = Driver::new(dial, nodes, Arc::clone(&shared), incoming, stop.clone());
    let guard = stop.clone().drop_guard();
    let core = Core { shared, requests, in_flight, stop, _stop_with_last_handle: guard };
    (Client { core: Arc::new(core), priority: None }, driver)
}

fn is_address(node: &str) -> bool {
    node.rsplit_once(':').is_some_and(|(host, port)| {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        !host.is_empty() && (bracketed || !host.contains(':')) && port.parse::<u16>().is_ok()
    })
}

fn one_line(attempts: &[Attempt]) -> String {
    let lines: Vec<String> = attempts.iter().map(Attempt::to_string).collect();
    format!("no node can be used: {}", lines.join("; "))
}
