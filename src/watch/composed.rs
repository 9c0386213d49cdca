//! Documents that consist of several files, or are inside of one: groups, files in archives, attached
//! files.
//!
//! Only a scan knows such documents, so events of their files ask for one. They are ready when each of
//! their files is.

use crate::model::Place;
use crate::read::Roots;
use std::path::{Path, PathBuf};

/// Whether such documents can be watched. The error says which setting is wrong.
pub(super) fn check(roots: &Roots, moves: bool, is_network: bool) -> Result<(), String> {
    let (what, why) = if roots.have_groups() {
        ("input.group", "the files of a document")
    } else if roots.divide_files() {
        ("input.attachments and input.archives", "a file with several documents")
    } else {
        return Ok(());
    };
    let run = "or run `docmill run` when the files are there";
    if moves {
        return Err(format!("{what}: docmill watch does not move {why}. Leave out watch.done_dir and watch.failed_dir, {run}"));
    }
    if is_network {
        let clock = "a network disk has its own clock, so it is unclear when they are complete";
        return Err(format!("{what}: docmill watch cannot wait for {why}: {clock}. Copy the files to this machine, {run}"));
    }
    Ok(())
}

/// Whether a scan, and not an event, offers the documents of this file.
pub(super) fn is_part(roots: &Roots, path: &Path) -> bool {
    roots.have_groups() || roots.may_be_divided(path)
}

/// The files of such a document; `None` for a document that is one file, and for others.
pub(super) fn files_of(roots: &Roots, place: &Place, has_failed: bool) -> Option<Vec<PathBuf>> {
    match place {
        Place::Group(files) => Some(files.clone()),
        Place::Member(member) => Some(vec![member.container.clone()]),
        // An archive that is damaged.
        Place::File(path) if has_failed && roots.divide_files() && path.is_file() => Some(vec![path.clone()]),
        _ => None,
    }
}
