//! The commands: their names and flags, and which file runs each.

mod access;
mod amop;
mod audit;
mod bench;
mod broadcast;
mod ca;
mod cert;
mod certs;
mod completions;
pub(crate) mod config;
mod doctor;
mod files;
mod health;
mod join;
mod join_token;
mod listen;
mod log_level;
mod misread;
mod node;
mod nodes;
mod peers;
mod publish;
mod rights;
mod route;
mod run;
mod send;
mod send_file;
mod simulate;
mod status;
mod testnet;
pub(crate) mod text;
mod token;
mod top;
mod topics;
mod trace;

use std::{env, process::ExitCode, sync::LazyLock};

use clap::{Parser, Subcommand, error::ErrorKind};

use crate::{
    exit_code::Exit,
    failure::Failure,
    output::{self, Output},
};

const AFTER_HELP: &str = "\
Commands that talk to a running node find it by --admin, else --config, else ./nuncio.toml, else $NUNCIO_ADMIN.
Over TCP they show a token (--token-file, $NUNCIO_TOKEN) or, over https, an operator's certificate (--operator DIR).
NODEID may be any unambiguous prefix of at least 6 hexadecimal digits.
The passphrase of an encrypted key is in the file $NUNCIO_KEY_PASSPHRASE_FILE, else $NUNCIO_KEY_PASSPHRASE, else it is
asked for.

Exit codes: 0 done · 1 the operation failed · 2 usage · 69 the node cannot be reached · 75 not ready yet · \
78 bad configuration or certificate.

Start here: nuncio testnet demo";

/// The version, and of a release build the commit and its date.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let version = env!("CARGO_PKG_VERSION");
        let commit = nuncio_daemon::COMMIT.zip(nuncio_daemon::COMMIT_DATE);
        commit.map_or_else(|| version.to_owned(), |(commit, date)| format!("{version} ({commit} {date})"))
    });
    &VERSION
}

/// A permissioned overlay network: certified nodes, messages by node ID and topic, AMOP for SDK clients
#[derive(Debug, Parser)]
#[command(name = "nuncio", version = version(), after_help = AFTER_HELP, max_term_width = 110)]
#[command(propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Print data as JSON, one object per line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one node in the foreground; SIGTERM drains, SIGHUP reloads
    Run(run::Arguments),
    /// Who the node is and how it fares
    Status(status::Arguments),
    /// Links to other nodes: list, add, remove
    Peers(peers::Arguments),
    /// Every node known in the network, linked or not
    Nodes(nodes::Arguments),
    /// The certificates of the whole network: who, until when, by whom, and which revocation lists each node holds
    Certs(certs::Arguments),
    /// The way to a node, hop by hop
    Route(route::Arguments),
    /// The way of a message to a node: which nodes had it and when, as each of them signs it
    Trace(trace::Arguments),
    /// The node as it works, in a terminal: links, topics, traffic, refusals, certificates
    Top(top::Arguments),
    /// AMOP topics known in the network
    Topics(topics::Arguments),
    /// Who may publish, subscribe and see which topics, by a configuration file
    Rights(rights::Arguments),
    /// Run-time lists of denied and allowed nodes
    Access(access::Arguments),
    /// What the node judged and operators did: verify, show, follow
    Audit(audit::Arguments),
    /// Bearer tokens of the admin API: make, list, revoke
    Token(token::Arguments),
    /// Become a node of an agency by a join token: key, certificate, configuration, and start
    Join(join::Arguments),
    /// Tokens by which newcomers join an agency, each once: make, list, revoke
    JoinToken(join_token::Arguments),
    /// Send a message to one node and print its reply
    Send(send::Arguments),
    /// Send a file of any size to a node, into the directory that its operator allows; run again, it goes on where it was
    SendFile(send_file::Arguments),
    /// Show the files that other nodes have sent, and those on their way here
    Files(files::Arguments),
    /// Send a message to every node that listens to a topic
    Publish(publish::Arguments),
    /// Send a message to every node
    Broadcast(broadcast::Arguments),
    /// Print messages to this node as they arrive, and answer them
    Listen(listen::Arguments),
    /// Be an SDK client on a node's channel port
    Amop(amop::Arguments),
    /// Certificate authority: the chain's root and its agencies, and their replacement
    Ca(ca::Arguments),
    /// Certificates: issue, inspect, renew, revoke
    Cert(cert::Arguments),
    /// Configuration: check, default, show files, and what is in force in a running node
    Config(config::Arguments),
    /// Say why a connection to a p2p or gateway port fails, each finding with its fix
    Doctor(doctor::Arguments),
    /// Exit 0 when the node is ready, 75 when not yet, 69 when it cannot be reached
    Health(health::Arguments),
    /// Show or change the log filter of a running node
    LogLevel(log_level::Arguments),
    /// Measure over real processes; one JSON line per result
    Bench(bench::Arguments),
    /// Networks on this machine: create, up, demo
    Testnet(testnet::Arguments),
    /// Run the core of many nodes on a virtual clock and judge it
    Simulate(simulate::Arguments),
    /// Run a failed simulation again
    Replay(simulate::ReplayArguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}

/// Parses the process's arguments, runs the command and reports how it ended.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error),
    };
    let output = Output::new(cli.json);
    match start(cli.command, output) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            if failure.exit != Exit::Done {
                output::report(&failure, cli.json);
            }
            failure.exit.into()
        }
    }
}

fn start(command: Command, output: Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(worker_threads())
        .enable_all()
        .build()
        .map_err(|error| Failure::operation("internal", format_args!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(execute(command, output));
    // A blocking read of standard input cannot be interrupted; do not wait for it.
    runtime.shutdown_background();
    // What the runtime lets go of now lets go of tokens too, on threads of its own.
    nuncio_pki::leave_tokens();
    result
}

/// Half of the processors: a message that changes threads costs a wake-up, and nodes seldom have a machine for
/// themselves. `TOKIO_WORKER_THREADS` overrides it, as in every program on tokio.
fn worker_threads() -> usize {
    let wanted = env::var("TOKIO_WORKER_THREADS").ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2)).max(1)
}

async fn execute(command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Run(arguments) => run::run(arguments).await,
        Command::Status(arguments) => status::run(arguments, output).await,
        Command::Peers(arguments) => peers::run(arguments, output).await,
        Command::Nodes(arguments) => nodes::run(arguments, output).await,
        Command::Certs(arguments) => certs::run(arguments, output).await,
        Command::Route(arguments) => route::run(arguments, output).await,
        Command::Trace(arguments) => trace::run(arguments, output).await,
        Command::Top(arguments) => top::run(arguments, output).await,
        Command::Topics(arguments) => topics::run(arguments, output).await,
        Command::Rights(arguments) => rights::run(arguments, output),
        Command::Access(arguments) => access::run(arguments, output).await,
        Command::Send(arguments) => send::run(arguments, output).await,
        Command::SendFile(arguments) => send_file::run(arguments, output).await,
        Command::Files(arguments) => files::run(arguments, output).await,
        Command::Publish(arguments) => publish::run(arguments, output).await,
        Command::Broadcast(arguments) => broadcast::run(arguments, output).await,
        Command::Listen(arguments) => listen::run(arguments, output).await,
        Command::Amop(arguments) => amop::run(arguments, output).await,
        Command::Ca(arguments) => ca::run(arguments, output).await,
        Command::Cert(arguments) => cert::run(arguments, output),
        Command::Audit(arguments) => audit::run(arguments, output).await,
        Command::Join(arguments) => join::run(arguments, output).await,
        Command::JoinToken(arguments) => join_token::run(arguments, output),
        Command::Token(arguments) => token::run(arguments, output),
        Command::Config(arguments) => config::run(arguments, output).await,
        Command::Doctor(arguments) => doctor::run(arguments, output).await,
        Command::Health(arguments) => health::run(arguments, output).await,
        Command::LogLevel(arguments) => log_level::run(arguments, output).await,
        Command::Bench(arguments) => bench::run(arguments, output).await,
        Command::Testnet(arguments) => testnet::run(arguments, output).await,
        Command::Simulate(arguments) => simulate::run(&arguments, output),
        Command::Replay(arguments) => simulate::replay(&arguments, output),
        Command::Completions(arguments) => completions::run(&arguments, output),
    }
}

fn not_parsed(error: &clap::Error) -> ExitCode {
    let is_json = env::args_os().any(|argument| argument == "--json");
    match error.kind() {
        // Data that was asked for.
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            Exit::Done.into()
        }
        // What there is says more than what is missing.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            if is_json {
                let command = misread::command(env::args_os());
                output::report_object("usage", &format!("{command}: a command or an argument is missing"));
            }
            Exit::Usage.into()
        }
        _ => {
            output::report(&misread::failure(error, env::args_os()), is_json);
            Exit::Usage.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_description_of_the_commands_is_sound() {
        Cli::command().debug_assert();
    }
}
