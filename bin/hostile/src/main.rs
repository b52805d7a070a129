//! A member of the consortium that follows the protocol badly: one named attack on real nodes, bounded in count and time.
//!
//! It is let loose by the laboratory (`testnet/lab/hostile-member.sh`) and is no part of the product. It links with a valid
//! certificate over the real transport and writes raw streams, so that nothing of an honest node's own caution stops it.

mod attack;
mod connection;
mod heard;
mod link;
mod member;
mod meshsub;
mod pace;

use std::{
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::Parser;
use libp2p::{Multiaddr, multiaddr::Protocol};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    attack::{Attack, Scene},
    link::Link,
    member::Member,
};

/// How long after a link has ended, or was refused, the next is tried.
const PAUSE: Duration = Duration::from_millis(200);

/// Messages made beforehand at most.
const STOCK: usize = 40_000;

/// A member that breaks the rules, for the laboratory.
#[derive(Debug, Parser)]
struct Arguments {
    /// What it does.
    #[arg(value_enum)]
    attack: Attack,
    /// The directory with its node.key, node.crt and ca.crt.
    #[arg(long, value_name = "DIR")]
    certs: PathBuf,
    /// The node that it does it to.
    #[arg(long, value_name = "IP:PORT")]
    victim: SocketAddr,
    /// Messages a second.
    #[arg(long, default_value_t = 5_000)]
    rate: u32,
    /// For how long.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Links made at most.
    #[arg(long, default_value_t = 100)]
    links: u32,
    /// Addresses that it claims in its status: eight at most.
    #[arg(long, value_name = "IP:PORT")]
    bait: Vec<String>,
    /// The network's name.
    #[arg(long, default_value = "nuncio")]
    network: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let Arguments { attack, rate, seconds, .. } = arguments;
    let member = Arc::new(Member::load(&arguments.certs, &arguments.network)?);
    let count = STOCK.min(rate as usize * seconds as usize);
    let stock = attack.stock(&member, rate, count);
    let scene = Arc::new(Scene { member, rate, bait: arguments.bait.clone(), stock, sent: AtomicU64::new(0) });
    let mut out = std::io::stdout();
    writeln!(out, "{}", json!({ "attacks": scene.member.node().to_string() }))?;
    let told = strike(&arguments, &scene).await?;
    let sent = scene.sent.load(Ordering::Relaxed);
    writeln!(out, "{}", json!({ "sent": sent, "links": told.links, "last": told.last }))?;
    Ok(())
}

#[derive(Default)]
struct Told {
    links: u32,
    /// Why the last link ended, or was refused.
    last: String,
}

/// Attacks over one link after the other until the time is over.
async fn strike(arguments: &Arguments, scene: &Arc<Scene>) -> anyhow::Result<Told> {
    let mut transport = scene.member.transport()?;
    let until = Instant::now() + Duration::from_secs(arguments.seconds.into());
    let mut told = Told::default();
    while told.links < arguments.links && Instant::now() < until {
        let answers = arguments.attack.answers(scene);
        let dialled = Link::open(&scene.member, &mut transport, multiaddr(arguments.victim), answers);
        match timeout_at(until, dialled).await {
            Ok(Ok(link)) => {
                told.links += 1;
                if let Ok(Err(error)) = timeout_at(until, arguments.attack.run(&link, scene)).await {
                    told.last = error.to_string();
                }
            }
            Ok(Err(error)) => told.last = format!("{error:#}"),
            Err(_) => break,
        }
        sleep(PAUSE).await;
    }
    Ok(told)
}

fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}
