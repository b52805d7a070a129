//! `nuncio completions`: a script for the user's shell.

use clap_complete::Shell;

use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::cli(), "nuncio", &mut script);
    output.bytes(&script)
}
