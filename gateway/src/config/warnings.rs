//! What holds, but is probably not meant for a gateway that others can reach.

use crate::auth::policy::Who;
use crate::config::Config;

/// A shared secret shorter than the hash of HS256 can be guessed from a token.
const SECRET_BYTES_MIN: usize = 32;

impl Config {
    /// Sentences for the operator, each saying what to do. Not faults: the gateway starts.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let public = !self.server.listen.ip().is_loopback();
        let listen = self.server.listen;
        let auth = &self.auth;
        if auth.is_development_secret() {
            warnings.push(if public {
                format!(
                    "ANYBODY CAN LOG IN AS ANYBODY: tokens are checked with the development secret, which everybody \
                     knows, and {listen} can be reached from outside; set auth.secret (HUBBUB_AUTH__SECRET) or \
                     auth.public_keys"
                )
            } else {
                "tokens are checked with the development secret, which everybody knows; set auth.secret \
                 (HUBBUB_AUTH__SECRET) before others can reach this gateway"
                    .to_owned()
            });
        } else if let Some(secret) = auth.token_secret()
            && secret.expose().len() < SECRET_BYTES_MIN
        {
            warnings.push(format!(
                "auth.secret is short enough to be guessed from a token; use at least {SECRET_BYTES_MIN} random \
                 characters, for example from `openssl rand -base64 32`"
            ));
        }
        if self.guests_allowed() && public {
            warnings.push(format!(
                "guests come in without a token and {listen} can be reached from outside; set auth.guests = \"never\" \
                 unless everybody is welcome"
            ));
        }
        if auth.jwks_url.is_some() && auth.audience.is_none() {
            warnings.push(
                "tokens of auth.jwks_url are accepted whichever application they were made for; set auth.audience"
                    .to_owned(),
            );
        }
        if auth.api_keys.is_empty() {
            warnings.push(
                "no API key is configured, so the application's back end cannot publish over HTTP; `hubbub key hash` \
                 makes one"
                    .to_owned(),
            );
        }
        for network in self.server.trusted_proxies.iter().filter(|network| network.prefix_len() == 0) {
            warnings.push(format!(
                "server.trusted_proxies holds {network}, so every client can claim any address and escape the limits \
                 per address; name only your proxies"
            ));
        }
        for kind in self.rooms.iter().filter(|kind| kind.moderate == Who::Everyone) {
            warnings.push(format!(
                "everybody, guests too, may kick and ban in rooms {:?}; set moderate to a list of user ids",
                kind.pattern.as_str()
            ));
        }
        warnings
    }
}
