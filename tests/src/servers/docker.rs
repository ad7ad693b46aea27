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

        let host = match container.get_host().await?.to_string() {
            // The port below is the one on IPv4, and that name may mean IPv6.
            host if host == "localhost" => "127.0.0.1".to_owned(),
            host => host,
        };
        let url = kind.url_at(&host, container.get_host_port_ipv4(port).await?);

        let deadline = Instant::now() + SERVER_ANSWERS_WITHIN;
        let version = loop {
            match admin::version(kind, &url, POLLS_FOR).await {
                Ok(version) => break version,
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
