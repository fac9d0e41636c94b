//! `hubbub token`: what a token to try things with shall say.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hubbub_shared::UserId;
use hubbub_shared::limits::DISPLAY_NAME_BYTES_MAX;

use super::{ConfigFile, load, report};
use crate::auth::{self, NewToken};
use crate::clock::Clock;
use crate::config::{AuthConfig, Secret, room_pattern};
use crate::grants::{Grants, Pattern, Rights};

/// What the token shall say, and how it is signed (HS256).
#[derive(Debug, Clone, Args)]
pub struct TokenArguments {
    /// The user's id (`sub`)
    #[arg(long, value_name = "ID", value_parser = user)]
    pub user: UserId,
    /// The user's name, as others see it
    #[arg(long, value_parser = name)]
    pub name: Option<String>,
    /// What the user may do in which rooms, such as 'team-*=join,send,moderate'; can be given more than once
    #[arg(long, value_name = "PATTERN=RIGHTS", value_parser = grant)]
    pub rooms: Vec<(Pattern, Rights)>,
    /// How long the token is good, such as 30m, 1h or 7d
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub expires: Duration,
    /// The shared secret to sign with, or `config` for that of the configuration
    #[arg(long, value_name = "SECRET", default_value = "config")]
    pub secret: TokenSecret,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

/// Which secret a token is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSecret {
    /// That of the configuration.
    Configuration,
    /// This one.
    Given(Secret),
}

impl From<&str> for TokenSecret {
    fn from(text: &str) -> Self {
        if text == "config" { Self::Configuration } else { Self::Given(Secret::new(text)) }
    }
}

impl TokenArguments {
    /// Prints the token on standard output; tells what is wrong on standard error and ends with code 1.
    pub fn run(&self, clock: &Clock) -> ExitCode {
        let config = match load(&self.file.sources()) {
            Ok(config) => config,
            Err(code) => return code,
        };
        match self.mint(&config.auth, clock.now_ms()) {
            Ok(token) => {
                report::print(&format!("{token}\n"));
                ExitCode::SUCCESS
            }
            Err(problem) => {
                report::tell(&format!("{problem}\n"));
                ExitCode::FAILURE
            }
        }
    }

    /// The token, such that a gateway with this configuration accepts it.
    fn mint(&self, auth: &AuthConfig, now_ms: u64) -> Result<String, String> {
        let secret = match &self.secret {
            TokenSecret::Given(secret) => secret,
            TokenSecret::Configuration => auth.token_secret().ok_or(
                "The configuration has no shared secret to sign with: tokens are checked with public keys. Have their \
                 issuer make the token, or set auth.secret.",
            )?,
        };
        let token = NewToken {
            user: &self.user,
            name: self.name.as_deref(),
            grants: &Grants(self.rooms.clone()),
            issuer: auth.issuer.as_deref(),
            audience: auth.audience.as_deref(),
            lifetime: self.expires,
        };
        auth::mint(secret.expose(), token, now_ms).map_err(|error| format!("No token: {error}."))
    }
}

fn user(text: &str) -> Result<UserId, String> {
    let user = UserId::new(text).map_err(|error| error.to_string())?;
    if user.is_guest() { Err("the ids of guests are made by the gateway; choose another".to_owned()) } else { Ok(user) }
}

fn name(text: &str) -> Result<String, String> {
    if text.len() <= DISPLAY_NAME_BYTES_MAX {
        Ok(text.to_owned())
    } else {
        Err(format!("a name has at most {DISPLAY_NAME_BYTES_MAX} bytes, this one has {}", text.len()))
    }
}

fn grant(text: &str) -> Result<(Pattern, Rights), String> {
    // A room's name may hold an equals sign, a right does not.
    let Some((pattern, rights)) = text.rsplit_once('=') else {
        return Err("write a pattern, `=` and rights, such as 'team-*=join,send'".to_owned());
    };
    let mut granted = Rights::NONE;
    for right in rights.split(',').map(str::trim).filter(|right| !right.is_empty()) {
        match right {
            "join" => granted.join = true,
            "send" => granted.send = true,
            "moderate" => granted.moderate = true,
            _ => return Err(format!("{right:?} is no right; join, send and moderate are")),
        }
    }
    Ok((room_pattern(pattern)?, granted))
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration >= Duration::from_secs(1) => Ok(duration),
        Ok(_) => Err("a token is good for a second at least".to_owned()),
        Err(_) => Err("write a number and its unit, such as 30m, 1h or 7d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::auth::Authenticator;
    use crate::cli::{Arguments, Command};

    const NOW_MS: u64 = 1_790_000_000_000;

    fn parse(arguments: &[&str]) -> Result<TokenArguments, String> {
        let all = ["hubbub", "token"].iter().chain(arguments);
        match Arguments::try_parse_from(all).map(Arguments::into_command) {
            Ok(Command::Token(token)) => Ok(token),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_of_the_same_configuration_accepts_the_token() {
        let arguments = parse(&[
            "--user=ada",
            "--name=Ada",
            "--rooms=team-*=join,send",
            "--rooms=a=b=moderate",
            "--rooms=closed=",
            "--expires=2m",
        ]);
        let auth = AuthConfig {
            issuer: Some("https://login.example.org".to_owned()),
            audience: Some("chat".to_owned()),
            ..AuthConfig::default()
        };
        let token = arguments.unwrap().mint(&auth, NOW_MS).unwrap();
        let authenticator = Authenticator::new(auth.settings(), Clock::tokio(NOW_MS)).unwrap();
        let identity = authenticator.verify(&token).await.unwrap();
        assert_eq!(identity.user.as_str(), "ada");
        assert_eq!(identity.name.as_deref(), Some("Ada"));
        assert_eq!(identity.expires_at_ms, NOW_MS + 120_000);
        let mut grants = identity.grants.0;
        grants.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        assert_eq!(
            grants,
            [
                (Pattern::new("a=b"), Rights { moderate: true, ..Rights::NONE }),
                (Pattern::new("closed"), Rights::NONE),
                (Pattern::new("team-*"), Rights { join: true, send: true, moderate: false }),
            ]
        );
    }

    #[test]
    fn a_given_secret_wins_and_no_secret_is_told() {
        let without = AuthConfig { secret: None, ..AuthConfig::default() };
        assert!(parse(&["--user=ada"]).unwrap().mint(&without, NOW_MS).unwrap_err().contains("auth.secret"));
        assert!(parse(&["--user=ada", "--secret=mine"]).unwrap().mint(&without, NOW_MS).is_ok());
    }

    #[test]
    fn what_no_token_can_say_is_refused_with_what_can() {
        for (arguments, words) in [
            (&["--name=Ada"][..], "--user"),
            (&["--user=guest:1"], "made by the gateway"),
            (&["--user=a b"], "cannot stand in a name"),
            (&["--user=ada", "--rooms=team-*"], "team-*=join,send"),
            (&["--user=ada", "--rooms=te am=join"], "cannot stand in a name"),
            (&["--user=ada", "--rooms=team-*=read"], "\"read\" is no right"),
            (&["--user=ada", "--expires=10"], "30m, 1h or 7d"),
            (&["--user=ada", "--expires=1ms"], "a second at least"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
