//! A newcomer without a certificate gets one at the issuer's port, by its token and once.

use std::{path::Path, time::Duration};

use nuncio_daemon::enrolment::{EnrolmentError, enrol};
use nuncio_pki::{
    Certificate, CertificateRequest, Identity, IdentityPaths, JoinToken,
    authority::{Authority, Invitations, Kind, request, take_first},
};
use nuncio_testkit::TestAuthority;
use rustls_pki_types::UnixTime;
use sha2::{Digest, Sha256};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream, time::timeout};

use crate::{
    audit::{entries, one},
    consortium::Consortium,
    rig::{DEADLINE, Home, Running, peers},
};

async fn issuing(authority: &TestAuthority) -> (Home, Running, String) {
    let home = Home::new(authority, "issuer", "");
    authority.write_agency_directory(&home.dir.path().join("agency"));
    home.write("[issuer]\nca = \"agency\"\nlisten = \"127.0.0.1:0\"\n");
    let (running, at) = serving(&home).await;
    (home, running, at)
}

/// Its node runs, and where newcomers find it.
async fn serving(home: &Home) -> (Running, String) {
    let bound = home.daemon().build().await.unwrap();
    let at = bound.enrolment_address().unwrap().to_string();
    (Running::new(bound), at)
}

fn token(home: &Home, at: &str, name: &str) -> JoinToken {
    token_of(&home.dir.path().join("agency"), at, name)
}

fn token_of(agency: &Path, at: &str, name: &str) -> JoinToken {
    let ends = UnixTime::now().as_secs() + 3600;
    let end = UnixTime::since_unix_epoch(Duration::from_secs(ends));
    let (id, secret) = Invitations::of(agency).make(name, end).unwrap();
    let authority = Authority::open(agency).unwrap();
    let hash = |one: &Certificate| <[u8; 32]>::from(Sha256::digest(one.der()));
    let root = hash(authority.issuer().root_certificate());
    let further = authority.trusted().iter().map(hash).filter(|other| *other != root).collect();
    let (name, network, agency) = (name.to_owned(), "nuncio".to_owned(), authority.issuer().agency_path());
    let at = vec![at.to_owned()];
    JoinToken { id, secret, root, further, agency, name, network, at, peers: Vec::new(), ends }
}

/// Somebody who has a token of another secret.
pub(crate) async fn come_with_a_wrong_secret(home: &Home, at: &str) {
    let (mut forged, dir) = (token(home, at, "stranger"), tempfile::tempdir().unwrap());
    forged.secret[0] ^= 1;
    enrol(&forged, &wanting("stranger", dir.path())).await.unwrap_err();
}

fn wanting(name: &str, conf: &Path) -> CertificateRequest {
    request(Kind::Node, name, conf).unwrap()
}

fn refusal(error: &EnrolmentError) -> String {
    let EnrolmentError::Refused { reason } = error else { panic!("{error}") };
    reason.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_joins_by_a_token_once_and_links() {
    let authority = TestAuthority::new();
    let (home, first, at) = issuing(&authority).await;
    let (token, dir) = (token(&home, &at, "newcomer"), tempfile::tempdir().unwrap());
    let conf = dir.path().join("conf");
    let chain = enrol(&token, &wanting("newcomer", &conf)).await.unwrap();
    take_first(&chain, (&token.root, &token.further, &token.agency), &conf, UnixTime::now()).unwrap();
    let (identity, _) = Identity::load(&IdentityPaths::in_directory(&conf)).unwrap();
    let newcomer = Home { dir, id: identity.key.node_id() };
    newcomer.write(&peers(&[first.p2p]));
    let second = newcomer.start().await;
    second.links(1).await;

    let thief = tempfile::tempdir().unwrap();
    let error = enrol(&token, &wanting("newcomer", thief.path())).await.unwrap_err();
    assert!(refusal(&error).contains("was used, by another key"), "{error}");
    second.stop().await;
    first.stop().await;
    let entries = entries(&home);
    assert_eq!(one(&entries, "node_enrolled")["node"], newcomer.id.to_string());
    assert_eq!(one(&entries, "enrolment_refused")["invitation"], token.id.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_waits_and_nobody_is_asked_who_is_not_of_the_agency() {
    let authority = TestAuthority::new();
    let (home, first, at) = issuing(&authority).await;
    let dir = tempfile::tempdir().unwrap();
    let (good, request) = (token(&home, &at, "newcomer"), wanting("newcomer", dir.path()));
    let mut forged = good.clone();
    forged.secret[0] ^= 1;
    let began = std::time::Instant::now();
    let error = enrol(&forged, &request).await.unwrap_err();
    assert!(refusal(&error).contains("knows no such join token"), "{error}");
    assert!(began.elapsed() >= Duration::from_secs(2), "tries are slow");
    // The secret goes to nobody who is not of the token's root.
    let mut elsewhere = good.clone();
    elsewhere.root = [3; 32];
    let error = enrol(&elsewhere, &request).await.unwrap_err();
    assert!(
        matches!(&error, EnrolmentError::Mistaken { failures } if failures.contains("invalid peer certificate")),
        "{error}"
    );
    // Nor to another agency of that root, whose nodes stand below it too.
    let mut of_another = good.clone();
    of_another.agency = "agencyB".to_owned();
    let error = enrol(&of_another, &request).await.unwrap_err();
    assert!(matches!(&error, EnrolmentError::Mistaken { .. }), "it is of no use to ask again");
    let error = error.to_string();
    assert!(error.contains("and the token is agency \"agencyB\"'s") && !error.contains("unexpected"), "{error}");
    enrol(&good, &request).await.unwrap();
    first.stop().await;
    assert_eq!(entries(&home).iter().filter(|entry| entry["kind"] == "enrolment_refused").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_connects_and_says_nothing_or_nonsense_keeps_no_newcomer_out() {
    let authority = TestAuthority::new();
    let (home, first, at) = issuing(&authority).await;
    let mut silent = TcpStream::connect(&at).await.unwrap();
    let mut loud = TcpStream::connect(&at).await.unwrap();
    loud.write_all(&[0xff; 2000]).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    enrol(&token(&home, &at, "newcomer"), &wanting("newcomer", dir.path())).await.unwrap();
    // Both are cut: at once, and when the handshake has taken too long.
    for stream in [&mut loud, &mut silent] {
        let mut rest = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect("it is cut in time").ok();
    }
    first.stop().await;
}

/// By a token that is made now.
async fn joins(consortium: &Consortium, at: &str, name: &str) {
    let (token, dir) = (token_of(&consortium.agency(), at, name), tempfile::tempdir().unwrap());
    let chain = enrol(&token, &wanting(name, dir.path())).await.unwrap();
    take_first(&chain, (&token.root, &token.further, &token.agency), dir.path(), UnixTime::now()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_root_was_replaced_the_tokens_that_are_made_then_let_newcomers_in() {
    let consortium = Consortium::new();
    let home = consortium.issuing("listen = \"127.0.0.1:0\"\n");
    let (first, at) = serving(&home).await;
    joins(&consortium, &at, "before").await;
    consortium.replace_root(&[&home]);
    first.reloader.reload().await.unwrap();
    joins(&consortium, &at, "after").await;
    first.stop().await;
}

/// The agency's folder is the new root's before the node's own files are, or the node is told of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_port_follows_the_agencys_folder_before_the_node_does() {
    let consortium = Consortium::new();
    let home = consortium.issuing("listen = \"127.0.0.1:0\"\n");
    let (first, at) = serving(&home).await;
    consortium.replace_root(&[]);
    joins(&consortium, &at, "early").await;
    first.stop().await;
}
