//! AMOP clients of nodes that another node refuses: on a line `a — b — c`, `a` denies `c`.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use nuncio_protocol::{
    Topic,
    amop::{ClientId, ClientInput, ClientOutput, ClientPort, Kind, PublishSeq, ResultCode},
};
use nuncio_testkit::TestAuthority;
use tokio::{sync::mpsc, time::timeout};

use super::rig::{DEADLINE, Node, aloof};

const CLIENT: ClientId = ClientId(1);

/// A gateway with one client.
struct Port(mpsc::UnboundedSender<ClientOutput>);

impl ClientPort for Port {
    fn handle_output(&self, output: ClientOutput) -> Result<(), ClientOutput> {
        self.0.send(output).map_err(|error| error.0)
    }
}

/// A client of `node`, which hears what `outputs` brings.
struct Client<'a> {
    node: &'a Node,
    outputs: mpsc::UnboundedReceiver<ClientOutput>,
}

impl Client<'_> {
    async fn says(&self, input: ClientInput) {
        self.node.handle.client_inputs().send(input).await.expect("the node runs");
    }

    async fn next(&mut self) -> ClientOutput {
        timeout(DEADLINE, self.outputs.recv()).await.expect("an output").expect("the node runs")
    }

    async fn publish(&mut self, topic: &Topic, data: &'static str) -> ResultCode {
        let (topic, data) = (topic.clone(), Bytes::from(data));
        self.says(ClientInput::Publish {
            priority: Default::default(),
            client: CLIENT,
            seq: PublishSeq([7; 32]),
            kind: Kind::Unicast,
            topic,
            data,
        })
        .await;
        let ClientOutput::Reply { code, .. } = self.next().await else { panic!("a reply") };
        code
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn amop_messages_of_a_denied_node_do_not_reach_the_clients_of_who_denies_it() {
    let authority = TestAuthority::new();
    let (outsider, topic) = (authority.node("c"), Topic::new("orders").unwrap());
    let policy = authority.policy().with_access(BTreeSet::new(), [outsider.key.node_id()].into());
    let [(a_port, a_outputs), (b_port, b_outputs), (c_port, c_outputs)] = [(); 3].map(|()| {
        let (sender, outputs) = mpsc::unbounded_channel();
        (Some(Arc::new(Port(sender)) as Arc<dyn ClientPort>), outputs)
    });
    let a = Node::start_with(&authority, authority.node("a"), &[], |config| {
        aloof(config);
        config.policy.store(Arc::new(policy));
        config.clients = a_port;
    });
    let b = Node::start_with(&authority, authority.node("b"), &[&a], |config| {
        aloof(config);
        config.clients = b_port;
    });
    let c = Node::start_with(&authority, outsider, &[&b], |config| {
        aloof(config);
        config.clients = c_port;
    });
    let mut clients =
        [(&a, a_outputs), (&b, b_outputs), (&c, c_outputs)].map(|(node, outputs)| Client { node, outputs });
    for client in &clients {
        client.says(ClientInput::Connected { client: CLIENT, tenant: None }).await;
    }
    let [at_a, at_b, at_c] = &mut clients;
    at_a.says(ClientInput::Subscribe { client: CLIENT, topics: [topic.clone()].into() }).await;
    for node in [&b, &c] {
        node.sees("the subscription", |snapshot| snapshot.topics().iter().any(|seen| seen.topic == topic)).await;
    }

    assert_ne!(at_c.publish(&topic, "of c").await, ResultCode::OK);
    let subscriber = async {
        let ClientOutput::Deliver { delivery, data, .. } = at_a.next().await else { panic!("a delivery") };
        let code = ResultCode::OK;
        at_a.says(ClientInput::Acknowledge { client: CLIENT, delivery, code, data: Bytes::new() }).await;
        data
    };
    let (code, first) = tokio::join!(at_b.publish(&topic, "of b"), subscriber);
    assert_eq!((code, first), (ResultCode::OK, Bytes::from("of b")), "nothing of c came before");
}
