use futures::future::BoxFuture;
use nuncio_audit::Audit;
use nuncio_identity::NodeId;

use crate::{
    Lifetime,
    api::{
        AccessEntry, AuditStatus, Check, ConfigurationKey, DeniedTopic, Failure, HeldList, Info, ReceivedFile, Rule,
        SdkCertificate, SdksAt,
    },
};

/// What the API needs besides the node itself: whoever keeps configuration, lists and logs. The daemon is one.
///
/// Changes made through it last across restarts, except the log filter.
pub trait Operator: Send + Sync + 'static {
    /// Constant facts of the process.
    fn info(&self) -> Info;

    /// The access lists in force.
    fn access(&self) -> Vec<AccessEntry>;

    /// Sets the rule of a node, or with `None` takes back what was set. Links that are no longer admitted are
    /// closed before this ends.
    ///
    /// # Errors
    /// When the change cannot be kept, or there is nothing to take back.
    fn set_access(&self, node: NodeId, rule: Option<Rule>) -> BoxFuture<'_, Result<(), Failure>>;

    /// Wants a link to an address.
    ///
    /// # Errors
    /// When the text is no address, or the change cannot be kept.
    fn add_peer(&self, address: String) -> BoxFuture<'_, Result<(), Failure>>;

    /// No longer wants the peer of this address or node ID.
    ///
    /// # Errors
    /// When there is no such peer, or the change cannot be kept.
    fn remove_peer(&self, peer: String) -> BoxFuture<'_, Result<(), Failure>>;

    /// The topics that SDKs here have listed and may not subscribe.
    fn denied_topics(&self) -> Vec<DeniedTopic>;

    /// The certificates under which SDKs have sessions at this node.
    fn sdk_certificates(&self) -> Vec<SdkCertificate>;

    /// Below which authorities SDKs stand, at each node of the network: every node is asked.
    fn network_sdks(&self) -> BoxFuture<'_, Vec<SdksAt>>;

    /// Files that other nodes have sent, and those on their way here; `None` where the node takes none. The future fails when
    /// they cannot be looked at.
    fn files(&self) -> Option<BoxFuture<'_, Result<Vec<ReceivedFile>, Failure>>>;

    /// The log filter in force.
    fn log_filter(&self) -> String;

    /// Replaces the log filter until the next start.
    ///
    /// # Errors
    /// When the filter cannot be read.
    fn set_log_filter(&self, filter: &str) -> Result<(), Failure>;

    /// Every key of the configuration in force, and what waits for the next start.
    fn configuration(&self) -> Vec<ConfigurationKey>;

    /// Where judgements are told, those of the API among them.
    fn audit(&self) -> &Audit;

    /// How the audit log fares.
    fn audit_status(&self) -> AuditStatus;

    /// When what the node shows or trusts ends: certificates, authorities, revocation lists.
    fn lifetimes(&self) -> Vec<Lifetime>;

    /// The revocation lists in force whose signer is known.
    fn lists(&self) -> Vec<HeldList>;

    /// What the operator should see to besides, in words; empty when all is well.
    fn warnings(&self) -> Vec<String>;

    /// Conditions of readiness that the node itself does not know, such as the gateway's.
    fn checks(&self) -> Vec<Check>;
}
