//! [`Query`] on the wire (`docs/spec/wire.md#12.1`):
//! `{ "s": [fields], "w": [{ "f": field, "v": operand }] }`.

use bytes::Bytes;

use crate::msgpack::{DecodeError, Raw, Writer};
use crate::value::{Condition, Field, Query, ValueId, ValueType};

/// Listens keep their query, so it must not be large.
///
/// Differs: others take what a datagram can hold.
const MAX_PACKED: usize = 2048;

pub(super) fn read(raw: Raw<'_>) -> Result<Query, DecodeError> {
    if raw.bytes().len() > MAX_PACKED {
        return Err(raw.expected("a query of at most 2 KiB"));
    }
    let [select, conditions] = raw.map()?.first(["s", "w"]);
    let mut query = Query::default();
    for field in select.ok_or(DecodeError::Missing("s"))?.array()? {
        // An unknown field cannot be answered; the others can.
        query.select.extend(field_of(field.uint()?));
    }
    for condition in conditions.ok_or(DecodeError::Missing("w"))?.array()? {
        let condition = read_condition(condition)?;
        if !query.conditions.contains(&condition) {
            query.conditions.push(condition);
        }
    }
    Ok(query)
}

pub(super) fn write(query: &Query, out: &mut Writer) {
    out.map(|map| {
        let select = map.key("s");
        select.array(query.select.len());
        for field in &query.select {
            select.uint(*field as u64);
        }
        let conditions = map.key("w");
        conditions.array(query.conditions.len());
        for condition in &query.conditions {
            write_condition(condition, conditions);
        }
    });
}

/// Returns the field of this number.
pub(super) fn field_of(number: u64) -> Option<Field> {
    Field::ALL.into_iter().find(|field| *field as u64 == number)
}

fn read_condition(raw: Raw<'_>) -> Result<Condition, DecodeError> {
    let [field, operand] = raw.map()?.first(["f", "v"]);
    let field = field.ok_or(DecodeError::Missing("f"))?;
    let operand = operand.ok_or(DecodeError::Missing("v"))?;
    Ok(match field_of(field.uint()?) {
        Some(Field::Id) => Condition::Id(ValueId(operand.uint()?)),
        Some(Field::ValueType) => Condition::ValueType(ValueType(operand.uint()?)),
        Some(Field::Owner) => Condition::Owner(operand.hash()?),
        Some(Field::UserType) => Condition::UserType(Bytes::copy_from_slice(&operand.blob()?)),
        Some(Field::Seq) | None => return Err(field.expected("a field to filter by")),
    })
}

fn write_condition(condition: &Condition, out: &mut Writer) {
    out.map(|map| match condition {
        Condition::Id(id) => {
            map.uint("f", Field::Id as u64);
            map.uint("v", id.0);
        }
        Condition::ValueType(value_type) => {
            map.uint("f", Field::ValueType as u64);
            map.uint("v", value_type.0.into());
        }
        Condition::Owner(owner) => {
            map.uint("f", Field::Owner as u64);
            map.hash("v", owner);
        }
        Condition::UserType(text) => {
            map.uint("f", Field::UserType as u64);
            map.bin("v", text);
        }
    });
}
