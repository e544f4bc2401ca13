//! [`KeyCache`]: certificates and public keys of others by their ids, and where in the DHT each is
//! published.
//!
//! Whatever goes in is filed under the id computed from its own key, so no entry can stand under a
//! wrong name. A certificate's signature and dates are not looked at: the id is the anchor of trust
//! (`docs/spec/secure.md#5.5`).

use std::fmt;

use bulla_identity::{Certificate, KeyId, LongKeyId, PublicKey};
use bulla_kad::LruMap;

use crate::InfoHash;

/// Asked for a certificate before the DHT is. It blocks the secure layer: it must not wait for
/// anything.
pub type CertificateSource = Box<dyn FnMut(&LongKeyId) -> Option<Certificate> + Send>;

/// The name by which a key is looked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum KeyName {
    /// The long id, under which OpenDHT since 3.5 publishes.
    Long(LongKeyId),
    /// The short id, under which OpenDHT before 3.5 publishes.
    Short(KeyId),
}

/// Certificates and keys, a bounded number, each under both of its names.
pub(super) struct KeyCache {
    /// That of the own identity, which is never forgotten.
    own: Option<Certificate>,
    /// Certificates that were found or registered.
    certificates: LruMap<KeyName, Certificate>,
    /// Keys that came without a certificate.
    keys: LruMap<KeyName, PublicKey>,
    /// Asked for what is not here.
    source: Option<CertificateSource>,
}

impl KeyName {
    /// Reports whether the certified key has this name.
    pub(super) fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Long(id) => certificate.long_id() == *id,
            Self::Short(id) => certificate.id() == *id,
        }
    }

    /// Returns the DHT key under which a certificate is published for this name
    /// (`docs/spec/secure.md#5.4`).
    pub fn dht_key(&self) -> InfoHash {
        match self {
            Self::Long(id) => InfoHash::of(id.as_bytes()),
            Self::Short(id) => InfoHash::new(*id.as_bytes()),
        }
    }
}

impl From<LongKeyId> for KeyName {
    fn from(id: LongKeyId) -> Self {
        Self::Long(id)
    }
}

impl From<KeyId> for KeyName {
    fn from(id: KeyId) -> Self {
        Self::Short(id)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long(id) => id.fmt(f),
            Self::Short(id) => id.fmt(f),
        }
    }
}

impl KeyCache {
    /// Remembers up to `limit` certificates and as many keys.
    pub(super) fn new(own: Option<Certificate>, limit: usize) -> Self {
        Self {
            own,
            certificates: LruMap::new(2 * limit),
            keys: LruMap::new(2 * limit),
            source: None,
        }
    }

    /// Sets what is asked for certificates that are not here.
    pub(super) fn set_source(&mut self, source: CertificateSource) {
        self.source = Some(source);
    }

    /// Remembers a key.
    pub(super) fn remember_key(&mut self, key: &PublicKey) {
        self.keys.insert(key.id().into(), key.clone());
        self.keys.insert(key.long_id().into(), key.clone());
    }

    /// Remembers a certificate.
    pub(super) fn remember(&mut self, certificate: &Certificate) {
        for name in [certificate.id().into(), certificate.long_id().into()] {
            self.certificates.insert(name, certificate.clone());
        }
    }

    /// Returns the certificate of this name, if it is here or the source has it.
    pub(super) fn certificate(&mut self, name: KeyName) -> Option<Certificate> {
        if let Some(own) = self.own.as_ref().filter(|own| name.names(own)) {
            return Some(own.clone());
        }
        if let Some(certificate) = self.certificates.get(&name) {
            return Some(certificate.clone());
        }
        let found = match name {
            KeyName::Long(id) => self.source.as_mut()?(&id)?,
            KeyName::Short(_) => return None,
        };
        name.names(&found).then(|| {
            self.remember(&found);
            found
        })
    }

    /// Returns the key of this name, if it is here or the source has it.
    pub(super) fn public_key(&mut self, name: KeyName) -> Option<PublicKey> {
        if let Some(key) = self.keys.get(&name) {
            return Some(key.clone());
        }
        self.certificate(name)?.public_key().cloned()
    }

    /// Returns all DHT keys under which a certificate of this name can be looked for. From one name
    /// the other is not known; from the key both are.
    pub(super) fn dht_keys(&mut self, name: KeyName) -> Vec<InfoHash> {
        match self.public_key(name) {
            Some(key) => dht_keys(key.id(), key.long_id()).to_vec(),
            None => vec![name.dht_key()],
        }
    }
}

/// Returns both DHT keys under which a certificate is published.
pub(super) fn dht_keys(id: KeyId, long_id: LongKeyId) -> [InfoHash; 2] {
    [
        KeyName::Long(long_id).dht_key(),
        KeyName::Short(id).dht_key(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alice, bob};
    use super::*;

    #[test]
    fn certificates_are_published_where_opendht_looks_for_them() {
        let [new, old] = dht_keys(alice().id(), alice().long_id());
        assert_eq!(old.to_string(), alice().id().to_string());
        assert_eq!(new, InfoHash::of(alice().long_id().as_bytes()));
    }

    #[test]
    fn what_is_remembered_is_found_by_both_names() {
        let mut key_cache = KeyCache::new(None, 4);
        key_cache.remember(alice().certificate());
        for name in [KeyName::from(alice().id()), alice().long_id().into()] {
            assert_eq!(
                key_cache.certificate(name).as_ref(),
                Some(alice().certificate())
            );
            assert_eq!(
                key_cache.public_key(name).as_ref(),
                Some(alice().public_key())
            );
        }
        assert_eq!(key_cache.certificate(bob().long_id().into()), None);
    }

    #[test]
    fn a_known_key_tells_where_else_to_look_for_its_certificate() {
        let mut key_cache = KeyCache::new(None, 4);
        let name = KeyName::from(bob().long_id());
        assert_eq!(key_cache.dht_keys(name), [name.dht_key()]);
        key_cache.remember_key(bob().public_key());
        assert_eq!(key_cache.certificate(name), None);
        assert_eq!(
            key_cache.dht_keys(name),
            dht_keys(bob().id(), bob().long_id())
        );
    }

    #[test]
    fn the_own_certificate_is_always_at_hand() {
        let mut key_cache = KeyCache::new(Some(alice().certificate().clone()), 0);
        assert!(key_cache.certificate(alice().id().into()).is_some());
        assert!(key_cache.public_key(alice().long_id().into()).is_some());
    }

    #[test]
    fn the_source_is_believed_only_if_the_id_is_right() {
        let mut key_cache = KeyCache::new(None, 4);
        key_cache.set_source(Box::new(|_| Some(alice().certificate().clone())));
        assert!(key_cache.certificate(alice().long_id().into()).is_some());
        assert_eq!(key_cache.certificate(bob().long_id().into()), None);
    }
}
