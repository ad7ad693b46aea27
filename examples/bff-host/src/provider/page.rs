//! The provider's pages: plain forms, no scripts.

use axum::response::{Html, IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};

use super::state::Session;
use super::user::display_name;

const FRAME: &str = include_str!("../../page/provider.html");
const STYLESHEET: &str = include_str!("../../page/provider.css");
/// Who stands ready to be clicked.
const USERS: [&str; 3] = ["alice", "bob", "admin"];

pub(super) async fn stylesheet() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/css; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, STYLESHEET)
}

/// Asks who the user is, and answers to the same request.
pub(super) fn sign_in(client: &str, query: &str, problem: Option<&str>) -> Html<String> {
    let action = format!("/authorize?{query}");
    let users: String = USERS
        .iter()
        .map(|user| {
            let shown = display_name(user);
            format!(r#"<button name="name" value="{user}">{shown}</button>"#)
        })
        .collect();
    let problem = problem
        .map(|problem| {
            format!(
                r#"<p class="problem" role="alert">{}</p>"#,
                escaped(problem)
            )
        })
        .unwrap_or_default();
    framed(
        "Sign in",
        &format!(
            r#"<h1>Who are you?</h1>
<p><strong>{client}</strong> asks you to sign in. There are no passwords here: you are who you say.</p>
<form method="post" action="{action}" class="users">{users}</form>
<form method="post" action="{action}">
<label for="name">Or somebody else</label>
<div class="field"><input id="name" name="name" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="32" required><button>Sign in</button></div>
{problem}</form>"#,
            client = escaped(client),
            action = escaped(&action),
        ),
    )
}

/// Who is signed in at the provider, and the ways out.
pub(super) fn home(session: Option<&Session>) -> Html<String> {
    let Some(session) = session else {
        return framed(
            "Signed out",
            "<h1>Nobody is signed in</h1>\n<p>You have signed out of the provider, or never signed in with this browser.</p>",
        );
    };
    let name = escaped(&display_name(&session.sub));
    framed(
        "Your account",
        &format!(
            r#"<h1>You are {name}</h1>
<p>Signed in at the provider since {since} UTC. Signing out here ends your sessions at the host too: the provider tells it over the back channel.</p>
<form method="post" action="/sign-out" class="ways-out">
<button name="what" value="here">Sign out of this browser</button>
<button name="what" value="everywhere" class="grave">Sign out everywhere</button>
</form>"#,
            since = session.began.format("%H:%M:%S"),
        ),
    )
}

/// The browser goes there with a GET.
pub(super) fn redirect(target: &str) -> Response {
    match HeaderValue::try_from(target) {
        Ok(target) => {
            let headers = [
                (LOCATION, target),
                (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

fn framed(title: &str, content: &str) -> Html<String> {
    Html(
        FRAME
            .replace("{title}", title)
            .replace("{content}", content),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_text_on_the_page() {
        let Html(page) = sign_in("a<b>", r#"state="><script>alert(1)</script>"#, None);
        assert!(page.contains("a&lt;b&gt;"));
        assert!(!page.contains("<script"));
        assert!(!page.contains(r#"state=">"#));
    }
}
