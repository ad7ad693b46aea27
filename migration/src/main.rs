//! `store-migration`: the migrations as a command.

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};
use sea_orm_migration::sea_orm::{Database, DatabaseConnection, DbBackend, DbErr, RuntimeErr};
use store_migration::{Migrator, Options};

/// Makes the tables of the session store and keeps them current.
#[derive(Parser)]
#[command(name = "store-migration", version)]
struct Cli {
    /// postgres://…, mysql://… (MariaDB too) or sqlite://…; in the environment no other user of the
    /// machine sees the password in it
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,

    /// Schema of the table, created if it is missing [default: the connection's own]
    #[arg(long, global = true)]
    schema: Option<String>,

    /// Name of the table [default: user_sessions]
    #[arg(long, global = true)]
    table: Option<String>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring the tables up to date; does nothing if they are
    Up,
    /// Drop the tables, with every session in them
    Down,
    /// Say whether the tables are up to date, changing nothing
    Status,
    /// Print what `up` does as a script for a database administrator, without connecting
    Sql,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), Box<dyn Error>> {
    let url = cli
        .database_url
        .ok_or("no database: set DATABASE_URL, or give --database-url")?;
    let mut options = Options::new();
    if let Some(schema) = cli.schema {
        options = options.schema(schema);
    }
    if let Some(table) = cli.table {
        options = options.table(table);
    }
    let migrator = Migrator::from(options);

    match cli.command {
        Command::Up => {
            migrator.up(&connect(&url).await?).await?;
            println!("up to date");
        }
        Command::Down => {
            migrator.down(&connect(&url).await?).await?;
            println!("undone");
        }
        Command::Status => {
            let current = migrator.is_current(&connect(&url).await?).await?;
            println!(
                "{}",
                if current {
                    "up to date"
                } else {
                    "not up to date: run `up`"
                }
            );
        }
        Command::Sql => print!("{}", migrator.sql(backend(&url)?)?),
    }
    Ok(())
}

async fn connect(url: &str) -> Result<DatabaseConnection, Box<dyn Error>> {
    backend(url)?;
    match Database::connect(url).await {
        Ok(db) => Ok(db),
        // SeaORM's own words about a URL repeat it, with the password; the drivers' don't.
        Err(DbErr::Conn(RuntimeErr::Internal(_))) => {
            Err("the database URL cannot be parsed".into())
        }
        Err(error) => Err(error.into()),
    }
}

fn backend(url: &str) -> Result<DbBackend, &'static str> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => Ok(DbBackend::Postgres),
        Some("mysql") => Ok(DbBackend::MySql),
        Some("sqlite") => Ok(DbBackend::Sqlite),
        _ => Err("the database URL begins with none of postgres:, mysql: and sqlite:"),
    }
}
