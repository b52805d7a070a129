use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use nuncio_audit::{Event, Fault};
use nuncio_identity::{NodeKey, RemoteKey, SignError, Signature};
use nuncio_metrics::{Cause, Direction, LinkRefusal};
use serde_json::Value;

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

fn settings(directory: &Path) -> Settings {
    Settings { directory: directory.to_owned(), max_file: 1 << 20, keep_files: 3 }
}

fn refusal(number: u32) -> Event {
    let refused = Cause::P2p(Direction::Inbound, LinkRefusal::Expired).into();
    Event::NodeRefused { refused, address: format!("10.0.0.1:{number}").into(), node: None, cause: "no".into() }
}

async fn written(settings: Settings, key: &NodeKey, events: impl IntoIterator<Item = Event>) {
    let keeper = Keeper::start(settings, key.clone()).unwrap();
    events.into_iter().for_each(|event| keeper.audit().record(event));
    keeper.finish(DEADLINE).await;
}

fn lines(directory: &Path) -> Vec<Value> {
    let texts = files(directory).unwrap().into_iter().map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()).collect()
}

fn kinds(directory: &Path) -> Vec<String> {
    lines(directory).iter().map(|line| line["kind"].as_str().unwrap().to_owned()).collect()
}

fn judge(directory: &Path, key: &NodeKey) -> Report {
    verify(&files(directory).unwrap(), Some(key.node_id()), None).unwrap()
}

fn broken(directory: &Path, key: &NodeKey) -> nuncio_audit::Break {
    match verify(&files(directory).unwrap(), Some(key.node_id()), None) {
        Err(VerifyError::Broken(broken)) => broken,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn runs_follow_one_another_in_one_chain_that_nobody_else_can_read() {
    let (dir, key) = (tempfile::tempdir().unwrap(), NodeKey::generate());
    let directory = dir.path().join("a/audit");
    for _ in 0..2 {
        written(settings(&directory), &key, [Event::Started { version: "1".into() }, Event::Stopped]).await;
    }
    assert_eq!(kinds(&directory), ["opened", "started", "stopped", "seal", "started", "stopped", "seal"]);
    let report = judge(&directory, &key);
    assert_eq!((report.entries, report.unsealed, report.is_stopped), (7, 0, true));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&files(&directory).unwrap()[0])), (0o700, 0o600));
}

#[tokio::test]
async fn a_flood_of_refusals_keeps_the_file_short_and_the_log_says_how_many_there_were() {
    let (dir, key) = (tempfile::tempdir().unwrap(), NodeKey::generate());
    written(settings(dir.path()), &key, (0..10_000).map(refusal)).await;
    let lines = lines(dir.path());
    let recorded = lines.iter().filter(|line| line["kind"] == "node_refused").count() as u64;
    let gaps = lines.iter().filter(|line| line["kind"] == "gap");
    let missed: u64 = gaps.map(|gap| gap["missed"]["node_refused"].as_u64().unwrap()).sum();
    assert_eq!(recorded + missed, 10_000, "nothing is lost silently");
    let bytes: u64 = files(dir.path()).unwrap().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes < 64 << 10, "{bytes} bytes");
    assert_eq!(judge(dir.path(), &key).missed, missed);
}

#[tokio::test]
async fn rotation_keeps_the_chain_and_says_what_it_removed() {
    let (dir, key) = (tempfile::tempdir().unwrap(), NodeKey::generate());
    let small = || Settings { max_file: 2000, ..settings(dir.path()) };
    let renewal =
        |number: u64| Event::CertificateRenewed { subject: "CN=a".into(), serial: "1".into(), not_after: number };
    written(small(), &key, (0..100).map(renewal)).await;
    let held = files(dir.path()).unwrap();
    assert_eq!(held.len(), 3);
    let report = judge(dir.path(), &key);
    assert!(report.first > 0 && report.unsealed == 0, "{report:?}");
    assert!(kinds(dir.path()).contains(&"removed".to_owned()));
    fs::remove_file(&held[0]).unwrap();
    assert!(matches!(broken(dir.path(), &key).fault, Fault::BeginningMissing { .. }));
    written(small(), &key, [renewal(1)]).await;
    assert!(matches!(broken(dir.path(), &key).fault, Fault::BeginningMissing { .. }), "and it stays so");
}

#[tokio::test]
async fn a_torn_end_is_kept_beside_and_told_and_stops_no_start() {
    let (dir, key) = (tempfile::tempdir().unwrap(), NodeKey::generate());
    written(settings(dir.path()), &key, [Event::Stopped]).await;
    let path = files(dir.path()).unwrap().remove(0);
    let whole = fs::read(&path).unwrap();
    for torn in [&b"{\"seq\":3,\"time\":\"20"[..], b"\0\0\0\0", b"nonsense\n"] {
        fs::write(&path, [&whole[..], torn].concat()).unwrap();
        assert!(verify(std::slice::from_ref(&path), None, None).is_err());
        written(settings(dir.path()), &key, [Event::Stopped]).await;
        assert_eq!(kinds(dir.path())[3..], ["repaired", "seal", "stopped", "seal"]);
        assert_eq!(fs::read(path.with_extension("torn")).unwrap(), torn);
        judge(dir.path(), &key);
    }
    fs::write(&path, b"").unwrap();
    written(settings(dir.path()), &key, [Event::Stopped]).await;
    assert_eq!(kinds(dir.path()), ["opened", "stopped", "seal"], "an empty file holds nothing to go on from");
}

#[tokio::test]
async fn lines_that_nobody_signed_are_told_at_the_next_start() {
    let (dir, key) = (tempfile::tempdir().unwrap(), NodeKey::generate());
    written(settings(dir.path()), &key, [Event::Stopped]).await;
    let path = files(dir.path()).unwrap().remove(0);
    let text = fs::read_to_string(&path).unwrap();
    let unsigned = text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
    fs::write(&path, unsigned).unwrap();
    written(settings(dir.path()), &key, [Event::Stopped]).await;
    assert_eq!(kinds(dir.path()), ["opened", "stopped", "resumed", "seal", "stopped", "seal"]);
    assert_eq!(judge(dir.path(), &key).unvouched, 2);
}

/// Waits for something that another thread does.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < DEADLINE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn where_nothing_can_be_written_the_node_goes_on_and_the_gap_is_told_later() {
    let (dir, key) = (tempfile::tempdir().unwrap(), NodeKey::generate());
    let directory = dir.path().join("audit");
    fs::write(&directory, "in the way").unwrap();
    let keeper = Keeper::start(settings(&directory), key.clone()).unwrap();
    let health = keeper.health();
    until("it is told", || health.failing().is_some()).await;
    assert!(health.failing().is_some_and(|told| told.starts_with("the audit log cannot be written: ")));
    (0..5).for_each(|number| keeper.audit().record(refusal(number)));
    fs::remove_file(&directory).unwrap();
    until("it is written again", || health.failing().is_none() && health.written_to().is_some()).await;
    keeper.audit().record(Event::Stopped);
    keeper.finish(DEADLINE).await;
    let lines = lines(&directory);
    let gap = lines.iter().find(|line| line["kind"] == "gap").unwrap();
    assert_eq!(gap["missed"]["node_refused"], 5);
    assert!(gap["cause"].as_str().unwrap().contains("could not be written"), "{gap}");
    judge(&directory, &key);
}

#[tokio::test]
async fn a_file_that_is_taken_away_is_noticed_and_the_log_shows_it() {
    let (dir, key) = (tempfile::tempdir().unwrap(), NodeKey::generate());
    let keeper = Keeper::start(settings(dir.path()), key.clone()).unwrap();
    keeper.audit().record(Event::Stopped);
    let health = keeper.health();
    until("both lines are there", || health.written_to().is_some_and(|position| position.seq == 1)).await;
    fs::remove_file(&files(dir.path()).unwrap()[0]).unwrap();
    until("another file", || {
        !files(dir.path()).unwrap().is_empty() || {
            keeper.audit().record(refusal(1));
            false
        }
    })
    .await;
    keeper.finish(DEADLINE).await;
    assert!(matches!(broken(dir.path(), &key).fault, Fault::BeginningMissing { .. }));
}

/// As a rotation of logs that copies and truncates would do it.
#[tokio::test]
async fn a_file_that_is_cut_is_noticed_and_the_log_shows_it() {
    let (dir, key) = (tempfile::tempdir().unwrap(), NodeKey::generate());
    let keeper = Keeper::start(settings(dir.path()), key.clone()).unwrap();
    keeper.audit().record(Event::Stopped);
    let health = keeper.health();
    until("both lines are there", || health.written_to().is_some_and(|position| position.seq == 1)).await;
    let path = files(dir.path()).unwrap().remove(0);
    let first = fs::read_to_string(&path).unwrap().lines().next().unwrap().len() as u64 + 1;
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(first).unwrap();
    until("another file", || {
        files(dir.path()).unwrap().len() == 2 || {
            keeper.audit().record(refusal(1));
            false
        }
    })
    .await;
    keeper.finish(DEADLINE).await;
    let broken = broken(dir.path(), &key);
    assert!(matches!(broken.fault, Fault::Number { .. } | Fault::Changed { .. }), "{broken}");
}

/// A key in a token that is away.
#[derive(Debug)]
struct Away(NodeId);

impl RemoteKey for Away {
    fn node_id(&self) -> NodeId {
        self.0
    }

    fn sign(&self, _: &[u8]) -> Result<Signature, SignError> {
        Err(SignError { reason: "the token is away".into() })
    }
}

#[tokio::test]
async fn what_the_key_does_not_sign_is_written_all_the_same_and_signed_when_it_can() {
    let (dir, key) = (tempfile::tempdir().unwrap(), NodeKey::generate());
    let keeper = Keeper::start(settings(dir.path()), Signer::Remote(Arc::new(Away(key.node_id())))).unwrap();
    let health = keeper.health();
    (0..300).for_each(|_| keeper.audit().record(Event::Stopped));
    until("all are written", || health.written_to().is_some_and(|position| position.seq == 300)).await;
    let told = health.failing().unwrap();
    assert!(told.starts_with("the audit log is written, but not signed") && told.contains("away"), "{told}");
    keeper.finish(DEADLINE).await;
    let kinds = kinds(dir.path());
    assert_eq!(kinds.iter().filter(|kind| *kind == "stopped").count(), 300);
    assert!(!kinds.iter().any(|kind| kind == "seal" || kind == "gap"), "{kinds:?}");

    written(settings(dir.path()), &key, [Event::Stopped]).await;
    let report = judge(dir.path(), &key);
    assert_eq!((report.unsealed, report.missed), (0, 0));
}

/// The log of the former key stays whole, and that of the new one is its own.
#[tokio::test]
async fn a_node_with_another_key_begins_another_log_and_the_former_one_still_holds() {
    let (dir, former, new) = (tempfile::tempdir().unwrap(), NodeKey::generate(), NodeKey::generate());
    let small = || Settings { max_file: 2000, ..settings(dir.path()) };
    written(small(), &former, (0..20).map(|_| Event::Stopped)).await;
    let before = judge(dir.path(), &former);
    assert!(before.files > 1, "{before:?}");
    for _ in 0..2 {
        written(small(), &new, [Event::Stopped]).await;
        judge(dir.path(), &new);
    }
    assert_eq!(kinds(dir.path()), ["opened", "stopped", "seal", "stopped", "seal"]);
    let kept = |number: u32| dir.path().join(format!("node-{}-{number}", former.node_id().short()));
    assert_eq!(judge(&kept(0), &former).entries, before.entries);
    // The former key again, and again the new one: nothing takes the place of anything.
    written(small(), &former, [Event::Stopped]).await;
    written(small(), &new, [Event::Stopped]).await;
    assert_eq!(judge(&kept(0), &former).entries, before.entries);
    assert_eq!(judge(&kept(1), &former).entries, 3);
    judge(dir.path(), &new);
}

/// As when the machine stopped while the log went on to its next file.
#[tokio::test]
async fn a_newest_file_that_says_nothing_hides_nobody_whose_log_it_is() {
    for torn in ["", "{\"kind\":\"ope"] {
        let (dir, former, new) = (tempfile::tempdir().unwrap(), NodeKey::generate(), NodeKey::generate());
        written(settings(dir.path()), &former, [Event::Stopped]).await;
        fs::write(dir.path().join(name(3)), torn).unwrap();
        written(settings(dir.path()), &new, [Event::Stopped]).await;
        assert_eq!(kinds(dir.path()), ["opened", "stopped", "seal"], "{torn:?}");
        judge(dir.path(), &new);
        let kept = dir.path().join(format!("node-{}-0", former.node_id().short()));
        assert!(kept.join(name(0)).exists() && kept.join(name(3)).exists(), "all of it is put away");
    }
}

#[tokio::test]
async fn a_clock_that_was_put_back_breaks_no_chain() {
    let (dir, key) = (tempfile::tempdir().unwrap(), NodeKey::generate());
    let mut trail = trail::Trail::new(settings(dir.path()), key.clone().into());
    for second in [2_000_000_000, 1, 1_900_000_000, -5] {
        let time = jiff::Timestamp::from_second(second).unwrap();
        trail.append(time, &nuncio_audit::Entry::Event(&Event::Stopped)).unwrap();
    }
    trail.seal().unwrap();
    let report = judge(dir.path(), &key);
    assert_eq!((report.entries, report.unsealed), (6, 0));
}

#[test]
fn a_pipe_among_the_files_is_no_log_and_nobody_waits_for_its_writer() {
    let dir = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(dir.path().join(name(0))).status().unwrap();
    assert!(made.success());
    let files = files(dir.path()).unwrap();
    let (sender, outcome) = std::sync::mpsc::channel();
    thread::spawn(move || drop(sender.send(verify(&files, None, None))));
    let outcome = outcome.recv_timeout(DEADLINE).expect("nobody is waited for");
    assert!(
        matches!(&outcome, Err(VerifyError::Read(error)) if error.kind() == io::ErrorKind::InvalidInput),
        "{outcome:?}"
    );
}
