//! Text that style sheets add before and after the elements of a page.

use super::style_sheet::{Sheet, Side};
use std::rc::Rc;

/// Maximum bytes that style sheets add to a page.
const MOST: usize = 1 << 20;

/// The text that styles have added to a page so far.
#[derive(Debug, Default)]
pub(super) struct AddedText {
    bytes: usize,
}

impl AddedText {
    /// The texts before and after an element. `None` without a text, or if the page has reached [`MOST`].
    pub fn around(&mut self, sheet: &Sheet, element: &str, id: Option<&str>, classes: Option<&str>) -> [Option<Rc<str>>; 2] {
        [Side::Before, Side::After].map(|side| {
            let text = sheet.generated(side, element, id, classes).filter(|text| adds(element, text))?;
            self.bytes += text.len();
            Some(text).filter(|_| self.bytes <= MOST)
        })
    }
}

/// Whether text that a style adds to an element is more than the bullet or the mark it has anyway.
fn adds(element: &str, text: &str) -> bool {
    match element {
        "q" | "html" | "body" => false,
        "li" => {
            !["", "•", "·", "◦", "▪", "●", "○", "■", "□", "‣", "»", "›", "→", "*"].contains(&text.trim())
                && !["- ", "– ", "— "].contains(&text)
        }
        _ => true,
    }
}
