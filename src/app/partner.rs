//! The true partner of a picture: what a translation of it ought to be, where the data hold it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::{PictureId, Slot};
use super::studio::{News, Studio};
use super::translate_look::Asked;
use super::workers::{FileJob, Pixels, Place};
use crate::gpu::PictureTexture;
use crate::imaging::{self, Picture, Remark};
use crate::jobs::Trouble;
use crate::tasks::TaskError;
use crate::tasks::translate::{Direction, check_partner};

/// Names of folders that lie beside each other in paired data.
const FOLDERS: [[&str; 2]; 5] =
    [["aerial", "map"], ["A", "B"], ["trainA", "trainB"], ["testA", "testB"], ["valA", "valB"]];

/// A true partner.
pub struct Partner {
    /// Its file.
    pub path: PathBuf,
    /// Its pixels, as many as its picture has.
    pub picture: Arc<Picture>,
    /// The way from its picture to it, where that is known.
    pub of: Option<Direction>,
    pub(super) texture: Slot<PictureTexture>,
}

/// What is known of a picture's partner.
#[derive(Default)]
pub(super) enum Search {
    #[default]
    NotYet,
    UnderWay,
    Over(Option<Partner>),
}

/// A partner that was read.
pub struct Found {
    /// Its file.
    pub path: PathBuf,
    /// Its pixels, as many as its picture has.
    pub picture: Arc<Picture>,
    /// What is to be said of its file.
    pub remarks: Vec<Remark>,
    /// Somebody chose the file.
    pub chosen: bool,
    /// The way from its picture to it, where the folders tell.
    pub of: Option<Direction>,
}

/// Where a partner is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Beside this picture: in the other folder of a pair, under the same name.
    BesideOf(PathBuf),
    /// In this file.
    File(PathBuf),
}

/// The file of the same stem in the folder that makes a pair with this file's, and the way from this one to that.
pub fn beside(path: &Path) -> Option<(PathBuf, Direction)> {
    let (stem, folder) = (path.file_stem()?, path.parent()?);
    let name = folder.file_name()?.to_str()?;
    let (other, way) = FOLDERS.iter().find_map(|[a, b]| match name {
        _ if name == *a => Some((*b, Direction::AToB)),
        _ if name == *b => Some((*a, Direction::BToA)),
        _ => None,
    })?;
    let files = imaging::pictures_in(&folder.with_file_name(other)).ok()?;
    files.into_iter().find(|file| file.file_stem() == Some(stem)).map(|file| (file, way))
}

impl Source {
    /// Reads the partner of a picture of `size`, and brings it to that size. `None` where there is none.
    ///
    /// # Errors
    /// Those of [`imaging::open`] and [`check_partner`], with the file's path.
    pub fn read(&self, [width, height]: [u32; 2]) -> Result<Option<Found>, (PathBuf, Trouble)> {
        let (path, chosen, of) = match self {
            Source::File(path) => (path.clone(), true, None),
            Source::BesideOf(picture) => match beside(picture) {
                Some((path, of)) => (path, false, Some(of)),
                None => return Ok(None),
            },
        };
        let opened = imaging::open(&path).map_err(TaskError::from).and_then(|picture| {
            check_partner([width, height], picture.size())?;
            Ok(picture)
        });
        match opened {
            Ok(picture) => {
                let (remarks, picture) = (picture.remarks().to_vec(), Arc::new(picture.resized_to(width, height)));
                Ok(Some(Found { path, picture, remarks, chosen, of }))
            }
            Err(why) => Err((path, Arc::new(why))),
        }
    }
}

impl Studio {
    /// The partner of the shown picture, if it is there.
    pub fn partner(&self) -> Option<&Partner> {
        self.current()?.partner()
    }

    /// Looks, once, for the partner of the shown picture: the one that was `chosen` for it, in pairs of its file and the
    /// partner's, or the one where paired data have it.
    pub fn seek_partner(&mut self, chosen: &[[PathBuf; 2]]) {
        let Some(e) = self.selected.and_then(|id| self.entry(id)) else { return };
        if !matches!(e.partner, Search::NotYet) {
            return;
        }
        let Some(path) = e.path.clone() else {
            e.partner = Search::Over(None);
            return;
        };
        let id = e.id;
        let chosen = chosen.iter().find(|[of, partner]| *of == path && partner.exists());
        self.read_partner(
            id,
            match chosen {
                Some([_, partner]) => Source::File(partner.clone()),
                None => Source::BesideOf(path),
            },
        );
    }

    /// Takes this file as the partner of a picture, if that is in the strip still.
    pub fn choose_partner(&mut self, id: PictureId, path: PathBuf) {
        self.read_partner(id, Source::File(path));
    }

    fn read_partner(&mut self, id: PictureId, source: Source) {
        let Some(e) = self.entry(id) else { return };
        if matches!(e.partner, Search::NotYet) {
            e.partner = Search::UnderWay;
        }
        let job = FileJob::Partner { entry: e.id, source, size: e.picture.size() };
        self.files.push_before(job, |j| !matches!(j, FileJob::Partner { .. }));
    }

    /// Takes in a partner that was read. Where a chosen one could not be, the one before it stays.
    pub(super) fn take_partner(&mut self, entry: PictureId, found: Option<Found>) -> Option<News> {
        let e = self.entry(entry)?;
        match found {
            Some(Found { path, picture, remarks, chosen, of }) => {
                let chosen_for = e.path.clone().filter(|_| chosen);
                let news = News::Paired { chosen_for, partner: path.clone(), remarks };
                e.partner = Search::Over(Some(Partner { path, picture, of, texture: Slot::Missing }));
                e.translated.iter_mut().for_each(|t| t.l1 = None);
                return Some(news);
            }
            None if matches!(e.partner, Search::Over(_)) => {}
            None => e.partner = Search::Over(None),
        }
        None
    }

    /// The partner of the shown picture on the GPU; asks for the upload where it is not there.
    pub fn partner_texture(&mut self) -> Option<Arc<PictureTexture>> {
        let e = self.current()?;
        let partner = e.partner()?;
        if matches!(partner.texture, Slot::Missing) {
            let (id, place) = (e.id, Place::Partner(partner.path.clone()));
            let pixels = Pixels::Picture(partner.picture.clone());
            self.upload(id, place, pixels);
            return None;
        }
        partner.texture.ready()
    }

    /// Asks how far a translation of the shown picture is from its partner, unless that is known or under way.
    pub fn compare_with_partner(&mut self, asked: &Asked) {
        let Some(e) = self.current() else { return };
        let (Some(t), Some(partner)) = (e.translation(asked), e.partner()) else { return };
        if t.l1.is_some() {
            return;
        }
        let job = FileJob::Compare {
            entry: e.id,
            asked: t.asked.clone(),
            photo: e.picture.clone(),
            result: t.outcome.translated.clone(),
            partner: (partner.path.clone(), partner.picture.clone()),
        };
        let same = |j: &FileJob| match (j, &job) {
            (
                FileJob::Compare { entry: a, asked: b, partner: (c, _), .. },
                FileJob::Compare { entry, asked, partner: (path, _), .. },
            ) => (a, b, c) == (entry, asked, path),
            _ => false,
        };
        if !self.files.jobs().any(same) {
            self.files.push(job);
        }
    }

    /// Takes in how far a translation is from its partner, unless there is another partner by now.
    pub(super) fn take_comparison(&mut self, entry: PictureId, asked: &Asked, path: &Path, l1: f64) {
        let Some(e) = self.entry(entry).filter(|e| e.partner().is_some_and(|p| p.path == path)) else { return };
        if let Some(t) = e.translated.iter_mut().find(|t| t.asked == *asked) {
            t.l1 = Some(l1);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn partners_lie_in_the_other_folder_under_the_same_stem() {
        let home = tempfile::tempdir().unwrap();
        for folder in ["val/aerial", "val/map", "C"] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        for file in ["val/aerial/1.jpg", "val/aerial/2.jpg", "val/map/1.png", "val/map/1.txt", "C/1.jpg"] {
            std::fs::write(home.path().join(file), "").unwrap();
        }
        let of = |file: &str| beside(&home.path().join(file));
        assert_eq!(of("val/aerial/1.jpg"), Some((home.path().join("val/map/1.png"), Direction::AToB)));
        assert_eq!(of("val/map/1.png"), Some((home.path().join("val/aerial/1.jpg"), Direction::BToA)));
        assert_eq!((of("val/aerial/2.jpg"), of("C/1.jpg")), (None, None));
    }
}
