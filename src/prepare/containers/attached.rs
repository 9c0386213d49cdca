//! Files attached to mails and PDF documents.

use super::super::documents::{self, Attachment};
use super::super::settings::Apart;
use super::super::sniff::{Sniffed, sniff};
use super::names::{extension_of, is_archive_extension};
use crate::model::Kind;

/// Whether files with this extension may have attachments. Mails in directories of mail programs have
/// no extension.
pub(super) fn may_have(extension: &str) -> bool {
    matches!(extension, "eml" | "mbox" | "mbx" | "msg" | "pdf" | "")
}

/// Whether an attached file becomes a separate document.
fn is_apart(name: &str, content: &[u8], apart: Apart) -> bool {
    if !apart.attachments || content.is_empty() {
        return false;
    }
    let extension = extension_of(name);
    let kind: Option<Kind> = sniff(content, &extension).kind();
    kind.is_some() || apart.archives && is_archive_extension(&extension)
}

/// The attached files that are documents of their own.
pub(super) fn files(bytes: &[u8], extension: &str, apart: Apart) -> Vec<Attachment> {
    let Sniffed::Document(reader) = sniff(bytes, extension) else { return Vec::new() };
    let mut files = documents::attachments(reader, bytes);
    files.retain(|file| is_apart(&file.name, &file.content, apart));
    files
}
