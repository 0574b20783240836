//! Every word of the window, in one catalogue per language (`assets/words/*.ftl`, Project Fluent).

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use serde::{Deserialize, Serialize};

use crate::gpu::Colormap;

/// A language the window speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// Korean.
    Ko,
}

impl Language {
    /// All of them, in menu order.
    pub const ALL: [Self; 2] = [Self::En, Self::Ko];

    /// The language's name in itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Ko => "한국어",
        }
    }

    /// What the system speaks, as far as we speak it too.
    pub fn of_system() -> Self {
        match sys_locale::get_locale() {
            Some(l) if l.to_lowercase().starts_with("ko") => Self::Ko,
            _ => Self::En,
        }
    }

    /// The catalogue's text.
    pub fn source(self) -> &'static str {
        match self {
            Self::En => include_str!("../../assets/words/en.ftl"),
            Self::Ko => include_str!("../../assets/words/ko.ftl"),
        }
    }
}

/// One language's catalogue, with English behind it.
pub struct Words {
    /// The language that is spoken.
    pub language: Language,
    bundles: Vec<FluentBundle<FluentResource>>,
}

impl Words {
    /// Reads the catalogue of `language`.
    pub fn new(language: Language) -> Self {
        let mut bundles = Vec::new();
        for l in [language, Language::En] {
            // A catalogue with an error still serves every message that parsed; a test holds both to none.
            let resource = FluentResource::try_new(l.source().to_owned()).unwrap_or_else(|(r, _)| r);
            let id = match l {
                Language::En => unic_langid::LanguageIdentifier::from_parts(
                    unic_langid::subtags::Language::from_bytes(b"en").unwrap_or_default(),
                    None,
                    None,
                    &[],
                ),
                Language::Ko => unic_langid::LanguageIdentifier::from_parts(
                    unic_langid::subtags::Language::from_bytes(b"ko").unwrap_or_default(),
                    None,
                    None,
                    &[],
                ),
            };
            let mut bundle = FluentBundle::new_concurrent(vec![id]);
            // The isolation marks around arguments are for mixed-direction text; egui would draw them as boxes.
            bundle.set_use_isolating(false);
            if bundle.add_resource(resource).is_err() {
                log::error!("the {} catalogue defines a message twice", l.name());
            }
            bundles.push(bundle);
        }
        Self { language, bundles }
    }

    /// The text of `key`; the key itself when no catalogue has it.
    pub fn get(&self, key: &str) -> String {
        self.format(key, None)
    }

    /// The text of `key` with its arguments filled in.
    pub fn with<'a, V: Into<FluentValue<'a>>>(
        &self,
        key: &str,
        args: impl IntoIterator<Item = (&'a str, V)>,
    ) -> String {
        let args: FluentArgs = args.into_iter().map(|(k, v)| (k, v.into())).collect();
        self.format(key, Some(&args))
    }

    /// Whether the chosen language itself has `key`.
    pub fn has(&self, key: &str) -> bool {
        self.bundles[0].has_message(key)
    }

    /// What a class of a segmentation is called: in the language where it has a word for it, else as the data calls it.
    pub fn class(&self, name: &str) -> String {
        let key = format!("class-name-{}", name.replace(' ', "-"));
        if self.has(&key) {
            return self.get(&key);
        }
        // Of a checkpoint that has no names, as `tasks::segment` counts them.
        match name.strip_prefix("class ").filter(|n| n.parse::<usize>().is_ok()) {
            Some(n) => self.with("class-name-numbered", [("number", n)]),
            None => name.to_owned(),
        }
    }

    /// What a colormap is called; most have the same name everywhere.
    pub fn colormap(&self, map: Colormap) -> String {
        if map == Colormap::Grey { self.get("colormap-grey") } else { map.name().to_owned() }
    }

    /// What a kind of pictures is called that a model translates from or to: as [`Words::class`].
    pub fn domain(&self, name: &str) -> String {
        let key = format!("domain-{}", name.replace(' ', "-"));
        if self.has(&key) { self.get(&key) } else { name.to_owned() }
    }

    /// A word as a captioning network says it; its marks are told in the language.
    pub fn said(&self, word: &str) -> String {
        match word {
            "<end>" => self.get("word-end"),
            "<start>" => self.get("word-start"),
            "<unk>" => self.get("word-unknown"),
            "<pad>" => self.get("word-pad"),
            word => word.to_owned(),
        }
    }

    /// A sentence as a captioning network says it.
    pub fn sentence(&self, s: &crate::tasks::caption::Sentence) -> String {
        s.words.iter().map(|word| self.said(&word.text)).collect::<Vec<_>>().join(" ")
    }

    fn format(&self, key: &str, args: Option<&FluentArgs>) -> String {
        for bundle in &self.bundles {
            if let Some(pattern) = bundle.get_message(key).and_then(|m| m.value()) {
                let mut errors = Vec::new();
                return bundle.format_pattern(pattern, args, &mut errors).into_owned();
            }
        }
        log::error!("no words for {key}");
        key.to_owned()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn keys(l: Language) -> BTreeSet<String> {
        l.source()
            .lines()
            .filter(|line| line.chars().next().is_some_and(|c| c.is_ascii_lowercase()))
            .filter_map(|line| line.split_once(" =").map(|(k, _)| k.to_owned()))
            // English errors say what they are themselves; see [`super::super::trouble`].
            .filter(|key| !key.starts_with("error-"))
            .collect()
    }

    #[test]
    fn catalogues_parse_and_have_the_same_keys() {
        for l in Language::ALL {
            assert!(FluentResource::try_new(l.source().to_owned()).is_ok(), "{}", l.name());
        }
        let (en, ko) = (keys(Language::En), keys(Language::Ko));
        assert_eq!(en.difference(&ko).collect::<Vec<_>>(), Vec::<&String>::new(), "missing in Korean");
        assert_eq!(ko.difference(&en).collect::<Vec<_>>(), Vec::<&String>::new(), "missing in English");
    }

    /// On a system without Korean fonts the embedded subset must draw every word. After a change of words:
    /// `pyftsubset NotoSansCJK-Regular.ttc --font-number=1 --text-file=ko.ftl --layout-features='' --no-hinting`.
    #[test]
    fn the_embedded_font_has_every_letter_of_the_catalogues() {
        let ctx = egui::Context::default();
        crate::app::theme::install(&ctx);
        ctx.run_ui(Default::default(), |_| {}).textures_delta.clear();
        let font = egui::FontId::proportional(14.0);
        let letters = Language::ALL.map(Language::source).concat() + Language::Ko.name();
        let missing: BTreeSet<char> =
            letters.chars().filter(|c| !c.is_whitespace() && !ctx.fonts_mut(|f| f.has_glyph(&font, *c))).collect();
        assert_eq!(missing, BTreeSet::new());
    }

    #[test]
    fn arguments_are_filled_in_without_marks() {
        let words = Words::new(Language::En);
        assert_eq!(words.with("jobs-waiting", [("count", 2)]), "2 waiting");
    }
}
