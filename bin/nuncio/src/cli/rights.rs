//! `nuncio rights`: who may publish, subscribe and see which topics, by a configuration. No node is asked.

use std::path::{Path, PathBuf};

use nuncio_daemon::Config;
use nuncio_pki::{Certificate, Identity};
use nuncio_protocol::{
    Topic,
    amop::{publishing, subscribing},
};
use nuncio_rights::{Act, Key, Party, Role, agency_path};
use serde_json::json;

use crate::{
    failure::{Failure, causes},
    output::Output,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Whether somebody may do something with a topic, and which rule decides; exit 1 when it is denied
    Check(Check),
}

#[derive(Debug, clap::Args)]
struct Check {
    /// What: publish, subscribe or see
    #[arg(value_name = "ACT", value_parser = act)]
    act: Act,
    /// Which topic
    #[arg(value_name = "TOPIC")]
    topic: String,
    /// Who, by a certificate file; its agencies are believed as they stand there
    #[arg(long, value_name = "FILE", conflicts_with_all = ["agency", "name", "key"])]
    cert: Option<PathBuf>,
    /// Who, by the agency that issued the certificate
    #[arg(long, value_name = "AGENCY")]
    agency: Option<String>,
    /// The name in the certificate
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The key, as `nuncio cert inspect` shows it
    #[arg(long, value_name = "KEY")]
    key: Option<Key>,
    /// As an SDK at this node, or as another node that speaks for its own
    #[arg(long, value_name = "ROLE", value_parser = role, default_value = "sdk")]
    role: Role,
    /// The configuration [default: ./nuncio.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let Action::Check(check) = arguments.action;
    check.run(output)
}

impl Check {
    fn run(self, output: Output) -> Result<(), Failure> {
        let config = Config::load(&self.config.clone().unwrap_or_else(|| "nuncio.toml".into()))?;
        let topic = Topic::new(&self.topic).map_err(|error| Failure::usage(error.to_string()))?;
        let (act, name) = match self.act {
            Act::Subscribe => subscribing(&topic).unwrap_or((Act::Subscribe, topic.as_str())),
            Act::Publish => publishing(&topic),
            Act::See => (Act::See, publishing(&topic).1),
        };
        let rights = config.rights.in_force().map_err(|(key, fault)| Failure::usage(format!("{key}: {fault}")))?;
        let party = self.party(&config)?;
        let verdict = rights.judge(&party.subject(), act, name);
        let quotas = rights.quotas(&party.subject());
        let who = format!("{} {:?} of agency {:?}", party.role, party.name, party.agency);
        let does = if act == Act::Publish { "publish to" } else { act.as_str() };
        if !verdict.is_allowed() {
            let words = format!("{who} may not {does} {:?}: {verdict}", self.topic);
            let hint =
                "the rules are in [rights] of that configuration; docs/book/rights-and-namespaces.md says what decides";
            return Err(Failure::operation("denied", words).hint(hint));
        }
        let object = json!({
            "allowed": true, "act": act.as_str(), "topic": self.topic, "reason": verdict.to_string(),
            "role": party.role, "name": party.name, "agency": party.agency,
            "messages_per_second": quotas.credential.messages, "bytes_per_second": quotas.credential.bytes,
        });
        output.show(&object, || format!("{who} may {does} {:?}: {verdict}", self.topic))
    }

    fn party(&self, config: &Config) -> Result<Party, Failure> {
        let mut party = match &self.cert {
            Some(file) => party_of(file)?,
            None => Party {
                keys: self.key.into_iter().collect(),
                ..Party::sdk(self.agency.clone().unwrap_or_default(), self.name.clone().unwrap_or_default())
            },
        };
        party.role = self.role;
        if self.role == Role::Sdk {
            // An SDK is in a namespace only where its node is.
            let (identity, _) = Identity::load(&config.identity_paths())?;
            let (own, id) = (&identity.certificate, identity.key.node_id());
            party.node = Some(Box::new(Party::node(own.agency_path(), own.name.clone(), id.as_bytes())));
        }
        Ok(party)
    }
}

fn party_of(file: &Path) -> Result<Party, Failure> {
    let bundle = Certificate::load(file);
    let bundle = bundle.map_err(|error| Failure::configuration("certificates", causes(&error)).hint(error.hint()))?;
    let (leaf, issuers) = bundle.split_first().ok_or_else(|| Failure::usage("there is no certificate in it"))?;
    let names: Vec<_> =
        issuers.iter().rev().filter(|one| !one.is_self_issued()).filter_map(Certificate::common_name).collect();
    let agency = match &names[..] {
        [] => agency_path(leaf.issuer_common_name().as_deref()),
        names => agency_path(names.iter().map(String::as_str)),
    };
    let point = leaf.node_id().map(|id| Key::Point(*id.as_bytes()));
    let keys = point.into_iter().chain([Key::Hash(leaf.key_id())]).collect();
    Ok(Party { keys, ..Party::sdk(agency, leaf.common_name().unwrap_or_default()) })
}

fn act(text: &str) -> Result<Act, String> {
    let known = Act::ALL.into_iter().find(|act| act.as_str() == text);
    known.ok_or_else(|| "write publish, subscribe or see".to_owned())
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "sdk" => Ok(Role::Sdk),
        "node" => Ok(Role::Node),
        _ => Err("write sdk or node".to_owned()),
    }
}
