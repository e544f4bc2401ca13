//! Alternative names: what a certificate's owner is called besides its common name (RFC 5280,
//! section 4.2.1.6).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use rcgen::SanType;
use rcgen::string::Ia5String;
use thiserror::Error;
use x509_parser::extensions::GeneralName;

/// The longest alternative name, in bytes.
const MAX_LENGTH: usize = 255;

/// A name beside the common name. Like that, it is a claim: the issuer of the certificate stands
/// for it, at most.
///
/// ```
/// use bulla_identity::AlternativeName;
///
/// let name: AlternativeName = "dns:example.org".parse()?;
/// assert_eq!(name, AlternativeName::Dns("example.org".into()));
/// assert_eq!(name.to_string(), "dns:example.org");
/// # Ok::<(), bulla_identity::ParseAlternativeNameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AlternativeName {
    /// A host name: `dns:example.org`.
    Dns(String),
    /// A mail address: `email:alice@example.org`.
    Email(String),
    /// A URI: `uri:https://example.org/`.
    Uri(String),
    /// An address: `ip:192.0.2.1`.
    Ip(IpAddr),
}

/// The text is no alternative name: a kind (`dns`, `email`, `uri`, `ip`), a colon, and 1 to 255
/// printable ASCII characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "an alternative name is dns:, email:, uri: or ip: and a name of 1 to 255 ASCII characters without spaces"
)]
pub struct ParseAlternativeNameError;

impl AlternativeName {
    /// Takes a name out of a certificate; `None` for the kinds that are passed over.
    pub(crate) fn read(name: &GeneralName<'_>) -> Option<Self> {
        match name {
            GeneralName::DNSName(name) => Some(Self::Dns((*name).to_owned())),
            GeneralName::RFC822Name(name) => Some(Self::Email((*name).to_owned())),
            GeneralName::URI(name) => Some(Self::Uri((*name).to_owned())),
            GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
                .ok()
                .map(Self::Ip),
            _ => None,
        }
    }

    /// Returns the name as the certificate writer wants it, or `None` if it cannot be written.
    pub(crate) fn write(&self) -> Option<SanType> {
        let ascii = |text: &str| is_fit(text).then(|| Ia5String::try_from(text).ok())?;
        Some(match self {
            Self::Dns(name) => SanType::DnsName(ascii(name)?),
            Self::Email(name) => SanType::Rfc822Name(ascii(name)?),
            Self::Uri(name) => SanType::URI(ascii(name)?),
            Self::Ip(address) => SanType::IpAddress(*address),
        })
    }
}

impl fmt::Display for AlternativeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Email(name) => write!(f, "email:{name}"),
            Self::Uri(name) => write!(f, "uri:{name}"),
            Self::Ip(address) => write!(f, "ip:{address}"),
        }
    }
}

impl FromStr for AlternativeName {
    type Err = ParseAlternativeNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text.split_once(':').ok_or(ParseAlternativeNameError)?;
        if !is_fit(name) {
            return Err(ParseAlternativeNameError);
        }
        match kind.to_ascii_lowercase().as_str() {
            "dns" => Ok(Self::Dns(name.to_owned())),
            "email" => Ok(Self::Email(name.to_owned())),
            "uri" => Ok(Self::Uri(name.to_owned())),
            "ip" => name
                .parse()
                .map(Self::Ip)
                .map_err(|_| ParseAlternativeNameError),
            _ => Err(ParseAlternativeNameError),
        }
    }
}

fn is_fit(name: &str) -> bool {
    (1..=MAX_LENGTH).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_the_same_after_they_were_shown() {
        for text in [
            "dns:example.org",
            "email:a@b.example",
            "uri:https://a.example/?b",
            "ip:192.0.2.1",
            "ip:2001:db8::1",
        ] {
            let name: AlternativeName = text.parse().expect("a name");
            assert_eq!(name.to_string(), text);
            assert_eq!(
                text.replacen(':', "X:", 1).parse::<AlternativeName>(),
                Err(ParseAlternativeNameError)
            );
            assert!(name.write().is_some());
        }
    }

    #[test]
    fn what_a_certificate_cannot_hold_is_refused() {
        for text in [
            "",
            "dns:",
            "dns:a b",
            "dns:é",
            "ip:example.org",
            "example.org",
            "dns:a\0b",
        ] {
            assert_eq!(
                text.parse::<AlternativeName>(),
                Err(ParseAlternativeNameError),
                "{text:?}"
            );
        }
        assert!(
            format!("dns:{}", "a".repeat(256))
                .parse::<AlternativeName>()
                .is_err()
        );
        assert!(AlternativeName::Dns("a\nb".to_owned()).write().is_none());
    }
}
