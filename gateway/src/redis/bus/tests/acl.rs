use std::{collections::BTreeSet, fs, path::Path};

use hubbub_testbed::{Cluster, RedisServer, Reply, Sentinel};

use super::*;
use crate::redis::testing;

/// What the manual gives to the user of the replicas.
fn rules_of_the_manual() -> Vec<&'static str> {
    let manual = include_str!("../../../../../docs/redis.md");
    let line = manual.lines().find_map(|line| line.trim().strip_prefix("ACL SETUSER hubbub on >PASSWORD ")).unwrap();
    line.split(' ').collect()
}

/// All that the subscription, its probes and the search for the masters need.
const RULES: [&str; 9] =
    ["resetchannels", "&hb:*", "&hb/*", "+ping", "+ssubscribe", "+sunsubscribe", "+spublish", "+select", "~hb:*"];
const IN_A_CLUSTER: [&str; 2] = ["+cluster|info", "+cluster|slots"];

#[tokio::test(flavor = "multi_thread")]
async fn the_subscription_needs_few_rights() {
    let server = RedisServer::start_with_user("hubbub", "pw", &RULES);
    for database in ["", "/3"] {
        let rig = Rig::new(&format!("{}{database}", server.url()));
        let channel = rig.room(1, "general");
        rig.bus.subscribe(&channel).await.unwrap();
        assert!(channel.name.starts_with(if database.is_empty() { "hb:" } else { "hb/3:" }));
        rig.until_heard(&channel, "hello").await;
        assert!(rig.publisher.finder.trouble().borrow().is_none());
        rig.end().await;
    }
    assert_eq!(server.cli(&["ACL", "LOG"]).unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_a_cluster_needs_to_ask_where_the_slots_are() {
    let cluster = tokio::task::block_in_place(|| Cluster::start(3, 0));
    for number in 0..cluster.len() {
        let user = ["ACL", "SETUSER", "hubbub", "on", ">pw"];
        let rules = [&user[..], &RULES, &IN_A_CLUSTER].concat();
        cluster.node(number).cli(&rules).unwrap();
    }
    let rig = Rig::new(&cluster.url().replace("://", "://hubbub:pw@"));
    let channel = rig.room(1, "general");
    rig.subscribe(&channel).await;
    rig.until_heard(&channel, "hello").await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_sentinels_needs_to_ask_for_masters_and_sentinels() {
    let sentinel = tokio::task::block_in_place(Sentinel::start);
    let rights = ["-@all", "+sentinel|get-master-addr-by-name", "+sentinel|master", "+sentinel|sentinels"];
    for number in 0..3 {
        let user = [&["ACL", "SETUSER", "hubbub", "on", ">pw"][..], &rights].concat();
        sentinel.sentinel(number).cli(&user).unwrap();
    }
    let rig = Rig::new(&format!("{}?sentinel_user=hubbub&sentinel_password=pw", sentinel.url()));
    let channel = rig.room(1, "general");
    rig.subscribe(&channel).await;
    rig.until_heard(&channel, "hello").await;
    for number in 0..3 {
        assert_eq!(sentinel.sentinel(number).cli(&["ACL", "LOG"]).unwrap(), "");
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_the_manual_gives_are_enough() {
    let server = RedisServer::start_with_user("hubbub", "pw", &rules_of_the_manual());
    let connected = testing::connect(&server.url());
    let channel = connected.keys().channel(Partition::Room(1), "room", "general");
    let ear = Arc::new(Recorder::default());
    let bus = connected.redis.listen(ear.clone(), &connected.tasks, CancellationToken::new());
    bus.subscribe(&channel).await.unwrap();
    assert_eq!(connected.publish(&channel, Bytes::from_static(b"hello")).await, Ok(1));
    until("the message", || ear.has_heard(&channel, "hello")).await;
    assert_eq!(server.cli(&["ACL", "LOG"]).unwrap(), "", "fred asks for nothing that is forbidden");

    let mut commands = commands_of_the_scripts();
    assert!(commands.len() > 20, "{commands:?}");
    commands.extend(["EVALSHA", "EVAL", "ASKING", "CLUSTER SLOTS", "CLUSTER INFO"].map(str::to_owned));
    for command in commands {
        let words: Vec<_> = command.split(' ').collect();
        let Some(arity) = arity(&server, &words.join("|")) else { continue };
        let mut dry = [&["ACL", "DRYRUN", "hubbub"][..], &words].concat();
        // The number of a script's keys, or a key.
        dry.resize(dry.len().max(3 + arity), if command.starts_with("EVAL") { "0" } else { "hb:x" });
        let verdict = server.cli(&dry).unwrap_or_else(|error| error);
        assert_eq!(verdict, "OK", "{command}");
    }
    for command in [&["FLUSHALL"][..], &["KEYS", "*"], &["GET", "other"]] {
        let dry = [&["ACL", "DRYRUN", "hubbub"][..], command].concat();
        assert!(server.cli(&dry).unwrap().contains("no permission"), "{command:?}");
    }
}

/// How many words a command has at least; none for what is no command.
fn arity(server: &RedisServer, command: &str) -> Option<usize> {
    let told = server.call(&["COMMAND", "INFO", command]).unwrap();
    let [Reply::List(about)] = told.list() else { return None };
    about.get(1)?.number().map(|arity| arity.unsigned_abs() as usize)
}

/// Whatever is written in capitals and quotes in a script.
fn commands_of_the_scripts() -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "lua") {
                let text = fs::read_to_string(&path).unwrap();
                let is_command = |word: &&str| word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
                commands.extend(text.split(['\'', '"']).filter(is_command).map(str::to_owned));
            }
        }
    }
    commands
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_works_over_tls_without_a_crypto_provider_of_the_process() {
    let server = RedisServer::start_with_tls(&[]);
    let tls = Tls::new(server.ca_file().as_deref()).unwrap();
    let rig = Rig::with_tls(&server.url(), Some(tls));
    let channel = rig.room(1, "general");
    rig.bus.subscribe(&channel).await.unwrap();
    rig.until_heard(&channel, &"hello ".repeat(50_000)).await;
    rig.end().await;
}
