//! What one encrypts with a password, the other decrypts.

use bulla::identity::{decrypt_with_password, encrypt_with_password};

use crate::{
    environment::{Release, releases},
    peer::{OpenDht, Options},
};

const PASSWORDS: [&str; 3] = ["secret", "", "pässwörd with blanks"];

#[tokio::test]
async fn what_is_encrypted_with_a_password_is_read_both_ways() {
    for &release in releases() {
        // The binding of 2.4.12 has no such call; the vectors have what its library made.
        if release != Release::Newest {
            continue;
        }
        let opendht = OpenDht::spawn(release, Options::default()).await;
        for password in PASSWORDS {
            let data = vec![7; 1 + 1000 * password.len()];
            let theirs = opendht.seal(password, &data).await;
            assert_eq!(decrypt_with_password(password, &theirs).unwrap(), data);
            let ours = encrypt_with_password(password, &data).unwrap();
            assert_eq!(opendht.open(password, &ours).await.as_ref(), Some(&data));

            assert!(decrypt_with_password("another", &theirs).is_err());
            assert_eq!(opendht.open("another", &ours).await, None);
        }
    }
}
