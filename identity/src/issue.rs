//! Issuing certificates, self-signed or by an authority, with exactly the fields that OpenDHT
//! writes.

use std::ops::ControlFlow;
use std::time::Duration;

use rcgen::{BasicConstraints, CustomExtension, IsCa, KeyIdMethod, KeyUsagePurpose, SerialNumber};

use crate::alternative_name::AlternativeName;
use crate::certificate::Certificate;
use crate::chain::{CertificateChain, MAX_CHAIN_LENGTH};
use crate::error::{IssueError, SignError};
use crate::identity::Identity;
use crate::name::{check_name, subject, writable};
use crate::private_key::PrivateKey;
use crate::public_key::PublicKey;
use crate::random;
use crate::request::CertificateRequest;
use crate::rsa_keygen::Progress;
use crate::scheme::KeyKind;
use crate::signer::{Certified, Signer, with_key};

const SUBJECT_KEY_IDENTIFIER: [u64; 4] = [2, 5, 29, 14];
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// The last second that a certificate can name, the end of the year 9999.
const END_OF_TIME: u64 = 253_402_300_799;

/// The parameters of a certificate: from when, for how long and for what it is valid.
///
/// ```
/// use bulla_identity::CertificateParams;
///
/// # let now = 0;
/// let params = CertificateParams::new(now)
///     .days(90)
///     .alternative_names(["dns:alice.example".parse()?]);
/// # Ok::<(), bulla_identity::ParseAlternativeNameError>(())
/// ```
#[derive(Debug, Clone)]
pub struct CertificateParams {
    authority: bool,
    path_length: Option<u8>,
    alternative_names: Vec<AlternativeName>,
    authority_key_id: bool,
    days: u32,
    now: u64,
}

impl CertificateParams {
    /// Starts with the defaults: no authority, valid from `now` (Unix seconds) on for ten years of
    /// 365 days, with exactly the extensions that OpenDHT writes.
    pub fn new(now: u64) -> Self {
        Self {
            authority: false,
            path_length: None,
            alternative_names: Vec::new(),
            authority_key_id: false,
            days: 10 * 365,
            now,
        }
    }

    /// Sets how long the certificate is valid.
    #[must_use]
    pub fn days(self, days: u32) -> Self {
        Self { days, ..self }
    }

    /// Makes the owner a certificate authority. A self-signed certificate always is one's.
    #[must_use]
    pub fn authority(self) -> Self {
        Self {
            authority: true,
            ..self
        }
    }

    /// Makes the owner an authority with at most `most` others below it.
    #[must_use]
    pub fn path_length(self, most: u8) -> Self {
        Self {
            path_length: Some(most),
            ..self.authority()
        }
    }

    /// Gives the owner these alternative names.
    #[must_use]
    pub fn alternative_names(self, names: impl IntoIterator<Item = AlternativeName>) -> Self {
        Self {
            alternative_names: names.into_iter().collect(),
            ..self
        }
    }

    /// Adds the key identifier of the issuer, which strict verifiers want (RFC 5280, section
    /// 4.2.1.1) and OpenDHT does not write.
    #[must_use]
    pub fn authority_key_id(self) -> Self {
        Self {
            authority_key_id: true,
            ..self
        }
    }

    fn not_after(&self) -> u64 {
        self.now
            .saturating_add(u64::from(self.days) * SECONDS_PER_DAY)
    }

    /// Checks what can be checked before there is a key, which is of this kind.
    fn check(&self, kind: KeyKind, issuer: Option<&Identity>) -> Result<(), IssueError> {
        let signs = self.authority || issuer.is_none();
        if signs && kind == KeyKind::RsaOaep {
            return Err(SignError::NeverSigns(kind).into());
        }
        if self.days == 0 || self.not_after() > END_OF_TIME {
            return Err(IssueError::Validity);
        }
        if self
            .alternative_names
            .iter()
            .any(|name| name.write().is_none())
        {
            return Err(IssueError::AlternativeName);
        }
        match issuer {
            Some(issuer) if !issuer.certificate().is_ca() => Err(IssueError::NotAuthority),
            Some(issuer) if issuer.chain().len() >= MAX_CHAIN_LENGTH => {
                Err(IssueError::ChainTooLong)
            }
            _ => Ok(()),
        }
    }
}

/// The parameters of a new identity: a name, and what is to differ from the defaults.
///
/// ```no_run
/// use bulla_identity::{Identity, IdentityParams};
///
/// # let now = 0;
/// let ca = Identity::generate(&IdentityParams::new("Example CA", now))?;
/// let alice = Identity::generate(&IdentityParams::new("alice", now).issuer(&ca).days(365))?;
/// assert!(alice.certificate().is_issued_by(ca.certificate()));
/// # Ok::<(), bulla_identity::IssueError>(())
/// ```
#[derive(Debug, Clone)]
pub struct IdentityParams<'a> {
    name: &'a str,
    kind: KeyKind,
    bits: usize,
    issuer: Option<&'a Identity>,
    certificate: CertificateParams,
}

impl<'a> IdentityParams<'a> {
    /// Starts with the defaults: an RSA key of 4096 bits, self-signed, valid from `now` (Unix
    /// seconds) on for ten years of 365 days.
    pub fn new(name: &'a str, now: u64) -> Self {
        Self::with_certificate(name, CertificateParams::new(now))
    }

    /// Starts with an RSA key of 4096 bits and a self-signed certificate with these parameters.
    pub fn with_certificate(name: &'a str, certificate: CertificateParams) -> Self {
        Self {
            name,
            kind: KeyKind::Rsa,
            bits: 4096,
            issuer: None,
            certificate,
        }
    }

    /// Sets the kind of the key. Only RSA keys sign values; a key of RSA-OAEP needs an issuer,
    /// since it signs nothing.
    #[must_use]
    pub fn kind(self, kind: KeyKind) -> Self {
        Self { kind, ..self }
    }

    /// Sets the size of an RSA key, 2048 to 8192 bits.
    #[must_use]
    pub fn bits(self, bits: usize) -> Self {
        Self { bits, ..self }
    }

    /// Lets `issuer`, a certificate authority, sign the certificate. Its chain becomes the rest of
    /// the new chain.
    #[must_use]
    pub fn issuer(self, issuer: &'a Identity) -> Self {
        Self {
            issuer: Some(issuer),
            ..self
        }
    }

    /// Makes the identity a certificate authority. A self-signed one always is.
    #[must_use]
    pub fn authority(self) -> Self {
        Self {
            certificate: self.certificate.authority(),
            ..self
        }
    }

    /// Sets how long the certificate is valid.
    #[must_use]
    pub fn days(self, days: u32) -> Self {
        Self {
            certificate: self.certificate.days(days),
            ..self
        }
    }

    /// Makes the key, unless a certificate for it would be refused.
    fn make_key(
        &self,
        on_progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<PrivateKey, IssueError> {
        self.check(self.kind)?;
        Ok(match self.kind {
            KeyKind::Rsa => PrivateKey::generate_with(self.bits, on_progress)?,
            KeyKind::RsaOaep => PrivateKey::generate_with(self.bits, on_progress)?.to_oaep()?,
            KeyKind::Curve(curve) => PrivateKey::generate_on(curve)?,
        })
    }

    /// Checks all but the key itself, which is of this kind.
    fn check(&self, kind: KeyKind) -> Result<(), IssueError> {
        check_name(self.name)?;
        self.certificate.check(kind, self.issuer)
    }
}

impl Identity {
    /// Makes a new key and a certificate for it. Takes as long as [`PrivateKey::generate`].
    ///
    /// # Errors
    /// [`IssueError`]: a name, validity, key size or issuer that cannot be.
    pub fn generate(params: &IdentityParams<'_>) -> Result<Self, IssueError> {
        Self::generate_with(params, |_| ControlFlow::Continue(()))
    }

    /// Makes a new identity like [`generate`](Self::generate) and calls `on_progress` during the
    /// search for an RSA key, as [`PrivateKey::generate_with`] does; a key on a curve takes no
    /// search.
    ///
    /// # Errors
    /// [`IssueError::Key`] with [`KeyError::Cancelled`](crate::KeyError::Cancelled) after a
    /// `Break`; else as `generate`.
    pub fn generate_with(
        params: &IdentityParams<'_>,
        on_progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Self, IssueError> {
        Self::issue(params.make_key(on_progress)?, params)
    }

    /// Makes a certificate for a key that is there already, such as a new one before the old
    /// expires. The parameters `kind` and `bits` are not used.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    pub fn issue(key: PrivateKey, params: &IdentityParams<'_>) -> Result<Self, IssueError> {
        let public = key.public_key();
        params.check(public.kind())?;
        let subject = subject(params.name, &public.id().to_string());
        let issuer = params.issuer.map_or(Issuer::Own(&key), Issuer::Authority);
        let chain = sign(public, subject, &params.certificate, issuer)?;
        Ok(Self::from_issued(key, chain))
    }

    /// Certifies the key of a request, under the name that it asks for, and returns the certificate
    /// with the chain of this identity above it. Nothing else that is requested is granted unless
    /// `params` say so, such as `params.alternative_names(request.alternative_names().to_vec())`.
    ///
    /// Differs: OpenDHT adds no extensions here. Ours are those of any certificate, so that strict
    /// verifiers accept it.
    ///
    /// # Errors
    /// [`IssueError`]: this identity is no authority, the request is not signed by its key, or
    /// parameters that cannot be.
    pub fn certify(
        &self,
        request: &CertificateRequest,
        params: &CertificateParams,
    ) -> Result<CertificateChain, IssueError> {
        let key = request.verified_key().ok_or(IssueError::Request)?;
        params.check(key.kind(), Some(self))?;
        let subject = writable(request.subject_der()).ok_or(IssueError::Request)?;
        sign(key, subject, params, Issuer::Authority(self))
    }
}

/// The issuer of a certificate.
enum Issuer<'a> {
    /// The certified key itself: the certificate is self-signed.
    Own(&'a PrivateKey),
    Authority(&'a Identity),
}

/// Issues a certificate for `key` and returns it with the chain above it.
fn sign(
    key: &PublicKey,
    subject: rcgen::DistinguishedName,
    params: &CertificateParams,
    issuer: Issuer<'_>,
) -> Result<CertificateChain, IssueError> {
    let self_signed = matches!(issuer, Issuer::Own(_));
    let fields = fields(key, subject, params, self_signed)?;
    let failed = |_| SignError::Failed;
    let (issued, authority) = match issuer {
        Issuer::Own(private) => {
            let signer = Signer::new(private, key)?;
            let issued = fields.self_signed(&signer).map_err(failed)?;
            (issued.der().to_vec(), None)
        }
        Issuer::Authority(authority) => {
            let certificate = authority.certificate();
            let mut issuer_fields = rcgen::CertificateParams::default();
            issuer_fields.distinguished_name =
                writable(certificate.subject_der()).ok_or(IssueError::IssuerName)?;
            issuer_fields.key_identifier_method =
                KeyIdMethod::PreSpecified(certificate.subject_key_id());
            let signer = Signer::new(authority.key(), key)?;
            let issued = fields
                .signed_by(&Certified(key), &rcgen::Issuer::new(issuer_fields, &signer))
                .map_err(failed)?;
            let issued = match key.kind() {
                KeyKind::RsaOaep => with_key(issued.der(), key, &signer)?,
                KeyKind::Rsa | KeyKind::Curve(_) => issued.der().to_vec(),
            };
            (issued, Some(authority))
        }
    };
    // The issuer's name was rebuilt from its parts: it must have come out the same.
    let certificate = Certificate::from_der(&issued)
        .ok()
        .filter(|issued| issued.is_issued_by(authority.map_or(issued, Identity::certificate)))
        .ok_or(IssueError::IssuerName)?;
    let above = authority.map_or(&[][..], |authority| authority.chain());
    CertificateChain::new(certificate, above.iter().cloned()).map_err(|_| IssueError::ChainTooLong)
}

fn fields(
    key: &PublicKey,
    subject: rcgen::DistinguishedName,
    params: &CertificateParams,
    self_signed: bool,
) -> Result<rcgen::CertificateParams, IssueError> {
    let date = |unix_seconds| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(unix_seconds);
    let mut fields = rcgen::CertificateParams::default();
    fields.distinguished_name = subject;
    fields.serial_number = Some(serial()?);
    fields.not_before = date(params.now);
    fields.not_after = date(params.not_after());
    let names = params.alternative_names.iter();
    fields.subject_alt_names = names.filter_map(AlternativeName::write).collect();
    fields.use_authority_key_identifier_extension = params.authority_key_id;
    fields.key_identifier_method = KeyIdMethod::PreSpecified(key.id().as_bytes().to_vec());
    if params.authority || self_signed {
        fields.is_ca = IsCa::Ca(match params.path_length {
            Some(most) => BasicConstraints::Constrained(most),
            None => BasicConstraints::Unconstrained,
        });
        fields.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    } else {
        let octet_string = [&[0x04, 20], &key.id().as_bytes()[..]].concat();
        fields.custom_extensions = vec![CustomExtension::from_oid_content(
            &SUBJECT_KEY_IDENTIFIER,
            octet_string,
        )];
        fields.key_usages = usages(key.kind());
    }
    Ok(fields)
}

/// Returns the key usages of a key that certifies no others: those that OpenDHT writes, as far as
/// the key can do them (RFC 8813, section 3, and RFC 4055, section 1.2, forbid the rest).
fn usages(kind: KeyKind) -> Vec<KeyUsagePurpose> {
    let mut usages = Vec::new();
    if kind != KeyKind::RsaOaep {
        usages.push(KeyUsagePurpose::DigitalSignature);
    }
    if kind.encrypts() {
        usages.push(KeyUsagePurpose::DataEncipherment);
    }
    usages
}

/// Returns a random positive number of 63 bits.
fn serial() -> Result<SerialNumber, IssueError> {
    let mut bytes = *random::bytes::<8>()?;
    // The highest bit is the sign; the next one keeps the number from being shorter than 8 bytes.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}
