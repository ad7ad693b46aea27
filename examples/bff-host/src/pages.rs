//! The page: one HTML, one stylesheet, one script, in the binary.

use axum::Router;
use axum::routing::get;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

const HTML: &str = include_str!("../page/index.html");
const STYLESHEET: &str = include_str!("../page/app.css");
const SCRIPT: &str = include_str!("../page/app.js");
const ICON: &str = include_str!("../page/favicon.svg");

/// The user's page and the administrator's: the same document, which asks the host what to show.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", page("text/html; charset=utf-8", HTML))
        .route("/admin", page("text/html; charset=utf-8", HTML))
        .route("/app.css", page("text/css; charset=utf-8", STYLESHEET))
        .route("/app.js", page("text/javascript; charset=utf-8", SCRIPT))
        .route("/favicon.svg", page("image/svg+xml", ICON))
}

fn page<S: Clone + Send + Sync + 'static>(
    kind: &'static str,
    content: &'static str,
) -> axum::routing::MethodRouter<S> {
    // Nothing in them is anybody's: a browser may keep them, and asks whether they still are.
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    get(move || std::future::ready((headers, content)))
}
