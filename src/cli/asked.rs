//! Which model `--model` means: one by its id, or a checkpoint.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::tasks::TaskError;
use crate::zoo::{self, Task, ZooError};

/// What was asked for.
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    /// A model of this id.
    Id(String),
    /// The checkpoint here.
    File(PathBuf),
}

/// Tells ids from files: what looks like a path is one, and so is what else there is a file of. Nothing asked for is the
/// first of `ids`; `kind` is said where there is none ("segmentation").
///
/// # Errors
/// A name that is neither.
pub(super) fn asked(model: Option<&Path>, ids: &[String], kind: &str) -> Result<Asked, Failure> {
    let Some(model) = model else {
        let first = ids.first().cloned().map(Asked::Id);
        return first.ok_or_else(|| {
            Failure::Arguments(format!("no {kind} model comes with this program; give a checkpoint to --model"))
        });
    };
    if let Some(id) = ids.iter().find(|id| model.as_os_str() == OsStr::new(id)) {
        return Ok(Asked::Id(id.clone()));
    }
    if model.exists() || model.components().count() > 1 || model.extension().is_some() {
        return Ok(Asked::File(model.to_owned()));
    }
    let known = match ids {
        [] => format!("no {kind} model comes with this program"),
        ids => format!("the {kind} models are {}", ids.join(", ")),
    };
    let model = model.display().to_string();
    let why = match zoo::task_of_id(&model) {
        Some(of) => format!("'{model}' is a model of `lucida {}`", task(of)),
        None => format!("there is neither a model nor a file called '{model}'"),
    };
    Err(Failure::Arguments(format!("{why}; {known}")))
}

/// What is wrong with the checkpoint at `path`, which is named unless the error names what it is of.
pub(super) fn unusable(path: &Path, error: impl Into<TaskError>) -> Failure {
    match error.into() {
        TaskError::Zoo(
            error @ (ZooError::BadId { .. }
            | ZooError::IdTaken { .. }
            | ZooError::UnknownArchitecture { .. }
            | ZooError::Read { .. }
            | ZooError::Damaged { .. }
            | ZooError::Other { .. }
            | ZooError::NoEncoder { .. }
            | ZooError::NoWordMap { .. }
            | ZooError::WordMap { .. }
            | ZooError::Write { .. }
            | ZooError::NoFolder),
        ) => error.into(),
        error => Failure::with(path.display(), error),
    }
}

/// The word for a task on cards and as a command.
pub(super) fn task(task: Task) -> String {
    let task = serde_json::to_value(task).ok().and_then(|v| v.as_str().map(str::to_owned));
    task.unwrap_or_default()
}

/// The ids of the models for a task that were added to those that ship.
pub(super) fn imported(task: Task) -> impl Iterator<Item = String> {
    zoo::imported().into_iter().filter(move |card| card.task == task).map(|card| card.id)
}
