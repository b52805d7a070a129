use std::{path::Path, time::Duration};

use nuncio_audit::{Audit, Event};
use nuncio_channel_protocol::{Frame, FrameKind, FrameSeq};
use nuncio_pki::{
    authority::{Kind, Validity},
    tls::{ChannelPaths, channel_server_config},
};
use nuncio_testkit::{TestAuthority, authority::agency_without_pathlen};
use rustls_pki_types::UnixTime;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::rig::{Log, PATIENCE, Rig, Sdk};

/// Whether an SDK with these certificates gets a session.
async fn is_admitted(rig: &mut Rig, directory: &Path) -> bool {
    let Ok(mut sdk) = Sdk::connect(rig.address, directory).await else {
        return false;
    };
    let heartbeat = Frame::request(FrameKind::Heartbeat, FrameSeq::from_number(1), "0".into());
    sdk.try_send(&heartbeat).await.is_ok() && sdk.frame().await.is_some()
}

#[tokio::test]
async fn what_is_not_tls_is_closed() {
    let mut rig = Rig::new().await;
    let openings: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x13/multistream/1.0.0\n",
        b"\x00\x00\x00\x2a\x00\x13",
        b"\xff\xfe\xfd",
        b"\x16\x03\x01\xff\xffgarbage",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    ];
    for opening in openings {
        let mut connection = TcpStream::connect(rig.address).await.unwrap();
        connection.write_all(opening).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, connection.read_to_end(&mut answer)).await.expect("it is closed");
        assert!(answer.len() <= 7, "at most an alert: {answer:?}");
    }
    assert_eq!(rig.clients.statistics().connections_refused, 6);
    assert!(rig.has_no_input());
    rig.connect().await;
}

#[tokio::test]
async fn certificates_of_others_are_refused() {
    let mut rig = Rig::new().await;
    let root = rig.directory.path().to_owned();
    TestAuthority::new().write_sdk_directory(&root.join("foreign"), false);
    // The foreign client trusts our gateway: only its own certificate is wrong.
    std::fs::copy(root.join("sdk/ca.crt"), root.join("foreign/ca.crt")).unwrap();
    rig.authority.write_expired_sdk_directory(&root.join("expired"));
    assert!(!is_admitted(&mut rig, &root.join("foreign")).await);
    assert!(!is_admitted(&mut rig, &root.join("expired")).await);
    assert!(is_admitted(&mut rig, &root.join("sdk")).await);
    assert_eq!(rig.clients.statistics().connections_refused, 2);
}

/// The client hears an alert, for TLS has no words; whoever runs the node hears them.
#[tokio::test]
async fn only_sdks_are_let_in_and_the_refusal_names_both_roles_and_what_mends_it() {
    let (audit, (log, _guard)) = (Audit::default(), Log::capture());
    let (mut events, recorded) = (audit.follow(), audit.clone());
    let mut rig = Rig::with(|config| config.audit = recorded).await;
    let root = rig.directory.path().to_owned();
    let operator = rig.authority.issuer().issue(Kind::Operator, "ops", Validity::days(30)).unwrap();
    // Under the names that the client looks for.
    operator.write(&root.join("operator"), Kind::Sdk).unwrap();
    for other in ["node", "operator"] {
        let heard = Sdk::connect(rig.address, &root.join(other)).await.map(drop).unwrap_err();
        assert!(heard.to_string().contains("AccessDenied"), "{heard}");
        let told = timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        let Event::SdkRefused { cause, hint, noise: false, .. } = &told.event else { panic!("{told:?}") };
        let words = format!("has role {other}, and this door takes role sdk only");
        assert!(cause.as_str().contains(&words), "{cause}");
        assert!(hint.as_str().contains("nuncio cert issue NAME --ca DIR --out DIR --kind sdk"), "{hint}");
        assert!(log.count(&words) == 1 && log.count("--kind sdk") >= 1, "{}", log.text());
        // A second later other words about the same address are worth a line.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    assert!(rig.has_no_input());
    assert!(is_admitted(&mut rig, &root.join("sdk")).await);
}

#[tokio::test]
async fn another_agencys_sdk_is_refused_unless_the_check_is_off() {
    for same_agency in [true, false] {
        let mut rig = Rig::with(|config| config.same_agency = same_agency).await;
        let other = rig.directory.path().join("other");
        rig.authority.agency("otherAgency").write_sdk_directory(&other, false);
        assert_eq!(is_admitted(&mut rig, &other).await, !same_agency);
    }
}

/// Each root names its agencies as it likes.
#[tokio::test]
async fn an_sdk_below_another_root_is_refused_whatever_its_agency_is_called() {
    let (directory, [ours, theirs]) =
        (tempfile::tempdir().unwrap(), ["chain", "another"].map(|root| TestAuthority::named(root, "agency")));
    let [node, sdk, other] = ["node", "sdk", "other"].map(|name| directory.path().join(name));
    ours.write_node_directory(&node, "node0");
    let both = [&ours, &theirs].map(|authority| authority.root_certificate().to_pem()).concat();
    for (authority, client) in [(&ours, &sdk), (&theirs, &other)] {
        authority.write_sdk_directory(client, false);
        std::fs::write(client.join("ca.crt"), &both).unwrap();
    }
    std::fs::write(node.join("ca.crt"), &both).unwrap();
    assert_eq!(ours.agency_certificate().subject(), theirs.agency_certificate().subject());
    let (audit, (log, _guard)) = (Audit::default(), Log::capture());
    let mut rig = Rig::with(|config| {
        config.tls = channel_server_config(&ChannelPaths::in_directory(&node)).unwrap();
        config.audit = audit;
    })
    .await;
    assert!(!is_admitted(&mut rig, &other).await);
    assert!(log.text().contains("agency below another root"), "{}", log.text());
    assert!(is_admitted(&mut rig, &sdk).await);
}

/// Whoever may make authorities gives them any name, the node's agency's too.
#[tokio::test]
async fn an_sdk_by_another_agency_under_the_name_of_this_one_is_refused_unless_the_check_is_off() {
    for same_agency in [true, false] {
        let (audit, (log, _guard)) = (Audit::default(), Log::capture());
        let mut rig = Rig::with(|config| (config.same_agency, config.audit) = (same_agency, audit)).await;
        let theirs = rig.directory.path().join("theirs");
        let namesake = agency_without_pathlen(rig.authority.root(), "agencyB");
        let namesake = namesake.agency("agency", Validity::days(9)).unwrap();
        let (ours, named) = (rig.authority.agency_certificate(), namesake.certificate());
        assert!(ours.subject() == named.subject() && ours.public_key() != named.public_key());
        namesake.issue(Kind::Sdk, "sdk", Validity::days(9)).unwrap().write(&theirs, Kind::Sdk).unwrap();
        std::fs::write(theirs.join("ca.crt"), rig.authority.root_certificate().to_pem()).unwrap();
        assert_eq!(is_admitted(&mut rig, &theirs).await, !same_agency);
        let root = rig.directory.path().to_owned();
        assert!(is_admitted(&mut rig, &root.join("sdk")).await);
        let words = "issued by \"agencyB/agency\", the node's by \"agency\"";
        assert_eq!(
            log.text().contains(&words.replace('"', "\\\"")) || log.text().contains(words),
            same_agency,
            "{}",
            log.text()
        );
    }
}

/// An agency on a curve certifies RSA keys too, and those of its SDKs are its own all the same.
#[tokio::test]
async fn another_agencys_sdk_is_refused_whatever_key_it_has() {
    let mut rig = Rig::new().await;
    let root = rig.directory.path().to_owned();
    for (name, agency) in [("ours", rig.authority.issuer()), ("theirs", rig.authority.agency("otherAgency").issuer())] {
        let issued = agency.issue(Kind::SdkRsa, "sdk", Validity::days(30)).unwrap();
        issued.write(&root.join(name), Kind::SdkRsa).unwrap();
        // With the agency's, which FISCO BCOS's RSA files have not.
        let bundle: String = issued.chain.iter().map(nuncio_pki::Certificate::to_pem).collect();
        std::fs::write(root.join(name).join("sdk.crt"), bundle).unwrap();
    }
    assert!(is_admitted(&mut rig, &root.join("ours")).await);
    assert!(!is_admitted(&mut rig, &root.join("theirs")).await);
}

/// FISCO's default since 2.9: RSA certificates of X.509 version 1 on both sides.
#[tokio::test]
async fn rsa_certificates_work_and_can_take_over_while_running() {
    let mut rig = Rig::new().await;
    let root = rig.directory.path().to_owned();
    let (mut former, _) = rig.connect().await;
    rig.authority.write_channel_directory(&root.join("channel"));
    rig.authority.write_sdk_directory(&root.join("sdk-rsa"), true);
    rig.renewal.renew(&channel_server_config(&ChannelPaths::in_directory(root.join("channel"))).unwrap());
    assert!(is_admitted(&mut rig, &root.join("sdk-rsa")).await);
    assert!(!is_admitted(&mut rig, &root.join("sdk")).await);
    former.expect_closed().await;
}

#[tokio::test]
async fn a_session_ends_with_its_certificate_and_with_its_agencys() {
    let mut rig = Rig::new().await;
    let directory = rig.directory.path().join("brief");
    let now = UnixTime::now().as_secs();
    let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let validity = Validity { not_before: at(now - 60), not_after: at(now + 3) };
    let brief = rig.authority.issuer().issue(Kind::Sdk, "sdk", validity).unwrap();
    let below_brief = rig.authority.root().agency("agency", validity).unwrap();
    let below_brief = below_brief.issue(Kind::Sdk, "sdk", Validity::days(30)).unwrap();
    let mut sdks = Vec::new();
    for (name, issued) in [("itself", brief), ("its agency", below_brief)] {
        issued.write(&directory.join(name), Kind::Sdk).unwrap();
        let mut sdk = Sdk::connect(rig.address, &directory.join(name)).await.unwrap();
        sdk.expect_silence().await;
        sdks.push(sdk);
    }
    for mut sdk in sdks {
        sdk.expect_closed().await;
        rig.disconnected().await;
    }
    assert!(UnixTime::now().as_secs() >= now + 3);
}
