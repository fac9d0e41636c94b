//! What options mean.

use super::*;
use hubbub_shared::UserId;

use crate::auth::policy::Who;

#[test]
fn guests_come_in_by_default_only_on_a_loopback_address() {
    assert!(Config::default().guests_allowed());
    assert!(load("server.listen = '[::1]:80'", &[]).unwrap().guests_allowed());
    assert!(!load("server.listen = '0.0.0.0:80'", &[]).unwrap().guests_allowed());
    assert!(load("server.listen = '0.0.0.0:80'\nauth.guests = 'always'", &[]).unwrap().guests_allowed());
    assert!(!load("auth.guests = 'never'", &[]).unwrap().guests_allowed());
}

#[test]
fn beside_public_keys_the_development_secret_does_not_count() {
    assert!(Config::default().auth.is_development_secret());
    let keys = "auth.jwks_url = 'https://login.example.org/keys'";
    let with_keys = load(keys, &[]).unwrap().auth;
    assert_eq!(with_keys.token_secret(), None);
    assert!(!with_keys.is_development_secret());
    let with_both = load(&format!("{keys}\nauth.secret = 'mine'"), &[]).unwrap().auth;
    assert_eq!(with_both.token_secret(), Some(&Secret::new("mine")));
    assert_eq!(with_keys.settings().secret, None);
    assert_eq!(with_both.settings().secret.as_deref(), Some("mine"));
}

#[test]
fn a_kind_of_rooms_says_who_may_do_what() {
    let kind = &load("[[rooms]]\nmatch = 'a'\nsend = 'users'\nmoderate = ['ada']", &[]).unwrap().rooms[0];
    assert_eq!((&kind.join, &kind.send), (&Who::Everyone, &Who::Users));
    assert_eq!(kind.moderate, Who::Only([UserId::new("ada").unwrap()].into()));
    assert_eq!(load("[[rooms]]\nmatch = 'a'\njoin = 'nobody'", &[]).unwrap().rooms[0].join, Who::Nobody);
}

#[test]
fn a_pattern_of_the_configuration_could_match_a_room() {
    assert_eq!(load("[[rooms]]\nmatch = 'a*b'", &[]).unwrap().rooms[0].pattern, Pattern::new("a*b"));
    for pattern in ["", "a b", "ä", "a?"] {
        assert_eq!(faults(&format!("[[rooms]]\nmatch = '{pattern}'"))[0].key, "rooms[0].match");
    }
}

#[test]
fn the_hash_of_a_key_is_its_sha_256_in_either_case_of_digits() {
    let hash = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    assert_eq!(ApiKeyHash::of("foo").to_string(), hash);
    assert_eq!(hash.to_uppercase().replace("SHA", "sha").parse(), Ok(ApiKeyHash::of("foo")));
    for wrong in ["", "sha256:", &hash[7..], &hash[..70], &format!("{hash}0"), &hash.replace("2c", "+c")] {
        assert_eq!(wrong.parse::<ApiKeyHash>(), Err(auth::ApiKeyHashError), "{wrong}");
    }
}
