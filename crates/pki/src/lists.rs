//! The revocation lists in force.

mod former;
mod miscounted;

use std::{collections::BTreeMap, sync::Arc};

use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Certificate, ChainError, PolicyError, RevocationList, SignerId, Who, path::Verified, revocation::Told};

/// What an authority's missing or overdue list means for those who want to come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CrlPolicy {
    /// Nothing: lists revoke what they name, whatever their age.
    #[default]
    Soft,
    /// Nobody of that authority comes in. Who is in stays, or no newer list could come.
    Hard,
}

/// The revocation lists in force, of each key that signs some the newest. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    signed: Vec<InForce>,
    /// What came after those, and is numbered no higher; see [`miscounted`].
    miscounted: BTreeMap<SignerId, RevocationList>,
    /// Of signers not met yet. They count for a chain that shows their signer.
    unclaimed: Vec<Unclaimed>,
    pub(crate) policy: CrlPolicy,
}

#[derive(Debug, Clone)]
struct InForce {
    list: RevocationList,
    id: SignerId,
    /// What others need to verify it: see [`Policy::vouch`](crate::Policy::vouch).
    way: Arc<[Certificate]>,
    /// The authority on its way that a trusted one has certified itself, or its heir has; a trusted one is its own.
    family: SignerId,
    /// Whether the way leads up now. Where it does not, the list counts all the same, and spreads no further.
    is_vouched: bool,
}

/// How a list's signer stands below an authority.
#[derive(Debug, Clone, Default)]
pub(crate) struct Way {
    /// From the signer up to the one below the authority; none where the signer is it.
    pub(crate) certificates: Vec<Certificate>,
    /// See [`Policy::top_of`](crate::Policy::top_of).
    pub(crate) top: Option<SignerId>,
}

impl Way {
    fn family(&self, signer: SignerId) -> SignerId {
        self.top.unwrap_or(signer)
    }
}

#[derive(Debug, Clone)]
struct Unclaimed {
    list: RevocationList,
    /// Whether a file here brings it: that has it at the next look as well, or it is to go.
    is_of_file: bool,
}

impl Lists {
    /// Most lists in force.
    pub const MAX: usize = 64;

    /// Most bytes in all of them.
    pub const MAX_BYTES: usize = 64 << 20;

    /// None yet.
    pub(crate) fn under(policy: CrlPolicy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Whether an authority without a current list is shut out.
    pub const fn policy(&self) -> CrlPolicy {
        self.policy
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &RevocationList> {
        self.signed.iter().map(|one| &one.list).chain(self.miscounted.values()).chain(self.unclaimed())
    }

    /// The certificates that lead, or led, from their signers up to authorities here, each once.
    pub fn signers(&self) -> Vec<Certificate> {
        distinct(self.signed.iter().flat_map(|one| one.way.iter()))
    }

    /// How the lists are told to other nodes: the series, and the place in it, which grows.
    pub fn told(&self) -> BTreeMap<[u8; 32], u64> {
        self.vouched().map(InForce::told).collect()
    }

    fn vouched(&self) -> impl Iterator<Item = &InForce> {
        self.signed.iter().filter(|one| one.is_vouched)
    }

    /// The lists that are newer than, or missing from, what another node told, and the certificates that lead from their
    /// signers up to authorities, each once.
    pub fn newer_than(&self, held: &BTreeMap<[u8; 32], u64>) -> (Vec<RevocationList>, Vec<Certificate>) {
        let is_newer = |one: &&InForce| {
            let (series, place) = one.told();
            held.get(&series).is_none_or(|held| *held < place)
        };
        let newer: Vec<_> = self.vouched().filter(is_newer).collect();
        let lists = newer.iter().map(|one| one.list.clone()).collect();
        (lists, distinct(newer.iter().flat_map(|one| one.way.iter())))
    }

    /// The series of a list, if its signer is known; see [`told`](Self::told).
    pub fn series_of(&self, list: &RevocationList) -> Option<[u8; 32]> {
        self.signed.iter().find(|one| one.list == *list).map(|one| one.told().0)
    }

    /// Those whose signer is not known: they are not told to others.
    pub fn unclaimed(&self) -> impl Iterator<Item = &RevocationList> {
        self.unclaimed.iter().map(|one| &one.list)
    }

    /// Whether there is a list of this authority, overdue or not.
    pub fn has_one_of(&self, authority: &Certificate) -> bool {
        self.of(authority).next().is_some()
    }

    /// The list that revokes `certificate`, signed by the very key of `issuer`: two authorities may share one name.
    pub(crate) fn revoking<'a>(
        &'a self,
        certificate: &Certificate,
        issuer: &'a Certificate,
    ) -> Option<&'a RevocationList> {
        self.of(issuer).find(|list| list.lists(certificate))
    }

    /// Those of this issuer's key.
    pub(crate) fn of<'a>(&'a self, issuer: &'a Certificate) -> impl Iterator<Item = &'a RevocationList> {
        self.counted_of(issuer).chain(self.miscounted.get(&SignerId::of(issuer)))
    }

    /// The same without the one that counts beside the one in force.
    fn counted_of<'a>(&'a self, issuer: &'a Certificate) -> impl Iterator<Item = &'a RevocationList> {
        let id = SignerId::of(issuer);
        let signed = self.signed.iter().filter(move |one| one.id == id).map(|one| &one.list);
        signed.chain(self.unclaimed().filter(|list| list.is_signed_by(issuer)))
    }

    /// Where lists are required: refuses a chain of which an authority has none that is current. One that counts beside the one
    /// in force stands for nothing: its authority does not know what it has said since.
    pub(crate) fn refuse_unlisted(&self, chain: &Verified, now: UnixTime) -> Result<(), ChainError> {
        if self.policy == CrlPolicy::Soft {
            return Ok(());
        }
        for (certificate, issuer) in chain.links() {
            if !self.counted_of(issuer).any(|list| list.is_current(now)) {
                let overdue = self.counted_of(issuer).find_map(RevocationList::next_update);
                let who = Who::named_by(certificate);
                return Err(ChainError::NoCurrentList { who, issuer: issuer.subject(), overdue });
            }
        }
        Ok(())
    }

    /// Puts a list into force if it is newer than what its signer has there, or was made later; says whether it is.
    /// Where there is no room for it what was in force stays; where there is none for that beside it, it is in force alone.
    ///
    /// A former one that is dated after `now` was made by a clock that was ahead: it is no later than one with a higher number.
    pub(crate) fn put(
        &mut self,
        list: RevocationList,
        id: SignerId,
        way: Way,
        now: UnixTime,
    ) -> Result<bool, PolicyError> {
        let entry = InForce { list, id, family: way.family(id), way: way.certificates.into(), is_vouched: true };
        let known = self.signed.iter().position(|one| one.id == id);
        if known.is_some_and(|index| !entry.list.edition().is_newer_than(self.signed[index].list.edition())) {
            return self.note_miscounted(entry);
        }
        let former = known.map(|index| self.signed.remove(index));
        if let Err(full) = self.make_room_for(&entry) {
            self.signed.extend(former);
            return Err(full);
        }
        let beside = former.map(|former| InForce { list: former.list, ..entry.clone() });
        self.signed.push(entry);
        self.forget_miscounted(id, now);
        if let Some(beside) = beside.filter(|former| !former.list.edition().is_after(now)) {
            self.note_miscounted(beside)?;
        }
        Ok(true)
    }

    /// Where there is no room, whoever has most gives way: an agency may make authorities below itself, as many as it likes,
    /// and their lists are not to keep out those of others, nor its own. Nor are those whose signers nobody knows, which count
    /// as one's. A list of a trusted authority always finds room. What counts beside a list goes with it.
    fn make_room_for(&mut self, entry: &InForce) -> Result<(), PolicyError> {
        let (mut next, mut unclaimed) = (self.signed.clone(), self.unclaimed.clone());
        let mut miscounted = self.miscounted.clone();
        loop {
            let others = next.iter().map(|one| &one.list).chain(miscounted.values());
            let others = others.chain(unclaimed.iter().map(|one| &one.list));
            let Err(full) = require_room(&entry.list, others) else {
                (self.signed, self.miscounted, self.unclaimed) = (next, miscounted, unclaimed);
                return Ok(());
            };
            let mut shares: BTreeMap<SignerId, (usize, bool)> = BTreeMap::new();
            for one in next.iter().chain([entry]).filter(|one| one.gives_way()) {
                let (share, has_former) = shares.entry(one.family).or_default();
                let more = share_of(&one.list) + miscounted.get(&one.id).map_or(0, share_of);
                (*share, *has_former) = (*share + more, *has_former || !one.is_vouched);
            }
            let most = shares.into_iter().max_by_key(|(_, share)| *share);
            let of_nobody = unclaimed.iter().map(|one| share_of(&one.list)).sum::<usize>();
            if of_nobody > 0 && most.is_none_or(|(_, (share, _))| share <= of_nobody) {
                let longest = unclaimed.iter().enumerate().max_by_key(|(_, one)| one.list.der().len());
                if let Some((index, _)) = longest {
                    drop(unclaimed.remove(index));
                }
                continue;
            }
            match last_of(&next, entry, most.map(|(family, _)| family)) {
                Some(index) => drop(miscounted.remove(&next.remove(index).id)),
                None => return Err(full),
            }
        }
    }

    /// Holds a list whose signer is not known.
    fn hold(&mut self, list: RevocationList, is_of_file: bool) -> Result<(), PolicyError> {
        require_room(&list, self.iter())?;
        self.unclaimed.push(Unclaimed { list, is_of_file });
        Ok(())
    }

    /// The same with one that a file brings.
    pub(crate) fn hold_of_file(&mut self, list: RevocationList) -> Result<(), PolicyError> {
        self.hold(list, true)
    }

    /// The signers to whom no way is known that others could verify: nobody vouches for them now, or they are no authorities of
    /// nodes.
    pub(crate) fn without_a_way(&self, anchors: &[Certificate]) -> impl Iterator<Item = SignerId> {
        let anchors: Vec<_> = anchors.iter().map(SignerId::of).collect();
        let lacks = move |one: &&InForce| !one.is_vouched || (one.way.is_empty() && !anchors.contains(&one.id));
        self.signed.iter().filter(lacks).map(|one| one.id)
    }

    pub(crate) fn set_way(&mut self, signer: SignerId, way: Way) {
        if let Some(one) = self.signed.iter_mut().find(|one| one.id == signer) {
            (one.family, one.way, one.is_vouched) = (way.family(signer), way.certificates.into(), true);
        }
    }

    /// Puts one into force whose signer was not known.
    pub(crate) fn claim(&mut self, list: RevocationList, signer: SignerId, way: Way, now: UnixTime) {
        self.unclaimed.retain(|one| one.list != list);
        // It had room before.
        let _ = self.put(list, signer, way, now);
    }
}

/// Who gives way of the family that has most: whom nobody vouches for, then the lowest authority, the longest of its lists. What
/// counts beside a list needs that.
fn last_of(next: &[InForce], entry: &InForce, most: Option<SignerId>) -> Option<usize> {
    let rank = |(_, one): &(usize, &InForce)| (!one.is_vouched, one.way.len(), one.list.der().len());
    let of_it = |(_, one): &(usize, &InForce)| one.gives_way() && Some(one.family) == most && one.id != entry.id;
    let is_before =
        |other: &InForce| most != Some(entry.family) || !other.is_vouched || entry.way.len() < other.way.len();
    let last = next.iter().enumerate().filter(of_it).max_by_key(rank);
    last.filter(|(_, last)| is_before(last)).map(|(index, _)| index)
}

/// How much of the room a list takes: one of so many lists, and its bytes of so many.
fn share_of(list: &RevocationList) -> usize {
    Lists::MAX_BYTES / Lists::MAX + list.der().len()
}

impl InForce {
    /// Whether it may have to make room for others: that of an authority trusted here never has.
    fn gives_way(&self) -> bool {
        !self.way.is_empty() || !self.is_vouched
    }

    fn told(&self) -> ([u8; 32], u64) {
        match self.list.edition().told() {
            Told::Numbered(number) => (self.id.0, number),
            Told::Dated(second) => {
                (Sha256::new().chain_update(self.id.0).chain_update(b"dated").finalize().into(), second)
            }
        }
    }
}

fn distinct<'a>(certificates: impl Iterator<Item = &'a Certificate>) -> Vec<Certificate> {
    let mut distinct = Vec::new();
    for certificate in certificates {
        if !distinct.contains(certificate) {
            distinct.push(certificate.clone());
        }
    }
    distinct
}

fn require_room<'a>(
    list: &RevocationList,
    others: impl Iterator<Item = &'a RevocationList>,
) -> Result<(), PolicyError> {
    let count = |(lists, bytes), one: &RevocationList| (lists + 1, bytes + one.der().len());
    let (lists, bytes) = others.fold((1, list.der().len()), count);
    if lists > Lists::MAX {
        Err(PolicyError::TooManyLists { lists })
    } else if bytes > Lists::MAX_BYTES {
        Err(PolicyError::TooLongLists { bytes })
    } else {
        Ok(())
    }
}
