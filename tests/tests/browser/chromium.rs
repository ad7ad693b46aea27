//! What users see and do. A browser's tests are in a module of its name.

use serde_json::{Value, json};
use store_core::UserSessionsFilter;
use store_tickets::AuthenticationTicket;

use crate::driver::with_browsers;
use crate::host::{Bff, free_address};
use crate::tab::Tab;

const SIGNED_OUT: &str = "You were signed out: your session has ended.";

async fn devices(tab: &Tab, count: usize) {
    tab.until(&format!(
        "document.querySelectorAll('#devices li').length === {count}"
    ))
    .await;
}

/// From the first visit to "end all others", with two browsers of one user.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_sees_his_devices_and_ends_them() {
    with_browsers("devices", |browsers| async move {
        let bff = Bff::start(&[]).await;
        let laptop = browsers.new_browser().await;
        laptop.open(&bff.at("/")).await;
        laptop.sees("h1", "Sign in").await;
        assert!(!laptop.is_visible("#ended").await, "nobody was signed out");
        laptop.shoot("signed-out").await;
        laptop.click("#sign-in").await;
        laptop.sees("h1", "Who are you?").await;
        laptop.shoot("provider-sign-in").await;
        laptop.click("button[value=alice]").await;
        laptop.sees("#hello", "Hello, Alice").await;
        laptop.sees("#claims", "alice@example.test").await;
        laptop.sees("#session", "Access token").await;
        devices(&laptop, 1).await;
        laptop.sees("#devices li", "this one").await;
        laptop
            .until("document.querySelector('#end-others').disabled")
            .await;

        laptop.click("#call").await;
        laptop.sees("#api", "Hello Alice, said the API.").await;
        laptop.click("#count").await;
        laptop.sees("#counter", "1").await;

        let phone = browsers.new_browser().await;
        bff.sign_in(&phone, "alice").await;
        devices(&phone, 2).await;
        // The laptop's page finds out by itself.
        devices(&laptop, 2).await;
        laptop.shoot("home").await;
        let shown = laptop.texts("#devices li").await;
        let own = shown.iter().filter(|one| one.contains("this one")).count();
        assert_eq!(own, 1, "{shown:?}");

        laptop.click("#devices li button").await;
        devices(&laptop, 1).await;
        phone.sees("#ended", SIGNED_OUT).await;
        phone.shoot("ended-elsewhere").await;
        assert!(!phone.source().await.contains("alice@example.test"));

        // He comes back: the provider still knows him.
        phone.click("#sign-in").await;
        phone.sees("#hello", "Hello, Alice").await;
        let tablet = browsers.new_browser().await;
        bff.sign_in(&tablet, "alice").await;
        devices(&laptop, 3).await;
        laptop.click("#end-others").await;
        devices(&laptop, 1).await;
        phone.sees("#ended", SIGNED_OUT).await;
        tablet.sees("#ended", SIGNED_OUT).await;

        // His own session is as it was.
        laptop.click("#count").await;
        laptop.sees("#counter", "2").await;
        let mut of_page = laptop.log("browser").await;
        // That nobody was signed in at first.
        of_page.retain(|line| !line.contains("/bff/user - Failed to load resource"));
        assert_eq!(
            of_page,
            Vec::<String>::new(),
            "the page complains of nothing"
        );
        bff.shut_down().await;
    })
    .await;
}

/// Signing out ends the session here and at the provider.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_out() {
    with_browsers("sign-out", |browsers| async move {
        let bff = Bff::start(&[]).await;
        let tab = browsers.new_browser().await;
        bff.sign_in(&tab, "bob").await;
        let other_tab = tab.new_tab().await;
        other_tab.open(&bff.at("/")).await;
        other_tab.sees("#hello", "Hello, Bob").await;

        tab.click("#sign-out").await;
        tab.sees("h1", "Sign in").await;
        assert_eq!(tab.url().await, bff.at("/"));
        assert!(!tab.is_visible("#ended").await, "he has done it himself");
        other_tab.sees("#ended", SIGNED_OUT).await;
        let left: Vec<Value> = tab.cookies().await;
        assert_eq!(left, Vec::<Value>::new());
        let bob = UserSessionsFilter::for_subject("bob".parse().unwrap());
        let sessions = bff.host.tickets().get_user_tickets(&bob).await.unwrap();
        assert_eq!(sessions.len(), 0);

        // The way back leads to nothing.
        tab.eval("history.back()").await;
        tab.sees("h1", "Sign in").await;
        // And the provider asks again who it is.
        tab.open(&bff.at("/")).await;
        tab.click("#sign-in").await;
        bff.say_who(&tab, "carol").await;
        bff.shut_down().await;
    })
    .await;
}

/// Two tabs that count at the same time lose no count.
#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_count_at_once() {
    const CLICKS: usize = 100;

    with_browsers("two-tabs", |browsers| async move {
        let bff = Bff::start(&[]).await;
        let one = browsers.new_browser().await;
        bff.sign_in(&one, "alice").await;
        let other = one.new_tab().await;
        other.open(&bff.at("/")).await;
        other.sees("#hello", "Hello, Alice").await;

        // A click is ignored while the one before is under way. No timers: those of a tab in the
        // background are slow.
        let click = format!(
            "void (async () => {{
                const button = document.getElementById('count');
                const idle = () => new Promise((resolve) => {{
                    const observer = new MutationObserver(() => {{
                        if (button.ariaBusy === 'true') return;
                        observer.disconnect();
                        resolve();
                    }});
                    observer.observe(button, {{ attributes: true }});
                }});
                const began = Date.now();
                for (let i = 0; i < {CLICKS}; i++) {{
                    const done = idle();
                    button.click();
                    await done;
                }}
                document.body.dataset.clicked = JSON.stringify([began, Date.now()]);
            }})()"
        );
        one.eval(&click).await;
        other.eval(&click).await;
        let mut spans = Vec::new();
        for tab in [&one, &other] {
            tab.until("document.body.dataset.clicked").await;
            let span = tab.eval("JSON.parse(document.body.dataset.clicked)").await;
            spans.push([0, 1].map(|end| span[end].as_u64().expect("a time")));
        }
        let [[began, ended], [other_began, other_ended]] = spans[..] else {
            unreachable!("there are two tabs");
        };
        let at_once = began < other_ended && other_began < ended;
        assert!(
            at_once,
            "one tab was done before the other began: {spans:?}"
        );
        for tab in [&one, &other] {
            tab.open(&bff.at("/")).await;
            tab.sees("#counter", &(2 * CLICKS).to_string()).await;
            assert!(!tab.is_visible("#alert").await);
        }
        bff.shut_down().await;
    })
    .await;
}

/// The user signs out at the provider, which tells the host over the back channel: in this browser
/// by `sid`, everywhere by `sub`.
#[tokio::test(flavor = "multi_thread")]
async fn the_provider_signs_users_out() {
    with_browsers("back-channel", |browsers| async move {
        let bff = Bff::start(&[]).await;
        let (laptop, phone, bobs) = (
            browsers.new_browser().await,
            browsers.new_browser().await,
            browsers.new_browser().await,
        );
        bff.sign_in(&laptop, "alice").await;
        bff.sign_in(&phone, "alice").await;
        bff.sign_in(&bobs, "bob").await;

        let link = phone
            .eval("document.querySelector('#account-link').href")
            .await;
        let link = link.as_str().expect("a link").to_owned();
        let account = phone.new_tab().await;
        account.open(&link).await;
        account.sees("h1", "You are Alice").await;
        account.shoot("provider-account").await;
        account.click("button[value=here]").await;
        account.sees("h1", "Nobody is signed in").await;
        phone.sees("#ended", SIGNED_OUT).await;
        laptop.open(&bff.at("/")).await;
        laptop.sees("#hello", "Hello, Alice").await;

        phone.click("#sign-in").await;
        bff.say_who(&phone, "alice").await;
        account.open(bff.host.issuer()).await;
        account.click("button[value=everywhere]").await;
        phone.sees("#ended", SIGNED_OUT).await;
        laptop.sees("#ended", SIGNED_OUT).await;
        bobs.open(&bff.at("/")).await;
        bobs.sees("#hello", "Hello, Bob").await;
        bff.shut_down().await;
    })
    .await;
}

/// An administrator sees everybody's sessions page by page, and ends them; others do not.
#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_pages_through_all_sessions() {
    with_browsers("administrator", |browsers| async move {
        let bff = Bff::start(&[]).await;
        let tickets = bff.host.tickets();
        for number in 0..24 {
            let subject = ["carol", "dave", "erin"][number % 3];
            let ticket = AuthenticationTicket::new(subject.parse().unwrap(), Default::default());
            tickets.store(ticket).await.unwrap();
        }

        let users = browsers.new_browser().await;
        bff.sign_in(&users, "alice").await;
        assert!(!users.is_visible("#nav-admin").await);
        users.open(&bff.at("/admin")).await;
        users.sees("#view-forbidden", "Not for you").await;
        users.shoot("forbidden").await;
        let status =
            "fetch('/admin/sessions', { headers: { 'X-CSRF': '1' } }).then((r) => r.status)";
        assert_eq!(users.eval_async(status).await, 403);

        let admins = browsers.new_browser().await;
        bff.sign_in(&admins, "admin").await;
        admins.click("#nav-admin").await;
        admins.sees("#total", "26 sessions").await;
        let mut seen: Vec<Vec<String>> = Vec::new();
        for rows in [10, 10, 6] {
            admins
                .until(&format!(
                    "document.querySelectorAll('#sessions tr').length === {rows}"
                ))
                .await;
            seen.push(admins.texts("#sessions tr td:first-child").await);
            if seen.len() == 1 {
                admins.shoot("administrator").await;
            }
            if rows == 10 {
                admins.click("#next-page").await;
                if seen.len() == 1 {
                    admins
                        .until("!document.querySelector('#first-page').disabled")
                        .await;
                }
            }
        }
        admins
            .until("document.querySelector('#next-page').disabled")
            .await;
        let seen = seen.concat();
        assert!(
            seen[0].starts_with("admin") && seen[0].contains("you, here"),
            "{seen:?}"
        );
        for (subject, count) in [
            ("admin", 1),
            ("alice", 1),
            ("carol", 8),
            ("dave", 8),
            ("erin", 8),
        ] {
            let found = seen.iter().filter(|one| one.starts_with(subject)).count();
            assert_eq!(found, count, "{subject}: {seen:?}");
        }

        admins.submit("#subject", "carol").await;
        admins.sees("#total", "8 sessions").await;
        admins.click("#sessions tr button").await;
        admins.sees("#total", "7 sessions").await;
        admins.shoot("administrator-filtered").await;
        admins.click("#end-subject").await;
        admins.sees("#total", "0 sessions").await;
        admins.submit("#subject", "alice").await;
        admins.sees("#total", "1 session").await;
        admins.click("#end-subject").await;
        users.sees("#ended", SIGNED_OUT).await;

        admins.submit("#subject", "").await;
        admins.sees("#total", "17 sessions").await;
        bff.shut_down().await;
    })
    .await;
}

/// The session's cookie, as the browser has it: over plain http on localhost, where that was asked
/// for, and as in production, which browsers take from localhost too.
#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_what_it_should_be() {
    with_browsers("cookies", |browsers| async move {
        let listen = free_address();
        let localhost = format!("http://localhost:{}", listen.port());
        let listen = listen.to_string();
        let at_localhost = ["--listen", &listen, "--public-url", &localhost];
        let secure = ["--cookies", "secure"];
        for (options, name, is_secure, domain) in [
            (&[][..], "bff-session", false, "127.0.0.1"),
            (&secure[..], "__Host-bff-session", true, "127.0.0.1"),
            (
                &[&secure[..], &at_localhost].concat(),
                "__Host-bff-session",
                true,
                "localhost",
            ),
        ] {
            let bff = Bff::start(options).await;
            let tab = browsers.new_browser().await;
            bff.sign_in(&tab, "alice").await;
            let cookies = tab.cookies().await;
            let cookie = cookies.iter().find(|cookie| cookie["name"] == name);
            let cookie = cookie.unwrap_or_else(|| panic!("no {name} among {cookies:?}"));
            assert_eq!(cookie["httpOnly"], true);
            assert_eq!(cookie["secure"], is_secure);
            assert_eq!(cookie["sameSite"], "Lax");
            assert_eq!(cookie["path"], "/");
            assert_eq!(cookie["domain"], domain, "of this host alone");
            assert_eq!(
                cookie["session"], true,
                "it ends with the browser's session"
            );
            assert_eq!(cookie["value"].as_str().map(str::len), Some(43));
            // What is left of the login is gone, and the provider's own is another's.
            let names: Vec<&str> = cookies
                .iter()
                .filter_map(|one| one["name"].as_str())
                .collect();
            assert_eq!(names.len(), 2, "{names:?}");
            assert!(names.contains(&"demonstration-provider"), "{names:?}");
            assert_eq!(tab.eval("document.cookie").await, "", "no script reads any");
            bff.shut_down().await;
        }
    })
    .await;
}

/// The provider's tokens are nowhere in the page, in what scripts can reach, or in any answer that
/// the browser got.
#[tokio::test(flavor = "multi_thread")]
async fn no_token_comes_to_the_browser() {
    with_browsers("no-token", |browsers| async move {
        let bff = Bff::start(&[]).await;
        let tab = browsers.new_browser().await;
        bff.sign_in(&tab, "alice").await;
        tab.click("#call").await;
        tab.sees("#api", "Hello Alice, said the API.").await;
        let alice = UserSessionsFilter::for_subject("alice".parse().unwrap());
        let sessions = bff.host.tickets().get_user_tickets(&alice).await.unwrap();
        let tokens = &sessions[0].ticket.tokens;
        let secrets: Vec<String> = [&tokens.access, &tokens.refresh, &tokens.id]
            .map(|token| {
                token
                    .as_ref()
                    .expect("the provider gives all three")
                    .expose()
                    .to_owned()
            })
            .into();

        let mut reached = vec![tab.source().await];
        let storage = "JSON.stringify([localStorage, sessionStorage, document.cookie, \
                       location.href, history.state, Object.keys(window)])";
        reached.push(tab.eval(storage).await.to_string());
        let databases = "indexedDB.databases().then((all) => all.length)";
        assert_eq!(tab.eval_async(databases).await, 0);

        // Everything that came over the wire, with its headers and its body.
        let mut answers = 0;
        for entry in tab.log("performance").await {
            let message: Value = serde_json::from_str(&entry).expect("JSON");
            let message = &message["message"];
            reached.push(message.to_string());
            if message["method"] == "Network.loadingFinished" {
                let request = json!({ "requestId": message["params"]["requestId"] });
                let body = tab
                    .devtools_or_nothing("Network.getResponseBody", request)
                    .await;
                answers += usize::from(body.is_some());
                reached.extend(body.map(|body| body["body"].to_string()));
            }
        }
        assert!(answers >= 5, "only {answers} bodies were to be had");
        let greeting = reached.iter().any(|one| one.contains("said the API"));
        assert!(greeting, "the API's answer is among them");
        for secret in &secrets {
            let leaks = reached.iter().filter(|one| one.contains(secret.as_str()));
            assert_eq!(leaks.count(), 0);
        }
        // What the API got is what the host made, and nothing of the browser's own.
        let received = tab.text("#api").await;
        assert!(received.contains("authorization"), "{received}");
        assert!(
            !received.contains("cookie") && !received.contains("x-csrf"),
            "{received}"
        );
        bff.shut_down().await;
    })
    .await;
}

/// The same with the certified provider: sign in, look, call the API, end another device, be signed
/// out by the provider, sign out.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_the_certified_provider_does_the_same() {
    async fn sign_in(bff: &Bff, tab: &Tab) {
        tab.open(&bff.at("/")).await;
        tab.click("#sign-in").await;
        tab.fill("input[name=login]", "alice").await;
        tab.submit("input[name=password]", "any").await;
        tab.sees("#hello", "Hello, The alice").await;
    }

    with_browsers("certified-provider", |browsers| async move {
        let Some((bff, provider)) = Bff::start_at_certified_provider().await else {
            return;
        };
        let laptop = browsers.new_browser().await;
        sign_in(&bff, &laptop).await;
        laptop.sees("#claims", "sid").await;
        laptop.click("#call").await;
        laptop.sees("#api", "Hello The alice, said the API.").await;
        let phone = browsers.new_browser().await;
        sign_in(&bff, &phone).await;
        devices(&laptop, 2).await;
        laptop.click("#end-others").await;
        phone.sees("#ended", SIGNED_OUT).await;
        devices(&laptop, 1).await;

        // The provider's own way to sign out, in another tab of the same browser.
        let account = laptop.new_tab().await;
        account
            .open(&format!("{}/session/end", provider.issuer()))
            .await;
        account.click("button[name=logout]").await;
        laptop.sees("#ended", SIGNED_OUT).await;

        sign_in(&bff, &laptop).await;
        laptop.click("#sign-out").await;
        if laptop.url().await.starts_with(provider.issuer()) {
            laptop.click("button[name=logout]").await;
        }
        laptop.sees("h1", "Sign in").await;
        laptop
            .until(&format!("location.href === '{}'", bff.at("/")))
            .await;
        laptop.click("#sign-in").await;
        laptop.sees("h1", "Sign-in").await;
        bff.shut_down().await;
        provider.stop().await;
    })
    .await;
}
