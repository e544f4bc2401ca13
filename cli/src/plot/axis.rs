//! [`Axis`]: what stands at the side of a plot, and [`Scale`]: where its values lie.

/// What stands at an axis.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub(super) label: &'static str,
    is_logarithmic: bool,
    /// The greatest value of it that is worth showing, and all lower ones that occur.
    ceiling: Option<f64>,
}

/// The range of an axis, and where it lies on the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    axis: Axis,
    least: f64,
    greatest: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Axis {
    /// An axis of equal steps.
    pub const fn linear(label: &'static str) -> Self {
        Self {
            label,
            is_logarithmic: false,
            ceiling: None,
        }
    }

    /// An axis of shares of a hundred, most of them near that.
    pub const fn share(label: &'static str) -> Self {
        Self {
            label,
            is_logarithmic: false,
            ceiling: Some(100.0),
        }
    }

    /// An axis of powers of ten. What is not positive cannot be shown.
    pub const fn logarithmic(label: &'static str) -> Self {
        Self {
            label,
            is_logarithmic: true,
            ceiling: None,
        }
    }

    /// Whether a value has a place on the axis.
    pub(super) fn can_show(self, value: f64) -> bool {
        value.is_finite() && (value > 0.0 || !self.is_logarithmic)
    }

    fn place(self, value: f64) -> f64 {
        if self.is_logarithmic {
            value.max(f64::MIN_POSITIVE).log10()
        } else {
            value
        }
    }
}

impl Scale {
    pub(super) fn of(
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

    pub(super) fn place(&self, value: f64) -> f64 {
        let share = (self.axis.place(value) - self.least) / (self.greatest - self.least);
        self.from + share * (self.to - self.from)
    }

    /// Returns round values to write at the axis.
    pub(super) fn marks(&self) -> Vec<f64> {
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

/// Writes a number at an axis, short.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 1e6 => format!("{}M", value / 1e6),
        size if size >= 1e4 => format!("{}k", value / 1e3),
        size if size >= 1.0 => format!("{}", (value * 100.0).round() / 100.0),
        _ => format!("{}", (value * 1e3).round() / 1e3),
    }
}
