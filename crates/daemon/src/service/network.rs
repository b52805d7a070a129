//! Below which authorities the SDKs of the whole network stand: each node is asked for an operator of this one.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use nuncio_admin::api::{SdkAuthority, SdksAt};
use nuncio_node::service::{Answer, Request, SdkIssuer};
use nuncio_pki::Certificate;
use rustls_pki_types::CertificateDer;
use tokio::sync::Mutex;

use super::{
    NodeId,
    sdks::{FRESH, own_issuers},
};
use crate::control::Control;

/// How long a node may take to say it.
const ANSWER: Duration = Duration::from_secs(5);

/// Nodes asked at a time.
const AT_ONCE: usize = 16;

/// What the network said last. Operators who ask again within a second, or while others wait for it, get the same, so that
/// the network is asked once a second at the most.
#[derive(Debug, Default)]
pub(crate) struct NetworkSdks(Mutex<Option<(Instant, Vec<SdksAt>)>>);

impl NetworkSdks {
    /// What every node of the network that is known here says.
    pub(crate) async fn ask(&self, control: &Control) -> Vec<SdksAt> {
        let mut last = self.0.lock().await;
        if let Some((_, said)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return said.clone();
        }
        let said = network_sdks(control).await;
        last.insert((Instant::now(), said)).1.clone()
    }
}

async fn network_sdks(control: &Control) -> Vec<SdksAt> {
    let snapshot = control.node.snapshot();
    let nodes: Vec<_> = snapshot.nodes.iter().map(|node| (node.node_id, node.name.clone(), node.serves())).collect();
    let asked = stream::iter(nodes).map(|(node_id, name, serves)| sdks_at(control, node_id, name, serves));
    asked.buffered(AT_ONCE).collect().await
}

async fn sdks_at(control: &Control, node_id: NodeId, name: String, serves: bool) -> SdksAt {
    let told = if node_id == control.node.node_id() {
        Ok((told(own_issuers(control)), 0))
    } else if serves {
        ask(control, node_id).await
    } else {
        Err("nothing is known of it, or it is of an earlier release, which cannot be asked".to_owned())
    };
    let ((authorities, others), error) = match told {
        Ok(told) => (told, None),
        Err(reason) => ((Vec::new(), 0), Some(reason)),
    };
    SdksAt { node_id: node_id.to_string(), name, authorities, others, error }
}

async fn ask(control: &Control, target: NodeId) -> Result<(Vec<SdkAuthority>, u32), String> {
    let answer = control.node.ask_service(target, &Request::SdkAuthorities, ANSWER).await;
    let (issuers, others) = match answer {
        Ok(Answer::SdkIssuers { issuers, others }) => (issuers, others),
        Ok(Answer::Refused { reason }) => return Err(format!("it refused: {}", nuncio_plain::line(&reason))),
        Ok(_) => return Err("it answers something else".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let read = |issuer: SdkIssuer| {
        let chain = issuer.chain.into_iter().map(|der| Certificate::from_der(CertificateDer::from(der.to_vec())));
        Ok((chain.collect::<Result<Vec<_>, _>>()?, issuer.sessions))
    };
    let issuers = issuers.into_iter().map(read).collect::<Result<Vec<_>, nuncio_pki::CertificateError>>();
    let authorities = told(issuers.map_err(|error| format!("its answer cannot be read: {error}"))?);
    Ok((authorities, others))
}

fn told(issuers: Vec<(Vec<Certificate>, u32)>) -> Vec<SdkAuthority> {
    let told = |(chain, sessions): (Vec<Certificate>, u32)| SdkAuthority {
        subject: chain.first().map(Certificate::subject).unwrap_or_default(),
        sessions,
        chain: chain.iter().map(Certificate::to_pem).collect(),
    };
    issuers.into_iter().map(told).collect()
}
