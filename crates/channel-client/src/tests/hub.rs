//! A node for several clients: unicasts go to the subscribers of their topic in turn, as at a real one.

use std::collections::{BTreeMap, BTreeSet};

use nuncio_channel_protocol::{TopicVerdict, TopicVerification};
use tokio::sync::watch;

use super::*;
use crate::Pool;

/// How long one subscriber may take.
const CANDIDATE: Duration = Duration::from_secs(2);

/// Clients connect to it by [`Hub::client`].
pub(super) struct Hub {
    net: Net,
    events: mpsc::Sender<Event>,
    topics: watch::Receiver<BTreeSet<String>>,
    verdicts: mpsc::Receiver<TopicVerdict>,
}

enum Event {
    Came(u64, mpsc::Sender<Frame>),
    Frame(u64, Frame),
    Gone(u64),
    Overdue(FrameSeq),
    /// Hangs up on every client that subscribes this topic.
    Cut(String),
    /// Asks whoever subscribes this topic.
    Ask(String, TopicVerification),
}

struct State {
    verdicts: mpsc::Sender<TopicVerdict>,
    sessions: BTreeMap<u64, Session>,
    pending: HashMap<FrameSeq, Pending>,
    count: u128,
    turn: usize,
}

struct Session {
    output: mpsc::Sender<Frame>,
    topics: Vec<String>,
}

struct Pending {
    publisher: u64,
    subscriber: u64,
    left: Vec<u64>,
    request: Frame,
}

impl Hub {
    pub(super) fn new() -> Self {
        let net = Net::default();
        let mut ports = [net.listen("hub:1"), net.listen("hub:2")];
        let (events, mut inbox) = mpsc::channel(64);
        let own = events.clone();
        let (told, topics) = watch::channel(BTreeSet::new());
        let (verdict, verdicts) = mpsc::channel(64);
        tokio::spawn(async move {
            let mut state =
                State { verdicts: verdict, sessions: BTreeMap::new(), pending: HashMap::new(), count: 0, turn: 0 };
            while let Some(event) = inbox.recv().await {
                state.handle(event, &own).await;
                told.send_replace(state.sessions.values().flat_map(|session| session.topics.clone()).collect());
            }
        });
        let accepting = events.clone();
        tokio::spawn(async move {
            let mut id = 0;
            loop {
                let [first, second] = &mut ports;
                let stream = tokio::select! {
                    Some(stream) = first.streams.recv() => stream,
                    Some(stream) = second.streams.recv() => stream,
                    else => return,
                };
                id += 1;
                tokio::spawn(serve(id, Framed::new(stream, FrameCodec::default()), accepting.clone()));
            }
        });
        Self { net, events, topics, verdicts }
    }

    pub(super) async fn client(&self) -> Client {
        self.net.connect(Client::builder().node("hub:1")).await
    }

    /// Two connections, as to two nodes.
    pub(super) async fn pool(&self) -> Pool {
        let (builder, net) = (Client::builder().node("hub:1").node("hub:2"), self.net.clone());
        builder.connect_all_with(move || Box::new(net.clone())).await.unwrap()
    }

    pub(super) async fn cut(&self, topic: &str) {
        let _ = self.events.send(Event::Cut(topic.into())).await;
    }

    /// Lets a private topic's publisher challenge a channel, as a node does that asks no further; its verdict.
    pub(super) async fn challenge(&mut self, topic: &str, channel: &str) -> bool {
        let asked = TopicVerification { node: "abab".into(), topic: topic.into(), channel: channel.into() };
        let _ = self.events.send(Event::Ask(format!("#!$PushChannel_{topic}"), asked)).await;
        soon(self.verdicts.recv()).await.unwrap().is_accepted()
    }

    /// Waits until somebody subscribes a topic that begins so.
    pub(super) async fn topic(&self, beginning: &str) -> String {
        self.topic_but(beginning, "").await
    }

    /// Waits until somebody subscribes a topic that begins so and is not `former`.
    pub(super) async fn topic_but(&self, beginning: &str, former: &str) -> String {
        let found = |topics: &BTreeSet<String>| {
            topics.iter().find(|topic| topic.starts_with(beginning) && *topic != former).cloned()
        };
        let mut topics = self.topics.clone();
        let topics = topics.wait_for(|topics| found(topics).is_some()).await.unwrap();
        found(&topics).unwrap()
    }
}

async fn serve(id: u64, mut frames: Framed<DuplexStream, FrameCodec>, events: mpsc::Sender<Event>) {
    let (output, mut outgoing) = mpsc::channel(256);
    let mut came = Some(output);
    loop {
        let frame = tokio::select! {
            frame = frames.next() => frame,
            frame = outgoing.recv(), if came.is_none() => match frame {
                Some(frame) => {
                    let _ = frames.send(frame).await;
                    continue;
                }
                None => None,
            },
        };
        let Some(Ok(frame)) = frame else { break };
        let answer = match frame.kind {
            FrameKind::Handshake => {
                let _ = events.send(Event::Came(id, came.take().unwrap())).await;
                let answer =
                    HandshakeAnswer { node_version: "2.9.1".into(), protocol: ProtocolVersion::V3, priorities: false };
                frame.answer(FrameKind::Handshake, ResultCode::OK, answer.encode())
            }
            FrameKind::Heartbeat => {
                let body = heartbeat::answer(ProtocolVersion::V3, &frame.body).unwrap();
                frame.answer(FrameKind::Heartbeat, ResultCode::OK, body)
            }
            _ => {
                let _ = events.send(Event::Frame(id, frame)).await;
                continue;
            }
        };
        let _ = frames.send(answer).await;
    }
    let _ = events.send(Event::Gone(id)).await;
}

impl State {
    async fn handle(&mut self, event: Event, events: &mpsc::Sender<Event>) {
        match event {
            Event::Came(id, output) => drop(self.sessions.insert(id, Session { output, topics: Vec::new() })),
            Event::Frame(id, frame) => match frame.kind {
                FrameKind::Subscribe => {
                    self.sessions.get_mut(&id).unwrap().topics = TopicList::decode(&frame.body, 512).unwrap().topics;
                }
                FrameKind::Unicast => self.publish(id, frame, events).await,
                FrameKind::Answer => self.answer(id, frame, events).await,
                FrameKind::TopicVerified => {
                    let _ = self.verdicts.send(TopicVerdict::decode(&frame.body).unwrap()).await;
                }
                FrameKind::TopicVerification => {}
                other => panic!("{other}"),
            },
            Event::Ask(publisher, asked) => {
                let mut sessions = self.sessions.values();
                let publisher = sessions.find(|session| session.topics.contains(&publisher)).unwrap();
                let frame = Frame::request(FrameKind::TopicVerification, FrameSeq::PUSH, asked.encode());
                let _ = publisher.output.send(frame).await;
            }
            Event::Gone(id) => {
                self.sessions.remove(&id);
                let lost: Vec<_> =
                    self.pending.iter().filter(|(_, open)| open.subscriber == id).map(|(seq, _)| *seq).collect();
                for seq in lost {
                    self.fail(seq, ResultCode::SUBSCRIBER_GONE, events).await;
                }
            }
            Event::Overdue(seq) => self.fail(seq, ResultCode::TIMEOUT, events).await,
            Event::Cut(topic) => self.sessions.retain(|_, session| !session.topics.contains(&topic)),
        }
    }

    async fn publish(&mut self, id: u64, request: Frame, events: &mpsc::Sender<Event>) {
        let topic = AmopBody::unpack(request.body.clone()).unwrap().topic().to_owned();
        let subscribers = self.sessions.iter().filter(|(_, session)| session.topics.contains(&topic));
        let mut left: Vec<_> = subscribers.map(|(id, _)| *id).collect();
        self.turn += 1;
        let turn = self.turn % left.len().max(1);
        left.rotate_left(turn);
        self.hand_on(Pending { publisher: id, subscriber: 0, left, request }, ResultCode::NO_SUBSCRIBER, events).await;
    }

    async fn hand_on(&mut self, mut open: Pending, otherwise: ResultCode, events: &mpsc::Sender<Event>) {
        let Some(subscriber) = open.left.pop() else {
            let answer = open.request.answer(FrameKind::Answer, otherwise, Bytes::new());
            if let Some(publisher) = self.sessions.get(&open.publisher) {
                let _ = publisher.output.send(answer).await;
            }
            return;
        };
        open.subscriber = subscriber;
        self.count += 1;
        let seq = FrameSeq::from_number(self.count);
        let delivery = Frame::request(FrameKind::Unicast, seq, open.request.body.clone());
        if let Some(session) = self.sessions.get(&subscriber) {
            let _ = session.output.send(delivery).await;
        }
        self.pending.insert(seq, open);
        let events = events.clone();
        tokio::spawn(async move {
            tokio::time::sleep(CANDIDATE).await;
            let _ = events.send(Event::Overdue(seq)).await;
        });
    }

    async fn answer(&mut self, id: u64, frame: Frame, events: &mpsc::Sender<Event>) {
        if self.pending.get(&frame.seq).is_none_or(|open| open.subscriber != id) {
            return;
        }
        if frame.result == ResultCode::SUBSCRIBER_GONE {
            return self.fail(frame.seq, frame.result, events).await;
        }
        let open = self.pending.remove(&frame.seq).unwrap();
        if let Some(publisher) = self.sessions.get(&open.publisher) {
            let _ = publisher.output.send(open.request.answer(FrameKind::Answer, frame.result, frame.body)).await;
        }
    }

    async fn fail(&mut self, seq: FrameSeq, code: ResultCode, events: &mpsc::Sender<Event>) {
        if let Some(open) = self.pending.remove(&seq) {
            Box::pin(self.hand_on(open, code, events)).await;
        }
    }
}
