//! What is typed wrong, and what help there is.

use super::program::bulla;

const TWELVE: &str = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo";

#[test]
fn bad_usage_is_one_line_and_code_2() {
    for (args, reason) in [
        (&["gett", "key"][..], "unrecognized subcommand 'gett'"),
        (&["get"], "<KEY>"),
        (&["put", "key"], "<VALUE>"),
        (&["put", "key", "value", "--file", "f"], "--file"),
        (&["put", "key", "value", "--signed"], "--identity"),
        (
            &[
                "put",
                "key",
                "value",
                "--encrypt-for",
                "12",
                "--identity",
                "f",
            ],
            "12",
        ),
        (&["put", "key", "value", "--id", "0"], "--id"),
        (&["get", "key", "--where", "colour=red"], "--where"),
        (&["get", "key", "--timeout", "soon"], "--timeout"),
        (&["query", "key", "--select", "colour"], "--select"),
        (&["node", "--rate-limit", "some"], "--rate-limit"),
        (&["node", "--bind", "nowhere"], "--bind"),
        (&["chat", "room"], "--identity"),
        (
            &["put", "key", "value", "--encrypt-for", &"ab".repeat(32)],
            "--identity",
        ),
        (
            &["get", "key", "--identity", "f", "--anonymous"],
            "--anonymous",
        ),
        (&["identity", "new"], "<NAME>"),
        (&["identity", "export", "--with-key"], "--out"),
        (&["identity", "export", "--format", "pkcs12"], "--out"),
        (
            &["contact", "add", "bob/alice", "id"],
            "a name has 1 to 64 bytes",
        ),
        (
            &["contact", "verify", "bob", "--words", "zoo zoo"],
            "12 words, not 2",
        ),
        (
            &["contact", "verify", "bob", "--words", TWELVE, "--yes"],
            "--yes",
        ),
        (&["completions", "cmd"], "cmd"),
    ] {
        bulla(args).assert_refused(2, reason);
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in [
        &["demo"][..],
        &["node"],
        &["put"],
        &["get"],
        &["listen"],
        &["query"],
        &["identity", "new"],
        &["identity", "list"],
        &["identity", "show"],
        &["identity", "export"],
        &["identity", "import"],
        &["identity", "passwd"],
        &["identity", "default"],
        &["identity", "remove"],
        &["identity", "verify"],
        &["cert", "ca"],
        &["cert", "request"],
        &["cert", "sign"],
        &["cert", "revoke"],
        &["cert", "crl"],
        &["cert", "verify"],
        &["cert", "show"],
        &["cert", "publish"],
        &["cert", "find"],
        &["contact", "add"],
        &["contact", "list"],
        &["contact", "verify"],
        &["contact", "remove"],
        &["chat"],
        &["completions"],
    ] {
        let run = bulla(command.iter().chain(&["--help"]));
        run.assert_done();
        let example = format!("\n  bulla {}", command.join(" "));
        let (_, examples) = run.stdout.split_once("Examples:").expect("examples");
        assert!(examples.contains(&example), "{run:?}");
    }
}

#[test]
fn version_is_that_of_the_package() {
    let run = bulla(["--version"]);
    assert_eq!(
        run.assert_done().stdout,
        concat!("bulla ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn a_log_filter_that_is_none_is_refused() {
    let run = super::program::command(["demo"])
        .env("BULLA_LOG", "bulla=loud")
        .spawn()
        .expect("the program starts");
    let run = super::program::finish(run);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("BULLA_LOG"), "{run:?}");
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = bulla(["completions", shell]);
        assert!(run.assert_done().stdout.contains("identity"), "{shell}");
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let mut child = super::program::command(["completions", "bash"])
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    super::program::finish(child).assert_done();
}
