//! Answers that are computed, and what counts as answered.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use super::{
    processes::{Kept, Net, eventually},
    support::{Run, command},
};

/// Two nodes that run.
struct Pair {
    net: Net,
    target: String,
    _up: Kept,
}

impl Pair {
    fn start() -> Self {
        let net = Net::create(2, "full");
        let up = ["testnet", "up", &net.text("net"), "--json"];
        let mut up = Kept::spawn(command(up).stdout(Stdio::piped()).stderr(Stdio::null()));
        let rows: Vec<_> = BufReader::new(up.stdout()).lines().take(2).map(|line| line.expect("text")).collect();
        let row: serde_json::Value = serde_json::from_str(&rows[1]).expect("each line is an object");
        Self { net, target: row["node_id"].as_str().expect("text").to_owned(), _up: up }
    }

    fn listen(&self, arguments: &[&str]) -> Kept {
        let listen = ["listen"].iter().chain(arguments).copied();
        let node = ["--config".to_owned(), self.net.config(1)];
        Kept::spawn(command(listen.map(str::to_owned).chain(node)).stdout(Stdio::null()).stderr(Stdio::null()))
    }

    fn ask(&self, data: &str) -> Run {
        self.net.ask(0, &["send", &self.target, "--data", data])
    }

    /// Asks until somebody answers.
    fn answer(&self, data: &str) -> String {
        let run = eventually("an answer", || Some(self.ask(data)).filter(|run| run.code == 0));
        run.objects()[0]["reply"].as_str().expect("text").to_owned()
    }
}

#[test]
fn a_program_answers_each_request_and_so_does_the_example_of_the_book() {
    let pair = Pair::start();
    let mut listener = pair.listen(&["--exec", "tr a-z A-Z && test -n \"$NUNCIO_FROM\"", "--count", "1"]);
    assert_eq!(pair.answer("ping"), "PING");
    assert!(listener.ended().success());

    let net = &pair.net;
    let mut listener = pair.listen(&["--reply", "once", "--count", "1"]);
    let save = ["send", &pair.target, "--data", "x", "--save", "/nowhere/file"];
    let unsaved = eventually("it listens", || Some(net.ask(0, &save)).filter(|run| !run.stdout.is_empty()));
    assert_eq!((unsaved.code, &unsaved.objects()[0]["reply"]), (1, &"once".into()), "what came is not lost");
    assert!(listener.ended().success());
    for meaningless in [&["peers", "add", "x"][..], &["log-level", "[[["]] {
        assert_eq!(net.ask(0, meaningless).code, 2, "{meaningless:?}");
    }

    let mut failing = pair.listen(&["--exec", "cat; exit 7"]);
    let refused =
        eventually("it listens", || Some(pair.ask("x")).filter(|run| run.error_object()["error"] != "no_handler"));
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    failing.child().kill().expect("it runs");

    let python = ["-c", &book_example()];
    let mut answering = Kept::spawn(Command::new("python3").args(python).current_dir(pair.net.text("net")));
    assert_eq!(pair.answer("four"), "4");
    answering.child().kill().expect("it runs");
}

#[test]
fn what_cannot_be_saved_is_not_answered_as_if_it_were() {
    let pair = Pair::start();
    let inbox = pair.net.text("inbox");
    let mut listener = pair.listen(&["--save", &inbox]);
    pair.answer("kept");
    assert_eq!(fs::read_dir(&inbox).expect("it was made").count(), 1);
    fs::remove_dir_all(&inbox).expect("it is there");
    let lost = pair.ask("lost");
    assert_eq!((lost.code, lost.stdout.as_str()), (1, ""), "{lost:?}");
    assert_eq!(listener.ended().code(), Some(1));
}

/// The program in Python of the page *Answering requests*.
fn book_example() -> String {
    let page = include_str!("../../../../docs/book/answering.md");
    let (_, program) = page.split_once("```python\n").expect("it is there");
    program.split("```").next().unwrap_or_default().to_owned()
}
