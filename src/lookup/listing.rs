//! A lookup in words, for those who look at a running node.

use std::fmt;

use super::Lookup;

impl fmt::Display for Lookup {
    /// A line for each candidate: contact, standing, whether it gave a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for candidate in self.frontier.iter() {
            let token = if candidate.token.is_some() {
                "token"
            } else {
                "-"
            };
            writeln!(f, "  {} {:?} {token}", candidate.contact, candidate.reach)?;
        }
        writeln!(
            f,
            "  {} questions, {} announcements, {} listens",
            self.questions.len(),
            self.announces.len(),
            self.subscribes.len()
        )
    }
}
