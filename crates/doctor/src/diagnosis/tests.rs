use std::net::SocketAddr;

use nuncio_identity::NodeId;
use nuncio_pki::Certificate;
use nuncio_testkit::TestAuthority;
use nuncio_transport::{HandshakeError, Role, Stage};
use rustls::AlertDescription as Alert;

use super::*;
use crate::{
    Connection, ConnectionOutcome, Credentials, Handshake, HttpAnswer, Inside, Offer, Opening, P2pOutcome, Port,
    Resolution, TlcpAnswer, TlsAttempt,
};

/// An open port that said nothing yet.
fn facts() -> Facts {
    let address: SocketAddr = "10.0.0.1:30300".parse().unwrap();
    Facts {
        target: "10.0.0.1:30300".parse().unwrap(),
        expected: None,
        own: None,
        now: UnixTime::now(),
        patience: Duration::from_secs(5),
        resolution: Resolution::Literal,
        connections: vec![Connection { address, outcome: ConnectionOutcome::Open(Duration::from_millis(1)) }],
        opening: Opening::Closed,
        p2p: None,
        tls: Vec::new(),
        inside: None,
        tlcp: None,
        http: None,
    }
}

fn unconnected(outcome: ConnectionOutcome) -> Facts {
    let mut facts = Facts { opening: Opening::NotAsked, ..facts() };
    facts.connections[0].outcome = outcome;
    facts
}

fn attempt(outcome: Handshake) -> TlsAttempt {
    let first = vec![0x16, 3, 3];
    TlsAttempt { offer: Offer::Tls12, outcome, chain: Vec::new(), asked: true, proved: None, first }
}

fn done() -> Handshake {
    Handshake::Done("TLS 1.2".into())
}

fn alert(alert: Alert) -> Handshake {
    Handshake::Failed(rustls::Error::AlertReceived(alert))
}

fn chain_of(authority: &TestAuthority) -> Vec<Certificate> {
    authority.node("peer").chain.iter().map(|der| Certificate::from_der(der.clone()).unwrap()).collect()
}

fn sdk_of(authority: &TestAuthority) -> (tempfile::TempDir, Credentials) {
    let directory = tempfile::tempdir().unwrap();
    authority.write_sdk_directory(&directory.path().join("sdk"), false);
    let credentials = Credentials::in_directory(&directory.path().join("sdk")).unwrap();
    (directory, credentials)
}

/// The only fault: its check and its text with the fix, which every fault has.
fn fault(facts: &Facts) -> (Check, String) {
    let findings = diagnose(facts);
    let faults: Vec<_> = findings.iter().filter(|one| one.severity == Severity::Fault).collect();
    let [fault] = &faults[..] else { panic!("{findings:#?}") };
    assert!(!fault.fix.is_empty(), "{fault:?}");
    (fault.check, fault.to_string())
}

#[track_caller]
fn assert_fault(facts: &Facts, check: Check, words: &[&str]) {
    let (found, text) = fault(facts);
    assert_eq!(found, check, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

#[track_caller]
fn assert_good(facts: &Facts) {
    let findings = diagnose(facts);
    assert!(findings.iter().all(|one| one.severity != Severity::Fault), "{findings:#?}");
}

#[test]
fn what_stands_in_the_way_before_a_connection_is_told_apart() {
    let outcome = ConnectionOutcome::Refused;
    assert_fault(&unconnected(outcome), Check::Connection, &["refuses", "nothing listens", "ss -ltn"]);
    let outcome = ConnectionOutcome::TimedOut;
    assert_fault(&unconnected(outcome), Check::Connection, &["does not answer", "5 s", "firewall", "ufw allow 30300"]);
    let outcome = ConnectionOutcome::NoRoute("no route to host".into());
    assert_fault(&unconnected(outcome), Check::Connection, &["no way", "no route to host", "ip route get 10.0.0.1"]);
    let unnamed = |resolution| Facts {
        target: "node0.example:30300".parse().unwrap(),
        resolution,
        connections: Vec::new(),
        opening: Opening::NotAsked,
        ..facts()
    };
    let resolution = Resolution::Failed("unknown name".into());
    assert_fault(
        &unnamed(resolution),
        Check::Name,
        &["does not resolve", "unknown name", "getent hosts node0.example"],
    );
    assert_fault(&unnamed(Resolution::TimedOut), Check::Name, &["name server", "resolv.conf"]);
}

#[test]
fn a_second_address_that_works_makes_the_first_a_note() {
    let mut facts = Facts { opening: Opening::Nuncio, ..facts() };
    let refused = Connection { outcome: ConnectionOutcome::Refused, ..facts.connections[0].clone() };
    facts.connections.insert(0, refused);
    assert_good(&facts);
    assert!(diagnose(&facts).iter().any(|one| one.severity == Severity::Note && one.what.contains("refuses")));
}

#[test]
fn the_wrong_kind_of_port_is_named_with_the_right_one() {
    let channel = |expected| Facts {
        expected: Some(expected),
        tls: vec![attempt(done())],
        inside: Some(Inside::Channel("2.9.1".into())),
        ..facts()
    };
    assert_fault(&channel(Port::P2p), Check::Port, &["channel port", "2.9.1", "[p2p] listen"]);
    assert_fault(&channel(Port::Plain), Check::Port, &["meant to be plain", "https://"]);
    assert_good(&channel(Port::Channel));
    let p2p = |expected| Facts { expected: Some(expected), opening: Opening::Nuncio, ..facts() };
    assert_fault(&p2p(Port::Channel), Check::Port, &["p2p port of a Nuncio node", "[gateway] listen"]);
    assert_good(&p2p(Port::P2p));
    let fisco = |expected| Facts { inside: Some(Inside::FiscoP2p), ..channel(expected) };
    assert_fault(&fisco(Port::P2p), Check::Port, &["FISCO BCOS 2.x", "run --fisco"]);
    assert_fault(&fisco(Port::Channel), Check::Port, &["FISCO BCOS 2.x", "channel_listen_port"]);
    let libp2p = Facts { opening: Opening::OtherLibp2p, ..facts() };
    assert_fault(&libp2p, Check::Port, &["no Nuncio node", "same version"]);
}

#[test]
fn plain_text_is_recognised_and_welcome_only_where_it_was_meant() {
    let now = UnixTime::now();
    let answer = HttpAnswer { status: "HTTP/1.1 200 OK".into(), date: None, received: now };
    let http = |expected| Facts { expected, http: Some(answer.clone()), ..facts() };
    assert_fault(&http(None), Check::Port, &["HTTP in plain text", "200 OK"]);
    assert_good(&http(Some(Port::Plain)));
    let banner = Facts { opening: Opening::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()), ..facts() };
    assert_fault(&banner, Check::Port, &["plain text", "SSH-2.0-OpenSSH"]);
    assert_fault(&facts(), Check::Port, &["hangs up"]);
    let silent = Facts { opening: Opening::Silent, ..facts() };
    assert_fault(&silent, Check::Port, &["says nothing", "5 s"]);
}

#[test]
fn sm_only_and_no_common_curve_are_told_apart() {
    let refused = || attempt(alert(Alert::HandshakeFailure));
    let without_question = TlsAttempt { asked: false, ..refused() };
    let sm = Facts { tls: vec![without_question.clone()], tlcp: Some(TlcpAnswer::Spoken), ..facts() };
    assert_fault(&sm, Check::Port, &["TLCP", "0x0101", "sm_crypto_channel=false"]);
    let curve = Facts { tls: vec![without_question], tlcp: Some(TlcpAnswer::NotSpoken), ..facts() };
    assert_fault(&curve, Check::Tls, &["no curve, cipher", "secp256k1", "openssl s_client"]);
    let version = TlsAttempt { asked: false, ..attempt(alert(Alert::ProtocolVersion)) };
    assert_fault(&Facts { tls: vec![version], ..facts() }, Check::Tls, &["no version of TLS"]);
}

#[test]
fn a_server_on_secp256k1_only_is_worth_a_note() {
    let without = TlsAttempt { offer: Offer::WithoutSecp256k1, ..attempt(alert(Alert::HandshakeFailure)) };
    let tls = vec![attempt(done()), without];
    let facts = Facts { tls, inside: Some(Inside::Channel("2.9.1".into())), ..facts() };
    assert_good(&facts);
    assert!(diagnose(&facts).iter().any(|one| one.severity == Severity::Note && one.what.contains("secp256k1 only")));
}

#[test]
fn alerts_about_the_certificate_shown_say_which_fault() {
    let authority = TestAuthority::new();
    let (_directory, own) = sdk_of(&authority);
    let cases: [(Alert, &[&str]); 5] = [
        (Alert::UnknownCA, &["another authority", "agency", "ca.crt"]),
        (Alert::CertificateExpired, &["expired", "date -u"]),
        (Alert::CertificateRevoked, &["revoked", "cert issue"]),
        (Alert::AccessDenied, &["denies", "access allow"]),
        (Alert::DecryptError, &["signature", "cert inspect"]),
    ];
    for (description, words) in cases {
        let tls = vec![TlsAttempt { chain: chain_of(&authority), ..attempt(alert(description)) }];
        assert_fault(&Facts { own: Some(own.clone()), tls, ..facts() }, Check::Admission, words);
    }
    for description in [Alert::CertificateRequired, Alert::HandshakeFailure, Alert::BadCertificate] {
        let tls = vec![attempt(alert(description))];
        assert_fault(&Facts { tls, ..facts() }, Check::Admission, &["demands a certificate", "--certs"]);
    }
    let late = Inside::Refused(rustls::Error::AlertReceived(Alert::UnknownCA));
    let facts = Facts { own: Some(own), tls: vec![attempt(done())], inside: Some(late), ..facts() };
    assert_fault(&facts, Check::Admission, &["another authority"]);
}

#[test]
fn a_server_that_asks_nobody_for_a_certificate_is_worth_a_note() {
    let open = TlsAttempt { asked: false, ..attempt(done()) };
    let facts = Facts { tls: vec![open], inside: Some(Inside::Channel("2.0.0".into())), ..facts() };
    assert_good(&facts);
    assert!(diagnose(&facts).iter().any(|one| one.what.contains("asks nobody")));
}

#[test]
fn the_certificates_of_both_sides_are_judged() {
    let (ours, theirs) = (TestAuthority::new(), TestAuthority::named("their chain", "their agency"));
    let (_directory, own) = sdk_of(&ours);
    let inside = || Some(Inside::Channel("2.9.1".into()));
    let with_peer =
        |chain, own| Facts { own, tls: vec![TlsAttempt { chain, ..attempt(done()) }], inside: inside(), ..facts() };
    assert_good(&with_peer(chain_of(&ours), Some(own.clone())));
    let words = ["another authority", "their chain", "sha256sum"];
    assert_fault(&with_peer(chain_of(&theirs), Some(own.clone())), Check::PeerCertificate, &words);
    let expired =
        ours.expired_node("old").chain.iter().map(|der| Certificate::from_der(der.clone()).unwrap()).collect();
    assert_fault(&with_peer(expired, None), Check::PeerCertificate, &["expired", "cert renew", "date -u"]);
    let mut unproved = with_peer(chain_of(&ours), Some(own));
    unproved.tls[0].proved = Some(false);
    assert_fault(&unproved, Check::PeerCertificate, &["does not hold the key"]);

    let directory = tempfile::tempdir().unwrap();
    ours.write_expired_sdk_directory(&directory.path().join("sdk"));
    let own = Credentials::in_directory(&directory.path().join("sdk")).unwrap();
    assert_fault(&with_peer(chain_of(&ours), Some(own)), Check::OwnCertificate, &["expired", "cert renew"]);
}

#[test]
fn another_agency_is_named_when_the_gateway_hangs_up() {
    let authority = TestAuthority::new();
    let other = authority.agency("otherAgency");
    let (_directory, own) = sdk_of(&other);
    let tls = vec![TlsAttempt { chain: chain_of(&authority), ..attempt(done()) }];
    let facts = |own| Facts { own: Some(own), tls: tls.clone(), inside: Some(Inside::Closed), ..facts() };
    assert_fault(&facts(own), Check::Admission, &["another agency", "otherAgency", "same_agency"]);
    let (_directory, own) = sdk_of(&authority);
    assert_fault(&facts(own), Check::Admission, &["hung up after TLS", "access list"]);
}

#[test]
fn the_words_of_a_node_are_passed_on_with_its_clock() {
    let node: NodeId = TestAuthority::new().node("peer").key.node_id();
    let mut facts = Facts { opening: Opening::Nuncio, ..facts() };
    let reason =
        "certificate of CN=a expired; the local clock of the refusing node says 2020-01-01T00:00:00Z".to_owned();
    let refused = HandshakeError::RefusedByPeer { role: Role::Dialer, node, reason };
    facts.p2p = Some(P2pOutcome::Failed(refused));
    let findings = diagnose(&facts);
    let found = |check| findings.iter().find(|one| one.check == check && one.severity == Severity::Fault).unwrap();
    assert!(found(Check::Admission).why.contains("expired"));
    let clock = found(Check::Clock).to_string();
    assert!(clock.contains("behind") && clock.contains("2020-01-01T00:00:00Z") && clock.contains("refusal"), "{clock}");

    let names = ("ours".to_owned(), "theirs".to_owned());
    let other = HandshakeError::OtherNetwork { role: Role::Dialer, node, ours: names.0, theirs: names.1 };
    facts.p2p = Some(P2pOutcome::Failed(other));
    assert_fault(&facts, Check::Admission, &["theirs", "network name"]);
    let slow = HandshakeError::TimedOut { role: Role::Dialer, stage: Stage::Tls, after: Duration::from_secs(5) };
    facts.p2p = Some(P2pOutcome::Failed(slow));
    assert_fault(&facts, Check::Admission, &["5s"]);
    facts.p2p = Some(P2pOutcome::Admitted(node));
    assert_good(&facts);
}

#[test]
fn clocks_are_compared_where_one_can_be_read() {
    let received = UnixTime::now();
    let at = |offset: i64| {
        let seconds = received.as_secs().saturating_add_signed(offset);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    };
    let with = |date| Facts {
        expected: Some(Port::Plain),
        http: Some(HttpAnswer { status: "HTTP/1.1 200 OK".into(), date, received }),
        ..facts()
    };
    assert_fault(&with(at(3 * 3600)), Check::Clock, &["3 h ahead of", "measured from the Date"]);
    assert_fault(&with(at(-600)), Check::Clock, &["10 min behind"]);
    assert_good(&with(at(2)));
    assert!(diagnose(&with(at(2))).iter().any(|one| one.check == Check::Clock));
    assert!(!diagnose(&with(None)).iter().any(|one| one.check == Check::Clock));

    let chain: Vec<_> = TestAuthority::new().not_yet_valid_node("early").chain;
    let chain = chain.iter().map(|der| Certificate::from_der(der.clone()).unwrap()).collect();
    let facts = Facts { tls: vec![TlsAttempt { chain, ..attempt(done()) }], ..facts() };
    let findings = diagnose(&facts);
    let clock = findings.iter().find(|one| one.check == Check::Clock).unwrap();
    assert!(clock.severity == Severity::Note && clock.why.contains("measured from the beginning"), "{clock}");
}
