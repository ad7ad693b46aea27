//! `migrate <url> <schema or nothing> <table>`: connects, says `ready`, and once its standard input
//! is closed runs the migrations. Many processes that wait like that begin at once.

#![deny(missing_docs)]

use std::io;

use anyhow::Context as _;
use sea_orm::Database;
use store_migration::{Migrator, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |what| arguments.next().context(what);
    let (url, schema) = (argument("which URL?")?, argument("which schema?")?);
    let options = Options::new().table(argument("which table?")?);
    let migrator = Migrator::from(match schema.as_str() {
        "" => options,
        schema => options.schema(schema),
    });

    let db = Database::connect(url).await?;
    println!("ready");
    io::copy(&mut io::stdin(), &mut io::sink())?;
    migrator.up(&db).await?;
    Ok(())
}
