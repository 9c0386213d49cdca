//! The part of a HEIC or AVIF picture that is shown.

use heifer::heifer_isobmff::boxes::Property;

/// The rectangle of a clean aperture in a picture: left, top, width and height.
pub(super) fn crop(property: &Property, width: u32, height: u32) -> Option<(u32, u32, u32, u32)> {
    let Property::CleanAperture { width: wide, height: high, horiz_offset, vert_offset } = *property else { return None };
    let side = |full: u32, (part, parts): (u32, u32), (offset, offsets): (i32, u32)| {
        let length = f64::from(part) / f64::from(parts);
        let centre = f64::from(offset) / f64::from(offsets) + (f64::from(full) - 1.0) / 2.0;
        let start = clamped((centre - (length - 1.0) / 2.0).round(), full);
        (start, clamped(length.round(), full - start))
    };
    if [wide.1, high.1, horiz_offset.1, vert_offset.1].contains(&0) {
        return None;
    }
    let ((left, width), (top, height)) = (side(width, wide, horiz_offset), side(height, high, vert_offset));
    Some((left, top, width, height))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number is between 0 and `most`")]
fn clamped(number: f64, most: u32) -> u32 {
    number.clamp(0.0, f64::from(most)) as u32
}
