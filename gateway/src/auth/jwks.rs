//! A JWKS that is fetched from the configured address, and from no other: what a token says about where its key is, is
//! not looked at.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, StatusCode, Url, redirect};
use rustls::{ClientConfig, RootCertStore, crypto};
use rustls_platform_verifier::BuilderVerifierExt;
use thiserror::Error;

use crate::auth::fetched_keys::KeySource;
use crate::auth::keys::{JwksError, KeySet};
use crate::auth::token::Algorithm;

/// How long a fetch may take, in all.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest JWKS. One key takes less than 2 KiB, and with its certificates less than 8.
const JWKS_BYTES_MAX: usize = 262_144;

/// Why nothing can be fetched from an address. The operator's fault.
#[derive(Debug, Error)]
pub enum JwksUrlError {
    /// It is no address.
    #[error("{url:?} is no address; write it like https://example.com/jwks.json")]
    Unreadable {
        /// What was configured.
        url: String,
        /// Why.
        source: <Url as FromStr>::Err,
    },
    /// Whoever sits on the way there could make keys of their own.
    #[error("{url} is not safe from changes on the way; only https, or http on a loopback address, will do")]
    Insecure {
        /// What was configured.
        url: Url,
    },
    /// The certificates that https is checked by are missing on this machine.
    #[error("https cannot be set up; check that the system's CA certificates are installed")]
    Tls(#[from] rustls::Error),
    /// The client could not be built.
    #[error("the http client cannot be set up")]
    Client(#[from] reqwest::Error),
}

/// Why a fetch brought no keys. The fault of the address's owner or of the network; retry.
#[derive(Debug, Error)]
pub(super) enum FetchError {
    #[error("the address cannot be reached, or did not answer within {} s", FETCH_TIMEOUT.as_secs())]
    Http(#[from] reqwest::Error),
    #[error("the address answered {0}; it must answer 200 itself, redirections are not followed")]
    Status(StatusCode),
    #[error("the answer is longer than {JWKS_BYTES_MAX} bytes")]
    TooLong,
    #[error("the answer has no keys")]
    Jwks(#[from] JwksError),
}

/// The address of a JWKS.
#[derive(Debug)]
pub(super) struct Jwks {
    client: Client,
    url: Url,
    allowed: Vec<Algorithm>,
}

impl Jwks {
    /// The address, for keys of the allowed algorithms; of all where none is named.
    pub(super) fn new(url: &str, allowed: Vec<Algorithm>) -> Result<Self, JwksUrlError> {
        let url = Url::parse(url).map_err(|source| JwksUrlError::Unreadable { url: url.to_owned(), source })?;
        if !is_safe(&url) {
            return Err(JwksUrlError::Insecure { url });
        }
        let client = Client::builder()
            .tls_backend_preconfigured(tls(&url)?)
            .timeout(FETCH_TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("hubbub/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, url, allowed })
    }
}

/// Whether nobody on the way to the address can change what comes from it.
fn is_safe(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    url.scheme() == "https" || url.scheme() == "http" && loopback
}

fn tls(url: &Url) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    // The system's certificates are asked for only where they are needed: a slim container may have none.
    let config = match url.scheme() {
        "https" => config.with_platform_verifier()?,
        _ => config.with_root_certificates(RootCertStore::empty()),
    };
    Ok(config.with_no_client_auth())
}

#[async_trait]
impl KeySource for Jwks {
    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let mut response = self.client.get(self.url.clone()).send().await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if text.len() + chunk.len() > JWKS_BYTES_MAX {
                return Err(FetchError::TooLong);
            }
            text.extend_from_slice(&chunk);
        }
        Ok(KeySet::of_jwks(&text, &self.allowed)?)
    }
}

#[cfg(test)]
mod tests;
