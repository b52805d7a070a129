//! A node directory made with OpenSSL the way FISCO BCOS's `build_chain.sh` makes it, untouched.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use super::{
    processes::{Kept, eventually, free_base_port},
    support::{command, nuncio},
};

const EXTENSIONS: &str = "\
[req]
distinguished_name=dn
[dn]
[leaf]
basicConstraints=CA:FALSE
keyUsage=nonRepudiation,digitalSignature,keyEncipherment
[agency]
basicConstraints=CA:TRUE
";

struct Workshop {
    directory: tempfile::TempDir,
}

impl Workshop {
    fn new() -> Self {
        let workshop = Self { directory: tempfile::tempdir().expect("a directory") };
        fs::write(workshop.path("cnf"), EXTENSIONS).expect("written");
        workshop.openssl(&["ecparam", "-name", "secp256k1", "-out", "curve.pem"]);
        workshop
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        let mut openssl = Command::new("openssl");
        let output = openssl.args(arguments).current_dir(&self.directory).output().expect("openssl is installed");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// `name.key` and `name.csr`.
    fn request(&self, name: &str, subject: &str) {
        let key = format!("{name}.key");
        self.openssl(&["genpkey", "-paramfile", "curve.pem", "-out", &key]);
        fs::set_permissions(self.path(&key), fs::Permissions::from_mode(0o600)).expect("ours");
        self.openssl(&[
            "req",
            "-new",
            "-key",
            &key,
            "-subj",
            subject,
            "-config",
            "cnf",
            "-out",
            &format!("{name}.csr"),
        ]);
    }

    /// `name.crt`, valid for a hundred years.
    fn sign(&self, name: &str, arguments: &[&str]) {
        let (request, certificate) = (format!("{name}.csr"), format!("{name}.crt"));
        let fixed = ["x509", "-req", "-days", "36500", "-in", &request, "-out", &certificate];
        self.openssl(&fixed.iter().chain(arguments).copied().collect::<Vec<_>>());
    }

    /// A chain of version 1, an agency below it, and `fisco/` with a node's directory.
    fn build_chain(&self, p2p: u16, other: u16) {
        fs::create_dir_all(self.path("agency")).expect("made");
        fs::create_dir_all(self.path("fisco/conf")).expect("made");
        self.request("ca", "/CN=chain/O=fisco-bcos/OU=chain");
        self.sign("ca", &["-signkey", "ca.key"]);
        self.request("agency/agency", "/CN=agency/O=fisco-bcos/OU=agency");
        let by_root =
            ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "cnf", "-extensions", "agency"];
        self.sign("agency/agency", &by_root);
        self.request("fisco/conf/node", "/CN=node0/O=fisco-bcos/OU=node");
        let agency = ["-CA", "agency/agency.crt", "-CAkey", "agency/agency.key", "-CAcreateserial"];
        self.sign("fisco/conf/node", &[&agency[..], &["-extfile", "cnf", "-extensions", "leaf"]].concat());
        fs::copy(self.path("ca.crt"), self.path("agency/ca.crt")).expect("copied");
        fs::copy(self.path("ca.crt"), self.path("fisco/conf/ca.crt")).expect("copied");
        let three: String = ["fisco/conf/node.crt", "agency/agency.crt", "ca.crt"]
            .iter()
            .map(|file| fs::read_to_string(self.path(file)).expect("written"))
            .collect();
        fs::write(self.path("fisco/conf/node.crt"), three).expect("written");
        let ini = format!(
            "[rpc]\n    channel_listen_ip=127.0.0.1\n    channel_listen_port={}\n    jsonrpc_listen_port=8545\n\
             [p2p]\n    listen_ip=127.0.0.1\n    listen_port={p2p}\n    node.0=127.0.0.1:{p2p}\n    \
             node.1=127.0.0.1:{other}\n[network_security]\n    data_path=conf/\n    key=node.key\n    \
             cert=node.crt\n    ca_cert=ca.crt\n[chain]\n    id=1\n    rsa_crypto_channel=false\n",
            p2p - 10_100
        );
        fs::write(self.path("fisco/config.ini"), ini).expect("written");
    }
}

fn run(flag: &str, path: &Path) -> Kept {
    Kept::spawn(
        command(["run".as_ref(), "--stop-with-stdin".as_ref(), flag.as_ref(), path.as_os_str()])
            .stdin(Stdio::piped())
            .stderr(Stdio::null()),
    )
}

#[test]
fn a_directory_of_build_chain_runs_and_joins_a_node_of_ours() {
    let workshop = Workshop::new();
    let port = free_base_port(2);
    workshop.build_chain(port, port + 1);
    let (agency, ours) = (workshop.path("agency"), workshop.path("ours/conf"));
    let [agency, conf] = [&agency, &ours].map(|path| path.to_str().expect("text"));
    nuncio(["cert", "issue", "ours", "--ca", agency, "--out", conf]).must_succeed();
    let config = workshop.path("ours/nuncio.toml");
    let text = format!("[p2p]\nlisten = \"127.0.0.1:{}\"\n[gateway]\nenabled = false\n", port + 1);
    fs::write(&config, text).expect("written");

    let _ours = run("--config", &config);
    let _fisco = run("--fisco", &workshop.path("fisco"));
    for file in [config.as_path(), &workshop.path("fisco"), &workshop.path("fisco/config.ini")] {
        let file = file.to_str().expect("text");
        eventually("the two are linked", || {
            let run = nuncio(["--json", "peers", "--config", file]);
            let peers = if run.code == 0 { run.objects() } else { Vec::new() };
            peers.into_iter().find(|peer| peer["state"] == "linked" && peer["agency"] == "agency")
        });
    }
}

/// FISCO BCOS's script writes SDK certificates on secp256k1 like nodes', but for the OU.
#[test]
fn an_sdks_certificate_of_build_chain_runs_no_node_unless_the_rule_is_any() {
    let workshop = Workshop::new();
    let port = free_base_port(1);
    workshop.build_chain(port, port);
    workshop.request("sdk", "/CN=sdk/O=fisco-bcos/OU=sdk");
    let agency = ["-CA", "agency/agency.crt", "-CAkey", "agency/agency.key", "-CAcreateserial"];
    workshop.sign("sdk", &[&agency[..], &["-extfile", "cnf", "-extensions", "leaf"]].concat());
    let three: String = ["sdk.crt", "agency/agency.crt", "ca.crt"]
        .iter()
        .map(|file| fs::read_to_string(workshop.path(file)).expect("written"))
        .collect();
    fs::write(workshop.path("fisco/conf/node.crt"), three).expect("written");
    fs::copy(workshop.path("sdk.key"), workshop.path("fisco/conf/node.key")).expect("copied");
    let fisco = workshop.path("fisco");
    let fisco = fisco.to_str().expect("text");
    let refused = nuncio(["run", "--fisco", fisco]);
    assert_eq!(refused.code, 78, "{}", refused.stderr);
    assert!(refused.stderr.contains("has role sdk, and this door takes role node only"), "{}", refused.stderr);

    let mut node = command(["run", "--stop-with-stdin", "--fisco", fisco]);
    let _node = Kept::spawn(node.env("NUNCIO_IDENTITY__ROLES", "any").stdin(Stdio::piped()).stderr(Stdio::null()));
    let status = eventually("the node answers", || {
        let run = nuncio(["--json", "status", "--config", fisco]);
        (run.code == 0).then(|| run.objects().remove(0))
    });
    assert!(status["warnings"].to_string().contains("roles = "), "{status}");
}
