//! Generates the protobuf types; protox compiles the definitions, so no protoc is needed.

use std::{error::Error, path::Path};

const FILES: [&str; 7] = [
    "amop.proto",
    "announcement.proto",
    "multicast.proto",
    "service.proto",
    "status.proto",
    "unicast.proto",
    "verdict.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    // A link to the workspace's own, so that a package of this crate holds them.
    let root = Path::new("proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let files = FILES.map(|name| root.join("nuncio/v1").join(name));
    let descriptors = protox::compile(files, [root])?;
    prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;
    Ok(())
}
