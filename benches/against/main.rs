//! How do keys compare to GnuTLS, which OpenDHT uses, and to OpenSSL?
//!
//! All three are timed in turns, so that what else the machine does falls on all alike. Of the
//! rounds the fastest is shown, which other work disturbs least; of generation, which is a matter
//! of luck, the median.
//!
//! Needs a C compiler and the headers of both libraries. `-- generate` times the generation of keys
//! instead, on all cores.

use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use bulla_identity::{PrivateKey, encrypt_with_key};

const BITS: [usize; 2] = [2048, 4096];
const MESSAGE: [u8; 1_000] = [7; 1_000];
const SECRET: [u8; 32] = [7; 32];
const LARGE: usize = 32 * 1024;
const ROUNDS: usize = 61;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let keys = BITS.map(PrivateKey::generate);
    let [small, large] = keys;
    let keys = [small?, large?];
    let mut peers = Peers::start(folder.path(), &keys)?;
    println!("| | ours | GnuTLS | OpenSSL | GnuTLS / ours | OpenSSL / ours |");
    println!("|---|---|---|---|---|---|");
    if std::env::args().any(|argument| argument == "generate") {
        for (index, rounds) in [(0, 41), (1, 21)] {
            let bits = BITS[index];
            peers.compare("generate", index, (rounds, 1), median, || {
                drop(PrivateKey::generate(bits));
            })?;
        }
        return Ok(());
    }
    for (index, key) in keys.iter().enumerate() {
        let public = key.public_key();
        let signature = key.sign(&MESSAGE)?;
        let block = public.encrypt(&SECRET)?;
        peers.compare("sign", index, (ROUNDS, 3), fastest, || {
            drop(black_box(key.sign(&MESSAGE)));
        })?;
        peers.compare("verify", index, (ROUNDS, 50), fastest, || {
            black_box(public.verify(&MESSAGE, &signature));
        })?;
        peers.compare("encrypt", index, (ROUNDS, 50), fastest, || {
            drop(black_box(public.encrypt(&SECRET)));
        })?;
        peers.compare("decrypt", index, (ROUNDS, 3), fastest, || {
            drop(black_box(key.decrypt(&block)));
        })?;
        envelope(key)?;
    }
    Ok(())
}

/// 32 KiB, beside its parts: one block and one pass of AES-GCM.
fn envelope(key: &PrivateKey) -> Result<(), Box<dyn Error>> {
    let public = key.public_key();
    let plaintext = vec![7; LARGE];
    let (sealed, block) = (public.encrypt(&plaintext)?, public.encrypt(&SECRET)?);
    let mut times = [const { Vec::new() }; 5];
    for _ in 0..ROUNDS {
        let rounds = [
            time(10, || drop(black_box(public.encrypt(&plaintext)))),
            time(10, || drop(black_box(public.encrypt(&SECRET)))),
            time(10, || {
                drop(black_box(encrypt_with_key(&SECRET, &plaintext)));
            }),
            time(3, || drop(black_box(key.decrypt(&sealed)))),
            time(3, || drop(black_box(key.decrypt(&block)))),
        ];
        for (times, time) in times.iter_mut().zip(rounds) {
            times.push(time);
        }
    }
    let [seal, encrypt, aes, open, decrypt] = times.map(fastest);
    println!(
        "\n{} bits, 32 KiB: sealed in {:.1} µs, {:.2} of block and AES-GCM; opened in {:.1} µs, {:.2} of them\n",
        public.bits(),
        seal / 1e3,
        seal / (encrypt + aes),
        open / 1e3,
        open / (decrypt + aes)
    );
    Ok(())
}

/// The C program beside this file.
struct Peers {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peers {
    fn start(folder: &Path, keys: &[PrivateKey]) -> Result<Self, Box<dyn Error>> {
        let program = folder.join("peers");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/against/peers.c");
        let built = Command::new("cc")
            .args(["-O2", "-o"])
            .arg(&program)
            .args([source, "-lgnutls", "-lcrypto"])
            .status()?;
        if !built.success() {
            return Err("the C program was not built".into());
        }
        let mut command = Command::new(program);
        for key in keys {
            let path = folder.join(format!("{}.pem", key.public_key().bits()));
            std::fs::write(&path, key.to_pem().as_bytes())?;
            command.arg(path);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        Ok(Self {
            child,
            input,
            output,
        })
    }

    /// Times `ours` and both peers' `operation` in turns, and prints a row of the table: of the
    /// rounds, the `representative`.
    fn compare(
        &mut self,
        operation: &str,
        index: usize,
        (rounds, repeats): (usize, u32),
        representative: fn(Vec<f64>) -> f64,
        ours: impl Fn(),
    ) -> Result<(), Box<dyn Error>> {
        let bits = BITS[index];
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            times[0].push(time(repeats, &ours));
            for (peer, library) in ["gnutls", "openssl"].iter().enumerate() {
                writeln!(self.input, "{library} {operation} {index} {bits} {repeats}")?;
                let answer = self.output.next().ok_or("the C program ended")??;
                times[1 + peer].push(answer.parse()?);
            }
        }
        let [ours, gnutls, openssl] = times.map(representative);
        println!(
            "| {operation} {bits} | {:.1} µs | {:.1} | {:.1} | {:.2} | {:.2} |",
            ours / 1e3,
            gnutls / 1e3,
            openssl / 1e3,
            gnutls / ours,
            openssl / ours
        );
        Ok(())
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the nanoseconds that one of `repeats` takes.
#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn time(repeats: u32, work: impl Fn()) -> f64 {
    let start = Instant::now();
    (0..repeats).for_each(|_| work());
    start.elapsed().as_secs_f64() * 1e9 / f64::from(repeats)
}

fn fastest(times: Vec<f64>) -> f64 {
    times.into_iter().fold(f64::INFINITY, f64::min)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
