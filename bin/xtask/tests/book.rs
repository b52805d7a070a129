//! The book and every README lead somewhere: pages, links, anchors, pictures; and the commands that they name exist. What the
//! commands do is tried by `testnet/docs/run.sh`.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use clap::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A Markdown file: where it is from the workspace's root, and its lines, each with whether it is code.
struct Page {
    path: PathBuf,
    lines: Vec<(String, bool)>,
}

impl Page {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(root().join(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut fence = false;
        let mut lines = Vec::new();
        for line in text.lines() {
            let is_fence = line.trim_start().starts_with("```");
            fence ^= is_fence;
            lines.push((line.to_owned(), fence || is_fence));
        }
        assert!(!fence, "{}: a block of code that does not end", path.display());
        Self { path, lines }
    }

    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.lines.iter().zip(1..);
        numbered.filter(|((_, is_code), _)| !is_code).map(|((line, _), number)| (number, line.as_str()))
    }

    /// What each heading is called in a link, as GitHub and mdBook do it.
    fn anchors(&self) -> BTreeSet<String> {
        let mut taken = BTreeMap::<String, usize>::new();
        let headings = self.prose().filter_map(|(_, line)| {
            let text = line.trim_start_matches('#');
            (text.len() < line.len() && text.starts_with(' ')).then(|| text.trim())
        });
        headings
            .map(|text| {
                let kept = text.chars().filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'));
                let anchor = kept.collect::<String>().to_lowercase().replace(' ', "-");
                let times = taken.entry(anchor.clone()).or_default();
                *times += 1;
                if *times == 1 { anchor } else { format!("{anchor}-{}", *times - 1) }
            })
            .collect()
    }

    /// The targets of links and pictures, with their lines. Code spans are no links.
    fn links(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (number, line) in self.prose() {
            let outside = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
            let targets = outside.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
            found.extend(targets.map(|target| (number, target.to_owned())));
        }
        found
    }

    /// Commands of `nuncio` in spans and in blocks, with their lines.
    fn commands(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for ((line, is_code), number) in self.lines.iter().zip(1..) {
            if *is_code {
                let command = line.trim_start().trim_start_matches("$ ");
                found.extend(command.starts_with("nuncio ").then(|| (number, command.to_owned())));
            } else {
                let spans = line.split('`').skip(1).step_by(2).filter(|span| span.starts_with("nuncio "));
                found.extend(spans.map(|span| (number, span.to_owned())));
            }
        }
        found
    }
}

/// All Markdown files below a directory, as paths from the root.
fn below(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn all_pages() -> Vec<Page> {
    let top = ["README.md", "README.zh.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(PathBuf::from);
    let rest = ["docs", "crates", "bin", "testnet", "fuzz"].into_iter().flat_map(below);
    top.into_iter().chain(rest).map(Page::read).collect()
}

/// The same path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn every_page_of_the_book_is_in_its_summary_once() {
    let summary = Page::read("docs/SUMMARY.md".into());
    let mut listed: Vec<_> = summary.links().into_iter().map(|(_, target)| Path::new("docs").join(target)).collect();
    listed.sort();
    let pages: Vec<_> = below("docs").into_iter().filter(|path| !path.ends_with("SUMMARY.md")).collect();
    assert!(pages.len() > 30, "they were found");
    assert_eq!(listed, pages, "listed in docs/SUMMARY.md, and there");
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in all_pages() {
        for (line, target) in page.links() {
            if ["http://", "https://"].iter().any(|scheme| target.starts_with(scheme)) {
                continue;
            }
            seen += 1;
            let mut say = |what: &str| wrong.push(format!("{}:{line}: {target}: {what}", page.path.display()));
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() { page.path.clone() } else { plain(&page.path.parent().unwrap().join(file)) };
            if !root().join(&path).exists() {
                say("is not there");
            } else if page.path.starts_with("docs") && !path.starts_with("docs") {
                say("is not in the book; name the file in backticks");
            } else if !anchor.is_empty() && !Page::read(path).anchors().contains(anchor) {
                say("has no such heading");
            }
        }
    }
    assert!(seen > 100, "they were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with a command: a subcommand or a flag that does not exist.
fn fault(cli: &Command, command: &str) -> Option<String> {
    let mut words = command.split_whitespace().skip(1).peekable();
    let mut at = cli;
    let mut path = "nuncio".to_owned();
    while let Some(next) = words.peek().and_then(|word| at.find_subcommand(word)) {
        at = next;
        path = format!("{path} {}", next.get_name());
        words.next();
    }
    if let Some(word) = words.peek()
        && at.has_subcommands()
        && at.get_positionals().next().is_none()
        && word.chars().all(|sign| sign.is_ascii_lowercase() || sign == '-')
        && !word.starts_with('-')
    {
        return Some(format!("`{path}` has no command {word:?}"));
    }
    for word in words.take_while(|word| !matches!(*word, "|" | "||" | "&&" | ">" | "#" | "\\")) {
        let Some(flag) = word.strip_prefix("--").map(|flag| flag.split('=').next().unwrap_or_default()) else {
            continue;
        };
        let flag = flag.trim_end_matches(|sign: char| !sign.is_ascii_alphanumeric());
        let is_known = flag.is_empty() || at.get_arguments().any(|argument| argument.get_long() == Some(flag));
        if !is_known {
            return Some(format!("`{path}` has no flag --{flag}"));
        }
    }
    None
}

#[test]
fn every_command_that_is_named_exists() {
    let mut cli = nuncio::cli();
    cli.build();
    let mut wrong = Vec::new();
    let mut seen = 0;
    // What an older release could is told by the changelog.
    for page in all_pages().iter().filter(|page| !page.path.ends_with("CHANGELOG.md")) {
        for (line, command) in page.commands() {
            seen += 1;
            wrong.extend(
                fault(&cli, &command).map(|fault| format!("{}:{line}: {command}: {fault}", page.path.display())),
            );
        }
    }
    assert!(seen > 300, "they were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_command_or_flag_that_is_not_there_is_named() {
    let mut cli = nuncio::cli();
    cli.build();
    assert_eq!(fault(&cli, "nuncio testnet create --out net   # four nodes"), None);
    assert_eq!(fault(&cli, "nuncio frob"), Some("`nuncio` has no command \"frob\"".into()));
    assert_eq!(fault(&cli, "nuncio cert frob x"), Some("`nuncio cert` has no command \"frob\"".into()));
    assert_eq!(fault(&cli, "nuncio cert issue a --nosuch b"), Some("`nuncio cert issue` has no flag --nosuch".into()));
}

#[test]
fn the_chinese_quick_start_has_the_headings_and_commands_of_the_english_one() {
    let outline = |name: &str| {
        let page = Page::read(Path::new("docs/book").join(name));
        let code: Vec<_> = page.lines.iter().filter(|(_, is_code)| *is_code).map(|(line, _)| line.clone()).collect();
        let depth = |line: &str| line.chars().take_while(|sign| *sign == '#').count();
        let headings: Vec<_> = page.prose().map(|(_, line)| depth(line)).filter(|depth| *depth > 0).collect();
        (code, headings)
    };
    let (english, chinese) = (outline("quick-start.md"), outline("quick-start.zh.md"));
    assert!(english.0.len() > 10, "it was found");
    assert_eq!(chinese, english);
}

/// The lines that the page of troubleshooting shows are in the code, piece by piece.
#[test]
fn every_error_line_of_the_troubleshooting_is_in_the_code() {
    let mut code = String::new();
    for directory in ["crates", "bin"] {
        let mut open = vec![root().join(directory)];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    code.push_str(&fs::read_to_string(&path).unwrap());
                }
            }
        }
    }
    let page = Page::read("docs/book/troubleshooting.md".into());
    let lines = page.prose().filter(|(_, line)| line.starts_with("| `"));
    let mut seen = 0;
    for (number, line) in lines {
        seen += 1;
        let quoted = line.split('`').nth(1).unwrap();
        for piece in quoted.split('…').map(str::trim).filter(|piece| piece.len() > 3) {
            assert!(code.contains(piece), "troubleshooting.md:{number}: no code says {piece:?}");
        }
    }
    assert!(seen > 60, "they were found");
}

#[test]
fn every_alert_is_explained() {
    let rules = fs::read_to_string(root().join("testnet/prometheus/rules.yml")).unwrap();
    let page = fs::read_to_string(root().join("docs/book/tasks/metrics-and-alerts.md")).unwrap();
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10, "they were found");
    for alert in alerts {
        assert!(page.contains(&format!("`{alert}`")), "metrics-and-alerts.md does not say what to do about {alert}");
    }
}

/// Keys exist and values are such; files that are named are not looked at.
#[test]
fn every_configuration_that_is_shown_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("nuncio.toml");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in all_pages() {
        let mut block: Option<(usize, String)> = None;
        for ((line, _), number) in page.lines.iter().zip(1..) {
            match &mut block {
                None if line == "```toml" => block = Some((number, String::new())),
                Some((begin, text)) if line == "```" => {
                    seen += 1;
                    fs::write(&file, &text).unwrap();
                    let read = nuncio_daemon::Config::load(&file);
                    wrong.extend(read.err().map(|error| format!("{}:{begin}: {error}", page.path.display())));
                    block = None;
                }
                Some((_, text)) => text.extend([line, "\n"]),
                None => {}
            }
        }
    }
    assert!(seen > 10, "they were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
