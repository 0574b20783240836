//! One picture after the other: what fails is told, the rest goes on, and a report ends it.

use std::path::Path;

use serde::Serialize;

use super::Failure;
use super::console::{self, Session};
use super::files::{self, Job, Plan, Target};
use super::progress::Progress;
use crate::imaging::{self, Format, Picture};
use crate::nn::Watch;

/// One picture of several.
#[derive(Debug, Serialize)]
struct DoneFile<D> {
    file: String,
    output: String,
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

    /// Does `one` for each job. With several pictures, one that fails is told and the rest go on; what was done is printed.
    pub(super) fn run<D: Serialize>(
        &self,
        plan: Plan,
        one: impl Fn(&Job) -> Result<D, Failure>,
    ) -> Result<(), Failure> {
        let one = |index: usize, job: &Job| {
            self.session.check()?;
            self.progress.begin(index, &job.source.name());
            one(job)
        };
        if plan.many {
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
            self.progress.say(&failure);
            report.failed.push(FailedFile { file, error: failure.to_string() });
        };
        for (file, failure) in plan.refused {
            fail(&mut report, file, failure);
        }
        let mut interrupted = false;
        for (index, job) in plan.jobs.iter().enumerate() {
            match one(index, job) {
                Ok(done) => report.results.push(DoneFile {
                    file: job.source.path(),
                    output: match &job.target {
                        Target::Stdout => "-".to_owned(),
                        Target::File(path) => path.display().to_string(),
                    },
                    done,
                }),
                Err(Failure::Interrupted) => {
                    interrupted = true;
                    break;
                }
                Err(failure) => fail(&mut report, job.source.path(), failure),
            }
        }
        self.progress.finish();
        if self.json {
            console::print_json(&report)?;
        }
        match report.failed.len() {
            _ if interrupted => Err(Failure::Interrupted),
            0 => Ok(()),
            failed => Err(Failure::Work(format!(
                "{failed} of {} pictures failed; {} done",
                failed + report.results.len(),
                report.results.len()
            ))),
        }
    }

    /// Runs `work` with a watch that moves the bar and hears Ctrl+C.
    pub(super) fn watched<R>(&self, work: impl FnOnce(&Watch) -> R) -> R {
        let report = |share: f32| self.progress.at(share);
        work(&Watch::new(self.session.token(), &report))
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

    /// Writes a picture beside the results, as PNG.
    pub(super) fn save_png(&self, path: &Path, picture: &Picture) -> Result<(), Failure> {
        let bytes = imaging::encode(picture, Format::Png).map_err(|e| Failure::with(path.display(), e))?;
        self.save(path, &bytes)
    }

    /// Writes a file beside the results.
    pub(super) fn save(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        self.session.save(path, bytes, self.force)
    }

    /// Writes a job's result; `seconds` were spent in the network.
    pub(super) fn write(&self, job: &Job, picture: &Picture, seconds: f64) -> Result<(), Failure> {
        let bytes = imaging::encode(picture, job.format).map_err(|e| Failure::with(job.source.path(), e))?;
        self.session.check()?;
        match &job.target {
            Target::Stdout => console::print_bytes(&bytes),
            Target::File(path) => {
                self.session.save(path, &bytes, self.force)?;
                let [width, height] = picture.size();
                self.progress.whisper(format_args!("{} ({width} x {height}, {seconds:.1} s)", path.display()));
                Ok(())
            }
        }
    }
}
