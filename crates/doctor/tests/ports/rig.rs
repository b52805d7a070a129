use std::{net::SocketAddr, path::PathBuf, time::Duration};

use nuncio_doctor::{Check, Credentials, Finding, Question, Severity, diagnose, probe};
use nuncio_testkit::TestAuthority;
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// For ports that answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// For ports that do not.
pub(crate) const BRIEF: Duration = Duration::from_millis(200);

/// Longer than any probe here may take.
const LIMIT: Duration = Duration::from_secs(30);

/// An authority and a place for the directories it writes.
pub(crate) struct Rig {
    pub(crate) authority: TestAuthority,
    root: TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self { authority: TestAuthority::new(), root: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// An SDK's credentials, of this authority.
    pub(crate) fn sdk(&self) -> Credentials {
        self.sdk_of(&self.authority, "sdk")
    }

    /// An SDK's credentials, of any authority.
    pub(crate) fn sdk_of(&self, authority: &TestAuthority, name: &str) -> Credentials {
        authority.write_sdk_directory(&self.path(name), false);
        Credentials::in_directory(&self.path(name)).unwrap()
    }

    /// A node's credentials, of any authority.
    pub(crate) fn node_of(&self, authority: &TestAuthority, name: &str) -> Credentials {
        authority.write_node_directory(&self.path(name), name);
        Credentials::in_directory(&self.path(name)).unwrap()
    }
}

pub(crate) fn question(address: SocketAddr) -> Question {
    Question::new(address.to_string().parse().unwrap())
}

pub(crate) async fn examine(question: Question, patience: Duration) -> Vec<Finding> {
    diagnose(&timeout(LIMIT, probe(question, patience)).await.unwrap())
}

/// The only fault: its check and all its words.
pub(crate) async fn fault(question: Question, patience: Duration) -> (Check, String) {
    let findings = examine(question, patience).await;
    let faults: Vec<_> = findings.iter().filter(|one| one.severity == Severity::Fault).collect();
    let [fault] = &faults[..] else { panic!("{findings:#?}") };
    assert!(!fault.fix.is_empty(), "{fault:?}");
    (fault.check, fault.to_string())
}

#[track_caller]
pub(crate) fn assert_healthy(findings: &[Finding]) {
    assert!(findings.iter().all(|one| one.severity != Severity::Fault), "{findings:#?}");
}

/// The fault of a check, which must be there.
#[track_caller]
pub(crate) fn fault_of(findings: &[Finding], check: Check) -> String {
    let found = findings.iter().find(|one| one.check == check && one.severity == Severity::Fault);
    found.unwrap_or_else(|| panic!("no fault of {check:?} in {findings:#?}")).to_string()
}

/// A port that does `serve` with every connection, as long as the test's runtime lives.
pub(crate) async fn port<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}
