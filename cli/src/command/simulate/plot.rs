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
    /// The greatest value of it that is worth showing, and all lower ones that occur.
    ceiling: Option<f64>,
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
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 58.0;
const BOTTOM: f64 = 52.0;
/// Curves have one of so many colours, which the page gives them.
const COLOURS: usize = 4;
/// The shape of a point beside its colour, for those who see no colours.
const DASHES: [&str; COLOURS] = ["", "7 3", "2 3", "9 3 2 3"];
/// An axis has a mark at each value that occurs if they are not more.
const MOST_MARKS: usize = 9;
/// Room that the number at a mark takes.
const MARK_WIDTH: f64 = 24.0;

/// The colours of plots, by light and in the dark.
pub(super) const STYLE: &str = "\
    svg{--c0:#1763a6;--c1:#c4472d;--c2:#3d7a4a;--c3:#7a4fb0;--grid:#dcdcdc}\
    @media(prefers-color-scheme:dark){svg{--c0:#6db3f2;--c1:#ff8f70;--c2:#8fd19e;--c3:#c4a2f5;--grid:#3d4248}}\
    svg text{fill:currentColor;font:12px sans-serif}svg .title{font-size:15px;font-weight:600}\
    svg .grid{stroke:var(--grid)}svg .curve{fill:none;stroke-width:2}\
    svg .c0{stroke:var(--c0)}svg .c1{stroke:var(--c1)}svg .c2{stroke:var(--c2)}svg .c3{stroke:var(--c3)}\
    svg circle{fill:var(--paper)}";

impl Axis {
    pub(super) const fn linear(label: &'static str) -> Self {
        Self {
            label,
            is_logarithmic: false,
            ceiling: None,
        }
    }

    /// Of shares of a hundred, most of them near that.
    pub(super) const fn share(label: &'static str) -> Self {
        Self {
            label,
            is_logarithmic: false,
            ceiling: Some(100.0),
        }
    }

    /// Of powers of ten. What is not positive cannot be shown.
    pub(super) const fn logarithmic(label: &'static str) -> Self {
        Self {
            label,
            is_logarithmic: true,
            ceiling: None,
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
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\
             <title>{title}</title><text class=\"title\" x=\"12\" y=\"20\">{title}</text>",
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
        let marks = self.occurring().unwrap_or_else(|| x.marks());
        for (index, mark) in marks.iter().copied().enumerate() {
            let at = x.place(mark);
            let (top, bottom) = (y.to, y.from);
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
        let (middle, bottom) = (f64::midpoint(x.from, x.to), y.from + 36.0);
        let (left, centre) = (16.0, f64::midpoint(y.from, y.to));
        let _ = write!(
            svg,
            "<text x=\"{middle:.1}\" y=\"{bottom:.1}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate({left} {centre:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escaped(self.x.label),
            escaped(self.y.label)
        );
    }
}

impl Plot {
    /// The places where there is anything, if they are few.
    fn occurring(&self) -> Option<Vec<f64>> {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        let mut places: Vec<_> = points.map(|(x, _)| *x).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        (places.len() <= MOST_MARKS).then_some(places)
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
        if let Some(ceiling) = axis.ceiling {
            greatest = ceiling;
            least = (least.min(ceiling * 0.9) / 10.0).floor() * 10.0;
        } else if with_zero && !axis.is_logarithmic {
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
            let (first, last) = (self.least.floor() as i32, self.greatest.floor() as i32);
            let digits: &[f64] = if span < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let within = |value: &f64| (self.least..=self.greatest).contains(&value.log10());
            return (first..=last)
                .flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)))
                .filter(within)
                .collect();
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
    let (colour, dash) = (number % COLOURS, DASHES[number % COLOURS]);
    let mut path = String::new();
    for (index, (at, value)) in curve.points.iter().enumerate() {
        let pen = if index == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{pen}{:.1} {:.1}", x.place(*at), y.place(*value));
    }
    let left = LEFT + number as f64 * 120.0;
    let (top, line_end) = (TOP - 16.0, left + 22.0);
    let _ = write!(
        svg,
        "<path class=\"curve c{colour}\" d=\"{path}\" stroke-dasharray=\"{dash}\"/>\
         <path class=\"curve c{colour}\" d=\"M{left} {:.1}H{line_end}\" stroke-dasharray=\"{dash}\"/>\
         <text x=\"{}\" y=\"{top}\">{}</text>",
        top - 4.0,
        line_end + 5.0,
        escaped(&curve.name)
    );
    for (at, value) in &curve.points {
        let (left, top) = (x.place(*at), y.place(*value));
        let _ = write!(
            svg,
            "<circle class=\"c{colour}\" cx=\"{left:.1}\" cy=\"{top:.1}\" r=\"3\"><title>{}: {}</title></circle>",
            escaped(&curve.name),
            (value * 100.0).round() / 100.0
        );
    }
}

/// A number at an axis, short.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 1e6 => format!("{}M", value / 1e6),
        size if size >= 1e4 => format!("{}k", value / 1e3),
        size if size >= 1.0 => format!("{}", (value * 100.0).round() / 100.0),
        _ => format!("{}", (value * 1e3).round() / 1e3),
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
