use std::fs;
use std::path::Path;

use bulla_identity::{
    CertificateChain, CertificateError, Identity, IdentityParams, IssueError, KeyError, LoadError,
    LoadWarning, MAX_CHAIN_LENGTH, PrivateKey, SaveError,
};

use crate::vectors::{NOW, VERSIONS, identity, identity_vector, openssl_certificate, private_key};

#[test]
fn a_new_identity_is_a_self_signed_authority() {
    let alice =
        Identity::generate(&IdentityParams::new("alice", NOW).bits(2048)).expect("generated");
    let certificate = alice.certificate();
    assert_eq!(certificate.name(), Some("alice"));
    assert_eq!(certificate.uid(), Some(alice.id().to_string().as_str()));
    assert_eq!(
        (certificate.id(), certificate.long_id()),
        (alice.id(), alice.long_id())
    );
    assert_eq!(
        (certificate.not_before(), certificate.not_after()),
        (NOW, NOW + 3650 * 86_400)
    );
    assert!(certificate.is_ca() && certificate.is_issued_by(certificate));
    assert_eq!(alice.chain().len(), 1);
    let signature = alice.key().sign(b"hello").expect("signed");
    assert!(alice.public_key().verify(b"hello", &signature));
}

/// Everything but serial, dates and the order of extensions is as OpenDHT writes it, for an
/// authority and for a leaf.
#[test]
fn issued_certificates_are_as_long_as_opendhts() {
    let ca = identity("ca");
    let again = Identity::issue(ca.key().clone(), &IdentityParams::new("Test CA k_new", NOW))
        .expect("issued");
    assert_eq!(
        again.certificate().to_der().len(),
        ca.certificate().to_der().len()
    );
    let alice = Identity::issue(
        private_key("4.4.2", "alice"),
        &IdentityParams::new("alice", NOW).issuer(&ca),
    );
    let alice = alice.expect("issued");
    assert_eq!(
        alice.certificate().to_der().len(),
        identity("alice").certificate().to_der().len()
    );
    assert_eq!(*alice.chain().issuers(), **ca.chain());
    assert!(!alice.certificate().is_ca());
    assert!(alice.certificate().is_issued_by(ca.certificate()));
}

#[test]
fn any_name_of_reasonable_length_is_kept() {
    for name in ["a", "Ångström <a@example.org>", "名前", &"é".repeat(64)] {
        let named = Identity::issue(private_key("4.4.2", "bob"), &IdentityParams::new(name, NOW))
            .expect("issued");
        assert_eq!(named.certificate().name(), Some(name));
        let below = IdentityParams::new("below", NOW).issuer(&named);
        let below = Identity::issue(private_key("4.4.2", "alice"), &below).expect("issued");
        assert_eq!(below.certificate().issuer_name(), Some(name));
    }
}

#[test]
fn what_cannot_be_certified_is_refused() {
    let refusal = |params: &IdentityParams<'_>| {
        Identity::issue(private_key("4.4.2", "bob"), params).expect_err("refused")
    };
    for name in ["", "a\nb", "a\0", &"é".repeat(65)] {
        assert_eq!(refusal(&IdentityParams::new(name, NOW)), IssueError::Name);
    }
    assert_eq!(
        refusal(&IdentityParams::new("bob", NOW).days(0)),
        IssueError::Validity
    );
    assert_eq!(
        refusal(&IdentityParams::new("bob", NOW).days(u32::MAX)),
        IssueError::Validity
    );
    assert_eq!(
        refusal(&IdentityParams::new("bob", u64::MAX)),
        IssueError::Validity
    );
    let leaf = identity("alice");
    assert_eq!(
        refusal(&IdentityParams::new("bob", NOW).issuer(&leaf)),
        IssueError::NotAuthority
    );
    let ca = identity("ca").certificate().clone();
    let longest = CertificateChain::new(ca.clone(), vec![ca; MAX_CHAIN_LENGTH - 1]);
    let deep = Identity::new(private_key("4.4.2", "ca"), longest.expect("a chain"));
    let deep = deep.expect("its key");
    assert_eq!(
        refusal(&IdentityParams::new("bob", NOW).issuer(&deep)),
        IssueError::ChainTooLong
    );
    let mail = Identity::new(
        private_key("4.4.2", "bob"),
        openssl_certificate("email").into(),
    )
    .expect("bob's key");
    assert_eq!(
        refusal(&IdentityParams::new("bob", NOW).issuer(&mail)),
        IssueError::IssuerName
    );
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let alice = identity("alice");
    for (name, password) in [("plain.pem", None), ("protected.pem", Some("secret"))] {
        let path = folder.path().join(name);
        alice.save(&path, password).expect("saved");
        let loaded = Identity::load(&path, password).expect("loaded");
        assert_eq!(loaded.chain(), alice.chain());
        assert_eq!(loaded.public_key(), alice.public_key());
    }
    assert!(matches!(
        Identity::load(folder.path().join("protected.pem"), None),
        Err(LoadError::Key(KeyError::PasswordNeeded))
    ));
    assert!(matches!(
        Identity::load(folder.path().join("protected"), Some("Secret")),
        Err(LoadError::Key(KeyError::WrongPassword))
    ));
    assert_eq!(files(folder.path()), ["plain.pem", "protected.pem"]);
}

#[test]
fn a_saved_identity_is_never_overwritten_unless_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("me.pem");
    identity("alice").save(&path, None).expect("saved");
    assert!(matches!(
        identity("bob").save(&path, None),
        Err(SaveError::Exists { .. })
    ));
    assert_eq!(
        Identity::load(&path, None).expect("loaded").id(),
        identity("alice").id()
    );
    identity("bob").replace(&path, None).expect("replaced");
    assert_eq!(
        Identity::load(&path, None).expect("loaded").id(),
        identity("bob").id()
    );
    assert_eq!(files(folder.path()), ["me.pem"]);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_a_saved_identity() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("me.pem");
    identity("alice").save(&path, None).expect("saved");
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
    identity("alice").replace(&path, None).expect("replaced");
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_failed_save_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("missing").join("me.pem");
    assert!(matches!(
        identity("alice").save(&path, None),
        Err(SaveError::Write { .. })
    ));
    assert!(matches!(
        identity("alice").replace(folder.path(), None),
        Err(SaveError::Write { .. })
    ));
    assert!(files(folder.path()).is_empty());
}

#[test]
fn the_pair_of_files_of_opendht_is_loaded_by_either_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let vector = identity_vector("2.4.12", "alice");
    fs::write(
        folder.path().join("al.ice.pem"),
        vector.text("private_key_pem"),
    )
    .expect("written");
    fs::write(
        folder.path().join("al.ice.crt"),
        vector.text("certificate_chain_pem"),
    )
    .expect("written");
    for name in ["al.ice", "al.ice.pem"] {
        let alice = Identity::load(folder.path().join(name), None).expect("loaded");
        assert_eq!(alice.id().to_string(), vector.text("key_id"));
        assert_eq!(alice.chain().len(), 2);
    }
}

#[test]
fn files_that_are_no_identity_say_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let load = |text: &[u8]| {
        let path = folder.path().join("me.pem");
        fs::write(&path, text).expect("written");
        Identity::load(path, None).expect_err("refused")
    };
    let alice = identity_vector("4.4.2", "alice");
    let (key, chain) = (
        alice.text("private_key_pem"),
        alice.text("certificate_chain_pem"),
    );
    let bob = identity_vector("4.4.2", "bob");
    assert!(matches!(load(b""), LoadError::NoPrivateKey { .. }));
    assert!(matches!(
        load(chain.as_bytes()),
        LoadError::NoPrivateKey { .. }
    ));
    assert!(
        matches!(load(key.as_bytes()), LoadError::Read { path, .. } if path.ends_with("me.crt"))
    );
    assert!(matches!(
        load(&key.as_bytes()[..key.len() / 2]),
        LoadError::NoPrivateKey { .. }
    ));
    let other = [key, bob.text("certificate_chain_pem")].concat();
    assert!(matches!(load(other.as_bytes()), LoadError::KeyMismatch));
    let damaged = [key, &chain.replacen("MII", "AII", 1)].concat();
    assert!(matches!(
        load(damaged.as_bytes()),
        LoadError::Certificate(CertificateError::Malformed)
    ));
    assert!(matches!(
        load(&vec![b'\n'; 1 << 20]),
        LoadError::TooLarge { .. }
    ));
    assert!(matches!(
        Identity::load(folder.path().join("missing"), None),
        Err(LoadError::Read { .. })
    ));
}

#[test]
fn an_identity_on_a_curve_is_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("erin.pem");
    for version in VERSIONS {
        let erin = identity_vector(version, "erin_ec");
        let text = ["private_key_pem", "certificate_chain_pem"].map(|field| erin.text(field));
        fs::write(&path, text.concat()).expect("written");
        let identity = Identity::load(&path, None).expect("an identity");
        assert_eq!(identity.id().to_string(), erin.text("key_id"));
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("alice.pem");
    let alice = Identity::load("tests/vectors/alice.pem", None).expect("an identity");
    alice.save(&path, None).expect("saved");
    for (mode, exposed) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("owned");
        let (_, warning) = Identity::load_with_warning(&path, None).expect("loaded");
        let expected = exposed.then(|| LoadWarning::Exposed {
            path: path.clone(),
            mode,
        });
        assert_eq!(warning, expected);
    }
}

#[test]
fn a_key_and_the_certificate_of_another_make_no_identity() {
    let key: PrivateKey = private_key("4.4.2", "alice");
    assert!(matches!(
        Identity::new(key, identity("bob").chain().clone()),
        Err(LoadError::KeyMismatch)
    ));
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    names.sort();
    names
}
