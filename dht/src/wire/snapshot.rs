//! What a node keeps over a restart or hands to another program
//! (`docs/spec/node.md#8` to `docs/spec/node.md#10`).
//!
//! Files are trusted no more than datagrams: what cannot be read is skipped or refused, and takes
//! memory in proportion to its length at most.

use std::net::SocketAddr;

use super::pack::read_value;
use crate::msgpack::{DecodeError, Head, Raw, Writer};
use crate::value::Value;
use crate::{Contact, InfoHash, UnixTime, sockaddr};

/// A stored value with what its storing node knows of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The key it is stored under.
    pub key: InfoHash,
    /// The value, not verified.
    pub value: Value,
    /// When it was made or last refreshed.
    pub created: UnixTime,
    /// When it expires; `None` if that is not noted, or never.
    pub expiry: Option<UnixTime>,
    /// The address that stored it; `None` for a value of the node's own.
    pub source: Option<SocketAddr>,
}

/// All that a node saves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// The node's id.
    pub id: InfoHash,
    /// Good contacts, nearest first.
    pub nodes: Vec<Contact>,
    /// Stored values.
    pub records: Vec<Record>,
}

/// Writes contacts in their order.
pub fn export_nodes(nodes: &[Contact]) -> Vec<u8> {
    let mut out = Writer::default();
    write_nodes(nodes, &mut out);
    out.into_bytes()
}

/// Reads contacts; entries that are none are skipped.
///
/// # Errors
///
/// [`DecodeError`] if the bytes are no list.
pub fn import_nodes(bytes: &[u8]) -> Result<Vec<Contact>, DecodeError> {
    read_nodes(Raw::parse(bytes)?)
}

/// Writes stored values, in the form of OpenDHT 3.7.4 and later. Those of one key must be adjacent.
pub fn export_values(records: &[Record]) -> Vec<u8> {
    let mut out = Writer::default();
    write_records(records, &mut out);
    out.into_bytes()
}

/// Reads stored values in the form of any version; entries that are none are skipped.
///
/// Before 3.7.4, OpenDHT noted how long its computer had been running, which means nothing
/// elsewhere: such values count as made `now`.
///
/// # Errors
///
/// [`DecodeError`] if the bytes are no list.
pub fn import_values(bytes: &[u8], now: UnixTime) -> Result<Vec<Record>, DecodeError> {
    read_records(Raw::parse(bytes)?, now)
}

/// Writes the state of a node.
pub fn export_state(state: &State) -> Vec<u8> {
    let mut out = Writer::default();
    out.map(|map| {
        map.uint("v", STATE_VERSION);
        map.hash("id", &state.id);
        write_nodes(&state.nodes, map.key("nodes"));
        write_records(&state.records, map.key("values"));
    });
    out.into_bytes()
}

/// Reads the state of a node; contacts and values that are none are skipped. For `now`, see
/// [`import_values`].
///
/// # Errors
///
/// [`DecodeError`] if the bytes are no state, or one of another version.
pub fn import_state(bytes: &[u8], now: UnixTime) -> Result<State, DecodeError> {
    let [version, id, nodes, values] = Raw::parse(bytes)?
        .map()?
        .last(["v", "id", "nodes", "values"]);
    let version = version.ok_or(DecodeError::Missing("v"))?;
    if version.uint::<u64>()? != STATE_VERSION {
        return Err(version.expected("version 1"));
    }
    Ok(State {
        id: id.ok_or(DecodeError::Missing("id"))?.hash()?,
        nodes: nodes.map_or(Ok(Vec::new()), read_nodes)?,
        records: values.map_or(Ok(Vec::new()), |values| read_records(values, now))?,
    })
}

const STATE_VERSION: u64 = 1;

/// The type of msgpack's timestamps.
const TIMESTAMP: i8 = -1;

/// "Never": the last nanosecond that the clocks of OpenDHT can show.
const NEVER: u64 = i64::MAX as u64;
const SECOND: u64 = 1_000_000_000;

fn write_nodes(nodes: &[Contact], out: &mut Writer) {
    out.array(nodes.len());
    for node in nodes {
        out.map(|map| {
            map.hash("id", &node.id);
            map.bin("addr", &sockaddr::to_raw(&node.addr));
        });
    }
}

fn read_nodes(raw: Raw<'_>) -> Result<Vec<Contact>, DecodeError> {
    let nodes = raw.array()?.filter_map(|node| {
        let [id, addr] = node.map().ok()?.last(["id", "addr"]);
        let addr = sockaddr::from_raw(addr?.bin().ok()?)?;
        Some(Contact::new(id?.hash().ok()?, addr))
    });
    Ok(nodes.collect())
}

fn write_records(records: &[Record], out: &mut Writer) {
    let keys = || records.chunk_by(|a, b| a.key == b.key);
    out.array(keys().count());
    for records in keys() {
        let mut values = Writer::default();
        values.array(records.len());
        for record in records {
            write_record(record, &mut values);
        }
        out.array(2);
        if let [Record { key, .. }, ..] = records {
            out.bin(key.as_bytes());
        }
        out.bin(&values.into_bytes());
    }
}

fn write_record(record: &Record, out: &mut Writer) {
    out.array(4);
    write_time(Some(record.created), out);
    out.raw(record.value.packed());
    out.bin(
        &record
            .source
            .as_ref()
            .map(sockaddr::to_raw)
            .unwrap_or_default(),
    );
    write_time(record.expiry, out);
}

fn read_records(raw: Raw<'_>, now: UnixTime) -> Result<Vec<Record>, DecodeError> {
    let mut records = Vec::new();
    for mut pair in raw.array()?.filter_map(|pair| pair.array().ok()) {
        let (Some(key), Some(values)) = (pair.next(), pair.next()) else {
            continue;
        };
        let (Ok(key), Ok(values)) = (key.hash(), values.bin()) else {
            continue;
        };
        let Ok(values) = Raw::parse(values).and_then(Raw::array) else {
            continue;
        };
        records.extend(values.filter_map(|value| read_record(key, value, now)));
    }
    Ok(records)
}

/// Reads `[created, value, [source, [expiry]]]`.
fn read_record(key: InfoHash, raw: Raw<'_>, now: UnixTime) -> Option<Record> {
    let mut fields = raw.array().ok()?;
    let created = fields.next()?;
    Some(Record {
        key,
        value: read_value(fields.next()?).ok()?,
        created: match created.head() {
            Head::Uint(_) => now,
            _ => read_time(created)?,
        },
        source: fields
            .next()
            .and_then(|source| sockaddr::from_raw(source.bin().ok()?)),
        expiry: fields.next().and_then(read_time),
    })
}

/// Writes a msgpack timestamp of 4 or 8 bytes; `None` is "never".
fn write_time(time: Option<UnixTime>, out: &mut Writer) {
    let nanos = time.map_or(NEVER, |time| {
        time.as_micros().saturating_mul(1_000).min(NEVER)
    });
    let (seconds, nanos) = (nanos / SECOND, nanos % SECOND);
    match u32::try_from(seconds) {
        Ok(seconds) if nanos == 0 => out.ext(TIMESTAMP, &seconds.to_be_bytes()),
        _ => out.ext(TIMESTAMP, &(nanos << 34 | seconds).to_be_bytes()),
    }
}

/// Reads a msgpack timestamp; `None` if it is none, or "never".
fn read_time(raw: Raw<'_>) -> Option<UnixTime> {
    let Head::Ext(TIMESTAMP, bytes) = raw.head() else {
        return None;
    };
    let number = |bytes: &[u8]| {
        let shift = |number, &byte| number << 8 | u64::from(byte);
        bytes.iter().fold(0, shift)
    };
    let (seconds, nanos) = match bytes.len() {
        4 => (number(bytes), 0),
        8 => (number(bytes) & ((1 << 34) - 1), number(bytes) >> 34),
        12 => (number(&bytes[4..]), number(&bytes[..4])),
        _ => return None,
    };
    (seconds < NEVER / SECOND).then(|| UnixTime::from_micros(seconds * 1_000_000 + nanos / 1_000))
}
