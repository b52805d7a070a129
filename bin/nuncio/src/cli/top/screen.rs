//! Sights as a picture: nothing but what it is given decides what is drawn.

use ratatui::{
    Frame, Terminal,
    backend::TestBackend,
    buffer::Buffer,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Cell as Drawn, Clear, Paragraph, Row as DrawnRow, Table},
};

use super::{
    rows::{Column, Page, amount},
    sight::Sights,
    view::{Tab, View},
};
use crate::cli::text::age;

const GAP: u16 = 1;

const HELP: &str = "\
tab → ←   the next page, the one before
1 … 5     a page
↑ ↓       scroll; page up, page down, home, end
s         sort by the next column (▾)
?         this
q         quit";

/// One frame.
pub(super) fn draw(frame: &mut Frame<'_>, sights: &Sights, view: &mut View) {
    let head = head(sights, frame.area().width, view.colour);
    let rows =
        [Constraint::Length(head.len() as u16), Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)];
    let [top, tabs, body, foot] = Layout::vertical(rows).areas(frame.area());
    frame.render_widget(Paragraph::new(head), top);
    frame.render_widget(Paragraph::new(tab_line(view.tab, tabs.width)), tabs);
    draw_page(frame, body, sights, view);
    let keys = "q quit · tab page · s sort · ? help";
    frame.render_widget(Paragraph::new(keys).style(faint()), foot);
    if view.help {
        draw_help(frame);
    }
}

/// All pages one below the other, as lines of text.
pub(super) fn page(sights: &Sights, width: u16) -> Vec<String> {
    let mut lines: Vec<String> = head(sights, width, false).iter().map(ToString::to_string).collect();
    for tab in Tab::ALL {
        lines.extend([String::new(), tab.name().to_uppercase()]);
        let mut view = View::new(tab, false);
        let height = Page::of(tab, sights).rows.len().max(1) + 1;
        let backend = TestBackend::new(width, u16::try_from(height).unwrap_or(u16::MAX));
        // This backend cannot fail.
        let Ok(mut terminal) = Terminal::new(backend);
        let Ok(_) = terminal.draw(|frame| draw_page(frame, frame.area(), sights, &mut view));
        lines.extend(text_of(terminal.backend().buffer()));
    }
    lines
}

fn head(sights: &Sights, width: u16, colour: bool) -> Vec<Line<'static>> {
    let status = &sights.now.status;
    let plain = |text: &str| nuncio_plain::line(text).into_owned();
    let state = if status.ready { Span::styled("ready", good(colour)) } else { Span::styled("not ready", bad(colour)) };
    let name = Span::styled(plain(&status.name), Style::new().add_modifier(Modifier::BOLD));
    let rest = format!(", up {}, version {}", age(status.uptime_s), plain(&status.version));
    let rates = sights.traffic_rates();
    let [messages, bytes] = [0, 1].map(|of| rates.iter().flatten().map(|rate| rate[of]).sum::<f64>());
    let mut head = vec![
        Line::from(vec![name, Span::raw(format!(" of {}  ", plain(&status.agency))), state, Span::raw(rest)]),
        Line::raw(format!(
            "{} links  {} nodes  {} topics  {} msg/s  {} bytes/s",
            status.peers,
            status.nodes,
            status.topics,
            amount(messages),
            amount(bytes)
        )),
    ];
    head.extend(
        sights.trouble.iter().map(|trouble| Line::styled(format!("no answer: {}", plain(trouble)), bad(colour))),
    );
    head.extend(status.warnings.iter().take(3).map(|warning| Line::styled(plain(warning), bad(colour))));
    for line in &mut head {
        *line = shortened(std::mem::take(line), width);
    }
    head
}

/// The line, with a mark where it is cut off.
fn shortened(line: Line<'static>, width: u16) -> Line<'static> {
    let room = usize::from(width);
    if line.width() <= room || room == 0 {
        return line;
    }
    let mut left = room - 1;
    let mut spans = Vec::new();
    for span in line.spans {
        let kept: String = span
            .content
            .chars()
            .take_while(|sign| {
                let wide = Span::raw(sign.to_string()).width();
                left.checked_sub(wide).map(|rest| left = rest).is_some()
            })
            .collect();
        let is_whole = kept.len() == span.content.len();
        spans.push(Span::styled(kept, span.style));
        if !is_whole {
            break;
        }
    }
    spans.push(Span::raw("…"));
    Line::from(spans).style(line.style)
}

/// All pages' names, or, where they have no room, this one's.
fn tab_line(tab: Tab, width: u16) -> Line<'static> {
    let marked = Style::new().add_modifier(Modifier::REVERSED);
    let all = Tab::ALL.iter().map(|one| {
        let style = if *one == tab { marked } else { Style::new() };
        Span::styled(format!(" {} ", one.name()), style)
    });
    let line = Line::from_iter(all);
    if line.width() <= usize::from(width) {
        return line;
    }
    let place = format!(" {} of {}", tab as usize + 1, Tab::ALL.len());
    Line::from(vec![Span::styled(format!(" {} ", tab.name()), marked), Span::styled(place, faint())])
}

fn draw_page(frame: &mut Frame<'_>, area: Rect, sights: &Sights, view: &mut View) {
    let mut page = Page::of(view.tab, sights);
    let sorted_by = view.sorted_by[view.tab as usize] % page.columns.len();
    // As the node told it, until somebody sorts; bans stand before counts.
    if view.sorted_by[view.tab as usize] > 0 {
        page.sort(sorted_by);
    }
    if page.rows.is_empty() {
        return frame.render_widget(Paragraph::new(page.nothing).style(faint()), area);
    }
    view.height = usize::from(area.height.saturating_sub(1)).max(1);
    view.first = view.first.min(page.rows.len().saturating_sub(view.height));
    let shown = columns(page.columns, page.widest, area.width);
    let titles = shown.iter().map(|(place, _)| {
        let column = &page.columns[*place];
        let mark = if *place == sorted_by && view.sorted_by[view.tab as usize] > 0 { "▾" } else { "" };
        aligned(format!("{}{mark}", column.title.to_uppercase()), column)
    });
    let rows = page.rows.iter().skip(view.first).take(view.height).map(|row| {
        let cells = shown.iter().map(|(place, width)| {
            let line = shortened(Line::raw(row.cells[*place].text.clone()), *width);
            aligned(line.to_string(), &page.columns[*place])
        });
        DrawnRow::new(cells).style(if row.is_bad { bad(view.colour) } else { Style::new() })
    });
    let widths = shown.iter().map(|(_, width)| Constraint::Length(*width));
    let header = DrawnRow::new(titles).style(faint());
    frame.render_widget(Table::new(rows, widths).header(header).column_spacing(GAP), area);
}

fn aligned(text: String, column: &Column) -> Drawn<'static> {
    let alignment = if column.is_number { Alignment::Right } else { Alignment::Left };
    Drawn::from(Line::raw(text).alignment(alignment))
}

/// The columns that have room, and how much: those with the lowest ranks, in their order, and what is left for the widest
/// or, where it has none, for the first with words.
fn columns(all: &[Column], widest: usize, width: u16) -> Vec<(usize, u16)> {
    let mut by_rank: Vec<usize> = (0..all.len()).collect();
    by_rank.sort_by_key(|place| all[*place].rank);
    let mut room = width;
    let mut shown: Vec<(usize, u16)> = Vec::new();
    for place in by_rank {
        let gap = if shown.is_empty() { 0 } else { GAP };
        let wanted = all[place].width + gap;
        match room.checked_sub(wanted) {
            Some(left) => {
                room = left;
                shown.push((place, all[place].width));
            }
            None if shown.is_empty() => shown.push((place, std::mem::take(&mut room))),
            None => break,
        }
    }
    shown.sort_unstable();
    let first_words = || shown.iter().position(|(place, _)| !all[*place].is_number);
    let greedy = shown.iter().position(|(place, _)| *place == widest).or_else(first_words).unwrap_or(0);
    shown[greedy].1 += room;
    shown
}

fn draw_help(frame: &mut Frame<'_>) {
    let lines: Vec<&str> = HELP.lines().collect();
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0) as u16 + 4;
    let area = frame.area();
    let (width, height) = (width.min(area.width), (lines.len() as u16 + 2).min(area.height));
    let area = Rect::new((area.width - width) / 2, (area.height - height) / 2, width, height);
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(HELP).block(Block::bordered().title(" keys ")), area);
}

/// A buffer as lines, without what is blank at their ends.
fn text_of(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width).max(1);
    let lines = buffer.content().chunks(width);
    lines
        .map(|cells| {
            let mut line = String::new();
            let mut covered = 0;
            for cell in cells {
                if covered > 0 {
                    covered -= 1;
                    continue;
                }
                line.push_str(cell.symbol());
                covered = Span::raw(cell.symbol()).width().saturating_sub(1);
            }
            line.trim_end().to_owned()
        })
        .collect()
}

const fn good(colour: bool) -> Style {
    if colour { Style::new().fg(Color::Green) } else { Style::new() }
}

const fn bad(colour: bool) -> Style {
    if colour { Style::new().fg(Color::Red) } else { Style::new().add_modifier(Modifier::BOLD) }
}

fn faint() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

#[cfg(test)]
mod tests;
