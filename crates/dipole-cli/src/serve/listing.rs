//! What is in a folder, in the order that a person looks for it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ffi::{OsStr, OsString};
use std::fs::{DirEntry, FileType};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::listing_page;

/// The most entries that a listing shows; of the others it says how many they are.
const MOST_SHOWN: usize = 5000;

/// What a folder has to show.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Folders first, each group by name.
    pub(super) entries: Vec<Entry>,
    /// How many more there are that are not shown.
    pub(super) more: u64,
    /// False for the root: nothing is above it.
    pub(super) has_parent: bool,
}

/// A line of a listing.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) kind: Kind,
    pub(super) modified: Option<SystemTime>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    /// A file and its size in bytes.
    File(u64),
}

/// Reads a folder at or below `root`, both without links in their paths.
///
/// Hidden entries, links that lead nowhere, links to folders outside of `root`, and what is
/// neither folder nor file are left out.
pub(super) fn read(folder: &Path, root: &Path) -> io::Result<Listing> {
    let mut first = BinaryHeap::new();
    let mut more = 0;
    for entry in std::fs::read_dir(folder)? {
        let Some(candidate) = Candidate::of(&entry?, root) else {
            continue;
        };
        first.push(candidate);
        if first.len() > MOST_SHOWN {
            first.pop();
            more += 1;
        }
    }
    let entries = first.into_sorted_vec().into_iter().filter_map(|it| it.entry(folder)).collect();
    Ok(Listing { entries, more, has_parent: folder != root })
}

impl Listing {
    /// As a page, for the folder that was asked for by the URL path `path`.
    pub(super) fn html(&self, path: &str) -> String {
        listing_page::html(self, path)
    }
}

/// An entry before its size and date are looked up, in the listing's order.
#[derive(Debug, PartialEq, Eq)]
struct Candidate {
    is_file: bool,
    key: String,
    name: OsString,
}

impl Candidate {
    fn of(entry: &DirEntry, root: &Path) -> Option<Self> {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            return None;
        }
        let file_type = resolved_type(entry, root)?;
        let is_file = file_type.is_file();
        (is_file || file_type.is_dir()).then(|| {
            let key = name.to_string_lossy().to_lowercase();
            Self { is_file, key, name }
        })
    }

    fn entry(self, folder: &Path) -> Option<Entry> {
        let metadata = std::fs::metadata(folder.join(&self.name)).ok()?;
        let kind = if self.is_file { Kind::File(metadata.len()) } else { Kind::Folder };
        Some(Entry { name: self.name, kind, modified: metadata.modified().ok() })
    }
}

/// The type of an entry, behind its link if it is one.
fn resolved_type(entry: &DirEntry, root: &Path) -> Option<FileType> {
    let file_type = entry.file_type().ok()?;
    if !file_type.is_symlink() {
        return Some(file_type);
    }
    let target = entry.path().canonicalize().ok()?;
    let file_type = target.metadata().ok()?.file_type();
    (file_type.is_file() || target.starts_with(root)).then_some(file_type)
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.is_file
            .cmp(&other.is_file)
            .then_with(|| by_number(&self.key, &other.key))
            .then_with(|| by_bytes(&self.name, &other.name))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn by_bytes(a: &OsStr, b: &OsStr) -> Ordering {
    a.as_encoded_bytes().cmp(b.as_encoded_bytes())
}

/// Compares texts, where numbers in them count as numbers: `a2` is before `a10`.
fn by_number(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (a_digits, b_digits) = (digits(a), digits(b));
        if a_digits > 0 && b_digits > 0 {
            let (a_number, b_number) = (&a[..a_digits], &b[..b_digits]);
            let (a_value, b_value) =
                (a_number.trim_start_matches('0'), b_number.trim_start_matches('0'));
            let order = a_value.len().cmp(&b_value.len()).then_with(|| a_value.cmp(b_value));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[a_digits..], &b[b_digits..]);
            continue;
        }
        let (mut a_chars, mut b_chars) = (a.chars(), b.chars());
        match (a_chars.next(), b_chars.next()) {
            (Some(x), Some(y)) if x == y => (a, b) = (a_chars.as_str(), b_chars.as_str()),
            (x, y) => return x.cmp(&y),
        }
    }
}

/// How many bytes of digits a text begins with.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["a10", "b", "a2", "a", "a02b", "", "10", "9", "a2b", "ä"];
        names.sort_by(|a, b| by_number(a, b));
        assert_eq!(names, ["", "9", "10", "a", "a2", "a02b", "a2b", "a10", "b", "ä"]);
    }

    #[test]
    fn folders_come_first() {
        let candidate = |is_file, name: &str| Candidate {
            is_file,
            key: name.to_lowercase(),
            name: name.into(),
        };
        let mut both = [candidate(true, "A"), candidate(false, "b"), candidate(false, "B")];
        both.sort();
        assert_eq!(both.map(|c| c.name), ["B", "b", "A"]);
    }
}
