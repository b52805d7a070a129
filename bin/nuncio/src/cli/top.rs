//! `nuncio top`: a node as it works, in a terminal.

mod rows;
mod screen;
mod sight;
mod view;

use std::{
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ratatui::{DefaultTerminal, crossterm::event};
use tokio::{sync::mpsc, time};

use self::{
    sight::{Sight, Sights},
    view::{Next, Tab, View},
};
use super::{node::NodeArguments, text};
use crate::{failure::Failure, interruption::Interruption, output::Output};

/// How often the keyboard's thread sees whether it is to end.
const KEYBOARD: Duration = Duration::from_millis(100);

/// Width of a frame that no terminal limits, in columns.
const PAGE: u16 = 120;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print one frame and end; works without a terminal, as --json does
    #[arg(long)]
    once: bool,
    /// How often to look
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = text::time_limit)]
    interval: Duration,
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let client = arguments.node.connect()?;
    let interval = arguments.interval.max(Duration::from_millis(100));
    if output.json {
        return output.object(&Sight::of(&client).await?);
    }
    let has_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    if !arguments.once && !has_terminal {
        return Err(Failure::usage("nuncio top draws on a terminal, and there is none")
            .hint("`nuncio top --once` prints one frame, `nuncio top --json` one object"));
    }
    let mut sights = Sights::new(Sight::of(&client).await?);
    if arguments.once {
        time::sleep(interval).await;
        sights.take(Sight::of(&client).await);
        let width = ratatui::crossterm::terminal::size().map_or(PAGE, |(columns, _)| columns);
        return output.lines(screen::page(&sights, if io::stdout().is_terminal() { width } else { PAGE }));
    }
    let terminal = ratatui::try_init()
        .map_err(|error| Failure::operation("terminal", format_args!("the terminal cannot be used: {error}")))?;
    let watched = watch(terminal, &client, sights, interval, View::new(Tab::Links, output.is_coloured())).await;
    ratatui::restore();
    watched
}

async fn watch(
    mut terminal: DefaultTerminal,
    client: &nuncio_admin::Client,
    mut sights: Sights,
    interval: Duration,
    mut view: View,
) -> Result<(), Failure> {
    let mut interruption = Interruption::new()?;
    let (keyboard, mut events) = Keyboard::new();
    let mut ticks = time::interval(interval);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        terminal
            .draw(|frame| screen::draw(frame, &sights, &mut view))
            .map_err(|error| Failure::operation("terminal", format_args!("the terminal is gone: {error}")))?;
        tokio::select! {
            event = events.recv() => match event.map(|event| view.handle(&event)) {
                Some(Next::Go) => {}
                Some(Next::Quit) | None => break,
            },
            _ = ticks.tick() => sights.take(Sight::of(client).await),
            () = interruption.wait() => break,
        }
    }
    drop(keyboard);
    Ok(())
}

/// A thread that reads the keyboard until it is dropped.
struct Keyboard(Arc<AtomicBool>);

impl Keyboard {
    fn new() -> (Self, mpsc::Receiver<event::Event>) {
        let (sender, receiver) = mpsc::channel(64);
        let ended = Arc::new(AtomicBool::new(false));
        let has_ended = Arc::clone(&ended);
        tokio::task::spawn_blocking(move || {
            while !has_ended.load(Ordering::Relaxed) {
                let read = event::poll(KEYBOARD).and_then(|is_there| is_there.then(event::read).transpose());
                match read {
                    Ok(Some(event)) => {
                        if sender.blocking_send(event).is_err() {
                            return;
                        }
                    }
                    Ok(None) => {}
                    Err(_) => return,
                }
            }
        });
        (Self(ended), receiver)
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
