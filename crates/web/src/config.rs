use std::{net::SocketAddr, sync::Arc};

use crate::Tokens;

/// Where the door listens, and how many it lets in. How long it waits, and what clients may hold, is its gateway's to say.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Its port; 0 takes a free one.
    pub listen: SocketAddr,
    /// The origins, as `https://shop.example`, whose pages may come in by a browser. None by default: whoever says that a page
    /// sends him is refused.
    pub origins: Vec<String>,
    /// Those who may come in without a certificate; `None`, as by default, for nobody.
    pub tokens: Option<Arc<dyn Tokens>>,
    /// Whether connections are TLS, as by default. Without it tokens and messages can be read on their way: for a loopback
    /// address, behind something that speaks TLS. Nobody shows a certificate then.
    pub tls: bool,
    /// How many it lets in.
    pub limits: Limits,
}

/// How many a door lets in; whoever comes beyond is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections from one address.
    pub connections_per_address: usize,
    /// Who may stand at the port while its handshake is not done.
    pub door: nuncio_door::Limits,
}

impl Config {
    /// A door with every default.
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, origins: Vec::new(), tokens: None, tls: true, limits: Limits::default() }
    }
}

impl Limits {
    /// So many connections, three quarters of them from one address; and at the door what the two numbers say.
    pub const fn new(connections: usize, door: nuncio_door::Limits) -> Self {
        let per_address = connections / 4 * 3;
        Self { connections, connections_per_address: if per_address == 0 { 1 } else { per_address }, door }
    }
}

/// 512 connections; 256 handshakes of strangers at once, 16 connections a second of each source, 512 saved up.
impl Default for Limits {
    fn default() -> Self {
        Self::new(512, nuncio_door::Limits::new(256, 16, 512))
    }
}
