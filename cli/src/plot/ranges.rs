//! [`Ranges`]: for each row and series a range of values, along one axis.

use super::axis::{Axis, Scale};
use super::{
    RIGHT, TOP, WIDTH, begin, draw_dot, draw_legend, draw_line, draw_x_label, draw_x_marks, escaped,
};
use std::fmt::Write as _;

/// Ranges with names at their left, and in each a range of values for each series.
#[derive(Clone, Debug)]
pub struct Ranges {
    title: String,
    x: Axis,
    series: Vec<String>,
    rows: Vec<(String, Vec<Vec<f64>>)>,
}

/// Room for the names of rows.
const NAMES: f64 = 170.0;
/// Room that a row takes for each series, and beside that.
const LINE: f64 = 9.0;
const GAP: f64 = 10.0;

impl Ranges {
    /// A plot without rows.
    pub fn new(title: impl Into<String>, x: Axis, series: Vec<String>) -> Self {
        Self {
            title: title.into(),
            x,
            series,
            rows: Vec::new(),
        }
    }

    /// Adds a row: for each series the values from the first to the last of its range, if there are
    /// any.
    #[must_use]
    pub fn row(mut self, name: impl Into<String>, ranges: Vec<Vec<f64>>) -> Self {
        self.rows.push((name.into(), ranges));
        self
    }

    /// Draws the plot as an element of a page that has [`STYLE`](super::STYLE).
    pub fn to_svg(&self) -> String {
        let height = GAP + LINE * self.series.len() as f64;
        let bottom = TOP + height * self.rows.len() as f64;
        let values = self.rows.iter().flat_map(|(_, ranges)| ranges).flatten();
        let values = values.copied().filter(|value| self.x.can_show(*value));
        let x = Scale::of(self.x, values, (NAMES, WIDTH - RIGHT), true);
        let mut svg = begin(&self.title, bottom + 52.0);
        draw_x_marks(&mut svg, x, &x.marks(), (TOP, bottom));
        draw_x_label(&mut svg, self.x, x, bottom);
        for (number, name) in self.series.iter().enumerate() {
            draw_legend(&mut svg, number, name);
        }
        for (row, (name, ranges)) in self.rows.iter().enumerate() {
            let top = TOP + height * row as f64;
            let _ = write!(
                svg,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                NAMES - 8.0,
                top + height / 2.0 + 4.0,
                escaped(name)
            );
            for (series, range) in ranges.iter().enumerate() {
                let y = top + f64::midpoint(GAP, LINE) + LINE * series as f64;
                self.draw_range(&mut svg, range, series, (x, y));
            }
        }
        svg.push_str("</svg>");
        svg
    }

    fn draw_range(&self, svg: &mut String, range: &[f64], series: usize, (x, y): (Scale, f64)) {
        let shown = range.iter().filter(|value| self.x.can_show(**value));
        let points: Vec<_> = shown.clone().map(|value| (x.place(*value), y)).collect();
        draw_line(svg, &points, series);
        let last = points.last().copied();
        for (place, value) in points.into_iter().zip(shown) {
            draw_dot(svg, place, series, &self.series[series], *value);
        }
        // Where there is room, the last value stands beside its dot.
        if let ([_], Some((left, top)), Some(value)) = (&self.series[..], last, range.last()) {
            let (left, top) = (left + 7.0, top + 4.0);
            let _ = write!(
                svg,
                "<text x=\"{left:.1}\" y=\"{top:.1}\">{value:.2}</text>"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_line_and_dots_for_each_series_that_has_values() {
        let rows = Ranges::new("t", Axis::logarithmic("us"), vec!["a".into(), "b<".into()])
            .row("one", vec![vec![10.0, 20.0, 40.0], vec![]])
            .row("two", vec![vec![20.0, f64::NAN], vec![80.0]]);
        let svg = rows.to_svg();
        assert_eq!(svg.matches("<circle").count(), 5, "{svg}");
        assert!(svg.contains("b&lt;: 80") && svg.contains(">two<"), "{svg}");
        assert!(svg.contains(&format!("cx=\"{NAMES:.1}\"")), "{svg}");
    }
}
