//! Shows numbers digit by digit: decimals, thousands, per cent and powers of ten.
//!
//! Numbers are rounded as decimals, half away from zero, as spreadsheet programs do.

use super::Token;
use std::collections::VecDeque;

/// Formats a number with all distinguishing digits, but without binary noise.
///
/// Whole numbers keep all digits, so that two ids of 16 digits stay different. Fractions have the
/// shortest digits that give the same number. A fraction is rounded to 15 digits, as in spreadsheet
/// programs, if this saves at least [`NOISE`] digits. For example, 0.30000000000000004 becomes 0.3.
pub(in crate::prepare::documents) fn general(value: f64) -> String {
    let rounded = format!("{value:.14e}").parse().unwrap_or(value);
    let is_noise = value.fract() != 0.0 && digits(rounded) + NOISE <= digits(value);
    // A zero has no sign.
    let value = if is_noise { rounded } else { value } + 0.0;
    if value != 0.0 && !(1e-9..1e21).contains(&value.abs()) { format!("{value:e}") } else { format!("{value}") }
}

/// Number of saved digits that indicates binary noise.
const NOISE: usize = 4;

/// Number of significant digits.
fn digits(value: f64) -> usize {
    format!("{value:e}").split('e').next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count()
}

/// Whether a workbook may have lost digits of the number.
pub(in crate::prepare::documents) fn is_inexact(value: f64) -> bool {
    /// Doubles cannot represent all whole numbers above this one.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    value.fract() == 0.0 && value.abs() >= LARGEST
}

/// A number of at least 0, as `0.DIGITS` times ten to the power `point`.
pub(super) struct Decimal {
    digits: VecDeque<u8>,
    point: i32,
}

impl Decimal {
    pub fn of(value: f64) -> Self {
        // A double has 15 sure digits. Whole numbers keep all.
        let text = if value.fract() == 0.0 { format!("{value:e}") } else { format!("{value:.14e}") };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
        let mut decimal = Self { digits, point: exponent.parse::<i32>().unwrap_or(0) + 1 };
        decimal.trim();
        decimal
    }

    fn trim(&mut self) {
        while self.digits.pop_back_if(|digit| *digit == 0).is_some() {}
        if self.digits.is_empty() {
            self.point = 0;
        }
    }

    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Rounds to this number of decimals.
    fn round(&mut self, decimals: usize) {
        let keep = i64::from(self.point) + i64::try_from(decimals).unwrap_or(i64::MAX / 2);
        let keep = match usize::try_from(keep) {
            Ok(keep) if keep >= self.digits.len() => return,
            Ok(keep) => keep,
            Err(_) => return *self = Self { digits: VecDeque::new(), point: 0 },
        };
        let up = self.digits.get(keep).is_some_and(|digit| *digit >= 5);
        self.digits.truncate(keep);
        if up {
            while self.digits.pop_back_if(|digit| *digit == 9).is_some() {}
            match self.digits.back_mut() {
                Some(digit) => *digit += 1,
                None => {
                    self.digits.push_front(1);
                    self.point += 1;
                }
            }
        }
        self.trim();
    }

    /// The digit at a place: 0 for the ones, 1 for the tens, -1 for the first decimal.
    fn digit(&self, place: i32) -> char {
        let at = usize::try_from(i64::from(self.point) - 1 - i64::from(place)).ok();
        char::from(b'0' + at.and_then(|at| self.digits.get(at)).copied().unwrap_or(0))
    }
}

/// Shows a number of at least 0.
pub(super) fn shown(tokens: &[Token], size: f64) -> String {
    let mut decimal = Decimal::of(size);
    if !decimal.is_zero() {
        let hundreds = tokens.iter().filter(|token| **token == Token::PerCent).count();
        decimal.point += i32::try_from(hundreds).unwrap_or(0) * 2 - thousands(tokens) * 3;
    }
    let exponent = tokens.iter().position(|token| matches!(token, Token::Exponent(_)));
    let mantissa = &tokens[..exponent.unwrap_or(tokens.len())];
    let point = mantissa.iter().position(|token| *token == Token::Point);
    let whole = places(&mantissa[..point.unwrap_or(mantissa.len())]);
    let decimals = point.map_or(0, |at| places(&mantissa[at..]));
    let mut power = 0;
    if exponent.is_some() && !decimal.is_zero() {
        let step = i32::try_from(whole.max(1)).unwrap_or(1);
        let scale = |decimal: &Decimal| (decimal.point - 1).div_euclid(step) * step;
        power = scale(&decimal);
        decimal.point -= power;
        decimal.round(decimals);
        let carried = scale(&decimal);
        decimal.point -= carried;
        power += carried;
    } else {
        decimal.round(decimals);
    }
    let mut text = filled(mantissa, &decimal, size);
    if let Some(at) = exponent {
        let plus = tokens[at] == Token::Exponent(true);
        text.push_str(if power < 0 {
            "E-"
        } else if plus {
            "E+"
        } else {
            "E"
        });
        let size = f64::from(power.abs());
        text.push_str(&filled(&tokens[at + 1..], &Decimal::of(size), size));
    }
    text
}

fn places(tokens: &[Token]) -> usize {
    tokens.iter().filter(|token| token.is_place()).count()
}

/// Number of commas behind the last place, each for a division by 1000.
fn thousands(tokens: &[Token]) -> i32 {
    let behind = |at: usize| tokens[at + 1..].iter().take_while(|token| **token == Token::Comma).count();
    let ends = tokens.iter().enumerate().filter(|(_, token)| token.is_place() || **token == Token::Point);
    let is_end = |at: usize| {
        let next = tokens[at + 1..].iter().find(|token| **token != Token::Comma);
        !next.is_some_and(Token::is_place)
    };
    ends.filter(|(at, _)| is_end(*at)).map(|(at, _)| i32::try_from(behind(at)).unwrap_or(0)).sum()
}

/// Fills the places of digits.
pub(super) fn filled(tokens: &[Token], decimal: &Decimal, size: f64) -> String {
    let point = tokens.iter().position(|token| *token == Token::Point).unwrap_or(tokens.len());
    let (before, behind) = tokens.split_at(point);
    let whole = i32::try_from(places(before)).unwrap_or(0);
    let length = decimal.point.max(0);
    let grouped = before.windows(3).any(|three| three[0].is_place() && three[1] == Token::Comma && three[2].is_place());
    let mut text = String::new();
    let (mut place, mut started) = (whole, false);
    let mut digit = |text: &mut String, place: i32, sign: char| {
        started |= place < length;
        match sign {
            _ if started => text.push(decimal.digit(place)),
            '#' => return,
            '?' => return text.push(' '),
            _ => text.push('0'),
        }
        if grouped && place > 0 && place % 3 == 0 {
            text.push(',');
        }
    };
    for token in before {
        match token {
            Token::Digit(sign) if token.is_place() => {
                // The first place takes all digits that have none.
                if place == whole {
                    (whole..length).rev().for_each(|place| digit(&mut text, place, '0'));
                }
                place -= 1;
                digit(&mut text, place, *sign);
            }
            Token::General => text.push_str(&general(size)),
            token => text.push_str(&token.literal()),
        }
    }
    if whole == 0 && point < tokens.len() {
        (0..length).rev().for_each(|place| digit(&mut text, place, '0'));
    }
    text.push_str(&decimals(behind, decimal));
    text
}

/// Fills the places behind the point. A point without digits is left out.
fn decimals(tokens: &[Token], decimal: &Decimal) -> String {
    let signs: Vec<char> =
        tokens.iter().filter(|token| token.is_place()).map(|token| if let Token::Digit(sign) = token { *sign } else { '0' }).collect();
    let digit = |at: usize| decimal.digit(-1 - i32::try_from(at).unwrap_or(0));
    let used = (0..signs.len()).rev().find(|at| signs[*at] == '0' || digit(*at) != '0').map_or(0, |at| at + 1);
    let (mut text, mut at) = (String::new(), 0);
    for token in tokens {
        match token {
            Token::Point if at == 0 && used > 0 => text.push('.'),
            token if token.is_place() => {
                match signs.get(at) {
                    _ if at < used => text.push(digit(at)),
                    Some('?') => text.push(' '),
                    _ => {}
                }
                at += 1;
            }
            token => text.push_str(&token.literal()),
        }
    }
    text
}
