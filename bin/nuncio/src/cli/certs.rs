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
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
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

/// The CN of a name, or the beginning of a series that is not known here.
fn named(issuer: &str) -> String {
    let common_name = issuer.split(',').find_map(|part| part.trim().strip_prefix("CN="));
    common_name.map_or_else(|| short(issuer), str::to_owned)
}
