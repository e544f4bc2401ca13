//! The kinds of pictures.

use crate::scale::Scale;
use crate::svg::{Anchor, Svg};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 240.0;
const RIGHT: f64 = 730.0;
/// Below the title and the legend.
const TOP: f64 = 60.0;
/// Of a row with its bars.
const ROW: f64 = 22.0;

/// A bar for each row, and a line where both are equal.
pub(crate) fn ratios(title: &str, rows: &[(String, f64)]) -> String {
    let mut svg = Svg::new(WIDTH);
    svg.text((10.0, 20.0), Anchor::Start, title);
    let bottom = TOP + ROW * rows.len() as f64;
    let ratios = rows.iter().map(|(_, ratio)| *ratio).chain([1.0]);
    let scale = Scale::linear(ratios, LEFT, RIGHT);
    across(&mut svg, &scale, bottom);
    for (row, (name, ratio)) in rows.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        svg.text((LEFT - 8.0, y + 15.0), Anchor::End, name);
        svg.bar(
            (LEFT, y + 3.0),
            (scale.at(*ratio) - LEFT, ROW - 6.0),
            usize::from(*ratio > 1.0),
        );
        svg.text(
            (scale.at(*ratio) + 4.0, y + 15.0),
            Anchor::Start,
            format!("{ratio:.2}"),
        );
    }
    svg.rule((scale.at(1.0), TOP), (scale.at(1.0), bottom), 1.0);
    svg.finish(bottom + 40.0)
}

/// For each row and series a line from the first of its figures to the last, with a dot at each.
pub(crate) fn ranges(
    title: &str,
    series: &[String],
    rows: &[(String, Vec<Option<[f64; 3]>>)],
) -> String {
    let mut svg = Svg::new(WIDTH);
    svg.text((10.0, 20.0), Anchor::Start, title);
    svg.legend((10.0, 42.0), series);
    let height = 8.0 + 9.0 * series.len() as f64;
    let bottom = TOP + height * rows.len() as f64;
    let all = rows
        .iter()
        .flat_map(|(_, ranges)| ranges.iter().flatten().flatten());
    let scale = Scale::logarithmic(all.copied(), LEFT, RIGHT);
    across(&mut svg, &scale, bottom);
    for (row, (name, ranges)) in rows.iter().enumerate() {
        let y = TOP + height * row as f64;
        svg.text((LEFT - 8.0, y + height / 2.0 + 4.0), Anchor::End, name);
        for (series, range) in ranges.iter().enumerate() {
            let Some(range) = range else { continue };
            let y = y + 8.0 + 9.0 * series as f64;
            let points = range.map(|figure| (scale.at(figure), y));
            svg.curve(&points, series);
            for (point, radius) in points.into_iter().zip([2.0, 3.0, 4.0]) {
                svg.dot(point, radius, series);
            }
        }
    }
    svg.finish(bottom + 40.0)
}

/// A line for each series.
pub(crate) fn curves(
    title: &str,
    (x_name, y_name): (&str, &str),
    is_log: bool,
    series: &[(String, Vec<(f64, f64)>)],
) -> String {
    const HEIGHT: f64 = 280.0;
    const LEFT: f64 = 70.0;
    let mut svg = Svg::new(WIDTH);
    let names: Vec<_> = series.iter().map(|(name, _)| name.clone()).collect();
    svg.text((10.0, 20.0), Anchor::Start, title);
    svg.legend((10.0, 42.0), &names);
    svg.text((10.0, TOP + 6.0), Anchor::Start, y_name);
    let (top, bottom) = (TOP + 18.0, TOP + 18.0 + HEIGHT);
    let points = || series.iter().flat_map(|(_, points)| points);
    let x = Scale::linear(points().map(|point| point.0), LEFT, RIGHT);
    let figures = points().map(|point| point.1);
    let y = if is_log {
        Scale::logarithmic(figures, bottom, top)
    } else {
        Scale::linear(figures, bottom, top)
    };
    for tick in y.ticks() {
        svg.rule((LEFT, y.at(tick)), (RIGHT, y.at(tick)), 0.3);
        svg.text((LEFT - 8.0, y.at(tick) + 4.0), Anchor::End, short(tick));
    }
    for tick in x.ticks() {
        svg.rule((x.at(tick), bottom), (x.at(tick), bottom + 5.0), 1.0);
        svg.text((x.at(tick), bottom + 20.0), Anchor::Middle, short(tick));
    }
    svg.rule((LEFT, bottom), (RIGHT, bottom), 1.0);
    svg.text(
        (f64::midpoint(LEFT, RIGHT), bottom + 40.0),
        Anchor::Middle,
        x_name,
    );
    for (number, (_, points)) in series.iter().enumerate() {
        let points: Vec<_> = points
            .iter()
            .map(|point| (x.at(point.0), y.at(point.1)))
            .collect();
        svg.curve(&points, number);
        for point in points.iter().filter(|_| points.len() <= 20) {
            svg.dot(*point, 3.0, number);
        }
    }
    svg.finish(bottom + 55.0)
}

/// The grid of a scale that goes from left to right.
fn across(svg: &mut Svg, scale: &Scale, bottom: f64) {
    for tick in scale.ticks() {
        svg.rule((scale.at(tick), TOP), (scale.at(tick), bottom), 0.3);
        svg.text((scale.at(tick), bottom + 18.0), Anchor::Middle, short(tick));
    }
}

/// As few digits as tell ticks apart.
fn short(figure: f64) -> String {
    if figure >= 1e6 {
        format!("{} M", figure / 1e6)
    } else if figure >= 1e4 {
        format!("{} k", figure / 1e3)
    } else {
        // Without the dust of floating point.
        format!("{}", (figure * 1e6).round() / 1e6)
    }
}
