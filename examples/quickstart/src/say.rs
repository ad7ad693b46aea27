//! Printing, so that it is pleasant to read.

use std::io::IsTerminal as _;

/// Headline of a step, and the operation that it shows.
pub(crate) fn step(what: &str, operation: &str) {
    if std::io::stdout().is_terminal() {
        println!("\n\x1b[1m{what}\x1b[0m  \x1b[2m{operation}\x1b[0m");
    } else {
        println!("\n{what}  ({operation})");
    }
}

/// A line of a step.
pub(crate) fn row(label: &str, value: &str) {
    println!("  {label:<26}{value}");
}
