//! Browsers with a profile of their own, and the driver that speaks for them.

use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use store_tests::Chromium;
use tempfile::TempDir;
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities as _;
use thirtyfour::{DesiredCapabilities, LoggingPrefsLogLevel, WebDriver};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::tab::Tab;

/// Where pictures of the page go.
pub(crate) fn screenshots() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&directory).expect("the target directory can be written");
    directory
}

/// Any number of browsers that know nothing of each other.
#[derive(Clone)]
pub(crate) struct Browsers {
    chromium: Chromium,
    driver: String,
    open: Arc<Mutex<Vec<(WebDriver, TempDir)>>>,
}

/// Runs a test with browsers, and closes them however it ends. Where there is no Chromium the test
/// is skipped. A test that fails leaves a picture of each browser.
pub(crate) async fn with_browsers<F>(name: &str, test: impl FnOnce(Browsers) -> F)
where
    F: Future<Output = ()>,
{
    let Some(chromium) = Chromium::or_skip() else {
        return;
    };
    let (mut driver, url) = start_driver(&chromium).await;
    let browsers = Browsers {
        chromium,
        driver: url,
        open: Arc::default(),
    };
    let outcome = AssertUnwindSafe(test(browsers.clone()))
        .catch_unwind()
        .await;
    let open = std::mem::take(&mut *browsers.open());
    for (number, (browser, _profile)) in open.into_iter().enumerate() {
        if outcome.is_err() {
            let picture = screenshots().join(format!("failed-{name}-{number}.png"));
            let _ = browser.screenshot(&picture).await;
        }
        let _ = browser.quit().await;
    }
    let _ = driver.kill().await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

impl Browsers {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<(WebDriver, TempDir)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A browser that nobody has used yet, and its first tab.
    pub(crate) async fn new_browser(&self) -> Tab {
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut capabilities = DesiredCapabilities::chrome();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1200,1000",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        for argument in arguments {
            capabilities.add_arg(argument).expect("an argument");
        }
        let binary = self.chromium.browser.to_str().expect("a path in UTF-8");
        capabilities.set_binary(binary).expect("a binary");
        for log in ["performance", "browser"] {
            let all = LoggingPrefsLogLevel::All;
            capabilities.set_logging_prefs(log, all).expect("a log");
        }
        let browser = WebDriver::new(&self.driver, capabilities)
            .await
            .expect("the browser starts");
        self.open().push((browser.clone(), profile));
        Tab::first_of(browser).await
    }
}

/// Chromedriver on a port of its own choice, which it says.
async fn start_driver(chromium: &Chromium) -> (Child, String) {
    let mut driver = Command::new(&chromium.driver)
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the driver starts");
    let stdout = driver.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await.expect("the driver speaks") {
        let port = line.strip_prefix("ChromeDriver was started successfully on port ");
        if let Some(port) = port {
            let port: u16 = port.trim_end_matches('.').parse().expect("a port");
            // Whoever writes to a pipe that nobody reads is stopped at some point.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (driver, format!("http://127.0.0.1:{port}"));
        }
    }
    panic!("the driver does not say where it listens");
}
