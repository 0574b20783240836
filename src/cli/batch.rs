//! One picture after the other: what fails is told, the rest goes on, and a report ends it.

use std::fmt::Display;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use super::Failure;
use super::console::{self, Session};
use super::files::{self, Job, Plan, Source, Target};
use super::progress::Progress;
use crate::imaging::{self, Format, Picture, Remark};
use crate::nn::Watch;

/// One picture of several.
#[derive(Debug, Serialize)]
struct DoneFile<D> {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(flatten)]
    done: D,
}

#[derive(Debug, Serialize)]
struct FailedFile {
    file: String,
    error: String,
}

/// What became of several pictures.
#[derive(Debug, Serialize)]
struct Report<D> {
    results: Vec<DoneFile<D>>,
    failed: Vec<FailedFile>,
}

/// What all pictures of one command share.
pub(super) struct Batch<'a> {
    session: &'a Session,
    progress: Progress,
    /// Whether the report is printed, as JSON.
    json: bool,
    force: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn new(session: &'a Session, plan: &Plan, json: bool, force: bool) -> Batch<'a> {
        Batch { session, progress: Progress::new(plan.jobs.len()), json, force }
    }

    /// Makes the plan's folders and does `one` for each job. With several pictures, one that fails is told and the rest go
    /// on; what was done is printed.
    pub(super) fn run<D: Serialize>(
        &self,
        plan: Plan,
        one: impl Fn(&Job) -> Result<D, Failure>,
    ) -> Result<(), Failure> {
        let made = plan.make_folders()?;
        self.session.made(&made);
        let done = self.each(plan, one);
        // Where everything failed they are as empty as they were.
        for folder in made {
            let _ = fs::remove_dir(folder);
        }
        done
    }

    fn each<D: Serialize>(&self, plan: Plan, one: impl Fn(&Job) -> Result<D, Failure>) -> Result<(), Failure> {
        let one = |index: usize, job: &Job| {
            self.session.check()?;
            self.progress.begin(index, &job.source.name());
            // Ctrl+C ends whatever fills standard input too: a picture cut off by that is not damaged.
            one(job).or_else(|failure| self.session.check().and(Err(failure)))
        };
        // Where nothing is left to do of one picture there is only a report to print.
        if plan.many || plan.jobs.is_empty() {
            return self.all(plan, one);
        }
        for job in &plan.jobs {
            let done = one(0, job);
            self.progress.finish();
            let done = done?;
            if self.json {
                console::print_json(&done)?;
            }
        }
        Ok(())
    }

    fn all<D: Serialize>(&self, plan: Plan, one: impl Fn(usize, &Job) -> Result<D, Failure>) -> Result<(), Failure> {
        let mut report = Report { results: Vec::new(), failed: Vec::new() };
        let fail = |report: &mut Report<D>, file: String, failure: Failure| {
            let error = failure.to_string();
            match error.contains(&file) {
                true => self.progress.say(&error),
                false => self.progress.say(format_args!("{file}: {error}")),
            }
            report.failed.push(FailedFile { file, error });
        };
        let all = plan.refused.len() + plan.jobs.len();
        for (file, failure) in plan.refused {
            fail(&mut report, file, failure);
        }
        let (mut all_done, mut stopped) = (0, None);
        for (index, job) in plan.jobs.iter().enumerate() {
            match one(index, job) {
                Ok(done) => {
                    all_done += 1;
                    if self.json {
                        report.results.push(DoneFile { file: job.source.path(), output: job.target.path(), done });
                    }
                }
                Err(failure) if failure.ends_all() => {
                    if let Failure::All(why) = &failure {
                        report.failed.push(FailedFile { file: job.source.path(), error: why.clone() });
                    }
                    stopped = Some(failure);
                    break;
                }
                Err(failure) => fail(&mut report, job.source.path(), failure),
            }
        }
        self.progress.finish();
        let printed = if self.json { console::print_json(&report) } else { Ok(()) };
        match (stopped, report.failed.len()) {
            // That nobody reads on is no reason to keep quiet about what failed.
            (None | Some(Failure::Closed), failed @ 1..) => {
                if let Err(failure @ (Failure::Work(_) | Failure::All(_))) = printed {
                    self.progress.say(failure);
                }
                Err(Failure::Work(format!("{failed} of {all} pictures failed; {all_done} done")))
            }
            (Some(failure), _) => Err(failure),
            (None, 0) => printed,
        }
    }

    /// Runs `work` with a watch that moves the bar and hears Ctrl+C.
    pub(super) fn watched<R>(&self, work: impl FnOnce(&Watch) -> R) -> R {
        let report = |share: f32| self.progress.at(share);
        work(&Watch::new(self.session.token(), &report))
    }

    /// Prints a line on standard output while the work goes on.
    pub(super) fn print(&self, line: &str) -> Result<(), Failure> {
        self.progress.aside(|| console::print(line))
    }

    /// Does `save`, which Ctrl+C does not interrupt, or nothing if that came first.
    pub(super) fn saving<R>(&self, save: impl FnOnce() -> R) -> Result<R, Failure> {
        self.session.saving(save)
    }

    /// Says a line that only a person at a terminal cares for.
    pub(super) fn whisper(&self, line: impl Display) {
        self.progress.whisper(line);
    }

    /// Opens a picture, and says what is to be said of it.
    pub(super) fn open(&self, source: &Source) -> Result<Picture, Failure> {
        let picture = source.open()?;
        for remark in picture.remarks() {
            let what = match remark {
                Remark::EndsEarly => "warning: the file ends early: a part of it may be missing",
                Remark::MoreFrames => "the first of several frames or pages is used",
            };
            self.progress.say(format_args!("{}: {what}", source.path()));
        }
        Ok(picture)
    }

    /// Warns of what the job's format would lose of `picture`.
    ///
    /// # Errors
    /// A format that cannot hold the picture at all.
    pub(super) fn warn_of_losses(&self, picture: &Picture, job: &Job) -> Result<(), Failure> {
        let lost = files::losses(picture, job.format)?;
        if !lost.is_empty() {
            self.warn(job, &format!("cannot hold {}", lost.join(" and ")));
        }
        Ok(())
    }

    /// Warns that the job's format falls short.
    pub(super) fn warn(&self, job: &Job, how: &str) {
        let (path, format) = (job.source.path(), job.format.name());
        self.progress.say(format_args!("warning: {path}: {format} {how}"));
    }

    /// Says a line about one picture.
    pub(super) fn tell(&self, job: &Job, what: &str) {
        self.progress.say(format_args!("{}: {what}", job.source.path()));
    }

    /// Writes the files of one picture, all or, of those that are new, none: a command that failed can be given again.
    pub(super) fn save(&self, files: Vec<Written>) -> Result<(), Failure> {
        self.save_then(files, || Ok(()))
    }

    /// Writes a job's result and what belongs beside it; `seconds` were spent in the network.
    pub(super) fn write(
        &self,
        job: &Job,
        picture: &Picture,
        mut beside: Vec<Written>,
        seconds: f64,
    ) -> Result<(), Failure> {
        let bytes = imaging::encode(picture, job.format).map_err(|e| Failure::with(job.source.path(), e))?;
        self.session.check()?;
        match &job.target {
            Target::Stdout => self.save_then(beside, || console::print_bytes(&bytes)),
            Target::File(path) => {
                beside.push(Written { path: path.clone(), bytes });
                self.save(beside)?;
                let [width, height] = picture.size();
                self.progress.whisper(format_args!("{} ({width} x {height}, {seconds:.1} s)", path.display()));
                Ok(())
            }
            Target::Unwritten(_) => self.save(beside),
        }
    }

    fn save_then(&self, files: Vec<Written>, last: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        let mut new = Vec::new();
        let remove = |new: &[PathBuf]| new.iter().for_each(|path| drop(fs::remove_file(path)));
        // Ctrl+C finds all of them, or none.
        self.saving(|| {
            for Written { path, bytes } in &files {
                let is_new = !path.exists();
                console::save(path, bytes, self.force).inspect_err(|_| remove(&new))?;
                new.extend(is_new.then(|| path.clone()));
            }
            Ok::<_, Failure>(())
        })??;
        last().inspect_err(|_| remove(&new))
    }
}

/// A file that is to be written whole.
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
}

impl Written {
    /// A picture that explains another one, as PNG: without its camera data.
    pub(super) fn png(path: PathBuf, picture: &Picture) -> Result<Written, Failure> {
        let bytes =
            imaging::encode(&picture.without_exif(), Format::Png).map_err(|e| Failure::with(path.display(), e))?;
        Ok(Written { path, bytes })
    }
}
