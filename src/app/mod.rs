//! The window: panels around a canvas. It knows what tasks take and give, never how a network computes.

mod actions;
pub mod caption_look;
pub mod captioned;
pub mod commands;
pub mod compose;
pub mod dialogs;
pub mod entry;
pub mod notices;
mod opening;
pub mod panels;
pub mod panes;
pub mod partner;
pub mod product;
pub mod reading;
mod request;
pub mod rescue;
pub mod segment_look;
pub mod segmented;
pub mod session;
pub mod studio;
pub mod styled;
pub mod tasks;
pub mod theme;
pub mod translate_look;
pub mod translated;
pub mod trouble;
mod wants;
pub mod widgets;
pub mod words;
pub mod workers;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use egui::util::undoer::{self, Undoer};
use egui::{CentralPanel, TextureHandle, TextureOptions, Ui, ViewportCommand};

use commands::Command as C;
use dialogs::{Answer, Ask, Dialogs};
use notices::{Kind, Notices};
use opening::Restore;
use segment_look::Asked;
use session::{Looks, Session, Task, Warning};
use studio::{News, Studio};
use words::{Language, Words};
use workers::FileJob;

/// How the window starts.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Pictures (or folders of them) to open.
    pub files: Vec<PathBuf>,
    /// Where the session is kept; `None` remembers nothing.
    pub session: Option<PathBuf>,
}

impl Start {
    /// Where pasted pictures are kept.
    fn pasted(&self) -> Option<PathBuf> {
        Some(self.session.as_ref()?.parent()?.join("pasted"))
    }

    /// Whether there is something to open besides checkpoints.
    fn has_pictures(&self) -> bool {
        self.files.iter().any(|path| !dialogs::is_checkpoint(path))
    }
}

/// Opens the window and runs it to its end.
///
/// # Errors
/// A sentence that says why there is no window, and what to do.
pub fn run(files: Vec<PathBuf>) -> Result<(), String> {
    let start = Start { files, session: session::default_path() };
    let size = start.session.as_deref().map_or(Session::default().window, |p| Session::load_quietly(p).window);
    let icon = eframe::icon_data::from_png_bytes(include_bytes!("../../assets/icons/lucida.png")).unwrap_or_default();
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Lucida")
            .with_app_id("lucida")
            .with_icon(icon)
            .with_inner_size(size)
            .with_min_inner_size([800.0, 560.0])
            .with_drag_and_drop(true),
        wgpu_options: crate::gpu::wgpu_options(),
        ..Default::default()
    };
    eframe::run_native("Lucida", options, Box::new(move |cc| Ok(Box::new(App::new(cc, start)?)))).map_err(|e| {
        // The event loop's error names the line of its own source that it comes from.
        let e = e.to_string();
        let why = e.rsplit_once(".rs:").and_then(|(_, e)| e.split_once(": ")).map_or(&*e, |(_, why)| why);
        let why = why.trim_end_matches('.');
        format!("Lucida could not open its window: {why}. It needs a display and a graphics driver (Vulkan, Metal, Direct3D or OpenGL; on Linux install mesa-vulkan-drivers). The commands, such as `lucida style`, work without one.")
    })
}

/// The whole window.
pub struct App {
    /// The strip and the workers.
    pub studio: Studio,
    /// What is remembered.
    pub session: Session,
    /// The catalogue in force.
    pub words: Words,
    /// Messages on screen.
    pub notices: Notices,
    /// Clicks in the gallery add to the mix.
    pub mixing: bool,
    /// The paintings, by style id.
    pub paintings: HashMap<String, TextureHandle>,
    /// The adapter, for the status bar.
    pub gpu_name: String,
    gpu_health: Option<crate::gpu::GpuHealth>,
    gpu_memory: Option<crate::gpu::GpuMemory>,
    canvas: panels::sight::State,
    dialogs: Dialogs,
    palette: Option<panels::palette::State>,
    open_path: Option<panels::open_path::State>,
    export: Option<panels::export::State>,
    about: bool,
    reveal_selected: bool,
    /// The next picture that joins the strip is shown: the first of those that were opened together.
    show_next: bool,
    /// The window closes once what is being exported is written.
    closing: bool,
    /// Files that were written, and pictures that there was no room for, since it was last told.
    written: Vec<PathBuf>,
    left_out: usize,
    undo: Undoer<Looks>,
    asked: Vec<C>,
    asked_params: Option<(entry::PictureId, crate::tasks::style::Params)>,
    asked_segmentations: Vec<(entry::PictureId, Asked)>,
    asked_translations: Vec<(entry::PictureId, translate_look::Asked)>,
    asked_captions: Vec<(entry::PictureId, caption_look::Asked)>,
    /// Where a person is in a caption.
    pub reading: reading::Reading,
    /// The models that a person added, as far as they were looked for, and for which task.
    added: Option<(Task, Vec<String>)>,
    saved: Session,
    save_at: Option<Instant>,
    start: Start,
    /// While the pictures of the last session are read.
    restore: Option<Restore>,
    /// Pictures of the last session that are not in the strip, by their places there.
    absent: Vec<opening::Absent>,
}

impl App {
    /// Builds the window's state; nothing here waits for a file or a network.
    ///
    /// # Errors
    /// When the system refuses threads.
    pub fn new(cc: &eframe::CreationContext<'_>, mut start: Start) -> std::io::Result<Self> {
        let ctx = &cc.egui_ctx;
        theme::install(ctx);
        let (mut session, warning) = start.session.as_deref().map_or((Session::default(), None), Session::load);
        let words = Words::new(session.language.unwrap_or_else(Language::of_system));
        let mut notices = Notices::default();
        if let Some(w) = warning {
            let text = match w {
                Warning::Values(names) => words.with("session-values", [("names", names)]),
                Warning::SetAside(path) => words.with("session-aside", [("path", path)]),
                Warning::Unreadable(why) => {
                    // What cannot be read may not be replaced by defaults.
                    start.session = None;
                    words.with("session-unreadable", [("why", words.trouble(&*why))])
                }
            };
            notices.tell(Kind::Warning, text, None);
        }
        let saved = session.clone(); // what is told now is not told again
        if let Some(folder) = session.rescued.take() {
            // Told once, so it stays until it is closed.
            notices.tell(Kind::Failure, words.with("rescued", [("folder", folder.display().to_string())]), None);
        }
        let gpu = cc.wgpu_render_state.as_ref();
        if let Some(state) = gpu {
            crate::gpu::install(state);
        }
        let undo = Undoer::with_settings(undoer::Settings { stable_time: 0.0, ..Default::default() });
        let mut app = Self {
            studio: Studio::start(ctx, gpu.map(|g| (g.device.clone(), g.queue.clone())))?,
            mixing: session.look.mix.len() > 1,
            paintings: HashMap::new(),
            gpu_name: gpu.map_or_else(|| words.get("no-gpu"), crate::gpu::adapter_summary),
            gpu_memory: gpu.map(|g| crate::gpu::GpuMemory::of(&g.device)),
            gpu_health: gpu.map(|g| {
                let ctx = ctx.clone();
                crate::gpu::GpuHealth::watch(&g.device, move || ctx.request_repaint())
            }),
            canvas: Default::default(),
            dialogs: Dialogs::default(),
            palette: None,
            open_path: None,
            export: None,
            about: false,
            reveal_selected: false,
            show_next: false,
            closing: false,
            written: Vec::new(),
            left_out: 0,
            undo,
            asked: Vec::new(),
            asked_params: None,
            asked_segmentations: Vec::new(),
            asked_translations: Vec::new(),
            asked_captions: Vec::new(),
            reading: Default::default(),
            added: None,
            saved,
            save_at: None,
            restore: None,
            absent: Vec::new(),
            session,
            words,
            notices,
            start,
        };
        app.apply_appearance(ctx);
        app.studio.files.push(FileJob::Paintings);
        app.begin();
        Ok(app)
    }

    /// Asks for a command; it is carried out at the end of the frame.
    pub fn ask(&mut self, c: C) {
        self.asked.push(c);
    }

    /// A style's name in the window's language, by its id.
    pub fn style_name(&self, id: &str) -> String {
        let key = format!("style-{id}");
        if self.words.has(&key) {
            return self.words.get(&key);
        }
        let styles = self.studio.stylizer.as_ref().map_or(&[][..], |s| s.styles());
        styles.iter().find(|s| s.id == id).map_or_else(|| id.to_owned(), |s| s.title.clone())
    }

    /// The names of the styles in a mix.
    pub fn mix_name(&self, mix: &[(String, f32)]) -> String {
        mix.iter().map(|(id, _)| self.style_name(id)).collect::<Vec<_>>().join(" + ")
    }

    /// Chooses a style alone, or adds it to (or takes it out of) the mix.
    pub fn pick_style(&mut self, id: &str, many: bool) {
        let mix = &mut self.session.look.mix;
        let at = mix.iter().position(|(m, _)| m == id);
        match (many, at) {
            (false, _) => *mix = vec![(id.to_owned(), 1.0)],
            (true, None) => mix.push((id.to_owned(), 1.0)),
            (true, Some(i)) if mix.len() > 1 => drop(mix.remove(i)),
            (true, Some(_)) => {}
        }
        self.mixing |= many && mix.len() > 1;
        self.paint_again();
    }

    /// Whether a dialog is open over the window.
    fn in_dialog(&self) -> bool {
        self.palette.is_some() || self.open_path.is_some() || self.export.is_some() || self.about
    }

    /// What is being exported is written before the window closes, unless a person closes it twice.
    fn write_before_closing(&mut self, ctx: &egui::Context) {
        let left =
            self.studio.unwritten() + usize::from(self.export.as_ref().is_some_and(panels::export::State::is_waiting));
        if ctx.input(|i| i.viewport().close_requested()) {
            if left > 0 && !self.closing {
                self.closing = true;
                ctx.send_viewport_cmd(ViewportCommand::CancelClose);
                self.notices.tell(Kind::Warning, self.words.with("closing-writes", [("count", left)]), None);
            }
        } else if self.closing && left == 0 {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn hear(&mut self, ctx: &egui::Context, news: News) {
        if let News::Refused { path, away, .. } = &news
            && self.is_missed(path, *away)
        {
            return;
        }
        let w = &self.words;
        match news {
            News::Joined(id) => self.take_picture(id),
            News::Refused { name, why, .. } => {
                // Made to stand after a name, which stands below here.
                let mut why = w.trouble(&*why);
                if let Some(first) = why.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                self.notices.tell_about(Kind::Failure, why, Some(name));
            }
            News::NoRoom(count) => self.left_out += count,
            News::LeftOut(folder, count) => {
                let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
                let text = self.words.with("folder-left-out", [("folder", name), ("count", count.to_string())]);
                self.notices.tell(Kind::Warning, text, None);
            }
            News::Failed { name, why } => {
                // What is waited for will not come; why must be seen.
                self.closing &= !self.export.as_ref().is_some_and(panels::export::State::is_waiting);
                let text = w.with("job-failed", [("why", w.trouble(&*why))]);
                self.notices.tell_about(Kind::Failure, text, name);
            }
            News::FileFailed { why, export } => {
                // Why must be seen.
                self.closing = false;
                self.notices.tell(Kind::Failure, w.trouble(&*why), export.then_some(C::Export));
                self.tell_written();
            }
            News::Saved(paths) => {
                self.written.extend(paths);
                self.tell_written();
            }
            News::Copied(image) => {
                ctx.copy_image(image);
                self.notices.tell(Kind::Done, w.get("copied"), None);
            }
            News::Painting(id, image) => {
                self.paintings.insert(id, ctx.load_texture("painting", image, TextureOptions::LINEAR));
            }
            News::Paired { chosen_for, partner, remarks } => {
                self.tell_remarks(&partner.file_name().unwrap_or_default().to_string_lossy(), &remarks);
                if let Some(of) = chosen_for {
                    self.session.partners.retain(|[known, _]| *known != of);
                    self.session.partners.push([of, partner]);
                }
            }
            News::Recognised(path, crate::zoo::Task::Translate) => self.take_translator(path),
            News::Recognised(path, crate::zoo::Task::Caption) => self.take_captioner(path),
            News::Recognised(path, _) => self.take_segmenter(path),
        }
    }

    /// Says what was written: of many that were asked for together once all are done.
    fn tell_written(&mut self) {
        if self.studio.writing() > 0 {
            return;
        }
        let written = std::mem::take(&mut self.written);
        let mut folders: Vec<_> = written.iter().filter_map(|path| path.parent()).collect();
        folders.sort();
        folders.dedup();
        let folders = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
        let text = match &*written {
            [] => return,
            [one] => self.words.with("saved", [("path", one.display().to_string())]),
            many => {
                let facts = [("count", many.len().to_string()), ("folder", folders)];
                self.words.with("saved-many", facts)
            }
        };
        self.notices.tell(Kind::Done, text, None);
    }

    fn remember(&mut self, ctx: &egui::Context) {
        if self.restore.is_none() {
            self.note_pictures();
        }
        if self.session == self.saved {
            return;
        }
        let now = Instant::now();
        let at = *self.save_at.get_or_insert(now + Duration::from_secs(1));
        // Waiting for the disk would be felt in a drag.
        if now < at || ctx.input(|i| i.pointer.any_down()) {
            ctx.request_repaint_after(at.saturating_duration_since(now));
            return;
        }
        self.save_session();
    }

    fn save_session(&mut self) {
        self.save_at = None;
        self.saved = self.session.clone();
        if let Some(path) = &self.start.session
            && let Err(why) = self.session.save(path)
        {
            let why = self.words.trouble(&*why);
            self.notices.tell(Kind::Warning, self.words.with("session-not-saved", [("why", why)]), None);
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        for news in self.studio.drain(ctx) {
            self.hear(ctx, news);
        }
        if self.left_out > 0 && self.studio.reading() == 0 {
            let text = self.words.with("no-room", [("count", std::mem::take(&mut self.left_out))]);
            self.notices.tell(Kind::Warning, text, Some(C::RemovePicture));
        }
        if self.studio.removed.is_empty() {
            self.notices.close(C::PutBack);
        }
        let unbegun = std::mem::take(&mut self.studio.no_room);
        if unbegun > 0 {
            let text = self.words.with("results-no-room", [("count", unbegun)]);
            self.notices.tell(Kind::Warning, text, Some(C::RemovePicture));
        }
        if self.studio.files.is_idle() {
            self.end_restoring();
        }
        for problem in self.gpu_health.iter().flat_map(|h| h.drain()) {
            self.notices.tell(Kind::Failure, self.words.trouble(&problem), None);
        }
        match self.dialogs.answer() {
            Some(Answer::Open(paths)) => self.open(paths),
            Some(Answer::WayBack(model, path)) => self.join_way_back(model, path),
            Some(Answer::Partner(id, path)) => self.studio.choose_partner(id, path),
            Some(Answer::Save(path)) => panels::export::chosen(self, path),
            Some(Answer::ExportAll(folder)) => panels::export::all(self, &folder),
            Some(Answer::Unavailable(Ask::Save(..))) => {
                self.notices.tell(Kind::Warning, self.words.get("no-dialog"), None)
            }
            Some(Answer::Unavailable(ask)) => self.open_path = Some(panels::open_path::State::without_dialog(&ask)),
            Some(Answer::Cancelled) | None => {}
        }
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        if self.gpu_health.as_ref().is_some_and(|h| h.is_lost()) {
            // Drawing on a lost device panics; what there is to lose is written to files instead.
            rescue::run(self);
            ctx.send_viewport_cmd(ViewportCommand::Close);
            return;
        }
        self.write_before_closing(&ctx);
        self.take_input(&ctx);
        // What lies behind a dialog is left alone.
        let behind = |c: &C| !matches!(c, C::Quit | C::ScaleUp | C::ScaleDown | C::ScaleReset);
        let in_dialog = self.in_dialog();
        self.asked.extend(commands::pressed(&ctx).into_iter().filter(|c| !(in_dialog && behind(c))));

        self.follow_caption(&ctx);

        panels::menu_bar::show(self, ui);
        panels::status_bar::show(self, ui);
        panels::rail::show(self, ui);
        panels::inspector::show(self, ui);
        panels::film_strip::show(self, ui);
        let fill = theme::surround(ui.visuals().dark_mode).map(|v| (v * 255.0).round() as u8)[0];
        let frame = egui::Frame::NONE.fill(egui::Color32::from_gray(fill));
        CentralPanel::default().frame(frame).show(ui, |ui| {
            panels::canvas::show(self, ui);
            if let Some(c) = self.notices.show(ui, &self.words, self.canvas.below) {
                self.ask(c);
            }
        });
        panels::palette::show(self, ui);
        panels::open_path::show(self, ui);
        panels::export::show(self, ui);
        panels::about::show(self, ui);

        for c in std::mem::take(&mut self.asked) {
            self.carry_out(&ctx, c);
        }
        if !ctx.input(|i| i.pointer.any_down()) {
            // Fed twice: first the change is seen, then it is seen to be over. A drag is one step, for it is fed at its end.
            let now = ctx.input(|i| i.time);
            let looks = self.session.looks();
            self.undo.feed_state(now, &looks);
            self.undo.feed_state(now, &looks);
        }
        self.want(&ctx);
        let size = ctx.content_rect().size() * self.session.scale;
        self.session.window = [size.x.round(), size.y.round()];
        self.remember(&ctx);
    }

    fn on_exit(&mut self) {
        if self.session != self.saved {
            self.save_session();
        }
    }
}
