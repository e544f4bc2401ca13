//! [`Plot`]: curves over two axes, as SVG.

#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]

use std::fmt::Write as _;

/// Curves over the same axes.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    title: String,
    x: Axis,
    y: Axis,
    curves: Vec<Curve>,
}

/// What stands at an axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    label: &'static str,
    is_logarithmic: bool,
}

#[derive(Clone, Debug)]
struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

/// The range of an axis, and where it lies on the page.
#[derive(Clone, Copy, Debug)]
struct Scale {
    axis: Axis,
    least: f64,
    greatest: f64,
    from: f64,
    to: f64,
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 32.0;
const BOTTOM: f64 = 72.0;
const COLOURS: [&str; 6] = [
    "#1b6ca8", "#c8553d", "#588157", "#7b5ea7", "#b8860b", "#444444",
];

impl Axis {
    pub(super) const fn linear(label: &'static str) -> Self {
        Self {
            label,
            is_logarithmic: false,
        }
    }

    /// Of powers of ten. What is not positive cannot be shown.
    pub(super) const fn logarithmic(label: &'static str) -> Self {
        Self {
            label,
            is_logarithmic: true,
        }
    }

    fn place(self, value: f64) -> f64 {
        if self.is_logarithmic {
            value.max(f64::MIN_POSITIVE).log10()
        } else {
            value
        }
    }
}

impl Plot {
    pub(super) fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            title: title.into(),
            x,
            y,
            curves: Vec::new(),
        }
    }

    /// Adds a curve through these points.
    pub(super) fn curve(
        mut self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let (x, y) = (self.x, self.y);
        let can_be_shown =
            |axis: Axis, value: f64| value.is_finite() && (value > 0.0 || !axis.is_logarithmic);
        let points = points.into_iter();
        let points = points.filter(|(at, value)| can_be_shown(x, *at) && can_be_shown(y, *value));
        self.curves.push(Curve {
            name: name.into(),
            points: points.collect(),
        });
        self
    }

    /// The picture.
    pub(super) fn to_svg(&self) -> String {
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
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             font-family=\"sans-serif\" font-size=\"11\"><title>{title}</title>\
             <text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{title}</text>",
            title = escaped(&self.title)
        );
        self.draw_axes(&mut svg, x, y);
        for (number, curve) in self.curves.iter().enumerate() {
            draw_curve(&mut svg, curve, number, x, y);
        }
        svg.push_str("</svg>");
        svg
    }

    fn draw_axes(&self, svg: &mut String, x: Scale, y: Scale) {
        for mark in x.marks() {
            let at = x.place(mark);
            let (top, bottom) = (y.to, y.from);
            let _ = write!(
                svg,
                "<path d=\"M{at:.1} {bottom:.1}V{top:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 14.0,
                number(mark)
            );
        }
        for mark in y.marks() {
            let at = y.place(mark);
            let (left, right) = (x.from, x.to);
            let _ = write!(
                svg,
                "<path d=\"M{left:.1} {at:.1}H{right:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 5.0,
                at + 4.0,
                number(mark)
            );
        }
        let (middle, bottom) = (f64::midpoint(x.from, x.to), y.from + 30.0);
        let (left, centre) = (14.0, f64::midpoint(y.from, y.to));
        let _ = write!(
            svg,
            "<text x=\"{middle:.1}\" y=\"{bottom:.1}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate({left} {centre:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escaped(self.x.label),
            escaped(self.y.label)
        );
    }
}

impl Scale {
    fn of(
        axis: Axis,
        values: impl Iterator<Item = f64>,
        (from, to): (f64, f64),
        with_zero: bool,
    ) -> Self {
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        for place in values.map(|value| axis.place(value)) {
            least = least.min(place);
            greatest = greatest.max(place);
        }
        if least > greatest {
            (least, greatest) = (0.0, 1.0);
        }
        if with_zero && !axis.is_logarithmic {
            least = least.min(0.0);
            greatest *= 1.05;
        }
        if greatest - least < 1e-9 {
            greatest = least + 1.0;
        }
        Self {
            axis,
            least,
            greatest,
            from,
            to,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (self.axis.place(value) - self.least) / (self.greatest - self.least);
        self.from + share * (self.to - self.from)
    }

    /// Round values to write at the axis.
    fn marks(&self) -> Vec<f64> {
        let span = self.greatest - self.least;
        if self.axis.is_logarithmic && span >= 0.9 {
            let (first, last) = (self.least.ceil() as i32, self.greatest.floor() as i32);
            return (first..=last).map(|power| 10f64.powi(power)).collect();
        }
        let (least, greatest) = if self.axis.is_logarithmic {
            (10f64.powf(self.least), 10f64.powf(self.greatest))
        } else {
            (self.least, self.greatest)
        };
        let rough = (greatest - least) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let step = steps
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let (first, last) = (
            (least / step).ceil() as i64,
            (greatest / step).floor() as i64,
        );
        (first..=last).map(|count| count as f64 * step).collect()
    }
}

fn draw_curve(svg: &mut String, curve: &Curve, number: usize, x: Scale, y: Scale) {
    let colour = COLOURS[number % COLOURS.len()];
    let mut path = String::new();
    for (index, (at, value)) in curve.points.iter().enumerate() {
        let pen = if index == 0 { 'M' } else { 'L' };
        let (at, value) = (x.place(*at), y.place(*value));
        let _ = write!(path, "{pen}{at:.1} {value:.1}");
        let _ = write!(
            svg,
            "<circle cx=\"{at:.1}\" cy=\"{value:.1}\" r=\"2.5\" fill=\"{colour}\"/>"
        );
    }
    let left = LEFT + (number % 3) as f64 * 160.0;
    let top = HEIGHT - 24.0 + (number / 3) as f64 * 14.0;
    let _ = write!(
        svg,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>\
         <rect x=\"{left}\" y=\"{:.1}\" width=\"10\" height=\"3\" fill=\"{colour}\"/>\
         <text x=\"{}\" y=\"{top}\">{}</text>",
        top - 5.0,
        left + 14.0,
        escaped(&curve.name)
    );
}

/// A number at an axis, short.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 1e6 => format!("{}M", value / 1e6),
        size if size >= 1e4 => format!("{}k", value / 1e3),
        size if size >= 1.0 => format!("{}", (value * 100.0).round() / 100.0),
        _ => format!("{value:.3}"),
    }
}

/// Text that is nothing but text in HTML and SVG.
pub(super) fn escaped(text: &str) -> String {
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
        assert!(svg.contains(">10k<"), "{svg}");
    }

    #[test]
    fn a_plot_of_nothing_is_empty_and_one_of_a_point_is_not() {
        let plot = || Plot::new("", Axis::linear(""), Axis::linear(""));
        assert_eq!(plot().to_svg().matches("<circle").count(), 0);
        let one = plot().curve("", [(3.0, 0.0)]).to_svg();
        assert!(!one.contains("NaN") && !one.contains("inf"), "{one}");
    }
}
