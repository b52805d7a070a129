//! Test support: throwaway authorities (feature `authority`) and the simulator, which `nuncio simulate` runs too.

#[cfg(feature = "authority")]
pub mod authority;
pub mod simulator;

#[cfg(feature = "authority")]
pub use authority::TestAuthority;
