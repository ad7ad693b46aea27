//! Servers in containers.

use std::time::Duration;

use anyhow::Context;
use testcontainers_modules::{
    mariadb::Mariadb,
    mysql::Mysql,
    postgres::Postgres,
    testcontainers::{
        ContainerRequest, Image, ImageExt,
        bollard::{
            Docker,
            exec::{CreateExecOptions, StartExecResults},
        },
        core::client::docker_client_instance,
        runners::AsyncRunner,
    },
};
use tokio::time::{Instant, sleep, timeout};

use super::{Lifeline, Origin, Server, ServerKind, admin};

const ENGINE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);
const IMAGE_IS_PULLED_WITHIN: Duration = Duration::from_secs(300);
const SERVER_ANSWERS_WITHIN: Duration = Duration::from_secs(120);

/// How long one connection may take while the server is awaited.
const POLLS_FOR: Duration = Duration::from_secs(1);

/// Runs in the container, on a connection of this process's: when that closes, so does standard
/// input, and the server is told to quit, until it does. (While an image sets its server up, a shell
/// that heeds no signal is in its place.)
const LIFELINE: &str = "cat >/dev/null; while kill -QUIT 1; do sleep 1; done";

/// Starts a container. It is removed, with its data, when its server ends.
///
/// # Errors
/// No engine answers, the image is neither there nor to be had, or the server does not start.
pub(super) async fn start(kind: ServerKind) -> anyhow::Result<Server> {
    let docker = engine().await.context("no Docker engine")?;
    // All that is written is thrown away, so none of it needs to reach a disk.
    match kind {
        ServerKind::Postgres => {
            let request = Postgres::default()
                .with_host_auth()
                .with_tag("17")
                .with_cmd(["-c", "fsync=off", "-c", "max_connections=300"]);
            run(kind, &docker, request, 5432).await
        }
        ServerKind::MySql => {
            let request = Mysql::default().with_tag("9.7").with_cmd(MYSQL_OPTIONS);
            run(kind, &docker, request, 3306).await
        }
        ServerKind::MariaDb => {
            let request = Mariadb::default().with_tag("11.8").with_cmd(MYSQL_OPTIONS);
            run(kind, &docker, request, 3306).await
        }
    }
}

const MYSQL_OPTIONS: [&str; 3] = [
    "--max-connections=500",
    "--innodb-flush-log-at-trx-commit=0",
    "--sync-binlog=0",
];

/// The engine, if one answers.
async fn engine() -> anyhow::Result<Docker> {
    let docker = docker_client_instance().await?;
    timeout(ENGINE_ANSWERS_WITHIN, docker.ping())
        .await
        .with_context(|| format!("no answer within {ENGINE_ANSWERS_WITHIN:?}"))??;
    Ok(docker)
}

async fn run<I: Image + 'static>(
    kind: ServerKind,
    docker: &Docker,
    request: ContainerRequest<I>,
    port: u16,
) -> anyhow::Result<Server> {
    let image = request.descriptor();
    let request = if docker.inspect_image(&image).await.is_ok() {
        request
    } else {
        timeout(IMAGE_IS_PULLED_WITHIN, request.pull_image())
            .await
            .with_context(|| format!("not pulled within {IMAGE_IS_PULLED_WITHIN:?}"))
            .and_then(|pulled| Ok(pulled?))
            .with_context(|| format!("no image {image} in Docker"))?
    };

    let container = async {
        let container = request
            // Readiness is asked for below, when the container has its lifeline.
            .with_ready_conditions(Vec::new())
            .with_host_config_modifier(|host| host.auto_remove = Some(true))
            .start()
            .await?;
        let lifeline = attach_lifeline(docker, container.id()).await?;

        let host = container.get_host().await?.to_string();
        let published = container.get_host_port_ipv4(port).await?;
        let on_bridge = address_on_bridge(docker, container.id(), &host).await?;
        let host = match host.as_str() {
            // The published port is the one on IPv4, and that name may mean IPv6.
            "localhost" => "127.0.0.1",
            host => host,
        };
        let urls: Vec<_> = on_bridge
            .map(|address| kind.url_at(&address, port))
            .into_iter()
            .chain([kind.url_at(host, published)])
            .collect();

        let deadline = Instant::now() + SERVER_ANSWERS_WITHIN;
        let (url, version) = loop {
            match first_to_answer(kind, &urls).await {
                Ok(answer) => break answer,
                Err(error) if Instant::now() >= deadline || !container.is_running().await? => {
                    return Err(error);
                }
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        };
        anyhow::Ok((url, version, Lifeline::new((container, lifeline))))
    };
    let (url, version, lifeline) = container
        .await
        .with_context(|| format!("no server in a container of {image}"))?;
    Ok(Server {
        kind,
        url,
        version,
        origin: Origin::Docker(image),
        _lifeline: Some(lifeline),
    })
}

/// The container's own address, where the engine is on this machine.
///
/// The proxy before a published port is a process of its own. Where connections are killed, as tests
/// do, it has been seen to give a client what the server had sent to another one: whoever was about
/// to encrypt found a foreign certificate, or waited without end.
async fn address_on_bridge(
    docker: &Docker,
    container: &str,
    host: &str,
) -> anyhow::Result<Option<String>> {
    let settings = docker.inspect_container(container, None).await?;
    let networks = settings
        .network_settings
        .and_then(|settings| settings.networks);
    let bridge = networks.and_then(|mut networks| networks.remove("bridge"));
    Ok(bridge
        .filter(|bridge| host == "localhost" || bridge.gateway.as_deref() == Some(host))
        .and_then(|bridge| bridge.ip_address)
        .filter(|address| !address.is_empty()))
}

/// The first of a server's URLs at which it answers, and its version. On some systems the bridge is
/// out of reach.
async fn first_to_answer(kind: ServerKind, urls: &[String]) -> anyhow::Result<(String, String)> {
    let mut last_error = anyhow::anyhow!("it has no address");
    for url in urls {
        match admin::version(kind, url, POLLS_FOR).await {
            Ok(version) => return Ok((url.clone(), version)),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

/// Makes the container end when what this returns is closed, be it by the end of this process.
async fn attach_lifeline(docker: &Docker, container: &str) -> anyhow::Result<StartExecResults> {
    let command = CreateExecOptions {
        attach_stdin: Some(true),
        cmd: Some(vec!["sh", "-c", LIFELINE]),
        user: Some("root"),
        ..CreateExecOptions::default()
    };
    let exec = docker.create_exec(container, command).await?;
    Ok(docker.start_exec(&exec.id, None).await?)
}
