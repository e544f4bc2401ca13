//! [`Report`]: a page with plots, of networks that differ in size, in churn and in their settings.

#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use bulla_sim::{REGIONS, Results};

use super::goal::{Goal, write_goals};
use super::run::{Measurement, Runs};
use super::scenario::{ChurnTable, ScenarioFile, Time};
use crate::exit::{Context, Failure};
use crate::plot::{self, Axis, Plot, escaped};

const SIZES: [u32; 7] = [100, 300, 1_000, 3_000, 10_000, 30_000, 100_000];
/// Nodes of the networks that differ in churn and in how many vanish.
const CHURNING: u32 = 1_000;
/// Nodes of the networks that differ in their settings.
const TUNED: u32 = 500;
const SESSIONS: [(&str, u64); 3] = [("1.4 min", 84), ("10 min", 600), ("60 min", 3_600)];
const VANISHING: [u8; 7] = [10, 20, 30, 50, 70, 80, 90];
const PERCENTILES: [f64; 6] = [1.0, 10.0, 50.0, 90.0, 99.0, 100.0];

/// How the page looks, by light and in the dark.
const PAGE: &str = "\
    :root{color-scheme:light dark;--paper:#fff;--ink:#1d2125;--line:#d5d9dd}\
    @media(prefers-color-scheme:dark){:root{--paper:#15181b;--ink:#e3e6e8;--line:#353b41}}\
    body{font:16px/1.5 sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;color:var(--ink);background:var(--paper)}\
    h2{margin-top:2em}.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr));gap:1em}\
    svg{width:100%;border:1px solid var(--line);border-radius:6px}.wide{overflow-x:auto}\
    table{border-collapse:collapse;font-size:14px}td,th{padding:3px 10px;text-align:right;border-bottom:1px solid var(--line)}\
    th:first-child,td:first-child{text-align:left}code{font-size:12px}";

/// All that is to be plotted.
pub(super) struct Report {
    scenario: ScenarioFile,
    /// By nodes, the run that was asked for last.
    sizes: Vec<(f64, Measurement)>,
    /// By median session in minutes.
    churn: Vec<(f64, Measurement)>,
    vanish: Option<Measurement>,
    bucket_size: Vec<(f64, Measurement)>,
    parallelism: Vec<(f64, Measurement)>,
    response_time: Vec<(f64, Measurement)>,
}

impl Report {
    /// Runs all that is needed beside `asked`, the run that was asked for.
    pub(super) async fn make(
        scenario: &ScenarioFile,
        asked: Measurement,
        runs: &mut Runs<'_>,
    ) -> Result<Self, Failure> {
        let mut sizes = Vec::new();
        for nodes in SIZES.into_iter().filter(|nodes| *nodes < scenario.nodes) {
            let variant = ScenarioFile {
                nodes,
                vanish: Vec::new(),
                ..scenario.clone()
            };
            let name = format!("{nodes} nodes: ");
            sizes.push((
                f64::from(nodes),
                runs.run(name, variant.experiment()?).await?,
            ));
        }
        sizes.push((f64::from(scenario.nodes), asked));
        let plain = ScenarioFile {
            churn: None,
            vanish: Vec::new(),
            ..scenario.clone()
        };
        let churning = ScenarioFile {
            nodes: scenario.nodes.min(CHURNING),
            ..plain.clone()
        };
        let mut churn = Vec::new();
        for (name, seconds) in SESSIONS {
            let session = Duration::from_secs(seconds);
            let variant = ScenarioFile {
                churn: Some(ChurnTable::of(session)),
                ..churning.clone()
            };
            let measurement = runs
                .run(format!("sessions of {name}: "), variant.experiment()?)
                .await?;
            churn.push((session.as_secs_f64() / 60.0, measurement));
        }
        let variant = ScenarioFile {
            vanish: VANISHING.into(),
            ..churning
        };
        let vanish = Some(
            runs.run("nodes vanish: ".into(), variant.experiment()?)
                .await?,
        );
        let tuned = ScenarioFile {
            nodes: scenario.nodes.min(TUNED),
            churn: Some(ChurnTable::of(Duration::from_secs(600))),
            ..plain
        };
        let mut bucket_size = Vec::new();
        for size in [4, 8, 12, 16, 20] {
            let mut variant = tuned.clone();
            variant.node.bucket_size = Some(size);
            let measurement = runs
                .run(format!("k = {size}: "), variant.experiment()?)
                .await?;
            bucket_size.push((size as f64, measurement));
        }
        let mut parallelism = Vec::new();
        for requests in [1, 2, 4, 8] {
            let mut variant = tuned.clone();
            variant.node.lookup_parallelism = Some(requests);
            let measurement = runs
                .run(format!("alpha = {requests}: "), variant.experiment()?)
                .await?;
            parallelism.push((requests as f64, measurement));
        }
        let mut response_time = Vec::new();
        for millis in [250, 500, 1_000, 2_000] {
            let mut variant = tuned.clone();
            variant.node.response_time = Some(Time::millis(millis));
            let measurement = runs
                .run(format!("time-out of {millis} ms: "), variant.experiment()?)
                .await?;
            response_time.push((millis as f64, measurement));
        }
        Ok(Self {
            scenario: scenario.clone(),
            sizes,
            churn,
            vanish,
            bucket_size,
            parallelism,
            response_time,
        })
    }

    /// Checks, before hours of work, that the page can be written.
    pub(super) fn check(path: &Path) -> Result<(), Failure> {
        let file = File::options().create(true).append(true).open(path);
        file.map(drop).context(cannot_write(path))
    }

    /// Writes the page.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        fs::write(path, self.to_html()).context(cannot_write(path))
    }

    fn to_html(&self) -> String {
        let mut html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>bulla simulate</title>\
             <style>{PAGE}{}</style></head><body><h1>A network in a box</h1>",
            plot::STYLE
        );
        let regions = REGIONS.map(|(name, _)| name).join(", ");
        let _ = write!(
            html,
            "<p>Real nodes of bulla {} under virtual time; seed {}. Unless the scenario says otherwise hosts live in ten regions \
             ({regions}) with the round trips that IBM Cloud published for August 2024, and 1 % of the datagrams are lost. \
             Networks of more than 2,000 nodes start with the tables that their nodes would have saved, smaller ones \
             bootstrap. Bytes include the headers of IPv4 and UDP. Idle means: in the minute after settling, when nobody \
             wants anything; busy: while values are put and looked up, by the same number of lookups at any size. The same \
             scenario and seed give the same digests on any machine. A point tells its value to the mouse.</p>",
            env!("CARGO_PKG_VERSION"),
            self.scenario.seed,
        );
        write_goals(&mut html, &self.goals());
        let small = self.scenario.nodes.min(CHURNING);
        let tuned = self.scenario.nodes.min(TUNED);
        section(&mut html, "By size", &self.by_size());
        section(
            &mut html,
            &format!("Under churn ({small} nodes, as many away)"),
            &self.by_session(),
        );
        section(
            &mut html,
            &format!("When nodes vanish ({small} nodes)"),
            &self.by_loss(),
        );
        section(
            &mut html,
            &format!("Settings ({tuned} nodes, median session of 10 minutes)"),
            &self.by_setting(),
        );
        self.write_table(&mut html);
        html.push_str("</body></html>\n");
        html
    }

    /// Returns what was to be reached.
    fn goals(&self) -> Vec<Goal> {
        let share = |it: &Results| it.found as f64 * 100.0 / it.lookups.max(1) as f64;
        let mut goals = Vec::new();
        if let Some((nodes, measurement)) = self.sizes.last() {
            let it = &measurement.results;
            goals.extend([
                Goal::at_least(format!("found, {nodes} nodes"), share(it), 99.9, "%"),
                Goal::at_most(
                    format!("first value p50, {nodes} nodes"),
                    it.latency_ms_p50,
                    300.0,
                    "ms",
                ),
                Goal::at_most(
                    format!("first value p99, {nodes} nodes"),
                    it.latency_ms_p99,
                    1_500.0,
                    "ms",
                ),
            ]);
            let memory = measurement.memory_bytes_per_node();
            goals.extend(memory.map(|bytes| {
                let what = format!("memory of a node, {nodes} nodes");
                Goal::at_most(what, bytes as f64 / 1_000.0, 60.0, "kB")
            }));
        }
        for ((name, _), (_, measurement)) in SESSIONS.iter().zip(&self.churn) {
            let it = &measurement.results;
            let least = if *name == "60 min" { 99.9 } else { 95.0 };
            let what = |what| format!("{what}, median session of {name}");
            goals.extend([
                Goal::at_least(what("found"), share(it), least, "%"),
                Goal::at_most(
                    what("bytes of a node"),
                    it.bytes_per_node_per_s,
                    900.0,
                    "B/s",
                ),
            ]);
        }
        goals
    }

    fn by_size(&self) -> Vec<Plot> {
        let runs = &self.sizes;
        let nodes = Axis::logarithmic("nodes");
        let mut plots = vec![
            Plot::new("Hops to the value", nodes, Axis::linear("hops"))
                .curve("p50", of(runs, |it| it.hops_p50 as f64))
                .curve("p90", of(runs, |it| it.hops_p90 as f64))
                .curve("p99", of(runs, |it| it.hops_p99 as f64))
                .curve("mean", of(runs, |it| it.hops_mean)),
            latency("Time to the value", nodes, runs),
            success("Lookups that found the value", nodes, runs),
            Plot::new(
                "Bytes sent by a node in an hour",
                nodes,
                Axis::linear("bytes"),
            )
            .curve("idle", of(runs, |it| it.idle.bytes_per_node_per_h))
            .curve("busy", of(runs, |it| it.busy.bytes_per_node_per_h)),
            Plot::new(
                "Datagrams sent by a node in an hour",
                nodes,
                Axis::linear("datagrams"),
            )
            .curve("idle", of(runs, |it| it.idle.datagrams_per_node_per_h))
            .curve("busy", of(runs, |it| it.busy.datagrams_per_node_per_h)),
            Plot::new(
                "Time to connect: first good contact of a bootstrap",
                nodes,
                Axis::linear("ms"),
            )
            .curve("p50", connecting(runs, |it| it.connect_ms_p50))
            .curve("p99", connecting(runs, |it| it.connect_ms_p99)),
        ];
        let mut load = Plot::new(
            "Spread of load: datagrams that a node received while busy",
            Axis::linear("percentile of nodes"),
            Axis::logarithmic("times the median"),
        );
        for (nodes, measurement) in runs.iter().rev().take(3) {
            let middle = measurement.results.load[2].max(1) as f64;
            let loads = measurement.results.load.map(|count| count as f64 / middle);
            load = load.curve(format!("{nodes} nodes"), PERCENTILES.into_iter().zip(loads));
        }
        plots.push(load);
        plots
    }

    fn by_session(&self) -> Vec<Plot> {
        let runs = &self.churn;
        let minutes = Axis::logarithmic("median session in minutes");
        vec![
            success("Lookups that found the value", minutes, runs),
            latency("Time to the value", minutes, runs),
            Plot::new(
                "Cost of maintenance: bytes sent by a node in a second",
                minutes,
                Axis::linear("bytes"),
            )
            .curve("idle", of(runs, |it| it.idle.bytes_per_node_per_s))
            .curve("busy", of(runs, |it| it.busy.bytes_per_node_per_s)),
            Plot::new(
                "Time to connect: first good contact",
                minutes,
                Axis::linear("ms"),
            )
            .curve("p50", connecting(runs, |it| it.connect_ms_p50))
            .curve("p99", connecting(runs, |it| it.connect_ms_p99)),
        ]
    }

    fn by_loss(&self) -> Vec<Plot> {
        let stages = self
            .vanish
            .iter()
            .flat_map(|measurement| &measurement.results.vanished);
        let gone = Axis::linear("percent of nodes gone");
        let share = |part: usize, whole: usize| part as f64 * 100.0 / whole.max(1) as f64;
        let values = self.scenario_values();
        vec![
            Plot::new("Values still found, at once", gone, Axis::linear("percent"))
                .curve(
                    "found",
                    stages
                        .clone()
                        .map(|it| (f64::from(it.percent), share(it.found, it.lookups))),
                )
                .curve(
                    "still held by any node",
                    stages
                        .clone()
                        .map(|it| (f64::from(it.percent), share(it.still_held, values))),
                ),
            Plot::new("Time to the value", gone, Axis::linear("ms"))
                .curve(
                    "p50",
                    stages
                        .clone()
                        .map(|it| (f64::from(it.percent), it.latency_ms_p50)),
                )
                .curve(
                    "p99",
                    stages.map(|it| (f64::from(it.percent), it.latency_ms_p99)),
                ),
        ]
    }

    fn scenario_values(&self) -> usize {
        self.vanish
            .as_ref()
            .map_or(0, |measurement| measurement.results.puts)
    }

    fn by_setting(&self) -> Vec<Plot> {
        let mut plots = Vec::new();
        for (name, label, runs) in [
            ("k, the size of a bucket", "k", &self.bucket_size),
            ("alpha, the requests at a time", "alpha", &self.parallelism),
            ("the first time-out", "ms", &self.response_time),
        ] {
            let axis = Axis::linear(label);
            plots.push(latency(
                &format!("Time to the value, by {name}"),
                axis,
                runs,
            ));
            plots.push(success(
                &format!("Lookups that found the value, by {name}"),
                axis,
                runs,
            ));
            plots.push(
                Plot::new(
                    format!("Bytes sent by a node in a second, by {name}"),
                    axis,
                    Axis::linear("bytes"),
                )
                .curve("idle", of(runs, |it| it.idle.bytes_per_node_per_s))
                .curve("busy", of(runs, |it| it.busy.bytes_per_node_per_s)),
            );
        }
        plots
    }

    fn write_table(&self, html: &mut String) {
        html.push_str(
            "<h2>All runs</h2><div class=\"wide\"><table><tr><th>run</th><th>nodes</th><th>start</th><th>found</th><th>hops p50/p90/p99</th>\
             <th>latency p50/p90/p99 ms</th><th>idle B/s</th><th>busy B/s</th><th>digest</th></tr>",
        );
        let series = [
            ("size", &self.sizes),
            ("median session, min", &self.churn),
            ("k", &self.bucket_size),
            ("alpha", &self.parallelism),
            ("time-out, ms", &self.response_time),
        ];
        for (name, runs) in series {
            for (at, measurement) in runs {
                write_row(html, &format!("{name} {at}"), measurement);
            }
        }
        if let Some(measurement) = &self.vanish {
            write_row(html, "nodes vanish", measurement);
        }
        html.push_str("</table></div>");
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write the report {}", path.display())
}

fn write_row(html: &mut String, name: &str, measurement: &Measurement) {
    let it = &measurement.results;
    let _ = write!(
        html,
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{} of {}</td><td>{} / {} / {}</td><td>{:.0} / {:.0} / {:.0}</td>\
         <td>{:.0}</td><td>{:.0}</td><td><code>{}</code></td></tr>",
        escaped(name),
        it.nodes,
        measurement.start,
        it.found,
        it.lookups,
        it.hops_p50,
        it.hops_p90,
        it.hops_p99,
        it.latency_ms_p50,
        it.latency_ms_p90,
        it.latency_ms_p99,
        it.idle.bytes_per_node_per_s,
        it.busy.bytes_per_node_per_s,
        it.digest,
    );
}

fn section(html: &mut String, heading: &str, plots: &[Plot]) {
    let _ = write!(html, "<h2>{}</h2><div class=\"plots\">", escaped(heading));
    for plot in plots {
        html.push_str(&plot.to_svg());
    }
    html.push_str("</div>");
}

fn latency(title: &str, x: Axis, runs: &[(f64, Measurement)]) -> Plot {
    Plot::new(title, x, Axis::linear("ms"))
        .curve("p50", of(runs, |it| it.latency_ms_p50))
        .curve("p90", of(runs, |it| it.latency_ms_p90))
        .curve("p99", of(runs, |it| it.latency_ms_p99))
}

fn success(title: &str, x: Axis, runs: &[(f64, Measurement)]) -> Plot {
    let share = |it: &Results| it.found as f64 * 100.0 / it.lookups.max(1) as f64;
    Plot::new(title, x, Axis::share("percent")).curve("found", of(runs, share))
}

fn of<'a>(
    runs: &'a [(f64, Measurement)],
    figure: impl Fn(&Results) -> f64 + 'a,
) -> impl Iterator<Item = (f64, f64)> + 'a {
    runs.iter()
        .map(move |(at, measurement)| (*at, figure(&measurement.results)))
}

/// Returns a figure of each run in which nodes had to find their network.
fn connecting<'a>(
    runs: &'a [(f64, Measurement)],
    figure: impl Fn(&Results) -> f64 + 'a,
) -> impl Iterator<Item = (f64, f64)> + 'a {
    let bootstrapped = runs
        .iter()
        .filter(|(_, measurement)| measurement.results.connected > 0);
    bootstrapped.map(move |(at, measurement)| (*at, figure(&measurement.results)))
}
