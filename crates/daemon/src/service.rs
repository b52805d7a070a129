//! What other nodes ask this one itself: renewals go to the agency's desk, if there is one here; which authorities SDKs stand
//! below, every node says.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use nuncio_admin::api::{SdkAuthority, SdksAt};
use nuncio_identity::NodeId;
use nuncio_node::service::{Answer, Calls, MAX_ISSUERS, Request, SdkIssuer};
use nuncio_pki::Certificate;
use rustls_pki_types::CertificateDer;

use crate::{control::Control, issuer::Issuing};

/// How long a node may take to say it.
const ANSWER: Duration = Duration::from_secs(5);

/// Nodes asked at a time.
const AT_ONCE: usize = 16;

/// Bytes of the certificates in one answer: with what is around them less than a service's answer may have.
const MAX_CERTIFICATES: usize = 28 << 10;

/// Serves until the node stops, one after the other: a token signs one thing at a time too.
pub(crate) async fn serve(mut calls: Calls, issuing: Option<Issuing>, control: Arc<Control>) {
    while let Some(call) = calls.next().await {
        match (&call.wanted, &issuing) {
            (Request::SdkAuthorities, _) => call.answer(&sdk_issuers(&control)),
            (_, Some(issuing)) => issuing.serve(call, &control).await,
            // Dropped: who asked learns that nobody here does that.
            (_, None) => {}
        }
    }
}

/// The authorities above the SDKs that have sessions here.
fn sdk_issuers(control: &Control) -> Answer {
    let (mut issuers, mut others, mut room) = (Vec::new(), 0, MAX_CERTIFICATES);
    for (chain, sessions) in own_issuers(control) {
        let bytes: usize = chain.iter().map(|one| one.der().len()).sum();
        if issuers.len() < MAX_ISSUERS && bytes <= room {
            room -= bytes;
            issuers.push(SdkIssuer { chain: chain.iter().map(|one| one.der().to_vec().into()).collect(), sessions });
        } else {
            others += sessions;
        }
    }
    Answer::SdkIssuers { issuers, others }
}

/// Each way up once, those with most sessions first.
fn own_issuers(control: &Control) -> Vec<(Vec<Certificate>, u32)> {
    let sessions = control.gateway.as_ref().map(|(_, gateway)| gateway.certificates()).unwrap_or_default();
    let mut found: BTreeMap<Vec<Vec<u8>>, (Vec<Certificate>, u32)> = BTreeMap::new();
    for of_one in sessions {
        let key = of_one.issuers.iter().map(|one| one.der().to_vec()).collect();
        let (_, count) = found.entry(key).or_insert((of_one.issuers, 0));
        *count = count.saturating_add(u32::try_from(of_one.sessions).unwrap_or(u32::MAX));
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by_key(|(_, sessions)| std::cmp::Reverse(*sessions));
    found
}

/// The same of every node of the network that is known here; each is asked.
pub(crate) async fn network_sdks(control: &Control) -> Vec<SdksAt> {
    let snapshot = control.node.snapshot();
    let nodes: Vec<_> =
        snapshot.nodes.iter().map(|node| (node.node_id.clone(), node.name.clone(), node.serves())).collect();
    let asked = stream::iter(nodes).map(|(node_id, name, serves)| sdks_at(control, node_id, name, serves));
    asked.buffered(AT_ONCE).collect().await
}

async fn sdks_at(control: &Control, node_id: String, name: String, serves: bool) -> SdksAt {
    let told = if node_id == control.node.node_id().to_string() {
        Ok((told(own_issuers(control)), 0))
    } else if serves {
        ask(control, &node_id).await
    } else {
        Err("nothing is known of it, or it is of an earlier release, which cannot be asked".to_owned())
    };
    let ((authorities, others), error) = match told {
        Ok(told) => (told, None),
        Err(reason) => ((Vec::new(), 0), Some(reason)),
    };
    SdksAt { node_id, name, authorities, others, error }
}

async fn ask(control: &Control, node: &str) -> Result<(Vec<SdkAuthority>, u32), String> {
    let target: NodeId = node.parse().map_err(|_| "it has no node ID".to_owned())?;
    let answer = control.node.ask_service(target, &Request::SdkAuthorities, ANSWER).await;
    let (issuers, others) = match answer {
        Ok(Answer::SdkIssuers { issuers, others }) => (issuers, others),
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
