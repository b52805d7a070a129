//! The client's task: a connection, and another one when it is lost.

use std::{sync::Arc, time::Duration};

use nuncio_channel_protocol::Frame;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Attempt, Status,
    backoff::Backoff,
    connection::Connection,
    dial::Dial,
    session::{self, Ended},
    shared::Shared,
};

/// A connection that lived this long was a good one: the back-off starts anew.
const GOOD: Duration = Duration::from_secs(10);

pub(crate) struct Driver {
    dial: Box<dyn Dial>,
    nodes: Vec<String>,
    /// The node to try next.
    next: usize,
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Frame>,
    stop: CancellationToken,
}

impl Driver {
    pub(crate) fn new(
        dial: Box<dyn Dial>,
        nodes: Vec<String>,
        shared: Arc<Shared>,
        requests: mpsc::Receiver<Frame>,
        stop: CancellationToken,
    ) -> Self {
        Self { dial, nodes, next: 0, shared, requests, stop }
    }

    /// Tries every node once and takes the first that serves.
    pub(crate) async fn round(&mut self) -> Result<Connection, Vec<Attempt>> {
        let mut attempts = Vec::new();
        for _ in 0..self.nodes.len() {
            let node = &self.nodes[self.next];
            self.next = (self.next + 1) % self.nodes.len();
            match Connection::open(&*self.dial, node, self.shared.seqs.next(), &self.shared.options).await {
                Ok(connection) => {
                    self.shared.status.send_replace(Status::Connected {
                        node: connection.node.clone(),
                        node_version: connection.node_version.clone(),
                        protocol: connection.protocol,
                        priorities: connection.priorities,
                    });
                    return Ok(connection);
                }
                Err(error) => attempts.push(Attempt { node: node.clone(), error }),
            }
        }
        Err(attempts)
    }

    /// Serves until the client is closed; tries to connect first if it has no connection yet.
    pub(crate) async fn run(mut self, first: Option<Connection>) {
        let mut backoff = Backoff::new(self.shared.options.backoff);
        let mut connection = match first {
            None => self.reconnect(&mut backoff).await,
            first => first,
        };
        while let Some(current) = connection {
            let (node, since) = (current.node.clone(), Instant::now());
            tracing::info!(node, protocol = %current.protocol, "connected");
            let ended = session::run(current, &self.shared, &mut self.requests, &self.stop).await;
            connection = match ended {
                Ended::Stopped => None,
                Ended::Lost(loss) => {
                    self.shared.pending.lose_sent();
                    tracing::warn!(node, reason = %loss, "connection lost");
                    self.reconnecting(format!("{node}: {loss}"));
                    if since.elapsed() >= GOOD {
                        backoff.reset();
                    }
                    self.reconnect(&mut backoff).await
                }
            };
        }
        self.requests.close();
        self.shared.status.send_replace(Status::Closed);
        self.shared.registry.clear();
        self.shared.pending.lose_all();
    }

    /// Tries until a node serves; `None` when the client is closed.
    async fn reconnect(&mut self, backoff: &mut Backoff) -> Option<Connection> {
        let stop = self.stop.clone();
        loop {
            let tried = async {
                sleep(backoff.delay()).await;
                self.round().await
            };
            let outcome = tokio::select! {
                outcome = tried => outcome,
                () = stop.cancelled() => return None,
            };
            match outcome {
                Ok(connection) => return Some(connection),
                Err(attempts) => {
                    for attempt in &attempts {
                        tracing::debug!(node = attempt.node, reason = %attempt.error, "cannot connect");
                    }
                    let lines: Vec<String> = attempts.iter().map(Attempt::to_string).collect();
                    self.reconnecting(lines.join("; "));
                }
            }
        }
    }

    fn reconnecting(&self, reason: String) {
        self.shared.status.send_replace(Status::Reconnecting { reason });
    }
}
