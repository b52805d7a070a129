//! Authorities whose keys are in a PKCS#11 token: SoftHSM of Debian (`apt-get install softhsm2`).

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
};

use serde_json::Value;

use super::{
    processes::{Kept, Net, eventually},
    support::{Run, command},
};

const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

struct Token {
    directory: tempfile::TempDir,
    module: &'static str,
}

impl Token {
    /// `None`, loudly, where there is no SoftHSM; with `NUNCIO_NEEDS_SOFTHSM`, as in CI, that is a failure.
    #[expect(clippy::print_stderr, reason = "a test that did not run says so")]
    fn new() -> Option<Self> {
        let module = MODULES.into_iter().find(|path| Path::new(path).exists());
        let is_there = module.is_some() && Command::new("softhsm2-util").arg("--version").output().is_ok();
        if !is_there {
            assert!(std::env::var_os("NUNCIO_NEEDS_SOFTHSM").is_none(), "softhsm2 is not installed");
            eprintln!("SKIPPED: softhsm2 is not installed, so no key in a token was tried");
            return None;
        }
        let token = Self { directory: tempfile::tempdir().unwrap(), module: module? };
        fs::create_dir(token.path("tokens")).unwrap();
        let tokens = token.path("tokens");
        fs::write(token.path("softhsm.conf"), format!("directories.tokendir = {}\n", tokens.display())).unwrap();
        token.util("--init-token --free --label bank --pin 1234 --so-pin 5678");
        token.private("pin", "1234\n");
        Some(token)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> &'static str {
        self.path(name).display().to_string().leak()
    }

    fn private(&self, name: &str, content: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn with<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let command = command.env("SOFTHSM2_CONF", self.path("softhsm.conf"));
        command.env_remove("NUNCIO_KEY_PASSPHRASE").env_remove("NUNCIO_KEY_PASSPHRASE_FILE")
    }

    fn util(&self, arguments: &str) {
        let run = self.with(Command::new("softhsm2-util").args(arguments.split(' '))).output().unwrap();
        assert!(run.status.success(), "softhsm2-util {arguments}: {}", String::from_utf8_lossy(&run.stderr));
    }

    /// Takes a key out of a file, which afterwards says where it is.
    fn take(&self, key: &Path, name: &str, id: &str) {
        self.util(&format!("--import {} --token bank --label {name} --id {id} --pin 1234", key.display()));
        fs::write(key, self.uri(name)).unwrap();
    }

    /// A key that is made outside and forgotten there, since SoftHSM's own tool makes none.
    fn make(&self, name: &str, id: &str, curve: &str) {
        let key = self.path("made.pem");
        let made = format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve} -out {}", key.display());
        assert!(Command::new("openssl").args(made.split(' ')).output().unwrap().status.success());
        self.util(&format!("--import {} --token bank --label {name} --id {id} --pin 1234", key.display()));
        fs::remove_file(key).unwrap();
    }

    fn uri(&self, name: &str) -> String {
        let pin = self.path("pin");
        format!("pkcs11:token=bank;object={name}?module-path={}&pin-source=file:{}\n", self.module, pin.display())
    }

    fn nuncio(&self, arguments: &[&str]) -> Run {
        Run::of(self.with(&mut command(arguments)))
    }
}

fn verifies(root: &str, agency: &str, leaf: &str) -> bool {
    let verify = ["verify", "-x509_strict", "-CAfile", root, "-untrusted", agency, leaf];
    Command::new("openssl").args(verify).output().unwrap().status.success()
}

#[test]
fn a_root_and_an_agency_in_a_token_do_all_that_those_in_files_do() {
    let Some(token) = Token::new() else { return };
    for (name, id) in [("root", "01"), ("agency", "02"), ("next", "03")] {
        token.make(name, id, "secp256k1");
    }
    token.private("root/ca.key", &token.uri("root"));
    token.private("bank/agency.key", &token.uri("agency"));
    let (root, bank) = (token.text("root"), token.text("bank"));
    token.nuncio(&["ca", "init", "--out", root]).must_succeed();
    token.nuncio(&["ca", "agency", "bank", "--ca", root, "--out", bank]).must_succeed();
    token.nuncio(&["cert", "issue", "node0", "--ca", bank, "--out", token.text("node0")]).must_succeed();
    token.nuncio(&["cert", "renew", token.text("node0"), "--ca", bank]).must_succeed();
    token.nuncio(&["cert", "issue", "gone", "--ca", bank, "--out", token.text("gone")]).must_succeed();
    token.nuncio(&["cert", "revoke", token.text("gone"), "--ca", bank]).must_succeed();
    assert!(verifies(token.text("root/ca.crt"), token.text("bank/agency.crt"), token.text("node0/node.crt")));
    let keys = [token.path("root/ca.key"), token.path("bank/agency.key")];
    assert!(keys.iter().all(|key| fs::read_to_string(key).unwrap().starts_with("pkcs11:")), "no key has come out");

    // A root in a token is followed by one in a token.
    let rotate = |step: &str, more: &[&str]| token.nuncio(&[&["ca", "rotate", step, "--ca", root], more].concat());
    let at = ["--offline", "--at", bank, "--at", token.text("node0")];
    rotate("plan", &at).must_succeed();
    let refused = rotate("prepare", &[]);
    assert!(refused.stderr.contains("make the new one there too"), "{}", refused.stderr);
    token.private("root/rotation/new/ca.key", &token.uri("next"));
    rotate("prepare", &[]).must_succeed();
    rotate("issue", &["--offline"]).must_succeed();
    rotate("switch", &[]).must_succeed();
    assert_eq!(fs::read_to_string(token.path("root/ca.key")).unwrap(), token.uri("next"));
    assert!(verifies(token.text("root/ca.crt"), token.text("bank/agency.crt"), token.text("node0/node.crt")));
}

#[test]
fn what_a_token_does_not_give_is_said_in_one_sentence() {
    let Some(token) = Token::new() else { return };
    token.make("root", "01", "secp256k1");
    token.make("other", "02", "P-256");
    let root = token.text("root");
    let init = |uri: &str| {
        token.private("root/ca.key", uri);
        let run = token.nuncio(&["ca", "init", "--out", root]);
        if run.code != 0 {
            run.must_be_one_line_and_a_hint();
            assert!(!token.path("root/ca.crt").exists());
        }
        run
    };
    let good = token.uri("root");
    for (uri, words) in [
        (good.replace("object=root", "object=nobody"), "there are 0 private EC keys"),
        (good.replace("token=bank", "token=vault"), "there are 0 tokens"),
        (good.replace("object=root", "object=other"), "another curve"),
        (good.replace(token.module, "/nonexistent.so"), "cannot be loaded"),
        (good.replace(token.module, "/etc/passwd"), "cannot be loaded"),
        (good.replace("pin-source", "pin-value"), "has a PIN in it"),
        (good.split("&pin").next().unwrap().to_owned(), "NUNCIO_KEY_PASSPHRASE"),
    ] {
        let run = init(&uri);
        assert!(run.stderr.contains(words), "{uri}: {}", run.stderr);
    }
    token.private("pin", "4321\n");
    assert!(init(&good).stderr.contains("the PIN is wrong"));
    token.private("pin", "1234\n");
    fs::set_permissions(token.path("pin"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(init(&good).stderr.contains("can be read by others"));
    fs::set_permissions(token.path("pin"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(token.path("root/ca.key"), fs::Permissions::from_mode(0o600)).unwrap();
    init(&good).must_succeed();
}

/// Runs a node of a network until its standard input is closed.
fn runs(token: &Token, net: &Net, node: usize) -> Kept {
    let mut command = command(["run", "--stop-with-stdin", "--config", &net.config(node)]);
    let log = fs::File::create(token.path(&format!("node{node}.log"))).unwrap();
    Kept::spawn(token.with(&mut command).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log))
}

/// What comes to a node, as `kind data`.
struct Ear {
    _listener: Kept,
    lines: mpsc::Receiver<String>,
    heard: BTreeSet<String>,
}

impl Ear {
    fn of(net: &Net, node: usize) -> Self {
        let listen = ["listen", "--json", "--topic", "prices", "--reply", "pong"];
        let mut command = command(listen.into_iter().chain(["--config", &net.config(node)]));
        let mut listener = Kept::spawn(command.stdout(Stdio::piped()).stderr(Stdio::null()));
        let (said, lines) = mpsc::channel();
        let stdout = BufReader::new(listener.stdout());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        Self { _listener: listener, lines, heard: BTreeSet::new() }
    }

    fn has_heard(&mut self, what: &str) -> bool {
        let one = |line: String| {
            let message: Value = serde_json::from_str(&line).unwrap();
            format!("{} {}", message["kind"].as_str().unwrap(), message["data"].as_str().unwrap())
        };
        self.heard.extend(self.lines.try_iter().map(one));
        self.heard.contains(what)
    }
}

#[test]
fn a_node_whose_key_is_in_a_token_is_a_node_like_the_others() {
    let Some(token) = Token::new() else { return };
    let net = Net::create(3, "line");
    let key = PathBuf::from(net.text("net/node0/conf/node.key"));
    let id = fs::read_to_string(key.with_file_name("node.nodeid")).unwrap().trim().to_owned();
    token.take(&key, "node0", "01");
    let mut nodes = [0, 1, 2].map(|node| runs(&token, &net, node));

    // Its status is signed by the token, and goes over the node between.
    let known = |at: usize, hops: u64| {
        let of = |node: &Value| node["hops"] == hops && node["name"] == format!("node{}", 2 - at);
        let asked = Some(net.ask(at, &["nodes"])).filter(|run| run.code == 0)?;
        asked.objects().into_iter().find(of)
    };
    let far = eventually("node0 knows node2", || known(0, 2))["node_id"].as_str().unwrap().to_owned();
    assert_eq!(eventually("node2 knows node0", || known(2, 2))["node_id"], id);

    let mut ears = [Ear::of(&net, 0), Ear::of(&net, 2)];
    for (from, to) in [(0, &far), (2, &id)] {
        let send = ["send", to, "--data", "ping"];
        let reply = eventually("it answers", || Some(net.ask(from, &send)).filter(|run| run.code == 0));
        assert_eq!(reply.objects()[0]["reply"], "pong");
    }
    for (ear, from) in ears.iter_mut().zip([2, 0]) {
        // Whoever listens says so in his status, which takes a moment to arrive.
        eventually("what goes to many is heard", || {
            net.ask(from, &["broadcast", "--data", "to all"]).must_succeed();
            net.ask(from, &["publish", "prices", "--data", "42"]).must_succeed();
            let both = ["unicast ping", "broadcast to all", "multicast 42"].map(|what| ear.has_heard(what));
            both.into_iter().all(|heard| heard).then_some(())
        });
    }
    drop(ears);

    // Its audit log is sealed by the token.
    drop(nodes[0].child().stdin.take());
    let status = nodes[0].ended();
    let log = fs::read_to_string(token.path("node0.log")).unwrap();
    assert!(status.success(), "{status}: {log}");
    token.nuncio(&["audit", "verify", "--config", &net.config(0)]).must_succeed();
    assert!(fs::read_to_string(&key).unwrap().starts_with("pkcs11:"), "the key has not come out");
}

/// A certificate for a node's key in a file that began an hour ago and ends in ten minutes: it is due.
fn make_due(net: &Net, node: usize) {
    let conf = net.text(&format!("net/node{node}/conf"));
    let [agency, root] = ["net/agencies/agencyA/agency", "net/ca/ca"].map(|name| net.text(name));
    let at = |name: &str| format!("{conf}/{name}");
    let policy = "commonName = supplied\norganizationName = supplied\norganizationalUnitName = supplied";
    let extensions = "basicConstraints = CA:FALSE\nkeyUsage = digitalSignature, nonRepudiation, keyEncipherment";
    let place = at("index");
    let config = format!(
        "[ca]\ndefault_ca = it\n[it]\ndatabase = {place}\nnew_certs_dir = {conf}\nrand_serial = yes\n\
         default_md = sha256\npolicy = any\nx509_extensions = leaf\n[any]\n{policy}\n[leaf]\n{extensions}\n"
    );
    fs::write(&place, "").unwrap();
    fs::write(at("ca.cnf"), config).unwrap();
    let now = jiff::Timestamp::now().as_second();
    let date = |second: i64| jiff::Timestamp::from_second(second).unwrap().strftime("%Y%m%d%H%M%SZ").to_string();
    let (begins, ends) = (date(now - 3600), date(now + 600));
    let key = at("node.key");
    let subject = format!("/CN=node{node}/O=fisco-bcos/OU=node");
    let (request, leaf, cnf) = (at("request"), at("leaf.crt"), at("ca.cnf"));
    let made = [
        format!("req -new -key {key} -subj {subject} -out {request}"),
        format!(
            "ca -batch -notext -config {cnf} -cert {agency}.crt -keyfile {agency}.key -in {request} -startdate {begins} \
             -enddate {ends} -out {leaf}"
        ),
    ];
    for arguments in made {
        let run = Command::new("openssl").args(arguments.split(' ')).output().unwrap();
        assert!(run.status.success(), "{arguments}: {}", String::from_utf8_lossy(&run.stderr));
    }
    let chain = [leaf, format!("{agency}.crt"), format!("{root}.crt")].map(|path| fs::read_to_string(path).unwrap());
    fs::write(at("node.crt"), chain.concat()).unwrap();
}

#[test]
fn a_node_whose_key_is_in_a_token_is_renewed_by_an_agency_whose_key_is_in_one() {
    let Some(token) = Token::new() else { return };
    let net = Net::create(2, "full");
    make_due(&net, 1);
    let agency = net.text("net/agencies/agencyA");
    fs::write(
        net.config(0),
        fs::read_to_string(net.config(0)).unwrap() + &format!("\n[issuer]\nca = \"{agency}\"\nlifetime = \"72h\"\n"),
    )
    .unwrap();
    token.take(Path::new(&format!("{agency}/agency.key")), "agency", "01");
    let [key, certificate] = ["key", "crt"].map(|name| PathBuf::from(net.text(&format!("net/node1/conf/node.{name}"))));
    token.take(&key, "node1", "02");
    let before = fs::read(&certificate).unwrap();
    let mut nodes = [0, 1].map(|node| runs(&token, &net, node));
    eventually("it is renewed", || (fs::read(&certificate).unwrap() != before).then_some(()));
    eventually("its peer sees it, which lasts three days", || {
        let run = Some(net.ask(0, &["certs"])).filter(|run| run.code == 0)?;
        run.objects().into_iter().find(|one| one["name"] == "node1" && one["days_left"] == 2)
    });
    let log = fs::read_to_string(token.path("node1.log")).unwrap();
    assert!(!log.contains("link down"), "{log}");

    // Its next start takes what its renewal wrote.
    drop(nodes[1].child().stdin.take());
    let status = nodes[1].ended();
    assert!(status.success(), "{status}: {}", fs::read_to_string(token.path("node1.log")).unwrap());
    nodes[1] = runs(&token, &net, 1);
    let linked = || Some(net.ask(1, &["status"])).filter(|run| run.code == 0 && run.objects()[0]["peers"] == 1);
    eventually("it is a node again", linked);
    assert!(fs::read_to_string(&key).unwrap().starts_with("pkcs11:"), "the key has not come out");
    assert!(fs::read_to_string(format!("{agency}/agency.key")).unwrap().starts_with("pkcs11:"), "nor the agency's");
}

#[test]
fn a_node_whose_token_does_not_help_it_says_why() {
    let Some(token) = Token::new() else { return };
    let net = Net::create(1, "full");
    let key = PathBuf::from(net.text("net/node0/conf/node.key"));
    token.take(&key, "node0", "01");
    token.make("other", "02", "secp256k1");
    let good = token.uri("node0");
    let check = |uri: &str| {
        token.private("key", uri);
        fs::copy(token.path("key"), &key).unwrap();
        let run = token.nuncio(&["run", "--config", &net.config(0)]);
        assert_eq!(run.code, 78, "{}", run.stderr);
        run.must_be_one_line_and_a_hint();
        run.stderr
    };
    for (uri, words) in [
        (good.replace("object=node0", "object=other"), "does not belong to"),
        (good.replace("object=node0", "object=nobody"), "there are 0 private EC keys"),
        (good.replace("token=bank", "token=vault"), "there are 0 tokens"),
        (good.replace(token.module, "/nonexistent.so"), "cannot be loaded"),
    ] {
        let said = check(&uri);
        assert!(said.contains(words), "{uri}: {said}");
    }
    token.private("pin", "4321\n");
    assert!(check(&good).contains("the PIN is wrong"));
    let copy = token.path("copied.so");
    fs::copy(token.module, &copy).unwrap();
    fs::set_permissions(token.directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let said = check(&good.replace(token.module, copy.to_str().unwrap()));
    fs::set_permissions(token.directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(said.contains("others can change it"), "{said}");
}

#[test]
fn a_request_for_a_certificate_is_signed_where_the_key_is() {
    let Some(token) = Token::new() else { return };
    token.make("node9", "09", "secp256k1");
    token.private("node9/node.key", &token.uri("node9"));
    let (root, bank, out) = (token.text("root"), token.text("bank"), token.text("node9"));
    token.nuncio(&["ca", "init", "--out", root]).must_succeed();
    token.nuncio(&["ca", "agency", "bank", "--ca", root, "--out", bank]).must_succeed();
    token.nuncio(&["cert", "request", "node9", "--out", out]).must_succeed();
    let request = token.text("node9/node.csr");
    let run = Command::new("openssl").args(["req", "-in", request, "-noout", "-verify"]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
