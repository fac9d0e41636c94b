//! One message a call: what `redis-benchmark` reaches with the gateway's own script, and with one that does the least
//! that a publish with history has to do.

use std::process::Command;

use hubbub_testbed::RedisServer;

use super::gateway::{VARIES, Whose, of_redis, of_this_process};
use super::{Measured, Scenario};

/// How many connections there are, and how many calls of each are under way.
const CONNECTIONS: &str = "16";
const PIPELINE: &str = "64";
const CALLS: u64 = 100_000;

/// The script of a publish with its keys and arguments, as the gateway sent it.
#[derive(Debug)]
pub(crate) struct Captured {
    text: String,
    keys: Vec<String>,
    args: Vec<String>,
    room: String,
}

/// The least that a publish with history has to do: an entry in a bounded stream, where the log ends, and the bus; and
/// where there is a key, a look at it.
#[derive(Debug)]
pub(crate) struct Lean {
    text: String,
    args: Vec<String>,
}

impl Captured {
    /// Reads two lines of MONITOR: a call with the script's text, and one that was answered.
    pub(crate) fn of(with_text: &str, call: &str, room: &str) -> Self {
        let text = words(with_text).swap_remove(1);
        let mut call = words(call).into_iter().skip(2);
        let count: usize = call.next().unwrap().parse().unwrap();
        let keys = call.by_ref().take(count).collect();
        Self { text, keys, args: call.collect(), room: room.to_owned() }
    }

    /// Calls it again and again. Where there are many rooms, each call is for some other one: the names that it was
    /// given are made in the script then, as `redis-benchmark` puts other digits at every place.
    pub(crate) fn measure(&self, server: &RedisServer, scenario: Scenario) -> Measured {
        if scenario.rooms == 1 {
            return measure(server, &self.text, &self.keys, &self.args);
        }
        let (flags, rest) = self.text.split_once('\n').unwrap();
        let named = |name: &String| {
            let name = name.replace(&self.room, "']]room[['").replace(VARIES, "']]varies[['");
            format!("'{name}'").replace("]]", " .. ").replace("[[", " .. ")
        };
        let keys: Vec<_> = self.keys.iter().map(named).collect();
        let args = self.args.iter().enumerate().filter(|(_, arg)| arg.contains(&self.room));
        let args: Vec<_> = args.map(|(at, arg)| format!("args[{}] = {}", at + 1, named(arg))).collect();
        let text = format!(
            "{flags}\nlocal varies = KEYS[1]\nlocal room = 'bench-' .. varies % {}\nlocal KEYS = {{ {} }}\n\
             local args = {{ unpack(ARGV) }}\n{}\nlocal ARGV = args\n{rest}",
            scenario.rooms,
            keys.join(", "),
            args.join("\n"),
        );
        measure(server, &text, &[VARIES.to_owned()], &self.args)
    }
}

impl Lean {
    /// With the same bytes in the stream and on the bus; if so wanted, it moves the sender's read marker as well.
    pub(crate) fn of(captured: &Captured, scenario: Scenario, moves_marker: bool) -> Self {
        let body = captured.args.last().unwrap();
        let h = "0123456789ab 0123456789ab 1000 1800000000000 360";
        let head = "0123456789ab 1000 0123456789ab 1000 1800000000000 360000";
        let frame = format!("E0123456789ab 1000 {h} 0123456789abcdef 1000 {}\n{body}", body.len());
        let key = "redis.call('SET', room .. ':key:' .. KEYS[1], ARGV[1], 'NX', 'PX', 300000)";
        let marker = "redis.call('HSET', room .. ':read', 'user-' .. KEYS[1] % 1024, ARGV[1])";
        let text = format!(
            "#!lua\nlocal room = 'hb:{{bench}}:' .. KEYS[1] % {}\n{}\n{}\n\
             redis.call('XADD', room .. ':log', 'MAXLEN', '~', 1000, '*', 'h', ARGV[1], 'b', ARGV[2])\n\
             redis.call('HSET', room .. ':meta', 'head', ARGV[3])\n\
             return redis.call('SPUBLISH', room, ARGV[4])",
            scenario.rooms,
            if scenario.keyed { key } else { "" },
            if moves_marker { marker } else { "" },
        );
        Self { text, args: [h, body, head, &frame].map(str::to_owned).into() }
    }

    pub(crate) fn measure(&self, server: &RedisServer) -> Measured {
        measure(server, &self.text, &[VARIES.to_owned()], &self.args)
    }
}

fn measure(server: &RedisServer, text: &str, keys: &[String], args: &[String]) -> Measured {
    server.cli(&["FLUSHALL", "SYNC"]).unwrap();
    let digest = server.cli(&["SCRIPT", "LOAD", text]).unwrap();
    let (own_us, (before_us, before_calls)) = (of_this_process(Whose::Children), of_redis(server));
    let port = server.port().to_string();
    let mut command = Command::new("redis-benchmark");
    command.args(["-p", &port, "-c", CONNECTIONS, "-P", PIPELINE, "-n", &CALLS.to_string(), "-r", "2000000000", "-q"]);
    command.args(["EVALSHA", &digest, &keys.len().to_string()]).args(keys).args(args);
    let output = command.output().unwrap();
    let own_us = of_this_process(Whose::Children) - own_us;
    let (after_us, after_calls) = of_redis(server);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = server.info("errorstat_ERR").unwrap_or_default();
    assert!(output.status.success() && errors.is_empty(), "{errors} {said}");
    let (before, _) = said.rsplit_once(" requests per second").unwrap_or_else(|| panic!("{said}"));
    let calls = CALLS as f64;
    Measured {
        per_s: before.rsplit([' ', ':']).next().unwrap().parse().unwrap(),
        redis_us: (after_us - before_us) / calls,
        client_us: own_us / calls,
        calls: (after_calls - before_calls) as f64 / calls,
    }
}

/// The words of a line of MONITOR.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.split_once("] ").unwrap().1.chars();
    while rest.next() == Some('"') {
        let mut word = String::new();
        while let Some(letter) = rest.next().filter(|letter| *letter != '"') {
            word.push(match letter {
                '\\' => match rest.next().unwrap() {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'x' => {
                        let digits: String = rest.by_ref().take(2).collect();
                        char::from(u8::from_str_radix(&digits, 16).unwrap())
                    }
                    other => other,
                },
                other => other,
            });
        }
        words.push(word);
        rest.next();
    }
    words
}
