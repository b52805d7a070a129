//! What remotes say takes over no terminal and forges no line, whatever command prints it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Command, Stdio},
    thread,
};

use super::{
    processes::{Kept, Net, eventually},
    support::{Run, command, nuncio},
};

/// Clears the screen, sets the title, forges a line, turns the text; and the eight-bit forms.
const EVIL: &str = "a\u{1b}[2J\u{1b}]0;title\u{7}\r\nunicast from 000000000000: forged\u{202e}\u{2066}\u{9b}2J\u{200b}";

fn must_be_harmless(what: &str, text: &str) {
    let harmful = text.chars().find(|c| *c != '\n' && !nuncio_plain::is_harmless(*c));
    assert_eq!(harmful, None, "{what}: {text:?}");
    assert!(!text.lines().any(|line| line.starts_with("unicast from 000000000000")), "{what}: {text:?}");
}

fn must_be_all_harmless(what: &str, run: &Run) {
    must_be_harmless(what, &run.stdout);
    must_be_harmless(what, &run.stderr);
}

/// A command that prints as things arrive, until it has printed `count` of them.
fn gathered(arguments: &[&str]) -> (Kept, thread::JoinHandle<String>) {
    let mut listener = Kept::spawn(command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let (stdout, stderr) = (listener.stdout(), listener.stderr());
    let (started, is_started) = std::sync::mpsc::channel();
    let notes = thread::spawn(move || {
        let mut notes = BufReader::new(stderr).lines();
        let first = notes.next();
        let _ = started.send(());
        first.into_iter().chain(notes).map_while(Result::ok).collect::<Vec<_>>().join("\n")
    });
    is_started.recv().expect("it says that it listens");
    let reading = thread::spawn(move || {
        let mut text = String::new();
        BufReader::new(stdout).read_to_string(&mut text).expect("text");
        text + &notes.join().expect("text")
    });
    (listener, reading)
}

#[test]
fn no_command_prints_what_remotes_said_as_they_said_it() {
    let net = Net::create(2, "full");
    let up = Kept::spawn(command(["testnet", "up", &net.text("net")]).stdout(Stdio::null()).stderr(Stdio::null()));
    let [first, second] = [0, 1].map(|node| net.config(node));
    eventually("they are linked", || {
        let run = nuncio(["health", "--config", &first]);
        (run.code == 0).then_some(())
    });
    let id = std::fs::read_to_string(net.text("net/node1/conf/node.nodeid")).expect("the ID").trim().to_owned();
    let topic = "t\u{202e}\u{200b}opic";

    for json in [&[][..], &["--json"][..]] {
        let listen = ["listen", "--echo", "--topic", topic, "--count", "3", "--config", &second];
        let (_listener, heard) = gathered(&[&listen[..], json].concat());
        let send = ["send", &id, "--data", EVIL, "--config", &first];
        must_be_all_harmless("send", &nuncio(send.iter().chain(json).copied()).must_succeed());
        let broadcast = ["broadcast", "--data", EVIL, "--config", &first];
        must_be_all_harmless("broadcast", &nuncio(broadcast.iter().chain(json).copied()).must_succeed());
        eventually("the topic is heard of", || {
            let publish = ["publish", topic, "--data", EVIL, "--config", &first];
            must_be_all_harmless("publish", &nuncio(publish.iter().chain(json).copied()).must_succeed());
            heard.is_finished().then_some(())
        });
        let heard = heard.join().expect("text");
        must_be_harmless("listen", &heard);
        assert_eq!(heard.matches("title").count(), 3, "{heard}");
    }

    // An SDK subscribes the topic, and gets messages and answers.
    let gateway = |node: usize| {
        let run = nuncio(["--json", "status", "--config", &net.config(node)]).must_succeed();
        run.objects()[0]["gateway"].as_str().expect("it is on").to_owned()
    };
    let [at_first, at_second] = [0, 1].map(gateway);
    let certs = |agency: &str| net.text(&format!("net/sdk/{agency}"));
    for json in [&[][..], &["--json"][..]] {
        let subscribe =
            ["amop", "subscribe", topic, "--reply", EVIL, "--count", "1", "--gateway", &at_second, "--certs"];
        let certificates = certs("agencyB");
        let (_subscriber, heard) = gathered(&[&subscribe[..], &[&certificates], json].concat());
        eventually("the topic is known", || {
            let publish =
                ["amop", "publish", topic, "--data", EVIL, "--gateway", &at_first, "--certs", &certs("agencyA")];
            let run = nuncio(publish.iter().chain(json).copied());
            must_be_all_harmless("amop publish", &run);
            (run.code == 0).then_some(())
        });
        for shown in ["topics", "nodes", "peers", "status", "certs", "access list"] {
            let words: Vec<_> = shown.split(' ').chain(["--config", &first]).chain(json.iter().copied()).collect();
            must_be_all_harmless(shown, &nuncio(words).must_succeed());
        }
        must_be_all_harmless("route", &nuncio(["route", &id, "--config", &first].iter().chain(json).copied()));
        must_be_harmless("amop subscribe", &heard.join().expect("text"));
    }
    drop(up);
}

#[test]
fn a_port_and_a_certificate_that_lie_are_shown_harmless() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        for stream in server.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.write_all(format!("HTTP/1.1 200 {EVIL}\r\n\r\n").as_bytes());
        }
    });
    for json in [&[][..], &["--json"][..]] {
        let run = nuncio(["doctor", &address, "--timeout", "2s"].iter().chain(json).copied());
        must_be_all_harmless("doctor", &run);
        assert_ne!(run.code, 0);
    }

    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let subject = format!("/CN={}", EVIL.replace('/', "-"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-utf8", "-days", "9", "-subj", &subject])
        .args(["-keyout", &path("a.key"), "-out", &path("a.crt")])
        .output()
        .expect("the openssl command is needed for this test");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for json in [&[][..], &["--json"][..]] {
        let run = nuncio(["cert", "inspect", &path("a.crt")].iter().copied().chain(json.iter().copied()));
        must_be_all_harmless("cert inspect", &run.must_succeed());
    }
}
