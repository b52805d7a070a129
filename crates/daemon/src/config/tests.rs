use std::{collections::BTreeSet, fs, os::unix::ffi::OsStringExt, time::Duration};

use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("n/nuncio.toml"))
}

fn complaint(text: &str) -> String {
    let error = parse(text).unwrap_err();
    assert!(!error.hint().is_empty());
    error.to_string()
}

#[test]
fn the_default_file_reads_back_to_the_defaults() {
    let text = Config::default_text();
    assert_eq!(parse(&text).unwrap(), Config::default());
    assert_eq!(parse("").unwrap(), Config::default());
    let unset = text.lines().filter(|line| line.ends_with(" =")).collect::<Vec<_>>();
    assert!(unset.is_empty(), "keys without default need an example: {unset:?}");
}

#[test]
fn examples_in_the_default_file_are_valid() {
    let is_example = |line: &str| {
        let key = line.strip_prefix("# ").and_then(|rest| rest.split_once(" = ")).map(|(key, _)| key);
        key.is_some_and(|key| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let text: String = Config::default_text()
        .lines()
        .map(|line| if is_example(line) { &line[2..] } else { line })
        .collect::<Vec<_>>()
        .join("\n");
    let config = parse(&text).unwrap();
    assert!(config.gateway.key.is_some() && config.admin.listen.is_some() && config.admin.socket.is_some());
}

#[test]
fn every_key_is_described_with_its_default() {
    for Table { name, keys, .. } in TABLES {
        let names: BTreeSet<_> = keys.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), keys.len());
        for key in *keys {
            let says_default = key.lines.iter().any(|line| line.contains("Default: "));
            assert!(says_default || key.lines.iter().any(|line| line.contains("see key")), "{name}.{}", key.name);
        }
    }
}

#[test]
fn a_file_of_differences_reads_back() {
    let mut config = Config::default();
    assert_eq!(config.to_toml(), "");
    config.p2p.peers = vec!["127.0.0.1:30301".parse().unwrap(), "n2:30302".parse().unwrap()];
    config.p2p.redial_longest = Interval(Duration::from_secs(3));
    config.gateway.enabled = false;
    config.admin.listen = Some("127.0.0.1:9000".parse().unwrap());
    config.data_dir = "/var/lib/nuncio".into();
    assert_eq!(parse(&config.to_toml()).unwrap(), config);
    assert!(!config.to_toml().contains("listen = \"0.0.0.0"));
    assert_eq!(parse(&config.to_commented_toml()).unwrap(), config);
}

#[test]
fn errors_name_file_line_column_and_key() {
    for (text, beginning) in [
        ("[p2p]\nlisten = \"x\"", "n/nuncio.toml:2:10: p2p.listen: "),
        ("[p2p]\npeers = [\n \"a:1\",\n \"b\"]", "n/nuncio.toml:4:2: p2p.peers: `b` is not a peer's address"),
        ("[p2p]\nlissten = 1", "n/nuncio.toml:2:1: p2p.lissten: unknown field `lissten`, expected one of"),
        ("[p2pp]\n", "n/nuncio.toml:1:2: p2pp: unknown field `p2pp`"),
        ("data_dir = 5", "n/nuncio.toml:1:12: data_dir: invalid type: integer"),
        ("[p2p]\nredial_first = \"soon\"", "n/nuncio.toml:2:16: p2p.redial_first: `soon` is not a span of time"),
        ("[gateway]\nclient_queue = \"lots\"", "n/nuncio.toml:2:16: gateway.client_queue: `lots` is not a size"),
        ("[access]\ndeny = [\"abcd\"]", "n/nuncio.toml:2:9: access.deny: `abcd` is not a node ID"),
        ("[log]\nformat = \"xml\"", "n/nuncio.toml:2:10: log.format: unknown variant `xml`"),
        ("[log]\n\nfilter = \"a=b=c\"", "n/nuncio.toml:3:10: log.filter: "),
        ("[gateway]\nkey = \"k\"", "n/nuncio.toml:2:7: gateway.key: key, cert and ca are set together"),
        ("[gateway]\nlisten = \"0.0.0.0:30300\"", "n/nuncio.toml:2:10: gateway.listen: port 30300 is [p2p] listen's"),
        ("[admin]\nlisten = \"0.0.0.0:1\"", "n/nuncio.toml:2:10: admin.listen: 0.0.0.0:1 is not a loopback address"),
        ("p2p.max_links = 0", "n/nuncio.toml:1:17: p2p.max_links: 0 is not between 1 and 1048576"),
        (
            "[p2p]\nexternal = [\"a:1\",\"a:2\",\"a:3\",\"a:4\",\"a:5\",\"a:6\",\"a:7\",\"a:8\",\"a:9\"]",
            "n/nuncio.toml:2:12: p2p.external: 9 addresses: others are told 8 at the most",
        ),
        ("[p2p]\nexternal = [\"/dnsaddr/a.example/tcp/1\"]", "n/nuncio.toml:2:13: p2p.external: `/dnsaddr/"),
        ("p2p = { network = \"\" }", "n/nuncio.toml:1:19: p2p.network: a network's name has"),
    ] {
        let said = complaint(text);
        assert!(said.starts_with(beginning), "{said}\nshould start with\n{beginning}");
        assert!(!said.contains('\n'), "{said}");
    }
    assert!(complaint("[p2p\n").starts_with("n/nuncio.toml:1:5: "), "{}", complaint("[p2p\n"));
}

#[test]
fn paths_start_at_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nuncio.toml");
    fs::write(&file, "[identity]\ncrl = [\"conf/ca.crl\", \"/etc/other.crl\"]\n").unwrap();
    let config = Config::load(&file).unwrap();
    assert_eq!(config.identity.key, dir.path().join("conf/node.key"));
    assert_eq!(config.identity.crl, [dir.path().join("conf/ca.crl"), "/etc/other.crl".into()]);
    assert_eq!(config.admin_socket(), dir.path().join("data/admin.sock"));
    assert_eq!(config.channel_paths().key, config.identity.key);
    fs::create_dir_all(dir.path().join("conf/channel_cert")).unwrap();
    fs::write(dir.path().join("conf/channel_cert/node.crt"), "").unwrap();
    let paths = config.channel_paths();
    assert_eq!((&paths.ca, paths.files().count()), (&config.identity.ca, 6));
    assert_eq!(paths.rsa.unwrap().ca, Some(dir.path().join("conf/channel_cert/ca.crt")));
    assert!(complaint("[gateway]\nrsa_key = \"k\"").contains("rsa_cert is not set"));
    let missing = Config::load(&dir.path().join("none.toml")).unwrap_err();
    assert!(matches!(missing, ConfigError::Read { .. }) && missing.hint().contains("config default"));
}

#[test]
fn the_environment_comes_before_the_file() {
    let file = parse("[p2p]\nlisten = \"127.0.0.1:1\"\nmax_links = 3").unwrap();
    let overlay = |pairs: &[(&str, &str)]| {
        environment::overlay(file.clone(), pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    };
    let config = overlay(&[
        ("NUNCIO_P2P__LISTEN", "127.0.0.1:2"),
        ("NUNCIO_P2P__PEERS", "a:1, b:2"),
        ("NUNCIO_P2P__TARGET_DEGREE", "4"),
        ("NUNCIO_GATEWAY__ENABLED", "false"),
        ("NUNCIO_GATEWAY__CHAIN_ID", "7"),
        ("NUNCIO_DATA_DIR", "/d"),
        ("NUNCIO_ADMIN", "unix:/x"),
        ("NUNCIO_PORT_30300_TCP", "tcp://10.0.0.1:30300"),
        ("HOME", "/root"),
    ])
    .unwrap();
    assert_eq!(config.p2p.listen, "127.0.0.1:2".parse().unwrap());
    assert_eq!(config.p2p.peers.iter().map(Peer::as_str).collect::<Vec<_>>(), ["a:1", "b:2"]);
    assert_eq!((config.p2p.target_degree, config.p2p.max_links), (4, 3));
    assert_eq!((config.gateway.enabled, config.gateway.chain_id.as_str()), (false, "7"));
    assert_eq!(config.data_dir, Path::new("/d"));
    for (name, value) in [
        ("NUNCIO_GATEWAY__LISTEN", "0.0.0.0:1"),
        ("NUNCIO_LOG__FILTER", "loud"),
        ("NUNCIO_P2P__LISTEN", "x"),
        ("NUNCIO_P2P__NOTHING", "1"),
        ("NUNCIO_NO__X", "1"),
        ("NUNCIO_P2P_LISTEN", "127.0.0.1:3"),
        ("NUNCIO_P2P__MAX_LINKS", "5\nmax_links = 6"),
        ("NUNCIO_P2P__LISTEN", ""),
        ("NUNCIO_P2P__REDIAL_FIRST", ","),
        ("NUNCIO_P2P__FORGET_AFTER", "5124095576030000h"),
    ] {
        let error = overlay(&[(name, value)]).unwrap_err();
        assert!(error.to_string().starts_with(&format!("environment variable {name}: ")), "{error}");
    }
}

#[test]
fn operators_who_may_only_look_are_named_by_their_names_alone() {
    for name in ["auditor", "CN=auditor", "CN = The Auditor"] {
        parse(&format!("[admin]\nread_only = [\"{name}\"]")).unwrap();
    }
    for name in ["subject=CN = auditor", "/CN=auditor", "/O=agency/CN=auditor", "O = a, CN = auditor", "CN =", ""] {
        let said = complaint(&format!("[admin]\nread_only = [\"ok\", \"{name}\"]"));
        assert!(said.contains("read_only") && said.contains("is no name"), "{said}");
    }
}

#[test]
fn no_variable_of_ours_is_left_out_in_silence() {
    let overlay = |pairs: Vec<(&str, OsString)>| {
        let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value));
        environment::overlay(Config::default(), pairs).map_err(|error| error.to_string())
    };
    let unreadable = || OsString::from_vec(b"ba\xffk".to_vec());
    let said = overlay(vec![("NUNCIO_P2P__NETWORK", unreadable())]).unwrap_err();
    assert!(said.contains("NUNCIO_P2P__NETWORK: \"ba\\xFFk\" is not UTF-8"), "{said}");
    assert!(overlay(vec![("NUNCIO_KEY_PASSPHRASE", unreadable()), ("LANG", unreadable())]).is_ok());
    let said = overlay(vec![("NUNCIO_P2P__NETWORK", "a".into()), ("nuncio_p2p__network", "b".into())]);
    assert_eq!(said.unwrap().p2p.network, "a", "ours begin with capitals");
    let said = overlay(vec![("NUNCIO_P2P__NETWORK", "a".into()), ("NUNCIO_p2p__network", "b".into())]).unwrap_err();
    assert!(said.contains("is there twice"), "{said}");
}

#[test]
fn what_is_no_file_is_no_configuration_and_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("nuncio.toml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (looping, long) = (dir.path().join("loop.toml"), dir.path().join("long.toml"));
    std::os::unix::fs::symlink(&looping, &looping).unwrap();
    std::fs::File::create(&long).unwrap().set_len(17 << 20).unwrap();
    for (path, says, hint) in [
        (&pipe, "it is a pipe, not a file", "into a file"),
        (&PathBuf::from("/dev/zero"), "it is a device, not a file", "into a file"),
        (&dir.path().to_owned(), "it is a directory, not a file", "name the file in it"),
        (&looping, "symbolic links", "make"),
        (&long, "it is longer than 16777216 bytes", "look what is in it"),
    ] {
        let error = Config::load(path).unwrap_err();
        assert!(error.to_string().contains(says) && error.hint().contains(hint), "{error}: {}", error.hint());
    }
}

const NODE: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
                    483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";

fn config_ini() -> String {
    format!(
        "[rpc]
    channel_listen_ip=0.0.0.0
    channel_listen_port=20201
    jsonrpc_listen_ip=127.0.0.1
    jsonrpc_listen_port=8546
    disable_dynamic_group=false
[p2p]
    listen_ip=0.0.0.0
    listen_port=30301
    ; nodes to connect
    node.0=127.0.0.1:30300
    node.1=127.0.0.1:30301
    node.2=[::1]:30302
    node.3=n3.example.com:30303

[certificate_blacklist]
    ; crl.0 should be nodeid, nodeid's length is 128
    crl.0={NODE}

[certificate_whitelist]
    ;cal.0=

[group]
    group_data_path=data/
    group_config_path=conf/

[network_security]
    data_path=conf/
    key=node.key
    cert=node.crt
    ca_cert=ca.crt

[storage_security]
    enable=false
    key_manager_ip=
    key_manager_port=
    cipher_data_key=

[chain]
    id=3
    sm_crypto=false
    sm_crypto_channel=false
    rsa_crypto_channel=true

[compatibility]
    supported_version=2.11.1

[log]
    enable=true
    log_path=./log
    enable_statistic=false
    level=warning
    max_log_file_size=200

[flow_control]
    limit_req=1000
    outgoing_bandwidth_limit=2.5
"
    )
}

fn import(text: &str) -> Result<Imported, ConfigError> {
    fisco::import(text, Path::new("/n/node1/config.ini"))
}

#[test]
fn a_fisco_node_directory_is_taken_over() {
    let Imported { config, notes } = import(&config_ini()).unwrap();
    assert_eq!(config.p2p.listen, "0.0.0.0:30301".parse().unwrap());
    let peers: Vec<_> = config.p2p.peers.iter().map(Peer::as_str).collect();
    assert_eq!(peers, ["127.0.0.1:30300", "[::1]:30302", "n3.example.com:30303"]);
    assert_eq!(config.gateway.listen, "0.0.0.0:20201".parse().unwrap());
    assert_eq!(config.identity.key, Path::new("/n/node1/conf/node.key"));
    assert_eq!(config.identity.ca, Path::new("/n/node1/conf/ca.crt"));
    assert_eq!(config.channel_paths().cert, Path::new("/n/node1/conf/channel_cert/node.crt"));
    assert_eq!(config.channel_paths().ca, Path::new("/n/node1/conf/channel_cert/ca.crt"));
    assert_eq!(config.data_dir, Path::new("/n/node1/nuncio-data"));
    assert_eq!(config.access.deny.iter().map(ToString::to_string).collect::<Vec<_>>(), [NODE]);
    assert!(config.access.allow.is_empty());
    assert_eq!((config.gateway.chain_id.as_str(), config.gateway.supported_version.as_str()), ("3", "2.11.1"));
    assert_eq!(config.log.filter, "warn");
    assert_eq!(config.gateway.calls_per_second, Some(1000));
    assert_eq!(config.gateway.outgoing_limit, Some(Size(327_680)));
    let about = |key: &str| notes.iter().filter(|note| note.contains(key)).count();
    for key in ["rpc.jsonrpc_listen_port", "group.group_data_path", "log.log_path", "127.0.0.1:30301 left out"] {
        assert_eq!(about(key), 1, "{key}: {notes:#?}");
    }
    assert_eq!(about("p2p.listen_port"), 0);
    assert!(notes[0].starts_with("/n/node1/config.ini:4: rpc.jsonrpc_listen_ip ignored: "), "{}", notes[0]);
}

#[test]
fn what_has_no_key_that_fisco_has_is_not_taken_over() {
    let of_this_program = "[p2p]\nlisten = \"127.0.0.1:30300\"\n[log]\nfilter = \"warn\"\n";
    for text in ["", "[a]\nb=c\n", of_this_program, "[log]\nenable=true\n"] {
        assert!(matches!(import(text), Err(ConfigError::NotFisco { .. })), "{text}");
    }
    assert!(import("[a]\nb=c\n[p2p]\nlisten_port=30300\n").is_ok());
    let hint = |file: &str| ConfigError::NotFisco { path: file.into() }.hint();
    assert!(hint("a/nuncio.toml").contains("config check a/nuncio.toml") && hint("x.ini").contains("config.ini"));
}

#[test]
fn old_names_and_fallbacks_of_fisco() {
    let text =
        format!("[rpc]\nlisten_ip=10.0.0.1\n[secure]\ndata_path=certs\n[crl]\ncrl.0={NODE}\n[cal]\ncal.0={NODE}");
    let config = import(&text).unwrap().config;
    assert_eq!(config.gateway.listen, "10.0.0.1:20200".parse().unwrap());
    assert_eq!(config.p2p.listen, "0.0.0.0:30300".parse().unwrap());
    assert_eq!((config.access.allow.len(), config.access.deny.len()), (1, 1));
    assert_eq!(config.identity.cert, Path::new("/n/node1/certs/node.crt"));
    assert_eq!(config.channel_paths().cert, config.identity.cert);
}

#[test]
fn sdk_lists_of_groups_are_taken_over_or_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (conf, file) = (dir.path().join("conf"), dir.path().join("config.ini"));
    fs::create_dir(&conf).unwrap();
    fs::write(&file, config_ini()).unwrap();
    fs::write(conf.join("group.1.genesis"), "[sdk_allowlist]\npublic_key.0=nonsense").unwrap();
    let import = || fisco::import(&config_ini(), &file);
    assert_eq!(import().unwrap().config.gateway.allow, []);
    fs::write(conf.join("group.1.ini"), format!("[tx_pool]\nlimit=1\n[sdk_allowlist]\n  public_key.0={NODE}\n"))
        .unwrap();
    assert_eq!(import().unwrap().config.gateway.allow, [NODE.parse().unwrap()]);
    fs::write(conf.join("group.2.ini"), "[sdk_allowlist]\n;public_key.0=\n").unwrap();
    let Imported { config, notes } = import().unwrap();
    assert_eq!(config.gateway.allow, [NODE.parse().unwrap()]);
    assert!(notes.iter().any(|note| note.contains("group.2.ini has no sdk_allowlist")), "{notes:#?}");
    assert_eq!(fisco::group_files(&file), [conf.join("group.1.ini"), conf.join("group.2.ini")]);
    fs::write(conf.join("group.2.ini"), "[sdk_allowlist]\npublic_key.0=1234\n").unwrap();
    let error = import().unwrap_err().to_string();
    assert!(error.contains("group.2.ini:2:1: sdk_allowlist.public_key.0: `1234` is not an SDK"), "{error}");
}

#[test]
fn what_fisco_directories_cannot_ask_for() {
    for (text, said) in [
        ("[p2p]\nlisten_port=x", "/n/node1/config.ini:2:1: p2p.listen_port: `x` is not a port"),
        ("[p2p]\n\nnode.0=abc", "/n/node1/config.ini:3:1: p2p.node.0: `abc` is not a peer's address"),
        ("[crl]\ncrl.0=12", "/n/node1/config.ini:2:1: crl.crl.0: `12` is not a node ID"),
        ("[p2p]\nnonsense", "/n/node1/config.ini:2:1: expected `key=value`"),
        ("[chain]\nsm_crypto=true", "/n/node1/config.ini: chain.sm_crypto: SM cryptography is not supported"),
        ("[flow_control]\nlimit_req=-1", "/n/node1/config.ini:2:1: flow_control.limit_req: `-1` is not a number"),
        (
            "[flow_control]\noutgoing_bandwidth_limit=0",
            "/n/node1/config.ini:2:1: flow_control.outgoing_bandwidth_limit",
        ),
        ("[storage_security]\nenable=true", "/n/node1/config.ini: storage_security.enable: node.key is encrypted"),
    ] {
        let error = import(text).unwrap_err();
        assert!(error.to_string().starts_with(said), "{error}");
        assert!(!error.hint().is_empty());
    }
}

#[test]
fn a_fisco_directory_is_read_as_editors_in_china_save_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.ini");
    let plain = config_ini();
    let crlf = plain.replace('\n', "\r\n").into_bytes();
    let utf16 = plain.encode_utf16().flat_map(u16::to_le_bytes);
    // "listening port" in Chinese: as UTF-8, as GBK, and a letter that is neither.
    let forms = [
        crlf,
        [b"\xef\xbb\xbf", plain.as_bytes()].concat(),
        [b"\xff\xfe".to_vec(), utf16.collect()].concat(),
        format!("; \u{76d1}\u{542c}\u{7aef}\u{53e3}\n{plain}").into_bytes(),
        [b"; \xbc\xe0\xcc\xfd\xb6\xcb\xbf\xda\n", plain.as_bytes()].concat(),
        [b"; f\xfcr \xff\n", plain.as_bytes()].concat(),
    ];
    fs::write(&file, &plain).unwrap();
    let expected = Config::import_fisco(&file).unwrap().config;
    for form in forms {
        fs::write(&file, &form).unwrap();
        assert_eq!(Config::import_fisco(dir.path()).unwrap().config, expected, "{}", String::from_utf8_lossy(&form));
    }
    // In a value, too.
    fs::write(&file, b"[network_security]\ndata_path=\xd6\xa4\xca\xe9\n").unwrap();
    let config = Config::import_fisco(&file).unwrap().config;
    assert_eq!(config.identity.key, dir.path().join("\u{8bc1}\u{4e66}/node.key"));
}

#[test]
fn a_toml_is_utf_8_or_said_not_to_be_with_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nuncio.toml");
    let text = "[p2p]\nmax_links = 3\n";
    let utf16 = text.encode_utf16().flat_map(u16::to_be_bytes);
    fs::write(&file, [b"\xfe\xff".to_vec(), utf16.collect()].concat()).unwrap();
    assert_eq!(Config::load(&file).unwrap().p2p.max_links, 3);
    fs::write(&file, [text.as_bytes(), b"# \xbc\xe0\n"].concat()).unwrap();
    let error = Config::load(&file).unwrap_err().to_string();
    assert!(error.contains("nuncio.toml:3:3: is not UTF-8 from here on"), "{error}");
}

#[test]
fn a_directory_of_fisco_3_is_said_to_be_one() {
    for text in [
        "[p2p]\nlisten_port=30300\nnodes_path=./\nnodes_file=nodes.json",
        "[p2p]\nsm_ssl=false",
        "[cert]\nca_path=./conf\nnode_key=ssl.key",
        "[security]\nprivate_key_path=conf/node.pem",
        "[chain]\nsm_crypto=false\ngroup_id=group0",
        "[rpc]\nlisten_port=20200\nthread_count=4",
    ] {
        let error = import(text).unwrap_err().to_string();
        assert!(error.contains("a node directory of FISCO BCOS 3.x"), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Config::import_fisco(dir.path()), Err(ConfigError::Read { .. })));
    fs::write(dir.path().join("config.genesis"), "").unwrap();
    let error = Config::import_fisco(dir.path()).unwrap_err().to_string();
    assert!(error.contains("config.genesis: this is a node directory of FISCO BCOS 3.x"), "{error}");
}

/// What stands in the page "Rights and namespaces" is a configuration, and means what the page says.
#[test]
fn the_books_example_of_rights_is_one() {
    use nuncio_rights::{Act, Party, Quota};
    let page = include_str!("../../../../docs/book/rights-and-namespaces.md");
    let example = page.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let rights = parse(example).unwrap().rights.in_force().unwrap();
    let (own, partner) = (Party::sdk("agencyA", "sdk"), Party::sdk("agencyB", "sdk"));
    let node3 = Party::node("agencyB", "node3", &[3; 64]);
    for (party, act, topic, expected) in [
        (&own, Act::Publish, "anything", true),
        (&own, Act::Subscribe, "settlement/x", true),
        (&partner, Act::Publish, "orders/new", true),
        (&partner, Act::Publish, "orders/internal/1", false),
        (&node3, Act::Publish, "orders/internal/1", true),
        (&partner, Act::Subscribe, "receipts", true),
        (&partner, Act::Subscribe, "receipts/1", false),
        (&partner, Act::Subscribe, "orders/new", false),
        (&partner, Act::See, "orders/new", true),
        (&partner, Act::Subscribe, "settlement/x", false),
        (&Party::sdk("agencyC", "sdk"), Act::Publish, "orders", false),
    ] {
        assert_eq!(rights.judge(&party.subject(), act, topic).is_allowed(), expected, "{party:?} {act} {topic}");
    }
    let quotas = rights.quotas(&partner.subject());
    assert_eq!((quotas.credential.messages, quotas.credential.sessions), (Some(200), Some(8)));
    let agency = Quota { bytes: Some(4 << 20), in_flight: Some(16 << 20), ..Quota::default() };
    assert_eq!(quotas.agency, agency);
}

#[test]
fn rules_that_cannot_be_are_named_with_their_place() {
    for (text, place, words) in [
        ("[[rights.allow]]\npublish = [\"a*b\"]", ":2:", "a `*` stands at the end only"),
        (
            "[[rights.allow]]\nwho = { name = \"x\" }\npublish = [\"a\"]",
            "rights.allow",
            "number 1: name \"x\" stands without",
        ),
        ("[[rights.deny]]\nwho = { agency = \"x\" }", "rights.deny", "number 1: it names no topics"),
        ("[[rights.allow]]\nwho = { agnecy = \"x\" }\npublish = [\"a\"]", ":2:", "unknown field"),
        ("[[rights.namespace]]\nname = \"a/b\"\nmembers = []", "rights.namespace", "no name for a namespace"),
        ("[[rights.quota]]\nmessages = 0", "rights.quota", "would let nothing through"),
        ("[[rights.quota]]\nbytes = \"lots\"", ":2:", "is not a size"),
        ("[rights]\ndefault = \"denied\"", ":2:", "unknown variant"),
    ] {
        let complaint = complaint(text);
        assert!(complaint.contains(place) && complaint.contains(words), "{text}\n{complaint}");
    }
}

#[test]
fn ten_thousand_rules_are_read_and_written_as_they_were() {
    let rule = |n: usize| format!("[[rights.allow]]\nwho = {{ agency = \"agency{n}\" }}\npublish = [\"topic{n}*\"]\n");
    let text: String = (0..10_000).map(rule).collect();
    let config = parse(&text).unwrap();
    assert_eq!(config.rights.allow.len(), 10_000);
    assert_eq!(parse(&config.to_toml()).unwrap(), config);
    assert_eq!(parse(&config.to_commented_toml()).unwrap(), config);
}

/// What stands in the page "Priorities" is a configuration, and means what the page says.
#[test]
fn the_books_example_of_priorities_is_one_and_what_contradicts_itself_is_refused() {
    use nuncio_protocol::Priority;
    let page = include_str!("../../../../docs/book/priorities.md");
    let example = page.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let said = parse(example).unwrap().priorities.in_force().unwrap();
    for (topic, priority) in [
        ("alarms/fire", Priority::Control),
        ("alarms/test/1", Priority::Normal),
        ("orders/cancel", Priority::High),
        ("orders", Priority::Normal),
        ("backup/monday", Priority::Bulk),
    ] {
        assert_eq!(said.of(topic, None), priority, "{topic}");
    }
    let error = parse("[priorities]\ncontrol = [\"a*\"]\nbulk = [\"a*\"]").unwrap_err().to_string();
    assert!(error.contains("`a*` is named control and bulk"), "{error}");
    let error = parse("[priorities]\nhigh = [\"a*b\"]").unwrap_err().to_string();
    assert!(error.contains("a `*` stands at the end only"), "{error}");
}
