//! A link to one victim: all streams of the overlay, and what keeps it up while an attack goes on.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{
    Multiaddr, PeerId,
    core::{
        muxing::{StreamMuxerBox, SubstreamBox},
        transport::Boxed,
    },
};
use multistream_select::listener_select_proto;
use nuncio_identity::NodeId;
use nuncio_wire::{
    amop, announcement,
    length_prefixed::{self, Frame},
    multicast, status,
    unicast::{self, Frame as UnicastFrame},
};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};

use crate::{
    connection::{Connection, Stream},
    heard::Heard,
    member::Member,
    meshsub::{self, Rpc},
};

/// What it answers whoever asks for its status.
pub(crate) type Answers = Arc<dyn Fn(NodeId) -> Vec<u8> + Send + Sync>;

/// Every so many seconds it says that its gossip lives, and which version it is at.
const PULSE: u64 = 3;
const ANNOUNCE: u64 = 2;

pub(crate) struct Link {
    pub(crate) victim: NodeId,
    pub(crate) member: Arc<Member>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) unicast: Out,
    pub(crate) unicast_large: Out,
    pub(crate) bridge: Out,
    pub(crate) bridge_large: Out,
    pub(crate) gossip: Out,
    pub(crate) gossip_large: Out,
    ears: Arc<Ears>,
    tasks: JoinSet<()>,
}

/// A stream to write to.
#[derive(Clone)]
pub(crate) struct Out(Arc<Mutex<Stream>>);

/// What it hears, and does with it.
pub(crate) struct Ears {
    victim: NodeId,
    member: Arc<Member>,
    answers: Answers,
    is_deaf: AtomicBool,
    victim_epoch: AtomicU64,
    pub(crate) heard: Heard,
}

impl Out {
    async fn open(connection: &Connection, protocol: &'static str) -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(connection.open(protocol).await?))))
    }

    pub(crate) async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stream = self.0.lock().await;
        stream.write_all(bytes).await?;
        stream.flush().await
    }
}

impl Link {
    /// Links as an honest member would.
    pub(crate) async fn open(
        member: &Arc<Member>,
        transport: &mut Boxed<(PeerId, StreamMuxerBox)>,
        address: Multiaddr,
        answers: Answers,
    ) -> anyhow::Result<Self> {
        let (taken, incoming) = mpsc::channel(64);
        let connection = Arc::new(Connection::dial(transport, address, taken).await?);
        let victim = connection.peer;
        let ears = Arc::new(Ears {
            victim,
            member: member.clone(),
            answers,
            is_deaf: AtomicBool::new(false),
            victim_epoch: AtomicU64::new(0),
            heard: Heard::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(ears.clone(), incoming));
        let open = |protocol| Out::open(&connection, protocol);
        let link = Self {
            unicast: open(unicast::PROTOCOL).await?,
            unicast_large: open(unicast::LARGE_PROTOCOL).await?,
            bridge: open(amop::PROTOCOL).await?,
            bridge_large: open(amop::LARGE_PROTOCOL).await?,
            gossip: open(meshsub::SHORT).await?,
            gossip_large: open(meshsub::LONG).await?,
            victim,
            member: member.clone(),
            connection,
            ears,
            tasks,
        };
        link.greet().await?;
        Ok(link.kept_up())
    }

    async fn greet(&self) -> io::Result<()> {
        let mut hello = BytesMut::new();
        let frame = UnicastFrame::Hello { epoch: self.member.epoch };
        unicast::encode_frame(frame, self.victim, &self.member.context, &mut hello);
        self.unicast.send(&hello).await?;
        for topic in [announcement::TOPIC, multicast::BROADCAST, meshsub::PULSE] {
            let subscription = Rpc::subscribe(topic, true).framed();
            self.gossip.send(&subscription).await?;
            self.gossip_large.send(&subscription).await?;
        }
        Ok(())
    }

    fn kept_up(mut self) -> Self {
        for out in [&self.unicast, &self.unicast_large, &self.bridge, &self.bridge_large].map(Clone::clone) {
            self.tasks.spawn(async move {
                while out.send(&[0; 4]).await.is_ok() {
                    second().await
                }
            });
        }
        for out in [self.gossip.clone(), self.gossip_large.clone()] {
            let member = self.member.clone();
            self.tasks.spawn(async move {
                for number in 0_u64.. {
                    let pulse = [member.node().as_bytes().as_slice(), &number.to_be_bytes()].concat();
                    if out.send(&Rpc::publish(meshsub::PULSE, pulse).framed()).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_secs(PULSE)).await;
                }
            });
        }
        let (out, member) = (self.gossip.clone(), self.member.clone());
        self.tasks.spawn(async move {
            while out.send(&Rpc::publish(announcement::TOPIC, member.announcement()).framed()).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(ANNOUNCE)).await;
            }
        });
        self
    }

    pub(crate) fn heard(&self) -> &Heard {
        &self.ears.heard
    }

    /// In which epoch the victim runs; 0 before it has said so.
    pub(crate) fn victim_epoch(&self) -> u64 {
        self.ears.victim_epoch.load(Ordering::Relaxed)
    }

    /// From now on it reads nothing.
    pub(crate) fn deafen(&self) {
        self.ears.is_deaf.store(true, Ordering::Relaxed);
    }
}

async fn second() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

async fn listen(ears: Arc<Ears>, mut incoming: mpsc::Receiver<SubstreamBox>) {
    let mut streams = JoinSet::new();
    while let Some(stream) = incoming.recv().await {
        let ears = ears.clone();
        streams.spawn(async move {
            // The victim ends it, or says what nobody asked it.
            let _ = ears.hear(stream).await;
        });
        while streams.try_join_next().is_some() {}
    }
}

impl Ears {
    async fn hear(&self, stream: SubstreamBox) -> io::Result<()> {
        let known = [
            status::PROTOCOL,
            meshsub::SHORT,
            meshsub::LONG,
            unicast::PROTOCOL,
            unicast::LARGE_PROTOCOL,
            amop::PROTOCOL,
            amop::LARGE_PROTOCOL,
        ];
        let (protocol, mut stream) = listener_select_proto(stream, known).await.map_err(io::Error::other)?;
        if protocol == status::PROTOCOL {
            return self.answer(stream).await;
        }
        let (mut chunk, mut buffer) = (vec![0; 16 << 10], BytesMut::new());
        loop {
            if self.is_deaf.load(Ordering::Relaxed) {
                // Kept open, and never read.
                return std::future::pending().await;
            }
            let read = stream.read(&mut chunk).await?;
            if read == 0 {
                return Ok(());
            }
            match protocol {
                unicast::PROTOCOL => {
                    buffer.extend_from_slice(&chunk[..read]);
                    self.hear_unicast(&mut buffer);
                }
                meshsub::SHORT => {
                    buffer.extend_from_slice(&chunk[..read]);
                    self.heard.gossip(&mut buffer);
                }
                _ => {}
            }
        }
    }

    fn hear_unicast(&self, buffer: &mut BytesMut) {
        while let Ok(Some(frame)) = length_prefixed::decode(buffer) {
            let Frame::Message { header, body } = frame else { continue };
            if let Ok(UnicastFrame::Hello { epoch }) =
                unicast::decode_frame(header, body, self.victim, &self.member.context)
            {
                self.victim_epoch.store(epoch, Ordering::Relaxed);
            }
        }
    }

    async fn answer(&self, mut stream: Stream) -> io::Result<()> {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await?;
        let mut query = vec![0; (u32::from_be_bytes(length) as usize).min(status::MAX_QUERY)];
        stream.read_exact(&mut query).await?;
        let answer = match status::decode_query(Bytes::from(query)) {
            Ok((nuncio_protocol::status_sync::Query::Revocations { .. }, _)) => {
                status::encode_revocations_answer(&[], &[])
            }
            _ => (self.answers)(self.victim),
        };
        stream.write_all(&(answer.len() as u32).to_be_bytes()).await?;
        stream.write_all(&answer).await?;
        stream.close().await
    }
}
