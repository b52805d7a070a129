use serde::Deserialize;
use utoipa::ToSchema;

/// How urgent a message is, and the reply to a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before all else, as long as it is little.
    Control,
    /// Before what is normal, up to a budget.
    High,
    /// Unless said otherwise.
    #[default]
    Normal,
    /// Where nothing else waits.
    Bulk,
}

impl From<Priority> for nuncio_protocol::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Control => Self::Control,
            Priority::High => Self::High,
            Priority::Normal => Self::Normal,
            Priority::Bulk => Self::Bulk,
        }
    }
}
