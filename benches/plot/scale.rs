//! [`Scale`]: from figures to places.

/// An axis: where its figures stand.
pub(crate) struct Scale {
    from: f64,
    to: f64,
    is_log: bool,
    start: f64,
    end: f64,
}

impl Scale {
    /// From 0, or less, to above all figures; drawn from `start` to `end`.
    pub(crate) fn linear(figures: impl Iterator<Item = f64>, start: f64, end: f64) -> Self {
        let top = figures.fold(0.0, f64::max);
        let step = step(top);
        Self {
            from: 0.0,
            to: (top / step).ceil().max(1.0) * step,
            is_log: false,
            start,
            end,
        }
    }

    /// Decades around all figures that are above 0.
    pub(crate) fn logarithmic(figures: impl Iterator<Item = f64>, start: f64, end: f64) -> Self {
        let (low, high) = figures
            .filter(|figure| *figure > 0.0)
            .fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), figure| {
                (low.min(figure), high.max(figure))
            });
        let from = 10f64.powf(low.min(high).log10().floor());
        Self {
            from,
            to: 10f64.powf(high.log10().ceil()).max(from * 10.0),
            is_log: true,
            start,
            end,
        }
    }

    /// The place of a figure; the nearest there is if it is beyond.
    pub(crate) fn at(&self, figure: f64) -> f64 {
        let figure = figure.clamp(self.from, self.to);
        let share = if self.is_log {
            (figure / self.from).ln() / (self.to / self.from).ln()
        } else {
            (figure - self.from) / (self.to - self.from)
        };
        self.start + share * (self.end - self.start)
    }

    /// The figures to be named.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        if self.is_log {
            let decades = (self.to / self.from).log10().round() as i32;
            return (0..=decades)
                .map(|decade| self.from * 10f64.powi(decade))
                .collect();
        }
        let step = step(self.to);
        let count = (self.to / step).round() as u32;
        (0..=count).map(|tick| f64::from(tick) * step).collect()
    }
}

/// A round distance, of which at most eight make the whole.
fn step(whole: f64) -> f64 {
    let decade = 10f64.powf((whole.max(f64::MIN_POSITIVE) / 8.0).log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|factor| factor * decade)
        .find(|step| whole / step <= 8.0)
        .unwrap_or(10.0 * decade)
}
