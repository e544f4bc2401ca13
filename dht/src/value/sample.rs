//! Values for tests below `wire`: the fields are real, the packed bytes are not msgpack.

use bytes::Bytes;

use super::{Fields, Layout, OwnerLayout, Value, ValueId, ValueType};
use crate::msgpack::Span;

/// A value for a test, not built yet.
#[derive(Clone)]
pub(crate) struct Sample {
    id: ValueId,
    value_type: ValueType,
    data: Vec<u8>,
    user_type: Vec<u8>,
    form: Form,
}

#[derive(Clone)]
enum Form {
    Clear,
    Encrypted,
    Signed {
        owner: Vec<u8>,
        seq: u16,
        signature: Vec<u8>,
    },
}

/// Makes empty user data of this id.
pub(crate) fn sample(id: u64) -> Sample {
    Sample {
        id: ValueId(id),
        value_type: ValueType::USER_DATA,
        data: Vec::new(),
        user_type: Vec::new(),
        form: Form::Clear,
    }
}

impl Sample {
    pub(crate) fn value_type(mut self, value_type: ValueType) -> Self {
        self.value_type = value_type;
        self
    }

    pub(crate) fn data(mut self, data: &[u8]) -> Self {
        self.data = data.to_vec();
        self
    }

    pub(crate) fn user_type(mut self, user_type: &[u8]) -> Self {
        self.user_type = user_type.to_vec();
        self
    }

    pub(crate) fn encrypted(mut self, ciphertext: &[u8]) -> Self {
        self.form = Form::Encrypted;
        self.data(ciphertext)
    }

    pub(crate) fn signed(mut self, owner: &[u8], seq: u16, signature: &[u8]) -> Self {
        self.form = Form::Signed {
            owner: owner.to_vec(),
            seq,
            signature: signature.to_vec(),
        };
        self
    }

    pub(crate) fn build(self) -> Value {
        let mut packed = Vec::new();
        let mut put = |bytes: &[u8]| {
            let start = packed.len() as u32;
            packed.extend_from_slice(bytes);
            let len = bytes.len() as u32;
            Span { start, len }
        };
        let content = if matches!(self.form, Form::Encrypted) {
            Layout::Encrypted(put(&self.data))
        } else {
            put(&self.value_type.0.to_be_bytes());
            let owner = match &self.form {
                Form::Signed { owner, seq, .. } => {
                    put(&seq.to_be_bytes());
                    Some((put(owner), *seq))
                }
                Form::Clear | Form::Encrypted => None,
            };
            let data = put(&self.data);
            let user_type = put(&self.user_type);
            let body = Span {
                start: 0,
                len: user_type.start + user_type.len,
            };
            let signature = match &self.form {
                Form::Signed { signature, .. } => put(signature),
                Form::Clear | Form::Encrypted => Span::default(),
            };
            Layout::Plain {
                body,
                value_type: self.value_type,
                data,
                user_type,
                owner: owner.map(|(key, seq)| OwnerLayout {
                    key,
                    seq,
                    to: None,
                    signature,
                }),
            }
        };
        let fields = Fields {
            id: self.id,
            priority: 0,
            push_type: Span::default(),
            content,
        };
        Value::from_parts(Bytes::from(packed), fields)
    }
}
