//! A listing as a page: one piece of HTML that needs nothing else.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::listing::{Entry, Kind, Listing};
use super::time::Utc;
use crate::size::Size;

const STYLE: &str = include_str!("listing.css");

/// What stays as it is in a link's segment: the unreserved characters of RFC 3986 2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The page for the folder at the URL path `path`, which ends with a slash and doubles none.
pub(super) fn html(listing: &Listing, path: &str) -> String {
    let mut page = String::with_capacity(4096 + listing.entries.len() * 192);
    // Writing to a string cannot fail.
    let _ = write(&mut page, listing, path);
    page
}

fn write(page: &mut String, listing: &Listing, path: &str) -> fmt::Result {
    let segments: Vec<_> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
        .collect();
    let title = segments.last().map_or("/", |name| name);
    page.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    write!(
        page,
        "<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>",
        Text(title)
    )?;
    breadcrumbs(page, &segments)?;
    page.push_str("</h1>\n<table>\n<thead><tr><th>Name</th><th>Size</th>");
    page.push_str("<th>Modified (UTC)</th></tr></thead>\n<tbody>\n");
    if listing.has_parent {
        page.push_str("<tr class=\"u\"><td><a href=\"../\">parent folder</a></td>");
        page.push_str("<td></td><td></td></tr>\n");
    }
    for entry in &listing.entries {
        row(page, entry)?;
    }
    page.push_str("</tbody>\n</table>\n<p>");
    summary(page, listing)?;
    page.push_str("</p>\n</body>\n</html>\n");
    Ok(())
}

/// A link to each folder on the way; the last is where the reader is.
fn breadcrumbs(page: &mut String, segments: &[impl AsRef<str>]) -> fmt::Result {
    let Some((here, above)) = segments.split_last() else {
        page.push_str("All files");
        return Ok(());
    };
    write!(page, "<a href=\"{}\">All files</a>", "../".repeat(segments.len()))?;
    for (index, name) in above.iter().enumerate() {
        let up = "../".repeat(above.len() - index);
        write!(page, "<span>/</span><a href=\"{up}\">{}</a>", Text(name.as_ref()))?;
    }
    write!(page, "<span>/</span>{}", Text(here.as_ref()))
}

fn row(page: &mut String, entry: &Entry) -> fmt::Result {
    let (class, slash) = match entry.kind {
        Kind::Folder => (" class=\"d\"", "/"),
        Kind::File(_) => ("", ""),
    };
    write!(page, "<tr{class}><td>")?;
    name(page, &entry.name, slash)?;
    page.push_str("</td><td");
    match entry.kind {
        Kind::Folder => page.push('>'),
        Kind::File(bytes) => write!(page, " title=\"{bytes} bytes\">{}", Size(bytes))?,
    }
    page.push_str("</td><td>");
    if let Some(modified) = entry.modified {
        let Utc { year, month, day, hour, minute, .. } = modified.into();
        write!(page, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")?;
    }
    page.push_str("</td></tr>\n");
    Ok(())
}

fn name(page: &mut String, name: &OsStr, slash: &str) -> fmt::Result {
    let Some(text) = name.to_str() else {
        // `ServeDir` takes no path that is not UTF-8.
        let text = name.to_string_lossy();
        return write!(page, "<bdi title=\"not UTF-8: has no URL\">{}{slash}</bdi>", Text(&text));
    };
    // The dot keeps a colon in a name from being taken for a scheme.
    let link = percent_encode(text.as_bytes(), SEGMENT);
    write!(page, "<a href=\"./{link}{slash}\"><bdi>{}{slash}</bdi></a>", Text(text))
}

fn summary(page: &mut String, listing: &Listing) -> fmt::Result {
    let (mut folders, mut files, mut bytes) = (0_u64, 0_u64, 0_u64);
    for entry in &listing.entries {
        match entry.kind {
            Kind::Folder => folders += 1,
            Kind::File(size) => (files, bytes) = (files + 1, bytes.saturating_add(size)),
        }
    }
    match (folders, files) {
        (0, 0) => page.push_str("This folder is empty."),
        (_, 0) => write!(page, "{}", Count(folders, "folder"))?,
        (0, _) => write!(page, "{}, {}", Count(files, "file"), Size(bytes))?,
        _ => {
            let (folders, files) = (Count(folders, "folder"), Count(files, "file"));
            write!(page, "{folders}, {files}, {}", Size(bytes))?;
        }
    }
    if listing.more > 0 {
        write!(page, ", and {} more that are not shown", listing.more)?;
    }
    Ok(())
}

/// A number of things.
struct Count(u64, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, thing) = self;
        write!(f, "{number} {thing}{}", if *number == 1 { "" } else { "s" })
    }
}

/// A text in HTML; control characters as their pictures, so that every name can be told.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            '\u{0}'..='\u{1f}' => {
                f.write_char(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'))
            }
            '\u{7f}'..='\u{9f}' => f.write_char('\u{fffd}'),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: Kind) -> Entry {
        Entry { name: name.into(), kind, modified: None }
    }

    #[test]
    fn names_are_escaped_in_text_and_in_links() {
        let odd = "<b>&\"a': 100% #?\n\u{202e}x";
        let listing =
            Listing { entries: vec![entry(odd, Kind::File(1))], more: 0, has_parent: false };
        let page = html(&listing, "/");
        let link = "href=\"./%3Cb%3E%26%22a%27%3A%20100%25%20%23%3F%0A%E2%80%AEx\"";
        assert!(page.contains(link), "{page}");
        assert!(page.contains("&lt;b&gt;&amp;&quot;a&#39;: 100% #?\u{240a}\u{202e}x</bdi>"));
        assert!(!page.contains("<b>"), "{page}");
    }

    #[test]
    fn breadcrumbs_lead_to_every_folder_above() {
        let page = html(&Listing { has_parent: true, ..Listing::default() }, "/a%20b/c/");
        assert!(page.contains("<a href=\"../../\">All files</a>"), "{page}");
        assert!(page.contains("<a href=\"../\">a b</a>"), "{page}");
        assert!(page.contains("<title>c</title>"), "{page}");
        assert!(page.contains("This folder is empty."), "{page}");
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let entries = vec![entry("a", Kind::Folder), entry("b", Kind::File(5))];
        let page = html(&Listing { entries, more: 7, has_parent: false }, "/");
        assert!(page.contains("1 folder, 1 file, 5 B, and 7 more that are not shown"), "{page}");
    }
}
