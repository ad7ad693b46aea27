//! ID tokens that are not to be trusted, each for its own reason.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use openidconnect::core::CoreJsonWebKeySet;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

use super::*;
use crate::openid_connect::test_key::{TestKey, unsigned};

const NOW: i64 = 1_800_000_000;

fn client() -> OpenIdClient {
    let client = OpenIdClient::new("https://id.example", "shop", "https://shop.example");
    client.expect("a client").with_secret("the client's secret")
}

fn key() -> TestKey {
    TestKey::new(1, "k1")
}

fn header() -> Value {
    json!({ "typ": "JWT", "alg": "EdDSA", "kid": "k1" })
}

/// Half of the digest that goes with the algorithm, which for Ed25519 is SHA-512.
fn at_hash(access_token: &str) -> Value {
    let digest = Sha512::digest(access_token);
    URL_SAFE_NO_PAD.encode(&digest[..32]).into()
}

fn claims() -> Value {
    json!({
        "iss": "https://id.example",
        "aud": "shop",
        "sub": "alice",
        "sid": "sid 1",
        "nonce": "the nonce",
        "at_hash": at_hash("the access token"),
        "iat": NOW - 1,
        "exp": NOW + 300,
        "roles": ["buyer", "seller"],
    })
}

fn with(name: &str, value: impl Into<Option<Value>>) -> Value {
    let mut claims = claims();
    let all = claims.as_object_mut().expect("an object");
    match value.into() {
        Some(value) => all.insert(name.to_owned(), value),
        None => all.remove(name),
    };
    claims
}

/// Why it is refused, with all that is behind it.
fn check(token: &str, nonce: Option<&str>) -> Result<Identity, String> {
    let client = client();
    let provider = Provider::with_keys_alone(&client, CoreJsonWebKeySet::new(vec![key().public()]));
    let nonce = nonce.map(|nonce| Nonce::new(nonce.to_owned()));
    let expected = Expected {
        provider: &provider,
        client: &client,
        access_token: &AccessToken::new("the access token".to_owned()),
        nonce: nonce.as_ref(),
        now: DateTime::from_timestamp(NOW, 0).expect("a time"),
    };
    let token: CoreIdToken = token.parse().map_err(|error| format!("{error}"))?;
    expected.check(&token).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    })
}

#[test]
fn what_the_provider_signed_is_taken_with_all_its_claims() {
    let more = [
        claims(),
        with("aud", json!(["shop"])),
        with("azp", json!("shop")),
        with("at_hash", None),
        with("exp", json!(NOW - 59)),
        with("iat", json!(NOW + 60)),
    ];
    for claims in more {
        let token = key().token(&header(), &claims);
        let identity = check(&token, Some("the nonce")).expect("an ID token");
        assert_eq!(identity.subject_id.as_str(), "alice");
        assert_eq!(json!(identity.claims), claims);
    }
    // That of a renewal has none, or the first one's.
    let without = key().token(&header(), &with("nonce", None));
    assert!(check(&without, None).is_ok());
    assert!(check(&key().token(&header(), &claims()), None).is_ok());
}

#[test]
fn what_is_not_to_be_trusted_is_refused() {
    let signed = |claims: Value| key().token(&header(), &claims);
    let headed = |header: Value| key().token(&header, &claims());
    let text = claims().to_string();
    let hs256 = {
        let signed = unsigned(r#"{"alg":"HS256"}"#, &text);
        let mut mac = Hmac::<Sha256>::new_from_slice(b"the client's secret").expect("a key");
        mac.update(signed.as_bytes());
        format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        )
    };
    let good = signed(claims());
    let signature = good.rsplit('.').next().expect("a signature");
    let of_bob = unsigned(
        &header().to_string(),
        &with("sub", json!("bob")).to_string(),
    );
    for (what, token, reason) in [
        (
            "no signature",
            format!("{}.", unsigned(r#"{"alg":"none"}"#, &text)),
            "Signature verification failed",
        ),
        (
            "the client's own secret",
            hs256,
            "Signature verification failed",
        ),
        (
            "another's claims",
            format!("{of_bob}.{signature}"),
            "Signature verification failed",
        ),
        (
            "another key",
            TestKey::new(2, "k1").token(&header(), &claims()),
            "Signature verification failed",
        ),
        (
            "an unknown key",
            headed(json!({ "alg": "EdDSA", "kid": "k2" })),
            "no key of the provider's fits",
        ),
        (
            "a logout token",
            headed(json!({ "typ": "logout+jwt", "alg": "EdDSA", "kid": "k1" })),
            "JWT type",
        ),
        (
            "an access token",
            headed(json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": "k1" })),
            "JWT type",
        ),
        (
            "another issuer",
            signed(with("iss", json!("https://evil.example"))),
            "Invalid issuer",
        ),
        (
            "another client",
            signed(with("aud", json!("bank"))),
            "Invalid audiences",
        ),
        (
            "one that is not trusted",
            signed(with("aud", json!(["shop", "bank"]))),
            "Invalid audiences",
        ),
        (
            "another party",
            signed(with("azp", json!("bank"))),
            "azp is another client",
        ),
        (
            "another nonce",
            signed(with("nonce", json!("other"))),
            "Invalid nonce",
        ),
        ("no nonce", signed(with("nonce", None)), "Invalid nonce"),
        (
            "another access token",
            signed(with("at_hash", at_hash("another"))),
            "at_hash is another",
        ),
        ("over", signed(with("exp", json!(NOW - 60))), "Expired"),
        (
            "from the future",
            signed(with("iat", json!(NOW + 61))),
            "Expired",
        ),
        (
            "a sub that no session can have",
            signed(with("sub", json!("a".repeat(256)))),
            "256 bytes long",
        ),
        (
            "an empty sub",
            signed(with("sub", json!(""))),
            "the key is empty",
        ),
    ] {
        let refused = check(&token, Some("the nonce")).expect_err(what);
        assert!(refused.contains(reason), "{what}: {refused}");
    }
    for claim in ["iss", "aud", "sub", "exp", "iat"] {
        let refused = check(&signed(with(claim, None)), Some("the nonce"));
        assert!(refused.is_err(), "without {claim}");
    }
}
