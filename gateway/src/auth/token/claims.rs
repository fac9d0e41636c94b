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
