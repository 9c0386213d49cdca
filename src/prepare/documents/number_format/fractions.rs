//! Shows numbers as fractions: `1 3/4`.

use super::Token;
use super::digits::{Decimal, filled};

/// Maximum denominator.
const LARGEST: u32 = 999;

/// Shows a number of at least 0; `None` if the format has no fraction.
pub(super) fn shown(tokens: &[Token], size: f64) -> Option<String> {
    let slash = tokens.iter().position(|token| *token == Token::Slash)?;
    let above = tokens[..slash].iter().rev().take_while(|token| token.is_place()).count();
    let below = tokens[slash + 1..].iter().take_while(|token| matches!(token, Token::Digit(_))).count();
    if above == 0 || below == 0 || size >= 1e15 {
        return None;
    }
    let (before, behind) = (&tokens[..slash - above], &tokens[slash + 1 + below..]);
    let is_mixed = before.iter().any(Token::is_place);
    let whole = if is_mixed { size.floor() } else { 0.0 };
    let (mut numerator, denominator) = nearest(size - whole, &tokens[slash + 1..slash + 1 + below]);
    let carries = is_mixed && numerator >= denominator;
    let whole = if carries { whole + 1.0 } else { whole };
    if carries {
        numerator = 0.0;
    }
    let mut text = filled(before, &Decimal::of(whole), whole);
    if !is_mixed || numerator > 0.0 {
        text += &numerator.to_string();
        text.push('/');
        text += &denominator.to_string();
    } else if whole == 0.0 && !text.contains('0') {
        text.push('0');
    }
    Some(behind.iter().fold(text, |text, token| text + &token.literal()))
}

/// The nearest fraction with a denominator of this form.
fn nearest(value: f64, form: &[Token]) -> (f64, f64) {
    let signs: String = form.iter().map(|token| if let Token::Digit(sign) = token { *sign } else { ' ' }).collect();
    if signs.starts_with(|c: char| matches!(c, '1'..='9')) {
        let denominator: u32 = signs.replace(['#', '?'], "").parse().unwrap_or(1);
        return ((value * f64::from(denominator)).round(), f64::from(denominator));
    }
    let largest = 10_u32.saturating_pow(u32::try_from(signs.len()).unwrap_or(9)).saturating_sub(1).min(LARGEST);
    let distance = |denominator: f64| ((value * denominator).round() / denominator - value).abs();
    let (mut best, mut least) = (1.0, distance(1.0));
    for denominator in 2..=largest {
        let far = distance(f64::from(denominator));
        if far < least - 1e-12 {
            (best, least) = (f64::from(denominator), far);
        }
    }
    ((value * best).round(), best)
}
