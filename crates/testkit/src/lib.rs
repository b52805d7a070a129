//! Test support: throwaway authorities, the simulator, in-process clusters.

pub mod authority;
pub mod simulator;

pub use authority::TestAuthority;
