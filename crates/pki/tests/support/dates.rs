use nuncio_pki::authority::{RevocationDates, Validity};

/// Of a list that is made now: the next one is due in a month.
pub(crate) fn dates() -> RevocationDates {
    let validity = Validity::days(30);
    RevocationDates { this_update: validity.not_before, next_update: validity.not_after }
}
