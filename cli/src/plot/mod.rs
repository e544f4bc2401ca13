//! Plots as SVG: [`Plot`], curves over two axes, and [`Ranges`], one in each row along one axis.

#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]

mod axis;
mod ranges;

use std::fmt::Write as _;

pub use axis::Axis;
use axis::{Scale, number};
pub use ranges::Ranges;

/// Curves over the same axes.
#[derive(Clone, Debug)]
pub struct Plot {
    title: String,
    x: Axis,
    y: Axis,
    curves: Vec<Curve>,
}

#[derive(Clone, Debug)]
struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 58.0;
const BOTTOM: f64 = 52.0;
/// Series have one of so many colours, which the page gives them.
const COLOURS: usize = 4;
/// Marks a series beside its colour, for those who see no colours.
const DASHES: [&str; COLOURS] = ["", "7 3", "2 3", "9 3 2 3"];
/// An axis has a mark at each value that occurs if there are no more than these.
const MOST_MARKS: usize = 9;
/// A curve has a dot at each point if there are no more than these.
const MOST_DOTS: usize = 20;
/// Room that the number at a mark takes.
const MARK_WIDTH: f64 = 24.0;

/// The colours of plots in a page, by light and in the dark. The page gives `--paper`, its
/// background.
pub const STYLE: &str = "\
    svg{--c0:#1763a6;--c1:#c4472d;--c2:#3d7a4a;--c3:#7a4fb0;--grid:#dcdcdc}\
    @media(prefers-color-scheme:dark){svg{--c0:#6db3f2;--c1:#ff8f70;--c2:#8fd19e;--c3:#c4a2f5;--grid:#3d4248}}\
    svg text{fill:currentColor;font:12px sans-serif}svg .title{font-size:15px;font-weight:600}\
    svg .grid{stroke:var(--grid)}svg .curve{fill:none;stroke-width:2}\
    svg .c0{stroke:var(--c0)}svg .c1{stroke:var(--c1)}svg .c2{stroke:var(--c2)}svg .c3{stroke:var(--c3)}\
    svg circle{fill:var(--paper)}";

/// What a page would give, for a plot in a file of its own.
const PAGE: &str = "\
    svg{--paper:#fff;color:#1d2125}\
    @media(prefers-color-scheme:dark){svg{--paper:#15181b;color:#e3e6e8}}";

impl Plot {
    /// A plot without curves.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            title: title.into(),
            x,
            y,
            curves: Vec::new(),
        }
    }

    /// Adds a curve through these points.
    #[must_use]
    pub fn curve(
        mut self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let (x, y) = (self.x, self.y);
        let points = points.into_iter();
        let points = points.filter(|(at, value)| x.can_show(*at) && y.can_show(*value));
        self.curves.push(Curve {
            name: name.into(),
            points: points.collect(),
        });
        self
    }

    /// Draws the plot as an element of a page that has [`STYLE`].
    pub fn to_svg(&self) -> String {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let x = Scale::of(
            self.x,
            points().map(|(x, _)| *x),
            (LEFT, WIDTH - RIGHT),
            false,
        );
        let y = Scale::of(
            self.y,
            points().map(|(_, y)| *y),
            (HEIGHT - BOTTOM, TOP),
            true,
        );
        let mut svg = begin(&self.title, HEIGHT);
        self.draw_axes(&mut svg, x, y);
        for (number, curve) in self.curves.iter().enumerate() {
            draw_curve(&mut svg, curve, number, x, y);
        }
        svg.push_str("</svg>");
        svg
    }

    fn draw_axes(&self, svg: &mut String, x: Scale, y: Scale) {
        let marks = self.occurring().unwrap_or_else(|| x.marks());
        draw_x_marks(svg, x, &marks, (y.to, y.from));
        for mark in y.marks() {
            let at = y.place(mark);
            let (left, right) = (x.from, x.to);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{left:.1} {at:.1}H{right:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 5.0,
                at + 4.0,
                number(mark)
            );
        }
        draw_x_label(svg, self.x, x, y.from);
        let (left, centre) = (16.0, f64::midpoint(y.from, y.to));
        let _ = write!(
            svg,
            "<text transform=\"translate({left} {centre:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escaped(self.y.label)
        );
    }

    /// Returns the places where there is anything, if they are few.
    fn occurring(&self) -> Option<Vec<f64>> {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        let mut places: Vec<_> = points.map(|(x, _)| *x).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        (places.len() <= MOST_MARKS).then_some(places)
    }
}

/// Makes a file of a plot that was drawn for a page.
pub fn to_file(svg: &str) -> String {
    let style = format!("width=\"{WIDTH}\" role=\"img\"><style>{STYLE}{PAGE}</style>");
    svg.replacen("role=\"img\">", &style, 1) + "\n"
}

fn begin(title: &str, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\
         <title>{title}</title><text class=\"title\" x=\"12\" y=\"20\">{title}</text>",
        title = escaped(title)
    )
}

fn draw_x_marks(svg: &mut String, x: Scale, marks: &[f64], (top, bottom): (f64, f64)) {
    for (index, mark) in marks.iter().copied().enumerate() {
        let at = x.place(mark);
        let next = marks.get(index + 1).map(|next| x.place(*next));
        let has_room = next.is_none_or(|next| next - at >= MARK_WIDTH);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{at:.1} {bottom:.1}V{top:.1}\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 16.0,
            if has_room {
                number(mark)
            } else {
                String::new()
            }
        );
    }
}

fn draw_x_label(svg: &mut String, axis: Axis, x: Scale, bottom: f64) {
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        f64::midpoint(x.from, x.to),
        bottom + 36.0,
        escaped(axis.label)
    );
}

fn draw_curve(svg: &mut String, curve: &Curve, number: usize, x: Scale, y: Scale) {
    let points: Vec<_> = curve
        .points
        .iter()
        .map(|(at, value)| (x.place(*at), y.place(*value)))
        .collect();
    draw_line(svg, &points, number);
    draw_legend(svg, number, &curve.name);
    if points.len() <= MOST_DOTS {
        for (place, (_, value)) in points.into_iter().zip(&curve.points) {
            draw_dot(svg, place, number, &curve.name, *value);
        }
    }
}

fn draw_line(svg: &mut String, points: &[(f64, f64)], series: usize) {
    let (colour, dash) = (series % COLOURS, DASHES[series % COLOURS]);
    let mut path = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let pen = if index == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{pen}{x:.1} {y:.1}");
    }
    let _ = write!(
        svg,
        "<path class=\"curve c{colour}\" d=\"{path}\" stroke-dasharray=\"{dash}\"/>"
    );
}

/// Draws the name of a series, below the title.
fn draw_legend(svg: &mut String, series: usize, name: &str) {
    let (colour, dash) = (series % COLOURS, DASHES[series % COLOURS]);
    let left = LEFT + series as f64 * 120.0;
    let (top, line_end) = (TOP - 16.0, left + 22.0);
    let _ = write!(
        svg,
        "<path class=\"curve c{colour}\" d=\"M{left} {:.1}H{line_end}\" stroke-dasharray=\"{dash}\"/>\
         <text x=\"{}\" y=\"{top}\">{}</text>",
        top - 4.0,
        line_end + 5.0,
        escaped(name)
    );
}

/// Draws a dot that tells its value to the mouse.
fn draw_dot(svg: &mut String, (x, y): (f64, f64), series: usize, name: &str, value: f64) {
    let _ = write!(
        svg,
        "<circle class=\"c{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"><title>{}: {}</title></circle>",
        series % COLOURS,
        escaped(name),
        (value * 100.0).round() / 100.0
    );
}

/// Escapes text, so that it is nothing but text in HTML and SVG.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_between_the_axes_and_what_cannot_be_shown_is_left_out() {
        let plot = Plot::new("a <b>", Axis::logarithmic("nodes"), Axis::linear("ms"));
        let svg = plot
            .curve(
                "p50",
                [(0.0, 5.0), (100.0, 10.0), (1e5, f64::NAN), (1e5, 20.0)],
            )
            .to_svg();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains("a &lt;b&gt;"), "{svg}");
        assert!(svg.contains(&format!("cx=\"{LEFT:.1}\"")), "{svg}");
        assert!(
            svg.contains(&format!("cx=\"{:.1}\"", WIDTH - RIGHT)),
            "{svg}"
        );
        assert!(svg.contains(">100<") && svg.contains(">100k<"), "{svg}");
    }

    #[test]
    fn shares_are_shown_up_to_a_hundred_and_from_below_the_least() {
        let plot = Plot::new("", Axis::linear(""), Axis::share("percent"));
        let svg = plot.curve("", [(1.0, 73.0), (2.0, 100.0)]).to_svg();
        assert!(svg.contains(&format!("cy=\"{TOP:.1}\"")), "{svg}");
        assert!(svg.contains(">70<") && !svg.contains(">60<"), "{svg}");
    }

    #[test]
    fn a_plot_of_nothing_is_empty_and_one_of_a_point_is_not() {
        let plot = || Plot::new("", Axis::linear(""), Axis::linear(""));
        assert_eq!(plot().to_svg().matches("<circle").count(), 0);
        let one = plot().curve("", [(3.0, 0.0)]).to_svg();
        assert!(!one.contains("NaN") && !one.contains("inf"), "{one}");
    }
}
