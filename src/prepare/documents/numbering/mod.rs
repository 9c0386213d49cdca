//! Numbers of lists: `2.1`, `(a)`, `iv.`.
//!
//! Documents rarely store these numbers. Programs count when they show a list.

mod binary;
mod html;
mod kinds;
mod odf;
mod slides;
mod template;
mod word;

pub(super) use binary::BinaryLists;
pub(super) use html::{lengths, list_kind, list_style};
pub(super) use kinds::shown;
pub(super) use odf::Lists;
pub(super) use slides::{Bullet, Counter};
pub(super) use template::{Level, Levels};
pub(super) use word::{Numbering, kind};
