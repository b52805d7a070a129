//! `nuncio ca` and `nuncio cert`, with OpenSSL as the second opinion.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::support::nuncio;

struct Chain {
    directory: tempfile::TempDir,
}

impl Chain {
    /// A chain with one agency.
    fn new() -> Self {
        let chain = Self { directory: tempfile::tempdir().expect("a directory") };
        nuncio(["ca", "init", "--out", chain.text("ca")]).must_succeed();
        nuncio(["ca", "agency", "agencyA", "--ca", chain.text("ca"), "--out", chain.text("agencyA")]).must_succeed();
        chain
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> &'static str {
        self.path(name).display().to_string().leak()
    }

    fn issue(&self, name: &str, arguments: &[&str]) {
        let out = self.text(name);
        let fixed = ["cert", "issue", name, "--ca", self.text("agencyA"), "--out", out];
        nuncio(fixed.iter().chain(arguments)).must_succeed();
    }

    /// What `openssl verify` says of a leaf, given the root and the agency.
    fn openssl_accepts(&self, leaf: &Path) -> bool {
        let verify = Command::new("openssl")
            .args(["verify", "-CAfile"])
            .arg(self.path("ca/ca.crt"))
            .arg("-untrusted")
            .arg(self.path("agencyA/agency.crt"))
            .arg(leaf)
            .output()
            .expect("openssl is installed");
        verify.status.success()
    }
}

fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_path_of_the_wrong_kind_is_named_with_the_right_one() {
    let chain = Chain::new();
    let (node, agency, conf) = (chain.text("node"), chain.text("agencyA"), chain.text("node/conf"));
    nuncio(["cert", "issue", "node", "--ca", agency, "--out", conf]).must_succeed();
    for command in ["renew", "revoke"] {
        for (named, meant) in [(node, format!("{conf}/node.crt")), (agency, format!("{agency}/agency.crt"))] {
            let run = nuncio(["cert", command, named, "--ca", agency]);
            run.must_be_one_line_and_a_hint();
            assert_eq!(run.code, 78);
            assert!(run.stderr.contains(&format!("hint: is {meant} meant? Name it")), "{}", run.stderr);
        }
    }
    let key = format!("{conf}/node.key");
    let run = nuncio(["ca", "sign", &key, "--ca", agency, "--out", chain.text("new.crt")]);
    assert!(run.stderr.starts_with(&format!("error: {key}: not a certificate request: ")), "{}", run.stderr);
    nuncio(["cert", "request", "node", "--out", conf]).must_succeed();
    let run = nuncio(["ca", "sign", &format!("{conf}/node.csr"), "--ca", agency, "--out", conf]);
    run.must_be_one_line_and_a_hint();
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains(&format!("name the file to write, such as {conf}/node.crt")), "{}", run.stderr);
}

#[test]
fn a_node_certificate_is_issued_and_openssl_accepts_it() {
    let chain = Chain::new();
    chain.issue("node0", &[]);
    assert!(chain.openssl_accepts(&chain.path("node0/node.crt")));

    let node_id = fs::read_to_string(chain.path("node0/node.nodeid")).unwrap();
    let public = openssl(&["ec", "-in", chain.text("node0/node.key"), "-noout", "-text"]);
    let digits: String = public
        .split_once("pub:")
        .unwrap()
        .1
        .lines()
        .take_while(|line| !line.starts_with("ASN1"))
        .flat_map(str::chars)
        .filter(char::is_ascii_hexdigit)
        .collect();
    assert_eq!(digits, format!("04{}", node_id.trim()));
}

#[test]
fn a_private_key_is_closed_to_others() {
    let chain = Chain::new();
    chain.issue("node0", &[]);
    for key in ["ca/ca.key", "agencyA/agency.key", "node0/node.key"] {
        let mode = fs::metadata(chain.path(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{key}");
    }
}

#[test]
fn a_topic_key_that_others_can_read_is_refused() {
    let chain = Chain::new();
    let key = chain.text("topic.key");
    openssl(&["ecparam", "-name", "secp256k1", "-genkey", "-noout", "-out", key]);
    let subscribe = || {
        // Nobody listens there: a key that is taken leads to another error.
        let to = ["--gateway", "127.0.0.1:1", "--certs", chain.text("none")];
        nuncio(["amop", "subscribe", "t", "--topic-key", key].into_iter().chain(to))
    };
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    let run = subscribe();
    run.must_be_one_line_and_a_hint();
    assert!(run.stderr.contains("can be read by others (mode 0644)"), "{}", run.stderr);
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!subscribe().stderr.contains("read by others"));
}

#[test]
fn inspect_tells_who_a_certificate_is_for_and_whether_its_chain_holds() {
    let chain = Chain::new();
    chain.issue("node0", &[]);
    let run = nuncio(["--json", "cert", "inspect", chain.text("node0/node.crt")]).must_succeed();
    let leaf = &run.objects()[0];
    assert_eq!(leaf["node_id"], fs::read_to_string(chain.path("node0/node.nodeid")).unwrap().trim());
    assert_eq!(leaf["chain_valid"], true);
    for field in ["subject", "issuer", "not_before", "not_after"] {
        assert!(leaf[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {leaf}");
    }
    assert!(leaf["subject"].as_str().unwrap().contains("node0"));
    assert!(leaf["issuer"].as_str().unwrap().contains("agencyA"));
}

#[test]
fn a_certificate_lasts_as_long_as_asked() {
    let chain = Chain::new();
    chain.issue("node0", &["--days", "3"]);
    let leaf = chain.text("node0/node.crt");
    openssl(&["x509", "-in", leaf, "-noout", "-checkend", &(3 * 86_400 - 600).to_string()]);
    let later = Command::new("openssl")
        .args(["x509", "-in", leaf, "-noout", "-checkend", &(3 * 86_400 + 600).to_string()])
        .output()
        .unwrap();
    assert!(!later.status.success());
}

#[test]
fn sdk_certificates_come_as_ec_and_as_rsa() {
    let chain = Chain::new();
    chain.issue("client", &["--kind", "sdk"]);
    assert!(chain.openssl_accepts(&chain.path("client/sdk.crt")));
    chain.issue("old-client", &["--kind", "sdk-rsa"]);
    let text = openssl(&["x509", "-in", chain.text("old-client/sdk.crt"), "-noout", "-text"]);
    assert!(text.contains("rsaEncryption"), "{text}");
    openssl(&["verify", "-CAfile", chain.text("old-client/ca.crt"), chain.text("old-client/sdk.crt")]);
}

#[test]
fn a_revoked_certificate_is_in_the_list_that_openssl_reads() {
    let chain = Chain::new();
    chain.issue("node0", &[]);
    chain.issue("node1", &[]);
    nuncio(["cert", "revoke", chain.text("node0/node.crt"), "--ca", chain.text("agencyA")]).must_succeed();
    let list = openssl(&["crl", "-in", chain.text("agencyA/ca.crl"), "-noout", "-text"]);
    let serial = |leaf: &str| {
        let line = openssl(&["x509", "-in", leaf, "-noout", "-serial"]);
        line.trim().trim_start_matches("serial=").to_owned()
    };
    assert!(list.contains(&serial(chain.text("node0/node.crt"))), "{list}");
    assert!(!list.contains(&serial(chain.text("node1/node.crt"))), "{list}");
}

#[test]
fn inspect_tells_what_is_revoked_and_what_a_list_says() {
    let chain = Chain::new();
    chain.issue("node0", &[]);
    chain.issue("node1", &[]);
    chain.issue("sdk", &["--kind", "sdk-rsa"]);
    let above = chain.text("");
    nuncio(["cert", "revoke", chain.text("node0"), "--ca", above]).must_succeed();
    nuncio(["cert", "revoke", chain.text("sdk/sdk.crt"), "--ca", above]).must_succeed();
    let list = chain.text("agencyA/ca.crl");
    let inspected = |certificate: &str| {
        nuncio(["--json", "cert", "inspect", certificate, "--crl", list]).must_succeed().objects().swap_remove(0)
    };
    let revoked = inspected(chain.text("node0/node.crt"));
    assert!(revoked["revoked"].as_str().is_some_and(|by| by.starts_with("1 of ")), "{revoked}");
    assert!(inspected(chain.text("sdk/sdk.crt"))["revoked"].is_string());
    assert!(inspected(chain.text("node1/node.crt"))["revoked"].is_null());
    let shown = nuncio(["cert", "inspect", chain.text("node0/node.crt"), "--crl", list]).must_succeed().stdout;
    assert!(shown.contains("revoked     yes, by revocation list 1 of "), "{shown}");

    let lists = nuncio(["--json", "cert", "inspect", list]).must_succeed().objects();
    assert_eq!(lists.len(), 2, "{lists:?}");
    assert!(lists.iter().any(|one| one["serials"] == serde_json::json!([revoked["serial"]])), "{lists:?}");
    assert!(lists.iter().all(|one| one["signature_valid"] == true && one["current"] == true), "{lists:?}");
    openssl(&["crl", "-in", list, "-outform", "DER", "-out", chain.text("list.der")]);
    let shown = nuncio(["cert", "inspect", chain.text("list.der"), "--ca", chain.text("agencyA/agency.crt")]);
    assert!(shown.must_succeed().stdout.contains("revokes     1 certificates"));
}

#[test]
fn an_authority_that_revoked_nobody_has_a_list_and_each_next_one_says_as_much() {
    let chain = Chain::new();
    chain.issue("node0", &[]);
    let lists = |folder: &str| nuncio(["--json", "ca", "crl", "--ca", chain.text(folder)]).must_succeed().objects();
    let first = lists("agencyA");
    assert_eq!(first.len(), 2, "the agency's and its RSA authority's: {first:?}");
    assert!(first.iter().all(|list| list["number"] == "1" && list["revoked"] == 0), "{first:?}");
    assert_eq!(lists("ca").len(), 1);
    openssl(&["crl", "-in", chain.text("ca/ca.crl"), "-noout", "-CAfile", chain.text("ca/ca.crt")]);
    nuncio(["cert", "revoke", chain.text("node0"), "--ca", chain.text("agencyA")]).must_succeed();
    let third = lists("agencyA").swap_remove(0);
    assert_eq!((third["number"].as_str(), third["revoked"].as_u64()), (Some("3"), Some(1)));
    let list = chain.text("agencyA/ca.crl");
    let node = nuncio(["--json", "cert", "inspect", chain.text("node0/node.crt"), "--crl", list]).must_succeed();
    assert!(node.objects()[0]["revoked"].is_string(), "{}", node.stdout);
    assert_eq!(nuncio(["ca", "crl", "--ca", chain.text("node0")]).code, 78);
}

#[test]
fn a_renewed_certificate_keeps_the_node_id() {
    let chain = Chain::new();
    chain.issue("node0", &["--days", "1"]);
    let before = fs::read_to_string(chain.path("node0/node.nodeid")).unwrap();
    let old = fs::read(chain.path("node0/node.crt")).unwrap();
    nuncio(["cert", "renew", chain.text("node0"), "--ca", chain.text("agencyA"), "--days", "30"]).must_succeed();
    assert_ne!(fs::read(chain.path("node0/node.crt")).unwrap(), old);
    assert!(chain.openssl_accepts(&chain.path("node0/node.crt")));
    let run = nuncio(["--json", "cert", "inspect", chain.text("node0/node.crt")]).must_succeed();
    assert_eq!(run.objects()[0]["node_id"], before.trim());
}

/// An SDK's files under a node's names: no check and no start takes them, and each says what they are and what mends it.
#[test]
fn an_sdks_certificate_runs_no_node() {
    let chain = Chain::new();
    chain.issue("conf", &["--kind", "sdk"]);
    for ending in ["key", "crt"] {
        fs::rename(chain.path(&format!("conf/sdk.{ending}")), chain.path(&format!("conf/node.{ending}"))).unwrap();
    }
    let run = nuncio(["cert", "inspect", chain.text("conf/node.crt")]).must_succeed();
    assert!(run.stdout.contains("role        sdk"), "{}", run.stdout);
    let run = nuncio(["--json", "cert", "inspect", chain.text("conf/node.crt")]).must_succeed();
    assert_eq!(run.objects()[0]["roles"], serde_json::json!(["sdk"]));
    // What it states by a usage of ours holds under any rule.
    for rule in ["required", "any"] {
        fs::write(chain.path("nuncio.toml"), format!("[identity]\nroles = {rule:?}\n")).unwrap();
        for command in
            [&["config", "check", chain.text("nuncio.toml")][..], &["run", "--config", chain.text("nuncio.toml")]]
        {
            let run = nuncio(command);
            assert_eq!(run.code, 78, "{}", run.stderr);
            for words in ["has role sdk, and this door takes role node only", "nuncio cert issue", "--kind node"] {
                assert!(run.stderr.contains(words), "{words} is not in {}", run.stderr);
            }
        }
    }
}

/// As `openssl` makes them, which knows no roles.
#[test]
fn of_a_certificate_that_states_no_role_it_is_said_as_what_it_is_taken() {
    let chain = Chain::new();
    let (key, request, file) = (chain.text("x.key"), chain.text("x.csr"), chain.text("x.crt"));
    openssl(&["ecparam", "-name", "secp256k1", "-genkey", "-noout", "-out", key]);
    let (agency, agency_key) = (chain.text("agencyA/agency.crt"), chain.text("agencyA/agency.key"));
    let of = |subject: &str| {
        openssl(&["req", "-new", "-key", key, "-subj", subject, "-out", request]);
        let sign =
            ["x509", "-req", "-in", request, "-CA", agency, "-CAkey", agency_key, "-set_serial", "7", "-out", file];
        openssl(&sign);
        let object = nuncio(["--json", "cert", "inspect", file]).must_succeed().objects().remove(0);
        (nuncio(["cert", "inspect", file]).must_succeed().stdout, object)
    };
    let (text, object) = of("/CN=plain");
    assert!(text.contains("role        none stated: taken as node and as sdk, never as operator"), "{text}");
    assert_eq!((&object["roles"], &object["taken_as"]), (&serde_json::json!([]), &serde_json::json!(["node", "sdk"])));
    let (text, object) = of("/CN=plain/OU=printers");
    assert!(text.contains("role        none stated, so no door lets it in by default"), "{text}");
    assert_eq!(object["taken_as"], serde_json::json!([]));
}

#[test]
fn every_kind_states_its_role_and_ends_when_it_should() {
    let chain = Chain::new();
    for (kind, file, role) in [
        ("node", "node.crt", "node"),
        ("sdk", "sdk.crt", "sdk"),
        ("sdk-rsa", "sdk.crt", "sdk"),
        ("operator", "operator.crt", "operator"),
    ] {
        chain.issue(kind, &["--kind", kind]);
        let run = nuncio(["--json", "cert", "inspect", chain.text(&format!("{kind}/{file}"))]).must_succeed();
        assert_eq!(run.objects()[0]["roles"], serde_json::json!([role]), "{kind}");
    }
    for (file, days) in [("node/node.crt", 365), ("agencyA/agency.crt", 3650), ("ca/ca.crt", 7300)] {
        let lasts = |days: i64| {
            let end = (days * 86_400).to_string();
            let check = ["x509", "-in", chain.text(file), "-noout", "-checkend", &end];
            Command::new("openssl").args(check).output().unwrap().status.success()
        };
        assert!(lasts(days - 1) && !lasts(days + 1), "{file}");
    }
}

#[test]
fn authorities_are_renewed_as_authorities() {
    let chain = Chain::new();
    chain.issue("node0", &[]);
    let kept = |file: &str| openssl(&["x509", "-in", chain.text(file), "-noout", "-ext", "basicConstraints,keyUsage"]);
    for file in ["agencyA/agency.crt", "ca/ca.crt"] {
        let (before, extensions) = (fs::read(chain.path(file)).unwrap(), kept(file));
        assert!(extensions.contains("CA:TRUE"), "{extensions}");
        nuncio(["cert", "renew", chain.text(file), "--ca", chain.text("ca")]).must_succeed();
        assert_ne!(fs::read(chain.path(file)).unwrap(), before);
        assert_eq!(kept(file), extensions);
        assert!(chain.openssl_accepts(&chain.path("node0/node.crt")), "after {file}");
    }
    chain.issue("node1", &[]);
    assert!(chain.openssl_accepts(&chain.path("node1/node.crt")));
    let before = fs::read(chain.path("agencyA/agency.crt")).unwrap();
    let run = nuncio(["cert", "renew", chain.text("agencyA/agency.crt"), "--ca", chain.text("agencyA")]);
    assert_eq!(run.code, 78, "{}", run.stderr);
    assert_eq!(fs::read(chain.path("agencyA/agency.crt")).unwrap(), before);
}

#[test]
fn a_request_is_signed_without_its_key() {
    let chain = Chain::new();
    nuncio(["cert", "request", "node7", "--out", chain.text("node7")]).must_succeed();
    let key = fs::read(chain.path("node7/node.key")).unwrap();
    fs::create_dir(chain.path("there")).unwrap();
    fs::copy(chain.path("node7/node.csr"), chain.path("there/node.csr")).unwrap();
    let sign = |out: &str| {
        nuncio(["ca", "sign", chain.text("there/node.csr"), "--ca", chain.text("agencyA"), "--out", chain.text(out)])
    };
    sign("there/node.crt").must_succeed();
    assert_ne!(sign("there/node.crt").code, 0, "nothing is overwritten");
    fs::copy(chain.path("there/node.crt"), chain.path("node7/node.crt")).unwrap();
    fs::copy(chain.path("ca/ca.crt"), chain.path("node7/ca.crt")).unwrap();
    let config = format!(
        "[identity]\nkey = {:?}\ncert = {:?}\nca = {:?}\n",
        chain.path("node7/node.key"),
        chain.path("node7/node.crt"),
        chain.path("node7/ca.crt")
    );
    fs::write(chain.path("nuncio.toml"), config).unwrap();
    nuncio(["config", "check", chain.text("nuncio.toml")]).must_succeed();
    assert_eq!(fs::read(chain.path("node7/node.key")).unwrap(), key);
}

#[test]
fn nothing_is_overwritten() {
    let chain = Chain::new();
    let key = fs::read(chain.path("ca/ca.key")).unwrap();
    let run = nuncio(["ca", "init", "--out", chain.text("ca")]);
    assert_ne!(run.code, 0);
    assert_eq!(fs::read(chain.path("ca/ca.key")).unwrap(), key);
}

#[test]
fn an_agency_is_not_made_in_the_folder_of_its_root() {
    let chain = Chain::new();
    let run = nuncio(["ca", "agency", "agencyB", "--ca", chain.text("ca"), "--out", chain.text("ca")]);
    run.must_be_one_line_and_a_hint();
    assert!(run.code == 1 && run.stderr.contains("ca/ca.key exists already"), "{}", run.stderr);
    assert!(!chain.path("ca/agency.key").exists() && !chain.path("ca/channel").exists());
    nuncio(["ca", "agency", "agencyB", "--ca", chain.text("ca"), "--out", chain.text("agencyB")]).must_succeed();
}

/// Nodes take the certificates of a file in any order, and whoever says the node means the node.
#[test]
fn of_a_file_in_which_an_agency_comes_first_the_node_is_meant() {
    let chain = Chain::new();
    chain.issue("node0", &[]);
    chain.issue("node1", &[]);
    let file = chain.path("node0/node.crt");
    let read = |file: &Path| nuncio_pki::Certificate::load(file).unwrap();
    let write = |certificates: &[&nuncio_pki::Certificate]| {
        fs::write(&file, certificates.iter().map(|one| one.to_pem()).collect::<String>()).unwrap();
    };
    let (held, other) = (read(&file), read(&chain.path("node1/node.crt")));
    write(&[&held[1], &held[0]]);
    nuncio(["cert", "renew", chain.text("node0"), "--ca", chain.text("agencyA")]).must_succeed();
    let renewed = read(&file);
    assert_eq!((&renewed[0], renewed[1].public_key(), renewed.len()), (&held[1], held[0].public_key(), 2));
    assert_ne!(renewed[1], held[0]);
    let all = chain.path("").display().to_string();
    nuncio(["cert", "revoke", chain.text("node0"), "--ca", &all]).must_succeed();
    assert!(!chain.path("ca/ca.crl").exists(), "the agency is revoked with all that it issued");
    let lists = nuncio_pki::RevocationFile::read(&chain.path("agencyA/ca.crl")).unwrap().lists;
    assert!(lists[0].lists(&renewed[1]));
    // Of two nobody knows.
    write(&[&held[1], &held[0], &other[0]]);
    for command in ["revoke", "renew"] {
        let run = nuncio(["cert", command, chain.text("node0"), "--ca", chain.text("agencyA")]);
        assert_eq!(run.code, 78, "{}", run.stderr);
        assert!(run.stderr.contains("CN=agencyA") && run.stderr.contains("CN=node0"), "{}", run.stderr);
    }
    // Whose is first is no authority's: it is that one's.
    write(&[&other[0], &held[0], &held[1]]);
    nuncio(["cert", "revoke", chain.text("node0"), "--ca", &all]).must_succeed();
    let lists = nuncio_pki::RevocationFile::read(&chain.path("agencyA/ca.crl")).unwrap().lists;
    assert!(lists[0].lists(&other[0]) && !lists[0].lists(&held[0]));
}

#[test]
fn a_file_that_is_no_certificate_is_78() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("node.crt");
    fs::write(&file, "nonsense").unwrap();
    let run = nuncio(["cert", "inspect", file.to_str().unwrap()]);
    assert_eq!(run.code, 78, "{}", run.stderr);
    assert!(run.stderr.contains("node.crt"));
}

#[test]
fn whatever_a_node_got_from_its_issuer_is_revoked_by_its_node_id() {
    use nuncio_pki::{
        Certificate, Policy,
        authority::{Asked, IssuingDesk, IssuingRules, renewal_request},
    };
    let chain = Chain::new();
    chain.issue("node0", &[]);
    let rules = IssuingRules { lifetime: std::time::Duration::from_secs(3600), only: Vec::new(), per_hour: 12 };
    let now = rustls_pki_types::UnixTime::now();
    let mut desk = IssuingDesk::open(&chain.path("agencyA"), rules, now).unwrap();
    let policy = Policy::new(Certificate::load(&chain.path("ca/ca.crt")).unwrap()).unwrap();
    let shown = Certificate::load(&chain.path("node0/node.crt")).unwrap();
    let node = shown[0].node_id().unwrap();
    let request = renewal_request(&chain.path("node0/node.key"), &shown[0]).unwrap().der().to_vec();
    let ders = shown.iter().map(|one| one.der().clone()).collect();
    let renewed = desk.renew(&Asked { source: node, request, chain: ders }, &policy, now).unwrap();
    let node = node.to_string();
    let revoked = nuncio(["cert", "revoke", "--json", "--node", &node, "--ca", chain.text("agencyA")]).must_succeed();
    let objects = revoked.objects();
    let (key, named) = objects.split_last().unwrap();
    assert_eq!((&key["done"], &key["node_id"]), (&"key_refused".into(), &node.as_str().into()), "whoever gave it what");
    let serials: Vec<_> = named.iter().map(|one| one["serial"].as_str().unwrap().to_owned()).collect();
    assert_eq!(serials, [shown[0].serial(), renewed[0].serial()], "what it had, and what it got");
    let list = openssl(&["crl", "-in", chain.text("agencyA/ca.crl"), "-noout", "-text"]).to_lowercase();
    assert!(serials.iter().all(|serial| list.contains(serial)), "{list}");
    let unknown = nuncio(["cert", "revoke", "--node", &"ab".repeat(64), "--ca", chain.text("agencyA")]);
    assert_eq!(unknown.code, 2, "no point on the curve: {}", unknown.stderr);
    assert_eq!(nuncio(["cert", "revoke"]).code, 2);
    // Another issuer of the agency's gave this one's certificates, and nobody here knows them.
    chain.issue("node1", &[]);
    let other = Certificate::load(&chain.path("node1/node.crt")).unwrap();
    let node = other[0].node_id().unwrap().to_string();
    let revoked = nuncio(["cert", "revoke", "--node", &node, "--ca", chain.text("agencyA")]).must_succeed();
    assert!(revoked.stderr.contains("knows no certificate of this node"), "{}", revoked.stderr);
    let lists = nuncio_pki::RevocationFile::read(&chain.path("agencyA/ca.crl")).unwrap().lists;
    let ders: Vec<_> = other.iter().map(|one| one.der().clone()).collect();
    assert!(policy.with_crls(lists).unwrap().judge(&ders, now).is_err());
    let shown = nuncio(["cert", "inspect", chain.text("agencyA/ca.crl")]).must_succeed();
    assert!(shown.stdout.contains(&format!("all of key:{}", hex::encode(other[0].key_id()))), "{}", shown.stdout);
}
