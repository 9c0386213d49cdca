//! Fields of forms on web pages, as readers see them.

/// A box to tick, ticked or not.
const BOXES: [&str; 2] = ["☐", "☒"];
/// Maximum options of a field. Further ones are ignored.
const MOST_OPTIONS: usize = 10_000;

/// The text that an `input` element shows.
pub(super) fn shown(attribute: &impl Fn(&str) -> Option<String>) -> String {
    let kind = attribute("type").unwrap_or_default().to_ascii_lowercase();
    match &*kind {
        "checkbox" | "radio" => BOXES[usize::from(attribute("checked").is_some())].to_owned(),
        "hidden" | "password" | "file" | "submit" | "button" | "reset" | "image" => String::new(),
        _ => attribute("value").unwrap_or_default(),
    }
}

/// A field with options that is being read.
#[derive(Debug, Default)]
pub(super) struct Select {
    /// Whether it shows all its options, of which several may be chosen.
    is_list: bool,
    options: Vec<Choice>,
    in_option: bool,
}

#[derive(Debug)]
struct Choice {
    text: String,
    /// The text that browsers show instead.
    label: Option<String>,
    is_chosen: bool,
}

impl Select {
    /// A field with these attributes.
    pub fn of(attribute: &impl Fn(&str) -> Option<String>) -> Self {
        let shows_several = || attribute("size").and_then(|size| size.parse::<usize>().ok()).is_some_and(|size| size > 1);
        Self { is_list: attribute("multiple").is_some() || shows_several(), ..Self::default() }
    }

    /// Begins an option. Browsers show a label instead of the text.
    pub fn option(&mut self, label: Option<String>, is_chosen: bool) {
        self.end_option();
        if self.options.len() < MOST_OPTIONS {
            let label = label.filter(|label| !label.trim().is_empty());
            self.options.push(Choice { text: String::new(), label, is_chosen });
            self.in_option = true;
        }
    }

    pub fn end_option(&mut self) {
        self.in_option = false;
    }

    pub fn text(&mut self, text: &str) {
        if let Some(option) = self.options.last_mut().filter(|_| self.in_option) {
            option.text.push_str(text);
        }
    }

    /// The lines that the field shows: its options with boxes, or the chosen one.
    pub fn lines(&self) -> Vec<String> {
        let text = |option: &Choice| option.label.as_ref().unwrap_or(&option.text).split_whitespace().collect::<Vec<_>>().join(" ");
        if self.is_list {
            return self.options.iter().map(|option| format!("{} {}", BOXES[usize::from(option.is_chosen)], text(option))).collect();
        }
        let chosen = self.options.iter().rfind(|option| option.is_chosen).or_else(|| self.options.first());
        chosen.map(text).into_iter().collect()
    }
}
