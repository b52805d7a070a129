//! Turns of the node's task: in each, every source of work has a budget, so that no flood starves another source, the
//! shutdown or other tasks.

use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll},
};

use tokio::task::unconstrained;
use tokio_util::sync::CancellationToken;

/// Where work comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Time.
    Tick,
    /// Handles of the node.
    Commands,
    /// Listeners that answer.
    Responses,
    /// The gateway's clients.
    ClientInputs,
    /// The disk, where a higher epoch was written.
    Epoch,
    /// The swarm.
    Network,
}

/// Pieces of work of each source in one turn at the most. A piece of the network's is one event.
const BUDGETS: [(Source, usize); 6] = [
    (Source::Tick, 1),
    (Source::Commands, 128),
    (Source::Responses, 128),
    (Source::ClientInputs, 128),
    (Source::Epoch, 1),
    (Source::Network, 64),
];

/// Pieces of work after which other tasks of the thread have their turn.
const YIELD: usize = 512;

/// Somebody who works.
pub(crate) trait Work {
    /// Does one piece of work that is ready there, or sees to it that the task is woken when there is one.
    fn poll_work(&mut self, source: Source, cx: &mut Context<'_>) -> Poll<()>;
}

/// Works until `shutdown`.
pub(crate) async fn work_until(shutdown: &CancellationToken, work: &mut impl Work) {
    let mut stopped = pin!(shutdown.cancelled());
    let turns = poll_fn(|cx| {
        let mut done = 0;
        while done < YIELD {
            if stopped.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            match turn(work, cx) {
                0 => return Poll::Pending,
                pieces => done += pieces,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    // The budgets here are in place of tokio's, which knows nothing of the swarm: it would silence all channels as long
    // as the swarm has events.
    unconstrained(turns).await;
}

fn turn(work: &mut impl Work, cx: &mut Context<'_>) -> usize {
    let mut done = 0;
    for (source, budget) in BUDGETS {
        done += (0..budget).take_while(|_| work.poll_work(source, cx).is_ready()).count();
    }
    done
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use tokio::sync::mpsc;

    use super::*;

    /// More events of the network than any test lets through: a turn that never ends fails, and does not hang.
    const FLOOD: usize = 100_000;

    /// A node flooded by its network, and perhaps by another source.
    struct Flooded {
        events: usize,
        commands: mpsc::UnboundedReceiver<()>,
        /// After how many events each command was done.
        done_at: Vec<usize>,
        flooding: Option<Source>,
        on_event: Box<dyn FnMut(usize)>,
    }

    impl Work for Flooded {
        fn poll_work(&mut self, source: Source, cx: &mut Context<'_>) -> Poll<()> {
            match source {
                Source::Network if self.events == FLOOD => Poll::Pending,
                Source::Network => {
                    self.events += 1;
                    (self.on_event)(self.events);
                    Poll::Ready(())
                }
                Source::Commands => self.commands.poll_recv(cx).map(|_| self.done_at.push(self.events)),
                other if Some(other) == self.flooding => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }
    }

    fn budget(wanted: Source) -> usize {
        BUDGETS.iter().find(|(source, _)| *source == wanted).map(|(_, budget)| *budget).unwrap()
    }

    async fn flooded(
        flooding: Option<Source>,
        shutdown: &CancellationToken,
        on_event: Box<dyn FnMut(usize)>,
    ) -> Flooded {
        let (_handle, commands) = mpsc::unbounded_channel();
        let mut node = Flooded { events: 0, commands, done_at: Vec::new(), flooding, on_event };
        work_until(shutdown, &mut node).await;
        node
    }

    #[tokio::test]
    async fn a_command_beside_a_flood_of_the_network_waits_for_one_budget_of_events() {
        let (handle, commands) = mpsc::unbounded_channel();
        let shutdown = CancellationToken::new();
        let (stop, sent_at) = (shutdown.clone(), [5, 500, 5_000, 50_000]);
        let on_event = Box::new(move |events| {
            if sent_at.contains(&events) {
                handle.send(()).unwrap();
            } else if events > 60_000 {
                stop.cancel();
            }
        });
        let mut node = Flooded { events: 0, commands, done_at: Vec::new(), flooding: None, on_event };
        work_until(&shutdown, &mut node).await;
        assert_eq!(node.done_at.len(), sent_at.len());
        for (sent, done) in sent_at.iter().zip(&node.done_at) {
            assert!(done - sent <= budget(Source::Network), "sent after {sent} events, done after {done}");
        }
    }

    #[tokio::test]
    async fn the_shutdown_beside_a_flood_waits_for_one_turn() {
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let on_event = Box::new(move |events| {
            if events == 10_000 {
                stop.cancel();
            }
        });
        let node = flooded(Some(Source::Responses), &shutdown, on_event).await;
        assert!(node.events <= 10_000 + budget(Source::Network), "{} events", node.events);
    }

    #[tokio::test]
    async fn a_flood_of_client_inputs_leaves_the_network_its_budget() {
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let on_event = Box::new(move |events| {
            if events == 1_000 {
                stop.cancel();
            }
        });
        let node = flooded(Some(Source::ClientInputs), &shutdown, on_event).await;
        assert!(node.events >= 1_000);
    }

    #[tokio::test]
    async fn other_tasks_of_the_thread_have_their_turn_beside_a_flood() {
        let shutdown = CancellationToken::new();
        let (stop, ran) = (shutdown.clone(), Arc::new(AtomicBool::new(false)));
        let seen = ran.clone();
        tokio::spawn(async move { ran.store(true, Ordering::Relaxed) });
        let on_event = Box::new(move |events| {
            assert!(events <= YIELD + 64 || seen.load(Ordering::Relaxed), "starved for {events} events");
            if events == 10 * YIELD {
                stop.cancel();
            }
        });
        flooded(None, &shutdown, on_event).await;
    }
}
