//! What SDK clients say to each other through their nodes.

use std::{collections::BTreeMap, path::Path, time::Duration};

use bytes::Bytes;
use nuncio_channel_client::{Client, Kind, ResultCode};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{LIMIT, Site};
use crate::{
    failure::{Failure, causes},
    testnet::condition::{until, within},
};

/// Publications for the random choice: that one of two subscribers gets none of them happens once in 2³⁹ runs.
const CHOICES: usize = 40;

/// Deliveries kept for the step that reads them; a step sends far fewer.
const DELIVERIES: usize = 256;

/// How long a second delivery of one multicast is waited for.
const QUIET: Duration = Duration::from_millis(300);

/// An SDK client that answers `NAME got WORDS`.
#[derive(Debug)]
pub(super) struct Subscriber {
    name: String,
    deliveries: mpsc::Receiver<(Kind, Bytes)>,
    answering: JoinHandle<()>,
}

impl Subscriber {
    /// Connects to the node's channel port and subscribes.
    pub(super) async fn start(site: &Site, topic: &str) -> Result<Self, Failure> {
        let client = connect(site, &site.sdk).await?;
        let mut subscription = client.subscribe([topic]).await.map_err(|error| failed("subscribing", &error))?;
        let (sender, deliveries) = mpsc::channel(DELIVERIES);
        let name = site.name.clone();
        let answerer = name.clone();
        let answering = tokio::spawn(async move {
            while let Some(delivery) = subscription.next().await {
                let (kind, data) = (delivery.kind, delivery.data.clone());
                let answer = format!("{answerer} got {}", String::from_utf8_lossy(&data));
                if sender.send((kind, data)).await.is_err() {
                    return;
                }
                if kind == Kind::Unicast && delivery.respond(answer).is_err() {
                    return;
                }
            }
        });
        Ok(Self { name, deliveries, answering })
    }

    async fn must_get_once(&mut self, words: &str) -> Result<(), Failure> {
        let what = format!("the subscriber at {} gets the message", self.name);
        let first = within(&what, LIMIT, self.deliveries.recv()).await?;
        match first {
            Some((Kind::Multicast, data)) if data == words => {}
            other => {
                let text = format!("the subscriber at {} got {other:?} instead of {words:?}", self.name);
                return Err(Failure::operation("wrong_delivery", text));
            }
        }
        match timeout(QUIET, self.deliveries.recv()).await {
            Err(_) => Ok(()),
            Ok(second) => {
                let text = format!("the subscriber at {} got {second:?} too", self.name);
                Err(Failure::operation("wrong_delivery", text))
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

/// A client at the first node asks, a client at the last node answers.
pub(super) async fn unicast(sites: &[&Site], round: &str) -> Result<String, Failure> {
    let topic = format!("demo/unicast/{round}");
    let (near, far) = (sites[0], sites[sites.len() - 1]);
    let _subscriber = Subscriber::start(far, &topic).await?;
    subscribers_known(near, &topic, 1).await?;
    let publisher = connect(near, &near.sdk_rsa).await?;
    let started = Instant::now();
    let answer = publish(&publisher, &topic, "how are you?").await?;
    let wanted = format!("{} got how are you?", far.name);
    if answer != wanted {
        return Err(Failure::operation("wrong_answer", format_args!("{answer:?} came back, not {wanted:?}")));
    }
    let (near, far, took) = (&near.name, &far.name, started.elapsed());
    Ok(format!("RSA client of {near} → EC client of {far}, and its answer back, in {took:.1?}"))
}

/// Nobody subscribes the topic: the publisher is told so, with FISCO's code 100.
pub(super) async fn no_subscriber(sites: &[&Site]) -> Result<String, Failure> {
    let publisher = connect(sites[0], &sites[0].sdk).await?;
    match publisher.publish("demo/nobody-subscribes-this", Bytes::from_static(b"hello?")).await {
        Err(error) if error.code() == Some(ResultCode::NO_SUBSCRIBER) => Ok(format!("result 100: {}", causes(&error))),
        Err(error) => Err(failed("the publisher should be told 100; publishing", &error)),
        Ok(_) => Err(Failure::operation("wrong_answer", "somebody answered on a topic that nobody subscribes")),
    }
}

/// Subscribers at every node, the publisher's own among them: each gets one copy, the publisher its acknowledgement.
pub(super) async fn multicast(sites: &[&Site], round: &str) -> Result<String, Failure> {
    let topic = format!("demo/multicast/{round}");
    let mut subscribers = Vec::with_capacity(sites.len());
    for site in sites {
        subscribers.push(Subscriber::start(site, &topic).await?);
    }
    subscribers_known(sites[0], &topic, sites.len()).await?;
    let publisher = connect(sites[0], &sites[0].sdk).await?;
    let started = Instant::now();
    let words = "to whom it may concern";
    let told = publisher.broadcast(&topic, Bytes::from_static(words.as_bytes())).await;
    told.map_err(|error| failed("the multicast's acknowledgement", &error))?;
    let acknowledged = started.elapsed();
    for subscriber in &mut subscribers {
        subscriber.must_get_once(words).await?;
    }
    Ok(format!("one copy to each of {} subscribers, acknowledged in {acknowledged:.1?}", subscribers.len()))
}

/// Two subscribers of one topic: every message goes to one of them, and over many both are met.
pub(super) async fn choice(sites: &[&Site], round: &str) -> Result<String, Failure> {
    let topic = format!("demo/choice/{round}");
    let (near, second) = (sites[0], sites[1]);
    let last = sites[sites.len() - 1];
    let _subscribers = (Subscriber::start(second, &topic).await?, Subscriber::start(last, &topic).await?);
    subscribers_known(near, &topic, 2).await?;
    let publisher = connect(near, &near.sdk).await?;
    let mut answers = BTreeMap::new();
    for number in 0..CHOICES {
        let answer = publish(&publisher, &topic, &number.to_string()).await?;
        let who = answer.split(' ').next().unwrap_or_default().to_owned();
        *answers.entry(who).or_insert(0_usize) += 1;
    }
    let shares: Vec<_> = answers.iter().map(|(who, times)| format!("{who} {times}")).collect();
    let shares = shares.join(", ");
    if answers.contains_key(&second.name) && answers.contains_key(&last.name) && answers.len() == 2 {
        return Ok(format!("{CHOICES} messages, answered by {shares}"));
    }
    Err(Failure::operation("wrong_choice", format_args!("{CHOICES} messages were answered by {shares} only")))
}

pub(super) async fn connect(site: &Site, certificates: &Path) -> Result<Client, Failure> {
    let connecting = Client::builder().node(&site.gateway).certificates(certificates).connect();
    let client = within("an SDK client connects", LIMIT, connecting).await?;
    client.map_err(|error| failed(&format!("connecting to {}", site.gateway), &error))
}

async fn publish(publisher: &Client, topic: &str, words: &str) -> Result<String, Failure> {
    let answer = publisher.publish(topic, Bytes::copy_from_slice(words.as_bytes())).await;
    let answer = answer.map_err(|error| failed(&format!("publishing to {topic}"), &error))?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Waits until the publisher's node has heard of all subscribers.
async fn subscribers_known(site: &Site, topic: &str, wanted: usize) -> Result<(), Failure> {
    until(&format!("{} knows the subscribers of {topic}", site.name), LIMIT, || async {
        let topics = site.client().topics().await.map_err(|error| error.to_string())?;
        let known = topics.iter().find(|known| known.topic == topic).map_or(0, |known| known.subscribers as usize);
        if known == wanted { Ok(()) } else { Err(format!("it knows {known} of {wanted}")) }
    })
    .await
}

pub(super) fn failed(what: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::operation("amop", format_args!("{what}: {}", causes(error)))
}
