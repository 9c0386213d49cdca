//! Groups of RTF, and what they mean.

use crate::prepare::documents::codepage::CodePage;
use crate::prepare::documents::markdown::Script;

/// The number of no font, for text in the usual one.
pub(super) const NO_FONT: i32 = -1;
/// Groups without text for readers.
///
/// Groups marked with `\*` are also skipped, except [`KEPT`].
pub(super) const SKIPPED: [&str; 17] = [
    "author",
    "bkmkend",
    "bkmkstart",
    "colortbl",
    "comment",
    "fldinst",
    "filetbl",
    "info",
    "keywords",
    "listtable",
    "nonshppict",
    "objdata",
    "operator",
    "pict",
    "stylesheet",
    "title",
    "xe",
];
/// Groups that contain text, although old programs may skip them.
pub(super) const KEPT: [&str; 4] = ["annotation", "footnote", "shptxt", "ud"];

/// The state of a group. Inner groups inherit it.
#[expect(clippy::struct_excessive_bools, reason = "independent states")]
#[derive(Clone)]
pub(super) struct Group {
    pub skipped: bool,
    pub hidden: bool,
    pub deleted: bool,
    /// Whether the group has just started, and whether with `\*`.
    pub fresh: bool,
    pub optional: bool,
    /// Text to write at the end of the group.
    pub ending: &'static str,
    pub encoding: CodePage,
    /// Number of characters after `\u` that old programs show instead.
    pub substitutes: usize,
    pub in_fonts: bool,
    pub in_styles: bool,
    /// The number of the font.
    pub font: i32,
    /// Whether the group has the number of a list, whose paragraph may be in a table.
    pub in_number: bool,
    pub in_table: bool,
    /// Whether the group is a part of the tables of lists, or the pattern of a number.
    pub in_lists: bool,
    pub in_pattern: bool,
    pub script: Script,
    /// The vertical position of text that is shifted by a distance.
    pub position: Script,
    pub struck: bool,
}

impl Group {
    /// Whether the text of the group is skipped.
    pub fn is_silent(&self) -> bool {
        self.skipped || self.hidden || self.deleted || self.in_fonts
    }
}

impl Default for Group {
    fn default() -> Self {
        Self {
            skipped: false,
            hidden: false,
            deleted: false,
            fresh: false,
            optional: false,
            ending: "",
            encoding: CodePage::default(),
            substitutes: 1,
            in_fonts: false,
            in_styles: false,
            font: NO_FONT,
            in_number: false,
            in_table: false,
            in_lists: false,
            in_pattern: false,
            script: Script::Normal,
            position: Script::Normal,
            struck: false,
        }
    }
}
