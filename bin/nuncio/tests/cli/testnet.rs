//! `nuncio testnet create` and `nuncio config`.

use std::{fs, process::Command};

use super::support::nuncio;

struct Net {
    directory: tempfile::TempDir,
}

impl Net {
    fn create(arguments: &[&str]) -> Self {
        let net = Self { directory: tempfile::tempdir().expect("a directory") };
        let out = net.text("net");
        nuncio(["testnet", "create", "--out", &out].iter().chain(arguments)).must_succeed();
        net
    }

    fn text(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

#[test]
fn every_node_has_the_directory_that_operators_know() {
    let net = Net::create(&["--nodes", "3"]);
    for node in ["node0", "node1", "node2"] {
        for file in ["nuncio.toml", "conf/node.key", "conf/node.crt", "conf/ca.crt", "conf/node.nodeid"] {
            assert!(!net.read(&format!("net/{node}/{file}")).is_empty());
        }
        let verified = Command::new("openssl")
            .args(["verify", "-CAfile", &net.text(&format!("net/{node}/conf/ca.crt"))])
            .args(["-untrusted", &net.text(&format!("net/{node}/conf/node.crt"))])
            .arg(net.text(&format!("net/{node}/conf/node.crt")))
            .output()
            .expect("openssl is installed");
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        assert_eq!(net.read(&format!("net/{node}/conf/node.nodeid")).len(), 129);
    }
    for file in ["ca.crt", "sdk.crt", "sdk.key"] {
        assert!(!net.read(&format!("net/sdk/{file}")).is_empty());
    }
}

#[test]
fn a_written_configuration_is_accepted_by_the_program_that_wrote_it() {
    let net = Net::create(&["--nodes", "2", "--topology", "line", "--base-port", "31300"]);
    for node in ["node0", "node1"] {
        nuncio(["config", "check", &net.text(&format!("net/{node}/nuncio.toml"))]).must_succeed();
    }
    let shown = nuncio(["config", "show", &net.text("net/node1/nuncio.toml")]).must_succeed().stdout;
    assert!(shown.contains("127.0.0.1:31301"), "{shown}");
    assert!(shown.contains("127.0.0.1:31300"), "{shown}");
    assert!(shown.contains("127.0.0.1:21201"), "{shown}");
}

#[test]
fn the_printed_default_is_a_good_configuration() {
    let net = Net::create(&["--nodes", "1"]);
    let default = nuncio(["config", "default"]).must_succeed().stdout;
    fs::write(net.text("net/node0/nuncio.toml"), &default).unwrap();
    nuncio(["config", "check", &net.text("net/node0/nuncio.toml")]).must_succeed();
}

#[test]
fn an_unknown_key_is_78_with_file_line_and_key() {
    let net = Net::create(&["--nodes", "1"]);
    let file = net.text("net/node0/nuncio.toml");
    fs::write(&file, "[p2p]\nlisten = [\"127.0.0.1:30300\"]\nlissten = []\n").unwrap();
    let run = nuncio(["--json", "config", "check", &file]);
    assert_eq!(run.code, 78);
    let message = run.error_object()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("nuncio.toml:3") && message.contains("lissten"), "{message}");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let net = Net::create(&["--nodes", "1"]);
    fs::set_permissions(net.text("net/node0/conf/node.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let run = nuncio(["config", "check", &net.text("net/node0/nuncio.toml")]);
    assert_eq!(run.code, 78);
    assert!(run.stderr.contains("node.key") && run.stderr.contains("hint: "), "{}", run.stderr);
}

#[test]
fn a_directory_with_something_in_it_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("precious"), "1").unwrap();
    let run = nuncio(["testnet", "create", "--out", directory.path().to_str().unwrap()]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("hint: "));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn nodes_that_cannot_be_dialled_are_refused_with_the_flag_that_helps() {
    let run = nuncio(["testnet", "create", "--out", "net", "--bind", "0.0.0.0"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--host"), "{}", run.stderr);
}

#[test]
fn hosts_are_numbered() {
    let net = Net::create(&["--nodes", "2", "--bind", "0.0.0.0", "--host", "node{}.example"]);
    let text = net.read("net/node0/nuncio.toml");
    assert!(text.contains("node1.example:30301"), "{text}");
    let text = net.read("net/node1/nuncio.toml");
    assert!(text.contains("node0.example:30300") && text.contains("0.0.0.0:30301"), "{text}");
}
