//! `nuncio ca rotate`: another root or agency in the place of one, while the network runs.

mod view;

use std::{collections::BTreeSet, path::PathBuf};

use clap::value_parser;
use nuncio_identity::NodeId;
use nuncio_pki::{
    Certificate,
    authority::{Authority, Chosen, Done, OldAgency, Plan, Rotation, RotationError, Sdks, SdksAt, Seen, Shown, Step},
};
use nuncio_plain::argument;
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::text::short,
    exit_code::Exit,
    failure::{Failure, causes},
    output::Output,
};
use view::{MaybeView, View};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The directory of the root or agency that is replaced
    #[arg(long, value_name = "DIR")]
    ca: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// 1: say what is replaced, and where; nothing is made yet
    Plan {
        #[command(flatten)]
        which: Which,
        /// A directory at hand, of agencies, nodes or SDKs, to be changed by `switch`; others get files by hand. Repeatable
        #[arg(long = "at", value_name = "DIR")]
        at: Vec<PathBuf>,
        /// The new root's name [default: the old one's, with a number]
        #[arg(long)]
        name: Option<String>,
        /// How long the new authority is valid [default: 7300, an agency 3650]
        #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
        days: Option<u32>,
        #[command(flatten)]
        view: MaybeView,
    },
    /// 2: make the new authority; the old root vouches for a new one
    Prepare {
        #[command(flatten)]
        which: Which,
        /// The root's directory, for an agency
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    /// 3: issue anew, for the same keys, what the old authority issued; a file for each node and agency in rotation/issued
    Issue {
        #[command(flatten)]
        which: Which,
        /// A node that is not at hand: its whole ID, of which you know by other ways that it is a member. Repeatable
        #[arg(long = "node", value_name = "NODEID")]
        nodes: Vec<NodeId>,
        /// Whatever node the network shows. Never after a theft: a thief's nodes are among them
        #[arg(long, conflicts_with = "nodes")]
        all_seen: bool,
        #[command(flatten)]
        view: MaybeView,
    },
    /// 4: put the new authority to use; the old one is trusted still
    Switch {
        #[command(flatten)]
        which: Which,
    },
    /// Say how far it is, and which nodes show certificates of the old authority still
    Status {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        view: View,
    },
    /// 5: end the trust in the old authority; refused while a node or an SDK would be cut off
    Retire {
        #[command(flatten)]
        which: Which,
        /// Give up a node that shows the old authority or is not seen any more, and the SDKs there. Repeatable
        #[arg(long, value_name = "NODEID")]
        without: Vec<String>,
        /// What `nuncio certs --sdks --json` printed on a node, for a machine without network
        #[arg(long, value_name = "FILE", conflicts_with = "cut_sdks")]
        sdks: Option<PathBuf>,
        /// Do not ask what SDKs show: those that show the old authority are cut off
        #[arg(long)]
        cut_sdks: bool,
        /// Revoke the old agency: the directory of its root, or one with it somewhere below
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
        /// Let the old agency be accepted until it ends, by all, whoever has its key
        #[arg(long, conflicts_with = "root")]
        unrevoked: bool,
        #[command(flatten)]
        view: View,
    },
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    match arguments.action {
        Action::Plan { which, at, name, days, view } => {
            let seen = view.look().await?;
            let mut rotation = Rotation::plan(&which.ca, Plan { name, days, folders: at })?;
            rotation.note(&seen)?;
            show_plan(&rotation, &seen, output)
        }
        Action::Prepare { which, root } => {
            let root = root.as_deref().map(Authority::open).transpose()?;
            let mut rotation = Rotation::open(&which.ca)?;
            let (subject, end) = {
                let new = rotation.prepare(root.as_ref())?;
                (new.subject(), new.not_after_text())
            };
            let place = rotation.folder().join("new").display().to_string();
            let object = json!({ "step": rotation.step(), "subject": subject, "not_after": end, "path": place });
            output.show(&object, || format!("prepared {subject}, valid until {end}: {place}"))?;
            tell_list(&rotation, output);
            next("issue", output);
            Ok(())
        }
        Action::Issue { which, nodes, all_seen, view } => {
            let seen = view.look().await?;
            let mut rotation = Rotation::open(&which.ca)?;
            let nodes = nodes.iter().map(ToString::to_string).collect();
            let done = rotation.issue(&seen, &if all_seen { Chosen::AllSeen } else { Chosen::Nodes(nodes) })?;
            tell(&rotation, &done, "files to hand out", output)?;
            output.note(
                "hand each to its owner, with the new authority's certificate for his ca.crt; keys stay as they are",
            );
            next("switch", output);
            Ok(())
        }
        Action::Switch { which } => {
            let mut rotation = Rotation::open(&which.ca)?;
            let done = rotation.switch()?;
            tell(&rotation, &done, "files changed", output)?;
            next("status, and when no node shows the old authority, retire", output);
            Ok(())
        }
        Action::Status { which, view } => {
            let seen = view.look().await?;
            let mut rotation = Rotation::open(&which.ca)?;
            rotation.note(&seen)?;
            show_sdks(&rotation, view.network_sdks(None).await, view.sdks().await, output);
            show_status(&rotation, &seen, output)
        }
        Action::Retire { which, without, sdks, cut_sdks, root, unrevoked, view } => {
            let seen = view.look().await?;
            let sdks = if cut_sdks { None } else { Some(view.network_sdks(sdks.as_deref()).await?) };
            retire(&which, &without, (root, unrevoked), (&seen, sdks.as_deref()), output)
        }
    }
}

fn retire(
    which: &Which,
    without: &[String],
    (root, unrevoked): (Option<PathBuf>, bool),
    (seen, sdks): (&[Seen], Option<&[SdksAt]>),
    output: Output,
) -> Result<(), Failure> {
    let rotation = Rotation::open(&which.ca)?;
    let given_up = given_up(without, &rotation, seen)?;
    let root = root.map(|root| Authority::open_issuer_of(rotation.old(), &root)).transpose()?;
    let old = rotation.old().subject();
    let end = match &root {
        Some(root) => OldAgency::RevokedBy(root),
        None if unrevoked => OldAgency::Unrevoked,
        None => OldAgency::Unsaid,
    };
    let done = rotation.retire(seen, &given_up, sdks.map_or(Sdks::CutOff, Sdks::Told), end)?;
    let files = done.written.len();
    output.show(
        &json!({ "step": Step::Retired, "subject": old, "files": done.written, "left_out": done.left_out }),
        || format!("retired {old}; {files} files changed"),
    )?;
    for left_out in &done.left_out {
        output.note(&format!("left out: {left_out}"));
    }
    if sdks.is_none() {
        output.note("nobody asked what SDKs show: those that show the old authority are cut off");
    }
    if let Some(root) = root {
        let list = root.crl_path();
        output
            .note(&format!("now give {} to a node, which tells all: until then the old agency counts", list.display()));
    }
    output.note("its key is in former/: keep it under lock while its revocation lists count, then destroy it");
    Ok(())
}

fn show_plan(rotation: &Rotation, seen: &[Seen], output: Output) -> Result<(), Failure> {
    let old = rotation.old().subject();
    let below = seen.iter().filter(|seen| rotation.shown_by(&seen.chain) == Shown::Old).count();
    let at_hand: Vec<_> = rotation.at_hand().iter().map(|path| path.display().to_string()).collect();
    let object =
        json!({ "step": rotation.step(), "rank": rotation.rank(), "subject": old, "nodes": below, "at": at_hand });
    output.show_lines(&object, || {
        let mut lines = vec![format!("planned: another authority in the place of {old}")];
        lines.push(format!("  nodes       {below} show its certificates"));
        lines.extend(at_hand.iter().map(|place| format!("  at hand     {place}")));
        lines
    })?;
    if let Some(new) = rotation.new_name() {
        let old = rotation.old().common_name().unwrap_or_default();
        output.note(&format!(
            "rules in [rights] that name {old:?} are about what the root itself issued, and about nobody once it shows the new root: put \
             {new:?} beside it at every node before switch"
        ));
    }
    next("prepare", output);
    Ok(())
}

fn tell(rotation: &Rotation, done: &Done, what: &str, output: Output) -> Result<(), Failure> {
    let object = json!({ "step": rotation.step(), "files": done.written, "left_out": done.left_out });
    output.show_lines(&object, || {
        let mut lines = vec![format!("{}: {} {what}", rotation.step().as_str(), done.written.len())];
        lines.extend(done.written.iter().map(|path| format!("  {}", path.display())));
        lines
    })?;
    for left_out in &done.left_out {
        output.note(&format!("left out: {left_out}"));
    }
    Ok(())
}

#[derive(Debug, Serialize)]
struct Row {
    node_id: String,
    name: String,
    /// `old`, `new` or `unseen`.
    shows: &'static str,
    reachable: bool,
}

fn show_status(rotation: &Rotation, seen: &[Seen], output: Output) -> Result<(), Failure> {
    let rows = rows(rotation, seen);
    output.rows(&rows, &["node", "name", "shows", "reachable"], |row| {
        let shows = if row.shows == "new" { output.good(row.shows) } else { output.bad(row.shows) };
        vec![short(&row.node_id), row.name.clone(), shows, if row.reachable { "yes" } else { "no" }.to_owned()]
    })?;
    let late = rows.iter().filter(|row| row.shows != "new").count();
    let step = rotation.step();
    output.note(&format!("{}: {late} of {} nodes do not show the new authority", step.as_str(), rows.len()));
    next(
        match step {
            Step::Planned => "prepare",
            Step::Prepared => "issue",
            Step::Issued => "switch",
            _ if late > 0 => "hand these nodes their files from rotation/issued",
            _ => "retire",
        },
        output,
    );
    Ok(())
}

/// Each node says below whom the SDKs there stand; which ones they are, the node that is asked says of its own alone.
fn show_sdks(
    rotation: &Rotation,
    network: Result<Vec<SdksAt>, Failure>,
    own: Result<Vec<Session>, String>,
    output: Output,
) {
    let network = match network {
        Ok(network) => network,
        Err(failure) => return output.note(&format!("sessions of SDKs are not seen: {}", failure.message)),
    };
    let (mut old, mut all) = (0, 0);
    for node in &network {
        let of_old = node.issuers.iter().filter(|(issuers, _)| rotation.shown_by_issuers(issuers) == Shown::Old);
        let at_node: u64 = of_old.map(|(_, sessions)| u64::from(*sessions)).sum();
        old += at_node;
        all += node.issuers.iter().map(|(_, sessions)| u64::from(*sessions)).sum::<u64>();
        let name = format!("{} ({})", node.name, short(&node.node_id));
        if at_node > 0 {
            output.note(&format!("  SDKs at {name}: {at_node} show the old authority"));
        }
        if let Some(reason) = &node.unknown {
            output.note(&format!("  SDKs at {name}: not known: {reason}"));
        }
    }
    output.note(&format!(
        "SDKs: {old} of {all} sessions in the network show the old authority; those that are not connected are not seen"
    ));
    for (chain, sessions) in own.iter().flatten().filter(|(chain, _)| rotation.shown_by(chain) == Shown::Old) {
        let subject = chain.first().map(Certificate::subject).unwrap_or_default();
        output.note(&format!("  at this node {subject}: {sessions}"));
    }
}

/// The certificates of an SDK, and its sessions.
type Session = (Vec<Certificate>, usize);

fn rows(rotation: &Rotation, seen: &[Seen]) -> Vec<Row> {
    let shown = |seen: &Seen| match rotation.shown_by(&seen.chain) {
        Shown::Old => Some("old"),
        Shown::New => Some("new"),
        _ => None,
    };
    let mut rows: Vec<_> = seen
        .iter()
        .filter_map(|seen| {
            let (node_id, name) = (seen.node_id.clone(), seen.name.clone());
            Some(Row { node_id, name, shows: shown(seen)?, reachable: seen.reachable })
        })
        .collect();
    let is_unseen = |node: &str| !seen.iter().any(|seen| seen.node_id == node);
    let unseen = rotation.expected().filter(|(node, _)| is_unseen(node));
    rows.extend(unseen.map(|(node, name)| Row {
        node_id: node.to_owned(),
        name: name.to_owned(),
        shows: "unseen",
        reachable: false,
    }));
    rows.sort_by(|a, b| (&a.name, &a.node_id).cmp(&(&b.name, &b.node_id)));
    rows
}

/// The nodes that are named, each by an unambiguous beginning of its ID.
fn given_up(named: &[String], rotation: &Rotation, seen: &[Seen]) -> Result<BTreeSet<String>, Failure> {
    let known: BTreeSet<&str> =
        rotation.expected().map(|(node, _)| node).chain(seen.iter().map(|seen| seen.node_id.as_str())).collect();
    let one =
        |prefix: &String| match known.iter().filter(|node| node.starts_with(prefix.as_str())).collect::<Vec<_>>()[..] {
            [node] if prefix.len() >= 6 => Ok((*node).to_owned()),
            _ => Err(Failure::usage(format_args!("--without {prefix}: not the beginning of exactly one node's ID"))
                .hint("at least 6 digits; nuncio ca rotate status names the nodes")),
        };
    named.iter().map(one).collect()
}

/// Where lists are required, the new authority's comes first.
fn tell_list(rotation: &Rotation, output: Output) {
    let place = rotation.folder().join("new");
    let list = place.join("ca.crl");
    output.note(&if list.exists() {
        format!(
            "where crl_policy is \"hard\", name {} in [identity] crl of one node before the switch: it spreads from there",
            argument(&list)
        )
    } else {
        format!(
            "where crl_policy is \"hard\", make the new authority's first list before the switch: nuncio ca crl --ca {}",
            argument(&place)
        )
    });
}

fn next(step: &str, output: Output) {
    output.note(&format!("next: {step}"));
}

impl From<RotationError> for Failure {
    fn from(error: RotationError) -> Self {
        let (exit, code) = match error {
            RotationError::Authority(error) => return error.into(),
            RotationError::TooEarly { .. } | RotationError::SdksTooEarly { .. } => (Exit::Failed, "too_early"),
            RotationError::Busy { .. } => (Exit::Failed, "busy"),
            RotationError::Underway { .. } | RotationError::OutOfOrder { .. } | RotationError::NotPlanned { .. } => {
                (Exit::Failed, "step")
            }
            RotationError::Folder { .. } | RotationError::RootNeeded { .. } | RotationError::StillTrusted { .. } => {
                (Exit::Usage, "usage")
            }
            _ => (Exit::Configuration, "certificates"),
        };
        let failure = Self::new(exit, code, causes(&error));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
