//! The generated types; they stay inside this crate.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated code")]

include!(concat!(env!("OUT_DIR"), "/nuncio.v1.rs"));
