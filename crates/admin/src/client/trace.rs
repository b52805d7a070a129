use std::time::Duration;

use bytes::Bytes;

use nuncio_protocol::Priority;

use super::{Client, ClientError, path::escape};
use crate::api::Trace;

/// How long reports are awaited after the request has ended.
const LINGER: Duration = Duration::from_secs(1);

impl Client {
    /// The same client, all of whose requests are in this trace: W3C Trace Context. The application that gets a unicast learns it.
    #[must_use]
    pub fn in_trace(mut self, parent: &str) -> Self {
        self.place.trace_parent = Some(parent.into());
        self
    }

    /// The same client, whose unicasts, multicasts and broadcasts are as urgent as this says.
    #[must_use]
    pub const fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// A node of a release before priorities knows no such parameter.
    pub(super) fn priority(&self) -> String {
        match self.priority {
            Priority::Normal => String::new(),
            priority => format!("&priority={priority}"),
        }
    }

    /// The same where nothing else is asked.
    pub(super) fn priority_alone(&self) -> String {
        self.priority().replacen('&', "?", 1)
    }

    /// As [`Client::unicast`], and tells which way the request went; that it has ended without a reply is told there, too.
    ///
    /// # Errors
    /// [`ClientError`] when nothing was sent.
    pub async fn trace(&self, node: &str, body: Bytes, timeout: Duration) -> Result<Trace, ClientError> {
        let path = format!("/v1/trace/{}?timeout_ms={}{}", escape(node), timeout.as_millis(), self.priority());
        let limit = self.timeout.saturating_add(timeout).saturating_add(LINGER);
        self.parse(self.send_body(&path, body, limit).await?)
    }

    /// The same with an empty request that the node answers itself.
    ///
    /// # Errors
    /// As [`Client::trace`], and when the node is known to run a release that answers no such request.
    pub async fn probe(&self, node: &str, timeout: Duration) -> Result<Trace, ClientError> {
        let path = format!("/v1/trace/{}?timeout_ms={}&probe=true", escape(node), timeout.as_millis());
        let limit = self.timeout.saturating_add(timeout).saturating_add(LINGER);
        self.parse(self.send_body(&path, Bytes::new(), limit).await?)
    }
}
