//! Signing in silently, in a frame.

use store_tests::{TestDatabase, on_databases};

use crate::app::{App, Setup};
use crate::browser::Page;

/// Duende's BFF had an endpoint of its own first, and then a prompt.
const BOTH: [&str; 2] = ["/bff/silent-login", "/bff/login?prompt=none"];

fn says(page: &Page, is_logged_in: bool, origin: &str) {
    assert_eq!(page.url.path(), "/bff/callback");
    assert_eq!(page.answer.status, 200);
    let message = format!(
        "window.parent.postMessage({{source:'bff-silent-login',isLoggedIn:{is_logged_in}}},'{origin}');"
    );
    assert!(page.answer.body.contains(&message), "{page:?}");
    let policy = page.answer.header("content-security-policy");
    assert!(policy.contains("script-src 'sha256-"), "{policy}");
    assert!(policy.contains("frame-ancestors 'self'"), "{policy}");
    assert_eq!(page.answer.header("cache-control"), "no-store");
}

/// Whoever is not signed in at the provider is told so, and nobody is asked.
async fn finds_nobody(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    for path in BOTH {
        let browser = app.browser();
        let page = browser.go(path, None).await;
        says(&page, false, &app.base("app"));
        assert!(browser.user().await.is_none());
        assert!(!browser.cookies().contains("attempt"));
    }
}

/// Whoever is signed in at the provider, at another front end for example, is signed in.
async fn finds_who_is_signed_in_elsewhere(db: TestDatabase) {
    let setup = Setup {
        front_ends: &["shop", "bank"],
        ..Setup::default()
    };
    let Some(app) = App::start(db, setup).await else {
        return;
    };
    for path in BOTH {
        let shop = app.browser();
        shop.sign_in("alice").await;
        let bank = shop.at(&app.base("bank"));
        assert!(bank.user().await.is_none());
        says(&bank.go(path, None).await, true, &app.base("bank"));
        assert_eq!(bank.user().await.unwrap().text("sub"), "alice");
    }
}

/// Other sites' pages cannot begin one, as browsers say whose they are.
async fn is_not_for_other_sites(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    for path in BOTH {
        for (site, status) in [
            ("cross-site", 403),
            ("same-site", 302),
            ("same-origin", 302),
        ] {
            let request = app.browser().request(reqwest::Method::GET, path);
            let answer = request.header("sec-fetch-site", site).send().await.unwrap();
            assert_eq!(answer.status(), status, "{site}");
        }
    }
}

on_databases!([sqlite, postgres]:
    finds_nobody,
    finds_who_is_signed_in_elsewhere,
    is_not_for_other_sites
);
