//! Contents that need no further call, so that equal documents are recognised.

use super::catalog::stamp;
use super::{Archive, StoreError};
use crate::model::Digest;

/// Contents that are completely answered.
#[derive(Debug, Default)]
pub struct AnsweredContents {
    /// First eight bytes of their digests, sorted.
    contents: Vec<u64>,
    /// Sizes of their files, sorted; `None` if any size is unknown.
    sizes: Option<Vec<u64>>,
}

impl AnsweredContents {
    /// Whether this content, as [`Digest::short`], is completely answered.
    pub fn has(&self, content: u64) -> bool {
        self.contents.binary_search(&content).is_ok()
    }

    /// Whether an answered content may have this size in bytes.
    pub fn may_have_size(&self, size: u64) -> bool {
        !self.contents.is_empty() && self.sizes.as_ref().is_none_or(|sizes| sizes.binary_search(&size).is_ok())
    }
}

impl Archive {
    /// Contents of documents with complete rows under this recipe.
    pub fn answered_contents(&self, recipe: i64) -> Result<AnsweredContents, StoreError> {
        self.read("rows", || {
            let sql = "SELECT DISTINCT d.digest, d.stamp FROM rows r JOIN documents d ON d.id = r.document
                WHERE r.recipe = ?1 AND r.status = 'ok'";
            let mut statement = self.connection().prepare(sql)?;
            let mut rows = statement.query([recipe])?;
            let (mut contents, mut sizes) = (Vec::new(), Some(Vec::new()));
            while let Some(row) = rows.next()? {
                let Ok(digest) = row.get_ref(0)?.as_blob()?.try_into() else { continue };
                contents.push(Digest(digest).short());
                let size = stamp(row.get_ref(1)?.as_blob()?).map(|stamp| stamp.size);
                sizes = sizes.zip(size).map(|(mut sizes, size)| {
                    sizes.push(size);
                    sizes
                });
            }
            contents.sort_unstable();
            if let Some(sizes) = &mut sizes {
                sizes.sort_unstable();
            }
            Ok(AnsweredContents { contents, sizes })
        })
    }
}
