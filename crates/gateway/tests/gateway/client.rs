//! Our own SDK against the gateway, with the smallest core there can be.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use nuncio_channel_client::{Client, Kind, PublishError};
use nuncio_gateway::Clients;
use nuncio_protocol::{
    Account, Priority, Topic, amop,
    amop::{ClientId, ClientInput, ClientOutput, ClientPort as _, DeliveryId, PublishSeq, ResultCode},
};
use tokio::{sync::mpsc, time::timeout};

use crate::rig::{PATIENCE, Rig};

/// Gives a unicast to the first subscriber and a multicast to all.
struct Core {
    clients: Arc<Clients>,
    topics: HashMap<ClientId, BTreeSet<Topic>>,
    open: HashMap<DeliveryId, (ClientId, PublishSeq, Topic)>,
    deliveries: u64,
}

impl Core {
    async fn run(clients: Arc<Clients>, mut inputs: mpsc::Receiver<ClientInput>) {
        let mut core = Self { clients, topics: HashMap::new(), open: HashMap::new(), deliveries: 0 };
        while let Some(input) = inputs.recv().await {
            core.handle(input);
        }
    }

    fn handle(&mut self, input: ClientInput) {
        match input {
            ClientInput::Subscribe { client, topics } => {
                self.topics.insert(client, topics);
            }
            ClientInput::Publish { client, seq, kind, topic, data, .. } => {
                let subscribers: Vec<_> = self
                    .topics
                    .iter()
                    .filter(|(_, topics)| topics.contains(&topic))
                    .map(|(client, _)| *client)
                    .collect();
                let wanted = if kind == amop::Kind::Unicast { 1 } else { usize::MAX };
                for subscriber in subscribers.iter().copied().take(wanted) {
                    self.deliveries += 1;
                    let delivery = DeliveryId(self.deliveries);
                    self.open.insert(delivery, (client, seq, topic.clone()));
                    let (topic, data) = (topic.clone(), data.clone());
                    let output = ClientOutput::Deliver {
                        client: subscriber,
                        account: Account::Own,
                        delivery,
                        kind,
                        priority: Priority::Normal,
                        topic,
                        data,
                    };
                    self.clients.handle_output(output).unwrap();
                }
                match kind {
                    amop::Kind::Multicast => self.reply(client, seq, ResultCode::OK, topic, data),
                    amop::Kind::Unicast if subscribers.is_empty() => {
                        self.reply(client, seq, ResultCode::NO_SUBSCRIBER, topic, bytes::Bytes::new());
                    }
                    amop::Kind::Unicast => {}
                }
            }
            ClientInput::Acknowledge { delivery, code, data, .. } => {
                let (client, seq, topic) = self.open.remove(&delivery).expect("an open delivery");
                self.reply(client, seq, code, topic, data);
            }
            _ => {}
        }
    }

    fn reply(&self, client: ClientId, seq: PublishSeq, code: ResultCode, topic: Topic, data: bytes::Bytes) {
        self.clients.handle_output(ClientOutput::Reply { client, seq, code, topic, data }).unwrap();
    }
}

#[tokio::test]
async fn our_own_sdk_publishes_subscribes_and_calls() {
    timeout(PATIENCE, async {
        let rig = Rig::new().await;
        let core = tokio::spawn(Core::run(Arc::clone(&rig.clients), rig.inputs));
        let connect =
            || Client::builder().node(rig.address.to_string()).certificates(rig.directory.path().join("sdk")).connect();
        let (publisher, subscriber) = (connect().await.unwrap(), connect().await.unwrap());
        let nobody = publisher.publish("prices", "1").await.unwrap_err();
        assert!(matches!(nobody, PublishError::NoSubscriber { .. }), "{nobody:?}");

        let mut prices = subscriber.subscribe(["prices"]).await.unwrap();
        // The node answers no subscription: a call behind it on the same connection proves that it was handled.
        subscriber.call("getBlockNumber", serde_json::json!([1])).await.unwrap();
        let answering = tokio::spawn(async move {
            let unicast = prices.next().await.unwrap();
            assert_eq!((&*unicast.topic, &unicast.data[..], unicast.kind), ("prices", &b"42"[..], Kind::Unicast));
            unicast.respond("bought").unwrap();
            let multicast = prices.next().await.unwrap();
            assert_eq!((&multicast.data[..], multicast.kind), (&b"43"[..], Kind::Multicast));
        });
        assert_eq!(publisher.publish("prices", "42").await.unwrap(), "bought");
        publisher.broadcast("prices", "43").await.unwrap();
        answering.await.unwrap();
        assert_eq!(publisher.call("getGroupList", serde_json::json!([])).await.unwrap(), serde_json::json!([1]));
        core.abort();
    })
    .await
    .expect("every step ends");
}
