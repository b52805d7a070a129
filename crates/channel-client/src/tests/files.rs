//! Files between clients, and what others can do to them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tokio::sync::Notify;

use super::{hub::Hub, *};
use crate::{
    Challengers, Coming, FileError, FileInbox, InboxOptions, ReceivedFile, SentFile, TopicKey, file_message::*,
};

const TOPIC: &str = "files";

/// A hub, a sender and a directory with something to send and a place for what comes.
struct Scene {
    hub: Hub,
    sender: Client,
    dir: TempDir,
}

impl Scene {
    async fn new(bytes: usize) -> Self {
        let (hub, dir) = (Hub::new(), tempfile::tempdir().unwrap());
        fs::create_dir(dir.path().join("in")).unwrap();
        fs::write(dir.path().join("report.bin"), content(bytes)).unwrap();
        Self { sender: hub.client().await, hub, dir }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("report.bin")
    }

    fn place(&self) -> PathBuf {
        self.dir.path().join("in")
    }

    fn options(&self) -> InboxOptions {
        InboxOptions::new(self.place())
    }

    async fn inbox(&self, options: InboxOptions) -> FileInbox {
        self.hub.client().await.receive_files(TOPIC, options).await.unwrap()
    }

    async fn send(&self) -> Result<SentFile, FileError> {
        soon(self.sender.send_file(TOPIC, &self.file(), |_| {})).await
    }

    /// Makes an offer by hand, as an attacker may.
    async fn offer(&self, name: &str, size: u64) -> Reply {
        let offer = Offer { name: name.into(), size, sha256: Hex32([7; 32]), key: a_key() };
        Reply::decode(&self.sender.publish(TOPIC, offer.encode()).await.unwrap()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        names(&self.place())
    }
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|place| (place / 7 % 251) as u8).collect()
}

/// X25519 takes any 32 bytes that are no point of low order.
fn a_key() -> Hex32 {
    Hex32([9; 32])
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Reads the inbox while `work` goes on; what came and what `work` gave.
async fn served<T>(inbox: &mut FileInbox, work: impl Future<Output = T>) -> (Vec<Result<ReceivedFile, FileError>>, T) {
    let mut came = Vec::new();
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            Some(ended) = inbox.next() => came.push(ended),
            outcome = &mut work => return (came, outcome),
        }
    }
}

/// Answers everything on a topic with `answer`.
async fn impostor(client: &Client, topic: &str, answer: &'static [u8]) {
    let mut subscription = client.subscribe([topic]).await.unwrap();
    tokio::spawn(async move {
        while let Some(delivery) = subscription.next().await {
            let _ = delivery.respond(answer);
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_file_arrives_whole_and_nothing_else_is_left() {
    let scene = Scene::new((5 << 19) + 77).await;
    let mut inbox = scene.inbox(scene.options()).await;
    let (came, sent) = served(&mut inbox, scene.send()).await;
    let (file, sent) = (came[0].as_ref().unwrap(), sent.unwrap());
    assert_eq!((file.size, &file.sha256, file.ignored), (sent.size, &sent.sha256, 0));
    assert_eq!(fs::read(&file.path).unwrap(), content((5 << 19) + 77));
    assert_eq!(scene.names(), ["report.bin"]);
    let (_, again) = served(&mut inbox, scene.send()).await;
    assert!(matches!(again, Err(FileError::Refused { reason }) if reason == "report.bin is there already"));
}

#[tokio::test(start_paused = true)]
async fn an_inbox_tells_how_far_the_files_are_that_come() {
    let scene = Scene::new(3 << 20).await;
    let mut inbox = scene.inbox(scene.options()).await;
    assert_eq!(inbox.coming(), []);
    let (_, reply) = served(&mut inbox, scene.offer("a.bin", 100)).await;
    assert!(matches!(reply, Reply::Accepted { .. }));
    assert_eq!(inbox.coming(), [Coming { name: "a.bin".into(), received: 0, size: 100 }]);
    let sending = scene.send();
    tokio::pin!(sending);
    let (mut seen, mut is_sent) = (Vec::new(), false);
    while !is_sent {
        tokio::select! {
            _ = inbox.next() => {}
            sent = &mut sending, if !is_sent => is_sent = sent.is_ok(),
            () = tokio::task::yield_now() => {}
        }
        seen.extend(inbox.coming().into_iter().filter(|file| file.name == "report.bin").map(|file| file.received));
    }
    seen.dedup();
    assert!(seen.is_sorted() && seen.iter().any(|received| (1..3 << 20).contains(received)), "{seen:?}");
    assert_eq!(inbox.coming().len(), 1, "what has come is on its way no more");
}

/// The case of `mallory`: one byte to the announced topic ended a transfer of others at both ends.
#[tokio::test(start_paused = true)]
async fn what_third_parties_publish_to_a_transfer_is_ignored_and_counted() {
    let scene = Scene::new(3 << 20).await;
    let mut inbox = scene.inbox(scene.options()).await;
    let mallory = scene.hub.client().await;
    let attack = async {
        let topic = scene.hub.topic("file/").await;
        let forged = Seal::new([0; 32]).seal(0, b"", Chunk { offset: 0, data: b"mine" }.encode());
        let mut refused = 0;
        for message in [b"x".to_vec(), Vec::new(), forged, Chunk { offset: 0, data: b"mine" }.encode()] {
            refused += u64::from(mallory.publish(&topic, message).await.is_err());
        }
        refused
    };
    let (came, (sent, refused)) = served(&mut inbox, async { tokio::join!(scene.send(), attack) }).await;
    sent.unwrap();
    assert_eq!(refused, 4);
    let file = came[0].as_ref().unwrap();
    assert_eq!(file.ignored, 4);
    assert_eq!(fs::read(&file.path).unwrap(), content(3 << 20));
}

#[tokio::test(start_paused = true)]
async fn receipts_of_others_are_ignored_and_counted_and_the_chunk_is_sent_again() {
    let scene = Scene::new(12 << 20).await;
    let mut inbox = scene.inbox(scene.options()).await;
    let mallory = scene.hub.client().await;
    let attack = async {
        let topic = scene.hub.topic("file/").await;
        impostor(&mallory, &topic, br#""complete""#).await;
    };
    let (came, (sent, ())) = served(&mut inbox, async { tokio::join!(scene.send(), attack) }).await;
    let sent = sent.unwrap();
    assert!(sent.ignored > 0, "the impostor was asked");
    assert_eq!(fs::read(&came[0].as_ref().unwrap().path).unwrap(), content(12 << 20));
}

#[tokio::test(start_paused = true)]
async fn a_silent_impostor_on_the_transfers_topic_only_delays_it() {
    let scene = Scene::new(2 << 20).await;
    let mut inbox = scene.inbox(scene.options()).await;
    let mallory = scene.hub.client().await;
    let attack = async {
        let topic = scene.hub.topic("file/").await;
        // Nothing is taken from the subscription, so nothing is answered.
        mallory.subscribe([topic]).await.unwrap()
    };
    let (came, (sent, _silent)) = served(&mut inbox, async { tokio::join!(scene.send(), attack) }).await;
    sent.unwrap();
    assert_eq!(fs::read(&came[0].as_ref().unwrap().path).unwrap(), content(2 << 20));
}

#[tokio::test(start_paused = true)]
async fn a_broken_link_of_the_receiver_does_not_end_a_transfer() {
    let scene = Scene::new(4 << 20).await;
    let mut inbox = scene.inbox(scene.options()).await;
    let (begun, path) = (Notify::new(), scene.file());
    let sending = scene.sender.send_file(TOPIC, &path, |_| begun.notify_one());
    let cutting = async {
        begun.notified().await;
        scene.hub.cut(TOPIC).await;
    };
    let (came, (sent, ())) = served(&mut inbox, async { tokio::join!(soon(sending), cutting) }).await;
    sent.unwrap();
    assert_eq!(fs::read(&came[0].as_ref().unwrap().path).unwrap(), content(4 << 20));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_died_resumes_and_the_sender_offers_again() {
    resume_after_a_death(false).await;
}

#[tokio::test(start_paused = true)]
async fn a_third_party_that_stays_on_a_dead_receivers_topic_does_not_keep_the_sender_there() {
    resume_after_a_death(true).await;
}

async fn resume_after_a_death(mallory_stays: bool) {
    let scene = Scene::new(6 << 20).await;
    let mut first = scene.inbox(scene.options()).await;
    let (begun, path) = (Notify::new(), scene.file());
    let mut furthest = 0;
    let sending = soon(scene.sender.send_file(TOPIC, &path, |progress| {
        furthest = progress.received;
        begun.notify_one();
    }));
    tokio::pin!(sending);
    let (_, ()) = served(&mut first, async {
        tokio::select! {
            outcome = &mut sending => panic!("{outcome:?}"),
            () = begun.notified() => {}
        }
    })
    .await;
    let mallory = scene.hub.client().await;
    let topic = scene.hub.topic("file/").await;
    let _stays = if mallory_stays { Some(mallory.subscribe([topic]).await.unwrap()) } else { None };
    // Killed: what is open is closed, nothing is removed.
    let part = scene.names().pop().unwrap();
    let kept = scene.dir.path().join("kept");
    fs::hard_link(scene.place().join(&part), &kept).unwrap();
    first.close().await;
    assert!(scene.names().is_empty());
    fs::rename(kept, scene.place().join(&part)).unwrap();

    let mut second = scene.inbox(scene.options()).await;
    let (came, sent) = served(&mut second, sending).await;
    sent.unwrap();
    let file = came[0].as_ref().unwrap();
    assert!(file.resumed >= 1 << 20 && file.resumed < 6 << 20, "{}", file.resumed);
    assert_eq!(fs::read(&file.path).unwrap(), content(6 << 20));
    assert_eq!(scene.names(), ["report.bin"]);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_died_resumes() {
    let scene = Scene::new(6 << 20).await;
    let mut inbox = scene.inbox(scene.options()).await;
    let (begun, path) = (Notify::new(), scene.file());
    {
        let sending = scene.sender.send_file(TOPIC, &path, |_| begun.notify_one());
        let (_, ()) = served(&mut inbox, async {
            tokio::select! {
                outcome = sending => panic!("{outcome:?}"),
                () = begun.notified() => {}
            }
        })
        .await;
    }
    // The new offer waits until the old transfer has been silent for long enough to make way.
    let sending = soon(scene.sender.send_file_patiently(TOPIC, &path, Duration::from_secs(30), |_| {}));
    let (came, sent) = served(&mut inbox, sending).await;
    sent.unwrap();
    assert!(matches!(came[0], Err(FileError::Abandoned { bytes, .. }) if bytes >= 1 << 20), "{came:?}");
    assert!(came[1].as_ref().unwrap().resumed >= 1 << 20);
    assert_eq!(fs::read(scene.place().join("report.bin")).unwrap(), content(6 << 20));
    assert_eq!(scene.names(), ["report.bin"]);
}

#[tokio::test(start_paused = true)]
async fn a_live_transfer_does_not_make_way() {
    let scene = Scene::new(6 << 20).await;
    let mut inbox = scene.inbox(scene.options()).await;
    let (begun, path) = (Notify::new(), scene.file());
    let sending = soon(scene.sender.send_file(TOPIC, &path, |_| begun.notify_one()));
    let mallory = scene.hub.client().await;
    let attack = async {
        begun.notified().await;
        let same = soon(mallory.send_file_patiently(TOPIC, &path, Duration::ZERO, |_| {})).await;
        same.unwrap_err().to_string()
    };
    let (came, (sent, refusal)) = served(&mut inbox, async { tokio::join!(sending, attack) }).await;
    sent.unwrap();
    assert!(refusal.contains("on its way already"), "{refusal}");
    assert_eq!((came.len(), came[0].as_ref().unwrap().resumed), (1, 0));
}

/// Somebody who knew the offer began the file with other bytes.
#[tokio::test(start_paused = true)]
async fn a_spoilt_beginning_costs_one_more_transfer_and_no_wrong_file() {
    let scene = Scene::new((2 << 20) + 5).await;
    let mut inbox = scene.inbox(scene.options()).await;
    let (begun, path) = (Notify::new(), scene.file());
    {
        let sending = scene.sender.send_file(TOPIC, &path, |_| begun.notify_one());
        served(&mut inbox, async {
            tokio::select! {
                outcome = sending => panic!("{outcome:?}"),
                () = begun.notified() => {}
            }
        })
        .await;
    }
    let (came, ()) = served(&mut inbox, tokio::time::sleep(Duration::from_secs(61))).await;
    assert!(matches!(came[0], Err(FileError::Abandoned { .. })));
    let part = scene.place().join(scene.names().pop().unwrap());
    let mut bytes = fs::read(&part).unwrap();
    bytes[1000] ^= 1;
    fs::write(&part, bytes).unwrap();

    let (came, sent) = served(&mut inbox, scene.send()).await;
    sent.unwrap();
    assert_eq!(fs::read(&came[0].as_ref().unwrap().path).unwrap(), content((2 << 20) + 5));
    assert_eq!(scene.names(), ["report.bin"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_is_gone_when_the_inbox_is_closed() {
    let scene = Scene::new(6 << 20).await;
    let mut inbox = scene.inbox(scene.options()).await;
    let (begun, path) = (Notify::new(), scene.file());
    let sending = scene.sender.send_file(TOPIC, &path, |_| begun.notify_one());
    served(&mut inbox, async {
        tokio::select! {
            outcome = sending => panic!("{outcome:?}"),
            () = begun.notified() => {}
        }
    })
    .await;
    assert_eq!(scene.names().len(), 1);
    inbox.close().await;
    assert!(scene.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_receiver_takes_so_much_in_all() {
    let scene = Scene::new(1000).await;
    let options = InboxOptions { max_total_bytes: 2500, max_total_files: 3, ..scene.options() };
    let mut inbox = scene.inbox(options).await;
    let mut send = async |name: &str, bytes| {
        let path = scene.dir.path().join(name);
        fs::write(&path, content(bytes)).unwrap();
        let (_, sent) = served(&mut inbox, soon(scene.sender.send_file(TOPIC, &path, |_| {}))).await;
        sent.map(|sent| sent.size).map_err(|error| error.to_string())
    };
    assert_eq!(send("a", 1000).await, Ok(1000));
    assert_eq!(send("b", 1000).await, Ok(1000));
    let refusal = send("c", 501).await.unwrap_err();
    assert!(refusal.contains("takes 500 more in all"), "{refusal}");
    assert_eq!(send("d", 0).await, Ok(0));
    let refusal = send("e", 0).await.unwrap_err();
    assert!(refusal.contains("as many files"), "{refusal}");
}

/// Offers cost nothing, so they may hold nothing for long.
#[tokio::test(start_paused = true)]
async fn offers_without_chunks_are_bounded_and_forgotten() {
    let scene = Scene::new(1000).await;
    let mut inbox = scene.inbox(InboxOptions { max_total_bytes: 9000, ..scene.options() }).await;
    let (_, replies) = served(&mut inbox, async {
        let mut replies = Vec::new();
        for number in 0..9 {
            replies.push(scene.offer(&number.to_string(), 1000).await);
        }
        replies
    })
    .await;
    assert_eq!(replies.iter().filter(|reply| matches!(reply, Reply::Accepted { .. })).count(), 8);
    assert!(matches!(replies[8], Reply::Refused { again: true, .. }));
    let (came, ()) = served(&mut inbox, tokio::time::sleep(Duration::from_secs(16))).await;
    assert_eq!(came.len(), 8);
    assert!(scene.names().is_empty(), "nothing came, nothing is kept");
    let (_, sent) = served(&mut inbox, scene.send()).await;
    sent.unwrap();
}

#[tokio::test(start_paused = true)]
async fn offers_that_lead_elsewhere_or_are_none_are_refused() {
    let scene = Scene::new(1).await;
    let mut inbox = scene.inbox(InboxOptions { max_bytes: 10, ..scene.options() }).await;
    let (_, ()) = served(&mut inbox, async {
        for (name, size) in [("../a", 1), (".bashrc", 1), ("a\u{202e}b", 1), ("NUL", 1), ("a", 11)] {
            let reply = scene.offer(name, size).await;
            assert!(matches!(reply, Reply::Refused { again: false, .. }), "{name}: {reply:?}");
        }
        let old = br#"{"name":"a","size":1,"sha256":"00"}"#;
        for offer in [&old[..], b"", &[b'['; 100_000]] {
            let reply = Reply::decode(&scene.sender.publish(TOPIC, offer.to_vec()).await.unwrap());
            assert!(matches!(reply, Ok(Reply::Refused { again: false, .. })));
        }
    })
    .await;
    assert!(scene.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_two_files_with_one_name_the_first_that_is_whole_has_it() {
    let scene = Scene::new(3 << 20).await;
    let mut inbox = scene.inbox(scene.options()).await;
    let other = scene.dir.path().join("other/report.bin");
    fs::create_dir(other.parent().unwrap()).unwrap();
    fs::write(&other, content(9 << 20)).unwrap();
    let second = scene.hub.client().await;
    let (_, (first, second)) =
        served(&mut inbox, async { tokio::join!(scene.send(), soon(second.send_file(TOPIC, &other, |_| {}))) }).await;
    let (refusal, bytes) = match (first, second) {
        (Ok(_), Err(refusal)) => (refusal, 3 << 20),
        (Err(refusal), Ok(_)) => (refusal, 9 << 20),
        outcomes => panic!("{outcomes:?}"),
    };
    assert!(refusal.to_string().contains("report.bin is there already"), "{refusal}");
    assert_eq!(fs::read(scene.place().join("report.bin")).unwrap(), content(bytes));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changed_is_no_file() {
    let scene = Scene::new(3 << 20).await;
    let mut inbox = scene.inbox(scene.options()).await;
    let path = scene.file();
    let sending = scene.sender.send_file(TOPIC, &path, |progress| {
        if progress.received == 1 << 20 {
            fs::write(&path, vec![0; 3 << 20]).unwrap();
        }
    });
    let (came, sent) = served(&mut inbox, soon(sending)).await;
    assert!(matches!(sent, Err(FileError::Refused { .. })), "{sent:?}");
    assert!(matches!(came[0], Err(FileError::Digest { .. })));
    assert!(scene.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_file_on_a_private_topic_goes_to_who_has_a_key() {
    let mut scene = Scene::new(2 << 20).await;
    let key = TopicKey::generate();
    let publisher = scene.sender.private_publisher("t", [key.public()]).await.unwrap();
    let client = scene.hub.client().await;
    let receiving = client.receive_private_files("t", key, Challengers::Nuncio, scene.options());
    let mut inbox = receiving.await.unwrap();
    let channel = scene.hub.topic("#!$VerifyChannel_").await;
    let path = scene.file();
    let (came, sent) = served(&mut inbox, async {
        assert!(scene.hub.challenge("#!$TopicNeedVerify_t", &channel).await);
        soon(publisher.send_file(&path, Duration::from_secs(60), |_| {})).await
    })
    .await;
    sent.unwrap();
    assert_eq!(fs::read(&came[0].as_ref().unwrap().path).unwrap(), content(2 << 20));
}

#[tokio::test(start_paused = true)]
async fn a_sender_is_not_led_to_topics_of_others() {
    let scene = Scene::new(10).await;
    let orders = Reply::Accepted { topic: "orders".into(), key: a_key(), bytes: 0 }.encode();
    impostor(&scene.hub.client().await, TOPIC, orders.leak()).await;
    let mut others = scene.hub.client().await.subscribe(["orders"]).await.unwrap();
    assert!(matches!(scene.send().await, Err(FileError::NotAFile)));
    assert!(futures::FutureExt::now_or_never(others.next()).is_none());
}
