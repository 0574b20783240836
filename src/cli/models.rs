//! `lucida models`: which models there are, what each one is, adding and removing.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::console::{self, Session};
use super::{Failure, asked};
use crate::zoo::{self, Card, Import};

/// The list, or one model.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// Print the list as a JSON array
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    command: Option<One>,
}

/// What to do with one model.
#[derive(Debug, Subcommand)]
pub enum One {
    /// Show a model's card: what it is, how it was made, its terms
    Show {
        /// The model's id, as the list has it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Add a checkpoint to the models: a copy of its weights is kept in the folder for data (LUCIDA_DATA names another one);
    /// prints the id
    Add {
        /// A checkpoint of a network that segments, translates or describes: safetensors, or PyTorch's .pth
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The architecture it must be of, as in `lucida forward --arch` [default: what its tensors' names say]
        #[arg(long, value_name = "ARCH")]
        arch: Option<String>,
        /// What to call it: lower-case words joined by hyphens [default: made of the file's name]
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// Of a generator of CycleGAN's or pix2pix's, the checkpoint of the way back
        #[arg(long, value_name = "FILE")]
        back: Option<PathBuf>,
        /// Of a captioning decoder, the list of its words, a WORDMAP_....json [default: the one beside it]
        #[arg(long, value_name = "WORDMAP.json", conflicts_with = "back")]
        words: Option<PathBuf>,
        /// Of a captioning decoder that comes without its encoder, torchvision's resnet101
        #[arg(long, value_name = "FILE", conflicts_with = "back")]
        encoder: Option<PathBuf>,
    },
    /// Remove a model that was added
    Remove {
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
    /// The ids under which the network's coarser forms run.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    forms: &'a [String],
}

/// Runs `lucida models`.
pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    match &arguments.command {
        Some(One::Show { id }) => show(id),
        Some(One::Add { file, arch, id, back, words, encoder }) => {
            let [back, words, encoder] = [back, words, encoder].map(|path| path.as_deref());
            let (id, architecture) = (id.as_deref(), arch.as_deref());
            add(&Import { path: file, back, words, encoder, id, architecture }, session)
        }
        Some(One::Remove { id }) => Ok(session.saving(|| zoo::remove(id))??),
        None => list(arguments.json),
    }
}

fn show(id: &str) -> Result<(), Failure> {
    let network = zoo::models().iter().find(|card| card.forms.iter().any(|form| form == id));
    if let Some(card) = zoo::card_text(network.map_or(id, |card| card.id.as_str())) {
        return console::print(card);
    }
    if let Some(card) = zoo::imported_card_text(id) {
        return console::print(&card);
    }
    let imported = zoo::imported();
    let known: Vec<&str> = zoo::models().iter().chain(&imported).map(|card| card.id.as_str()).collect();
    Err(Failure::Arguments(format!("there is no model '{id}'; the models are {}", known.join(", "))))
}

fn add(import: &Import<'_>, session: &Session) -> Result<(), Failure> {
    let prepared = zoo::prepare(import).map_err(|error| asked::unusable(import.path, error))?;
    let card = session.saving(|| prepared.write())??;
    console::print(&card.id)?;
    console::say(format_args!(
        "{} is {}'s with {} parameters, for lucida {}",
        card.id,
        card.architecture,
        count(card.parameters),
        asked::task(card.task)
    ));
    Ok(())
}

fn list(json: bool) -> Result<(), Failure> {
    let imported = zoo::imported();
    let lines: Vec<Line> = zoo::models().iter().chain(&imported).map(line).collect();
    if json {
        return console::print_json(&lines);
    }
    let cells: Vec<[String; 7]> = lines
        .iter()
        .map(|l| {
            let forms = if l.forms.is_empty() { String::new() } else { format!("; also {}", l.forms.join(", ")) };
            [
                l.id.to_owned(),
                l.task.clone(),
                l.architecture.to_owned(),
                count(l.parameters),
                l.licence.to_owned(),
                format!("{:.1} MB", l.bytes as f64 / 1e6),
                format!("{}{forms}", l.source),
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
    Line {
        id: &card.id,
        task: asked::task(card.task),
        architecture: &card.architecture,
        parameters: card.parameters,
        licence: &card.licence,
        bytes: card.bytes,
        source: &card.source,
        forms: &card.forms,
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
