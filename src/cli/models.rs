//! `lucida models`: which models there are, and what each one is.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Failure, console};
use crate::zoo::{self, Card};

/// The list, or one card.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// Print the list as a JSON array
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    command: Option<Show>,
}

/// What to do with one model.
#[derive(Debug, Subcommand)]
pub enum Show {
    /// Show a model's card: what it is, how it was made, its terms
    Show {
        /// The model's id, as the list has it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// One line of the list.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    task: String,
    architecture: &'a str,
    parameters: u64,
    licence: &'a str,
    bytes: u64,
    source: &'a str,
}

/// Runs `lucida models`.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Some(Show::Show { id }) => show(id),
        None => list(arguments.json),
    }
}

fn show(id: &str) -> Result<(), Failure> {
    let Some(card) = zoo::card_text(id) else {
        let known: Vec<&str> = zoo::models().iter().map(|card| card.id.as_str()).collect();
        return Err(Failure::Arguments(format!("there is no model '{id}'; the models are {}", known.join(", "))));
    };
    console::print(card)
}

fn list(json: bool) -> Result<(), Failure> {
    let lines: Vec<Line> = zoo::models().iter().map(line).collect();
    if json {
        return console::print_json(&lines);
    }
    let cells: Vec<[String; 7]> = lines
        .iter()
        .map(|l| {
            [
                l.id.to_owned(),
                l.task.clone(),
                l.architecture.to_owned(),
                count(l.parameters),
                l.licence.to_owned(),
                format!("{:.1} MB", l.bytes as f64 / 1e6),
                l.source.to_owned(),
            ]
        })
        .collect();
    let mut text = String::new();
    for row in &cells {
        for (column, cell) in row.iter().enumerate() {
            let width = cells.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
            text.push_str(cell);
            if column + 1 < row.len() {
                let pad = width - cell.chars().count() + 2;
                text.extend(std::iter::repeat_n(' ', pad));
            }
        }
        text.push('\n');
    }
    console::print(&text)
}

fn line(card: &Card) -> Line<'_> {
    // The card's own word for the task, so that the list and the cards cannot drift apart.
    let task = serde_json::to_value(card.task).ok().and_then(|v| v.as_str().map(str::to_owned));
    Line {
        id: &card.id,
        task: task.unwrap_or_default(),
        architecture: &card.architecture,
        parameters: card.parameters,
        licence: &card.licence,
        bytes: card.bytes,
        source: &card.source,
    }
}

/// A number of parameters as people say it.
fn count(parameters: u64) -> String {
    match parameters {
        0..1_000 => format!("{parameters}"),
        1_000..1_000_000 => format!("{:.0} k", parameters as f64 / 1e3),
        _ => format!("{:.1} M", parameters as f64 / 1e6),
    }
}
