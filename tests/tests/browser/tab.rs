//! A tab, as a user sees it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use thirtyfour::{By, Key, WebDriver, WebElement, WindowHandle};
use tokio::time::{Instant, sleep};

use crate::driver::screenshots;

/// How long a page may take: machines that test are slow at times.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One tab of a browser.
pub(crate) struct Tab {
    browser: WebDriver,
    window: WindowHandle,
}

impl Tab {
    pub(crate) async fn first_of(browser: WebDriver) -> Self {
        let window = browser.window().await.expect("a tab");
        Self { browser, window }
    }

    /// Another tab of the same browser.
    pub(crate) async fn new_tab(&self) -> Self {
        let window = self.browser.new_tab().await.expect("another tab");
        Self {
            browser: self.browser.clone(),
            window,
        }
    }

    /// The browser, looking at this tab.
    async fn here(&self) -> &WebDriver {
        let switched = self.browser.switch_to_window(self.window.clone()).await;
        switched.expect("the tab is there");
        &self.browser
    }

    pub(crate) async fn open(&self, url: &str) {
        self.here().await.goto(url).await.expect("the page opens");
    }

    pub(crate) async fn url(&self) -> String {
        let url = self.here().await.current_url().await;
        url.expect("an address").into()
    }

    /// What this expression is on the page.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        let answer = self.here().await.execute(script, Vec::new()).await;
        answer.expect("the script runs").json().clone()
    }

    /// What this promise comes to on the page.
    pub(crate) async fn eval_async(&self, promise: &str) -> Value {
        let script =
            format!("const done = arguments[0]; ({promise}).then(done, (e) => done(String(e)))");
        let answer = self.here().await.execute_async(script, Vec::new()).await;
        answer.expect("the script runs").json().clone()
    }

    /// Waits until this is true on the page.
    pub(crate) async fn until(&self, condition: &str) {
        let end = Instant::now() + PATIENCE;
        // While the page changes there may be nothing to ask.
        let asked = format!("return Boolean({condition})");
        loop {
            let answer = self.here().await.execute(asked.clone(), Vec::new()).await;
            if answer.is_ok_and(|answer| *answer.json() == Value::Bool(true)) {
                return;
            }
            if Instant::now() > end {
                let url = self.url().await;
                let text = self.text("body").await;
                panic!("never: {condition}\nat {url}, where it says:\n{text}");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until this element is to be seen, and says so.
    pub(crate) async fn sees(&self, selector: &str, text: &str) {
        let selector = Value::from(selector);
        let text = Value::from(text);
        self.until(&format!(
            "document.querySelector({selector})?.checkVisibility() \
             && document.querySelector({selector}).innerText.includes({text})"
        ))
        .await;
    }

    pub(crate) async fn is_visible(&self, selector: &str) -> bool {
        let selector = Value::from(selector);
        self.eval(&format!(
            "Boolean(document.querySelector({selector})?.checkVisibility())"
        ))
        .await
            == Value::Bool(true)
    }

    async fn find(&self, selector: &str) -> WebElement {
        let quoted = Value::from(selector);
        self.until(&format!(
            "document.querySelector({quoted})?.checkVisibility() \
             && !document.querySelector({quoted}).disabled \
             && document.querySelector({quoted}).ariaBusy !== 'true'"
        ))
        .await;
        let found = self.here().await.find(By::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    pub(crate) async fn click(&self, selector: &str) {
        let clicked = self.find(selector).await.click().await;
        clicked.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Puts this text into a field in place of what is there.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.expect("it can be cleared");
        field.send_keys(text).await.expect("it takes text");
    }

    /// The same, and presses enter.
    pub(crate) async fn submit(&self, selector: &str, text: &str) {
        self.fill(selector, text).await;
        let field = self.find(selector).await;
        field.send_keys(Key::Enter).await.expect("it takes enter");
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        let found = self.here().await.find(By::Css(selector)).await;
        let found = found.unwrap_or_else(|error| panic!("{selector}: {error}"));
        found.text().await.expect("it has a text")
    }

    pub(crate) async fn texts(&self, selector: &str) -> Vec<String> {
        let selector = Value::from(selector);
        let texts = self
            .eval(&format!(
                "[...document.querySelectorAll({selector})].map((one) => one.innerText)"
            ))
            .await;
        serde_json::from_value(texts).expect("texts")
    }

    pub(crate) async fn source(&self) -> String {
        let source = self.here().await.source().await;
        source.expect("a page has a source")
    }

    /// What the tools for developers answer.
    pub(crate) async fn devtools(&self, method: &str, parameters: Value) -> Value {
        let answer = self.here().await.cdp().send_raw(method, parameters).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The same, where there may be nothing to answer any more.
    pub(crate) async fn devtools_or_nothing(
        &self,
        method: &str,
        parameters: Value,
    ) -> Option<Value> {
        let answer = self.here().await.cdp().send_raw(method, parameters).await;
        answer.ok()
    }

    /// All the cookies that the browser has, as it has them.
    pub(crate) async fn cookies(&self) -> Vec<Value> {
        let cookies = self.devtools("Network.getAllCookies", json!({})).await;
        cookies["cookies"].as_array().expect("cookies").clone()
    }

    /// What has been logged since it was last asked for: `browser`, or `performance`.
    pub(crate) async fn log(&self, log: &str) -> Vec<String> {
        let entries = self.here().await.get_log(log).await.expect("a log");
        entries.into_iter().map(|entry| entry.message).collect()
    }

    /// Pictures of the whole page: wide and narrow, light and dark.
    pub(crate) async fn shoot(&self, name: &str) {
        for (width, mobile, size) in [(1200, false, "wide"), (390, true, "narrow")] {
            let metrics = json!({
                "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": mobile,
            });
            self.devtools("Emulation.setDeviceMetricsOverride", metrics)
                .await;
            let needed = self.eval("document.documentElement.scrollWidth").await;
            assert!(
                needed.as_u64() <= Some(width),
                "{name} needs {needed} of {width} pixels"
            );
            for scheme in ["light", "dark"] {
                let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
                let media = json!({ "features": features });
                self.devtools("Emulation.setEmulatedMedia", media).await;
                let whole = json!({ "captureBeyondViewport": true });
                let picture = self.devtools("Page.captureScreenshot", whole).await;
                let picture = picture["data"].as_str().expect("a picture");
                let picture = STANDARD.decode(picture).expect("base64");
                let file = screenshots().join(format!("{name}-{size}-{scheme}.png"));
                std::fs::write(file, picture).expect("the picture is kept");
            }
        }
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({}))
            .await;
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": [] }))
            .await;
    }
}
