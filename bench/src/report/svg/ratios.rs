//! How many times as much as each contender the store does, operation by operation.

use super::axis::Logarithmic;
use super::canvas::{Anchor, COLOURS, Canvas, FAINT, GRID, INK};
use crate::contenders::STORE;
use crate::results::{Cell, Comparison};
use crate::statistics::Spread;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 165.0;
const RIGHT: f64 = 790.0;
const TOP: f64 = 128.0;
const LINE: f64 = 17.0;
const GAP: f64 = 14.0;

/// `None` where there is nobody to compare with. Of several numbers of tasks and lengths of tickets
/// it shows the one nearest to what the targets are for.
pub(crate) fn of(database: &str, comparison: &Comparison) -> Option<String> {
    let others: Vec<_> = comparison
        .contenders
        .iter()
        .map(|contender| contender.name.as_str())
        .filter(|name| *name != STORE)
        .collect();
    let nearest = |of: fn(&Cell) -> usize, wanted: usize| {
        let all = comparison.cells.iter().map(of);
        all.min_by_key(|value| value.abs_diff(wanted))
    };
    let tasks = nearest(|cell| cell.tasks, 16)?;
    let ticket_len = nearest(|cell| cell.ticket_len, 2048)?;
    let groups: Vec<_> = comparison
        .cells
        .iter()
        .filter(|cell| cell.ticket_len == ticket_len)
        .filter(|cell| cell.tasks == tasks || is_one_tasks(comparison, cell))
        .map(|cell| (cell, ratios(cell, &others)))
        .filter(|(_, ratios)| !ratios.is_empty())
        .collect();
    let all = groups.iter().flat_map(|(_, ratios)| ratios);
    let values = all.flat_map(|(_, spread)| [spread.lower_quartile, spread.upper_quartile]);
    let axis = Logarithmic::over(values.chain([0.5, 2.0]), LEFT, RIGHT);

    let lines: usize = groups.iter().map(|(_, ratios)| ratios.len()).sum();
    let bottom = TOP + lines as f64 * LINE + groups.len() as f64 * GAP;
    let mut canvas = Canvas::new(
        WIDTH,
        bottom + 56.0,
        &format!("{database}: throughput of this store, as a multiple of each contender's"),
        &format!(
            "{} rows, {tasks} tasks, tickets of {ticket_len} bytes; median of {} and its \
             quartiles; right of 1 the store is faster",
            comparison.rows,
            comparison.rounds_in_words(),
        ),
    );
    let colour = |name: &str| {
        let at = others.iter().position(|other| *other == name);
        COLOURS[at.unwrap_or_default() % COLOURS.len()]
    };
    canvas.legend(24.0, 84.0, others.iter().map(|name| (*name, colour(name))));

    for tick in axis.ticks(&[1.0, 2.0, 5.0]) {
        let x = axis.place(tick);
        let (ink, width) = if tick == 1.0 { (INK, 1.5) } else { (GRID, 1.0) };
        canvas.line((x, TOP - 8.0), (x, bottom), ink, width);
        canvas.text(x, bottom + 18.0, &format!("{tick}×"), Anchor::Middle, FAINT);
    }
    let mut y = TOP;
    for (cell, ratios) in &groups {
        let middle = y + ratios.len() as f64 * LINE / 2.0;
        canvas.label(
            LEFT - 16.0,
            middle + 3.0,
            cell.operation.name(),
            Anchor::End,
        );
        for (name, spread) in ratios {
            let at = y + LINE / 2.0;
            let place = |value| (axis.place(value), at);
            let (from, to) = (place(spread.lower_quartile), place(spread.upper_quartile));
            canvas.line(from, to, colour(name), 2.0);
            canvas.dot(place(spread.median), 5.0, colour(name));
            let ratio = format!("{:.2}", spread.median);
            canvas.text(WIDTH - 20.0, at + 4.0, &ratio, Anchor::End, FAINT);
            y += LINE;
        }
        y += GAP;
        canvas.line(
            (24.0, y - GAP / 2.0),
            (WIDTH - 20.0, y - GAP / 2.0),
            GRID,
            1.0,
        );
    }
    Some(canvas.finish())
}

/// What only ever one task does stands beside what many do.
fn is_one_tasks(comparison: &Comparison, cell: &Cell) -> bool {
    let mut same = comparison
        .cells
        .iter()
        .filter(|other| other.operation == cell.operation);
    same.all(|other| other.tasks == 1)
}

fn ratios<'a>(cell: &Cell, others: &[&'a str]) -> Vec<(&'a str, Spread)> {
    others
        .iter()
        .filter_map(|other| {
            let ratio = cell.ratio(STORE, other, |measure| measure.per_second)?;
            Some((*other, ratio))
        })
        .collect()
}
