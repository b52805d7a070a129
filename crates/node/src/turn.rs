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
    /// Publishers.
    Posts,
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
    (Source::Posts, 16),
    (Source::Responses, 128),
    (Source::ClientInputs, 128),
    (Source::Epoch, 1),
];

const NETWORK: (Source, usize) = (Source::Network, 64);

/// Pieces of work after which other tasks of the thread have their turn.
const YIELD: usize = 512;

/// Somebody who works.
pub(crate) trait Work {
    /// Does one piece of work that is ready there, or sees to it that the task is woken when there is one.
    fn poll_work(&mut self, source: Source, cx: &mut Context<'_>) -> Poll<()>;
}

/// Works until `shutdown`.
///
/// When much is under way, and an application or a client wakes it, it lets all tasks go before that are ready too: what they
/// have is done in the same turn, where each would wake it anew. What comes from the network is done at once, and so is what
/// comes alone.
pub(crate) async fn work_until(shutdown: &CancellationToken, work: &mut impl Work) {
    let mut stopped = pin!(shutdown.cancelled());
    let (mut is_idle, mut is_busy) = (true, false);
    let turns = poll_fn(|cx| {
        let mut done = if is_idle && is_busy { budgeted(work, NETWORK, cx) } else { 0 };
        if std::mem::take(&mut is_idle) && is_busy && done == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut is_drained = false;
        while done < YIELD {
            if stopped.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            match turn(work, &mut is_drained, cx) {
                0 => {
                    (is_idle, is_busy) = (true, done > 1);
                    return Poll::Pending;
                }
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

/// The network is asked last, and not again when it had no more and nothing else was done since: asking it costs most.
fn turn(work: &mut impl Work, is_drained: &mut bool, cx: &mut Context<'_>) -> usize {
    let done: usize = BUDGETS.into_iter().map(|budget| budgeted(work, budget, cx)).sum();
    if done == 0 && *is_drained {
        return 0;
    }
    let events = budgeted(work, NETWORK, cx);
    *is_drained = events < NETWORK.1;
    done + events
}

fn budgeted(work: &mut impl Work, (source, budget): (Source, usize), cx: &mut Context<'_>) -> usize {
    (0..budget).take_while(|_| work.poll_work(source, cx).is_ready()).count()
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
        BUDGETS.iter().chain([&NETWORK]).find(|(source, _)| *source == wanted).map(|(_, budget)| *budget).unwrap()
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

    /// Counts the commands of each turn; the network is always silent.
    struct Counted {
        commands: mpsc::UnboundedReceiver<()>,
        turns: Vec<usize>,
        asked: usize,
    }

    impl Work for Counted {
        fn poll_work(&mut self, source: Source, cx: &mut Context<'_>) -> Poll<()> {
            match source {
                Source::Tick => self.turns.push(0),
                Source::Commands if self.commands.poll_recv(cx).is_ready() => {
                    *self.turns.last_mut().unwrap() += 1;
                    return Poll::Ready(());
                }
                Source::Network => self.asked += 1,
                _ => {}
            }
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn of_a_busy_node_what_ready_tasks_have_is_done_in_one_turn_and_what_comes_alone_at_once() {
        const TASKS: usize = 50;
        let (handle, commands) = mpsc::unbounded_channel();
        let mut node = Counted { commands, turns: Vec::new(), asked: 0 };
        {
            let shutdown = CancellationToken::new();
            let mut working = pin!(work_until(&shutdown, &mut node));
            handle.send(()).unwrap();
            assert!(futures::poll!(working.as_mut()).is_pending());
            handle.send(()).unwrap();
            handle.send(()).unwrap();
            assert!(futures::poll!(working.as_mut()).is_pending());
            handle.send(()).unwrap();
            assert!(futures::poll!(working.as_mut()).is_pending(), "others go before");
            for _ in 1..TASKS {
                handle.send(()).unwrap();
            }
            assert!(futures::poll!(working.as_mut()).is_pending());
        }
        node.turns.retain(|commands| *commands > 0);
        assert_eq!(node.turns, [1, 2, TASKS]);
        assert_eq!(node.asked, 4, "once for each turn with commands, and before the others went");
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
