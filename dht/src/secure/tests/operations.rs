//! What tests do with a network of secure nodes.

use bulla_identity::Identity;

use super::texts;
use crate::lookup::OpId;
use crate::node::testing::{Net, addr};
use crate::node::{Node, PutOptions};
use crate::secure::{
    Checked, GetOptions, Recipient, Scope, SecureConfig, SecureDht, SecureEvent, SecurePutError,
    SignOptions,
};
use crate::value::{Draft, Value};
use crate::{Config, InfoHash, Origin, Seed, Timestamp, UnixTime};

/// What the calendar shows when a test begins.
const ORIGIN: Origin = Origin::new(UnixTime::from_secs(1_700_000_000));

impl Net<SecureDht> {
    /// Nodes with these identities, connected to the first.
    pub(super) fn of<const N: usize>(identities: [Option<Identity>; N]) -> Self {
        Self::configured(identities, &SecureConfig::default())
    }

    pub(super) fn configured<const N: usize>(
        identities: [Option<Identity>; N],
        config: &SecureConfig,
    ) -> Self {
        let nodes = identities.into_iter().enumerate().map(|(i, identity)| {
            let seed = Seed::from_number(i as u64);
            let node = Node::new(Config::default(), seed.clone(), ORIGIN).unwrap();
            let mut dht = SecureDht::new(node, identity, seed, config.clone());
            if i > 0 {
                dht.bootstrap(Timestamp::ZERO, &[addr(0)]);
            }
            dht
        });
        let mut net = Self::with(nodes, |dht, now, job| dht.handle_done(now, job.run()));
        net.run(5_000);
        for i in 0..N {
            net.events(i);
        }
        net
    }

    pub(super) fn start_put_signed(&mut self, i: usize, key: &str, draft: Draft) -> OpId {
        let key = InfoHash::from_key(key);
        let options = PutOptions::default();
        let (op, _) = self.nodes[i]
            .put_signed(self.now, key, draft, options)
            .unwrap();
        op
    }

    pub(super) fn put_signed(
        &mut self,
        i: usize,
        key: &str,
        draft: Draft,
    ) -> Result<usize, SecurePutError> {
        let op = self.start_put_signed(i, key, draft);
        self.end_of_put(i, op)
    }

    /// A signed put with a scope.
    pub(super) fn put_within(
        &mut self,
        i: usize,
        key: &str,
        draft: Draft,
        scope: Scope,
    ) -> Result<usize, SecurePutError> {
        let (put, key) = (PutOptions::default(), InfoHash::from_key(key));
        let options = SignOptions { put, scope };
        let dht = &mut self.nodes[i];
        let (op, _) = dht.put_signed(self.now, key, draft, options)?;
        self.end_of_put(i, op)
    }

    pub(super) fn put_encrypted(
        &mut self,
        i: usize,
        key: &str,
        to: impl Into<Recipient>,
        draft: Draft,
    ) -> Result<usize, SecurePutError> {
        let key = InfoHash::from_key(key);
        let options = PutOptions::default();
        let (op, _) = self.nodes[i].put_encrypted(self.now, key, to, draft, options)?;
        self.end_of_put(i, op)
    }

    pub(super) fn put_value(&mut self, i: usize, key: &str, value: Value) {
        let key = InfoHash::from_key(key);
        let options = PutOptions::default();
        let op = self.nodes[i]
            .put_value(self.now, key, value, options)
            .unwrap();
        let _ = self.end_of_put(i, op);
    }

    /// How many nodes acknowledged a put.
    pub(super) fn end_of_put(&mut self, i: usize, op: OpId) -> Result<usize, SecurePutError> {
        self.run(20_000);
        for event in self.events(i) {
            match event {
                SecureEvent::PutDone { op: its, report } if its == op => {
                    return Ok(report.acknowledged);
                }
                SecureEvent::PutFailed { op: its, error } if its == op => return Err(error),
                _ => {}
            }
        }
        panic!("the put never ended");
    }

    pub(super) fn get(&mut self, i: usize, key: &str) -> (Vec<Checked>, usize) {
        self.get_wanted(i, key, GetOptions::default())
    }

    pub(super) fn get_wanted(
        &mut self,
        i: usize,
        key: &str,
        wanted: GetOptions,
    ) -> (Vec<Checked>, usize) {
        let key = InfoHash::from_key(key);
        let op = self.nodes[i].get(self.now, key, wanted).unwrap();
        self.run(10_000);
        self.end_of_get(i, op)
    }

    /// What a get found, and how many values were dropped.
    pub(super) fn end_of_get(&mut self, i: usize, op: OpId) -> (Vec<Checked>, usize) {
        let mut found = Vec::new();
        for event in self.events(i) {
            match event {
                SecureEvent::Values { op: its, values } if its == op => found.extend(values),
                SecureEvent::GetDone {
                    op: its, dropped, ..
                } if its == op => return (found, dropped),
                _ => {}
            }
        }
        panic!("the get never ended");
    }

    pub(super) fn texts(&mut self, i: usize, key: &str) -> Vec<(String, u16)> {
        texts(&self.get(i, key).0)
    }
}
