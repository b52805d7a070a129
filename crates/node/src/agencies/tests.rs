use nuncio_pki::authority::{Authority, Issuer, Plan, Rotation, Validity};
use nuncio_testkit::{TestAuthority, authority::agency_without_pathlen};

use super::*;

fn of_a_stranger(name: &str) -> CertificateDer<'static> {
    let root = Issuer::root(name, Validity::days(30)).unwrap();
    root.agency("made up", Validity::days(30)).unwrap().certificate().der().clone()
}

#[test]
fn self_made_agencies_do_not_fill_the_memory_of_genuine_ones() {
    let authority = TestAuthority::new();
    let (agencies, policy, now) = (Agencies::default(), authority.policy(), UnixTime::now());
    let made_up: Vec<_> = (0..MAX + 10).map(|number| of_a_stranger(&format!("root {number}"))).collect();
    agencies.meet_all(&made_up, &policy, now);
    assert!(agencies.all().is_empty());
    // A member may put anything into the chain that it shows.
    let node = authority.node("a");
    let chain: Vec<_> = node.chain.iter().chain(&made_up[..3]).cloned().collect();
    agencies.meet(&chain, &policy, now);
    assert_eq!(agencies.all(), [authority.agency_certificate().clone()]);
    assert!(agencies.take_news() && !agencies.take_news());
}

#[test]
fn an_agency_that_makes_authorities_gets_few_places() {
    let authority = TestAuthority::new();
    let (agencies, policy) = (Agencies::default(), authority.policy());
    let rogue = agency_without_pathlen(authority.root(), "rogue");
    let below =
        |number: u32| rogue.agency(&format!("sub {number}"), Validity::days(30)).unwrap().certificate().der().clone();
    let many: Vec<_> = std::iter::once(rogue.certificate().der().clone()).chain((0..20).map(below)).collect();
    // They begin when they are made.
    let now = UnixTime::now();
    agencies.meet_all(&many, &policy, now);
    assert_eq!(agencies.all().len(), 1 + MAX_BELOW_ONE);
    agencies.meet_all(&[authority.agency_certificate().der().clone()], &policy, now);
    assert_eq!(agencies.all().len(), 2 + MAX_BELOW_ONE, "others keep theirs");
}

#[test]
fn an_agency_is_forgotten_with_the_authority_above_it() {
    let authority = TestAuthority::new();
    let (agencies, now) = (Agencies::default(), UnixTime::now());
    agencies.meet_all(&[authority.agency_certificate().der().clone()], &authority.policy(), now);
    agencies.judge_again(&authority.policy(), now);
    assert_eq!(agencies.all().len(), 1);
    agencies.judge_again(&TestAuthority::new().policy(), now);
    assert!(agencies.all().is_empty());
}

/// For nodes that trust the old root alone, its cross-certificate for the new one stands above every agency.
#[test]
fn agencies_below_a_root_that_is_vouched_for_have_each_their_places() {
    let (authority, directory) = (TestAuthority::new(), tempfile::tempdir().unwrap());
    let folder = directory.path().join("agency");
    authority.write_agency_directory(&folder);
    let root = directory.path().join("ca");
    std::fs::create_dir(&root).unwrap();
    // Its file has the mode of a key's.
    std::fs::copy(folder.join("agency.key"), root.join("ca.key")).unwrap();
    std::fs::write(root.join("ca.key"), &*authority.root().key().to_pem().unwrap()).unwrap();
    std::fs::write(root.join("ca.crt"), authority.root_certificate().to_pem()).unwrap();
    Rotation::plan(&root, Plan::default()).unwrap().prepare(None).unwrap();
    let heir = Authority::open(&root.join("rotation/new")).unwrap();
    let cross = Certificate::load(&root.join("rotation/cross.crt")).unwrap().remove(0);
    let below = |number: usize| heir.issuer().agency(&format!("agency{number}"), Validity::days(30)).unwrap();
    let all: Vec<_> = (0..8).map(|number| below(number).certificate().der().clone()).collect();
    let (agencies, policy) = (Agencies::default(), authority.policy());
    agencies.meet_all(&[all, vec![cross.der().clone()]].concat(), &policy, UnixTime::now());
    assert_eq!(agencies.all().len(), 9);
    // One of them that makes authorities has no more places than elsewhere.
    let rogue = agency_without_pathlen(heir.issuer(), "rogue");
    let below =
        |number: u32| rogue.agency(&format!("sub {number}"), Validity::days(30)).unwrap().certificate().der().clone();
    let many: Vec<_> = std::iter::once(rogue.certificate().der().clone()).chain((0..20).map(below)).collect();
    // They begin when they are made.
    agencies.meet_all(&many, &policy, UnixTime::now());
    assert_eq!(agencies.all().len(), 9 + 1 + MAX_BELOW_ONE);
}
