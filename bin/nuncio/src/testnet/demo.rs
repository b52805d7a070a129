//! `nuncio testnet demo`: every flow of the network over real sockets, between real processes.
//!
//! Each step holds or fails by what running nodes answer; the program succeeds only when all held.

mod amop;
mod ear;
mod flows;
mod membership;
mod private;
mod refusal;
mod report;
mod stage;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rand::Rng;

use crate::{failure::Failure, interruption::Interruption, output::Output};
use report::Report;
use stage::{Site, Stage};

/// Time for one fact to become true everywhere; far more than a healthy network needs.
const LIMIT: Duration = Duration::from_secs(30);

/// Length of the file that is sent: over 1 MiB, and not a round number.
const FILE_LENGTH: usize = (5 << 19) + 4321;

/// What the demonstration can be told.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Nodes to start; at least three, so that two are left when one is killed.
    pub(crate) nodes: usize,
    /// Keep the directory with its certificates and logs.
    pub(crate) keep: bool,
}

/// Runs every step; fails when one did.
pub(crate) async fn demo(options: Options, output: Output) -> Result<(), Failure> {
    let mut report = Report::new(output);
    let mut stage = None;
    let ending = Interruption::new()?.end(perform(&options, &mut report, &mut stage)).await;
    let kept = match stage {
        Some(stage) => stage.close(options.keep).await,
        None => None,
    };
    if let Some(path) = &kept {
        output.note(&format!("kept: {}", path.display()));
    }
    report.conclude(ending, kept)
}

/// Stops early only where nothing after a failed step could hold.
async fn perform(options: &Options, report: &mut Report, place: &mut Option<Stage>) -> Result<(), Failure> {
    let stage = report.must("certificates", async { Stage::create(options.nodes) }).await?;
    let stage = place.insert(stage);
    report.must("start", stage.start_all()).await?;
    report.must("links", membership::fully_linked(&stage.alive())).await?;
    report.must("status_sync", membership::same_status_everywhere(&stage.alive())).await?;

    let file = write_file(stage)?;
    flows(report, stage, &file).await?;

    report.step("foreign_ca", refusal::foreign_certificate(stage)).await?;
    let victim = stage.last();
    report.step("node_killed", kill(stage, victim, &file)).await?;
    report.step("node_restarted", restart(stage, victim, &file)).await
}

async fn flows(report: &mut Report, stage: &Stage, file: &Path) -> Result<(), Failure> {
    let sites = stage.alive();
    report.step("unicast_file", flows::file_both_ways(&sites, file)).await?;
    report.step("multicast", flows::multicast(&sites, "all")).await?;
    report.step("broadcast", flows::broadcast(&sites)).await?;
    report.step("status_change", membership::subscription_is_seen(&sites)).await?;
    report.step("amop_unicast", amop::unicast(&sites, "all")).await?;
    report.step("amop_no_subscriber", amop::no_subscriber(&sites)).await?;
    report.step("amop_multicast", amop::multicast(&sites, "all")).await?;
    report.step("amop_choice", amop::choice(&sites, "all")).await?;
    report.step("amop_private", private::private(&sites)).await
}

/// SIGKILLs a node; the others notice, and still do every flow.
async fn kill(stage: &mut Stage, victim: usize, file: &Path) -> Result<String, Failure> {
    let (name, node_id) = stage.kill(victim).await?;
    let sites = stage.alive();
    let noticed = membership::gone(&sites, &node_id).await?;
    flows::file_both_ways(&sites, file).await?;
    flows::multicast(&sites, "survivors").await?;
    flows::broadcast(&sites).await?;
    amop::unicast(&sites, "survivors").await?;
    amop::no_subscriber(&sites).await?;
    amop::multicast(&sites, "survivors").await?;
    amop::choice(&sites, "survivors").await?;
    let flows = "unicast, multicast, broadcast and AMOP go on";
    Ok(format!("{name} killed with SIGKILL, noticed by all after {noticed:.1?}; {flows} on {} nodes", sites.len()))
}

/// Starts the killed node again; it finds its place without help.
async fn restart(stage: &mut Stage, victim: usize, file: &Path) -> Result<String, Failure> {
    let epoch = stage.start(victim).await?;
    let sites = stage.alive();
    membership::fully_linked(&sites).await?;
    membership::same_status_everywhere(&sites).await?;
    let (first, back): (&Site, &Site) = (sites[0], sites[victim]);
    flows::file_both_ways(&[first, back], file).await?;
    Ok(format!("{} is back as epoch {epoch}, linked to all and answering", back.name))
}

fn write_file(stage: &Stage) -> Result<PathBuf, Failure> {
    let mut bytes = vec![0; FILE_LENGTH];
    rand::rng().fill_bytes(&mut bytes);
    let path = stage.path().join("file.bin");
    fs::write(&path, bytes).map_err(|error| Failure::file("cannot write", &path, &error))?;
    Ok(path)
}
