//! What a node counts adds up, whatever happens to the others.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use bytes::Bytes;
use nuncio_admin::{Address, Client as Admin};
use nuncio_channel_client::Client as Sdk;

use super::{
    processes::{Kept, Net, eventually},
    support::command,
};

const EACH: usize = 100;
const TIMEOUT: Duration = Duration::from_secs(5);

/// The numbers of a node by their whole names, labels included.
fn read(net: &Net, node: usize) -> BTreeMap<String, u64> {
    let mut socket = UnixStream::connect(socket(net, node)).expect("the node runs");
    socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("it listens");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("text");
    let number = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(number).collect()
}

fn socket(net: &Net, node: usize) -> PathBuf {
    net.text(&format!("net/node{node}/data/admin.sock")).into()
}

/// All that a counter says under labels that hold this.
fn sum(numbers: &BTreeMap<String, u64>, name: &str, labels: &str) -> u64 {
    let of_it = |key: &String| key.split('{').next() == Some(name) && key.contains(labels);
    numbers.iter().filter(|(key, _)| of_it(key)).map(|(_, value)| *value).sum()
}

fn adds_up(numbers: &BTreeMap<String, u64>, what: &str) -> bool {
    let ended = ["delivered", "refused", "unknown"]
        .map(|end| sum(numbers, &format!("nuncio_{what}_ended_total"), &format!("end=\"{end}\"")));
    let in_flight = sum(numbers, &format!("nuncio_{what}_in_flight"), "");
    sum(numbers, &format!("nuncio_{what}_taken_total"), "") == ended.iter().sum::<u64>() + in_flight
}

fn start(net: &Net) -> Vec<Kept> {
    let run = |node| {
        let mut run = command(["run", "--config", &net.config(node)]);
        Kept::spawn(run.stdin(Stdio::null()).stderr(Stdio::null()))
    };
    let nodes: Vec<_> = (0..3).map(run).collect();
    for node in 0..3 {
        eventually("the node is ready", || (net.ask(node, &["health", "--wait", "30s"]).code == 0).then_some(()));
    }
    nodes
}

#[test]
fn what_a_node_took_is_what_was_delivered_refused_unknown_and_in_flight_though_another_is_killed() {
    let net = Net::create(3, "full");
    let mut nodes = start(&net);
    let target = std::fs::read_to_string(net.text("net/node2/conf/node.nodeid")).expect("it was written");
    let mut echo = command(["listen", "--echo", "--json", "--config", &net.config(2)]);
    let _echo = Kept::spawn(echo.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (answered, published, taken_before) =
        runtime.block_on(load(&net, target.trim(), || nodes[2].child().kill().expect("a child")));

    let numbers = eventually("all have ended", || {
        let numbers = read(&net, 0);
        assert!(adds_up(&numbers, "unicast") && adds_up(&numbers, "amop"), "{numbers:?}");
        (numbers["nuncio_unicast_in_flight"] + numbers["nuncio_amop_in_flight"] == 0).then_some(numbers)
    });
    let delivered = |what: &str| sum(&numbers, &format!("nuncio_{what}_ended_total"), "end=\"delivered\"");
    assert_eq!((delivered("unicast"), delivered("amop")), (answered, published), "as those who asked have seen it");
    assert_eq!(sum(&numbers, "nuncio_unicast_taken_total", "application"), 2 * EACH as u64);
    assert_eq!(sum(&numbers, "nuncio_amop_taken_total", "unicast"), taken_before + 2 * EACH as u64);
    assert_eq!(sum(&numbers, "nuncio_unicast_duration_seconds_count", ""), answered);
    assert!(answered >= EACH as u64 && published >= EACH as u64, "before it was killed");
    let lost = |what: &str| sum(&numbers, &format!("nuncio_{what}_ended_total"), "") - delivered(what);
    assert!(lost("unicast") > 0 && lost("amop") > 0, "after it was killed: {numbers:?}");
    assert_eq!(sum(&numbers, "nuncio_link_down_total", ""), 1);
}

/// As many of each while all run, then as many while one is killed; says how many were answered.
async fn load(net: &Net, target: &str, kill: impl FnOnce()) -> (u64, u64, u64) {
    let admin = Admin::new(Address::Unix(socket(net, 0)));
    let sdk = |node: usize, name: &str| {
        let port: u16 = gateway(net, node);
        Sdk::builder().node(format!("127.0.0.1:{port}")).certificates(net.text(&format!("net/sdk/{name}")))
    };
    let subscriber = sdk(2, "agencyA").connect().await.expect("a session");
    let mut subscription = subscriber.subscribe(["orders"]).await.expect("subscribed");
    let answers = tokio::spawn(async move {
        while let Some(delivery) = subscription.next().await {
            let data = delivery.data.clone();
            let _ = delivery.respond(data);
        }
    });
    let publisher = sdk(0, "agencyA").connect().await.expect("a session");
    while publisher.publish("orders", Bytes::from("first")).await.is_err() {
        tokio::task::yield_now().await;
    }
    let before = read(net, 0);
    let first = (sum(&before, "nuncio_amop_ended_total", "delivered"), sum(&before, "nuncio_amop_taken_total", ""));
    let round = async || {
        let asked = (0..EACH).map(|_| admin.unicast(target, Bytes::from("?"), TIMEOUT));
        let published = (0..EACH).map(|_| publisher.publish("orders", Bytes::from("!")));
        let (asked, published) = futures::join!(futures::future::join_all(asked), futures::future::join_all(published));
        let count = |ok: usize| ok as u64;
        (
            count(asked.iter().filter(|one| one.is_ok()).count()),
            count(published.iter().filter(|one| one.is_ok()).count()),
        )
    };
    let calm = round().await;
    let (wild, ()) = futures::join!(round(), async { kill() });
    answers.abort();
    (calm.0 + wild.0, calm.1 + wild.1 + first.0, first.1)
}

fn gateway(net: &Net, node: usize) -> u16 {
    let text = std::fs::read_to_string(net.config(node)).expect("it was written");
    let (_, section) = text.split_once("[gateway]").expect("it has one");
    let listen = section.lines().find(|line| line.starts_with("listen")).expect("an address");
    listen.trim_end_matches('"').rsplit(':').next().expect("a port").parse().expect("a number")
}
