//! Sentences and words of a text.

/// Bytes of a text that are read. The rest does not change an answer.
pub const MAX_BYTES: usize = 16 * 1024;

/// A text with its sentences and words.
#[derive(Debug)]
pub struct Text<'a> {
    pub source: &'a str,
    pub words: Vec<Word>,
    pub sentences: Vec<Sentence>,
    lower: String,
}

/// A word: letters, digits, or one pictogram.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    pub start: usize,
    pub end: usize,
    lower: (usize, usize),
    /// Whether punctuation or a line break stands before it.
    pub after_break: bool,
}

/// A sentence, heading or line of a list.
#[derive(Debug, Clone, Copy)]
pub struct Sentence {
    pub start: usize,
    pub end: usize,
    /// First word, and the word after the last.
    pub words: (usize, usize),
    /// Whether it is a heading or fragment, with no full stop.
    pub heading: bool,
}

impl<'a> Text<'a> {
    /// Reads at most [`MAX_BYTES`] of a text.
    pub fn new(source: &'a str) -> Self {
        let source = &source[..source.floor_char_boundary(MAX_BYTES)];
        let mut text =
            Self { source, words: Vec::with_capacity(source.len() / 6), sentences: Vec::new(), lower: String::with_capacity(source.len()) };
        for (start, end) in bounds(source) {
            text.add(start, end);
        }
        text
    }

    fn add(&mut self, start: usize, end: usize) {
        let untrimmed = &self.source[start..end];
        let trimmed = untrimmed.trim_matches(|c: char| c.is_whitespace() || matches!(c, '#' | '*' | '-' | '|' | '>' | '•'));
        if trimmed.is_empty() {
            return;
        }
        let numbered = trimmed.trim_start_matches(|c: char| c.is_ascii_digit());
        let listed = numbered.strip_prefix(['.', ')']).filter(|rest| numbered.len() < trimmed.len() && rest.starts_with(' '));
        let trimmed = listed.map_or(trimmed, str::trim_start);
        let start = start + (trimmed.as_ptr() as usize - untrimmed.as_ptr() as usize);
        let end = start + trimmed.len();
        let first = self.words.len();
        self.add_words(start, end);
        if self.words.len() > first {
            let heading = !trimmed.ends_with(['.', '!', '?', '…', '。', '！', '？', '"', '”', '»']);
            self.sentences.push(Sentence { start, end, words: (first, self.words.len()), heading });
        }
    }

    fn add_words(&mut self, from: usize, to: usize) {
        let mut after_break = true;
        let mut begun: Option<usize> = None;
        let part = &self.source[from..to];
        let mut chars = part.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            let inside = c.is_alphanumeric() || (begun.is_some() && joins(c, &part[at..]));
            if inside {
                begun.get_or_insert(at);
            }
            let pictogram = !inside && is_pictogram(c);
            let ends = !inside || !next.is_some_and(|next| next.is_alphanumeric() || matches!(next, '\'' | '’' | '.' | ','));
            if let Some(start) = begun.filter(|_| ends) {
                self.add_word(from + start, from + if inside { at + c.len_utf8() } else { at }, after_break);
                after_break = false;
                begun = None;
            }
            if pictogram {
                self.add_word(from + at, from + at + c.len_utf8(), after_break);
                after_break = false;
            } else if !inside && !c.is_whitespace() && !matches!(c, '-' | '\'' | '’' | '\u{fe0f}') {
                after_break = true;
            }
        }
    }

    fn add_word(&mut self, start: usize, end: usize, after_break: bool) {
        let from = self.lower.len();
        let word = &self.source[start..end];
        if word.is_ascii() {
            self.lower.push_str(word);
            self.lower[from..].make_ascii_lowercase();
        } else {
            self.lower.extend(word.chars().flat_map(char::to_lowercase).map(|c| if c == '’' { '\'' } else { c }));
        }
        self.words.push(Word { start, end, lower: (from, self.lower.len()), after_break });
    }

    /// A word in lower case.
    pub fn lower(&self, word: &Word) -> &str {
        &self.lower[word.lower.0..word.lower.1]
    }

    /// A word as written.
    pub fn written(&self, word: &Word) -> &'a str {
        &self.source[word.start..word.end]
    }

    /// A sentence as written, with line breaks.
    pub fn sentence(&self, sentence: &Sentence) -> &'a str {
        &self.source[sentence.start..sentence.end]
    }

    /// The words of a sentence.
    pub fn words_of(&self, sentence: &Sentence) -> &[Word] {
        &self.words[sentence.words.0..sentence.words.1]
    }
}

/// Whether an apostrophe, point or comma belongs to the word: `don't`, `1.5`, `2,000`.
fn joins(c: char, rest: &str) -> bool {
    let mut after = rest.chars().skip(1);
    match c {
        '\'' | '’' => matches!(after.next(), Some('t' | 'T')) && !after.next().is_some_and(char::is_alphanumeric),
        '.' | ',' => after.next().is_some_and(|next| next.is_ascii_digit()),
        _ => false,
    }
}

fn is_pictogram(c: char) -> bool {
    matches!(c, '\u{1F300}'..='\u{1FAFF}' | '\u{2600}'..='\u{27BF}')
}

/// Start and end of each sentence, heading and line of a list.
fn bounds(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let ends = match c {
            '\n' => ends_line(&text[start..at], text[end..].trim_start_matches([' ', '\r', '\t'])),
            '。' | '！' | '？' => true,
            '!' | '?' | '…' => !bytes.get(end).is_some_and(|next| matches!(next, b'!' | b'?' | b'"' | b'.')),
            '.' => ends_sentence(text, start, at),
            '"' | '”' | '»' | ')' => text[start..at].ends_with(['.', '!', '?']) && text[end..].starts_with([' ', '\n']),
            _ => false,
        };
        if ends {
            found.push((start, end));
            start = end;
        }
    }
    found.push((start, text.len()));
    found
}

/// Whether a line break ends more than a line: before an empty line, a heading, an item of a list,
/// or after a heading.
fn ends_line(line: &str, rest: &str) -> bool {
    let last = line.rsplit('\n').next().unwrap_or(line).trim();
    let marked = |line: &str| {
        line.starts_with(['#', '-', '*', '|', '>', '•'])
            || line.split_once(' ').is_some_and(|(first, _)| {
                first.len() <= 4 && first.ends_with(['.', ')']) && first.starts_with(|c: char| c.is_ascii_digit())
            })
    };
    let labelled = |line: &str| line.split_once(':').is_some_and(|(label, _)| label.len() <= 40 && !label.contains(['.', ',']));
    rest.is_empty() || rest.starts_with('\n') || marked(rest) || last.starts_with('#') || last.len() < 40 || labelled(last)
}

/// Whether the point at `at` ends a sentence: not in numbers, initials and short abbreviations.
fn ends_sentence(text: &str, start: usize, at: usize) -> bool {
    let rest = &text[at + 1..];
    let before = text[start..at].rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    let Some(next) = rest.chars().next() else { return true };
    if !next.is_whitespace() {
        return false;
    }
    let follows = rest.trim_start().chars().next();
    let starts_anew = follows.is_none_or(|c| !c.is_lowercase());
    let abbreviated = before.len() == 1
        || before.contains('.')
        || ABBREVIATIONS.contains(&before)
        || before.chars().all(|c| c.is_ascii_digit()) && before.len() <= 2;
    starts_anew && (!abbreviated || rest.starts_with("\n\n"))
}

const ABBREVIATIONS: [&str; 20] =
    ["Mr", "Mrs", "Ms", "Dr", "Prof", "St", "No", "Nr", "vs", "ca", "bzw", "Sr", "Sra", "Sig", "Fig", "etc", "approx", "Mme", "Art", "Hr"];
