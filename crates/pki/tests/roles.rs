//! Who is told apart from whom: roles stated by our usages, by FISCO BCOS's OUs, and by nothing.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path};

use nuncio_pki::{
    Certificate, ChainError, DirectoryError, Identity, IdentityPaths, Policy, Role, RoleRule, Stated,
    authority::{Issuer, Kind, Validity},
    inspect,
};
use rustls_pki_types::{CertificateDer, UnixTime};

#[path = "support/openssl.rs"]
mod openssl;
use openssl::{build_agency, build_leaf, build_root, build_rsa, openssl};

fn read(path: &Path) -> Vec<Certificate> {
    Certificate::from_pem_bundle(fs::read_to_string(path).unwrap()).unwrap()
}

fn judge(policy: &Policy, chain: &[Certificate]) -> Result<Role, ChainError> {
    let chain: Vec<CertificateDer<'_>> = chain.iter().map(|one| one.der().clone()).collect();
    policy.judge(&chain, UnixTime::now()).map(|credential| credential.role)
}

#[test]
fn of_ours_only_a_nodes_certificate_makes_a_node_whatever_the_rule() {
    let good = Validity::days(30);
    let root = Issuer::root("chain", good).unwrap();
    let agency = root.agency("agencyA", good).unwrap();
    let policy = Policy::new(vec![root.certificate().clone()]).unwrap();
    for rule in [RoleRule::Required, RoleRule::Any] {
        let policy = policy.clone().with_roles(rule);
        assert_eq!(judge(&policy, &agency.issue(Kind::Node, "a", good).unwrap().chain), Ok(Role::Node));
        for kind in [Kind::Sdk, Kind::Operator] {
            let issued = agency.issue(kind, "a", good).unwrap();
            assert_eq!(*issued.certificate().stated_roles(), Stated::ByUsage(vec![kind.role()]));
            let refused = judge(&policy, &issued.chain).unwrap_err();
            let words = format!("has role {}, and this door takes role node only", kind.role());
            assert!(refused.to_string().contains(&words), "{refused}");
            assert!(refused.hint().contains("nuncio cert issue NAME --ca DIR --out DIR --kind node"), "{refused}");
        }
    }
}

/// A tool that knows no roles made it; whoever tells nodes and SDKs apart writes an OU.
#[test]
fn a_certificate_without_any_ou_passes_every_door() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    build_root(path);
    build_agency(path);
    // OpenSSL leaves out an attribute without a value.
    build_leaf(path, "unmarked", "");
    let chain = read(&path.join("unmarked.crt"));
    assert_eq!(*chain[0].stated_roles(), Stated::Unmarked);
    assert_eq!(judge(&Policy::new(read(&path.join("ca.crt"))).unwrap(), &chain), Ok(Role::Node));
}

#[test]
fn nobody_becomes_an_operator_by_saying_nothing() {
    for stated in [Stated::Unmarked, Stated::Nothing, Stated::ByUnit(vec![Role::Node])] {
        for rule in [RoleRule::Required, RoleRule::Any] {
            assert!(!rule.admits(Role::Operator, &stated), "{rule:?} {stated:?}");
        }
    }
    assert!(RoleRule::Required.admits(Role::Operator, &Stated::ByUsage(vec![Role::Operator])));
}

/// FISCO BCOS's script writes the role as OU; other tools write what they like.
#[test]
fn certificates_of_other_tools_are_told_apart_by_their_ou_unless_the_rule_is_any() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    build_root(path);
    build_agency(path);
    let strict = Policy::new(read(&path.join("ca.crt"))).unwrap();
    let lenient = strict.clone().with_roles(RoleRule::Any);
    for (unit, stated) in [
        ("node", Stated::ByUnit(vec![Role::Node])),
        ("sdk", Stated::ByUnit(vec![Role::Sdk])),
        // An RSA client of FISCO BCOS has this one; on secp256k1 it is an agency's.
        ("agency", Stated::Nothing),
        ("Node", Stated::Nothing),
        ("operator", Stated::Nothing),
        ("treasury", Stated::Nothing),
        ("treasury/OU=node", Stated::ByUnit(vec![Role::Node])),
    ] {
        build_leaf(path, "leaf", unit);
        let chain = read(&path.join("leaf.crt"));
        assert_eq!(*chain[0].stated_roles(), stated, "{unit}");
        let is_node = stated.roles() == [Role::Node];
        assert_eq!(judge(&strict, &chain).is_ok(), is_node, "{unit}");
        assert_eq!(judge(&lenient, &chain), Ok(Role::Node), "{unit}");
        if !is_node {
            let refused = judge(&strict, &chain).unwrap_err();
            assert!(matches!(refused, ChainError::OtherRole { role: Role::Node, .. }), "{refused}");
            assert!(refused.hint().contains("roles = \"any\""), "{}", refused.hint());
        }
    }
    build_rsa(path, &["rsa"]);
    assert_eq!(*read(&path.join("rsa.crt"))[0].stated_roles(), Stated::ByUnit(vec![Role::Node, Role::Sdk]));
    assert_eq!(*read(&path.join("rsa-ca.crt"))[0].stated_roles(), Stated::Nothing);
}

/// A usage counts alone: what the subject says beside it does not.
#[test]
fn a_usage_of_ours_outweighs_the_ou() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    build_root(path);
    build_agency(path);
    let usage = Role::Sdk.usage();
    let section = format!("basicConstraints = CA:FALSE\nextendedKeyUsage = clientAuth, {usage}\n");
    fs::write(path.join("cert.cnf"), format!("[req]\ndistinguished_name = dn\n[dn]\n[v3_req]\n{section}")).unwrap();
    build_leaf(path, "leaf", "node");
    let chain = read(&path.join("leaf.crt"));
    assert_eq!(*chain[0].stated_roles(), Stated::ByUsage(vec![Role::Sdk]));
    for rule in [RoleRule::Required, RoleRule::Any] {
        let policy = Policy::new(read(&path.join("ca.crt"))).unwrap().with_roles(rule);
        assert!(judge(&policy, &chain).is_err());
    }
}

/// Releases that know no roles, and other TLS stacks, go by the usual usages.
#[test]
fn openssl_takes_our_certificates_for_what_they_are_used_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let good = Validity::days(30);
    let root = Issuer::root("chain", good).unwrap();
    for (kind, purposes) in
        [(Kind::Node, &["sslclient", "sslserver"][..]), (Kind::Sdk, &["sslclient"]), (Kind::Operator, &["sslclient"])]
    {
        let name = kind.role().as_str();
        let folder = path.join(name);
        root.issue(kind, "a", good).unwrap().write(&folder, kind).unwrap();
        for purpose in purposes {
            openssl(&folder, &format!("verify -x509_strict -purpose {purpose} -CAfile ca.crt {name}.crt"));
        }
        let text = openssl(&folder, &format!("x509 -in {name}.crt -noout -text"));
        assert!(text.contains(&kind.role().usage()), "{text}");
        let summary = inspect(&folder.join(format!("{name}.crt")), None, None, UnixTime::now()).unwrap().swap_remove(0);
        assert_eq!((summary.roles, summary.chain_problem), (vec![name], None));
    }
}

#[test]
fn an_sdks_files_do_not_load_as_a_nodes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    build_root(path);
    build_agency(path);
    build_leaf(path, "node", "sdk");
    let paths = IdentityPaths::in_directory(path);
    let error = Identity::load(&paths).unwrap_err();
    assert!(matches!(error, DirectoryError::Chain { source: ChainError::OtherRole { .. }, .. }), "{error}");
    assert!(error.to_string().contains("role sdk") && error.to_string().contains("role node"), "{error}");
    let (_, policy) = Identity::load(&IdentityPaths { roles: RoleRule::Any, ..paths }).unwrap();
    assert_eq!(policy.roles(), RoleRule::Any);
}

/// `leaf` below `agency`, which states these usages itself.
fn below_usages(path: &Path, of_agency: &str, of_leaf: &str) -> Vec<Certificate> {
    let usages = |usages: &str| match usages {
        "" => String::new(),
        usages => format!("extendedKeyUsage = clientAuth, serverAuth, {usages}\n"),
    };
    let config = format!(
        "[req]\ndistinguished_name = dn\n[dn]\n[v3_req]\nbasicConstraints = CA:FALSE\n{}[v4_req]\nbasicConstraints = \
         CA:TRUE\n{}",
        usages(of_leaf),
        usages(of_agency)
    );
    build_root(path);
    fs::write(path.join("cert.cnf"), config).unwrap();
    build_agency(path);
    build_leaf(path, "leaf", "node");
    read(&path.join("leaf.crt"))
}

/// An agency may be one for SDKs alone. Its OU, which is `agency` at FISCO BCOS's, narrows nothing.
#[test]
fn an_authority_that_states_roles_by_usages_issues_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let [node, sdk, both] =
        [Role::Node.usage(), Role::Sdk.usage(), format!("{}, {}", Role::Node.usage(), Role::Sdk.usage())];
    for (of_agency, is_node) in [("", true), (&*node, true), (&*both, true), (&*sdk, false)] {
        for of_leaf in ["", &node, &both] {
            let chain = below_usages(path, of_agency, of_leaf);
            let judged = judge(&Policy::new(read(&path.join("ca.crt"))).unwrap(), &chain);
            assert_eq!(judged.is_ok(), is_node, "{of_agency} {of_leaf}: {judged:?}");
            if let Err(refused) = judged {
                let words = "which may not issue it: by its extendedKeyUsage it issues role sdk only, not role node";
                assert!(refused.to_string().contains(words), "{refused}");
            }
        }
    }
}

/// A usage of ours that this version does not know is a role, and none that it has a door for.
#[test]
fn a_role_of_a_later_version_passes_no_door_of_this_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let later = Role::Operator.usage().strip_suffix('3').unwrap().to_owned() + "4";
    for unit in ["", "node", "sdk"] {
        let section = format!("basicConstraints = CA:FALSE\nextendedKeyUsage = clientAuth, {later}\n");
        build_root(path);
        build_agency(path);
        fs::write(path.join("cert.cnf"), format!("[req]\ndistinguished_name = dn\n[dn]\n[v3_req]\n{section}")).unwrap();
        build_leaf(path, "leaf", unit);
        let chain = read(&path.join("leaf.crt"));
        assert_eq!(*chain[0].stated_roles(), Stated::ByUsage(Vec::new()));
        for rule in [RoleRule::Required, RoleRule::Any] {
            let refused =
                judge(&Policy::new(read(&path.join("ca.crt"))).unwrap().with_roles(rule), &chain).unwrap_err();
            assert!(refused.to_string().contains("has a role that this version does not know"), "{refused}");
            assert!(Role::ALL.iter().all(|role| !rule.admits(*role, chain[0].stated_roles())));
        }
    }
    // Beside one that it knows, that one counts.
    let known = format!("{later}, {}", Role::Node.usage());
    let chain = below_usages(path, "", &known);
    assert_eq!(*chain[0].stated_roles(), Stated::ByUsage(vec![Role::Node]));
    assert_eq!(judge(&Policy::new(read(&path.join("ca.crt"))).unwrap(), &chain), Ok(Role::Node));
}

/// Whoever writes an OU tells roles apart, also where what he wrote cannot be read, or is nothing.
#[test]
fn an_ou_that_cannot_be_read_is_not_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    build_root(path);
    build_agency(path);
    build_leaf(path, "leaf", "nodex");
    let leaf = read(&path.join("leaf.crt")).swap_remove(0);
    assert_eq!(*leaf.stated_roles(), Stated::Nothing);
    let written = [&[0x0c, 5][..], b"nodex"].concat();
    let at = leaf.der().windows(written.len()).position(|window| window == written).expect("a UTF8String");
    let changed = |value: &[u8]| {
        let mut der = leaf.der().to_vec();
        der[at..at + value.len()].copy_from_slice(value);
        Certificate::from_der(der.into())
    };
    for no_text in [[0x0c, 5, 0xff, 0xfe, 0xfd, 0xfc, 0xfb], [0x1e, 5, 0, 1, 2, 3, 4]] {
        assert!(changed(&no_text).is_err(), "{no_text:02x?}");
    }
    let bits = changed(&[0x03, 5, 0, 1, 2, 3, 4]).unwrap();
    assert_eq!(*bits.stated_roles(), Stated::Nothing);
    assert!(!RoleRule::Required.admits(Role::Node, bits.stated_roles()));
}
