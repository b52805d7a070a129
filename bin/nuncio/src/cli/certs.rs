//! `nuncio certs`: the certificates of the whole network.

use super::{
    node::NodeArguments,
    text::{or_dash, short},
};
use crate::{failure::Failure, output::Output};

/// Days before its end from which a certificate is counted.
const SOON: i64 = 30;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Instead: below which authorities SDKs stand, at each node; every node is asked
    #[arg(long)]
    sdks: bool,
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    if arguments.sdks {
        return show_sdks(&arguments.node, output).await;
    }
    let mut certificates = arguments.node.connect()?.certificates().await?;
    certificates.sort_by_key(|one| one.not_after);
    let header = ["node", "name", "role", "days left", "issuer", "reachable", "revocation lists"];
    output.rows(&certificates, &header, |one| {
        let lists: Vec<_> = one.lists.iter().map(|(issuer, place)| format!("{}:{place}", named(issuer))).collect();
        vec![
            short(&one.node_id),
            one.name.clone(),
            or_dash(one.role.as_ref()),
            one.days_left.to_string(),
            named(&one.issuer),
            if one.reachable { "yes" } else { "no" }.to_owned(),
            if lists.is_empty() { "-".to_owned() } else { lists.join(" ") },
        ]
    })?;
    let soon = certificates.iter().filter(|one| one.days_left < SOON).count();
    if soon > 0 {
        output.note(&format!("{soon} certificates end within {SOON} days: nuncio cert renew"));
    }
    Ok(())
}

async fn show_sdks(node: &NodeArguments, output: Output) -> Result<(), Failure> {
    let nodes = node.connect()?.network_sdks().await?;
    output.rows(&nodes, &["node", "name", "sessions", "authorities"], |one| {
        let sessions: u64 =
            one.authorities.iter().map(|of| u64::from(of.sessions)).sum::<u64>() + u64::from(one.others);
        let of_each = one.authorities.iter().map(|of| format!("{}:{}", named(&of.subject), of.sessions));
        let more = (one.others > 0).then(|| format!("others:{}", one.others));
        let authorities: Vec<_> = of_each.chain(more).collect();
        let said = one.error.as_ref().map_or_else(|| authorities.join(" "), |error| format!("not known: {error}"));
        let sessions = if one.error.is_some() { "-".to_owned() } else { sessions.to_string() };
        vec![short(&one.node_id), one.name.clone(), sessions, if said.is_empty() { "-".to_owned() } else { said }]
    })
}

/// The CN of a name, or the beginning of a series that is not known here.
fn named(issuer: &str) -> String {
    let common_name = issuer.split(',').find_map(|part| part.trim().strip_prefix("CN="));
    common_name.map_or_else(|| short(issuer), str::to_owned)
}
