//! What a token says, and whether that does here.

use std::collections::BTreeMap;
use std::sync::Arc;

use hubbub_shared::UserId;
use hubbub_shared::limits::DISPLAY_NAME_BYTES_MAX;
use hubbub_shared::names::GUEST_PREFIX;
use serde::Deserialize;

use crate::auth::{AuthError, Identity};
use crate::grants::{Grants, Pattern, Rights};

/// The end of the year 9999. A time after it was counted in milliseconds by mistake, and would never come.
const TIME_S_MAX: f64 = 253_402_300_799.0;

/// The claims of protocol §2. Others are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::auth) struct Claims {
    sub: String,
    exp: f64,
    name: Option<String>,
    iat: Option<f64>,
    nbf: Option<f64>,
    iss: Option<String>,
    aud: Option<Audience>,
    rooms: Option<BTreeMap<String, Vec<Right>>>,
}

/// Whom a token is for: one name, or any of several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "`aud` is a string or a list of strings")]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Right {
    Join,
    Send,
    Moderate,
}

/// What the claims of a token are held against.
#[derive(Debug)]
pub(in crate::auth) struct Expected {
    pub(in crate::auth) issuer: Option<String>,
    pub(in crate::auth) audience: Option<String>,
    pub(in crate::auth) leeway_s: u64,
}

impl Claims {
    /// Who the token is for, now.
    pub(in crate::auth) fn identity(self, expected: &Expected, now_ms: u64) -> Result<Identity, AuthError> {
        self.check_addressee(expected)?;
        let leeway_ms = expected.leeway_s.saturating_mul(1_000);
        let exp_ms = time_ms("exp", self.exp)?;
        let nbf_ms = self.nbf.map_or(Ok(0), |nbf| time_ms("nbf", nbf))?;
        let iat_ms = self.iat.map_or(Ok(0), |iat| time_ms("iat", iat))?;
        let user = user(&self.sub)?;
        if let Some(bytes) = self.name.as_ref().map(String::len).filter(|&bytes| bytes > DISPLAY_NAME_BYTES_MAX) {
            let message = format!("its `name` has {bytes} bytes, at most {DISPLAY_NAME_BYTES_MAX} will do");
            return Err(AuthError::WrongClaims(message));
        }
        let ends_ms = exp_ms.saturating_add(leeway_ms);
        if ends_ms <= now_ms {
            return Err(AuthError::Expired);
        }
        let begins_ms = nbf_ms.saturating_sub(leeway_ms);
        if begins_ms > now_ms {
            return Err(AuthError::NotYetValid { retry_after_ms: begins_ms - now_ms });
        }
        Ok(Identity {
            user,
            name: self.name.map(Arc::from),
            grants: grants(self.rooms.unwrap_or_default()),
            issued_at_s: iat_ms / 1_000,
            expires_at_ms: if exp_ms > now_ms { exp_ms } else { ends_ms },
        })
    }

    /// Whether the token comes from whom it must and is meant for this gateway.
    fn check_addressee(&self, expected: &Expected) -> Result<(), AuthError> {
        if let Some(issuer) = &expected.issuer
            && self.iss.as_ref() != Some(issuer)
        {
            return Err(AuthError::WrongClaims(format!("its `iss` must be {issuer:?}")));
        }
        if let Some(audience) = &expected.audience
            && !self.aud.as_ref().is_some_and(|aud| aud.names(audience))
        {
            return Err(AuthError::WrongClaims(format!("its `aud` must be or hold {audience:?}")));
        }
        Ok(())
    }
}

impl Audience {
    fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(name) => name == audience,
            Self::Several(names) => names.iter().any(|name| name == audience),
        }
    }
}

fn user(sub: &str) -> Result<UserId, AuthError> {
    let user = UserId::new(sub).map_err(|error| AuthError::WrongClaims(format!("its `sub` is no user id: {error}")))?;
    if user.is_guest() {
        let message = format!("its `sub` begins with `{GUEST_PREFIX}`, as only ids made by the gateway do");
        return Err(AuthError::WrongClaims(message));
    }
    Ok(user)
}

/// Unix milliseconds of a claim in Unix seconds, which may have a fraction.
fn time_ms(claim: &str, time_s: f64) -> Result<u64, AuthError> {
    if !(0.0..=TIME_S_MAX).contains(&time_s) {
        return Err(AuthError::WrongClaims(format!(
            "its `{claim}` is no time in seconds (not milliseconds) since 1970"
        )));
    }
    Ok((time_s * 1_000.0) as u64)
}

fn grants(rooms: BTreeMap<String, Vec<Right>>) -> Grants {
    let rights = |rights: Vec<Right>| Rights {
        join: rights.contains(&Right::Join),
        send: rights.contains(&Right::Send),
        moderate: rights.contains(&Right::Moderate),
    };
    Grants(rooms.into_iter().map(|(pattern, list)| (Pattern::new(pattern), rights(list))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::token::testing::{NOW_MS, NOW_S, claims};
    use crate::grants::Pattern;

    fn with(change: Value) -> Value {
        let mut claims = claims();
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(name),
                value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        claims
    }

    fn anybody() -> Expected {
        Expected { issuer: None, audience: None, leeway_s: 0 }
    }

    fn identity_at(claims: Value, expected: &Expected, now_ms: u64) -> Result<Identity, AuthError> {
        serde_json::from_value::<Claims>(claims).unwrap().identity(expected, now_ms)
    }

    fn identity(change: Value) -> Result<Identity, AuthError> {
        identity_at(with(change), &anybody(), NOW_MS)
    }

    fn assert_wrong(claim: &str, result: Result<Identity, AuthError>) {
        match result {
            Err(AuthError::WrongClaims(detail)) => assert!(detail.contains(claim), "{claim}: {detail}"),
            other => panic!("{claim}: {other:?}"),
        }
    }

    #[test]
    fn a_subject_is_a_user_id_and_no_guest() {
        assert_eq!(identity(json!({ "sub": "a/b@c.d" })).unwrap().user.as_str(), "a/b@c.d");
        assert_eq!(identity(json!({ "sub": "guest" })).unwrap().user.as_str(), "guest");
        for sub in ["", "ada lovelace", "ädä", "guest:1", "guest:", &"u".repeat(128)] {
            assert_wrong("`sub`", identity(json!({ "sub": sub })));
        }
    }

    #[test]
    fn a_name_has_at_most_128_bytes() {
        let name = "é".repeat(64);
        assert_eq!(identity(json!({ "name": name })).unwrap().name.as_deref(), Some(name.as_str()));
        assert_eq!(identity(json!({})).unwrap().name, None);
        assert_wrong("`name`", identity(json!({ "name": format!("{name}!") })));
    }

    #[test]
    fn a_token_ends_at_its_expiry_and_with_leeway_so_much_later() {
        let at = |leeway_s, now_ms| identity_at(claims(), &Expected { leeway_s, ..anybody() }, now_ms);
        let exp_ms = NOW_MS + 60_000;
        assert_eq!(at(0, exp_ms - 1).unwrap().expires_at_ms, exp_ms);
        assert_eq!(at(0, exp_ms), Err(AuthError::Expired));
        assert_eq!(at(30, exp_ms - 1).unwrap().expires_at_ms, exp_ms);
        assert_eq!(at(30, exp_ms).unwrap().expires_at_ms, exp_ms + 30_000);
        assert_eq!(at(30, exp_ms + 29_999).unwrap().expires_at_ms, exp_ms + 30_000);
        assert_eq!(at(30, exp_ms + 30_000), Err(AuthError::Expired));
    }

    #[test]
    fn a_token_begins_at_its_time_and_with_leeway_so_much_earlier() {
        let claims = with(json!({ "nbf": NOW_S + 10 }));
        let at = |leeway_s, now_ms| identity_at(claims.clone(), &Expected { leeway_s, ..anybody() }, now_ms);
        assert!(at(0, NOW_MS + 10_000).is_ok());
        assert_eq!(at(0, NOW_MS + 9_999), Err(AuthError::NotYetValid { retry_after_ms: 1 }));
        assert!(at(4, NOW_MS + 6_000).is_ok());
        assert_eq!(at(4, NOW_MS), Err(AuthError::NotYetValid { retry_after_ms: 6_000 }));
    }

    #[test]
    fn times_may_have_a_fraction_and_the_second_of_issue_is_whole() {
        let identity = identity(json!({ "exp": NOW_S as f64 + 1.5, "iat": NOW_S as f64 + 0.9, "nbf": 0 })).unwrap();
        assert_eq!((identity.issued_at_s, identity.expires_at_ms), (NOW_S, NOW_MS + 1_500));
    }

    #[test]
    fn a_token_that_does_not_say_when_it_was_issued_is_as_old_as_can_be() {
        assert_eq!(identity(json!({ "iat": null })).unwrap().issued_at_s, 0);
    }

    #[test]
    fn times_in_milliseconds_or_before_1970_are_refused() {
        for claim in ["exp", "iat", "nbf"] {
            for time in [json!(NOW_MS), json!(-1), json!(1e300)] {
                assert_wrong(&format!("`{claim}`"), identity(json!({ claim: time })));
            }
        }
    }

    #[test]
    fn the_issuer_must_be_the_expected_one() {
        let expected = Expected { issuer: Some("https://id.example".to_owned()), ..anybody() };
        let from = |issuer: Value| identity_at(with(json!({ "iss": issuer })), &expected, NOW_MS);
        assert!(from(json!("https://id.example")).is_ok());
        for issuer in [json!("https://id.example/"), json!(""), Value::Null] {
            assert_wrong("`iss`", from(issuer));
        }
        assert!(identity(json!({ "iss": "anybody" })).is_ok());
    }

    #[test]
    fn the_audience_must_hold_the_expected_one() {
        let expected = Expected { audience: Some("chat".to_owned()), ..anybody() };
        let to = |audience: Value| identity_at(with(json!({ "aud": audience })), &expected, NOW_MS);
        assert!(to(json!("chat")).is_ok());
        assert!(to(json!(["shop", "chat"])).is_ok());
        for audience in [json!("shop"), json!("chat2"), json!(["shop"]), json!([]), Value::Null] {
            assert_wrong("`aud`", to(audience));
        }
        assert!(identity(json!({ "aud": ["shop"] })).is_ok());
    }

    #[test]
    fn what_never_does_is_told_before_what_is_over() {
        let expected = Expected { issuer: Some("me".to_owned()), ..anybody() };
        assert_wrong("`iss`", identity_at(claims(), &expected, NOW_MS * 2));
        assert_wrong("`sub`", identity_at(with(json!({ "sub": "guest:1" })), &anybody(), NOW_MS * 2));
    }

    #[test]
    fn rooms_become_grants() {
        let rooms = json!({ "team-*": ["join", "send"], "ops": ["moderate", "join"], "lobby": [] });
        let grants = identity(json!({ "rooms": rooms })).unwrap().grants;
        let expected = [
            ("lobby", Rights::NONE),
            ("ops", Rights { join: true, send: false, moderate: true }),
            ("team-*", Rights { join: true, send: true, moderate: false }),
        ];
        assert_eq!(grants.0, expected.map(|(pattern, rights)| (Pattern::new(pattern), rights)));
        assert_eq!(identity(json!({})).unwrap().grants, Grants::default());
    }

    #[test]
    fn claims_of_a_wrong_kind_are_no_claims() {
        let wrong = [
            json!({ "sub": null }),
            json!({ "sub": 7 }),
            json!({ "exp": null }),
            json!({ "exp": "tomorrow" }),
            json!({ "iat": "1" }),
            json!({ "nbf": [] }),
            json!({ "name": {} }),
            json!({ "iss": ["me"] }),
            json!({ "aud": [1] }),
            json!({ "rooms": ["general"] }),
            json!({ "rooms": { "general": "join" } }),
            json!({ "rooms": { "general": ["fly"] } }),
            json!({ "rooms": { "general": ["Join"] } }),
        ];
        for change in wrong {
            assert!(serde_json::from_value::<Claims>(with(change.clone())).is_err(), "{change}");
        }
    }
}
