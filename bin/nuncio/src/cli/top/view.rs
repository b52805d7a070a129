//! What the reader looks at, and what keys do with it.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What is on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Links,
    Topics,
    Traffic,
    Refusals,
    Certificates,
}

impl Tab {
    pub(super) const ALL: [Self; 5] = [Self::Links, Self::Topics, Self::Traffic, Self::Refusals, Self::Certificates];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::Topics => "topics",
            Self::Traffic => "traffic",
            Self::Refusals => "refusals",
            Self::Certificates => "certificates",
        }
    }
}

/// What comes after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Quit,
}

/// Which page, by which column, from which row.
#[derive(Debug)]
pub(super) struct View {
    pub(super) tab: Tab,
    /// The column by which each page is sorted; any number, taken round.
    pub(super) sorted_by: [usize; Tab::ALL.len()],
    /// The first row that is shown; drawing sees to it that there is one.
    pub(super) first: usize,
    /// Rows that were shown at once.
    pub(super) height: usize,
    pub(super) help: bool,
    /// Whether colours are shown.
    pub(super) colour: bool,
}

impl View {
    pub(super) const fn new(tab: Tab, colour: bool) -> Self {
        Self { tab, sorted_by: [0; Tab::ALL.len()], first: 0, height: 1, help: false, colour }
    }

    pub(super) fn handle(&mut self, event: &Event) -> Next {
        let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press | KeyEventKind::Repeat, .. }) = event
        else {
            return Next::Go;
        };
        if self.help && !matches!(code, KeyCode::Char('q')) {
            self.help = false;
            return Next::Go;
        }
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return Next::Quit,
            KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => return Next::Quit,
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char('s') => self.sorted_by[self.tab as usize] += 1,
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(Tab::ALL.len() - 1),
            KeyCode::Down => self.first = self.first.saturating_add(1),
            KeyCode::Up => self.first = self.first.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.first = self.first.saturating_add(self.height),
            KeyCode::PageUp => self.first = self.first.saturating_sub(self.height),
            KeyCode::Home => self.first = 0,
            KeyCode::End => self.first = usize::MAX,
            KeyCode::Char(digit @ '1'..='5') => self.turn(*digit as usize - '1' as usize + 5 - self.tab as usize),
            _ => {}
        }
        Next::Go
    }

    fn turn(&mut self, by: usize) {
        self.tab = Tab::ALL[(self.tab as usize + by) % Tab::ALL.len()];
        self.first = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(view: &mut View, code: KeyCode) -> Next {
        view.handle(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    #[test]
    fn keys_turn_pages_sort_scroll_and_quit() {
        let mut view = View::new(Tab::Links, true);
        for (code, tab) in [
            (KeyCode::Tab, Tab::Topics),
            (KeyCode::Right, Tab::Traffic),
            (KeyCode::BackTab, Tab::Topics),
            (KeyCode::Left, Tab::Links),
            (KeyCode::Left, Tab::Certificates),
            (KeyCode::Char('4'), Tab::Refusals),
            (KeyCode::Char('1'), Tab::Links),
        ] {
            assert_eq!((press(&mut view, code), view.tab), (Next::Go, tab));
        }
        press(&mut view, KeyCode::Char('s'));
        assert_eq!(view.sorted_by, [1, 0, 0, 0, 0]);
        (view.height, view.first) = (10, 0);
        for (code, first) in [(KeyCode::Up, 0), (KeyCode::PageDown, 10), (KeyCode::Down, 11), (KeyCode::PageUp, 1)] {
            press(&mut view, code);
            assert_eq!(view.first, first);
        }
        press(&mut view, KeyCode::Tab);
        assert_eq!(view.first, 0, "each page is read from its top");
        press(&mut view, KeyCode::Char('?'));
        assert!(view.help);
        assert_eq!((press(&mut view, KeyCode::Esc), view.help), (Next::Go, false), "the help is closed first");
        assert_eq!(press(&mut view, KeyCode::Char('q')), Next::Quit);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(view.handle(&Event::Key(interrupt)), Next::Quit);
    }
}
