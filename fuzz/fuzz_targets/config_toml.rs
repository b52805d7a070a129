#![no_main]

#[path = "../src/config_toml.rs"]
mod decoder;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decoder::config_toml(data));
