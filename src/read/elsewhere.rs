//! Walks a remote input: selects objects and names documents.

use super::environment::InputEnvironment;
use super::filter::{Filter, IGNORE_FILE, is_hidden};
use super::listing::Listing;
use super::record::{InputKind, InputRecord, prefix_beside};
use super::remote::Remote;
use super::roots::{Root, RootKind, Roots};
use super::settings::InputSettings;
use crate::model::{Failure, FailureCode, LeftOut, Place, Stamp};
use crate::remote::Address;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Root {
    /// Opens the input at `address`. The error is a sentence that begins with the address.
    pub fn open_remote(
        address: Result<Address, String>,
        settings: &InputSettings,
        environment: &InputEnvironment,
        single: bool,
        before: &[InputRecord],
    ) -> Result<Self, String> {
        let remote = Remote::open(address?, environment)?;
        let shown = remote.address.shown.clone();
        let directory = remote.single().is_none();
        let prefix = if directory && single { String::new() } else { shown.clone() };
        let path = shown.trim_end_matches('/').to_owned();
        let prefix = if before.is_empty() { prefix } else { prefix_beside(&path, &prefix, before)? };
        let rules = || {
            let ignored = remote.text_of(IGNORE_FILE)?.unwrap_or_default();
            Filter::elsewhere(settings, environment, &ignored)
        };
        let filter = directory.then(rules).transpose()?;
        let record = InputRecord::new(if directory { InputKind::Directory } else { InputKind::File }, path, &prefix);
        let record = InputRecord { rules: settings.rules().filter(|_| directory), ..record };
        Ok(Self { path: PathBuf::from(shown), prefix, kind: RootKind::Remote(Arc::new(remote), filter), record })
    }

    /// Whether both inputs are remote and share documents.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (Some(one), Some(other)) = (self.remote(), other.remote()) else { return false };
        one.address.contains(&other.address) || other.address.contains(&one.address)
    }

    /// The key of the document called `name`, whether or not it exists.
    pub fn locate_object(&self, remote: &Remote, filter: Option<&Filter>, name: &str) -> Option<String> {
        let Some(filter) = filter else { return remote.single().filter(|_| self.prefix == name).map(|(key, _)| key) };
        let relative = if self.prefix.is_empty() { name } else { name.strip_prefix(&self.prefix)?.strip_prefix('/')? };
        let key = remote.address.join(relative)?;
        filter.takes_object(Path::new(relative)).then(|| key.to_string())
    }
}

impl Roots {
    /// The input that contains this address.
    pub fn input_around(&self, address: &Address) -> Option<&str> {
        let remotes = self.inputs.iter().filter_map(Root::remote);
        remotes.map(|remote| &remote.address).find(|input| input.contains(address)).map(|input| input.shown.as_str())
    }
}

/// A remote document, or a failed listing.
pub(super) struct Object {
    pub place: Place,
    pub name: String,
    pub failure: Option<Failure>,
}

/// The walk of one remote input.
#[derive(Debug)]
pub(super) struct Elsewhere {
    roots: Roots,
    input: usize,
    next: Next,
}

#[derive(Debug)]
enum Next {
    Single(String, Stamp),
    Listed(Listing),
    Nothing,
}

impl Elsewhere {
    /// The walk of the input with this number. Empty if the input is local. `anew` asks for a listing
    /// without the page that was fetched when the input was opened.
    pub fn of(roots: &Roots, input: usize, anew: bool) -> Self {
        let remote = roots.inputs.get(input).and_then(Root::remote);
        let next = remote.and_then(|remote| {
            let single = remote.single().map(|(key, stamp)| Next::Single(key, stamp));
            single.or_else(|| remote.list(anew).map(Next::Listed))
        });
        let next = next.unwrap_or(Next::Nothing);
        Self { roots: roots.clone(), input, next }
    }

    /// The next document. Skipped objects are counted. Blocks.
    pub fn next(&mut self, left_out: &mut LeftOut) -> Option<Object> {
        let roots = self.roots.clone();
        let root = &roots.inputs[self.input];
        match &mut self.next {
            Next::Nothing => None,
            Next::Listed(listing) => next_listed(root, self.input, listing, left_out),
            Next::Single(..) => {
                let Next::Single(key, stamp) = std::mem::replace(&mut self.next, Next::Nothing) else { return None };
                let place = Place::Object { input: self.input, key, listed: Some(stamp) };
                Some(Object { place, name: root.prefix.clone(), failure: None })
            }
        }
    }
}

const ODD: &str = "cannot request an object with this key: it has an empty part, a part \".\" or \"..\", or a control \
    character. Rename the object, or exclude it with input.exclude";

fn next_listed(root: &Root, input: usize, listing: &mut Listing, left_out: &mut LeftOut) -> Option<Object> {
    let RootKind::Remote(remote, Some(filter)) = &root.kind else { return None };
    loop {
        let (key, stamp) = match remote.next_of(listing)? {
            Ok(object) => object,
            Err(message) => {
                let place = Place::Object { input, key: remote.address.key.to_string(), listed: None };
                let failure = Some(Failure::new(FailureCode::Unreadable, message));
                return Some(Object { place, name: format!("{}/", remote.address.shown), failure });
            }
        };
        let Some(relative) = remote.address.below(&key) else { continue };
        if relative.split('/').any(|part| is_hidden(part.as_bytes())) {
            left_out.hidden += 1;
        } else if !filter.takes_object(Path::new(relative)) {
            left_out.patterns += 1;
        } else if !stamp.is_none_or(|stamp| filter.takes_stamp(stamp)) {
            left_out.size_or_date += 1;
        } else {
            let name = if root.prefix.is_empty() { relative.to_owned() } else { format!("{}/{relative}", root.prefix) };
            let failure = stamp.is_none().then(|| Failure::new(FailureCode::Unreadable, ODD));
            let place = Place::Object { input, key, listed: stamp };
            return Some(Object { place, name, failure });
        }
    }
}
