//! Walks directories out of order, to count documents and to find tables.

use super::directory_entries::{EntryKind, kind_of};
use super::elsewhere::Elsewhere;
use super::filter::Filter;
use super::roots::{Root, RootKind, Roots};
use crate::model::LeftOut;
use std::collections::HashSet;
use std::path::Path;

impl Roots {
    /// All documents in no particular order, for counting. Memory grows with groups only.
    ///
    /// An unreadable directory counts as one document, as in the walk.
    pub fn unsorted(&self) -> impl Iterator<Item = ()> {
        // Only a walk knows the members of containers.
        let divides = self.slice.is_none() && self.containers.reads;
        let listed = std::iter::repeat_n((), self.slice_len().unwrap_or(0));
        let walk = divides.then(|| self.walk().map(drop)).into_iter().flatten();
        let inputs = if divides || self.slice.is_some() { &[][..] } else { &self.inputs[..] };
        listed.chain(walk).chain(inputs.iter().enumerate().flat_map(|(input, root)| match &root.kind {
            RootKind::Remote(..) => {
                let mut walk = Elsewhere::of(self, input, false);
                Box::new(std::iter::from_fn(move || walk.next(&mut LeftOut::default()).map(drop)))
            }
            RootKind::File | RootKind::Spooled { .. } => Box::new(std::iter::once(())) as Box<dyn Iterator<Item = ()>>,
            RootKind::Lines(_) => Box::new(std::iter::empty()),
            RootKind::Table(table) => Box::new(table.count()),
            RootKind::List(list) => Box::new(list.distinct().map(drop)),
            RootKind::Directory(filter) => {
                let walk = walkdir::WalkDir::new(&root.path).into_iter().filter_entry(|entry| root.enters(entry));
                let mut groups = HashSet::new();
                Box::new(walk.filter_map(move |entry| match entry {
                    Ok(entry) => {
                        let is_document = file_below(root, filter, &entry).is_some_and(|file| filter.takes(&root.path, file));
                        let group = filter.group.group_of(entry.path());
                        (is_document && group.is_none_or(|group| groups.insert(group))).then_some(())
                    }
                    Err(_) => Some(()),
                }))
            }
        }))
    }
}

impl Root {
    /// Tables in this directory whose rows are documents: their paths and the prefixes of the rows'
    /// names.
    pub(super) fn tables_inside(&self) -> Vec<(String, String)> {
        let RootKind::Directory(filter) = &self.kind else { return Vec::new() };
        let walk = walkdir::WalkDir::new(&self.path).sort_by_file_name().into_iter().filter_entry(|entry| self.enters(entry));
        let table = |entry: walkdir::DirEntry| {
            let file = file_below(self, filter, &entry).filter(|file| filter.has_rows(file) && filter.selects(&self.path, file));
            file.and_then(|_| Some((entry.path().to_str()?.to_owned(), self.name_of(entry.path()))))
        };
        walk.flatten().filter_map(table).collect()
    }
}

/// The relative path of a file that the walk of a directory finds. Links count if they are followed.
fn file_below<'e>(root: &Root, filter: &Filter, entry: &'e walkdir::DirEntry) -> Option<&'e Path> {
    let is_file = match kind_of(entry) {
        EntryKind::File => true,
        EntryKind::Link => filter.links.follows(entry.path()),
        EntryKind::Directory | EntryKind::Other => false,
    };
    entry.path().strip_prefix(&root.path).ok().filter(|_| is_file)
}
