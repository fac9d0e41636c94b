//! Writes the TypeScript types of the wire, so that the client cannot drift from the gateway.

use std::path::Path;

use ts_rs::{Config, TS};

use crate::close_code::CloseCode;
use crate::{client_frame as client, error_code, limits, server_frame as server};

const HEADER: &str = "\
// The wire contract of Hubbub in TypeScript.
// Generated from the Rust crate `shared`; change it there and run `make generate`.
";

fn declaration<T: TS>(config: &Config) -> String {
    let docs = T::docs().unwrap_or_default();
    format!("{docs}export {}\n", T::decl(config))
}

fn generate() -> String {
    let config = Config::default().with_large_int("number");
    macro_rules! all {
        ($($type:ty),+ $(,)?) => { [$(declaration::<$type>(&config)),+] };
    }
    let declarations = all![
        client::Guest,
        client::ClientInfo,
        client::ReactionOp,
        client::ModerationAction,
        client::Hello,
        client::Refresh,
        client::Join,
        client::Leave,
        client::Send,
        client::Edit,
        client::Delete,
        client::React,
        client::SignalRequest,
        client::MembersRequest,
        client::Read,
        client::UnreadRequest,
        client::HistoryRequest,
        client::Moderate,
        client::ClientPing,
        client::ClientPong,
        client::ClientFrame,
        limits::Limits,
        error_code::ErrorCode,
        server::Author,
        server::Me,
        server::SessionInfo,
        server::UnrecoveredReason,
        server::Member,
        server::UnreadRoom,
        server::ResetReason,
        server::RemovedReason,
        server::Welcome,
        server::Refreshed,
        server::Joined,
        server::Left,
        server::Message,
        server::EditEntry,
        server::DeleteEntry,
        server::ReactionEntry,
        server::Sent,
        server::Signal,
        server::Presence,
        server::Members,
        server::Done,
        server::Receipt,
        server::Unread,
        server::History,
        server::Ping,
        server::Pong,
        server::Reset,
        server::Removed,
        server::Draining,
        server::Degraded,
        server::Restored,
        server::ErrorFrame,
        server::ServerFrame,
    ];
    let entry =
        "/** One item of a room's log. */\nexport type Entry = Message | EditEntry | DeleteEntry | ReactionEntry;\n";
    let codes: Vec<String> = CloseCode::ALL.iter().map(|code| format!("  {code:?}: {},", code.number())).collect();
    let mut declarations = declarations.join("\n");
    // ts-rs takes the tag from the name of the TypeScript type; the wire's own `type` stands in the same place of
    // the list of frames.
    for (union, types) in [
        (client::ClientFrame::inline(&config), client::ClientFrame::TYPES),
        (server::ServerFrame::inline(&config), server::ServerFrame::TYPES),
    ] {
        let names: Vec<&str> = union.split('|').map(str::trim).collect();
        assert_eq!(names.len(), types.len(), "every frame has one type: {union}");
        for (name, kind) in names.iter().zip(types) {
            declarations = declarations.replace(
                &format!("export type {name} = {{ \"type\": \"{name}\""),
                &format!("export type {name} = {{ \"type\": \"{kind}\""),
            );
        }
    }
    let close = format!(
        "/** Why the gateway ended a connection. */\nexport const CloseCode = {{\n{}\n}} as const;\n",
        codes.join("\n")
    );
    let text = format!("{HEADER}\n{declarations}\n{entry}\n{close}");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

#[test]
fn the_generated_types_of_the_web_client_are_those_of_this_crate() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-client/src/protocol/generated.ts");
    let wanted = generate();
    if std::env::var_os("HUBBUB_GENERATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "web-client/src/protocol/generated.ts is stale; run `make generate`");
}
