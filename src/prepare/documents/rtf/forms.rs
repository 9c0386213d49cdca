//! Fields of old forms in RTF.

use super::Page;

/// A field of an old form: a box to tick, or a choice.
#[derive(Default)]
pub(super) struct Form {
    pub kind: i32,
    /// The chosen entry, or whether the box is ticked.
    usual: i32,
    result: Option<i32>,
    pub entries: Vec<String>,
    pub in_entry: bool,
    /// The chosen entry, for a result without text, and the depth of the group of the result.
    pub choice: Option<(String, usize)>,
}

impl Form {
    /// The number for a result that is not set.
    const UNSET: i32 = 25;

    pub fn learn(&mut self, word: &str, number: i32) {
        match word {
            "formfield" => *self = Self::default(),
            "fftype" => self.kind = number,
            "ffdefres" => self.usual = number,
            "ffres" => self.result = Some(number).filter(|number| *number != Self::UNSET),
            "ffl" => {
                self.entries.push(String::new());
                self.in_entry = true;
            }
            _ => {}
        }
    }

    pub fn chosen(&self) -> i32 {
        self.result.unwrap_or(self.usual)
    }
}

impl Page {
    /// Begins the result of a field, which has no text for a box.
    pub(super) fn form_result(&mut self) {
        let form = std::mem::take(&mut self.form);
        let chosen = form.chosen();
        match form.kind {
            1 => self.write(if chosen == 1 { "☒" } else { "☐" }),
            2 => {
                let entry = usize::try_from(chosen).ok().and_then(|at| form.entries.get(at).cloned());
                self.form.choice = entry.map(|entry| (entry, self.groups.len()));
            }
            _ => {}
        }
    }
}
