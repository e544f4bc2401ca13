//! Draws what `peers` and `network` measured.
//!
//! ```sh
//! cargo bench --bench plot -- --peers FILE --network FILE --into FOLDER
//! ```
//!
//! The files are what those two write with `--json`.

#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use bulla_cli::plot::{Axis, Plot, Ranges, to_file};
use serde::Deserialize;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What `peers` writes.
#[derive(Deserialize)]
struct Peers {
    rows: Vec<Row>,
    curves: Vec<Point>,
}

#[derive(Deserialize)]
struct Row {
    node: String,
    #[serde(rename = "row")]
    title: String,
    ratio: Option<f64>,
    rounds: Vec<BTreeMap<String, f64>>,
}

#[derive(Deserialize)]
struct Point {
    kind: String,
    node: String,
    count: f64,
    cpu_us: Vec<f64>,
}

/// What `network` writes of one size.
#[derive(Deserialize)]
struct Networks {
    networks: Vec<Network>,
}

#[derive(Deserialize)]
struct Network {
    library: String,
    curves: BTreeMap<String, Vec<Vec<f64>>>,
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let place = args.iter().position(|arg| arg == name)?;
        args.get(place + 1)
    };
    let folder = Path::new(option("--into").ok_or("--into is missing: a folder")?);
    fs::create_dir_all(folder)?;
    let mut pictures = Vec::new();
    if let Some(file) = option("--peers") {
        let peers: Peers = read(file)?;
        pictures.push(("ratios".to_owned(), ratios(&peers)));
        pictures.push(("latency".to_owned(), latency(&peers)));
        pictures.extend(growth(&peers));
    }
    if let Some(file) = option("--network") {
        let sizes: Vec<Networks> = read(file)?;
        pictures.extend(sizes.first().map(|it| ("gets".to_owned(), gets(it))));
    }
    for (name, picture) in pictures {
        let file = folder.join(name).with_extension("svg");
        fs::write(&file, to_file(&picture))?;
        println!("{}", file.display());
    }
    Ok(())
}

fn read<T: for<'a> Deserialize<'a>>(file: &str) -> Outcome<T> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{file}: {error}").into())
}

fn ratios(peers: &Peers) -> String {
    let ours = peers.rows.first().map(|row| &row.node);
    let rows = peers.rows.iter().filter(|row| Some(&row.node) == ours);
    let ratios = rows.filter_map(|row| Some((row.title.clone(), row.ratio?)));
    let title = "CPU of a reply, and memory, beside OpenDHT's newest";
    let axis = Axis::linear("share of OpenDHT's");
    let plot = Ranges::new(title, axis, vec!["bulla".to_owned()]);
    ratios
        .fold(plot, |plot, (name, ratio)| {
            plot.row(name, vec![vec![0.0, ratio]])
        })
        .to_svg()
}

fn latency(peers: &Peers) -> String {
    let nodes = in_order(peers.rows.iter().map(|row| &row.node));
    let rows = in_order(peers.rows.iter().map(|row| &row.title));
    let range = |name: &String, node: &String| {
        let mut rows = peers.rows.iter();
        let row = rows.find(|row| row.title == *name && row.node == *node)?;
        let at = |figure: &str| median(row.rounds.iter().filter_map(|round| round.get(figure)));
        Some(vec![at("p50_us")?, at("p99_us")?, at("p999_us")?])
    };
    let title = "Time until a reply: the median, 99 % and 99.9 %";
    let mut plot = Ranges::new(title, Axis::logarithmic("µs"), nodes.clone());
    for row in rows {
        let ranges = nodes.iter().map(|node| range(&row, node));
        let ranges: Vec<_> = ranges.map(Option::unwrap_or_default).collect();
        if ranges.iter().any(|range| !range.is_empty()) {
            plot = plot.row(row, ranges);
        }
    }
    plot.to_svg()
}

fn growth(peers: &Peers) -> Vec<(String, String)> {
    let nodes = in_order(peers.curves.iter().map(|point| &point.node));
    let value_types = in_order(peers.curves.iter().map(|point| &point.kind));
    let points = |kind: &String, node: &String| {
        let points = peers.curves.iter();
        let points = points.filter(|point| point.kind == *kind && point.node == *node);
        let points = points.filter_map(|point| Some((point.count, median(point.cpu_us.iter())?)));
        points.collect::<Vec<_>>()
    };
    value_types
        .iter()
        .map(|kind| {
            let title = format!("What one more costs: {kind}");
            let (count, cost) = ("how many there are", "µs of CPU");
            let plot = Plot::new(title, Axis::linear(count), Axis::logarithmic(cost));
            let plot = nodes
                .iter()
                .fold(plot, |plot, node| plot.curve(node, points(kind, node)));
            let name = format!("growth-{}", kind.replace(' ', "-").to_lowercase());
            (name, plot.to_svg())
        })
        .collect()
}

fn gets(size: &Networks) -> String {
    let points = |network: &Network| {
        let rounds = network.curves.get("growth gets_per_s")?;
        let blocks = rounds.iter().map(Vec::len).min()?;
        let block = |block: usize| {
            let rate = median(rounds.iter().map(|round| &round[block]))?;
            Some(((block + 1) as f64 * 1000.0, rate))
        };
        Some((0..blocks).filter_map(block).collect::<Vec<_>>())
    };
    let title = "Gets of distinct keys from one node, 64 under way";
    let (keys, rate) = ("keys looked up so far", "gets a second");
    let mut plot = Plot::new(title, Axis::linear(keys), Axis::logarithmic(rate));
    for network in &size.networks {
        if let Some(points) = points(network) {
            plot = plot.curve(&network.library, points);
        }
    }
    plot.to_svg()
}

/// All names, once each.
fn in_order<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut known = Vec::new();
    for name in names {
        if !known.contains(name) {
            known.push(name.clone());
        }
    }
    known
}

fn median<'a>(figures: impl Iterator<Item = &'a f64>) -> Option<f64> {
    let mut figures: Vec<_> = figures.copied().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}
