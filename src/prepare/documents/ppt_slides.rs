//! Hidden slides of PowerPoint files up to 2003 (PPT).

use super::little_endian::short;
use super::ppt_tables::records;

/// Types of records: slides, and how they are shown.
const SLIDE: u16 = 0x03EE;
const SHOW: u16 = 0x03F9;
/// Offset and bit of what hides a slide.
const FLAGS: usize = 10;
const HIDDEN: u16 = 4;

/// Notes about hidden slides. The slides have numbers if the file has all `count` of them in order.
pub(super) fn notes(stream: &[u8], count: usize) -> Vec<String> {
    let is_hidden = |slide: &[u8]| records(slide).any(|record| record.kind == SHOW && short(record.body, FLAGS) & HIDDEN != 0);
    let slides: Vec<bool> = records(stream).filter(|record| record.kind == SLIDE).map(|slide| is_hidden(slide.body)).collect();
    if slides.len() == count {
        return slides
            .iter()
            .zip(1..)
            .filter(|(hidden, _)| **hidden)
            .map(|(_, number): (_, usize)| format!("slide {number} is hidden"))
            .collect();
    }
    // Later versions of slides follow earlier ones.
    if slides.contains(&true) { vec!["some slides are hidden".to_owned()] } else { Vec::new() }
}
