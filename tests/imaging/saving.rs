//! Folders, and saving that survives being killed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lucida::imaging::{ImagingError, is_picture_name, pictures_in, save_bytes};

#[test]
fn folders_list_their_pictures() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.png", "a.JPG", ".hidden.png", "notes.txt", "c.tiff"] {
        std::fs::write(folder.path().join(name), b"x").unwrap();
    }
    std::fs::create_dir(folder.path().join("folder.png")).unwrap();
    let found = pictures_in(folder.path()).unwrap();
    let names: Vec<_> = found.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["a.JPG", "b.png", "c.tiff"]);
    assert!(pictures_in(&folder.path().join("gone")).is_err());
    assert!(is_picture_name(Path::new("x.WebP")) && !is_picture_name(Path::new("webp")));
}

fn names_in(folder: &Path) -> Vec<String> {
    let names = folder.read_dir().unwrap();
    let mut names: Vec<_> = names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn saving_replaces_only_when_told_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.png");
    save_bytes(&path, b"first", false).unwrap();
    let error = save_bytes(&path, b"second", false).unwrap_err();
    assert!(matches!(error, ImagingError::Exists { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"first");
    save_bytes(&path, b"second", true).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    save_bytes(&folder.path().join("new.png"), b"third", true).unwrap();

    assert!(save_bytes(folder.path(), b"x", true).is_err());
    let error = save_bytes(&folder.path().join("gone/out.png"), b"x", true).unwrap_err();
    assert!(matches!(error, ImagingError::Io { .. }), "{error}");
    assert!(save_bytes(&folder.path().join("n".repeat(300)), b"x", true).is_err());
    assert_eq!(names_in(folder.path()), ["new.png", "out.png"]);
}

#[cfg(unix)]
#[test]
fn saving_respects_links_permissions_and_devices() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    let (real, link) = (inside.join("real.png"), folder.path().join("link.png"));
    std::fs::write(&real, b"old").unwrap();
    std::fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).unwrap();
    symlink("inside/real.png", &link).unwrap();
    assert!(matches!(save_bytes(&link, b"new", false), Err(ImagingError::Exists { .. })));
    save_bytes(&link, b"new", true).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(std::fs::read(&real).unwrap(), b"new");
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);

    let dangling = folder.path().join("dangling.png");
    symlink("inside/later.png", &dangling).unwrap();
    save_bytes(&dangling, b"made", false).unwrap();
    assert_eq!(std::fs::read(inside.join("later.png")).unwrap(), b"made");

    let round = folder.path().join("round.png");
    symlink("round.png", &round).unwrap();
    assert!(save_bytes(&round, b"x", true).is_err());
    assert!(save_bytes(Path::new("/dev/null"), b"x", true).is_err());
    let said = save_bytes(&folder.path().join("no/where.png"), b"x", false).unwrap_err().to_string();
    assert!(said.contains("where.png") && !said.contains(".part"), "{said}");
    assert_eq!(names_in(&inside), ["later.png", "real.png"]);

    // A new file gets the permissions any new file gets here.
    std::fs::write(inside.join("usual"), b"").unwrap();
    let mode = |name: &str| inside.join(name).metadata().unwrap().permissions().mode();
    assert_eq!(mode("later.png"), mode("usual"));
}

const SAVE_INTO: &str = "LUCIDA_TEST_SAVE_INTO";
const SAVED_LEN: usize = 24 << 20;

/// Not a test by itself: the victim of the next one, saving until it is killed.
#[test]
fn saver_that_gets_killed() {
    let Some(path) = std::env::var_os(SAVE_INTO) else {
        return;
    };
    for round in 0u8..=255 {
        save_bytes(Path::new(&path), &vec![round; SAVED_LEN], true).unwrap();
    }
}

#[test]
fn a_kill_in_the_middle_of_saving_leaves_a_whole_file_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.tiff");
    let mut killed_while_writing = 0;
    for round in 0..12u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "saving::saver_that_gets_killed", "--test-threads=1"])
            .env(SAVE_INTO, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Wait until it writes, then a little longer, different each time.
        let started = Instant::now();
        let writing = || names_in(folder.path()).iter().any(|n| n.ends_with(".part"));
        while !writing() && started.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(round * 5));
        child.kill().unwrap();
        child.wait().unwrap();
        for name in names_in(folder.path()) {
            if name.ends_with(".part") {
                killed_while_writing += 1;
                std::fs::remove_file(folder.path().join(name)).unwrap();
            }
        }
        if path.exists() {
            let saved = std::fs::read(&path).unwrap();
            assert_eq!(saved.len(), SAVED_LEN);
            assert!(saved.iter().all(|&b| b == saved[0]));
        }
    }
    assert!(killed_while_writing > 0, "no kill hit the middle of a write");
}
