//! Who may ask what: over the socket, with tokens, with operators' certificates, and with nothing.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use nuncio_admin::{Address, Client, ClientError, TokenFile, api::ErrorCode, routes, server};
use nuncio_audit::{Act, Actor, Event, Outcome, Scope};
use nuncio_pki::{
    Certificate, Identity, IdentityPaths, Policy,
    authority::{Authority, Kind, Plan, Rotation, Validity},
    tls::{operator_client_config, operator_client_roles, operator_server_config},
};
use nuncio_testkit::TestAuthority;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream, UnixStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::operator::Notebook;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Served {
    dir: TempDir,
    operator: Arc<Notebook>,
    pub(crate) http: String,
    tokens: TokenFile,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Served {
    pub(crate) async fn start(change: impl FnOnce(&mut server::Config)) -> Self {
        Self::under(TestAuthority::new(), false, change).await
    }

    async fn under(authority: TestAuthority, is_tls: bool, change: impl FnOnce(&mut server::Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let policy = Arc::new(ArcSwap::from_pointee(authority.policy()));
        let identity = Arc::new(authority.node("one"));
        let mut node = nuncio_node::Config::new(Arc::clone(&identity), Arc::clone(&policy), dir.path().to_owned());
        node.listen = vec!["127.0.0.1:0".into()];
        let bound = nuncio_node::build(node).unwrap();
        let operator = Arc::new(Notebook::new(bound.handle()));
        let mut config = server::Config {
            socket: Some(dir.path().join("admin.sock")),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            tokens: Some(dir.path().join("tokens.toml")),
            ..server::Config::default()
        };
        if is_tls {
            let tls = operator_server_config(&identity, Arc::clone(&policy)).unwrap();
            let own = Some(Arc::new(ArcSwap::from_pointee(identity.certificate.clone())));
            let certificates =
                server::Certificates { policy, scope: Scope::Full, read_only: vec![" CN = Auditor ".to_owned()], own };
            config.tls = Some(server::Tls { config: Arc::new(ArcSwap::from_pointee(tls)), certificates });
        }
        change(&mut config);
        let api = server::bind(config, bound.handle(), operator.clone()).await.unwrap();
        let http = api.local_address().unwrap().to_string();
        let stop = CancellationToken::new();
        let tasks = vec![tokio::spawn(bound.run(stop.clone())), tokio::spawn(api.run(stop.clone()))];
        let tokens = TokenFile::new(dir.path().join("tokens.toml"));
        Self { dir, operator, http, tokens, stop, tasks }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("admin.sock")
    }

    pub(crate) fn token(&self, scope: Scope) -> String {
        self.tokens.make(scope.as_str(), scope, None).unwrap()
    }

    fn client(&self) -> Client {
        Client::new(Address::Http(self.http.clone()))
    }

    fn over_tls(&self, directory: &std::path::Path) -> Client {
        Client::new(Address::Https(self.http.clone()))
            .with_tls(operator_client_config(directory).unwrap())
            .showing(operator_client_roles(directory).unwrap())
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            timeout(DEADLINE, task).await.expect("stops in time").unwrap();
        }
    }
}

fn code<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> ErrorCode {
    outcome.unwrap_err().failure().expect("the node answers")
}

/// The status of one request, written by hand.
async fn status(
    mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin,
    method: &str,
    path: &str,
    token: Option<&str>,
) -> u16 {
    let path = path.replace("{node}", "abcdef").replace("{topic}", "a");
    let shown = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{shown}connection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

/// A connection that stays, on which a token was good for one request.
async fn standing(one: &Served, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&one.http).await.unwrap();
    let head = format!("GET /v1/status HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut answer)).await.expect("it is answered in time").unwrap();
    assert_eq!(&answer[9..], b"200");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_needs_somebody_and_whoever_may_only_look_changes_nothing() {
    let one = Served::start(|_| {}).await;
    let (read, full) = (one.token(Scope::Read), one.token(Scope::Full));
    let mut needing_all = 0;
    for (method, path, scope) in routes() {
        let ask = async |token| status(TcpStream::connect(&one.http).await.unwrap(), method, path, token).await;
        assert_eq!(ask(None).await, 401, "anonymous: {method} {path}");
        assert_eq!(ask(Some("nuncio_wrong")).await, 401, "a wrong token: {method} {path}");
        let refused = ask(Some(&read)).await == 403;
        assert_eq!(refused, scope == Scope::Full, "{method} {path}");
        assert!(scope == Scope::Read || method != "GET");
        if path != "/v1/listen" && path != "/v1/events" {
            assert!(![401, 403].contains(&ask(Some(&full)).await), "{method} {path}");
        }
        needing_all += usize::from(scope == Scope::Full);
    }
    assert!(needing_all >= 8, "{needing_all} routes change something");
    let unknown = TcpStream::connect(&one.http).await.unwrap();
    assert_eq!(status(unknown, "GET", "/nothing", None).await, 401, "not even what there is");
    one.stop().await;
}

/// A dashboard's token, in other hands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_only_look_holds_no_connection_that_an_operator_needs() {
    let one = Served::start(|_| {}).await;
    let (read, full) = (one.token(Scope::Read), one.token(Scope::Full));
    let mut held = Vec::new();
    for _ in 0..300 {
        held.push(standing(&one, &read).await);
    }
    let stream = TcpStream::connect(&one.http).await.unwrap();
    assert_eq!(status(stream, "GET", "/v1/status", Some(&full)).await, 200);
    drop(held);
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_names_the_role_that_is_needed_and_what_was_done_names_its_actor() {
    let one = Served::start(|_| {}).await;
    let mut events = one.operator.audit.follow();
    let reader = one.client().with_token(one.token(Scope::Read));
    reader.status().await.unwrap();
    let refused = reader.add_peer("127.0.0.1:9").await.unwrap_err();
    assert!(refused.to_string().contains("needs the role full, and token read has the role read"), "{refused}");
    let event = events.try_recv().unwrap().event.clone();
    assert!(
        matches!(&event, Event::OperatorRefused { actor: Some(Actor::Token { name }), action: Act::Call { .. }, .. } if name.as_str() == "read"),
        "{event:?}"
    );

    let writer = one.client().with_token(one.token(Scope::Full));
    writer.add_peer("127.0.0.1:9").await.unwrap();
    let event = events.try_recv().unwrap().event.clone();
    let Event::OperatorActed { actor, action, outcome } = event else { panic!("{event:?}") };
    assert_eq!((actor.to_string().as_str(), action.to_string().as_str()), ("token full", "add peer 127.0.0.1:9"));
    assert_eq!(outcome, Outcome::Done);

    let local = Client::new(Address::Unix(one.socket()));
    assert_eq!(code(local.add_peer("nonsense").await), ErrorCode::BadRequest);
    let event = events.try_recv().unwrap().event.clone();
    let Event::OperatorActed { actor: Actor::Process { uid, pid, .. }, outcome, .. } = event else {
        panic!("{event:?}")
    };
    assert_eq!((uid, pid), (rustix::process::getuid().as_raw(), i32::try_from(std::process::id()).ok()));
    assert!(matches!(outcome, Outcome::Failed { .. }));
    local.broadcast(bytes::Bytes::from("x")).await.unwrap();
    assert!(matches!(
        events.try_recv().unwrap().event,
        Event::OperatorSent { action: Act::Broadcast { bytes: 1 }, .. }
    ));
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_taken_back_counts_no_more() {
    let one = Served::start(|_| {}).await;
    let client = one.client().with_token(one.token(Scope::Read));
    client.status().await.unwrap();
    one.tokens.revoke("read").unwrap();
    assert_eq!(code(client.status().await), ErrorCode::Unauthorized);
    let refused = one.client().status().await.unwrap_err();
    assert!(refused.hint().unwrap().contains("nuncio token make"), "{refused}");
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_begun_with_a_token_ends_when_it_is_taken_back_though_nobody_reads() {
    let one = Served::start(|_| {}).await;
    let kept = one.tokens.make("kept", Scope::Read, None).unwrap();
    let mut other = TcpStream::connect(&one.http).await.unwrap();
    assert_eq!(status(&mut other, "GET", "/v1/events?kind=operator_refused", Some(&kept)).await, 200);
    for (scope, method, path) in [(Scope::Read, "GET", "/v1/events"), (Scope::Full, "POST", "/v1/listen?unicast=1")] {
        let token = one.token(scope);
        let mut stream = TcpStream::connect(&one.http).await.unwrap();
        assert_eq!(status(&mut stream, method, path, Some(&token)).await, 200);
        one.tokens.revoke(scope.as_str()).unwrap();
        // The end of the connection, however it comes.
        let _ = timeout(DEADLINE, stream.read_to_end(&mut Vec::new())).await.expect("it ends");
    }
    let stranger = TcpStream::connect(&one.http).await.unwrap();
    assert_eq!(status(stranger, "GET", "/v1/events", Some("nuncio_wrong")).await, 401);
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("operator_refused") {
        let bytes = timeout(DEADLINE, other.read_buf(&mut read)).await.expect("it comes").unwrap();
        assert!(bytes > 0, "another one's goes on");
    }
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_who_are_not_named_may_only_look_over_the_socket() {
    let other = rustix::process::getuid().as_raw() + 1;
    let one = Served::start(|config| config.full_users = vec![other]).await;
    let local = Client::new(Address::Unix(one.socket()));
    local.status().await.unwrap();
    assert_eq!(code(local.set_log_level("debug").await), ErrorCode::Forbidden);
    for (method, path, scope) in routes().filter(|(_, _, scope)| *scope == Scope::Full) {
        let stream = UnixStream::connect(one.socket()).await.unwrap();
        assert_eq!(status(stream, method, path, None).await, 403, "{method} {path} {scope}");
    }
    one.stop().await;
}

/// The authority's certificate alone.
fn write_no_operator(authority: &TestAuthority, directory: &std::path::Path) {
    authority.write_operator_directory(directory, "bob");
    for end in ["key", "crt"] {
        std::fs::remove_file(directory.join(format!("operator.{end}"))).unwrap();
    }
}

/// A node's and an SDK's certificate under an operator's name.
fn write_as_operators(authority: &TestAuthority, node: &std::path::Path, sdk: &std::path::Path) {
    authority.write_node_directory(node, "two");
    authority.write_sdk_directory(sdk, false);
    for (directory, name) in [(node, "node"), (sdk, "sdk")] {
        for end in ["key", "crt"] {
            let [from, to] = [name, "operator"].map(|name| directory.join(format!("{name}.{end}")));
            std::fs::rename(from, to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_show_certificates_of_their_role_and_nobody_elses_count() {
    let authority = TestAuthority::new();
    let [alice, auditor, node, sdk, stranger, nobody] = [(); 6].map(|()| tempfile::tempdir().unwrap());
    authority.write_operator_directory(alice.path(), "alice");
    authority.write_operator_directory(auditor.path(), "auditor");
    write_no_operator(&authority, nobody.path());
    write_as_operators(&authority, node.path(), sdk.path());
    TestAuthority::new().write_operator_directory(stranger.path(), "alice");
    std::fs::copy(alice.path().join("ca.crt"), stranger.path().join("ca.crt")).unwrap();
    let one = Served::under(authority, true, |_| {}).await;
    let mut events = one.operator.audit.follow();
    one.over_tls(alice.path()).add_peer("127.0.0.1:9").await.unwrap();
    let event = events.try_recv().unwrap().event.clone();
    assert!(
        matches!(&event, Event::OperatorActed { actor: Actor::Certificate { name, .. }, .. } if name.as_str() == "alice"),
        "{event:?}"
    );
    one.over_tls(auditor.path()).status().await.unwrap();
    assert_eq!(code(one.over_tls(auditor.path()).add_peer("127.0.0.1:9").await), ErrorCode::Forbidden);
    let mut refused = async |directory: &std::path::Path| {
        let error = one.over_tls(directory).status().await.unwrap_err();
        assert!(error.is_unreachable(), "refused in the handshake: {error}");
        let event = loop {
            // What the guard has refused meanwhile is of another kind.
            let told = timeout(DEADLINE, events.recv()).await.expect("it is recorded").unwrap();
            if matches!(told.event, Event::OperatorRefused { action: Act::Connect, .. }) {
                break told.event.clone();
            }
        };
        let Event::OperatorRefused { address, cause, hint, actor: None, .. } = event else { panic!("{event:?}") };
        assert!(address.as_str().starts_with("127.0.0.1:"), "{address}");
        (format!("{error} {}", error.hint().unwrap_or_default()), cause, hint)
    };
    for (directory, role) in [(node.path(), "node"), (sdk.path(), "sdk")] {
        let (heard, cause, hint) = refused(directory).await;
        assert!(
            cause.as_str().contains(&format!("has role {role}, and this door takes role operator only")),
            "{cause}"
        );
        assert!(hint.as_str().contains("nuncio cert issue NAME --ca DIR --out DIR --kind operator"), "{hint}");
        assert!(heard.contains(&format!("it has role {role}, and the admin API takes role operator only")), "{heard}");
        assert!(heard.contains("nuncio cert issue NAME --ca DIR --out DIR --kind operator"), "{heard}");
    }
    let (_, cause, hint) = refused(stranger.path()).await;
    assert!(cause.as_str().contains("does not chain to ca.crt") && !hint.is_empty(), "{cause} {hint}");
    // Whoever does not speak TLS is recorded too; whoever only opens and closes is not.
    drop(TcpStream::connect(&one.http).await.unwrap());
    let mut plain = TcpStream::connect(&one.http).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let told = timeout(DEADLINE, events.recv()).await.expect("it is recorded").unwrap();
    let Event::OperatorRefused { action: Act::Connect, cause, .. } = &told.event else { panic!("{told:?}") };
    assert!(cause.as_str().starts_with("TLS failed: "), "{cause}");
    assert_eq!(code(one.over_tls(nobody.path()).status().await), ErrorCode::Unauthorized);
    let token = one.token(Scope::Read);
    one.over_tls(nobody.path()).with_token(token).status().await.unwrap();
    assert!(one.client().status().await.unwrap_err().is_unreachable(), "no plain HTTP there");
    // The client refuses a node that its authority did not certify.
    let elsewhere = Served::under(TestAuthority::new(), true, |_| {}).await;
    let error = elsewhere.over_tls(alice.path()).status().await.unwrap_err();
    assert!(matches!(error, ClientError::Tls { .. }), "{error}");
    elsewhere.stop().await;
    one.stop().await;
}

/// Every agency below the root can certify whom it likes: nodes of others are no business of its operators.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_of_another_agency_is_refused_unless_any_may_come() {
    for any in [false, true] {
        let (authority, [mallory, boss]) = (TestAuthority::new(), [(); 2].map(|()| tempfile::tempdir().unwrap()));
        authority.agency("otherAgency").write_operator_directory(mallory.path(), "alice");
        let issued = authority.root().issue(Kind::Operator, "boss", Validity::days(9)).unwrap();
        issued.write(&boss.path().join("out"), Kind::Operator).unwrap();
        let one = Served::under(authority, true, |config| {
            if any {
                config.tls.as_mut().unwrap().certificates.own = None;
            }
        })
        .await;
        let mut events = one.operator.audit.follow();
        one.over_tls(&boss.path().join("out")).status().await.expect("the root is above every agency");
        let asked = one.over_tls(mallory.path()).status().await;
        if any {
            asked.unwrap();
        } else {
            let error = asked.unwrap_err();
            assert!(
                error.to_string().contains("by agency \"otherAgency\", and this node takes operators of its own"),
                "{error}"
            );
            let event = events.try_recv().unwrap().event.clone();
            let Event::OperatorRefused { cause, hint, actor: None, .. } = &event else { panic!("{event:?}") };
            assert!(cause.as_str().contains("CN=alice") && cause.as_str().contains("otherAgency"), "{cause}");
            assert!(hint.as_str().contains("--kind operator"), "{hint}");
        }
        one.stop().await;
    }
}

/// As the directory of an operator whose node has another root than he.
fn trusting(directory: &std::path::Path, root: &Certificate) {
    std::fs::write(directory.join("ca.crt"), root.to_pem()).unwrap();
}

/// Of two roots that a node trusts, the other one's operators have no business here, nor those of its agency of the same name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_below_another_root_is_refused() {
    let (authority, other) = (TestAuthority::new(), TestAuthority::new());
    let (namesake, boss, own) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    authority.write_operator_directory(own.path(), "alice");
    other.write_operator_directory(namesake.path(), "alice");
    let boss = boss.path().join("out");
    other.root().issue(Kind::Operator, "boss", Validity::days(9)).unwrap().write(&boss, Kind::Operator).unwrap();
    [namesake.path(), &boss].iter().for_each(|directory| trusting(directory, authority.root_certificate()));
    let both = vec![authority.root_certificate().clone(), other.root_certificate().clone()];
    let one = Served::under(authority, true, |config| {
        let policy = &config.tls.as_ref().unwrap().certificates.policy;
        policy.store(Arc::new(Policy::new(both).unwrap()));
    })
    .await;
    one.over_tls(own.path()).status().await.unwrap();
    for directory in [namesake.path(), &boss] {
        let error = one.over_tls(directory).status().await.unwrap_err();
        assert!(error.to_string().contains("below another root"), "{error}");
        assert_eq!(code::<()>(Err(error)), ErrorCode::Unauthorized);
    }
    one.stop().await;
}

/// While a root is replaced, nodes and operators get their certificates at different times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_is_let_in_while_one_root_takes_the_place_of_another() {
    let (authority, home) = (TestAuthority::new(), tempfile::tempdir().unwrap());
    let at = |name: &str| home.path().join(name);
    authority.write_operator_directory(&at("before"), "alice");
    std::fs::create_dir(at("ca")).unwrap();
    // Its file has the mode of a key's.
    std::fs::copy(at("before").join("operator.key"), at("ca").join("ca.key")).unwrap();
    std::fs::write(at("ca").join("ca.key"), &*authority.root().key().to_pem().unwrap()).unwrap();
    std::fs::write(at("ca").join("ca.crt"), authority.root_certificate().to_pem()).unwrap();
    Rotation::plan(&at("ca"), Plan::default()).unwrap().prepare(None).unwrap();
    let heir = Authority::open(&at("ca").join("rotation/new")).unwrap();
    let agency = heir.agency("agency", &at("agency"), Validity::days(9)).unwrap();
    let cross = std::fs::read_to_string(at("ca").join("rotation/cross.crt")).unwrap();
    let both = vec![authority.root_certificate().clone(), heir.certificate().clone()];
    let roots: String = both.iter().map(Certificate::to_pem).collect();
    for (kind, name, file) in [(Kind::Operator, "after", "operator.crt"), (Kind::Node, "node", "node.crt")] {
        agency.issue(kind, name, &at(name), Validity::days(9)).unwrap();
        let chain = std::fs::read_to_string(at(name).join(file)).unwrap();
        std::fs::write(at(name).join(file), chain + &cross).unwrap();
        std::fs::write(at(name).join("ca.crt"), &roots).unwrap();
    }
    std::fs::write(at("before").join("ca.crt"), &roots).unwrap();
    let renewed = Identity::load(&IdentityPaths::in_directory(at("node"))).unwrap().0.certificate;
    let mut own = None;
    let one = Served::under(authority, true, |config| {
        let certificates = &config.tls.as_ref().unwrap().certificates;
        certificates.policy.store(Arc::new(Policy::new(both).unwrap()));
        own.clone_from(&certificates.own);
    })
    .await;
    for is_renewed in [false, true] {
        if is_renewed {
            own.as_ref().unwrap().store(Arc::new(renewed.clone()));
        }
        for name in ["before", "after"] {
            one.over_tls(&at(name)).status().await.unwrap_or_else(|error| panic!("{name}, {is_renewed}: {error}"));
        }
    }
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_operator_is_refused() {
    let (authority, alice) = (TestAuthority::new(), tempfile::tempdir().unwrap());
    let certificate = authority.write_operator_directory(alice.path(), "alice");
    let list = authority.revoke_certificate(&certificate);
    let policy = Arc::new(ArcSwap::from_pointee(authority.policy()));
    let shared = Arc::clone(&policy);
    let one = Served::under(authority, true, move |config| {
        config.tls.as_mut().unwrap().certificates.policy = shared;
    })
    .await;
    one.over_tls(alice.path()).status().await.unwrap();
    let revoking = policy.load().as_ref().clone().with_crls(vec![list]).unwrap();
    policy.store(Arc::new(revoking));
    assert_eq!(code(one.over_tls(alice.path()).status().await), ErrorCode::Unauthorized);
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_have_a_port_of_their_own_that_serves_nothing_else_by_any_name() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let one = Served::start(|config| config.metrics_listen = Some(free)).await;
    let ask = async |method: &str, path: &str| {
        let mut stream = TcpStream::connect(free).await.unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: node0.prometheus.example\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    };
    let metrics = ask("GET", "/metrics").await;
    assert!(
        metrics.starts_with("HTTP/1.1 200")
            && metrics.contains("nuncio_audit_events_total{kind=\"operator_refused\"} 0"),
        "{metrics}"
    );
    for (method, path, _) in routes().filter(|(_, path, _)| *path != "/metrics") {
        assert!(ask(method, path).await.starts_with("HTTP/1.1 404"), "{method} {path}");
    }
    assert!(ask("POST", "/metrics").await.starts_with("HTTP/1.1 405"));
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_who_ask_for_metrics_together_have_one_look_a_second() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let one = Served::start(|config| config.metrics_listen = Some(free)).await;
    let looks = || one.operator.lifetimes_asked.load(Ordering::Relaxed);
    let (before, since) = (looks(), Instant::now());
    for _ in 0..100 {
        let stream = TcpStream::connect(free).await.unwrap();
        assert_eq!(status(stream, "GET", "/metrics", None).await, 200);
    }
    let made = looks() - before;
    assert!((1..=2 + since.elapsed().as_secs()).contains(&(made as u64)), "{made} looks");
    one.stop().await;
}

/// A token of all authority, in other hands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_on_a_token_that_was_taken_back_ends_and_leaves_its_places_to_others() {
    let one = Served::start(|_| {}).await;
    let (lost, kept) = (one.token(Scope::Full), one.tokens.make("kept", Scope::Full, None).unwrap());
    let mut held = Vec::new();
    let mut other = standing(&one, &kept).await;
    for _ in 0..255 {
        held.push(standing(&one, &lost).await);
    }
    one.tokens.revoke("full").unwrap();
    drop(standing(&one, &kept).await);
    for mut stream in held {
        // The end of the connection, however it comes.
        let _ = timeout(DEADLINE, stream.read_to_end(&mut Vec::new())).await.expect("it ends");
    }
    // Another one's goes on.
    let head = format!("GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {kept}\r\n\r\n");
    other.write_all(head.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("}HTTP/1.1 200") {
        let bytes = timeout(DEADLINE, other.read_buf(&mut read)).await.expect("it is answered in time").unwrap();
        assert!(bytes > 0, "it ended: {}", String::from_utf8_lossy(&read));
    }
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_that_say_nothing_keep_no_operator_out() {
    let one = Served::start(|_| {}).await;
    let client = one.client().with_token(one.token(Scope::Read));
    let mut silent = Vec::new();
    for number in 0..400_u32 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 1, (1 + number % 50) as u8], 0))).unwrap();
        silent.push(socket.connect(one.http.parse().unwrap()).await.unwrap());
    }
    client.status().await.unwrap();
    one.stop().await;
}
