//! A command line that is not understood, in one line and a hint as every failure is.

use std::ffi::OsString;

use clap::CommandFactory as _;

use super::Cli;
use crate::failure::Failure;

/// What clap says below its message, each at the beginning of a line.
const TIP: &str = "tip: ";
const BELOW: [&str; 2] = ["Usage:", "For more information"];

/// What is wrong with the arguments, the program's name first.
pub(super) fn failure(error: &clap::Error, arguments: impl IntoIterator<Item = OsString>) -> Failure {
    let text = error.to_string();
    let (message, tips) = read(&text);
    let help = format!("{} --help", command(arguments));
    let hint = tips.iter().map(|tip| (*tip).to_owned()).chain([help]).collect::<Vec<_>>().join("; ");
    Failure::usage(message).hint(hint)
}

/// The command that is meant, as far as it is known: `nuncio cert issue`.
pub(super) fn command(arguments: impl IntoIterator<Item = OsString>) -> String {
    let root = Cli::command();
    let (mut at, mut name) = (&root, root.get_name().to_owned());
    for argument in arguments.into_iter().skip(1) {
        // Flags and their values stand between.
        if let Some(next) = argument.to_str().and_then(|argument| at.find_subcommand(argument)) {
            name = format!("{name} {}", next.get_name());
            at = next;
        }
    }
    name
}

/// The message with all that it names, and what could be meant.
fn read(text: &str) -> (String, Vec<&str>) {
    let said = text.lines().map(str::trim).take_while(|line| !BELOW.iter().any(|below| line.starts_with(below)));
    let (tips, said): (Vec<_>, Vec<_>) = said.filter(|line| !line.is_empty()).partition(|line| line.starts_with(TIP));
    let (first, named) = said.split_first().map_or(("", &[][..]), |(first, named)| (*first, named));
    let first = first.trim_start_matches("error: ");
    let between = if first.ends_with(':') { ", " } else { " " };
    let message = if named.is_empty() { first.to_owned() } else { format!("{first} {}", named.join(between)) };
    (message, tips.into_iter().map(|tip| tip.trim_start_matches(TIP)).collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn said(arguments: &str) -> (String, String) {
        let arguments: Vec<_> = arguments.split(' ').map(OsString::from).collect();
        let error = Cli::try_parse_from(&arguments).expect_err("it is not understood");
        let failure = failure(&error, arguments);
        (failure.message, failure.hint.unwrap_or_default())
    }

    #[test]
    fn what_is_missing_is_named_and_the_hint_is_the_help_of_the_command() {
        let (message, hint) = said("nuncio send --json");
        assert_eq!(message, "the following required arguments were not provided: <NODEID>");
        assert_eq!(hint, "nuncio send --help");
        let (message, hint) = said("nuncio cert issue");
        assert!(message.contains("<NAME>") && message.contains(", ") && !message.contains('\n'), "{message}");
        assert_eq!(hint, "nuncio cert issue --help");
    }

    #[test]
    fn what_could_be_meant_and_what_there_is_are_said_too() {
        let (message, hint) = said("nuncio publish t --dat x");
        assert_eq!(message, "unexpected argument '--dat' found");
        assert!(hint.contains("'--data'") && hint.ends_with("; nuncio publish --help"), "{hint}");
        let (message, _) = said("nuncio publish t --priority soon");
        assert!(message.starts_with("invalid value 'soon' for") && message.contains("[possible values: "), "{message}");
        let (message, hint) = said("nuncio frobnicate");
        assert!(message.contains("'frobnicate'") && hint.ends_with("nuncio --help"), "{message} {hint}");
        let (message, hint) = said("nuncio send abc");
        assert!(message.contains("128 hexadecimal digits") && hint == "nuncio send --help", "{message} {hint}");
    }
}
