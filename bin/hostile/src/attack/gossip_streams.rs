//! On gossip streams of its own, since a victim gives up whatever stream cannot be read.

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt};
use nuncio_wire::multicast::BROADCAST;
use tokio::time::timeout;

use super::Scene;
use crate::{
    link::Link,
    meshsub::{self, Rpc},
};

/// Longer than any message of gossip.
const OVERSIZE: usize = 12 << 20;

/// For how long the victim is given the chance to give up a stream.
const PATIENCE: Duration = Duration::from_millis(300);

/// Bytes that are no messages.
pub(super) async fn junk(link: &Link, scene: &Scene) -> io::Result<()> {
    again_and_again(link, scene, &[0xff; 4096]).await
}

/// Messages that name their sender, as gossip of other networks does.
pub(super) fn foreign(count: usize) -> Vec<Vec<u8>> {
    let mut rpc = Rpc::publish(BROADCAST, vec![7; 64]);
    for published in &mut rpc.publish {
        published.from = Some(Bytes::from_static(b"somebody"));
    }
    vec![rpc.framed(); count]
}

/// A message that is too long.
pub(super) async fn oversize(link: &Link, scene: &Scene) -> io::Result<()> {
    again_and_again(link, scene, &Rpc::publish(BROADCAST, vec![7; OVERSIZE]).framed()).await
}

async fn again_and_again(link: &Link, scene: &Scene, bytes: &[u8]) -> io::Result<()> {
    for protocol in [meshsub::SHORT, meshsub::LONG].into_iter().cycle() {
        let mut stream = link.connection.open(protocol).await?;
        scene.count(1);
        let ended = async {
            stream.write_all(bytes).await?;
            stream.flush().await?;
            stream.read(&mut [0; 64]).await
        };
        // It ends, it is silent, or it was never read: the next one is for the victim all the same.
        let _ = timeout(PATIENCE, ended).await;
    }
    Ok(())
}
