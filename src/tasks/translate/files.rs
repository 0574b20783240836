//! Which checkpoints belong together, by the names that CycleGAN's and pix2pix's code gives them.

use std::path::{Path, PathBuf};

use super::Direction;
use super::way::Way;
use crate::tasks::TaskError;
use crate::zoo::{self, TwoWay, renamed};

/// The generators' files, from A to B and back.
const GENERATORS: [&str; 2] = ["G_A", "G_B"];
/// A generator's file and that of the discriminator of what it makes.
const JUDGES: [[&str; 2]; 3] = [["G_A", "D_A"], ["G_B", "D_B"], ["net_G", "net_D"]];

/// The direction of a generator that has a file of its own.
pub(super) fn direction(path: &Path) -> Direction {
    if zoo::goes_back(path) { Direction::BToA } else { Direction::AToB }
}

/// The file of the generator of the other direction, where it lies beside.
pub(super) fn way_back(path: &Path) -> Option<PathBuf> {
    let [a, b] = GENERATORS;
    renamed(path, a, b).or_else(|| renamed(path, b, a)).filter(|path| path.is_file())
}

/// The networks of the checkpoint at `path` that go in `direction`; if it goes but one way, that is the one. Joined with the
/// discriminator's file beside.
///
/// # Errors
/// As [`super::TranslationModel::from_file`].
pub(super) fn way(path: &Path, direction: Direction) -> Result<Way, TaskError> {
    let TwoWay { named, mut generators, mut judges } = TwoWay::of(zoo::read_tensors(path)?);
    let wanted = direction.index();
    let at = if generators[wanted].is_some() { wanted } else { 1 - wanted };
    let mut way = Way::new(generators[at].take().unwrap_or_default())?;
    match judges[at].take() {
        Some(judge) => way.join_judge(judge)?,
        None if !named => drop(join_judge_beside(&mut way, path)),
        None => {}
    }
    Ok(way)
}

/// A file that lies beside a checkpoint and belongs to it by its name, but cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{} lies beside the checkpoint but is left out: {why}", path.display())]
pub struct LeftOut {
    /// The file.
    pub path: PathBuf,
    /// Why it cannot be used.
    pub why: TaskError,
}

/// Joins the discriminator whose file lies beside the generator's, if it can be used; if not, says why.
pub(super) fn join_judge_beside(way: &mut Way, path: &Path) -> Option<LeftOut> {
    let beside = JUDGES.iter().find_map(|[generator, judge]| renamed(path, generator, judge));
    let beside = beside.filter(|path| path.is_file() && !way.has_judge())?;
    let joined = zoo::read_tensors(&beside).map_err(TaskError::from).and_then(|tensors| way.join_judge(tensors));
    joined.err().map(|why| left_out(&beside, why))
}

/// Tells that a file was found beside another but not used.
pub(super) fn left_out(path: &Path, why: TaskError) -> LeftOut {
    let left_out = LeftOut { path: path.to_owned(), why };
    log::warn!("{left_out}");
    left_out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_who_belongs_together() {
        let renamed = |name: &str, from, to| renamed(Path::new(name), from, to).map(|path| path.display().to_string());
        let [a, b] = ["x/latest_net_G_A.pth", "x/latest_net_G_B.pth"];
        assert_eq!(renamed(a, "G_A", "G_B").as_deref(), Some(b));
        assert_eq!(renamed("x/latest_net_G.pth", "net_G", "net_D").as_deref(), Some("x/latest_net_D.pth"));
        assert_eq!(renamed("G_A/200_net_G_A.pth", "G_A", "D_A").as_deref(), Some("G_A/200_net_D_A.pth"));
        assert_eq!(renamed("BIG_ART.pth", "G_A", "G_B"), None);
        assert_eq!(renamed(a, "net_G", "net_D"), None, "that is CycleGAN's, whose judges have letters too");
        assert_eq!((direction(Path::new(a)), direction(Path::new(b))), (Direction::AToB, Direction::BToA));
        assert_eq!(direction(Path::new("horse2zebra.pth")), Direction::AToB);
    }
}
