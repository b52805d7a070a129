//! A typed client of the API, over the unix socket or HTTP.
//!
//! Each call is one connection: the socket is local, and a connection costs less than the bookkeeping of
//! keeping one.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::Method;
use nuncio_pki::Stated;
use nuncio_protocol::Priority;
use rustls::ClientConfig;
use serde::{Serialize, de::DeserializeOwned};

use crate::api::{
    AccessChange, AccessEntry, AuditStatus, ConfigurationKey, DeniedTopic, Ending, ErrorCode, Failure, HOPS_HEADER,
    Health, Info, ListenOptions, LogLevel, Node, NodeCertificate, Peer, PeerAddress, Published, RTT_HEADER, Refusals,
    Reply, Route, Rule, SdkCertificate, SdksAt, Status, Topic, Topology, Traffic,
};

mod connection;
mod error;
mod files;
mod messages;
mod path;
mod trace;

pub use error::ClientError;
pub use messages::{Lines, Messages};

use connection::{Answer, Place};
use path::escape;

/// Where a node's admin API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket, written `unix:PATH` (or as a bare path that holds a `/`).
    Unix(PathBuf),
    /// Plain HTTP, written `http://HOST:PORT`; here `HOST:PORT`.
    Http(String),
    /// HTTP over TLS, written `https://HOST:PORT`; here `HOST:PORT`.
    Https(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unusable = || AddressError { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(unusable()) } else { Ok(Self::Unix(path.into())) };
        }
        let (over_http, over_tls) = (text.strip_prefix("http://"), text.strip_prefix("https://"));
        if let Some(authority) = over_http.or(over_tls) {
            let authority = authority.trim_end_matches('/');
            let port = authority.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
            return match port.map(str::parse::<u16>) {
                Some(Ok(_)) if authority.contains('/') => Err(unusable()),
                Some(Ok(_)) if over_tls.is_some() => Ok(Self::Https(authority.to_owned())),
                Some(Ok(_)) => Ok(Self::Http(authority.to_owned())),
                _ => Err(unusable()),
            };
        }
        if text.contains('/') && !text.contains("://") { Ok(Self::Unix(text.into())) } else { Err(unusable()) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Http(authority) => write!(f, "http://{authority}"),
            Self::Https(authority) => write!(f, "https://{authority}"),
        }
    }
}

/// A text that names no admin API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an admin address: write unix:PATH, http://HOST:PORT or https://HOST:PORT")]
pub struct AddressError {
    /// The text.
    pub text: String,
}

/// The answer to a unicast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnicastReply {
    /// What the target's application answered.
    pub body: Bytes,
    /// From request to reply, as the node measured it.
    pub rtt: Duration,
    /// Links the reply crossed.
    pub hops: u8,
}

/// A client of one node's admin API. Cheap to clone; needs a tokio runtime.
#[derive(Debug, Clone)]
pub struct Client {
    place: Place,
    timeout: Duration,
    priority: Priority,
}

impl Client {
    /// Time in which the node must answer unless [`Client::with_timeout`] says otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

    /// A client of the API at `address`; connects at each call.
    pub const fn new(address: Address) -> Self {
        Self {
            place: Place { address, token: None, tls: None, stated: None, trace_parent: None },
            timeout: Self::DEFAULT_TIMEOUT,
            priority: Priority::Normal,
        }
    }

    /// The same client, showing a token.
    #[must_use]
    pub fn with_token(mut self, token: String) -> Self {
        self.place.token = Some(token.into());
        self
    }

    /// The same client with what it takes for `https`: see [`nuncio_pki::tls::operator_client_config`].
    #[must_use]
    pub fn with_tls(mut self, tls: ClientConfig) -> Self {
        self.place.tls = Some(tls.into());
        self
    }

    /// The same client, knowing the roles of the certificate that it shows there: see
    /// [`nuncio_pki::tls::operator_client_roles`].
    #[must_use]
    pub fn showing(mut self, stated: Option<Stated>) -> Self {
        self.place.stated = stated.map(Arc::new);
        self
    }

    /// The same client with another time limit per call; 10 s by default. Unicasts add their own timeout.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Where it connects.
    pub const fn address(&self) -> &Address {
        &self.place.address
    }

    /// Who the node is and how it fares.
    ///
    /// # Errors
    /// [`ClientError`]; so with all calls.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.read("/v1/status").await
    }

    /// Links, and the peers that are wanted but not linked.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn peers(&self) -> Result<Vec<Peer>, ClientError> {
        self.read("/v1/peers").await
    }

    /// Every node known in the network that is shown at this one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn nodes(&self) -> Result<Vec<Node>, ClientError> {
        self.read("/v1/nodes").await
    }

    /// Every node known, also those of namespaces that this one is not in.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn all_nodes(&self) -> Result<Vec<Node>, ClientError> {
        self.read("/v1/nodes?all=1").await
    }

    /// The certificate of every node known in the network, and the revocation lists each holds.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn certificates(&self) -> Result<Vec<NodeCertificate>, ClientError> {
        self.read("/v1/certificates").await
    }

    /// The certificates under which SDKs have sessions at the node that is asked.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn sdk_certificates(&self) -> Result<Vec<SdkCertificate>, ClientError> {
        self.read("/v1/sdks").await
    }

    /// Below which authorities SDKs stand, at each node of the network.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn network_sdks(&self) -> Result<Vec<SdksAt>, ClientError> {
        self.read("/v1/sdks/network").await
    }

    /// The way to a node: its ID or an unambiguous prefix.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn route(&self, node: &str) -> Result<Route, ClientError> {
        self.read(&format!("/v1/route/{}", escape(node))).await
    }

    /// AMOP topics of the network that this node may see.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn topics(&self) -> Result<Vec<Topic>, ClientError> {
        self.read("/v1/topics").await
    }

    /// Every AMOP topic known.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn all_topics(&self) -> Result<Vec<Topic>, ClientError> {
        self.read("/v1/topics?all=1").await
    }

    /// The topics that SDKs at the node have listed and may not subscribe.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn denied_topics(&self) -> Result<Vec<DeniedTopic>, ClientError> {
        self.read("/v1/topics/denied").await
    }

    /// What went over links since the node started.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn traffic(&self) -> Result<Vec<Traffic>, ClientError> {
        self.read("/v1/traffic").await
    }

    /// Who and what is refused, and why.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn refusals(&self) -> Result<Refusals, ClientError> {
        self.read("/v1/refusals").await
    }

    /// The nodes and links of the network.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn topology(&self) -> Result<Topology, ClientError> {
        self.read("/v1/topology").await
    }

    /// When what the node shows or trusts ends, what ends first first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn lifetimes(&self) -> Result<Vec<Ending>, ClientError> {
        self.read("/v1/lifetimes").await
    }

    /// The access lists in force.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn access(&self) -> Result<Vec<AccessEntry>, ClientError> {
        self.read("/v1/access").await
    }

    /// Constant facts of the process.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn info(&self) -> Result<Info, ClientError> {
        self.read("/v1/info").await
    }

    /// The log filter in force.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn log_level(&self) -> Result<LogLevel, ClientError> {
        self.read("/v1/log-level").await
    }

    /// Replaces the log filter until the next start.
    ///
    /// # Errors
    /// [`ClientError`]; [`ErrorCode::BadRequest`] when the filter cannot be read.
    pub async fn set_log_level(&self, filter: &str) -> Result<LogLevel, ClientError> {
        self.change(Method::PUT, "/v1/log-level", &LogLevel { filter: filter.to_owned() }).await
    }

    /// Adds a peer; lasts across restarts.
    ///
    /// # Errors
    /// [`ClientError`]; [`ErrorCode::BadRequest`] when the address cannot be read.
    pub async fn add_peer(&self, address: &str) -> Result<PeerAddress, ClientError> {
        self.change(Method::POST, "/v1/peers", &PeerAddress { address: address.to_owned() }).await
    }

    /// Removes a peer by its address or node ID (or a prefix of it); lasts across restarts.
    ///
    /// # Errors
    /// [`ClientError`]; [`ErrorCode::NotFound`] when there is no such peer.
    pub async fn remove_peer(&self, address_or_node: &str) -> Result<PeerAddress, ClientError> {
        self.change(Method::DELETE, "/v1/peers", &PeerAddress { address: address_or_node.to_owned() }).await
    }

    /// Allows or denies a node (or the one with this prefix); lasts across restarts.
    ///
    /// # Errors
    /// [`ClientError`]; [`ErrorCode::NotFound`] when a prefix fits no known node.
    pub async fn set_access(&self, node: &str, rule: Rule) -> Result<AccessEntry, ClientError> {
        self.change(Method::PUT, &format!("/v1/access/{}", escape(node)), &AccessChange { rule }).await
    }

    /// Takes back what [`Client::set_access`] said; the configuration file holds again.
    ///
    /// # Errors
    /// [`ClientError`]; [`ErrorCode::NotFound`] when nothing was said.
    pub async fn reset_access(&self, node: &str) -> Result<(), ClientError> {
        self.call(Method::DELETE, &format!("/v1/access/{}", escape(node)), Bytes::new(), self.timeout).await.map(drop)
    }

    /// Sends a request to a node (or the one with this prefix) and waits for its reply.
    ///
    /// # Errors
    /// [`ClientError`]; its code says how the exchange ended.
    pub async fn unicast(&self, node: &str, body: Bytes, timeout: Duration) -> Result<UnicastReply, ClientError> {
        let path = format!("/v1/unicast/{}?timeout_ms={}{}", escape(node), timeout.as_millis(), self.priority());
        let answer = self.send_body(&path, body, self.timeout.saturating_add(timeout)).await?;
        let header = |name| answer.header(name).and_then(|value| value.parse::<u64>().ok());
        let rtt = Duration::from_micros(header(RTT_HEADER).unwrap_or_default());
        let hops = header(HOPS_HEADER).and_then(|hops| hops.try_into().ok()).unwrap_or_default();
        Ok(UnicastReply { body: answer.body, rtt, hops })
    }

    /// Publishes to the nodes that listen on a topic.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn multicast(&self, topic: &str, body: Bytes) -> Result<Published, ClientError> {
        let path = format!("/v1/multicast/{}{}", escape(topic), self.priority_alone());
        self.parse(self.send_body(&path, body, self.timeout).await?)
    }

    /// Publishes to every node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn broadcast(&self, body: Bytes) -> Result<Published, ClientError> {
        let path = String::from("/v1/broadcast") + &self.priority_alone();
        self.parse(self.send_body(&path, body, self.timeout).await?)
    }

    /// Listens. When this returns the subscription is in force; dropping [`Messages`] ends it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn listen(&self, options: &ListenOptions) -> Result<Messages, ClientError> {
        let mut pairs: Vec<(&str, &str)> = options.topics.iter().map(|topic| ("topic", topic.as_str())).collect();
        if options.unicast {
            pairs.push(("unicast", "1"));
        }
        match &options.reply {
            Reply::Empty => {}
            Reply::Text(text) => pairs.push(("reply", text)),
            Reply::Echo => pairs.push(("echo", "1")),
            Reply::Later => pairs.push(("reply_later", "1")),
        }
        let body = connection::stream(&self.place, Method::POST, &path::with_query("/v1/listen", &pairs), self.timeout)
            .await?;
        Ok(Messages::new(body, self.place.address.clone()))
    }

    /// Answers a request by the name that came with its message, see [`Reply::Later`].
    ///
    /// # Errors
    /// [`ClientError`]; [`ErrorCode::NotFound`] when nobody waits for it any more.
    pub async fn answer(&self, request: &str, body: Bytes) -> Result<(), ClientError> {
        self.send_body(&format!("/v1/requests/{}", escape(request)), body, self.timeout).await.map(drop)
    }

    /// Refuses a request by the name that came with its message.
    ///
    /// # Errors
    /// As [`Client::answer`].
    pub async fn decline(&self, request: &str) -> Result<(), ClientError> {
        let path = format!("/v1/requests/{}", escape(request));
        self.call(Method::DELETE, &path, Bytes::new(), self.timeout).await.map(drop)
    }

    /// Every key of the configuration in force, and what waits for the next start.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn configuration(&self) -> Result<Vec<ConfigurationKey>, ClientError> {
        self.read("/v1/config").await
    }

    /// How the audit log fares.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn audit(&self) -> Result<AuditStatus, ClientError> {
        self.read("/v1/audit").await
    }

    /// Audit events from now on, of these kinds or of all; each a JSON object.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn events(&self, kinds: &[String]) -> Result<Lines<serde_json::Value>, ClientError> {
        let pairs: Vec<_> = kinds.iter().map(|kind| ("kind", kind.as_str())).collect();
        let path = path::with_query("/v1/events", &pairs);
        let body = connection::stream(&self.place, Method::GET, &path, self.timeout).await?;
        Ok(Lines::new(body, self.place.address.clone()))
    }

    /// Whether the node's event loop turns.
    ///
    /// # Errors
    /// [`ClientError`] when it cannot be asked; an unhealthy node is an answer.
    pub async fn livez(&self) -> Result<Health, ClientError> {
        self.health("/livez?verbose").await
    }

    /// Whether the node does its work.
    ///
    /// # Errors
    /// [`ClientError`] when it cannot be asked; a node that is not ready is an answer.
    pub async fn readyz(&self) -> Result<Health, ClientError> {
        self.health("/readyz?verbose").await
    }

    async fn health(&self, path: &str) -> Result<Health, ClientError> {
        let answer = connection::call(&self.place, Method::GET, path, Bytes::new(), self.timeout).await?;
        self.parse(answer)
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.parse(self.call(Method::GET, path, Bytes::new(), self.timeout).await?)
    }

    async fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|source| self.unreadable(source))?;
        self.parse(self.call(method, path, body.into(), self.timeout).await?)
    }

    /// A body over the limit is refused here: the node hangs up on it, and that reads as a broken connection.
    async fn send_body(&self, path: &str, body: Bytes, timeout: Duration) -> Result<Answer, ClientError> {
        if body.len() > nuncio_protocol::MAX_BODY {
            let message = format!("body of {} bytes is over the limit of {}", body.len(), nuncio_protocol::MAX_BODY);
            return Err(ClientError::Failed(Failure::new(ErrorCode::TooLarge, message)));
        }
        self.call(Method::POST, path, body, timeout).await
    }

    async fn call(&self, method: Method, path: &str, body: Bytes, timeout: Duration) -> Result<Answer, ClientError> {
        connection::call(&self.place, method, path, body, timeout).await?.successful(&self.place.address)
    }

    fn parse<T: DeserializeOwned>(&self, answer: Answer) -> Result<T, ClientError> {
        serde_json::from_slice(&answer.body).map_err(|source| self.unreadable(source))
    }

    fn unreadable(&self, source: serde_json::Error) -> ClientError {
        ClientError::Unreadable { address: self.place.address.clone(), source }
    }
}

#[cfg(test)]
mod tests;
