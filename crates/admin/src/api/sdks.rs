use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A certificate under which SDKs have sessions at the node that answers (`GET /v1/sdks`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SdkCertificate {
    /// Its subject, RFC 4514.
    pub subject: String,
    /// How many sessions.
    pub sessions: usize,
    /// It and those above it, without the root, each in PEM.
    pub chain: Vec<String>,
}

/// The SDKs that have sessions at one node of the network, as it says itself (`GET /v1/sdks/network`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SdksAt {
    /// The node's ID.
    pub node_id: String,
    /// Name in its certificate.
    pub name: String,
    /// Below whom they stand.
    pub authorities: Vec<SdkAuthority>,
    /// Sessions of which the authority is not named: there are too many.
    pub others: u32,
    /// Why the node does not say it.
    pub error: Option<String>,
}

/// Who issued certificates under which SDKs have sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SdkAuthority {
    /// Its subject, RFC 4514.
    pub subject: String,
    /// How many sessions.
    pub sessions: u32,
    /// It and those above it, up to the authority that the node trusts, each in PEM.
    pub chain: Vec<String>,
}
