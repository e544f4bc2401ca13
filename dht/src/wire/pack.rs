//! Values on the wire, and the exact bytes that are signed and encrypted
//! (`docs/spec/secure.md#2` to `docs/spec/secure.md#4`).
//!
//! ```text
//! value  = { id, dat, [p], [pt] }
//! dat    = bin (the ciphertext) | { body, [sig] }
//! body   = { [seq, owner, [to]], type, data, [utype] }     the signed bytes
//! ```
//!
//! Reading is lenient, and what was read is always packed anew: a [`Value`] holds canonical bytes,
//! so its signed bytes are those that every other verifier rebuilds.

use bytes::Bytes;

use crate::InfoHash;
use crate::msgpack::{DecodeError, Head, Raw, Span, Writer};
use crate::value::{
    Body, Content, Draft, Fields, Layout, OwnerLayout, Signed, Value, ValueId, ValueType,
};

/// Reads a packed value; bytes after it are ignored.
///
/// # Errors
///
/// [`DecodeError`] if the bytes are no value, a field has a wrong type, an owner comes without a
/// signature, or the whole is larger than [`Value::MAX_PACKED`].
pub fn unpack(bytes: &[u8]) -> Result<Value, DecodeError> {
    read_value(Raw::parse(bytes)?)
}

/// Packs a draft as it is: readable by all, not signed.
///
/// As in all functions here, the id is the one given, not the draft's, and the caller has checked
/// the draft's size against [`Value::MAX_CONTENT`].
///
/// ```
/// use bulla_dht::{Draft, ValueId, wire};
///
/// let value = wire::pack(&Draft::from("hello"), ValueId(7));
/// assert_eq!(value.data(), b"hello");
/// assert_eq!(wire::unpack(value.packed()), Ok(value));
/// ```
pub fn pack(draft: &Draft, id: ValueId) -> Value {
    Header::new(draft, id).pack(Content::Clear(body_of(draft)))
}

/// Packs the part of a draft that a signature covers: payload, owner (DER), edit counter and
/// recipient.
pub fn pack_body(draft: &Draft, owner_der: &[u8], seq: u16, to: Option<InfoHash>) -> Vec<u8> {
    let signed = Signed {
        body: body_of(draft),
        owner: owner_der,
        seq,
        to,
        signed_bytes: &[],
        signature: &[],
    };
    let mut out = Writer::with_capacity(size_hint(&Content::Signed(signed)));
    write_body(&mut out, signed.body, Some(signed));
    out.into_bytes()
}

/// Joins a body made by [`pack_body`] and its signature. Of `draft`, only priority and push type
/// count.
///
/// # Errors
///
/// [`DecodeError`] if `body` is not a body, or the signature is empty.
pub fn pack_signed(
    draft: &Draft,
    id: ValueId,
    body: &[u8],
    signature: &[u8],
) -> Result<Value, DecodeError> {
    let envelope = pack_envelope(body, signature);
    read_dat(Raw::parse(&envelope)?, Header::new(draft, id))
}

/// Packs what is encrypted for a recipient: a body made by [`pack_body`], and its signature.
pub fn pack_envelope(body: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut out = Writer::with_capacity(body.len() + signature.len() + 16);
    out.map(|dat| {
        dat.key("body").raw(body);
        dat.bin("sig", signature);
    });
    out.into_bytes()
}

/// Packs an encrypted value. Of `draft`, only priority and push type count; they stay readable.
pub fn pack_encrypted(draft: &Draft, id: ValueId, ciphertext: &[u8]) -> Value {
    Header::new(draft, id).pack(Content::Encrypted(ciphertext))
}

/// Reads the value inside an encrypted one: the decrypted content with the outer id, priority and
/// push type.
///
/// # Errors
///
/// [`DecodeError`] if the plaintext is not what [`pack_envelope`] makes.
pub fn open_envelope(outer: &Value, plaintext: &[u8]) -> Result<Value, DecodeError> {
    let header = Header {
        id: outer.id(),
        priority: outer.priority(),
        push_type: outer.push_type_bytes(),
    };
    read_dat(Raw::parse(plaintext)?, header)
}

/// Reads an element that should be a value.
pub(super) fn read_value(raw: Raw<'_>) -> Result<Value, DecodeError> {
    if raw.bytes().len() > Value::MAX_PACKED {
        return Err(DecodeError::TooLarge(raw.bytes().len()));
    }
    let [id, dat, priority, push_type] = raw.map()?.first(["id", "dat", "p", "pt"]);
    let header = Header {
        id: ValueId(id.ok_or(DecodeError::Missing("id"))?.uint()?),
        priority: priority.map_or(Ok(0), Raw::uint)?,
        push_type: push_type.map_or(Ok(&[][..]), Raw::text)?,
    };
    let dat = dat.ok_or(DecodeError::Missing("dat"))?;
    match dat.head() {
        // An empty ciphertext is none: others take such a value for one of empty user data.
        Head::Bin([]) => Ok(header.pack(Content::Clear(body_of(&Draft::default())))),
        Head::Bin(ciphertext) => Ok(header.pack(Content::Encrypted(ciphertext))),
        _ => read_dat(dat, header),
    }
}

/// Reads body and signature.
fn read_dat(raw: Raw<'_>, header: Header<'_>) -> Result<Value, DecodeError> {
    let [body, signature] = raw.map()?.first(["body", "sig"]);
    let body = body.ok_or(DecodeError::Missing("body"))?.map()?;
    let [seq, owner, to, value_type, data, user_type] =
        body.first(["seq", "owner", "to", "type", "data", "utype"]);

    let data = data.ok_or(DecodeError::Missing("data"))?.blob()?;
    let body = Body {
        value_type: ValueType(value_type.ok_or(DecodeError::Missing("type"))?.uint()?),
        data: &data,
        user_type: user_type.map_or(Ok(&[][..]), Raw::text)?,
    };
    let Some(owner) = owner else {
        return Ok(header.pack(Content::Clear(body)));
    };
    let signature = signature.ok_or(DecodeError::Missing("sig"))?.blob()?;
    if signature.is_empty() {
        // Differs: others take this for an unsigned value with an owner, which they could not
        // forward.
        return Err(DecodeError::Missing("sig"));
    }
    Ok(header.pack(Content::Signed(Signed {
        body,
        owner: &owner.blob()?,
        seq: seq.ok_or(DecodeError::Missing("seq"))?.uint()?,
        to: to.map(Raw::hash).transpose()?.filter(|to| !to.is_zero()),
        signed_bytes: &[],
        signature: &signature,
    })))
}

/// The fields around the content.
#[derive(Clone, Copy)]
struct Header<'a> {
    id: ValueId,
    priority: u32,
    push_type: &'a [u8],
}

impl<'a> Header<'a> {
    fn new(draft: &'a Draft, id: ValueId) -> Self {
        Self {
            id,
            priority: draft.priority,
            push_type: draft.push_type.as_bytes(),
        }
    }

    /// Writes a value and notes where its fields are. All values are made here.
    fn pack(self, content: Content<'_>) -> Value {
        let mut out = Writer::with_capacity(size_hint(&content) + self.push_type.len());
        let fields = out.map(|value| {
            value.uint("id", self.id.0);
            let content = write_dat(value.key("dat"), content);
            if self.priority != 0 {
                value.uint("p", self.priority.into());
            }
            let push_type = match self.push_type {
                [] => Span::default(),
                text => value.key("pt").str(text),
            };
            Fields {
                id: self.id,
                priority: self.priority,
                push_type,
                content,
            }
        });
        // Values are kept, so the copy has no spare memory.
        Value::from_parts(Bytes::copy_from_slice(out.as_bytes()), fields)
    }
}

fn write_dat(out: &mut Writer, content: Content<'_>) -> Layout {
    match content {
        Content::Encrypted(ciphertext) => Layout::Encrypted(out.bin(ciphertext)),
        Content::Clear(body) => out.map(|dat| write_body(dat.key("body"), body, None)),
        Content::Signed(signed) => out.map(|dat| {
            let mut layout = write_body(dat.key("body"), signed.body, Some(signed));
            let signature = dat.key("sig").bin(signed.signature);
            if let Layout::Plain {
                owner: Some(owner), ..
            } = &mut layout
            {
                owner.signature = signature;
            }
            layout
        }),
    }
}

/// Writes the bytes that are signed. Where the signature will be is not known yet.
fn write_body(out: &mut Writer, body: Body<'_>, signed: Option<Signed<'_>>) -> Layout {
    let start = out.position();
    let mut layout = out.map(|map| {
        let owner = signed.map(|signed| {
            map.uint("seq", signed.seq.into());
            OwnerLayout {
                key: map.key("owner").bin(signed.owner),
                seq: signed.seq,
                to: signed.to.map(|to| map.key("to").bin(to.as_bytes()).start),
                signature: Span::default(),
            }
        });
        map.uint("type", body.value_type.0.into());
        Layout::Plain {
            body: Span::default(),
            value_type: body.value_type,
            data: map.key("data").bin(body.data),
            user_type: match body.user_type {
                [] => Span::default(),
                text => map.key("utype").str(text),
            },
            owner,
        }
    });
    if let Layout::Plain { body, .. } = &mut layout {
        *body = out.span_from(start);
    }
    layout
}

fn body_of(draft: &Draft) -> Body<'_> {
    Body {
        value_type: draft.value_type,
        data: &draft.data,
        user_type: draft.user_type.as_bytes(),
    }
}

/// Estimates how many bytes it takes, rather more than less.
fn size_hint(content: &Content<'_>) -> usize {
    64 + match content {
        Content::Encrypted(ciphertext) => ciphertext.len(),
        Content::Clear(body) => body.data.len() + body.user_type.len(),
        Content::Signed(Signed {
            body,
            owner,
            signature,
            ..
        }) => body.data.len() + body.user_type.len() + owner.len() + signature.len() + 64,
    }
}
