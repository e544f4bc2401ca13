//! [`Goal`]: what is to be reached, beside what was measured.

use std::fmt::Write as _;

use crate::plot::escaped;

/// A figure and its bound.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Goal {
    what: String,
    measured: f64,
    bound: f64,
    unit: &'static str,
    is_ceiling: bool,
}

impl Goal {
    pub(super) fn at_least(what: String, measured: f64, bound: f64, unit: &'static str) -> Self {
        Self {
            what,
            measured,
            bound,
            unit,
            is_ceiling: false,
        }
    }

    pub(super) fn at_most(what: String, measured: f64, bound: f64, unit: &'static str) -> Self {
        Self {
            is_ceiling: true,
            ..Self::at_least(what, measured, bound, unit)
        }
    }

    fn is_reached(&self) -> bool {
        if self.is_ceiling {
            self.measured <= self.bound
        } else {
            self.measured >= self.bound
        }
    }
}

/// Writes a table of goals.
pub(super) fn write_goals(html: &mut String, goals: &[Goal]) {
    html.push_str(
        "<h2>Goals</h2><div class=\"wide\"><table><tr><th></th><th>measured</th><th>goal</th><th>reached</th></tr>",
    );
    for goal in goals {
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{:.1} {unit}</td><td>{} {} {unit}</td><td>{}</td></tr>",
            escaped(&goal.what),
            goal.measured,
            if goal.is_ceiling { "≤" } else { "≥" },
            goal.bound,
            if goal.is_reached() { "yes" } else { "no" },
            unit = goal.unit,
        );
    }
    html.push_str("</table></div>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_says_whether_it_is_reached() {
        let mut html = String::new();
        let goals = [
            Goal::at_most("a<b".to_owned(), 5.0, 4.0, "ms"),
            Goal::at_least("c".to_owned(), 5.0, 4.0, "%"),
        ];
        write_goals(&mut html, &goals);
        assert!(
            html.contains("<td>a&lt;b</td><td>5.0 ms</td><td>≤ 4 ms</td><td>no</td>"),
            "{html}"
        );
        assert!(html.contains("<td>≥ 4 %</td><td>yes</td>"), "{html}");
    }
}
