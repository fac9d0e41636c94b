//! `hubbub token`: what a token to try things with shall say.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hubbub_shared::UserId;
use hubbub_shared::limits::DISPLAY_NAME_BYTES_MAX;

use super::{ConfigFile, load};
use crate::config::{AuthConfig, Config, Secret};
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
    /// What the user may do in rooms: PATTERN=RIGHTS, rights being join, send and moderate; can be given more than once
    #[arg(long, value_name = "PATTERN=RIGHTS", value_parser = grant)]
    pub rooms: Vec<(Pattern, Rights)>,
    /// How long the token is good, such as 30m, 1h or 7d
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub expires: Duration,
    /// The shared secret to sign with; `config` takes it from the configuration, where others on this machine cannot
    /// see it in the list of processes
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
    /// The configuration of the gateway that the token is for. Where it has faults, they are told on standard error,
    /// and the process is to end with this code.
    pub fn load(&self) -> Result<Config, ExitCode> {
        load(&self.file.sources())
    }

    /// The secret to sign with, or a sentence that says why there is none.
    pub fn secret<'a>(&'a self, auth: &'a AuthConfig) -> Result<&'a Secret, &'static str> {
        match &self.secret {
            TokenSecret::Given(secret) => Ok(secret),
            TokenSecret::Configuration => auth.token_secret().ok_or(
                "The configuration has no shared secret to sign with: its tokens are checked with public keys. Have \
                 their issuer make the token, or set auth.secret.",
            ),
        }
    }

    /// What the user may do, as the token's `rooms` say it.
    pub fn grants(&self) -> Grants {
        Grants(self.rooms.clone())
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
    Ok((Pattern::new(pattern), granted))
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration >= Duration::from_secs(1) => Ok(duration),
        Ok(_) => Err("a token is good for a second at least".to_owned()),
        Err(_) => Err("write a number and its unit, such as 30m, 1h or 7d".to_owned()),
    }
}
