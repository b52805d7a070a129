//! Configuration files: apart from the other decoders, for it takes the whole node to build.

use std::path::Path;

/// Read, written and read again.
pub fn config_toml(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let path = Path::new("nuncio.toml");
    if let Ok(config) = nuncio_daemon::Config::parse(text, path) {
        let written = config.to_toml();
        let again = nuncio_daemon::Config::parse(&written, path);
        assert!(again.is_ok(), "what was read is written well: {written}\n{again:?}");
    }
}
