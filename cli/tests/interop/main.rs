//! The `bulla` program beside real OpenDHT nodes, which the library's own tests start: see
//! `tests/interop/`.

#![expect(
    dead_code,
    reason = "what starts them is the library's tests', which use all of it"
)]

#[path = "../../../tests/interop/environment.rs"]
mod environment;
#[path = "../../../tests/interop/local.rs"]
mod local;
#[path = "../../../tests/interop/peer.rs"]
mod peer;
#[path = "../../../tests/interop/pipe.rs"]
mod pipe;

use environment::{Release, releases};
use local::{address, bulla, certificate_of, client, identity, in_time, join, start};
use peer::{OpenDht, Options};

#[tokio::test]
async fn the_program_publishes_for_opendht_and_finds_what_that_publishes() {
    for &release in releases() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::default().identity("bob");
        let opendht = OpenDht::spawn(release, options).await;
        let peer = opendht.node.address.to_string();
        let run = async |args: &[&str]| {
            let command = tokio::process::Command::new(env!("CARGO_BIN_EXE_bulla"))
                .args(["--json", "cert"])
                .args(args)
                .args(["-b", &peer])
                .kill_on_drop(true)
                .output();
            let output = in_time("the program", command).await.unwrap();
            let errors = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success(), "{release:?}: {errors}");
            String::from_utf8(output.stdout).unwrap()
        };

        let alice = identity("alice");
        let file = folder.path().join("alice.pem");
        alice.save(&file, None).unwrap();
        let file = file.to_str().unwrap();
        run(&["publish", "--once", "--identity", file]).await;
        let place = alice.id().to_string();
        let found = opendht.get(&place).await;
        let pem = alice.certificate().to_pem();
        let is_alices = |data: &[u8]| data.windows(pem.len()).any(|part| part == pem.as_bytes());
        assert!(
            found.iter().any(|value| is_alices(&value.data)),
            "{release:?}: {found:?}"
        );
        let name = match release {
            Release::Newest => alice.long_id().to_string(),
            Release::Debian => place,
        };
        let object = run(&["find", &name, "--trusted-by", file]).await;
        assert!(object.contains(r#""trusted":true"#), "{object}");

        // A node that knows no other publishes nothing: it needs one to publish to.
        let storing = start(bulla()).await;
        opendht.bootstrap(address(&storing)).await;
        let reader = join(client(), address(&storing)).await;
        certificate_of(&reader, opendht.key().name()).await;
        let object = run(&["find", &opendht.key().name().to_string()]).await;
        assert!(object.contains(&opendht.key().id), "{object}");
    }
}
