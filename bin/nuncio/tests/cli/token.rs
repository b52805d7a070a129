//! Authorities whose keys are in a PKCS#11 token: SoftHSM of Debian (`apt-get install softhsm2`).

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::support::{Run, command};

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
