//! Why pictures are refused, as values: the command line tells them in English, the window in its own language.

use std::io;
use std::path::PathBuf;

/// Why a picture could not be read, written or built. The text is one sentence for a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImagingError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(action, source))]
    Io {
        /// What was tried: "read", "write", "list".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own reason.
        source: io::Error,
    },
    /// The path is a folder, a device or a pipe.
    #[error("{} is not an ordinary file", path.display())]
    NotAFile {
        /// The path as given.
        path: PathBuf,
    },
    /// The target exists and replacing it was not allowed.
    #[error("{} already exists; allow replacing it or choose another name", path.display())]
    Exists {
        /// The existing file.
        path: PathBuf,
    },
    /// Not a picture, or a kind of picture that is not read.
    #[error("{what} cannot be opened; PNG and JPEG pictures always can")]
    Unsupported {
        /// What the content seems to be.
        what: Kind,
    },
    /// A picture whose content contradicts itself or ends too early.
    #[error("the picture is damaged or cut off; open another copy of it ({reason})")]
    Damaged {
        /// What is wrong with it.
        reason: Damage,
    },
    /// Over a limit of memory, of Lucida or of the file format.
    #[error("the picture is too large: {reason}")]
    TooLarge {
        /// What is how large, and what would be allowed.
        reason: Excess,
    },
    /// Samples and size do not belong together.
    #[error("{samples} samples do not make a picture of {width} x {height} pixels")]
    BadShape {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Samples given.
        samples: usize,
    },
    /// The encoder refused.
    #[error("cannot write the picture as {format}: {reason}")]
    Encode {
        /// The format's name.
        format: &'static str,
        /// The encoder's reason.
        reason: String,
    },
}

/// What a person can do when the operating system refuses: an end for the sentence that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Advice {
    /// This one may not be written to, or is not there.
    #[error("; choose another folder")]
    OtherFolder,
    /// The disk is full.
    #[error("; free some space or choose another disk")]
    FreeSpace,
    /// It may not be read.
    #[error("; allow reading it")]
    AllowReading,
    /// It is not there.
    #[error("; check the name")]
    CheckName,
    /// None is known.
    #[error("")]
    None,
}

/// What to do when the operating system refuses to `action` ("read", "write", ...).
pub fn advice(action: &str, refused: &io::Error) -> Advice {
    match (action, refused.kind()) {
        (
            "write",
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory,
        ) => Advice::OtherFolder,
        ("write", io::ErrorKind::StorageFull) => Advice::FreeSpace,
        (_, io::ErrorKind::PermissionDenied) => Advice::AllowReading,
        ("read", io::ErrorKind::NotFound) => Advice::CheckName,
        _ => Advice::None,
    }
}

/// What content seems to be that is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Kind {
    /// AV1 in HEIF.
    #[error("an AVIF picture")]
    Avif,
    /// HEVC in HEIF, as telephones take pictures.
    #[error("a HEIC picture")]
    Heic,
    /// MP4 or QuickTime.
    #[error("a video")]
    Video,
    /// JPEG XL.
    #[error("a JPEG XL picture")]
    JpegXl,
    /// PSD.
    #[error("a Photoshop document")]
    Photoshop,
    /// PDF.
    #[error("a PDF document")]
    Pdf,
    /// SVG.
    #[error("an SVG drawing")]
    Svg,
    /// HTML.
    #[error("a web page, not a picture,")]
    WebPage,
    /// A picture of a format that is read, but of a rare form: the format's name.
    #[error("this kind of {0}")]
    Variant(String),
    /// A picture of a rare form.
    #[error("this kind of picture")]
    Picture,
    /// Anything else.
    #[error("this file")]
    Unknown,
}

/// What is wrong with a damaged picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Its width or height is 0.
    #[error("it has no pixels")]
    NoPixels,
    /// More pixels than so few bytes can hold.
    #[error("it declares {width} x {height} pixels in only {bytes} bytes")]
    Hollow {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Length of the file.
        bytes: usize,
    },
    /// The decoder lost its way.
    #[error("its content contradicts itself")]
    Contradiction,
    /// It ends before its pixels do.
    #[error("the file ends too early")]
    EndsEarly,
    /// As the decoder tells it.
    #[error("{0}")]
    Told(String),
}

/// What is too large, and what would be allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// A side, in pixels.
    #[error("it declares {width} x {height} pixels, {most} a side are allowed")]
    Side {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The longest side that is opened.
        most: u32,
    },
    /// All pixels together.
    #[error("it declares {width} x {height} pixels, {most} megapixels are allowed")]
    Pixels {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The most that are opened, in millions.
        most: u64,
    },
    /// Its samples in memory.
    #[error("it declares {width} x {height} pixels, {most} MiB of samples are allowed")]
    Samples {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The most that are opened, in MiB.
        most: u64,
    },
    /// The file.
    #[error("the file is longer than {most} MiB")]
    File {
        /// The longest that is read, in MiB.
        most: u64,
    },
    /// The system has no more memory.
    #[error("there is no memory for {wanted} MiB")]
    Memory {
        /// MiB.
        wanted: usize,
    },
    /// The decoder's own limit of a side.
    #[error("one side has too many pixels")]
    DecoderSide,
    /// The decoder's own limit of memory.
    #[error("decoding it would take too much memory")]
    DecoderMemory,
    /// A side, for the format that is to be written.
    #[error("{format} holds {most} pixels a side, not {width} x {height}; use PNG or TIFF")]
    Format {
        /// Its name.
        format: &'static str,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The longest side that it has numbers for.
        most: u32,
    },
    /// A sheet of pictures.
    #[error("{cells} pictures make a sheet of {width} x {height} pixels, {most} megapixels are allowed")]
    Sheet {
        /// Pictures on it.
        cells: usize,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The most that are made, in millions.
        most: u64,
    },
}
