//! Who has caused an event: whoever causes many takes no other's place in the log.

use std::{borrow::Cow, net::IpAddr};

use nuncio_identity::NodeId;

use crate::{Event, Text};

/// Whose an event is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Owner<'a> {
    /// The subject of a certificate, and its serial number where the event has it.
    Subject(&'a str, &'a str),
    /// A node that is known by its certificate.
    Node(&'a NodeId),
    /// Where somebody came from who has proved nothing.
    Host(Cow<'a, str>),
}

impl Event {
    /// Whose it is; `None` of what operators do, or the node itself.
    pub(crate) fn owner(&self) -> Option<Owner<'_>> {
        Some(match self {
            Self::SdkAdmitted { subject, serial, .. } => Owner::Subject(subject.as_str(), serial.as_str()),
            Self::SdkExpelled { subject, .. }
            | Self::PublishDenied { subject, .. }
            | Self::SubscriptionDenied { subject, .. }
            | Self::OverQuota { subject, .. } => Owner::Subject(subject.as_str(), ""),
            Self::ListGone { issuer, .. } => Owner::Subject(issuer.as_str(), ""),
            Self::NodeAdmitted { node, .. }
            | Self::NodeExpelled { node, .. }
            | Self::NodeReadmitted { node }
            | Self::NodeBanned { node, .. }
            | Self::DuplicateIdentity { node, .. }
            | Self::MessageDenied { node, .. }
            | Self::FileReceived { node, .. }
            | Self::CertificateNotIssued { node, .. }
            | Self::ListTaken { peer: Some(node), .. }
            | Self::ListRefused { peer: node, .. } => Owner::Node(&node.0),
            Self::NodeRefused { address, .. }
            | Self::SdkRefused { address, .. }
            | Self::EnrolmentRefused { address, .. }
            | Self::OperatorRefused { address, .. } => Owner::Host(host(address)),
            _ => return None,
        })
    }
}

/// An address without its port; of IPv6 the /64, which one host has for itself. Anything else is what it is.
fn host(address: &Text) -> Cow<'_, str> {
    let text = address.as_str();
    let host = text.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(text, |(host, _)| host);
    match host.trim_matches(['[', ']']).parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => format!("{:x}", address.to_bits() >> 64).into(),
        Ok(IpAddr::V4(address)) => address.to_string().into(),
        Err(_) => host.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_whatever_its_port_and_an_ipv6_network_is_one_host() {
        let host = |text: &str| host(&text.into()).into_owned();
        assert_eq!(host("10.0.0.1:1"), host("10.0.0.1:65535"));
        assert_eq!(host("[::ffff:10.0.0.1]:1"), host("10.0.0.1:2"));
        assert_eq!(host("[2001:db8:1:2::1]:1"), host("[2001:db8:1:2:ffff::9]:2"));
        let all = ["10.0.0.1:1", "10.0.0.2:1", "[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1", "local", "SDK key:ab12"];
        let apart: std::collections::BTreeSet<_> = all.map(host).into_iter().collect();
        assert_eq!(apart.len(), all.len());
    }
}
