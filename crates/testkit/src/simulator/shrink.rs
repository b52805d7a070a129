//! Makes a failing scenario smaller.

use super::{Scenario, run};

/// Runs at the most; each takes as long as the scenario does.
const MAX_RUNS: usize = 200;

/// The smallest scenario found that still fails: fewer nodes, then fewer steps.
pub fn shrink(failing: &Scenario) -> Scenario {
    let mut best = failing.clone();
    let mut runs = 0;
    let mut fails = |scenario: &Scenario| {
        runs += 1;
        runs <= MAX_RUNS && run(scenario).is_err()
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
