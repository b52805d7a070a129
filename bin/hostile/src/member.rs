//! Who the attacker is: a member with a good certificate and a status as good.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use bytes::Bytes;
use libp2p::{
    PeerId,
    core::{muxing::StreamMuxerBox, transport::Boxed},
};
use nuncio_audit::Audit;
use nuncio_door::{Door, Limits};
use nuncio_identity::NodeId;
use nuncio_pki::{Identity, IdentityPaths, Policy};
use nuncio_protocol::{
    MAX_BODY,
    peering::Address,
    status_sync::{Record, Status, Version},
};
use nuncio_transport::Admissions;
use nuncio_wire::{SigningContext, announcement, status::sign_record};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Member {
    pub(crate) context: SigningContext,
    pub(crate) network: String,
    pub(crate) epoch: u64,
    identity: Identity,
    policy: Policy,
    began: Instant,
    seq: AtomicU64,
    numbers: AtomicU64,
    /// Its present status: two different ones of one version would be another attack.
    signed: Mutex<Option<Arc<Record>>>,
}

impl Member {
    /// The member whose key and certificate are in a directory.
    pub(crate) fn load(directory: &Path, network: &str) -> anyhow::Result<Self> {
        let (identity, policy) = Identity::load(&IdentityPaths::in_directory(directory))
            .with_context(|| format!("no member's certificate in {}", directory.display()))?;
        let context = SigningContext::new(identity.key.clone(), network);
        let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis() as u64;
        context.keyring().begin(epoch);
        let (seq, numbers) = (AtomicU64::new(1), AtomicU64::new(0));
        let (began, signed, network) = (Instant::now(), Mutex::default(), network.to_owned());
        Ok(Self { context, network, epoch, identity, policy, began, seq, numbers, signed })
    }

    pub(crate) fn transport(&self) -> anyhow::Result<Boxed<(PeerId, StreamMuxerBox)>> {
        let config = nuncio_transport::Config {
            identity: Arc::new(ArcSwap::from_pointee(self.identity.clone())),
            policy: Arc::new(ArcSwap::from_pointee(self.policy.clone())),
            network: self.network.clone(),
            max_body: MAX_BODY as u32,
            handshake_timeout: HANDSHAKE_TIMEOUT,
        };
        Ok(nuncio_transport::tcp(config, Admissions::default(), Door::new(&Limits::new(1, 1, 1)), Audit::default())?)
    }

    pub(crate) fn node(&self) -> NodeId {
        self.context.node()
    }

    /// The time since its epoch began.
    pub(crate) fn clock(&self) -> Duration {
        self.began.elapsed()
    }

    /// A number that no other message of it has.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn version(&self) -> Version {
        Version { epoch: self.epoch, seq: self.seq.load(Ordering::Relaxed) }
    }

    /// From now on its status is a newer one.
    pub(crate) fn change(&self) {
        self.seq.fetch_add(1, Ordering::Relaxed);
    }

    /// What it says of itself.
    pub(crate) fn status(&self, neighbour: NodeId, addresses: &[String]) -> Status {
        let certificate = &self.identity.certificate;
        Status {
            node: self.node(),
            version: self.version(),
            addresses: addresses.iter().map(|address| Address::new(address)).collect(),
            neighbours: BTreeSet::from([neighbour]),
            topics: BTreeMap::new(),
            name: certificate.name.clone(),
            agency: certificate.agency.clone(),
            software: "nuncio-hostile".to_owned(),
            multicast_topics: BTreeSet::new(),
            takes_batches: false,
            traces: false,
            takes_priorities: false,
            revocations: BTreeMap::new(),
            proofs: 0,
            application: Bytes::new(),
            sealing_key: self.context.keyring().public(),
            issues: false,
            clock: Duration::from_millis(self.clock().as_millis() as u64),
        }
    }

    /// Its status as it has signed it in its present version.
    pub(crate) fn record(&self, neighbour: NodeId, addresses: &[String]) -> Arc<Record> {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        let present = signed.take().filter(|record| record.status.version == self.version());
        let record = present.unwrap_or_else(|| Arc::new(self.sign(self.status(neighbour, addresses))));
        *signed = Some(record.clone());
        record
    }

    /// Signs a status with its certificates behind it.
    pub(crate) fn sign(&self, status: Status) -> Record {
        let chain: Vec<_> = self.identity.chain.iter().map(|der| Bytes::copy_from_slice(der)).collect();
        sign_record(status, &chain, &self.context).expect("the member's key signs")
    }

    /// An announcement of its present version.
    pub(crate) fn announcement(&self) -> Vec<u8> {
        announcement::encode(self.version(), self.clock(), &self.context).expect("the member's key signs")
    }
}
