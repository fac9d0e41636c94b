//! The command line: what can be asked of `hubbub`, and the answers that need no gateway.

mod configuration;
mod key;
pub mod report;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Sources};

pub use configuration::ConfigCommand;
pub use key::KeyCommand;
pub use token::{TokenArguments, TokenSecret};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  hubbub                                              serve on 127.0.0.1:8080, with nothing to install or configure
  hubbub --listen 0.0.0.0:8080 --config hubbub.toml   serve on every address, with a configuration
  hubbub --redis redis://127.0.0.1:6379               serve as one of many replicas that share this Redis
  hubbub config default > hubbub.toml                 begin a configuration
  hubbub token --user ada --rooms 'team-*=join,send'  make a token to try things with

Every option of the configuration can also be set in the environment, such as HUBBUB_SERVER__LISTEN.";

/// A self-hosted real-time gateway: chat, presence and notifications over one WebSocket.
#[derive(Debug, Parser)]
#[command(name = "hubbub", version, styles = STYLES, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

impl Arguments {
    /// What is asked for; without a subcommand, to serve.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

/// What can be asked of `hubbub`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway (the same as no command at all)
    Serve(ServeArguments),
    /// Show the manual of the configuration, or check a configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make a token to try things with
    Token(TokenArguments),
    /// Make an API key for the application's back end
    #[command(subcommand)]
    Key(KeyCommand),
}

/// How to serve.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArguments {
    /// The address to listen on, such as 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The Redis that all replicas share, such as redis://127.0.0.1:6379; without one this is the only replica
    #[arg(long, value_name = "URL")]
    pub redis: Option<String>,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

/// Which configuration counts.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file; `hubbub config default` shows what can be in it [env: HUBBUB_CONFIG]
    #[arg(long = "config", value_name = "FILE")]
    path: Option<PathBuf>,
}

impl ServeArguments {
    /// Everything that the configuration is made from.
    pub fn sources(&self) -> Sources {
        let mut sources = self.file.sources();
        sources.flags.extend(self.listen.clone().map(|listen| ("--listen", "server.listen", listen)));
        sources.flags.extend(self.redis.clone().map(|url| ("--redis", "redis.url", url)));
        sources
    }

    /// The configuration to serve with. Where it has faults, they are told on standard error, and the process is to
    /// end with this code.
    pub fn load(&self) -> Result<Config, ExitCode> {
        load(&self.sources())
    }
}

impl ConfigFile {
    /// The environment, and the file that is named here or there.
    fn sources(&self) -> Sources {
        let environment = Sources::environment();
        Sources { file: self.path.clone().or(environment.file), ..environment }
    }
}

fn load(sources: &Sources) -> Result<Config, ExitCode> {
    Config::load(sources).map_err(|faults| {
        report::tell(&report::faults(&faults));
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, clap::Error> {
        Arguments::try_parse_from(["hubbub"].iter().chain(arguments)).map(Arguments::into_command)
    }

    #[test]
    fn the_commands_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn no_command_serves_as_serve_does() {
        for arguments in
            [&["--listen", "[::]:9", "--config", "a.toml"][..], &["serve", "--listen=[::]:9", "--config=a.toml"]]
        {
            let Ok(Command::Serve(serve)) = parse(arguments) else { panic!("{arguments:?}") };
            let sources = serve.sources();
            assert_eq!(sources.file, Some("a.toml".into()));
            assert_eq!(sources.flags, [("--listen", "server.listen", "[::]:9".to_owned())]);
        }
    }

    #[test]
    fn every_command_explains_itself() {
        for arguments in
            [&["--help"][..], &["config", "check", "--help"], &["token", "--help"], &["key", "hash", "--help"]]
        {
            assert_eq!(parse(arguments).unwrap_err().exit_code(), 0, "{arguments:?}");
        }
        assert_eq!(parse(&["--version"]).unwrap_err().to_string(), format!("hubbub {}\n", env!("CARGO_PKG_VERSION")));
        assert_eq!(parse(&["confg"]).unwrap_err().exit_code(), 2);
    }
}
