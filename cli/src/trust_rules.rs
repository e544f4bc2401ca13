//! [`TrustRules`]: which signers' values are shown, as the options say.

use std::collections::HashMap;
use std::time::Duration;

use bulla::secure::{Checked, KeyName};
use bulla::{Change, Dht, Get, GetError, Listen};
use bulla_identity::{LongKeyId, PublicKey};
use tokio::time::Instant;

use super::args::TrustArgs;
use super::calendar::now;
use super::exit::Failure;
use super::keyring::Keyring;
use super::published::Published;
use super::verifier::Verifier;

/// How long it is remembered that no good certificate of a signer was found. One may be published
/// later.
const REMEMBER_REFUSAL: Duration = Duration::from_secs(60);

/// The most signers whose certificates are remembered as good or not; when there are more, all are
/// verified anew.
const MAX_VERDICTS: usize = 1024;

/// What a value must meet to be shown.
pub(crate) struct TrustRules {
    from: Vec<KeyName>,
    /// The authorities, if it matters which of them certified the signer.
    authorities: Option<Verifier>,
    bound_only: bool,
    verdicts: HashMap<LongKeyId, CachedVerdict>,
    refused: u64,
}

/// Changes that meet the rules. Waiting for the next one can be given up without losing any.
pub(crate) struct TrustedChanges<'a> {
    listen: Listen,
    dht: &'a Dht,
    rules: TrustRules,
    /// The change that is being checked.
    pending: Option<Change>,
}

struct CachedVerdict {
    is_trusted: bool,
    until: Option<Instant>,
}

impl TrustRules {
    /// Reads the authorities' certificates and what they revoked.
    pub(crate) fn new(args: &TrustArgs) -> Result<Self, Failure> {
        Ok(Self {
            from: resolve_all(&args.from)?,
            authorities: match &args.trusted_by[..] {
                [] => None,
                trusted => Some(Verifier::read(trusted, &args.crl)?),
            },
            bound_only: args.bound_only,
            verdicts: HashMap::new(),
            refused: 0,
        })
    }

    /// Restricts a get to what is bound, if that is a rule.
    pub(crate) fn narrow_get(&self, get: Get) -> Get {
        if self.bound_only {
            get.bound_only()
        } else {
            get
        }
    }

    /// Applies the rules to what a listen reports.
    pub(crate) fn over(self, listen: Listen, dht: &Dht) -> TrustedChanges<'_> {
        let listen = if self.bound_only {
            listen.bound_only()
        } else {
            listen
        };
        TrustedChanges {
            listen,
            dht,
            rules: self,
            pending: None,
        }
    }

    /// Whether a value meets the rules. To find out, certificates may be searched for.
    pub(crate) async fn admit(&mut self, dht: &Dht, value: &Checked) -> Result<bool, Failure> {
        let admitted = self.is_from(value) && self.is_certified(dht, value).await?;
        self.refused += u64::from(!admitted);
        Ok(admitted)
    }

    /// Returns how many values so far did not meet the rules.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    fn is_from(&self, value: &Checked) -> bool {
        let is_signer = |name: &KeyName| {
            value.signer_key().is_some_and(|signer| match name {
                KeyName::Long(id) => signer.long_id() == *id,
                KeyName::Short(id) => signer.id() == *id,
            })
        };
        self.from.is_empty() || self.from.iter().any(is_signer)
    }

    async fn is_certified(&mut self, dht: &Dht, value: &Checked) -> Result<bool, Failure> {
        let Some(authorities) = &self.authorities else {
            return Ok(true);
        };
        let Some(signer) = value.signer_key() else {
            return Ok(false);
        };
        let id = signer.long_id();
        if let Some(verdict) = self.verdicts.get(&id).filter(|verdict| verdict.holds()) {
            return Ok(verdict.is_trusted);
        }
        let is_trusted = is_certified(dht, signer, authorities).await?;
        if self.verdicts.len() >= MAX_VERDICTS {
            self.verdicts.clear();
        }
        self.verdicts.insert(id, CachedVerdict::new(is_trusted));
        Ok(is_trusted)
    }
}

impl CachedVerdict {
    fn new(is_trusted: bool) -> Self {
        let until = (!is_trusted).then(|| Instant::now() + REMEMBER_REFUSAL);
        Self { is_trusted, until }
    }

    fn holds(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

impl TrustedChanges<'_> {
    /// Returns the next change that meets the rules; `None` when the listen has ended.
    pub(crate) async fn next(&mut self) -> Result<Option<Change>, Failure> {
        loop {
            if self.pending.is_none() {
                self.pending = self.listen.next().await;
            }
            let Some(change) = &self.pending else {
                return Ok(None);
            };
            if self.rules.admit(self.dht, change.value()).await? {
                return Ok(self.pending.take());
            }
            self.pending = None;
        }
    }

    /// Returns why the listen ended.
    pub(crate) fn error(&self) -> Option<GetError> {
        self.listen.error()
    }
}

/// Resolves contacts and ids into the names of keys.
pub(crate) fn resolve_all(named: &[String]) -> Result<Vec<KeyName>, Failure> {
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let keyring = Keyring::open()?;
    named.iter().map(|name| keyring.resolve(name)).collect()
}

/// Whether one of the certificates published for a key leads to an authority.
async fn is_certified(dht: &Dht, signer: &PublicKey, verifier: &Verifier) -> Result<bool, Failure> {
    for name in [KeyName::Long(signer.long_id()), signer.id().into()] {
        let mut published = Published::of(dht, name);
        while let Some(chain) = published.next().await {
            let is_signers = chain.leaf().long_id() == signer.long_id();
            if is_signers && verifier.verify(&chain, now())?.is_trusted() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
