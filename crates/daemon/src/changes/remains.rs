//! What a broken file of two lists still holds. Each entry counts by itself: damage takes those it touches, and no others.

use std::str::FromStr;

/// The text of an entry that is a node's ID, in characters.
const ID: usize = 128;

/// What the writer puts between the head of a list and its first ID: a quote.
const FIRST: usize = 1;

/// The same between two IDs: `", "`.
const BETWEEN: usize = 4;

/// The entries that stand whole in a text, each with its list's name; `None` where damage may hide that another list began.
pub(super) type Remains<'a, T> = Vec<(Option<&'a str>, T)>;

/// IDs of nodes: runs of as many digits as an ID has, whatever became of the quotes around them.
pub(super) fn ids<'a, T: FromStr>(text: &'a str, names: &[&'a str]) -> Remains<'a, T> {
    let is_end = |c: char| !c.is_ascii_hexdigit();
    let pieces = pieces(text, is_end).filter(|(_, piece)| piece.len() == ID);
    // The writer's entries are all of one length: a gap of any other hides more than entries of the same list.
    // Several bytes that are no text may have become one character.
    let is_inside = |gap: &str, least: usize| {
        let is_measured = gap.matches(char::REPLACEMENT_CHARACTER).count() <= 1;
        is_measured && gap.chars().count().checked_sub(least).is_some_and(|more| more.is_multiple_of(ID + BETWEEN))
    };
    collect(text, names, pieces, is_inside)
}

/// Texts between quotes.
pub(super) fn quoted<'a, T: FromStr>(text: &'a str, names: &[&'a str]) -> Remains<'a, T> {
    let quotes = [text.find('"'), text.rfind('"')];
    let is_quoted =
        move |at: usize| quotes[0].is_some_and(|first| at > first) && quotes[1].is_some_and(|last| at < last);
    collect(text, names, pieces(text, |c| c == '"').filter(move |(at, _)| is_quoted(*at)), |_, _| false)
}

fn collect<'a, T: FromStr>(
    text: &'a str,
    names: &[&'a str],
    pieces: impl Iterator<Item = (usize, &'a str)>,
    is_inside: impl Fn(&str, usize) -> bool,
) -> Remains<'a, T> {
    let (mut list, mut end, mut remains) = (None, 0, Vec::new());
    for (at, piece) in pieces {
        let Ok(entry) = piece.parse() else { continue };
        let gap = &text[end..at];
        let (begun, rest, least) = match head(gap, names) {
            Some((name, rest)) => (Some(name), rest, FIRST),
            None => (list, gap, BETWEEN),
        };
        let is_clear = is_separator(rest) || !rest.contains(['[', ']', '=']) && is_inside(rest, least);
        list = begun.filter(|_| is_clear);
        remains.push((list, entry));
        end = at + piece.len();
    }
    remains
}

/// What is between ends, with where it begins.
fn pieces(text: &str, is_end: impl Fn(char) -> bool + Copy) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive(is_end).scan(0, move |next, part| {
        let at = *next;
        *next += part.len();
        Some((at, part.strip_suffix(is_end).unwrap_or(part)))
    })
}

/// The list of these that begins last in what stands between two entries, and what is behind its head.
fn head<'a, 'b>(gap: &'b str, names: &[&'a str]) -> Option<(&'a str, &'b str)> {
    let (before, rest) = gap.rsplit_once('[')?;
    let name = before.trim_end().strip_suffix('=')?.trim_end().rsplit(|c: char| !c.is_alphanumeric()).next()?;
    names.iter().copied().find(|known| *known == name).map(|known| (known, rest))
}

fn is_separator(gap: &str) -> bool {
    gap.chars().all(|c| c == '"' || c == ',' || c.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["allow", "deny"];

    fn id(letter: char) -> String {
        letter.to_string().repeat(ID)
    }

    /// What is found of each, by its first letter.
    fn found(text: &str) -> String {
        let remains: Remains<'_, String> = ids(text, NAMES);
        let each = remains.iter().map(|(list, id)| format!("{}{}", list.map_or("?", |list| &list[..1]), &id[..1]));
        each.collect::<Vec<_>>().join(" ")
    }

    fn file() -> String {
        let [a, b, c, d] = ['a', 'b', 'c', 'd'].map(id);
        format!("# allowed = [ and denied\nallow = [\"{a}\", \"{b}\"]\ndeny = [\"{c}\", \"{d}\", \"{a}\"]\n")
    }

    #[test]
    fn one_damaged_byte_takes_one_entry_at_the_most_and_makes_no_denied_node_an_allowed_one() {
        assert_eq!(found(&file()), "aa ab dc dd da");
        for at in 0..file().len() {
            for damage in ["x", "\0", "\u{fffd}", "\"", "[", "]", "=", "0"] {
                let mut text = file();
                text.replace_range(at..=at, damage);
                let found = found(&text);
                assert!(found.split(' ').count() >= 4, "{at} {damage:?}: {found}");
                assert!(!found.contains("ac") && !found.contains("ad"), "{at} {damage:?}: {found}");
            }
        }
    }

    #[test]
    fn damage_that_may_hide_the_head_of_a_list_leaves_open_which_one_it_is() {
        let text = file();
        for at in 0..text.len() {
            for length in [1, 2, 9, 10, 11, 12, 13, 128, 131, 132, 133, 144, 145, 264, 276, 300] {
                let end = text.len().min(at + length);
                let damaged = format!("{}{}{}", &text[..at], "\0".repeat(end - at), &text[end..]);
                let found = found(&damaged);
                assert!(!found.contains("ac") && !found.contains("ad"), "{at} {length}: {found}");
            }
        }
        // Also where it is of whole entries before and behind it.
        let from = text.find('b').unwrap();
        let damaged = format!("{}{}{}", &text[..from], "\0".repeat(145), &text[from + 145..]);
        assert_eq!(found(&damaged), "aa ?d ?a");
    }

    #[test]
    fn what_stands_between_quotes_is_read_and_what_is_torn_is_not() {
        let read = |text: &'static str| quoted::<u16>(text, &["added", "removed"]);
        assert_eq!(
            read("added = [\"1\", \"2\"]\nremoved = [\"3\"]"),
            [1, 2, 3].map(|n| (Some(if n < 3 { "added" } else { "removed" }), n))
        );
        assert_eq!(
            read("added = [\"1\", \"x\", \"2\"]\nremoved = [\"3\", \"45"),
            [(Some("added"), 1), (None, 2), (Some("removed"), 3)]
        );
        assert_eq!(read(""), []);
    }
}
