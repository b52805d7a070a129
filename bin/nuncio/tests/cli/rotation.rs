//! `nuncio ca rotate`, and keys under a passphrase.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::support::{Run, command, nuncio};

const NODES: [&str; 2] = ["node0", "node1"];

struct Consortium {
    directory: tempfile::TempDir,
}

impl Consortium {
    fn new() -> Self {
        let made = Self { directory: tempfile::tempdir().expect("a directory") };
        nuncio(["ca", "init", "--out", made.text("root")]).must_succeed();
        nuncio(["ca", "agency", "bank", "--ca", made.text("root"), "--out", made.text("bank")]).must_succeed();
        for node in NODES {
            nuncio(["cert", "issue", node, "--ca", made.text("bank"), "--out", made.text(node)]).must_succeed();
        }
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> &'static str {
        self.path(name).display().to_string().leak()
    }

    fn id(&self, node: &str) -> String {
        fs::read_to_string(self.path(node).join("node.nodeid")).unwrap().trim().to_owned()
    }

    /// A file as `nuncio certs --json` prints it.
    fn seen(&self, nodes: &[&str]) -> &'static str {
        let line = |node: &&str| {
            let blocks = fs::read_to_string(self.path(node).join("node.crt")).unwrap();
            let chain: Vec<_> = blocks.split_inclusive("-----END CERTIFICATE-----\n").take(3).collect();
            let object = json!({
                "node_id": self.id(node), "name": node, "role": "node", "issuer": "", "serial": "", "not_after": 0,
                "days_left": 0, "reachable": true, "lists": {}, "chain": chain,
            });
            format!("{object}\n")
        };
        fs::write(self.path("seen.json"), nodes.iter().map(line).collect::<String>()).unwrap();
        self.text("seen.json")
    }

    fn rotate(&self, step: &str, arguments: &[&str]) -> Run {
        let fixed = ["--json", "ca", "rotate", step, "--ca", self.text("root")];
        nuncio(fixed.iter().chain(arguments))
    }
}

fn shows(run: &Run) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    run.objects().iter().map(|row| (text(&row["name"]), text(&row["shows"]))).collect()
}

#[test]
fn a_root_is_rotated_step_by_step_and_not_retired_too_early() {
    let made = Consortium::new();
    let pair = |name: &str, shows: &str| (name.to_owned(), shows.to_owned());
    // node1 is another organisation's.
    let at = ["--at", made.text("bank"), "--at", made.text("node0")];
    let run = made.rotate("plan", &[&at[..], &["--seen", made.seen(&NODES)]].concat()).must_succeed();
    assert!(run.stderr.contains("put \"chain-2\" beside it at every node before switch"), "{}", run.stderr);
    let run = made.rotate("switch", &[]);
    assert_eq!(run.code, 1);
    assert_eq!(run.error_object()["error"], "step");
    assert!(run.stderr.contains("hint: nuncio ca rotate prepare"), "{}", run.stderr);
    made.rotate("prepare", &[]).must_succeed();
    let issued = made.rotate("issue", &["--seen", made.seen(&NODES)]).must_succeed();
    assert_eq!(issued.objects()[0]["files"].as_array().unwrap().len(), 3, "{}", issued.stdout);
    made.rotate("switch", &[]).must_succeed();
    let status = made.rotate("status", &["--seen", made.seen(&NODES)]).must_succeed();
    assert_eq!(shows(&status), [pair("node0", "new"), pair("node1", "old")]);
    let unasked = made.rotate("retire", &["--seen", made.seen(&NODES)]);
    assert!(unasked.code == 2 && unasked.stderr.contains("--cut-sdks"), "{}", unasked.stderr);
    let early = made.rotate("retire", &["--seen", made.seen(&NODES), "--cut-sdks"]);
    assert_eq!(early.error_object()["error"], "too_early");
    assert!(early.stderr.contains("node1 ("), "{}", early.stderr);
    let gone = made.rotate("status", &["--seen", made.seen(&["node0"])]).must_succeed();
    assert_eq!(shows(&gone), [pair("node0", "new"), pair("node1", "unseen")]);
    assert_eq!(
        made.rotate("retire", &["--seen", made.seen(&["node0"]), "--cut-sdks"]).error_object()["error"],
        "too_early"
    );
    fs::write(made.path("empty"), "").unwrap();
    assert_eq!(made.rotate("retire", &["--seen", made.text("empty"), "--cut-sdks"]).code, 78);

    // Its operator gets two files.
    let files = fs::read_dir(made.path("root/rotation/issued")).unwrap().map(|file| file.unwrap().path());
    let his = files.into_iter().find(|file| file.file_name().unwrap().to_str().unwrap().starts_with("node1-")).unwrap();
    fs::copy(his, made.path("node1/node.crt")).unwrap();
    fs::copy(made.path("root/rotation/new/ca.crt"), made.path("node1/ca.crt")).unwrap();
    // What SDKs show is asked of each node, as `nuncio certs --sdks --json` wrote it down.
    let mut told = NODES.map(|node| json!({ "node_id": made.id(node), "name": node, "authorities": [], "others": 0 }));
    let mut retire = |said: Value| {
        told[1]["error"] = said;
        fs::write(made.path("sdks"), told.iter().map(|one| format!("{one}\n")).collect::<String>()).unwrap();
        made.rotate("retire", &["--seen", made.seen(&NODES), "--sdks", made.text("sdks")])
    };
    let silent = retire("timed out".into());
    assert_eq!(silent.error_object()["error"], "too_early");
    assert!(silent.stderr.contains("timed out") && silent.stderr.contains("--cut-sdks"), "{}", silent.stderr);
    retire(Value::Null).must_succeed();
    for node in NODES {
        assert_eq!(fs::read(made.path(node).join("ca.crt")).unwrap(), fs::read(made.path("root/ca.crt")).unwrap());
        let inspected = nuncio(["--json", "cert", "inspect", made.text(&format!("{node}/node.crt"))]).must_succeed();
        assert_eq!(inspected.objects()[0]["chain_valid"], true);
    }
}

#[test]
fn what_is_seen_must_prove_itself() {
    let made = Consortium::new();
    let good = fs::read_to_string(made.seen(&NODES)).unwrap();
    let (zero, one) = good.split_once('\n').unwrap();
    let mut object: Value = serde_json::from_str(one).unwrap();
    object["chain"] = serde_json::from_str::<Value>(zero).unwrap()["chain"].clone();
    for bad in [object.to_string(), zero.replace("BEGIN", "BEGUN"), "{}".into(), "\u{1b}[2J".into()] {
        fs::write(made.path("bad"), bad).unwrap();
        let run = made.rotate("plan", &["--seen", made.text("bad")]);
        assert_eq!(run.code, 78, "{}", run.stderr);
        assert!(!run.stderr.contains('\u{1b}'));
    }
    assert!(!made.path("root/rotation").exists());
}

fn openssl(directory: &Path, arguments: &str) {
    let run = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn an_authority_under_a_passphrase_issues_and_is_rotated_under_it() {
    let made = Consortium::new();
    let encrypt = |folder: &str, base: &str| {
        openssl(&made.path(folder), &format!("pkcs8 -topk8 -in {base}.key -out sealed -passout pass:geheim"));
        fs::set_permissions(made.path(folder).join("sealed"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(made.path(folder).join("sealed"), made.path(folder).join(format!("{base}.key"))).unwrap();
    };
    encrypt("root", "ca");
    encrypt("node0", "node");
    let secret = made.path("passphrase");
    fs::write(&secret, "geheim\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let agency = |out: &str, variable: Option<(&str, &str)>| {
        let mut command = command(["ca", "agency", "b", "--ca", made.text("root"), "--out", made.text(out)]);
        command.env_remove("NUNCIO_KEY_PASSPHRASE").env_remove("NUNCIO_KEY_PASSPHRASE_FILE");
        command.envs(variable);
        Run::of(&mut command)
    };
    let none = agency("b", None);
    none.must_be_one_line_and_a_hint();
    assert_eq!(none.code, 78);
    assert!(none.stderr.contains("NUNCIO_KEY_PASSPHRASE_FILE"), "{}", none.stderr);
    let wrong = agency("b", Some(("NUNCIO_KEY_PASSPHRASE", "other")));
    assert!(wrong.stderr.contains("does not open"), "{}", wrong.stderr);
    agency("b", Some(("NUNCIO_KEY_PASSPHRASE", "geheim"))).must_succeed();
    let file = ("NUNCIO_KEY_PASSPHRASE_FILE", secret.to_str().unwrap());
    agency("c", Some(file)).must_succeed();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(agency("d", Some(file)).stderr.contains("can be read by others"));
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();

    // A node's key too, and a new root's key is under the same passphrase.
    let with = |arguments: &[&str]| Run::of(command(arguments).env(file.0, file.1)).must_succeed();
    with(&["cert", "request", "node0", "--out", made.text("node0")]);
    let root = made.text("root");
    with(&["ca", "rotate", "plan", "--ca", root, "--offline", "--at", made.text("bank"), "--at", made.text("node0")]);
    with(&["ca", "rotate", "prepare", "--ca", root]);
    with(&["ca", "rotate", "issue", "--ca", root, "--offline"]);
    with(&["ca", "rotate", "switch", "--ca", root]);
    let new = fs::read_to_string(made.path("root/ca.key")).unwrap();
    assert!(new.contains("ENCRYPTED PRIVATE KEY"));
    openssl(&made.path("root"), "pkey -in ca.key -passin pass:geheim -noout");
    with(&["ca", "agency", "e", "--ca", root, "--out", made.text("e")]);
}

#[test]
fn a_node_that_is_only_seen_is_named_and_an_agency_does_not_go_unrevoked_by_oversight() {
    let made = Consortium::new();
    let bank = |step: &str, arguments: &[&str]| {
        nuncio(["--json", "ca", "rotate", step, "--ca", made.text("bank")].iter().chain(arguments))
    };
    let seen = made.seen(&NODES);
    bank("plan", &["--at", made.text("node0"), "--seen", seen]).must_succeed();
    bank("prepare", &["--root", made.text("root")]).must_succeed();
    let run = bank("issue", &["--seen", seen]).must_succeed();
    assert_eq!(run.objects()[0]["files"].as_array().unwrap().len(), 1, "{}", run.stdout);
    assert!(run.stderr.contains("node1 (") && run.stderr.contains("--node NODEID"), "{}", run.stderr);
    let id = fs::read_to_string(made.path("node1/node.nodeid")).unwrap().trim().to_owned();
    assert_eq!(bank("issue", &["--seen", seen, "--node", &id[..12]]).code, 2, "a beginning can be made to fit");
    assert_eq!(bank("issue", &["--seen", seen, "--node", &id, "--all-seen"]).code, 2);
    let run = bank("issue", &["--seen", seen, "--node", &id]).must_succeed();
    assert_eq!(run.objects()[0]["left_out"], json!([]));
    bank("switch", &[]).must_succeed();
    let files = fs::read_dir(made.path("bank/rotation/issued")).unwrap().map(|file| file.unwrap().path());
    let his = files.into_iter().find(|file| file.file_name().unwrap().to_str().unwrap().starts_with("node1-")).unwrap();
    fs::copy(his, made.path("node1/node.crt")).unwrap();
    let seen = made.seen(&NODES);
    let unsaid = bank("retire", &["--seen", seen, "--cut-sdks"]);
    assert_eq!(unsaid.code, 2, "{}", unsaid.stderr);
    assert!(unsaid.stderr.contains("--unrevoked"), "{}", unsaid.stderr);
    let run = bank("retire", &["--seen", seen, "--cut-sdks", "--root", made.text("root")]).must_succeed();
    assert!(run.stderr.contains("root/ca.crl to a node"), "{}", run.stderr);
}

#[test]
fn the_doctor_loads_no_program_that_a_key_file_of_a_stranger_names() {
    let made = Consortium::new();
    let sdk = made.path("sdk");
    nuncio(["cert", "issue", "sdk", "--kind", "sdk", "--ca", made.text("bank"), "--out", made.text("sdk")])
        .must_succeed();
    fs::write(sdk.join("sdk.key"), "pkcs11:object=a?module-path=/nonexistent.so\n").unwrap();
    let doctor = || nuncio(["doctor", "127.0.0.1:1", "--certs", made.text("sdk")]);
    fs::set_permissions(sdk.join("sdk.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(doctor().stderr.contains("can be read by others"), "{}", doctor().stderr);
    fs::rename(made.path("node0/node.key"), made.path("kept")).unwrap();
    fs::copy(sdk.join("sdk.key"), made.path("node0/node.key")).unwrap();
    fs::set_permissions(made.path("node0/node.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let node = || nuncio(["doctor", "127.0.0.1:1", "--certs", made.text("node0")]).stderr;
    assert!(node().contains("/nonexistent.so cannot be loaded"), "{}", node());
    // Only root can give a file away.
    if std::os::unix::fs::chown(made.path("node0/node.key"), Some(4711), None).is_ok() {
        assert!(node().contains("others can change it"), "{}", node());
    }
}
