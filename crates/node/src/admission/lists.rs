//! Revocation lists that peers bring.

use std::sync::Arc;

use bytes::Bytes;
use nuncio_audit::{Audit, Event};
use nuncio_identity::NodeId;
use nuncio_metrics::{Cause, ListRefusal};
use nuncio_pki::{Certificate, PolicyError, RevocationList, SharedPolicy};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::Shared;

/// Takes one if it is newer than what is in force, and signed by an authority trusted here or by one below it, of which `agencies`
/// may hold certificates; says whether it was. It counts for newcomers from then on.
pub(crate) fn take_list(
    shared: &Shared,
    audit: &Audit,
    (peer, list): (NodeId, &[u8]),
    agencies: &[Bytes],
    now: UnixTime,
) -> bool {
    let agencies: Vec<_> = agencies.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    shared.agencies.meet_all(&agencies, &shared.policy.load(), now);
    let list = RevocationList::from_der(list).map_err(|error| (ListRefusal::Malformed, error.to_string()));
    match list.and_then(|list| Ok((adopt((&shared.policy, audit), &list, &shared.agencies.all(), now)?, list))) {
        Ok((is_newer, list)) => {
            if is_newer {
                audit.record(Event::ListTaken {
                    peer: Some(peer.into()),
                    issuer: list.issuer().into(),
                    edition: list.edition().to_string().into(),
                    revoked: list.len(),
                });
            }
            is_newer
        }
        Err((refused, cause)) => {
            let refused = Cause::Lists(refused).into();
            audit.record(Event::ListRefused { refused, peer: peer.into(), cause: cause.into() });
            false
        }
    }
}

/// Whether the list was newer than what was in force. One step: the operator changes the policy meanwhile.
fn adopt(
    (policy, audit): (&SharedPolicy, &Audit),
    list: &RevocationList,
    agencies: &[Certificate],
    now: UnixTime,
) -> Result<bool, (ListRefusal, String)> {
    let (mut outcome, mut gone) = (Ok(false), Vec::new());
    policy.rcu(|current| {
        let adopted = current.adopt(list.clone(), agencies, now);
        let next = adopted.as_ref().ok().and_then(Option::as_ref);
        gone = next.map(|next| next.lists().gone_since(current.lists())).unwrap_or_default();
        outcome = adopted.as_ref().map(Option::is_some).map_err(|error| (of_list(error), error.to_string()));
        adopted.ok().flatten().map_or_else(|| Arc::clone(current), Arc::new)
    });
    tell_gone(audit, &gone);
    outcome
}

/// Says which lists were in force and are no more.
pub fn tell_gone(audit: &Audit, gone: &[RevocationList]) {
    for list in gone {
        audit.record(Event::ListGone {
            issuer: list.issuer().into(),
            edition: list.edition().to_string().into(),
            revoked: list.len(),
        });
    }
}

fn of_list(error: &PolicyError) -> ListRefusal {
    match error {
        PolicyError::TooManyLists { .. } | PolicyError::TooLongLists { .. } => ListRefusal::Full,
        _ => ListRefusal::Signer,
    }
}

#[cfg(test)]
mod tests {
    use nuncio_pki::{
        Lists,
        authority::{Issuer, RevocationDates, Validity},
    };
    use nuncio_testkit::TestAuthority;

    use super::*;

    fn list_of(issuer: &Issuer) -> RevocationList {
        let Validity { not_before, not_after } = Validity::days(9);
        issuer.revoke(&[], None, RevocationDates { this_update: not_before, next_update: not_after }).unwrap()
    }

    /// Of agencies that are trusted as of those that were.
    #[test]
    fn a_list_that_makes_room_for_another_is_told() {
        let (authority, audit) = (TestAuthority::new(), Audit::default());
        let (policy, mut follower, now) = (authority.shared_policy(), audit.follow(), UnixTime::now());
        let taken = |list: &RevocationList, agencies: &[Certificate]| adopt((&policy, &audit), list, agencies, now);
        let mut issuers = Vec::new();
        for number in 0..Lists::MAX {
            let agency = authority.root().agency(&format!("agency{number}"), Validity::days(9)).unwrap();
            issuers.push(list_of(&agency).issuer());
            assert_eq!(taken(&list_of(&agency), &[agency.certificate().clone()]), Ok(true));
        }
        assert!(follower.try_recv().is_err(), "there was room");
        assert_eq!(taken(&list_of(authority.root()), &[]), Ok(true));
        let recorded = follower.try_recv().unwrap();
        assert!(
            matches!(&recorded.event, Event::ListGone { issuer, .. } if issuers.iter().any(|one| one == issuer.as_str()))
        );
        assert!(follower.try_recv().is_err(), "one made room");
    }

    #[test]
    fn each_list_that_is_refused_is_counted_by_what_is_wrong_with_it() {
        for (error, cause) in [
            (PolicyError::TooManyLists { lists: 65 }, ListRefusal::Full),
            (PolicyError::TooLongLists { bytes: 1 }, ListRefusal::Full),
            (PolicyError::NoAuthority, ListRefusal::Signer),
        ] {
            assert_eq!(of_list(&error), cause, "{error}");
        }
    }
}
