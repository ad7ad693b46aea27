//! `cargo run -p bff-host`, and a browser at <http://127.0.0.1:3000>.

use std::io::stderr;
use std::sync::Arc;

use bff_host::{Host, Options};
use clap::Parser as _;
use store_core::SystemClock;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env()?;
    tracing_subscriber::fmt()
        .with_writer(stderr)
        .with_env_filter(filter)
        .init();

    let host = Host::start(&options, Arc::new(SystemClock)).await?;
    println!("{}   (ctrl-c ends it)", host.url());
    stop_signal().await?;
    tracing::info!("stopping");
    host.shut_down().await;
    Ok(())
}

/// Ctrl-c, or what a service manager sends.
async fn stop_signal() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed?,
            _ = terminated.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}
