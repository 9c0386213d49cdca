//! Divides a number format into sections and tokens.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

/// Maximum length of a format code. Spreadsheet programs take 255 characters.
const LONGEST: usize = 1000;

/// A section of a number format.
#[derive(Debug, Clone, Default)]
pub(super) struct Section {
    pub condition: Option<Condition>,
    pub tokens: Vec<Token>,
}

/// A condition such as `[>=100]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    sign: String,
    limit: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// Text that stands for itself.
    Literal(String),
    /// A place of a digit: `0`, `#` or `?`; or a digit of a denominator.
    Digit(char),
    Point,
    Comma,
    PerCent,
    /// `E+` or `E-`, and whether it shows a plus.
    Exponent(bool),
    Slash,
    General,
    /// `@`.
    Text_,
    Year(usize),
    Month(usize),
    Day(usize),
    Hour(usize),
    Minute(usize),
    Second(usize),
    /// Decimals of seconds.
    Decimals(usize),
    /// All hours, minutes or seconds: `[h]`, with the number of digits.
    Elapsed(char, usize),
    /// `AM/PM` or `a/p`.
    Half(String),
}

impl Token {
    /// The text of a token that stands for itself here.
    pub fn literal(&self) -> Cow<'_, str> {
        match self {
            Self::Literal(text) => text.into(),
            Self::Digit(sign @ '1'..='9') => sign.to_string().into(),
            Self::PerCent => "%".into(),
            _ => "".into(),
        }
    }

    /// Whether a digit can take this place.
    pub fn is_place(&self) -> bool {
        matches!(self, Self::Digit('0' | '#' | '?'))
    }

    fn is_date(&self) -> bool {
        matches!(
            self,
            Self::Year(_)
                | Self::Month(_)
                | Self::Day(_)
                | Self::Hour(_)
                | Self::Minute(_)
                | Self::Second(_)
                | Self::Elapsed(..)
                | Self::Half(_)
        )
    }
}

impl Section {
    pub fn is_date(&self) -> bool {
        self.tokens.iter().any(Token::is_date)
    }

    /// Whether the section shows a duration.
    pub fn is_elapsed(&self) -> bool {
        self.tokens.iter().any(|token| matches!(token, Token::Elapsed(..)))
    }

    /// Tells minutes from months, and decimals of seconds from points.
    fn settle_dates(&mut self) {
        if !self.is_date() {
            return;
        }
        let mut before_is_hour = false;
        for at in 0..self.tokens.len() {
            let next_is_second = || matches!(self.tokens[at + 1..].iter().find(|token| token.is_date()), Some(Token::Second(_)));
            match self.tokens[at] {
                Token::Month(signs) if signs <= 2 && (before_is_hour || next_is_second()) => self.tokens[at] = Token::Minute(signs),
                _ => {}
            }
            if self.tokens[at].is_date() && !matches!(self.tokens[at], Token::Half(_)) {
                before_is_hour = matches!(self.tokens[at], Token::Hour(_) | Token::Elapsed('h', _));
            }
        }
        let mut settled: Vec<Token> = Vec::new();
        for token in self.tokens.drain(..) {
            match (&token, settled.last_mut()) {
                (Token::Point, Some(Token::Second(_) | Token::Elapsed('s', _))) => settled.push(Token::Decimals(0)),
                (Token::Digit('0'), Some(Token::Decimals(digits))) => *digits += 1,
                (Token::Digit(sign), _) => settled.push(Token::Literal(sign.to_string())),
                (Token::Point, _) => settled.push(Token::Literal(".".to_owned())),
                (Token::Comma, _) => settled.push(Token::Literal(",".to_owned())),
                (Token::Slash, _) => settled.push(Token::Literal("/".to_owned())),
                _ => settled.push(token),
            }
        }
        self.tokens = settled;
    }
}

impl Condition {
    fn read(text: &str) -> Option<Self> {
        let (sign, limit) = text.split_at(text.find(|c| !matches!(c, '<' | '>' | '='))?);
        Some(Self { sign: Some(sign).filter(|sign| !sign.is_empty())?.to_owned(), limit: limit.trim().parse().ok()? })
    }

    pub fn holds(&self, value: f64) -> bool {
        match &*self.sign {
            "<" => value < self.limit,
            "<=" => value <= self.limit,
            ">" => value > self.limit,
            ">=" => value >= self.limit,
            "<>" => (value - self.limit).abs() > f64::EPSILON,
            _ => (value - self.limit).abs() <= f64::EPSILON,
        }
    }

    /// Whether the condition holds for negative numbers only.
    pub fn is_negative(&self) -> bool {
        match &*self.sign {
            "<" => self.limit <= 0.0,
            "<=" | "=" => self.limit < 0.0,
            _ => false,
        }
    }
}

/// Divides a code into its sections.
pub(super) fn sections(code: &str) -> Vec<Section> {
    let end = code.char_indices().nth(LONGEST).map_or(code.len(), |(at, _)| at);
    let mut rest = code[..end].chars().peekable();
    let mut sections = vec![Section::default()];
    while let Some(sign) = rest.next() {
        if sign == ';' {
            sections.push(Section::default());
        } else if let Some(section) = sections.last_mut() {
            read(section, sign, &mut rest);
        }
    }
    sections.iter_mut().for_each(Section::settle_dates);
    sections
}

/// Reads the token that begins with `sign`.
fn read(section: &mut Section, sign: char, rest: &mut Peekable<Chars<'_>>) {
    let literal = |text: String| Token::Literal(text);
    let lower = sign.to_ascii_lowercase();
    let token = match lower {
        '"' => literal(rest.by_ref().take_while(|c| *c != '"').collect()),
        '\\' => literal(rest.next().into_iter().collect()),
        // The width of a sign.
        '_' => {
            rest.next();
            literal(" ".to_owned())
        }
        // A sign that fills the cell.
        '*' => {
            rest.next();
            return;
        }
        '[' => {
            let inner: String = rest.by_ref().take_while(|c| *c != ']').collect();
            match bracket(section, &inner) {
                Some(token) => token,
                None => return,
            }
        }
        '0'..='9' | '#' | '?' => Token::Digit(sign),
        '.' => Token::Point,
        ',' => Token::Comma,
        '%' => Token::PerCent,
        '/' => Token::Slash,
        '@' => Token::Text_,
        'e' if rest.peek().is_some_and(|next| matches!(next, '+' | '-')) => Token::Exponent(rest.next() == Some('+')),
        'g' if is_next(rest, "eneral") => {
            rest.by_ref().take("eneral".len()).for_each(drop);
            Token::General
        }
        'a' if is_next(rest, "m/pm") => Token::Half(taken(sign, rest, "m/pm".len())),
        'a' if is_next(rest, "/p") => Token::Half(taken(sign, rest, "/p".len())),
        // The name of an era, which only Japanese and similar calendars show.
        'g' => {
            while rest.next_if(|next| next.eq_ignore_ascii_case(&'g')).is_some() {}
            return;
        }
        'y' | 'm' | 'd' | 'h' | 's' | 'e' => {
            let mut signs = 1;
            while rest.next_if(|next| next.to_ascii_lowercase() == lower).is_some() {
                signs += 1;
            }
            match lower {
                'y' => Token::Year(signs),
                'e' => Token::Year(4),
                'm' => Token::Month(signs),
                'd' => Token::Day(signs),
                'h' => Token::Hour(signs),
                _ => Token::Second(signs),
            }
        }
        _ => literal(sign.to_string()),
    };
    section.tokens.push(token);
}

/// Reads what stands in brackets: a condition, a currency, a duration, or a colour.
fn bracket(section: &mut Section, inner: &str) -> Option<Token> {
    if let Some(currency) = inner.strip_prefix('$') {
        return Some(Token::Literal(currency.rsplit_once('-').map_or(currency, |(sign, _)| sign).to_owned()));
    }
    if let Some(condition) = Condition::read(inner) {
        section.condition = Some(condition);
        return None;
    }
    let unit = inner.chars().next()?.to_ascii_lowercase();
    let same = inner.chars().all(|c| c.to_ascii_lowercase() == unit);
    (same && matches!(unit, 'h' | 'm' | 's')).then_some(Token::Elapsed(unit, inner.len()))
}

/// Whether these letters come next, in any case.
fn is_next(rest: &Peekable<Chars<'_>>, letters: &str) -> bool {
    let mut ahead = rest.clone();
    letters.chars().all(|letter| ahead.next().is_some_and(|next| next.eq_ignore_ascii_case(&letter)))
}

fn taken(first: char, rest: &mut Peekable<Chars<'_>>, count: usize) -> String {
    std::iter::once(first).chain(rest.by_ref().take(count)).collect()
}
