//! Tokens and keys for tests.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// Some moment of 2026, on a whole second.
pub(in crate::auth) const NOW_MS: u64 = 1_790_000_000_000;
pub(in crate::auth) const NOW_S: u64 = NOW_MS / 1_000;
pub(in crate::auth) const SECRET: &str = "a secret for tests, long enough to be one";

/// The directory of the test keys.
pub(in crate::auth) const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/auth/testdata");

pub(in crate::auth) fn testdata(file: &str) -> String {
    std::fs::read_to_string(format!("{TESTDATA}/{file}")).unwrap()
}

/// The name of the test key that fits the algorithm.
fn key_name(algorithm: Algorithm) -> &'static str {
    match (algorithm.family(), algorithm) {
        (AlgorithmFamily::Rsa, _) => "rsa",
        (_, Algorithm::ES384) => "p384",
        (AlgorithmFamily::Ec, _) => "p256",
        _ => "ed25519",
    }
}

pub(in crate::auth) fn public_pem(algorithm: Algorithm) -> String {
    testdata(&format!("{}.public.pem", key_name(algorithm)))
}

/// Claims that do, until a minute from `NOW_MS`.
pub(in crate::auth) fn claims() -> Value {
    json!({ "sub": "ada", "iat": NOW_S, "exp": NOW_S + 60 })
}

/// A token signed with the test key that fits the algorithm.
pub(in crate::auth) fn sign(algorithm: Algorithm, key_id: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: key_id.map(str::to_owned), ..Header::new(algorithm) };
    sign_with_header(&header, claims)
}

pub(in crate::auth) fn sign_with_header(header: &Header, claims: &Value) -> String {
    let pem = || testdata(&format!("{}.private.pem", key_name(header.alg))).into_bytes();
    let key = match header.alg.family() {
        AlgorithmFamily::Hmac => EncodingKey::from_secret(SECRET.as_bytes()),
        AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(&pem()).unwrap(),
        AlgorithmFamily::Ec => EncodingKey::from_ec_pem(&pem()).unwrap(),
        AlgorithmFamily::Ed => EncodingKey::from_ed_pem(&pem()).unwrap(),
    };
    encode(header, claims, &key).unwrap()
}

/// The public half of the test key that fits the algorithm, without an `alg`.
pub(in crate::auth) fn jwk(algorithm: Algorithm, key_id: Option<&str>) -> Value {
    let pem = public_pem(algorithm).into_bytes();
    let key = match algorithm.family() {
        AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(&pem).unwrap(),
        AlgorithmFamily::Ec => DecodingKey::from_ec_pem(&pem).unwrap(),
        _ => DecodingKey::from_ed_pem(&pem).unwrap(),
    };
    let mut jwk = Jwk::from_decoding_key(&key, None).unwrap();
    jwk.common.key_id = key_id.map(str::to_owned);
    serde_json::to_value(jwk).unwrap()
}

pub(in crate::auth) fn jwks(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}
