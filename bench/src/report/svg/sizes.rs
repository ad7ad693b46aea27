//! Latency against the number of rows.

use super::axis::{self, Logarithmic};
use super::canvas::{Anchor, COLOURS, Canvas, FAINT, INK};
use crate::scale::results::Sizes;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 830.0;
const TOP: f64 = 112.0;
const BOTTOM: f64 = 400.0;

pub(crate) fn of(database: &str, sizes: &Sizes) -> String {
    let mut canvas = Canvas::new(
        WIDTH,
        HEIGHT,
        &format!("{database}: latency of this store against the number of rows"),
        &format!(
            "{} tasks, tickets of {} bytes; median of {} rounds; the line is the median, the \
             dashes are the 99th percentile",
            sizes.tasks, sizes.ticket_len, sizes.rounds
        ),
    );
    let points = sizes.cells.iter().flat_map(|cell| &cell.sizes);
    let rows = Logarithmic::over(points.clone().map(|size| size.rows as f64), LEFT, RIGHT);
    let latencies = points.flat_map(|size| [size.p50_micros.median, size.p99_micros.median]);
    let micros = Logarithmic::over(latencies, BOTTOM, TOP);

    canvas.latencies(&micros, (LEFT, RIGHT), BOTTOM);
    for size in sizes.cells.first().into_iter().flat_map(|cell| &cell.sizes) {
        let x = rows.place(size.rows as f64);
        canvas.line((x, BOTTOM), (x, BOTTOM + 5.0), INK, 1.0);
        let label = axis::rows(size.rows as f64);
        canvas.text(x, BOTTOM + 22.0, &label, Anchor::Middle, FAINT);
    }
    canvas.text(
        (LEFT + RIGHT) / 2.0,
        BOTTOM + 44.0,
        "rows",
        Anchor::Middle,
        FAINT,
    );

    let colours = || COLOURS.iter().cycle();
    let names = sizes.cells.iter().map(|cell| cell.operation.name());
    canvas.legend(24.0, 84.0, names.zip(colours().copied()));
    for (cell, colour) in sizes.cells.iter().zip(colours()) {
        let line = |of: fn(&crate::scale::results::Size) -> f64| -> Vec<_> {
            let points = cell.sizes.iter();
            points
                .map(|size| (rows.place(size.rows as f64), micros.place(of(size))))
                .collect()
        };
        canvas.path(&line(|size| size.p99_micros.median), colour, 1.5, true);
        let medians = line(|size| size.p50_micros.median);
        canvas.path(&medians, colour, 2.0, false);
        for point in medians {
            canvas.dot(point, 4.5, colour);
        }
    }
    canvas.finish()
}
