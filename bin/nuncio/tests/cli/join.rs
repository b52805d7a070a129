//! `nuncio join-token` and `nuncio join`: from nothing to a node.

use std::{
    fs,
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
};

use super::{
    processes::{Kept, Net},
    support::{Run, command, nuncio},
};

fn make(net: &Net, at: &str, name: &str) -> (String, String) {
    let made = nuncio(["join-token", "make", name, "--json", "--ca", &net.text("net/agencies/agencyA"), "--at", at]);
    let object = made.must_succeed().objects().remove(0);
    (object["token"].as_str().expect("text").to_owned(), object["id"].as_str().expect("text").to_owned())
}

fn join(net: &Net, token: &str, out: &str) -> Run {
    nuncio(["join", token, "--json", "--out", &net.text(out), "--no-start"])
}

#[test]
fn a_newcomer_joins_once_and_every_other_token_is_refused_with_a_sentence() {
    let net = Net::create(1, "full");
    let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let issuer = format!("\n[issuer]\nca = \"{}\"\nlisten = \"{at}\"\n", net.text("net/agencies/agencyA"));
    fs::write(net.config(0), fs::read_to_string(net.config(0)).unwrap() + &issuer).unwrap();
    let arguments = ["run", "--config", &net.config(0), "--stop-with-stdin"];
    let _node = Kept::spawn(command(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()));
    nuncio(["health", "--wait", "30s", "--config", &net.config(0)]).must_succeed();

    let (token, id) = make(&net, &at, "newcomer");
    let joined = join(&net, &token, "newcomer").must_succeed().objects().remove(0);
    assert_eq!((joined["name"].as_str(), joined["agency"].as_str()), (Some("newcomer"), Some("agencyA")));
    nuncio(["config", "check", "--config", &net.text("newcomer/nuncio.toml")]).must_succeed();
    // Again, as after an interruption: nothing is asked, and the node stays who it is.
    assert_eq!(join(&net, &token, "newcomer").must_succeed().objects()[0]["node_id"], joined["node_id"]);
    // With the key alone left of it, it is asked again, and the same key may.
    fs::remove_file(net.text("newcomer/conf/node.crt")).unwrap();
    assert_eq!(join(&net, &token, "newcomer").must_succeed().objects()[0]["node_id"], joined["node_id"]);

    let stolen = join(&net, &token, "thief");
    assert_eq!(stolen.code, 1);
    assert!(stolen.stderr.contains("was used, by another key"), "{}", stolen.stderr);
    assert!(!fs::exists(net.text("thief/conf/node.crt")).unwrap());
    let listed = nuncio(["join-token", "list", "--json", "--ca", &net.text("net/agencies/agencyA")]).must_succeed();
    assert_eq!((&listed.objects()[0]["id"], &listed.objects()[0]["state"]), (&id.into(), &"used".into()));

    // Killed while it wrote the configuration, which is all that is left to do: no part of it is taken for the whole.
    let (ip, port) = at.split_once(':').expect("an address");
    let (cut, _) = make(&net, &format!("/ip4/{ip}/tcp/{port}"), "cut");
    join(&net, &cut, "cut").must_succeed();
    let (file, whole) = (net.text("cut/nuncio.toml"), fs::read_to_string(net.text("cut/nuncio.toml")).unwrap());
    fs::remove_file(&file).unwrap();
    let mut shell = Command::new("sh");
    let binary = assert_cmd::cargo::cargo_bin!("nuncio");
    let limited =
        shell.args(["-c", "ulimit -f 0; exec \"$@\"", "sh"]).arg(binary).args(["join", &cut, "--no-start", "--out"]);
    assert!(limited.arg(net.text("cut")).output().unwrap().status.signal().is_some());
    join(&net, &cut, "cut").must_succeed();
    assert_eq!(fs::read_to_string(&file).unwrap(), whole);

    let (other, id) = make(&net, &at, "other");
    let elsewhere = join(&net, &other, "newcomer");
    assert!(
        elsewhere.code == 1 && elsewhere.stderr.contains("the token is for other of agencyA"),
        "{}",
        elsewhere.stderr
    );
    nuncio(["join-token", "revoke", &id, "--ca", &net.text("net/agencies/agencyA")]).must_succeed();
    let revoked = join(&net, &other, "revoked");
    assert!(revoked.code == 1 && revoked.stderr.contains("knows no such join token"), "{}", revoked.stderr);
    for (bad, words) in [(&token[..40], "not whole"), ("nonsense", "no join token")] {
        let refused = join(&net, bad, "bad");
        assert!(refused.code == 2 && refused.stderr.contains(words), "{}", refused.stderr);
    }
}

/// Nobody refused anything: who waits for the node to run tries again.
#[test]
fn an_issuer_that_nobody_reaches_is_told_as_that() {
    let net = Net::create(1, "full");
    // A port that was free a moment ago.
    let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (token, _) = make(&net, &at, "early");
    let early = join(&net, &token, "early");
    assert_eq!((early.code, early.error_object()["error"].as_str()), (69, Some("unreachable")), "{}", early.stderr);
}

#[test]
fn no_token_is_made_that_nobody_could_use() {
    let net = Net::create(1, "full");
    let agency = net.text("net/agencies/agencyA");
    let make = |rest: &[&str]| nuncio([&["join-token", "make", "one", "--ca", &agency], rest].concat());
    let (many, far) = (["--at", "a:1"].repeat(9), format!("{}:65535", ["x"; 127].join(".")));
    for rest in
        [&many[..], &["--at", &far], &["--at", "a:1", "--network", ""], &["--at", "a:1", "--network", &"x".repeat(129)]]
    {
        let refused = make(rest);
        assert!(
            refused.code == 2
                && refused.stderr.contains("a token has room for")
                && refused.stderr.contains("for 8 addresses"),
            "{rest:?}: {}",
            refused.stderr
        );
    }
    let listed = nuncio(["join-token", "list", "--json", "--ca", &agency]).must_succeed();
    assert!(listed.objects().is_empty(), "nothing is left of them: {}", listed.stdout);
    assert!(make(&["--at", "[::1]:1", "--at", "/dns/a/tcp/2"]).must_succeed().stdout.starts_with("nuncio_join_"));
}
