//! The report as a page to publish: one file, without scripts and without anything from elsewhere.

use std::fmt::Write as _;

use crate::{CaseReport, Report, Status};

impl Report {
    /// For browsers: a whole HTML page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut page = String::with_capacity(32 * 1024);
        let name = escaped(&self.network);
        // Writing to a string never fails, here and below.
        let _ = write!(page, "{HEAD}<title>{name}: conformance</title>\n<style>{STYLE}</style>\n");
        let (word, class) = if self.is_good() {
            ("keeps the contract", "passed")
        } else {
            ("breaks the contract", "failed")
        };
        let _ = write!(
            page,
            "<header>\n<p class=\"kit\">Dipole network library conformance</p>\n\
             <h1>{name} <span class=\"{class}\">{word}</span></h1>\n"
        );
        self.write_bar(&mut page);
        page.push_str("</header>\n<main>\n");
        for (letter, title) in GROUPS {
            let cases: Vec<_> =
                self.cases.iter().filter(|case| case.id.starts_with(*letter)).collect();
            if !cases.is_empty() {
                write_group(&mut page, title, &cases);
            }
        }
        let _ = write!(page, "</main>\n<footer>dipole-conformance {VERSION}</footer>\n</html>\n");
        page
    }

    /// How the cases divide, as a bar and in words.
    fn write_bar(&self, page: &mut String) {
        page.push_str("<div class=\"bar\">");
        for (status, class) in STATUSES {
            let count = self.count(status);
            if count > 0 {
                let _ = write!(page, "<i class=\"{class}\" style=\"flex:{count}\"></i>");
            }
        }
        page.push_str("</div>\n<p class=\"counts\">");
        for (status, class) in STATUSES {
            let (count, words) = (self.count(status), status.words());
            let _ = write!(page, "<span class=\"{class}\"><b>{count}</b> {words}</span> ");
        }
        page.push_str("</p>\n");
    }
}

const GROUPS: &[(char, &str)] = &[
    ('B', "Byte streams"),
    ('S', "Streams"),
    ('D', "Dialling"),
    ('L', "Listening and life cycle"),
];

const STATUSES: [(Status, &str); 3] =
    [(Status::Passed, "passed"), (Status::Failed, "failed"), (Status::NotApplicable, "absent")];

const VERSION: &str = env!("CARGO_PKG_VERSION");

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
                    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";

const STYLE: &str = "
:root { color-scheme: light dark; --ink: light-dark(#1b1f24, #e6e8eb); --soft: light-dark(#656d76, #98a1ab);
  --line: light-dark(#e3e6ea, #2c3137); --page: light-dark(#fff, #14171a);
  --passed: light-dark(#1a7f4b, #4cc38a); --failed: light-dark(#c62a2f, #ff6369); --absent: light-dark(#b0b7bf, #555d66) }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1.2rem }
h1 span { font-weight: 400 }
h2 { font-size: 1.05rem; margin: 2.4rem 0 .5rem; display: flex; justify-content: space-between }
h2 small { font-weight: 400; color: var(--soft) }
.kit, footer { color: var(--soft); font-size: .85rem; margin: 0 0 .3rem }
footer { margin-top: 3rem }
.bar { display: flex; gap: 2px; height: .6rem; border-radius: .3rem; overflow: hidden }
.bar i.passed { background: var(--passed) } .bar i.failed { background: var(--failed) } .bar i.absent { background: var(--absent) }
.counts span { margin-right: 1.4rem }
.passed { color: var(--passed) } .failed { color: var(--failed) } .absent { color: var(--soft) }
ul { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line) }
li { display: grid; grid-template-columns: 3.2rem 1fr 7.5rem; gap: .8rem; padding: .5rem 0; border-bottom: 1px solid var(--line) }
li code { font: 600 .85rem/1.75 ui-monospace, monospace }
li p { margin: 0 } li > span { text-align: right; font-size: .85rem; line-height: 1.75 }
li p.detail { font-size: .85rem; color: var(--soft); overflow-wrap: anywhere }
li.failed { color: inherit; background: color-mix(in srgb, var(--failed) 8%, transparent); box-shadow: -.6rem 0 0 color-mix(in srgb, var(--failed) 8%, transparent), .6rem 0 0 color-mix(in srgb, var(--failed) 8%, transparent) }
li.failed > span, li.failed code { color: var(--failed) }
li.absent p:first-child { color: var(--soft) }
@media (max-width: 34rem) { li { grid-template-columns: 3rem 1fr } li > span { grid-column: 2; text-align: left } }
";

fn write_group(page: &mut String, title: &str, cases: &[&CaseReport]) {
    let passed = cases.iter().filter(|case| case.status == Status::Passed).count();
    let of = cases.len();
    let _ = write!(page, "<h2>{title} <small>{passed} of {of} passed</small></h2>\n<ul>\n");
    for case in cases {
        let (class, words) = match case.status {
            Status::Passed => ("ok", "<span class=\"passed\">passed</span>"),
            Status::Failed => ("failed", "<span>failed</span>"),
            Status::NotApplicable => ("absent", "<span>not applicable</span>"),
        };
        let (id, sentence) = (escaped(&case.id), escaped(&case.sentence));
        let _ = write!(
            page,
            "<li class=\"{class}\" id=\"{id}\"><code>{id}</code><div><p>{sentence}</p>"
        );
        if !case.detail.is_empty() {
            let lacks = if case.status == Status::NotApplicable { "it lacks: " } else { "" };
            let _ = write!(page, "<p class=\"detail\">{lacks}{}</p>", escaped(&case.detail));
        }
        let _ = writeln!(page, "</div>{words}</li>");
    }
    page.push_str("</ul>\n");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_every_case_and_trusts_no_text() {
        let case = |id: &str, status, detail: &str| CaseReport {
            id: id.into(),
            sentence: "n < k & so on".into(),
            status,
            detail: detail.into(),
        };
        let cases = vec![
            case("B1", Status::Passed, ""),
            case("B13", Status::Failed, "<script>"),
            case("L6", Status::NotApplicable, "descriptors"),
        ];
        let page = Report { network: "a \"b\"".into(), cases }.to_html();
        for part in [
            "a &quot;b&quot;",
            "breaks the contract",
            "n &lt; k &amp; so on",
            "&lt;script&gt;",
            "it lacks: descriptors",
            "id=\"B13\"",
            "<b>1</b> failed",
            "Listening and life cycle",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("<script") && !page.contains("http"));
    }
}
