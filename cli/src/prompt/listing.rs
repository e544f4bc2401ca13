//! What a node knows and holds, as lines for people.

use std::fmt::Write as _;
use std::time::Duration;

use bulla::Family;
use bulla::node::{Listed, LookupSnapshot, StoredKey, StoredValue};

/// A line for each contact of the routing tables.
pub(super) fn contacts(listed: &[Listed]) -> String {
    let mut text = String::new();
    for listed in listed {
        let family = Family::of(&listed.contact.addr);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{family:?} bucket {}/{} {} {:?}",
            listed.bucket, listed.depth, listed.contact, listed.standing
        );
    }
    text
}

/// A line for each key, and one for each of its values.
pub(super) fn stored(keys: &[StoredKey]) -> String {
    let mut text = String::new();
    for StoredKey { key, values } in keys {
        let _ = writeln!(text, "{key}: {} values", values.len());
        for stored in values {
            let _ = writeln!(text, "  {}", value(stored));
        }
    }
    text
}

/// A line for each lookup, one for each of its candidates, and one for what it does.
pub(super) fn lookups(lookups: &[LookupSnapshot]) -> String {
    let mut text = String::new();
    for lookup in lookups {
        let _ = writeln!(text, "{} {:?}", lookup.key, lookup.family);
        for candidate in &lookup.candidates {
            let token = if candidate.has_token { "token" } else { "-" };
            let _ = writeln!(
                text,
                "  {} {:?} {token}",
                candidate.contact, candidate.state
            );
        }
        let _ = writeln!(
            text,
            "  {} finds, {} announcements, {} listens",
            lookup.finds, lookup.announcements, lookup.listens
        );
    }
    text
}

/// The value, its life and its origin.
fn value(stored: &StoredValue) -> String {
    let life = match stored.expires_in {
        None => "permanent".to_owned(),
        Some(left) => format!("expires in {:?}", Duration::from_secs(left.as_secs())),
    };
    match stored.source {
        Some(ip) => format!("{:?}, {life}, from {ip}", stored.value),
        None => format!("{:?}, {life}, own", stored.value),
    }
}

#[cfg(test)]
mod tests {
    use bulla::node::{CandidateSnapshot, CandidateState, Standing};
    use bulla::{Contact, Draft, InfoHash, ValueId, wire};

    use super::*;

    fn contact() -> Contact {
        Contact::new(InfoHash::ZERO, "192.0.2.1:4222".parse().unwrap())
    }

    #[test]
    fn contacts_have_a_line_each_with_family_bucket_and_standing() {
        let listed = Listed {
            bucket: InfoHash::ZERO,
            depth: 3,
            contact: contact(),
            standing: Standing::Good,
        };
        let zero = InfoHash::ZERO;
        assert_eq!(
            contacts(&[listed]),
            format!("V4 bucket {zero}/3 {} Good\n", contact())
        );
    }

    #[test]
    fn stored_keys_name_their_values_and_whose_they_are() {
        let value = wire::pack(&Draft::from("hello"), ValueId(1));
        let own = StoredValue {
            value: value.clone(),
            expires_in: None,
            source: None,
        };
        let of_another = StoredValue {
            value,
            expires_in: Some(Duration::from_millis(60_999)),
            source: Some("192.0.2.7".parse().unwrap()),
        };
        let key = InfoHash::ZERO;
        let text = stored(&[StoredKey {
            key,
            values: vec![own, of_another],
        }]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], format!("{key}: 2 values"));
        assert!(lines[1].ends_with(", permanent, own"), "{text}");
        assert!(
            lines[2].ends_with(", expires in 60s, from 192.0.2.7"),
            "{text}"
        );
    }

    #[test]
    fn lookups_name_their_candidates_and_what_they_do() {
        let text = lookups(&[LookupSnapshot {
            key: InfoHash::ZERO,
            family: Family::V6,
            candidates: vec![CandidateSnapshot {
                contact: contact(),
                state: CandidateState::Responsive,
                has_token: true,
            }],
            finds: 1,
            announcements: 2,
            listens: 3,
        }]);
        let expected = format!(
            "{} V6\n  {} Responsive token\n  1 finds, 2 announcements, 3 listens\n",
            InfoHash::ZERO,
            contact()
        );
        assert_eq!(text, expected);
    }
}
