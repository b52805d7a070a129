//! `[priorities]`: how urgent what SDKs and web clients publish is.

use nuncio_gateway::Priorities as InForce;
use nuncio_protocol::Priority;
use nuncio_rights::Pattern;

use super::section::section;

section! {
    /// `[priorities]`: how urgent what SDKs and web clients publish to topics is, each a name, or how names begin and one `*`; of
    /// several that name a topic the longest counts. A change is in force at once.
    Priorities {
        /// Little, and at once. What a client publishes beyond its share of that is normal.
        /// As in `["alarms*"]`. Default: none.
        live control: Vec<Pattern> = Vec::new(),
        /// Before what is normal, likewise. As in `["orders/cancel*"]`. Default: none.
        live high: Vec<Pattern> = Vec::new(),
        /// Never more urgent than others, whatever web clients name. As in `["orders*"]`. Default: none.
        live normal: Vec<Pattern> = Vec::new(),
        /// Much, and not now. As in `["backup*"]`. Default: none.
        live bulk: Vec<Pattern> = Vec::new(),
    }
}

impl Priorities {
    /// The same, ready to be asked.
    ///
    /// # Errors
    /// What is wrong.
    pub fn in_force(&self) -> Result<InForce, String> {
        let Self { control, high, normal, bulk } = self;
        let lists = [control, high, normal, bulk].into_iter().zip(Priority::ALL);
        let named = lists.flat_map(|(patterns, priority)| patterns.iter().map(move |one| (one.clone(), priority)));
        InForce::new(named).map_err(|error| error.to_string())
    }
}
