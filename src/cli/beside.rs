//! Files that are written beside a result, each because an option names one: labels, a reconstruction, an animation.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Failure;
use super::files::{self, Job, Plan, Target};
use crate::imaging;

/// One kind of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// The option's name with its dashes.
    pub(super) option: &'static str,
    /// What it holds; in a folder the file of `a.jpg` is `a.jpg.NAME.png`.
    pub(super) name: &'static str,
    /// The endings that it may have, the usual one first.
    pub(super) endings: &'static [&'static str],
    /// What the option was given, if it was.
    pub(super) path: Option<&'a Path>,
}

/// The ending of pictures.
pub(super) const PNG: &[&str] = &["png"];

/// Where `N` kinds of them go.
#[derive(Debug)]
pub(super) struct Beside<const N: usize>([Place; N]);

#[derive(Debug)]
enum Place {
    Nowhere,
    File(PathBuf),
    Folder { folder: PathBuf, name: &'static str, ending: &'static str },
}

impl<const N: usize> Beside<N> {
    /// Decides, and refuses what cannot be: for one picture a file that exists (unless `force`) ends the command; of
    /// several only that picture is refused, in `plan`, and so is one whose file would replace a picture that is read. Several
    /// pictures' go into folders, which need not exist.
    ///
    /// # Errors
    /// Another ending, one file named twice, and the above.
    pub(super) fn new(wanted: [Wanted<'_>; N], plan: &mut Plan, force: bool) -> Result<Beside<N>, Failure> {
        let mut places = [const { Place::Nowhere }; N];
        for (place, wanted) in places.iter_mut().zip(&wanted) {
            *place = Place::new(wanted, plan)?;
        }
        let beside = Beside(places);
        beside.check_names(&wanted, plan)?;
        let readers = files::readers(plan.jobs.iter().map(|job| &job.source));
        let mut jobs = Vec::new();
        for (index, job) in plan.jobs.drain(..).enumerate() {
            let taken =
                beside.of(&job.target).iter().flatten().try_for_each(|path| match readers.get(&written(path)) {
                    Some(reader) => {
                        let whose = if *reader == index { "the picture itself" } else { "another picture" };
                        let why = format!("{} would replace {whose}; choose another place", path.display());
                        Err(Failure::Work(why))
                    }
                    None => files::check_free(path, force),
                });
            match taken {
                Ok(()) => jobs.push(job),
                Err(failure) if plan.many => plan.refused.push((job.source.path(), failure)),
                Err(failure) => return Err(failure),
            }
        }
        plan.jobs = jobs;
        Ok(beside)
    }

    /// The files for one picture, in the order of the kinds.
    pub(super) fn of(&self, target: &Target) -> [Option<PathBuf>; N] {
        self.0.each_ref().map(|place| match place {
            Place::Nowhere => None,
            Place::File(path) => Some(path.clone()),
            Place::Folder { folder, name, ending } => {
                // After the result's whole name, which no other picture of this run has.
                let mut file = match target {
                    Target::File(path) => path.file_name().unwrap_or_default().to_owned(),
                    Target::Unwritten(name) => name.clone(),
                    Target::Stdout => "picture".into(),
                };
                file.push(format!(".{name}.{ending}"));
                Some(folder.join(file))
            }
        })
    }

    /// No two files of one run may be the same.
    fn check_names(&self, wanted: &[Wanted<'_>; N], plan: &Plan) -> Result<(), Failure> {
        let mut seen: HashMap<PathBuf, &str> = HashMap::new();
        for Job { target, .. } in &plan.jobs {
            let result = match target {
                Target::File(path) => Some(("-o", path.clone())),
                Target::Stdout | Target::Unwritten(_) => None,
            };
            let others = self.of(target).into_iter().zip(wanted).filter_map(|(path, w)| Some((w.option, path?)));
            for (option, path) in result.into_iter().chain(others) {
                if let Some(other) = seen.insert(written(&path), option) {
                    let path = path.display();
                    let why = format!("{other} and {option} name the same file, {path}; give each its own");
                    return Err(Failure::Arguments(why));
                }
            }
        }
        Ok(())
    }
}

impl Place {
    fn new(wanted: &Wanted<'_>, plan: &mut Plan) -> Result<Place, Failure> {
        let Wanted { option, name, endings, path: Some(path) } = *wanted else { return Ok(Place::Nowhere) };
        if plan.many || path.is_dir() || files::ends_with_separator(path) {
            if path.exists() && !path.is_dir() {
                let why = format!("{option} of several pictures needs a folder, but {} is a file", path.display());
                return Err(Failure::Arguments(why));
            }
            plan.folders.push(path.to_owned());
            let ending = endings.first().copied().unwrap_or_default();
            return Ok(Place::Folder { folder: path.to_owned(), name, ending });
        }
        let has = |ending: &&str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
        if !endings.iter().any(has) {
            let (path, endings) = (path.display(), endings.join(" or ."));
            let formats = endings.replace('.', "").to_uppercase().replace(" OR ", " or ");
            return Err(Failure::Arguments(format!("{option} {path}: this is written as {formats}; use .{endings}")));
        }
        files::check_folder(path)?;
        Ok(Place::File(path.to_owned()))
    }
}

/// The file that is read or written there, through links of any kind.
pub(super) fn written(path: &Path) -> PathBuf {
    whole(&imaging::link_target(path).unwrap_or_else(|_| path.to_owned()))
}

/// The path in a form that two ways to write it share, if its folder exists; a link stays one.
pub(super) fn whole(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}
