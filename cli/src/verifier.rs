//! [`Verifier`]: which authorities are trusted, and what they have revoked.

use std::iter::successors;
use std::path::PathBuf;
use std::slice::from_ref;

use bulla_identity::{
    Certificate, CertificateChain, RevocationList, RevocationListError, TrustError, TrustList,
};
use serde_json::{Value as Json, json};

use super::certificates::read_named;
use super::document::read_list;
use super::exit::{Context, Exit, Failure};
use super::printer::{Printer, Style};

/// Verifies certificates.
pub(crate) struct Verifier {
    trusted: TrustList,
    lists: Vec<(PathBuf, RevocationList)>,
}

/// Whether a certificate is trusted, and why not.
pub(crate) struct Verdict(Result<(), TrustError>);

impl Verifier {
    /// Trusts a certificate that certifies itself, and none if it does not.
    pub(crate) fn of_itself(certificate: &Certificate) -> Self {
        let mut trusted = TrustList::new();
        // The signature of a trusted one is not checked.
        if certificate.is_issued_by(certificate) {
            trusted.add(from_ref(certificate));
        }
        let lists = Vec::new();
        Self { trusted, lists }
    }

    /// Trusts the first certificate in each of the files, and reads revocation lists.
    pub(crate) fn read(trusted: &[PathBuf], lists: &[PathBuf]) -> Result<Self, Failure> {
        let mut verifier = Self {
            trusted: TrustList::new(),
            lists: Vec::new(),
        };
        for path in trusted {
            verifier.trusted.add(from_ref(read_named(path)?.leaf()));
        }
        for path in lists {
            verifier.lists.push((path.clone(), read_list(path)?.0));
        }
        Ok(verifier)
    }

    /// Verifies the first certificate of a chain at the time `at` (Unix seconds).
    ///
    /// A list must be issued by a trusted authority, or by one in the chain that leads to it. Any
    /// other list is a failure: to ignore it could be to trust what was revoked.
    pub(crate) fn verify(&self, chain: &CertificateChain, at: u64) -> Result<Verdict, Failure> {
        let mut trusted = self.trusted.clone();
        let mut lists: Vec<_> = self.lists.iter().map(|list| (list, None)).collect();
        attach(&mut trusted, &mut lists);
        // Before authorities of the chain are added: a path may end at each that is trusted, short
        // of the root.
        let mut verdict = trusted.verify(chain, at);
        let above: Vec<_> =
            successors(chain.issuer_chain(), CertificateChain::issuer_chain).collect();
        for authority in above.iter().rev() {
            if trusted.verify(authority, at).is_ok() {
                trusted.add(from_ref(authority.leaf()));
                attach(&mut trusted, &mut lists);
            }
        }
        verdict = verdict.and_then(|()| trusted.verify(chain, at));
        if let (Ok(()), Some(((path, _), Some(error)))) = (&verdict, lists.first()) {
            return Err(error.clone()).context(format_args!(
                "cannot use {} here (leave it out, or trust its issuer)",
                path.display()
            ));
        }
        Ok(Verdict(verdict))
    }

    /// Prints a note on each list that should have been replaced by a newer one.
    pub(crate) fn note_outdated(&self, at: u64, printer: &Printer) {
        for (path, list) in &self.lists {
            if list.is_outdated(at) {
                let path = path.display();
                printer.note(format_args!(
                    "{path} is outdated: more may be revoked by now"
                ));
            }
        }
    }
}

/// Attaches the lists that a trusted authority signed, and keeps the others with the reason.
fn attach(
    trusted: &mut TrustList,
    lists: &mut Vec<(&(PathBuf, RevocationList), Option<RevocationListError>)>,
) {
    lists.retain_mut(|((_, list), refusal)| {
        *refusal = trusted.add_revocation_list(list.clone()).err();
        refusal.is_some()
    });
}

impl Verdict {
    /// Whether the certificate is trusted.
    pub(crate) fn is_trusted(&self) -> bool {
        self.0.is_ok()
    }

    /// Returns how a command ends whose result is the verdict.
    pub(crate) fn exit(&self) -> Exit {
        if self.is_trusted() {
            Exit::Done
        } else {
            Exit::Nothing
        }
    }

    /// Returns `trusted`, the `reason` in words, and a word for it that stays the same: `refusal`.
    pub(crate) fn json(&self, subject: &Certificate) -> Json {
        let refusal = self.0.as_ref().err();
        json!({
            "trusted": self.is_trusted(),
            "reason": refusal.map(ToString::to_string),
            "refusal": refusal.map(word),
            "name": subject.name(),
            "long_id": subject.long_id().to_string(),
        })
    }

    /// Returns the verdict in words.
    pub(crate) fn text(&self, printer: &Printer) -> String {
        match &self.0 {
            Ok(()) => printer.style(Style::Good, "trusted").to_string(),
            Err(reason) => format!("{}: {reason}", printer.style(Style::Bad, "not trusted")),
        }
    }
}

fn word(refusal: &TrustError) -> &'static str {
    match refusal {
        TrustError::PathTooLong(_) => "path-too-long",
        TrustError::Expired(_) => "expired",
        TrustError::NotYetValid(_) => "not-yet-valid",
        TrustError::UnknownIssuer(_) => "unknown-issuer",
        TrustError::BadSignature(_) => "bad-signature",
        TrustError::UnsupportedSignature(_) => "unsupported-signature",
        TrustError::WeakKey(_) => "weak-key",
        TrustError::NotAuthority(_) => "not-a-ca",
        TrustError::Revoked(_) => "revoked",
        TrustError::CriticalExtension(_) => "critical-extension",
        _ => "other",
    }
}
