//! A picture for each word of a sentence, numbered and named after it, in a folder of their own.

use std::path::{Path, PathBuf};

use super::Failure;
use super::beside;
use super::console;
use super::files::{Job, Plan, Target};

/// The map of all words together.
pub(super) const SUM: &str = "sum.png";

/// Where they go.
#[derive(Debug)]
pub(super) struct Heatmaps {
    folder: PathBuf,
    many: bool,
}

impl Heatmaps {
    /// The folder itself for one picture; of several each has a folder in it. It need not exist.
    ///
    /// # Errors
    /// A file where the folder should be; maps that are there already (unless `force`), of one of several pictures in
    /// `plan`.
    pub(super) fn new(folder: &Path, plan: &mut Plan, force: bool) -> Result<Heatmaps, Failure> {
        if folder.exists() && !folder.is_dir() {
            let why = format!("--heatmaps needs a folder, which {} is not", folder.display());
            return Err(Failure::Arguments(why));
        }
        let heatmaps = Heatmaps { folder: folder.to_owned(), many: plan.many };
        let mut jobs = Vec::new();
        for job in plan.jobs.drain(..) {
            let of = heatmaps.of(&job);
            let refused = match maps_in(&of).first() {
                _ if of.exists() && !of.is_dir() => Some(Failure::Work(format!(
                    "--heatmaps needs a folder, which {} is not; name another",
                    of.display()
                ))),
                Some(map) if !force => Some(console::exists(map)),
                _ => None,
            };
            match refused {
                None => jobs.push(job),
                Some(failure) if plan.many => plan.refused.push((job.source.path(), failure)),
                Some(failure) => return Err(failure),
            }
        }
        plan.jobs = jobs;
        plan.folders.push(folder.to_owned());
        Ok(heatmaps)
    }

    /// The folder of one picture's maps.
    pub(super) fn of(&self, job: &Job) -> PathBuf {
        match &job.target {
            Target::Unwritten(name) if self.many => self.folder.join(name),
            _ => self.folder.clone(),
        }
    }

    /// Refuses to be written where an option names a file that would be taken for a map.
    pub(super) fn check(&self, job: &Job, others: &[Option<PathBuf>]) -> Result<(), Failure> {
        let of = beside::whole(&self.of(job).join(SUM));
        for path in others.iter().flatten() {
            if beside::whole(path).parent() == of.parent() && is_map(path) {
                let why = format!("--heatmaps would write to {} too; give it another name", path.display());
                return Err(Failure::Arguments(why));
            }
        }
        Ok(())
    }
}

/// The maps in a folder, by name.
pub(super) fn maps_in(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut maps: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_map(path)).collect();
    maps.sort();
    maps
}

/// Whether a file is called like a map.
fn is_map(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let numbered = |name: &str| {
        let (number, word) = name.split_once('-')?;
        Some(number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit()) && word.ends_with(".png"))
    };
    name == SUM || numbered(&name).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::attention::map_name;

    #[test]
    fn maps_are_told_from_other_files() {
        for word in ["dog", "<unk>", "../../etc/passwd", "t-shirt", "개", ""] {
            let name = format!("{}.png", map_name(51, word));
            assert!(is_map(Path::new(&name)), "{name}");
        }
        for other in ["1-a.png", "001-a.png", "01_a.png", "01-a.jpg", "photo.png", "sum.jpg"] {
            assert!(!is_map(Path::new(other)), "{other}");
        }
    }
}
