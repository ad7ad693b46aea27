//! Readers beside a cleanup.

use super::axis::{self, Linear, Logarithmic};
use super::canvas::{Anchor, COLOURS, Canvas, FAINT, INK};
use crate::scale::results::{Cleanup, Slice};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 830.0;
const TOP: f64 = 116.0;
const BOTTOM: f64 = 380.0;
const SHADE: &str = "#fdf0d5";

/// What a line shows of a slice.
type Line = fn(&Slice) -> Option<f64>;

pub(crate) fn of(database: &str, cleanup: &Cleanup) -> String {
    let mut canvas = Canvas::new(
        WIDTH,
        HEIGHT,
        &format!("{database}: latency beside a cleanup, 99th percentile"),
        &format!(
            "{} expired of {} rows removed in {:.1} s; {} reads and {} renewals each second; slices of {} ms",
            axis::rows(cleanup.removed as f64),
            axis::rows(cleanup.rows as f64),
            cleanup.seconds,
            cleanup.reads_per_second,
            cleanup.renewals_per_second,
            cleanup.slice_millis,
        ),
    );
    let time = Linear {
        from: cleanup.slices.first().map_or(0.0, |slice| slice.at),
        to: cleanup.slices.last().map_or(1.0, |slice| slice.at),
        start: LEFT,
        end: RIGHT,
    };
    let latencies = cleanup
        .slices
        .iter()
        .flat_map(|slice| [slice.reads_p99_micros, slice.renewals_p99_micros])
        .flatten();
    let micros = Logarithmic::over(
        latencies.chain([cleanup.reads_idle.p99_micros]),
        BOTTOM,
        TOP,
    );

    let (from, until) = (
        time.place(cleanup.began),
        time.place(cleanup.began + cleanup.seconds),
    );
    canvas.area((from, TOP), (until, BOTTOM), SHADE);
    canvas.text(
        (from + until) / 2.0,
        TOP - 8.0,
        "cleanup",
        Anchor::Middle,
        FAINT,
    );
    canvas.latencies(&micros, (LEFT, RIGHT), BOTTOM);
    for tick in time.ticks(10.0) {
        let x = time.place(tick);
        canvas.line((x, BOTTOM), (x, BOTTOM + 5.0), INK, 1.0);
        canvas.text(
            x,
            BOTTOM + 22.0,
            &format!("{tick} s"),
            Anchor::Middle,
            FAINT,
        );
    }

    let lines: [(&str, Line); 2] = [
        ("reads", |slice| slice.reads_p99_micros),
        ("renewals", |slice| slice.renewals_p99_micros),
    ];
    canvas.legend(
        24.0,
        84.0,
        lines
            .iter()
            .zip(COLOURS)
            .map(|((name, _), colour)| (*name, colour)),
    );
    for ((_, of), colour) in lines.iter().zip(COLOURS) {
        let points: Vec<_> = cleanup
            .slices
            .iter()
            .filter_map(|slice| Some((time.place(slice.at), micros.place(of(slice)?))))
            .collect();
        canvas.path(&points, colour, 1.8, false);
    }
    let idle = micros.place(cleanup.reads_idle.p99_micros);
    canvas.path(&[(LEFT, idle), (RIGHT, idle)], COLOURS[0], 1.2, true);
    canvas.text(RIGHT, idle - 6.0, "reads, idle", Anchor::End, COLOURS[0]);
    canvas.finish()
}
