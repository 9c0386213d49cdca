//! Writes the text of an RTF document: characters, paragraphs and cells.

use super::Page;

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
        self.flush_units();
    }

    pub(super) fn flush_bytes(&mut self) {
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            let (text, _) = self.group().encoding.decode_without_bom_handling(&bytes);
            self.write(&text);
        }
    }

    pub(super) fn flush_units(&mut self) {
        if !self.units.is_empty() {
            let text = String::from_utf16_lossy(&std::mem::take(&mut self.units));
            self.write(&text);
        }
    }

    pub(super) fn write(&mut self, text: &str) {
        if self.form.in_entry
            && let Some(entry) = self.form.entries.last_mut()
        {
            entry.push_str(text);
        }
        let group = self.group();
        if group.is_silent() {
            let (deleted, hidden) = (group.deleted, group.hidden);
            if !group.skipped && !group.in_fonts && !text.trim().is_empty() {
                self.deletions |= deleted;
                self.hidden |= hidden;
            }
            return;
        }
        let (script, struck, in_table) = (group.script, group.struck, group.in_table);
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

    /// Begins a paragraph, as an item of a list if it is one.
    pub(super) fn settle(&mut self) {
        let ended = std::mem::take(&mut self.ended);
        if let Some((level, number)) = self.lists.begin() {
            self.markdown.list_line(level, &number);
        } else if ended {
            self.markdown.paragraph();
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
