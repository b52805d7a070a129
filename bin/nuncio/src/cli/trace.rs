//! `nuncio trace`: the way of a request, as the nodes on it report it.

use std::time::Duration;

use nuncio_admin::{
    ClientError,
    api::{Trace, TraceStep},
};

use super::{
    node::NodeArguments,
    send::WAITING,
    text::{self, or_dash, rtt, short},
};
use crate::{failure::Failure, output::Output};

/// What `nuncio trace` shows, and `nuncio send --trace` besides the reply.
pub(super) const HEADER: [&str; 7] = ["node", "name", "agency", "leg", "queued", "left", "fate"];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The node
    #[arg(value_name = "NODEID", value_parser = text::node_id)]
    target: String,
    /// How long to wait for its answer
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = text::time_limit)]
    timeout: Duration,
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let client = arguments.node.connect()?;
    let trace = output.waiting(WAITING, client.probe(&arguments.target, arguments.timeout)).await?;
    if output.json {
        output.object(&trace)?;
    } else if !trace.way.is_empty() {
        output.table(&HEADER, trace.way.iter().map(row))?;
    }
    conclude(&trace, output)?;
    if let Some((rtt_us, hops)) = trace.rtt_us.zip(trace.hops) {
        output.note(&format!("back in {} over {hops} links", rtt(rtt_us)));
    }
    Ok(())
}

/// What else there is to say, and the failure of a request that has no reply.
pub(super) fn conclude(trace: &Trace, output: Output) -> Result<(), Failure> {
    let silent = trace.way.iter().filter(|step| !step.reported).count();
    if silent > 0 {
        output.note(&format!(
            "{silent} of {} nodes sent no report: of an earlier release, silent, or asked too often",
            trace.way.len()
        ));
    }
    for forged in &trace.forged {
        output.note(&format!("{} sent a report that it did not sign", short(forged)));
    }
    if let Some(failure) = &trace.failure {
        return Err(ClientError::Failed(failure.clone()).into());
    }
    Ok(())
}

pub(super) fn row(step: &TraceStep) -> Vec<String> {
    let to = step.to.as_deref().map(|to| format!(" to {}", short(to))).unwrap_or_default();
    let fate = step.fate.as_ref().map_or_else(|| "no report".to_owned(), |fate| format!("{fate}{to}"));
    vec![
        short(&step.node_id),
        step.name.clone(),
        step.agency.clone(),
        or_dash(step.leg_us.map(|leg| format!("{leg} µs"))),
        or_dash(step.queued_us.map(|queued| format!("{queued} µs"))),
        or_dash(step.left_us.map(|left| format!("{left} µs"))),
        fate,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_did_not_report_has_dashes() {
        let node = "ab".repeat(64);
        let text = format!(r#"{{"node_id":"{node}","name":"n","agency":"a","reported":false}}"#);
        let silent: TraceStep = serde_json::from_str(&text).unwrap();
        assert_eq!(row(&silent)[3..], ["-", "-", "-", "no report"]);
        let sent = TraceStep { fate: Some("sent".into()), to: Some(node), leg_us: Some(-7), ..silent };
        assert_eq!(row(&sent)[3..], ["-7 µs", "-", "-", "sent to abababababab"]);
    }
}
