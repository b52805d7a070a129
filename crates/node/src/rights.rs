//! What applications here and other nodes may do with multicast topics.

use std::sync::Arc;

use arc_swap::ArcSwap;
use nuncio_audit::{Audit, Event};
use nuncio_identity::NodeId;
use nuncio_metrics::{Cause, RightsRefusal};
use nuncio_pki::Credential;
use nuncio_protocol::{
    Topic,
    amop::{self, Refused},
    status_sync::Record,
};
use nuncio_rights::{Act, Party, Rights};

use crate::NodeSnapshot;

/// The rights in force, and whom this node is by them; shared between the event loop and its handles.
#[derive(Debug, Clone)]
pub(crate) struct SharedRights {
    in_force: Arc<ArcSwap<Rights>>,
    own: Arc<Party>,
}

/// Judges the multicasts that come from other nodes.
#[derive(Debug)]
pub(crate) struct Hearing {
    pub(crate) rights: SharedRights,
    denied: u64,
    audit: Audit,
}

impl SharedRights {
    pub(crate) fn new(rights: Arc<Rights>, own: &Credential, node: &NodeId) -> Self {
        let own = Party::node(own.agency_path(), own.name.clone(), node.as_bytes());
        Self { in_force: Arc::new(ArcSwap::new(rights)), own: Arc::new(own) }
    }

    pub(crate) fn set(&self, rights: Arc<Rights>) {
        self.in_force.store(rights);
    }

    pub(crate) fn in_force(&self) -> Arc<Rights> {
        self.in_force.load_full()
    }

    /// Whether applications here may.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn judge(&self, act: Act, topic: &Topic) -> Result<(), String> {
        let rights = self.in_force.load();
        if rights.is_open() {
            return Ok(());
        }
        let (_, name) = amop::publishing(topic);
        let verdict = rights.judge(&self.own.subject(), act, name);
        if verdict.is_allowed() { Ok(()) } else { Err(verdict.to_string()) }
    }

    /// Whether another node is to be shown here.
    pub(crate) fn sees(&self, node: &NodeSnapshot) -> bool {
        let rights = self.in_force.load();
        if rights.is_open() || node.hops == Some(0) {
            return true;
        }
        let party = Party::node(node.agency_path(), &*node.name, node.node_id.as_bytes());
        rights.may_see_node(&self.own.subject(), &party.subject())
    }
}

impl Hearing {
    pub(crate) fn new(rights: SharedRights, audit: Audit) -> Self {
        Self { rights, denied: 0, audit }
    }

    /// Refuses a multicast to a namespace: gossip is not sealed, and whoever says that he listens gets it. Nobody can be asked
    /// whether he listens without letting him stop it.
    ///
    /// # Errors
    /// With the reason.
    pub(crate) fn keep_inside(&self, topic: &Topic) -> Result<(), String> {
        let rights = self.rights.in_force.load();
        let (_, name) = amop::publishing(topic);
        rights.namespace_of(name).map_or(Ok(()), |namespace| {
            Err(format!(
                "it is in the namespace {namespace:?}, and multicasts of nodes are not sealed: publish it by AMOP \
                 (nuncio amop publish)"
            ))
        })
    }

    /// Whether applications here may get `count` multicasts of another node, whose record this is, as far as its quota goes.
    /// Broadcasts have no topic, and all get them.
    pub(crate) fn hears(&mut self, origin: Option<&Record>, topic: Option<&Topic>, count: usize) -> bool {
        let (rights, Some(topic)) = (self.rights.in_force.load(), topic) else { return true };
        if rights.is_open() {
            return true;
        }
        let Some(record) = origin.filter(|_| self.rights.judge(Act::Subscribe, topic).is_ok()) else {
            self.denied += count as u64;
            return false;
        };
        let id = record.status.node;
        let party = Party::node(record.agency_path(), &*record.status.name, id.as_bytes());
        let (act, name) = amop::publishing(topic);
        let verdict = rights.judge(&party.subject(), act, name);
        if !verdict.is_allowed() {
            self.denied += count as u64;
            self.audit.record(Event::MessageDenied {
                refused: Cause::Rights(RightsRefusal::Message).into(),
                node: id.into(),
                topic: topic.as_str().into(),
                cause: verdict.to_string().into(),
            });
        }
        verdict.is_allowed()
    }

    /// What was refused here, and in the core, since the start: messages denied, and messages over a quota.
    pub(crate) const fn refused(&self, by_core: Refused) -> [u64; 2] {
        [self.denied + by_core.denied, by_core.over_quota]
    }
}
