//! `nuncio join-token`: invitations to become a node of an agency, each for one name and one time.

use std::{path::PathBuf, time::Duration};

use nuncio_daemon::config::Peer;
use nuncio_pki::{
    Certificate, InvitationId, JoinToken,
    authority::{Authority, Invitations},
};
use rustls_pki_types::UnixTime;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::text::or_dash;
use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// The agency's directory, which [issuer] ca of its node names
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    ca: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a token and print it; the agency keeps its hash only
    Make {
        /// The name that the node will have
        name: String,
        /// Where the agency's issuer answers newcomers, [issuer] listen of its node; several are tried in turn
        #[arg(long, value_name = "HOST:PORT", required = true)]
        at: Vec<Peer>,
        /// A node to link with; one is enough
        #[arg(long = "peer", value_name = "HOST:PORT")]
        peers: Vec<Peer>,
        /// The network's name
        #[arg(long, default_value = "nuncio")]
        network: String,
        /// It ends after so many hours
        #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=8760))]
        hours: u32,
    },
    /// Every token: its name, end, and who came by it
    List,
    /// Take a token back; who came by it stays
    Revoke {
        /// Its number, as `list` shows it
        id: String,
    },
}

/// As a newcomer connects to it, in whichever notation it was given.
fn host_and_port(peer: &Peer) -> Option<String> {
    let (host, port) = peer.host_and_port()?;
    Some(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

fn hash(root: &Certificate) -> [u8; 32] {
    Sha256::digest(root.der()).into()
}

/// A token that nobody can use is not made.
fn refuse_unreadable(token: &JoinToken) -> Result<(), Failure> {
    match JoinToken::parse(&token.to_text()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::usage(
            "a token has room for a name of 256 bytes, for 8 addresses of each kind, each of 256 bytes, for a network's name of 1 to \
             128 bytes without control characters, for 9 roots in ca.crt, and for 6 KiB in all",
        )),
    }
}

pub(crate) fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let invitations = Invitations::of(&arguments.ca);
    match arguments.action {
        Action::Make { name, at, peers, network, hours } => {
            let authority = Authority::open(&arguments.ca)?;
            let (root, ends) =
                (authority.issuer().root_certificate(), UnixTime::now().as_secs() + 3600 * u64::from(hours));
            let mut token = JoinToken {
                id: InvitationId([0; 16]),
                secret: [0; 32].into(),
                root: hash(root),
                further: authority.trusted().iter().filter(|other| *other != root).map(hash).collect(),
                agency: authority.issuer().agency_path(),
                name,
                network,
                at: at.iter().filter_map(host_and_port).collect(),
                peers: peers.iter().map(ToString::to_string).collect(),
                ends,
            };
            refuse_unreadable(&token)?;
            let ends = UnixTime::since_unix_epoch(Duration::from_secs(ends));
            (token.id, token.secret) = invitations.make(&token.name, ends)?;
            let (id, text) = (token.id, token.to_text());
            let object = json!({ "id": id.to_string(), "name": token.name, "ends": token.ends_text(), "token": *text });
            output.show(&object, || text.to_string())?;
            if !output.json {
                output.note(
                    "give it to the node's operator by a way that nobody listens to; it works once: nuncio join TOKEN",
                );
            }
            Ok(())
        }
        Action::List => {
            let now = UnixTime::now().as_secs();
            let rows = invitations.list()?.into_iter().map(|one| {
                let state = match one.used_by {
                    Some(_) => "used",
                    None if one.ends < now => "ended",
                    None => "open",
                };
                json!({
                    "id": one.id.to_string(), "name": one.name, "state": state,
                    "used_by": one.used_by.map(|node| node.to_string()),
                })
            });
            let rows: Vec<_> = rows.collect();
            output.rows(&rows, &["id", "name", "state", "used by"], |one| {
                let text = |key: &str| or_dash(one[key].as_str().map(str::to_owned).as_ref());
                vec![text("id"), text("name"), text("state"), text("used_by")]
            })
        }
        Action::Revoke { id } => {
            let id: InvitationId =
                id.parse().map_err(|_| Failure::usage("a token's number has 32 hexadecimal digits"))?;
            invitations.revoke(id)?;
            output.show(&json!({ "id": id.to_string(), "revoked": true }), || format!("{id} is taken back"))
        }
    }
}
