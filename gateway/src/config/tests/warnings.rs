//! What is warned of.

use super::*;

fn warnings(file: &str) -> Vec<String> {
    load(file, &[]).unwrap().warnings()
}

#[test]
fn the_development_secret_is_warned_of_the_louder_where_others_can_reach_it() {
    assert!(warnings("")[0].contains("development secret"));
    assert!(warnings("server.listen = '0.0.0.0:80'")[0].starts_with("ANYBODY CAN LOG IN AS ANYBODY"));
    let own = warnings("server.listen = '0.0.0.0:80'\nauth.secret = '0123456789abcdef0123456789abcdef'");
    assert!(!own.iter().any(|warning| warning.contains("secret")), "{own:?}");
    assert!(warnings("auth.secret = 'short'")[0].contains("guessed"));
}

#[test]
fn what_is_open_to_the_world_is_warned_of() {
    let has = |file: &str, words: &str| warnings(file).iter().any(|warning| warning.contains(words));
    assert!(has("server.listen = '0.0.0.0:80'\nauth.guests = 'always'", "guests come in"));
    assert!(!has("auth.guests = 'always'", "guests come in"));
    assert!(has("server.trusted_proxies = ['0.0.0.0/0']", "escape the limits"));
    assert!(has("[[rooms]]\nmatch = 'a'\nmoderate = 'everyone'", "kick and ban"));
    assert!(has("auth.jwks_url = 'https://login.example.org/'", "auth.audience"));
    assert!(has("", "hubbub key hash"));
    let hash = ApiKeyHash::of("key");
    assert!(!has(&format!("[[auth.api_keys]]\nname = 'a'\nhash = '{hash}'"), "hubbub key hash"));
}
