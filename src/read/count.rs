//! Counts documents without putting them in order.

use super::directory_entries::{EntryKind, kind_of};
use super::elsewhere::Elsewhere;
use super::roots::{RootKind, Roots};
use crate::model::LeftOut;

impl Roots {
    /// All documents in no particular order, in constant memory, for counting.
    ///
    /// An unreadable directory counts as one document, as in the walk.
    pub fn unsorted(&self) -> impl Iterator<Item = ()> {
        self.0.iter().enumerate().flat_map(|(input, root)| match &root.kind {
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
                Box::new(walk.filter_map(|entry| match entry {
                    Ok(entry) => {
                        let relative = entry.path().strip_prefix(&root.path).ok()?;
                        let is_file = match kind_of(&entry) {
                            EntryKind::File => true,
                            EntryKind::Link => filter.links.follows(entry.path()),
                            EntryKind::Directory | EntryKind::Other => false,
                        };
                        (is_file && filter.takes(&root.path, relative)).then_some(())
                    }
                    Err(_) => Some(()),
                }))
            }
        })
    }
}
