//! A key that checks signatures, and which algorithms it may be used with.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use thiserror::Error;

/// The bits of RSA keys that are safe, and short enough to be checked in a hurry.
const RSA_BITS: RangeInclusive<usize> = 2_048..=4_096;

/// Why something is no key that tokens can be checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// A private key, which is safe only where tokens are signed.
    #[error("this is a private key; give its public half, which `openssl pkey -pubout` makes of it")]
    Private,
    /// A certificate.
    #[error("this is a certificate; give its public key, which `openssl x509 -noout -pubkey` makes of it")]
    Certificate,
    /// More than one key.
    #[error("this is more than one key; give each in a file of its own")]
    Several,
    /// Something else.
    #[error("this is no public key for RSA, ECDSA on P-256 or P-384, or Ed25519")]
    Unknown,
    /// An RSA key of a wrong size.
    #[error("this RSA key has {bits} bits; 2048 to 4096 will do")]
    RsaSize {
        /// Its size.
        bits: usize,
    },
    /// A shared secret among public keys.
    #[error("this is a shared secret, which has no place among public keys; give it as `secret`")]
    Secret,
    /// A key that its owner uses for something else.
    #[error("this key is for something else than checking signatures")]
    Purpose,
    /// None of the algorithms that tokens may be signed with fits the key.
    #[error("this key fits none of the algorithms that tokens may be signed with")]
    Algorithm,
}

/// A key that checks signatures.
#[derive(Debug, Clone)]
pub(in crate::auth) struct Key {
    id: Option<String>,
    /// What it may be used with: that is the key's to say, so that no token gets a public key taken for a secret.
    algorithms: Vec<Algorithm>,
    material: DecodingKey,
}

impl Key {
    /// A shared secret.
    pub(in crate::auth) fn secret(secret: &str, allowed: &[Algorithm]) -> Result<Self, KeyError> {
        let material = DecodingKey::from_secret(secret.as_bytes());
        let algorithms = AlgorithmFamily::Hmac.algorithms().to_vec();
        Self { id: None, algorithms, material }.limited_to(allowed)
    }

    /// A public key as PEM.
    pub(in crate::auth) fn pem(pem: &str, allowed: &[Algorithm]) -> Result<Self, KeyError> {
        match pem.matches("-----BEGIN ").count() {
            0 => return Err(KeyError::Unknown),
            1 if pem.contains("PRIVATE KEY-----") => return Err(KeyError::Private),
            1 if pem.contains("CERTIFICATE-----") => return Err(KeyError::Certificate),
            1 => {}
            _ => return Err(KeyError::Several),
        }
        let material = DecodingKey::from_rsa_pem(pem.as_bytes())
            .or_else(|_| DecodingKey::from_ec_pem(pem.as_bytes()))
            .or_else(|_| DecodingKey::from_ed_pem(pem.as_bytes()))
            .map_err(|_| KeyError::Unknown)?;
        let jwk = Jwk::from_decoding_key(&material, None).map_err(|_| KeyError::Unknown)?;
        Self::jwk(&jwk, allowed)
    }

    /// A member of a JWKS.
    pub(in crate::auth) fn member(member: serde_json::Value, allowed: &[Algorithm]) -> Result<Self, KeyError> {
        let jwk: Jwk = serde_json::from_value(member).map_err(|_| KeyError::Unknown)?;
        Self::jwk(&jwk, allowed)
    }

    fn jwk(jwk: &Jwk, allowed: &[Algorithm]) -> Result<Self, KeyError> {
        let purpose = jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
        let operations = jwk.common.key_operations.as_ref();
        if !purpose || operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return Err(KeyError::Purpose);
        }
        let material = DecodingKey::from_jwk(jwk).map_err(|_| KeyError::Unknown)?;
        let mut algorithms = fitting(&material)?;
        if let Some(named) = jwk.common.key_algorithm {
            algorithms.retain(|&algorithm| Algorithm::try_from(named) == Ok(algorithm));
        }
        Self { id: jwk.common.key_id.clone(), algorithms, material }.limited_to(allowed)
    }

    /// The key with only those of its algorithms that are allowed; an empty list allows all.
    fn limited_to(mut self, allowed: &[Algorithm]) -> Result<Self, KeyError> {
        self.algorithms.retain(|algorithm| allowed.is_empty() || allowed.contains(algorithm));
        if self.algorithms.is_empty() { Err(KeyError::Algorithm) } else { Ok(self) }
    }

    /// What tokens call it.
    pub(in crate::auth) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether a token may be signed with this key: its algorithm is one of the key's, and where both token and key
    /// have a key id, it is the same.
    pub(super) fn may_sign(&self, key_id: Option<&str>, algorithm: Algorithm) -> bool {
        let named = self.id().is_none_or(|id| key_id.is_none_or(|key_id| key_id == id));
        named && self.algorithms.contains(&algorithm)
    }

    pub(super) fn material(&self) -> &DecodingKey {
        &self.material
    }
}

/// The algorithms that a public key fits, once it is found whole: a broken one would be an error at every token, or
/// worse, a panic.
fn fitting(material: &DecodingKey) -> Result<Vec<Algorithm>, KeyError> {
    // This way around the lengths of curve points are checked.
    let jwk = Jwk::from_decoding_key(material, None).map_err(|_| KeyError::Unknown)?;
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(key) => {
            let bits = bits(&key.n).ok_or(KeyError::Unknown)?;
            let sized = RSA_BITS.contains(&bits);
            return if sized {
                Ok(AlgorithmFamily::Rsa.algorithms().to_vec())
            } else {
                Err(KeyError::RsaSize { bits })
            };
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Algorithm::ES384,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::OctetKey(_) => return Err(KeyError::Secret),
        _ => return Err(KeyError::Unknown),
    };
    // A signature that is none is refused without an error; a point that is not on the curve is an error.
    crypto::verify("", &[], material, algorithm).map_err(|_| KeyError::Unknown)?;
    Ok(vec![algorithm])
}

/// The length of a number in base64url.
fn bits(number: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(number).ok()?;
    let first = bytes.iter().position(|&byte| byte != 0)?;
    Some((bytes.len() - first) * 8 - bytes[first].leading_zeros() as usize)
}
