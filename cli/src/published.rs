//! [`Published`]: the certificates that are published for a key.

use bulla::secure::KeyName;
use bulla::{CertificatePayload, Condition, Dht, Get, GetError, Query, Typed, ValueType};
use bulla_identity::{Certificate, CertificateChain};

/// The most certificates of the right key that are looked at. A certificate of a key can be
/// published by any node, so one that is not trusted says nothing about the others; but there is no
/// end to what can be published.
const MAX_CANDIDATES: usize = 64;

/// Certificates of one key, each with its chain, as they are found.
pub(crate) struct Published {
    name: KeyName,
    get: Get,
    left: usize,
}

impl Published {
    /// Looks for certificates of the key with this name.
    pub(crate) fn of(dht: &Dht, name: KeyName) -> Self {
        let certificates = Query {
            conditions: vec![Condition::ValueType(ValueType::CERTIFICATE)],
            ..Query::default()
        };
        Self {
            name,
            get: dht.get_where(name.dht_key(), certificates),
            left: MAX_CANDIDATES,
        }
    }

    /// Returns the next chain; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<CertificateChain> {
        while self.left > 0 {
            let value = self.get.next().await?;
            if let Some(chain) = chain_in(value.data()).filter(|chain| self.is_of(chain.leaf())) {
                self.left -= 1;
                return Some(chain);
            }
        }
        None
    }

    /// Returns why the search ended early.
    pub(crate) fn error(&self) -> Option<GetError> {
        self.get.error()
    }

    fn is_of(&self, certificate: &Certificate) -> bool {
        match self.name {
            KeyName::Long(id) => certificate.long_id() == id,
            KeyName::Short(id) => certificate.id() == id,
        }
    }
}

/// Reads a chain as it is published, which is never empty.
fn chain_in(data: &[u8]) -> Option<CertificateChain> {
    let published = CertificatePayload::from_data(data).ok()?;
    CertificateChain::from_bytes(&published.encoded).ok()
}
