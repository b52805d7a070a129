//! The commands' help as one Markdown page.

use std::fmt::Write;

use clap::Command;

const HEAD: &str = "\
# The commands

<!-- Written by `cargo xtask generate`. Do not edit: CI compares it with what the commands print. -->
";

/// The page: each command's long help under its full name, in the order in which `--help` lists them.
pub(crate) fn of(command: Command) -> String {
    let mut command = values_hidden(command);
    command.build();
    let mut page = HEAD.to_owned();
    section(&mut page, &mut command, "");
    page
}

fn section(page: &mut String, command: &mut Command, above: &str) {
    let name = format!("{above}{}", command.get_name());
    let help = command.render_long_help().to_string();
    let lines: Vec<_> = help.lines().map(str::trim_end).collect();
    // Writing to a string cannot fail.
    let _ = write!(page, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    let below = format!("{name} ");
    for inner in command.get_subcommands_mut().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
        section(page, inner, &below);
    }
}

/// Without the values that environment variables have on this machine.
fn values_hidden(command: Command) -> Command {
    command.mut_args(|argument| argument.hide_env_values(true)).mut_subcommands(values_hidden)
}
