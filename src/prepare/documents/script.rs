//! The vertical position of text.

/// The vertical position of text on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Script {
    #[default]
    Normal,
    Raised,
    Lowered,
    /// Raised or lowered by a distance, which may only align a whole text.
    ShiftedUp,
    ShiftedDown,
}

impl Script {
    /// The position of text that is shifted up by half points. Small shifts only align letters.
    pub fn shifted(half_points: i32) -> Self {
        match half_points {
            4.. => Self::ShiftedUp,
            ..=-4 => Self::ShiftedDown,
            _ => Self::Normal,
        }
    }
}
