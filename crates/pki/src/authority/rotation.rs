//! Replacing an authority by another one while its network runs.
//!
//! A rotation goes through [`Step`]s. Each can be interrupted anywhere and asked for again: what is there already is kept,
//! what is missing is made. Nothing that is in use is touched before [`switch`](Rotation::switch), no file is replaced before
//! what takes its place has been read back and holds, and [`retire`](Rotation::retire) refuses while anybody would be cut off.
//!
//! In the authority's folder `rotation/` holds the state, the new authority (`new/`), the old root's certificate for it
//! (`cross.crt`), what was issued anew (`issued/`, a file for each node and agency) and in the place of which (`pairs/`);
//! `former/` keeps what was replaced.

mod error;
mod files;
mod seen;
mod state;
mod steps;
mod succession;

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

pub use error::RotationError;
pub(super) use files::{CROSS, FOLDER, FORMER, PAIRS};
pub use seen::{Chosen, Sdks, SdksAt, Seen, Shown};
use state::{ID_DIGITS, MAX_FILE, MAX_NAME, MAX_NODES, State};
pub use state::{Rank, Step};
pub use steps::OldAgency;
use succession::Succession;
pub(super) use succession::is_same;

use super::{
    AGENCY_DAYS, AuthorityError, Issuer, ROOT_DAYS,
    draft::{Draft, open_lock, remove_all_left_behind},
    last_list::refuse_lost,
    layout::create_directory,
    line::{pairs_in, sorted},
    revoking::beside,
    store::{Authority, open_issuer, open_issuer_with},
};
use crate::{
    Certificate, RevocationFile, RevocationList,
    directory::read_certificates,
    file,
    revocation::{TakenBack, newest},
};

/// A rotation of the authority in a folder. While it lives, no other process has it.
#[derive(Debug)]
pub struct Rotation {
    directory: PathBuf,
    state: State,
    old: Issuer,
    new: Option<Successor>,
    _turn: File,
}

/// What a rotation is to replace, and where.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The new root's name; a number after the old one's by default. An agency keeps its name.
    pub name: Option<String>,
    /// How many days the new authority lasts; by default 20 years for a root, 10 for an agency.
    pub days: Option<u32>,
    /// Folders at hand, of agencies, nodes and SDKs: their files are changed by [`Rotation::switch`].
    pub folders: Vec<PathBuf>,
}

/// What a step did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Done {
    /// The files that it wrote.
    pub written: Vec<PathBuf>,
    /// What it left out, and why.
    pub left_out: Vec<String>,
}

#[derive(Debug)]
struct Successor {
    issuer: Issuer,
    cross: Option<Certificate>,
}

impl Rotation {
    /// Plans one. Nothing is made yet; a plan that was not begun is replaced.
    ///
    /// # Errors
    /// When there is no authority in the folder, a rotation of it has begun, or a folder at hand is none.
    pub fn plan(directory: &Path, plan: Plan) -> Result<Self, RotationError> {
        let (directory, turn) = take_turn(directory)?;
        if directory.join(FOLDER).join("state.json").exists() {
            let begun = Self::open_locked(directory.clone(), turn)?;
            if begun.state.step != Step::Planned {
                return Err(RotationError::Underway { path: directory, step: begun.state.step });
            }
            return Self::planned(directory, begun._turn, plan);
        }
        Self::planned(directory, turn, plan)
    }

    /// Goes on with the one that was planned.
    ///
    /// # Errors
    /// When there is none, its state is not what this tool wrote, or its files do not fit together.
    pub fn open(directory: &Path) -> Result<Self, RotationError> {
        let (directory, turn) = take_turn(directory)?;
        Self::open_locked(directory, turn)
    }

    /// How far it is.
    pub const fn step(&self) -> Step {
        self.state.step
    }

    /// What is replaced.
    pub const fn rank(&self) -> Rank {
        self.state.rank
    }

    /// The authority to replace.
    pub fn old(&self) -> &Certificate {
        self.old.certificate()
    }

    /// The authority that takes its place, once it is prepared.
    pub fn new_authority(&self) -> Option<&Certificate> {
        self.new.as_ref().map(|new| new.issuer.certificate())
    }

    /// The new root's name; an agency keeps its own.
    pub fn new_name(&self) -> Option<&str> {
        self.state.name.as_deref()
    }

    /// Where the files of the rotation are.
    pub fn folder(&self) -> PathBuf {
        self.directory.join(FOLDER)
    }

    /// Every node of this authority that was ever seen: its ID and its name.
    pub fn expected(&self) -> impl Iterator<Item = (&str, &str)> {
        self.state.nodes.iter().map(|(node, name)| (node.as_str(), name.as_str()))
    }

    /// The folders at hand.
    pub fn at_hand(&self) -> &[PathBuf] {
        &self.state.folders
    }

    fn planned(directory: PathBuf, turn: File, plan: Plan) -> Result<Self, RotationError> {
        let authority = Authority::open(&directory)?;
        let old = authority.into_issuer();
        let rank = if old.chain().len() > 1 { Rank::Agency } else { Rank::Root };
        let folders: Result<Vec<_>, _> = plan.folders.iter().map(|folder| existing(folder)).collect();
        let state = State {
            rank,
            step: Step::Planned,
            old: hex::encode(old.certificate().key_id()),
            name: (rank == Rank::Root).then(|| plan.name.unwrap_or_else(|| next_name(old.certificate()))),
            days: plan.days.unwrap_or(if rank == Rank::Root { ROOT_DAYS } else { AGENCY_DAYS }),
            folders: folders?,
            nodes: Default::default(),
        };
        create_directory(&directory.join(FOLDER))?;
        let rotation = Self { directory, state, old, new: None, _turn: turn };
        rotation.save()?;
        Ok(rotation)
    }

    fn open_locked(directory: PathBuf, turn: File) -> Result<Self, RotationError> {
        let path = directory.join(FOLDER).join("state.json");
        if !path.exists() {
            return Err(RotationError::NotPlanned { path: directory });
        }
        let altered = |reason| RotationError::Altered { path: path.clone(), reason };
        let (state, signature) =
            State::parse(&file::read_up_to(&path, MAX_FILE as u64).map_err(AuthorityError::from)?).map_err(altered)?;
        let base = state.rank.base();
        let places = [directory.clone(), directory.join(FORMER).join(&state.old[..16])];
        let is_old = |issuer: &Issuer| hex::encode(issuer.certificate().key_id()) == state.old;
        let old = places.iter().filter_map(|place| open_rank(place, base).ok()).find(is_old);
        let old = old.ok_or_else(|| altered("the authority that it names is not here".into()))?;
        if !state.is_sealed_by(old.certificate(), old.key(), &signature) {
            return Err(altered("its signature is not by the old authority's key".into()));
        }
        let new = successor(&directory, &old, &state)?;
        let rotation = Self { directory, state, old, new, _turn: turn };
        rotation.remove_left_behind();
        Ok(rotation)
    }

    /// A run that was killed has left no copy of a key that outlives it: what is put away is put away for good.
    fn remove_left_behind(&self) {
        for folder in [self.folder(), self.folder().join("new"), self.issued(), self.pairs_folder(), self.former()] {
            remove_all_left_behind(&folder);
        }
    }

    fn save(&self) -> Result<(), RotationError> {
        let text = self.state.seal(self.old.key())?;
        Ok(Draft::public(&self.folder().join("state.json"), &text)?.replace()?)
    }

    fn advance(&mut self, step: Step) -> Result<(), RotationError> {
        if self.state.step < step {
            self.state.step = step;
            self.save()?;
        }
        Ok(())
    }

    fn require(&self, step: Step, wanted: &'static str) -> Result<&Successor, RotationError> {
        let refusal = RotationError::OutOfOrder { step: self.state.step, wanted };
        self.new.as_ref().filter(|_| self.state.step >= step).ok_or(refusal)
    }

    /// With what was issued so far.
    fn succession<'a>(&'a self, new: &'a Successor) -> Result<Succession<'a>, RotationError> {
        let anchors = match self.state.rank {
            Rank::Root => vec![new.issuer.certificate().clone()],
            Rank::Agency => read_certificates(&self.directory.join("ca.crt"))?,
        };
        let lists = self.old_lists()?;
        let is_revoked = |one: &Certificate| lists.iter().any(|list| list.ends(one));
        let pairs = self.pairs();
        let withdrawn: Vec<_> = pairs.iter().filter(|(old, _)| is_revoked(old)).map(|(_, made)| made.clone()).collect();
        let mut made = self.made(&new.issuer);
        made.retain(|one| !withdrawn.contains(one));
        Ok(Succession {
            rank: self.state.rank,
            old: self.old.certificate(),
            new: &new.issuer,
            cross: new.cross.as_ref(),
            anchors,
            lists,
            made,
            withdrawn,
        })
    }

    /// The old authority's own lists: before the switch they are in its folder, afterwards in `former/` too.
    fn old_lists(&self) -> Result<Vec<RevocationList>, RotationError> {
        let mut all = Vec::new();
        for folder in [self.directory.clone(), self.former()] {
            let path = folder.join("ca.crl");
            let lists = if path.exists() { RevocationFile::read(&path)?.lists } else { Vec::new() };
            let own: Vec<_> = lists.into_iter().filter(|list| list.is_signed_by(self.old.certificate())).collect();
            let holder = folder.join(format!("{}.crt", self.state.rank.base()));
            let is_its_own =
                read_certificates(&holder).is_ok_and(|held| succession::is_same(&held[0], self.old.certificate()));
            if is_its_own {
                refuse_lost(&path, newest(own.clone()).as_ref(), &beside(&path, ".number"))?;
            }
            all.extend(own);
        }
        Ok(all)
    }

    /// What the old authority says of keys: its successor certifies none of them either, whatever they show.
    fn old_words(&self) -> Result<TakenBack, RotationError> {
        let mut said = TakenBack::default();
        self.old_lists()?.iter().for_each(|list| said.join_keys(list.taken_back()));
        Ok(said)
    }

    /// Each certificate of the old authority that has a successor, and that.
    fn pairs(&self) -> Vec<(Certificate, Certificate)> {
        pairs_in(&self.pairs_folder())
    }

    /// Every certificate by the new authority in the files issued; others in them prove nothing.
    fn made(&self, new: &Issuer) -> Vec<Certificate> {
        let paths = [sorted(&self.pairs_folder()), sorted(&self.issued())].concat();
        let held = paths.iter().filter_map(|path| read_certificates(path).ok()).flatten();
        let mut made: Vec<Certificate> = Vec::new();
        for one in held.filter(|one| one.is_signed_by(new.certificate()) && one != new.certificate()) {
            if !made.contains(&one) {
                made.push(one);
            }
        }
        made
    }

    fn issued(&self) -> PathBuf {
        self.folder().join("issued")
    }

    fn pairs_folder(&self) -> PathBuf {
        self.folder().join(PAIRS)
    }

    fn former(&self) -> PathBuf {
        self.directory.join(FORMER).join(&self.state.old[..16])
    }
}

/// Refuses where another process has its turn.
fn take_turn(directory: &Path) -> Result<(PathBuf, File), RotationError> {
    let directory = existing(directory)?;
    let path = directory.join(".rotation.lock");
    let failed = |source| AuthorityError::Write { path: path.clone(), source };
    let file = open_lock(&path)?;
    match file.try_lock() {
        Ok(()) => Ok((directory, file)),
        Err(TryLockError::WouldBlock) => Err(RotationError::Busy { path: directory }),
        Err(TryLockError::Error(source)) => Err(failed(source).into()),
    }
}

fn existing(folder: &Path) -> Result<PathBuf, RotationError> {
    let real = fs::canonicalize(folder).ok().filter(|path| path.is_dir());
    real.ok_or_else(|| RotationError::Folder { reason: format!("{} is no folder", folder.display()) })
}

fn open_rank(directory: &Path, base: &str) -> Result<Issuer, AuthorityError> {
    let above = if base == "agency" { read_certificates(&directory.join("ca.crt"))? } else { Vec::new() };
    open_issuer(directory, base, &above)
}

/// The new authority, if it is complete.
fn successor(directory: &Path, old: &Issuer, state: &State) -> Result<Option<Successor>, RotationError> {
    let folder = directory.join(FOLDER);
    let (place, base) = (folder.join("new"), state.rank.base());
    if !place.join(format!("{base}.crt")).exists() {
        return Ok(None);
    }
    // Once it is in its place, its key is there alone.
    let own = place.join(format!("{base}.key"));
    let key = if own.exists() { own } else { directory.join(format!("{base}.key")) };
    let above = if base == "agency" { read_certificates(&place.join("ca.crt"))? } else { Vec::new() };
    let issuer = open_issuer_with(&key, &place.join(format!("{base}.crt")), &above)?;
    if issuer.certificate().public_key() == old.certificate().public_key() {
        let reason = "its authority is the one to replace, as where a state was lost after the switch".to_owned();
        return Err(RotationError::Altered { path: place.join(format!("{base}.crt")), reason });
    }
    let cross = folder.join(CROSS);
    let cross = if cross.exists() { read_certificates(&cross)?.into_iter().next() } else { None };
    let is_good =
        |cross: &Certificate| succession::is_same(cross, issuer.certificate()) && cross.is_signed_by(old.certificate());
    let cross = cross.filter(is_good);
    let is_complete = state.rank == Rank::Agency || cross.is_some();
    Ok(is_complete.then_some(Successor { issuer, cross }))
}

/// `chain` is followed by `chain-2`, that by `chain-3`.
fn next_name(root: &Certificate) -> String {
    let name = root.common_name().unwrap_or_else(|| "chain".into());
    let numbered = name.rsplit_once('-').and_then(|(stem, number)| Some((stem, number.parse::<u32>().ok()?)));
    match numbered {
        Some((stem, number)) => format!("{stem}-{}", number.saturating_add(1)),
        None => format!("{name}-2"),
    }
}
