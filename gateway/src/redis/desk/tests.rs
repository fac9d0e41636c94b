use futures_util::future::join_all;
use hubbub_testbed::RedisServer;

use super::*;
use crate::redis::testing::{Connected, connect};

static ADD: Script = Script::new(Access::Tidy, &["local call = redis.call", "return call('INCRBY', KEYS[1], ARGV[1])"]);
static ECHO: Script = Script::new(Access::Tidy, &["return { ARGV[2], ARGV[1], #KEYS }"]);
static PUSH: Script = Script::new(Access::Tidy, &["return redis.call('RPUSH', KEYS[1], 'x')"]);
static LOOK: Script = Script::new(Access::Read, &["return redis.call('GET', KEYS[1])"]);

const AT: Partition = Partition::Room(7);

fn world() -> (RedisServer, Connected) {
    let server = RedisServer::start();
    let connected = connect(&server.url());
    (server, connected)
}

fn text(text: &str) -> Vec<Value> {
    vec![Value::from(text)]
}

fn key(connected: &Connected, name: &str) -> Vec<String> {
    vec![connected.keys().key(AT, "test", name)]
}

#[tokio::test]
async fn questions_of_many_kinds_share_calls_and_each_gets_its_own_answer() {
    let (server, redis) = world();
    let add = async |number: usize| {
        let sum: usize = redis.ask(&ADD, AT, key(&redis, &format!("{number}")), text("3")).await.unwrap();
        assert_eq!(sum, 3);
    };
    let echo = async |number: usize| {
        let args = vec![Value::from("a"), Value::from(number.to_string())];
        let said: (usize, String, usize) = redis.ask(&ECHO, AT, Vec::new(), args).await.unwrap();
        assert_eq!(said, (number, "a".to_owned(), 0));
    };
    let look = async |number: usize| {
        let found: Option<u64> =
            redis.ask(&LOOK, AT, key(&redis, &format!("none-{number}")), Vec::new()).await.unwrap();
        assert_eq!(found, None);
    };
    add(1_000).await;
    let calls = || {
        let stat = server.info("cmdstat_evalsha").unwrap_or_default();
        stat.split(',').find_map(|field| field.strip_prefix("calls=")?.parse::<u64>().ok()).unwrap_or(0)
    };
    let before = calls();
    join_all((0..200).map(async |number| {
        tokio::join!(add(number), echo(number), look(number));
    }))
    .await;
    assert!(calls() - before < 60, "{} calls for 600 questions", calls() - before);
}

#[tokio::test]
async fn a_question_that_fails_fails_alone() {
    let (_server, redis) = world();
    let add = async || redis.ask::<u64>(&ADD, AT, key(&redis, "sum"), text("1")).await;
    let push = async || redis.ask::<u64>(&PUSH, AT, key(&redis, "sum"), Vec::new()).await;
    assert_eq!(add().await, Ok(1));
    let (one, failed, other) = tokio::join!(add(), push(), add());
    assert_eq!((one, other), (Ok(2), Ok(3)));
    assert!(matches!(&failed, Err(RedisError::Broken(text)) if text.contains("WRONGTYPE")), "{failed:?}");
}

#[tokio::test]
async fn a_server_that_forgot_the_script_is_told_it_again() {
    let (server, redis) = world();
    for sum in 1..=3 {
        assert_eq!(redis.ask(&ADD, AT, key(&redis, "sum"), text("1")).await, Ok(sum));
        server.cli(&["SCRIPT", "FLUSH"]).unwrap();
    }
}
