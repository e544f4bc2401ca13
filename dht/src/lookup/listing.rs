//! A lookup in words, for those who look at a running node.

use std::fmt;

use super::Lookup;

impl fmt::Display for Lookup {
    /// A line for each candidate: contact, standing, whether it gave a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for candidate in self.candidates.iter() {
            let token = if candidate.token.is_some() {
                "token"
            } else {
                "-"
            };
            writeln!(f, "  {} {:?} {token}", candidate.contact, candidate.state)?;
        }
        writeln!(
            f,
            "  {} finds, {} announcements, {} listens",
            self.finds.len(),
            self.announcements.len(),
            self.subscriptions.len()
        )
    }
}
