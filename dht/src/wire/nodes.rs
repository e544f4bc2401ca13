//! [`Nodes`]: compact lists of contacts (`docs/spec/wire.md#4`).

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::msgpack::{DecodeError, MapWriter, Raw, Writer};
use crate::{Contact, Family, InfoHash};

/// The contacts of one family in a reply, nearest first: id, address and port end to end.
///
/// A list from a peer is unchecked: it can name the receiver itself, martians, and its own host as
/// loopback.
#[derive(Clone, Debug)]
pub struct Nodes<'a>(NodeList<'a>);

#[derive(Clone, Debug)]
enum NodeList<'a> {
    Received(Family, Cow<'a, [u8]>),
    Own(&'a [Contact]),
}

impl<'a> Nodes<'a> {
    /// Makes a list to send. What is written for a family is only its own contacts.
    pub const fn new(contacts: &'a [Contact]) -> Self {
        Self(NodeList::Own(contacts))
    }

    /// Returns the contacts, decoded one by one.
    pub fn iter(&self) -> impl Iterator<Item = Contact> {
        let (family, entries, own): (_, &[u8], &[Contact]) = match &self.0 {
            NodeList::Received(family, entries) => (*family, entries, &[]),
            NodeList::Own(contacts) => (Family::V4, &[], contacts),
        };
        let received = entries.chunks_exact(entry_len(family));
        received.filter_map(contact_of).chain(own.iter().copied())
    }

    /// Reports whether it names no contact.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Reads the list of a family, which must not end within an entry.
    pub(super) fn read(raw: Raw<'a>, family: Family) -> Result<Self, DecodeError> {
        let entries = raw.blob()?;
        if !entries.len().is_multiple_of(entry_len(family)) {
            return Err(raw.expected("whole node entries"));
        }
        Ok(Self(NodeList::Received(family, entries)))
    }

    /// Writes the contacts of a family, if there are any.
    pub(super) fn write(&self, map: &mut MapWriter<'_>, family: Family) {
        let key = match family {
            Family::V4 => "n4",
            Family::V6 => "n6",
        };
        match &self.0 {
            NodeList::Received(of, entries) if *of == family && !entries.is_empty() => {
                map.bin(key, entries);
            }
            NodeList::Received(..) => {}
            NodeList::Own(contacts) => {
                let of_family = || contacts.iter().filter(|node| node.family() == family);
                let count = of_family().count();
                if count > 0 {
                    let out = map.key(key);
                    out.bin_len(count * entry_len(family));
                    of_family().for_each(|contact| write_entry(contact, out));
                }
            }
        }
    }
}

impl Default for Nodes<'_> {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl PartialEq for Nodes<'_> {
    /// Compares the contacts in order.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

const fn entry_len(family: Family) -> usize {
    match family {
        Family::V4 => 26,
        Family::V6 => 38,
    }
}

fn write_entry(Contact { id, addr }: &Contact, out: &mut Writer) {
    out.raw(id.as_bytes());
    match addr.ip() {
        IpAddr::V4(ip) => out.raw(&ip.octets()),
        IpAddr::V6(ip) => out.raw(&ip.octets()),
    };
    out.raw(&addr.port().to_be_bytes());
}

/// Reads an entry of the length that is its family's.
fn contact_of(entry: &[u8]) -> Option<Contact> {
    let (id, rest) = entry.split_first_chunk::<{ InfoHash::LEN }>()?;
    let (ip, port) = rest.split_last_chunk::<2>()?;
    Some(Contact::new(
        InfoHash::new(*id),
        SocketAddr::new(ip_of(ip)?, u16::from_be_bytes(*port)),
    ))
}

/// Reads an address of 4 or 16 bytes.
pub(super) fn ip_of(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(|octets| Ipv4Addr::from(octets).into())
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(|octets| Ipv6Addr::from(octets).into()))
        .ok()
}
