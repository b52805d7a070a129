//! Test support: throwaway authorities (feature `authority`), strangers at a port (feature
//! `crowd`), and the simulator, which `nuncio simulate` runs too.

#[cfg(feature = "authority")]
pub mod authority;
#[cfg(feature = "crowd")]
pub mod crowd;
pub mod simulator;

#[cfg(feature = "authority")]
pub use authority::TestAuthority;
