//! `nuncio join`: a node that has nothing becomes one of an agency, by a token.

use std::{
    io::{self, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use nuncio_daemon::{
    Config,
    config::Peer,
    enrolment::{EnrolmentError, enrol},
};
use nuncio_node::state_file;
use nuncio_pki::{
    Identity, IdentityPaths, JoinToken,
    authority::{Kind, request, take_first},
};
use nuncio_plain::argument;
use rustls_pki_types::UnixTime;
use serde_json::json;

use super::run;
use crate::{
    exit_code::Exit,
    failure::{Failure, causes},
    output::Output,
};

/// More than any token; the rest of a longer input is not read.
const MAX_INPUT: u64 = 64 << 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The token that an operator of the agency gave you, or - to read it from standard input
    token: String,
    /// The directory of the node to be; it is made, and an interrupted join goes on in it
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Where other nodes connect
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:30300")]
    listen: SocketAddr,
    /// Write everything and stop there
    #[arg(long)]
    no_start: bool,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let Arguments { token, out, listen, no_start } = arguments;
    let token = read_token(&token)?;
    let conf = out.join("conf");
    if !conf.join("node.crt").exists() {
        output.waiting("waiting for a certificate of the agency", first_certificate(&token, &conf)).await?;
    }
    let (identity, _) = Identity::load(&IdentityPaths::in_directory(&conf))?;
    refuse_other(&identity, &token, &conf)?;
    let file = out.join("nuncio.toml");
    if file.exists() {
        output.note(&format!("{} is there already and stays as it is", argument(&file)));
    } else {
        write_configuration(&file, &token, listen)?;
    }
    let (node, own) = (identity.key.node_id(), &identity.certificate);
    let object = json!({
        "done": "joined", "node_id": node.to_string(), "name": own.name, "agency": own.agency,
        "config": file.display().to_string(),
    });
    output.show(&object, || format!("{} of {} is node {node}: {}", own.name, own.agency, file.display()))?;
    if no_start {
        output.note(&format!("start it with: nuncio run --config {}", argument(&file)));
        return Ok(());
    }
    run::run_file(file).await
}

fn read_token(text: &str) -> Result<JoinToken, Failure> {
    let read = if text == "-" { io::read_to_string(io::stdin().lock().take(MAX_INPUT)) } else { Ok(text.to_owned()) };
    let text = read.map_err(|error| Failure::operation("file", format_args!("cannot read standard input: {error}")))?;
    JoinToken::parse(&text).map_err(|error| {
        Failure::new(Exit::Usage, "usage", error.to_string())
            .hint("an operator of the agency makes one: nuncio join-token make NAME --ca DIR --at HOST:PORT")
    })
}

/// Who lies there from a former join, or another life, is not taken for the one that the token invites.
fn refuse_other(there: &Identity, token: &JoinToken, conf: &Path) -> Result<(), Failure> {
    let own = &there.certificate;
    if own.name == token.name && own.agency_path() == token.agency {
        return Ok(());
    }
    let [name, agency] = [&token.name, &token.agency].map(|text| nuncio_plain::line(text));
    let there = format!("{} of {}", own.name, own.agency_path());
    let words = format!(
        "{} is the certificate of {there}, and the token is for {name} of {agency}",
        conf.join("node.crt").display()
    );
    Err(Failure::new(Exit::Failed, "exists", words).hint("name another directory with --out"))
}

/// The key that lies there, or a new one, and its first certificate.
async fn first_certificate(token: &JoinToken, conf: &Path) -> Result<(), Failure> {
    if token.has_ended(UnixTime::now()) {
        let words = format!("the join token ended on {}", token.ends_text());
        return Err(Failure::new(Exit::Failed, "refused", words).hint("ask the agency for another one"));
    }
    let request = request(Kind::Node, &token.name, conf)?;
    let chain = enrol(token, &request).await.map_err(no_certificate)?;
    take_first(&chain, (&token.root, &token.further, &token.agency), conf, UnixTime::now()).map(drop).map_err(|error| {
        Failure::configuration("certificates", causes(&error)).hint("ask the agency what its node issued")
    })
}

fn no_certificate(error: EnrolmentError) -> Failure {
    let (exit, code, hint) = match error {
        EnrolmentError::Unreachable { .. } => {
            (Exit::Unreachable, "unreachable", "run the same command again once its node runs and can be reached")
        }
        EnrolmentError::Mistaken { .. } => {
            (Exit::Failed, "refused", "see what answers at the token's addresses, or ask the agency for another token")
        }
        _ => (Exit::Failed, "refused", "run the same command again, or ask the agency for another token"),
    };
    Failure::new(exit, code, causes(&error)).hint(format_args!("the key stays in conf/node.key: {hint}"))
}

fn write_configuration(file: &Path, token: &JoinToken, listen: SocketAddr) -> Result<(), Failure> {
    let mut config = Config::default();
    config.p2p.listen = listen.into();
    config.p2p.network.clone_from(&token.network);
    let peers: Result<Vec<Peer>, _> = token.peers.iter().map(|peer| peer.parse()).collect();
    config.p2p.peers =
        peers.map_err(|error| Failure::configuration("configuration", format!("the token's peers: {error}")))?;
    config.gateway.enabled = false;
    // A part of it would be a configuration, too, of another node: whoever looks sees the whole file or none.
    state_file::replace_readable(file, config.to_toml().as_bytes())
        .map_err(|error| Failure::file("cannot write", file, &error))
}
