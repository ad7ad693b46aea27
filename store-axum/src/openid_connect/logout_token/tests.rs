//! A table of forgeries, each refused for its own reason.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use openidconnect::JsonWebKey as _;
use openidconnect::core::CoreJsonWebKey;
use serde_json::json;
use sha2::Sha256;

use super::*;
use crate::openid_connect::test_key::{TestKey, unsigned};

const ISSUER: &str = "https://id.example";
const CLIENT: &str = "shop";
const NOW: i64 = 1_800_000_000;

fn provider() -> TestKey {
    TestKey::new(1, "k1")
}

fn keys() -> CoreJsonWebKeySet {
    CoreJsonWebKeySet::new(vec![provider().public(), TestKey::new(2, "k2").public()])
}

fn rules() -> LogoutTokenRules {
    LogoutTokenRules {
        typ: LogoutTokenType::Required,
        issuer: ISSUER.to_owned(),
        client_id: CLIENT.to_owned(),
        algorithms: SigningAlgorithm::ALL.into(),
        max_age: Duration::from_secs(600),
        clock_skew: Duration::from_secs(60),
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).expect("a time")
}

fn verify(token: &str) -> Result<LogoutToken, LogoutTokenError> {
    LogoutToken::verify(token, &keys(), &rules(), now())
}

fn header() -> Value {
    json!({ "typ": "logout+jwt", "alg": "EdDSA", "kid": "k1" })
}

fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": CLIENT,
        "iat": NOW - 1,
        "exp": NOW + 120,
        "jti": "token 1",
        "sub": "alice",
        "sid": "sid 1",
        "events": { EVENT: {} },
    })
}

/// The claims with one changed, or without it.
fn with(name: &str, value: impl Into<Option<Value>>) -> Value {
    let mut claims = claims();
    let all = claims.as_object_mut().expect("an object");
    match value.into() {
        Some(value) => all.insert(name.to_owned(), value),
        None => all.remove(name),
    };
    claims
}

fn with_header(name: &str, value: impl Into<Option<Value>>) -> Value {
    let mut header = header();
    let all = header.as_object_mut().expect("an object");
    match value.into() {
        Some(value) => all.insert(name.to_owned(), value),
        None => all.remove(name),
    };
    header
}

fn hs256(claims: &Value, secret: &[u8]) -> String {
    let header = with_header("alg", json!("HS256"));
    let signed = unsigned(&header.to_string(), &claims.to_string());
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key");
    mac.update(signed.as_bytes());
    format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    )
}

#[test]
fn what_the_provider_made_is_taken() {
    let subject = || Some(SubjectId::try_from("alice").expect("a subject"));
    let session = || Some(session_id_of("sid 1").expect("a session"));
    let filter = |sub, sid| UserSessionsFilter::try_new(sub, sid).expect("a filter");
    for (claims, names) in [
        (claims(), filter(subject(), session())),
        (with("sid", None), filter(subject(), None)),
        (with("sub", None), filter(None, session())),
        (with("aud", json!([CLIENT])), filter(subject(), session())),
        (
            with("more", json!({ "of": ["it"] })),
            filter(subject(), session()),
        ),
        (
            with("exp", json!(NOW as f64 + 0.5)),
            filter(subject(), session()),
        ),
    ] {
        let token = verify(&provider().token(&header(), &claims)).expect("a logout token");
        assert_eq!(token.filter, names, "{claims}");
        assert_eq!(token.id, "token 1");
    }
    for typ in ["logout+jwt", "Logout+JWT", "application/logout+jwt"] {
        let header = with_header("typ", json!(typ));
        assert!(
            verify(&provider().token(&header, &claims())).is_ok(),
            "{typ}"
        );
    }
    let from_the_other_key = with_header("kid", json!("k2"));
    assert!(verify(&TestKey::new(2, "k2").token(&from_the_other_key, &claims())).is_ok());
}

#[test]
fn forgeries_are_refused_each_for_its_reason() {
    use LogoutTokenError as No;

    let provider = provider();
    let signed = |claims: &Value| provider.token(&header(), claims);
    let with_header =
        |name: &str, value: Option<Value>| provider.token(&with_header(name, value), &claims());
    let good = signed(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let public = serde_json::to_string(&provider.public()).expect("JSON");
    let public_bytes = serde_json::to_value(provider.public()).expect("JSON");
    let public_bytes = URL_SAFE_NO_PAD
        .decode(public_bytes["x"].as_str().expect("a point"))
        .expect("base64url");
    let id_token = json!({
        "iss": ISSUER, "aud": CLIENT, "sub": "alice", "sid": "sid 1", "nonce": "n",
        "iat": NOW - 1, "exp": NOW + 120,
    });
    let none = unsigned(
        &json!({ "typ": "logout+jwt", "alg": "none" }).to_string(),
        &claims().to_string(),
    );
    let more = claims().to_string();
    let twice = format!(r#"{},"sub":"mallory"}}"#, &more[..more.len() - 1]);

    let table: Vec<(&str, String, LogoutTokenError)> = vec![
        // The signature.
        (
            "alg none, without a signature",
            format!("{none}."),
            No::Algorithm,
        ),
        (
            "alg none, with one",
            format!("{none}.{}", parts[2]),
            No::Algorithm,
        ),
        (
            "alg NONE",
            with_header("alg", Some(json!("NONE"))),
            No::Algorithm,
        ),
        ("alg missing", with_header("alg", None), No::Malformed),
        (
            "HS256 with the public key's JWK",
            hs256(&claims(), public.as_bytes()),
            No::Algorithm,
        ),
        (
            "HS256 with the public key's bytes",
            hs256(&claims(), &public_bytes),
            No::Algorithm,
        ),
        (
            "HS256 with the client's id",
            hs256(&claims(), CLIENT.as_bytes()),
            No::Algorithm,
        ),
        (
            "another algorithm than the key's",
            with_header("alg", Some(json!("RS256"))),
            No::UnknownKey,
        ),
        (
            "another key under the same kid",
            TestKey::new(9, "k1").token(&header(), &claims()),
            No::Signature,
        ),
        (
            "the provider's other key under this kid",
            TestKey::new(2, "k1").token(&header(), &claims()),
            No::Signature,
        ),
        (
            "an unknown kid",
            with_header("kid", Some(json!("k9"))),
            No::UnknownKey,
        ),
        (
            "no kid where there are two keys",
            with_header("kid", None),
            No::UnknownKey,
        ),
        (
            "a key that it brings along",
            {
                let forger = TestKey::new(9, "k9");
                let header = json!({
                    "typ": "logout+jwt", "alg": "EdDSA", "kid": "k9", "jwk": forger.public(),
                });
                forger.token(&header, &claims())
            },
            No::UnknownKey,
        ),
        (
            "an empty signature",
            format!("{}.{}.", parts[0], parts[1]),
            No::Signature,
        ),
        (
            "a signature of another token",
            format!(
                "{}.{}",
                unsigned(
                    &header().to_string(),
                    &with("sub", json!("bob")).to_string()
                ),
                parts[2]
            ),
            No::Signature,
        ),
        (
            "a cut signature",
            good[..good.len() - 2].to_owned(),
            No::Signature,
        ),
        (
            "an extension",
            with_header("crit", Some(json!(["exp"]))),
            No::Unsupported,
        ),
        (
            "a token in a token",
            with_header("cty", Some(json!("JWT"))),
            No::Unsupported,
        ),
        // The form.
        ("nothing", String::new(), No::Malformed),
        ("no token", "logout".to_owned(), No::Malformed),
        (
            "without its signature",
            format!("{}.{}", parts[0], parts[1]),
            No::Malformed,
        ),
        (
            "two signatures",
            format!("{good}.{}", parts[2]),
            No::Malformed,
        ),
        (
            "encrypted",
            format!("{good}.{}.{}", parts[1], parts[2]),
            No::Encrypted,
        ),
        (
            "two signatures, as JSON",
            json!({ "payload": parts[1], "signatures": [] }).to_string(),
            No::Malformed,
        ),
        (
            "another alphabet",
            good.replacen(parts[2], &parts[2].replace(['-', '_'], "+"), 1) + "=",
            No::Malformed,
        ),
        ("a space behind", format!("{good} "), No::Malformed),
        (
            "too long",
            signed(&with("more", json!("x".repeat(MAX_LEN)))),
            No::TooLong,
        ),
        (
            "a header that is no object",
            provider.raw_token("[]", &claims().to_string()),
            No::Malformed,
        ),
        (
            "a header that says it twice",
            provider.raw_token(
                r#"{"alg":"none","alg":"EdDSA","kid":"k1","typ":"logout+jwt"}"#,
                &claims().to_string(),
            ),
            No::Malformed,
        ),
        (
            "claims that are no object",
            provider.raw_token(&header().to_string(), "[]"),
            No::Claims,
        ),
        (
            "claims that are no JSON",
            provider.raw_token(&header().to_string(), "{"),
            No::Claims,
        ),
        (
            "a claim that is there twice",
            provider.raw_token(&header().to_string(), &twice),
            No::Claims,
        ),
        // What it is for.
        ("typ JWT", with_header("typ", Some(json!("JWT"))), No::Type),
        (
            "typ at+jwt",
            with_header("typ", Some(json!("at+jwt"))),
            No::Type,
        ),
        ("no typ", with_header("typ", None), No::Type),
        (
            "an ID token",
            provider.token(
                &json!({ "typ": "JWT", "alg": "EdDSA", "kid": "k1" }),
                &id_token,
            ),
            No::Type,
        ),
        (
            "an ID token that says it is one for logout",
            provider.token(&header(), &id_token),
            No::Event,
        ),
        ("no events", signed(&with("events", None)), No::Event),
        (
            "events that are an array",
            signed(&with("events", json!([EVENT]))),
            No::Event,
        ),
        (
            "events that are text",
            signed(&with("events", json!(EVENT))),
            No::Event,
        ),
        (
            "another event",
            signed(&with(
                "events",
                json!({ "http://schemas.openid.net/event/other": {} }),
            )),
            No::Event,
        ),
        (
            "almost the event",
            signed(&with("events", json!({ format!("{EVENT}/"): {} }))),
            No::Event,
        ),
        (
            "an event that is no object",
            signed(&with("events", json!({ EVENT: true }))),
            No::Event,
        ),
        (
            "an event that is null",
            signed(&with("events", json!({ EVENT: null }))),
            No::Event,
        ),
        ("a nonce", signed(&with("nonce", json!("n"))), No::Nonce),
        (
            "a nonce that is null",
            signed(&with("nonce", json!(null))),
            No::Nonce,
        ),
        // Whose it is.
        (
            "another issuer",
            signed(&with("iss", json!("https://evil.example"))),
            No::Issuer,
        ),
        (
            "the issuer with a slash",
            signed(&with("iss", json!("https://id.example/"))),
            No::Issuer,
        ),
        ("issuers", signed(&with("iss", json!([ISSUER]))), No::Issuer),
        ("no issuer", signed(&with("iss", None)), No::Issuer),
        (
            "another audience",
            signed(&with("aud", json!("bank"))),
            No::Audience,
        ),
        (
            "audiences without this client",
            signed(&with("aud", json!(["bank", "club"]))),
            No::Audience,
        ),
        (
            "this client and one that it does not trust",
            signed(&with("aud", json!([CLIENT, "bank"]))),
            No::Audience,
        ),
        (
            "no audiences",
            signed(&with("aud", json!([]))),
            No::Audience,
        ),
        ("no audience", signed(&with("aud", None)), No::Audience),
        // When.
        ("no exp", signed(&with("exp", None)), No::Expired),
        ("over", signed(&with("exp", json!(NOW - 60))), No::Expired),
        (
            "exp as text",
            signed(&with("exp", json!((NOW + 120).to_string()))),
            No::Expired,
        ),
        (
            "exp out of the calendar",
            signed(&with("exp", json!(1e300))),
            No::Expired,
        ),
        ("no iat", signed(&with("iat", None)), No::IssuedAt),
        (
            "from the future",
            signed(&with("iat", json!(NOW + 61))),
            No::IssuedAt,
        ),
        ("old", signed(&with("iat", json!(NOW - 660))), No::IssuedAt),
        (
            "iat as text",
            signed(&with("iat", json!("now"))),
            No::IssuedAt,
        ),
        (
            "not yet",
            signed(&with("nbf", json!(NOW + 61))),
            No::NotBefore,
        ),
        // Whom it names.
        (
            "nobody",
            {
                let mut claims = with("sub", None);
                claims.as_object_mut().expect("an object").remove("sid");
                signed(&claims)
            },
            No::Nobody,
        ),
        ("an empty sub", signed(&with("sub", json!(""))), No::Name),
        ("an empty sid", signed(&with("sid", json!(""))), No::Name),
        (
            "a number for a sub",
            signed(&with("sub", json!(1))),
            No::Name,
        ),
        (
            "null for a sub",
            signed(&with("sub", json!(null))),
            No::Name,
        ),
        (
            "a sid that is an object",
            signed(&with("sid", json!({}))),
            No::Name,
        ),
        (
            "a sub that no session can have",
            signed(&with("sub", json!("a".repeat(256)))),
            No::Name,
        ),
        (
            "a sub with a NUL",
            signed(&with("sub", json!("a\0"))),
            No::Name,
        ),
        // Which.
        ("no jti", signed(&with("jti", None)), No::Id),
        ("an empty jti", signed(&with("jti", json!(""))), No::Id),
        ("a number for a jti", signed(&with("jti", json!(1))), No::Id),
    ];
    assert!(verify(&good).is_ok(), "what they are forged from is good");
    for (what, token, reason) in table {
        assert_eq!(verify(&token).err(), Some(reason), "{what}");
    }
}

#[test]
fn a_key_for_encryption_signs_nothing() {
    let mut key = serde_json::to_value(provider().public()).expect("JSON");
    key["use"] = json!("enc");
    let key: CoreJsonWebKey = serde_json::from_value(key).expect("a key");
    assert!(key.key_use().is_some());
    let keys = CoreJsonWebKeySet::new(vec![key]);
    let token = provider().token(&header(), &claims());
    let refused = LogoutToken::verify(&token, &keys, &rules(), now());
    assert_eq!(refused.err(), Some(LogoutTokenError::UnknownKey));
}

#[test]
fn an_algorithm_has_to_be_allowed() {
    let rules = LogoutTokenRules {
        algorithms: vec![SigningAlgorithm::Rs256],
        ..rules()
    };
    let token = provider().token(&header(), &claims());
    let refused = LogoutToken::verify(&token, &keys(), &rules, now());
    assert_eq!(refused.err(), Some(LogoutTokenError::Algorithm));
}

#[test]
fn leniency_is_for_the_type_alone() {
    let lenient = LogoutTokenRules {
        typ: LogoutTokenType::Lenient,
        ..rules()
    };
    let verify = |token: &str| LogoutToken::verify(token, &keys(), &lenient, now()).err();
    for (typ, reason) in [
        (None, None),
        (Some(json!("JWT")), None),
        (Some(json!("logout+jwt")), None),
        (Some(json!("at+jwt")), Some(LogoutTokenError::Type)),
        (Some(json!("")), Some(LogoutTokenError::Type)),
    ] {
        let token = provider().token(&with_header("typ", typ.clone()), &claims());
        assert_eq!(verify(&token), reason, "{typ:?}");
    }
    let no_type = with_header("typ", None);
    let id_token = provider().token(&no_type, &with("events", None));
    assert_eq!(verify(&id_token), Some(LogoutTokenError::Event));
    let with_nonce = provider().token(&no_type, &with("nonce", json!("n")));
    assert_eq!(verify(&with_nonce), Some(LogoutTokenError::Nonce));
}

#[test]
fn clocks_may_differ_and_no_more() {
    for (name, value) in [
        ("exp", json!(NOW - 59)),
        ("iat", json!(NOW + 60)),
        ("iat", json!(NOW - 659)),
        ("nbf", json!(NOW + 60)),
    ] {
        let token = provider().token(&header(), &with(name, value.clone()));
        assert!(verify(&token).is_ok(), "{name} {value}");
    }
}

#[test]
fn it_is_refused_for_its_age_at_the_latest_when_its_name_is_forgotten() {
    for (claims, from) in [
        (claims(), NOW + 120 + 60),
        (with("exp", json!(NOW + 1_000_000)), NOW - 1 + 600 + 60),
    ] {
        let token = provider().token(&header(), &claims);
        let verified = verify(&token).expect("a logout token");
        assert_eq!(verified.refused_from.timestamp(), from);
        let later = LogoutToken::verify(&token, &keys(), &rules(), verified.refused_from);
        assert!(later.is_err());
    }
}

#[test]
fn a_long_sid_is_digested_as_at_login() {
    let sid = "s".repeat(300);
    let token = provider().token(&header(), &with("sid", json!(sid)));
    let filter = verify(&token).expect("a logout token").filter;
    assert_eq!(filter.session_id(), session_id_of(&sid).ok().as_ref());
    assert_eq!(
        filter.session_id().map(|sid| sid.as_str().len()),
        Some(7 + 43)
    );
}
