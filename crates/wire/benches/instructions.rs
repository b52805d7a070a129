//! How many instructions each piece of work takes, held against `instructions.toml`: a machine that is busy or slow counts
//! the same. Needs valgrind. Exit: 0 none takes over 5 % more · 1 one does, or the file names other work.
//!
//! ```text
//! cargo bench -p nuncio-wire --bench instructions                 # compares
//! cargo bench -p nuncio-wire --bench instructions -- --write      # takes what was counted as the new measure
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that is run by hand")]

#[path = "../tests/wire/party.rs"]
#[allow(dead_code, reason = "made for the tests")]
mod party;
mod work;

use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    process::{Command, ExitCode},
};

/// More than that is more than compilers and hash seeds make of the same code.
const MORE_PERCENT: f64 = 5.0;

/// The difference of two runs is what the turns between took: neither the start nor making ready counts.
const FEW: u64 = 100;

const HEAD: &str = "\
# Instructions that one turn of each piece of work takes, as cachegrind counts them in a release build.
# Written by: cargo bench -p nuncio-wire --bench instructions -- --write

";

type Counts = BTreeMap<String, u64>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["--turns", name, turns] => do_turns(name, turns),
        ["--write"] => count_all().and_then(|counts| write(&counts)),
        [] => count_all().and_then(|counts| compare(&counts)),
        _ => Err(format!("{words:?}: there is nothing to say but --write")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("instructions: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn do_turns(name: &str, turns: &str) -> Result<(), String> {
    let work = work::all().into_iter().find(|work| work.name == name).ok_or_else(|| format!("no work {name}"))?;
    let turns: u64 = turns.parse().map_err(|error| format!("{turns}: {error}"))?;
    let mut turn = (work.ready)();
    (0..turns).for_each(|_| turn());
    Ok(())
}

fn count_all() -> Result<Counts, String> {
    let count = |work: work::Work| {
        let (few, many) = (count(work.name, FEW)?, count(work.name, FEW + work.turns)?);
        Ok((work.name.to_owned(), many.saturating_sub(few) / work.turns))
    };
    work::all().into_iter().map(count).collect()
}

fn count(name: &str, turns: u64) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let run = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(program)
        .args(["--turns", name, &turns.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}; install it, for instance by: apt-get install valgrind"))?;
    let told = String::from_utf8_lossy(&run.stderr);
    let refs = told.lines().find_map(|line| line.split_once("I refs:").or_else(|| line.split_once("I   refs:")));
    let digits: String = refs.map_or("", |(_, count)| count).chars().filter(char::is_ascii_digit).collect();
    match digits.parse() {
        Ok(count) if run.status.success() => Ok(count),
        _ => Err(format!("{name}: no count, {}:\n{told}", run.status)),
    }
}

fn compare(counts: &Counts) -> Result<(), String> {
    let before = read()?;
    let mut wrong = Vec::new();
    for (name, &count) in counts {
        let Some(&measure) = before.get(name) else {
            wrong.push(format!("{name} is not in the file"));
            continue;
        };
        let percent = (count as f64 / measure.max(1) as f64 - 1.0) * 100.0;
        println!("{name:32} {count:>12} {percent:>+7.1} %");
        if percent > MORE_PERCENT {
            wrong.push(format!("{name} takes {count} instructions, {percent:.1} % more than {measure}"));
        }
    }
    wrong.extend(before.keys().filter(|name| !counts.contains_key(*name)).map(|name| format!("{name} is gone")));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n              ")) }
}

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.toml")
}

fn read() -> Result<Counts, String> {
    let text = fs::read_to_string(path()).map_err(|error| format!("{}: {error}", path().display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", path().display()))
}

fn write(counts: &Counts) -> Result<(), String> {
    let text = toml::to_string(counts).map_err(|error| error.to_string())?;
    fs::write(path(), format!("{HEAD}{text}")).map_err(|error| format!("{}: {error}", path().display()))
}
