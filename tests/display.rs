//! The real program in a real window: Xvfb, a window manager, keys and mouse by xdotool, screenshots as artefacts.
//! Skipped (and said so) where those tools are not installed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lucida::app::session::{CompareMode, Session};
use lucida::imaging;

const TOOLS: [&str; 4] = ["Xvfb", "openbox", "xdotool", "import"];

fn has(tool: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|p| std::env::split_paths(&p).any(|d| d.join(tool).is_file()))
}

/// A display of its own, with everything that runs on it; all ends with it.
struct Display {
    name: String,
    home: tempfile::TempDir,
    children: Vec<Child>,
}

impl Drop for Display {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Display {
    fn open() -> Self {
        let home = tempfile::tempdir().unwrap();
        // Xvfb picks a free number itself and writes it to the descriptor it is given: no race between two tests.
        let number = home.path().join("display");
        let mut xvfb = Command::new("sh");
        xvfb.arg("-c")
            .arg(format!("exec Xvfb -displayfd 3 -screen 0 1280x800x24 -nolisten tcp 3>{}", number.display()));
        let children = vec![xvfb.stderr(Stdio::null()).spawn().unwrap()];
        let mut d = Self { name: String::new(), home, children };
        wait("Xvfb", || std::fs::read_to_string(&number).is_ok_and(|s| s.ends_with('\n')));
        d.name = format!(":{}", std::fs::read_to_string(&number).unwrap().trim());
        d.spawn("openbox", &[]);
        // A window that is mapped while the manager takes over may stay unmapped.
        wait("openbox", || d.xdo(&["get_desktop"]));
        d
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut c = Command::new(program);
        c.env("DISPLAY", &self.name).env_remove("WAYLAND_DISPLAY").env("LANG", "C.UTF-8");
        c.env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.home.path())
            .env("XDG_RUNTIME_DIR", self.home.path());
        c.stdout(Stdio::null());
        c
    }

    fn spawn(&mut self, program: &str, args: &[&str]) {
        let child = self.command(program).args(args).stderr(Stdio::null()).spawn().unwrap();
        self.children.push(child);
    }

    fn xdo(&self, args: &[&str]) -> bool {
        self.command("xdotool").args(args).stderr(Stdio::null()).status().unwrap().success()
    }

    fn shot(&self, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("display");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        assert!(self.command("import").args(["-window", "root"]).arg(&path).status().unwrap().success());
        path
    }

    /// What a screenshot shows at a place.
    fn pixel(&self, name: &str, [x, y]: [usize; 2]) -> [u8; 4] {
        let shot = imaging::open(&self.shot(name)).unwrap().to_srgba8();
        shot[(y * 1280 + x) * 4..][..4].try_into().unwrap()
    }

    fn session(&self) -> Session {
        Session::load_quietly(&self.home.path().join("lucida/session.toml"))
    }
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !done() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_real_window_opens_obeys_keys_and_mouse_exports_and_closes() {
    if let Some(missing) = TOOLS.iter().find(|t| !has(t)) {
        println!("skipped: {missing} is not installed");
        return;
    }
    let d = Display::open();
    let out = d.home.path().join("out.png");
    let began = Instant::now();
    let log = std::fs::File::create(d.home.path().join("log")).unwrap();
    let mut lucida = d.command(env!("CARGO_BIN_EXE_lucida")).stderr(log).spawn().unwrap();
    let said = || std::fs::read_to_string(d.home.path().join("log")).unwrap_or_default();
    wait("the window", || {
        assert!(lucida.try_wait().unwrap().is_none(), "it ended: {}", said());
        d.xdo(&["search", "--onlyvisible", "--name", "^Lucida$"])
    });
    println!("window after {:?}", began.elapsed());
    assert!(d.xdo(&[
        "search",
        "--sync",
        "--onlyvisible",
        "--name",
        "^Lucida$",
        "windowsize",
        "1280",
        "800",
        "windowmove",
        "0",
        "0",
        "windowfocus"
    ]));
    // The sample is painted: the canvas is not the surround's one grey.
    wait("a picture on the canvas", || {
        let shot = imaging::open(&d.shot("opened.png")).unwrap().to_srgba8();
        let colours: std::collections::HashSet<_> = (150..550)
            .step_by(9)
            .flat_map(|y| (200..800).step_by(9).map(move |x| (y * 1280 + x) * 4))
            .map(|i| shot[i])
            .collect();
        colours.len() > 40
    });

    // A key: the split line. The mouse: the second style of the gallery. The session tells that both arrived.
    assert!(d.xdo(&["key", "w"]));
    wait("the split", || d.session().compare == CompareMode::Split);
    assert!(d.xdo(&["mousemove", "1080", "140", "click", "1"]));
    wait("the second style", || d.session().look.mix[0].0 == "van-gogh-auvers");
    std::thread::sleep(Duration::from_secs(2));
    let before = d.pixel("split.png", [300, 150]);

    // Export by keyboard alone. The path field has the proposed name; it is replaced as a whole.
    assert!(d.xdo(&["key", "ctrl+e"]));
    wait("the dialog, which dims all else", || d.pixel("export.png", [300, 150]) != before);
    std::thread::sleep(Duration::from_secs(1));
    assert!(d.xdo(&["key", "ctrl+a"]));
    assert!(d.xdo(&["type", "--delay", "15", &out.display().to_string()]));
    std::thread::sleep(Duration::from_secs(1));
    d.shot("export.png");
    assert!(d.xdo(&["key", "Return"]));
    wait("the file", || out.exists());
    assert_eq!(imaging::open(&out).unwrap().size(), [1024, 768]);

    // It closes by its own key, with a clean status.
    std::thread::sleep(Duration::from_millis(500));
    assert!(d.xdo(&["key", "ctrl+q"]));
    wait("the end", || lucida.try_wait().unwrap().is_some());
    let said = said();
    assert!(lucida.wait().unwrap().success(), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
