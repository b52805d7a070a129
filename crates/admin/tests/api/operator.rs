//! An operator for tests.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use futures::future::{BoxFuture, FutureExt};
use nuncio_admin::{
    Lifetime, Operator,
    api::{
        AccessEntry, AuditStatus, Check, ConfigurationKey, DeniedTopic, ErrorCode, Failure, HeldList, Info,
        ReceivedFile, Rule, SdkCertificate, SdksAt,
    },
};
use nuncio_audit::Audit;
use nuncio_identity::NodeId;
use nuncio_node::NodeHandle;

use crate::operations::MAX_BODY;

/// An operator that remembers what it was asked.
pub(crate) struct Notebook {
    pub(crate) node: NodeHandle,
    pub(crate) asked: Mutex<Vec<String>>,
    access: Mutex<Vec<AccessEntry>>,
    filter: Mutex<String>,
    pub(crate) gateway_is_up: AtomicBool,
    /// How often it was asked what ends.
    pub(crate) lifetimes_asked: AtomicUsize,
    pub(crate) audit: Audit,
}

impl Notebook {
    pub(crate) fn new(node: NodeHandle) -> Self {
        Self {
            node,
            asked: Mutex::default(),
            access: Mutex::default(),
            filter: Mutex::new("info".into()),
            gateway_is_up: AtomicBool::new(true),
            lifetimes_asked: AtomicUsize::new(0),
            audit: Audit::default(),
        }
    }
}

impl Operator for Notebook {
    fn info(&self) -> Info {
        Info {
            version: "test".into(),
            commit: None,
            commit_date: None,
            node_id: self.node.node_id().to_string(),
            network: "nuncio".into(),
            pid: std::process::id(),
            max_body: MAX_BODY,
            listen: vec![],
            gateway: Some("127.0.0.1:20200".into()),
            data_dir: "/d".into(),
        }
    }

    fn access(&self) -> Vec<AccessEntry> {
        self.access.lock().unwrap().clone()
    }

    fn set_access(&self, node: NodeId, rule: Option<Rule>) -> BoxFuture<'_, Result<(), Failure>> {
        let mut access = self.access.lock().unwrap();
        access.retain(|entry| entry.node_id != node.to_string());
        access.extend(rule.map(|rule| AccessEntry { node_id: node.to_string(), rule, origin: "runtime".into() }));
        async { Ok(()) }.boxed()
    }

    fn add_peer(&self, address: String) -> BoxFuture<'_, Result<(), Failure>> {
        self.asked.lock().unwrap().push(format!("add {address}"));
        async move { self.node.add_peer(address).await.map_err(|e| Failure::new(ErrorCode::BadRequest, e.to_string())) }
            .boxed()
    }

    fn remove_peer(&self, peer: String) -> BoxFuture<'_, Result<(), Failure>> {
        self.asked.lock().unwrap().push(format!("remove {peer}"));
        async { Err(Failure::new(ErrorCode::NotFound, "no such peer")) }.boxed()
    }

    fn sdk_certificates(&self) -> Vec<SdkCertificate> {
        Vec::new()
    }

    fn network_sdks(&self) -> BoxFuture<'_, Vec<SdksAt>> {
        async { Vec::new() }.boxed()
    }

    fn files(&self) -> Option<BoxFuture<'_, Result<Vec<ReceivedFile>, Failure>>> {
        None
    }

    fn denied_topics(&self) -> Vec<DeniedTopic> {
        vec![DeniedTopic { client: "CN=sdk".into(), topic: Some("secret".into()), reason: "a rule".into() }]
    }

    fn log_filter(&self) -> String {
        self.filter.lock().unwrap().clone()
    }

    fn set_log_filter(&self, filter: &str) -> Result<(), Failure> {
        if filter == "loud" {
            return Err(Failure::new(ErrorCode::BadRequest, "no filter"));
        }
        filter.clone_into(&mut self.filter.lock().unwrap());
        Ok(())
    }

    fn configuration(&self) -> Vec<ConfigurationKey> {
        vec![]
    }

    fn audit(&self) -> &Audit {
        &self.audit
    }

    fn audit_status(&self) -> AuditStatus {
        AuditStatus { directory: None, written_to: None, failing: None, missed: self.audit.missed() }
    }

    fn lifetimes(&self) -> Vec<Lifetime> {
        self.lifetimes_asked.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let ending = |kind, days: u64| Lifetime {
            kind,
            subject: "CN=a".into(),
            not_after: now + days * 86_400 + 60,
            life: 3650 * 86_400,
        };
        vec![ending("node", 300), ending("agency", 40), ending("agency", 4000)]
    }

    fn lists(&self) -> Vec<HeldList> {
        vec![]
    }

    fn warnings(&self) -> Vec<String> {
        vec!["as told".into()]
    }

    fn checks(&self) -> Vec<Check> {
        let ok = self.gateway_is_up.load(Ordering::Relaxed);
        vec![Check { check: "gateway".into(), ok, detail: "test".into() }]
    }
}
