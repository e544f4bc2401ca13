//! The program on a terminal of its own, as `script` makes one.

use std::io::Read;
use std::process::{Command, Stdio};

use super::program::command;

#[test]
fn a_terminal_is_left_as_it_was_when_the_program_is_terminated() {
    let node = command(["node", "--port", "0", "--bind", "127.0.0.1"]);
    let words = [node.get_program()].into_iter().chain(node.get_args());
    let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    let inside = format!(
        "stty -a; sh -c 'echo pid $$; exec {}'; stty -a",
        words.join(" ")
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--command", &inside, "/dev/null"]);
    for (name, value) in node.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let mut script = script
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (_stdin, mut stdout) = (script.stdin.take(), script.stdout.take().unwrap());

    let mut seen = String::new();
    let mut byte = [0];
    while !seen.ends_with("\x1b[K> ") {
        stdout.read_exact(&mut byte).expect("a prompt");
        seen.push(byte[0].into());
    }
    let (before, since) = seen.split_once("pid ").expect("the process");
    let pid = since.split_whitespace().next().unwrap();
    assert!(before.contains(" icanon"), "{before}");
    let killed = Command::new("kill").args(["-TERM", pid]).status();
    assert!(killed.unwrap().success());

    let mut after = String::new();
    stdout.read_to_string(&mut after).unwrap();
    assert!(script.wait().unwrap().success());
    let settings = |text: &str| {
        let from = text.find("speed").expect("settings");
        text[from..].trim().to_owned()
    };
    assert_eq!(settings(&after), settings(before), "{seen}{after}");
    assert!(after.contains("\x1b[?2004l"), "pasting is marked: {after}");
}
