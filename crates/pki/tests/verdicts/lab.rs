//! Makes certificates with `openssl`, and asks it and us about them.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nuncio_pki::{Anchors, Certificate, Leaf, Policy, RoleRule};
use rustls_pki_types::UnixTime;

/// One row of the table.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) build: Box<dyn Fn(&Bench<'_>) -> Chain + Send + Sync>,
    pub(crate) purpose: Leaf,
    /// What openssl is known to say.
    pub(crate) accepted: bool,
    /// Days from now at which it is judged.
    pub(crate) day: i64,
    /// Why we say otherwise than openssl.
    pub(crate) difference: Option<&'static str>,
}

impl Case {
    pub(crate) fn new(
        accepted: bool,
        name: impl Into<String>,
        build: impl Fn(&Bench<'_>) -> Chain + Send + Sync + 'static,
    ) -> Self {
        let (name, build) = (name.into(), Box::new(build));
        Self { name, build, purpose: Leaf::Client, accepted, day: 1, difference: None }
    }

    /// What openssl accepts.
    pub(crate) fn good(name: impl Into<String>, build: impl Fn(&Bench<'_>) -> Chain + Send + Sync + 'static) -> Self {
        Self::new(true, name, build)
    }

    /// What openssl refuses.
    pub(crate) fn bad(name: impl Into<String>, build: impl Fn(&Bench<'_>) -> Chain + Send + Sync + 'static) -> Self {
        Self::new(false, name, build)
    }

    pub(crate) fn differs(self, why: &'static str) -> Self {
        Self { difference: Some(why), ..self }
    }

    pub(crate) fn on_day(self, day: i64) -> Self {
        Self { day, ..self }
    }

    pub(crate) fn for_purpose(self, purpose: Leaf) -> Self {
        Self { purpose, ..self }
    }
}

/// What is presented, and to whom.
pub(crate) struct Chain {
    pub(crate) leaf: PathBuf,
    pub(crate) presented: Vec<PathBuf>,
    pub(crate) anchors: Vec<PathBuf>,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    Refused(String),
}

/// Keys, by the arguments of `openssl genpkey`. Many certificates share one.
const KEYS: &[(&str, &str)] = &[
    ("k1", "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1"),
    ("k1-b", "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1"),
    ("k1-c", "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1"),
    ("k1-d", "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1"),
    ("k1-leaf", "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1"),
    ("k1-explicit", "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -pkeyopt ec_param_enc:explicit"),
    ("p224", "-algorithm EC -pkeyopt ec_paramgen_curve:P-224"),
    ("p256", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
    ("p256-explicit", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit"),
    ("p384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384"),
    ("p521", "-algorithm EC -pkeyopt ec_paramgen_curve:P-521"),
    ("brainpool", "-algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1"),
    ("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
    ("rsa-1024", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024"),
    ("rsa-e3", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3"),
    ("rsa-e41", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:1099511627777"),
    ("rsa-3072", "-algorithm RSA -pkeyopt rsa_keygen_bits:3072"),
    ("rsa-pss", "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048"),
    (
        "rsa-pss-384",
        "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_pss_keygen_md:sha384 -pkeyopt \
         rsa_pss_keygen_mgf1_md:sha384 -pkeyopt rsa_pss_keygen_saltlen:48",
    ),
    ("ed25519", "-algorithm ED25519"),
    ("ed448", "-algorithm ED448"),
];

/// The folder of one run.
pub(crate) struct Lab {
    directory: tempfile::TempDir,
    now: Duration,
    /// Certificates that many cases share: the same words by the same issuer are one certificate.
    made: Mutex<HashMap<(Option<PathBuf>, Spec), Issued>>,
    numbers: AtomicUsize,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, arguments) in KEYS {
            openssl(directory.path(), &format!("genpkey {arguments} -out {name}.key"));
        }
        for form in ["compressed", "hybrid"] {
            openssl(directory.path(), &format!("ec -in p256.key -conv_form {form} -out p256-{form}.key"));
        }
        // Certificates made on the way begin before now, too.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self { directory, now, made: Mutex::default(), numbers: AtomicUsize::new(0) }
    }

    /// A folder for one case.
    pub(crate) fn bench(&self, case: &str) -> Bench<'_> {
        let name: String = case.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let directory = self.directory.path().join(name);
        fs::create_dir(&directory).unwrap();
        Bench { lab: self, directory }
    }

    pub(crate) fn theirs(&self, bench: &Bench<'_>, case: &Case, chain: &Chain) -> Verdict {
        let bundle = |name: &str, files: &[PathBuf]| {
            let file = bench.directory.join(name);
            fs::write(&file, files.iter().flat_map(|file| fs::read(file).unwrap()).collect::<Vec<_>>()).unwrap();
            file
        };
        let anchors = bundle("anchors.pem", &chain.anchors);
        let purpose = if case.purpose == Leaf::Server { "sslserver" } else { "sslclient" };
        let mut command = Command::new("openssl");
        command.args(["verify", "-no-CApath", "-no-CAstore", "-partial_chain", "-purpose", purpose, "-attime"]);
        command.arg(self.instant(case).as_secs().to_string()).arg("-CAfile").arg(anchors);
        if !chain.presented.is_empty() {
            command.arg("-untrusted").arg(bundle("presented.pem", &chain.presented));
        }
        let output = command.arg(&chain.leaf).output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() { Verdict::Accepted } else { Verdict::Refused(text) }
    }

    pub(crate) fn ours(&self, case: &Case, chain: &Chain) -> Verdict {
        match self.judge(case, chain) {
            Ok(()) => Verdict::Accepted,
            Err(text) => Verdict::Refused(text),
        }
    }

    fn judge(&self, case: &Case, chain: &Chain) -> Result<(), String> {
        let read =
            |file: &PathBuf| Certificate::from_pem_bundle(fs::read(file).unwrap()).map_err(|error| shown(&error));
        let read_all =
            |files: &[PathBuf]| files.iter().map(read).collect::<Result<Vec<_>, _>>().map(|all| all.concat());
        let presented = [vec![read(&chain.leaf)?.swap_remove(0)], read_all(&chain.presented)?].concat();
        let anchors = read_all(&chain.anchors)?;
        let now = UnixTime::since_unix_epoch(self.instant(case));
        if case.purpose == Leaf::Node {
            let ders: Vec<_> = presented.iter().map(|one| one.der().clone()).collect();
            let policy = Policy::new(anchors).map_err(|error| error.to_string())?.with_roles(RoleRule::Any);
            return policy.judge(&ders, now).map(|_| ()).map_err(|error| error.to_string());
        }
        let faults = Anchors::new(anchors).faults(&presented, now, case.purpose);
        faults.first().map_or(Ok(()), |fault| Err(fault.to_string()))
    }

    fn instant(&self, case: &Case) -> Duration {
        let seconds = self.now.as_secs().saturating_add_signed(case.day * 86_400);
        Duration::from_secs(seconds)
    }
}

fn shown(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What an authority says by default.
pub(crate) const CA: &str = "basicConstraints=critical,CA:TRUE";

/// How a certificate is made.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Spec {
    pub(crate) key: &'static str,
    pub(crate) subject: String,
    pub(crate) extensions: String,
    pub(crate) days: u32,
    /// Further arguments: hash, padding, serial.
    pub(crate) arguments: &'static str,
    /// The types of string that names may have, as openssl's configuration says it.
    pub(crate) strings: &'static str,
}

pub(crate) fn spec(key: &'static str, subject: &str, extensions: &str) -> Spec {
    let (subject, extensions) = (subject.to_owned(), extensions.to_owned());
    Spec { key, subject, extensions, days: 3000, arguments: "-sha256", strings: "utf8only" }
}

impl Spec {
    pub(crate) fn with(self, arguments: &'static str) -> Self {
        Self { arguments, ..self }
    }

    pub(crate) fn days(self, days: u32) -> Self {
        Self { days, ..self }
    }

    pub(crate) fn strings(self, strings: &'static str) -> Self {
        Self { strings, ..self }
    }
}

/// A folder in which one case's certificates are made.
pub(crate) struct Bench<'a> {
    lab: &'a Lab,
    pub(crate) directory: PathBuf,
}

impl Bench<'_> {
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.lab.directory.path().join(format!("{name}.key"))
    }

    /// A certificate by `issuer`, or by its own key.
    pub(crate) fn make(&self, issuer: Option<&Issued>, spec: &Spec) -> Issued {
        let words = (issuer.map(|issuer| issuer.certificate.clone()), spec.clone());
        if let Some(made) = self.lab.made.lock().unwrap().get(&words) {
            return made.clone();
        }
        let number = self.number();
        let (config, certificate) = (format!("{number}.cnf"), format!("{number}.crt"));
        let text = format!(
            "[req]\nstring_mask={}\nutf8=yes\ndistinguished_name=dn\n[dn]\n[x]\n{}\n",
            spec.strings, spec.extensions
        );
        fs::write(self.directory.join(&config), text).unwrap();
        let key = self.key(spec.key);
        let mut command = Command::new("openssl");
        command.args(["req", "-new", "-x509", "-utf8", "-config", &config, "-extensions", "x", "-out", &certificate]);
        command.args(["-subj", &spec.subject, "-days", &spec.days.to_string(), "-key"]).arg(&key);
        if let Some(issuer) = issuer {
            command.arg("-CA").arg(&issuer.certificate).arg("-CAkey").arg(&issuer.key);
        }
        run(command.args(spec.arguments.split_whitespace()).current_dir(&self.directory));
        let made = Issued { certificate: self.directory.join(certificate), key };
        self.lab.made.lock().unwrap().insert(words, made.clone());
        made
    }

    /// One that no other file of this run has.
    pub(crate) fn number(&self) -> usize {
        self.lab.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A version 1 certificate: it has no extensions.
    pub(crate) fn make_v1(&self, issuer: Option<&Issued>, spec: &Spec) -> Issued {
        let number = self.number();
        let (request, certificate) = (format!("{number}.csr"), format!("{number}.crt"));
        let key = self.key(spec.key);
        run(Command::new("openssl")
            .args(["req", "-new", "-subj", &spec.subject, "-out", &request, "-key"])
            .arg(&key)
            .current_dir(&self.directory));
        let mut command = Command::new("openssl");
        command.args([
            "x509",
            "-req",
            "-days",
            "3000",
            "-sha256",
            "-set_serial",
            "77",
            "-in",
            &request,
            "-out",
            &certificate,
        ]);
        match issuer {
            Some(issuer) => command.arg("-CA").arg(&issuer.certificate).arg("-CAkey").arg(&issuer.key),
            None => command.arg("-signkey").arg(&key),
        };
        run(command.current_dir(&self.directory));
        Issued { certificate: self.directory.join(certificate), key }
    }

    pub(crate) fn root(&self) -> Issued {
        self.make(None, &spec("k1", "/CN=root", CA))
    }

    pub(crate) fn agency(&self, root: &Issued) -> Issued {
        self.make(Some(root), &spec("k1-b", "/CN=agency", CA))
    }

    pub(crate) fn leaf(&self, issuer: &Issued) -> Issued {
        self.make(Some(issuer), &spec("k1-leaf", "/CN=node0", "basicConstraints=CA:FALSE"))
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.directory.join(name);
        fs::write(&file, bytes).unwrap();
        file
    }

    /// Writes a certificate anew with `openssl x509`.
    pub(crate) fn rewrite(&self, issued: &Issued, arguments: &str) -> Issued {
        let certificate = self.directory.join("rewritten");
        let file = (issued.certificate.display(), certificate.display());
        openssl(&self.directory, &format!("x509 -in {} {arguments} -out {}", file.0, file.1));
        Issued { certificate, ..issued.clone() }
    }
}

impl Chain {
    pub(crate) fn new(leaf: &Issued, presented: &[&Issued], anchors: &[&Issued]) -> Self {
        let files = |all: &[&Issued]| all.iter().map(|one| one.certificate.clone()).collect();
        Self { leaf: leaf.certificate.clone(), presented: files(presented), anchors: files(anchors) }
    }
}

fn openssl(directory: &Path, arguments: &str) {
    run(Command::new("openssl").args(arguments.split_whitespace()).current_dir(directory));
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output().expect("this test needs the openssl command, version 3.0 or later");
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}
