//! PEM blocks (RFC 7468), found anywhere in the bytes.
//!
//! The certificate published on the DHT is PEM text inside a msgpack value, and an identity file
//! holds a key and certificates one after the other: so blocks are looked for in one pass, whatever
//! lies between them.

use pkcs8::der::pem;
use pkcs8::{LineEnding, SecretDocument};
use zeroize::Zeroizing;

pub(crate) const CERTIFICATE: &str = "CERTIFICATE";
pub(crate) const REVOCATION_LIST: &str = "X509 CRL";
pub(crate) const REQUEST: &str = "CERTIFICATE REQUEST";
/// What GnuTLS, and so OpenDHT, calls a request.
pub(crate) const NEW_REQUEST: &str = "NEW CERTIFICATE REQUEST";
pub(crate) const PUBLIC_KEY: &str = "PUBLIC KEY";
pub(crate) const PRIVATE_KEY: &str = "PRIVATE KEY";
pub(crate) const ENCRYPTED_PRIVATE_KEY: &str = "ENCRYPTED PRIVATE KEY";
pub(crate) const RSA_PRIVATE_KEY: &str = "RSA PRIVATE KEY";
pub(crate) const EC_PRIVATE_KEY: &str = "EC PRIVATE KEY";

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// One block: its label, and its text with both boundary lines.
pub(crate) struct Block<'a> {
    pub(crate) label: &'a str,
    text: &'a [u8],
}

impl Block<'_> {
    /// Reports whether the block is encrypted in the way of RFC 1421, with headers that say how.
    pub(crate) fn is_encrypted(&self) -> bool {
        find(self.text, b"\nProc-Type:").is_some()
    }

    /// Returns the bytes that the block encodes.
    pub(crate) fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut decoder = pem::Decoder::new_detect_wrap(self.text).ok()?;
        let mut bytes = Zeroizing::new(vec![0; decoder.remaining_len()]);
        decoder.decode(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// Returns the complete blocks in `data`, in order. What is not a block is passed over.
pub(crate) fn blocks(data: &[u8]) -> impl Iterator<Item = Block<'_>> {
    let mut rest = data;
    std::iter::from_fn(move || {
        loop {
            let from_begin = &rest[find(rest, BEGIN)?..];
            let end = find(from_begin, END)?;
            let label_end = end + END.len();
            let text_end = label_end + find(&from_begin[label_end..], DASHES)? + DASHES.len();
            let (text, after) = from_begin.split_at(text_end);
            rest = after;
            let label = &text[label_end..text_end - DASHES.len()];
            let begins_alike = text[BEGIN.len()..]
                .strip_prefix(label)
                .is_some_and(|tail| tail.starts_with(DASHES));
            if let (true, Ok(label)) = (begins_alike, std::str::from_utf8(label)) {
                return Some(Block { label, text });
            }
        }
    })
}

/// Returns `der` as a PEM block that ends with a newline.
pub(crate) fn encode(label: &'static str, der: &[u8]) -> String {
    pem::encode_string(label, LineEnding::LF, der)
        .expect("a known label and a bounded length always encode")
}

/// Returns the secret `der` as a PEM block that is wiped from memory.
pub(crate) fn encode_secret(label: &'static str, der: &SecretDocument) -> Zeroizing<String> {
    der.to_pem(label, LineEnding::LF)
        .expect("a known label and a bounded length always encode")
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_between_other_bytes() {
        let mut data = b"\xc5\x01\x02".to_vec();
        data.extend(encode(CERTIFICATE, &[1; 100]).bytes());
        data.extend(b"some text\0");
        data.extend(encode(PUBLIC_KEY, b"two").bytes());
        let found: Vec<_> = blocks(&data)
            .map(|block| (block.label, block.decode().expect("well-formed").to_vec()))
            .collect();
        assert_eq!(
            found,
            [(CERTIFICATE, vec![1; 100]), (PUBLIC_KEY, b"two".to_vec())]
        );
    }

    #[test]
    fn a_block_with_windows_line_ends_or_other_width_is_read() {
        let unix = encode(CERTIFICATE, &[7; 100]);
        let windows = unix.replace('\n', "\r\n");
        let body: String = unix.lines().filter(|line| !line.starts_with('-')).collect();
        let wide = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        for text in [windows, wide] {
            let block = blocks(text.as_bytes()).next().expect("a block");
            assert_eq!(block.decode().expect("well-formed").to_vec(), [7; 100]);
        }
    }

    #[test]
    fn broken_blocks_are_passed_over() {
        let good = encode(CERTIFICATE, b"good");
        for bad in [
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END PUBLIC KEY-----\n",
            "-----BEGIN -----END X-----",
            "-----END CERTIFICATE-----",
        ] {
            let data = format!("{bad}{good}");
            assert_eq!(blocks(data.as_bytes()).count(), 1, "{bad}");
        }
        assert_eq!(blocks(&good.as_bytes()[..good.len() - 3]).count(), 0);
        assert_eq!(
            blocks(b"-----BEGIN A-----".repeat(10_000).as_slice()).count(),
            0
        );
    }
}
