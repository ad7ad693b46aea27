//! OpenID Connect: the endpoints of a BFF, and what an API proxy needs.
//!
//! A front end signs its users in at an OpenID provider by the authorization code flow, and keeps
//! what comes of it in their sessions: access and refresh tokens never reach the browser. The ID
//! token does, at sign-out, as `id_token_hint` in the address of the provider. [`BffEndpoints`] is
//! all of it as one router, below [`ServerSideSessions`](crate::ServerSideSessions):
//!
//! | endpoint | what it does | |
//! |---|---|---|
//! | `GET /bff/login` | sends the browser to the provider, and afterwards to `returnUrl` | a navigation |
//! | `GET /bff/silent-login` | the same with `prompt=none`, in a frame, which tells the page around it | a frame |
//! | `GET /bff/callback` | where the provider sends the browser back | a redirect |
//! | `GET /bff/user` | who is signed in, as an array of claims | `X-CSRF` |
//! | `GET /bff/logout` | ends the session, its refresh token and the session at the provider | a navigation with `sid` |
//! | `GET /bff/logout/callback` | where the provider sends the browser back | a redirect |
//! | `POST /bff/backchannel` | the provider says that a user has signed out | a logout token |
//! | `GET /bff/sessions` | the user's sessions, and when each was renewed last | `X-CSRF` |
//! | `DELETE /bff/sessions/{id}` | ends one of them | `X-CSRF` |
//! | `DELETE /bff/sessions` | ends all of them but this one | `X-CSRF` |
//!
//! `renewed` of `/bff/sessions` is not when the session was last used: a session that is used is
//! renewed once half of its idle time has gone by, so its last use may be as much later than that.
//!
//! [`AccessTokens`] hands out access tokens for calls of the user's APIs and renews them in time;
//! [`OpenIdClients::refresh_token_revoker`] revokes refresh tokens when sessions end.
//!
//! # Front ends
//! One [`OpenIdClient`] for each partition: its provider, its client there, and its own address.
//! Which partition a request belongs to is said by [`FrontEnds`](crate::FrontEnds); addresses come
//! from the client and never from a request, whose `Host` anybody may choose. Where front ends are
//! told apart by path, the host nests the router below each.
//!
//! A session says which provider and which client it comes from. Where a front end gets another,
//! the sessions of the one before count as none here, and [`AccessTokens`] sends none of their tokens
//! anywhere. A host that changes its provider gives it a partition of its own, too: what else reads
//! sessions does not ask where they come from.
//!
//! # Login
//! - Code flow with PKCE by S256 (RFC 6749 section 4.1, RFC 7636), `state` and `nonce`.
//! - **The attempt is the browser's**: a cookie of its own for each (`__Host-bff-attempt-…`,
//!   `HttpOnly`, `SameSite=Lax`, 10 minutes), so tabs do not get in each other's way, no store is
//!   written before somebody has signed in, and any node can finish what another began. It holds a
//!   random secret, the return URL and the end of it. `state`, `nonce` and the PKCE verifier are
//!   derived from all that together with partition, issuer, client and redirect URI, by
//!   HMAC-SHA256 under that secret; so what comes back fits this browser, this attempt and this
//!   front end, or it is refused. The cookie goes when it is used.
//! - **`returnUrl`** is read as browsers read it, and has to be a path of the front end's own
//!   origin; 400 otherwise.
//! - **The answer**: whose it is (RFC 9207, as soon as the provider says `iss` or says that it
//!   will); the ID token's issuer, audience, authorized party, signature by an asymmetric algorithm,
//!   `exp`, `iat`, `nonce` and `at_hash` (OpenID Connect Core 1.0 section 3.1.3.7). What the provider
//!   says of an error is not repeated.
//! - **The session** has a new secret at every login. What the browser had before ends, with its
//!   refresh token. A `sub` that is longer than 255 bytes is refused, a `sid` is digested
//!   ([`session_id_of`]), here and in logout tokens alike. [`SignIn`] makes the host's data.
//!
//! # Logout
//! `/bff/logout` wants the `sid` that `/bff/user` puts into `bff:logout_url`, or another site's link
//! could sign users out; where the provider names no session, another name of this one takes its
//! place. Then the browser goes to the provider (OpenID Connect RP-Initiated Logout 1.0), if that has
//! an `end_session_endpoint`, and comes back to `returnUrl`.
//!
//! `/bff/backchannel` checks a logout token as OpenID Connect Back-Channel Logout 1.0 section 2.6
//! asks: `typ`, signature, `iss`, `aud`, `exp`, `iat`, `events`, no `nonce`, `sub` or `sid`, and a
//! `jti` that this process has not acted on. Of any number that come with the same one at once, one
//! acts, and the others are answered 503 meanwhile. It answers 200 when the sessions have ended, 400
//! with an error code where the token is none, and 503 or 500 where the sessions may live on: the
//! provider may send the same token again then.
//! Which sessions a token ends, and whether one that names a session ends all of its user's, is said
//! by [`RevocationOptions`](store_tickets::RevocationOptions). A login that a logout of the same user
//! overtakes on the same node ends with it. What a process has seen ends with it,
//! and other nodes have seen other tokens: a token that comes again there within its few minutes ends
//! the sessions of whom it names again.
//!
//! # Provider
//! Discovery (OpenID Connect Discovery 1.0) at the first request that needs it, and again after 12
//! hours. When a token names a key that is not known, the provider's keys are fetched again, at most
//! once a minute. Requests follow no redirects and have time-outs; endpoints are `https`, except on
//! this machine where [that is asked for](OpenIdClient::insecure_for_localhost). While the provider
//! is not to be had, what is known of it goes on being used, users who are signed in stay so, and
//! logins are answered 503 with `Retry-After`.

mod access_tokens;
mod algorithm;
mod attempt;
mod attempt_cookies;
mod client;
mod clients;
mod endpoints;
mod flights;
mod http_client;
mod id_token;
mod jws;
mod keys;
mod logout_token;
mod options;
mod origin;
mod prompt;
mod provider;
mod query;
mod refusal;
mod registration;
mod replay;
mod return_url;
mod sign_in;
mod signed_in;
#[cfg(test)]
mod test_key;
mod unkept;

pub use openidconnect::reqwest;

pub use self::{
    access_tokens::{AccessTokenError, AccessTokens},
    algorithm::SigningAlgorithm,
    client::{InvalidOpenIdClient, OpenIdClient},
    clients::{NoHttpClient, OpenIdClients, OpenIdClientsBuilder},
    endpoints::BffEndpoints,
    keys::session_id_of,
    logout_token::LogoutTokenType,
    options::{AnonymousUser, BffPaths},
    prompt::Prompt,
    sign_in::{SignIn, SignInRefused, SignedInUser},
};
