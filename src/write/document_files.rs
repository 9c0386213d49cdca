//! Files of documents, for links and pictures in results.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Find = dyn Fn(&str) -> Option<PathBuf> + Send + Sync;
type Draw = dyn Fn(Vec<(u64, PathBuf)>) -> Vec<(u64, SmallPicture)> + Send + Sync;

/// Finds the files of documents, and makes small pictures of them. Finds none by default.
#[derive(Clone, Default)]
pub struct DocumentFiles(Option<(Arc<Find>, Arc<Draw>)>);

/// A small picture of a file.
#[derive(Debug, Clone)]
pub struct SmallPicture {
    /// The encoded picture.
    pub bytes: Vec<u8>,
    /// `image/jpeg` or `image/png`.
    pub media_type: &'static str,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl DocumentFiles {
    /// Finds files by the names of their documents with `find`. `draw` makes pictures of numbered
    /// files and blocks until they are done. It leaves out files that are no image.
    pub fn new(
        find: impl Fn(&str) -> Option<PathBuf> + Send + Sync + 'static,
        draw: impl Fn(Vec<(u64, PathBuf)>) -> Vec<(u64, SmallPicture)> + Send + Sync + 'static,
    ) -> Self {
        Self(Some((Arc::new(find), Arc::new(draw))))
    }

    /// The file of a document. `None` if the document is no file, or the file is gone.
    pub(super) fn file_of(&self, document: &str) -> Option<PathBuf> {
        let (find, _) = self.0.as_ref()?;
        find(document)
    }

    /// Small pictures of numbered files.
    pub(super) fn pictures(&self, files: Vec<(u64, PathBuf)>) -> Vec<(u64, SmallPicture)> {
        self.0.as_ref().filter(|_| !files.is_empty()).map_or_else(Vec::new, |(_, draw)| draw(files))
    }
}

impl fmt::Debug for DocumentFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "files of documents" } else { "no files of documents" })
    }
}

/// The address of a file, relative to a directory if they share one. Both paths are absolute.
pub(super) fn address(file: &Path, directory: &Path) -> String {
    let shared = file.components().zip(directory.components()).take_while(|(one, other)| one == other).count();
    // Files that share only the root are as well named by their full path.
    let shares_more = shared > 1;
    let parts = file.components().skip(if shares_more { shared } else { 0 });
    let up = if shares_more { directory.components().count() - shared } else { 0 };
    let parts = parts.map(|part| encoded(&part.as_os_str().to_string_lossy().replace(['/', '\\'], "")));
    let path = std::iter::repeat_n("..".to_owned(), up).chain(parts).collect::<Vec<_>>().join("/");
    match () {
        () if shares_more => path,
        () if path.starts_with('/') => format!("file://{path}"),
        () => format!("file:///{path}"),
    }
}

/// A part of a path as part of an address.
fn encoded(part: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const RESERVED: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'%')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'[')
        .add(b']')
        .add(b'`')
        .add(b'{')
        .add(b'|')
        .add(b'}');
    utf8_percent_encode(part, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_relative_where_possible() {
        let address = |file: &str, directory: &str| address(Path::new(file), Path::new(directory));
        assert_eq!(address("/a/in/x y#1.png", "/a/out/text"), "../../in/x%20y%231.png");
        assert_eq!(address("/a/out/text/x.png", "/a/out/text"), "x.png");
        assert_eq!(address("/b/ä.png", "/a/out"), "file:///b/%C3%A4.png");
    }
}
