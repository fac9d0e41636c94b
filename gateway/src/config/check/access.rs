//! What must hold about who may come in: addresses, origins, keys and secrets.

use std::collections::HashMap;
use std::error::Error;
use std::hash::Hash;
use std::net::IpAddr;

use reqwest::Url;

use super::Problems;
use crate::auth::{Algorithm, AuthSettings, Authenticator};
use crate::clock::Clock;
use crate::config::{Config, Guests};

/// Longer names would not fit well into logs and metrics.
const NAME_BYTES_MAX: usize = 64;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    let Config { server, auth, .. } = config;
    if let Some(replica) = &server.replica
        && !is_name(replica)
    {
        problems.add(&["server.replica"], name_rule());
    }
    // Port 0 is a free port each time, so two of them differ.
    if server.metrics_listen == Some(server.listen) && server.listen.port() != 0 {
        let problem = "is the same address as `server.listen`; give it another port, or leave it empty";
        problems.add(&["server.metrics_listen", "server.listen"], problem);
    }
    for (index, origin) in server.origins.iter().enumerate() {
        if let Err(problem) = check_origin(origin) {
            problems.add(&[&format!("server.origins[{index}]")], problem);
        }
    }
    if auth.session_sliding_s > auth.session_absolute_s {
        let problem = format!(
            "does not go together: `auth.session_sliding_s` ({}) is longer than `auth.session_absolute_s` ({})",
            auth.session_sliding_s, auth.session_absolute_s
        );
        problems.add(&["auth.session_sliding_s", "auth.session_absolute_s"], problem);
    }
    if !is_cookie_name(&auth.cookie) {
        problems.add(&["auth.cookie"], "is no name of a cookie; letters, digits, _ and - are wanted");
    }
    tokens(config, problems);
    api_keys(config, problems);
}

fn tokens(config: &Config, problems: &mut Problems) {
    let auth = &config.auth;
    let mut source = |key: &str, settings: AuthSettings| {
        let algorithms = auth.algorithms.clone();
        for fault in
            Authenticator::new(AuthSettings { algorithms, ..settings }, Clock::System).err().into_iter().flatten()
        {
            problems.add(&[key, "auth.algorithms"], format!("will not do: {}", chain(&fault)));
        }
    };
    for (index, path) in auth.public_keys.iter().enumerate() {
        let public_keys = vec![path.clone()];
        source(&format!("auth.public_keys[{index}]"), AuthSettings { public_keys, ..AuthSettings::default() });
    }
    let secret = auth.token_secret().map(|secret| secret.expose().to_owned());
    source("auth.secret", AuthSettings { secret, ..AuthSettings::default() });
    if let Some(url) = &auth.jwks_url
        && let Err(problem) = check_jwks_url(url)
    {
        problems.add(&["auth.jwks_url"], problem);
    }
    let shared_secret = auth.token_secret().is_some();
    let public_keys = !auth.public_keys.is_empty() || auth.jwks_url.is_some();
    for (index, algorithm) in auth.algorithms.iter().enumerate() {
        let key = format!("auth.algorithms[{index}]");
        let with_secret = matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
        if with_secret && !shared_secret {
            problems.add(&[&key], "needs a shared secret; set `auth.secret`, or leave the algorithm out");
        }
        if !with_secret && !public_keys {
            problems.add(&[&key], "needs a public key; set `auth.public_keys` or `auth.jwks_url`, or leave it out");
        }
    }
    if !shared_secret && !public_keys && auth.guests == Guests::Never {
        let problem = "lets nobody in: guests are refused and no token can be checked; set `auth.secret`, \
                       `auth.public_keys` or `auth.jwks_url`";
        problems.add(&["auth.guests", "auth.secret"], problem);
    }
}

fn api_keys(config: &Config, problems: &mut Problems) {
    let keys = &config.auth.api_keys;
    for (index, key) in keys.iter().enumerate() {
        if !is_name(&key.name) {
            problems.add(&[&format!("auth.api_keys[{index}].name")], name_rule());
        }
    }
    for (index, _) in repeated(keys.iter().map(|key| &key.name)) {
        problems.add(&[&format!("auth.api_keys[{index}].name")], "is the name of an earlier key; give each its own");
    }
    for (index, first) in repeated(keys.iter().map(|key| key.hash)) {
        let problem = format!("is the key {:?} once more; make another with `hubbub key hash`", keys[first].name);
        problems.add(&[&format!("auth.api_keys[{index}].hash")], problem);
    }
}

/// What an error says, and what its causes say.
fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// The items that stood before, each with where it stood first.
fn repeated<T: Hash + Eq>(items: impl Iterator<Item = T>) -> Vec<(usize, usize)> {
    let mut seen = HashMap::new();
    items
        .enumerate()
        .filter_map(|(index, item)| {
            let first = *seen.entry(item).or_insert(index);
            (first != index).then_some((index, first))
        })
        .collect()
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.chars().all(allowed)
}

fn name_rule() -> String {
    format!("is no name; 1 to {NAME_BYTES_MAX} letters, digits, dots, _ and - are wanted")
}

fn is_cookie_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

fn check_origin(origin: &str) -> Result<(), String> {
    let example = "write scheme, host and port as a browser does, such as https://chat.example.org";
    let Some(url) = Url::parse(origin).ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
        return Err(format!("is no origin; {example}"));
    };
    let exact = url.origin().ascii_serialization();
    if exact == origin { Ok(()) } else { Err(format!("is not how a browser writes it; write {exact:?}")) }
}

fn check_jwks_url(text: &str) -> Result<(), &'static str> {
    let Ok(url) = Url::parse(text) else {
        return Err("is no URL; write it whole, such as https://login.example.org/.well-known/jwks.json");
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => {
            Err("would fetch keys that anybody on the way can replace; use https (http only on a loopback address)")
        }
        _ => Err("cannot be fetched; https is wanted"),
    }
}
