//! `nuncio testnet`: networks on this machine.

use std::{net::IpAddr, path::PathBuf};

use clap::value_parser;
use nuncio_plain::argument;

use crate::{
    failure::Failure,
    output::Output,
    testnet::{
        create::{NodePlan, Plan, create},
        demo,
        topology::Topology,
        up,
    },
};

/// What FISCO BCOS adds to a p2p port to get no collision with its channel port: 30300 and 20200.
const GATEWAY_OFFSET: u16 = 10_100;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write a CA, agencies, node directories and SDK certificates
    Create(Create),
    /// Start all nodes of a directory as processes and stay until Ctrl-C
    Up {
        /// What `testnet create` wrote
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Throwaway CA, nodes as separate processes, SDK clients: every flow over real sockets
    Demo {
        /// Nodes to start
        #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u16).range(3..=16))]
        nodes: u16,
        /// Keep the directory with certificates and logs
        #[arg(long)]
        keep: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// The directory to write; made if absent, refused if not empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Nodes
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u16).range(1..=256))]
    nodes: u16,
    /// Agencies; nodes are dealt out to them in turn
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = value_parser!(u8).range(1..=26))]
    agencies: u8,
    /// The p2p port of node0, that of the others follow; SDK ports are 10100 lower
    #[arg(long, value_name = "PORT", default_value_t = 30300, value_parser = value_parser!(u16).range(10_101..))]
    base_port: u16,
    /// Which nodes are configured to link
    #[arg(long, value_enum, default_value_t = Topology::Full)]
    topology: Topology,
    /// The address nodes listen on
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// The host under which the others find node N; `{}` stands for N [default: the --bind address]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    match arguments.action {
        Action::Create(create) => write(create, output),
        Action::Up { directory } => up::up(&directory, output).await,
        Action::Demo { nodes, keep } => demo::demo(demo::Options { nodes: nodes.into(), keep }, output).await,
    }
}

fn write(arguments: Create, output: Output) -> Result<(), Failure> {
    let plan = plan(arguments)?;
    let making = output.steps(plan.agencies + plan.nodes.len());
    making.say("agencies and nodes");
    let created = create(&plan, || making.step())?;
    drop(making);
    output.rows(&created.nodes, &["name", "agency", "node", "p2p", "gateway", "directory"], |node| {
        vec![
            node.name.clone(),
            node.agency.clone(),
            super::text::short(&node.node_id),
            node.p2p.clone(),
            node.gateway.clone(),
            node.directory.display().to_string(),
        ]
    })?;
    output.note(&format!("start it with: nuncio testnet up {}", argument(&plan.directory)));
    output.note(&format!("SDK certificates: {}", plan.directory.join("sdk").display()));
    Ok(())
}

fn plan(arguments: Create) -> Result<Plan, Failure> {
    if arguments.base_port.checked_add(arguments.nodes - 1).is_none() {
        return Err(Failure::usage(format_args!(
            "--base-port {} leaves no room for {} nodes below port 65536",
            arguments.base_port, arguments.nodes
        )));
    }
    let host = match arguments.host {
        Some(host) => host,
        None if arguments.bind.is_unspecified() => {
            return Err(Failure::usage(format_args!("nobody can dial --bind {}", arguments.bind))
                .hint("say under which host the nodes find each other, such as --host node{}"));
        }
        None => arguments.bind.to_string(),
    };
    let nodes = (0..arguments.nodes).map(|index| NodePlan {
        host: host.replace("{}", &index.to_string()),
        p2p: arguments.base_port + index,
        gateway: arguments.base_port - GATEWAY_OFFSET + index,
    });
    Ok(Plan {
        directory: arguments.out,
        chain: "chain",
        agencies: arguments.agencies.into(),
        topology: arguments.topology,
        bind: arguments.bind,
        nodes: nodes.collect(),
    })
}
