//! Distinguished names: how certificates and requests hold them, and how new ones are written.

use rcgen::string::PrintableString;
use rcgen::{DnType, DnValue};
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::der_parser::{Oid, oid};
use x509_parser::oid_registry::OID_X509_COMMON_NAME;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::error::IssueError;

/// The UID attribute, where OpenDHT puts the short key id (RFC 4519, section 2.39).
const UID: Oid<'static> = oid!(0.9.2342.19200300.100.1.1);
const UID_NUMBERS: [u64; 7] = [0, 9, 2342, 19_200_300, 100, 1, 1];

/// A distinguished name that was read: its bytes, which are what is compared, and the attributes
/// that OpenDHT uses.
pub(crate) struct DistinguishedName {
    pub(crate) der: Vec<u8>,
    pub(crate) common_name: Option<String>,
    pub(crate) uid: Option<String>,
}

impl DistinguishedName {
    pub(crate) fn new(name: &X509Name<'_>) -> Self {
        let text = |oid: &Oid<'_>| {
            let attribute = name
                .iter_attributes()
                .find(|attribute| attribute.attr_type() == oid)?;
            attribute.as_str().ok().map(str::to_owned)
        };
        Self {
            der: name.as_raw().to_vec(),
            common_name: text(&OID_X509_COMMON_NAME),
            uid: text(&UID),
        }
    }
}

/// Checks a common name: 1 to 64 characters (RFC 5280, appendix A, `ub-common-name`), none of them
/// control characters.
pub(crate) fn check_name(name: &str) -> Result<(), IssueError> {
    let length = name.chars().count();
    if !(1..=64).contains(&length) || name.chars().any(char::is_control) {
        return Err(IssueError::Name);
    }
    Ok(())
}

/// Returns a subject as OpenDHT writes it, to be written into a certificate or a request.
pub(crate) fn subject(name: &str, uid: &str) -> rcgen::DistinguishedName {
    let mut subject = rcgen::DistinguishedName::new();
    subject.push(DnType::CommonName, directory_string(name));
    subject.push(
        DnType::CustomDnType(UID_NUMBERS.to_vec()),
        directory_string(uid),
    );
    subject
}

/// Returns the distinguished name with this DER, to be written again; `None` if it has parts that
/// cannot be.
pub(crate) fn writable(der: &[u8]) -> Option<rcgen::DistinguishedName> {
    let (_, read) = X509Name::from_der(der).ok()?;
    let mut name = rcgen::DistinguishedName::new();
    for attribute in read.iter_attributes() {
        let text = attribute.as_str().ok()?;
        let kind: Vec<u64> = attribute.attr_type().iter()?.collect();
        let value = match attribute.attr_value().tag() {
            Tag::Utf8String => DnValue::Utf8String(text.to_owned()),
            Tag::PrintableString => directory_string(text),
            _ => return None,
        };
        name.push(DnType::from_oid(&kind), value);
    }
    Some(name)
}

/// Returns a printable string if the text is one, else UTF-8: as OpenDHT's library chooses.
fn directory_string(text: &str) -> DnValue {
    PrintableString::try_from(text).map_or_else(
        |_| DnValue::Utf8String(text.to_owned()),
        DnValue::PrintableString,
    )
}
