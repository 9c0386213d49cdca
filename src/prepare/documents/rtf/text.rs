//! Writes the text of an RTF document: characters, paragraphs and cells.

use super::Page;
use super::lists::Beginning;
use crate::prepare::documents::markdown::Script;
use crate::prepare::documents::symbols;

/// The first code of symbol fonts in Unicode's private use area.
const SYMBOLS: u32 = 0xF000;
/// Maximum characters of the name of a font.
const LONGEST_NAME: usize = 100;

impl Page {
    /// Adds a UTF-16 unit, given as a signed number.
    pub(super) fn unit(&mut self, number: i32) {
        self.flush_bytes();
        let [low, high, ..] = number.to_le_bytes();
        self.units.push(u16::from_le_bytes([low, high]));
        self.substitutes = self.group().substitutes;
    }

    pub(super) fn flush(&mut self) {
        self.flush_bytes();
        // The second half of a character may follow a control word.
        if !self.units.last().is_some_and(|unit| (0xD800..=0xDBFF).contains(unit)) {
            self.flush_units();
        }
    }

    pub(super) fn flush_bytes(&mut self) {
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            let (encoding, in_fonts) = (self.group().encoding, self.group().in_fonts);
            if !in_fonts && symbols::is_symbol_font(self.font_name()) {
                let codes = bytes.iter().map(|byte| char::from_u32(SYMBOLS + u32::from(*byte)).unwrap_or(' '));
                return self.signs(&codes.collect::<String>());
            }
            self.write(&encoding.decode(&bytes));
        }
    }

    pub(super) fn flush_units(&mut self) {
        if !self.units.is_empty() {
            let text = String::from_utf16_lossy(&std::mem::take(&mut self.units));
            if text.contains(symbols::is_code) {
                return self.signs(&text);
            }
            self.write(&text);
        }
    }

    fn font_name(&self) -> &str {
        let name = self.groups.last().and_then(|group| self.font_names.get(&group.font));
        name.map(|name| name.trim().trim_end_matches(';')).unwrap_or_default()
    }

    /// Writes the signs of a symbol font.
    fn signs(&mut self, codes: &str) {
        // The shape of a bullet says nothing.
        if self.group().in_number {
            return self.write("•");
        }
        let font = self.font_name();
        let (signs, lost) = symbols::signs(font, codes);
        if !self.group().is_silent() {
            self.symbols += lost;
        }
        self.write(&signs);
    }

    pub(super) fn write(&mut self, text: &str) {
        if self.form.in_entry
            && let Some(entry) = self.form.entries.last_mut()
        {
            entry.push_str(text);
        }
        let group = self.group();
        if group.in_fonts && !group.skipped {
            let name = self.font_names.entry(self.font).or_default();
            name.extend(text.chars().take(LONGEST_NAME.saturating_sub(name.len())));
            return;
        }
        if group.in_styles {
            self.headings.name(text);
        }
        let group = self.group();
        if group.in_number && !group.is_silent() {
            self.number.get_or_insert_default().push_str(text);
            return;
        }
        if group.is_silent() {
            let (deleted, hidden) = (group.deleted, group.hidden);
            if !group.skipped && !text.trim().is_empty() {
                self.deletions |= deleted;
                self.hidden |= hidden;
            }
            return;
        }
        let script = if group.script == Script::Normal { group.position } else { group.script };
        let (struck, in_table) = (group.struck, group.in_table);
        if !text.trim().is_empty() {
            self.form.choice = None;
        }
        if in_table {
            self.in_table();
        } else if self.table && !text.trim().is_empty() {
            self.table = false;
            self.markdown.close_table();
        }
        if !text.trim().is_empty() {
            self.settle();
        }
        self.markdown.script(script);
        self.markdown.strike(struck);
        self.markdown.text(text);
    }

    /// Begins a paragraph, as a heading or an item of a list if it is one.
    pub(super) fn settle(&mut self) {
        let ended = std::mem::take(&mut self.ended);
        let number = self.number.take();
        let beginning = self.lists.begin(number.as_deref());
        match (beginning, self.headings.level.filter(|_| !self.table)) {
            // A cell inside a cell, or a column, does not begin a new paragraph.
            (Beginning::Nothing, _) => {
                if ended {
                    self.markdown.paragraph();
                }
                if let Some(number) = number.filter(|number| number.contains(char::is_alphanumeric)) {
                    self.markdown.text(&format!(" {} ", number.trim()));
                }
            }
            (Beginning::Paragraph, Some(level)) => self.markdown.heading(level),
            (Beginning::Item(_, number), Some(level)) => {
                self.markdown.heading(level);
                if number != "-" {
                    self.markdown.text(&format!("{number} "));
                }
            }
            (Beginning::Item(level, number), None) => self.markdown.list_line(level, &number),
            _ if ended => self.markdown.paragraph(),
            _ => {}
        }
    }

    /// Writes the number of a cell that has no other text.
    pub(super) fn number_alone(&mut self, number: Option<String>) {
        if let Some(number) = number.filter(|number| number.contains(char::is_alphanumeric)) {
            // The number counts for the next items.
            drop(self.lists.begin(None));
            self.lists.note("cell", 0);
            self.markdown.text(number.trim());
        }
    }

    pub(super) fn cell(&mut self) {
        let known = self.known.get(self.tables.len() - 1);
        let columns = known.map_or(1, |known| known.span(&self.edges, self.cells));
        self.cells += 1;
        self.markdown.cell(columns, 1);
    }

    /// Opens a cell if none is open.
    pub(super) fn in_table(&mut self) {
        if !self.table {
            self.table = true;
            self.tables.push(Vec::new());
            self.cells = 0;
            self.markdown.open_table();
            self.cell();
        } else if self.markdown.between_cells() {
            self.cell();
        }
    }
}
