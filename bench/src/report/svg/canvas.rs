//! What charts are drawn with.

use std::fmt::Write as _;

use super::axis::{self, Logarithmic};

/// Told apart also by those who see fewer colours (Okabe and Ito).
pub(crate) const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555",
];
pub(crate) const INK: &str = "#222222";
pub(crate) const FAINT: &str = "#767676";
pub(crate) const GRID: &str = "#e4e4e4";

/// Where a text is, relative to its point.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// An image that grows shape by shape.
#[derive(Debug)]
pub(crate) struct Canvas {
    width: f64,
    height: f64,
    shapes: String,
}

impl Canvas {
    /// With a title, and under it what it holds for.
    pub(crate) fn new(width: f64, height: f64, title: &str, subtitle: &str) -> Self {
        let mut canvas = Self {
            width,
            height,
            shapes: String::new(),
        };
        canvas.styled(24.0, 34.0, title, Anchor::Start, 17.0, INK, "600");
        canvas.styled(24.0, 55.0, subtitle, Anchor::Start, 12.0, FAINT, "400");
        canvas
    }

    pub(crate) fn text(&mut self, x: f64, y: f64, text: &str, anchor: Anchor, colour: &str) {
        self.styled(x, y, text, anchor, 12.0, colour, "400");
    }

    pub(crate) fn label(&mut self, x: f64, y: f64, text: &str, anchor: Anchor) {
        self.styled(x, y, text, anchor, 13.0, INK, "600");
    }

    /// With a rim, so that it can be read across lines that were drawn before.
    #[expect(clippy::too_many_arguments, reason = "a text has as many properties")]
    fn styled(
        &mut self,
        x: f64,
        y: f64,
        text: &str,
        anchor: Anchor,
        size: f64,
        colour: &str,
        weight: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.shapes,
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" font-weight="{weight}" fill="{colour}" stroke="white" stroke-width="3" paint-order="stroke" text-anchor="{anchor}">{text}</text>"#
        );
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        self.path(&[from, to], colour, width, false);
    }

    pub(crate) fn path(&mut self, points: &[(f64, f64)], colour: &str, width: f64, dashed: bool) {
        let points: Vec<_> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let dashes = if dashed {
            r#" stroke-dasharray="5 4""#
        } else {
            ""
        };
        let _ = writeln!(
            self.shapes,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round" stroke-linecap="round"{dashes}/>"#,
            points.join(" ")
        );
    }

    pub(crate) fn dot(&mut self, (x, y): (f64, f64), radius: f64, colour: &str) {
        let _ = writeln!(
            self.shapes,
            r##"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" fill="{colour}" stroke="#ffffff" stroke-width="1"/>"##
        );
    }

    pub(crate) fn area(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        let _ = writeln!(
            self.shapes,
            r#"<rect x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}" fill="{colour}"/>"#,
            from.0,
            from.1,
            to.0 - from.0,
            to.1 - from.1
        );
    }

    /// Lines across for latencies, with their durations beside them, and the line that they stand on.
    pub(crate) fn latencies(
        &mut self,
        micros: &Logarithmic,
        (left, right): (f64, f64),
        bottom: f64,
    ) {
        for tick in micros.ticks(&[1.0, 2.0, 5.0]) {
            let y = micros.place(tick);
            self.line((left, y), (right, y), GRID, 1.0);
            let label = axis::duration(tick);
            self.text(left - 10.0, y + 4.0, &label, Anchor::End, FAINT);
        }
        self.line((left, bottom), (right, bottom), INK, 1.0);
    }

    /// Colours and what they stand for, in a row that begins here; in as many rows as it takes.
    pub(crate) fn legend<'a>(
        &mut self,
        x: f64,
        mut y: f64,
        entries: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        let mut at = x;
        for (name, colour) in entries {
            let width = 30.0 + name.chars().count() as f64 * 7.0;
            if at > x && at + width > self.width - 12.0 {
                at = x;
                y += 20.0;
            }
            self.dot((at + 5.0, y - 4.0), 5.0, colour);
            self.text(at + 15.0, y, name, Anchor::Start, INK);
            at += width;
        }
    }

    /// The image as SVG.
    pub(crate) fn finish(self) -> String {
        let Self {
            width,
            height,
            shapes,
        } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" \
             font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\">\n\
             <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#ffffff\"/>\n\
             {shapes}</svg>\n"
        )
    }
}
