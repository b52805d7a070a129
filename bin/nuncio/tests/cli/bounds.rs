//! `nuncio config bounds`: what others can make a node hold.

use std::fs;

use serde_json::Value;

use super::support::{Run, command, nuncio};

fn object(run: Run) -> Value {
    let [object] = run.must_succeed().objects().try_into().expect("one object");
    object
}

fn number(object: &Value, key: &str) -> u64 {
    object[key].as_u64().unwrap_or_else(|| panic!("{key} is a number in {object}"))
}

fn sum(list: &Value, key: &str) -> u64 {
    list.as_array().expect("a list").iter().map(|one| number(one, key)).sum()
}

#[test]
fn sums_are_those_of_what_is_listed() {
    let all = object(nuncio(["config", "bounds", "--json"]));
    for room in all["rooms"].as_array().expect("a list") {
        assert_eq!(sum(&room["bounds"], "sum"), number(room, "bytes"), "{}", room["name"]);
        for bound in room["bounds"].as_array().expect("a list") {
            assert_eq!(number(bound, "bytes") * number(bound, "count"), number(bound, "sum"), "{bound}");
        }
    }
    assert_eq!(sum(&all["rooms"], "bytes"), number(&all, "bytes"));
    assert_eq!(sum(&all["per"], "sum"), number(&all, "bytes"));
}

#[test]
fn a_configuration_counts_with_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("nuncio.toml"), "[p2p]\nmax_links = 8\n\n[gateway]\nenabled = false\n").unwrap();
    let here = |file: &[&str]| {
        let arguments = ["config", "bounds", "--json"].iter().chain(file);
        object(Run::of(command(arguments).current_dir(&directory)))
    };
    let small = here(&[]);
    assert_eq!(small, here(&["nuncio.toml"]));
    assert_eq!(small, here(&["--config", "nuncio.toml"]));
    assert!(number(&small, "bytes") * 2 < number(&object(nuncio(["config", "bounds", "--json"])), "bytes"));
    let link = small["per"].as_array().unwrap().iter().find(|per| per["name"] == "link").expect("links cost something");
    assert_eq!(number(link, "count"), 8);
    let missing = Run::of(command(["config", "bounds", "other.toml"]).current_dir(&directory));
    assert_ne!(missing.code, 0, "a file that is named has to be there");
}

#[test]
fn the_table_has_a_line_for_each_bound_and_ends_with_the_sum() {
    let run = nuncio(["config", "bounds"]).must_succeed();
    let mut lines = run.stdout.lines();
    let header = lines.next().expect("a header");
    let column = header.find("OF EACH").expect("a column");
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let before: String = line.chars().take(column).collect();
        assert!(before.ends_with("  "), "columns line up: {line}");
    }
    assert!(run.stdout.lines().last().is_some_and(|line| line.starts_with("all together: ")), "{}", run.stdout);
}
