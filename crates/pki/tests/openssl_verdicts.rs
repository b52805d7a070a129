//! Our verdict on a chain beside that of `openssl verify`. Certificates are made by `openssl` while the test runs; where
//! the two differ, the table says so and why. Without `openssl` the test fails, and says what is missing.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use nuncio_pki::{Anchors, Certificate, Leaf};
use rustls_pki_types::UnixTime;

mod verdicts {
    pub(super) mod algorithms;
    pub(super) mod authorities;
    pub(super) mod chains;
    pub(super) mod edited;
    pub(super) mod lab;
    pub(super) mod leaves;
    pub(super) mod names;
    pub(super) mod signed;
    pub(super) mod texts;
    pub(super) mod written;
}

use verdicts::{
    algorithms, authorities, chains,
    lab::{CA, Case, Issued, Lab, Verdict, spec},
    leaves, names, signed, texts, written,
};

/// Each makes a few processes of `openssl`, one after the other.
const WORKERS: usize = 4;

#[test]
fn our_verdicts_are_those_of_openssl() {
    let lab = Lab::new();
    let cases: Vec<Case> = [
        algorithms::cases(),
        authorities::cases(),
        chains::cases(),
        leaves::cases(),
        names::cases(),
        signed::cases(),
        texts::cases(),
        written::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let names: BTreeSet<&str> = cases.iter().map(|case| &*case.name).collect();
    assert_eq!(names.len(), cases.len(), "each has a name of its own");
    assert!(cases.len() >= 450, "{} cases", cases.len());

    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    wrong.lock().unwrap().extend(fault(&lab, case));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Four authorities that each of four others issued, and the other way round: thousands of ways lead nowhere.
#[test]
fn a_maze_costs_no_more_than_a_hundred_signatures() {
    let lab = Lab::new();
    let bench = lab.bench("maze");
    let root = bench.root();
    let [one, other] = ["/CN=one", "/CN=other"].map(|name| bench.make(None, &spec("k1-b", name, CA)));
    let below = |issuer, name| (1..=4).map(move |days| (issuer, spec("k1-b", name, CA).days(days)));
    let crossed = below(&other, "/CN=one").chain(below(&one, "/CN=other"));
    let maze = std::iter::once(bench.leaf(&one)).chain(crossed.map(|(issuer, spec)| bench.make(Some(issuer), &spec)));
    let read = |issued: &Issued| Certificate::load(&issued.certificate).unwrap().remove(0);
    let chain: Vec<Certificate> = maze.map(|issued| read(&issued)).collect();
    let faults = Anchors::new(vec![read(&root)]).faults(&chain, UnixTime::now(), Leaf::Client);
    assert!(faults[0].to_string().contains("within 100 signatures"), "{faults:?}");
}

/// What is wrong with one case, if anything is.
fn fault(lab: &Lab, case: &Case) -> Option<String> {
    let bench = lab.bench(&case.name);
    let chain = (case.build)(&bench);
    let (theirs, ours) = (lab.theirs(&bench, case, &chain), lab.ours(case, &chain));
    let name = &case.name;
    match (&theirs, &ours, case.difference) {
        (Verdict::Accepted, Verdict::Accepted, None) | (Verdict::Refused(_), Verdict::Refused(_), None) => {}
        (Verdict::Accepted, Verdict::Refused(_), Some(_)) | (Verdict::Refused(_), Verdict::Accepted, Some(_)) => {}
        (_, _, Some(why)) => {
            return Some(format!("{name}: named as a difference ({why}), and there is none: {ours:?}"));
        }
        (_, _, None) => return Some(format!("{name}: openssl {theirs:?}, we {ours:?}")),
    }
    if case.accepted != (theirs == Verdict::Accepted) {
        return Some(format!("{name}: the case is not what it is meant to be: openssl {theirs:?}"));
    }
    let Verdict::Refused(said) = ours else { return None };
    let is_sentence = said.len() > 20
        && !said.contains(['{', '}'])
        && !["::", "Error", "Some("].iter().any(|debug| said.contains(debug));
    (!is_sentence).then(|| format!("{name}: refused without a sentence: {said}"))
}
