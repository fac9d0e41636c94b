//! A certificate authority of the test's own, and a certificate for 127.0.0.1 and `localhost`.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Files in PEM.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    /// Writes new ones into this directory.
    pub(crate) fn new(directory: &Path) -> Self {
        let [authority, certificate, key] = ["ca.pem", "certificate.pem", "key.pem"].map(|name| directory.join(name));
        let write = |path: &Path, text: String| fs::write(path, text).expect("the certificate cannot be written");

        let ca_key = KeyPair::generate().expect("a key pair");
        let mut ca = params(&[], "Testbed authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        write(&authority, ca.self_signed(&ca_key).expect("a certificate of the authority").pem());

        let server_key = KeyPair::generate().expect("a key pair");
        let server = params(&["127.0.0.1", "localhost"], "Testbed server");
        let signed = server.signed_by(&server_key, &Issuer::new(ca, ca_key)).expect("a certificate of the server");
        write(&certificate, signed.pem());
        write(&key, server_key.serialize_pem());
        Self { authority, certificate, key }
    }
}

fn params(names: &[&str], common_name: &str) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names that certificates take");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
