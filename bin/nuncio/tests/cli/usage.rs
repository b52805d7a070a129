//! What the command line promises: streams, exit codes, and errors that say what to do.

use super::support::{Run, command, nuncio};

#[test]
fn help_is_data_and_names_every_command() {
    let run = nuncio(["--help"]);
    assert_eq!(run.code, 0);
    for command in [
        "run",
        "status",
        "peers",
        "nodes",
        "top",
        "topics",
        "access",
        "send",
        "publish",
        "broadcast",
        "listen",
        "amop",
        "ca",
        "cert",
        "config",
        "health",
        "log-level",
        "testnet",
        "completions",
    ] {
        assert!(run.stdout.contains(&format!("  {command}")), "{command} is missing in\n{}", run.stdout);
    }
    assert!(run.stdout.contains("Exit codes:"));
    assert_eq!(run.stderr, "");
}

#[test]
fn a_command_line_that_is_not_understood_exits_with_2_and_keeps_standard_output_clean() {
    for arguments in [&["frobnicate"][..], &[], &["send"], &["testnet", "demo", "--nodes", "2"], &["--wrong"]] {
        let run = nuncio(arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn top_needs_a_terminal_and_says_what_else_there_is() {
    let run = nuncio(["top", "--admin", "unix:/nowhere/admin.sock"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    run.must_be_one_line_and_a_hint();
    assert!(run.stderr.contains("terminal") && run.stderr.contains("--once"), "{}", run.stderr);
    assert_eq!(nuncio(["top", "--once", "--admin", "unix:/nowhere/admin.sock"]).code, 69);
}

#[test]
fn a_simulation_says_what_it_found_line_by_line() {
    let run = nuncio(["simulate", "--nodes", "4", "--scenario", "join"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let words: Vec<_> = run.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(words, ["network", "converged", "traffic", "took"], "{}", run.stdout);
}

#[test]
fn with_json_a_usage_error_is_an_object_too() {
    let run = nuncio(["--json", "frobnicate"]);
    assert_eq!(run.code, 2);
    let object = run.error_object();
    assert_eq!(object["error"], "usage");
    assert!(object["message"].as_str().unwrap().contains("frobnicate"));
    let run = nuncio(["send", "--json"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    let message = run.error_object()["message"].as_str().unwrap().to_owned();
    assert_eq!(message, "the following required arguments were not provided: <NODEID>");
    assert_eq!(nuncio(["ca", "--json"]).error_object()["error"], "usage");
}

#[test]
fn a_usage_error_is_one_line_and_a_hint() {
    let arguments: [&[&str]; 4] = [&["frobnicate"], &["send"], &["--wrong"], &["testnet", "demo", "--nodes", "2"]];
    for arguments in arguments {
        let run = nuncio(arguments);
        run.must_be_one_line_and_a_hint();
        assert!(run.stderr.trim_end().ends_with("--help"), "{}", run.stderr);
    }
}

#[test]
fn an_address_beats_the_configuration_as_the_help_says() {
    let run = nuncio(["status", "--admin", "unix:/nowhere/admin.sock", "--config", "/nowhere/nuncio.toml"]);
    assert_eq!(run.code, 69, "{}", run.stderr);
    assert!(run.stderr.contains("/nowhere/admin.sock"), "{}", run.stderr);
}

#[test]
fn sizes_are_read_as_the_configuration_reads_them() {
    for size in ["4KiB", "4096", "1MiB"] {
        let run = nuncio(["bench", "unicast", "--payload", size, "--in-flight", "0"]);
        assert!(run.code == 2 && run.stderr.contains("at least 1 message in flight"), "{size}: {}", run.stderr);
    }
    for arguments in
        [&["bench", "--payload", "lots"][..], &["amop", "receive-files", "t", "--out", "d", "--max-bytes", "-"]]
    {
        let run = nuncio(arguments);
        assert!(run.code == 2 && run.stderr.contains("4MiB"), "{}", run.stderr);
    }
}

#[test]
fn what_is_no_configuration_of_fisco_is_not_imported() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| Run::of(command(arguments.iter().copied()).current_dir(&directory));
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("nuncio.toml", "[p2p]\nlisten = \"127.0.0.1:30300\"\n[log]\nfilter = \"warn\"\n");
    write("other.ini", "[a]\nb=c\n");
    write("config.ini", "[p2p]\nlisten_port=30301\n[log]\nenable=true\n");
    for (file, hint) in
        [("nuncio.toml", "nuncio config check nuncio.toml"), ("other.ini", "config.ini and conf/ are in it")]
    {
        let run = run(&["config", "import", file]);
        assert_eq!((run.code, run.stdout.as_str()), (78, ""), "{}", run.stderr);
        run.must_be_one_line_and_a_hint();
        assert!(run.stderr.contains(hint), "{}", run.stderr);
    }
    let text = run(&["config", "import", "config.ini"]).must_succeed();
    assert!(text.stdout.contains("30301") && text.stdout.contains("[p2p]"), "{}", text.stdout);
    let object = run(&["--json", "config", "import", "config.ini"]).must_succeed();
    assert_eq!(object.objects()[0]["p2p"]["listen"], "0.0.0.0:30301");
}

#[test]
fn without_any_node_named_the_hint_says_how_to_name_one() {
    let run = nuncio(["status"]);
    assert_eq!(run.code, 2);
    run.must_be_one_line_and_a_hint();
    assert!(run.stderr.contains("--admin"));
}

#[test]
fn a_node_that_is_not_there_is_69_for_every_command_that_talks_to_one() {
    let directory = tempfile::tempdir().unwrap();
    let admin = format!("unix:{}/admin.sock", directory.path().display());
    let node = "ab".repeat(64);
    for command in [
        &["status"][..],
        &["peers"],
        &["peers", "add", "127.0.0.1:1"],
        &["nodes"],
        &["topics"],
        &["access", "list"],
        &["access", "deny", &node],
        &["send", &node, "--data", "x"],
        &["publish", "t", "--data", "x"],
        &["broadcast", "--data", "x"],
        &["listen"],
        &["health"],
        &["log-level"],
    ] {
        let run = nuncio(command.iter().copied().chain(["--admin", admin.as_str()]));
        assert_eq!(run.code, 69, "{command:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{command:?}");
        run.must_be_one_line_and_a_hint();
    }
}

#[test]
fn with_json_a_failure_is_one_object_on_standard_error() {
    let run = nuncio(["--json", "status", "--admin", "unix:/nowhere/admin.sock"]);
    assert_eq!(run.code, 69);
    assert_eq!(run.stdout, "");
    let object = run.error_object();
    assert_eq!(object["error"], "unreachable");
    assert!(object["message"].as_str().unwrap().contains("/nowhere/admin.sock"));
}

#[test]
fn the_environment_names_the_node_when_nothing_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let run = Run::of(command(["status"]).env("NUNCIO_ADMIN", "unix:/by/environment").current_dir(&directory));
    assert_eq!(run.code, 69);
    assert!(run.stderr.contains("/by/environment"), "{}", run.stderr);
}

#[test]
fn a_body_over_ten_mebibytes_is_refused_before_anything_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("large");
    std::fs::File::create(&file).unwrap().set_len((10 << 20) + 1).unwrap();
    let run = nuncio(["--json", "broadcast", "--admin", "unix:/nowhere", "--file", file.to_str().unwrap()]);
    assert_eq!(run.code, 1);
    assert_eq!(run.error_object()["error"], "too_large");
}

#[test]
fn completions_are_written_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = nuncio(["completions", shell]);
        assert_eq!(run.code, 0);
        assert!(run.stdout.contains("testnet"), "{shell}");
    }
}

#[test]
fn sdk_certificates_that_are_missing_are_a_configuration_error() {
    let run = nuncio(["amop", "publish", "t", "--certs", "/nowhere"]);
    assert_eq!(run.code, 78);
    run.must_be_one_line_and_a_hint();
}

#[test]
fn what_cannot_be_a_node_or_a_topic_is_a_usage_error() {
    let endless = "a".repeat(129);
    for arguments in [&["send", "abc"][..], &["send", "-"], &["access", "deny", "nobody"], &["route", &endless]] {
        let run = nuncio(arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.stderr.contains("128 hexadecimal digits"), "{arguments:?}: {}", run.stderr);
    }
    for arguments in [&["publish", ""][..], &["listen", "--topic", "a\nb"], &["amop", "subscribe", "a\u{7}"]] {
        let run = nuncio(arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.stderr.contains("a topic "), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn times_of_nothing_and_programs_without_a_name_are_usage_errors() {
    let node = "ab".repeat(64);
    for arguments in [
        &["send", &node, "--timeout", "0s"][..],
        &["trace", &node, "--timeout", "1ns"],
        &["amop", "publish", "t", "--timeout", "0ms"],
        &["doctor", "127.0.0.1:1", "--timeout", "0s"],
        &["top", "--interval", "0s"],
        &["listen", "--exec", "x", "--exec-timeout", "0s"],
    ] {
        let run = nuncio(arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.stderr.contains("at least 1ms"), "{arguments:?}: {}", run.stderr);
    }
    assert_eq!(nuncio(["listen", "--exec", ""]).code, 2);
}

#[test]
fn a_hint_names_what_mends_it_where_a_file_stands_for_a_directory_or_is_not_what_it_should_be() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let (file, none) = (file.to_str().unwrap(), "none");
    let run = |arguments: &[&str]| Run::of(command(arguments.iter().copied()).current_dir(&directory));
    run(&["ca", "init", "--out", "ca"]).must_succeed();
    for (arguments, code, hint) in [
        (&["testnet", "create", "--out", file][..], 1, "name another path"),
        (&["cert", "issue", "n", "--ca", "ca", "--out", file], 1, "is a file: name a directory"),
        (&["cert", "issue", "n", "--ca", "ca/ca.crt", "--out", "n"], 78, "name the directory that ca/ca.crt is in"),
        (&["cert", "inspect", file], 78, "name a file with certificates"),
        (&["cert", "inspect", none], 78, "name a file with certificates"),
        (&["config", "import", none], 78, "config.ini and conf/ are in it"),
        (&["run", "--fisco", none], 78, "config.ini and conf/ are in it"),
    ] {
        let said = run(arguments);
        assert_eq!(said.code, code, "{arguments:?}: {}", said.stderr);
        let last = said.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("hint: ") && last.contains(hint), "{arguments:?}: {}", said.stderr);
    }
}

#[test]
fn the_default_configuration_is_an_object_with_json() {
    let run = nuncio(["--json", "config", "default"]).must_succeed();
    assert_eq!(run.objects()[0]["p2p"]["listen"], "0.0.0.0:30300");
}

#[test]
fn a_name_that_no_file_may_have_is_the_one_that_is_complained_of() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("long.bin").display().to_string();
    std::fs::write(&file, "x").expect("written");
    let at = ["--admin", "unix:/nowhere"];
    for name in ["../x", "a/b", ".x", ""] {
        let run = nuncio(["send-file", "abcdef", &file, "--name", name].into_iter().chain(at));
        run.must_be_one_line_and_a_hint();
        assert_eq!(run.code, 2);
        assert!(run.stderr.starts_with(&format!("error: {name:?} is no name that a file may have")), "{}", run.stderr);
    }
}
