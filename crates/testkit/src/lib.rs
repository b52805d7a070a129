//! Test support: throwaway authorities (feature `authority`), strangers at a port (feature
//! `crowd`), what one test logs (feature `log`), what `conformance.toml` says, and the
//! simulator, which `nuncio simulate` runs too.

#[cfg(feature = "authority")]
pub mod authority;
pub mod conformance;
#[cfg(feature = "crowd")]
pub mod crowd;
#[cfg(feature = "log")]
pub mod log;
pub mod simulator;

#[cfg(feature = "authority")]
pub use authority::TestAuthority;
