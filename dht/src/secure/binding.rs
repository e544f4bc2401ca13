//! [`Binding`]: the one place, and the time, for which a value is signed. It travels inside the
//! signed bytes, at the end of the user type (`docs/DIFFERENCES.md`, "Bound values"):
//!
//! ```text
//! text/plain;bulla-bound=1.0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33.000000000000002a.1767225600
//! ^ the application's own     ^ version and key                     value id ^ expiry, if any ^
//! ```
//!
//! A user type is either free of the mark `;bulla-bound=`, or all from its first mark on is exactly
//! what [`Binding::suffix`] writes. Whatever else has the mark is refused: its signer meant a
//! binding that cannot be checked here.

use std::time::Duration;

use super::error::SecurePutError;
use super::options::{Expiry, Scope};
use crate::value::{Content, Draft, Value, ValueAddress, ValueId};
use crate::{InfoHash, UnixTime};

const MARK: &str = ";bulla-bound=";
const VERSION: &str = "1";

/// No suffix is longer: mark, version, key, id, and an expiry of up to 14 digits.
const MAX_SUFFIX: usize = MARK.len() + 74;

/// A calendar that shows an earlier time has not been set, as on a host without a clock of its own
/// that has just started: 2023.
const EARLIEST: UnixTime = UnixTime::from_secs(1_672_531_200);

/// For which place, and how long, a value is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Binding {
    /// The key it was put under.
    pub key: InfoHash,
    /// Its id there.
    pub id: ValueId,
    /// From when on the signature no longer holds, in whole seconds.
    pub expires: Option<UnixTime>,
}

/// What the user type of a signed value says of its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Claim {
    Nothing,
    Bound(Binding),
    /// Something that this version cannot check.
    Unreadable,
}

impl Binding {
    /// Reports whether it is for this place.
    pub(super) fn is_at(&self, address: ValueAddress) -> bool {
        (self.key, self.id) == (address.key, address.id)
    }

    /// Reports whether its time is over, by a clock that may be fast by `tolerance`, or may be
    /// over: the calendar has not been set.
    pub(super) fn is_over(&self, unix_now: UnixTime, tolerance: Duration) -> bool {
        (self.expires).is_some_and(|end| unix_now < EARLIEST || unix_now >= end + tolerance)
    }

    /// Writes what stands at the end of the user type.
    pub(crate) fn suffix(&self) -> String {
        let Self { key, id, expires } = self;
        let suffix = format!("{MARK}{VERSION}.{key}.{id}");
        match expires {
            Some(end) => format!("{suffix}.{}", end.as_secs()),
            None => suffix,
        }
    }

    /// Reads what [`Binding::suffix`] writes, and nothing else.
    fn parse(suffix: &[u8]) -> Option<Self> {
        if suffix.len() > MAX_SUFFIX {
            return None;
        }
        let fields = str::from_utf8(suffix).ok()?.strip_prefix(MARK)?;
        let mut fields = fields.strip_prefix(VERSION)?.strip_prefix('.')?.split('.');
        let binding = Self {
            key: fields.next()?.parse().ok()?,
            id: ValueId(u64::from_str_radix(fields.next()?, 16).ok()?),
            expires: match fields.next() {
                Some(seconds) => Some(UnixTime::from_secs(seconds.parse().ok()?)),
                None => None,
            },
        };
        // Numbers have many spellings; only one of them is written.
        (binding.suffix().as_bytes() == suffix).then_some(binding)
    }
}

impl Claim {
    /// Reads what a value says of its place, if its signature holds.
    pub(crate) fn of(value: &Value) -> Self {
        let Content::Signed(signed) = value.content() else {
            return Self::Nothing;
        };
        match split(signed.body.user_type) {
            (_, []) => Self::Nothing,
            (_, suffix) => Binding::parse(suffix).map_or(Self::Unreadable, Self::Bound),
        }
    }

    /// Returns the binding, if there is one to be read.
    pub(super) fn binding(self) -> Option<Binding> {
        match self {
            Self::Bound(binding) => Some(binding),
            Self::Nothing | Self::Unreadable => None,
        }
    }

    /// Reports whether the signer meant another place.
    pub(super) fn is_elsewhere(self, address: ValueAddress) -> bool {
        self.binding()
            .is_some_and(|binding| !binding.is_at(address))
    }
}

/// Splits a user type into the application's part and the rest.
pub(crate) fn split(user_type: &[u8]) -> (&[u8], &[u8]) {
    let mark = user_type
        .windows(MARK.len())
        .position(|window| window == MARK.as_bytes());
    user_type.split_at(mark.unwrap_or(user_type.len()))
}

/// Adds to a draft that is to be signed the binding that its scope asks for.
pub(super) fn bind(
    mut draft: Draft,
    address: ValueAddress,
    scope: Scope,
    unix_now: UnixTime,
) -> Result<Draft, SecurePutError> {
    if draft.user_type.contains(MARK) {
        return Err(SecurePutError::ReservedUserType);
    }
    let expires = match scope {
        Scope::Anywhere => return Ok(draft),
        Scope::Bound => None,
        Scope::BoundUntil(Expiry::At(end)) => Some(end),
        Scope::BoundUntil(Expiry::After(_)) if unix_now < EARLIEST => {
            return Err(SecurePutError::NoCalendar);
        }
        Scope::BoundUntil(Expiry::After(span)) => Some(unix_now + span),
    };
    let ValueAddress { key, id } = address;
    draft.user_type += &Binding { key, id, expires }.suffix();
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire;

    const TEXT: &str =
        ";bulla-bound=1.0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33.000000000000002a.1767225600";

    fn binding() -> Binding {
        Binding {
            key: InfoHash::of(b"foo"),
            id: ValueId(42),
            expires: Some(UnixTime::from_secs(1_767_225_600)),
        }
    }

    fn claim(user_type: &str) -> Claim {
        let draft = Draft::from("x").user_type(user_type);
        let body = wire::pack_body(&draft, b"owner", 0, None);
        Claim::of(&wire::pack_signed(&draft, ValueId(42), &body, b"signature").unwrap())
    }

    #[test]
    fn the_written_form_is_that_of_the_documentation() {
        assert_eq!(binding().suffix(), TEXT);
        let unlimited = Binding {
            expires: None,
            ..binding()
        };
        assert_eq!(
            unlimited.suffix(),
            TEXT.strip_suffix(".1767225600").unwrap()
        );
        assert_eq!(claim(TEXT), Claim::Bound(binding()));
        assert_eq!(claim(&unlimited.suffix()), Claim::Bound(unlimited));
    }

    #[test]
    fn what_is_not_written_so_is_not_a_binding_and_not_free_of_one() {
        let with = |from: &str, to: &str| TEXT.replace(from, to);
        for text in [
            with("=1.", "=2."),
            with("=1.", "="),
            with("0beec", "0BEEC"),
            with("0beec", "beec"),
            with("0beec", "00beec"),
            with(".0000", ".+000"),
            with(".0000", ".000"),
            with("2a.", "2A."),
            with(".1767", ".01767"),
            with(".1767", ".+1767"),
            with(".1767225600", "."),
            with(".1767225600", ".18446744073709551615"),
            TEXT.to_owned() + ".",
            TEXT.to_owned() + " ",
            TEXT.to_owned() + TEXT,
            MARK.to_owned(),
            MARK.to_owned() + &"1".repeat(70_000),
        ] {
            assert_eq!(claim(&text), Claim::Unreadable, "{text:.200}");
        }
        for text in ["", "text/plain", "text/plain;bulla-boun", "bulla-bound=1"] {
            assert_eq!(claim(text), Claim::Nothing);
        }
    }

    #[test]
    fn a_binding_that_is_not_signed_does_not_count() {
        let clear = wire::pack(&Draft::from("x").user_type(TEXT), ValueId(42));
        assert_eq!(Claim::of(&clear), Claim::Nothing);
    }

    #[test]
    fn a_binding_is_for_one_key_and_one_id() {
        let claim = Claim::Bound(binding());
        let at = |key: &[u8], id: u64| ValueAddress {
            key: InfoHash::of(key),
            id: ValueId(id),
        };
        assert!(!claim.is_elsewhere(at(b"foo", 42)));
        assert!(claim.is_elsewhere(at(b"bar", 42)));
        assert!(claim.is_elsewhere(at(b"foo", 43)));
        for claim in [Claim::Nothing, Claim::Unreadable] {
            assert_eq!(claim.binding(), None);
            assert!(!claim.is_elsewhere(at(b"bar", 42)));
        }
    }

    #[test]
    fn a_binding_is_over_at_its_expiry_and_the_tolerance() {
        let at = |seconds: u64| UnixTime::from_secs(1_767_225_600 + seconds);
        let tolerance = Duration::from_secs(60);
        assert!(!binding().is_over(at(59), tolerance));
        assert!(binding().is_over(at(60), tolerance));
        assert!(binding().is_over(at(0), Duration::ZERO));
        let unlimited = Binding {
            expires: None,
            ..binding()
        };
        assert!(!unlimited.is_over(UnixTime::MAX, Duration::ZERO));
    }

    #[test]
    fn without_a_calendar_no_expiry_is_believed_or_given() {
        let boot = UnixTime::from_secs(60);
        assert!(binding().is_over(boot, Duration::from_secs(60)));
        let address = ValueAddress {
            key: InfoHash::of(b"foo"),
            id: ValueId(42),
        };
        let bound = |scope| bind(Draft::from("x"), address, scope, boot);
        let soon = Scope::BoundUntil(Duration::from_secs(600).into());
        assert_eq!(bound(soon), Err(SecurePutError::NoCalendar));
        assert!(bound(Scope::Bound).is_ok());
    }

    #[test]
    fn a_draft_is_bound_as_far_as_its_scope_says() {
        let (unix_now, span) = (UnixTime::from_secs(1_767_225_000), Duration::from_secs(600));
        let address = ValueAddress {
            key: InfoHash::of(b"foo"),
            id: ValueId(42),
        };
        let bound = |scope| {
            let draft = Draft::from("x").user_type("note");
            bind(draft, address, scope, unix_now).map(|draft| draft.user_type)
        };
        let until = format!("note{TEXT}");
        assert_eq!(bound(Scope::Anywhere), Ok("note".to_owned()));
        let for_ever = until.strip_suffix(".1767225600").unwrap().to_owned();
        assert_eq!(bound(Scope::Bound), Ok(for_ever));
        let at = UnixTime::from_secs(1_767_225_600).into();
        assert_eq!(bound(Scope::BoundUntil(at)), Ok(until.clone()));
        assert_eq!(bound(Scope::BoundUntil(span.into())), Ok(until));
    }

    #[test]
    fn a_draft_with_the_mark_in_its_user_type_is_refused() {
        let address = ValueAddress {
            key: InfoHash::of(b"foo"),
            id: ValueId(42),
        };
        for scope in [Scope::Anywhere, Scope::Bound] {
            let draft = Draft::from("x").user_type("a;bulla-bound=b");
            let refused = bind(draft, address, scope, EARLIEST);
            assert_eq!(refused, Err(SecurePutError::ReservedUserType));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_after_any_user_type_without_a_mark(
            own in "[^;]{0,8};?bulla-bound?.{0,8}",
            key: [u8; 20],
            id: u64,
            seconds in proptest::option::of(0u64..=18_446_744_073_709),
        ) {
            prop_assume!(!own.contains(MARK));
            let expires = seconds.map(UnixTime::from_secs);
            let binding = Binding { key: InfoHash::new(key), id: ValueId(id), expires };
            let text = own.clone() + &binding.suffix();
            prop_assert_eq!(claim(&text), Claim::Bound(binding));
            prop_assert_eq!(split(text.as_bytes()).0, own.as_bytes());
            prop_assert!(binding.suffix().len() <= MAX_SUFFIX);
        }
    }
}
