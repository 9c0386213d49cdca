//! What all OpenDocument files share: types, archives, and notes.

use super::archive::Archive;
use super::{verdict, xml};
use crate::model::Failure;

/// Whether a media type is of this kind.
///
/// Templates and master documents have longer types.
pub(super) fn is_type(text: &str, kind: &str) -> bool {
    text.strip_prefix("application/vnd.oasis.opendocument.").is_some_and(|rest| rest.starts_with(kind))
}

/// Whether this is a document of this kind in one XML file.
pub(super) fn is_flat(bytes: &[u8], kind: &str) -> bool {
    let media_type = |root: String| {
        root.strip_prefix("<office:document")?.split("office:mimetype=").nth(1).map(|text| text.trim_start_matches(['"', '\'']).to_owned())
    };
    xml::root(bytes).and_then(media_type).is_some_and(|text| is_type(&text, kind))
}

/// Opens the archive. Fails if its content needs a password.
pub(super) fn open<'a>(bytes: &'a [u8], name: &'static str, megabytes: u64) -> Result<Archive<'a>, Failure> {
    let mut archive = Archive::open(bytes, name, megabytes)?;
    let manifest = archive.text("META-INF/manifest.xml")?;
    if manifest.is_some_and(|manifest| manifest.contains("encryption-data")) { Err(verdict::encrypted(name)) } else { Ok(archive) }
}

/// Builds notes about omitted pictures and macros.
pub(super) fn left_out(archive: &Archive, pictures: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if pictures > 0 {
        notes.push(format!("{} left out", verdict::counted(pictures, "picture")));
    }
    if archive.names().any(|name| name.starts_with("Basic/") || name.starts_with("Scripts/")) {
        notes.push("macros left out".to_owned());
    }
    notes
}
