//! Test support: throwaway authorities, the simulator, in-process clusters.

pub mod authority;

pub use authority::TestAuthority;
