//! [`Svg`]: a picture as text, in colours that can be seen on white and on black.

use std::fmt::{Display, Write as _};

/// Text and axes.
const GREY: &str = "#7d7d7d";
/// Of the first series, the second and so on.
const COLOURS: [&str; 4] = ["#2f81f7", "#e0712d", "#a06be0", "#2f9e5b"];

/// A picture that is drawn from top to bottom.
pub(crate) struct Svg {
    width: f64,
    body: String,
}

/// Where a text stands beside its point.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(crate) fn new(width: f64) -> Self {
        let body = String::new();
        Self { width, body }
    }

    /// The colour of a series.
    pub(crate) fn colour(series: usize) -> &'static str {
        COLOURS[series % COLOURS.len()]
    }

    pub(crate) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, text: impl Display) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = text.to_string().replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#
        );
    }

    /// A thin line of an axis or a grid.
    pub(crate) fn rule(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), opacity: f64) {
        let _ = writeln!(
            self.body,
            r#"<path d="M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}" stroke="{GREY}" stroke-opacity="{opacity}"/>"#
        );
    }

    /// A line through points.
    pub(crate) fn curve(&mut self, points: &[(f64, f64)], series: usize) {
        let points: Vec<_> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let (points, colour) = (points.join(" "), Self::colour(series));
        let _ = writeln!(
            self.body,
            r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>"#
        );
    }

    pub(crate) fn dot(&mut self, (x, y): (f64, f64), radius: f64, series: usize) {
        let colour = Self::colour(series);
        let _ = writeln!(
            self.body,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" fill="{colour}"/>"#
        );
    }

    pub(crate) fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), series: usize) {
        let colour = Self::colour(series);
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
        );
    }

    /// Names the series in a line.
    pub(crate) fn legend(&mut self, (mut x, y): (f64, f64), names: &[String]) {
        for (series, name) in names.iter().enumerate() {
            self.bar((x, y - 9.0), (10.0, 10.0), series);
            self.text((x + 15.0, y), Anchor::Start, name);
            x += 30.0 + 7.0 * name.chars().count() as f64;
        }
    }

    /// The whole picture, so high.
    pub(crate) fn finish(self, height: f64) -> String {
        let Self { width, body } = self;
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="12" fill="{GREY}">
{body}</svg>
"#
        )
    }
}
