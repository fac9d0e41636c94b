//! The program as an operator meets it. It runs as a process of its own, so that its environment is its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot run its program has failed")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Runs `hubbub` with these arguments, variables and input, and nothing else.
fn hubbub(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_hubbub"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no input may have ended before it is written.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    process.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A configuration file, in a place that the build gives to these tests.
fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_printed_manual_is_a_configuration_without_faults() {
    let manual = hubbub(&["config", "default"], &[], "");
    assert_eq!(manual.status.code(), Some(0));
    let path = file("default.toml", &out(&manual));
    let check = hubbub(&["config", "check", &path], &[], "");
    assert_eq!(check.status.code(), Some(0), "{}", err(&check));
    let said = out(&check);
    assert!(
        said.starts_with(&format!("{path} has no faults; the gateway would listen on 127.0.0.1:8080.\n")),
        "{said}"
    );
    assert!(said.contains("Warning: "), "{said}");
    assert_eq!(err(&check), "");
}

#[test]
fn a_check_tells_every_fault_of_file_and_environment_and_ends_with_1() {
    let path = file("faulty.toml", "[server]\nlissten = '127.0.0.1:1'\n\n[connection]\nheartbeat_ms = 10\n");
    let environment = [("HUBBUB_HUB__WORKERS", "many"), ("HUBBUB_AUTH__SECRT", "hidden"), ("OTHER__THING", "1")];
    let check = hubbub(&["config", "check", &path], &environment, "");
    assert_eq!(check.status.code(), Some(1));
    assert_eq!(out(&check), "");
    assert_eq!(
        err(&check),
        format!(
            "The configuration has 4 faults\n\n  \
               server.lissten  {path}, line 2\n    is no option; did you mean `server.listen`?\n\n  \
               connection.heartbeat_ms = 10  {path}, line 5\n    is out of range; 1000 to 3600000 is wanted\n\n  \
               auth.secrt  environment variable HUBBUB_AUTH__SECRT\n    is no option; did you mean \
               `HUBBUB_AUTH__SECRET`?\n\n  \
               hub.workers = \"many\"  environment variable HUBBUB_HUB__WORKERS\n    is a text, but a whole number, 0 \
               or more, is wanted; the default is 0\n\n\
               `hubbub config default` explains every option.\n"
        )
    );
}

#[test]
fn a_start_with_faults_gives_the_same_report_and_ends_with_1() {
    let path = file("start.toml", "[hub]\nring_entries = 0\n");
    let check = hubbub(&["config", "check", &path], &[], "");
    for arguments in [&["--config", &path][..], &["serve", "--config", &path]] {
        let start = hubbub(arguments, &[], "");
        assert_eq!(start.status.code(), Some(1));
        assert_eq!(err(&start), err(&check));
    }
    let by_variable = hubbub(&[], &[("HUBBUB_CONFIG", &path)], "");
    assert_eq!(err(&by_variable), err(&check));
    let by_flag = hubbub(&["--listen", "nowhere"], &[("HUBBUB_CONFIG", "")], "");
    assert_eq!(by_flag.status.code(), Some(1));
    assert!(err(&by_flag).contains("server.listen = \"nowhere\"  flag --listen\n"), "{}", err(&by_flag));
}

#[test]
fn the_environment_alone_can_be_checked() {
    let check = hubbub(&["config", "check"], &[("HUBBUB_SERVER__LISTEN", "127.0.0.1:9")], "");
    assert_eq!(check.status.code(), Some(0), "{}", err(&check));
    assert!(out(&check).starts_with("The configuration has no faults; the gateway would listen on 127.0.0.1:9.\n"));
}

#[test]
fn a_report_is_coloured_only_for_a_terminal() {
    let faulty = [("HUBBUB_HUB__WORKERS", "many")];
    assert!(!err(&hubbub(&["config", "check"], &faulty, "")).contains('\u{1b}'));
    let coloured = [faulty[0], ("CLICOLOR_FORCE", "1")];
    assert!(err(&hubbub(&["config", "check"], &coloured, "")).contains('\u{1b}'));
}

#[test]
fn a_token_needs_no_configuration_and_a_faulty_one_is_told() {
    let token = hubbub(&["token", "--user", "ada", "--rooms", "team-*=join,send"], &[], "");
    assert_eq!(token.status.code(), Some(0), "{}", err(&token));
    assert_eq!(out(&token).trim_end().split('.').count(), 3);
    let faulty = hubbub(&["token", "--user", "ada"], &[("HUBBUB_HUB__WORKERS", "many")], "");
    assert_eq!(faulty.status.code(), Some(1));
    assert!(err(&faulty).contains("hub.workers"));
    assert_eq!(out(&faulty), "");
}

#[test]
fn the_hash_of_a_key_can_be_put_in_the_configuration_as_it_is_printed() {
    let given = hubbub(&["key", "hash"], &[], "a-key-of-more-than-twenty-characters\n");
    assert_eq!(given.status.code(), Some(0), "{}", err(&given));
    assert!(out(&given).contains("a-key-of-more-than-twenty-characters"));
    let table = format!("[[auth.api_keys]]{}", out(&given).split_once("[[auth.api_keys]]").unwrap().1);
    let check = hubbub(&["config", "check", &file("key.toml", &table)], &[], "");
    assert_eq!(check.status.code(), Some(0), "{}", err(&check));
    assert!(!out(&check).contains("no API key"), "{}", out(&check));

    let fresh = hubbub(&["key", "hash"], &[], "");
    assert_ne!(out(&fresh), out(&hubbub(&["key", "hash"], &[], "")));
    let short = hubbub(&["key", "hash"], &[], "hunter2\n");
    assert_eq!(short.status.code(), Some(1));
    assert!(!err(&short).contains("hunter2") && err(&short).contains("too short"), "{}", err(&short));
}
