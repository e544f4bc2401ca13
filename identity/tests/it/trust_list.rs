use bulla_identity::{
    Certificate, CertificateChain, CertificateError, CertificateParams, Identity, IdentityParams,
    MAX_CHAIN_LENGTH, RevocationDraft, RevocationList, RevocationListError, RevocationReason,
    RevokeError, TrustError, TrustList,
};

use crate::vectors::{
    NOW, VERSIONS, identity, identity_vector, openssl_certificate, private_key, trust_vector,
};

#[test]
fn certificates_are_trusted_and_refused_as_by_opendht() {
    for version in VERSIONS {
        let vector = trust_vector(version);
        let chain = |name| identity_vector(version, name).chain();
        let mut trusted = TrustList::new();
        trusted.add(&chain("ca"));
        let verdict = |trusted: &TrustList, name| trusted.verify(&chain(name), NOW).is_ok();
        assert_eq!(
            verdict(&trusted, "alice"),
            vector.flag("trust list {ca}: alice valid")
        );
        assert_eq!(
            verdict(&trusted, "bob"),
            vector.flag("trust list {ca}: bob valid")
        );

        let list = RevocationList::from_der(&vector.bytes("crl_der")).expect("a list");
        assert_eq!(trusted.add_revocation_list(list), Ok(true));
        assert_eq!(
            verdict(&trusted, "alice"),
            vector.flag("trust list {ca} with crl: alice valid")
        );
        assert_eq!(
            verdict(&trusted, "device"),
            vector.flag("trust list {ca} with crl: device valid")
        );
        assert_eq!(
            trusted.verify(&chain("alice"), NOW),
            Err(TrustError::Revoked("alice".to_owned()))
        );
    }
}

#[test]
fn lists_of_opendht_are_read_as_opendht_reads_them() {
    for version in VERSIONS {
        let vector = trust_vector(version);
        let der = vector.bytes("crl_der");
        let list = RevocationList::from_der(&der).expect("a list");
        let chain = |name| identity_vector(version, name).chain();
        let ca = chain("ca");
        let ca = ca.leaf();
        assert_eq!(list.to_der(), der);
        assert_eq!(list.number(), Some(&vector.bytes("crl_number")[..]));
        assert_eq!(list.issuer_name(), ca.name());
        assert_eq!(list.issuer_uid(), ca.uid());
        assert!(list.is_issued_by(ca));
        assert!(!list.is_issued_by(chain("bob").leaf()));
        let revokes = |name| list.revocation_of(chain(name).leaf()).is_some();
        assert_eq!(revokes("alice"), vector.flag("crl_revokes_alice"));
        assert_eq!(revokes("device"), vector.flag("crl_revokes_device"));
        let next = list.next_update().expect("an end");
        assert_eq!(next - list.this_update(), 365 * 86_400);
        assert!(!list.is_outdated(next) && list.is_outdated(next + 1));
        assert_eq!(RevocationList::from_pem(list.to_pem()), Ok(list));
    }
}

#[test]
fn a_list_of_opendht_is_extended() {
    for version in VERSIONS {
        let ca = Identity::new(
            private_key(version, "ca"),
            identity_vector(version, "ca").chain(),
        )
        .expect("key and chain match");
        let list =
            RevocationList::from_der(&trust_vector(version).bytes("crl_der")).expect("a list");
        let device = identity_vector(version, "device").chain();
        let device = device.leaf();
        let longer = RevocationDraft::extending(&list, NOW)
            .revoke(device, RevocationReason::KeyCompromise)
            .sign(&ca)
            .expect("signed");
        assert_eq!(longer.revocations().len(), 2);
        let revocation = longer.revocation_of(device).expect("revoked");
        assert_eq!(
            (revocation.time(), revocation.reason()),
            (NOW, RevocationReason::KeyCompromise)
        );
        assert_eq!(revocation.serial(), device.serial());
        assert!(
            longer
                .revocation_of(identity_vector(version, "alice").chain().leaf())
                .is_some()
        );
        let number = |list: &RevocationList| {
            let bytes = list
                .number()
                .expect("a number")
                .try_into()
                .expect("8 bytes");
            u64::from_be_bytes(bytes)
        };
        assert_eq!(number(&longer), number(&list) + 1);
        assert_eq!(longer.next_update(), Some(ca.certificate().not_after()));
    }
}

#[test]
fn the_newest_list_counts_in_whatever_order_they_come() {
    let ca = identity("ca");
    let (alice, device) = (identity("alice"), identity("device"));
    let first = RevocationDraft::new(NOW)
        .number(&[0, 0xff])
        .revoke(alice.certificate(), RevocationReason::Hold)
        .days(1)
        .sign(&ca)
        .expect("signed");
    let released = RevocationDraft::new(NOW)
        .number(&[1, 0])
        .revoke(device.certificate(), RevocationReason::Superseded)
        .days(1)
        .sign(&ca)
        .expect("signed");
    for newest_first in [true, false] {
        let mut trusted = TrustList::new();
        trusted.add(ca.chain());
        let mut lists = [first.clone(), released.clone()];
        if newest_first {
            lists.reverse();
        }
        let [one, other] = lists;
        assert_eq!(trusted.add_revocation_list(one), Ok(true));
        assert_eq!(trusted.add_revocation_list(other), Ok(!newest_first));
        assert_eq!(trusted.revocation_lists().collect::<Vec<_>>(), [&released]);
        let later = NOW + 2 * 86_400;
        assert_eq!(
            trusted.verify(alice.chain(), later),
            Ok(()),
            "the list is old: no reason to refuse"
        );
        assert_eq!(
            trusted.verify(device.chain(), later),
            Err(TrustError::Revoked("device".to_owned()))
        );
    }
}

#[test]
fn a_revoked_authority_revokes_what_is_below_it() {
    let (root, account, device) = account_and_device();
    let mut trusted = TrustList::new();
    trusted.add(root.chain());
    assert_eq!(trusted.verify(device.chain(), NOW), Ok(()));
    let list = RevocationDraft::new(NOW)
        .revoke(account.certificate(), RevocationReason::KeyCompromise)
        .sign(&root)
        .expect("signed");
    assert_eq!(trusted.add_revocation_list(list), Ok(true));
    let refusal = Err(TrustError::Revoked("account".to_owned()));
    assert_eq!(trusted.verify(device.chain(), NOW), refusal);
    // Trusting the account by itself does not help while the root is trusted too.
    trusted.add(account.chain());
    assert_eq!(trusted.verify(device.chain(), NOW), refusal);
    trusted.add(device.chain());
    assert_eq!(trusted.verify(device.chain(), NOW), refusal);
    // Without the root its list does not count.
    assert!(trusted.remove(root.certificate()) && !trusted.remove(root.certificate()));
    assert_eq!(trusted.revocation_lists().count(), 0);
    assert_eq!(trusted.verify(device.chain(), NOW), Ok(()));
}

#[test]
fn an_account_revokes_its_device() {
    let (_, account, device) = account_and_device();
    let list = RevocationDraft::new(NOW)
        .revoke(device.certificate(), RevocationReason::CessationOfOperation)
        .sign(&account)
        .expect("signed");
    let mut trusted = TrustList::new();
    assert_eq!(
        trusted.add_revocation_list(list.clone()),
        Err(RevocationListError::UnknownIssuer)
    );
    trusted.add(account.chain());
    assert_eq!(trusted.certificates().len(), 2);
    assert_eq!(trusted.add_revocation_list(list), Ok(true));
    assert_eq!(
        trusted.verify(device.chain(), NOW),
        Err(TrustError::Revoked("device".to_owned()))
    );
    assert_eq!(trusted.verify(account.chain(), NOW), Ok(()));
}

#[test]
fn serial_numbers_count_only_with_their_issuer() {
    let (ca, alice) = (identity("ca"), identity("alice"));
    // Another authority of the same name, trusted too, cannot revoke what the first has issued.
    let impostor = Identity::issue(
        private_key("2.4.12", "bob"),
        &IdentityParams::new("Impostor", NOW),
    )
    .expect("issued");
    let own = Identity::issue(
        private_key("4.4.2", "device"),
        &IdentityParams::new("own", NOW).issuer(&impostor),
    )
    .expect("issued");
    let list = RevocationDraft::new(NOW)
        .revoke(own.certificate(), RevocationReason::Unspecified)
        .sign(&impostor)
        .expect("signed");
    assert_eq!(list.revocation_of(alice.certificate()), None);
    let mut trusted = TrustList::new();
    trusted.add(ca.chain());
    trusted.add(impostor.chain());
    assert_eq!(trusted.add_revocation_list(list), Ok(true));
    assert_eq!(trusted.verify(alice.chain(), NOW), Ok(()));
    assert_eq!(
        trusted.verify(own.chain(), NOW),
        Err(TrustError::Revoked("own".to_owned()))
    );
}

#[test]
fn invalid_lists_are_not_made() {
    let (ca, alice, bob) = (identity("ca"), identity("alice"), identity("bob"));
    let draft = RevocationDraft::new(NOW);
    assert_eq!(draft.sign(&alice), Err(RevokeError::NotAuthority));
    assert_eq!(
        draft
            .clone()
            .revoke(bob.certificate(), RevocationReason::Hold)
            .sign(&ca),
        Err(RevokeError::NotIssuedHere("bob".to_owned()))
    );
    let of_bob = draft.sign(&bob).expect("signed");
    assert_eq!(
        RevocationDraft::extending(&of_bob, NOW).sign(&ca),
        Err(RevokeError::OtherList)
    );
    assert_eq!(draft.clone().days(0).sign(&ca), Err(RevokeError::Validity));
    assert_eq!(
        RevocationDraft::new(u64::MAX).days(1).sign(&ca),
        Err(RevokeError::Validity)
    );
    for number in [&[][..], &[0x80], &[0, 1], &[1; 21]] {
        assert_eq!(
            draft.clone().number(number).sign(&ca),
            Err(RevokeError::Number),
            "{number:?}"
        );
    }
    assert!(of_bob.revocations().is_empty());
    assert_eq!(of_bob.number().map(<[u8]>::len), Some(8));
}

#[test]
fn a_list_with_one_byte_changed_is_refused() {
    let ca = identity("ca");
    let mut trusted = TrustList::new();
    trusted.add(ca.chain());
    let der = trust_vector("4.4.2").bytes("crl_der");
    for offset in 0..der.len() {
        for flip in [1, 0x80] {
            let mut damaged = der.clone();
            damaged[offset] ^= flip;
            if let Ok(list) = RevocationList::from_der(&damaged) {
                assert!(trusted.add_revocation_list(list).is_err(), "byte {offset}");
            }
        }
    }
    assert!((0..der.len()).all(|length| RevocationList::from_der(&der[..length]).is_err()));
    let pem = RevocationList::from_der(&der).expect("a list").to_pem();
    assert!((0..pem.len() - 1).all(|length| RevocationList::from_pem(&pem[..length]).is_err()));
    assert_eq!(
        RevocationList::from_der(&vec![0x30; 2 << 20]),
        Err(RevocationListError::TooLarge)
    );
    assert_eq!(
        RevocationList::from_pem(vec![b'-'; 4 << 20]),
        Err(RevocationListError::TooLarge)
    );
}

#[test]
fn a_chain_with_one_byte_changed_is_not_trusted() {
    let (root, _, device) = account_and_device();
    let mut trusted = TrustList::new();
    trusted.add(root.chain());
    for position in 0..2 {
        let der = device.chain()[position].to_der();
        for (offset, flip) in (0..der.len()).flat_map(|offset| [(offset, 1), (offset, 0x80)]) {
            let mut damaged = der.to_vec();
            damaged[offset] ^= flip;
            let Ok(damaged) = Certificate::from_der(&damaged) else {
                continue;
            };
            let mut certificates = device.chain().to_vec();
            certificates[position] = damaged;
            let leaf = certificates.remove(0);
            let Ok(chain) = CertificateChain::new(leaf, certificates) else {
                continue;
            };
            let verdict = trusted.verify(&chain, NOW);
            assert!(verdict.is_err(), "certificate {position}, byte {offset}");
        }
    }
}

#[test]
fn names_and_path_length_are_certified() {
    let names = ["dns:alice.example", "ip:192.0.2.1"].map(|name| name.parse().expect("a name"));
    let params = CertificateParams::new(NOW)
        .alternative_names(names.clone())
        .authority_key_id();
    let alice = IdentityParams::with_certificate("alice", params).days(3);
    let alice = Identity::issue(private_key("4.4.2", "alice"), &alice).expect("issued");
    assert_eq!(alice.certificate().alternative_names(), names);
    assert_eq!(alice.certificate().not_after(), NOW + 3 * 86_400);
    assert_eq!(alice.certificate().serial().len(), 8);

    let (root, _, device) = account_and_device();
    // The account may have no authority below it: the device cannot be made one.
    let account = device.chain().issuer_chain().expect("the account");
    let account = Identity::new(private_key("4.4.2", "bob"), account).expect("its key");
    let below = IdentityParams::new("below", NOW)
        .authority()
        .issuer(&account);
    let below = Identity::issue(private_key("4.4.2", "device"), &below).expect("issued");
    let leaf = IdentityParams::new("leaf", NOW).issuer(&below);
    let leaf = Identity::issue(private_key("4.4.2", "alice"), &leaf).expect("issued");
    let mut trusted = TrustList::new();
    trusted.add(root.chain());
    assert_eq!(trusted.verify(below.chain(), NOW), Ok(()));
    assert_eq!(
        trusted.verify(leaf.chain(), NOW),
        Err(TrustError::PathTooLong("account".to_owned()))
    );
}

#[test]
fn a_circle_of_issuers_leads_nowhere() {
    let issue = |key, name, issuer: Option<&Identity>| {
        let params = IdentityParams::new(name, NOW).authority();
        let params = issuer.map_or(params.clone(), |issuer| params.issuer(issuer));
        Identity::issue(private_key("4.4.2", key), &params).expect("issued")
    };
    // Two authorities that certify each other, and themselves.
    let (one, two) = (issue("ca", "one", None), issue("bob", "two", None));
    let one_by_two = issue("ca", "one", Some(&two)).certificate().clone();
    let two_by_one = issue("bob", "two", Some(&one)).certificate().clone();
    let circle = |issuers| {
        let issuers = [&two_by_one, &one_by_two].into_iter().cycle().take(issuers);
        CertificateChain::new(one_by_two.clone(), issuers.cloned())
    };
    assert_eq!(circle(MAX_CHAIN_LENGTH), Err(CertificateError::TooMany));
    let circle = circle(MAX_CHAIN_LENGTH - 1).expect("a chain");
    let carol = identity("carol");
    let mut trusted = TrustList::new();
    trusted.add(carol.chain());
    assert!(matches!(
        trusted.verify(&circle, NOW),
        Err(TrustError::UnknownIssuer(_))
    ));
    // Nor does the search for revoked authorities above a trusted one that is in a circle.
    trusted.add(&circle);
    assert_eq!(trusted.verify(&circle, NOW), Ok(()));
}

#[test]
fn a_critical_extension_that_is_not_understood_is_a_refusal() {
    let constrained = openssl_certificate("name_constraints");
    assert_eq!(
        TrustList::new().verify(&constrained.into(), NOW),
        Err(TrustError::CriticalExtension("Constrained".to_owned()))
    );
}

/// Returns a root, an account below it that is an authority, and a device below that: as Jami
/// chains them.
pub(crate) fn account_and_device() -> (Identity, Identity, Identity) {
    let root = identity("ca");
    let params = CertificateParams::new(NOW).path_length(0);
    let account = Identity::issue(
        private_key("4.4.2", "bob"),
        &IdentityParams::with_certificate("account", params).issuer(&root),
    )
    .expect("issued");
    let device = Identity::issue(
        private_key("4.4.2", "device"),
        &IdentityParams::new("device", NOW).issuer(&account),
    )
    .expect("issued");
    (root, account, device)
}
