//! What do the jobs cost that the secure layer gives to its pool, on one thread and on two at the
//! same time? Keys of 2,048 and 4,096 bits, a payload of 1,000 bytes. The time of each job; on as
//! many cores as threads it stays the same.

use std::sync::Mutex;
use std::time::Duration;

use bulla::identity::{IdentityParams, PrivateKey};
use bulla::node::{Core, Node, PutOptions};
use bulla::secure::{Job, SecureConfig, SecureDht, SecureOutput};
use bulla::wire::snapshot::Record;
use bulla::{
    Config, Draft, Identity, InfoHash, Origin, Query, Seed, Timestamp, UnixTime, Value, ValueId,
    wire,
};
use divan::{AllocProfiler, Bencher};

/// Counts what Rust allocates; a C library under it has an allocator of its own.
#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const BITS: [usize; 2] = [2048, 4096];
const THREADS: [usize; 2] = [1, 2];
const BORN: u64 = 1_700_000_000;
/// A put waits some seconds for the first contact.
const TIMEOUT: Duration = Duration::from_secs(60);

#[divan::bench(args = BITS, threads = THREADS, sample_count = 20, sample_size = 1)]
fn sign(bencher: Bencher<'_, '_>, bits: usize) {
    run(bencher, bits, |dht, now, key| {
        let put = dht.put_signed(now, key, draft(key), PutOptions::default());
        put.expect("a put");
    });
}

#[divan::bench(args = BITS, threads = THREADS, sample_count = 20, sample_size = 1)]
fn verify(bencher: Bencher<'_, '_>, bits: usize) {
    run(bencher, bits, |dht, now, key| {
        let body = wire::pack_body(&draft(key), owner(dht).public_key().to_der(), 0, None);
        let signature = owner(dht).sign(&body).expect("it signs");
        let value = wire::pack_signed(&draft(key), value_id(key), &body, &signature);
        find(dht, now, key, value.expect("a value"));
    });
}

#[divan::bench(args = BITS, threads = THREADS, sample_count = 20, sample_size = 1)]
fn encrypt(bencher: Bencher<'_, '_>, bits: usize) {
    run(bencher, bits, |dht, now, key| {
        let to = owner(dht).public_key().clone();
        let put = dht.put_encrypted(now, key, to, draft(key), PutOptions::default());
        put.expect("a put");
    });
}

#[divan::bench(args = BITS, threads = THREADS, sample_count = 20, sample_size = 1)]
fn decrypt(bencher: Bencher<'_, '_>, bits: usize) {
    run(bencher, bits, |dht, now, key| {
        let own = owner(dht).public_key();
        let to = InfoHash::new(*own.id().as_bytes());
        let body = wire::pack_body(&draft(key), own.to_der(), 0, Some(to));
        let signature = owner(dht).sign(&body).expect("it signs");
        let letter = own.encrypt(&wire::pack_envelope(&body, &signature));
        let letter = letter.expect("it encrypts");
        let value = wire::pack_encrypted(&draft(key), value_id(key), &letter);
        find(dht, now, key, value);
    });
}

/// Times the job that the start of something leads to, each time under another key.
fn run(
    bencher: Bencher<'_, '_>,
    bits: usize,
    start: impl Fn(&mut SecureDht, Timestamp, InfoHash) + Sync,
) {
    let maker = Mutex::new(Maker::new(bits));
    bencher
        .with_inputs(|| maker.lock().expect("no panic").job(&start))
        .bench_values(Job::run);
}

/// A node that knows no other; its jobs are taken away.
struct Maker {
    dht: SecureDht,
    now: Timestamp,
    number: u64,
}

impl Maker {
    fn new(bits: usize) -> Self {
        let parameters = IdentityParams::new("bench", BORN).bits(bits);
        let identity = Identity::generate(&parameters).expect("an identity");
        let origin = Origin::new(UnixTime::from_secs(BORN));
        let node = Node::new(Config::default(), Seed::from_number(1), origin);
        let node = node.expect("sound settings");
        let config = SecureConfig::default();
        Self {
            dht: SecureDht::new(node, Some(identity), Seed::from_number(2), config),
            now: Timestamp::ZERO,
            number: 0,
        }
    }

    /// Lets time pass until there is a job.
    fn job(&mut self, start: impl Fn(&mut SecureDht, Timestamp, InfoHash)) -> Job {
        self.number += 1;
        start(
            &mut self.dht,
            self.now,
            InfoHash::of(&self.number.to_be_bytes()),
        );
        let end = self.now + TIMEOUT;
        loop {
            match self.dht.poll_output() {
                SecureOutput::Job(job) => return job,
                SecureOutput::Wake(at, _) => {
                    assert!(at < end, "no job comes");
                    self.now = self.now.max(at);
                    self.dht.handle_timeout(self.now);
                }
                SecureOutput::Transmit(_) | SecureOutput::Event(_) => {}
            }
        }
    }
}

/// Has a value judged that is found in the node's own store.
fn find(dht: &mut SecureDht, now: Timestamp, key: InfoHash, value: Value) {
    let record = Record {
        key,
        value,
        created: dht.node().calendar(now),
        expiry: None,
        source: None,
    };
    assert_eq!(dht.import_values(now, &[record]), 1, "it is stored");
    dht.get(now, key, Query::default()).expect("a get");
}

fn owner(dht: &SecureDht) -> &PrivateKey {
    dht.identity().expect("an identity").key()
}

/// Each with a payload of its own: what has been judged is not judged again.
fn draft(key: InfoHash) -> Draft {
    Draft::new([&key.as_bytes()[..], &[7; 980]].concat())
}

fn value_id(key: InfoHash) -> ValueId {
    let [first, ..] = *key.as_bytes();
    ValueId(u64::from(first) + 1)
}
