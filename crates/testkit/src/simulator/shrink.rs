//! Makes a failing scenario smaller.

use std::time::{Duration, Instant};

use super::{Scenario, Violation, trial::run_until};

/// Runs at the most; each takes as long as the scenario does.
const MAX_RUNS: usize = 200;

/// Real time for all of them: one run of a thousand nodes takes minutes, and is given up half-way.
const PATIENCE: Duration = Duration::from_secs(120);

/// The smallest scenario found that still breaks the same promise: fewer nodes, then fewer steps.
pub fn shrink(failing: &Scenario, violation: &Violation) -> Scenario {
    let mut best = failing.clone();
    let (mut runs, until) = (0, Instant::now() + PATIENCE);
    let mut fails = |scenario: &Scenario| {
        runs += 1;
        let may_run = runs <= MAX_RUNS && Instant::now() < until;
        may_run && run_until(scenario, until).is_err_and(|other| is_same(&other, violation))
    };
    while best.nodes > 2 {
        let smaller = Scenario { nodes: (best.nodes / 2).max(2), ..best.clone() };
        if !fails(&smaller) {
            break;
        }
        best = smaller;
    }
    let mut chunk = best.steps.len().div_ceil(2);
    while chunk > 0 {
        let mut start = 0;
        while start < best.steps.len() {
            let mut smaller = best.clone();
            smaller.steps.drain(start..(start + chunk).min(best.steps.len()));
            if fails(&smaller) {
                best = smaller;
            } else {
                start += chunk;
            }
        }
        chunk /= 2;
    }
    best
}

/// Whether the same promise was broken, by whomever.
fn is_same(a: &Violation, b: &Violation) -> bool {
    let words = |violation: &Violation| violation.promise.replace(|letter: char| letter.is_ascii_digit(), "");
    words(a) == words(b)
}
