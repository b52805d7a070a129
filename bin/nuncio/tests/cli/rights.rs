//! `nuncio rights check`: who may do what, and why.

use std::{fs, path::Path};

use super::support::{Run, nuncio};

/// A node of agencyA with these rules, and an SDK of agencyB.
fn home(directory: &Path, rules: &str) {
    let text = |name: &str| directory.join(name).display().to_string();
    nuncio(["ca", "init", "--out", &text("ca")]).must_succeed();
    for agency in ["agencyA", "agencyB"] {
        nuncio(["ca", "agency", agency, "--ca", &text("ca"), "--out", &text(agency)]).must_succeed();
    }
    nuncio(["cert", "issue", "node0", "--ca", &text("agencyA"), "--out", &text("conf")]).must_succeed();
    let sdk = ["cert", "issue", "shop", "--kind", "sdk", "--ca", &text("agencyB"), "--out", &text("sdk")];
    nuncio(sdk).must_succeed();
    fs::write(directory.join("nuncio.toml"), rules).expect("a file");
}

fn check(directory: &Path, arguments: &[&str]) -> Run {
    let config = directory.join("nuncio.toml").display().to_string();
    let fixed = ["rights", "check", "--config", &config, "--json"];
    nuncio(fixed.iter().chain(arguments))
}

#[test]
fn who_may_do_what_is_said_with_the_rule_that_decides() {
    let directory = tempfile::tempdir().expect("a directory");
    let rules = r#"
[rights]
default = "deny"

[[rights.allow]]
who = { agency = "agencyB" }
publish = ["orders*"]

[[rights.deny]]
who = { agency = "agencyB", name = "shop" }
publish = ["orders/internal"]

[[rights.namespace]]
name = "ledger"
members = [{ agency = "agencyB" }]
"#;
    home(directory.path(), rules);
    let cert = directory.path().join("sdk/sdk.crt").display().to_string();
    let allowed = check(directory.path(), &["publish", "orders/new", "--cert", &cert]).must_succeed();
    let object = &allowed.objects()[0];
    assert_eq!((&object["agency"], &object["name"]), (&"agencyB".into(), &"shop".into()));
    assert_eq!(object["reason"], "[[rights.allow]] number 1 allows it");
    for (arguments, reason) in [
        (vec!["publish", "orders/internal", "--cert", &cert], "[[rights.deny]] number 1"),
        (vec!["subscribe", "orders/new", "--cert", &cert], "default is \"deny\""),
        (vec!["publish", "ledger/x", "--agency", "agencyA"], "this certificate is no member"),
        (vec!["publish", "ledger/x", "--agency", "agencyB"], "this node is no member"),
        (vec!["publish", "#!$TopicNeedVerify_orders/internal", "--cert", &cert], "[[rights.deny]] number 1"),
    ] {
        let denied = check(directory.path(), &arguments);
        assert_eq!(denied.code, 1, "{arguments:?}");
        let message = denied.error_object()["message"].as_str().expect("a message").to_owned();
        assert!(message.contains(reason), "{arguments:?}: {message}");
    }
    let node = ["publish", "orders/internal", "--agency", "agencyB", "--name", "shop", "--role", "node"];
    assert_eq!(check(directory.path(), &node).code, 1, "a rule without a role is about nodes too");
    check(directory.path(), &["see", "orders/new", "--agency", "agencyB/below"]).must_succeed();
    assert_eq!(check(directory.path(), &["read", "orders", "--agency", "agencyB"]).code, 2);
}
