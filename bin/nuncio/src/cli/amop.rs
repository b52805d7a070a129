//! `nuncio amop`: an SDK client on a node's channel port.

mod files;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream::SelectAll};
use nuncio_admin::api::Encoding;
use nuncio_channel_client::{
    Challengers, Client, ConnectError, Delivery, Kind, PrivatePublisher, PublishError, ResultCode, Status,
    SubscribeError, TopicKey, TopicPublicKey,
};
use nuncio_pki::{KeyFileError, read_file};
use nuncio_protocol::Priority;
use serde::Serialize;
use tokio::{
    signal,
    time::{Instant, timeout},
};

use super::text::{self, rtt};
use crate::{
    body::BodyArguments,
    exit_code::Exit,
    failure::{Failure, causes},
    output::{Output, warn},
};

/// Longest file of a public key, in bytes.
const MAX_KEY: u64 = 64 << 10;

/// Shown as the result when the connection broke before there was one.
const NO_RESULT: i32 = -1;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// The node's channel port; several are tried in turn
    #[arg(long, global = true, value_name = "HOST:PORT", default_value = "127.0.0.1:20200")]
    gateway: Vec<String>,
    /// The directory with ca.crt, sdk.crt and sdk.key
    #[arg(long, global = true, value_name = "DIR", default_value = "sdk")]
    certs: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print messages to topics as they arrive
    Subscribe {
        /// The topics
        #[arg(required = true, value_name = "TOPIC", value_parser = text::topic)]
        topics: Vec<String>,
        /// The topics are private: prove to publishers with this key (secp256k1, PEM) that you may hear them
        #[arg(long, value_name = "FILE")]
        topic_key: Option<PathBuf>,
        /// Prove it to Nuncio's publishers only, whose challenges are bound to this subscription; an SDK's are not, and only
        /// honest nodes keep others from having theirs signed here
        #[arg(long, requires = "topic_key")]
        bound_only: bool,
        /// Answer unicasts with this text; else the answer is empty
        #[arg(long, value_name = "TEXT")]
        reply: Option<String>,
        /// Stop after this many messages
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// Send a file in chunks to one client that receives files on a topic; resumed where it was left
    SendFile(files::SendArguments),
    /// Receive files sent to a topic; one that is there already is not replaced
    ///
    /// Anybody who may publish to the topic may send. What is on its way is removed by Ctrl-C, and kept to be resumed when
    /// its sender goes silent or this program dies.
    ReceiveFiles(files::ReceiveArguments),
    /// Send a message to one subscriber and print its answer, or to all
    Publish {
        /// The topic
        #[arg(value_parser = text::topic)]
        topic: String,
        #[command(flatten)]
        body: BodyArguments,
        /// To every subscriber; nobody answers
        #[arg(long)]
        broadcast: bool,
        /// The topic is private: send only to subscribers that prove to have one of these keys, each a file with a public
        /// key in PEM or its 128 hexadecimal digits
        #[arg(long, value_name = "FILE|KEY")]
        known: Vec<String>,
        /// How urgent it is, and its answer; what the operator of the node says of the topic unless given, and never more urgent
        /// than that
        #[arg(long, value_name = "PRIORITY", value_parser = text::priority())]
        priority: Option<Priority>,
        /// How long to wait for the answer
        #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = text::time_limit)]
        timeout: Duration,
    },
}

#[derive(Debug, Serialize)]
struct Delivered<'a> {
    topic: &'a str,
    data: &'a str,
    encoding: &'static str,
    kind: &'static str,
}

/// Why there is no answer.
struct Refusal {
    /// FISCO's result code.
    result: i32,
    why: String,
    hint: &'static str,
}

#[derive(Debug, Serialize)]
struct Published<'a> {
    result: i32,
    reply: Option<&'a str>,
    encoding: Option<&'static str>,
    rtt_us: u64,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let Arguments { action, gateway, certs } = arguments;
    match action {
        Action::Subscribe { topics, topic_key, bound_only, reply, count } => {
            let challengers = if bound_only { Challengers::Nuncio } else { Challengers::Any };
            let key = topic_key.as_deref().map(read_key).transpose()?.map(|key| (key, challengers));
            let client = connect(&gateway, &certs).await?;
            let heard = subscribe(&client, topics, key, reply.unwrap_or_default().into(), count, output).await;
            // The last answer may still be on its way.
            client.close().await;
            heard
        }
        Action::SendFile(arguments) => files::send(&connect(&gateway, &certs).await?, arguments, output).await,
        Action::ReceiveFiles(arguments) => {
            let client = connect(&gateway, &certs).await?;
            let received = files::receive(&client, arguments, output).await;
            client.close().await;
            received
        }
        Action::Publish { topic, body, broadcast, known, priority, timeout } => {
            let body = body.read(output)?;
            let known = known.iter().map(|key| public_key(key)).collect::<Result<Vec<_>, _>>()?;
            let client = connect(&gateway, &certs).await?;
            let client = match priority {
                Some(priority) => urgent(&client, priority),
                None => client,
            };
            let to = if known.is_empty() {
                Destination::Public(&client, &topic)
            } else {
                Destination::Private(private_publisher(&client, &topic, known, timeout).await?)
            };
            let started = Instant::now();
            let answer = output.waiting(super::send::WAITING, publish(&to, body, broadcast, timeout)).await;
            tell(answer, started.elapsed(), output)
        }
    }
}

async fn connect(gateways: &[String], certs: &Path) -> Result<Client, Failure> {
    let builder = gateways.iter().fold(Client::builder(), |builder, gateway| builder.node(gateway));
    builder.certificates(certs).connect().await.map_err(|error| {
        let (exit, code) = match &error {
            ConnectError::NoNode | ConnectError::Address { .. } => (Exit::Usage, "usage"),
            ConnectError::NoCertificates | ConnectError::Certificates(_) => (Exit::Configuration, "certificates"),
            _ => (Exit::Unreachable, "unreachable"),
        };
        Failure::new(exit, code, causes(&error)).hint(error.hint())
    })
}

/// The client for messages of this priority; whoever named one in vain is told.
fn urgent(client: &Client, priority: Priority) -> Client {
    if let Status::Connected { node, priorities: false, .. } = &*client.status().borrow() {
        warn(&format!(
            "{node} knows no priorities: the message goes to it without one, and not as {}",
            priority.name()
        ));
    }
    client.with_priority(priority)
}

async fn subscribe(
    client: &Client,
    topics: Vec<String>,
    key: Option<(TopicKey, Challengers)>,
    reply: Bytes,
    count: Option<u64>,
    output: Output,
) -> Result<(), Failure> {
    let failed = |error: SubscribeError| Failure::operation("subscribe", causes(&error));
    let mut subscription = match key {
        None => client.subscribe(&topics).await.map_err(failed)?.boxed(),
        Some((key, challengers)) => {
            let mut private = SelectAll::new();
            for topic in &topics {
                private.push(client.subscribe_private_for(topic, key.clone(), challengers).await.map_err(failed)?);
            }
            private.boxed()
        }
    };
    output.note(&format!("subscribed to {}; stop with Ctrl-C", topics.join(", ")));
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        let delivery = tokio::select! {
            delivery = subscription.next() => delivery,
            _ = signal::ctrl_c() => return Ok(()),
        };
        let Some(delivery) = delivery else { return Err(Failure::from_stopped_node()) };
        show(&delivery, output)?;
        if delivery.kind == Kind::Unicast
            && let Err(error) = delivery.respond(reply.clone())
        {
            output.note(&format!("the answer was lost: {error}"));
        }
        left -= 1;
    }
    Ok(())
}

fn show(delivery: &Delivery, output: Output) -> Result<(), Failure> {
    let (data, encoding) = Encoding::of(&delivery.data);
    let kind = match delivery.kind {
        Kind::Unicast => "unicast",
        Kind::BlockNotification => "block",
        _ => "multicast",
    };
    let topic = &*delivery.topic;
    let shown = Delivered { topic, data: &data, encoding: encoding.as_str(), kind };
    output.show(&shown, || format!("{kind} {topic}: {data}"))
}

/// Whereto a message is published.
enum Destination<'a> {
    Public(&'a Client, &'a str),
    Private(PrivatePublisher),
}

impl Destination<'_> {
    async fn broadcast(&self, body: Bytes) -> Result<(), PublishError> {
        match self {
            Self::Public(client, topic) => client.broadcast(topic, body).await,
            Self::Private(publisher) => publisher.broadcast(body).await,
        }
    }

    async fn publish(&self, body: Bytes) -> Result<Bytes, PublishError> {
        match self {
            Self::Public(client, topic) => client.publish(topic, body).await,
            Self::Private(publisher) => publisher.publish(body).await,
        }
    }
}

/// Waits until a subscriber has proved itself; afterwards nobody may have, which the publish will say.
async fn private_publisher(
    client: &Client,
    topic: &str,
    known: Vec<TopicPublicKey>,
    limit: Duration,
) -> Result<PrivatePublisher, Failure> {
    let publisher = client.private_publisher(topic, known).await;
    let publisher = publisher.map_err(|error| Failure::operation("amop", causes(&error)))?;
    let _ = timeout(limit, publisher.accepted(1)).await;
    Ok(publisher)
}

fn read_key(file: &Path) -> Result<TopicKey, Failure> {
    TopicKey::load(file).map_err(|error| match error {
        KeyFileError::File(error) => Failure::configuration("topic_key", &error).hint(error.hint()),
        error => Failure::configuration("topic_key", format_args!("{}: {error}", file.display()))
            .hint("openssl ecparam -name secp256k1 -genkey -noout -out topic.key makes one"),
    })
}

/// A key written out, or the file it is in.
fn public_key(text: &str) -> Result<TopicPublicKey, Failure> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let file = read_file(Path::new(text), MAX_KEY)
        .map_err(|error| Failure::configuration("topic_key", format_args!("cannot read {text}: {error}")))?;
    TopicPublicKey::from_file(&file)
        .map_err(|error| Failure::configuration("topic_key", format_args!("{text}: {error}")))
        .map_err(|failure| failure.hint("openssl ec -in topic.key -pubout -out topic.pub makes one"))
}

/// The answer; nobody answers a broadcast.
async fn publish(
    to: &Destination<'_>,
    body: Bytes,
    broadcast: bool,
    limit: Duration,
) -> Result<Option<Bytes>, Refusal> {
    let publishing =
        async { if broadcast { to.broadcast(body).await.map(|()| None) } else { to.publish(body).await.map(Some) } };
    match timeout(limit, publishing).await {
        Ok(answer) => answer.map_err(Refusal::from),
        Err(_) => Err(Refusal {
            result: ResultCode::TIMEOUT.0,
            why: format!("no answer within {limit:?}"),
            hint: "a node tries subscribers for 4 s: wait longer with --timeout",
        }),
    }
}

fn tell(answer: Result<Option<Bytes>, Refusal>, took: Duration, output: Output) -> Result<(), Failure> {
    let rtt_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let (result, reply) = match &answer {
        Ok(reply) => (ResultCode::OK.0, reply.as_ref()),
        Err(refusal) => (refusal.result, None),
    };
    let (reply, encoding) = reply.map(|reply| Encoding::of(reply)).unzip();
    if output.json {
        let encoding = encoding.map(Encoding::as_str);
        output.object(&Published { result, reply: reply.as_deref(), encoding, rtt_us })?;
    }
    if let Err(refusal) = answer {
        return Err(Failure::operation("amop", refusal.why).hint(refusal.hint));
    }
    output.note(&format!("result 0 in {}", rtt(rtt_us)));
    match reply {
        Some(reply) if !output.json => output.line(&reply),
        _ => Ok(()),
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        let result = error.code().map_or(NO_RESULT, |code| code.0);
        Self { result, why: causes(&error), hint: error.hint() }
    }
}
