//! TLS around a connection, by the system's certificates or by one authority of one's own.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, crypto,
    pki_types::{
        CertificateDer, ServerName,
        pem::{self, PemObject},
    },
};
use rustls_platform_verifier::BuilderVerifierExt;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Why TLS cannot be spoken.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The file cannot be read, or is no PEM.
    #[error("`{}` cannot be read as certificates in PEM: {error}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("`{}` holds no certificate: put the authority's certificate there, in PEM", .0.display())]
    Empty(PathBuf),
    /// A certificate is refused, or the system has none.
    #[error("the certificates to verify Redis by cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// How to speak TLS; made once and shared by all connections.
#[derive(Clone)]
pub struct Tls(TlsConnector);

impl Tls {
    /// Servers are believed by the certificates of the system, or by those of this file alone.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, TlsError> {
        // The provider is named, because the process may have none or several.
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = match ca_file {
            None => config.with_platform_verifier()?,
            Some(path) => config.with_root_certificates(authorities(path)?),
        };
        Ok(Self(Arc::new(config.with_no_client_auth()).into()))
    }

    /// The same for other libraries.
    pub fn connector(&self) -> TlsConnector {
        self.0.clone()
    }

    pub(super) async fn around(&self, stream: TcpStream, host: &str) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let fault = |error| TlsError::Pem { path: path.to_owned(), error };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(fault)? {
        store.add(certificate.map_err(fault)?)?;
    }
    if store.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(store) }
}
