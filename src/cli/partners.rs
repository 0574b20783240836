//! For each picture another one that belongs to it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::Failure;
use super::beside::written;
use super::files::{Job, Plan, Source, Target};
use crate::imaging;

/// Where the partners are.
#[derive(Debug)]
pub(super) enum Partners {
    Nobody,
    /// Of the only picture.
    One(PathBuf),
    /// In a folder, by name.
    Among {
        /// The option that named it, with its dashes.
        option: &'static str,
        folder: PathBuf,
        pictures: Vec<PathBuf>,
    },
}

impl Partners {
    /// Finds everybody's partner. Who of several has none is refused, in `plan`, and so is one whose result, or a file
    /// that `beside` names, would replace any partner.
    ///
    /// # Errors
    /// One file for several pictures; a folder that cannot be listed; the only picture's partner missing or replaced.
    pub(super) fn new(
        option: &'static str,
        path: Option<&Path>,
        plan: &mut Plan,
        beside: impl Fn(&Job) -> Vec<PathBuf>,
    ) -> Result<Partners, Failure> {
        let Some(path) = path else { return Ok(Partners::Nobody) };
        let partners = if path.is_dir() {
            let pictures = imaging::pictures_in(path).map_err(|e| Failure::Work(e.to_string()))?;
            Partners::Among { option, folder: path.to_owned(), pictures }
        } else if plan.many {
            let why = format!("{option} of several pictures needs a folder, which {} is not", path.display());
            return Err(Failure::Arguments(why));
        } else if !path.exists() {
            return Err(Failure::Work(format!("{option} {}: there is no such file or folder", path.display())));
        } else {
            Partners::One(path.to_owned())
        };
        let read: HashSet<PathBuf> = partners.pictures().iter().map(|path| written(path)).collect();
        let mut jobs = Vec::new();
        for job in plan.jobs.drain(..) {
            let result = match &job.target {
                Target::File(path) => Some(path.clone()),
                Target::Stdout | Target::Unwritten(_) => None,
            };
            let replaced = result.into_iter().chain(beside(&job)).find(|path| read.contains(&written(path)));
            let refused = match (partners.of(&job.source), replaced) {
                (Err(failure), _) => failure,
                (Ok(_), Some(path)) => {
                    let why =
                        format!("{} is a true partner ({option}); choose another place for results", path.display());
                    Failure::Work(why)
                }
                (Ok(_), None) => {
                    jobs.push(job);
                    continue;
                }
            };
            match plan.many {
                true => plan.refused.push((job.source.path(), refused)),
                false => return Err(refused),
            }
        }
        plan.jobs = jobs;
        Ok(partners)
    }

    /// All that may be read.
    fn pictures(&self) -> &[PathBuf] {
        match self {
            Partners::Nobody => &[],
            Partners::One(path) => std::slice::from_ref(path),
            Partners::Among { pictures, .. } => pictures,
        }
    }

    /// The picture that belongs to `source`: in a folder that of the same name, else the only one that differs from it in
    /// its ending alone.
    pub(super) fn of(&self, source: &Source) -> Result<Option<Source>, Failure> {
        let (option, folder, pictures) = match self {
            Partners::Nobody => return Ok(None),
            Partners::One(path) => return Ok(Some(Source::File(path.clone()))),
            Partners::Among { option, folder, pictures } => (option, folder.display(), pictures),
        };
        let Source::File(path) = source else {
            let why = format!("standard input has no name to look for in {folder}; give a file to {option}");
            return Err(Failure::Arguments(why));
        };
        let stem = path.file_stem().unwrap_or_default();
        let alike: Vec<&PathBuf> = pictures.iter().filter(|p| p.file_stem() == Some(stem)).collect();
        let same = alike.iter().find(|p| p.file_name() == path.file_name());
        match (same, &*alike) {
            (Some(found), _) | (None, [found]) => Ok(Some(Source::File((*found).clone()))),
            (None, []) => {
                let stem = stem.to_string_lossy();
                Err(Failure::Work(format!("{option} {folder} holds no picture called {stem}; add one")))
            }
            (None, many) => {
                let names: Vec<_> = many.iter().filter_map(|p| Some(p.file_name()?.to_string_lossy())).collect();
                Err(Failure::Work(format!("{option} {folder} holds {}; leave one there", names.join(" and "))))
            }
        }
    }
}
