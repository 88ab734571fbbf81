//! `dipole serve`: listings of folders.

use std::os::unix::fs::symlink;

use crate::support::{Answer, Folder, Serving, get};

/// The links of a listing, in their order.
fn links(listing: &Answer) -> Vec<&str> {
    listing.text().split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_link_leads_to_what_it_names() {
    let folder = Folder::with(&[
        ("file 10.txt", b"ten"),
        ("file 9.txt", b"nine"),
        ("Übung & <b>\"x\"?#%41.txt", b"odd"),
        ("javascript:alert(1)", b"scheme"),
        (".hidden", b"hidden"),
        ("zoo/inner.txt", b"inner"),
    ]);
    let serving = Serving::start(folder.argument(), &[]);
    let listing = get(serving.addr(), "/", &[]);
    assert_eq!(listing.header("content-type"), Some("text/html; charset=utf-8"));
    let bodies: Vec<_> = links(&listing)
        .iter()
        .map(|link| {
            let target = link.strip_prefix('.').expect("a relative link");
            let answer = get(serving.addr(), target, &[]);
            assert_eq!(answer.status, 200, "{target}");
            if target.ends_with('/') { "a folder".into() } else { answer.text().to_owned() }
        })
        .collect();
    assert_eq!(bodies, ["a folder", "nine", "ten", "scheme", "odd"]);
    assert!(listing.text().contains("Übung &amp; &lt;b&gt;&quot;x&quot;?#%41.txt"));
    assert!(!listing.text().contains("hidden"), "{}", listing.text());
    assert!(listing.text().contains("1 folder, 4 files, 16 B"), "{}", listing.text());
}

#[test]
fn a_listing_leads_back_up() {
    let folder = Folder::with(&[("a b/c/file.txt", b"x")]);
    let serving = Serving::start(folder.argument(), &[]);
    let listing = get(serving.addr(), "/a%20b/c/", &[]);
    assert_eq!(links(&listing), ["../../", "../", "../", "./file.txt"]);
    assert_eq!(links(&get(serving.addr(), "/", &[])), ["./a%20b/"]);
    let doubled = get(serving.addr(), "//a%20b//c/", &[]);
    assert_eq!((doubled.status, doubled.header("location")), (307, Some("/a%20b/c/")));
}

#[test]
fn a_listing_does_not_leave_the_folder() {
    let folder = Folder::with(&[("outside/secret", b"x"), ("inside/real/file", b"y")]);
    let inside = folder.path("inside");
    symlink(folder.path("outside"), inside.join("way-out")).expect("a link");
    symlink(folder.path("outside/secret"), inside.join("linked-file")).expect("a link");
    symlink("real", inside.join("way-in")).expect("a link");
    symlink("nowhere", inside.join("broken")).expect("a link");
    let serving = Serving::start(inside.to_str().expect("it is UTF-8"), &[]);
    let listing = get(serving.addr(), "/", &[]);
    assert_eq!(links(&listing), ["./real/", "./way-in/", "./linked-file"]);
    assert_eq!(get(serving.addr(), "/way-out/", &[]).status, 404);
    assert_eq!(links(&get(serving.addr(), "/way-in/", &[])), ["../", "../", "./file"]);
}

#[test]
fn a_big_folder_is_shown_in_part() {
    let folder = Folder::new();
    for number in 0..5003 {
        folder.write(&format!("{number}.txt"), b"");
    }
    let serving = Serving::start(folder.argument(), &[]);
    let listing = get(serving.addr(), "/", &[]);
    assert_eq!(links(&listing).len(), 5000);
    assert!(listing.text().contains("4999.txt") && !listing.text().contains("5000.txt"));
    assert!(listing.text().contains("5000 files, 0 B, and 3 more that are not shown"));
}

#[test]
fn an_empty_folder_says_so() {
    let folder = Folder::new();
    let serving = Serving::start(folder.argument(), &[]);
    assert!(get(serving.addr(), "/", &[]).text().contains("This folder is empty."));
}
