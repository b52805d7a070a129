//! A node whose certificate is due gets another one from its agency's issuer, and nobody notices.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use nuncio_node::{Incoming, PeerState, service};
use nuncio_pki::{
    Certificate, RevocationFile,
    authority::{Authority, Kind, Validity},
};
use nuncio_testkit::{TestAuthority, authority::agency_without_pathlen};
use rustls_pki_types::UnixTime;
use tokio::time::timeout;

use crate::{
    audit::{entries, one},
    consortium::Consortium,
    rig::{DEADLINE, Home, Running, peers},
    silent::Silent,
};

const MINUTE: Duration = Duration::from_secs(60);

/// A node whose certificate is due, for it began yesterday and ends in a minute.
fn due(authority: &TestAuthority, name: &str, toml: &str) -> Home {
    let dir = tempfile::tempdir().unwrap();
    let id = authority.write_ending_node_directory(&dir.path().join("conf"), name, MINUTE);
    let home = Home { dir, id };
    home.write(toml);
    home
}

fn issuing(authority: &TestAuthority, rest: &str) -> Home {
    let home = Home::new(authority, "issuer", "");
    authority.write_agency_directory(&home.dir.path().join("agency"));
    home.write(&format!("{rest}\n[issuer]\nca = \"agency\"\nlifetime = \"1h\"\n"));
    home
}

/// Of another agency, which has made an authority under the name of this one's below itself; it says that it issues.
fn namesake(authority: &TestAuthority, toml: &str) -> Home {
    let rogue = agency_without_pathlen(authority.root(), "rogue");
    let named = rogue.agency("agency", Validity::days(9)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let [conf, agency] = ["conf", "agency"].map(|name| dir.path().join(name));
    let issued = named.issue(Kind::Node, "namesake", Validity::days(9)).unwrap();
    issued.write(&conf, Kind::Node).unwrap();
    fs::write(conf.join("ca.crt"), authority.root_certificate().to_pem()).unwrap();
    fs::create_dir(&agency).unwrap();
    fs::write(agency.join("agency.key"), named.key().to_pem().unwrap().as_bytes()).unwrap();
    fs::set_permissions(agency.join("agency.key"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(agency.join("agency.crt"), named.certificate().to_pem()).unwrap();
    fs::write(agency.join("ca.crt"), rogue.certificate().to_pem()).unwrap();
    let home = Home { dir, id: issued.node_id().unwrap() };
    home.write(&format!("{toml}\n[issuer]\nca = \"agency\"\n"));
    home
}

/// Waits until a node shows a certificate that ends in an hour.
async fn renewed(node: &Running) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut snapshots = node.node.snapshots();
    let shown = timeout(DEADLINE, snapshots.wait_for(|shown| shown.certificate_not_after > now + 1800)).await;
    shown.expect("renewed in time").unwrap();
}

fn times(home: &Home, kind: &str) -> usize {
    entries(home).iter().filter(|entry| entry["kind"] == kind).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_due_is_renewed_over_a_relay_and_no_link_drops() {
    let authority = TestAuthority::new();
    let issuer = issuing(&authority, "target_degree = 0");
    let first = issuer.start().await;
    // An application at the issuer takes every request, and sees none of these.
    let mut listener = first.node.listen(Vec::new(), true).await;
    let relay = Home::new(&authority, "relay", &format!("target_degree = 0\n{}", peers(&[first.p2p])));
    let middle = relay.start().await;
    middle.links(1).await;
    let far = due(&authority, "far", &format!("target_degree = 0\n{}", peers(&[middle.p2p])));
    let last = far.start().await;
    renewed(&last).await;
    let downs =
        |shown: &nuncio_node::Snapshot| shown.peers.iter().filter(|peer| peer.state == PeerState::Linked).count();
    assert_eq!((downs(&last.node.snapshot()), downs(&middle.node.snapshot())), (1, 2));
    // The file has it for the next start.
    let text = std::fs::read_to_string(far.dir.path().join("conf/node.crt")).unwrap();
    let leaf = &nuncio_pki::Certificate::from_pem_bundle(&text).unwrap()[0];
    assert_eq!(leaf.not_after().as_secs(), last.node.snapshot().certificate_not_after);
    let asked = last.node.request(issuer.id, "hello".into(), DEADLINE);
    let heard = async {
        match listener.next().await.unwrap() {
            Incoming::Unicast { from, body, responder } => {
                responder.reply(body.clone());
                (from, body)
            }
            other => panic!("{other:?}"),
        }
    };
    let (answer, heard) = tokio::join!(asked, heard);
    assert_eq!(answer.unwrap().body, heard.1);
    assert_eq!((heard.0, &heard.1[..]), (far.id, &b"hello"[..]), "the first that it sees is an application's");
    for node in [last, middle, first] {
        node.stop().await;
    }
    assert_eq!((times(&issuer, "certificate_issued"), times(&far, "certificate_renewed")), (1, 1));
    let issued = entries(&issuer);
    assert_eq!(one(&issued, "certificate_issued")["node"], far.id.to_string(), "who asked, and got it");
}

/// Whoever may make authorities makes one under any name, and its nodes say that they issue and are near.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_agency_by_the_same_name_is_not_asked_for_a_renewal() {
    let authority = TestAuthority::new();
    let issuer = issuing(&authority, "target_degree = 0");
    let first = issuer.start().await;
    let near = namesake(&authority, &format!("target_degree = 0\n{}", peers(&[first.p2p])));
    let middle = near.start().await;
    middle.links(1).await;
    let far = due(&authority, "far", &format!("target_degree = 0\n{}", peers(&[middle.p2p])));
    let last = far.start().await;
    renewed(&last).await;
    let seen = last.node.snapshot().node(near.id).cloned().unwrap();
    assert!(seen.issues() && seen.agency == "agency" && seen.agency_path() != "agency", "{}", seen.agency_path());
    for node in [last, middle, first] {
        node.stop().await;
    }
    assert_eq!((times(&far, "renewal_failed"), times(&issuer, "certificate_issued")), (0, 1));
}

/// A root is rotated: the node's own certificate stays, and the agency above it is another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_root_was_replaced_is_renewed_under_the_new_one() {
    let consortium = Consortium::new();
    let issuer = consortium.issuing("");
    let now = UnixTime::now().as_secs();
    let at = |second| UnixTime::since_unix_epoch(Duration::from_secs(second));
    let due = Validity { not_before: at(now - 1000), not_after: at(now + 60) };
    let home = consortium.home("two", due, "");
    // Nobody renews here yet.
    let (first, second) = (issuer.start().await, home.start().await);
    let leaf = |home: &Home| Certificate::load(&home.dir.path().join("conf/node.crt")).unwrap().remove(0);
    let before = leaf(&home);
    consortium.replace_root(&[&issuer, &home]);
    assert_eq!(leaf(&home), before);
    first.reloader.reload().await.unwrap();
    second.reloader.reload().await.unwrap();
    second.client.add_peer(&first.p2p.to_string()).await.unwrap();
    renewed(&second).await;
    for node in [second, first] {
        node.stop().await;
    }
    assert_eq!(times(&home, "renewal_failed"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_agencys_node_and_nonsense_get_a_refusal_and_a_node_without_an_issuer_serves_nobody() {
    let authority = TestAuthority::new();
    let other = authority.agency("other");
    let issuer = issuing(&authority, "");
    let first = issuer.start().await;
    let stranger = Home::new(&other, "stranger", &peers(&[first.p2p]));
    let second = stranger.start().await;
    second.links(1).await;
    let ask = |node: &Running, target| {
        let (handle, wanted) =
            (node.node.clone(), service::Request::Renewal { request: "x".into(), chain: Vec::new() });
        async move { handle.ask_service(target, &wanted, DEADLINE).await }
    };
    let answer = ask(&second, issuer.id).await.unwrap();
    assert!(matches!(&answer, service::Answer::Refused { reason } if !reason.is_empty()), "{answer:?}");
    // Its own certificate, well asked for.
    let conf = stranger.dir.path().join("conf");
    let chain = nuncio_pki::Certificate::load(&conf.join("node.crt")).unwrap();
    let request = nuncio_pki::authority::renewal_request(&conf.join("node.key"), &chain[0]).unwrap();
    let ders = chain.iter().map(|one| one.der().to_vec().into()).collect();
    let wanted = service::Request::Renewal { request: request.der().to_vec().into(), chain: ders };
    let answer = second.node.ask_service(issuer.id, &wanted, DEADLINE).await.unwrap();
    assert!(matches!(&answer, service::Answer::Refused { reason } if reason.contains("key of its own")), "{answer:?}");
    // A node that does not issue has no such service.
    first.links(1).await;
    ask(&first, stranger.id).await.unwrap_err();
    second.stop().await;
    first.stop().await;
    assert_eq!((times(&issuer, "certificate_not_issued"), times(&issuer, "certificate_issued")), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_refused_says_so_and_keeps_what_it_has() {
    let authority = TestAuthority::new();
    let issuer = issuing(&authority, "");
    let text = std::fs::read_to_string(issuer.file()).unwrap() + "only = [\"somebody else\"]\n";
    std::fs::write(issuer.file(), text).unwrap();
    let first = issuer.start().await;
    let home = due(&authority, "two", "");
    let before = std::fs::read(home.dir.path().join("conf/node.crt")).unwrap();
    let second = home.start().await;
    let mut events = second.client.events(&["renewal_failed".into()]).await.unwrap();
    second.client.add_peer(&first.p2p.to_string()).await.unwrap();
    let event = timeout(DEADLINE, events.next()).await.expect("it is told in time").unwrap().unwrap();
    assert!(event["cause"].as_str().unwrap().contains("[issuer] only"), "{event}");
    let warnings = second.client.status().await.unwrap().warnings;
    assert!(warnings.iter().any(|one| one.contains("it refused")), "{warnings:?}");
    assert_eq!(std::fs::read(home.dir.path().join("conf/node.crt")).unwrap(), before);
    second.stop().await;
    first.stop().await;
}

/// Named by `[identity] cert` and `key`, one file may hold both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_the_certificates_file_outlives_its_day_and_is_named_before() {
    let authority = TestAuthority::new();
    let issuer = issuing(&authority, "");
    let first = issuer.start().await;
    let home = due(&authority, "two", &peers(&[first.p2p]));
    let [place, key] = ["conf/node.crt", "conf/node.key"].map(|name| home.dir.path().join(name));
    let certificate = std::fs::read(&place).unwrap();
    let both = [&certificate[..], &std::fs::read(&key).unwrap()].concat();
    std::fs::write(&place, &both).unwrap();
    let second = home.start().await;
    let mut events = second.client.events(&["renewal_failed".into()]).await.unwrap();
    let event = timeout(DEADLINE, events.next()).await.expect("it is told in time").unwrap().unwrap();
    assert!(event["cause"].as_str().unwrap().contains("something beside certificates"), "{event}");
    let is_named = async || {
        let warnings = second.client.status().await.unwrap().warnings;
        warnings.iter().any(|one| one.contains("this node's certificate is not renewed: "))
    };
    for is_mixed in [true, false] {
        assert_eq!(std::fs::read(&place).unwrap(), both);
        if !is_mixed {
            std::fs::write(&place, &certificate).unwrap();
        }
        let began = Instant::now();
        while is_named().await != is_mixed {
            assert!(began.elapsed() < DEADLINE, "it is told in time, mixed: {is_mixed}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    second.stop().await;
    first.stop().await;
}

/// The certificate is a link into a folder where no file can be made beside it: here, for there is no room for a longer name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_to_renew_a_certificate_that_can_not_be_written_until_it_can() {
    let consortium = Consortium::new();
    let issuer = consortium.issuing("");
    let first = issuer.start().await;
    let now = UnixTime::now().as_secs();
    let at = |second| UnixTime::since_unix_epoch(Duration::from_secs(second));
    // Of a life that is short, so that it is tried again soon.
    let validity = Validity { not_before: at(now - 600), not_after: at(now + 60) };
    let home = consortium.home("two", validity, &peers(&[first.p2p]));
    let (place, elsewhere) = (home.dir.path().join("conf/node.crt"), home.dir.path().join("n".repeat(240)));
    fs::rename(&place, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &place).unwrap();
    let second = home.start().await;
    let mut events = second.client.events(&["renewal_failed".into()]).await.unwrap();
    let event = timeout(DEADLINE, events.next()).await.expect("it is told in time").unwrap().unwrap();
    assert!(event["cause"].as_str().unwrap().contains("conf/node.crt: "), "{event}");
    let warnings = second.client.status().await.unwrap().warnings;
    assert!(warnings.iter().any(|one| one.contains("is not renewed: cannot write ")), "{warnings:?}");
    fs::rename(&elsewhere, &place).unwrap();
    renewed(&second).await;
    second.stop().await;
    first.stop().await;
    assert_eq!(times(&issuer, "certificate_issued"), 1, "the one that could be kept");
}

/// Each of the two knows only what it has issued itself; lists are what both go by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_revoked_at_one_of_two_issuers_is_at_the_other_and_in_its_directory() {
    let authority = TestAuthority::new();
    let (one, home) = (issuing(&authority, ""), Home::new(&authority, "idle", ""));
    let first = one.start().await;
    let other = issuing(&authority, &peers(&[first.p2p]));
    let second = other.start().await;
    first.links(1).await;
    let agency = |at: &Home| Authority::open(&at.dir.path().join("agency")).unwrap();
    // The tool at the one, and at the other before that one has heard of it.
    let lost = Certificate::load(&home.dir.path().join("conf/node.crt")).unwrap().remove(0);
    let gone = authority.node("gone").certificate.certificate().clone();
    agency(&one).revoke_node(&home.id, &[]).unwrap();
    agency(&other).distrust(&gone).unwrap();
    for (node, at) in [(&first, &one), (&second, &other)] {
        // As it is now: what the node puts into the directory later reaches nobody by this file.
        std::fs::copy(agency(at).crl_path(), at.dir.path().join("conf/list.crl")).unwrap();
        let text = std::fs::read_to_string(at.file()).unwrap() + "[identity]\ncrl = [\"conf/list.crl\"]\n";
        std::fs::write(at.file(), text).unwrap();
        node.reloader.reload().await.unwrap();
    }
    let list = |at: &Home| RevocationFile::read(&agency(at).crl_path()).unwrap().lists.remove(0);
    let is_one = || {
        let [one, other] = [&one, &other].map(list);
        one == other && one.lists(&lost) && one.lists(&gone)
    };
    let began = Instant::now();
    while !is_one() {
        assert!(began.elapsed() < DEADLINE, "both directories have one list in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(first.client.status().await.unwrap().warnings.is_empty());
    // It is in force at both.
    home.write(&peers(&[first.p2p, second.p2p]));
    let mut events = Vec::new();
    for node in [&first, &second] {
        events.push(node.client.events(&["node_refused".into()]).await.unwrap());
    }
    let third = home.start().await;
    for mut events in events {
        let event = timeout(DEADLINE, events.next()).await.expect("it is told in time").unwrap().unwrap();
        assert_eq!(event["refused"], serde_json::json!({ "door": "p2p", "cause": "revoked" }), "{event}");
    }
    for node in [third, second, first] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agency_that_does_not_serve_is_told_at_the_start() {
    let authority = TestAuthority::new();
    let home = Home::new(&authority, "one", "[issuer]\nca = \"nowhere\"\n");
    let refusal = home.refusal().await;
    assert!(refusal.to_string().contains("[issuer] ca") && refusal.is_configuration(), "{refusal}");
    assert!(!refusal.hint().is_empty());
}

/// The agency's folder is on a file system that says nothing, or its key in such a token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_agency_is_silent_all_else_is_answered_and_no_node_takes_the_places_of_others() {
    let authority = TestAuthority::new();
    let issuer = issuing(&authority, "");
    let first = issuer.start().await;
    let home = Home::new(&authority, "two", &peers(&[first.p2p]));
    let second = home.start().await;
    second.links(1).await;
    let silent = Silent::make(&issuer.dir.path().join("agency/agency.crt"));

    let conf = home.dir.path().join("conf");
    let chain = nuncio_pki::Certificate::load(&conf.join("node.crt")).unwrap();
    let request = nuncio_pki::authority::renewal_request(&conf.join("node.key"), &chain[0]).unwrap();
    let ders = chain.iter().map(|one| one.der().to_vec().into()).collect();
    let wanted = service::Request::Renewal { request: request.der().to_vec().into(), chain: ders };
    let (asks, target, again) = (second.node.clone(), issuer.id, wanted.clone());
    let renewal = tokio::spawn(async move { asks.ask_service(target, &wanted, DEADLINE).await });
    let asked = tokio::task::spawn_blocking(move || silent.asked());
    let silent = timeout(DEADLINE, asked).await.unwrap().unwrap();

    let told = second.node.ask_service(issuer.id, &service::Request::SdkAuthorities, DEADLINE).await.unwrap();
    assert!(matches!(told, service::Answer::SdkIssuers { .. }), "{told:?}");
    let refused = second.node.ask_service(issuer.id, &again, DEADLINE).await.unwrap();
    assert!(
        matches!(&refused, service::Answer::Refused { reason } if reason.contains("a former request of this node")),
        "{refused:?}"
    );
    drop(silent);
    let renewed = renewal.await.unwrap().unwrap();
    assert!(matches!(renewed, service::Answer::Renewed { .. }), "{renewed:?}");
    second.stop().await;
    first.stop().await;
}
