//! [`Rows`]: the table that answers a query for fields (`docs/spec/wire.md#12.3`).

use std::collections::BTreeSet;

use super::query::field_of;
use crate::InfoHash;
use crate::msgpack::{Array, DecodeError, Raw, Writer};
use crate::value::{Field, Row, Value, ValueId, ValueType};

/// The selected fields of the values that match a query:
/// `{ "f": [fields], "v": [cells, row by row] }`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a>(RowList<'a>);

#[derive(Clone, Copy, Debug)]
enum RowList<'a> {
    Received(Raw<'a>),
    Own(&'a BTreeSet<Field>, &'a [&'a Value]),
}

impl<'a> Rows<'a> {
    /// Makes the table of these fields of these values.
    pub const fn new(select: &'a BTreeSet<Field>, values: &'a [&'a Value]) -> Self {
        Self(RowList::Own(select, values))
    }

    /// Returns the rows, decoded one by one. Those with a cell of a wrong type are left out.
    pub fn iter(&self) -> impl Iterator<Item = Row> + use<'a> {
        let (table, own) = match self.0 {
            RowList::Received(table) => (ReceivedTable::read(table).ok(), None),
            RowList::Own(select, _) if select.is_empty() => (None, None),
            RowList::Own(select, values) => (None, Some((select, values))),
        };
        let own = own.into_iter().flat_map(|(select, values)| {
            let row = move |value: &&Value| Row::of(value, select);
            values.iter().map(row)
        });
        table.into_iter().flatten().chain(own)
    }

    /// Reports whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Reads a table. The rows in it are read when asked for.
    pub(super) fn read(table: Raw<'a>) -> Result<Self, DecodeError> {
        ReceivedTable::read(table).map(|_| Self(RowList::Received(table)))
    }

    /// Writes the table. An owner is written as the whole key, none as 20 zeros.
    pub(super) fn write(&self, out: &mut Writer) {
        let (select, values) = match self.0 {
            RowList::Received(table) => {
                out.raw(table.bytes());
                return;
            }
            RowList::Own(select, values) => (select, values),
        };
        out.map(|map| {
            let fields = map.key("f");
            fields.array(select.len());
            for field in select {
                fields.uint(*field as u64);
            }
            let cells = map.key("v");
            cells.array(select.len() * values.len());
            for value in values {
                for field in select {
                    write_cell(cells, *field, value);
                }
            }
        });
    }
}

impl PartialEq for Rows<'_> {
    /// Compares the rows in order.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// A received table: what is in each column, and the cells not read yet.
struct ReceivedTable<'a> {
    /// At least one.
    columns: Vec<Field>,
    cells: Array<'a>,
}

impl<'a> ReceivedTable<'a> {
    fn read(raw: Raw<'a>) -> Result<Self, DecodeError> {
        let [fields, cells] = raw.map()?.first(["f", "v"]);
        let fields = fields.ok_or(DecodeError::Missing("f"))?;
        let columns = fields
            .array()?
            .map(|field| field_of(field.uint()?).ok_or_else(|| field.expected("a field")))
            .collect::<Result<Vec<_>, _>>()?;
        if columns.is_empty() {
            return Err(fields.expected("at least one field"));
        }
        let cells = cells.ok_or(DecodeError::Missing("v"))?.array()?;
        Ok(Self { columns, cells })
    }
}

impl Iterator for ReceivedTable<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            let mut row = Row::default();
            let mut sound = true;
            for column in &self.columns {
                sound &= read_cell(&mut row, *column, self.cells.next()?).is_ok();
            }
            if sound {
                return Some(row);
            }
        }
    }
}

fn read_cell(row: &mut Row, field: Field, cell: Raw<'_>) -> Result<(), DecodeError> {
    match field {
        Field::Id => row.id = Some(ValueId(cell.uint()?)),
        Field::ValueType => row.value_type = Some(ValueType(cell.uint()?)),
        Field::Owner => {
            let owner = cell.bin()?;
            // Differs: others drop the rows of signed values, whose cell is a whole key instead of
            // a hash.
            row.owner = Some(InfoHash::try_from(owner).unwrap_or_else(|_| InfoHash::of(owner)));
        }
        Field::Seq => row.seq = Some(cell.uint()?),
        Field::UserType => {
            let text = cell.blob()?;
            row.user_type = Some(String::from_utf8_lossy(&text).into_owned());
        }
    }
    Ok(())
}

fn write_cell(out: &mut Writer, field: Field, value: &Value) {
    match field {
        Field::Id => out.uint(value.id().0),
        Field::ValueType => out.uint(value.value_type().0.into()),
        Field::Owner => {
            let none = InfoHash::ZERO;
            out.bin(value.owner().unwrap_or(none.as_bytes()));
        }
        Field::Seq => out.uint(value.seq().into()),
        Field::UserType => {
            out.str(value.body().map_or(&[], |body| body.user_type));
        }
    }
}
