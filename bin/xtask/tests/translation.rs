//! The Chinese README says the same as the English one: the same headings in their order, the same commands, and no link into
//! nothing.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use std::{fs, path::Path};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)).unwrap()
}

/// Lines of code in order, and how deep each heading outside of it is.
fn outline(page: &str) -> (Vec<&str>, Vec<usize>) {
    let (mut code, mut headings, mut is_code) = (Vec::new(), Vec::new(), false);
    for line in page.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
            code.push(line);
        } else if is_code {
            code.push(line);
        } else if line.starts_with('#') {
            headings.push(line.chars().take_while(|sign| *sign == '#').count());
        }
    }
    (code, headings)
}

#[test]
fn the_chinese_readme_has_the_headings_and_commands_of_the_english_one() {
    let (english, chinese) = (read("README.md"), read("README.zh.md"));
    let ((code, headings), (their_code, their_headings)) = (outline(&english), outline(&chinese));
    assert_eq!(their_headings, headings);
    assert_eq!(their_code, code);
}

#[test]
fn links_of_the_chinese_readme_lead_somewhere() {
    let page = read("README.zh.md");
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let files: Vec<_> =
        targets.map(|target| target.split('#').next().unwrap()).filter(|file| !file.is_empty()).collect();
    assert!(files.len() >= 15, "{files:?}");
    for file in files {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file).exists(), "{file}");
    }
}
