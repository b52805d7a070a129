//! What a client is told once, when it is built.

use std::time::Duration;

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) client_type: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) silence: Duration,
    pub(crate) backoff: (Duration, Duration),
    pub(crate) queue_messages: usize,
    pub(crate) queue_bytes: usize,
    pub(crate) max_in_flight: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_type: concat!("nuncio-channel-client/", env!("CARGO_PKG_VERSION")).into(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            backoff: (Duration::from_millis(250), Duration::from_secs(10)),
            queue_messages: 256,
            queue_bytes: 32 << 20,
            max_in_flight: 1024,
        }
    }
}
