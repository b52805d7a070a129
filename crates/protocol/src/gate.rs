//! Who and what is let in: the one place where messages of the network are judged before a machine sees them.

mod bucket;
mod strike;

pub use strike::Strike;

pub(crate) use bucket::{Bucket, Rate};
