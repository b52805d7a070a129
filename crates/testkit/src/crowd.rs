//! Strangers that crowd a port on loopback: many connections from many addresses, none of which makes an end.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
};

/// Between the bytes of those who drip.
const DRIP: Duration = Duration::from_millis(500);

/// Until one who was cut comes again.
const PAUSE: Duration = Duration::from_secs(2);

/// Connections that are opened again whenever they are cut, until the crowd is told to calm down. All end when dropped.
#[derive(Debug)]
pub struct Crowd {
    strangers: JoinSet<()>,
    goes_on: watch::Sender<bool>,
}

impl Crowd {
    /// So many connections to the port from 127.0.0.2 and the following addresses. Every second one stays silent; the
    /// others say `opening`, then a byte every half second. Returns when each has been open once.
    ///
    /// # Panics
    /// When there are no addresses, or not every stranger finds its way to the port.
    pub async fn gather(port: SocketAddr, addresses: u8, connections: usize, opening: &'static [u8]) -> Self {
        let (goes_on, _) = watch::channel(true);
        let (opened, mut all_opened) = mpsc::channel(connections.max(1));
        let hosts = (0..addresses).map(|host| Ipv4Addr::new(127, 0, 0, 2 + host)).cycle();
        let mut strangers = JoinSet::new();
        for (number, host) in hosts.take(connections).enumerate() {
            let opening = (number % 2 == 1).then_some(opening);
            strangers.spawn(come_again(host, port, opening, opened.clone(), goes_on.subscribe()));
        }
        for _ in 0..connections {
            all_opened.recv().await.expect("every stranger connects");
        }
        Self { strangers, goes_on }
    }

    /// Lets nobody come again, and waits until the port has cut every connection.
    ///
    /// # Panics
    /// When a stranger's task has panicked.
    pub async fn is_cut(mut self) {
        self.goes_on.send_replace(false);
        while let Some(stranger) = self.strangers.join_next().await {
            stranger.expect("a stranger does not panic");
        }
    }
}

async fn come_again(
    host: Ipv4Addr,
    port: SocketAddr,
    opening: Option<&'static [u8]>,
    opened: mpsc::Sender<()>,
    mut goes_on: watch::Receiver<bool>,
) {
    let mut first = Some(opened);
    while *goes_on.borrow() {
        if let Ok(socket) = connect(host, port).await {
            if let Some(opened) = first.take() {
                let _ = opened.send(()).await;
            }
            // However it ends, it has ended.
            let _ = until_cut(socket, opening).await;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = goes_on.changed() => {}
        }
    }
}

async fn connect(host: Ipv4Addr, port: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((host, 0).into())?;
    socket.connect(port).await
}

async fn until_cut(socket: TcpStream, opening: Option<&[u8]>) -> io::Result<()> {
    let (mut reader, mut writer) = socket.into_split();
    let mut buffer = [0; 64];
    if let Some(opening) = opening {
        writer.write_all(opening).await?;
    }
    loop {
        tokio::select! {
            read = reader.read(&mut buffer) => if read? == 0 { return Ok(()) },
            () = tokio::time::sleep(DRIP), if opening.is_some() => writer.write_all(b"x").await?,
        }
    }
}
