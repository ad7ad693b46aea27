//! A browser: it keeps cookies, goes where it is sent, and fills in the provider's forms.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::cookie::{CookieStore as _, Jar};
use reqwest::{Client, Method, RequestBuilder, Response, Url, redirect};
use serde_json::Value;

use crate::app::Answer;

/// What the tests' front ends are called.
const HOSTS: [&str; 4] = [
    "app.localhost",
    "shop.localhost",
    "bank.localhost",
    "stranger.localhost",
];

/// A browser with cookies of its own.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    jar: Arc<Jar>,
    base: String,
}

/// Where the browser has ended up.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) answer: Answer,
    /// All that it was sent to on the way.
    pub(crate) trail: Vec<Url>,
}

impl Browser {
    pub(crate) fn new(base: &str, address: SocketAddr) -> Self {
        let jar = Arc::new(Jar::default());
        let mut client = Client::builder()
            .cookie_provider(Arc::clone(&jar))
            .redirect(redirect::Policy::none());
        for host in HOSTS {
            // The port is the URL's.
            client = client.resolve(host, SocketAddr::new(address.ip(), 0));
        }
        Self {
            client: client.build().unwrap(),
            jar,
            base: base.to_owned(),
        }
    }

    /// The same browser, at another front end.
    pub(crate) fn at(&self, base: &str) -> Self {
        Self {
            base: base.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&self.base).unwrap().join(path).unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// Gets what is there, and goes nowhere.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path).send().await.unwrap()).await
    }

    /// What a page's script fetches.
    pub(crate) async fn fetch(&self, method: Method, path: &str) -> Answer {
        let request = self.request(method, path).header("x-csrf", "1");
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn post_form(&self, url: &str, form: &[(&str, &str)]) -> Response {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = self.client.post(url);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(body).send().await.unwrap()
    }

    /// Signs in, from the first click to where the host sends the browser then.
    pub(crate) async fn sign_in(&self, user: &str) -> Page {
        let page = self.go("/bff/login?returnUrl=/welcome", Some(user)).await;
        assert_eq!(page.url.path(), "/welcome", "{:?}", page.answer);
        page
    }

    /// Goes wherever it is sent from here on, as this user where the provider asks.
    pub(crate) async fn go(&self, path: &str, user: Option<&str>) -> Page {
        let mut url = self.url(path);
        let mut trail = Vec::new();
        for _ in 0..20 {
            trail.push(url.clone());
            let answer = Answer::of(self.client.get(url.clone()).send().await.unwrap()).await;
            let answer = match form_at(&url, &answer) {
                Some(form) => {
                    let (to, fields) = form.fill_in(user);
                    let to = url.join(&to).unwrap();
                    let fields: Vec<(&str, &str)> = fields
                        .iter()
                        .map(|(name, value)| (*name, value.as_str()))
                        .collect();
                    Answer::of(self.post_form(to.as_str(), &fields).await).await
                }
                None => answer,
            };
            if !(300..400).contains(&answer.status) {
                return Page { url, answer, trail };
            }
            url = url.join(answer.header("location")).unwrap();
        }
        panic!("it goes round in circles: {trail:?}");
    }

    /// What `/bff/user` says, if somebody is signed in.
    pub(crate) async fn user(&self) -> Option<User> {
        let answer = self.fetch(Method::GET, "/bff/user").await;
        match answer.status {
            200 => Some(User(answer.json())),
            401 => None,
            _ => panic!("{answer:?}"),
        }
    }

    /// The cookies that it sends to the front end.
    pub(crate) fn cookies(&self) -> String {
        let cookies = self.jar.cookies(&self.url("/"));
        cookies.map_or(String::new(), |cookies| {
            cookies.to_str().unwrap().to_owned()
        })
    }

    /// Plants a cookie.
    pub(crate) fn plant(&self, cookie: &str) {
        self.jar.add_cookie_str(cookie, &self.url("/"));
    }
}

/// What `/bff/user` says.
#[derive(Debug)]
pub(crate) struct User(pub(crate) Value);

impl User {
    /// The value of a claim, which is there once.
    pub(crate) fn claim(&self, name: &str) -> &Value {
        let all = self.0.as_array().unwrap().iter();
        let found: Vec<&Value> = all.filter(|claim| claim["type"] == name).collect();
        assert_eq!(found.len(), 1, "{name} in {self:?}");
        &found[0]["value"]
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.claim(name).as_str().unwrap()
    }
}

/// A form of the provider's.
enum Form {
    Login { to: String },
    Logout { xsrf: String },
}

fn form_at(url: &Url, answer: &Answer) -> Option<Form> {
    let between = |start: &str, end: &str| {
        let after = answer.body.split_once(start)?.1;
        Some(after.split_once(end)?.0.to_owned())
    };
    if url.path().starts_with("/interaction/") {
        assert!(
            answer.body.contains(r#"name="prompt" value="login""#),
            "{answer:?}"
        );
        return Some(Form::Login {
            to: url.path().to_owned(),
        });
    }
    if url.path() == "/session/end" && answer.status == 200 {
        let xsrf = between(r#"name="xsrf" value=""#, r#"""#);
        return Some(Form::Logout {
            xsrf: xsrf.unwrap(),
        });
    }
    None
}

impl Form {
    fn fill_in(self, user: Option<&str>) -> (String, Vec<(&'static str, String)>) {
        match self {
            Self::Login { to } => (
                to,
                vec![
                    ("prompt", "login".to_owned()),
                    ("login", user.expect("nobody is to be asked").to_owned()),
                    ("password", "any".to_owned()),
                ],
            ),
            Self::Logout { xsrf } => (
                "/session/end/confirm".to_owned(),
                vec![("xsrf", xsrf), ("logout", "yes".to_owned())],
            ),
        }
    }
}
