//! The `nuncio` command as a library: [`main`] is the program, [`cli`] the description of its commands
//! from which man pages, completions and references are generated.

mod bench;
mod body;
mod cli;
mod core_dumps;
mod exit_code;
mod failure;
mod interruption;
mod output;
mod progress;
mod testnet;

use std::process::ExitCode;

/// Every command and flag, as clap describes it.
///
/// ```
/// let names: Vec<_> = nuncio::cli().get_subcommands().map(|command| command.get_name().to_owned()).collect();
/// assert!(names.contains(&"testnet".to_owned()));
/// ```
pub fn cli() -> clap::Command {
    <cli::Cli as clap::CommandFactory>::command()
}

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    if let Err(error) = core_dumps::forbid() {
        output::warn(&format!("core dumps are not switched off: {error}"));
    }
    cli::main()
}
