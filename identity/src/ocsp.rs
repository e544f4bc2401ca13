//! Asking an authority whether a certificate is revoked (OCSP, RFC 6960): requests, and the check
//! of responses.
//!
//! How they travel, usually by HTTP, is up to the caller.

use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, Null, OctetStringRef};
use der::oid::ObjectIdentifier;
use der::{Decode, Encode, Reader, Sequence, SliceReader, Tag, TagNumber, Tagged};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use sha1::{Digest, Sha1};

use crate::asn1::{self, Extension};
use crate::certificate::Certificate;
use crate::crl::RevocationReason;
use crate::error::OcspError;
use crate::random;
use crate::signature::Signature;

/// The most bytes that are read as a response, 64 KiB.
const MAX_BYTES: usize = 64 * 1024;

/// The most certificates in a response that are tried as the responder's.
const MAX_RESPONDERS: usize = 4;

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");
const BASIC_RESPONSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");

/// A request for the status of a certificate, with a nonce of 32 bytes that only a fresh response
/// can repeat.
///
/// ```no_run
/// use bulla_identity::{Certificate, OcspRequest, OcspStatus};
///
/// # fn ask(_: &[u8]) -> Vec<u8> { Vec::new() }
/// # use bulla_identity::OcspError;
/// # fn check(alice: &Certificate, ca: &Certificate, now: u64) -> Result<(), OcspError> {
/// let request = OcspRequest::new(alice, ca)?;
/// let response = ask(request.to_der());
/// assert_eq!(request.verify(&response, now)?, OcspStatus::Good);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct OcspRequest {
    der: Vec<u8>,
    /// The DER `CertID`.
    id: Vec<u8>,
    /// The value of the nonce extension: a DER octet string.
    nonce: Vec<u8>,
    issuer: Certificate,
}

/// The status of a certificate, as an authority reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OcspStatus {
    /// It is not revoked.
    Good,
    /// It is revoked.
    Revoked {
        /// Since when, in Unix seconds.
        time: u64,
        /// Why.
        reason: RevocationReason,
    },
    /// The authority does not know it.
    Unknown,
}

#[derive(Sequence)]
struct UnsignedRequest<'a> {
    body: TbsRequest<'a>,
}

#[derive(Sequence)]
struct TbsRequest<'a> {
    list: Vec<SingleRequest<'a>>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension<'a>>,
}

#[derive(Sequence)]
struct SingleRequest<'a> {
    id: AnyRef<'a>,
}

#[derive(Sequence)]
struct CertId<'a> {
    hash: AlgorithmIdentifierRef<'a>,
    issuer_name: &'a OctetStringRef,
    issuer_key: &'a OctetStringRef,
    serial: AnyRef<'a>,
}

#[derive(Sequence)]
struct OcspResponse<'a> {
    status: AnyRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    bytes: Option<ResponseBytes<'a>>,
}

#[derive(Sequence)]
struct ResponseBytes<'a> {
    kind: ObjectIdentifier,
    response: &'a OctetStringRef,
}

#[derive(Sequence)]
struct BasicOcspResponse<'a> {
    body: AnyRef<'a>,
    algorithm: AlgorithmIdentifierRef<'a>,
    signature: BitStringRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    certificates: Option<Vec<AnyRef<'a>>>,
}

#[derive(Sequence)]
struct ResponseData<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    version: Option<u8>,
    responder: AnyRef<'a>,
    produced_at: GeneralizedTime,
    responses: Vec<SingleResponse<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension<'a>>>,
}

#[derive(Sequence)]
struct SingleResponse<'a> {
    id: AnyRef<'a>,
    status: AnyRef<'a>,
    this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension<'a>>>,
}

impl OcspRequest {
    /// Makes the request for a certificate of `issuer`, which is named by SHA-1 as OpenDHT does.
    ///
    /// # Errors
    /// [`OcspError::OtherIssuer`] if `issuer` did not issue it, [`OcspError::NoRandomness`].
    pub fn new(certificate: &Certificate, issuer: &Certificate) -> Result<Self, OcspError> {
        if !certificate.is_issued_by(issuer) {
            return Err(OcspError::OtherIssuer);
        }
        let nonce = [&[0x04, 32], &random::bytes::<32>()?[..]].concat();
        let id = certificate_id(certificate, issuer).map_err(|_| OcspError::Malformed)?;
        let der = encode(&id, &nonce).map_err(|_| OcspError::Malformed)?;
        Ok(Self {
            der,
            id,
            nonce,
            issuer: issuer.clone(),
        })
    }

    /// Returns the DER `OCSPRequest`, to be sent as `application/ocsp-request`.
    pub fn to_der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the 32 bytes of the nonce.
    pub fn nonce(&self) -> &[u8] {
        &self.nonce[2..]
    }

    /// Reads a DER `OCSPResponse` to this request. It counts if it is signed by the issuer, or by a
    /// responder that the issuer has certified for this; repeats the nonce; and is of the time
    /// `now` (Unix seconds).
    ///
    /// # Errors
    /// [`OcspError`]: no response, or one that proves nothing.
    pub fn verify(&self, response: &[u8], now: u64) -> Result<OcspStatus, OcspError> {
        if response.len() > MAX_BYTES {
            return Err(OcspError::TooLarge);
        }
        let malformed = |_| OcspError::Malformed;
        let response = OcspResponse::from_der(response).map_err(malformed)?;
        match (response.status.tag(), response.status.value()) {
            (Tag::Enumerated, [0]) => {}
            (Tag::Enumerated, [status]) => return Err(OcspError::Refused(*status)),
            _ => return Err(OcspError::Malformed),
        }
        let bytes = response.bytes.ok_or(OcspError::Malformed)?;
        if bytes.kind != BASIC_RESPONSE {
            return Err(OcspError::Malformed);
        }
        let basic = BasicOcspResponse::from_der(bytes.response.as_bytes()).map_err(malformed)?;
        let body = asn1::raw(basic.body).map_err(malformed)?;
        self.check_signature(&basic, &body, now)?;
        let body = ResponseData::from_der(&body).map_err(malformed)?;
        let extensions = body.extensions.unwrap_or_default();
        if !extensions
            .iter()
            .any(|extension| extension.id == NONCE && extension.value.as_bytes() == self.nonce)
        {
            return Err(OcspError::OtherNonce);
        }
        for single in &body.responses {
            if asn1::raw(single.id).map_err(malformed)? == self.id {
                return single.status_at(now);
            }
        }
        Err(OcspError::OtherCertificate)
    }

    fn check_signature(
        &self,
        response: &BasicOcspResponse<'_>,
        body: &[u8],
        now: u64,
    ) -> Result<(), OcspError> {
        let value = response.signature.as_bytes().ok_or(OcspError::Malformed)?;
        let signature = Signature::new(asn1::plain_algorithm(&response.algorithm), body, value);
        if signature.check(self.issuer.public_key()).is_ok() {
            return Ok(());
        }
        let certificates = response.certificates.as_deref().unwrap_or_default();
        let may_respond = |responder: &Certificate| {
            responder.signs_ocsp_responses()
                && (responder.not_before()..=responder.not_after()).contains(&now)
                && responder.is_issued_by(&self.issuer)
        };
        certificates
            .iter()
            .take(MAX_RESPONDERS)
            .filter_map(|der| Certificate::from_der(&asn1::raw(*der).ok()?).ok())
            .find(|responder| {
                may_respond(responder) && signature.check(responder.public_key()).is_ok()
            })
            .map(drop)
            .ok_or(OcspError::BadSignature)
    }
}

impl SingleResponse<'_> {
    fn status_at(&self, now: u64) -> Result<OcspStatus, OcspError> {
        let seconds = |time: GeneralizedTime| time.to_unix_duration().as_secs();
        if seconds(self.this_update) > now
            || self.next_update.is_some_and(|next| seconds(next) < now)
        {
            return Err(OcspError::NotCurrent);
        }
        let Tag::ContextSpecific { number, .. } = self.status.tag() else {
            return Err(OcspError::Malformed);
        };
        match number {
            TagNumber(0) => Ok(OcspStatus::Good),
            TagNumber(1) => revoked(self.status.value()).map_err(|_| OcspError::Malformed),
            TagNumber(2) => Ok(OcspStatus::Unknown),
            _ => Err(OcspError::Malformed),
        }
    }
}

/// Reads the contents of `RevokedInfo`: when, and `[0]` why.
fn revoked(contents: &[u8]) -> der::Result<OcspStatus> {
    let mut reader = SliceReader::new(contents)?;
    let time: GeneralizedTime = reader.decode()?;
    let reason = if reader.is_finished() {
        None
    } else {
        Some(reader.decode::<AnyRef<'_>>()?)
    };
    reader.finish()?;
    Ok(OcspStatus::Revoked {
        time: time.to_unix_duration().as_secs(),
        reason: match reason.map(AnyRef::value) {
            Some([0x0a, 1, code]) => RevocationReason::from_code(*code),
            _ => RevocationReason::Unspecified,
        },
    })
}

fn certificate_id(certificate: &Certificate, issuer: &Certificate) -> der::Result<Vec<u8>> {
    let key = SubjectPublicKeyInfoRef::from_der(issuer.key_info())?;
    CertId {
        hash: AlgorithmIdentifierRef {
            oid: SHA1,
            parameters: Some(Null.into()),
        },
        issuer_name: OctetStringRef::new(&Sha1::digest(issuer.subject_der()))?,
        issuer_key: OctetStringRef::new(&Sha1::digest(key.subject_public_key.raw_bytes()))?,
        serial: AnyRef::new(Tag::Integer, certificate.serial())?,
    }
    .to_der()
}

fn encode(id: &[u8], nonce: &[u8]) -> der::Result<Vec<u8>> {
    let nonce = Extension {
        id: NONCE,
        critical: false,
        value: OctetStringRef::new(nonce)?,
    };
    let body = TbsRequest {
        list: vec![SingleRequest {
            id: AnyRef::from_der(id)?,
        }],
        extensions: vec![nonce],
    };
    UnsignedRequest { body }.to_der()
}
