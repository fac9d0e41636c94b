use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::testing::*;
use super::*;
use crate::auth::token::key::KeyError;

const ALL: [Algorithm; 12] = [
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

fn secret() -> Key {
    Key::secret(SECRET, &[]).unwrap()
}

/// The key that checks what `sign` makes.
fn key(algorithm: Algorithm) -> Key {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => secret(),
        _ => Key::pem(&public_pem(algorithm), &[]).unwrap(),
    }
}

fn opens(token: &str, key: &Key) -> bool {
    Unverified::read(token).unwrap().open(key).unwrap().is_some()
}

fn malformed(token: &str) -> String {
    match Unverified::read(token).and_then(|token| token.open(&secret()).map(|claims| claims.is_some())) {
        Err(AuthError::Malformed(detail)) => detail,
        other => panic!("{other:?} came of {token}"),
    }
}

/// A token whose signature does, but is nothing else that it should be.
fn signed(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn a_token_is_opened_by_the_key_that_signed_it_and_by_no_other() {
    let tokens = ALL.map(|algorithm| (algorithm, sign(algorithm, None, &claims())));
    for (algorithm, token) in &tokens {
        assert!(opens(token, &key(*algorithm)), "{algorithm:?}");
        let header = Header::new(*algorithm);
        for other in
            ALL.map(|other| (other, key(other))).iter().filter(|(other, _)| other.family() != header.alg.family())
        {
            assert!(!opens(token, &other.1), "{algorithm:?} by a key for {:?}", other.0);
        }
    }
    let foreign = encode(&Header::default(), &claims(), &EncodingKey::from_secret(b"another secret")).unwrap();
    assert!(!opens(&foreign, &secret()));
    assert!(!opens(&tokens[9].1, &key(Algorithm::ES384)));
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA] {
        let pem = public_pem(algorithm);
        let der = pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
        let der = base64::engine::general_purpose::STANDARD.decode(der).unwrap();
        for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), &der] {
            for hmac in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                let forged = encode(&Header::new(hmac), &claims(), &EncodingKey::from_secret(secret)).unwrap();
                assert!(!opens(&forged, &key(algorithm)), "{hmac:?} with the public key of {algorithm:?}");
            }
        }
    }
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let payload = URL_SAFE_NO_PAD.encode(claims().to_string());
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "typ": "JWT", "alg": algorithm }).to_string());
        malformed(&format!("{header}.{payload}."));
    }
    for algorithm in ALL {
        let token = sign(algorithm, None, &claims());
        let (message, _) = token.rsplit_once('.').unwrap();
        assert!(!opens(&format!("{message}."), &key(algorithm)), "{algorithm:?}");
    }
}

#[test]
fn a_token_that_was_changed_anywhere_is_refused() {
    for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let token = sign(algorithm, None, &claims());
        let parts: Vec<&str> = token.split('.').collect();
        let promoted = URL_SAFE_NO_PAD.encode(json!({ "sub": "root", "exp": NOW_S + 60 }).to_string());
        assert!(!opens(&format!("{}.{promoted}.{}", parts[0], parts[2]), &key(algorithm)));
        let renamed = URL_SAFE_NO_PAD.encode(json!({ "alg": algorithm, "kid": "k2" }).to_string());
        assert!(!opens(&format!("{renamed}.{}.{}", parts[1], parts[2]), &key(algorithm)));
        let middle = parts[2].len() / 2;
        let other = if &parts[2][middle..=middle] == "A" { "B" } else { "A" };
        let signature = format!("{}{other}{}", &parts[2][..middle], &parts[2][middle + 1..]);
        assert!(!opens(&format!("{}.{}.{signature}", parts[0], parts[1]), &key(algorithm)));
    }
}

#[test]
fn a_token_is_as_long_as_16_kib_and_no_longer() {
    let fill = |fill: usize| sign(Algorithm::HS256, None, &json!({ "sub": "ada", "exp": 0, "fill": "x".repeat(fill) }));
    let most = (0..12_300).rev().map(fill).find(|token| token.len() <= 16_384).unwrap();
    assert!(most.len() > 16_380);
    assert!(opens(&most, &secret()));
    assert!(malformed(&fill(12_300)).contains("at most 16384"));
    malformed(&"a".repeat(10_000_000));
}

#[test]
fn garbage_is_malformed() {
    let token = sign(Algorithm::HS256, None, &claims());
    let header = token.split('.').next().unwrap();
    for garbage in ["", ".", "..", "...", "a.b.c", "a.b", "👍.👍.👍", "Bearer x", " ", "\0.\0.\0", &token[1..], header]
    {
        malformed(garbage);
    }
    malformed(&format!("{header}.{token}"));
    for header in ["", "{}", "[]", "null", r#"{"alg":1}"#, r#"{"alg":"HS256""#, r#"{"alg":"RS257"}"#, "\u{fffd}"] {
        malformed(&signed(header, &claims().to_string()));
    }
    for claims in ["", "[]", "null", "1", r#""ada""#, "{", r#"{"sub":"ada","exp":1,"exp":2}"#] {
        malformed(&signed(r#"{"alg":"HS256"}"#, claims));
    }
}

#[test]
fn a_header_that_must_be_understood_is_refused() {
    let header = Header { crit: Some(vec!["b64".to_owned()]), ..Header::default() };
    assert!(malformed(&sign_with_header(&header, &claims())).contains("crit"));
}

#[test]
fn a_key_that_the_token_brings_along_does_not_count() {
    let key = EncodingKey::from_ed_pem(testdata("ed25519.private.pem").as_bytes()).unwrap();
    let header = Header {
        jwk: Some(serde_json::from_value(jwk(Algorithm::EdDSA, None)).unwrap()),
        jku: Some("http://127.0.0.1/jwks.json".to_owned()),
        ..Header::new(Algorithm::EdDSA)
    };
    let token = encode(&header, &claims(), &key).unwrap();
    for known in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256] {
        assert!(!opens(&token, &self::key(known)));
    }
}

#[test]
fn a_key_id_picks_the_key_and_either_may_lack_one() {
    let named = Key::member(jwk(Algorithm::ES256, Some("k1")), &[]).unwrap();
    let nameless = key(Algorithm::ES256);
    let token = |key_id| sign(Algorithm::ES256, key_id, &claims());
    assert!(opens(&token(Some("k1")), &named));
    assert!(!opens(&token(Some("k2")), &named));
    assert!(opens(&token(None), &named));
    assert!(opens(&token(Some("k2")), &nameless));
}

#[test]
fn an_algorithm_that_is_not_allowed_or_not_the_keys_is_refused() {
    let token = |algorithm| sign(algorithm, None, &claims());
    let only = Key::pem(&public_pem(Algorithm::RS256), &[Algorithm::RS256, Algorithm::HS256]).unwrap();
    assert!(opens(&token(Algorithm::RS256), &only));
    assert!(!opens(&token(Algorithm::RS512), &only));
    assert!(!opens(&token(Algorithm::PS256), &only));
    let mut named = jwk(Algorithm::PS256, None);
    named["alg"] = json!("PS256");
    let named = Key::member(named, &[]).unwrap();
    assert!(opens(&token(Algorithm::PS256), &named));
    assert!(!opens(&token(Algorithm::RS256), &named));
    assert_eq!(Key::secret(SECRET, &[Algorithm::RS256]).unwrap_err(), KeyError::Algorithm);
}

#[test]
fn what_is_no_public_key_is_told_apart() {
    let fault = |pem: &str| Key::pem(pem, &[]).unwrap_err();
    assert!(Key::pem(&testdata("rsa.pkcs1.pem"), &[]).is_ok());
    for private in ["rsa", "p256", "p384", "ed25519"] {
        assert_eq!(fault(&testdata(&format!("{private}.private.pem"))), KeyError::Private);
    }
    assert_eq!(fault("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"), KeyError::Private);
    assert_eq!(fault(&testdata("certificate.pem")), KeyError::Certificate);
    assert_eq!(fault(&testdata("rsa.public.pem").repeat(2)), KeyError::Several);
    assert_eq!(fault(&testdata("rsa1024.public.pem")), KeyError::RsaSize { bits: 1_024 });
    assert_eq!(fault(&testdata("p521.public.pem")), KeyError::Unknown);
    for garbage in
        ["", "secret", "-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----"]
    {
        assert_eq!(fault(garbage), KeyError::Unknown);
    }
}

#[test]
fn what_is_no_key_of_a_jwks_for_tokens_is_told_apart() {
    let fault = |mut jwk: Value, change: Value| {
        jwk.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        Key::member(jwk, &[]).map(|_| ()).unwrap_err()
    };
    let [rsa, p256, ed] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA].map(|algorithm| jwk(algorithm, None));
    assert_eq!(fault(rsa.clone(), json!({ "use": "enc" })), KeyError::Purpose);
    assert_eq!(fault(rsa.clone(), json!({ "key_ops": ["encrypt"] })), KeyError::Purpose);
    assert_eq!(fault(rsa.clone(), json!({ "alg": "RSA-OAEP" })), KeyError::Algorithm);
    assert_eq!(fault(rsa.clone(), json!({ "alg": "HS256" })), KeyError::Algorithm);
    assert_eq!(fault(rsa, json!({ "n": "AQAB" })), KeyError::RsaSize { bits: 17 });
    assert_eq!(fault(p256.clone(), json!({ "x": ed["x"] })), KeyError::Unknown, "a point beside the curve");
    assert_eq!(fault(p256.clone(), json!({ "y": "AQAB" })), KeyError::Unknown);
    assert_eq!(fault(p256, json!({ "crv": "secp256k1" })), KeyError::Unknown);
    // Shorter ones make the library panic when it checks a signature.
    assert_eq!(fault(ed.clone(), json!({ "x": "AQAB" })), KeyError::Unknown);
    assert_eq!(fault(ed, json!({ "x": "" })), KeyError::Unknown);
    assert_eq!(fault(json!({ "kty": "oct", "k": "c2VjcmV0" }), json!({})), KeyError::Secret);
    assert_eq!(fault(json!({ "kty": "?" }), json!({})), KeyError::Unknown);
}
