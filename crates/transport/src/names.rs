//! Peers' names, by the system's files as they are when a name is dialled.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use hickory_resolver::{
    config::{ResolverConfig, ResolverOpts},
    system_conf::read_system_conf,
};
use libp2p::{
    Multiaddr, Transport,
    core::transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    dns,
    multiaddr::Protocol,
};

/// A transport to whose addresses names lead.
///
/// A resolver reads the system's files once. A node that starts before its network is configured, or lives longer than
/// that, would never find a name: so the resolver is made anew when one of its files has changed.
///
/// Of a name that others gave only [`TRIED`] addresses are tried: whoever has the name can have it stand for any number of
/// others' machines. Such a dial says whom it expects; one of what an operator wrote does not.
pub(crate) struct Names<T> {
    files: Files,
    found: (ResolverConfig, ResolverOpts),
    shared: Shared<T>,
    named: dns::tokio::Transport<Shared<T>>,
}

/// As many as a machine may have in several networks, of both kinds.
const TRIED: usize = 4;

/// What a resolver is made of, and how.
struct Files {
    paths: Vec<PathBuf>,
    seen: Vec<Option<Version>>,
    read: fn(&[PathBuf]) -> (ResolverConfig, ResolverOpts),
}

/// Tells one content of a file from the next: its number, length and times of change.
#[derive(Debug, PartialEq, Eq)]
struct Version([i64; 4], u64, u64);

impl<T> Names<T>
where
    T: Transport + Send + Unpin + 'static,
    T::Error: Send,
    T::Dial: Send,
{
    /// By the system's name servers and hosts file.
    pub(crate) fn of_system(inner: T) -> Self {
        Self::new(inner, Files::new(["/etc/resolv.conf", "/etc/hosts"].map(PathBuf::from).into(), |_| system()))
    }

    fn new(inner: T, files: Files) -> Self {
        let shared = Shared { inner: Arc::new(Mutex::new(inner)), left: None };
        let found = (files.read)(&files.paths);
        let named = shared.clone().named(&found);
        Self { files, found, shared, named }
    }
}

impl<T> Transport for Names<T>
where
    T: Transport + Send + Unpin + 'static,
    T::Error: Send,
    T::Dial: Send,
{
    type Output = T::Output;
    type Error = dns::Error<T::Error>;
    type ListenerUpgrade = <dns::tokio::Transport<Shared<T>> as Transport>::ListenerUpgrade;
    type Dial = <dns::tokio::Transport<Shared<T>> as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<Self::Error>> {
        self.named.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.named.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, how: DialOpts) -> Result<Self::Dial, TransportError<Self::Error>> {
        if !has_name(&address) {
            return self.named.dial(address, how);
        }
        if let Some(found) = self.files.read_if_changed() {
            // Dials that are under way keep the one they have.
            self.named = self.shared.clone().named(&found);
            self.found = found;
        }
        if !matches!(address.iter().last(), Some(Protocol::P2p(_))) {
            return self.named.dial(address, how);
        }
        Shared { left: Some(TRIED), ..self.shared.clone() }.named(&self.found).dial(address, how)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        Pin::new(&mut self.named).poll(cx)
    }
}

fn has_name(address: &Multiaddr) -> bool {
    let is_name =
        |part| matches!(part, Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_));
    address.iter().any(is_name)
}

impl Files {
    fn new(paths: Vec<PathBuf>, read: fn(&[PathBuf]) -> (ResolverConfig, ResolverOpts)) -> Self {
        // Looked at before they are read: what changes in between is read once more.
        let seen = paths.iter().map(|path| Version::of(path)).collect();
        Self { paths, seen, read }
    }

    fn read_if_changed(&mut self) -> Option<(ResolverConfig, ResolverOpts)> {
        let found: Vec<_> = self.paths.iter().map(|path| Version::of(path)).collect();
        if found == self.seen {
            return None;
        }
        self.seen = found;
        tracing::info!("the system's name servers or hosts file have changed: names are looked up by them from now on");
        Some((self.read)(&self.paths))
    }
}

impl Version {
    /// `None` while there is no such file.
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
        Some(Self(times, found.ino(), found.len()))
    }
}

/// The system's name servers, without a cache: after a peer has moved, its old address must not be dialled until the
/// record's lifetime is over. Without a readable resolv.conf the hosts file still works.
fn system() -> (ResolverConfig, ResolverOpts) {
    let (servers, mut options) = read_system_conf().unwrap_or_else(|error| {
        tracing::warn!(%error, "no name servers in /etc/resolv.conf: peer names resolve by the hosts file only");
        (ResolverConfig::from_parts(None, Vec::new(), Vec::new()), ResolverOpts::default())
    });
    options.cache_size = 0;
    options.attempts = options.attempts.clamp(1, 2);
    options.timeout = options.timeout.clamp(Duration::from_secs(1), Duration::from_secs(5));
    (servers, options)
}

/// The transport below, for each resolver that there was.
pub(crate) struct Shared<T> {
    inner: Arc<Mutex<T>>,
    /// Dials that may still be made.
    left: Option<usize>,
}

impl<T> Shared<T> {
    fn inner(&self) -> MutexGuard<'_, T> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With names that lead there.
    fn named(self, (servers, options): &(ResolverConfig, ResolverOpts)) -> dns::tokio::Transport<Self> {
        dns::tokio::Transport::custom(self, servers.clone(), options.clone())
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), left: self.left }
    }
}

impl<T: Transport + Unpin> Transport for Shared<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<Self::Error>> {
        self.inner().listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner().remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, how: DialOpts) -> Result<Self::Dial, TransportError<Self::Error>> {
        if let Some(left) = &mut self.left {
            let Some(rest) = left.checked_sub(1) else { return Err(TransportError::MultiaddrNotSupported(address)) };
            *left = rest;
        }
        self.inner().dial(address, how)
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        Pin::new(&mut *self.inner()).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Ready, ready},
        io,
        net::{Ipv4Addr, UdpSocket},
        sync::atomic::{AtomicUsize, Ordering},
    };

    use hickory_resolver::config::NameServerConfig;
    use libp2p::core::{
        Endpoint,
        transport::{MemoryTransport, PortUse},
    };

    use super::*;

    /// A name server that knows these addresses for every name, until the test ends; gives its port.
    fn name_server(addresses: impl IntoIterator<Item = Ipv4Addr>) -> u16 {
        let addresses: Vec<Ipv4Addr> = addresses.into_iter().collect();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                socket.send_to(&answer(&query[..length], &addresses), from).unwrap();
            }
        });
        port
    }

    /// RFC 1035, 4.1: the question once more, and for an A question its answers.
    fn answer(query: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
        let name = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap();
        let question = &query[12..name + 5];
        let is_a = question[question.len() - 3] == 1;
        let addresses = if is_a { addresses } else { &[] };
        let mut answer = [&query[..2], &[0x81, 0x80, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0], question].concat();
        for address in addresses {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend(address.octets());
        }
        answer
    }

    /// As the system's, but the file holds the port of a name server on this host.
    fn read(paths: &[PathBuf]) -> (ResolverConfig, ResolverOpts) {
        let port = fs::read_to_string(&paths[0]).ok().map(|text| text.parse().unwrap());
        let server = port.map(|port| {
            let mut server = NameServerConfig::udp(Ipv4Addr::LOCALHOST.into());
            server.connections[0].port = port;
            server
        });
        (ResolverConfig::from_name_servers(server.into_iter().collect()), ResolverOpts::default())
    }

    /// What a dialled name led to, which the transport below does not know.
    async fn dialled(names: &mut Names<MemoryTransport>) -> String {
        let how = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        let address = "/dns4/peer.example/tcp/30300".parse().unwrap();
        names.dial(address, how).unwrap().await.err().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_name_is_looked_up_by_the_files_as_they_are_now() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("resolv.conf");
        let mut names = Names::new(MemoryTransport::default(), Files::new(vec![path.clone()], read));
        let none = dialled(&mut names).await;
        assert!(!none.contains("/ip4/"), "nobody knows it yet: {none}");
        for address in [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)] {
            fs::write(&path, name_server([address]).to_string()).unwrap();
            let found = dialled(&mut names).await;
            assert!(found.contains(&format!("/ip4/{address}/tcp/30300")), "{found}");
        }
    }

    /// Leads nowhere, and counts who tries.
    #[derive(Clone, Default)]
    struct Nowhere(Arc<AtomicUsize>);

    impl Transport for Nowhere {
        type Output = ();
        type Error = io::Error;
        type ListenerUpgrade = Ready<io::Result<()>>;
        type Dial = Ready<io::Result<()>>;

        fn listen_on(&mut self, _: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
            Err(TransportError::MultiaddrNotSupported(address))
        }

        fn remove_listener(&mut self, _: ListenerId) -> bool {
            false
        }

        fn dial(&mut self, _: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(ready(Err(io::ErrorKind::ConnectionRefused.into())))
        }

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn of_a_name_that_others_gave_few_addresses_are_tried() {
        let (directory, nowhere) = (tempfile::tempdir().unwrap(), Nowhere::default());
        let path = directory.path().join("resolv.conf");
        fs::write(&path, name_server((1..=12).map(|last| Ipv4Addr::new(10, 0, 0, last))).to_string()).unwrap();
        let mut names = Names::new(nowhere.clone(), Files::new(vec![path], read));
        let how = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        for (whom, tried) in [("", 12), ("/p2p/16Uiu2HAmBJaBC3u7umm1r4gw3c8hVXgsPiXsPjYD7hecsB9UrZDj", TRIED)] {
            for address in ["/dns/peer.example/tcp/1", "/dns4/peer.example/tcp/1"] {
                names.dial(format!("{address}{whom}").parse().unwrap(), how).unwrap().await.unwrap_err();
                assert_eq!(nowhere.0.swap(0, Ordering::Relaxed), tried, "{address}{whom}");
            }
        }
    }

    #[test]
    fn only_names_are_looked_up() {
        let named = [
            "/dns/a/tcp/1",
            "/dns4/a/tcp/1",
            "/dns6/a/tcp/1/p2p/16Uiu2HAmBJaBC3u7umm1r4gw3c8hVXgsPiXsPjYD7hecsB9UrZDj",
        ];
        assert!(named.iter().all(|address| has_name(&address.parse().unwrap())));
        assert!(!has_name(&"/ip4/127.0.0.1/tcp/1".parse().unwrap()));
    }
}
