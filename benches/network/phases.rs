//! The phases, in the order of the plan; `reference.py` has the same.

use std::time::{Duration, Instant};

use bulla::identity::IdentityParams;
use bulla::secure::Recipient;
use bulla::{Change, Dht, Identity, Seed};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::Outcome;
use crate::figures::OURS;
use crate::fleet::{
    Fleet, Got, TIMEOUT, entry, get, good_contacts, kill, put, put_encrypted, put_signed, start,
    start_network,
};
use crate::process::{cpu, memory};
use crate::sample::{median, milliseconds};

/// How much of what is done.
#[derive(Deserialize)]
pub(crate) struct Plan {
    nodes: usize,
    /// Whether all nodes share a thread.
    one_thread: bool,
    seed: u64,
    early: usize,
    idle_s: u64,
    latency: usize,
    in_flight: usize,
    throughput: usize,
    growth_block: usize,
    growth_blocks: usize,
    growth_s: u64,
    listens: usize,
    round_trips_s: u64,
    kept: usize,
    kill_s: u64,
    phases: Vec<String>,
}

/// What is under way.
struct Run<'a> {
    plan: &'a Plan,
    fleet: Fleet,
    /// Of the first nodes.
    identities: [Identity; 4],
    memory_before: u64,
}

/// Runs a network of ours, on one thread or on all processors, and prints an object for each phase.
/// Its operations are those of a task, as those of a server are.
pub(crate) fn run(plan: Plan) -> Outcome<()> {
    let mut threads = if plan.one_thread {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    let threads = threads.enable_all().build()?;
    threads.block_on(threads.spawn(go_through(plan)))?
}

async fn go_through(plan: Plan) -> Outcome<()> {
    let identity =
        |name, bits| Identity::generate(&IdentityParams::new(name, 1_700_000_000).bits(bits));
    let mut run = Run {
        plan: &plan,
        fleet: Fleet {
            nodes: Vec::new(),
            rng: Seed::from_number(plan.seed).public(),
        },
        identities: [
            identity("one", 2048)?,
            identity("two", 2048)?,
            identity("three", 4096)?,
            identity("four", 4096)?,
        ],
        memory_before: memory(),
    };
    let threads = if plan.one_thread { ", one thread" } else { "" };
    println!("{}", json!({ "library": format!("{OURS}{threads}") }));
    for phase in &plan.phases {
        let mut figures = match phase.as_str() {
            "boot" => run.boot().await?,
            "early" => run.early().await,
            "idle" => run.idle(phase).await,
            "latency" => run.latency().await,
            "throughput" => run.throughput().await,
            "growth" => run.growth().await?,
            "listen" => run.listen().await,
            "plain" | "busy" => run.plain(phase, 0).await,
            "signed" => run.signed(phase, 0).await,
            "encrypted" => run.encrypted(phase, 0).await,
            "signed_4096" => run.signed(phase, 2).await,
            "encrypted_4096" => run.encrypted(phase, 2).await,
            "join" => run.join().await?,
            "kill" => run.kill().await,
            phase => return Err(format!("there is no phase {phase}").into()),
        };
        figures["phase"] = phase.as_str().into();
        println!("{figures}");
    }
    Ok(())
}

impl Run<'_> {
    async fn boot(&mut self) -> Outcome<Value> {
        let (began, before) = (Instant::now(), cpu());
        let (nodes, unconnected) = start_network(self.plan.nodes, &self.identities).await?;
        self.fleet.nodes = nodes;
        Ok(json!({
            "connected_s": began.elapsed().as_secs_f64(),
            "unconnected": unconnected,
            "memory_per_node": (memory() - self.memory_before) / self.plan.nodes as u64,
            "cpu_s": cpu().saturating_sub(before).as_secs_f64(),
        }))
    }

    /// Values looked for as soon as the network is there.
    async fn early(&mut self) -> Value {
        let count = self.plan.early;
        let (.., puts) = self
            .flood(count, |fleet, i| put(fleet.any(), format!("early {i}")))
            .await;
        let (.., got) = self
            .flood(count, |fleet, i| get(fleet.any(), format!("early {i}")))
            .await;
        json!({ "not_put": puts.iter().filter(|put| put.is_none()).count(), "missed": missed(&got) })
    }

    async fn idle(&mut self, phase: &str) -> Value {
        have_pinged(&self.fleet.nodes[0], phase);
        let before = cpu();
        sleep(Duration::from_secs(self.plan.idle_s)).await;
        let nodes = self.fleet.nodes.len() as u64;
        json!({
            "cpu_us_per_node_s": cpu().saturating_sub(before).as_micros() as u64 / nodes / self.plan.idle_s,
        })
    }

    async fn latency(&mut self) -> Value {
        let (count, before) = (self.plan.latency, cpu());
        let mut puts = Vec::new();
        for i in 0..count {
            puts.extend(put(self.fleet.any(), format!("latency {i}")).await);
        }
        let (mut gets, mut absent) = (Vec::new(), Vec::new());
        for i in 0..count {
            gets.push(get(self.fleet.any(), format!("latency {i}")).await);
        }
        for i in 0..count {
            absent.push(get(self.fleet.any(), format!("absent {i}")).await.done);
        }
        let spent = cpu().saturating_sub(before);
        json!({
            "put": milliseconds(puts),
            "first": milliseconds(gets.iter().filter_map(|got| got.first).collect()),
            "get": milliseconds(gets.iter().map(|got| got.done).collect()),
            "absent": milliseconds(absent),
            "missed": missed(&gets),
            "cpu_us_per_op": spent.as_micros() as u64 / count as u64 / 3,
        })
    }

    /// Runs operations, so many at a time; how many a second, the CPU of each, and what came of
    /// them.
    async fn flood<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &mut self,
        count: usize,
        operation: impl Fn(&mut Fleet, usize) -> F,
    ) -> (u64, u64, Vec<T>) {
        let (began, before) = (Instant::now(), cpu());
        let (mut running, mut ended) = (JoinSet::new(), Vec::new());
        for number in 0..count {
            if running.len() >= self.plan.in_flight {
                ended.extend(running.join_next().await.and_then(Result::ok));
            }
            running.spawn(operation(&mut self.fleet, number));
        }
        while let Some(outcome) = running.join_next().await {
            ended.extend(outcome.ok());
        }
        let per_second = count as u128 * 1_000_000 / began.elapsed().as_micros().max(1);
        let spent = cpu().saturating_sub(before).as_micros() as u64 / count as u64;
        (per_second as u64, spent, ended)
    }

    async fn throughput(&mut self) -> Value {
        let count = self.plan.throughput;
        let (puts, put_cpu, _) = self
            .flood(count, |fleet, i| put(fleet.any(), format!("flood {i}")))
            .await;
        let (gets, get_cpu, got) = self
            .flood(count, |fleet, i| get(fleet.any(), format!("flood {i}")))
            .await;
        json!({
            "puts_per_s": puts,
            "put_cpu_us": put_cpu,
            "gets_per_s": gets,
            "get_cpu_us": get_cpu,
            "missed": missed(&got),
        })
    }

    /// Gets of distinct keys from one node, in blocks, for a time. A machine's speed changes while
    /// they grow: the last tenth takes turns with the first of a network just started.
    async fn growth(&mut self) -> Outcome<Value> {
        let (began, before) = (Instant::now(), memory());
        let grown = self.fleet.nodes[self.fleet.nodes.len() - 1].clone();
        let (mut blocks, mut firsts) = (Vec::new(), Vec::new());
        while blocks.len() < self.plan.growth_blocks * 9 / 10
            && began.elapsed().as_secs() < self.plan.growth_s
        {
            blocks.push(self.growth_block(&grown, blocks.len()).await);
        }
        let bytes = memory().saturating_sub(before);
        let keys = self.plan.growth_block * blocks.len();
        let tenth = blocks.len().div_ceil(9);
        let (nodes, _) = start_network(self.plan.nodes, &[]).await?;
        for turn in 0..tenth {
            firsts.push(self.growth_block(&nodes[nodes.len() - 1], turn).await);
            blocks.push(self.growth_block(&grown, blocks.len()).await);
        }
        kill(nodes).await;
        let ((rates, costs), (first_rates, first_costs)) = (unzip(&blocks), unzip(&firsts));
        let last = |all: &[f64]| median(&all[all.len() - tenth..]);
        Ok(json!({
            "keys": keys + tenth * self.plan.growth_block,
            "first_gets_per_s": rates.first(),
            "last_gets_per_s": rates.last(),
            "last_tenth_to_first": last(&rates) / median(&first_rates),
            "first_cpu_us": costs.first(),
            "last_cpu_us": costs.last(),
            "last_tenth_to_first_cpu": last(&costs) / median(&first_costs),
            "bytes_per_key": bytes / keys as u64,
            "gets_per_s": rates,
            "cpu_us": costs,
            "new_gets_per_s": first_rates,
            "new_cpu_us": first_costs,
        }))
    }

    /// One block of gets by a node: how many a second, and the CPU of each.
    async fn growth_block(&mut self, node: &Dht, block: usize) -> (f64, f64) {
        let growth = |_: &mut Fleet, i| get(node.clone(), format!("growth {block} {i}"));
        let (rate, cost, _) = self.flood(self.plan.growth_block, growth).await;
        (rate as f64, cost as f64)
    }

    async fn listen(&mut self) -> Value {
        let mut delays = Vec::new();
        for i in 0..self.plan.listens {
            let name = format!("listen {i}");
            let mut changes = self.fleet.any().listen(&*name);
            // A listen begins when the first change is asked for.
            let _ = timeout(Duration::from_millis(200), changes.next()).await;
            let began = Instant::now();
            let putting = tokio::spawn(put(self.fleet.any(), name));
            if let Ok(Some(Change::Added(_))) =
                timeout(Duration::from_secs(5), changes.next()).await
            {
                delays.push(began.elapsed());
            }
            let _ = putting.await;
        }
        json!({ "delay": milliseconds(delays) })
    }

    /// The same without cryptography, to compare.
    async fn plain(&mut self, phase: &str, writer: usize) -> Value {
        let node = self.fleet.nodes[writer].clone();
        let write = move |name| {
            let putting = put(node.clone(), name);
            async { putting.await.is_some() }
        };
        self.round_trips(phase, writer, write).await
    }

    async fn signed(&mut self, phase: &str, writer: usize) -> Value {
        let node = self.fleet.nodes[writer].clone();
        let write = move |name| put_signed(node.clone(), name);
        self.round_trips(phase, writer, write).await
    }

    async fn encrypted(&mut self, phase: &str, writer: usize) -> Value {
        let node = self.fleet.nodes[writer].clone();
        let to = Recipient::from(self.identities[writer + 1].long_id());
        // The recipient's certificate is found once, before.
        put_encrypted(node.clone(), to.clone(), "first".to_owned()).await;
        let write = move |name| put_encrypted(node.clone(), to.clone(), name);
        self.round_trips(phase, writer, write).await
    }

    /// Values made by one node and read by the next, by four at a time.
    async fn round_trips<F: Future<Output = bool> + Send>(
        &mut self,
        phase: &str,
        writer: usize,
        write: impl Fn(String) -> F + Clone + Send + 'static,
    ) -> Value {
        const WORKERS: usize = 4;
        have_pinged(&self.fleet.nodes[writer], phase);
        let (began, before) = (Instant::now(), cpu());
        let limit = Duration::from_secs(self.plan.round_trips_s);
        let mut workers = JoinSet::new();
        for worker in 0..WORKERS {
            let (reader, write) = (self.fleet.nodes[writer + 1].clone(), write.clone());
            let phase = phase.to_owned();
            workers.spawn(async move {
                let (mut count, mut failed) = (0, 0);
                while began.elapsed() < limit {
                    let name = format!("{phase} {worker} {count}");
                    let is_written = write(name.clone()).await;
                    let is_read = get(reader.clone(), name).await.first.is_some();
                    count += 1;
                    failed += u32::from(!(is_written && is_read));
                }
                (count, failed)
            });
        }
        let (counts, failed): (Vec<u32>, Vec<u32>) = workers.join_all().await.into_iter().unzip();
        let count: u32 = counts.iter().sum();
        json!({
            "per_s": f64::from(count) / began.elapsed().as_secs_f64(),
            "cpu_us": (cpu().saturating_sub(before) / count.max(1)).as_micros() as u64,
            "failed": failed.iter().sum::<u32>(),
        })
    }

    async fn join(&mut self) -> Outcome<Value> {
        let began = Instant::now();
        let wanted = 8.min(self.fleet.nodes.len());
        let node = start(None, Some(&entry(&self.fleet.nodes[0]))).await?;
        while good_contacts(&node).await? < wanted && began.elapsed() < TIMEOUT {
            sleep(Duration::from_millis(5)).await;
        }
        let connected = began.elapsed();
        let found = get(node.clone(), "latency 0".to_owned()).await;
        self.fleet.nodes.push(node);
        Ok(json!({ "connected_s": connected.as_secs_f64(), "found": found.first.is_some() }))
    }

    /// Half the nodes vanish; then values are looked for at a steady pace, each once.
    async fn kill(&mut self) -> Value {
        let count = self.plan.kept;
        for i in 0..count {
            put(self.fleet.nodes[0].clone(), format!("kept {i}")).await;
        }
        let half = self.fleet.nodes.len() / 2;
        kill(self.fleet.nodes.split_off(self.fleet.nodes.len() - half)).await;
        let began = tokio::time::Instant::now();
        let mut gets = Vec::new();
        for i in 0..count {
            let at = Duration::from_secs(self.plan.kill_s) * i as u32 / count as u32;
            sleep_until(began + at).await;
            gets.push((at, tokio::spawn(get(self.fleet.any(), format!("kept {i}")))));
        }
        let mut ended = Vec::new();
        for (at, got) in gets {
            if let Ok(got) = got.await {
                ended.push((at, got));
            }
        }
        let window = |first, last| {
            let seconds = Duration::from_secs(first)..Duration::from_secs(last);
            let inside = ended.iter().filter(|(at, _)| seconds.contains(at));
            milliseconds(inside.map(|(_, got)| got.done).collect())
        };
        let all: Vec<Got> = ended.iter().map(|(_, got)| *got).collect();
        json!({
            "first_3_s": window(0, 3),
            "until_10_s": window(3, 10),
            "later": window(10, u64::from(u32::MAX)),
            "missed": missed(&all),
            "gets": count,
        })
    }
}

/// Asks for pings of a node until the phase has ended.
fn have_pinged(node: &Dht, phase: &str) {
    println!(
        "{}",
        json!({ "ping": node.addresses()[0], "during": phase })
    );
}

fn unzip(pairs: &[(f64, f64)]) -> (Vec<f64>, Vec<f64>) {
    pairs.iter().copied().unzip()
}

fn missed(gets: &[Got]) -> usize {
    gets.iter().filter(|got| got.first.is_none()).count()
}
