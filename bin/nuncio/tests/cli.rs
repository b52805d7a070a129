//! The program as users meet it: arguments in; streams, files and exit codes out.

#[path = "cli/amop.rs"]
mod amop;
#[path = "cli/answering.rs"]
mod answering;
#[path = "cli/audit.rs"]
mod audit;
#[path = "cli/bodies.rs"]
mod bodies;
#[path = "cli/bounds.rs"]
mod bounds;
#[path = "cli/certificates.rs"]
mod certificates;
#[path = "cli/comparison.rs"]
mod comparison;
#[path = "cli/files.rs"]
mod files;
#[path = "cli/fisco.rs"]
mod fisco;
#[path = "cli/hostile_words.rs"]
mod hostile_words;
#[path = "cli/interruption.rs"]
mod interruption;
#[path = "cli/join.rs"]
mod join;
#[path = "cli/measuring.rs"]
mod measuring;
#[path = "cli/metrics.rs"]
mod metrics;
#[path = "cli/processes.rs"]
mod processes;
#[path = "cli/progress.rs"]
mod progress;
#[path = "cli/rights.rs"]
mod rights;
#[path = "cli/rotation.rs"]
mod rotation;
#[path = "cli/supervised.rs"]
mod supervised;
#[path = "cli/support.rs"]
mod support;
#[path = "cli/testnet.rs"]
mod testnet;
#[path = "cli/token.rs"]
mod token;
#[path = "cli/tracing.rs"]
mod tracing;
#[path = "cli/usage.rs"]
mod usage;
