//! Certificate requests: a key asks an authority to be certified (PKCS#10, RFC 2986).

use std::fmt;
use std::sync::Arc;

use der::asn1::{PrintableStringRef, SetOfVec, Utf8StringRef};
use der::{Decode, Encode};
use rcgen::{Attribute, CertificateParams};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use crate::alternative_name::AlternativeName;
use crate::asn1::SignedDer;
use crate::error::{IssueError, RequestError, SignError};
use crate::name::{DistinguishedName, check_name, subject};
use crate::pem;
use crate::private_key::PrivateKey;
use crate::public_key::PublicKey;
use crate::signature::Signature;
use crate::signer::Signer;

/// The most bytes that are read as a request, 64 KiB.
const MAX_BYTES: usize = 64 * 1024;

/// The challengePassword attribute (RFC 2985, section 5.4.1).
const CHALLENGE_PASSWORD: &[u64] = &[1, 2, 840, 113_549, 1, 9, 7];

/// A request for a certificate. A clone costs a counter; two are equal if their bytes are.
///
/// [`Identity::certify`](crate::Identity::certify) grants it.
#[derive(Clone)]
pub struct CertificateRequest(Arc<RequestFields>);

struct RequestFields {
    der: Vec<u8>,
    subject: DistinguishedName,
    key: Option<PublicKey>,
    alternative_names: Vec<AlternativeName>,
    challenge: Option<String>,
    signature: Signature,
}

/// The parameters of a request: a name, and what is to differ from the defaults.
#[derive(Clone)]
pub struct RequestParams<'a> {
    name: &'a str,
    uid: Option<&'a str>,
    alternative_names: Vec<AlternativeName>,
    challenge: Option<&'a str>,
}

impl<'a> RequestParams<'a> {
    /// Starts with a common name; the UID is the short id of the key, as in OpenDHT's certificates.
    pub fn new(name: &'a str) -> Self {
        Self {
            name,
            uid: None,
            alternative_names: Vec::new(),
            challenge: None,
        }
    }

    /// Sets another UID.
    #[must_use]
    pub fn uid(self, uid: &'a str) -> Self {
        Self {
            uid: Some(uid),
            ..self
        }
    }

    /// Asks for alternative names.
    #[must_use]
    pub fn alternative_names(self, names: impl IntoIterator<Item = AlternativeName>) -> Self {
        Self {
            alternative_names: names.into_iter().collect(),
            ..self
        }
    }

    /// Adds a word by which the authority recognizes the sender. It is not secret: the request
    /// shows it.
    #[must_use]
    pub fn challenge(self, password: &'a str) -> Self {
        Self {
            challenge: Some(password),
            ..self
        }
    }
}

impl fmt::Debug for RequestParams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestParams({:?}, challenge elided)", self.name)
    }
}

impl CertificateRequest {
    /// Makes a request for `key`, signed by that key.
    ///
    /// # Errors
    /// [`IssueError`]: a name or challenge password that cannot be, or a key of RSA-OAEP, which
    /// signs nothing.
    pub fn new(key: &PrivateKey, params: &RequestParams<'_>) -> Result<Self, IssueError> {
        let id = key.public_key().id().to_string();
        let uid = params.uid.unwrap_or(&id);
        check_name(params.name)?;
        check_name(uid)?;
        let mut fields = CertificateParams::default();
        fields.distinguished_name = subject(params.name, uid);
        fields.subject_alt_names = params
            .alternative_names
            .iter()
            .map(|name| name.write().ok_or(IssueError::AlternativeName))
            .collect::<Result<_, _>>()?;
        let attributes = match params.challenge {
            Some(password) => vec![challenge_attribute(password)?],
            None => Vec::new(),
        };
        let signer = Signer::new(key, key.public_key())?;
        let request = fields
            .serialize_request_with_attributes(&signer, attributes)
            .map_err(|_| SignError::Failed)?;
        Self::from_der(request.der()).map_err(|_| IssueError::Request)
    }

    /// Reads a DER request.
    ///
    /// # Errors
    /// [`RequestError::Malformed`], or [`RequestError::TooLarge`] above 64 KiB.
    pub fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        if der.len() > MAX_BYTES {
            return Err(RequestError::TooLarge);
        }
        // What is not signed is held to its one encoding by the stricter of the two parsers.
        let outside = SignedDer::from_der(der).map_err(|_| RequestError::Malformed)?;
        let Ok(([], request)) = X509CertificationRequest::from_der(der) else {
            return Err(RequestError::Malformed);
        };
        let signature = outside
            .signature(true)
            .map_err(|_| RequestError::Malformed)?;
        Ok(Self(Arc::new(RequestFields::new(der, signature, &request))))
    }

    /// Reads the first request in PEM text (`CERTIFICATE REQUEST` or `NEW CERTIFICATE REQUEST`).
    ///
    /// # Errors
    /// As [`from_der`](Self::from_der).
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, RequestError> {
        let pem = pem.as_ref();
        if pem.len() > 2 * MAX_BYTES {
            return Err(RequestError::TooLarge);
        }
        let block =
            pem::blocks(pem).find(|block| matches!(block.label, pem::REQUEST | pem::NEW_REQUEST));
        let der = block.and_then(|block| block.decode());
        Self::from_der(&der.ok_or(RequestError::Malformed)?)
    }

    /// Returns the DER bytes, as they were read or made.
    pub fn to_der(&self) -> &[u8] {
        &self.0.der
    }

    /// Returns the PEM text (`CERTIFICATE REQUEST`).
    pub fn to_pem(&self) -> String {
        pem::encode(pem::REQUEST, self.to_der())
    }

    /// Returns the common name that is asked for.
    pub fn name(&self) -> Option<&str> {
        self.0.subject.common_name.as_deref()
    }

    /// Returns the UID that is asked for. It need not be the id of the key.
    pub fn uid(&self) -> Option<&str> {
        self.0.subject.uid.as_deref()
    }

    /// Returns the alternative names that are asked for.
    pub fn alternative_names(&self) -> &[AlternativeName] {
        &self.0.alternative_names
    }

    /// Returns the challenge password.
    pub fn challenge(&self) -> Option<&str> {
        self.0.challenge.as_deref()
    }

    /// Returns the key to be certified, or `None` if it is of a kind or a size that is not
    /// supported.
    pub fn public_key(&self) -> Option<&PublicKey> {
        self.0.key.as_ref()
    }

    /// Reports whether the request is signed by the key in it: its sender has the private half.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.verified_key().is_some()
    }

    /// Returns the key, if it has signed the request.
    pub(crate) fn verified_key(&self) -> Option<&PublicKey> {
        self.0.signature.check(self.public_key()).ok()?;
        self.public_key()
    }

    pub(crate) fn subject_der(&self) -> &[u8] {
        &self.0.subject.der
    }
}

impl PartialEq for CertificateRequest {
    fn eq(&self, other: &Self) -> bool {
        self.to_der() == other.to_der()
    }
}

impl Eq for CertificateRequest {}

impl fmt::Debug for CertificateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CertificateRequest({:?})",
            self.name().unwrap_or_default()
        )
    }
}

impl RequestFields {
    fn new(der: &[u8], signature: Signature, request: &X509CertificationRequest<'_>) -> Self {
        let fields = &request.certification_request_info;
        let mut alternative_names = Vec::new();
        let mut challenge = None;
        for attribute in fields.iter_attributes() {
            match attribute.parsed_attribute() {
                ParsedCriAttribute::ChallengePassword(password) => {
                    challenge = Some(password.0.clone());
                }
                ParsedCriAttribute::ExtensionRequest(requested) => {
                    for extension in &requested.extensions {
                        if let ParsedExtension::SubjectAlternativeName(names) =
                            extension.parsed_extension()
                        {
                            let names = names.general_names.iter();
                            alternative_names.extend(names.filter_map(AlternativeName::read));
                        }
                    }
                }
                ParsedCriAttribute::UnsupportedAttribute => {}
            }
        }
        Self {
            der: der.to_vec(),
            subject: DistinguishedName::new(&fields.subject),
            key: PublicKey::from_der(fields.subject_pki.raw).ok(),
            alternative_names,
            challenge,
            signature,
        }
    }
}

fn challenge_attribute(password: &str) -> Result<Attribute, IssueError> {
    check_name(password).map_err(|_| IssueError::Challenge)?;
    // A printable string where that is enough, else UTF-8 (RFC 2985, section 5.4.1).
    let encoded = PrintableStringRef::new(password)
        .and_then(|text| SetOfVec::try_from(vec![text])?.to_der())
        .or_else(|_| SetOfVec::try_from(vec![Utf8StringRef::new(password)?])?.to_der());
    Ok(Attribute {
        oid: CHALLENGE_PASSWORD,
        values: encoded.map_err(|_| IssueError::Challenge)?,
    })
}
