//! The line of an event in the log of the process.

use std::time::Instant;

use nuncio_metrics::{Cause, QuotaRefusal};

use crate::{Act, Actor, Event, NodeIdText, Outcome, Text, Told, told::News};

/// Writes it.
pub(crate) fn write(event: &Event, News { left_out }: News) {
    match event {
        Event::Started { .. }
        | Event::Stopped
        | Event::AccessBroken { .. }
        | Event::CertificateRenewed { .. }
        | Event::RenewalFailed { .. }
        | Event::KeyFailed { .. }
        | Event::KeyRecovered => of_node(event),
        Event::NodeAdmitted { .. }
        | Event::NodeRefused { .. }
        | Event::NodeExpelled { .. }
        | Event::NodeReadmitted { .. }
        | Event::NodeBanned { .. }
        | Event::DuplicateIdentity { .. }
        | Event::ListTaken { .. }
        | Event::ListGone { .. }
        | Event::ListRefused { .. }
        | Event::CertificateIssued { .. }
        | Event::CertificateNotIssued { .. }
        | Event::NodeEnrolled { .. }
        | Event::EnrolmentRefused { .. }
        | Event::FileReceived { .. }
        | Event::MessageDenied { .. } => of_peer(event, left_out),
        Event::SdkAdmitted { .. }
        | Event::SdkRefused { .. }
        | Event::SdkExpelled { .. }
        | Event::PublishDenied { .. }
        | Event::SubscriptionDenied { .. }
        | Event::OverQuota { .. } => of_sdk(event, left_out),
        Event::ConfigurationChanged { .. }
        | Event::ConfigurationRefused { .. }
        | Event::AuthoritiesChanged { .. }
        | Event::RightsChanged { .. }
        | Event::CertificateEnding { .. }
        | Event::OperatorActed { .. }
        | Event::OperatorSent { .. }
        | Event::OperatorRefused { .. } => of_operator(event, left_out),
    }
}

/// Whether it is worth a line. What is tried again and again by one source is told once, and when its words change.
pub(crate) fn news(event: &Event, told: &mut Told, now: Instant) -> Option<News> {
    let kind = event.kind().as_str();
    match event {
        Event::NodeRefused { address, cause, .. }
        | Event::EnrolmentRefused { address, cause, .. }
        | Event::OperatorRefused { address, cause, .. } => {
            told.attempt(kind, host(address.as_str()), cause.as_str(), now)
        }
        Event::PublishDenied { subject, topic, .. } => told.attempt(kind, subject.as_str(), topic.as_str(), now),
        Event::SubscriptionDenied { subject, cause, .. } => told.attempt(kind, subject.as_str(), cause.as_str(), now),
        Event::MessageDenied { node, topic, .. } => told.attempt(kind, &node.0.to_string(), topic.as_str(), now),
        Event::CertificateNotIssued { node, cause, .. } => told.attempt(kind, &node.0.to_string(), cause.as_str(), now),
        Event::RenewalFailed { issuer, cause, .. } => told.attempt(kind, &issuer.0.to_string(), cause.as_str(), now),
        Event::ListGone { issuer, edition, .. } => told.attempt(kind, issuer.as_str(), edition.as_str(), now),
        Event::SdkRefused { noise: true, .. } => Some(News { left_out: None }),
        Event::SdkRefused { address, cause, .. } => told.attempt(kind, host(address.as_str()), cause.as_str(), now),
        Event::ConfigurationChanged { .. }
        | Event::ConfigurationRefused { .. }
        | Event::AuthoritiesChanged { .. }
        | Event::RightsChanged { .. }
        | Event::CertificateRenewed { .. }
        | Event::CertificateEnding { .. }
        | Event::Started { .. }
        | Event::AccessBroken { .. }
        | Event::Stopped => Some(News { left_out: None }),
        _ => told.event(kind, now),
    }
}

fn of_node(event: &Event) {
    match event {
        Event::Started { version } => tracing::debug!(%version, "audited: the node starts"),
        Event::Stopped => tracing::debug!("audited: the node stops"),
        Event::AccessBroken { copy, denied, allowed } => tracing::error!(
            %copy, denied, allowed,
            "access.toml was broken: who was denied at run time, and could not be read in it, is denied no more; `nuncio \
             status` says what to do"
        ),
        Event::CertificateRenewed { subject, serial, .. } => {
            tracing::info!(%subject, %serial, "the node shows another certificate from now on");
        }
        Event::RenewalFailed { issuer, cause, left } => {
            tracing::warn!(issuer = %short(issuer), seconds_left = left, "the certificate was not renewed: {cause}");
        }
        Event::KeyFailed { cause } => {
            tracing::error!(
                "statuses, announcements and multicasts of this node are not sent; it tries again every second: {cause}"
            );
        }
        Event::KeyRecovered => tracing::info!("the node's key signs again"),
        _ => {}
    }
}

fn of_peer(event: &Event, left_out: Option<u64>) {
    match event {
        Event::NodeAdmitted { node, name, .. } => tracing::info!(node = %short(node), %name, left_out, "link up"),
        Event::NodeRefused { refused, address, cause, .. } => {
            tracing::warn!(from = %address, %refused, left_out, "refused a connection: {cause}");
        }
        Event::NodeExpelled { refused, node, cause } => {
            tracing::warn!(node = %short(node), reason = %cause, %refused, left_out, "expelled");
        }
        Event::NodeReadmitted { node } => {
            tracing::info!(node = %short(node), left_out, "let in again");
        }
        Event::NodeBanned { refused, node, name, seconds, cause } => {
            tracing::warn!(peer = %node.0, %name, seconds, %refused, left_out, "banned a peer: {cause}");
        }
        Event::DuplicateIdentity { own: true, address, epoch, .. } => {
            tracing::error!(from = %address, epoch, left_out, "another host runs with the key of this node: stop one of them, or issue it a certificate of its own");
        }
        Event::DuplicateIdentity { node, name, address, epoch, .. } => {
            tracing::error!(node = %short(node), %name, from = %address, epoch, left_out, "two hosts run with the key of one node: the first keeps its links; stop the second, or issue it a certificate of its own");
        }
        Event::ListTaken { peer, issuer, edition, revoked } => {
            tracing::info!(peer = peer.as_ref().map(short).map(tracing::field::display), %issuer, %edition, revoked, left_out, "took a newer revocation list");
        }
        Event::ListGone { issuer, edition, revoked } => {
            tracing::error!(%issuer, %edition, revoked, left_out, "a revocation list found no room any more beside those of [identity] crl and of trusted authorities, and what it revokes counts again");
        }
        Event::ListRefused { refused, peer, cause } => {
            tracing::warn!(peer = %short(peer), error = %cause, %refused, left_out, "refused a revocation list");
        }
        Event::CertificateIssued { node, subject, serial, .. } => {
            tracing::info!(node = %short(node), %subject, %serial, left_out, "renewed a certificate");
        }
        Event::NodeEnrolled { address, invitation, subject, serial, .. } => {
            tracing::info!(from = %address, %invitation, %subject, %serial, left_out, "a newcomer has its certificate");
        }
        Event::EnrolmentRefused { refused, address, invitation, cause } => {
            tracing::warn!(from = %address, %invitation, %refused, left_out, "refused a newcomer: {cause}");
        }
        Event::CertificateNotIssued { refused, node, cause } => {
            tracing::warn!(node = %short(node), %refused, left_out, "did not renew a certificate: {cause}");
        }
        Event::FileReceived { node, name, bytes } => {
            tracing::info!(node = %short(node), %name, bytes, left_out, "a file has come");
        }
        Event::MessageDenied { refused, node, topic, cause } => {
            let topic = topic.as_str();
            tracing::warn!(node = %short(node), %refused, left_out, "a node may not publish to {topic:?}: {cause}");
        }
        _ => {}
    }
}

fn of_sdk(event: &Event, left_out: Option<u64>) {
    match event {
        Event::SdkAdmitted { address, client, subject, .. } => {
            tracing::info!(remote = %address, client, %subject, left_out, "SDK connected");
        }
        Event::SdkRefused { refused, address, cause, noise: true, .. } => {
            tracing::debug!(remote = %address, reason = %cause, %refused, "SDK connection refused");
        }
        Event::SdkRefused { refused, address, cause, hint, .. } => {
            tracing::warn!(remote = %address, reason = %cause, %refused, %hint, left_out, "SDK connection refused, and maybe others");
        }
        Event::SdkExpelled { refused, client, subject, cause } => {
            tracing::warn!(client, %subject, reason = %cause, %refused, left_out, "SDK session is cut");
        }
        Event::PublishDenied { refused, client, subject, topic, cause } => {
            let topic = topic.as_str();
            tracing::warn!(client, %subject, %refused, left_out, "an SDK may not publish to {topic:?}: {cause}");
        }
        Event::SubscriptionDenied { refused, client, subject, topics, cause } => {
            tracing::warn!(client, %subject, topics, %refused, left_out, "an SDK may not subscribe some topics of its list, the others stand: {cause}");
        }
        Event::OverQuota { refused, subject, messages } if refused.0 == Cause::Quota(QuotaRefusal::Calls) => {
            tracing::warn!(%subject, calls = messages, %refused, left_out, "JSON-RPC calls beyond what one certificate may make are refused");
        }
        Event::OverQuota { refused, subject, messages } => {
            tracing::warn!(%subject, messages, %refused, left_out, "messages over a quota in [[rights.quota]] are refused");
        }
        _ => {}
    }
}

fn of_operator(event: &Event, left_out: Option<u64>) {
    match event {
        Event::ConfigurationChanged { actor, changes } => {
            let named = |active| {
                let keys = changes.iter().filter(|change| change.active == active).map(|change| change.key.as_str());
                keys.collect::<Vec<_>>().join(", ")
            };
            let (changed, waiting) = (named(true), named(false));
            tracing::info!(%actor, changed, "configuration reloaded");
            if !waiting.is_empty() {
                tracing::warn!(keys = waiting, "changes there take effect at the next start");
            }
        }
        Event::ConfigurationRefused { actor, cause } => {
            tracing::error!(%actor, "the configuration was not reloaded; the former one stays in force: {cause}");
        }
        Event::AuthoritiesChanged { added, removed } => {
            tracing::warn!(
                added = joined(added),
                removed = joined(removed),
                "other authorities are trusted from now on"
            );
        }
        Event::RightsChanged { actor, default, allow, deny, namespaces, quotas } => {
            tracing::info!(%actor, default, allow, deny, namespaces, quotas, "other rights are in force");
        }
        Event::CertificateEnding { of, subject, warning } => tracing::warn!(kind = of, %subject, "{warning}"),
        Event::OperatorActed { actor, action, outcome } => acted(actor, action, outcome, left_out),
        Event::OperatorSent { actor, action, outcome } => {
            tracing::debug!(%actor, ?outcome, "{action}");
        }
        Event::OperatorRefused { refused, address, actor, action, cause, hint } => {
            let actor = actor.as_ref().map(tracing::field::display);
            tracing::warn!(from = %address, actor, %refused, %hint, left_out, "refused {action}: {cause}");
        }
        _ => {}
    }
}

fn acted(actor: &Actor, action: &Act, outcome: &Outcome, left_out: Option<u64>) {
    match outcome {
        Outcome::Done => tracing::info!(%actor, left_out, "{action}"),
        Outcome::Failed { cause, .. } => tracing::info!(%actor, left_out, "not done: {action}: {cause}"),
    }
}

fn joined(texts: &[Text]) -> String {
    texts.iter().map(Text::as_str).collect::<Vec<_>>().join("; ")
}

fn short(node: &NodeIdText) -> String {
    node.0.short()
}

/// An address without its port.
fn host(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_goes_again_and_again_is_one_line_and_others_are_named() {
        let gone = |issuer: &str| Event::ListGone { issuer: issuer.into(), edition: "1".into(), revoked: 1 };
        let (mut told, now) = (Told::default(), Instant::now());
        let lines = (0..100).filter(|_| news(&gone("CN=a"), &mut told, now).is_some()).count();
        assert_eq!(lines, 1);
        let named = (0..100).filter(|n| news(&gone(&format!("CN={n}")), &mut told, now).is_some()).count();
        assert_eq!(named, 15, "sixteen at once");
        let later = now + std::time::Duration::from_secs(1);
        assert_eq!(news(&gone("CN=b"), &mut told, later), Some(News { left_out: Some(85) }), "the others are counted");
    }
}
