//! The `openssl` command, and chains made with it exactly as FISCO BCOS's `build_chain.sh` makes them.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::{fs, path::Path, process::Command};

/// Runs `openssl` in a folder and returns what it printed; fails the test if it fails.
pub(crate) fn openssl(directory: &Path, arguments: &str) -> String {
    let (good, text) = try_openssl(directory, arguments);
    assert!(good, "openssl {arguments}\n{text}");
    text
}

/// Whether it succeeded, and what it printed on both streams.
pub(crate) fn try_openssl(directory: &Path, arguments: &str) -> (bool, String) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .output()
        .expect("the openssl command is needed for this test");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

const CONFIG: &str = "[req]\ndistinguished_name = dn\n[dn]\n\
    [v3_req]\nbasicConstraints = CA:FALSE\nkeyUsage = nonRepudiation, digitalSignature, keyEncipherment\n\
    [v4_req]\nbasicConstraints = CA:TRUE\n";

/// `ca.key`, `ca.crt` (X.509 v1 on secp256k1, to the year 2126).
pub(crate) fn build_root(directory: &Path) {
    fs::write(directory.join("cert.cnf"), CONFIG).unwrap();
    openssl(directory, "ecparam -out secp256k1.param -name secp256k1");
    openssl(directory, "genpkey -paramfile secp256k1.param -out ca.key");
    openssl(directory, "req -new -config cert.cnf -subj /CN=chain/O=fisco-bcos/OU=chain -key ca.key -out ca.csr");
    openssl(directory, "x509 -req -days 36500 -sha256 -in ca.csr -signkey ca.key -out ca.crt");
}

/// `agency.key`, `agency.crt` below `ca.crt`.
pub(crate) fn build_agency(directory: &Path) {
    build_below(directory, "ca", "agency", "agency", "v4_req");
}

/// `<name>.key`, and `<name>.crt` holding leaf, agency, root.
pub(crate) fn build_leaf(directory: &Path, name: &str, unit: &str) {
    build_below(directory, "agency", name, unit, "v3_req");
    let files = [format!("{name}.crt"), "agency.crt".into(), "ca.crt".into()];
    let bundle: String = files.iter().map(|file| fs::read_to_string(directory.join(file)).unwrap()).collect();
    fs::write(directory.join(format!("{name}.crt")), bundle).unwrap();
}

fn build_below(directory: &Path, issuer: &str, name: &str, unit: &str, extensions: &str) {
    openssl(directory, &format!("genpkey -paramfile secp256k1.param -out {name}.key"));
    openssl(
        directory,
        &format!(
            "req -new -sha256 -config cert.cnf -subj /CN={name}/O=fisco-bcos/OU={unit} -key {name}.key -out {name}.csr"
        ),
    );
    openssl(
        directory,
        &format!(
            "x509 -req -days 36500 -sha256 -CA {issuer}.crt -CAkey {issuer}.key -CAcreateserial \
             -in {name}.csr -out {name}.crt -extensions {extensions} -extfile cert.cnf"
        ),
    );
}

/// The RSA set: `rsa-ca.*`, and `<name>.crt`, `<name>.key` below it, all X.509 v1, RSA-2048, PKCS#8.
pub(crate) fn build_rsa(directory: &Path, names: &[&str]) {
    fs::write(directory.join("cert.cnf"), CONFIG).unwrap();
    openssl(directory, "genrsa -out rsa-ca.key 2048");
    openssl(
        directory,
        "req -new -config cert.cnf -subj /CN=agency/O=fisco-bcos/OU=chain -key rsa-ca.key -out rsa-ca.csr",
    );
    openssl(directory, "x509 -req -days 36500 -sha256 -in rsa-ca.csr -signkey rsa-ca.key -out rsa-ca.crt");
    for name in names {
        openssl(directory, &format!("genrsa -out {name}.key.1 2048"));
        openssl(directory, &format!("pkcs8 -topk8 -nocrypt -in {name}.key.1 -out {name}.key"));
        openssl(
            directory,
            &format!(
                "req -new -config cert.cnf -subj /CN=FISCO-BCOS/O=fisco-bcos/OU=agency -key {name}.key -out {name}.csr"
            ),
        );
        openssl(
            directory,
            &format!(
                "x509 -req -days 36500 -sha256 -CA rsa-ca.crt -CAkey rsa-ca.key -CAcreateserial -in {name}.csr \
                 -out {name}.crt -extensions v3_req"
            ),
        );
    }
}

/// A folder with root and agency as FISCO BCOS's script makes them, each as an authority of ours: the agency may have
/// authorities below itself.
pub(crate) fn fisco() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    build_root(path);
    build_agency(path);
    for (folder, name) in [("root", "ca"), ("agency", "agency")] {
        fs::create_dir(path.join(folder)).expect("a folder");
        for end in ["key", "crt"] {
            fs::copy(path.join(format!("{name}.{end}")), path.join(folder).join(format!("ca.{end}")))
                .expect("what the script has made");
        }
    }
    directory
}
