//! Which signers to trust, and how values are bound.

use std::path::PathBuf;
use std::time::Duration;

use bulla::UnixTime;
use bulla::secure::{Expiry, Scope};
use clap::{Args, ValueHint};

use crate::calendar::time;

/// Rules that a value must meet to be shown. Rules of different kinds must all be met; of several
/// of one kind, one.
#[derive(Debug, Args)]
#[command(next_help_heading = "Trust")]
pub(crate) struct TrustArgs {
    /// Only values signed by this contact, or by the identity with this long or short id; may be
    /// repeated.
    #[arg(long, value_name = "CONTACT")]
    pub from: Vec<String>,
    /// Only values signed by those whose certificate this authority has issued, itself or through
    /// others: a file, or the name of an identity kept here; may be repeated. Certificates are
    /// searched for in the network.
    #[arg(long, value_name = "CA", value_hint = ValueHint::FilePath)]
    pub trusted_by: Vec<PathBuf>,
    /// What the authorities have revoked; may be repeated.
    #[arg(long, value_name = "FILE", requires = "trusted_by", value_hint = ValueHint::FilePath)]
    pub crl: Vec<PathBuf>,
    /// Only values that their signer has bound to this key, and whose time is not over: no replays.
    #[arg(long)]
    pub bound_only: bool,
}

/// Where, and until when, a signed value holds.
#[derive(Debug, Args)]
pub(crate) struct BoundArgs {
    /// Bind what is signed to its key and number, so that it can be replayed nowhere else. OpenDHT
    /// reads it as any other.
    #[arg(long)]
    bound: bool,
    /// Bind it also in time: for a span such as 90s, 15m, 12h or 7days, or until a date such as
    /// 2027-01-31T12:00:00Z.
    #[arg(long, value_name = "SPAN|DATE", value_parser = expiry)]
    bound_until: Option<Expiry>,
}

impl BoundArgs {
    /// Returns the scope that a value is to be signed for.
    pub(crate) fn scope(&self) -> Scope {
        match self.bound_until {
            Some(end) => Scope::BoundUntil(end),
            None if self.bound => Scope::Bound,
            None => Scope::Anywhere,
        }
    }
}

fn expiry(text: &str) -> Result<Expiry, String> {
    let span = humantime::parse_duration(text).ok().filter(is_sane);
    let date = || {
        let is_date = text.contains('-');
        let seconds = time(text).ok().filter(|_| is_date)?;
        Some(UnixTime::from_secs(seconds).into())
    };
    span.map(Expiry::After).or_else(date).ok_or_else(|| {
        "expected a span such as 15m or 7days, or a time such as 2027-01-31T12:00:00Z".to_owned()
    })
}

/// Longer spans than a thousand years are typing errors.
fn is_sane(span: &Duration) -> bool {
    (1..=1000 * 31_557_600).contains(&span.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bond_ends_after_a_span_or_at_a_date() {
        let after = |seconds| Ok(Expiry::After(Duration::from_secs(seconds)));
        assert_eq!(expiry("90s"), after(90));
        assert_eq!(expiry("1h 30m"), after(5400));
        let at = |seconds| Ok(Expiry::At(UnixTime::from_secs(seconds)));
        assert_eq!(expiry("2027-01-31T12:00:00Z"), at(1_801_396_800));
        for text in ["", "soon", "-1s", "0s", "90", "9999999years", "2027-02-30"] {
            assert!(expiry(text).is_err(), "{text}");
        }
    }
}
