use std::sync::Arc;

use bytes::Bytes;
use nuncio_node::{Incoming, NodeHandle};
use nuncio_protocol::Topic;
use tokio::sync::mpsc;

use super::{Arguments, Role, control::Control, message::acknowledgement, one_way, recorder::Recorder, round_trips};
use crate::{
    bench::{
        point::Work,
        roles::{
            amop::{TOPIC, connect},
            failed, linked, meshed,
            multicast::accept_reports,
            start,
            unicast::{TIMEOUT, first_node},
        },
    },
    failure::Failure,
};

/// What a role does in a work.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Answer,
    Ask,
    Receive,
    Send,
    Publish,
    Serve,
    Acknowledge,
    PublishToOne,
}

impl Part {
    /// `None`: the work has no such role.
    pub(super) const fn of(work: Work, role: Role) -> Option<Self> {
        match (work, role) {
            (Work::Unicast, Role::Server) => Some(Self::Answer),
            (Work::Unicast, Role::Client) => Some(Self::Ask),
            (Work::Bulk, Role::Server) | (Work::Multicast, Role::Sub) => Some(Self::Receive),
            (Work::Bulk, Role::Client) => Some(Self::Send),
            (Work::Multicast, Role::Pub) => Some(Self::Publish),
            (Work::Amop, Role::Node0 | Role::Node1) => Some(Self::Serve),
            (Work::Amop, Role::Sub) => Some(Self::Acknowledge),
            (Work::Amop, Role::Pub) => Some(Self::PublishToOne),
            _ => None,
        }
    }

    /// Plays it to its end.
    pub(super) async fn play(self, arguments: Arguments, control: Control) -> Result<(), Failure> {
        match self {
            Self::Answer => answer(&arguments, control).await,
            Self::Ask => ask(&arguments, control).await,
            Self::Receive => receive(&arguments, control).await,
            Self::Send => send(&arguments, control).await,
            Self::Publish => publish(&arguments, control).await,
            Self::Serve => serve(&arguments, control).await,
            Self::Acknowledge => acknowledge(&arguments, control).await,
            Self::PublishToOne => publish_to_one(&arguments, control).await,
        }
    }
}

async fn answer(arguments: &Arguments, mut control: Control) -> Result<(), Failure> {
    let node = start(&arguments.network(), 0).await?;
    let mut listener = node.listen(Vec::new(), true).await;
    control.ready();
    let answering = async {
        while let Some(incoming) = listener.next().await {
            if let Incoming::Unicast { body, responder, .. } = incoming {
                responder.reply(body);
            }
        }
    };
    tokio::select! { () = answering => {}, () = control.idle() => {} }
    Ok(())
}

async fn ask(arguments: &Arguments, mut control: Control) -> Result<(), Failure> {
    let (node, target) = client(arguments).await?;
    let request = move |message| {
        let node = node.clone();
        async move { node.request(target, message, TIMEOUT).await.map(|answer| answer.body).map_err(|error| failed(&error)) }
    };
    round_trips::drive(&arguments.point(), &mut control, request).await
}

/// Records what comes one way.
async fn receive(arguments: &Arguments, mut control: Control) -> Result<(), Failure> {
    let node = start(&arguments.network(), arguments.index).await?;
    let is_bulk = arguments.work == Work::Bulk;
    let mut listener = node.listen(if is_bulk { Vec::new() } else { vec![topic()] }, is_bulk).await;
    control.ready();
    let mut recorder = Recorder::start(arguments).await?;
    let recording = async {
        while let Some(incoming) = listener.next().await {
            let taken = match incoming {
                Incoming::Unicast { body, responder, .. } => {
                    let taken = recorder.take(&body).await;
                    responder.reply(Bytes::new());
                    taken
                }
                Incoming::Multicast { data, .. } => recorder.take(&data).await,
                _ => Ok(()),
            };
            if taken.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! { () = recording => {}, stopped = control.stopped() => stopped? }
    control.result(&recorder.outcome());
    control.idle().await;
    Ok(())
}

/// Sends one way, by requests whose answers nobody waits for.
async fn send(arguments: &Arguments, mut control: Control) -> Result<(), Failure> {
    let (node, target) = client(arguments).await?;
    let point = arguments.point();
    let counts = accept_reports(&point, &arguments.network()).await?;
    let (failure, mut failures) = mpsc::channel(1);
    let failure = Arc::new(failure);
    let send = |message| {
        let (node, failure) = (node.clone(), Arc::clone(&failure));
        tokio::spawn(async move {
            if let Err(error) = node.request(target, message, TIMEOUT).await {
                // The first one ends the measurement.
                let _ = failure.try_send(failed(&error));
            }
        });
        async {
            tokio::task::yield_now().await;
            Ok(())
        }
    };
    tokio::select! {
        driven = one_way::drive(&point, counts, &mut control, send) => driven,
        Some(failure) = failures.recv() => Err(failure),
    }
}

async fn publish(arguments: &Arguments, mut control: Control) -> Result<(), Failure> {
    let node = start(&arguments.network(), arguments.index).await?;
    meshed(&node, arguments.subs).await?;
    let point = arguments.point();
    let counts = accept_reports(&point, &arguments.network()).await?;
    let publisher = node.publisher(Some(topic()));
    let send = |message: Bytes| {
        let publisher = publisher.clone();
        async move { publisher.send(message).await.map_err(|error| failed(&error)) }
    };
    one_way::drive(&point, counts, &mut control, send).await
}

/// A node with a gateway.
async fn serve(arguments: &Arguments, mut control: Control) -> Result<(), Failure> {
    let node = start(&arguments.network(), arguments.index).await?;
    if arguments.role == Role::Node1 {
        linked(&node, 1).await?;
    }
    control.ready();
    control.idle().await;
    Ok(())
}

async fn acknowledge(arguments: &Arguments, mut control: Control) -> Result<(), Failure> {
    let client = connect(&arguments.network(), 0).await?;
    let mut subscription = client.subscribe([TOPIC]).await.map_err(|error| failed(&error))?;
    control.ready();
    let answering = async {
        while let Some(delivery) = subscription.next().await {
            let answer = acknowledgement(&delivery.data);
            // The node did not wait any longer; the publisher has been told.
            let _ = delivery.respond(answer);
        }
    };
    tokio::select! { () = answering => {}, () = control.idle() => {} }
    Ok(())
}

async fn publish_to_one(arguments: &Arguments, mut control: Control) -> Result<(), Failure> {
    let client = connect(&arguments.network(), 1).await?;
    let request = move |message| {
        let client = client.clone();
        async move { client.publish(TOPIC, message).await.map_err(|error| failed(&error)) }
    };
    round_trips::drive(&arguments.point(), &mut control, request).await
}

/// The node that asks, linked, and whom it asks.
async fn client(arguments: &Arguments) -> Result<(NodeHandle, nuncio_identity::NodeId), Failure> {
    let node = start(&arguments.network(), 1).await?;
    linked(&node, 1).await?;
    Ok((node, first_node(&arguments.network())?))
}

fn topic() -> Topic {
    Topic::new(TOPIC).expect("a good name")
}
