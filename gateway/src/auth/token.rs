//! JSON Web Tokens: what they look like and who signed them. With its submodules the only user of `jsonwebtoken`.

pub(super) mod claims;
pub(super) mod key;
pub(super) mod mint;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

pub use jsonwebtoken::Algorithm;
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;

use crate::auth::AuthError;
use claims::Claims;
use key::Key;

/// The longest token, in bytes; what is longer is not looked at.
const TOKEN_BYTES_MAX: usize = 16_384;

/// A token of which only the header was read. It says which key made the signature, never which algorithm to trust.
#[derive(Debug)]
pub(super) struct Unverified<'a> {
    text: &'a str,
    algorithm: Algorithm,
    key_id: Option<String>,
}

impl<'a> Unverified<'a> {
    /// Reads the header. A token without a signature (`alg: none`) or with header fields that must be understood
    /// (`crit`) is malformed, and so is one that is too long.
    pub(super) fn read(text: &'a str) -> Result<Self, AuthError> {
        if text.len() > TOKEN_BYTES_MAX {
            let bytes = text.len();
            return Err(AuthError::Malformed(format!("it has {bytes} bytes, at most {TOKEN_BYTES_MAX} will do")));
        }
        let header = decode_header(text).map_err(|error| match error.kind() {
            ErrorKind::InvalidToken => AuthError::Malformed("it is not three parts with dots between them".to_owned()),
            _ => AuthError::Malformed(format!("its header is wrong: {error}")),
        })?;
        if header.crit.is_some() {
            return Err(AuthError::Malformed("its header holds `crit`, which this gateway does not know".to_owned()));
        }
        Ok(Self { text, algorithm: header.alg, key_id: header.kid })
    }

    /// The key that it names.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// When it says that it was issued, Unix milliseconds. Nobody has proved that yet.
    pub(super) fn issued_at_ms(&self) -> Option<u64> {
        #[derive(Deserialize)]
        struct Issued {
            iat: Option<f64>,
        }
        let issued: Issued = insecure_decode_claims(self.text).ok()?;
        issued.iat.map(|iat_s| (iat_s * 1_000.0) as u64)
    }

    /// Its claims, if this key may have signed it and did.
    pub(super) fn open(&self, key: &Key) -> Result<Option<Claims>, AuthError> {
        if !key.may_sign(self.key_id(), self.algorithm) {
            return Ok(None);
        }
        // Times, issuer and audience are checked against the gateway's own clock, in `Claims::identity`.
        let mut validation = Validation::new(self.algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        match decode::<Claims>(self.text, key.material(), &validation) {
            Ok(token) => Ok(Some(token.claims)),
            Err(error) => match error.kind() {
                // The signature is checked before the claims are read.
                ErrorKind::Json(error) => Err(AuthError::Malformed(format!("its claims are wrong: {error}"))),
                ErrorKind::Base64(error) => Err(AuthError::Malformed(format!("it is no base64url: {error}"))),
                _ => Ok(None),
            },
        }
    }
}
