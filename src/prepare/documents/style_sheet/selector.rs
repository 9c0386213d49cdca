//! Selectors of style sheets.

/// Maximum classes of a selector.
const MOST_CLASSES: usize = 8;

/// An element, classes and an id.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(super) struct Selector {
    element: String,
    id: String,
    classes: Vec<String>,
}

impl Selector {
    /// Reads a selector such as `p.note`. Selectors that depend on other elements give `None`.
    pub fn read(text: &str) -> Option<Self> {
        let mut selector = Self::default();
        let (element, mut rest) = name(text.trim());
        selector.element = element.to_ascii_lowercase();
        while let Some(kind) = rest.chars().next() {
            let (name, behind) = name(rest.strip_prefix(['.', '#'])?);
            rest = behind;
            if name.is_empty() || selector.classes.len() == MOST_CLASSES {
                return None;
            }
            if kind == '.' {
                selector.classes.push(name);
            } else {
                selector.id = name;
            }
        }
        (selector != Self::default()).then_some(selector)
    }

    /// Reads the last part of a selector such as `.tabs > .open`. Conditions give `None`.
    pub fn read_last(text: &str) -> Option<Self> {
        let is_plain =
            text.split('\\').enumerate().all(|(at, part)| !part.chars().skip(usize::from(at > 0)).any(|c| matches!(c, ':' | '[')));
        let last = text.rsplit(|c: char| c.is_whitespace() || matches!(c, '>' | '+' | '~')).find(|part| !part.is_empty());
        last.filter(|_| is_plain).and_then(Self::read)
    }

    pub fn matches(&self, name: &str, id: Option<&str>, classes: &[&str]) -> bool {
        (self.element.is_empty() || self.element == name)
            && (self.id.is_empty() || id == Some(&self.id))
            && self.classes.iter().all(|class| classes.contains(&class.as_str()))
    }

    /// Whether the selector has a class or an id.
    pub fn is_named(&self) -> bool {
        !self.id.is_empty() || !self.classes.is_empty()
    }

    pub fn weight(&self) -> (bool, usize, bool) {
        (!self.id.is_empty(), self.classes.len(), !self.element.is_empty())
    }

    /// Its last class as `.class`, its id as `#id`, or its element.
    pub fn key(&self) -> String {
        match self.classes.last() {
            Some(class) => format!(".{class}"),
            None if self.id.is_empty() => self.element.clone(),
            None => format!("#{}", self.id),
        }
    }
}

/// The name at the beginning of a selector without escapes, and what follows it.
fn name(text: &str) -> (String, &str) {
    let (mut name, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let behind = &rest[first.len_utf8()..];
        let (character, behind) = match first {
            '\\' => unescaped(behind),
            c if c.is_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii() => (c, behind),
            _ => break,
        };
        name.push(character);
        rest = behind;
    }
    (name, rest)
}

/// The character behind a backslash, which may be a number: `\:`, `\32 `.
pub(super) fn unescaped(text: &str) -> (char, &str) {
    let digits = text.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
    let (number, behind) = text.split_at(digits);
    match u32::from_str_radix(number, 16) {
        Ok(number) => (char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER), behind.strip_prefix(' ').unwrap_or(behind)),
        Err(_) => {
            let mut characters = text.chars();
            (characters.next().unwrap_or(char::REPLACEMENT_CHARACTER), characters.as_str())
        }
    }
}
