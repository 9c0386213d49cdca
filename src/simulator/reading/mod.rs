pub mod digest;
pub mod language;
pub mod lexicon;
pub mod sentiment;
pub mod text;
pub mod topics;
