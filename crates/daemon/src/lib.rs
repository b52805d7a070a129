//! From a configuration file to a running node, and back down.
//!
//! The life cycle is in the types: [`Config`] is read and judged without opening anything, [`Daemon::build`] binds,
//! [`Bound::run`] works until [`Shutdown`] says otherwise. [`run`] is all of it for a process of its own.
//!
//! ```no_run
//! use nuncio_daemon::{Shutdown, Source, run};
//!
//! # async fn example() -> Result<(), nuncio_daemon::RunError> {
//! run(Source::File("node0/nuncio.toml".into()), Shutdown::new()).await
//! # }
//! ```

pub mod audit;
mod bounds;
mod changes;
pub mod config;
mod control;
mod data_dir;
mod doors;
pub mod enrolment;
mod error;
mod expiry;
mod files;
mod issuer;
mod kept_lists;
mod lifetimes;
mod list_expiry;
pub mod logging;
mod metrics;
mod node_info;
mod open_files;
mod operators;
mod peer_calls;
mod port;
mod reading;
mod reload;
mod renewal;
mod run;
mod service;
mod services;
mod shutdown;
mod supervisor;
mod watch;

/// The commit that this program was built of: release builds know it, unless there was no git.
pub const COMMIT: Option<&str> = option_env!("NUNCIO_COMMIT");

/// Its date, as `2026-11-28`.
pub const COMMIT_DATE: Option<&str> = option_env!("NUNCIO_COMMIT_DATE");

pub use bounds::bounds;
pub use changes::ChangesError;
pub use config::{Config, ConfigError, Imported, Source};
pub use data_dir::{DataDir, DataDirError};
pub use error::{RunError, StartError};
pub use metrics::all_metrics;
pub use open_files::TooFewFiles;
pub use port::Holder;
pub use reading::ReadingError;
pub use reload::ReloadError;
pub use run::run;
pub use services::{Bound, Daemon, Reloader};
pub use shutdown::Shutdown;
