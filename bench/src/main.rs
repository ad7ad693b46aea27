//! The same work done by this store, by its peers and by the bare drivers, interleaved in one
//! process: `cargo xtask bench`.
//!
//! | What | Where |
//! |---|---|
//! | what is asked for on the command line | [`settings`] |
//! | the operations, and what each needs before and leaves behind | [`operations`] |
//! | what takes part, and what of it stands for which operation | [`contender`], [`contenders`] |
//! | a contender on a database of its own | [`entrant`], [`site`], [`table`], [`schema`] |
//! | how one contender is measured once | [`round`], [`usage`] |
//! | how all of them are, in turn, and how long that may take | [`run`], [`deadline`] |
//! | medians, quartiles, ratios | [`statistics`], [`results`], [`targets`] |
//! | what becomes of it: terminal, JSON, SVG, Markdown | [`report`] |
//! | the layer of tickets over the store | [`tickets`] |
//! | instructions instead of time | [`instructions`] |
//! | millions of rows, and a cleanup beside readers | [`scale`] |

mod contender;
mod contenders;
mod deadline;
mod durability;
mod entrant;
mod instructions;
mod operations;
mod report;
mod results;
mod round;
mod run;
mod samples;
mod scale;
mod schema;
mod settings;
mod site;
mod statistics;
mod table;
mod targets;
mod tickets;
mod usage;

use clap::Parser as _;

use crate::settings::Settings;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::parse();
    if let Some(steps) = settings.steps {
        instructions::perform(&settings, steps).await
    } else if settings.instructions {
        instructions::run(&settings).await
    } else if settings.scale {
        scale::run(&settings).await
    } else {
        run::run(&settings).await
    }
}
